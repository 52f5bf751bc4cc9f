"""What of a catalog is no longer as it was stored: found row by row, and named."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from musicu.catalog.checksums import CHECKSUMMED, is_sound, key_columns, row_checksum_sql
from musicu.catalog.index import Index, matrix_is_sound
from musicu.catalog.schema import schema_checksum
from musicu.catalog.store import Store, StoredModel

__all__ = ["Damage", "check_integrity", "list_damage"]

_INTEGER, _OPTIONAL, _TEXT = ("integer",), ("integer", "null"), ("text",)
_NUMBERS: dict[str, dict[str, tuple[str, ...]]] = {
    "models": {"dim": _INTEGER},
    "tracks": {"seconds": ("real",), "sr": _INTEGER, "channels": _INTEGER},
    "files": dict.fromkeys(("size", "mtime_ns", "missing", "identity"), _INTEGER)
    | {"track": _OPTIONAL},
    "aliases": {"track": _INTEGER},
}
# Texts: whether they are JSON, and whether there need be any.
_TEXTS: dict[str, dict[str, tuple[bool, bool]]] = {
    "models": {"id": (False, True), "version": (False, True), "sha256": (False, True)},
    "tracks": {
        "id": (False, True),
        "codec": (False, True),
        "problem": (False, False),
        "descriptors": (True, False),
    },
    "files": {
        **dict.fromkeys(("reason", "problem", "cause"), (False, False)),
        **dict.fromkeys(("tags", "sheet", "metadata"), (True, True)),
    },
    "aliases": {"id": (False, True)},
    "sound_tags": {"tags": (True, True)},
}


@dataclass(frozen=True)
class Damage:
    """Something stored that is not what was stored.

    Attributes
    ----------
    table : str
        Where: a table; ``"file"`` for the SQLite file itself; ``"check"`` for a row of which SQLite
        says only that it cannot be right.
    key : tuple
        Of the row: values of its key columns; of a vector those of model and track.
    text : str
        What it is, in words.
    """

    table: str
    key: tuple[Any, ...]
    text: str


def check_integrity(store: Store) -> list[str]:
    """Check the file, all that is stored, and the matrix beside it.

    Returns
    -------
    list of str
        A line for each thing that is wrong: which it is, and what mends it.
    """
    mends = f"'musicu catalog verify --repair --catalog {store.path}' mends it"
    wrong = [f"{one.text}: {mends}" for one in list_damage(store)]
    if wrong:
        return wrong
    for model in store.models():
        # The matrix is a copy of what has just been found sound.
        if not matrix_is_sound(store, model):
            Index.open(store, model)
    without = store.db.execute(
        "SELECT count(*) FROM tracks WHERE track NOT IN (SELECT track FROM vectors)"
    ).fetchone()[0]
    if without:
        wrong.append(f"{without} tracks have no vector: run 'musicu embed'")
    return wrong


def list_damage(store: Store) -> list[Damage]:
    """List all that is not what was stored; of a file that cannot be read to its end, only that."""
    found: list[Damage] = []
    try:
        found += _pages(store)
        for model in store.models():
            found += _vectors(store, model)
        for table in CHECKSUMMED:
            found += _rows(store, table)
    except sqlite3.DatabaseError as error:
        # A file that is cut off, or a schema that the statements of ours do not fit any more.
        damage = (sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_ERROR)
        if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode not in damage:
            raise  # not damaged, but out of reach
        found.append(Damage("file", (), f"SQLite: {error}"))
    return found


def _describe_row(store: Store, table: str, key: tuple[Any, ...]) -> str:
    """Say what a row is about: a track by path and id, if it can be told."""
    if table == "vectors" or table == "sound_tags":
        return _name_track(store, key[1])
    if table == "tracks":
        return _name_track(store, key[0])
    if table == "files":
        path, track = store.db.execute(
            "SELECT path, track FROM files WHERE file = ?", key
        ).fetchone()
        (id,) = store.db.execute("SELECT id FROM tracks WHERE track = ?", (track,)).fetchone() or (
            None,
        )
        return f"{path} ({id})" if id else str(path)
    words = {"models": "model", "aliases": "earlier id", "roots": "folder", "meta": "setting"}
    return f"{words[table]} {key[0]}"


def _name_track(store: Store, track: int) -> str:
    row = store.db.execute(
        "SELECT t.id, (SELECT path FROM files f WHERE f.track = t.track"
        " ORDER BY f.missing, f.path LIMIT 1) FROM tracks t WHERE t.track = ?",
        (track,),
    ).fetchone()
    if row is None:
        return f"track {track}"
    return f"{row[1]} ({row[0]})" if row[1] else str(row[0])


def _pages(store: Store) -> Iterator[Damage]:
    for (message,) in store.db.execute("PRAGMA integrity_check"):
        if message != "ok":
            in_row = message.startswith(("CHECK constraint failed", "NULL value in"))
            kind = "check" if in_row else "file"
            yield Damage(kind, (), f"SQLite: {' '.join(message.split())}")
    made = store.db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    if made and made[0] != schema_checksum(store.db):
        yield Damage("file", (), "SQLite: the schema is not what was stored")
    for table, row, parent, _ in store.db.execute("PRAGMA foreign_key_check"):
        yield Damage("file", (), f"SQLite: row {row} of {table} speaks of no row of {parent}")


def _vectors(store: Store, model: StoredModel) -> Iterator[Damage]:
    rows = store.db.execute(
        "SELECT track, vector, checksum FROM vectors WHERE model = ?", (model.row,)
    )
    bad = [track for track, vector, sum in rows if not is_sound(vector, sum, model.dim)]
    for track in bad:
        what = f"{_name_track(store, track)}: its vector of {model.name} is damaged"
        yield Damage("vectors", (model.row, track), what)


def _rows(store: Store, table: str) -> Iterator[Damage]:
    """Find rows that differ from their checksums, and texts and numbers that are none."""
    key = ", ".join(key_columns(table))
    changed = store.db.execute(
        f"SELECT {key} FROM {table} WHERE checksum != {row_checksum_sql(table)}"
    ).fetchall()
    bad = dict.fromkeys(changed, "is not what was stored")
    for column, kinds in _NUMBERS.get(table, {}).items():
        rows = store.db.execute(
            f"SELECT {key} FROM {table}"
            f" WHERE typeof({column}) NOT IN ({', '.join('?' * len(kinds))})",
            kinds,
        )
        for row in rows.fetchall():
            bad.setdefault(row, f"its {column} is no number")
    for column, (is_json, needed) in _TEXTS.get(table, {}).items():
        rows = store.db.execute(
            f"SELECT {key}, typeof({column}), CAST({column} AS BLOB) FROM {table}"
        )
        for *place, kind, content in rows.fetchall():
            if problem := _garbled(kind, content, is_json=is_json, needed=needed):
                bad.setdefault(tuple(place), f"its {column} is {problem}")
    for row, what in bad.items():
        yield Damage(table, row, f"{_describe_row(store, table, row)}: {_SAID[table]}{what}")


_SAID = dict.fromkeys(CHECKSUMMED, "") | {
    "tracks": "what is known of its audio: ",
    "files": "what is known of the file: ",
    "sound_tags": "what is heard in it: ",
}


def _garbled(kind: str, content: bytes | None, *, is_json: bool, needed: bool) -> str | None:
    """Say what is wrong with a stored text, or None."""
    if kind == "null":
        return "missing" if needed else None
    if kind != "text" or content is None:
        return "no text"
    try:
        text = content.decode()
        values = json.loads(text) if is_json else {}
    except UnicodeDecodeError:
        return "no text (bytes that are no UTF-8)"
    except ValueError:
        return "no JSON"
    if "\0" in text:
        return "no text (it holds a zero byte)"
    return None if isinstance(values, dict) else "no JSON object"
