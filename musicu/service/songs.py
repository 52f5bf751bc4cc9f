"""Stored tracks with their files, looked up by id; as rows, and as OpenSubsonic has them."""

from __future__ import annotations

import json
import mimetypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from musicu.schema import LIST_COLUMNS
from musicu.service.problems import Refusal
from musicu.store import Store

__all__ = ["read_roots", "read_songs", "song_child"]

_AT_ONCE = 500  # SQLite takes so many values in one statement everywhere


def read_roots(catalog: Path) -> list[str]:
    """Return the folders that a catalog was made of."""
    with Store(catalog, create=False) as store:
        return store.roots()


def read_songs(catalog: Path, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return tracks, in the order of their ids.

    Parameters
    ----------
    catalog : Path
        The catalog's file.
    ids : sequence of str
        Whole ids; any may come twice.

    Returns
    -------
    list of dict
        Columns of ``library``, lists parsed, and ``size`` of the file in bytes.

    Raises
    ------
    Refusal
        There is no such track, or it has no file any more.
    """
    wanted = list(dict.fromkeys(ids))
    found: dict[str, dict[str, Any]] = {}
    with Store(catalog, create=False) as store:
        for first in range(0, len(wanted), _AT_ONCE):
            some = wanted[first : first + _AT_ONCE]
            rows = store.db.execute(
                "SELECT l.*, f.size FROM library l JOIN files f ON f.path = l.path"
                f" WHERE l.id IN ({', '.join('?' * len(some))})",
                some,
            )
            names = [column[0] for column in rows.description]
            for row in rows:
                song = dict(zip(names, row, strict=True))
                for name in LIST_COLUMNS:
                    song[name] = json.loads(song[name] or "[]")
                found[song["id"]] = song
    for id in wanted:
        if id not in found:
            raise Refusal(404, f"there is no track {id[:64]!r}, or its file is gone")
    return [found[id] for id in ids]


def song_child(song: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored track as the API's ``Child``; what is not known is left out.

    Parameters
    ----------
    song : mapping
        Columns of ``library`` and ``size``, as :func:`read_songs` reads them.
    """
    suffix = os.path.splitext(song["path"])[1].lstrip(".").lower()
    genres = song["genres"]
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
        "contentType": mimetypes.guess_type(song["path"])[0] or "application/octet-stream",
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
