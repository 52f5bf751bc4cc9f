"""The largest dot products among very many rows, looked for where they are likely: in cells.

Rows are grouped around centers (k-means), and stored group by group. A query looks into the cells
whose centers it likes best until it has seen as many rows as it was allowed, and compares these
exactly (an inverted file: Jegou, Douze & Schmid, "Product quantization for nearest neighbor
search", PAMI 2011, without the quantization). What it costs does not grow with the number of rows,
and what lies in none of these cells is missed: where all has to be found, ask
:class:`musicu.catalog.nearest.Nearest`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.errors import MusicuError

__all__ = ["Cells"]

Floats = NDArray[np.float32]
Positions = NDArray[np.intp]

_STEPS = 8
_EACH = 64  # rows a cell that centers are learned from
_BLOCK = 8192


class Cells:
    """Rows in cells; make them with :meth:`build`.

    Parameters
    ----------
    centers : np.ndarray [shape=(cells, dim), float32]
    starts : np.ndarray [shape=(cells + 1,), int64]
        Where the rows of each begin, and those of the one before end.
    order : np.ndarray [shape=(n,), int32]
        The position that each row had before.
    rows : np.ndarray [shape=(n, dim), float32]
        Cell by cell.

    Raises
    ------
    MusicuError
        The arrays do not belong together.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((1000, 8), dtype=np.float32)
    >>> found, scores = Cells.build(rows).search(rows[7], 3, look=1000)
    >>> np.array_equal(found, np.argsort(-(rows @ rows[7]))[:3])
    True
    """

    def __init__(
        self,
        centers: Floats,
        starts: NDArray[np.int64],
        order: NDArray[np.int32],
        rows: Floats,
    ) -> None:
        if len(starts) != len(centers) + 1 or not len(order) == len(rows) == starts[-1]:
            raise MusicuError("cells and their rows do not belong together")
        self._centers, self._order, self._rows = centers, order, rows
        self._starts: NDArray[np.int64] = np.asarray(starts)

    @classmethod
    def build(cls, rows: Floats, *, cells: int | None = None, seed: int = 0) -> Self:
        """Group rows.

        Parameters
        ----------
        rows : np.ndarray [shape=(n, dim), float32]
            At least one.
        cells : int >= 1, optional
            How many; without it, the square root of their number.
        seed : int
            Of the rows that the centers begin with, and are learned from.
        """
        n = len(rows)
        count = max(min(cells or round(n**0.5), n), 1)
        drawn = np.random.default_rng(seed).permutation(n)[: _EACH * count]
        sample = rows[np.sort(drawn)]
        centers = sample[np.linspace(0, len(sample) - 1, count).astype(np.intp)].copy()
        for _ in range(_STEPS):
            of = _nearest(sample, centers)
            size = np.bincount(of, minlength=count)
            order = np.argsort(of, kind="stable")
            some = np.flatnonzero(size)
            first = np.concatenate([[0], np.cumsum(size)[:-1]])
            centers[some] = np.add.reduceat(sample[order], first[some]) / size[some, None]
        of = _nearest(rows, centers)
        order = np.argsort(of, kind="stable")
        starts = np.cumsum([0, *np.bincount(of, minlength=count)], dtype=np.int64)
        return cls(centers, starts, order.astype(np.int32), rows[order])

    def __len__(self) -> int:
        return len(self._order)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by their names as parameters."""
        return {
            "centers": self._centers,
            "starts": self._starts,
            "order": self._order,
            "rows": self._rows,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str) -> Self:
        """Make them of :meth:`arrays`, the names of which begin with a prefix.

        Raises
        ------
        KeyError
            One is not there.
        """
        return cls(*(arrays[prefix + name] for name in ("centers", "starts", "order", "rows")))

    def search(
        self,
        query: Floats,
        n: int,
        *,
        look: int,
        among: NDArray[np.bool_] | None = None,
    ) -> tuple[Positions, Floats]:
        """Find rows with large dot products.

        Parameters
        ----------
        query : np.ndarray [shape=(dim,), float32]
        n : int >= 0
            How many.
        look : int >= 1
            How many rows to look at, at least.
        among : np.ndarray [shape=(len(self),), bool], optional
            Which may be found, by the positions they had before.

        Returns
        -------
        positions : np.ndarray [shape=(k,), intp]
            The best first; fewer than `n` if no more were seen.
        scores : np.ndarray [shape=(k,), float32]
        """
        size = np.diff(self._starts)
        by = np.argsort(-(self._centers @ query), kind="stable")
        chosen = by[: int(np.searchsorted(np.cumsum(size[by]), look)) + 1]
        spans = [slice(*self._starts[cell : cell + 2].tolist()) for cell in chosen.tolist()]
        scores = np.concatenate([self._rows[span] @ query for span in spans])
        at = np.concatenate([self._order[span] for span in spans]).astype(np.intp)
        if among is not None:
            may = among[at]
            scores, at = scores[may], at[may]
        best = top_k(scores, n)
        return at[best], scores[best]


def _nearest(rows: Floats, centers: Floats) -> Positions:
    """Return which center is nearest to each row."""
    found = np.empty(len(rows), dtype=np.intp)
    half = np.square(centers).sum(axis=1) / 2
    for start in range(0, len(rows), _BLOCK):
        found[start : start + _BLOCK] = (rows[start : start + _BLOCK] @ centers.T - half).argmax(
            axis=1
        )
    return found
