"""A recommender on disk: a folder of JSON and arrays, without pickle and without users."""

from __future__ import annotations

import json
import os
import shutil
import uuid
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musicu.errors import CatalogError, MusicuError
from musicu.items.fusion import Fusion
from musicu.items.item import Item, Items
from musicu.listening.factors import Factors
from musicu.listening.ranker import Ranker
from musicu.metadata import Metadata

if TYPE_CHECKING:
    from musicu.listening.recommender import Recommender

__all__ = ["check_folder", "load", "save"]

_FORMAT = 1
_FILES = ("recommender.json", "items.jsonl", "fusion.npz", "arrays.npz")


def check_folder(folder: str | os.PathLike[str], *, force: bool = False) -> None:
    """Make sure that a recommender may be written there; asked before it is fitted, too.

    Raises
    ------
    CatalogError
        There is a recommender and `force` is not said, or there is something else.
    """
    name = os.fspath(folder)
    if not os.path.lexists(name):
        return
    if not os.path.isdir(name) or set(os.listdir(name)) - set(_FILES):
        raise CatalogError(f"{name}: holds other things than a recommender: name a new folder")
    if os.listdir(name) and not force:
        raise CatalogError(f"{name}: a recommender is there: --force replaces it")


def save(recommender: Recommender, folder: str | os.PathLike[str], *, force: bool) -> None:
    """Write a recommender, whole or not at all; see :meth:`Recommender.save`."""
    check_folder(folder, force=force)
    target = Path(os.path.abspath(folder))
    mark = uuid.uuid4().hex[:8]
    draft, before = (target.with_name(f".{target.name}.{mark}.{end}") for end in ("tmp", "old"))
    factors = recommender.factors
    about = {
        "musicu_recommender": _FORMAT,
        "parameters": {**recommender.get_params(), "weights": dict(recommender.weights)},
        "floor": factors.floor,
        "regularization": factors.regularization,
        "ranker": recommender.ranker and recommender.ranker.to_dict(),
    }
    try:
        draft.mkdir(parents=True)
        (draft / "recommender.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        with open(draft / "items.jsonl", "w", encoding="utf-8", errors="surrogateescape") as file:
            for item in recommender.items:
                row = {
                    "id": item.id,
                    "metadata": item.metadata.to_dict(),
                    "descriptors": dict(item.descriptors),
                    "tag_weights": dict(item.tag_weights),
                }
                file.write(json.dumps(row) + "\n")
        recommender.fusion.save(draft / "fusion.npz")
        with open(draft / "arrays.npz", "wb") as stream:
            np.savez_compressed(
                stream,
                audio=recommender.items.audio,
                listeners=recommender.listeners,
                factors=factors.items,
                projection=recommender.projection,
            )
        if target.exists():
            os.replace(target, before)
        os.replace(draft, target)
    except OSError as error:
        if before.exists() and not target.exists():
            os.replace(before, target)
        raise CatalogError(f"{folder}: {error.strerror or 'cannot be written'}") from error
    finally:
        for left in (draft, before):
            shutil.rmtree(left, ignore_errors=True)


def load(
    folder: str | os.PathLike[str],
) -> tuple[dict[str, Any], Ranker | None, dict[str, Any]]:
    """Read parameters, ranker, and what was learned, as attributes of a recommender."""
    path = Path(folder)
    if not (path / "recommender.json").is_file():
        raise CatalogError(f"no recommender in {os.fspath(folder)}: 'musicu fit' makes one")
    try:
        about = json.loads((path / "recommender.json").read_text(encoding="utf-8"))
        if about["musicu_recommender"] > _FORMAT:
            raise CatalogError(f"{folder}: saved by a newer musicu; upgrade musicu to load it")
        with open(path / "items.jsonl", encoding="utf-8", errors="surrogateescape") as lines:
            rows = [json.loads(line) for line in lines]
        with np.load(path / "arrays.npz", allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        items = Items(
            (
                Item(
                    row["id"],
                    Metadata.from_dict(row["metadata"]),
                    row["descriptors"],
                    row["tag_weights"],
                )
                for row in rows
            ),
            arrays["audio"],
        )
        state = {
            "items": items,
            "fusion": Fusion.load(path / "fusion.npz"),
            "listeners": arrays["listeners"],
            "projection": arrays["projection"],
            "factors": Factors(
                np.zeros((0, arrays["factors"].shape[1]), dtype=np.float32),
                arrays["factors"],
                floor=about["floor"],
                regularization=about["regularization"],
            ),
        }
        ranker = about["ranker"] and Ranker.from_dict(about["ranker"])
        return about["parameters"], ranker, state
    except CatalogError:
        raise
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, MusicuError) as error:
        raise CatalogError(f"{folder}: no recommender that can be read ({error})") from None
