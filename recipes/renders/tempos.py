"""Which tempos of a manifest are true, and when an answer is right."""

from __future__ import annotations

import math

import numpy as np
from sklearn.metrics import roc_auc_score

__all__ = ["CLOSE", "OCTAVES", "area", "is_close", "steady_tempo"]

CLOSE = 0.04
#: Accuracy 2 forgives these (Gouyon et al., "An experimental comparison of audio tempo induction
#: algorithms", IEEE TASLP 14, 2006; here compound meters' 3/2, too).
OCTAVES = (1.0, 2.0, 1 / 2, 3.0, 1 / 3, 3 / 2, 2 / 3)


def steady_tempo(row: dict[str, str]) -> float:
    """Return the tempo (BPM) of a manifest's row; NaN where it is not one and the same."""
    return float(row["tempo_bpm"]) if row["tempo_constant"] == "yes" else math.nan


def is_close(found: float | None, bpm: float, factors: tuple[float, ...] = (1.0,)) -> bool:
    """Tell whether a tempo is right within 4 %.

    Parameters
    ----------
    found : float or None
        The answer (BPM); None is never right.
    bpm : float
        The truth; NaN makes every answer wrong.
    factors : tuple of float
        What the truth may be multiplied with, as `OCTAVES`.

    Returns
    -------
    bool
    """
    return bool(found) and any(abs(found / (bpm * factor) - 1) <= CLOSE for factor in factors)


def area(score: np.ndarray, right: np.ndarray) -> float:
    """Return the area under the ROC curve; NaN where all are right, or none."""
    both = 0 < right.sum() < len(right)
    return float(roc_auc_score(right, score)) if both else math.nan
