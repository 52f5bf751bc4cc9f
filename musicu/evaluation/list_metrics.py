"""What a list is like besides being right: coverage, popularity, novelty, variety, calibration.

Lists are those of :mod:`musicu.evaluation.ranking_metrics`: rows of item positions, -1 where there
is nothing. Where a function gives one value a list, it is NaN if the list, or what is asked about
it, is empty; what is unknown about an item is left out and never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import MusicuError

__all__ = [
    "coverage",
    "diversity",
    "exposure",
    "lorenz",
    "miscalibration",
    "novelty",
    "popularity_lift",
    "repetition",
]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

# Lists handled at once where each takes a row of vectors or genres.
_ROWS = 4096


def exposure(ranked: Positions, candidates: Bools) -> NDArray[np.intp]:
    """Count the lists each candidate is in.

    Parameters
    ----------
    ranked : np.ndarray [shape=(queries, n), intp]
        The lists; cut them to k columns for a figure "at k".
    candidates : np.ndarray [shape=(items,), bool]
        What could have been recommended.

    Returns
    -------
    np.ndarray [shape=(candidates,), int]
        In the items' order.
    """
    shown = np.bincount(ranked[ranked >= 0], minlength=len(candidates))
    return shown[candidates]


def coverage(exposures: NDArray[Any], candidates: int | None = None) -> float:
    """Share of the candidates that anybody is recommended (Ge et al., RecSys 2010).

    Parameters
    ----------
    exposures : np.ndarray [shape=(n,)]
        How often each was recommended, as :func:`exposure` counts.
    candidates : int >= n, optional
        How many there are, if not only these; the others were never recommended.

    Returns
    -------
    float
        0 to 1; NaN without candidates.
    """
    total = len(exposures) if candidates is None else candidates
    return int((exposures > 0).sum()) / total if total else float("nan")


def lorenz(exposures: NDArray[Any], *, points: int = 101) -> tuple[Floats, Floats]:
    """Share of all exposure that the least shown candidates have (Lorenz 1905), to be drawn.

    Parameters
    ----------
    exposures : np.ndarray [shape=(candidates,)]
        Of :func:`exposure`; not all 0.
    points : int >= 2
        Of the curve.

    Returns
    -------
    candidates, exposure : np.ndarray [shape=(points,), float64]
        Shares from 0 to 1; the diagonal is what equal exposure would be.
    """
    x = np.sort(np.asarray(exposures, dtype=np.float64))
    total = np.concatenate([[0.0], np.cumsum(x)])
    at = np.linspace(0, 1, points)
    return at, np.interp(at, np.arange(len(x) + 1) / len(x), total / total[-1])


def popularity_lift(ranked: Positions, history: Any, popularity: ArrayLike) -> float:
    """How much more popular the recommended is than what the listeners play by themselves.

    The mean popularity of a list's items, averaged over listeners, over the same of their
    histories, less 1 (GAP_q / GAP_p - 1; Abdollahpouri et al., RecSys 2020). Listeners without a
    list or without a history are left out of both.

    Parameters
    ----------
    ranked : np.ndarray [shape=(queries, n), intp]
        The lists.
    history : array [shape=(queries, items), bool] or scipy.sparse array
        What each listener is known to play; each item counts once.
    popularity : array-like [shape=(items,), float64]
        Of each item: the share of listeners who play it, or their number. It should be counted
        where neither the lists nor their answers come from.

    Returns
    -------
    float
        0 if the lists are as popular as the histories, 1 if twice as much, -1 if nobody plays what
        is recommended; NaN if no listener has both, or all that they play has popularity 0.
    """
    value = np.asarray(popularity, dtype=np.float64)
    played = _sparse(history).astype(np.bool_).astype(np.float64)
    number = played @ np.ones(len(value))
    both = (number > 0) & (ranked >= 0).any(axis=1)
    before = (played @ value)[both] / number[both]
    if not before.sum():
        return float("nan")
    return float(_mean(value, ranked)[both].sum() / before.sum() - 1)


def novelty(ranked: Positions, listeners: ArrayLike, total: int) -> Floats:
    """Mean self-information of a list's items: how surprising it is that somebody knows them.

    The mean of -log2((a + 1) / (N + 1)), where `a` of N listeners know an item (Zhou et al., PNAS
    2010; Vargas & Castells, RecSys 2011, without their discount by rank). One is added so that an
    item that nobody knows yet has a finite novelty, the highest there is.

    Parameters
    ----------
    ranked : np.ndarray [shape=(queries, n), intp]
        The lists.
    listeners : array-like [shape=(items,), float64]
        How many listeners know each item.
    total : int
        How many listeners there are.

    Returns
    -------
    np.ndarray [shape=(queries,), float64]
        Bits: 0 for what all know, log2(N + 1) for what nobody does.
    """
    known = np.asarray(listeners, dtype=np.float64)
    return _mean(np.log2((total + 1) / (known + 1)), ranked)


def diversity(ranked: Positions, vectors: Any) -> Floats:
    """How different the items of a list are: 1 less the mean similarity of its pairs.

    Intra-list diversity (Smyth & McClave, ICCBR 2001; Ziegler et al., WWW 2005). Items about which
    nothing is known (rows of zeros) take no part.

    Parameters
    ----------
    ranked : np.ndarray [shape=(queries, n), intp]
        The lists.
    vectors : array [shape=(items, dim), float] or scipy.sparse array
        Unit rows, whose product is the similarity. They should not be those that made the lists.

    Returns
    -------
    np.ndarray [shape=(queries,), float64]
        0 if all are the same, 1 if none has to do with another; NaN for lists with fewer than two.
    """
    sparse = hasattr(vectors, "tocsr")
    if sparse:
        vectors = _sparse(vectors)
    square = np.asarray((vectors * vectors).sum(axis=1), dtype=np.float64).ravel()
    known = square > 0
    result = np.full(len(ranked), np.nan)
    for rows, lists in _blocks(ranked, len(known)):
        # |sum of v|^2 holds each pair twice, and each item with itself.
        total = lists @ vectors
        norm = (total * total).sum(axis=1) if sparse else np.einsum("ij,ij->i", total, total)
        n = lists @ known.astype(np.float64)
        pairs = n * (n - 1)
        mean = (np.asarray(norm).ravel() - lists @ square) / np.maximum(pairs, 1)
        result[rows] = np.where(pairs > 0, 1 - mean, np.nan)
    return result


def repetition(ranked: Positions, labels: ArrayLike) -> Floats:
    """Share of a list's items whose label stands above already.

    With artists as labels it tells how often a list repeats an artist; with works, how often it
    offers one more version of a piece.

    Parameters
    ----------
    ranked : np.ndarray [shape=(queries, n), intp]
        The lists.
    labels : array-like [shape=(items,), str or int]
        One an item; ``""`` (or -1) is unknown, and repeats nothing.

    Returns
    -------
    np.ndarray [shape=(queries,), float64]
        0 if no label comes twice, (n - 1) / n if all n items have the same.
    """
    names, code = np.unique(np.asarray(labels), return_inverse=True)
    unknown = names == ("" if names.dtype.kind in "US" else -1)
    there = ranked >= 0
    # What is unknown or missing gets a number of its own at each place.
    own = -1 - np.arange(ranked.shape[1])
    label = np.where(there & ~unknown[code][ranked], code[ranked], own)
    ordered = np.sort(label, axis=1)
    repeated = (ordered[:, 1:] == ordered[:, :-1]).sum(axis=1)
    return _over(repeated, there.sum(axis=1))


def miscalibration(
    ranked: Positions,
    history: Any,
    genres: Any,
    *,
    distance: Literal["kl", "hellinger"] = "kl",
    smoothing: float = 0.01,
) -> Floats:
    """How far the genres of a list are from those of the listener's history (Steck, RecSys 2018).

    p(g|u) is the mean genre distribution of what the listener plays, by weight, and q(g|u) that of
    the list, all places alike; an item's own distribution is even over its genres. ``"kl"`` is the
    Kullback-Leibler divergence of p from (1 - smoothing) q + smoothing p, which stays finite where
    the list lacks a genre; ``"hellinger"`` is the Hellinger distance of p and q and needs none.

    Parameters
    ----------
    ranked : np.ndarray [shape=(queries, n), intp]
        The lists.
    history : array [shape=(queries, items), float >= 0] or scipy.sparse array
        How much each listener plays each item.
    genres : array [shape=(items, genres), float >= 0] or scipy.sparse array
        How much each genre applies; rows need not sum to 1. Items without a genre take no part.
    distance : {"kl", "hellinger"}
        Which.
    smoothing : float in 0 to 1
        Steck's alpha.

    Returns
    -------
    np.ndarray [shape=(queries,), float64]
        0 if they are the same. At most -ln(smoothing) nats, or 1 for ``"hellinger"``.

    Raises
    ------
    MusicuError
        The shapes do not fit.
    """
    of, played = _sparse(genres).astype(np.float64), _sparse(history).astype(np.float64)
    if played.shape != (len(ranked), of.shape[0]):
        raise MusicuError(
            f"a history of shape {played.shape} does not fit {len(ranked):,} lists and "
            f"{of.shape[0]:,} items with genres"
        )
    amount = of @ np.ones(of.shape[1])
    of = of.multiply(1 / np.where(amount > 0, amount, 1)[:, None]).tocsr()
    result = np.full(len(ranked), np.nan)
    for rows, lists in _blocks(ranked, of.shape[0]):
        p, q = ((side @ of).toarray() for side in (played[rows], lists))
        some = (p.sum(axis=1) > 0) & (q.sum(axis=1) > 0)
        p, q = (x[some] / x[some].sum(axis=1, keepdims=True) for x in (p, q))
        if distance == "hellinger":
            far = np.sqrt(np.square(np.sqrt(p) - np.sqrt(q)).sum(axis=1) / 2)
        else:
            near = (1 - smoothing) * q + smoothing * p
            ratio = np.divide(p, near, out=np.ones_like(p), where=p > 0)
            far = (p * np.log(ratio)).sum(axis=1)
        result[rows.start + np.flatnonzero(some)] = far
    return result


def _sparse(array: Any) -> Any:
    from scipy.sparse import csr_array

    return csr_array(array)


def _blocks(ranked: Positions, items: int) -> Iterator[tuple[slice, Any]]:
    """Yield some rows at a time, with their lists as a sparse array [rows, items] of ones."""
    from scipy.sparse import csr_array

    for start in range(0, len(ranked), _ROWS):
        rows = slice(start, start + _ROWS)
        there = ranked[rows] >= 0
        at = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
        columns = ranked[rows][there]
        yield rows, csr_array((np.ones(len(columns)), columns, at), shape=(len(there), items))


def _mean(values: Floats, ranked: Positions) -> Floats:
    """Mean of the values of each list's items; NaN for an empty list."""
    there = ranked >= 0
    return _over(np.where(there, values[ranked], 0.0).sum(axis=1), there.sum(axis=1))


def _over(total: NDArray[Any], number: NDArray[np.intp]) -> Floats:
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)
