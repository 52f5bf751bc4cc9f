"""Putting a snapshot together from pages; what the one before has is taken over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.nearest import Nearest
from musicu.catalog.store import StoredModel
from musicu.search.pages import MEASURES, Page
from musicu.search.snapshot import Snapshot

__all__ = ["LONGEST_TAIL", "build_snapshot"]

Array = NDArray[np.float32]
T = TypeVar("T")
S = TypeVar("S", bound=np.generic)

# More tracks than that beside the searched matrix, and another one is made.
LONGEST_TAIL = 5000


def build_snapshot(
    number: int,
    path: Path,
    model: StoredModel,
    pages: Sequence[Page],
    before: Snapshot | None,
    *,
    merge: bool,
) -> Snapshot:
    """Put pages together.

    Parameters
    ----------
    number, path, model
        As in the snapshot.
    pages : sequence of Page
        By row number.
    before : Snapshot or None
        The one before, whose search structure serves on as long as its tracks are the same.
    merge : bool
        Whether a long tail becomes part of another search structure, which takes its time.
    """
    ids = _strung(page.ids for page in pages)
    none = np.empty((0, model.dim), dtype=np.float32)
    base = before.nearest if before is not None and before.model == model else None
    if (
        base is None
        or not _fits(pages, base.matrix)
        or (merge and len(ids) > len(base) + LONGEST_TAIL)
    ):
        nearest, tail = Nearest(_matrix(pages, model.dim)).prepare(), Nearest(none)
    else:
        nearest, tail = base, Nearest(_after(pages, len(base), none))
    # An older snapshot may find tracks there that it does not have, and knows by their positions.
    grown = before is not None and ids[: len(before)] == before.ids
    places = before._places if before is not None and grown else {}
    known = len(before) if before is not None and grown else 0
    places.update(zip(ids[known:], range(known, len(ids)), strict=True))
    return Snapshot(
        number,
        path,
        model,
        _joined([page.tracks for page in pages], np.empty(0, dtype=np.int64)),
        ids,
        _strung(page.cards for page in pages),
        _strung(page.artists for page in pages),
        _joined([page.albums for page in pages], np.empty(0, dtype=np.int32)),
        _strung(page.texts for page in pages),
        nearest,
        tail,
        _joined([page.measures for page in pages], np.empty((0, len(MEASURES)), dtype=np.float32)),
        _strung(page.genres for page in pages),
        _strung(page.keys for page in pages),
        places,
    )


def _strung(lists: Iterable[list[T]]) -> list[T]:
    return list(chain.from_iterable(lists))


def _joined(arrays: list[NDArray[S]], none: NDArray[S]) -> NDArray[S]:
    return np.concatenate(arrays) if arrays else none


def _fits(pages: Sequence[Page], matrix: Array) -> bool:
    """Whether the first tracks have the vectors of a matrix; their pages hold parts of it then."""
    start = 0
    for page in pages:
        part = matrix[start : start + len(page.ids)]
        own = page.vectors[: len(part)]
        if _place(own) != _place(part) and own.tobytes() != part.tobytes():
            return False
        if len(part) == len(page.ids):
            page.vectors = part
        start += len(page.ids)
    return start >= len(matrix) > 0


def _place(array: Array) -> tuple[int, bool]:
    """Where in memory an array begins."""
    place: tuple[int, bool] = array.__array_interface__["data"]
    return place


def _after(pages: Sequence[Page], base: int, none: Array) -> Array:
    """Vectors of the tracks from a position on."""
    late, end = [], sum(len(page.ids) for page in pages)
    for page in reversed(pages):
        if end <= base:
            break
        end -= len(page.ids)
        late.append(page.vectors[max(base - end, 0) :])
    return _joined(late[::-1], none)


def _matrix(pages: Sequence[Page], dim: int) -> Array:
    """Join the pages' vectors; pages hold their part of the matrix then, not a second one."""
    matrix = np.empty((sum(len(page.ids) for page in pages), dim), dtype=np.float32)
    start = 0
    for page in pages:
        part = matrix[start : start + len(page.ids)]
        part[:] = page.vectors
        page.vectors = part
        start += len(part)
    return matrix
