"""Fused vectors: rows whose dot products are sums over fields; in one or more pieces, searched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.arrays import top_k

__all__ = ["FusedVectors", "ItemVectors"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Positions = NDArray[np.intp]


class ItemVectors:
    """Vectors of items, row by row; make them with :meth:`musicu.items.fusion.Fusion.transform`.

    Row i holds, for each field f that item i has, ``sqrt(w_f / W_i)`` times the field's unit row,
    where ``W_i`` is the sum of the weights of the fields it has: the row's length is 1, and a
    field that is missing takes no part and leaves its weight to the others. An item that has
    none is a row of zeros.

    Parameters
    ----------
    ids : iterable of str
    weights : mapping of str to float > 0
        The fields, and the weight of each.
    present : np.ndarray [shape=(n, fields), bool]
    dense : np.ndarray [shape=(n, D1), float32]
    sparse : scipy.sparse.csr_array [shape=(n, D2), float32]
    slices : mapping of str to slice
        Where each field lies in ``[dense, sparse]``.

    Attributes
    ----------
    ids, fields : tuple of str
        Names of rows, and of fields.
    weights, present, dense, sparse, slices
        As given.
    dim : int
        D1 + D2.
    """

    def __init__(
        self,
        ids: Iterable[str],
        weights: Mapping[str, float],
        present: NDArray[np.bool_],
        dense: Array,
        sparse: Any,
        slices: Mapping[str, slice],
    ) -> None:
        # A few rows out of a million are taken often, and their names are seldom asked for.
        self._ids = ids if isinstance(ids, Sequence) else tuple(ids)
        self.fields = tuple(weights)
        self.weights = dict(weights)
        self.present = present
        self.dense = dense
        self.sparse = sparse
        self.slices = dict(slices)
        self.dim = dense.shape[1] + sparse.shape[1]

    @property
    def ids(self) -> tuple[str, ...]:
        """Names of the rows."""
        return tuple(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __repr__(self) -> str:
        return f"ItemVectors({len(self):,} of {self.dim:,} dimensions: {', '.join(self.fields)})"

    def take(self, positions: ArrayLike) -> ItemVectors:
        """Return the rows at some positions, in that order."""
        at = np.asarray(positions, dtype=np.intp)
        rows = self.present[at], self.dense[at], self.sparse[at]
        return ItemVectors(_Picked(self._ids, at), self.weights, *rows, self.slices)

    def keep(self, present: NDArray[np.bool_]) -> ItemVectors:
        """Return the rows as if only some of their fields had been there.

        Parameters
        ----------
        present : np.ndarray [shape=(n, fields), bool]
            What stays; what is missing cannot be brought back.
        """
        from scipy.sparse import csr_array

        kept = present & self.present
        w = np.array(list(self.weights.values()))
        before, after = (self.present * w).sum(axis=1), (kept * w).sum(axis=1)
        grown = np.sqrt(before / np.where(after > 0, after, 1))
        scale = np.where(kept, grown[:, None], 0).astype(np.float32)
        of_column = self._field_of_column()
        cut = self.dense.shape[1]
        row = np.repeat(np.arange(len(self)), np.diff(self.sparse.indptr))
        data = self.sparse.data * scale[row, of_column[cut + self.sparse.indices]]
        sparse = csr_array((data, self.sparse.indices, self.sparse.indptr), self.sparse.shape)
        dense = self.dense * scale[:, of_column[:cut]]
        return ItemVectors(self._ids, self.weights, kept, dense, sparse, self.slices)

    def query(self, weights: ArrayLike) -> Array:
        """Return a weighted sum of rows: what a listener of these items would like.

        Parameters
        ----------
        weights : array-like [shape=(n,) or (m, n)]
            One weight a row; or those of several sums.

        Returns
        -------
        np.ndarray [shape=(dim,) or (m, dim), float32]
        """
        w = np.asarray(weights, dtype=np.float32)
        at = np.flatnonzero(w if w.ndim == 1 else w.any(axis=0))
        told = w[..., at]
        return np.concatenate([told @ self.dense[at], (self.sparse[at].T @ told.T).T], axis=-1)

    def scores(self, query: Array) -> Array:
        """Return the dot product of every row with a query.

        Parameters
        ----------
        query : np.ndarray [shape=(dim,) or (m, dim)]

        Returns
        -------
        np.ndarray [shape=(n,) or (n, m), float32]
        """
        q = np.asarray(query, dtype=np.float32).T
        cut = self.dense.shape[1]
        return np.asarray(self.dense @ q[:cut] + self.sparse @ q[cut:])

    def similarity(self, other: ItemVectors) -> Array:
        """Return the dot products [shape=(n, len(other))] with the rows of `other`."""
        return np.asarray(
            self.dense @ other.dense.T + (self.sparse @ other.sparse.T).toarray(), dtype=np.float32
        )

    def parts(self, query: Array, rows: slice = slice(None)) -> dict[str, Floats]:
        """Return what each field adds to the score of some rows; their sum is the score.

        Parameters
        ----------
        query : np.ndarray [shape=(dim,)]
        rows : slice
            Of step 1; by default all rows.

        Returns
        -------
        dict of str to np.ndarray [shape=(n,), float64]
            In double precision, so that whoever adds the parts up finds the score.
        """
        start, stop, _ = rows.indices(len(self))
        q = np.asarray(query, dtype=np.float64)
        n, cut, fields = stop - start, self.dense.shape[1], len(self.fields)
        dense = self.dense[start:stop] * q[:cut]
        ends = self.sparse.indptr[start : stop + 1]
        columns = cut + self.sparse.indices[ends[0] : ends[-1]]
        products = self.sparse.data[ends[0] : ends[-1]] * q[columns]
        place = np.repeat(np.arange(n) * fields, np.diff(ends)) + self._field_of_column()[columns]
        sparse = np.bincount(place, products, n * fields).reshape(n, fields).astype(np.float64)
        spans = ((field, self.slices[field]) for field in self.fields)
        return {
            field: dense[:, span].sum(axis=1) if span.stop <= cut else sparse[:, at]
            for at, (field, span) in enumerate(spans)
        }

    def _field_of_column(self) -> NDArray[np.intp]:
        """Place of each column's field among the fields."""
        width = [self.slices[field].stop - self.slices[field].start for field in self.fields]
        order = sorted(range(len(width)), key=lambda at: self.slices[self.fields[at]].start)
        return np.repeat(np.array(order, dtype=np.intp), [width[at] for at in order])

    def contributions(self, query: Array, row: int) -> dict[str, float]:
        """Return what each field adds to the score of a row; the sum is the score."""
        parts = self.parts(query, slice(row, row + 1))
        return {field: float(part[0]) for field, part in parts.items()}

    @classmethod
    def joined(cls, parts: Sequence[ItemVectors]) -> ItemVectors:
        """Return the rows of one or more parts, of one fusion, one below the other."""
        from scipy.sparse import csr_array, vstack

        return ItemVectors(
            (id for part in parts for id in part.ids),
            parts[0].weights,
            np.concatenate([part.present for part in parts]),
            np.concatenate([part.dense for part in parts]),
            csr_array(vstack([part.sparse for part in parts], format="csr"), dtype=np.float32),
            parts[0].slices,
        )

    def toarray(self) -> Array:
        """Return all rows in full [shape=(n, dim)]."""
        return np.concatenate([self.dense, self.sparse.toarray()], axis=1)


