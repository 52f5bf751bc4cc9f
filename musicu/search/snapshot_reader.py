"""Reading a catalog in pages: SQLite writes a page as one text, and what is known is kept.

A page holds the tracks of 256 consecutive row numbers. Its text is put together inside SQLite, away
from Python's lock, and understood only if it differs from the one that was read before: to look a
whole catalog over for changes costs little, and readers on other threads hardly notice.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import compress, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.checksums import is_sound
from musicu.catalog.store import Store, StoredModel
from musicu.metadata.names import fold_text
from musicu.search.name_codes import NameCodes

__all__ = ["MEASURES", "CatalogPages", "Page", "parse_page", "read_added", "read_all"]

Array = NDArray[np.float32]

_PAGE = 256
# What a page keeps of the numbers known of its tracks.
MEASURES = ("year", "tempo", "loudness", "onset_rate", "brightness")

# One row of the catalog as JSON, in text that SQLite only strings together. The row number of the
# vector and the path are there to tell changes: a vector that is replaced gets another number, and
# a filter may ask for the path.
_ROWS = """
SELECT group_concat(row, char(10)) FROM (
    SELECT '[' || l.track || ',' || v.rowid || ',' || json_quote(l.id) || ','
        || printf('%!.17g', l.seconds)
        || ',' || iif(json_valid(f.metadata), f.metadata, '{}')
        || ',' || iif(json_valid(t.descriptors), t.descriptors, '{}')
        || ',' || json_quote(hex(l.path)) || ']' AS row
    FROM vectors v JOIN library l ON l.track = v.track
    JOIN files f ON f.path = l.path JOIN tracks t ON t.track = l.track
    WHERE v.model = ?1 AND v.track >= ?2 AND v.track < ?3)
"""
# Vectors strung together as text, which is bytes like any other to SQLite, and back.
_VECTORS = """
SELECT group_concat(track), CAST(group_concat(vector, '') AS BLOB), group_concat(size),
    group_concat(coalesce(sum, -1)) FROM (
    SELECT track, vector, length(CAST(vector AS BLOB)) AS size, CAST(checksum AS INTEGER) AS sum
    FROM vectors WHERE model = ?1 AND track >= ?2 AND track < ?3)
"""


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


@dataclass(frozen=True, eq=False)
class CatalogPages:
    """All pages of one moment, and by what to tell whether tracks were only added since.

    Attributes
    ----------
    model : StoredModel
        Whose vectors they are.
    pages : dict of int to Page
        By the first of their row numbers, divided by a page's size; ascending; none is empty.
    stamp : str
        What SQLite changes with every change of a vector.
    vectors : int
        Vectors of the model, also of tracks that lie nowhere now.
    last, top : int
        Greatest row number among them, and among their tracks.
    tagged : tuple
        What changes when tags are heard in tracks.
    """

    model: StoredModel
    pages: dict[int, Page]
    stamp: str
    vectors: int
    last: int
    top: int
    tagged: tuple[Any, ...]

    def same(self, other: CatalogPages) -> bool:
        """Whether two readings say the same of the same tracks."""
        return (
            self.model == other.model
            and self.tagged == other.tagged
            and self.pages.keys() == other.pages.keys()
            and all(page.digest == other.pages[k].digest for k, page in self.pages.items())
        )


def read_all(
    store: Store, model: StoredModel, names: NameCodes, before: CatalogPages | None
) -> CatalogPages:
    """Read a model's tracks; pages that have not changed since `before` are those of `before`."""
    known = before.pages if before is not None and before.model == model else {}
    with _moment(store):
        state = _state(store, model)
        pages = dict(_pages(store, model, names, known, 0))
        return CatalogPages(model, pages, *state, tagged=_tagged(store))


def read_added(store: Store, names: NameCodes, before: CatalogPages) -> CatalogPages | None:
    """Read what came since, if nothing but tracks at the end seems to have; else return None."""
    model = before.model
    with _moment(store):
        state = stamp, vectors, _, _ = _state(store, model)
        if stamp == before.stamp:
            return before
        first, added = store.db.execute(
            # With the plus the vectors are found by row number, not by model.
            "SELECT min(track), count(*) FROM vectors WHERE +model = ? AND rowid > ?",
            (model.row, before.last),
        ).fetchone()
        if before.vectors + added != vectors or (added and first <= before.top):
            return None
        start = max(before.top, 0) // _PAGE
        pages = {k: page for k, page in before.pages.items() if k < start}
        pages.update(_pages(store, model, names, before.pages, start))
        return CatalogPages(model, pages, *state, tagged=before.tagged)


@contextmanager
def _moment(store: Store) -> Iterator[None]:
    """Read inside from one moment of the catalog."""
    store.db.execute("BEGIN")
    try:
        yield
    finally:
        store.db.execute("COMMIT")


def _state(store: Store, model: StoredModel) -> tuple[str, int, int, int]:
    stamp = store.db.execute("SELECT value FROM meta WHERE key = 'vectors'").fetchone()[0]
    count, last, top = store.db.execute(
        "SELECT count(*), max(rowid), max(track) FROM vectors WHERE model = ?", (model.row,)
    ).fetchone()
    return stamp, count, last or 0, top or 0


def _tagged(store: Store) -> tuple[Any, ...]:
    heads = store.db.execute("SELECT key, value FROM meta WHERE key LIKE 'tag head %' ORDER BY key")
    count = store.db.execute("SELECT count(*) FROM sound_tags").fetchone()[0]
    return (count, *heads.fetchall())


def _pages(
    store: Store, model: StoredModel, names: NameCodes, known: dict[int, Page], start: int
) -> Iterator[tuple[int, Page]]:
    """Yield a model's pages that are not empty, from one on."""
    number = start
    while True:
        limits = (model.row, number * _PAGE, (number + 1) * _PAGE)
        (text,) = store.db.execute(_ROWS, limits).fetchone()
        if text is not None:
            digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
            page = known.get(number)
            if page is None or page.digest != digest:
                page = parse_page(text, digest, names, *_vectors(store, model, limits))
            if page.ids or page.damaged:
                yield number, page
            number += 1
            continue
        (track,) = store.db.execute(
            "SELECT min(track) FROM vectors WHERE model = ? AND track >= ?",
            (model.row, (number + 1) * _PAGE),
        ).fetchone()
        if track is None:
            return
        number = track // _PAGE


def _vectors(
    store: Store, model: StoredModel, limits: tuple[int, int, int]
) -> tuple[NDArray[np.int64], Array]:
    """Tracks of a page that have a sound vector, also if they lie nowhere now, and the vectors."""
    tracks, flat, sizes, sums = store.db.execute(_VECTORS, limits).fetchone()
    ends = np.cumsum([0, *map(int, sizes.split(","))]).tolist()
    vectors = [flat[start:end] for start, end in pairwise(ends)]
    sound = [
        is_sound(vector, int(sum), model.dim)
        for vector, sum in zip(vectors, sums.split(","), strict=True)
    ]
    if not all(sound):
        flat = b"".join(compress(vectors, sound))
    matrix = np.frombuffer(flat, dtype="<f4").reshape(-1, model.dim)
    return (
        np.array(tracks.split(","), dtype=np.int64)[sound],
        matrix.astype(np.float32, copy=False),
    )


def parse_page(
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
