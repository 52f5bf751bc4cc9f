"""A listener's taste: several decayed interests instead of one mean.

A history is weighted first: old plays fade, and one long sitting or one album counts like a few
tracks, not like a hundred. Then it is split into interests, where it has more than one. All is
computed from the similarities of the history's rows to each other, so it does not matter how
their vectors are stored; an interest's center is a sum of those rows, so each recommendation is
explained by tracks of the history, exactly.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import MusicuError

__all__ = ["Interests", "find_interests", "history_weights", "interest_shares"]

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

_DAY = 86400.0
# A pause this long (s) ends a sitting.
_PAUSE = 2 * 3600.0
# Concentration of the von Mises kernel of the hour: twelve hours off weighs exp(-1), 37 %.
_HOUR_CONCENTRATION = 0.5
# A split that takes less than this share of a history's scatter tells no interests apart.
_SPLIT = 0.05
# Scatter that is rounding: the rows are all alike.
_ALIKE = 1e-12


@dataclass(frozen=True)
class Interests:
    """What a history consists of, the largest interest first.

    Attributes
    ----------
    members : np.ndarray [shape=(m, h), float64]
        Weight of each row of the history within each interest; rows sum to 1. A row of the history
        belongs to one interest, or to none if its weight was 0 or nothing is known of it.
    mass : np.ndarray [shape=(m,), float64]
        Share of each interest in the history; sums to 1.
    length : np.ndarray [shape=(m,), float64 in (0, 1]]
        Length of each interest's mean vector: 1 if its rows are all alike.
    """

    members: Floats
    mass: Floats
    length: Floats

    def __len__(self) -> int:
        return len(self.mass)

    @property
    def rows(self) -> Floats:
        """Return the weights [m, h] with which the rows add up to centers of unit length."""
        return self.members / self.length[:, None]


def history_weights(
    weights: ArrayLike,
    times: ArrayLike | None = None,
    *,
    now: float | None = None,
    half_life_days: float = 180.0,
    groups: Sequence[Hashable] | None = None,
    context_hour: float | None = None,
) -> Floats:
    """Say how much each row of a history counts.

    The logarithm of the plays, ``log(1 + plays)``, times three factors:

    - fading: ``2 ** -(age / half_life_days)``;
    - sittings and groups: where rows were played without a pause of two hours, or share a label of
      `groups`, a row of weight w in such a set of total M and largest weight a counts ``w sqrt(a /
      M)``: n equal rows count like sqrt(n). Of the two factors of a row, the smaller one acts, so
      an album heard in one go is not punished twice;
    - the hour, if asked for: ``exp(0.5 (cos(angle) - 1))``, the angle on the clock between a row's
      hour and `context_hour`.

    Parameters
    ----------
    weights : array-like [shape=(h,)] >= 0
        Plays of each row.
    times : array-like [shape=(h,)] or None
        When each was played (seconds since 1970, UTC); None: unknown, then nothing fades.
    now : float or None
        The present (seconds since 1970, UTC); by default the last of `times`. Times after it are
        the present.
    half_life_days : float > 0
        Age at which a row counts half. On dated tags of 596 Last.fm listeners half a year costs
        no accuracy that can be told from none; a month costs a third of it.
    groups : sequence of labels or None
        Album or artist of each row; None and "" are no label.
    context_hour : float or None
        Hour of the day (0 to 24, UTC) that the recommendation is for.

    Returns
    -------
    np.ndarray [shape=(h,), float64]
        0 or more; not normalized.

    Raises
    ------
    MusicuError
        A weight or a time is negative or no number, lengths differ, or an hour was asked for
        without times.
    """
    plays = np.asarray(weights, dtype=np.float64)
    if plays.ndim != 1 or not np.all(np.isfinite(plays) & (plays >= 0)):
        raise MusicuError("plays of a history must be numbers from 0, one a row")
    if half_life_days <= 0:
        raise MusicuError(f"a half-life of {half_life_days:g} days: it must be above 0")
    if groups is not None and len(groups) != len(plays):
        raise MusicuError(f"{len(groups):,} labels for {len(plays):,} rows: one label a row")
    counted = np.log1p(plays)
    sets = [] if groups is None else [_labels(groups)]
    if times is None:
        if context_hour is not None:
            raise MusicuError("an hour of the day needs a history with times")
    else:
        played = np.asarray(times, dtype=np.float64)
        if played.shape != plays.shape or not np.all(np.isfinite(played)):
            raise MusicuError("times of a history must be numbers, one a row")
        present = played.max(initial=-np.inf) if now is None else now
        age = np.maximum(present - played, 0.0) / _DAY
        # A common factor means nothing; without it a history that is decades old would vanish.
        counted *= np.exp2(-(age - age.min(initial=np.inf)) / half_life_days)
        sets.append(_sittings(played))
        if context_hour is not None:
            angle = 2 * np.pi * (played / 3600.0 - context_hour) / 24.0
            counted *= np.exp(_HOUR_CONCENTRATION * (np.cos(angle) - 1))
    factor = np.ones(len(plays))
    for members in sets:
        factor = np.minimum(factor, _crowding(counted, members))
    return counted * factor


def find_interests(
    similarity: ArrayLike, weights: ArrayLike, *, max_interests: int = 5
) -> Interests:
    """Split a history into interests.

    Ward's hierarchical clustering (1963; for tastes Pal et al., PinnerSage, KDD 2020), the rows'
    weights being masses: a row of weight 2 is two rows. The history is split as long as a split
    takes 5 % of its whole scatter, into `max_interests` at most. Nothing depends on chance.

    Parameters
    ----------
    similarity : array-like [shape=(h, h)]
        Dot products of the history's rows; a row of zeros is one of which nothing is known.
    weights : array-like [shape=(h,)] >= 0
        From :func:`history_weights`.
    max_interests : int >= 1
        How many interests at most.

    Returns
    -------
    Interests
        None at all if no row has both a weight and a vector.

    Raises
    ------
    MusicuError
        Shapes do not fit.
    """
    s = np.asarray(similarity, dtype=np.float64)
    w = np.asarray(weights, dtype=np.float64)
    if w.ndim != 1 or s.shape != (len(w), len(w)):
        raise MusicuError(f"similarities of shape {s.shape} do not fit {w.size:,} weights")
    if max_interests < 1:
        raise MusicuError(f"{max_interests} interests: there is at least 1")
    known = np.flatnonzero((w > 0) & (np.diag(s) > 0))
    if not len(known):
        return Interests(np.zeros((0, len(w))), np.zeros(0), np.zeros(0))
    label = _ward(s[np.ix_(known, known)], w[known], max_interests)
    members = np.zeros((label.max() + 1, len(w)))
    members[label, known] = w[known]
    mass = members.sum(axis=1)
    order = np.argsort(-mass, kind="stable")
    members, mass = (members / mass[:, None])[order], mass[order]
    length = np.sqrt(np.maximum(np.einsum("mi,ij,mj->m", members, s, members), 1e-12))
    return Interests(members, mass / mass.sum(), length)


def interest_shares(mass: ArrayLike) -> Floats:
    """Return how much each interest counts: with the square root of its mass; sums to 1.

    A small interest is heard, but not like a large one. Measured on a fifth of the artists of 1,834
    Last.fm listeners, held out and found by other people's tags (NDCG@100): one mean .275, this
    .278, the best of the interests instead .196, for an item may then fit one corner of a taste and
    nothing else.

    Parameters
    ----------
    mass : array-like [shape=(m,)]
        From :class:`Interests`.
    """
    weight = np.sqrt(np.asarray(mass, dtype=np.float64))
    return np.asarray(weight / weight.sum())


def _labels(groups: Sequence[Hashable]) -> Integers:
    number: dict[Hashable, int] = {}
    # A row without a label is a set of its own.
    keys = ((i,) if label in (None, "") else label for i, label in enumerate(groups))
    return np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.intp)


def _sittings(played: Floats) -> Integers:
    order = np.argsort(played, kind="stable")
    result = np.empty(len(played), dtype=np.intp)
    result[order] = np.cumsum(np.diff(played[order], prepend=played[order][:1]) > _PAUSE)
    return result


def _crowding(weights: Floats, members: Integers) -> Floats:
    total = np.bincount(members, weights)
    largest = np.zeros(len(total))
    np.maximum.at(largest, members, weights)
    return np.sqrt(largest / np.where(total > 0, total, 1.0))[members]


def _ward(s: Floats, w: Floats, most: int) -> Integers:
    """Return the interest of each row: Ward's clusters, merged greedily (Lance and Williams)."""
    mass, label, square = w / w.sum(), np.arange(len(w)), np.diag(s)
    # What merging two clusters adds to the scatter within clusters.
    cost = np.maximum(square[:, None] + square - 2 * s, 0.0)
    cost *= mass[:, None] * mass / (mass[:, None] + mass)
    np.fill_diagonal(cost, np.inf)
    least = max(_SPLIT * (mass @ square - mass @ s @ mass), _ALIKE)
    nearest = cost.argmin(axis=1)
    for left in range(len(w), 1, -1):
        u = int(cost[np.arange(len(w)), nearest].argmin())
        v = int(nearest[u])
        paid = cost[u, v]
        if left <= most and paid >= least:
            break
        joined = (mass[u] + mass) * cost[u] + (mass[v] + mass) * cost[v] - mass * paid
        joined /= mass[u] + mass[v] + mass
        joined[[u, v]] = np.inf
        cost[u] = cost[:, u] = joined
        cost[v] = cost[:, v] = np.inf
        mass[u] += mass[v]
        label[label == v] = u
        # A merger never brings another cluster nearer: only its former neighbors look again.
        stale = np.flatnonzero((nearest == u) | (nearest == v) | (np.arange(len(w)) == u))
        nearest[stale] = cost[stale].argmin(axis=1)
    return np.unique(label, return_inverse=True)[1]
