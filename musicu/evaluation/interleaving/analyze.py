"""What interleaved lists say: which of two rankings is preferred, and how surely.

Had the rankings been equal, whose a place was would not matter: the two teams' credits of all lists
of a user could be exchanged. That is the randomization test that decides (Fisher; for interleaving
Chapelle et al., "Large-scale validation and analysis of interleaved search evaluation", ACM TOIS
2012). The user is the unit: lists of one user are no independent evidence.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from musicu.errors import MusicuError
from musicu.evaluation.interleaving.log import InterleavingLog, read_interleaving_log
from musicu.evaluation.scores import direction
from musicu.evaluation.significance import DRAWS, bootstrap_test, holm, randomization_test

__all__ = ["DRAFT_ALARM", "InterleavingEffect", "InterleavingReport", "analyze_interleaving"]

# Below this p-value of its coin the draft itself is broken.
DRAFT_ALARM = 0.001

_FEW = 100  # users below which intervals are rough


@dataclass(frozen=True, kw_only=True)
class InterleavingEffect:
    """A ranking beside control, by one measure.

    Attributes
    ----------
    ranking : str
        The one that is compared with control.
    measure : {"lists won", "credit"}
        Share of lists in which a ranking got more credit than the other; or mean credit a list.
    control, treatment : float
        Of each ranking.
    difference, low, high : float
        Treatment less control, and its interval.
    p, p_holm : float
        Two-sided, alone and corrected for the two measures.
    verdict : {"higher", "lower", "open", "untrusted"}
        By `p_holm`; "untrusted" where the draft is broken.
    """

    ranking: str
    measure: Literal["lists won", "credit"]
    control: float
    treatment: float
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    verdict: Literal["higher", "lower", "open", "untrusted"]


@dataclass(frozen=True, kw_only=True)
class InterleavingReport:
    """What interleaved lists say.

    Attributes
    ----------
    control, ranking : str
        The two.
    lists, users : int
        How many.
    wins, losses, ties : int
        Lists in which the ranking got more credit than control, less, and as much.
    draft_p : float
        Of a fair coin having given the first places.
    draft_broken : bool
        `draft_p` is below ``DRAFT_ALARM``.
    alpha : float
        Error rate of verdicts; intervals cover with ``1 - alpha``.
    effects : tuple of InterleavingEffect
        By both measures.
    notes : tuple of str
        What to know before believing it.
    """

    control: str
    ranking: str
    lists: int
    users: int
    wins: int
    losses: int
    ties: int
    draft_p: float
    draft_broken: bool
    alpha: float
    effects: tuple[InterleavingEffect, ...]
    notes: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a measure."""
        return [asdict(effect) for effect in self.effects]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)


def analyze_interleaving(
    log: InterleavingLog | Any,
    *,
    control: str | None = None,
    alpha: float = 0.05,
    draws: int = DRAWS,
    seed: int = 0,
    **columns: Any,
) -> InterleavingReport:
    """Analyze the log of interleaved lists.

    Parameters
    ----------
    log : InterleavingLog, path or data frame
        The latter are read by :func:`musicu.evaluation.interleaving.log.read_interleaving_log`.
    control : str, optional
        The ranking to compare with. If None, that named "control", else the first by name.
    alpha : float in (0, 1)
        Error rate.
    draws, seed : int
        Of the randomization test and of the bootstrap.
    **columns
        The columns of :func:`read_interleaving_log`: ``credit="seconds"``.

    Returns
    -------
    InterleavingReport

    Raises
    ------
    MusicuError
        The log is of one user, has no such ranking, or cannot be used.

    Examples
    --------
    >>> lists = np.repeat(np.arange(400), 2)  # of two places each
    >>> teams = np.tile(["new", "control", "control", "new"], 200)
    >>> clicks = np.random.default_rng(0).random(800) < np.where(teams == "new", 0.4, 0.2)
    >>> report = analyze_interleaving(InterleavingLog(lists, lists, teams, clicks))
    >>> [(effect.measure, effect.verdict) for effect in report.effects]
    [('lists won', 'higher'), ('credit', 'higher')]
    """
    if not 0 < alpha < 1:
        raise MusicuError(f"alpha is {alpha}: it must be between 0 and 1")
    if not isinstance(log, InterleavingLog):
        log = read_interleaving_log(log, **columns)
    if control is not None and control not in log.teams:
        raise MusicuError(
            f"{log.path}: no ranking {control!r}; there are {', '.join(map(repr, log.teams))}"
        )
    base = log.teams.index(control or ("control" if "control" in log.teams else log.teams[0]))
    users = len(np.unique(log.user))
    if users < 2:
        raise MusicuError(f"{log.path}: all lists are one user's: two or more are needed")
    credit = log.credits[:, [base, 1 - base]]
    won = np.stack([credit[:, 0] > credit[:, 1], credit[:, 1] > credit[:, 0]], axis=1)
    measures: dict[Literal["lists won", "credit"], Any] = {
        "lists won": won.astype(np.float64),
        "credit": credit,
    }
    differences = np.stack([sides[:, 1] - sides[:, 0] for sides in measures.values()])
    p = randomization_test(differences, log.user, draws=draws, seed=seed)
    _, ends = bootstrap_test(differences, log.user, draws=draws, seed=seed, level=1 - alpha)
    p_holm = holm(p)
    draft_p = _coin_p(log)
    broken = draft_p < DRAFT_ALARM
    effects = tuple(
        InterleavingEffect(
            ranking=log.teams[1 - base],
            measure=measure,
            control=float(sides[:, 0].mean()),
            treatment=float(sides[:, 1].mean()),
            difference=float(differences[i].mean()),
            low=ends[i][0],
            high=ends[i][1],
            p=float(p[i]),
            p_holm=float(p_holm[i]),
            verdict="untrusted"
            if broken
            else direction(float(differences[i].mean()), bool(p_holm[i] <= alpha)),
        )
        for i, (measure, sides) in enumerate(measures.items())
    )
    losses, wins = (int(side.sum()) for side in won.T)
    return InterleavingReport(
        control=log.teams[base],
        ranking=log.teams[1 - base],
        lists=len(log),
        users=users,
        wins=wins,
        losses=losses,
        ties=len(log) - wins - losses,
        draft_p=draft_p,
        draft_broken=broken,
        alpha=alpha,
        effects=effects,
        notes=tuple(_notes(log, draft_p, users)),
    )


def _coin_p(log: InterleavingLog) -> float:
    from scipy.stats import binomtest

    given = log.first[log.first >= 0]
    return float(binomtest(int(given.sum()), len(given)).pvalue) if len(given) else 1.0


def _notes(log: InterleavingLog, draft_p: float, users: int) -> list[str]:
    found = []
    if draft_p < DRAFT_ALARM:
        first = [int((log.first == at).sum()) for at in (0, 1)]
        found.append(
            f"The draft is broken: {log.teams[0]!r} has the first place in {first[0]:,} lists and "
            f"{log.teams[1]!r} in {first[1]:,}. No difference here can be trusted: a coin has to "
            "say, in each round, which ranking chooses first."
        )
    if users < _FEW:
        found.append(f"{users} users: below {_FEW}, intervals are rough.")
    if not log.credits.any():
        found.append("Nothing got any credit: name the column of clicks or plays.")
    return found
