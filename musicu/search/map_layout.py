"""Vectors laid out in the plane, so that what sounds alike lies together.

McInnes, Healy and Melville, "UMAP: Uniform Manifold Approximation and Projection for Dimension
Reduction", 2018. The neighbors that UMAP is given are exact, it starts from the plane of the
principal components, and the random numbers have a seed: the same vectors give the same map.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.nearest import Nearest
from musicu.encoders.runtime import set_numba_cache
from musicu.errors import MissingExtraError
from musicu.workers.background_job import Progress

__all__ = ["NEIGHBORS", "fit_square", "project", "settle"]

Array = NDArray[np.float32]

# Neighbors that a track is laid out by, and placed by when it comes later.
NEIGHBORS = 15
# UMAP's cost grows with the number of vectors, but that of exact neighbors with its square.
_MOST = 200_000
# Vectors whose neighbors are looked for at a time.
_BATCH = 1000
# Cosine distances below are rounding, and must be 0: UMAP measures by the nearest that is not.
_SAME = 1e-6
# How much more a near neighbor says of a vector's place, and how far around it others count: with
# these, music left out of a map and placed afterwards kept the most of its neighbors.
_NEARNESS = 4.0
_AROUND = 0.05
_LAYING = "laying out the map"
# Share of the vectors on each side that may lie outside the middle of the picture.
_OUTSIDE = 0.01
_MIDDLE = 0.9  # where that middle ends


def project(matrix: Array, *, seed: int = 0, progress: Progress | None = None) -> Array:
    """Lay out vectors in the plane.

    Parameters
    ----------
    matrix : np.ndarray [shape=(n, dim), float32]
        Unit vectors.
    seed : int
        Of the random numbers.
    progress : callable or None
        Called with what is being done, how much is done, and of how much.

    Returns
    -------
    np.ndarray [shape=(n, 2), float32]
        Positions in [-1, 1].

    Raises
    ------
    MissingExtraError
        `umap-learn` is not installed; up to 16 vectors do without.
    """
    if len(matrix) <= NEIGHBORS + 1:
        return fit_square(_principal(matrix))
    progress = progress or _silent
    if len(matrix) <= _MOST:
        return fit_square(_umap(matrix, seed, progress))
    # A map of some, between which the others find their places.
    chosen = np.zeros(len(matrix), dtype=np.bool_)
    chosen[np.random.default_rng(seed).choice(len(matrix), _MOST, replace=False)] = True
    drawn = fit_square(_umap(matrix[chosen], seed, progress))
    positions = np.empty((len(matrix), 2), dtype=np.float32)
    positions[chosen] = drawn
    near, distances = _neighbors(matrix[chosen], matrix[~chosen], progress, "placing the others")
    positions[~chosen] = settle(drawn[near], distances)
    return positions


def settle(positions: Array, distances: NDArray[np.floating]) -> Array:
    """Find places for vectors where most of their neighbors are.

    The mean of all neighbors' positions would often lie in the void between two groups. So a
    vector goes to its neighbor with the most others around it, and from there one step of the
    mean shift (Fukunaga and Hostetler 1975) to the middle of those. Near ones count most (Shepard
    1968), and at no distance nothing else does.

    Parameters
    ----------
    positions : np.ndarray [shape=(n, k, 2), float32]
        Where the neighbors are, k > 0.
    distances : np.ndarray [shape=(n, k)]
        Their cosine distances.

    Returns
    -------
    np.ndarray [shape=(n, 2), float32]
        Positions between those of the neighbors.
    """
    settled = np.empty((len(positions), 2), dtype=np.float32)
    for start in range(0, len(positions), _BATCH):
        at = slice(start, start + _BATCH)
        places = positions[at].astype(np.float64)
        weights = np.maximum(distances[at].astype(np.float64), _SAME) ** -_NEARNESS
        weights /= weights.sum(axis=1, keepdims=True)
        apart = ((places[:, :, None] - places[:, None]) ** 2).sum(axis=-1)
        around = np.exp(-apart / (2 * _AROUND**2))
        center = np.einsum("nkj,nj->nk", around, weights).argmax(axis=1)
        weights *= around[np.arange(len(places)), center]
        weights /= weights.sum(axis=1, keepdims=True)
        settled[at] = np.einsum("nk,nkd->nd", weights, places)
    return settled


def fit_square(positions: Array) -> Array:
    """Fit a picture into the square, whatever lies far off.

    The middle, all but a hundredth on each side, is shifted and scaled alike in both directions;
    what lies outside is drawn in towards the edge, each point along its own ray and the order
    along it kept.

    Parameters
    ----------
    positions : np.ndarray [shape=(n, 2)]
        Anywhere.

    Returns
    -------
    np.ndarray [shape=(n, 2), float32]
        Positions in [-1, 1].
    """
    n = len(positions)
    if not n:
        return np.empty((0, 2), dtype=np.float32)
    cut = max(1, int(n * _OUTSIDE)) if n > 4 else 0
    ordered = np.sort(positions.astype(np.float64), axis=0)
    low, high = ordered[cut], ordered[n - 1 - cut]
    moved = positions - (low + high) / 2
    far = np.abs(moved).max(axis=1)
    half = float((high - low).max()) / 2 or float(far.max()) or 1.0
    r = np.maximum(far / half, 1e-12)
    room = 1.0 - _MIDDLE
    drawn = np.where(
        r <= 1.0, _MIDDLE * r, _MIDDLE + room * -np.expm1(np.minimum(1.0 - r, 0.0) * _MIDDLE / room)
    )
    return np.asarray(moved / half * (drawn / r)[:, None], dtype=np.float32)


def _silent(message: str, done: int, total: int) -> None:
    pass


def _principal(matrix: Array) -> Array:
    """Coordinates along the two principal components, their signs fixed."""
    plane = np.zeros((len(matrix), 2), dtype=np.float32)
    if len(matrix):
        mean = matrix.mean(axis=0, dtype=np.float64)
        products = matrix.T @ matrix / len(matrix) - np.outer(mean, mean)
        axes = np.linalg.eigh(products)[1][:, ::-1][:, :2]
        axes *= np.sign(axes[np.abs(axes).argmax(axis=0), range(axes.shape[1])])
        plane[:, : axes.shape[1]] = matrix @ axes - mean @ axes
    return plane


def _neighbors(
    among: Array, of: Array, progress: Progress, message: str
) -> tuple[NDArray[np.int64], Array]:
    """Nearest vectors of each, itself where it is among them: numbers and cosine distances."""
    from threadpoolctl import threadpool_limits

    search = Nearest(among)
    near = np.empty((len(of), NEIGHBORS), dtype=np.int64)
    distances = np.empty((len(of), NEIGHBORS), dtype=np.float32)
    # Products of the searches are small: BLAS's threads would only wait for each other.
    with threadpool_limits(limits=1, user_api="blas"):
        for start in range(0, len(of), _BATCH):
            progress(message, start, len(of))
            at = slice(start, start + _BATCH)
            near[at] = [positions for positions, _ in search.search(of[at], NEIGHBORS)]
            # Half the squared chord: of vectors that are nearly one, 1 - cosine is rounding.
            distances[at] = np.square(of[at, None] - among[near[at]]).sum(axis=-1) / 2
    distances[distances < _SAME] = 0.0
    return near, distances


def _umap(matrix: Array, seed: int, progress: Progress) -> Array:
    near, distances = _neighbors(matrix, matrix, progress, "finding neighbors")
    progress(_LAYING, 0, 0)
    # Equal starts would stay together; and UMAP divides by the extent of each coordinate.
    start = fit_square(_principal(matrix))
    start += np.random.default_rng(seed).normal(scale=1e-4, size=start.shape).astype(np.float32)
    with warnings.catch_warnings():
        # It says that it comes without TensorFlow, and that such neighbors serve no new vectors.
        warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
        warnings.filterwarnings("ignore", r"precomputed_knn\[2\]", UserWarning)
        set_numba_cache()
        try:
            import umap
        except ImportError:
            raise MissingExtraError("umap-learn", "serve") from None
        positions: Array = umap.UMAP(
            n_neighbors=NEIGHBORS,
            min_dist=0.1,
            metric="cosine",
            disconnection_distance=np.inf,  # else opposites have no place
            init=start,
            random_state=seed,
            n_jobs=1,
            precomputed_knn=(near, distances, None),
            tqdm_kwds={"disable": False, "file": _Bar(progress), "bar_format": "{n}/{total}"},
        ).fit_transform(matrix)
    return positions


class _Bar:
    """What UMAP draws its bar on, and what reads from it: ``120/200``."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def write(self, text: str) -> None:
        done, slash, total = text.strip().partition("/")
        if slash:
            self._progress(_LAYING, int(done), int(total))

    def flush(self) -> None:
        """There is nothing to flush."""
