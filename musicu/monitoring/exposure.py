"""How varied what a service answers is: the share of the catalog that it ever shows, and its hubs.

Some points of a high-dimensional space are near to very many others (hubs; Radovanovic, Nanopoulos
and Ivanovic, JMLR 2010): a recommender that serves a handful of tracks to everybody looks well as
long as only single answers are looked at.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import gini
from musicu.evaluation.list_metrics import coverage

__all__ = ["ExposureCounter"]


class ExposureCounter:
    """Counts the tracks that were served lately. Any thread may add and ask.

    Parameters
    ----------
    window : int >= 1
        How many served results count, the latest ones.

    Examples
    --------
    >>> served = ExposureCounter()
    >>> served.add(["a", "b"])
    >>> served.add(["a"])
    >>> served.coverage(4)
    0.5
    """

    def __init__(self, window: int = 1_000_000) -> None:
        self.window = window
        self._answers: deque[tuple[str, ...]] = deque()
        self._counts: Counter[str] = Counter()
        self._size = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Return how many results count now."""
        return self._size

    def add(self, ids: Iterable[str]) -> None:
        """Count the tracks of one answer.

        Parameters
        ----------
        ids : iterable of str
            Their ids.
        """
        answer = tuple(ids)[: self.window]
        if not answer:
            return
        with self._lock:
            self._answers.append(answer)
            self._counts.update(answer)
            self._size += len(answer)
            while self._size > self.window:
                self._forget(self._answers.popleft())

    def coverage(self, total: int) -> float | None:
        """Tell which share of a catalog of ``total`` tracks was served; None if nothing was."""
        counts = self._sorted()
        return coverage(counts, max(total, len(counts))) if len(counts) and total > 0 else None

    def hub_share(self, total: int, top: float = 0.01) -> float | None:
        """Tell which share of the results fell on the tracks served most.

        Parameters
        ----------
        total : int
            Tracks of the catalog.
        top : float in (0, 1]
            These tracks' share of the catalog; rounded up to whole tracks.

        Returns
        -------
        float in [0, 1] or None
            ``top`` itself if all are served alike; None if nothing was served.
        """
        counts = self._sorted()
        if not len(counts) or total <= 0:
            return None
        most = math.ceil(top * total - 1e-9)
        return float(counts[-most:].sum() / counts.sum())

    def gini(self, total: int) -> float | None:
        """Tell how unevenly a catalog is served (the Gini coefficient).

        Parameters
        ----------
        total : int
            Tracks of the catalog; those never served count as 0.

        Returns
        -------
        float in [0, 1] or None
            0 if all tracks are served alike, near 1 if a single one is; None if nothing was.
        """
        counts = self._sorted()
        return gini(counts, max(total, len(counts))) if len(counts) else None

    def _forget(self, answer: tuple[str, ...]) -> None:
        self._size -= len(answer)
        for id in answer:
            self._counts[id] -= 1
            if not self._counts[id]:
                del self._counts[id]

    def _sorted(self) -> NDArray[np.int64]:
        """Sort the counts of the tracks that were served."""
        with self._lock:
            return np.sort(np.fromiter(self._counts.values(), dtype=np.int64))
