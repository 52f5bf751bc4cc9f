"""Which seconds of two tracks match best, and how a track resembles another as it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.encoders.model import Model
from musicu.encoders.registry import find_model
from musicu.encoders.windows import WindowEmbeddings
from musicu.workers.isolated_windows import embed_windows_isolated

__all__ = ["Passage", "best_passage", "likeness", "match_files", "match_passage"]

Array = NDArray[np.float32]
Times = NDArray[np.float64]


@dataclass(frozen=True)
class Passage:
    """The seconds of two tracks that match best.

    Attributes
    ----------
    start, other : float
        Where it starts in the one track and in the other (s).
    seconds : float > 0
        How long it is.
    similarity : float in [-1, 1]
        Mean cosine of its windows.
    """

    start: float
    other: float
    seconds: float
    similarity: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON types, rounded to what they are worth."""
        return {
            "start": round(self.start, 2),
            "other": round(self.other, 2),
            "seconds": round(self.seconds, 2),
            "similarity": round(self.similarity, 4),
        }


def best_passage(
    vectors_a: Array,
    times_a: Times,
    vectors_b: Array,
    times_b: Times,
    *,
    seconds: float = 12.0,
    window: float = 3.0,
) -> Passage | None:
    """Find the passage of two tracks that matches best.

    The cosines of all pairs of windows form a matrix; a passage that two tracks share is a stretch
    of one of its diagonals, as in cross-recurrence plots (Serra et al., "Cross recurrence
    quantification for cover song identification", New J. Physics 11, 2009), at equal speed. The
    stretch with the highest mean wins; of equal ones the earliest.

    Parameters
    ----------
    vectors_a, vectors_b : np.ndarray [shape=(n, dim) and (m, dim), float32]
        Unit vectors of the windows; a row of zeros is a window next to silence, which matches
        nothing.
    times_a, times_b : np.ndarray [shape=(n,) and (m,), float64]
        Start of each window (s), evenly spaced and by the same step in both.
    seconds : float > 0
        Length of the passage; shorter where a track is shorter.
    window : float > 0
        Length of a window (s).

    Returns
    -------
    Passage or None
        None if one of the two has no window that was heard.
    """
    if not (vectors_a.any() and vectors_b.any()):
        return None
    longer = max(times_a, times_b, key=len)
    hop = float(longer[1] - longer[0]) if len(longer) > 1 else window
    wanted = max(round((seconds - window) / hop) + 1, 1)
    length = min(wanted, len(times_a), len(times_b))
    pairs = np.clip(vectors_a @ vectors_b.T, -1.0, 1.0).astype(np.float64)
    # Silence is less alike than anything, so that no passage runs through it if another need not.
    heard = np.outer(vectors_a.any(axis=1), vectors_b.any(axis=1))
    pairs[~heard] = -2.0
    rows, columns = pairs.shape[0] - length + 1, pairs.shape[1] - length + 1
    total = np.zeros((rows, columns))
    for k in range(length):
        total += pairs[k : k + rows, k : k + columns]
    i, j = (int(at) for at in np.unravel_index(total.argmax(), total.shape))
    along = np.arange(length)
    counted = heard[i + along, j + along]
    return Passage(
        start=float(times_a[i]),
        other=float(times_b[j]),
        seconds=(length - 1) * hop + window,
        similarity=float(pairs[i + along, j + along][counted].mean()) if counted.any() else 0.0,
    )


def likeness(vectors: Array, others: Array) -> Array:
    """Tell for each window of a track how like it the most similar window of another is.

    Parameters
    ----------
    vectors, others : np.ndarray [shape=(n, dim) and (m, dim), float32]
        Unit vectors; rows of zeros are windows next to silence.

    Returns
    -------
    np.ndarray [shape=(n,), float32]
        Cosines; 0 where there is silence.
    """
    if not len(others):
        return np.zeros(len(vectors), dtype=np.float32)
    best: Array = (vectors @ others.T).max(axis=1)
    return np.where(vectors.any(axis=1), best, np.float32(0))


def match_passage(
    one: WindowEmbeddings, other: WindowEmbeddings, *, seconds: float = 12.0
) -> Passage | None:
    """Find the passage of two files that matches best; see :func:`best_passage`."""
    return best_passage(
        one.vectors, one.times, other.vectors, other.times, seconds=seconds, window=one.window
    )


def match_files(
    pairs: Sequence[tuple[str, str]],
    *,
    model: Model | None = None,
    seconds: float = 12.0,
    jobs: int = 2,
) -> list[Passage | None]:
    """Embed pairs of files, in worker processes, and find the passage of each that matches best.

    Parameters
    ----------
    pairs : sequence of (str, str)
        Paths; a file in several pairs is embedded once.
    model : Model or None
        What to embed with; None is the default model.
    seconds : float > 0
        Length of the passage.
    jobs : int >= 1
        Worker processes.

    Returns
    -------
    list of Passage or None
        One a pair; None where a file cannot be read.
    """
    paths = {path for pair in pairs for path in pair}
    windows = embed_windows_isolated(paths, model or find_model(), jobs=jobs)
    return [
        match_passage(windows[one], windows[other], seconds=seconds)
        if one in windows and other in windows
        else None
        for one, other in pairs
    ]
