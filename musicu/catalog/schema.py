"""The schema of a catalog's SQLite file: its tables, the view that filters see, and migrations.

A *track* is a piece of audio, known by the hash of its packets. A *file* is a place where it lies,
with the tags found there; copies are several files of one track. A *vector* belongs to a track and
a model. A file that could not be used is a row too, with its reason. An *alias* is the id that a
track had under an earlier way of identifying audio.
"""

from __future__ import annotations

import json
import re
import sqlite3
import zlib
from dataclasses import dataclass
from typing import Any

from musicu.catalog.checksums import add_functions as add_checksums
from musicu.catalog.checksums import checksum_schema
from musicu.errors import CatalogError
from musicu.metadata.fields import FIELDS

__all__ = [
    "APPLICATION",
    "DESCRIPTORS_VERSION",
    "FORMAT",
    "IDENTITY_VERSION",
    "LIST_COLUMNS",
    "FileRow",
    "StoredModel",
    "add_functions",
    "read_format",
    "renew_library",
    "schema_checksum",
    "upgrade",
]

APPLICATION = 0x6D757369  # "musi", in the file's header
# 1 had no sound_tags; 2 no country, language, tags and description in the view; 3 no aliases,
# checksums, causes of failures and problems of single files.
FORMAT = 4
# Version of the identities in `tracks.id` (see musicu.audio.decode.identify). Files whose row says
# less are identified anew, without decoding, at the next `embed`.
IDENTITY_VERSION = 2
# Version of the way descriptors are measured, stored as "version" in `tracks.descriptors`. Tracks
# with another one, or none, are measured anew at the next `embed --describe`.
DESCRIPTORS_VERSION = 3
# Columns of the view `library` that hold a JSON list.
LIST_COLUMNS = tuple(field.column for field in FIELDS.values() if field.kind == "list")

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value, checksum INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS models (
    model INTEGER PRIMARY KEY, id TEXT NOT NULL, version TEXT NOT NULL,
    sha256 TEXT NOT NULL UNIQUE, dim INTEGER NOT NULL, checksum INTEGER
);
CREATE TABLE IF NOT EXISTS tracks (
    track INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, seconds REAL NOT NULL,
    codec TEXT NOT NULL, sr INTEGER NOT NULL, channels INTEGER NOT NULL,
    problem TEXT,  -- of the copy that was analyzed; what is wrong with a file stands in its row
    descriptors TEXT, checksum INTEGER
);
CREATE TABLE IF NOT EXISTS files (
    file INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL, track INTEGER REFERENCES tracks,
    kind TEXT NOT NULL CHECK (kind IN ('audio', 'error', 'skipped')), reason TEXT,
    missing INTEGER NOT NULL DEFAULT 0,
    tags TEXT NOT NULL DEFAULT '{}', sheet TEXT NOT NULL DEFAULT '{}',
    metadata TEXT GENERATED ALWAYS AS (json_patch(tags, sheet)) STORED,
    problem TEXT, cause TEXT, identity INTEGER NOT NULL DEFAULT 1, checksum INTEGER
);
CREATE INDEX IF NOT EXISTS files_track ON files (track);
CREATE TABLE IF NOT EXISTS vectors (
    model INTEGER NOT NULL REFERENCES models, track INTEGER NOT NULL REFERENCES tracks,
    vector BLOB NOT NULL, checksum INTEGER,
    UNIQUE (model, track)  -- its index lists tracks without their vectors
);
-- Without it, deleting a track looks through all vectors.
CREATE INDEX IF NOT EXISTS vectors_track ON vectors (track);
CREATE TABLE IF NOT EXISTS aliases (
    id TEXT PRIMARY KEY, track INTEGER NOT NULL REFERENCES tracks ON DELETE CASCADE,
    checksum INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS aliases_track ON aliases (track);
-- What a model's tag head heard in a vector; gone with it, also when another one takes its place.
CREATE TABLE IF NOT EXISTS sound_tags (
    model INTEGER NOT NULL, track INTEGER NOT NULL, tags TEXT NOT NULL, checksum INTEGER,
    PRIMARY KEY (model, track),
    FOREIGN KEY (model, track) REFERENCES vectors (model, track) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS roots (path TEXT PRIMARY KEY, checksum INTEGER) WITHOUT ROWID;
-- Any change of the vectors changes the stamp that a matrix file carries in its name.
INSERT OR IGNORE INTO meta (key, value) VALUES ('vectors', hex(randomblob(8)));
CREATE TRIGGER IF NOT EXISTS vectors_insert AFTER INSERT ON vectors BEGIN
    UPDATE meta SET value = hex(randomblob(8)) WHERE key = 'vectors'; END;
CREATE TRIGGER IF NOT EXISTS vectors_update AFTER UPDATE ON vectors BEGIN
    UPDATE meta SET value = hex(randomblob(8)) WHERE key = 'vectors'; END;
CREATE TRIGGER IF NOT EXISTS vectors_delete AFTER DELETE ON vectors BEGIN
    UPDATE meta SET value = hex(randomblob(8)) WHERE key = 'vectors'; END;
"""
# What is not JSON, as in a damaged row, counts as empty: one row must not stop the others.
_METADATA = "json_extract(iif(json_valid(f.metadata), f.metadata, '{}'), '$.%s') AS %s"
_MEASURED = "json_extract(iif(json_valid(t.descriptors), t.descriptors, '{}'), '$.%s') AS %s"
_DESCRIPTORS = {
    **{name: name for name in ("tempo", "tempo_confidence")},
    "key": "detected_key",
    **{name: name for name in ("key_confidence", "loudness", "loudness_range", "peak")},
    **{name: name for name in ("brightness", "onset_rate", "dynamic_complexity", "regularity")},
}
_COLUMNS = (
    *("t.track", "t.id", "f.path"),
    *(_METADATA % (field.name, field.column) for field in FIELDS.values()),
    *("t.seconds", "t.codec", "t.sr", "t.channels", "f.problem"),
    *(_MEASURED % pair for pair in _DESCRIPTORS.items()),
    """(SELECT iif(json_valid(s.tags), s.tags, NULL) FROM sound_tags s
        JOIN meta ON meta.key = 'model' AND meta.value = s.model
        WHERE s.track = t.track) AS sound_tags""",
)
# One row a track that lies somewhere, with the metadata of its first file, one that is sound and
# tagged if there is one: what users filter on.
_LIBRARY = f"""library AS SELECT
    {", ".join(_COLUMNS)}
FROM tracks t JOIN files f ON f.file =
    (SELECT g.file FROM files g WHERE g.track = t.track AND NOT g.missing
        ORDER BY g.problem IS NOT NULL, g.tags LIKE '%"guessed":%', g.path LIMIT 1)"""
_VIEW = f"CREATE VIEW IF NOT EXISTS {_LIBRARY};\n"

# What formats 1 to 3 lacked. A failure's cause is derived from the text that was stored.
_COLUMNS_4 = {
    "files": (
        "problem TEXT",
        "cause TEXT",
        "identity INTEGER NOT NULL DEFAULT 1",
        "checksum INTEGER",
    ),
    **dict.fromkeys(
        ("vectors", "meta", "models", "tracks", "sound_tags", "roots"), ("checksum INTEGER",)
    ),
}
_FROM_3 = """
DROP TRIGGER IF EXISTS vectors_update;
UPDATE vectors SET checksum = checksum(vector);
UPDATE files SET problem = (SELECT t.problem FROM tracks t WHERE t.track = files.track)
    WHERE track IS NOT NULL;
UPDATE files SET cause = CASE
    WHEN reason LIKE 'took longer than%' THEN 'time'
    WHEN reason LIKE 'needs more than%memory' OR reason LIKE '%MemoryError%'
        OR reason LIKE '%cannot allocate memory%' THEN 'memory'
    WHEN reason LIKE '%crashed (SIGKILL)' OR reason LIKE '%crashed (SIGTERM)'
        OR reason LIKE '%crashed (SIGINT)' OR reason LIKE '%crashed (SIGHUP)' THEN 'killed'
    WHEN reason LIKE '%input/output error%' OR reason LIKE '%permission denied%'
        OR reason LIKE '%no space left%' OR reason LIKE '%too many open files%'
        OR reason LIKE '%ImportError%' OR reason LIKE '%ModuleNotFoundError%'
        OR reason LIKE 'OSError%' THEN 'system'
    ELSE 'file' END WHERE kind = 'error';
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
    """A file as the catalog remembers it.

    Attributes
    ----------
    size, mtime_ns : int
        As last seen on disk.
    track : int or None
        Row number of its track; None for a file that could not be used.
    kind : {"audio", "error", "skipped"}
    missing : bool
        Whether it was gone when last looked for.
    cause : str or None
        Of a failure, see :class:`musicu.errors.AudioError`.
    current : bool
        Whether it was identified in today's way.
    """

    size: int
    mtime_ns: int
    track: int | None
    kind: str
    missing: bool
    cause: str | None = None
    current: bool = True


def read_format(db: sqlite3.Connection) -> int:
    """Return the number of a file's format; 0 of an empty file.

    Raises
    ------
    CatalogError
        It is not a catalog, or one of a newer musicu.
    """
    empty = not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    (application,) = db.execute("PRAGMA application_id").fetchone()
    version: int
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION and not (empty and application == 0):
        raise CatalogError("a SQLite file, but not a musicu catalog")
    if version > FORMAT:
        raise CatalogError("made by a newer musicu; upgrade musicu to open it")
    return version


def upgrade(db: sqlite3.Connection) -> None:
    """Make the tables of a new file, or add what those of an older musicu lack.

    To be called within a transaction; a file of today's format is left alone, for another process
    may have upgraded it meanwhile.
    """
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == FORMAT:
        return
    db.execute("DROP VIEW IF EXISTS library")
    for table, columns in _COLUMNS_4.items():
        known = {name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")}
        for column in columns if known else ():
            if column.split()[0] not in known:
                db.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
    _run(db, _FROM_3 if version else "")
    _run(db, _TABLES + _VIEW)
    for statement in checksum_schema():
        db.execute(statement)
    db.execute(
        "INSERT OR REPLACE INTO meta (key, value) VALUES ('schema', ?)", (schema_checksum(db),)
    )
    db.execute(f"PRAGMA application_id = {APPLICATION}")
    db.execute(f"PRAGMA user_version = {FORMAT}")


def renew_library(db: sqlite3.Connection) -> None:
    """Have a connection see today's view in place of one that another musicu has made.

    A musicu that knows other fields of metadata has other columns. Its view stays in the file, and
    is hidden by one of this connection: nothing is written, and a file that can only be read has
    today's columns, too.
    """
    found = db.execute("SELECT sql FROM sqlite_master WHERE name = 'library'").fetchone()
    if found and str(found[0]).split() == f"CREATE VIEW {_LIBRARY}".split():
        return
    (locked,) = db.execute("PRAGMA query_only").fetchone()
    db.execute("PRAGMA query_only = OFF")
    db.execute(f"CREATE TEMP VIEW IF NOT EXISTS {_LIBRARY}")
    db.execute(f"PRAGMA query_only = {locked}")


def add_functions(db: sqlite3.Connection) -> None:
    """Add the functions that the schema and filters call to a connection."""
    add_checksums(db)
    db.create_function("has", 2, _has, deterministic=True)
    db.create_function("heard", 2, _heard, deterministic=True)


def schema_checksum(db: sqlite3.Connection) -> int:
    """Return the CRC-32 of the statements of this schema; what others added does not count."""
    script = " ".join((_TABLES, _VIEW, *checksum_schema()))
    names = re.findall(r"CREATE \w+ IF NOT EXISTS (\w+)", script)
    rows = db.execute(
        "SELECT type, name, CAST(sql AS BLOB) FROM sqlite_master WHERE name IN"
        f" ({', '.join('?' * len(names))}) ORDER BY name",
        names,
    )
    return zlib.crc32(repr(rows.fetchall()).encode())


def _run(db: sqlite3.Connection, script: str) -> None:
    """Run several statements in the transaction that is open; ``executescript`` would end it."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""


def _has(values: str | None, wanted: Any) -> bool:
    """Tell SQL whether a list holds a value, upper and lower case alike."""
    if values is None:
        return False
    return str(wanted).casefold() in {str(v).casefold() for v in json.loads(values)}


def _heard(tags: str | None, wanted: Any) -> float | None:
    """Tell SQL a tag's probability, upper and lower case alike; None where no tags are stored."""
    if tags is None:
        return None
    stored: dict[str, float] = json.loads(tags)
    if wanted in stored:
        return stored[wanted]
    name = str(wanted).casefold()
    # Probabilities below 0.05 are not stored.
    return max((p for tag, p in stored.items() if tag.casefold() == name), default=0.0)
