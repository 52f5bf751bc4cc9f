"""The tracks of a catalog as items: metadata, descriptors and vectors."""

from __future__ import annotations

import os

import numpy as np

from musicu.catalog.catalog import Catalog
from musicu.catalog.index import Index
from musicu.catalog.non_music import head_at_hand
from musicu.catalog.sql_filter import filter_tracks
from musicu.catalog.tracks import read_tracks
from musicu.items.item import Items

__all__ = ["catalog_items", "non_music_ids"]


def catalog_items(catalog: Catalog | str | os.PathLike[str], where: str | None = None) -> Items:
    """Return a catalog's tracks, by path, with their vectors and what was measured of them.

    Parameters
    ----------
    catalog : Catalog, str or path-like
        The catalog, or its file.
    where : str or None
        SQL condition on metadata, as for :meth:`musicu.Catalog.similar`.

    Returns
    -------
    Items
        Ids are the tracks' ids. The vectors are those of the catalog's current model.

    Raises
    ------
    CatalogError
        The file is missing or not a catalog.
    MetadataError
        The condition cannot be understood.
    """
    if not isinstance(catalog, Catalog):
        with Catalog(catalog, create=False) as opened:
            return catalog_items(opened, where)
    store = catalog.store
    chosen = None if where is None else set(filter_tracks(store, where).tolist())
    model = store.current_model()
    index = Index.open(store, model) if model else {}
    tracks = [track for track in read_tracks(store) if chosen is None or track.row in chosen]
    audio = np.zeros((len(tracks), model.dim if model else 0), dtype=np.float32)
    for position, track in enumerate(tracks):
        if track.row in index:
            audio[position] = index[track.row]
    return Items((track.item for track in tracks), audio)


def non_music_ids(catalog: Catalog, items: Items) -> frozenset[str]:
    """Return the ids of the tracks that the catalog's model hears to be no music.

    Parameters
    ----------
    catalog : Catalog
    items : Items
        Its tracks.
    """
    model = catalog.store.current_model()
    head = head_at_hand(model) if model else None
    if head is None:
        return frozenset()
    sounds = head.non_music(items.audio) & items.audio.any(axis=1)
    return frozenset(items.ids[at] for at in np.flatnonzero(sounds))
