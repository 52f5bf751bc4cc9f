"""A/B tests: what the log of a trial says, and how far it can be trusted.

Variants are given to users, so the user is the unit: a user's rows are added up before anything is
compared. Who looks at a trial every day finds sooner or later what is not there; the anytime
p-values and intervals hold however often one looks. Several comparisons are corrected by Holm
(1979). :mod:`musicu.evaluation.ab.statistics` names the methods; formulas and measured error rates
are in docs/abtest.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from musicu.errors import MusicuError
from musicu.evaluation.ab.log import ABLog, read_ab_log
from musicu.evaluation.ab.looks import ABLook, UserMetric, daily_looks, decide
from musicu.evaluation.scores import direction
from musicu.evaluation.significance import holm

__all__ = [
    "SRM_ALARM",
    "ABEffect",
    "ABReport",
    "analyze_ab",
    "srm_p_value",
]

# Below this p-value the split itself is broken: what is usual among those who check every trial.
SRM_ALARM = 0.001

_FEW = 100  # users in a variant below which the normal approximation is rough


@dataclass(frozen=True, kw_only=True)
class ABEffect:
    """A variant beside control, on one metric.

    Attributes
    ----------
    variant, metric : str
        Which.
    covariate : str or None
        What adjusted it.
    control, treatment : float
        Means, or ratios of means; adjusted where there is a covariate.
    effect, low, high : float
        Their difference, and the interval of a single look.
    relative, relative_low, relative_high : float or None
        The same as shares of control; None unless both means are positive.
    p, p_holm : float
        Of a single look; alone, and corrected for all variants and metrics.
    variance_left : float
        Variance of the effect relative to that without the covariate; 1 without one.
    anytime_low, anytime_high, anytime_p, anytime_p_holm : float or None
        The same for any number of looks; None if not asked for.
    decided : float or None
        End of the first day on which ``anytime_p_holm`` was at most alpha, in seconds since 1970.
    verdict : {"higher", "lower", "open", "untrusted"}
        By ``anytime_p_holm``, or by ``p_holm`` if that was not asked for; "untrusted" where the
        split itself is broken.
    looks : tuple of ABLook
        One a day; empty for a log without time.
    """

    variant: str
    metric: str
    covariate: str | None
    control: float
    treatment: float
    effect: float
    low: float
    high: float
    relative: float | None
    relative_low: float | None
    relative_high: float | None
    p: float
    p_holm: float
    variance_left: float
    anytime_low: float | None
    anytime_high: float | None
    anytime_p: float | None
    anytime_p_holm: float | None
    decided: float | None
    verdict: Literal["higher", "lower", "open", "untrusted"]
    looks: tuple[ABLook, ...]


@dataclass(frozen=True, kw_only=True)
class ABReport:
    """What a trial says.

    Attributes
    ----------
    control : str
        The variant that the others are compared with.
    users : dict of str to int
        By variant.
    srm_p : float
        Chi-square test of the numbers of users against the split that was meant.
    srm : bool
        Sample-ratio mismatch: `srm_p` is below ``SRM_ALARM``.
    alpha : float
        Error rate of verdicts; intervals cover with ``1 - alpha``.
    effects : tuple of ABEffect
        Every variant on every metric.
    notes : tuple of str
        What to know before believing it, in plain words.
    """

    control: str
    users: dict[str, int]
    srm_p: float
    srm: bool
    alpha: float
    effects: tuple[ABEffect, ...]
    notes: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a variant and metric, without the days."""
        found = [asdict(effect) for effect in self.effects]
        return [{name: row[name] for name in row if name != "looks"} for row in found]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)


