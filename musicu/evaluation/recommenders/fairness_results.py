"""What is found of groups: exposure beside merit, and the price of targets."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["FairnessReport", "GroupExposure", "TargetPrice"]


@dataclass(frozen=True, kw_only=True)
class GroupExposure:
    """A group: what it is shown, and what listeners want of it.

    Attributes
    ----------
    group : str
    items : int
        How many items it has.
    exposure, exposure_low, exposure_high : float
        Its share of all attention, with an interval over listeners.
    merit, merit_low, merit_high : float
        Its share of what was played later.
    ratio : float
        Exposure over merit: below 1 it is held back; NaN without merit.
    """

    group: str
    items: int
    exposure: float
    exposure_low: float
    exposure_high: float
    merit: float
    merit_low: float
    merit_high: float
    ratio: float


@dataclass(frozen=True, kw_only=True)
class TargetPrice:
    """A least share for a group, and what it costs.

    Attributes
    ----------
    group : str
    target : float
        Least share of every beginning of a list.
    reached : float
        The group's share of the attention then.
    met : float
        Share of the lists in which it was kept.
    ndcg, base : float
        With the target, and without any.
    difference, low, high : float
        Between these, with an interval over listeners.
    p : float
        Of the randomization test.
    """

    group: str
    target: float
    reached: float
    met: float
    ndcg: float
    base: float
    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, kw_only=True)
class FairnessReport:
    """Exposure and merit of groups, and the price of targets.

    Attributes
    ----------
    by : str
        What groups are told by.
    listeners, n : int
        How many lists, and how long they are.
    groups : tuple of GroupExposure
        The one with the most merit first.
    targets : tuple of TargetPrice
    notes : tuple of str
    """

    by: str
    listeners: int
    n: int
    groups: tuple[GroupExposure, ...]
    targets: tuple[TargetPrice, ...]
    notes: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a group."""
        return [asdict(one) for one in self.groups]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)
