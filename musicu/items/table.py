"""Items from a table: CSV, JSON lines or Parquet, whose columns are recognized or declared."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from musicu.audio.descriptors import Descriptors
from musicu.errors import MetadataError
from musicu.items.item import Item, Items
from musicu.metadata.fields import FIELDS, complete_metadata, field_of, parse_field
from musicu.metadata.names import unique
from musicu.metadata.parsers import squeeze
from musicu.metadata.tables import Table
from musicu.metadata.values import field_value, listed, number, one_text, texts

__all__ = ["Source", "parse_schema", "read_column", "read_items"]

# Names of a column that tells items apart, the best first; see `squeeze`.
_ID_NAMES = (
    *("ID", "ITEMID", "ITEM", "TRACKID", "SONGID", "RECORDINGID"),
    *("PATH", "FILE", "FILENAME", "FILEPATH", "LOCATION", "ISRC"),
    *("MBRECORDING", "MUSICBRAINZRECORDINGID", "MUSICBRAINZTRACKID"),
    *("ARTISTID", "ARTIST", "ARTISTNAME"),
)
_LISTS = frozenset(field.name for field in FIELDS.values() if field.kind == "list")
# What musicu measures, as single numbers. A column "key" is what a tag says; "detected_key" is not.
_NUMBERS = tuple(f.name for f in fields(Descriptors) if f.name not in ("key", "tempo_candidates"))
_MEASURED = {squeeze(name): name for name in _NUMBERS} | {
    "SECONDS": "duration",
    "DURATIONS": "duration",
    "DETECTEDKEY": "detected_key",
}
_WEIGHTED = re.compile(r"(.*[^\s:])\s*:\s*([0-9]+(?:\.[0-9]+)?)")


@dataclass(frozen=True, slots=True)
class Source:
    """Items that were read from a table, and how its columns were understood.

    Parameters
    ----------
    items : Items
    columns : mapping of str to str
        What each column that was understood holds: a field, a descriptor, or ``"id"``.
    ignored : tuple of str
        Columns that were not.
    """

    items: Items
    columns: Mapping[str, str]
    ignored: tuple[str, ...]


def parse_schema(declared: Iterable[str]) -> dict[str, str]:
    """Read ``COLUMN=FIELD`` as users write it on a command line.

    Raises
    ------
    MetadataError
        There is no equals sign, or nothing on one of its sides.
    """
    schema: dict[str, str] = {}
    for text in declared:
        column, _, target = (part.strip() for part in text.rpartition("="))
        if not column or not target:
            raise MetadataError(f"{text!r} does not say what a column holds: write COLUMN=FIELD")
        schema[column] = target
    return schema


def read_items(path: Any, *, schema: Mapping[str, str] | None = None) -> Source:
    """Read items from a table, one a row.

    Columns are recognized by their names: the fields of :class:`musicu.metadata.fields.Metadata`
    under their own or other usual names, and the numbers of :class:`musicu.Descriptors` ("tempo" is
    measured, "bpm" is written in a tag; "seconds" is the duration). The first of "id", "track_id",
    "path", "isrc", "artist" and the like is the items' id; it stays a field too.

    In fields of several values (artists, genres, tags), text is cut at ``|`` and ``;``, or is a
    JSON list; what several columns hold is joined. Tags can have weights: ``rock:5|pop:2``, where
    every one has a number, or a JSON object. A weight of 0 is a tag that does not apply.

    Parameters
    ----------
    path : str, path-like or data frame
        See :meth:`musicu.metadata.tables.Table.open`.
    schema : mapping of str to str, optional
        What columns hold, where their names do not say it: ``{"artist_id": "artist", "moods":
        "tags", "uid": "id", "notes": "-"}``. A dash leaves a column out.

    Returns
    -------
    Source
        The items, and the columns that were not understood.

    Raises
    ------
    MetadataError
        The table cannot be read or has no rows; a column of the schema does not exist or is said
        to hold what is no field; two columns hold one field of a single value; no column is an
        id, an id is missing or comes twice; or a value does not fit its field.
    MissingExtraError
        Parquet without pyarrow.
    """
    declared = dict(schema or {})
    table = Table.open(path, lambda title: title in declared or _recognize(title) is not None)
    id_column, holds = _understand(table, declared)
    chosen = sorted({id_column, *holds}, key=table.columns.index)
    seen: dict[str, int] = {}
    cache: dict[tuple[str, str], Any] = {}
    items = []
    for place, cells in table.rows(chosen):
        row = dict(zip(chosen, cells, strict=True))
        try:
            id = one_text(row[id_column])
        except ValueError:
            raise MetadataError(
                f"{table.path}: row {place}, column {id_column!r}: an id is expected, one text; "
                f"found {row[id_column]!r}"
            ) from None
        if seen.setdefault(id, place) != place:
            raise MetadataError(
                f"{table.path}: rows {seen[id]} and {place} both have the id {id!r}, in column "
                f"{id_column!r}: keep one, or declare another column: COLUMN=id"
            )
        items.append(_item(id, row, holds, f"{table.path}: row {place}", cache))
    understood = {c: holds.get(c, "id") for c in chosen}
    ignored = tuple(column for column in table.columns if column not in understood)
    return Source(Items(items), understood | {id_column: "id"}, ignored)


def read_column(
    path: str | os.PathLike[str], source: Source, column: str
) -> tuple[str | None, ...]:
    """Read another column of the table that items came from, such as a fold or a split.

    Parameters
    ----------
    path : str or path-like
        The table.
    source : Source
        What :func:`read_items` returned for it.
    column : str

    Returns
    -------
    tuple of (str or None)
        One an item; None where the cell is empty, the first value where it has several.

    Raises
    ------
    MetadataError
        There is no such column, or the table cannot be read.
    """
    table = Table.open(path, lambda title: title == column or title in source.columns)
    # One row an item, in the items' order.
    return tuple(next(iter(texts(cell)), None) for _, (cell,) in table.rows([column]))


def _recognize(title: str) -> str | None:
    """Tell what a column of this name holds: a field, a descriptor, or the id alone."""
    name = squeeze(title)
    return _MEASURED.get(name) or field_of(title) or ("id" if name in _ID_NAMES else None)


def _declared(target: str, column: str, path: str) -> str:
    if target == "id" or target in FIELDS:
        return target
    found = _MEASURED.get(squeeze(target)) or field_of(target)
    if found is None:
        known = ", ".join(["id", *FIELDS, *_NUMBERS])
        raise MetadataError(
            f"{path}: column {column!r} cannot hold {target!r}: it is no field; there are {known}"
        )
    return found


def _understand(table: Table, declared: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the id's column, and what the columns hold: field or descriptor."""
    path, titles = table.path, table.columns
    for column in declared:
        table.position(column)
    targets = {
        column: _declared(target, column, path)
        for column, target in declared.items()
        if target != "-"
    }
    stated = [column for column, target in targets.items() if target == "id"]
    if len(stated) > 1:
        raise MetadataError(f"{path}: columns {stated[0]!r} and {stated[1]!r} are both the id")
    candidates = stated or [
        title
        for name in _ID_NAMES
        for title in titles
        if squeeze(title) == name and title not in declared
    ]
    if not candidates:
        found = ", ".join(map(repr, titles))
        raise MetadataError(
            f"{path}: no column is an id; declare one, COLUMN=id; columns found: {found}"
        )
    holds = {column: target for column, target in targets.items() if target != "id"}
    taken = set(holds.values())
    for title in titles:
        # What is declared prevails: a column whose name says the same is left out.
        target = _recognize(title) if title not in declared or title in stated else None
        if title in stated and target in FIELDS and FIELDS[str(target)].kind == "number":
            continue  # a column "track" that is said to be the id holds no number of a track
        if target not in (None, "id") and not (target in taken and target not in _LISTS):
            holds[title] = str(target)
    by_target: dict[str, str] = {}
    for column, target in holds.items():
        other = by_target.setdefault(target, column)
        if other != column and target not in _LISTS:
            raise MetadataError(
                f"{path}: columns {other!r} and {column!r} both hold {target}: keep one, or "
                f"declare the other with a dash: {column}=-"
            )
    return candidates[0], dict(sorted(holds.items(), key=lambda pair: titles.index(pair[0])))


