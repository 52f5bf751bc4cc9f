"""A recommender on disk: a folder of JSON and arrays, without pickle and without users."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from musicu.errors import CatalogError, MusicuError
from musicu.files import open_file, written_folder
from musicu.items.fusion import Fusion
from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata
from musicu.recommend.als import Factors
from musicu.recommend.calibration import Calibration
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.hyperparameters import Hyperparameters, named_as_stored, named_today
from musicu.recommend.preference import Preference
from musicu.recommend.ranking import Ranker

__all__ = ["check_folder", "load", "save"]

_FORMAT = 1
_MAP = "map of fields "  # in the name of an array, before the set of fields
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


def save(
    model: FittedModel, ranker: Ranker | None, folder: str | os.PathLike[str], *, force: bool
) -> None:
    """Write a recommender, whole or not at all; see :meth:`Recommender.save`."""
    check_folder(folder, force=force)
    settings = vars(model.settings) | {"weights": dict(model.settings.weights)}
    about = {
        "musicu_recommender": _FORMAT,
        "parameters": named_as_stored(settings),
        "given": model.n_given,
        "floor": model.als.floor,
        "regularization": model.als.regularization,
        "ranker": ranker and ranker.to_dict(),
        "calibration": model.calibration and model.calibration.to_dict(),
    }
    arrays: dict[str, Any] = {
        "audio": model.items.audio,
        "listeners": model.listeners,
        "factors": model.als.items,
    }
    if model.preference is not None:
        arrays["preference"] = model.preference.weights
        about["preference_mean"] = model.preference.mean
    arrays |= {_MAP + key.hex(): learned for key, learned in model.content_map.maps.items()}
    try:
        with written_folder(folder) as draft:
            (draft / "recommender.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
            items = draft / "items.jsonl"
            with open(items, "w", encoding="utf-8", errors="surrogateescape") as file:
                for item in model.items:
                    row = {
                        "id": item.id,
                        "metadata": item.metadata.to_dict(),
                        "descriptors": dict(item.descriptors),
                        "tag_weights": dict(item.tag_weights),
                    }
                    file.write(json.dumps(row) + "\n")
            model.fusion.save(draft / "fusion.npz")
            with open(draft / "arrays.npz", "wb") as stream:
                np.savez_compressed(stream, **arrays)
    except OSError as error:
        raise CatalogError(f"{folder}: {error.strerror or 'cannot be written'}") from error


def load(
    folder: str | os.PathLike[str], aliases: Mapping[str, str]
) -> tuple[FittedModel, Ranker | None]:
    """Read a recommender; see :meth:`Recommender.load`."""
    path = Path(folder)
    if not (path / "recommender.json").is_file():
        raise CatalogError(f"no recommender in {os.fspath(folder)}: 'musicu fit' makes one")
    try:
        with open_file(path / "recommender.json", encoding="utf-8") as file:
            about = json.load(file)
        if about["musicu_recommender"] > _FORMAT:
            raise CatalogError(f"{folder}: saved by a newer musicu; upgrade musicu to load it")
        with open_file(path / "items.jsonl", encoding="utf-8", errors="surrogateescape") as lines:
            rows = [json.loads(line) for line in lines]
        # Of two items that are one by now, the second keeps its old id.
        ids = {row["id"] for row in rows}
        for row in rows:
            now = aliases.get(row["id"], row["id"])
            if now not in ids:
                ids.add(now)
                row["id"] = now
        # Opened here: np.load() leaves a file open that it cannot read.
        with (
            open_file(path / "arrays.npz") as stream,
            np.load(stream, allow_pickle=False) as stored,
        ):
            arrays = {name: stored[name] for name in stored.files}
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
        model = FittedModel.assemble(
            settings=Hyperparameters(**named_today(about["parameters"])),
            items=items,
            n_given=int(about["given"]),
            als=Factors(
                np.zeros((0, arrays["factors"].shape[1]), dtype=np.float32),
                arrays["factors"],
                floor=float(about["floor"]),
                regularization=float(about["regularization"]),
            ),
            fusion=Fusion.load(path / "fusion.npz"),
            listeners=arrays["listeners"],
            maps={
                bytes.fromhex(name.removeprefix(_MAP)): array
                for name, array in arrays.items()
                if name.startswith(_MAP)
            },
            preference=Preference(arrays["preference"], float(about["preference_mean"]))
            if "preference" in arrays
            else None,
        )
        if calibration := about.get("calibration"):
            model = replace(model, calibration=Calibration.from_dict(calibration))
        return model, about["ranker"] and Ranker.from_dict(about["ranker"])
    except CatalogError:
        raise
    except (
        OSError,
        EOFError,
        ValueError,
        LookupError,
        AttributeError,
        TypeError,
        RecursionError,
        zipfile.BadZipFile,
        MusicuError,
    ) as error:
        raise CatalogError(f"{folder}: no recommender that can be read ({error})") from None
