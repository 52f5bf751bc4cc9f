"""Exact nearest vectors by cosine; of many, many times as fast as to multiply with all of them.

All rows are compared approximately first, in 8 bits; how far off that can be is known. The best
are then compared exactly, which gives a score that the last one wanted has at least; and every
other row that might have it, by the bound, is compared exactly, too. So nothing is missed. (A scan
of reduced vectors with exact re-ranking: the VA-file of Weber, Schek & Blott, VLDB 1998.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Lock
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.catalog.int8 import GRAPH_BYTES, Int8Matrix

__all__ = ["Nearest", "SearchCosts", "growing_counts"]

Array = NDArray[np.float32]
Found = tuple[NDArray[np.intp], Array]

# Rows of a product in float32. BLAS adds up the last few rows of a matrix in another order than
# those before; padded to full groups, a row has one score, whichever rows stand around it.
_GROUP = 32


class SearchCosts(NamedTuple):
    """Numbers that decide how long a search takes, never what it finds.

    Attributes
    ----------
    small : int
        Fewer rows than these are all compared exactly: that takes no longer.
    copy_after : int
        Queries after which the 8-bit copy is made: it takes as long to make as these without it.
    each, extra : int
        Compared exactly: so many rows for each that is wanted, and some.
    worth : int
        The approximate scores are computed if there are so many times more rows than that.
    scores : int
        Approximate scores held at a time: 64 MB.
    graph_bytes : int
        Of one graph's matrix, see :class:`musicu.catalog.int8.Int8Matrix`.
    """

    small: int = 4096
    copy_after: int = 32
    each: int = 4
    extra: int = 64
    worth: int = 8
    scores: int = 1 << 24
    graph_bytes: int = GRAPH_BYTES


class Nearest:
    """Unit vectors to be searched, by any number of threads.

    Parameters
    ----------
    matrix : np.ndarray [shape=(n, dim), float32]
        Unit vectors; kept, not copied, and not to be changed.
    costs : SearchCosts or None
        When to compare approximately first.

    Attributes
    ----------
    matrix : np.ndarray
        The same.

    Examples
    --------
    >>> rows = np.eye(3, dtype=np.float32)
    >>> [(positions, cosines)] = Nearest(rows).search(rows[1:2], 2)
    >>> positions.tolist(), cosines.tolist()
    ([1, 0], [1.0, 0.0])
    """

    def __init__(self, matrix: Array, costs: SearchCosts | None = None) -> None:
        self.matrix = matrix
        self._costs = costs or SearchCosts()
        self._int8: Int8Matrix | None = None
        self._asked = 0
        self._making = Lock()

    def __len__(self) -> int:
        return len(self.matrix)

    def prepare(self) -> Self:
        """Make the 8-bit copy now, which the first queries else do without."""
        with self._making:
            if self._int8 is None and len(self) >= self._costs.small:
                self._int8 = Int8Matrix(self.matrix, self._costs.graph_bytes)
        return self

    def search(
        self,
        queries: Array,
        n: int | Sequence[int],
        *,
        among: Sequence[NDArray[np.bool_] | None] | None = None,
    ) -> list[Found]:
        """Find the nearest rows to each of some queries.

        The order is that of the float32 cosines; equal ones come by position.

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
        rough = self._approximate(queries[wide])
        found = []
        for (query, count, mask), is_wide in zip(asked, wide, strict=True):
            scores = next(rough, None) if is_wide else None
            if scores is None:
                found.append(self._compare(query, count, mask))
                continue
            products, scale, bound = scores
            if mask is not None:
                np.copyto(products, -np.inf, where=~mask)
            found.append(self._narrow(query, count, products, float(scale), float(bound)))
        return found

    def _is_wide(self, count: int, mask: NDArray[np.bool_] | None) -> bool:
        """Whether few are wanted of many, so that a rough look at all pays."""
        size = len(self.matrix) if mask is None else int(np.count_nonzero(mask))
        return count > 0 and size >= max(self._costs.small, self._costs.worth * self._near(count))

    def _near(self, count: int) -> int:
        """How many rows are compared exactly at first."""
        return self._costs.each * count + self._costs.extra

    def _approximate(self, queries: Array) -> Iterator[tuple[Array, np.float64, np.float64]]:
        """Yield each query's approximate scores, scale and bound; none without an 8-bit copy."""
        self._asked += len(queries)
        if self._int8 is None and self._asked >= self._costs.copy_after:
            self.prepare()
        if self._int8 is None:
            return
        portion = max(self._costs.scores // len(self.matrix), 1)
        for start in range(0, len(queries), portion):
            yield from zip(*self._int8.products(queries[start : start + portion]), strict=True)

    def _narrow(
        self, query: Array, count: int, products: Array, scale: float, bound: float
    ) -> Found:
        """Find the nearest, given all rough products, which are to be scaled, and their bound."""
        high = _reached(products, self._near(count))
        rows = np.flatnonzero(products >= high)
        scores = self.cosines(query, rows)
        # As many as are wanted have this score at least, so that less will not do.
        low = (float(np.partition(scores, -count)[-count]) - bound) / scale
        if low < high:
            more = np.flatnonzero((products >= low) & (products < high))
            rows, scores = np.append(rows, more), np.append(scores, self.cosines(query, more))
            order = np.argsort(rows)
            rows, scores = rows[order], scores[order]
        return _best(rows, scores, count)

    def _compare(self, query: Array, count: int, mask: NDArray[np.bool_] | None) -> Found:
        """Find the nearest by comparing all, or all that may be found, exactly."""
        rows = np.arange(len(self.matrix)) if mask is None else np.flatnonzero(mask)
        return _best(rows, self.cosines(query, rows), count)

    def cosines(self, query: Array, rows: NDArray[np.intp]) -> Array:
        """Return the cosines [k] float32 of a query [dim] with some rows, given by position."""
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


def growing_counts(n: int, most: int) -> Iterator[int]:
    """Yield how many neighbors to look for, until enough of them meet what is asked of them.

    Parameters
    ----------
    n : int >= 1
        The first number.
    most : int
        The last one, unless the first is greater.
    """
    yield n
    while n < most:
        n = min(8 * n, most)
        yield n


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
    """Choose the best of rows, which ascend, by score, and equal ones by position."""
    best = top_k(scores, count)
    return rows[best], scores[best]
