"""At which place among all items the one stands that came next."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.sequences.fitted import Ranker
from musicu.sequences.queries import Queries

__all__ = ["KS", "ndcg", "rank_measures", "rank_targets"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

KS = (1, 10, 20, 100)
_CELLS = 1 << 22  # scores held at once


def rank_targets(
    ranker: Ranker, queries: Queries, *, length: int = 0
) -> tuple[Positions, Positions]:
    """Rank all items for queries.

    Parameters
    ----------
    ranker : Ranker
        Fitted.
    queries : Queries
        With targets.
    length : int
        How long the lists are that are returned.

    Returns
    -------
    ranks : np.ndarray [shape=(q,), intp]
        Of the targets; 1 is the best. Of equal scores the smaller position stands first, so items
        should be numbered in an order that says nothing.
    lists : np.ndarray [shape=(q, length), intp]
        What stands first.
    """
    ranks = np.empty(len(queries), dtype=np.intp)
    lists = np.empty((len(queries), length), dtype=np.intp)
    for rows in _blocks(queries):
        part = queries.take(rows)
        table = ranker.scores(part)
        own = np.take_along_axis(table, part.target[:, None], axis=1)
        ties = table == own
        ahead = (table > own).sum(axis=1)
        for row in np.flatnonzero(ties.sum(axis=1) > 1):
            ahead[row] += ties[row, : part.target[row]].sum()
        ranks[rows] = 1 + ahead
        if length:
            lists[rows] = top_k(table, length)
    return ranks, lists


def ndcg(ranks: Positions, k: int = 20) -> Floats:
    """Return 1 / log2(1 + rank) where the rank is at most k: the NDCG of a single thing to find."""
    return np.where(ranks <= k, 1 / np.log2(1.0 + ranks), 0.0)


def rank_measures(ranks: Positions) -> dict[str, Floats]:
    """Return what ranks are worth, query by query: hit rate, NDCG and MRR at 1, 10, 20 and 100.

    Examples
    --------
    >>> found = rank_measures(np.array([1, 2, 30]))
    >>> found["mrr@10"].tolist(), found["hr@100"].tolist()
    ([1.0, 0.5, 0.0], [1.0, 1.0, 1.0])
    """
    found = {}
    for k in KS:
        found[f"hr@{k}"] = (ranks <= k).astype(np.float64)
        found[f"ndcg@{k}"] = ndcg(ranks, k)
        found[f"mrr@{k}"] = np.where(ranks <= k, 1.0 / ranks, 0.0)
    return found


def _blocks(queries: Queries) -> Iterator[slice]:
    step = max(1, _CELLS // max(queries.n_items, 1))
    for start in range(0, len(queries), step):
        yield slice(start, min(start + step, len(queries)))
