"""What is held in memory of a catalog's tracks, some hundred at a time: cards, texts, numbers."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.metadata.artists import album_key, artist_keys
from musicu.metadata.fields import Metadata

__all__ = ["MEASURES", "NameCodes", "Page", "fold_text", "understand"]

Array = NDArray[np.float32]

# What a page keeps of the numbers known of its tracks.
MEASURES = ("year", "tempo", "loudness", "onset_rate", "brightness")


class NameCodes:
    """Numbers for artists and albums, given as they come; by one thread at a time, or several."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._lock = threading.Lock()

    def artists(self, about: Metadata | Mapping[str, Any]) -> tuple[int, ...]:
        """Return the numbers of a track's :func:`musicu.metadata.artists.artist_keys`."""
        return tuple(self._code(key) for key in artist_keys(about))

    def album(self, about: Metadata | Mapping[str, Any]) -> int:
        """Return the number of a track's :func:`musicu.metadata.artists.album_key`; -1 for none."""
        key = album_key(about)
        return -1 if key is None else self._code(key)

    def _code(self, key: str) -> int:
        code = self._codes.get(key)
        if code is None:
            with self._lock:
                code = self._codes.setdefault(key, len(self._codes))
        return code


@dataclass(eq=False)
class Page:
    """What is known of some tracks, by row number.

    Attributes
    ----------
    digest : bytes
        Of the text they were read from.
    tracks : np.ndarray [shape=(n,), int64]
        Row numbers.
    ids, cards, artists, albums, texts
        As in :class:`musicu.search.snapshot.Snapshot`.
    measures : np.ndarray [shape=(n, 5), float32]
        The `MEASURES`; NaN where there is none.
    genres, keys : list of (str or None)
        First genre, and detected key.
    vectors : np.ndarray [shape=(n, dim), float32]
        Unit vectors; where they lie may change, what they are does not.
    damaged : int
        Tracks that were left out, since they are not what was stored.
    """

    digest: bytes
    tracks: NDArray[np.int64]
    ids: list[str]
    cards: list[bytes]
    artists: list[tuple[int, ...]]
    albums: NDArray[np.int32]
    texts: list[str]
    measures: Array
    genres: list[str | None]
    keys: list[str | None]
    vectors: Array
    damaged: int = 0


def fold_text(text: str) -> str:
    """Bring a text to the form that is searched: without case and diacritics (NFKD)."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(c for c in text if not unicodedata.combining(c))


def understand(
    text: str, digest: bytes, names: NameCodes, tracks: NDArray[np.int64], vectors: Array
) -> Page:
    """Make a page of the text that SQLite wrote of its tracks.

    Parameters
    ----------
    text : str
        JSON lists, one a line: the row numbers of a track and of its vector, id, seconds,
        metadata, descriptors, and the path in hexadecimal digits.
    digest : bytes
        Of the text.
    names : NameCodes
        Numbers of artists and albums.
    tracks : np.ndarray [shape=(n,), int64]
    vectors : np.ndarray [shape=(n, dim), float32]
        Row numbers and unit vectors, in any order; also of tracks that lie nowhere now. Tracks
        without one are left out.
    """
    # In the order of row numbers, in which SQLite need not have strung them together.
    sound = set(tracks.tolist())
    lines = text.split("\n")
    found = sorted((row for row in _rows(lines) if row[0] in sound), key=lambda row: int(row[0]))
    own = np.array([row[0] for row in found], dtype=np.int64)
    order = np.argsort(tracks)
    at = order[np.searchsorted(tracks, own, sorter=order)]
    every = [(row[2], row[3], row[4], row[5], _file(row[6])) for row in found]
    abouts = [about for _, _, about, *_ in every]
    return Page(
        digest,
        own,
        [id for id, *_ in every],
        [_card(*row) for row in every],
        [names.artists(about) for about in abouts],
        np.array([names.album(about) for about in abouts], dtype=np.int32),
        [_text(about, file) for _, _, about, _, file in every],
        np.array([_measures(about, heard) for _, _, about, heard, _ in every], dtype=np.float32),
        [_name(next(iter(about.get("genres") or ()), None)) for about in abouts],
        [_name(heard.get("key")) for *_, heard, _ in every],
        vectors[at],
        len(lines) - len(found),
    )


def _rows(lines: list[str]) -> list[Any]:
    """Parse a page's rows; one that is damaged is left out, not the page."""
    try:
        rows: list[Any] = json.loads(f"[{','.join(lines)}]")
        return rows
    except ValueError:
        pass
    rows = []
    for line in lines:
        with suppress(ValueError):
            rows.append(json.loads(line))
    return rows


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def _file(path: str) -> str:
    """Return the name of the file at a path of hexadecimal digits."""
    return os.path.basename(os.fsdecode(bytes.fromhex(path)))


def _card(
    id: str, seconds: float, about: dict[str, Any], heard: dict[str, Any], file: str
) -> bytes:
    card = {
        "id": id,
        "title": about.get("title"),
        "artist": about.get("artist"),
        "album": about.get("album"),
        "year": about.get("year"),
        "genres": about.get("genres") or [],
        "seconds": seconds,
        "tempo": heard.get("tempo"),
        "key": heard.get("key"),
        "loudness": heard.get("loudness"),
        "file": file,
    }
    try:
        return _encode(card).encode()
    except UnicodeEncodeError:  # half a character, from a tag that was not UTF-8
        return json.dumps(card, separators=(",", ":")).encode()


def _name(name: str | None) -> str | None:
    """Keep one copy of a name that many tracks have."""
    return name and sys.intern(name)


def _text(about: dict[str, Any], file: str) -> str:
    """Say what a track is found by: without a title, its file's name, too."""
    said = [about[name] for name in ("artist", "title", "album") if about.get(name)]
    return fold_text(" ".join(said if about.get("title") else [*said, os.path.splitext(file)[0]]))


def _measures(about: dict[str, Any], heard: dict[str, Any]) -> list[float]:
    values = (about.get("year"), *(heard.get(name) for name in MEASURES[1:]))
    return [math.nan if value is None else value for value in values]
