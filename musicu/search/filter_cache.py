"""Which tracks fulfil a condition: asked of the catalog once, and remembered."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.sql_filter import filter_tracks
from musicu.catalog.store import Store

__all__ = ["cached_filter"]

# A mask of 100,000 tracks is 100 kB.
_KEPT = 32
_SECONDS = 5.0  # that a condition may take: strangers may ask


def cached_filter(path: Path, tracks: NDArray[np.int64]) -> Callable[[str], NDArray[np.bool_]]:
    """Return a function from conditions to masks that remembers the last 32. Thread-safe.

    Parameters
    ----------
    path : Path
        The catalog.
    tracks : np.ndarray [shape=(n,), int64]
        Row numbers of the tracks that masks are of.

    Returns
    -------
    callable
        Takes a SQL condition, and returns which tracks fulfil it [shape=(n,), bool], not to be
        written to; see :meth:`musicu.search.snapshot.Snapshot.filter`.
    """

    @lru_cache(maxsize=_KEPT)
    def mask(where: str) -> NDArray[np.bool_]:
        with Store(path, create=False) as store:
            found: NDArray[np.bool_] = np.isin(
                tracks, filter_tracks(store, where, seconds=_SECONDS)
            )
        found.setflags(write=False)
        return found

    return mask