def _item(
    id: str,
    row: Mapping[str, Any],
    holds: Mapping[str, str],
    where: str,
    cache: dict[tuple[str, str], Any],
) -> Item:
    found: dict[str, Any] = {}
    measured: dict[str, Any] = {}
    weights: dict[str, float] = {}
    for column, target in holds.items():
        cell = row[column]
        if cell is None or cell == "":
            continue
        # The same genres and artists come again and again.
        key = (target, cell) if isinstance(cell, str) else None
        if key is None or key not in cache:
            try:
                value = _value(target, cell)
            except ValueError as error:
                raise MetadataError(
                    f"{where}, column {column!r}: {cell!r} is not {error}"
                ) from None
            if key is not None:
                cache[key] = value
        else:
            value = cache[key]
        if value is None:
            continue
        if target == "tags":
            value, more = value
            weights.update({tag: weight for tag, weight in more.items() if tag not in weights})
        if target in FIELDS:
            together = target in found and target in _LISTS
            found[target] = unique([*found[target], *value]) if together else value
        else:
            measured["key" if target == "detected_key" else target] = value
    return Item(id, complete_metadata(found), measured, weights)


def _value(target: str, cell: Any) -> Any:
    """Read a cell; for tags, return them with their weights."""
    if target not in FIELDS:
        return _measure(target, cell)
    if target != "tags":
        return field_value(target, cell)
    cell = listed(cell)
    weights = _weights(cell)
    plain = [] if isinstance(cell, dict) else texts(cell)
    names = [name for name, weight in weights.items() if weight > 0] if weights else plain
    tags = parse_field("tags", names)
    if tags is None:
        return None
    by_name = {name.strip().casefold(): weight for name, weight in weights.items()}
    return tags, {tag: by_name[tag.casefold()] for tag in tags if tag.casefold() in by_name}


def _weights(cell: Any) -> dict[str, float]:
    """Return the weights of tags, by name as written; empty where not every one has its own."""
    if isinstance(cell, dict):
        pairs = [(str(name), weight) for name, weight in cell.items() if weight is not None]
        if not all(isinstance(weight, int | float) for _, weight in pairs):
            raise ValueError("tags with a number each")
        return {name: float(weight) for name, weight in pairs if math.isfinite(weight)}
    matches = [_WEIGHTED.fullmatch(text) for text in texts(cell)]
    if not all(matches):
        return {}
    return {match.group(1): float(match.group(2)) for match in matches if match}


def _measure(target: str, cell: Any) -> str | float | None:
    values = texts(cell)
    if not values:
        return None
    if target == "detected_key":
        return values[0]
    value = number(values[0])
    if not math.isfinite(value):
        raise ValueError("a finite number")
    return value
