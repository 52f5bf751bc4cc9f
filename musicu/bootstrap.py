"""Intervals by the bootstrap over artists.

Clips of one artist are alike, so they are no independent evidence: the unit that is drawn is the
artist, with all the clips (the cluster bootstrap, Davison & Hinkley 1997, section 3.8). All systems
are drawn together, so the difference of two rows is that of a pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DRAWS", "bootstrap_means", "bootstrap_skews", "interval"]

Floats = NDArray[np.float64]
Labels = NDArray[Any]

DRAWS = 2000


def bootstrap_means(values: Floats, artist: Labels, *, draws: int = DRAWS, seed: int = 0) -> Floats:
    """Means over clips of artists drawn with replacement, the same artists for all systems.

    Parameters
    ----------
    values : np.ndarray [shape=(systems, n), float64]
        One value a clip; NaN where it was not scored.
    artist : np.ndarray [shape=(n,)]
        Labels of the clips; artists none of whose clips was scored are not drawn.
    draws : int >= 1
        How many.
    seed : int
        Of the drawing.

    Returns
    -------
    np.ndarray [shape=(systems, draws), float64]
        The means.
    """
    scored = ~np.isnan(values).any(axis=0)
    weights, group = _draw(artist[scored], draws, seed)
    count = weights @ np.bincount(group).astype(np.float64)
    return np.stack(
        [weights @ np.bincount(group, weights=row) / count for row in values[:, scored]]
    )


def bootstrap_skews(
    counts: Floats, artist: Labels, spaces: Labels, *, draws: int = DRAWS, seed: int = 0
) -> Floats:
    """Skewness of k-occurrences over artists drawn with replacement, averaged over spaces.

    The counts are taken as they are: neighbors are not searched again among the artists drawn.

    Parameters
    ----------
    counts : np.ndarray [shape=(systems, n), float64]
        k-occurrence of each clip.
    artist, spaces : np.ndarray [shape=(n,)]
        Artist of each clip, and the space in which its neighbors were searched.
    draws, seed
        As for :func:`bootstrap_means`.

    Returns
    -------
    np.ndarray [shape=(systems, draws), float64]
        The mean skewness.
    """
    weights, group = _draw(artist, draws, seed)
    names = np.unique(spaces)
    result = np.zeros((len(counts), draws))
    for name in names:
        inside = spaces == name
        size = weights @ np.bincount(group, weights=inside)
        for row, values in zip(result, counts, strict=True):
            sums = [weights @ np.bincount(group, weights=inside * values**p) for p in (1, 2, 3)]
            row += _skew(size, sums) / len(names)
    return result


def interval(samples: Floats, *, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap samples [draws]; `level` is its coverage."""
    rest = 50 * (1 - level)
    low, high = np.percentile(samples, [rest, 100 - rest])
    return float(low), float(high)


def _draw(artist: Labels, draws: int, seed: int) -> tuple[Floats, NDArray[np.intp]]:
    """How often each draw holds each artist [draws, artists], and each clip's artist [n]."""
    names, group = np.unique(artist, return_inverse=True)
    share = np.full(len(names), 1 / len(names))
    rng = np.random.default_rng(seed)
    return rng.multinomial(len(names), share, size=draws).astype(np.float64), group


def _skew(size: Floats, sums: Sequence[Floats]) -> Floats:
    """Skewness from a weight and the weighted sums of first to third powers; 0 if all is equal."""
    first, second, third = (total / np.maximum(size, 1e-12) for total in sums)
    variance = second - first**2
    central = third - 3 * first * second + 2 * first**3
    flat = variance <= 1e-12 * np.maximum(second, 1e-300)
    return np.where(flat, 0.0, central / np.where(flat, 1.0, variance) ** 1.5)
