"""A smooth path from one track to another: every step small, none much larger than the others.

Stations are chosen among the tracks that lie near the great circle between the two ends (K.
Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985, in as many dimensions as there
are). They come in the order in which they lie along it, so that no track comes twice, and of all
such paths the one is taken whose steps have the smallest sum of eighth powers of their angles,
exactly, by dynamic programming (A. Viterbi, "Error bounds for convolutional codes", IEEE Trans.
Inf. Theory 13, 1967). So high a power asks for the largest step to be small, and so for all to be
even.

Measured on the 534 clips of free_music in the research audio with musicu-2: paths of 10 tracks
between 200 pairs of clips drawn at random. The largest step of a path (radians), and the standard
deviation of its steps over their mean, averaged over the paths:

=====================================================  ============  ==========
way                                                    largest step  unevenness
=====================================================  ============  ==========
this module                                            0.87          0.19
to the nearest track that is nearer to the end         1.00          0.21
the nearest track to each point of the circle          1.15          0.24
=====================================================  ============  ==========

``MUSICU_DATA=... pytest -m data tests/test_journey.py`` compares them anew. On all 1,687 clips of
the research audio: 0.86, 1.08 and 1.27; 0.21, 0.29 and 0.34. There, fourth powers in place of the
eighth make the largest step 5 % longer and the mean step 6 % shorter; squares, 24 % and 14 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import islice, zip_longest

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.items.versions import SAME_AUDIO
from musicu.search.seeds import FoundSeeds
from musicu.search.snapshot import Snapshot
from musicu.search.spaces import as_scores

__all__ = ["Caps", "find_path", "route", "waypoints"]

Array = NDArray[np.float32]
Bools = NDArray[np.bool_]

_POWER = 8
# Candidates: so many for each waypoint, or some times as many as there are stations (else, where
# the waypoints have the same neighbors, they would be too few); and no more than that in all.
_EACH, _TIMES, _MOST = 128, 4, 800


@dataclass(frozen=True, eq=False)
class Caps:
    """How many stations may be alike in something: by one artist.

    Attributes
    ----------
    alike : np.ndarray [shape=(m, m), bool]
        Which candidates are.
    ends : np.ndarray [shape=(m,), int]
        With how many of the two ends each is.
    most : int >= 1
        How many may be, the ends included.
    """

    alike: Bools
    ends: NDArray[np.uint8]
    most: int


def find_path(
    snapshot: Snapshot,
    ends: FoundSeeds,
    n: int,
    among: Bools | None,
    max_per_artist: int | None,
    out: AbstractSet[str],
) -> tuple[list[int], list[float]]:
    """Find a path between two tracks.

    Parameters
    ----------
    snapshot : Snapshot
    ends : FoundSeeds
        Two; those that are stored are part of the path.
    n : int >= 2
        How many tracks.
    among : np.ndarray [shape=(tracks,), bool] or None
        Which may be stations.
    max_per_artist : int >= 1 or None
        Cap, the ends included.
    out : set of str
        Ids of tracks that may not be stations.

    Returns
    -------
    list of int
        Positions; fewer than `n` where there are no more candidates, or the cap allows no more.
    list of float
        Cosine of each to the one before, in [0, 1]; 1 for a stored start.
    """
    start, end = ends.vectors
    ids = snapshot.ids
    before, after = ([at] if at >= 0 else [] for at in ends.positions)
    count = n - len(before) - len(after)
    each = max(_EACH, _TIMES * count) + len(out)
    points = waypoints(start, end, count)
    found = [at for at, _ in snapshot.search(points, each, [among] * count)] if count else []
    # The nearest of every waypoint, then the next of each, and so on.
    near = dict.fromkeys(at for place in zip_longest(*found) for at in place if at is not None)
    candidates = [int(at) for at in islice((at for at in near if ids[at] not in out), _MOST)]
    rows = snapshot.vectors(candidates)
    caps = None
    if max_per_artist is not None:
        caps = _artist_caps(snapshot, candidates, (*before, *after), max_per_artist)
    stations = [candidates[at] for at in route(rows, start, end, count, caps=caps)]
    path = [*before, *stations, *after]
    steps = np.concatenate([start[None], snapshot.vectors(path)])
    if before:
        steps = steps[1:]
    cosines = np.einsum("ij,ij->i", steps[1:], steps[:-1])
    return path, [1.0] * len(before) + as_scores(cosines).tolist()


def _artist_caps(
    snapshot: Snapshot, candidates: Sequence[int], ends: Sequence[int], most: int
) -> Caps:
    names = [frozenset(snapshot.artists[at]) for at in candidates]
    column = {name: at for at, name in enumerate(sorted(frozenset().union(*names)))}
    has = np.zeros((len(names), len(column)), dtype=np.float32)
    for row, own in enumerate(names):
        has[row, [column[name] for name in own]] = 1
    counts = np.zeros(len(names), dtype=np.uint8)
    for at in ends:
        counts += np.array([not own.isdisjoint(snapshot.artists[at]) for own in names], np.uint8)
    return Caps(has @ has.T > 0, counts, most)


def waypoints(start: Array, end: Array, count: int) -> Array:
    """Return points at even distances on the great circle from one unit vector to another.

    Parameters
    ----------
    start, end : np.ndarray [shape=(dim,), float32]
        Of length 1; not among the points.
    count : int >= 0

    Returns
    -------
    np.ndarray [shape=(count, dim), float32]
        Of length 1.
    """
    t = np.linspace(0, 1, count + 2)[1:-1, None]
    angle = np.arccos(np.clip(np.dot(start, end), -1, 1))
    # Of ends that are one, or opposite to each other, no circle is the only one.
    sine = np.sin(angle)
    if sine < 1e-6:
        points = (1 - t) * start + t * end
    else:
        points = (np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / sine
    return np.asarray(unit_rows(points), dtype=np.float32)


def route(
    rows: Array, start: Array, end: Array, stations: int, *, caps: Caps | None = None
) -> list[int]:
    """Choose the stations of a journey, and their order.

    Parameters
    ----------
    rows : np.ndarray [shape=(m, dim), float32]
        Unit vectors of the candidates. Of several that are the same recording (a cosine above
        :data:`musicu.items.versions.SAME_AUDIO`) one is used, and none that is an end's.
    start, end : np.ndarray [shape=(dim,), float32]
        Unit vectors of the ends.
    stations : int >= 0
        How many to choose.
    caps : Caps or None
        With caps the path is no longer proven to be the best: each track is reached on the best
        path that the caps allow to go on.

    Returns
    -------
    list of int
        Rows; fewer than asked for where there are no more, or the caps allow no more.
    """
    order, angles, first, last = _forward(rows, start, end)
    m = len(order)
    if not stations or not m:
        return []
    everyone = np.arange(m)
    met = np.zeros((m, m), dtype=np.uint8)
    alike, most = np.zeros((m, m), dtype=np.uint8), 1
    if caps is not None:
        alike = caps.alike[np.ix_(order, order)].astype(np.uint8)
        met[:], most = caps.ends[order], caps.most
    cost = np.where(met[0] < most, first, np.inf)
    met += alike
    whole, before = [cost + last], []
    for _ in range(stations - 1):
        total = cost[:, None] + angles
        total[met >= most] = np.inf
        best = total.argmin(axis=0)
        cost = total[best, everyone]
        met = met[best] + alike
        before.append(best)
        whole.append(cost + last)
    # The longest that there is: caps, or too few candidates, may leave none that is as long.
    reached = max((at for at, costs in enumerate(whole) if np.isfinite(costs).any()), default=-1)
    if reached < 0:
        return []
    path = [int(whole[reached].argmin())]
    for best in reversed(before[:reached]):
        path.append(int(best[path[-1]]))
    return [int(order[at]) for at in reversed(path)]


def _forward(
    rows: Array, start: Array, end: Array
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Order candidates along the way, and price steps: forward, from the start, to the end."""
    across = end - (start @ end) * start
    order = np.argsort(np.arctan2(rows @ across, (rows @ start) * np.linalg.norm(across)))
    ends = rows @ np.stack([start, end], axis=1)
    cosines = rows[order] @ rows[order].T
    double = np.triu(cosines > SAME_AUDIO, 1).any(axis=0) | (ends[order] > SAME_AUDIO).any(axis=1)
    order, cosines = order[~double], cosines[np.ix_(~double, ~double)]
    prices = _price(cosines)
    prices[np.tril_indices(len(order))] = np.inf
    first, last = _price(ends[order]).T
    return order, prices, first, last


def _price(cosines: Array) -> NDArray[np.float64]:
    return np.asarray(np.arccos(np.clip(cosines.astype(np.float64), -1, 1)) ** _POWER)
