"""Single rows of a catalog restored: from the matrix beside it, or by the one bit that changed."""

from __future__ import annotations

import os
from typing import Any

from musicu.catalog.checksums import (
    CHECKSUMMED,
    checksum,
    columns_as_bytes,
    flip_bits,
    is_one_bit,
    is_sound,
    key_columns,
    row_crc,
)
from musicu.catalog.index import sound_copies
from musicu.catalog.integrity import Damage
from musicu.catalog.store import Store

__all__ = ["restore_from_matrix", "row_condition", "unflip_row", "unflip_vector"]

# Bytes of a row in which a changed bit is looked for: each is tried.
_MOST_BYTES = 20_000


def restore_from_matrix(store: Store, one: Damage) -> bool:
    """Take a vector from the matrix beside the catalog, if it is there as it was stored."""
    model = next(model for model in store.models() if model.row == one.key[0])
    track = one.key[1]
    (sum,) = store.db.execute(
        "SELECT checksum FROM vectors WHERE model = ? AND track = ?", one.key
    ).fetchone()
    copy = sound_copies(store, model, {track: sum}).get(track)
    if copy is not None:
        _restore_vector(store, one, copy)
    return copy is not None


def _restore_vector(store: Store, one: Damage, vector: bytes) -> None:
    """Store a vector as it was; the tags computed from it stay."""
    with store.change():
        store.db.execute(
            # Another row number, so that who watches the catalog reads it again.
            "UPDATE vectors SET vector = ?, checksum = ?,"
            " rowid = (SELECT max(rowid) + 1 FROM vectors) WHERE model = ? AND track = ?",
            (vector, checksum(vector), *one.key),
        )


def unflip_vector(store: Store, one: Damage) -> bool:
    """Flip back the one bit of a vector that changed, if its checksum is right again then."""
    model = next(model for model in store.models() if model.row == one.key[0])
    vector, stored = store.db.execute(
        "SELECT vector, checksum FROM vectors WHERE model = ? AND track = ?", one.key
    ).fetchone()
    if not isinstance(vector, bytes) or len(vector) != 4 * model.dim:
        return False
    right = next((tried for tried in flip_bits(vector) if checksum(tried) == stored), None)
    if right is None and is_one_bit(checksum(vector), stored):
        right = vector
    if right is None or not is_sound(right, checksum(right), model.dim):
        return False
    _restore_vector(store, one, right)
    return True


def unflip_row(store: Store, one: Damage) -> bool:
    """Flip back the one bit of a row of another table that changed, as for a vector."""
    columns, (where, key) = CHECKSUMMED[one.table].split(", "), row_condition(one)
    types = [f"typeof({column})" for column in columns]
    stored, *rest = store.db.execute(
        f"SELECT checksum, {', '.join(types)}, {', '.join(columns_as_bytes(one.table))}"
        f" FROM {one.table} WHERE {where}",
        key,
    ).fetchone()
    kinds, values = rest[: len(columns)], rest[len(columns) :]
    if sum(len(v) for v in values if isinstance(v, bytes)) > _MOST_BYTES:
        return False
    put: list[Any] = []
    if is_one_bit(row_crc("".join(kinds), *values), stored):
        change = "checksum = NULL"
    else:
        found = (
            (at, tried)
            for at, value in enumerate(values)
            for tried in flip_bits(value)
            if row_crc("".join(kinds), *values[:at], tried, *values[at + 1 :]) == stored
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


def row_condition(one: Damage) -> tuple[str, list[Any]]:
    """Return the SQL condition that finds a row, and its values."""
    where = " AND ".join(
        f"{column} = {'CAST(? AS TEXT)' if isinstance(value, str) else '?'}"
        for column, value in zip(key_columns(one.table), one.key, strict=True)
    )
    return where, [os.fsencode(value) if isinstance(value, str) else value for value in one.key]
