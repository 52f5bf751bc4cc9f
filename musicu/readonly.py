"""Catalogs that can only be read: files, folders and disks that nobody may write to."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

__all__ = ["is_full", "is_writable", "open_read_only"]

_ROOM = 1 << 16  # bytes that SQLite needs beside a catalog to begin with


def is_writable(path: Path) -> bool:
    """Whether a catalog can be changed: SQLite writes a journal beside the file, too."""
    target = path.resolve()
    effective = os.access in os.supports_effective_ids
    return all(
        os.access(place, os.W_OK, effective_ids=effective) for place in (target, target.parent)
    )


def is_full(path: Path) -> bool:
    """Whether there is no room where a catalog lies: SQLite could not even read there as usual."""
    try:
        return shutil.disk_usage(path.resolve().parent).free < _ROOM
    except OSError:
        return False


def open_read_only(path: Path) -> sqlite3.Connection:
    """Connect to a catalog's file without writing anything beside it.

    Raises
    ------
    sqlite3.Error, OSError
        It cannot be read.
    """
    with open(path, "rb"):  # says why it may not be read, which SQLite does not
        pass
    try:
        return _checked(f"{path.as_uri()}?mode=ro")
    except sqlite3.OperationalError as error:
        # The journal's index would have to be made, and there may be no room for it.
        cannot = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR)
        if error.sqlite_errorcode & 0xFF not in cannot:
            raise
    journal = path.with_name(f"{path.name}-wal")
    if not (journal.exists() and journal.stat().st_size):
        return _checked(f"{path.as_uri()}?mode=ro&immutable=1")
    # A killed process left changes in the journal: they count, and are put together elsewhere.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy"
        shutil.copyfile(path, copy)
        shutil.copyfile(journal, f"{copy}-wal")
        whole = sqlite3.connect(copy)
        try:
            memory = sqlite3.connect(":memory:", isolation_level=None)
            whole.backup(memory)
        finally:
            whole.close()
    memory.execute("PRAGMA query_only = ON")
    return memory


def _checked(uri: str) -> sqlite3.Connection:
    db = sqlite3.connect(uri, uri=True, timeout=30.0, isolation_level=None)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        db.close()
        raise
    return db
