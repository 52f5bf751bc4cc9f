"""Intervals and p-values of an A/B test that hold for any number of looks.

The mixture sequential probability ratio test (Robbins 1970; Johari, Koomen, Pekelis & Walsh 2017)
with a normal mixture, which with estimated variances is the asymptotic confidence sequence of
Waudby-Smith et al. 2021 (arXiv 2103.06476).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["anytime_margin", "anytime_p", "users_factor"]

Floats = NDArray[np.float64]


def anytime_margin(
    error: ArrayLike, users: ArrayLike, *, planned: int = 10_000, alpha: float = 0.05
) -> Floats:
    """Return half the width of an interval that holds for any number of looks.

    Parameters
    ----------
    error : array-like
        Standard error of the effect at each look.
    users : array-like
        How many there are: ``4 / (1 / n0 + 1 / n1)`` for two variants with n0 and n1 users.
    planned : int
        Number of users for which the interval is narrowest.
    alpha : float
        Chance that it ever misses the truth.
    """
    eta = _eta(users, planned, alpha)
    square = (1 + eta) / eta * (np.log1p(eta) - 2 * math.log(alpha))
    return np.asarray(np.asarray(error) * np.sqrt(square))


def anytime_p(
    effect: ArrayLike,
    error: ArrayLike,
    users: ArrayLike,
    *,
    planned: int = 10_000,
    alpha: float = 0.05,
) -> Floats:
    """Return p-values of single looks that may be compared with alpha at every look.

    Their running minimum is valid too. Parameters are those of :func:`anytime_margin`.
    """
    eta = _eta(users, planned, alpha)
    square = (np.asarray(effect) / np.asarray(error)) ** 2
    logarithm = 0.5 * (np.log1p(eta) - square * eta / (1 + eta))
    return np.asarray(np.exp(np.minimum(logarithm, 0.0)))


def users_factor(alpha: float, power: float) -> float:
    """Return how many times as many users an anytime interval needs, where it is narrowest.

    Parameters
    ----------
    alpha, power : float in (0, 1)
        Error rate, and chance to find the effect.
    """
    reach = NormalDist().inv_cdf(power)
    return (
        (math.sqrt(1 + _best_eta(alpha)) + reach) / (NormalDist().inv_cdf(1 - alpha / 2) + reach)
    ) ** 2


def _eta(users: ArrayLike, planned: int, alpha: float) -> Floats:
    """Variance of the mixture relative to that of the effect."""
    return np.asarray(_best_eta(alpha) * np.asarray(users, dtype=np.float64) / planned)


def _best_eta(alpha: float) -> float:
    """Return the mixture that makes the interval narrowest: eta = -2 log alpha + log(1 + eta)."""
    eta = 1.0
    for _ in range(50):  # a contraction: each step gains a digit
        eta = math.log1p(eta) - 2 * math.log(alpha)
    return eta