class _Picked(Sequence[str]):
    """Some of many names, looked up when they are asked for."""

    def __init__(self, names: Sequence[str], at: Positions) -> None:
        self._names, self._at = names, at

    def __len__(self) -> int:
        return len(self._at)

    def __getitem__(self, position: Any) -> Any:
        return self._names[int(self._at[position])]


class FusedVectors:
    """Fused vectors, ready to be searched.

    Parameters
    ----------
    pieces : sequence of ItemVectors
        Of one fusion, one below the other; at least one.

    Attributes
    ----------
    pieces : tuple of ItemVectors
        The same.
    starts : np.ndarray [shape=(pieces + 1,), intp]
        Position of the first row of each; the last is the number of all rows.
    """

    def __init__(self, pieces: Sequence[ItemVectors]) -> None:
        self.pieces = tuple(pieces)
        self.starts = np.cumsum([0, *map(len, pieces)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def scores(self, query: Array) -> Array:
        """Return the dot products [n] of all rows with a query [dim]."""
        return np.concatenate([piece.scores(query) for piece in self.pieces])

    def nearest(
        self, query: Array, n: int, among: NDArray[np.bool_] | None = None
    ) -> tuple[Positions, Floats]:
        """Find the rows with the largest dot products.

        Parameters
        ----------
        query : np.ndarray [shape=(dim,), float32]
        n : int >= 0
            How many; fewer if there are no more.
        among : np.ndarray [shape=(len(self),), bool] or None
            The rows that may be found; None is all.

        Returns
        -------
        positions : np.ndarray [shape=(k,), intp]
            The best first, and equal ones by position.
        scores : np.ndarray [shape=(k,), float64]
            The sums of :meth:`parts`.
        """
        rough = self.scores(query)
        if among is not None:
            rough[~among] = -np.inf
            n = min(n, int(among.sum()))
        best = np.sort(top_k(rough, n))
        scores = np.add.reduce(list(self.parts(query, best).values()))
        order = top_k(scores, len(scores))
        return best[order], scores[order]

    def parts(self, query: Array, positions: Sequence[int] | Positions) -> dict[str, Floats]:
        """Return what each field adds to the score of some rows [k]; the sum is the score."""
        return self.take(positions).parts(query)

    def take(self, positions: Sequence[int] | Positions) -> ItemVectors:
        """Return the rows at some positions, in that order."""
        at: Positions = np.array(positions, dtype=np.intp)
        of = np.searchsorted(self.starts, at, side="right") - 1
        parts = [
            piece.take(at[of == k] - self.starts[k])
            for k, piece in enumerate(self.pieces)
            if (of == k).any()
        ]
        if not parts:
            return self.pieces[0].take([])
        if len(parts) > 1 and not (np.diff(of) < 0).any():
            return ItemVectors.joined(parts)
        # From the order of the pieces back to the one that was asked for.
        order = np.argsort(np.argsort(of, kind="stable"), kind="stable")
        return parts[0] if len(parts) == 1 else ItemVectors.joined(parts).take(order)
