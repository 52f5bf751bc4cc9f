"""What a user names: a file, stored or new, or a track by its id, an old one, or its name."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.index import Index, unit_vector
from musicu.catalog.model_choice import embedded_model, installed_model
from musicu.catalog.names import artist_rows, find_by_name, track_names
from musicu.catalog.store import Store, StoredModel
from musicu.catalog.track_ids import find_alias, ids_meant
from musicu.catalog.tracks import read_tracks, read_values, read_vectors
from musicu.encoders.registry import find_model
from musicu.errors import CatalogError, ModelMismatchError, MusicuError
from musicu.items.item import Item
from musicu.metadata.fields import Metadata, stored_metadata
from musicu.paths import absolute, composed, lies_under
from musicu.workers.pool import WorkerSettings, analyze_isolated

__all__ = [
    "FoundTrack",
    "QueryVector",
    "analyze_query",
    "damaged_vector",
    "find_by_id",
    "find_query",
    "find_stored_file",
    "find_track",
    "is_stored",
    "spell_as_stored",
]

PathLike = str | os.PathLike[str]


class QueryVector(NamedTuple):
    """What is asked for: a unit vector [dim], the identity and metadata of a track, how it reads.

    `called` says what a name was understood to mean; None where there was nothing to understand.
    """

    vector: NDArray[np.float32]
    id: str | None = None
    metadata: Metadata = Metadata()
    called: str | None = None


class FoundTrack(NamedTuple):
    """A stored track: its row number, its id, the metadata of the file that was named.

    `called` is what a name was understood to mean; None if it was named by path or id.
    """

    row: int
    id: str
    metadata: Metadata
    called: str | None = None


def find_query(
    store: Store,
    index: Index,
    query: PathLike | NDArray[np.float32] | None,
    *,
    artist: str | None = None,
    model: PathLike | None = None,
) -> QueryVector:
    """Return the vector of a file, a stored track, an artist, or a vector; a new file is analyzed.

    Parameters
    ----------
    store, index
        The catalog, and the vectors of its current model.
    query : str, path-like, np.ndarray [shape=(dim,)] or None
    artist : str or None
        As for :meth:`musicu.Catalog.similar`.
    model : str, path-like or None
        Name or folder of the catalog's model, wherever it lies.

    Raises
    ------
    CatalogError
        It is neither a file nor a stored track, or its vector is damaged.
    AudioError
        The file cannot be used.
    ModelMismatchError
        The vector, or that of the stored track, is not of this model.
    """
    current = embedded_model(store)
    if isinstance(query, np.ndarray):
        return QueryVector(_unit(query, current))
    if query is None:
        return _artist_query(store, index, artist or "")
    found, name = find_track(store, query, artist), os.fspath(query)
    if found is None:
        item, vector = analyze_query(store, name, model=model, describe=False)
        return QueryVector(vector, item.id, item.metadata)
    if found.row in index:
        return QueryVector(index[found.row], *found[1:])
    if read_vectors(store, current, [found.row]):
        raise damaged_vector(store, name)
    raise ModelMismatchError(
        f"{name}: its vector is not of {current.name}; to embed again what is left: "
        f"musicu embed --catalog {store.path}"
    )


def find_track(store: Store, query: PathLike, artist: str | None = None) -> FoundTrack | None:
    """Look up a track by a path, an id, the beginning of one, an earlier one, or by its name.

    Parameters
    ----------
    store : Store
        The catalog.
    query : str or path-like
        A file, or the id of a stored track, or its first 6 or more characters, or what it is
        called: see :func:`musicu.catalog.names.find_by_name`.
    artist : str or None
        Only tracks of this artist are called so; paths and ids name theirs all the same.

    Returns
    -------
    FoundTrack or None
        None for a file that is there and not in the catalog, or has changed.

    Raises
    ------
    AmbiguousNameError
        Several tracks are called so.
    CatalogError
        It is neither a file nor a stored track, or more than one's id begins so.
    """
    found = find_stored_file(store, query)
    if found is not None or os.path.exists(absolute(query)):
        return found
    name = os.fspath(query)
    if (called := _meant_by_id(store, name)) is not None:
        return called
    row = find_by_name(store, name, artist)
    (track,) = read_tracks(store, [row])
    return FoundTrack(row, track.id, track.metadata, track_names(store, row))


def find_stored_file(store: Store, path: PathLike) -> FoundTrack | None:
    """Look up a stored file that is what it was; one that has changed is another one.

    Parameters
    ----------
    store : Store
        The catalog.
    path : str or path-like
        Relative ones start in the working directory. The Unicode form of its names does not
        matter, neither on disk nor in the catalog.
    """
    path = absolute(path)
    row = _row_of(store, path)
    if row is None and (same := spell_as_stored(store, path)) != path:
        row = _row_of(store, same)
    if row is None:
        return None
    track, id, metadata, *known = row
    try:
        info = os.stat(path)
    except OSError:
        pass
    else:
        if [info.st_size, info.st_mtime_ns] != known:
            return None
    return FoundTrack(track, id, stored_metadata(metadata))


def find_by_id(store: Store, id: str) -> FoundTrack:
    """Look up a track by its id, the first 6 or more characters of it, or an earlier id.

    Raises
    ------
    CatalogError
        There is none, or more than one.
    """
    found = _meant_by_id(store, id)
    if found is None:
        raise CatalogError(f"{id}: neither a file nor a stored track")
    return found


def is_stored(store: Store, id: str) -> bool:
    """Whether a track that lies somewhere now has this id, or had it, or an id that begins so."""
    return any(read_values(store, ("id",), ids=[id])) or bool(find_alias(store, id))


def spell_as_stored(store: Store, path: str) -> str:
    """Return an absolute path of a file or folder as the catalog spells it, if it knows it."""
    if path.isascii():
        return path
    wanted, other = composed(path), path
    for (stored,) in store.db.execute("SELECT path FROM files UNION ALL SELECT path FROM roots"):
        if lies_under(stored, path):
            return path
        if lies_under(composed(stored), wanted):
            other = os.sep.join(stored.split(os.sep)[: path.count(os.sep) + 1])
    return other


def analyze_query(
    store: Store,
    path: PathLike,
    *,
    model: PathLike | None = None,
    describe: bool | None = None,
) -> tuple[Item, NDArray[np.float32]]:
    """Analyze a file that is not in the catalog, in a worker: it may be broken.

    Parameters
    ----------
    store : Store
        The catalog.
    path : str or path-like
        The file.
    model : str, path-like or None
        Folder or name of a model with the weights of the catalog's; None looks for it.
    describe : bool or None
        Measure descriptors; None does if the catalog's tracks were measured: what they are not
        measured by cannot be compared either.

    Returns
    -------
    item : Item
        What is written about the file and was measured of it, by the identity of its audio.
    vector : np.ndarray [shape=(dim,), float32]
        Its unit vector.

    Raises
    ------
    AudioError
        The file cannot be used.
    CatalogError
        Nothing is embedded yet.
    ModelError
        The catalog's model is not installed.
    """
    current = embedded_model(store)
    used = installed_model(store, current) if model is None else find_model(model)
    if describe is None:
        (describe,) = store.db.execute(
            "SELECT EXISTS (SELECT 1 FROM library l JOIN tracks t ON t.track = l.track"
            " WHERE t.descriptors IS NOT NULL)"
        ).fetchone()
    settings = WorkerSettings(model=str(used.folder), describe=bool(describe))
    answer = analyze_isolated(absolute(path), settings)
    measured = {"duration": answer["seconds"]} | (answer["descriptors"] or {})
    item = Item(answer["id"], Metadata.from_dict(answer["metadata"]), measured)
    return item, answer["vector"]


def damaged_vector(store: Store, query: str) -> CatalogError:
    """Return the error that the vector of a stored track is no longer what was stored."""
    return CatalogError(
        f"{query}: its vector is damaged: 'musicu catalog verify --repair --catalog"
        f" {store.path}' mends it"
    )


def _artist_query(store: Store, index: Index, artist: str) -> QueryVector:
    """Return the mean direction of an artist's tracks."""
    rows = [row for row in artist_rows(store, artist) if row in index]
    if not rows:
        raise CatalogError(f"{artist}: no track of this artist is embedded")
    mean = np.mean([index[row] for row in rows], axis=0)
    called = f"{artist} ({len(rows):,} tracks, which are left out)"
    return QueryVector(unit_vector(mean), None, Metadata(artist=artist, artists=(artist,)), called)


