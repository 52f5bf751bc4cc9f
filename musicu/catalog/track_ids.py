"""Ids of tracks: those embedded, aliases, and files that were identified in an earlier way.

When the way changes in which audio is identified, a catalog's tracks get new ids at the next
``embed``, without decoding. The old ids stay as aliases: logs of listening, playlists and
recommenders that use them go on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Final

from musicu.catalog.schema import DESCRIPTORS_VERSION, IDENTITY_VERSION
from musicu.catalog.store import Store, StoredModel

__all__ = [
    "SHORTEST_PREFIX",
    "adopt_identity",
    "clear_problems",
    "embedded_ids",
    "find_alias",
    "ids_meant",
    "list_aliases",
    "partly_read_ids",
    "put_identity",
]

# Characters of an id that stand for it.
SHORTEST_PREFIX: Final = 6
# Problems that are found without decoding.
_OF_LENGTH = "(problem LIKE 'only % are there' OR problem = 'the end of the file is missing')"


def embedded_ids(store: Store, model: StoredModel | None, *, described: bool) -> dict[str, int]:
    """Return the tracks, id to row number, that need no analysis.

    Parameters
    ----------
    store : Store
        The catalog.
    model : StoredModel or None
        They have a vector of this model; of None there are none.
    described : bool
        Whether they must have descriptors, too, measured as they are today.
    """
    rows = store.db.execute(
        "SELECT t.id, t.track FROM tracks t JOIN vectors v ON v.track = t.track AND v.model = ?"
        " WHERE (NOT ? OR json_extract(iif(json_valid(t.descriptors), t.descriptors, '{}'),"
        " '$.version') = ?)"
        # Tracks that a killed run left without a file are about to be pruned.
        " AND EXISTS (SELECT 1 FROM files f WHERE f.track = t.track)",
        (model.row if model else -1, described, DESCRIPTORS_VERSION),
    )
    return dict(rows.fetchall())


def partly_read_ids(store: Store) -> set[str]:
    """Return the ids of tracks of which the copy that was analyzed could not be read whole."""
    return {id for (id,) in store.db.execute("SELECT id FROM tracks WHERE problem IS NOT NULL")}


def list_aliases(store: Store) -> dict[str, str]:
    """Return all earlier ids, each with the id that its track has now."""
    rows = store.db.execute("SELECT a.id, t.id FROM aliases a JOIN tracks t ON t.track = a.track")
    return dict(rows.fetchall())


def ids_meant(
    name: str,
    current: Callable[[str], Iterable[str]],
    earlier: Callable[[str], Iterable[str]],
) -> tuple[str, ...]:
    """Return the ids that a name may mean: an id, or its first 6 or more characters, in any case.

    Ids of today come first; only where none is meant, earlier ids are looked at.

    Parameters
    ----------
    name : str
        What somebody calls a track.
    current, earlier : callable
        From lower-case characters to today's ids that begin so, and to today's ids of what was
        called so before.

    Returns
    -------
    tuple of str
        Each once; none where the name is too short.
    """
    prefix = name.lower()
    if len(prefix) < SHORTEST_PREFIX:
        return ()
    return tuple(dict.fromkeys(current(prefix))) or tuple(dict.fromkeys(earlier(prefix)))


def find_alias(store: Store, id: str) -> list[str]:
    """Return the ids of the tracks that once had an id, or one that began with these characters.

    Parameters
    ----------
    store : Store
    id : str
        An id, or its first 6 or more characters.

    Returns
    -------
    list of str
        None, one, or the first two of several.
    """
    if not id.isascii() or len(id) < SHORTEST_PREFIX:
        return []
    rows = store.db.execute(
        "SELECT DISTINCT t.id FROM aliases a JOIN tracks t ON t.track = a.track"
        " WHERE substr(a.id, 1, length(?1)) = ?1 LIMIT 2",
        (id.lower(),),
    )
    return [now for (now,) in rows]


def adopt_identity(store: Store, track: int, id: str) -> int | None:
    """Take note of how a file of a track is identified today; within a transaction.

    The first file of a track that is identified anew gives the track its id. If another track has
    that id already, both were one all along, and the better of their analyses stays.

    Parameters
    ----------
    store : Store
    track : int
        Row number of the track that the file was of.
    id : str
        Today's identity of the file.

    Returns
    -------
    int or None
        Row number of the track that the file is of. None if it was taken for a copy of another
        one and is not: then it is unknown of which of them the analysis is.
    """
    db = store.db
    (old,) = db.execute("SELECT id FROM tracks WHERE track = ?", (track,)).fetchone()
    row = db.execute("SELECT track FROM tracks WHERE id = ?", (id,)).fetchone()
    if row and row[0] == track:
        return track
    (settled,) = db.execute(
        "SELECT count(*) FROM files WHERE track = ? AND identity >= ?", (track, IDENTITY_VERSION)
    ).fetchone()
    if settled:
        return int(row[0]) if row else None
    if row is None:
        db.execute("UPDATE tracks SET id = ? WHERE track = ?", (id, track))
        db.execute("INSERT OR REPLACE INTO aliases (id, track) VALUES (?, ?)", (old, track))
        return track
    same = int(row[0])
    db.execute("UPDATE aliases SET track = ? WHERE track = ?", (same, track))
    db.execute("INSERT OR REPLACE INTO aliases (id, track) VALUES (?, ?)", (old, same))
    _keep_better(store, same, track)
    return same


def put_identity(store: Store, path: str, track: int, problem: str | None) -> None:
    """Note that a file was identified anew, of which track it is, and what is wrong with it.

    A problem of its length is found again without decoding; what decoding found, stays.
    """
    store.db.execute(
        f"UPDATE files SET track = ?, problem = CASE WHEN {_OF_LENGTH} THEN ?"
        " ELSE coalesce(?, problem) END, cause = NULL,"
        " reason = NULL, identity = ?, missing = 0 WHERE path = CAST(? AS TEXT)",
        (track, problem, problem, IDENTITY_VERSION, os.fsencode(path)),
    )


def clear_problems(store: Store) -> None:
    """Drop problems of the length of tracks that no file's row has any more."""
    store.db.execute(
        f"UPDATE tracks SET problem = NULL WHERE {_OF_LENGTH} AND NOT EXISTS"
        " (SELECT 1 FROM files f WHERE f.track = tracks.track AND f.problem IS NOT NULL)"
    )


def _keep_better(store: Store, same: int, other: int) -> None:
    """Give a track the analysis of another one with the same audio where that is the better one."""
    db = store.db
    kept, offered = (
        db.execute("SELECT problem IS NULL FROM tracks WHERE track = ?", (track,)).fetchone()[0]
        for track in (same, other)
    )
    if offered and not kept:
        db.execute("DELETE FROM vectors WHERE track = ?", (same,))
        db.execute(
            "UPDATE tracks SET (seconds, problem, descriptors) ="
            " (SELECT seconds, problem, descriptors FROM tracks WHERE track = ?) WHERE track = ?",
            (other, same),
        )
    if offered or not kept:
        db.execute("DELETE FROM sound_tags WHERE track = ?", (other,))  # refers to the vectors
        db.execute("UPDATE OR IGNORE vectors SET track = ? WHERE track = ?", (same, other))
        db.execute(
            "UPDATE tracks SET descriptors = coalesce(descriptors,"
            " (SELECT descriptors FROM tracks WHERE track = ?)) WHERE track = ?",
            (other, same),
        )
