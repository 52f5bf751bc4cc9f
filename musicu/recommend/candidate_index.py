"""Candidates out of very many items: what is near a listener, without looking at all.

Up to :data:`LARGE` items, all are compared. Of more, the factors stand in cells
(:class:`musicu.search.cells.Cells`); so do the contents, drawn together to a few axes: the best by
these are compared exactly. Items that were added later stand in no cell and are all looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.items.fused_vectors import ItemVectors
from musicu.recommend.item_factors import ItemFactors
from musicu.search.cells import Cells

__all__ = ["LARGE", "CandidateIndex"]

Floats = NDArray[np.float32]
Positions = NDArray[np.intp]

LARGE = 50_000  # items up to which all are compared
_AXES = 64
_LEARNED_FROM = 1000  # items the axes are learned from
_ROUGH = 4  # rows compared exactly for each that is wanted
# Rows looked at for each that is wanted, and at least (measured: docs/recommend.md).
_LOOK, _LEAST = 32, 1024
_KEPT = 1 << 17  # items whose neighbors are remembered: 30 MB


@dataclass(frozen=True, eq=False)
class CandidateIndex:
    """Where to look for candidates among the first n items of a model.

    Attributes
    ----------
    factors : Cells
        Of their factors.
    contents : Cells
        Of their fused vectors on the axes, each measured in the item's own deviations.
    columns : np.ndarray [shape=(c,), int32]
        The columns of fused vectors that the axes are made of.
    axes : np.ndarray [shape=(c, a), float32]
    """

    factors: Cells
    contents: Cells
    columns: NDArray[np.int32]
    axes: Floats
    _near: dict[int, tuple[Positions, Floats]] = field(default_factory=dict, repr=False)

    @classmethod
    def build(cls, items: ItemFactors, vectors: ItemVectors, *, seed: int = 0) -> Self:
        """Learn the axes, and put all items into cells.

        Parameters
        ----------
        items : ItemFactors
        vectors : ItemVectors
            Fused vectors of the items.
        seed : int
            Of the centers.
        """
        sample = items.sampled.take(np.arange(len(items.sampled))[:_LEARNED_FROM])
        power, turn = np.linalg.eigh(sample.similarity(sample).astype(np.float64))
        kept = np.flatnonzero(power > 1e-6 * max(power[-1], 1e-30))[-_AXES:]
        turn = (turn[:, kept] / np.sqrt(power[kept])).astype(np.float32)
        cut = sample.dense.shape[1]
        named = np.unique(sample.sparse.indices)
        axes = np.concatenate([sample.dense.T @ turn, (sample.sparse.T @ turn)[named]])
        columns = np.concatenate([np.arange(cut), cut + named]).astype(np.int32)
        whole = np.zeros((vectors.dim, axes.shape[1]), dtype=np.float32)
        whole[columns] = axes
        contents = vectors.scores(whole.T) * items.inv_std[:][:, None]
        return cls(
            Cells.build(items.factors[:], seed=seed),
            Cells.build(contents, seed=seed),
            columns,
            axes,
        )

    @classmethod
    def of_many(
        cls, items: ItemFactors, vectors: ItemVectors, *, before: Self | None = None, seed: int = 0
    ) -> Self | None:
        """Return an index where there are many items; None where all are compared.

        Parameters
        ----------
        items, vectors, seed
            As for :meth:`build`.
        before : CandidateIndex, optional
            One of the first of these items. It will do until many have come since.
        """
        return (
            before
            if len(vectors) - len(before or ()) <= LARGE
            else cls.build(items, vectors, seed=seed)
        )

    def __len__(self) -> int:
        return len(self.factors)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all as arrays; :meth:`from_arrays` reads them."""
        parts = {"factors": self.factors, "contents": self.contents}
        named = {
            f"index_{part}_{name}": array
            for part, cells in parts.items()
            for name, array in cells.arrays().items()
        }
        return named | {"index_columns": self.columns, "index_axes": self.axes}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Make it of what :meth:`arrays` returned.

        Raises
        ------
        KeyError, MusicuError
            Something is missing, or does not fit the others.
        """
        factors, contents = (
            Cells.from_arrays(arrays, f"index_{part}_") for part in ("factors", "contents")
        )
        return cls(factors, contents, arrays["index_columns"], arrays["index_axes"])

    def by_factor(
        self,
        items: ItemFactors,
        factor: Floats,
        n: int,
        *,
        among: NDArray[np.bool_] | None = None,
    ) -> Positions:
        """Return items whose factors have large dot products with one, the best first.

        Parameters
        ----------
        items : ItemFactors
            Of all items, those added too.
        factor : np.ndarray [shape=(k,), float32]
        n : int >= 0
        among : np.ndarray [shape=(items,), bool], optional
            Which may be found.
        """
        look = max(_LOOK * n, _LEAST)
        if among is not None:
            # The rarer they are, the farther to look; a few are all looked at.
            count = int(np.count_nonzero(among))
            if count <= look:
                late = np.flatnonzero(among)
                return late[top_k(items.factors[late] @ factor, n)]
            look = min(look * len(among) // count, len(self))
        at, scores = self.factors.search(factor, n, look=look, among=among)
        if len(items.factors) == len(self):
            return at
        late = np.arange(len(self), len(items.factors))
        told = items.factors[len(self) :] @ factor
        if among is not None:
            late, told = late[among[late]], told[among[late]]
        both = np.concatenate([at, late])
        return both[top_k(np.concatenate([scores, told]), n)]

    def neighbors(self, items: ItemFactors, at: int, n: int) -> Positions:
        """Return items whose factors have large dot products with an item's, the best first.

        What the cells say of an item is the same for all who played it, and is kept.

        Parameters
        ----------
        items : ItemFactors
            Of all items, those added too.
        at : int
            Position of the item.
        n : int >= 0
        """
        factor = items.factors[at]
        if (found := self._near.get(at)) is None or len(found[0]) < n:
            look = max(_LOOK * n, _LEAST)
            found = self._near[at] = self.factors.search(factor, n, look=look)
            while len(self._near) > _KEPT:
                self._near.pop(next(iter(self._near)), None)
        best, scores = found[0][:n], found[1][:n]
        if len(items.factors) == len(self):
            return best
        late = np.arange(len(self), len(items.factors))
        both = np.concatenate([best, late])
        scores = np.concatenate([scores, items.factors[len(self) :] @ factor])
        return both[top_k(scores, n)]

    def by_content(
        self, items: ItemFactors, vectors: ItemVectors, queries: Floats, each: int
    ) -> Positions:
        """Return items like one of some queries, in the items' own deviations.

        Parameters
        ----------
        items : ItemFactors
        vectors : ItemVectors
            Fused vectors of all items, those added too.
        queries : np.ndarray [shape=(m, dim), float32]
        each : int >= 0
            How many of each query.

        Returns
        -------
        np.ndarray [shape=(k,), intp]
            Ascending, each once.
        """
        rough = queries[:, self.columns] @ self.axes
        look = max(_LOOK * each, _LEAST)
        seen = [self.contents.search(query, _ROUGH * each, look=look)[0] for query in rough]
        at = np.unique(np.concatenate([*seen, np.arange(len(self), len(vectors))]))
        scores = vectors.take(at).scores(queries).T * items.inv_std[at]
        return np.unique(np.concatenate([at[top_k(row, each)] for row in scores]))
