"""The metrics of an A/B test's users, and what was known of them at the end of each day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.evaluation.ab.anytime import anytime_margin, anytime_p
from musicu.evaluation.ab.log import ABLog
from musicu.evaluation.ab.statistics import Effect, compare_groups
from musicu.evaluation.significance import holm

__all__ = ["ABLook", "UserMetric", "daily_looks", "decide"]

Floats = NDArray[np.float64]

_DAY = 86_400.0
_FIRST = 25  # users that each variant has at the first look


@dataclass(frozen=True, kw_only=True)
class ABLook:
    """What was known at the end of a day.

    Attributes
    ----------
    time : float
        End of the day, in seconds since 1970 UTC.
    users : int
        Of control and variant together.
    effect, low, high : float
        Difference to control, and its anytime interval.
    p : float
        The least anytime p-value up to then.
    """

    time: float
    users: int
    effect: float
    low: float
    high: float
    p: float


class UserMetric:
    """A metric of each user, and what adjusts it.

    Parameters
    ----------
    log : ABLog
    metric : str
        A column, or ``"clicks / shown"``.
    covariate : str or None
        What the same users did before the trial, written likewise.

    Attributes
    ----------
    columns : tuple of str
        The one or two columns that the metric names.

    Raises
    ------
    MusicuError
        There is no such column or value, or a covariate changes from row to row.
    """

    def __init__(self, log: ABLog, metric: str, covariate: str | None) -> None:
        self.metric, self.covariate = metric, covariate
        self._path = log.path
        self.columns = _columns(log, metric)
        self._values = [log.totals(name) for name in self.columns]
        self.fixed: list[Floats] = []
        if covariate is not None:
            if covariate == metric:
                raise MusicuError(
                    f"{metric!r} cannot adjust itself: name what was before the trial"
                )
            self.fixed = [log.constants(name) for name in _columns(log, covariate)]

    def compare(
        self,
        control: NDArray[np.bool_],
        treatment: NDArray[np.bool_],
        *,
        alpha: float,
        values: Sequence[Floats] | None = None,
    ) -> Effect:
        """Compare two groups of users.

        Parameters
        ----------
        control, treatment : np.ndarray [shape=(users,), bool]
            Who is in which.
        alpha : float
            The interval covers with ``1 - alpha``.
        values : sequence of np.ndarray [shape=(users,), float64], optional
            The columns' totals at another time than the end.
        """
        known = [self._values if values is None else values, self.fixed]
        groups = [
            [[column[who] for column in columns] for columns in known]
            for who in (control, treatment)
        ]
        return compare_groups(
            groups[0], groups[1], alpha=alpha, name=f"{self._path}: {self.metric!r}"
        )


def daily_looks(
    log: ABLog,
    metric: UserMetric,
    control: str,
    variant: str,
    single: Effect,
    *,
    alpha: float,
    planned: int,
) -> list[ABLook]:
    """Look at a variant at the end of each day.

    Parameters
    ----------
    log : ABLog
    metric : UserMetric
        What is compared.
    control, variant : str
        The two variants.
    single : Effect
        At the end of the log.
    alpha, planned
        As for :func:`musicu.evaluation.ab.anytime.anytime_margin`.

    Returns
    -------
    list of ABLook
        The last is at the end of the log, and the only one of a log without time.
    """
    first, second = log.variants == control, log.variants == variant
    found: list[ABLook] = []

    def look(time: float, here: NDArray[np.bool_], known: Effect) -> None:
        n0, n1 = int((first & here).sum()), int((second & here).sum())
        users = 4 / (1 / n0 + 1 / n1)
        margin = float(anytime_margin(known.error, users, planned=planned, alpha=alpha))
        p = float(anytime_p(known.effect, known.error, users, planned=planned, alpha=alpha))
        found.append(
            ABLook(
                time=time,
                users=n0 + n1,
                effect=known.effect,
                low=known.effect - margin,
                high=known.effect + margin,
                p=min([p, *(earlier.p for earlier in found)]),
            )
        )

    everyone = np.ones(len(log.users), bool)
    if log.time is None:
        look(0.0, everyone, single)
        return found
    day = np.floor(log.time / _DAY)
    days = np.unique(day)
    here = np.zeros(len(log.users), bool)
    sums = [np.zeros(len(log.users)) for _ in metric.columns]
    for now in days[:-1]:
        rows = day == now
        here[log.index[rows]] = True
        for total, name in zip(sums, metric.columns, strict=True):
            total += np.bincount(log.index[rows], log.columns[name][rows], len(total))
        groups = [group & here for group in (first, second)]
        # Too early, or nothing has happened yet.
        if (
            min(group.sum() for group in groups) < _FIRST
            or not all(total[group].any() for total in sums[1:] for group in groups)
            or not any(np.ptp(sums[0][group]) for group in groups)
        ):
            continue
        look(float((now + 1) * _DAY), here, metric.compare(*groups, alpha=alpha, values=sums))
    look(float((days[-1] + 1) * _DAY), everyone, single)
    return found


def decide(looks: Sequence[Sequence[ABLook]], alpha: float) -> tuple[Floats, list[float | None]]:
    """Correct p-values of several comparisons on every day.

    Parameters
    ----------
    looks : sequence of sequence of ABLook
        Of each comparison.
    alpha : float
        Error rate.

    Returns
    -------
    corrected : np.ndarray [shape=(comparisons,), float64]
        P-values at the end.
    decided : list of float or None
        When each was first at most alpha; None if it never was.
    """
    decided: list[float | None] = [None] * len(looks)
    latest = np.ones(len(looks))
    corrected = latest
    for time in sorted({look.time for series in looks for look in series}):
        for i, series in enumerate(looks):
            latest[i] = next((look.p for look in series if look.time == time), latest[i])
        corrected = holm(latest)
        for i, p in enumerate(corrected):
            if p <= alpha and decided[i] is None:
                decided[i] = time
    return corrected, decided


def _columns(log: ABLog, metric: str) -> tuple[str, ...]:
    """Return the one or two columns that a metric names."""
    parts = tuple(part.strip() for part in metric.split("/"))
    if metric in log.columns or len(parts) == 1:
        return (metric,)
    if len(parts) != 2 or not all(parts):
        raise MusicuError(f"{metric!r} is no metric: write a column, or 'clicks / shown'")
    if not log.totals(parts[1]).any():
        raise MusicuError(f"{log.path}: {parts[1]!r} is 0 everywhere: nothing can be divided by it")
    return parts
