"""Vectors that were exported from a catalog, or made elsewhere, and the items they belong to."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.files import open_file
from musicu.items.item import Items
from musicu.items.table import Source, read_items
from musicu.metadata.tables import Table
from musicu.metadata.values import one_text

__all__ = ["join_vectors", "read_items_with_vectors", "read_vectors"]

Floats = NDArray[np.float32]


def read_vectors(path: str | os.PathLike[str]) -> tuple[tuple[str, ...], Floats]:
    """Read what ``musicu catalog export`` writes: an id and a vector each.

    Parameters
    ----------
    path : str or path-like
        ``.npz`` with ``ids`` [n] and ``vectors`` [n, dim]; or a table (``.parquet``, ``.csv``,
        ``.jsonl``) with columns ``id`` and ``vector``, a list or a JSON list.

    Returns
    -------
    ids : tuple of str
    vectors : np.ndarray [shape=(n, dim), float32]
        As they are in the file.

    Raises
    ------
    MetadataError
        The file cannot be read, or what it holds is not one finite vector of the same length for
        each of some different ids.
    MissingExtraError
        Parquet without pyarrow.
    """
    name = os.fspath(path)
    ids, vectors = _read_npz(name) if Path(name).suffix.lower() == ".npz" else _read_table(name)
    if not ids or vectors.ndim != 2 or len(vectors) != len(ids):
        raise MetadataError(
            f"{name}: {len(ids):,} ids and vectors of shape {vectors.shape}: one vector an id "
            "is expected"
        )
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        raise MetadataError(f"{name}: the vector of {ids[broken[0]]!r} is not finite")
    first: dict[str, int] = {}
    for number, id in enumerate(ids):
        if first.setdefault(id, number) != number:
            raise MetadataError(f"{name}: two vectors are of {id!r}: keep one")
    return ids, vectors


def join_vectors(items: Items, ids: Sequence[str], vectors: Floats) -> Items:
    """Return the items with the vectors of their ids, and without any that they had before.

    Items without a vector count as not heard (:attr:`Items.heard`); vectors of ids that are no
    items are left out.

    Parameters
    ----------
    items : Items
    ids : sequence of str [length n]
    vectors : np.ndarray [shape=(n, dim), float32]

    Raises
    ------
    MetadataError
        No id is an item's.
    """
    position = {id: place for place, id in enumerate(items.ids)}
    known = [(position[id], row) for row, id in enumerate(ids) if id in position]
    if not known:
        raise MetadataError(
            f"none of {len(ids):,} vectors is of an item: the first vector is of {_first(ids)}, "
            f"the first item is {_first(items.ids)}; they must share their ids"
        )
    positions, rows = np.array(known).T
    audio = np.zeros((len(items), vectors.shape[1]), dtype=np.float32)
    audio[positions] = vectors[rows]
    return Items(items, audio)


def read_items_with_vectors(
    table: str | os.PathLike[str],
    schema: Mapping[str, str] | None = None,
    vectors: str | os.PathLike[str] | None = None,
) -> Source:
    """Read items from a table, and their vectors from a file of their own.

    Parameters
    ----------
    table : str or path-like
    schema : mapping of str to str, optional
        As for :func:`musicu.items.table.read_items`.
    vectors : str or path-like, optional
        As for :func:`read_vectors`; None leaves the items as the table has them.

    Returns
    -------
    Source

    Raises
    ------
    MetadataError
        A file cannot be read, or they share no id.
    """
    source = read_items(table, schema=schema)
    if vectors is None:
        return source
    return replace(source, items=join_vectors(source.items, *read_vectors(vectors)))


def _first(ids: Sequence[str]) -> str:
    return repr(ids[0]) if len(ids) else "nothing"


def _read_npz(path: str) -> tuple[tuple[str, ...], Floats]:
    try:
        # Opened here: np.load() leaves a file open that it cannot read.
        with open_file(path) as stream, np.load(stream, allow_pickle=False) as file:
            return tuple(file["ids"].astype(str).tolist()), file["vectors"].astype(np.float32)
    except KeyError as error:
        raise MetadataError(f"{path}: {error.args[0]}: it needs 'ids' and 'vectors'") from None
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, AttributeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MetadataError(f"{path}: no .npz file of ids and vectors ({reason})") from None


def _read_table(path: str) -> tuple[tuple[str, ...], Floats]:
    table = Table.open(path, lambda title: title in ("id", "vector"))
    ids: list[str] = []

    def vectors() -> Iterator[Floats]:
        dim = None
        for number, (id, cell) in table.rows(["id", "vector"]):
            try:
                vector = np.array(json.loads(cell) if isinstance(cell, str) else cell, dtype="f4")
            except (ValueError, TypeError):
                vector = np.empty(0, dtype=np.float32)
            dim = dim or vector.size
            if vector.ndim != 1 or not vector.size or vector.size != dim:
                raise MetadataError(
                    f"{path}: row {number}, column 'vector': a list of {dim or 'some'} numbers is "
                    f"expected, found {_short(cell)}"
                )
            try:
                ids.append(one_text(id))
            except ValueError:
                raise MetadataError(
                    f"{path}: row {number}, column 'id': an id is expected, one text; found {id!r}"
                ) from None
            yield vector

    rows = list(vectors())
    return tuple(ids), np.stack(rows) if rows else np.empty((0, 0), dtype=np.float32)


def _short(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 40 else f"{text[:37]}..."
