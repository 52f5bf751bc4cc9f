"""What is no music is kept out of answers: told by the tag head of the catalog's model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.index import Index
from musicu.catalog.sql_filter import filter_tracks
from musicu.catalog.store import Store, StoredModel
from musicu.encoders.registry import model_by_hash
from musicu.encoders.tagger import TagHead
from musicu.errors import ModelError

__all__ = ["choose_tracks", "head_at_hand"]


def head_at_hand(stored: StoredModel) -> TagHead | None:
    """Return the tag head of a stored model; None if it has none, or is not there or broken.

    For what words add to an answer that is one without them.
    """
    try:
        model = model_by_hash(stored.sha256)
    except ModelError:
        return None
    return TagHead.load(model) if model is not None and model.tags else None


def choose_tracks(
    store: Store, index: Index, where: str | None, head: TagHead | None
) -> NDArray[np.int64] | None:
    """Return the row numbers of the tracks that may be found; None for all.

    Parameters
    ----------
    store, index
        The catalog and its vectors.
    where : str or None
        SQL condition on metadata, see :func:`musicu.catalog.sql_filter.filter_tracks`.
    head : TagHead or None
        Leaves out what it tells to be no music; None leaves out nothing.

    Raises
    ------
    MetadataError
        The condition cannot be understood.
    """
    among = None if where is None else filter_tracks(store, where)
    sounds = None if head is None else head.non_music(index.matrix)
    if sounds is None or not sounds.any():
        return among
    music = index.tracks[~sounds]
    return music if among is None else np.intersect1d(among, music)
