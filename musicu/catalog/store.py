"""An open catalog file: transactions, and the statements that change models, files and tracks."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.checksums import checksum, is_sound, write_checksums
from musicu.catalog.schema import (
    DESCRIPTORS_VERSION,
    FORMAT,
    IDENTITY_VERSION,
    FileRow,
    StoredModel,
    add_functions,
    read_format,
    upgrade,
)
from musicu.catalog.sqlite_connection import (
    catalog_path,
    configure,
    connect,
    copy_to_memory,
    is_full,
    is_new,
    is_writable,
    open_read_only,
    opening_failure,
)
from musicu.encoders.model import Model
from musicu.encoders.registry import check_unique_name
from musicu.errors import CatalogError, ModelError
from musicu.paths import lies_under

__all__ = ["FileRow", "Store", "StoredModel", "catalog_path"]

_MODEL = "m.model, m.id, m.version, m.sha256, m.dim"


class Store:
    """An open catalog file; a context manager that closes it.

    To be used by the thread that opened it: connections to SQLite are not shared.

    Parameters
    ----------
    path : path-like
        The SQLite file.
    create : bool
        Make it if it is not there.

    Raises
    ------
    CatalogError
        The file is missing, not a catalog, or of a newer musicu.

    Attributes
    ----------
    read_only : bool
        Whether the file, or its folder, can only be read, or the disk is full.
    """

    _in_memory = False

    def __init__(self, path: str | os.PathLike[str], *, create: bool) -> None:
        self.path = Path(path).absolute()
        self._made = is_new(path, create=create)
        self._full = not self._made and is_full(self.path)
        self.read_only = self._full or not (self._made or is_writable(self.path))
        try:
            self.db = open_read_only(self.path) if self.read_only else connect(self.path)
        except (sqlite3.Error, OSError) as error:
            raise CatalogError(f"{path}: cannot be opened ({error})") from None
        try:
            self._prepare()
        except sqlite3.Error as error:
            self.db.close()
            raise CatalogError(f"{path}: {opening_failure(error)}") from None
        except CatalogError as error:
            self.db.close()
            raise CatalogError(f"{self.path}: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self) -> None:
        db = self.db
        # This first, and a schema that can be run twice: another process may be making it too.
        if read_format(db) < FORMAT:
            if self.read_only:
                db = self._go_to_memory()
            add_functions(db)
            with self.change(derived=True):
                upgrade(db)
        if not self.read_only:
            # Readers and a writer side by side. Kept in the file: a process that meets another
            # one at work on it need not wait to say so again.
            with suppress(sqlite3.OperationalError):
                db.execute("PRAGMA journal_mode = WAL")
            # With WAL this loses at most the last moments to a power cut, and never the file.
            db.execute("PRAGMA synchronous = NORMAL")
        configure(db)

    def _go_to_memory(self) -> sqlite3.Connection:
        """Go on with a copy in memory: what is derived can be written there."""
        self.db = copy_to_memory(self.db)
        self._in_memory = True
        return self.db

    def close(self) -> None:
        """Close the file; one made for nothing (a folder's name was wrong) does not stay."""
        for_nothing = self._made and self.current_model() is None
        self._made = False  # closing twice is no error
        self.db.close()
        if for_nothing:
            self.path.unlink(missing_ok=True)

    @contextmanager
    def change(self, *, derived: bool = False) -> Iterator[None]:
        """Do everything inside, or nothing.

        Parameters
        ----------
        derived : bool
            Whether it only follows from what is stored: of a catalog that can only be read, it is
            kept in memory, until this object is closed.

        Raises
        ------
        CatalogError
            The catalog can only be read.
        """
        if self._full and not derived:
            raise CatalogError(f"{self.path}: its disk is full: make room")
        if self.read_only and not derived:
            raise CatalogError(
                f"{self.path}: can only be read: it, or its folder, is read-only; ask for the right"
                " to write there, or copy it"
            )
        if self.read_only and not self._in_memory:
            configure(self._go_to_memory())
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            write_checksums(self.db)
        except BaseException:
            if self.db.in_transaction:  # a full disk, for one, has ended it already
                self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    # Models

    def models(self) -> list[StoredModel]:
        """Models that have vectors here."""
        rows = self.db.execute(
            f"SELECT {_MODEL} FROM models m"
            " WHERE EXISTS (SELECT 1 FROM vectors v WHERE v.model = m.model)"
        )
        return [StoredModel(*row) for row in rows]

    def current_model(self) -> StoredModel | None:
        """Return the model that queries use: the one last embedded with."""
        row = self.db.execute(
            f"SELECT {_MODEL} FROM models m JOIN meta ON key = 'model' AND value = m.model"
        ).fetchone()
        return StoredModel(*row) if row else None

    def find_model(self, model: Model) -> StoredModel | None:
        """Look up a model by the hash of its weights."""
        row = self.db.execute(
            f"SELECT {_MODEL} FROM models m WHERE sha256 = ?", (model.sha256,)
        ).fetchone()
        return StoredModel(*row) if row else None

    def use_model(self, model: Model) -> StoredModel:
        """Make a model the current one.

        Raises
        ------
        ModelError
            Vectors of other weights are stored under its id and version.
        """
        with self.change():
            check_unique_name(model, self.models())
            self.db.execute(
                "INSERT OR IGNORE INTO models (id, version, sha256, dim) VALUES (?, ?, ?, ?)",
                (model.id, model.version, model.sha256, model.dim),
            )
            stored = self.find_model(model)
            assert stored is not None
            self.db.execute(
                "INSERT OR REPLACE INTO meta (key, value) VALUES ('model', ?)", (stored.row,)
            )
        return stored

    # Files

    def roots(self) -> list[str]:
        """Folders that were added."""
        return [path for (path,) in self.db.execute("SELECT path FROM roots ORDER BY path")]

    def files(self, root: str = "") -> dict[str, FileRow]:
        """All files, or the one of this path and those under it."""
        rows = self.db.execute(
            "SELECT path, size, mtime_ns, track, kind, missing, cause, identity >= ? FROM files",
            (IDENTITY_VERSION,),
        )
        return {
            path: FileRow(size, mtime, track, kind, bool(missing), cause, bool(current))
            for path, size, mtime, track, kind, missing, cause, current in rows
            if not root or lies_under(path, root)
        }

    def put_file(
        self,
        path: str,
        size: int,
        mtime_ns: int,
        *,
        kind: str,
        track: int | None = None,
        reason: str | None = None,
        cause: str | None = None,
        problem: str | None = None,
        tags: dict[str, Any] | None = None,
    ) -> None:
        """Insert or replace a file's row; its row of a metadata sheet stays.

        Parameters
        ----------
        path : str
        size, mtime_ns : int
            As on disk.
        kind : {"audio", "error", "skipped"}
        track : int or None
            Row number of its track.
        reason, cause : str or None
            Why it could not be used, and whose fault that is.
        problem : str or None
            What of its audio could not be read.
        tags : dict or None
            Its own tags, see :meth:`musicu.metadata.fields.Metadata.to_dict`.
        """
        texts = [_readable(text) for text in (reason, problem)]
        self.db.execute(
            "INSERT INTO files (path, size, mtime_ns, track, kind, reason, problem, cause, tags,"
            " identity) VALUES"
            " (CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (path) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns,"
            " track = excluded.track, kind = excluded.kind, reason = excluded.reason,"
            " problem = excluded.problem, cause = excluded.cause, tags = excluded.tags,"
            " identity = excluded.identity, missing = 0",
            (os.fsencode(path), size, mtime_ns, track, kind, *texts, cause)
            + (json.dumps(tags or {}), IDENTITY_VERSION),
        )

    def put_failure(self, path: str, reason: str, cause: str) -> bool:
        """Note that a known file could not be analyzed this time; what is known of it stays.

        Returns
        -------
        bool
            Whether the catalog knows a track in this file; nothing is noted if not.
        """
        changed = self.db.execute(
            "UPDATE files SET reason = ?, cause = ?"
            " WHERE path = CAST(? AS TEXT) AND track IS NOT NULL",
            (_readable(reason), cause, os.fsencode(path)),
        )
        return changed.rowcount > 0

    def set_missing(self, paths: list[str], *, missing: bool) -> None:
        """Mark files as gone from the disk, or as back; why one could not be read is over then."""
        self.db.executemany(
            "UPDATE files SET missing = ?, reason = iif(cause IS NULL, reason, NULL), cause = NULL"
            " WHERE path = CAST(? AS TEXT)",
            [(missing, os.fsencode(path)) for path in paths],
        )

    def drop_files(self, paths: list[str]) -> None:
        """Delete files' rows, and tracks that are left without any."""
        self.db.executemany(
            "DELETE FROM files WHERE path = CAST(? AS TEXT)", [(os.fsencode(p),) for p in paths]
        )
        self.prune()

    def prune(self) -> None:
        """Delete tracks that no file refers to, with their vectors."""
        orphans = "SELECT track FROM tracks t WHERE NOT EXISTS (SELECT 1 FROM files f"
        orphans += " WHERE f.track = t.track)"
        self.db.execute(f"DELETE FROM vectors WHERE track IN ({orphans})")
        self.db.execute(f"DELETE FROM tracks WHERE track IN ({orphans})")

    # Tracks

    def put_track(self, answer: dict[str, Any]) -> int:
        """Insert a track, or renew what is known of it; return its row number."""
        descriptors = answer["descriptors"]
        row = self.db.execute(
            "INSERT INTO tracks (id, seconds, codec, sr, channels, problem, descriptors)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
            " seconds = excluded.seconds, codec = excluded.codec, sr = excluded.sr,"
            " channels = excluded.channels, problem = excluded.problem,"
            # What was measured of a damaged copy is not true of a whole one.
            " descriptors = CASE WHEN problem IS NOT NULL AND excluded.problem IS NULL"
            " THEN excluded.descriptors ELSE coalesce(excluded.descriptors, descriptors) END"
            " RETURNING track",
            [answer[k] for k in ("id", "seconds", "codec", "sr", "channels", "problem")]
            + [
                None
                if descriptors is None
                else json.dumps(descriptors | {"version": DESCRIPTORS_VERSION})
            ],
        ).fetchone()
        return int(row[0])

    def put_vector(self, model: StoredModel, track: int, vector: NDArray[np.float32]) -> None:
        """Insert or replace a track's vector.

        Raises
        ------
        ModelError
            It is no unit vector of the model's dimension.
        """
        blob = np.asarray(vector, dtype="<f4").tobytes()
        total = checksum(blob)
        if vector.shape != (model.dim,) or not is_sound(blob, total, model.dim):
            raise ModelError(f"{model.name}: gave a vector that is not of unit length")
        self.db.execute(
            "INSERT OR REPLACE INTO vectors (model, track, vector, checksum) VALUES (?, ?, ?, ?)",
            (model.row, track, blob, total),
        )


def _readable(text: str | None) -> str | None:
    """Write what is no character, such as bytes of a file's name, as its number."""
    return text and text.encode("utf-8", "backslashreplace").decode()
