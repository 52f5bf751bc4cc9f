"""How well lists find what they should: recall, NDCG, MRR, MAP, precision, hits, ERR.

A list is a row of item positions, best first; -1 means nothing was recommended there. What a list
should find is a row of booleans. A query is a listener and the items are tracks; turned around, a
query is a new track and the "items" are the listeners it should reach (:func:`measure_audience`).

All candidates are ranked, never a sample of them: measures on sampled candidates can order systems
wrongly (Krichene & Rendle, KDD 2020).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.errors import MusicuError

__all__ = [
    "KS",
    "RankingMetrics",
    "expected_reciprocal_rank",
    "hits",
    "measure",
    "measure_audience",
    "top_n",
]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

KS = (10, 20, 100)
# Scores looked at at once: a few copies of 8 bytes each stay within some 100 MB.
_CELLS = 1 << 21


@dataclass(frozen=True, kw_only=True)
class RankingMetrics:
    """What was measured, query by query.

    Attributes
    ----------
    values : mapping of np.ndarray [shape=(queries,), float64]
        By name, as ``"ndcg@10"``; each 0 to 1, NaN where a query has nothing to find.
    scored : np.ndarray [shape=(queries,), bool]
        Which queries have something to find. It depends on what is relevant only, so all systems
        are scored on the same queries.
    """

    values: Mapping[str, Floats]
    scored: Bools

    @property
    def left_out(self) -> int:
        """How many queries had nothing to find."""
        return int((~self.scored).sum())

    def means(self) -> dict[str, float]:
        """Return the means over the scored queries, by name; NaN if there are none."""
        if not self.scored.any():
            return dict.fromkeys(self.values, float("nan"))
        return {name: float(row[self.scored].mean()) for name, row in self.values.items()}


def top_n(scores: NDArray[Any], n: int, *, exclude: Any = None) -> Positions:
    """Return the positions of the best-scored items of each query.

    Parameters
    ----------
    scores : np.ndarray [shape=(queries, items), float]
        Larger is better. NaN and minus infinity are never recommended.
    n : int >= 1
        Length of a list.
    exclude : array [shape=(queries, items) or (items,), bool] or scipy.sparse array, optional
        What must not be recommended: what a listener knows already, what is no candidate.

    Returns
    -------
    np.ndarray [shape=(queries, n), intp]
        Best first; of equal scores the smaller position first. -1 where no candidate is left.

    Raises
    ------
    MusicuError
        The mask does not fit the scores.
    """
    queries, items = scores.shape
    result = np.full((queries, n), -1, dtype=np.intp)
    if exclude is not None and exclude.shape not in ((queries, items), (items,)):
        raise MusicuError(f"a mask of shape {exclude.shape} does not fit scores of {scores.shape}")
    kept = min(n, items)
    if not kept:
        return result
    if hasattr(exclude, "tocsr"):
        exclude = exclude.tocsr()
    for rows in _blocks(queries, items):
        left = scores[rows].astype(np.float64)
        if exclude is not None:
            left[_dense(exclude, rows, left.shape)] = -np.inf
        best = top_k(left, kept)
        none = ~(np.take_along_axis(left, best, axis=1) > -np.inf)  # NaN, too
        result[rows, :kept] = np.where(none, -1, best)
    return result


def hits(ranked: Positions, relevant: Any) -> Bools:
    """Tell which places of the lists hold something relevant.

    Parameters
    ----------
    ranked : np.ndarray [shape=(queries, n), intp]
        Positions of items, best first; -1 is nothing.
    relevant : array [shape=(queries, items), bool] or scipy.sparse array
        What each query should find.

    Returns
    -------
    np.ndarray [shape=(queries, n), bool]

    Raises
    ------
    MusicuError
        The two do not fit, or a list holds an item twice or one that does not exist.
    """
    queries, items = relevant.shape
    if ranked.ndim != 2 or len(ranked) != queries:
        raise MusicuError(f"lists of shape {ranked.shape} do not fit {queries:,} queries")
    _check(ranked, items)
    if not ranked.size or not items:
        return np.zeros(ranked.shape, dtype=np.bool_)
    if not hasattr(relevant, "tocsr"):
        found: Bools = np.take_along_axis(np.asarray(relevant, dtype=np.bool_), ranked, axis=1)
        return found & (ranked >= 0)
    # Each pair (query, item) is one number: those of the lists are looked up among the relevant.
    wanted = _pairs(relevant)
    keys = np.arange(queries)[:, None] * items + ranked
    return np.isin(keys, wanted, kind="sort") & (ranked >= 0)


def measure(ranked: Positions, relevant: Any, *, ks: Sequence[int] = KS) -> RankingMetrics:
    """Measure lists.

    With R the number of relevant items of a query and k the number of places looked at:

    ``recall@k``
        Share of the R that is found.
    ``ndcg@k``
        Sum of 1 / log2(1 + place) over the relevant places, over the same sum for min(k, R)
        relevant items on top (Järvelin & Kekäläinen, TOIS 2002; gains are 0 or 1).
    ``mrr@k``
        1 / the first relevant place, 0 without one.
    ``map@k``
        Sum of the precision at each relevant place, over R (trec_eval's ``map_cut``).
    ``precision@k``
        Relevant places over k; a list shorter than k does not gain by it.
    ``hit@k``
        1 if there is a relevant place, else 0.

    Parameters
    ----------
    ranked : np.ndarray [shape=(queries, n), intp]
        As :func:`top_n` returns it; n is at least the largest k, or all candidates there are.
    relevant : array [shape=(queries, items), bool] or scipy.sparse array
        What each query should find. To measure a kind of items by itself (those of new artists,
        say), clear the others here, and exclude them from the lists or leave them as distractors.
    ks : sequence of int >= 1
        How many places to look at.

    Returns
    -------
    RankingMetrics

    Raises
    ------
    MusicuError
        As :func:`hits`.
    """
    found = hits(ranked, relevant)
    count = _counts(relevant)
    scored = count > 0
    size = np.where(scored, count, 1).astype(np.float64)
    place = np.arange(1, found.shape[1] + 1)
    discount = 1 / np.log2(1 + np.arange(1, max(ks) + 1))
    ideal = np.concatenate([[0.0], np.cumsum(discount)])
    precision = np.cumsum(found, axis=1) / place
    values: dict[str, Floats] = {}
    for k in ks:
        top = found[:, :k]
        number = top.sum(axis=1)
        some = number > 0
        first = top.argmax(axis=1) if top.shape[1] else np.zeros(len(top))
        each = {
            "recall": number / size,
            "ndcg": top @ discount[: top.shape[1]] / ideal[np.minimum(size, k).astype(np.intp)],
            "mrr": some / (1.0 + first),
            "map": (precision[:, :k] * top).sum(axis=1) / size,
            "precision": number / k,
            "hit": some.astype(np.float64),
        }
        values |= {f"{name}@{k}": np.where(scored, row, np.nan) for name, row in each.items()}
    return RankingMetrics(values=values, scored=scored)


def expected_reciprocal_rank(
    ranked: Positions, grades: Any, *, highest: int | None = None
) -> Floats:
    """Measure where somebody who reads a list from the top stops, satisfied.

    At each place one stops with chance ``R = (2 ** grade - 1) / 2 ** highest``; ERR is the expected
    value of 1 / the place (Chapelle, Metzler, Zhang & Grinspan, CIKM 2009): a second good item is
    worth less below a first.

    Parameters
    ----------
    ranked : np.ndarray [shape=(queries, n), intp]
        Positions of items, best first; -1 is nothing.
    grades : array [shape=(queries, items), int >= 0] or scipy.sparse array
        How much each query wants each item; 0 is not at all.
    highest : int >= 1, optional
        The highest grade there is; that of `grades` if not given.

    Returns
    -------
    np.ndarray [shape=(queries,), float64]
        0 to 1; NaN where a query has nothing to find.

    Raises
    ------
    MusicuError
        As :func:`hits`; or a grade is below 0 or above the highest.
    """
    found = hits(ranked, grades)
    stored = grades.data if hasattr(grades, "tocsr") else np.asarray(grades)
    most = int(stored.max(initial=0)) if highest is None else highest
    if stored.min(initial=0) < 0 or stored.max(initial=0) > most:
        raise MusicuError(f"grades go from 0 to {most}")
    given = np.zeros(found.shape)
    row, column = np.nonzero(found)
    values = grades.tocsr() if hasattr(grades, "tocsr") else np.asarray(grades)
    given[row, column] = np.asarray(values[row, ranked[row, column]]).ravel()
    stops = np.where(found, (np.exp2(given) - 1) / 2.0**most, 0.0)
    reached = np.cumprod(np.hstack([np.ones((len(stops), 1)), 1 - stops[:, :-1]]), axis=1)
    place = np.arange(1, found.shape[1] + 1)
    result: Floats = (reached[:, : found.shape[1]] * stops / place).sum(axis=1)
    return np.where(_counts(grades) > 0, result, np.nan)


def measure_audience(
    scores: NDArray[Any], relevant: Any, *, ks: Sequence[int] = KS, exclude: Any = None
) -> RankingMetrics:
    """Measure, for each item, how well the listeners that it should reach are found.

    The same numbers as :func:`measure`, of the turned problem: each item is a query, and all
    listeners are ranked for it. Scores of one item are compared across listeners here, so they
    should mean the same for all of them.

    Parameters
    ----------
    scores : np.ndarray [shape=(listeners, items), float]
        Larger is better.
    relevant : array [shape=(listeners, items), bool] or scipy.sparse array
        Who listened to what.
    ks : sequence of int >= 1
        How many listeners to look at.
    exclude : array [shape=(listeners, items), bool] or scipy.sparse array, optional
        Who must not be found: those who know the item already. Clear them in ``relevant`` too.

    Returns
    -------
    RankingMetrics
        One value an item.

    Raises
    ------
    MusicuError
        The shapes do not fit.
    """
    turned = None if exclude is None else exclude.T
    return measure(top_n(scores.T, max(ks), exclude=turned), relevant.T, ks=ks)


def _blocks(queries: int, items: int) -> Iterator[slice]:
    step = max(1, _CELLS // items)
    for start in range(0, queries, step):
        yield slice(start, start + step)


def _dense(mask: Any, rows: slice, shape: tuple[int, ...]) -> Bools:
    if mask.ndim == 1:
        return np.broadcast_to(np.asarray(mask, dtype=np.bool_), shape)
    part = mask[rows]
    return np.asarray(part.toarray() if hasattr(part, "toarray") else part, dtype=np.bool_)


def _pairs(relevant: Any) -> NDArray[np.int64]:
    """Each true pair of a sparse array as one number, query * items + item."""
    pairs = relevant.tocoo()
    there = np.asarray(pairs.data, dtype=np.bool_)  # a False may be stored
    rows, columns = (np.asarray(at[there], dtype=np.int64) for at in (pairs.row, pairs.col))
    result: NDArray[np.int64] = rows * relevant.shape[1] + columns
    return result


def _counts(relevant: Any) -> NDArray[np.intp]:
    if not hasattr(relevant, "tocsr"):
        dense: NDArray[np.intp] = np.asarray(relevant, dtype=np.bool_).sum(axis=1)
        return dense
    queries, items = relevant.shape
    return np.bincount(np.unique(_pairs(relevant)) // max(items, 1), minlength=queries)


def _check(ranked: Positions, items: int) -> None:
    if not ranked.size:
        return
    if ranked.max() >= items or ranked.min() < -1:
        worst = ranked.max() if ranked.max() >= items else ranked.min()
        raise MusicuError(f"a list holds position {worst}, but there are {items:,} items")
    ordered = np.sort(ranked, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if twice.any():
        query, at = np.argwhere(twice)[0]
        raise MusicuError(
            f"the list of query {query} holds item {ordered[query, at]} twice: keep one"
        )
