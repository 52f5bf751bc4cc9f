"""Logged choices with propensities, where the value of every policy is known.

One item is put before a made-up listener at the beginning of each session, drawn by the chances of
a policy; it is clicked as the first place of a list is (docs/simulator.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import MusicuError
from musicu.simulation.environment import START, liking
from musicu.simulation.listeners import DAY, Population

__all__ = ["Choices", "click_chances", "simulate_choices"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_ROUNDING = 1e-6
_EPOCH = 7.0  # days in which tastes stand still, as where lists are simulated


@dataclass(frozen=True, eq=False, kw_only=True)
class Choices:
    """One item shown a session, and the truth behind it.

    Attributes
    ----------
    user, item : np.ndarray [shape=(s,), int32]
        Positions.
    time : np.ndarray [shape=(s,), float64]
        Seconds since 1970 UTC.
    propensity : np.ndarray [shape=(s,), float64]
        The chance with which it was shown.
    clicked : np.ndarray [shape=(s,), bool]
    chance : np.ndarray [shape=(s, n), float32]
        The truth: how likely a click on each item would have been.
    """

    user: NDArray[np.int32]
    item: NDArray[np.int32]
    time: Doubles
    propensity: Doubles
    clicked: NDArray[np.bool_]
    chance: Floats

    def __len__(self) -> int:
        return len(self.user)

    def of(self, probabilities: ArrayLike) -> Doubles:
        """Return the chances [s, n] of a policy, given as for :func:`simulate_choices`."""
        found = np.asarray(probabilities, dtype=np.float64)
        return found[self.user] if found.ndim == 2 else np.tile(found, (len(self), 1))

    def value(self, probabilities: ArrayLike) -> float:
        """Return the truth about a policy: its expected clicks a session, in these sessions.

        Parameters
        ----------
        probabilities : array-like [shape=(n,) or (users, n)]
            As for :func:`simulate_choices`.
        """
        return float((self.of(probabilities) * self.chance).sum(axis=1).mean())


def click_chances(population: Population) -> Floats:
    """Return how likely a click on each item is at the beginning of each session [sessions, n]."""
    found = np.empty((len(population.session_user), len(population.vectors)), dtype=np.float32)
    truth, day = population.truth, population.session_day
    for start in np.arange(0, population.days, _EPOCH):
        rows = slice(*np.searchsorted(day, [start, start + _EPOCH]))
        user = population.session_user[rows]
        changed = day[rows] >= truth.change_day[user]
        tastes = population.tastes(
            user, population.session_taste[rows], changed, float(start + _EPOCH / 2)
        )
        affinity = population.affinity(tastes @ population.vectors.T)
        found[rows] = population.behavior.appeal * liking(affinity)
    return found


def simulate_choices(population: Population, probabilities: ArrayLike, *, seed: int = 0) -> Choices:
    """Let a policy choose an item a session.

    Parameters
    ----------
    population : Population
        Who comes, and when: :attr:`musicu.simulation.simulate.Simulator.population`.
    probabilities : array-like [shape=(n,) or (users, n)]
        With which chance the policy shows each item, to anybody or to each listener.
    seed : int
        Of choices and clicks.

    Raises
    ------
    MusicuError
        They are of another shape, below 0, or do not sum to 1.
    """
    users, n = len(population.truth.shares), len(population.vectors)
    given = np.asarray(probabilities, dtype=np.float64)
    if given.shape not in ((n,), (users, n)):
        raise MusicuError(f"probabilities of shape {given.shape}: ({n},) or ({users}, {n})")
    if not (given >= 0).all() or not np.allclose(given.sum(axis=-1), 1, atol=_ROUNDING):
        raise MusicuError("probabilities are from 0, and sum to 1")
    rng = np.random.default_rng([seed, 3])
    user = population.session_user
    rows = given[user] if given.ndim == 2 else np.tile(given, (len(user), 1))
    ends = np.cumsum(rows, axis=1)
    drawn = rng.random((len(user), 1)) * ends[:, -1:]
    item = (drawn >= ends).sum(axis=1).astype(np.int32)
    chance = click_chances(population)
    at = np.arange(len(user))
    return Choices(
        user=user,
        item=item,
        time=START + population.session_day * DAY,
        propensity=rows[at, item],
        clicked=rng.random(len(user)) < chance[at, item],
        chance=chance,
    )
