"""The tracks of a catalog as items: what is written about them, measured and heard."""

from __future__ import annotations

import os

import numpy as np

from musicu.catalog import Catalog
from musicu.checksums import parsed
from musicu.index import Index
from musicu.items.item import Item, Items
from musicu.metadata import stored_metadata
from musicu.store import Store

__all__ = ["catalog_items"]


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
    chosen = None if where is None else {track["id"] for track in catalog.tracks(where)}
    with Store(catalog.info().path, create=False) as store:
        rows = store.db.execute(
            "SELECT l.track, l.id, l.seconds, f.metadata, t.descriptors FROM library l"
            " JOIN tracks t ON t.track = l.track JOIN files f ON f.path = l.path ORDER BY l.path"
        ).fetchall()
        model = store.current_model()
        index = Index.open(store, model) if model else {}
        kept = [row for row in rows if chosen is None or row[1] in chosen]
        audio = np.zeros((len(kept), model.dim if model else 0), dtype=np.float32)
        for position, (track, *_) in enumerate(kept):
            if track in index:
                audio[position] = index[track]
    items = (
        Item(
            id,
            stored_metadata(metadata),
            {"duration": seconds} | parsed(descriptors),
        )
        for _, id, seconds, metadata, descriptors in kept
    )
    return Items(items, audio)
