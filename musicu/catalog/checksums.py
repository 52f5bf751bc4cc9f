"""Checksums of what a catalog stores: bits that changed on the disk are detected.

A vector keeps the checksum that it was stored with. All other rows have one, too: any change by way
of SQLite, also by other programs, takes it off, and the next change of a
:class:`musicu.catalog.store.Store` puts today's on. What differs from its checksum was not written.
"""

from __future__ import annotations

import json
import sqlite3
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = [
    "CHECKSUMMED",
    "add_functions",
    "checksum",
    "checksum_schema",
    "columns_as_bytes",
    "flip_bits",
    "is_one_bit",
    "is_sound",
    "key_columns",
    "parse_object",
    "row_checksum_sql",
    "row_crc",
    "write_checksums",
]

# The tables whose rows have a checksum, and its columns; `metadata` follows from others.
CHECKSUMMED = {
    "meta": "key, value",
    "models": "model, id, version, sha256, dim",
    "tracks": "track, id, seconds, codec, sr, channels, problem, descriptors",
    "files": "file, path, size, mtime_ns, track, kind, reason, missing, tags, sheet, metadata,"
    " problem, cause, identity",
    "aliases": "id, track",
    "sound_tags": "model, track, tags",
    "roots": "path",
}


def checksum(vector: bytes) -> int:
    """Return the CRC-32 of a stored vector's bytes."""
    return zlib.crc32(vector)


def is_sound(vector: Any, stored: int | None, dim: int) -> bool:
    """Whether a stored vector is what was stored.

    Parameters
    ----------
    vector : bytes
        As it is read.
    stored : int or None
        Its checksum.
    dim : int
        Of its model.
    """
    if not isinstance(vector, bytes) or len(vector) != 4 * dim or checksum(vector) != stored:
        return False
    # In doubles, for these may be any numbers.
    numbers = np.frombuffer(vector, "<f4").astype(np.float64)
    return bool(np.isfinite(numbers).all()) and abs(float(np.linalg.norm(numbers)) - 1.0) < 1e-3


def parse_object(text: Any) -> dict[str, Any]:
    """Return the object that a stored text is in JSON; an empty one for what is none."""
    try:
        values = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def add_functions(db: sqlite3.Connection) -> None:
    """Let SQL compute checksums."""
    db.create_function("checksum", 1, checksum, deterministic=True)
    db.create_function("row_checksum", -1, row_crc, deterministic=True)


def row_crc(kinds: str, *values: int | float | bytes | None) -> int:
    """Return the CRC-32 of a row: of the names of its types and its values, texts as bytes."""
    return zlib.crc32(repr((kinds, *values)).encode())


def key_columns(table: str) -> tuple[str, ...]:
    """Return the columns that tell a table's rows apart."""
    columns = CHECKSUMMED[table].split(", ")
    return tuple(columns[: 2 if table == "sound_tags" else 1])


def row_checksum_sql(table: str) -> str:
    """Return the SQL expression of a row's checksum: of its values and their types."""
    columns = CHECKSUMMED[table].split(", ")
    kinds = " || ".join(f"typeof({column})" for column in columns)
    return f"row_checksum({kinds}, {', '.join(columns_as_bytes(table))})"


def columns_as_bytes(table: str) -> list[str]:
    """Return SQL expressions of a row's values, with texts as bytes: they need not be UTF-8."""
    columns = CHECKSUMMED[table].split(", ")
    return [f"iif(typeof({c}) = 'text', CAST({c} AS BLOB), {c})" for c in columns]


def checksum_schema() -> Iterator[str]:
    """Yield the SQL of triggers that take checksums off, and of indexes of rows without."""
    for table, columns in CHECKSUMMED.items():
        key = " AND ".join(f"{column} = NEW.{column}" for column in key_columns(table))
        written = columns.replace(" metadata,", "")
        yield (
            f"CREATE INDEX IF NOT EXISTS {table}_unsealed ON {table} (checksum)"
            " WHERE checksum IS NULL"
        )
        yield (
            f"CREATE TRIGGER IF NOT EXISTS {table}_update AFTER UPDATE OF {written} ON {table}"
            f" BEGIN UPDATE {table} SET checksum = NULL WHERE {key}; END"
        )


def write_checksums(db: sqlite3.Connection) -> None:
    """Put checksums on all rows that have none; within the transaction that changed them."""
    for table in CHECKSUMMED:
        db.execute(
            f"UPDATE {table} SET checksum = {row_checksum_sql(table)} WHERE checksum IS NULL"
        )


def is_one_bit(known: int, stored: int | None) -> bool:
    """Whether two checksums differ in one bit: then it is the stored one that changed."""
    return stored is not None and (known ^ stored).bit_count() == 1


def flip_bits(value: Any) -> Iterator[Any]:
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
        for flipped in flip_bits(struct.pack("<d", value)):
            yield struct.unpack("<d", flipped)[0]
