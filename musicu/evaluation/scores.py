"""What every evaluation says of systems: scores, comparisons, verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "ALPHA",
    "MARKS",
    "Better",
    "Comparison",
    "Score",
    "Verdict",
    "apart",
    "direction",
    "find_score",
    "verdict",
]

Better = Literal["higher", "lower"]
Verdict = Literal["clearly better", "clearly worse", "open"]

ALPHA = 0.05  # error rate of verdicts
MARKS = {"clearly better": " +", "clearly worse": " -"}  # of verdicts, behind a number


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A system against another one, on one metric.

    Attributes
    ----------
    system, against : str
        Their names.
    value, base : float
        Mean of the system, and of the other, over the same queries.
    difference, low, high : float
        value - base, and the 95 % bootstrap interval of the paired difference over clusters.
    p : float
        Two-sided, of the randomization test; NaN where the verdict goes by the interval.
    p_holm : float
        The same, adjusted for the number of comparisons.
    p_bootstrap : float
        Two-sided, of the bootstrap: another opinion, too sure with few clusters.
    verdict : {"clearly better", "clearly worse", "open"}
        Open unless ``p_holm`` is at most :data:`ALPHA`, or the interval is without 0.
    queries, clusters : int
        How many were compared.
    """

    system: str
    against: str
    value: float
    base: float
    difference: float
    low: float
    high: float
    p: float = float("nan")
    p_holm: float = float("nan")
    p_bootstrap: float = float("nan")
    verdict: Verdict = "open"
    queries: int
    clusters: int


@dataclass(frozen=True, kw_only=True)
class Score:
    """A system on one metric.

    Attributes
    ----------
    system, group, metric : str
        Which; the group says whose queries: the label that all of them carry, or who asks.
    better : {"higher", "lower"}
        Which values are good.
    value, low, high : float
        Mean over the queries, and its 95 % bootstrap interval over clusters; the ends are NaN where
        one number is told for many queries.
    queries, clusters : int
        How many were scored, and of how many artists or listeners.
    folds : dict of float or None
        The mean of each fold; None where a fold has no query. Empty without folds.
    kind : str
        What the system is there for, where systems are of several kinds.
    comparison : Comparison or None
        With the system that it is to be compared with; None for that one.
    """

    system: str
    group: str
    metric: str
    better: Better = "higher"
    value: float
    low: float
    high: float
    queries: int
    clusters: int
    folds: dict[str, float | None] = field(default_factory=dict)
    kind: str = ""
    comparison: Comparison | None = None


def find_score(scores: Iterable[Score], system: str, group: str, metric: str) -> Score | None:
    """Return one of some scores, or None where it was not measured."""
    key = (system, group, metric)
    return next((s for s in scores if (s.system, s.group, s.metric) == key), None)


def apart(one: Score, other: Score) -> bool:
    """Whether the intervals of two scores do not even overlap."""
    return one.low > other.high or other.low > one.high


def direction(difference: float, significant: bool) -> Literal["higher", "lower", "open"]:
    """Tell which way a difference goes; open unless it is significant."""
    if not significant:
        return "open"
    return "higher" if difference > 0 else "lower"


def verdict(difference: float, significant: bool, better: Better = "higher") -> Verdict:
    """Tell what a difference is worth, where ``better`` values are good."""
    found = direction(difference, significant)
    if found == "open":
        return "open"
    return "clearly better" if found == better else "clearly worse"
