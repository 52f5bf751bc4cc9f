"""Mending a catalog: what is damaged is taken from a sound copy, or made anew from the files."""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musicu.checksums import SEALED, as_bytes, checksum, is_sound, key_columns, row_value
from musicu.damage import Damage, list_damage
from musicu.errors import CatalogError, MusicuError
from musicu.index import sound_copies
from musicu.ingest import Progress, ingest
from musicu.model import Model
from musicu.readonly import is_writable
from musicu.registry import list_models
from musicu.schema import APPLICATION
from musicu.sound_tags import store_tags
from musicu.store import Store, StoredModel
from musicu.tagger import TagHead

__all__ = ["Repair", "is_torn", "repair", "salvage"]

# In an order in which no row speaks of one that is yet to come.
_TABLES = ("meta", "models", "tracks", "files", "vectors", "aliases", "sound_tags", "roots")
# Bytes of a row in which a changed bit is looked for: each is tried.
_LONGEST = 20_000
_MOST_BYTES = 1 << 40
_TURNED = "one bit had changed, and is back"


@dataclass
class Repair:
    """What became of what was damaged.

    Attributes
    ----------
    mended : list of str
        A line for each thing that is sound again.
    left : list of str
        A line for each thing that is not, and what can be done.
    """

    mended: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def repair(
    store: Store, *, jobs: int = 1, progress: Callable[[Progress], None] | None = None
) -> Repair:
    """Mend the rows of a catalog whose pages can be read; see :meth:`musicu.Catalog.repair`.

    Parameters
    ----------
    store : Store
    jobs : int >= 1
        Worker processes.
    progress : callable or None
        Called after each file that is analyzed again.
    """
    done = Repair()
    found = []
    for one in list_damage(store):
        if one.table in SEALED and _turn_row_back(store, one):
            done.mended.append(f"{one.text}: {_TURNED}")
    # Whether a vector is sound depends on what is said of its model.
    for one in list_damage(store):
        if one.table == "vectors" and _copied(store, one):
            done.mended.append(f"{one.text}: taken from the matrix beside the catalog")
        elif one.table == "vectors" and _turn_vector_back(store, one):
            done.mended.append(f"{one.text}: {_TURNED}")
        elif one.table == "vectors" or one.table in SEALED:
            found.append(one)
    with store.change():
        for one in found:
            if one.table in ("meta", "models", "roots", "aliases"):
                _mend_small(store, one, done)
    _hear_tags(store, [one for one in found if one.table == "sound_tags"])
    lost = [one for one in found if one.table == "vectors"]
    lost += [one for one in found if one.table in ("tracks", "files")] + _bare(store)
    _analyze(store, lost, jobs, progress, done)
    still = {(one.table, one.key) for one in (*list_damage(store), *_bare(store))}
    for one in lost + [one for one in found if one.table == "sound_tags"]:
        if (way := _outcome(store, one, still)) is not None:
            done.left.append(f"{one.text}: {way}")
        elif one.table == "files":
            done.mended.append(f"{one.text}: read anew; a sheet ('embed --metadata') goes over it")
        else:
            done.mended.append(f"{one.text}: made anew")
    return done


def _bare(store: Store) -> list[Damage]:
    """Tracks without any vector: it lay on a page that could not be read."""
    current = store.current_model()
    rows = store.db.execute(
        "SELECT track, id FROM tracks WHERE track NOT IN (SELECT track FROM vectors)"
    )
    return [
        Damage("vectors", (current.row, track), f"track {id}: has no vector")
        for track, id in rows
        if current is not None
    ]


def is_torn(path: Path) -> bool:
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
    """The bytes of a text, told from those of a blob."""


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
        # What speaks of something that is lost.
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


def _mend_small(store: Store, one: Damage, done: Repair) -> None:
    """Mend what no file says: the model's name, settings, folders, earlier ids."""
    if one.table == "models":
        (found,) = store.db.execute(
            "SELECT model, id, version, sha256, dim FROM models WHERE model = ?", one.key
        ).fetchall()
        model = _model_like(StoredModel(*found))
        if model is None:
            done.left.append(f"{one.text}: install the model ('musicu models add FOLDER')")
            return
        store.db.execute(
            "UPDATE models SET id = ?, version = ?, sha256 = ?, dim = ? WHERE model = ?",
            (model.id, model.version, model.sha256, model.dim, *one.key),
        )
        done.mended.append(f"{one.text}: it is {model.id}@{model.version}")
        return
    where, key = _place(one)
    store.db.execute(f"DELETE FROM {one.table} WHERE {where}", key)
    if one.table == "meta":
        store.db.execute(
            "INSERT OR IGNORE INTO meta (key, value) VALUES ('vectors', hex(randomblob(8)))"
        )
        store.db.execute(
            "INSERT OR IGNORE INTO meta (key, value) SELECT 'model', model FROM vectors"
            " GROUP BY model ORDER BY count(*) DESC, model DESC LIMIT 1"
        )
        said = "made anew"
    elif one.table == "roots":
        said = "left out; 'musicu embed FOLDER' adds a folder"
    else:
        said = "left out; it does not say which track it was"
    done.mended.append(f"{one.text}: {said}")


