"""The bootstrap over two kinds of clusters at once: listeners, and the artists they should find.

A list's value depends on who asks and on what there is to be found: other listeners would give
other figures, and so would other music. Both are drawn with replacement, independently (the
pigeonhole bootstrap: Owen, Annals of Applied Statistics 2007; it is rather too wide than too
narrow). A listener's value is a sum over what should be found, so each find belongs to one listener
and one artist, and a drawn table weighs it by how often either was drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.evaluation.bootstrap import interval
from musicu.evaluation.ranking_metrics import hits
from musicu.evaluation.scores import Comparison

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["compare_two_way", "find_gains", "two_way_means"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

_AT_ONCE = 250  # draws made at once


def find_gains(
    ranked: Positions, wanted: csr_array, artists: Positions, count: int
) -> dict[str, csr_array]:
    """Divide lists' values among listeners and artists.

    Parameters
    ----------
    ranked : np.ndarray [shape=(queries, k), intp]
        Lists, the best first; -1 is nothing.
    wanted : scipy.sparse.csr_array [shape=(queries, items)]
        Not 0 where a query should find an item.
    artists : np.ndarray [shape=(items,), intp]
        The number of each item's artist, below `count`.
    count : int
        How many artists there are.

    Returns
    -------
    dict of str to scipy.sparse.csr_array [shape=(queries, count)]
        ``"ndcg"`` and ``"recall"`` at k: rows sum to the queries' values, as
        :func:`musicu.evaluation.ranking_metrics.measure` has them; and ``"share"``: rows sum to 1
        where there is anything to find.
    """
    from scipy.sparse import csr_array

    length = ranked.shape[1]
    number = np.diff(wanted.indptr)
    discount = 1 / np.log2(2 + np.arange(length))
    ideal = np.concatenate([[1.0], np.cumsum(discount)])
    row, place = np.nonzero(hits(ranked, wanted))
    at = (row, artists[ranked[row, place]])
    asked = np.repeat(np.arange(len(number)), number)
    shape = (len(ranked), count)
    return {
        "ndcg": csr_array(
            (discount[place] / ideal[np.minimum(number, length)][row], at), shape=shape
        ),
        "recall": csr_array((1 / np.maximum(number, 1)[row], at), shape=shape),
        "share": csr_array((1 / number[asked], (asked, artists[wanted.indices])), shape=shape),
    }


def two_way_means(
    gains: Sequence[csr_array], share: csr_array, *, draws: int, seed: int = 0
) -> Floats:
    """Means over queries, with listeners and artists drawn again; the same ones for all systems.

    Parameters
    ----------
    gains : sequence of scipy.sparse.csr_array [shape=(listeners, artists)]
        A system each: what its finds add up to, over all queries of a listener.
    share : scipy.sparse.csr_array [shape=(listeners, artists)]
        What the finds are a part of; it adds up to the number of queries.
    draws, seed : int

    Returns
    -------
    np.ndarray [shape=(systems, draws), float64]

    Raises
    ------
    MusicuError
        There are fewer than two listeners to draw, or two artists.
    """
    rows = np.flatnonzero(np.diff(share.indptr))
    columns = np.unique(share.indices)
    if min(len(rows), len(columns)) < 2:
        raise MusicuError(
            f"{len(rows)} listeners have something of {len(columns)} artists to find: two of each "
            "are needed to tell how sure a result is"
        )
    tables = [table[rows][:, columns].tocsr() for table in (share, *gains)]
    rng = np.random.default_rng(seed)
    found = []
    for start in range(0, draws, _AT_ONCE):
        size = min(_AT_ONCE, draws - start)
        listeners, artists = (_drawn(rng, size, n) for n in (len(rows), len(columns)))
        sums = [((table.T @ listeners.T).T * artists).sum(axis=1) for table in tables]
        found.append(np.stack(sums[1:]) / np.maximum(sums[0], 1e-12))
    return np.concatenate(found, axis=1)


def compare_two_way(
    names: Sequence[str], means: Sequence[float], samples: Floats, *, queries: int, clusters: int
) -> list[Comparison]:
    """Compare systems with the first of them, by samples in which the same was drawn for all.

    Parameters
    ----------
    names : sequence of str
    means : sequence of float
        As measured.
    samples : np.ndarray [shape=(systems, draws), float64]
        As :func:`two_way_means` returns them.
    queries, clusters : int
        How many were compared.

    Returns
    -------
    list of Comparison
        One for each other system; p is the bootstrap's, not yet adjusted.
    """
    compared = []
    for name, mean, drawn in zip(names[1:], means[1:], samples[1:], strict=True):
        difference = drawn - samples[0]
        low, high = interval(difference)
        beyond = min(int((difference <= 0).sum()), int((difference >= 0).sum()))
        p = min(1.0, 2 * (1 + beyond) / (1 + len(difference)))
        compared.append(
            Comparison(
                system=name,
                against=names[0],
                value=mean,
                base=means[0],
                difference=mean - means[0],
                low=low,
                high=high,
                p=p,
                p_bootstrap=p,
                queries=queries,
                clusters=clusters,
            )
        )
    return compared


def _drawn(rng: np.random.Generator, draws: int, count: int) -> Floats:
    """Return how often each of some clusters is drawn [draws, count]."""
    at = rng.integers(0, count, size=(draws, count)) + count * np.arange(draws)[:, None]
    times = np.bincount(at.ravel(), minlength=draws * count)
    return times.reshape(draws, count).astype(np.float64)
