"""Tracks of a catalog, read in one statement: as values, as dict, as metadata, as item.

A track is read with its first file, as the view ``library`` chooses it; one that lies nowhere now
is not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.checksums import is_sound, parse_object
from musicu.catalog.schema import LIST_COLUMNS
from musicu.catalog.store import Store, StoredModel
from musicu.errors import CatalogError
from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata, stored_metadata

__all__ = [
    "StoredTrack",
    "find_columns",
    "library_columns",
    "read_columns",
    "read_files",
    "read_tracks",
    "read_values",
    "read_vectors",
    "stored_items",
]

Array = NDArray[np.float32]

# What can be read beside the columns of the view.
_BESIDE = {"size": "f.size", "metadata": "f.metadata", "descriptors": "t.descriptors"}
_JOINED = " JOIN tracks t ON t.track = l.track JOIN files f ON f.path = l.path"
_PARSED = frozenset({*LIST_COLUMNS, "sound_tags"})


class StoredTrack(NamedTuple):
    """A track, and what is known of it.

    Attributes
    ----------
    row : int
        Its row number.
    id : str
        Identity of its audio.
    path : str
        Where its first file lies.
    seconds : float
        Its length.
    metadata_json, descriptors_json : str or None
        As they are stored.
    """

    row: int
    id: str
    path: str
    seconds: float
    metadata_json: str
    descriptors_json: str | None

    @property
    def metadata(self) -> Metadata:
        """What is written about it."""
        return stored_metadata(self.metadata_json)

    @property
    def item(self) -> Item:
        """What is written about it, and what was measured of it."""
        measured = {"duration": self.seconds} | parse_object(self.descriptors_json)
        return Item(self.id, self.metadata, measured)


def read_values(
    store: Store,
    columns: Iterable[str],
    *,
    rows: Iterable[int] | None = None,
    ids: Iterable[str] | None = None,
) -> Iterator[tuple[Any, ...]]:
    """Yield columns of tracks as they are stored.

    Parameters
    ----------
    store : Store
        The catalog.
    columns : iterable of str
        Columns of the view ``library``, its row number ``track``, ``size`` (bytes) and
        ``metadata`` (JSON) of the first file, and the track's ``descriptors`` (JSON).
    rows : iterable of int or None
        Row numbers of the tracks, which come in no particular order.
    ids : iterable of str or None
        Ids of the tracks, instead. If both are None, all tracks come, by path.
    """
    names = list(columns)
    read = ", ".join(_BESIDE.get(name, f"l.{name}") for name in names)
    joined = _JOINED if _BESIDE.keys() & set(names) else ""
    if rows is None and ids is None:
        return store.db.execute(f"SELECT {read} FROM library l{joined} ORDER BY l.path")
    key, wanted = ("id", ids) if rows is None else ("track", rows)
    assert wanted is not None
    return store.db.execute(
        f"SELECT {read} FROM json_each(?) w CROSS JOIN library l ON l.{key} = w.value{joined}",
        (json.dumps(list(wanted)),),
    )


def read_columns(
    store: Store,
    columns: Sequence[str] | None = None,
    *,
    rows: Iterable[int] | None = None,
    ids: Iterable[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield tracks as dict, with lists and tags parsed; see :func:`read_values`.

    Parameters
    ----------
    columns : sequence of str or None
        None is all that a filter may name.
    """
    names = library_columns(store) if columns is None else columns
    for values in read_values(store, names, rows=rows, ids=ids):
        yield {
            name: json.loads(value) if name in _PARSED and value else value
            for name, value in zip(names, values, strict=True)
        }


def find_columns(store: Store, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return tracks as dict, with ``size`` of the first file in bytes.

    Parameters
    ----------
    store : Store
        The catalog.
    ids : sequence of str
        Whole ids; any may come twice.

    Returns
    -------
    list of dict
        In the order of the ids.

    Raises
    ------
    CatalogError
        There is no such track, or it lies nowhere now.
    """
    columns = [*library_columns(store), "size"]
    found = {track["id"]: track for track in read_columns(store, columns, ids=dict.fromkeys(ids))}
    for id in ids:
        if id not in found:
            raise CatalogError(f"there is no track {id[:64]!r}, or its file is gone")
    return [found[id] for id in ids]


def read_tracks(store: Store, rows: Iterable[int] | None = None) -> Iterator[StoredTrack]:
    """Yield all tracks, by path; or those with some row numbers, in no particular order."""
    columns = ("track", "id", "path", "seconds", "metadata", "descriptors")
    return map(StoredTrack._make, read_values(store, columns, rows=rows))


def stored_items(store: Store, rows: Sequence[int], audio: Array) -> Items:
    """Return tracks as items.

    Parameters
    ----------
    store : Store
        The catalog.
    rows : sequence of int
        Row numbers [n], each once.
    audio : np.ndarray [shape=(n, dim), float32]
        Their embeddings.

    Returns
    -------
    Items
        In that order; of a track that has left the catalog its sound alone is known.
    """
    known = {track.row: track.item for track in read_tracks(store, rows)}
    return Items((known.get(row) or Item(f"track {row}") for row in rows), audio)


def read_files(
    store: Store, row: int | None = None, *, missing: bool = False
) -> Iterator[tuple[str, str]]:
    """Yield the path of every file, copies included, and the id of its track.

    Parameters
    ----------
    store : Store
        The catalog.
    row : int or None
        Row number of a track; None for the files of all.
    missing : bool
        Files that are gone from the disk too, after the others.
    """
    read = "SELECT f.path, t.id FROM files f JOIN tracks t ON t.track = f.track WHERE"
    there = "true" if missing else "NOT f.missing"
    order = "ORDER BY f.missing, f.path"
    if row is None:
        return store.db.execute(f"{read} {there} {order}")
    return store.db.execute(f"{read} f.track = ? AND {there} {order}", (row,))


def read_vectors(store: Store, model: StoredModel, rows: Iterable[int]) -> dict[int, Array | None]:
    """Return stored unit vectors [dim] by row number; None for one that is damaged."""
    found = store.db.execute(
        "SELECT v.track, v.vector, v.checksum FROM json_each(?) w"
        " CROSS JOIN vectors v ON v.model = ? AND v.track = w.value",
        (json.dumps(list(rows)), model.row),
    )
    return {
        track: np.frombuffer(vector, "<f4") if is_sound(vector, sum, model.dim) else None
        for track, vector, sum in found
    }


def library_columns(store: Store) -> list[str]:
    """Columns of the view ``library`` but the row number: what a filter may name."""
    names = store.db.execute("SELECT name FROM pragma_table_info('library')")
    return [name for (name,) in names if name != "track"]
