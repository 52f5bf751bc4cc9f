"""A recommender on disk: a folder of JSON and arrays, without pickle and without users.

All that a fit computes is kept, each array in a file of its own, which is mapped into memory and
read where it is asked for: a million items are there at once. Two processes share one copy.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import CatalogError, MetadataError, MusicuError
from musicu.files import open_file, written_folder
from musicu.items.fused_vectors import ItemVectors
from musicu.items.fusion import Fusion
from musicu.items.item import Items
from musicu.items.item_pieces import StoredItems, item_row
from musicu.items.stored_names import StoredNames
from musicu.items.vector_pieces import JoinedVectors
from musicu.recommend import storage_1
from musicu.recommend.als import Factors, ItemSums
from musicu.recommend.artist_links import ArtistLinks
from musicu.recommend.calibration import Calibration
from musicu.recommend.candidate_index import CandidateIndex
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.hyperparameters import Hyperparameters, named_as_stored, named_today
from musicu.recommend.item_factors import ItemFactors
from musicu.recommend.model_parts import learn_content_map
from musicu.recommend.preference import Preference
from musicu.recommend.ranking import Ranker
from musicu.recommend.stored_arrays import MAP, mapped_arrays, mapped_bytes, write_arrays
from musicu.row_pieces import RowPieces

__all__ = ["check_folder", "load", "save"]

Arrays = dict[str, NDArray[Any]]

_FORMAT = 2
_FILES = {"recommender.json", "items.jsonl", "fusion.npz", *storage_1.FILES}
_PIECES = ("factors", "content", "scale", "inv_std")  # of ItemFactors


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
    there = set(os.listdir(name)) if os.path.isdir(name) else {""}
    arrays = {file for file in there if file.endswith(".npy") and "recommender.json" in there}
    if there - _FILES - arrays:
        raise CatalogError(f"{name}: holds other things than a recommender: name a new folder")
    if there and not force:
        raise CatalogError(f"{name}: a recommender is there: --force replaces it")


def save(
    model: FittedModel, ranker: Ranker | None, folder: str | os.PathLike[str], *, force: bool
) -> None:
    """Write a recommender, whole or not at all; see :meth:`Recommender.save`."""
    check_folder(folder, force=force)
    settings = vars(model.settings) | {"weights": dict(model.settings.weights)}
    arrays = _arrays(model)
    about = {
        "musicu_recommender": _FORMAT,
        "parameters": named_as_stored(settings),
        "given": model.n_given,
        "floor": model.als.floor,
        "regularization": model.als.regularization,
        "heard_items": model.als.sums.count,
        "usual_length": model.item_factors.usual_length,
        "ranker": ranker and ranker.to_dict(),
        "calibration": model.calibration and model.calibration.to_dict(),
        "weights": model.vectors.weights,
        "slices": {field: [one.start, one.stop] for field, one in model.vectors.slices.items()},
        "columns": model.vectors.sparse.shape[1],
        "preference_mean": model.preference and model.preference.mean,
        "arrays": sorted({*arrays, "items_line_ends"}),
    }
    try:
        with written_folder(folder) as draft:
            (draft / "recommender.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
            ends = _write_items(model.items, draft / "items.jsonl")
            model.fusion.save(draft / "fusion.npz")
            write_arrays(draft, arrays | {"items_line_ends": ends})
    except OSError as error:
        raise CatalogError(f"{folder}: {error.strerror or 'cannot be written'}") from error


def _write_items(items: Items, path: Path) -> NDArray[np.int64]:
    """Write a line an item; return where each begins and the one before ends."""
    ends = [0]
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        for item in items:  # ASCII: characters are bytes
            ends.append(ends[-1] + file.write(json.dumps(item_row(item)) + "\n"))
    return np.array(ends, dtype=np.int64)


def _arrays(model: FittedModel) -> Arrays:
    items, vectors = model.item_factors, model.vectors
    arrays: Arrays = {
        "audio": model.items.audio,
        "heard": model.items.heard,
        "listeners": model.listeners,
        "als": model.als.items,
        "als_power": model.als.sums.power,
        "sample": items.sample,
        "mean": items.mean,
        "vectors_present": vectors.present,
        "vectors_dense": vectors.dense,
        "vectors_data": vectors.sparse.data,
        "vectors_indices": vectors.sparse.indices,
        "vectors_indptr": vectors.sparse.indptr,
    }
    arrays |= {name: np.asarray(getattr(items, name)) for name in _PIECES}
    names = StoredNames.of(model.items.ids).arrays()
    arrays |= {f"items_{name}": array for name, array in names.items()} | model.artists.arrays()
    if model.preference is not None:
        arrays["preference"] = model.preference.weights
    if model.index is not None:
        arrays |= model.index.arrays()
    return arrays | {MAP + key.hex(): learned for key, learned in model.content_map.maps.items()}


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
        stored = storage_1.load_model if about["musicu_recommender"] == 1 else _load_model
        model = stored(path, about, aliases)
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


def _load_model(path: Path, about: Mapping[str, Any], aliases: Mapping[str, str]) -> FittedModel:
    from scipy.sparse import csr_array

    arrays = mapped_arrays(path, about["arrays"], columns=int(about["columns"]))
    settings = Hyperparameters(**named_today(about["parameters"]))
    items = _items(path, arrays, aliases)
    of_sparse = tuple(arrays[f"vectors_{name}"] for name in ("data", "indices", "indptr"))
    vectors = ItemVectors(
        StoredNames.from_arrays(arrays, "items_"),
        {field: float(weight) for field, weight in about["weights"].items()},
        arrays["vectors_present"],
        arrays["vectors_dense"],
        csr_array(of_sparse, shape=(len(items), int(about["columns"]))),
        {field: slice(*ends) for field, ends in about["slices"].items()},
    )
    power = ItemSums(np.array(arrays["als_power"]), max(int(about["heard_items"]), 0))
    als = Factors(
        np.zeros((0, arrays["als"].shape[1]), dtype=np.float32),
        arrays["als"],
        floor=float(about["floor"]),
        regularization=float(about["regularization"]),
        sums=power,
    )
    rows = JoinedVectors([vectors])
    maps = {
        bytes.fromhex(name.removeprefix(MAP)): array
        for name, array in arrays.items()
        if name.startswith(MAP)
    }
    pieces = {name: RowPieces([arrays[name]]) for name in _PIECES}
    _check_fields(vectors)
    said = arrays.get("preference")
    return FittedModel(
        settings=settings,
        items=items,
        n_given=int(about["given"]),
        interactions=None,
        als=als,
        fusion=Fusion.load(path / "fusion.npz"),
        vectors=rows,
        listeners=arrays["listeners"],
        content_map=learn_content_map(settings, rows, als, arrays["listeners"], maps),
        item_factors=ItemFactors(
            **pieces,
            mean=arrays["mean"],
            sample=arrays["sample"],
            sampled=vectors.take(arrays["sample"]),
            usual_length=float(about["usual_length"]),
            length_debias=settings.length_debias,
        ),
        artists=ArtistLinks.from_arrays(arrays),
        index=CandidateIndex.from_arrays(arrays) if "index_columns" in arrays else None,
        preference=None if said is None else Preference(said, float(about["preference_mean"])),
    )


def _check_fields(vectors: ItemVectors) -> None:
    """Make sure that the fields have all columns between them, the dense ones first."""
    spans = sorted((one.start, one.stop) for one in vectors.slices.values())
    ends = [0, *(stop for _, stop in spans)]
    whole = [start for start, _ in spans] == ends[:-1] and ends[-1] == vectors.dim
    split = vectors.dense.shape[1] in ends
    fields = vectors.slices.keys() == vectors.weights.keys()
    if not whole or not split or not fields or vectors.present.shape[1] != len(spans):
        raise MetadataError("fields and columns do not fit each other")


def _items(path: Path, arrays: Arrays, aliases: Mapping[str, str]) -> StoredItems:
    """Return the items by their ids of today; of two that are one by now, the second keeps its."""
    names = StoredNames.from_arrays(arrays, "items_")
    found = ((names.get(old), now) for old, now in aliases.items() if now not in names)
    taken: set[str] = set()
    renamed = {}
    for at, now in sorted((at, now) for at, now in found if at is not None):
        if now not in taken:
            taken.add(now)
            renamed[at] = now
    lines = mapped_bytes(path / "items.jsonl")
    ends = arrays["items_line_ends"]
    return StoredItems(names, lines, ends, arrays["audio"], arrays["heard"], renamed)
