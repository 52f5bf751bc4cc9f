"""Off-policy evaluation: what policies would have brought, with intervals and diagnostics.

What is resampled is the user, with all decisions. A log cannot tell of what it never showed: the
mean of the weights, 1 where propensities are right and nothing is missing, says how far it reaches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.evaluation.bootstrap import DRAWS, bootstrap_means, interval
from musicu.evaluation.offpolicy.estimators import (
    ESTIMATORS,
    MODEL_BASED,
    Terms,
    effective_sample_size,
    estimate,
)
from musicu.evaluation.offpolicy.log import DecisionLog, read_decisions
from musicu.evaluation.scores import direction
from musicu.evaluation.significance import holm

__all__ = [
    "WEIGHT_ALARM",
    "OffPolicyReport",
    "PolicyValue",
    "WeightDiagnostics",
    "evaluate_policies",
]

Floats = NDArray[np.float64]

# Below this p-value the weights do not have mean 1: propensities are wrong, or something that the
# policy shows could not be logged.
WEIGHT_ALARM = 0.001

_FEW = 100  # decisions of equal weight below which intervals are too short
_HEAVY = 0.05  # share of all weight that one decision should not have


@dataclass(frozen=True, kw_only=True)
class PolicyValue:
    """An estimate of a policy's value.

    Attributes
    ----------
    policy, estimator : str
        Which.
    value, low, high : float
        Mean reward of a decision, and its interval.
    difference, difference_low, difference_high : float
        Value less what the log has, over the same users.
    p, p_holm : float
        Two-sided, of that difference; and corrected for the number of policies.
    verdict : {"higher", "lower", "open", "untrusted"}
        Than the log, by `p_holm`; "untrusted" where the weights raise the alarm, which the direct
        estimate does not use.
    """

    policy: str
    estimator: str
    value: float
    low: float
    high: float
    difference: float
    difference_low: float
    difference_high: float
    p: float
    p_holm: float
    verdict: Literal["higher", "lower", "open", "untrusted"]


@dataclass(frozen=True, kw_only=True)
class WeightDiagnostics:
    """How far a log reaches for a policy.

    Attributes
    ----------
    policy : str
    effective, effective_share : float
        Effective sample size, and its share of the decisions.
    mean, mean_p : float
        Mean weight, and the p-value of its being 1.
    largest, largest_share : float
        The largest weight, and its share of all.
    clipped : float
        Share of decisions whose weight was cut.
    """

    policy: str
    effective: float
    effective_share: float
    mean: float
    mean_p: float
    largest: float
    largest_share: float
    clipped: float


@dataclass(frozen=True, kw_only=True)
class OffPolicyReport:
    """What a log says of policies that did not make it.

    Attributes
    ----------
    decisions, users : int
        How many.
    logged, logged_low, logged_high : float
        Mean reward of the log.
    alpha : float
        Error rate of verdicts; intervals cover with ``1 - alpha``.
    values : tuple of PolicyValue
        Every policy by every estimator.
    diagnostics : tuple of WeightDiagnostics
        One a policy.
    notes : tuple of str
        What to know before believing it.
    """

    decisions: int
    users: int
    logged: float
    logged_low: float
    logged_high: float
    alpha: float
    values: tuple[PolicyValue, ...]
    diagnostics: tuple[WeightDiagnostics, ...]
    notes: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a policy and estimator, with the policy's effective sample size."""
        reach = {one.policy: one.effective for one in self.diagnostics}
        return [{**asdict(value), "effective": reach[value.policy]} for value in self.values]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)


