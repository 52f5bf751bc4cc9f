"""What is known of a snapshot's tracks, read from its catalog when a question needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from musicu.catalog.store import Store
from musicu.catalog.tracks import read_columns, read_files, stored_items
from musicu.errors import CatalogError
from musicu.items.item import Item, Items
from musicu.search.seeds import FoundSeeds
from musicu.search.snapshot import Snapshot

__all__ = ["read_details", "read_items", "seed_items"]


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
    rows = snapshot.tracks[list(positions)].tolist()
    with Store(snapshot.path, create=False) as store:
        return stored_items(store, rows, snapshot.vectors(positions))


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
    row = int(snapshot.tracks[position])
    with Store(snapshot.path, create=False) as store:
        details = next(read_columns(store, rows=[row]), None)
        files = [path for path, _ in read_files(store, row)]
    if details is None:
        raise CatalogError(f"{snapshot.ids[position]}: no track of the catalog any more")
    return details | {"files": files}
