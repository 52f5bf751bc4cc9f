"""The catalog's SQLite file: its tables, and the few statements that change them.

A *track* is a piece of audio, known by the hash of its packets. A *file* is a place where it lies,
with the tags found there; copies are several files of one track. A *vector* belongs to a track and
a model. A file that could not be used is a row too, with its reason.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import CatalogError
from musicu.model import Model

__all__ = ["LIST_COLUMNS", "FileRow", "Store", "StoredModel", "catalog_path", "lies_under"]

_APPLICATION = 0x6D757369  # "musi", in the file's header
_FORMAT = 3  # 1 had no sound_tags; 2 no country, language, tags and description in the view
# Columns of the view `library` that hold a JSON list.
LIST_COLUMNS = ("artists", "genres", "mb_artists", "tags")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS models (
    model INTEGER PRIMARY KEY, id TEXT NOT NULL, version TEXT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE, dim INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS tracks (
    track INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seconds REAL NOT NULL,
    codec TEXT NOT NULL, sr INTEGER NOT NULL, channels INTEGER NOT NULL,
    problem TEXT, descriptors TEXT
);
CREATE TABLE IF NOT EXISTS files (
    file INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, track INTEGER REFERENCES tracks,
    kind TEXT NOT NULL CHECK (kind IN ('audio', 'error', 'skipped')), reason TEXT,
    missing INTEGER NOT NULL DEFAULT 0,
    tags TEXT NOT NULL DEFAULT '{}', sheet TEXT NOT NULL DEFAULT '{}',
    metadata TEXT GENERATED ALWAYS AS (json_patch(tags, sheet)) STORED
);
CREATE INDEX IF NOT EXISTS files_track ON files (track);
CREATE TABLE IF NOT EXISTS vectors (
    model INTEGER NOT NULL REFERENCES models, track INTEGER NOT NULL REFERENCES tracks,
    vector BLOB NOT NULL, UNIQUE (model, track)  -- its index lists tracks without their vectors
);
-- What a model's tag head heard in a vector; gone with it, also when another one takes its place.
CREATE TABLE IF NOT EXISTS sound_tags (
    model INTEGER NOT NULL, track INTEGER NOT NULL, tags TEXT NOT NULL,
    PRIMARY KEY (model, track),
    FOREIGN KEY (model, track) REFERENCES vectors (model, track) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS roots (path TEXT PRIMARY KEY) WITHOUT ROWID;
-- Any change of the vectors changes the stamp that a matrix file carries in its name.
INSERT OR IGNORE INTO meta VALUES ('vectors', hex(randomblob(8)));
CREATE TRIGGER IF NOT EXISTS vectors_insert AFTER INSERT ON vectors BEGIN
    UPDATE meta SET value = hex(randomblob(8)) WHERE key = 'vectors'; END;
CREATE TRIGGER IF NOT EXISTS vectors_update AFTER UPDATE ON vectors BEGIN
    UPDATE meta SET value = hex(randomblob(8)) WHERE key = 'vectors'; END;
CREATE TRIGGER IF NOT EXISTS vectors_delete AFTER DELETE ON vectors BEGIN
    UPDATE meta SET value = hex(randomblob(8)) WHERE key = 'vectors'; END;
-- One row a track that lies somewhere, with the metadata of its first file: what users filter on.
CREATE VIEW IF NOT EXISTS library AS SELECT
    t.track, t.id, f.path,
    json_extract(f.metadata, '$.title') AS title, json_extract(f.metadata, '$.artist') AS artist,
    json_extract(f.metadata, '$.artists') AS artists, json_extract(f.metadata, '$.album') AS album,
    json_extract(f.metadata, '$.album_artist') AS album_artist,
    json_extract(f.metadata, '$.year') AS year,
    json_extract(f.metadata, '$.date') AS date, json_extract(f.metadata, '$.genres') AS genres,
    json_extract(f.metadata, '$.label') AS label, json_extract(f.metadata, '$.isrc') AS isrc,
    json_extract(f.metadata, '$.mb_track') AS mb_track,
    json_extract(f.metadata, '$.mb_recording') AS mb_recording,
    json_extract(f.metadata, '$.mb_artists') AS mb_artists,
    json_extract(f.metadata, '$.mb_album') AS mb_album,
    json_extract(f.metadata, '$.bpm') AS bpm, json_extract(f.metadata, '$.key') AS key,
    json_extract(f.metadata, '$.track') AS track_number, json_extract(f.metadata, '$.disc') AS disc,
    json_extract(f.metadata, '$.country') AS country,
    json_extract(f.metadata, '$.language') AS language,
    json_extract(f.metadata, '$.tags') AS tags,
    json_extract(f.metadata, '$.description') AS description,
    t.seconds, t.codec, t.sr, t.channels, t.problem,
    json_extract(t.descriptors, '$.tempo') AS tempo,
    json_extract(t.descriptors, '$.tempo_confidence') AS tempo_confidence,
    json_extract(t.descriptors, '$.key') AS detected_key,
    json_extract(t.descriptors, '$.key_confidence') AS key_confidence,
    json_extract(t.descriptors, '$.loudness') AS loudness,
    json_extract(t.descriptors, '$.loudness_range') AS loudness_range,
    json_extract(t.descriptors, '$.peak') AS peak,
    json_extract(t.descriptors, '$.brightness') AS brightness,
    json_extract(t.descriptors, '$.onset_rate') AS onset_rate,
    json_extract(t.descriptors, '$.dynamic_complexity') AS dynamic_complexity,
    json_extract(t.descriptors, '$.regularity') AS regularity,
    (SELECT s.tags FROM sound_tags s JOIN meta ON meta.key = 'model' AND meta.value = s.model
        WHERE s.track = t.track) AS sound_tags
FROM tracks t JOIN files f ON f.file =
    (SELECT g.file FROM files g WHERE g.track = t.track AND NOT g.missing ORDER BY g.path LIMIT 1);
"""