def analyze_ab(
    log: ABLog | Any,
    metrics: Sequence[str],
    *,
    control: str | None = None,
    covariates: Mapping[str, str] | None = None,
    shares: Mapping[str, float] | None = None,
    sequential: bool = True,
    planned: int = 10_000,
    alpha: float = 0.05,
) -> ABReport:
    """Analyze the log of an A/B test.

    Parameters
    ----------
    log : ABLog, path or data frame
        The latter are read by :func:`musicu.evaluation.ab.log.read_ab_log`.
    metrics : sequence of str
        Columns, whose total a user is compared; or two with a stroke between them,
        ``"clicks / shown"``: the total of one for each of the other. All count in the correction.
    control : str, optional
        The variant to compare with. If None, that named "control", else the first by name.
    covariates : mapping of str to str, optional
        For a metric, what the same user did before the trial, written as metrics are. It must be
        the same in all rows of a user.
    shares : mapping of str to float > 0, optional
        How users were meant to be split among variants; evenly if None.
    sequential : bool
        Also compute p-values and intervals that hold for any number of looks; with time in the log,
        day by day.
    planned : int >= 1
        Number of users for which these are narrowest. It must stay the same during a trial.
    alpha : float in (0, 1)
        Error rate.

    Returns
    -------
    ABReport

    Raises
    ------
    MusicuError
        The log is empty, has one variant, a variant with one user, a user in two variants, or no
        such control, column or value; a metric does not vary; a covariate changes from row to row.
    MissingExtraError
        Without tea-tasting.
    """
    if not 0 < alpha < 1:
        raise MusicuError(f"alpha is {alpha}: it must be between 0 and 1")
    if planned < 1:
        raise MusicuError(f"planned is {planned}: it must be at least 1")
    if not metrics:
        raise MusicuError("no metric is named")
    if not isinstance(log, ABLog):
        log = read_ab_log(log)
    names, count = np.unique(log.variants, return_counts=True)
    users = dict(zip(names.tolist(), count.tolist(), strict=True))
    control = _control(log, users, control)
    before = dict(covariates or {})
    if stray := sorted(set(before) - set(metrics)):
        raise MusicuError(f"a covariate is given for {stray[0]!r}, which is no metric")
    srm_p = srm_p_value(users, shares)
    srm = srm_p < SRM_ALARM
    measures = [UserMetric(log, metric, before.get(metric)) for metric in metrics]
    pairs = [(name, measure) for name in users if name != control for measure in measures]
    singles = [
        measure.compare(log.variants == control, log.variants == name, alpha=alpha)
        for name, measure in pairs
    ]
    p_holm = holm([single.p for single in singles])
    looks = [
        daily_looks(log, measure, control, name, single, alpha=alpha, planned=planned)
        if sequential
        else []
        for (name, measure), single in zip(pairs, singles, strict=True)
    ]
    anytime_holm, decided = decide(looks, alpha) if sequential else (p_holm, [None] * len(pairs))
    effects = []
    for i, ((name, measure), single) in enumerate(zip(pairs, singles, strict=True)):
        last = looks[i][-1] if sequential else None
        found = direction(single.effect, bool(anytime_holm[i] <= alpha))
        told = asdict(single)
        del told["error"]
        effects.append(
            ABEffect(
                variant=name,
                metric=measure.metric,
                covariate=measure.covariate,
                **told,
                p_holm=float(p_holm[i]),
                anytime_low=last.low if last else None,
                anytime_high=last.high if last else None,
                anytime_p=last.p if last else None,
                anytime_p_holm=float(anytime_holm[i]) if last else None,
                decided=decided[i] if log.time is not None else None,
                verdict="untrusted" if srm else found,
                looks=tuple(looks[i]) if log.time is not None else (),
            )
        )
    return ABReport(
        control=control,
        users=users,
        srm_p=srm_p,
        srm=srm,
        alpha=alpha,
        effects=tuple(effects),
        notes=tuple(_notes(users, shares, srm_p, sequential)),
    )


def _control(log: ABLog, users: Mapping[str, int], control: str | None) -> str:
    listed = ", ".join(map(repr, users))
    if len(users) < 2:
        raise MusicuError(f"{log.path}: only one variant, {listed}: a trial compares two or more")
    if control is not None and control not in users:
        raise MusicuError(f"{log.path}: no variant {control!r}; there are {listed}")
    if alone := [name for name, count in users.items() if count < 2]:
        raise MusicuError(f"{log.path}: variant {alone[0]!r} has one user: at least two are needed")
    return control or ("control" if "control" in users else min(users))


def srm_p_value(users: Mapping[str, int], shares: Mapping[str, float] | None = None) -> float:
    """Test the numbers of users against the split that was meant (chi-square).

    Parameters
    ----------
    users : mapping of str to int
        By variant.
    shares : mapping of str to float > 0, optional
        How they were meant to be split; evenly if None.

    Returns
    -------
    float
        The p-value; below :data:`SRM_ALARM` the split is broken.

    Raises
    ------
    MusicuError
        Shares are not those of the variants, or not positive.
    """
    from scipy.stats import chisquare

    expected = _expected(users, shares)
    return float(chisquare(list(users.values()), list(expected.values())).pvalue)


def _expected(users: Mapping[str, int], shares: Mapping[str, float] | None) -> dict[str, float]:
    meant = dict.fromkeys(users, 1.0) if shares is None else shares
    if set(meant) != set(users):
        raise MusicuError(
            f"shares are given for {', '.join(map(repr, sorted(meant)))}, and the variants are "
            f"{', '.join(map(repr, users))}"
        )
    if wrong := [name for name, share in meant.items() if not 0 < share < math.inf]:
        raise MusicuError(f"the share of {wrong[0]!r} is {meant[wrong[0]]}: it must be positive")
    factor = sum(users.values()) / sum(meant.values())
    return {name: meant[name] * factor for name in users}


def _notes(
    users: Mapping[str, int], shares: Mapping[str, float] | None, srm_p: float, sequential: bool
) -> list[str]:
    found = []
    if srm_p < SRM_ALARM:
        expected = _expected(users, shares)
        parts = [
            f"{name!r} has {n:,} ({expected[name]:,.0f} expected)" for name, n in users.items()
        ]
        found.append(
            f"The split is broken: {', '.join(parts)}; chance does this once in {1 / srm_p:,.0f} "
            "trials. Users are missing or doubled in one variant, so no difference here can be "
            "trusted. Find the cause first: redirects, crashes, filters, late assignment."
            if srm_p > 0
            else f"The split is broken: {', '.join(parts)}. No difference here can be trusted."
        )
    if few := [name for name, count in users.items() if count < _FEW]:
        found.append(
            f"{few[0]!r} has {users[few[0]]} users: below {_FEW}, intervals and p-values are rough."
        )
    if sequential:
        found.append("Verdicts hold however often the trial was looked at.")
    else:
        found.append("Verdicts hold only if this is the one look, at an end fixed beforehand.")
    return found