def evaluate_policies(
    log: DecisionLog | Any,
    policies: Mapping[str, str] | None = None,
    *,
    clip: float | None = None,
    alpha: float = 0.05,
    draws: int = DRAWS,
    seed: int = 0,
    **columns: Any,
) -> OffPolicyReport:
    """Estimate what policies would have brought.

    Parameters
    ----------
    log : DecisionLog, path or data frame
        The latter are read by :func:`musicu.evaluation.offpolicy.log.read_decisions`.
    policies : mapping of str to str, optional
        Of each policy, the column of its chances, where a table is to be read.
    clip : float >= 1 or None
        Cut larger weights to this: less variance, and a bias downwards for rewards from 0.
    alpha : float in (0, 1)
        Error rate.
    draws, seed : int
        Of the bootstrap over users.
    **columns
        The others of :func:`read_decisions`: ``reward="played"``.

    Returns
    -------
    OffPolicyReport

    Raises
    ------
    MusicuError
        The log is of one user, or cannot be used; clip or alpha is out of its range.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> shown = rng.integers(2, size=4000)  # one of two lists, each with chance 1/2
    >>> played = rng.random(4000) < np.where(shown == 1, 0.3, 0.1)
    >>> log = DecisionLog(played, np.full(4000, 0.5), {"second": shown == 1})
    >>> report = evaluate_policies(log)
    >>> [value.verdict for value in report.values], report.diagnostics[0].effective > 1900
    (['higher', 'higher'], True)
    """
    if clip is not None and not clip >= 1:
        raise MusicuError(f"clip is {clip}: weights can be cut to 1 or more")
    if not 0 < alpha < 1:
        raise MusicuError(f"alpha is {alpha}: it must be between 0 and 1")
    if not isinstance(log, DecisionLog):
        log = read_decisions(log, policies or {}, **columns)
    users = len(np.unique(log.user))
    if users < 2:
        raise MusicuError(f"{log.path}: all rows are one user's: two or more are needed")
    options = {"draws": draws, "seed": seed}
    (base,) = bootstrap_means(log.reward[None], log.user, draws=draws, seed=seed)
    logged, level = float(log.reward.mean()), 1 - alpha
    low, high = interval(base, level=level)
    diagnostics = [_diagnose(log, name, clip) for name in log.policies]
    wrong = {one.policy for one in diagnostics if one.mean_p < WEIGHT_ALARM}
    values: list[PolicyValue] = []
    found = {name: _terms(log, name, clip) for name in log.policies}
    drawn = {
        name: Terms(*bootstrap_means(np.stack(c), log.user, **options)) for name, c in found.items()
    }
    for estimator in ESTIMATORS:
        if estimator in MODEL_BASED and log.predicted is None:
            continue
        samples = {name: ESTIMATORS[estimator](drawn[name]) for name in found}
        p = {name: _p_value(samples[name] - base) for name in found}
        corrected = dict(zip(p, holm(list(p.values())), strict=True))
        for name, sample in samples.items():
            value = estimate(estimator, found[name])
            ends, apart = interval(sample, level=level), interval(sample - base, level=level)
            sure = bool(corrected[name] <= alpha)
            trusted = name not in wrong or estimator == "direct"
            values.append(
                PolicyValue(
                    policy=name,
                    estimator=estimator,
                    value=value,
                    low=ends[0],
                    high=ends[1],
                    difference=value - logged,
                    difference_low=apart[0],
                    difference_high=apart[1],
                    p=p[name],
                    p_holm=float(corrected[name]),
                    verdict=direction(value - logged, sure) if trusted else "untrusted",
                )
            )
    return OffPolicyReport(
        decisions=len(log),
        users=users,
        logged=logged,
        logged_low=low,
        logged_high=high,
        alpha=alpha,
        values=tuple(values),
        diagnostics=tuple(diagnostics),
        notes=tuple(_notes(diagnostics, clip)),
    )


def _terms(log: DecisionLog, policy: str, clip: float | None) -> Terms:
    weight = log.weights(policy)
    if clip is not None:
        weight = np.minimum(weight, clip)
    if log.predicted is None:
        nothing = np.zeros(len(log))
        return Terms(weight, weight * log.reward, nothing, nothing)
    beyond = weight * (log.reward - log.predicted)
    return Terms(weight, weight * log.reward, log.expected[policy], beyond)


def _diagnose(log: DecisionLog, policy: str, clip: float | None) -> WeightDiagnostics:
    weight = log.weights(policy)
    used = weight if clip is None else np.minimum(weight, clip)
    return WeightDiagnostics(
        policy=policy,
        effective=effective_sample_size(used),
        effective_share=effective_sample_size(used) / len(log),
        mean=float(weight.mean()),
        mean_p=_mean_is_one(weight, log.user),
        largest=float(used.max()),
        largest_share=float(used.max() / used.sum()),
        clipped=float((weight > used).mean()),
    )


def _mean_is_one(weight: Floats, user: NDArray[np.intp]) -> float:
    """Test the mean of weights by its error over users (a sandwich: Liang & Zeger 1986)."""
    rest = np.bincount(user, weight - weight.mean())
    error = float(np.sqrt((rest**2).sum())) / len(weight)
    if not error:
        return float(np.isclose(weight.mean(), 1))
    return 2 * NormalDist().cdf(-abs(float(weight.mean()) - 1) / error)


def _p_value(differences: Floats) -> float:
    """Return the level at which the interval of bootstrapped differences would just touch 0."""
    least = min((differences <= 0).sum(), (differences >= 0).sum())
    return float(min(1.0, 2 * (1 + least) / (1 + len(differences))))


def _notes(diagnostics: list[WeightDiagnostics], clip: float | None) -> list[str]:
    found = []
    for one in diagnostics:
        if one.mean_p < WEIGHT_ALARM:
            found.append(
                f"{one.policy!r}: its weights have mean {one.mean:.3g} and not 1: propensities are "
                "wrong, or it shows what the log could not show. No estimate by weights can be "
                "trusted."
            )
        if one.effective < _FEW:
            found.append(
                f"{one.policy!r}: {one.effective:.0f} decisions of equal weight would tell as "
                f"much: below {_FEW}, intervals are too short."
            )
        if one.largest_share > _HEAVY:
            found.append(
                f"{one.policy!r}: one decision has {one.largest_share:.0%} of all weight, "
                f"{one.largest:.3g}."
            )
    if clip is not None and any(one.clipped for one in diagnostics):
        found.append(f"Weights above {clip:g} were cut: estimates are biased by that.")
    return found
