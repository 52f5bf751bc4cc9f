"""Connections to a catalog's SQLite file, also where nobody may write to it or to its folder."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

from musicu.catalog.schema import add_functions, renew_library
from musicu.errors import CatalogError

__all__ = [
    "catalog_path",
    "configure",
    "connect",
    "copy_to_memory",
    "is_full",
    "is_new",
    "is_writable",
    "open_read_only",
    "opening_failure",
]

_ROOM = 1 << 16  # bytes that SQLite needs beside a catalog to begin with


def catalog_path(path: str | os.PathLike[str] | None = None) -> Path:
    """Where the catalog is: the argument, else ``$MUSICU_CATALOG``, else the user's data folder."""
    if path is not None:
        return Path(path)
    if override := os.environ.get("MUSICU_CATALOG"):
        return Path(override)
    from platformdirs import user_data_path

    return user_data_path("musicu") / "catalog.db"


def is_new(path: str | os.PathLike[str], *, create: bool) -> bool:
    """Whether a catalog is yet to be made at a path; if so, make its folder.

    Raises
    ------
    CatalogError
        There is none and none may be made, or there is something else.
    """
    place = Path(path)
    if not place.exists():
        if not create:
            raise CatalogError(f"no catalog at {path}: 'musicu embed FOLDER' makes one")
        place.absolute().parent.mkdir(parents=True, exist_ok=True)
        return True
    if not place.is_file():
        what = "it is a folder" if place.is_dir() else "not a regular file"
        raise CatalogError(f"{path}: cannot be opened as a catalog: {what}")
    return False


def connect(path: Path) -> sqlite3.Connection:
    """Connect to a catalog's file, to read and to write."""
    return sqlite3.connect(path, timeout=30.0, isolation_level=None)


def configure(db: sqlite3.Connection) -> None:
    """Set up what belongs to a connection, not to the file."""
    add_functions(db)
    db.text_factory = _text
    db.execute("PRAGMA foreign_keys = ON")
    renew_library(db)


def copy_to_memory(db: sqlite3.Connection) -> sqlite3.Connection:
    """Return a copy in memory of what a connection is to, and close that one."""
    memory = sqlite3.connect(":memory:", isolation_level=None)
    db.backup(memory)
    db.close()
    return memory


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
            memory = copy_to_memory(whole)
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


def opening_failure(error: sqlite3.Error) -> str:
    """Say why a catalog cannot be opened."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the lowest byte is the kind
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return (
            f"not a catalog that can be opened ({error}); if it was one, 'musicu catalog verify"
            " --repair' copies what can be read"
        )
    return f"cannot be opened now ({error})"


def _text(value: bytes) -> str:
    # Names that are not UTF-8 are stored as the bytes they are, and come back as Python's own
    # escapes, which open() understands.
    return value.decode("utf-8", "surrogateescape")
