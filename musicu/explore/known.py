"""What is known of a snapshot's tracks, read from its catalog when a question needs it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.checksums import parsed
from musicu.errors import CatalogError
from musicu.explore.seeds import FoundSeeds
from musicu.explore.snapshot import Snapshot
from musicu.items.item import Item, Items
from musicu.metadata import stored_metadata
from musicu.schema import LIST_COLUMNS
from musicu.store import Store

__all__ = ["read_details", "read_items", "read_paths", "read_tracks", "seed_items"]

Array = NDArray[np.float32]

_ITEMS = """
SELECT l.track, l.id, l.seconds, f.metadata, t.descriptors
FROM json_each(?) wanted JOIN library l ON l.track = wanted.value
JOIN tracks t ON t.track = l.track JOIN files f ON f.path = l.path
"""


def read_items(snapshot: Snapshot, positions: Sequence[int]) -> Items:
    """Return tracks of a snapshot with all that is known of them.

    Parameters
    ----------
    snapshot : Snapshot
    positions : sequence of int
        Each once.

    Returns
    -------
    Items
        In that order; of a track that has left the catalog meanwhile its sound alone is known.
    """
    with Store(snapshot.path, create=False) as store:
        tracks = snapshot.tracks[list(positions)]
        items = read_tracks(store, tracks, snapshot.vectors(positions))
    return items


def read_tracks(store: Store, tracks: NDArray[np.int64], audio: Array) -> Items:
    """Return tracks by their row numbers [n], with their embeddings [n, dim]."""
    rows = store.db.execute(_ITEMS, (json.dumps(tracks.tolist()),))
    known = {
        track: Item(
            id,
            stored_metadata(metadata),
            {"duration": seconds} | parsed(descriptors),
        )
        for track, id, seconds, metadata, descriptors in rows
    }
    return Items((known.get(t) or Item(f"track {t}") for t in tracks.tolist()), audio)


def seed_items(snapshot: Snapshot, found: FoundSeeds, which: Sequence[int]) -> Items:
    """Return some seeds as items, stored or new; their ids are their places among the seeds."""
    stored = [at for at in which if found.positions[at] >= 0]
    # A seed can be there twice, with two weights.
    positions = sorted({found.positions[at] for at in stored})
    known = dict(zip(positions, read_items(snapshot, positions), strict=True))
    items = (known.get(found.positions[at]) or found.seeds[at].item or Item("") for at in which)
    named = (replace(item, id=f"seed {at}") for at, item in zip(which, items, strict=True))
    return Items(named, found.vectors[list(which)])


def read_details(snapshot: Snapshot, position: int) -> dict[str, Any]:
    """Return all columns of a track, and ``files``: every path at which it lies.

    Raises
    ------
    CatalogError
        It has left the catalog meanwhile.
    """
    track = int(snapshot.tracks[position])
    with Store(snapshot.path, create=False) as store:
        found = store.db.execute("SELECT * FROM library WHERE track = ?", (track,))
        names = [name for name, *_ in found.description]
        row = found.fetchone()
        files = store.db.execute(
            "SELECT path FROM files WHERE track = ? AND NOT missing ORDER BY path", (track,)
        ).fetchall()
    if row is None:
        raise CatalogError(f"{snapshot.ids[position]}: no track of the catalog any more")
    listed = {*LIST_COLUMNS, "sound_tags"}
    details = {
        name: json.loads(value) if name in listed and value else value
        for name, value in zip(names, row, strict=True)
        if name != "track"
    }
    return details | {"files": [path for (path,) in files]}


def read_paths(catalog: Path, ids: Sequence[str]) -> list[str]:
    """Return where tracks lie; an empty text for one that has left the catalog."""
    with Store(catalog, create=False) as store:
        rows = store.db.execute(
            "SELECT l.id, l.path FROM json_each(?) wanted JOIN library l ON l.id = wanted.value",
            (json.dumps(list(ids)),),
        )
        paths = dict(rows.fetchall())
    return [paths.get(id, "") for id in ids]
