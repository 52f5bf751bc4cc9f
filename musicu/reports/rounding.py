"""Numbers that still add up when they are rounded."""

from __future__ import annotations

import math
from collections.abc import Mapping

__all__ = ["rounded_shares"]


def rounded_shares(parts: Mapping[str, float], *, unit: float = 0.001) -> dict[str, int]:
    """Round parts to whole units whose sum is the rounded sum of the parts.

    Each part is rounded down, and what is missing goes to those that lost most (largest
    remainders, as Hare and Niemeyer share out seats): no part is off by a whole unit.

    Parameters
    ----------
    parts : mapping of str to float
        What adds up; may be negative.
    unit : float > 0
        What they are rounded to.

    Returns
    -------
    dict of str to int
        Units of each part, in the same order.
    """
    exact = {name: value / unit for name, value in parts.items()}
    down = {name: math.floor(value) for name, value in exact.items()}
    missing = round(math.fsum(exact.values())) - sum(down.values())
    most_lost = sorted(exact, key=lambda name: down[name] - exact[name])
    for name in most_lost[:missing]:
        down[name] += 1
    return down
