"""Similar tracks: rank a catalog against a vector, within filters, and say what was found."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.index import Index
from musicu.metadata import Metadata
from musicu.names import normalize_name
from musicu.store import Store

__all__ = ["Match", "filter_tracks", "library_columns", "rank"]


@dataclass(frozen=True)
class Match:
    """A similar track.

    Attributes
    ----------
    rank : int
        1 for the most similar.
    score : float in [0, 1]
        Cosine of the two embeddings; negative ones count as 0.
    id : str
        Identity of its audio.
    path : str
        Where it lies.
    title, artist, album : str or None
        From its metadata.
    seconds : float
        Its length.
    """

    rank: int
    score: float
    id: str
    path: str
    title: str | None
    artist: str | None
    album: str | None
    seconds: float


def rank(
    store: Store,
    index: Index,
    vector: NDArray[np.float32],
    n: int,
    *,
    where: str | None = None,
    exclude_ids: Collection[str] = (),
    not_artists_of: Metadata | None = None,
    not_album_of: Metadata | None = None,
) -> list[Match]:
    """Return the ``n`` tracks most similar to a vector.

    Every filter acts before the ranking: ``n`` tracks come back if there are as many that pass.

    Parameters
    ----------
    store, index
        The catalog and its vectors.
    vector : np.ndarray [shape=(dim,), float32]
        Unit vector.
    n : int >= 0
        How many.
    where : str or None
        SQL condition on the columns of the catalog's ``library`` view.
    exclude_ids : collection of str
        Identities that are left out: the query itself.
    not_artists_of, not_album_of : Metadata or None
        Leave out tracks that share an artist, or the album, with this one.

    Raises
    ------
    MetadataError
        The condition cannot be understood.
    """
    among = filter_tracks(store, where) if where is not None else None
    artists = _artists(not_artists_of) if not_artists_of else frozenset()
    album = _album(not_album_of) if not_album_of else None
    matches: list[Match] = []
    if n < 1:
        return matches
    for track, cosine in index.ranked(vector, among=among):
        row = store.db.execute(
            "SELECT l.id, l.path, f.metadata, l.seconds FROM library l"
            " JOIN files f ON f.path = l.path WHERE l.track = ?",
            (track,),
        ).fetchone()
        if row is None or row[0] in exclude_ids:  # no row: its files are gone for now
            continue
        metadata = Metadata.from_dict(json.loads(row[2]))
        if artists & _artists(metadata) or (album and album == _album(metadata)):
            continue
        score = round(min(1.0, max(0.0, cosine)), 6)
        matches.append(
            Match(
                len(matches) + 1,
                score,
                row[0],
                row[1],
                metadata.title,
                metadata.artist,
                metadata.album,
                row[3],
            )
        )
        if len(matches) == n:
            break
    return matches


def filter_tracks(store: Store, where: str) -> NDArray[np.int64]:
    """Row numbers of the tracks that fulfil a SQL condition on the ``library`` view.

    ``has(genres, 'Jazz')`` tests a list for a value. The condition can read the catalog and nothing
    else, and change nothing.

    Raises
    ------
    MetadataError
        The condition cannot be understood.
    """
    allowed = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION}
    allowed.add(sqlite3.SQLITE_RECURSIVE)

    def authorize(action: int, *_: Any) -> int:
        return sqlite3.SQLITE_OK if action in allowed else sqlite3.SQLITE_DENY

    store.db.set_authorizer(authorize)
    problem: Exception
    try:
        rows = store.db.execute(f"SELECT track FROM library WHERE ({where}\n)").fetchall()
        return np.array(rows, dtype=np.int64).reshape(-1)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        problem = error
    finally:
        store.db.set_authorizer(None)
    why = " ".join(str(problem).split())
    raise MetadataError(
        f"the filter {where!r} cannot be understood ({why}); texts go in single quotes, lists "
        f"are asked with has(genres, 'Jazz'), columns are {', '.join(library_columns(store))}"
    )


def library_columns(store: Store) -> list[str]:
    """Columns that a filter may name."""
    rows = store.db.execute("SELECT name FROM pragma_table_info('library')")
    return [name for (name,) in rows if name != "track"]


def _artists(metadata: Metadata) -> frozenset[str]:
    names = metadata.artists or ((metadata.artist,) if metadata.artist else ())
    return frozenset(normalize_name(name) for name in names)


def _album(metadata: Metadata) -> tuple[str, str] | str | None:
    """Return what tracks of one album share: its MusicBrainz id, else its and its artist's name."""
    if metadata.mb_album:
        return metadata.mb_album
    if not metadata.album:
        return None
    artist = metadata.album_artist or metadata.artist or ""
    return normalize_name(metadata.album), normalize_name(artist)
