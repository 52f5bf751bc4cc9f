"""Simulated listeners over real item vectors, for tests where the truth must be known.

The plays are made up; only the items are real. A figure from here says whether a method finds what
was planted, never how well it does on people. Every assumption is in docs/simulator.md.

The parts of the model: choice as a multinomial logit (McFadden 1974), popularity with preferential
attachment (Barabási & Albert 1999), clicks by the position-based model (Craswell et al. 2008). The
loop of tastes, exposure and logged feedback is that of RecSim (Ie et al. 2019, arXiv 1909.04847).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.recommend.interactions import Interactions
from musicu.simulation.environment import START, Environment, Policy
from musicu.simulation.listeners import DAY, Behavior, Population
from musicu.simulation.records import Simulation

__all__ = ["Simulator", "ab_table", "simulate_listening", "to_interactions"]


class Simulator:
    """An environment of made-up listeners; the same arguments make the same one.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, dim)]
        Unit rows: embeddings of real items.
    artists : sequence or None
        Label of each item's artist.
    n_users, days : int >= 1
        How many, and how long.
    seed : int
        Of everything drawn.
    behavior : Behavior or None
        How they behave.

    Attributes
    ----------
    population : Population
        Who listens, and when; ``population.truth`` is what was planted.

    Raises
    ------
    MusicuError
        As :class:`musicu.simulation.listeners.Population` does.
    """

    def __init__(
        self,
        vectors: NDArray[Any],
        *,
        artists: Sequence[Any] | NDArray[Any] | None = None,
        n_users: int = 500,
        days: int = 60,
        seed: int = 0,
        behavior: Behavior | None = None,
    ) -> None:
        self.population = Population(
            vectors,
            artists=artists,
            n_users=n_users,
            days=days,
            seed=seed,
            behavior=behavior or Behavior(),
        )

    def run(self, policy: Policy | None = None) -> Simulation:
        """Let time pass.

        Parameters
        ----------
        policy : callable or None
            Makes each session's recommendation list. It is called with the listener's position, the
            items they have played (oldest first), the items that are out (ascending), and the time
            in seconds since 1970 UTC, and returns items, best first, of which the first
            ``behavior.slots`` are shown. None is the built-in logging policy, whose lists follow
            recent plays and popularity.

        Returns
        -------
        Simulation

        Raises
        ------
        MusicuError
            The policy returns an item twice, or one that is not out.
        """
        return Environment(self.population, {"given": policy}, {}, 0).run()

    def replay(
        self,
        policies: Mapping[str, Policy | None],
        *,
        from_day: int = 0,
        appeal: Mapping[str, float] | None = None,
    ) -> Simulation:
        """Run a trial: each listener is given one of several policies at random.

        Sessions, moods and chances are the same for any policies (common random numbers), and
        nobody comes more often for a better list.

        Parameters
        ----------
        policies : mapping of str to (callable or None)
            By the name of their variant; as for :meth:`run`.
        from_day : int in [0, days)
            When the trial begins; before it, everyone has the built-in logging policy.
        appeal : mapping of str to float > 0, optional
            What a variant's chance of a click is multiplied by: an effect of known size.

        Returns
        -------
        Simulation

        Raises
        ------
        MusicuError
            Fewer than two policies, an unknown variant in `appeal`, or a day outside the simulated
            ones; and as for :meth:`run`.
        """
        days = self.population.days
        if len(policies) < 2:
            raise MusicuError("a trial compares two policies or more")
        if not 0 <= from_day < days:
            raise MusicuError(f"from_day is {from_day}: days run from 0 to {days - 1}")
        if unknown := sorted(set(appeal or {}) - set(policies)):
            raise MusicuError(f"appeal names {unknown[0]!r}, which is none of the policies")
        return Environment(self.population, policies, appeal or {}, from_day).run()


def simulate_listening(
    vectors: NDArray[Any],
    *,
    artists: Sequence[Any] | NDArray[Any] | None = None,
    n_users: int = 500,
    days: int = 60,
    seed: int = 0,
    behavior: Behavior | None = None,
) -> Simulation:
    """Simulate listening under the built-in logging policy; parameters as of :class:`Simulator`."""
    return Simulator(
        vectors, artists=artists, n_users=n_users, days=days, seed=seed, behavior=behavior
    ).run()


def to_interactions(simulation: Simulation, items: Sequence[str] | None = None) -> Interactions:
    """Return the plays as a log of interactions.

    Parameters
    ----------
    simulation : Simulation
    items : sequence of str, optional
        Ids of the items; their positions if None. Listeners are named ``listener 0`` and so on.
    """
    truth = simulation.truth
    names = items if items is not None else map(str, range(len(truth.niche)))
    return Interactions(
        users=tuple(f"listener {i}" for i in range(len(truth.shares))),
        items=tuple(names),
        user=simulation.user,
        item=simulation.item,
        weight=simulation.weight,
        time=simulation.time,
    )


def ab_table(simulation: Simulation) -> dict[str, NDArray[Any]]:
    """Return a trial as an A/B log: a row for each day on which a listener came.

    Everyone also has a row for the trial's first day, so that those who never came count too.

    Returns
    -------
    dict of str to np.ndarray [shape=(rows,)]
        ``user`` and ``variant`` (text), ``time`` (seconds since 1970 UTC, midnight), the counts
        ``sessions``, ``plays``, ``skips``, ``shown`` (items in recommendation lists) and
        ``clicks``, and the same counts of the days before the trial, each with ``_before``, which
        are the same in all of a listener's rows.

    Raises
    ------
    MusicuError
        The simulation is no trial.
    """
    if not simulation.variants:
        raise MusicuError("no policies were compared here: Simulator.replay() runs a trial")
    truth, shown = simulation.truth, simulation.shown
    users, days = len(truth.shares), truth.days
    came = np.floor((simulation.session_time - START) / DAY).astype(np.int64)
    cell = simulation.session_user * days + came
    listed = cell[shown.session[shown.position > 0]]
    clicked = cell[shown.session[(shown.position > 0) & shown.clicked]]
    played = cell[simulation.session]
    cells = {
        "sessions": cell,
        "plays": played,
        "skips": played[simulation.skipped],
        "shown": listed,
        "clicks": clicked,
    }
    counts = {
        name: np.bincount(at, minlength=users * days).reshape(users, days).astype(np.float64)
        for name, at in cells.items()
    }
    start = simulation.from_day
    present = counts["sessions"][:, start:] > 0
    present[:, 0] = True
    user, day = np.nonzero(present)
    names = np.array([f"listener {i}" for i in range(users)])
    return {
        "user": names[user],
        "variant": np.array(simulation.variants)[simulation.variant[user]],
        "time": START + (start + day) * DAY,
        **{name: count[user, start + day] for name, count in counts.items()},
        **{f"{name}_before": c[:, :start].sum(axis=1)[user] for name, c in counts.items()},
    }