@dataclass(frozen=True)
class StoredModel:
    """A model as the catalog remembers it: row number, id, version, hash and dimension."""

    row: int
    id: str
    version: str
    sha256: str
    dim: int

    @property
    def name(self) -> str:
        """Id and version: ``musicu-1@1``."""
        return f"{self.id}@{self.version}"


@dataclass(frozen=True)
class FileRow:
    """A file as the catalog remembers it; ``track`` is None for one that could not be used."""

    size: int
    mtime_ns: int
    track: int | None
    kind: str
    missing: bool


def catalog_path(path: str | os.PathLike[str] | None = None) -> Path:
    """Where the catalog is: the argument, else ``$MUSICU_CATALOG``, else the user's data folder."""
    if path is not None:
        return Path(path)
    if override := os.environ.get("MUSICU_CATALOG"):
        return Path(override)
    from platformdirs import user_data_path

    return user_data_path("musicu") / "catalog.db"


def lies_under(path: str, root: str) -> bool:
    """Whether a path is a root, or a file somewhere in it."""
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _text(value: bytes) -> str:
    # Names that are not UTF-8 are stored as the bytes they are, and come back as Python's own
    # escapes, which open() understands.
    return value.decode("utf-8", "surrogateescape")


class Store:
    """An open catalog file.

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
    """

    def __init__(self, path: str | os.PathLike[str], *, create: bool) -> None:
        self.path = Path(path).absolute()
        self._made = not self.path.exists()
        if self._made:
            if not create:
                raise CatalogError(f"no catalog at {path}: 'musicu embed FOLDER' makes one")
            self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.db = sqlite3.connect(self.path, timeout=30.0, isolation_level=None)
        except sqlite3.Error as error:
            raise CatalogError(f"{path}: cannot be opened ({error})") from None
        try:
            self._prepare()
        except sqlite3.Error as error:
            self.db.close()
            raise CatalogError(f"{path}: not a catalog that can be opened ({error})") from None
        except CatalogError:
            self.db.close()
            raise
        self.db.text_factory = _text
        self.db.create_function("has", 2, _has, deterministic=True)
        self.db.create_function("heard", 2, _heard, deterministic=True)

    def _prepare(self) -> None:
        db = self.db
        # This first, and a schema that can be run twice: another process may be making it too.
        empty = not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        application = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if application != _APPLICATION and not (empty and application == 0):
            raise CatalogError(f"{self.path}: a SQLite file, but not a musicu catalog")
        if version > _FORMAT:
            raise CatalogError(f"{self.path}: made by a newer musicu; upgrade musicu to open it")
        if version < _FORMAT:  # a new file, or one of an older musicu, which lacks only additions
            db.executescript(
                f"BEGIN IMMEDIATE; DROP VIEW IF EXISTS library; {_SCHEMA} "
                f"PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_FORMAT}; COMMIT;"
            )
        # Readers and a writer side by side. Kept in the file: a process that meets another one at
        # work on it need not wait to say so again.
        with suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA foreign_keys = ON")
        # With WAL this loses at most the last moments to a power cut, and never the file.
        db.execute("PRAGMA synchronous = NORMAL")

    def close(self) -> None:
        """Close the file; one made for nothing (a folder's name was wrong) does not stay."""
        for_nothing = self._made and self.current_model() is None
        self._made = False  # closing twice is no error
        self.db.close()
        if for_nothing:
            self.path.unlink(missing_ok=True)

    @contextmanager
    def change(self) -> Iterator[None]:
        """Do everything inside, or nothing."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    # Models

    def models(self) -> list[StoredModel]:
        """Models that have vectors here."""
        rows = self.db.execute(
            "SELECT * FROM models m WHERE EXISTS (SELECT 1 FROM vectors v WHERE v.model = m.model)"
        )
        return [StoredModel(*row) for row in rows]

    def current_model(self) -> StoredModel | None:
        """Return the model that queries use: the one last embedded with."""
        row = self.db.execute(
            "SELECT m.* FROM models m JOIN meta ON key = 'model' AND value = m.model"
        ).fetchone()
        return StoredModel(*row) if row else None

    def find_model(self, model: Model) -> StoredModel | None:
        """Look up a model by the hash of its weights."""
        row = self.db.execute("SELECT * FROM models WHERE sha256 = ?", (model.sha256,)).fetchone()
        return StoredModel(*row) if row else None

    def use_model(self, model: Model) -> StoredModel:
        """Make a model the current one."""
        with self.change():
            self.db.execute(
                "INSERT OR IGNORE INTO models (id, version, sha256, dim) VALUES (?, ?, ?, ?)",
                (model.id, model.version, model.sha256, model.dim),
            )
            stored = self.find_model(model)
            assert stored is not None
            self.db.execute("INSERT OR REPLACE INTO meta VALUES ('model', ?)", (stored.row,))
        return stored

    # Files

    def roots(self) -> list[str]:
        """Folders that were added."""
        return [path for (path,) in self.db.execute("SELECT path FROM roots ORDER BY path")]

    def files(self, root: str = "") -> dict[str, FileRow]:
        """All files, or the one of this path and those under it."""
        rows = self.db.execute("SELECT path, size, mtime_ns, track, kind, missing FROM files")
        return {
            path: FileRow(size, mtime, track, kind, bool(missing))
            for path, size, mtime, track, kind, missing in rows
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
        tags: dict[str, Any] | None = None,
    ) -> None:
        """Insert or replace a file's row; what a metadata sheet said of it stays."""
        self.db.execute(
            "INSERT INTO files (path, size, mtime_ns, track, kind, reason, tags)"
            " VALUES (CAST(? AS TEXT), ?, ?, ?, ?, CAST(? AS TEXT), ?)"
            " ON CONFLICT (path) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns,"
            " track = excluded.track, kind = excluded.kind, reason = excluded.reason,"
            " tags = excluded.tags, missing = 0",
            (os.fsencode(path), size, mtime_ns, track, kind)
            + (None if reason is None else os.fsencode(reason), json.dumps(tags or {})),
        )

    def set_missing(self, paths: list[str], *, missing: bool) -> None:
        """Mark files as gone from the disk, or as back."""
        self.db.executemany(
            "UPDATE files SET missing = ? WHERE path = CAST(? AS TEXT)",
            [(missing, os.fsencode(path)) for path in paths],
        )

    def drop_files(self, paths: list[str]) -> None:
        """Delete files' rows, and tracks that are left without any."""
        self.db.executemany(
            "DELETE FROM files WHERE path = CAST(? AS TEXT)", [(os.fsencode(p),) for p in paths]
        )
        self.prune()

    def prune(self) -> None:
        """Delete tracks that no file speaks of, with their vectors."""
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
            " seconds = excluded.seconds, problem = excluded.problem,"
            " descriptors = coalesce(excluded.descriptors, descriptors) RETURNING track",
            [answer[k] for k in ("id", "seconds", "codec", "sr", "channels", "problem")]
            + [None if descriptors is None else json.dumps(descriptors)],
        ).fetchone()
        return int(row[0])

    def put_vector(self, model: StoredModel, track: int, vector: NDArray[np.float32]) -> None:
        """Insert or replace a track's vector."""
        self.db.execute(
            "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
            (model.row, track, np.asarray(vector, dtype="<f4").tobytes()),
        )

    def ready(self, model: StoredModel | None, *, described: bool) -> dict[str, int]:
        """Tracks, id to row number, that have a vector of the model and, if asked, descriptors."""
        rows = self.db.execute(
            "SELECT t.id, t.track FROM tracks t JOIN vectors v ON v.track = t.track AND v.model = ?"
            " WHERE (NOT ? OR t.descriptors IS NOT NULL)"
            # Tracks that a killed run left without a file are about to be pruned.
            " AND EXISTS (SELECT 1 FROM files f WHERE f.track = t.track)",
            (model.row if model else -1, described),
        )
        return dict(rows.fetchall())


def _has(values: str | None, wanted: Any) -> bool:
    """Tell SQL whether a list holds a value, upper and lower case alike."""
    if values is None:
        return False
    return str(wanted).casefold() in {str(v).casefold() for v in json.loads(values)}


def _heard(tags: str | None, wanted: Any) -> float | None:
    """Tell SQL a tag's probability, upper and lower case alike; None where no tags are stored."""
    if tags is None:
        return None
    heard: dict[str, float] = json.loads(tags)
    if wanted in heard:
        return heard[wanted]
    name = str(wanted).casefold()
    # What is not listed was heard with less than 0.05.
    return max((p for tag, p in heard.items() if tag.casefold() == name), default=0.0)
