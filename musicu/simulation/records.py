"""What a simulation leaves: plays, what was shown, and the truth behind them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicu.simulation.listeners import Truth

__all__ = ["SOURCES", "Shown", "Simulation"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Ints = NDArray[np.int32]
Bools = NDArray[np.bool_]

SOURCES = ("search", "recommendation", "repeat")


@dataclass(frozen=True, eq=False, kw_only=True)
class Shown:
    """What was put before listeners; one row an item shown.

    Attributes
    ----------
    session, item : np.ndarray [shape=(s,), int32]
        Where, and what.
    position : np.ndarray [shape=(s,), int32]
        From 1 in a recommendation list; 0 on a page of search.
    clicked : np.ndarray [shape=(s,), bool]
        Whether it was played from there.
    """

    session: Ints
    item: Ints
    position: Ints
    clicked: Bools


@dataclass(frozen=True, eq=False, kw_only=True)
class Simulation:
    """Plays, what was shown, and the truth behind them. Plays and sessions are in order of time.

    Attributes
    ----------
    user, item, session : np.ndarray [shape=(m,), int32]
        Positions of the listener, the item, and the session of each play.
    weight : np.ndarray [shape=(m,), float32]
        1, or 0.1 if skipped.
    time : np.ndarray [shape=(m,), float64]
        Seconds since 1970 UTC.
    source : np.ndarray [shape=(m,), uint8]
        Where it came from: a position in ``SOURCES``.
    skipped : np.ndarray [shape=(m,), bool]
        Whether it was broken off.
    session_user, session_taste : np.ndarray [shape=(sessions,), int32]
    session_time : np.ndarray [shape=(sessions,), float64]
        Whose it was, which taste set its mood, and when it began.
    shown : Shown
        Exposure.
    truth : Truth
        What was planted.
    variants : tuple of str
        Names of the policies compared; empty without a trial.
    variant : np.ndarray [shape=(users,), int32]
        Each listener's, a position in `variants`; all 0 without a trial.
    from_day : int
        When the trial began.
    """

    user: Ints
    item: Ints
    session: Ints
    weight: Floats
    time: Doubles
    source: NDArray[np.uint8]
    skipped: Bools
    session_user: Ints
    session_taste: Ints
    session_time: Doubles
    shown: Shown
    truth: Truth
    variants: tuple[str, ...]
    variant: Ints
    from_day: int

    def __len__(self) -> int:
        return len(self.user)
