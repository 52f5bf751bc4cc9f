"""An array in pieces, one below the other: rows are added without copying those that are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["RowPieces", "gathered", "joined_lengths"]

Scalar = TypeVar("Scalar", bound=np.generic)


class RowPieces(Generic[Scalar]):
    """Rows that are read like those of one array.

    A piece is joined with the one before when it is half as long or longer, so that there are few
    pieces, and each row is copied few times (the way of log-structured merge trees: O'Neil et al.
    1996).

    Parameters
    ----------
    pieces : sequence of np.ndarray
        At least one; of one shape but for the number of rows. Kept, and not to be changed.

    Attributes
    ----------
    pieces : tuple of np.ndarray
        The same.
    starts : np.ndarray [shape=(pieces + 1,), intp]
        Position of the first row of each; the last is the number of all rows.

    Examples
    --------
    >>> rows = RowPieces([np.eye(3)]).extended(np.ones((1, 3)))
    >>> rows[[3, 0]].tolist(), len(rows.pieces)
    ([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]], 2)
    >>> (rows @ np.array([1.0, 2.0, 3.0])).tolist()
    [1.0, 2.0, 3.0, 6.0]
    """

    def __init__(self, pieces: Sequence[NDArray[Scalar]]) -> None:
        self.pieces = tuple(pieces)
        self.starts = np.cumsum([0, *map(len, self.pieces)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the whole."""
        return (len(self), *self.pieces[0].shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the whole: all rows, copied where there are several pieces."""
        whole = self.pieces[0] if len(self.pieces) == 1 else np.concatenate(self.pieces)
        return np.array(whole, dtype=dtype, copy=copy)

    def __getitem__(self, at: Any) -> Any:
        """Return the row at a position; the rows at several, or of a slice, as one array."""
        if isinstance(at, slice):
            start, stop, step = at.indices(len(self))
            if len(self.pieces) == 1:
                return self.pieces[0][start:stop:step]
            of = int(np.searchsorted(self.starts, start, side="right")) - 1
            if step == 1 and start < stop <= self.starts[of + 1]:  # a part of one piece
                return self.pieces[of][start - self.starts[of] : stop - self.starts[of]]
            at = np.arange(start, stop, step)
        chosen = np.asarray(at)
        if chosen.dtype == np.bool_:
            chosen = np.flatnonzero(chosen)
        if chosen.ndim == 0:
            (of,) = np.searchsorted(self.starts, [chosen], side="right") - 1
            return self.pieces[of][int(chosen) - self.starts[of]]
        if len(self.pieces) == 1:
            return self.pieces[0][chosen]
        return gathered(self.pieces, self.starts, chosen.astype(np.intp))

    def __matmul__(self, other: NDArray[Any]) -> NDArray[Any]:
        """Multiply every row with a vector, or with a matrix."""
        parts = [piece @ other for piece in self.pieces]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def extended(self, rows: NDArray[Scalar]) -> RowPieces[Scalar]:
        """Return these rows with others below them."""
        if not len(rows):
            return self
        lengths = joined_lengths([*map(len, self.pieces), len(rows)])
        pieces = [*self.pieces, rows]
        joined, first = [], 0
        for count in lengths:
            own = pieces[first : first + count]
            joined.append(own[0] if count == 1 else np.concatenate(own))
            first += count
        return RowPieces(joined)


def joined_lengths(lengths: Sequence[int]) -> list[int]:
    """Say which pieces to join: how many of them become each piece.

    Parameters
    ----------
    lengths : sequence of int
        Of the pieces; all but the last were joined before.

    Examples
    --------
    >>> joined_lengths([1000, 8, 3, 2])
    [1, 3]
    """
    count, last = 1, lengths[-1]
    while count < len(lengths) and lengths[-1 - count] <= 2 * last:
        last += lengths[-1 - count]
        count += 1
    return [1] * (len(lengths) - count) + [count]


def gathered(pieces: Sequence[Any], starts: NDArray[np.intp], at: NDArray[np.intp]) -> NDArray[Any]:
    """Return rows of several pieces [k, ...], in the order asked for.

    Parameters
    ----------
    pieces : sequence of np.ndarray
    starts : np.ndarray [shape=(pieces + 1,), intp]
    at : np.ndarray [shape=(k,), intp]
    """
    of = np.searchsorted(starts, at, side="right") - 1
    first = pieces[0]
    found = np.empty((len(at), *first.shape[1:]), dtype=first.dtype)
    for k in np.unique(of).tolist():
        own = of == k
        found[own] = pieces[k][at[own] - starts[k]]
    return found