def _model_like(stored: StoredModel) -> Model | None:
    """Find the one installed model that a damaged row must be of."""
    alike = [
        model
        for model in list_models()
        if (model.id, model.version) == (stored.id, stored.version) or model.sha256 == stored.sha256
    ]
    return alike[0] if len(alike) == 1 else None


def _copied(store: Store, one: Damage) -> bool:
    """Take a vector from where it still is as it was stored."""
    model = next(model for model in store.models() if model.row == one.key[0])
    track = one.key[1]
    (sum,) = store.db.execute(
        "SELECT checksum FROM vectors WHERE model = ? AND track = ?", one.key
    ).fetchone()
    copy = sound_copies(store, model, {track: sum}).get(track)
    if copy is not None:
        _put_back(store, one, copy)
    return copy is not None


def _put_back(store: Store, one: Damage, vector: bytes) -> None:
    """Store a vector as it was; what was heard in it stays true."""
    with store.change():
        store.db.execute(
            # Another row number tells who follows the catalog to read it again.
            "UPDATE vectors SET vector = ?, checksum = ?,"
            " rowid = (SELECT max(rowid) + 1 FROM vectors) WHERE model = ? AND track = ?",
            (vector, checksum(vector), *one.key),
        )


def _turn_vector_back(store: Store, one: Damage) -> bool:
    """Find the one bit of a vector that changed, if it was one: its checksum is right again."""
    model = next(model for model in store.models() if model.row == one.key[0])
    vector, stored = store.db.execute(
        "SELECT vector, checksum FROM vectors WHERE model = ? AND track = ?", one.key
    ).fetchone()
    if not isinstance(vector, bytes) or len(vector) != 4 * model.dim:
        return False
    right = next((tried for tried in _flips(vector) if checksum(tried) == stored), None)
    if right is None and _is_one_bit(checksum(vector), stored):
        right = vector
    if right is None or not is_sound(right, checksum(right), model.dim):
        return False
    _put_back(store, one, right)
    return True


def _turn_row_back(store: Store, one: Damage) -> bool:
    """Find the one bit of another row that changed, as for a vector."""
    columns, (where, key) = SEALED[one.table].split(", "), _place(one)
    types = [f"typeof({column})" for column in columns]
    stored, *rest = store.db.execute(
        f"SELECT checksum, {', '.join(types)}, {', '.join(as_bytes(one.table))}"
        f" FROM {one.table} WHERE {where}",
        key,
    ).fetchone()
    kinds, values = rest[: len(columns)], rest[len(columns) :]
    if sum(len(v) for v in values if isinstance(v, bytes)) > _LONGEST:
        return False
    put: list[Any] = []
    if _is_one_bit(row_value("".join(kinds), *values), stored):
        change = "checksum = NULL"
    else:
        found = (
            (at, tried)
            for at, value in enumerate(values)
            for tried in _flips(value)
            if row_value("".join(kinds), *values[:at], tried, *values[at + 1 :]) == stored
        )
        at, right = next(found, (-1, None))
        if at < 0:
            return False
        if columns[at] == "metadata":  # it is computed of the others
            change = "tags = tags"
        else:
            change = f"{columns[at]} = {'CAST(? AS TEXT)' if kinds[at] == 'text' else '?'}"
            put = [right]
    with store.change():
        store.db.execute(f"UPDATE {one.table} SET {change} WHERE {where}", [*put, *key])
    return True


def _place(one: Damage) -> tuple[str, list[Any]]:
    """Return the SQL condition that finds a row, and its values."""
    where = " AND ".join(
        f"{column} = {'CAST(? AS TEXT)' if isinstance(value, str) else '?'}"
        for column, value in zip(key_columns(one.table), one.key, strict=True)
    )
    return where, [os.fsencode(value) if isinstance(value, str) else value for value in one.key]


