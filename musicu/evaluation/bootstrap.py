"""The bootstrap over clusters: artists with all their clips, listeners with all their queries.

Clips of one artist are alike, and so are the queries of one listener: they are no independent
evidence, so what is drawn is the cluster (Davison & Hinkley 1997, section 3.8). All systems are
drawn together, so the difference of two rows is that of a pair.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DRAWS", "bootstrap_means", "bootstrap_skews", "interval"]

Floats = NDArray[np.float64]
Labels = NDArray[Any]

DRAWS = 2000
# Draws made at once: a number a cluster and draw is held.
_AT_ONCE = 500


def bootstrap_means(
    values: Floats, cluster: Labels, *, draws: int = DRAWS, seed: int = 0
) -> Floats:
    """Means over queries of clusters drawn with replacement, the same clusters for all systems.

    Parameters
    ----------
    values : np.ndarray [shape=(systems, n), float64]
        One value a query; NaN where it was not scored.
    cluster : np.ndarray [shape=(n,)]
        The artist or listener of each; clusters none of whose queries was scored are not drawn.
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
    names, group = np.unique(cluster[scored], return_inverse=True)
    count = np.bincount(group).astype(np.float64)
    sums = np.stack([np.bincount(group, weights=row) for row in values[:, scored]])
    blocks = [(w @ sums.T) / (w @ count)[:, None] for w in _draw(len(names), draws, seed)]
    return np.concatenate(blocks).T


def bootstrap_skews(
    counts: Floats, cluster: Labels, spaces: Labels, *, draws: int = DRAWS, seed: int = 0
) -> Floats:
    """Skewness of k-occurrences over clusters drawn with replacement, averaged over spaces.

    The counts are taken as they are: neighbors are not searched again among the clusters drawn.

    Parameters
    ----------
    counts : np.ndarray [shape=(systems, n), float64]
        k-occurrence of each clip.
    cluster, spaces : np.ndarray [shape=(n,)]
        Artist of each clip, and the space in which its neighbors were searched.
    draws, seed
        As for :func:`bootstrap_means`.

    Returns
    -------
    np.ndarray [shape=(systems, draws), float64]
        The mean skewness.
    """
    clusters, group = np.unique(cluster, return_inverse=True)
    names = np.unique(spaces)
    blocks = []
    for weights in _draw(len(clusters), draws, seed):
        block = np.zeros((len(counts), len(weights)))
        for name in names:
            inside = spaces == name
            size = weights @ np.bincount(group, weights=inside)
            for row, values in zip(block, counts, strict=True):
                sums = [weights @ np.bincount(group, weights=inside * values**p) for p in (1, 2, 3)]
                row += _skew(size, sums) / len(names)
        blocks.append(block)
    return np.concatenate(blocks, axis=1)


def interval(samples: Floats, *, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of bootstrap samples [draws]; `level` is its coverage."""
    rest = 50 * (1 - level)
    low, high = np.percentile(samples, [rest, 100 - rest])
    return float(low), float(high)


def _draw(clusters: int, draws: int, seed: int) -> Iterator[Floats]:
    """Yield how often each draw holds each cluster [some draws, clusters]."""
    rng = np.random.default_rng(seed)
    for start in range(0, draws, _AT_ONCE):
        size = min(_AT_ONCE, draws - start)
        # Counting drawn numbers is ten times as fast as drawing the counts (multinomial).
        drawn = rng.integers(0, clusters, size=(size, clusters))
        drawn += clusters * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * clusters)
        yield times.reshape(size, clusters).astype(np.float64)


def _skew(size: Floats, sums: Sequence[Floats]) -> Floats:
    """Skewness from a weight and the weighted sums of first to third powers; 0 if all is equal."""
    first, second, third = (total / np.maximum(size, 1e-12) for total in sums)
    variance = second - first**2
    central = third - 3 * first * second + 2 * first**3
    flat = variance <= 1e-12 * np.maximum(second, 1e-300)
    return np.where(flat, 0.0, central / np.where(flat, 1.0, variance) ** 1.5)
