"""How unusual a track is against a catalog, and how far what is said of it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.nearest import Nearest

__all__ = ["Confidence", "OutlierDetector", "Unusualness", "judge_confidence"]

Array = NDArray[np.float32]

_SAMPLE = 2000  # catalog tracks whose own neighborhoods are looked at: a percentile within 1 %
_CHUNK = 250
_NEIGHBORS = 5


@dataclass(frozen=True)
class Unusualness:
    """How far a track lies from the music of a catalog.

    Attributes
    ----------
    similarity : float in [-1, 1]
        Cosine to its k-th nearest track by other artists.
    neighbors : int
        That k.
    typical : float
        Median of the same over the catalog's own tracks.
    percentile : float in [0, 100]
        Share of the catalog's tracks that lie farther from their own neighbors: 0 is farther out
        than all of them, 100 is in the thick of it.
    words : str
        The same in words.
    """

    similarity: float
    neighbors: int
    typical: float
    percentile: float
    words: str


@dataclass(frozen=True)
class Confidence:
    """How far a track's comparisons can be trusted: ``high``, ``medium`` or ``low``, and why."""

    level: str
    reasons: tuple[str, ...]


class OutlierDetector:
    """A catalog's vectors, and how close its own tracks lie to one another.

    An outlier is what lies far from its k-th nearest neighbor (Ramaswamy et al., "Efficient
    algorithms for mining outliers from large data sets", SIGMOD 2000). What is far depends on the
    catalog, so that each of its tracks, left out in turn, is asked the same question. Tracks of
    the own artist are left out on both sides: an unknown artist has none.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, dim), float32]
        Unit vectors; rows of zeros are left out.
    artists : sequence of str
        Each track's artist, spellings made equal; ``""`` where unknown.
    """

    def __init__(self, vectors: Array, artists: Sequence[str]) -> None:
        heard = vectors.any(axis=1)
        self._near = Nearest(vectors[heard])
        names = np.array(artists, dtype=object)[heard]
        self._codes = {name: code for code, name in enumerate(dict.fromkeys(names)) if name}
        # An artist that is not known is another one each time.
        self._artists = np.array([self._codes.get(name, -1) for name in names], dtype=np.int64)
        self._k = min(_NEIGHBORS, max(len(names) - 1, 1))
        self._own = self._leave_one_out()

    def _leave_one_out(self) -> Array:
        n = len(self._near)
        rows = np.arange(n)
        if n > _SAMPLE:
            rows = np.sort(np.random.default_rng(0).choice(n, _SAMPLE, replace=False))
        found = []
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            masks = self._by_others(self._artists[chunk])
            masks[np.arange(len(chunk)), chunk] = False
            found.append(self._kth(self._near.matrix[chunk], masks))
        all_of_them = np.concatenate(found) if found else np.empty(0, dtype=np.float32)
        return np.sort(all_of_them[np.isfinite(all_of_them)])

    def _by_others(self, codes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which tracks are not by each of some artists; by whom is unknown of all others."""
        return np.asarray((self._artists != codes[:, None]) | (codes < 0)[:, None])

    def _kth(self, vectors: Array, masks: NDArray[np.bool_]) -> Array:
        """Return the cosine of each one's k-th nearest track; -inf where there are not as many."""
        found = self._near.search(vectors, self._k, among=list(masks))
        kth = [cosines[-1] if len(cosines) == self._k else -np.inf for _, cosines in found]
        return np.array(kth, dtype=np.float32)

    def judge(self, vector: Array, artist: str) -> Unusualness | None:
        """Say how unusual a track is.

        Parameters
        ----------
        vector : np.ndarray [shape=(dim,), float32]
            Its unit vector.
        artist : str
            Its artist, spelled as in the catalog; ``""`` if unknown.

        Returns
        -------
        Unusualness or None
            None if the catalog has too few tracks by other artists to say.
        """
        code = np.array([self._codes.get(artist, -1)])
        similarity = float(self._kth(vector[None], self._by_others(code))[0])
        if not np.isfinite(similarity) or not len(self._own):
            return None
        farther = int(np.searchsorted(self._own, similarity, side="left"))
        percentile = 100.0 * farther / len(self._own)
        return Unusualness(
            similarity=min(max(similarity, -1.0), 1.0),
            neighbors=self._k,
            typical=float(np.median(self._own)),
            percentile=percentile,
            words=_in_words(percentile),
        )


def _in_words(percentile: float) -> str:
    """Say it in two parts, the verdict and the figure, with a colon between them."""
    figure = f"{percentile:.0f} % of the catalog lies farther from its neighbors"
    if percentile == 0:
        return "unlike the catalog: no track of it lies farther from its neighbors"
    if percentile < 5:
        return f"very unusual: only {percentile:.1f} % of the catalog lies farther out"
    if percentile < 20:
        return f"unusual: {figure}"
    return f"usual: {figure}" if percentile < 80 else f"very usual: {figure}"


def judge_confidence(
    *,
    seconds: float,
    active: float,
    problem: str | None,
    tracks: int,
    fields: int,
    percentile: float | None,
) -> Confidence:
    """Say how far the comparisons of a track can be trusted.

    Parameters
    ----------
    seconds : float
        Length of what was heard.
    active : float in [0, 1]
        Share of it that is not silent.
    problem : str or None
        What could not be read.
    tracks : int
        Tracks of the catalog that it is compared with.
    fields : int
        Fields of metadata that both sides can be compared by.
    percentile : float or None
        See :class:`Unusualness`.

    Returns
    -------
    Confidence
        The lowest level that a reason gives; ``high`` without any.
    """
    low: list[str] = []
    medium: list[str] = []
    sounding = seconds * active
    if sounding < 10:
        low.append(f"only {sounding:.0f} s of sound to hear")
    elif sounding < 30:
        medium.append(f"only {sounding:.0f} s of sound: a short track is judged by few moments")
    if active < 0.5:
        (low if active < 0.25 else medium).append(f"{100 * (1 - active):.0f} % of it is silent")
    if problem:
        medium.append(f"read in part: {problem}")
    if tracks < 10:
        low.append(f"a catalog of {tracks} tracks has little to compare with")
    elif tracks < 100:
        medium.append(f"a catalog of {tracks} tracks: percentiles are coarse")
    if not fields:
        medium.append("no metadata to compare by: all rests on the sound")
    if percentile is not None and percentile < 2:
        medium.append("nothing in the catalog is near: its nearest tracks are far ones")
    return Confidence("low" if low else "medium" if medium else "high", (*low, *medium))
