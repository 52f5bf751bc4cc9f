"""Stored tracks as OpenSubsonic has them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from musicu.audio.formats import media_type
from musicu.catalog.store import Store
from musicu.catalog.tracks import find_columns

__all__ = ["read_songs", "song_child"]


def read_songs(catalog: Path, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return tracks as the API's ``Child``, in the order of their ids; any may come twice.

    Raises
    ------
    CatalogError
        There is no such track, or it has no file any more.
    """
    with Store(catalog, create=False) as store:
        return [song_child(song) for song in find_columns(store, ids)]


def song_child(song: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored track as the API's ``Child``; what is not known is left out.

    Parameters
    ----------
    song : mapping
        Columns of ``library`` and ``size``, as :func:`musicu.catalog.tracks.find_columns` returns
        them.
    """
    suffix = os.path.splitext(song["path"])[1].lstrip(".").lower()
    genres = song["genres"] or []
    child = {
        "id": song["id"],
        "isDir": False,
        "title": song["title"] or os.path.splitext(os.path.basename(song["path"]))[0],
        "album": song["album"],
        "artist": song["artist"],
        "displayArtist": song["artist"],
        "displayAlbumArtist": song["album_artist"],
        "track": song["track_number"],
        "discNumber": song["disc"],
        "year": song["year"],
        "genre": genres[0] if genres else None,
        "genres": [{"name": genre} for genre in genres] or None,
        "size": song["size"],
        "contentType": media_type(song["path"]),
        "suffix": suffix or None,
        "duration": round(song["seconds"]),
        "bitRate": round(song["size"] * 8 / 1000 / song["seconds"]) if song["seconds"] else None,
        "samplingRate": song["sr"],
        "channelCount": song["channels"],
        "bpm": round(tempo) if (tempo := song["bpm"] or song["tempo"]) else None,
        "musicBrainzId": song["mb_recording"],
        "isrc": [song["isrc"]] if song["isrc"] else None,
        "isVideo": False,
        "type": "music",
        "mediaType": "song",
    }
    return {key: value for key, value in child.items() if value is not None}
