"""Exact nearest vectors by cosine, many times as fast as to multiply with all of them.

All rows are compared roughly first, in 8 bits; how far off that can be is known. The best are then
compared exactly, which gives a score that the last one wanted has at least; and every other row
that might have it, by the bound, is compared exactly, too. So nothing is missed. (A scan of reduced
vectors with exact re-ranking: the VA-file of Weber, Schek & Blott, VLDB 1998.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicu.explore.shadow import Shadow

__all__ = ["Nearest"]

Array = NDArray[np.float32]
Found = tuple[NDArray[np.intp], Array]

# With fewer rows, to multiply with all of them takes no longer.
_SMALL = 4096
# Rows of a product in float32. BLAS adds up the last few rows of a matrix in another order than
# those before; padded to full groups, a row has one score, whichever rows stand around it.
_GROUP = 32
# Compared exactly: this many for each that is wanted, and some.
_EACH, _SOME = 4, 64
# Of so many times more rows it pays to have a rough look first.
_PAYS = 8


class Nearest:
    """Vectors, ready to be searched by any number of threads.

    Parameters
    ----------
    matrix : np.ndarray [shape=(n, dim), float32]
        Unit vectors; kept, not copied, and not to be changed.

    Attributes
    ----------
    matrix : np.ndarray
        The same.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.standard_normal((100, 8), dtype=np.float32)
    >>> rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    >>> [(positions, cosines)] = Nearest(rows).search(rows[7:8], 3)
    >>> int(positions[0])
    7
    """

    def __init__(self, matrix: Array) -> None:
        self.matrix = matrix
        self._shadow = Shadow(matrix) if len(matrix) >= _SMALL else None

    def __len__(self) -> int:
        return len(self.matrix)

    def search(
        self,
        queries: Array,
        n: int | Sequence[int],
        *,
        among: Sequence[NDArray[np.bool_] | None] | None = None,
    ) -> list[Found]:
        """Find the nearest rows to each of some queries.

        The order is that of :meth:`musicu.index.Index.ranked`: by the float32 cosine, and equal
        ones by position.

        Parameters
        ----------
        queries : np.ndarray [shape=(m, dim), float32]
            Unit vectors.
        n : int >= 0 or sequence of int
            How many, of all queries or each.
        among : sequence of (np.ndarray [shape=(n,), bool] or None), optional
            For each query the rows that may be found; None is all.

        Returns
        -------
        list of (np.ndarray [shape=(k,), intp], np.ndarray [shape=(k,), float32])
            Positions and cosines, the nearest first; fewer than `n` if there are no more.
        """
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        counts = [n] * len(queries) if isinstance(n, int) else n
        masks = [None] * len(queries) if among is None else among
        asked = list(zip(queries, counts, masks, strict=True))
        wide = [self._is_wide(count, mask) for _, count, mask in asked]
        if self._shadow is None or not any(wide):
            return [self._compare(*one) for one in asked]
        rough = iter(zip(*self._shadow.products(queries[wide]), strict=True))
        found = []
        for (query, count, mask), is_wide in zip(asked, wide, strict=True):
            if not is_wide:
                found.append(self._compare(query, count, mask))
                continue
            products, scale, bound = next(rough)
            if mask is not None:
                np.copyto(products, -np.inf, where=~mask)
            found.append(self._narrow(query, count, products, float(scale), float(bound)))
        return found

    def _is_wide(self, count: int, mask: NDArray[np.bool_] | None) -> bool:
        """Whether few are wanted of many, so that a rough look at all pays."""
        size = len(self.matrix) if mask is None else int(np.count_nonzero(mask))
        return count > 0 and size >= max(_SMALL, _PAYS * (_EACH * count + _SOME))

    def _narrow(
        self, query: Array, count: int, products: Array, scale: float, bound: float
    ) -> Found:
        """Find the nearest, given all rough products, which are to be scaled, and their bound."""
        high = _reached(products, _EACH * count + _SOME)
        rows = np.flatnonzero(products >= high)
        scores = self._scores(query, rows)
        # As many as are wanted have this score at least, so that less will not do.
        low = (float(np.partition(scores, -count)[-count]) - bound) / scale
        if low < high:
            more = np.flatnonzero((products >= low) & (products < high))
            rows, scores = np.append(rows, more), np.append(scores, self._scores(query, more))
        return _best(rows, scores, count)

    def _compare(self, query: Array, count: int, mask: NDArray[np.bool_] | None) -> Found:
        """Find the nearest by comparing all, or all that may be found, exactly."""
        rows = np.arange(len(self.matrix)) if mask is None else np.flatnonzero(mask)
        return _best(rows, self._scores(query, rows), count)

    def _scores(self, query: Array, rows: NDArray[np.intp]) -> Array:
        """Cosines of some rows."""
        n = len(self.matrix)
        if len(rows) <= n // 4:
            return self._gathered(query, rows)
        whole = n - n % _GROUP
        rest = self._gathered(query, np.arange(whole, n))
        scores: Array = np.append(self.matrix[:whole] @ query, rest)
        return scores if len(rows) == n else scores[rows]

    def _gathered(self, query: Array, rows: NDArray[np.intp]) -> Array:
        groups = np.zeros((-(-len(rows) // _GROUP) * _GROUP, len(query)), dtype=np.float32)
        np.take(self.matrix, rows, axis=0, out=groups[: len(rows)], mode="clip")
        scores: Array = (groups @ query)[: len(rows)]
        return scores


def _reached(products: Array, count: int) -> float:
    """Return a number that at least `count` products reach, or all that are finite.

    The maxima of groups of rows stand for all: a partial sort of a few is done sooner. Rows of a
    group lie far apart, for neighbors in a catalog are often of one album.
    """
    size = min(max(len(products) // (16 * count), 1), 32)
    width = len(products) // size
    heads = products[: size * width].reshape(size, width).max(axis=0)
    return max(float(np.partition(heads, -count)[-count]), float(np.finfo(np.float32).min))


def _best(rows: NDArray[np.intp], scores: Array, count: int) -> Found:
    """Sort the best by score, and equal ones by position."""
    if 0 < count < len(rows) // 4:  # the rest need no order
        best = np.flatnonzero(scores >= np.partition(scores, -count)[-count])
        rows, scores = rows[best], scores[best]
    order = np.lexsort((rows, -scores))[: max(count, 0)]
    return rows[order], scores[order]
