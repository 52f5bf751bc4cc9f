"""Copy what can be read of a catalog's file that SQLite cannot read to its end to a new one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from musicu.catalog.checksums import key_columns
from musicu.catalog.schema import APPLICATION
from musicu.catalog.sqlite_connection import is_writable
from musicu.catalog.store import Store
from musicu.errors import CatalogError

__all__ = ["salvage", "salvage_if_unreadable", "salvage_note"]

# In an order in which no row refers to one that is yet to come.
_TABLES = ("meta", "models", "tracks", "files", "vectors", "aliases", "sound_tags", "roots")
_MOST_BYTES = 1 << 40


def _is_unreadable(path: Path) -> bool:
    """Whether a file is there that SQLite cannot open, since it is damaged."""
    if not path.is_file():
        return False
    db = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30.0)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
    finally:
        db.close()
    return False


def salvage_if_unreadable(path: Path) -> str | None:
    """Copy what can be read of a catalog to a new file, if SQLite cannot open it any more.

    Parameters
    ----------
    path : Path
        The catalog, whose place the new file takes.

    Returns
    -------
    str or None
        One line that says where the damaged file is kept; None if it can be opened.

    Raises
    ------
    CatalogError
        It is no catalog, or nothing can be read.
    """
    return salvage_note(path, salvage(path)) if _is_unreadable(path) else None


def salvage(path: Path) -> Path:
    """Copy all rows that can be read to a new file in the place of a damaged one.

    Parameters
    ----------
    path : Path
        The catalog; its file may have lost its end. Nobody is to have it open.

    Returns
    -------
    Path
        Where the damaged file is kept.

    Raises
    ------
    CatalogError
        It is no catalog, or nothing can be read.
    """
    if not is_writable(path):
        raise CatalogError(f"{path}: its file or folder is read-only: copy it, and mend the copy")
    draft = path.with_name(f".{path.name}.{os.getpid()}.salvaged")
    kept = path.with_name(f"{path.name}.damaged")
    number = 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.name}.damaged-{number}")
    _fill_up(path)
    old = sqlite3.connect(path, timeout=30.0, isolation_level=None)
    # As bytes, for a text need not be UTF-8.
    old.text_factory = _Text
    old.execute("PRAGMA writable_schema = ON")  # parts of the schema may be no SQL any more
    try:
        if old.execute("PRAGMA application_id").fetchone()[0] != APPLICATION:
            raise CatalogError(f"{path}: not a musicu catalog")
        new = Store(draft, create=True)
        try:
            _copy(old, new)
        finally:
            new.db.execute("PRAGMA journal_mode = DELETE")
            new.db.close()
        old.close()
        # The damaged file's journal belongs to it.
        for end in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.replace(f"{path}{end}", f"{kept}{end}")
        os.replace(path, kept)
        os.replace(draft, path)
    except sqlite3.Error as error:
        raise CatalogError(
            f"{path}: nothing can be read of it ({error}); restore it from a backup"
        ) from None
    finally:
        old.close()
        draft.unlink(missing_ok=True)
    return kept


def salvage_note(path: Path, kept: Path) -> str:
    """Say where a damaged file is kept, in one line."""
    return (
        f"{path}: all rows that can be read are in a new file; the damaged one is {kept};"
        " 'musicu embed' finds again what is missing"
    )


def _fill_up(path: Path) -> None:
    """Give a file that has lost its end empty pages there: SQLite opens it then."""
    with open(path, "r+b") as file:
        head = file.read(100)
        if head[:16] != b"SQLite format 3\0" or len(head) < 100:
            return
        # In its head; a page of 65,536 bytes is written as 1.
        page = int.from_bytes(head[16:18], "big")
        size = int.from_bytes(head[28:32], "big") * (65536 if page == 1 else page)
        if os.fstat(file.fileno()).st_size < size <= _MOST_BYTES:
            file.truncate(size)


class _Text(bytes):
    """The bytes of a text; those of a blob are plain bytes."""


def _copy(old: sqlite3.Connection, new: Store) -> None:
    """Copy the rows of all tables."""
    db = new.db
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute("PRAGMA ignore_check_constraints = ON")  # what is wrong with a row is mended later
    with new.change():
        db.execute("DELETE FROM meta WHERE key != 'schema'")
        for table in _TABLES:
            columns = [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")]
            insert = (
                f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES"
                f" ({', '.join('?' * len(columns))})"
            )
            for row in _rows(old, table, columns):
                marks = iter("CAST(? AS TEXT)" if isinstance(v, _Text) else "?" for v in row)
                statement = "".join(next(marks) if c == "?" else c for c in insert)
                with suppress(sqlite3.IntegrityError):  # a row without what every row has
                    db.execute(statement, [bytes(v) if isinstance(v, bytes) else v for v in row])
        db.execute(
            "INSERT OR REPLACE INTO meta (key, value) VALUES ('vectors', hex(randomblob(8)))"
        )
        # Rows that refer to something that is lost.
        db.execute("DELETE FROM vectors WHERE track NOT IN (SELECT track FROM tracks)")
        db.execute("DELETE FROM vectors WHERE model NOT IN (SELECT model FROM models)")
        db.execute("DELETE FROM aliases WHERE track NOT IN (SELECT track FROM tracks)")
        db.execute(
            "DELETE FROM sound_tags WHERE NOT EXISTS (SELECT 1 FROM vectors v"
            " WHERE v.model = sound_tags.model AND v.track = sound_tags.track)"
        )
        db.execute("DELETE FROM files WHERE track NOT IN (SELECT track FROM tracks)")


def _rows(db: sqlite3.Connection, table: str, columns: list[str]) -> Iterable[tuple[Any, ...]]:
    """Yield the rows of a table that can be read: from its start, and from its end."""
    known = {bytes(name).decode() for _, name, *_ in db.execute(f"PRAGMA table_info({table})")}
    chosen = ", ".join(name if name in known else "NULL" for name in columns)
    if not known:
        return
    key = "rowid" if table in ("models", "tracks", "files", "vectors") else None
    for order in ("ASC", "DESC"):
        sort = [key] if key else list(key_columns(table))
        by = ", ".join(f"{name} {order}" for name in sort)
        try:
            yield from db.execute(f"SELECT {chosen} FROM {table} NOT INDEXED ORDER BY {by}")
            return
        except sqlite3.DatabaseError:
            continue
    if key is None:
        return
    # What lies between: each row by itself, for a damaged page hides only its own.
    ends = []
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.DatabaseError):
            ends += db.execute(
                f"SELECT rowid FROM {table} ORDER BY rowid {order} LIMIT 1"
            ).fetchall()
    if len(ends) == 2:
        for (number,) in zip(range(ends[0][0], ends[1][0] + 1), strict=False):
            with suppress(sqlite3.DatabaseError):
                yield from db.execute(f"SELECT {chosen} FROM {table} WHERE rowid = ?", (number,))
