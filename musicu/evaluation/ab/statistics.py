"""Effects of an A/B test: differences, their errors, and how many users they take.

tea-tasting computes differences of means (Welch 1947) and of ratios of means by the delta method
(Deng, Knoblich & Lu 2018), adjusted by what was measured before the trial (CUPED: Deng, Xu, Kohavi
& Walker 2013).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import MissingExtraError, MusicuError
from musicu.evaluation.ab.anytime import users_factor

__all__ = [
    "Effect",
    "compare_groups",
    "detectable_effect",
    "required_users",
]

Floats = NDArray[np.float64]

_KEYS = ("value", "per", "before", "before per")


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A difference between two groups of users, looked at once.

    Attributes
    ----------
    control, treatment : float
        Means, or ratios of means; adjusted where there is a covariate.
    effect, low, high : float
        Their difference, and its interval.
    relative, relative_low, relative_high : float or None
        The same three as shares of control; None unless both means are positive and clear of 0.
    p : float
        Two-sided.
    variance_left : float
        Variance of the difference relative to that without the covariate; 1 without one.
    error : float
        Standard error of the difference.
    """

    control: float
    treatment: float
    effect: float
    low: float
    high: float
    relative: float | None
    relative_low: float | None
    relative_high: float | None
    p: float
    variance_left: float
    error: float


def compare_groups(
    control: Sequence[Sequence[Floats]],
    treatment: Sequence[Sequence[Floats]],
    *,
    alpha: float,
    name: str,
) -> Effect:
    """Compare two groups of users.

    Parameters
    ----------
    control, treatment : (sequence, sequence) of np.ndarray [shape=(users,), float64]
        The columns of the metric: one, or two of which the totals are divided; and those of its
        covariate: none, one or two.
    alpha : float
        The interval covers with ``1 - alpha``.
    name : str
        What an error calls the metric.

    Returns
    -------
    Effect

    Raises
    ------
    MusicuError
        The metric does not vary.
    MissingExtraError
        Without tea-tasting.
    """
    sides = (control, treatment)
    groups = [_aggregate(*side) for side in sides]
    raw = [group.ratio_var("value", "per" if len(control[0]) > 1 else None) for group in groups]
    if not sum(raw) > 0:
        raise MusicuError(f"{name} does not vary among users: there is nothing to compare")
    keys = [
        key if i < len(columns) else None
        for columns, pair in ((control[0], _KEYS[:2]), (control[1], _KEYS[2:]))
        for i, key in enumerate(pair)
    ]
    shift = 0.0
    try:
        found = _metric(keys, alpha).analyze_aggregates(*groups)
    except OverflowError:
        # A mean near 0 has no relative effect, and tea-tasting cannot do without one. A constant
        # added to all values changes neither the difference nor its error.
        ratios = [group.mean("value") / group.mean(keys[1]) for group in groups]
        shift = math.sqrt(max(raw)) + 2 * max(map(abs, ratios))
        groups = [_aggregate(_moved(side[0], shift), side[1]) for side in sides]
        found = _metric(keys, alpha).analyze_aggregates(*groups)
    error = found.effect_size / found.statistic if found.statistic else _error(keys, groups)
    plain = sum(v / group.count() for v, group in zip(raw, groups, strict=True))
    relative: tuple[float | None, float | None, float | None] = (None, None, None)
    if not shift and found.control > 0 and found.treatment > 0:
        relative = (
            float(found.rel_effect_size),
            float(found.rel_effect_size_ci_lower),
            float(found.rel_effect_size_ci_upper),
        )
    return Effect(
        control=float(found.control) - shift,
        treatment=float(found.treatment) - shift,
        effect=float(found.effect_size),
        low=float(found.effect_size_ci_lower),
        high=float(found.effect_size_ci_upper),
        relative=relative[0],
        relative_low=relative[1],
        relative_high=relative[2],
        p=float(found.pvalue),
        variance_left=float(error**2 / plain),
        error=float(error),
    )


def _moved(columns: Sequence[Floats], shift: float) -> list[Floats]:
    """Return a metric's columns such that its mean, or ratio, is higher by `shift`."""
    value, *per = columns
    return [value + shift * (per[0] if per else 1.0), *per]


def _error(keys: Sequence[str | None], groups: Sequence[Any]) -> float:
    """Return the standard error where there is no effect to tell it by."""
    found = _metric(keys, 0.05, use_t=False).analyze_aggregates(*groups)
    width = found.effect_size_ci_upper - found.effect_size_ci_lower
    return float(width / 2 / NormalDist().inv_cdf(0.975))


