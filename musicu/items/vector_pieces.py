"""Fused vectors of items in pieces: more items are added without copying those that are there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.items.fused_vectors import FusedVectors, ItemVectors
from musicu.row_pieces import joined_lengths

__all__ = ["JoinedVectors"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]


class JoinedVectors(ItemVectors):
    """Rows of one fusion, in pieces that are read like one.

    What needs all rows as one array (:attr:`dense`, :attr:`sparse`, :meth:`keep`) copies them once.

    Parameters
    ----------
    pieces : sequence of ItemVectors
        Of one fusion, one below the other; at least one.

    Examples
    --------
    >>> items = Items(Item(f"t{i}", Metadata(genres=("jazz",))) for i in range(3))
    >>> rows = Fusion().fit(items).transform(items)
    >>> more = JoinedVectors([rows]).extended(rows.take([0]))
    >>> len(more), more.take([3, 1]).ids
    (4, ('t0', 't1'))
    """

    def __init__(self, pieces: Sequence[ItemVectors]) -> None:
        first = pieces[0]
        self.pieces = tuple(pieces)
        self._rows = FusedVectors(self.pieces)
        self.fields, self.weights, self.slices = first.fields, first.weights, first.slices
        self.dim = first.dim

    def extended(self, rows: ItemVectors) -> JoinedVectors:
        """Return these rows with others below them."""
        pieces, joined, first = [*self.pieces, rows], [], 0
        for count in joined_lengths([*map(len, pieces)]):
            own = pieces[first : first + count]
            joined.append(own[0] if count == 1 else ItemVectors.joined(own))
            first += count
        return JoinedVectors(joined)

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def ids(self) -> tuple[str, ...]:
        """Names of the rows."""
        return tuple(id for piece in self.pieces for id in piece.ids)

    @cached_property
    def _whole(self) -> ItemVectors:
        return self.pieces[0] if len(self.pieces) == 1 else ItemVectors.joined(self.pieces)

    def __getattr__(self, name: str) -> Any:
        """Return what all rows have, as one array: copied when it is asked for, once."""
        if name in {"present", "dense", "sparse", "_ids"}:
            return getattr(self._whole, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def take(self, positions: ArrayLike) -> ItemVectors:
        """Return the rows at some positions, in that order."""
        return self._rows.take(np.asarray(positions, dtype=np.intp))

    def query(self, weights: ArrayLike) -> Array:
        """Return a weighted sum of rows, or several: what a listener of these items would like."""
        w = np.asarray(weights, dtype=np.float32)
        at = np.flatnonzero(w if w.ndim == 1 else w.any(axis=0))
        return self.take(at).query(w[..., at])

    def scores(self, query: Array) -> Array:
        """Return the dot product of every row with a query, or with several."""
        return self._rows.scores(query)

    def similarity(self, other: ItemVectors) -> Array:
        """Return the dot products [shape=(n, len(other))] with the rows of `other`."""
        return np.concatenate([piece.similarity(other) for piece in self.pieces])

    def parts(self, query: Array, rows: slice = slice(None)) -> dict[str, Floats]:
        """Return what each field adds to the score of some rows; their sum is the score."""
        start, stop, _ = rows.indices(len(self))
        return self.take(np.arange(start, stop)).parts(query)

    def toarray(self) -> Array:
        """Return all rows in full [shape=(n, dim)]."""
        return np.concatenate([piece.toarray() for piece in self.pieces])
