"""What a score of a new item is worth beside that of a known one.

Scores of items that nobody has played come from content alone: they vary less, and mean less, than
those that listeners taught. Ranked together as they are, new items never come first, or come first
for no reason. So the log is asked what it would have played. Of a log with times, its last fifth is
hidden: what was first played then was new. Of another, a fifth of the artists is hidden as if they
were new, and a fifth of each listener's other items, which stands for the same span of time: the
plays of the hidden artists count a fifth, too. Of new and known items, a logistic regression tells
how the chance of a play rises with the score (Platt 1999), and new scores are brought to the scale
of the known ones, on which equal scores mean equal chances:

    level + slope * score

Beyond the scores that were seen the line goes on as known scores do: among very many new items the
best would otherwise be promised more than anything was ever found to be worth. It is linear
piece by piece, so an explanation stays a sum.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import MusicuError

__all__ = ["Calibration", "logistic"]

Floats = NDArray[np.float64]

_STEPS = 50
# Prior of the logistic regression: a slope of 1 with a deviation of 2; it decides where few plays
# can be learned from.
_PRIOR = 0.25


@dataclass(frozen=True)
class Calibration:
    """How scores of new items are brought to the scale of known ones.

    Parameters
    ----------
    level : float
        What is added to a new item's score, in the unit of scores.
    slope : float > 0
        What it is multiplied by before.
    top : float
        Up to which score; beyond it a point more is a point more, or `slope` if that is less.
    new_share : float in (0, 1)
        Share of listening that is expected to be of new items.
    by : {"time", "artists", "stated"}
        Where that share is from: the log's last fifth, hidden artists, or the settings.

    Examples
    --------
    >>> one = Calibration(level=-4, slope=3, top=2, new_share=0.1, by="time")
    >>> one.apply([2, 1, 2, 4], [False, True, True, True]).tolist()
    [2.0, -1.0, 2.0, 4.0]
    """

    level: float
    slope: float
    top: float
    new_share: float
    by: str

    def apply(self, scores: ArrayLike, is_new: ArrayLike) -> Floats:
        """Return scores of which those of new items are on the scale of the others."""
        level, slope = self.pieces(scores, is_new)
        return level + slope * np.asarray(scores, dtype=np.float64)

    def pieces(self, scores: ArrayLike, is_new: ArrayLike) -> tuple[Floats, Floats]:
        """Return what is added to each of some scores, and what it is multiplied by before."""
        plain, new = np.asarray(scores, dtype=np.float64), np.asarray(is_new, dtype=np.bool_)
        beyond, less = plain > self.top, min(self.slope, 1.0)
        slope = np.where(new, np.where(beyond, less, self.slope), 1.0)
        raised = self.level + (self.slope - less) * self.top
        return np.where(new, np.where(beyond, raised, self.level), 0.0), slope

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Rebuild it from what :meth:`to_dict` returned.

        Raises
        ------
        MusicuError
            Something is missing or is no number.
        """
        try:
            numbers = [float(saved[k]) for k in ("level", "slope", "top", "new_share")]
            level, slope, top, share = numbers
            found = cls(level, slope, top, share, str(saved["by"]))
        except (KeyError, TypeError, ValueError):
            raise MusicuError("this is no saved calibration: fit again") from None
        if not np.isfinite(numbers).all() or found.slope <= 0:
            raise MusicuError("this saved calibration is damaged: fit again")
        return found


def logistic(scores: ArrayLike, hits: ArrayLike) -> tuple[float, float]:
    """Fit ``P(hit) = 1 / (1 + exp(-(level + slope * score)))`` by Newton's method.

    Parameters
    ----------
    scores : array-like [shape=(m,), float]
    hits : array-like [shape=(m,), bool]

    Returns
    -------
    level, slope : float
        The slope is drawn a little to 1.
    """
    x = np.asarray(scores, dtype=np.float64)
    y = np.asarray(hits, dtype=np.float64)
    design = np.stack([np.ones_like(x), x])
    rate = float(np.clip(y.mean(), 1 / (len(y) + 2), 1 - 1 / (len(y) + 2)))
    found = np.array([np.log(rate / (1 - rate)) - float(x.mean()), 1.0])
    pull = np.array([1e-6, _PRIOR])
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(found @ design, -30, 30)))
        slope = design @ (y - p) - pull * (found - [0.0, 1.0])
        curve = (design * (p * (1 - p))) @ design.T + np.diag(pull)
        step = np.linalg.solve(curve, slope)
        # A whole step may leave what the quadratic holds for: no step is longer than 2.
        step *= min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        found = found + step
        if np.abs(step).max() < 1e-8:
            break
    return float(found[0]), float(found[1])