def _metric(keys: Sequence[str | None], alpha: float, **options: Any) -> Any:
    # All said, since tea-tasting's defaults can be changed from outside.
    given = {
        "alternative": "two-sided",
        "confidence_level": 1 - alpha,
        "equal_var": False,
        "use_t": True,
        "alpha": alpha,
        "ratio": 1,
    }
    return _tea().RatioOfMeans(*keys, **given | options)


def _aggregate(values: Sequence[Floats], fixed: Sequence[Floats]) -> Any:
    """Count, means, variances and covariances of users' columns, as tea-tasting takes them."""
    _tea()
    from tea_tasting.aggr import Aggregates

    keys = [*_KEYS[: len(values)], *_KEYS[2 : 2 + len(fixed)]]
    table = np.stack([*values, *fixed])
    spread = np.atleast_2d(np.cov(table))
    return Aggregates(
        count_=table.shape[1],
        mean_=dict(zip(keys, table.mean(axis=1).tolist(), strict=True)),
        var_={key: float(spread[i, i]) for i, key in enumerate(keys)},
        cov_={
            (left, right): float(spread[i, j])
            for i, left in enumerate(keys)
            for j, right in enumerate(keys)
            if i < j
        },
    )


def required_users(
    values: ArrayLike,
    *,
    effect: float,
    per: ArrayLike | None = None,
    covariate: ArrayLike | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
    sequential: bool = False,
) -> int:
    """Return how many users a trial of two equal variants needs.

    Parameters
    ----------
    values : array-like [shape=(n,)]
        The metric of each user, over as long as the trial will last, from before the trial.
    effect : float
        The relative effect to be found: 0.02 is two per cent of the mean.
    per : array-like [shape=(n,)], optional
        What each user's value is divided by, for a ratio of totals.
    covariate : array-like [shape=(n,)], optional
        What adjusts each user's value: the same metric of the time before.
    power : float in (0, 1)
        Chance to find it.
    alpha : float in (0, 1)
        Error rate.
    sequential : bool
        Whether anytime intervals, planned for that number of users, decide. An upper bound: a clear
        effect is then found earlier.

    Returns
    -------
    int
        Users of both variants together.

    Raises
    ------
    MusicuError
        Values that are not finite, do not vary, or have a mean of 0; an effect of 0.
    MissingExtraError
        Without tea-tasting.
    """
    if not math.isfinite(effect) or effect == 0:
        raise MusicuError(f"effect is {effect}: name the relative effect that is to be found")
    metric, known = _plan(values, per, covariate, alpha, power=power, rel_effect_size=effect)
    users = float(metric.solve_power_from_aggregates(known, "n_obs")[0].n_obs)
    return math.ceil(users * (users_factor(alpha, power) if sequential else 1.0))


def detectable_effect(
    values: ArrayLike,
    *,
    users: int,
    per: ArrayLike | None = None,
    covariate: ArrayLike | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
    sequential: bool = False,
) -> float:
    """Return the least relative effect that a trial finds; see :func:`required_users`.

    Parameters
    ----------
    values, per, covariate, power, alpha, sequential
        As there.
    users : int >= 4
        Of both variants together.

    Raises
    ------
    MusicuError
        As there, or too few users.
    """
    if users < 4:
        raise MusicuError(f"{users} users are too few for a trial: at least 4")
    metric, known = _plan(values, per, covariate, alpha, power=power, n_obs=users)
    found = metric.solve_power_from_aggregates(known, "rel_effect_size")[0].rel_effect_size
    return abs(float(found)) * (math.sqrt(users_factor(alpha, power)) if sequential else 1.0)


def _plan(
    values: ArrayLike,
    per: ArrayLike | None,
    covariate: ArrayLike | None,
    alpha: float,
    **options: Any,
) -> tuple[Any, Any]:
    """Return tea-tasting's metric, and what is known of it."""
    known = [np.asarray(x, dtype=np.float64) for x in (values, per, covariate) if x is not None]
    if any(x.ndim != 1 or len(x) != len(known[0]) for x in known) or len(known[0]) < 2:
        raise MusicuError("values, per and covariate are one number a user, of two users or more")
    if not all(np.isfinite(x).all() for x in known):
        raise MusicuError("values are missing: write 0 where nothing happened")
    main = known[: 1 if per is None else 2]
    if not known[0].mean() or not np.ptp(known[0]) or (per is not None and not known[1].mean()):
        raise MusicuError("values do not vary, or their mean is 0: no relative effect is defined")
    keys = ["value", None if per is None else "per", None if covariate is None else "before", None]
    return _metric(keys, alpha, **options), _aggregate(main, known[len(main) :])


def _tea() -> Any:
    try:
        import tea_tasting
    except ImportError:
        raise MissingExtraError("tea-tasting", "ab") from None
    return tea_tasting