def _meant_by_id(store: Store, id: str) -> FoundTrack | None:
    rows: dict[str, tuple[int, str, str]] = {}

    def current(prefix: str) -> list[str]:
        found = {row[1]: row for row in _begin_so(store, prefix)}
        rows.update(found)
        return list(found)

    def earlier(prefix: str) -> list[str]:
        return [id for now in find_alias(store, prefix) for id in current(now)]

    found = ids_meant(id, current, earlier)
    if len(found) > 1:
        raise CatalogError(f"{id}: more than one track's id begins so")
    if not found:
        return None
    track, now, metadata = rows[found[0]]
    return FoundTrack(track, now, stored_metadata(metadata))


def _row_of(store: Store, path: str) -> tuple[int, str, str, int, int] | None:
    row: tuple[int, str, str, int, int] | None = store.db.execute(
        "SELECT t.track, t.id, f.metadata, f.size, f.mtime_ns FROM files f"
        " JOIN tracks t ON t.track = f.track WHERE f.path = CAST(? AS TEXT)",
        (os.fsencode(path),),
    ).fetchone()
    return row


def _begin_so(store: Store, prefix: str) -> list[tuple[int, str, str]]:
    """Tracks with a file whose ids begin so, the first two of them."""
    if not prefix.isascii():
        return []
    return store.db.execute(
        "SELECT t.track, t.id, f.metadata FROM tracks t JOIN files f ON f.track = t.track"
        " WHERE substr(t.id, 1, length(?1)) = ?1 GROUP BY t.track LIMIT 2",
        (prefix,),
    ).fetchall()


def _unit(vector: NDArray[np.float32], model: StoredModel) -> NDArray[np.float32]:
    if np.shape(vector) != (model.dim,):
        raise ModelMismatchError(
            f"the vector is {list(np.shape(vector))}, not [{model.dim}] of {model.name}"
        )
    try:
        return unit_vector(vector)
    except MusicuError as error:
        raise ModelMismatchError(f"no vector of {model.name}: {error}") from None
