"""Recommenders in the first format of their folder: parts that all else is computed from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from musicu.files import open_file
from musicu.items.fusion import Fusion
from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata
from musicu.recommend.als import Factors
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.hyperparameters import Hyperparameters, named_today
from musicu.recommend.preference import Preference

__all__ = ["FILES", "load_model"]

FILES = ("recommender.json", "items.jsonl", "fusion.npz", "arrays.npz")
_MAP = "map of fields "  # in the name of an array, before the set of fields


def load_model(path: Path, about: Mapping[str, Any], aliases: Mapping[str, str]) -> FittedModel:
    """Read what is in a folder, and compute what is not.

    Parameters
    ----------
    path : Path
        The folder.
    about : mapping
        What ``recommender.json`` says.
    aliases : mapping of str to str
        Earlier ids of items, each with today's.

    Raises
    ------
    OSError, ValueError, KeyError, TypeError, MusicuError
        It is damaged.
    """
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
    return FittedModel.assemble(
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
