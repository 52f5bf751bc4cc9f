"""NumPy that many modules need: rows of unit length, the best k scores, how uneven counts are."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["gini", "skewness", "top_k", "unit_rows"]

Real = TypeVar("Real", bound=np.floating[Any])


def unit_rows(rows: NDArray[Real], *, tolerance: float = 0.0) -> NDArray[Real]:
    """Scale vectors to length 1.

    Parameters
    ----------
    rows : np.ndarray [shape=(..., dim), float]
        Finite numbers. Lengths are computed in their precision.
    tolerance : float >= 0
        Rows whose length differs from 1 by no more are returned bit for bit.

    Returns
    -------
    np.ndarray [shape=(..., dim), float]
        Of the same type. A row of zeros, or too short to have a length, is zeros.

    Examples
    --------
    >>> unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist()
    [[0.6, 0.8], [0.0, 0.0]]
    """
    length = np.linalg.norm(rows, axis=-1, keepdims=True)
    scaled = np.where(np.abs(length - 1) > tolerance, length, 1)
    return np.asarray(rows / np.where(length > 0, scaled, np.inf), dtype=rows.dtype)


def top_k(scores: NDArray[np.floating[Any]], k: int) -> NDArray[np.intp]:
    """Return the positions of the best scores, the best first; of equal ones the earlier.

    Which of equal scores are taken does not depend on the processor, as it does with
    :func:`numpy.argpartition`.

    Parameters
    ----------
    scores : np.ndarray [shape=(n,) or (m, n), float]
        Larger is better. NaN counts as minus infinity.
    k : int
        How many, of each row; 0 or less is none.

    Returns
    -------
    np.ndarray [shape=(min(k, n),) or (m, min(k, n)), intp]

    Examples
    --------
    >>> top_k(np.array([0.2, 0.9, 0.9, 0.1]), 3).tolist()
    [1, 2, 0]
    """
    k = min(max(k, 0), scores.shape[-1])
    if scores.ndim == 2:
        found = np.empty((len(scores), k), dtype=np.intp)
        for row, place in zip(scores, found, strict=True):
            place[:] = top_k(row, k)
        return found
    cost = -scores
    cost[np.isnan(cost)] = np.inf
    if not 0 < k < len(cost) // 4:  # else most of them need no order
        return np.argsort(cost, kind="stable")[:k]
    near = np.flatnonzero(cost <= np.partition(cost, k - 1)[k - 1])
    return near[np.argsort(cost[near], kind="stable")[:k]]


def gini(counts: ArrayLike, total: int | None = None) -> float:
    """Return how unequal counts are: half their mean difference over their mean (Gini 1912).

    Fleder and Hosanagar, "Blockbuster culture's next rise or fall", Management Science 2009, use
    it for what recommenders show.

    Parameters
    ----------
    counts : array-like [shape=(n,)]
        Numbers from 0.
    total : int >= n or None
        Of how many these are all that are not 0; None for n.

    Returns
    -------
    float
        0 if all are equal, ``(n - 1) / n`` if all but one are 0; NaN if all are 0.

    Examples
    --------
    >>> gini([0, 0, 0, 8]), gini([8], 4), gini([2, 2])
    (0.75, 0.75, 0.0)
    """
    x = np.sort(np.asarray(counts, dtype=np.float64))
    n, whole = total or len(x), x.sum()
    if not whole:
        return float("nan")
    ranks = np.arange(n - len(x), n) + 1  # those that are 0 come first
    return float((2 * ranks - n - 1) @ x / (n * whole))


def skewness(values: ArrayLike) -> float:
    """Return the third standardized moment of values [n]; 0 if all are equal.

    Of how often items are among the neighbors of others it tells hubs (Radovanovic et al., "Hubs
    in space", JMLR 2010).

    Examples
    --------
    >>> skewness([1, 2, 3]), round(skewness([0, 0, 0, 1]), 3)
    (0.0, 1.155)
    """
    x = np.asarray(values, dtype=np.float64)
    centered = x - x.mean()
    deviation = centered.std()
    return float((centered**3).mean() / deviation**3) if deviation else 0.0
