"""Estimates of a policy's value from decisions of another: IPS, SNIPS, direct, doubly robust.

Each is a sum of ratios of means over decisions, so that all are resampled in one way. With w the
weight of a decision (the policy's chance over the logged one), r its reward, q what a model expects
of what was shown and e of the policy:

- ``ips``: mean(w r). Unbiased where propensities are right and every item that the policy shows
  could be logged (Horvitz & Thompson, JASA 1952).
- ``snips``: mean(w r) / mean(w). A little bias, less variance (Swaminathan & Joachims, NIPS 2015).
- ``direct``: mean(e). As good as the model, no better.
- ``dr``: mean(e + w (r - q)). Unbiased where propensities or the model are right (Dudik, Langford &
  Li, ICML 2011).
- ``sndr``: mean(e) + mean(w (r - q)) / mean(w) (Thomas & Brunskill, ICML 2016).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["ESTIMATORS", "MODEL_BASED", "Terms", "effective_sample_size", "estimate"]

Floats = NDArray[np.float64]


class Terms(NamedTuple):
    """What estimates are made of; arrays of decisions, or of resampled means of them.

    Attributes
    ----------
    weight, weighted : np.ndarray
        w, and w r.
    expected, corrected : np.ndarray
        e, and w (r - q); zeros without a model.
    """

    weight: Floats
    weighted: Floats
    expected: Floats
    corrected: Floats


# Add an estimator here: what it makes of the means of the terms.
ESTIMATORS: Mapping[str, Callable[[Terms], Floats]] = {
    "ips": lambda mean: mean.weighted,
    "snips": lambda mean: mean.weighted / mean.weight,
    "direct": lambda mean: mean.expected,
    "dr": lambda mean: mean.expected + mean.corrected,
    "sndr": lambda mean: mean.expected + mean.corrected / mean.weight,
}
MODEL_BASED = frozenset({"direct", "dr", "sndr"})


def estimate(name: str, terms: Terms) -> float:
    """Return an estimate.

    Parameters
    ----------
    name : str
        Of :data:`ESTIMATORS`.
    terms : Terms
        Of decisions [n].

    Examples
    --------
    >>> w, r = np.array([2.0, 0.0, 2.0]), np.array([1.0, 1.0, 0.0])
    >>> from musicu.evaluation.offpolicy.estimators import Terms, estimate
    >>> terms = Terms(w, w * r, 0 * r, 0 * r)
    >>> round(estimate("ips", terms), 3), estimate("snips", terms)
    (0.667, 0.5)
    """
    means = Terms(*(np.asarray(column.mean()) for column in terms))
    return float(ESTIMATORS[name](means))


def effective_sample_size(weights: Floats) -> float:
    """Return how many decisions of equal weight would tell as much: (sum w)^2 / sum w^2.

    Kish, "Survey Sampling", 1965.

    Parameters
    ----------
    weights : np.ndarray [shape=(n,)]
        From 0; not all 0.

    Examples
    --------
    >>> effective_sample_size(np.ones(10)), effective_sample_size(np.array([1.0, 0, 0, 0]))
    (10.0, 1.0)
    """
    return float(weights.sum() ** 2 / (weights**2).sum())