def _is_one_bit(known: int, stored: int | None) -> bool:
    """Whether two checksums differ in one bit: then it is the stored one that changed."""
    return stored is not None and (known ^ stored).bit_count() == 1


def _flips(value: Any) -> Iterator[Any]:
    """Yield a value with each of its bits changed in turn."""
    if isinstance(value, bytes):
        for at in range(8 * len(value)):
            flipped = bytearray(value)
            flipped[at // 8] ^= 1 << at % 8
            yield bytes(flipped)
    elif isinstance(value, int):
        for bit in range(63):
            yield value ^ 1 << bit
    elif isinstance(value, float):
        for flipped in _flips(struct.pack("<d", value)):
            yield struct.unpack("<d", flipped)[0]


def _hear_tags(store: Store, damaged: list[Damage]) -> None:
    """Hear anew what was heard in vectors, where the model is there to do it."""
    able = {
        stored.row: (stored, model)
        for model in list_models()
        if model.tags and (stored := store.find_model(model))
    }
    with store.change():
        store.db.executemany(
            "DELETE FROM sound_tags WHERE model = ? AND track = ?",
            [one.key for one in damaged if one.key[0] in able],
        )
    for row in {one.key[0] for one in damaged} & able.keys():
        stored, model = able[row]
        store_tags(store, stored, TagHead.load(model))


def _analyze(
    store: Store,
    damaged: list[Damage],
    jobs: int,
    progress: Callable[[Progress], None] | None,
    done: Repair,
) -> None:
    """Analyze the files of some rows again, with the models of their vectors, and only those."""
    current = store.current_model()
    wanted: dict[tuple[int, bool], list[str]] = {}
    for one in damaged:
        row = one.key[0] if one.table == "vectors" else current.row if current else -1
        paths, described = _files(store, one)
        paths = [path for path in paths if os.path.exists(path)]
        wanted.setdefault((row, described), []).extend(
            paths[:1] if one.table == "vectors" else paths
        )
    with store.change():
        for one in damaged:
            if one.table == "files":
                # A file that gave no track is new then; a sheet's row that is no JSON is gone.
                store.db.execute("DELETE FROM files WHERE file = ? AND track IS NULL", one.key)
                store.db.execute(
                    "UPDATE files SET sheet = '{}' WHERE file = ? AND NOT json_valid(sheet)",
                    one.key,
                )
    installed = {model.sha256: model for model in list_models()}
    for stored in store.models():
        model = installed.get(stored.sha256)
        for described in (False, True):
            paths = list(dict.fromkeys(wanted.get((stored.row, described), ())))
            if model is None or not paths:
                continue
            try:
                ingest(
                    store,
                    paths,
                    model,
                    jobs=jobs,
                    describe=described,
                    force=True,
                    progress=progress,
                )
            except MusicuError as error:
                done.left.append(str(error))
    if current is not None:
        with store.change():
            store.db.execute("UPDATE meta SET value = ? WHERE key = 'model'", (current.row,))


def _files(store: Store, one: Damage) -> tuple[list[str], bool]:
    """Return where a row's audio lies, the soundest first, and whether it has descriptors."""
    column = "file" if one.table == "files" else "track"
    rows = store.db.execute(
        "SELECT f.path, t.descriptors IS NOT NULL"
        f" FROM files f LEFT JOIN tracks t ON t.track = f.track WHERE f.{column} = ?"
        " ORDER BY f.problem IS NOT NULL, f.path",
        one.key[-1:],
    ).fetchall()
    return [path for path, _ in rows], any(described for _, described in rows)


def _outcome(store: Store, one: Damage, still: set[tuple[str, tuple[Any, ...]]]) -> str | None:
    """Say what can be done about what could not be mended; None if it was."""
    if (one.table, one.key) not in still:
        return None
    models = {model.row: model.name for model in store.models()}
    installed = {model.sha256 for model in list_models()}
    row = one.key[0] if one.table in ("vectors", "sound_tags") else None
    name = models.get(row) if row is not None else None
    if name and not any(m.row == row and m.sha256 in installed for m in store.models()):
        return f"{name} is not installed: 'musicu models add FOLDER' installs it"
    paths = _files(store, one)[0] if one.table != "sound_tags" else []
    if any(map(os.path.exists, paths)):
        return "its file cannot be used: 'musicu catalog errors' says why"
    return (
        "no file of it is there: bring it back and do this again, or"
        f" 'musicu catalog forget {paths[0] if paths else 'PATH'}' drops it"
    )
