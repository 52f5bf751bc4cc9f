"""Which tracks fulfil a condition: asked of the catalog once, and remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.sql_filter import filter_tracks
from musicu.catalog.store import Store

__all__ = ["FilterCache"]

# A mask of 100,000 tracks is 100 kB.
_KEPT = 32
_SECONDS = 5.0  # that a condition may take: strangers may ask


class FilterCache:
    """The masks of the last conditions, for any number of threads.

    Parameters
    ----------
    path : Path
        The catalog.
    tracks : np.ndarray [shape=(n,), int64]
        Row numbers of the tracks that masks are of.
    """

    def __init__(self, path: Path, tracks: NDArray[np.int64]) -> None:
        self._path = path
        self._tracks = tracks
        self._masks: OrderedDict[str, NDArray[np.bool_]] = OrderedDict()
        self._lock = threading.Lock()

    def mask(self, where: str) -> NDArray[np.bool_]:
        """Tell which tracks fulfil a condition; see :meth:`Snapshot.filter`."""
        with self._lock:
            known = self._masks.get(where)
            if known is not None:
                self._masks.move_to_end(where)
                return known
        with Store(self._path, create=False) as store:
            mask = np.isin(self._tracks, filter_tracks(store, where, seconds=_SECONDS))
        mask.setflags(write=False)
        with self._lock:
            self._masks[where] = mask
            while len(self._masks) > _KEPT:
                self._masks.popitem(last=False)
        return mask
