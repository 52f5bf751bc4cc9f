"""Fused vectors of many items, in one or more pieces, searched as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.items.fusion import ItemVectors

__all__ = ["FusedVectors"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Positions = NDArray[np.intp]


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
        # From the order of the pieces back to the one that was asked for.
        order = np.argsort(np.argsort(of, kind="stable"), kind="stable")
        return parts[0] if len(parts) == 1 else ItemVectors.joined(parts).take(order)
