"""Which tracks fulfil a condition: asked of the catalog once, and remembered."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicu.condition import filter_tracks
from musicu.errors import ModelError
from musicu.registry import model_with
from musicu.sound_tags import store_tags
from musicu.store import Store
from musicu.tagger import TagHead

__all__ = ["Filters"]

# A mask of 100,000 tracks is 100 kB.
_KEPT = 32
_SECONDS = 5.0  # that a condition may take: strangers may ask


class Filters:
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
            if "sound_tags" in where.casefold():
                _refresh_tags(store)
            mask = np.isin(self._tracks, filter_tracks(store, where, seconds=_SECONDS))
        mask.setflags(write=False)
        with self._lock:
            self._masks[where] = mask
            while len(self._masks) > _KEPT:
                self._masks.popitem(last=False)
        return mask


def _refresh_tags(store: Store) -> None:
    """Tag what has no tags yet, as :class:`musicu.Catalog` does before a filter asks for them."""
    current = store.current_model()
    if current is None:
        return
    model = model_with(current.sha256)
    if model and model.tags:
        store_tags(store, current, TagHead.load(model))
        return
    asked = "SELECT count(*) FROM sound_tags WHERE model = ?"
    if store.db.execute(asked, (current.row,)).fetchone()[0]:
        return
    if model:
        TagHead.load(model)  # says that it has none, and which model has
    raise ModelError(
        f"{store.path}: embedded with {current.name}, which is not installed and cannot say what "
        "it hears: 'musicu models add FOLDER' installs it"
    )
