"""Tracks and artists as people call them: by a title, by an artist, by words of both."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from musicu.catalog.store import Store
from musicu.catalog.tracks import read_columns
from musicu.errors import AmbiguousNameError, CatalogError
from musicu.metadata.artists import artist_key, credited_artists
from musicu.metadata.names import fold_text
from musicu.metadata.near_names import did_you_mean
from musicu.metadata.text_search import search_texts

__all__ = ["artist_rows", "find_by_name", "track_names"]

_COLUMNS = ("track", "id", "path", "title", "artist", "artists", "album_artist", "album")
_LISTED = ("id", "artist", "title", "album", "path")  # what an ambiguous name's tracks are told by
_MOST = 1000  # more tracks than that are not told apart


def find_by_name(store: Store, name: str, artist: str | None = None) -> int:
    """Return the row number of the track that a name means.

    That is the one with this title, else the one in whose artist, title and album all of the
    name's words occur. Tracks of one artist and title count as one: the first of them by path is
    taken. Case and diacritics do not matter.

    Parameters
    ----------
    store : Store
        The catalog.
    name : str
        A title, or words of artist, title and album.
    artist : str or None
        Only tracks of this artist.

    Raises
    ------
    AmbiguousNameError
        It may be several, which the error has.
    CatalogError
        Nothing is called so; its text has names that are near.
    """
    tracks = list(_tracks(store, artist))
    wanted = fold_text(name).split()
    found = [track for track in tracks if wanted and fold_text(_title(track)).split() == wanted]
    if not found and wanted:
        texts = [_text(track) for track in tracks]
        places = search_texts(texts, wanted, _MOST)[1]
        # Parts of words count only where they are no words of their own.
        whole = [at for at in places if {*wanted} <= {*texts[at].split()}]
        found = [tracks[at] for at in whole or places]
    songs: dict[tuple[str, str], dict[str, Any]] = {}
    for track in found:
        songs.setdefault((fold_text(track["artist"] or ""), fold_text(_title(track))), track)
    if len(songs) == 1:
        return int(next(iter(songs.values()))["track"])
    of = "" if artist is None else f" of {artist!r}"
    if not songs:
        near = did_you_mean(name, map(_title, tracks))
        raise CatalogError(f"{name}: neither a file nor a stored track's id or name{of}{near}")
    raise AmbiguousNameError(
        f"{name}: {len(songs):,} tracks{of} may be meant: name one by more words, or by its id",
        [{column: track[column] for column in _LISTED} for track in songs.values()],
    )


def artist_rows(store: Store, artist: str) -> list[int]:
    """Return the row numbers of an artist's tracks, by path.

    Raises
    ------
    CatalogError
        There is no such artist; its text has names that are near.
    """
    return [int(track["track"]) for track in _tracks(store, artist)]


def track_names(store: Store, row: int) -> str:
    """Return what people call a track: artist and title, and where its file lies."""
    track = next(read_columns(store, _COLUMNS, rows=[row]))
    return " - ".join(filter(None, (track["artist"], _title(track)))) + f" ({track['path']})"


def _tracks(store: Store, artist: str | None) -> Iterator[dict[str, Any]]:
    """Yield all tracks, or those of an artist."""
    tracks = read_columns(store, _COLUMNS)
    if artist is None:
        yield from tracks
        return
    key, names = artist_key(artist), dict[str, str]()
    for track in tracks:
        credited = credited_artists(track)
        names |= credited
        if key in credited:
            yield track
    if key not in names:
        near = did_you_mean(artist, names.values())
        raise CatalogError(f"no track of the catalog is by {artist!r}{near}")


def _title(track: Mapping[str, Any]) -> str:
    return str(track["title"] or os.path.splitext(os.path.basename(track["path"]))[0])


def _text(track: Mapping[str, Any]) -> str:
    """Say what a track is found by."""
    return fold_text(" ".join((track["artist"] or "", _title(track), track["album"] or "")))
