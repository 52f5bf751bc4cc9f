"""Listening logs as files: CSV and Parquet to columns of numbers, with one clear error a fault."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError, MissingExtraError
from musicu.files import open_file
from musicu.listening.columns import (
    FIELDS,
    WAY_OUT,
    Cells,
    Log,
    check_log,
    find_columns,
    is_utf8,
    to_seconds,
)
from musicu.metadata import squeeze

__all__ = ["read_log"]

# Rows at a time: more are slower, as the collector walks over all that is alive.
_CHUNK = 1 << 9


def read_log(path: str) -> Log:
    """Read a log; :func:`musicu.listening.interactions.read_interactions` says what it may hold.

    Parameters
    ----------
    path : str

    Returns
    -------
    Log
        At least one row.

    Raises
    ------
    MetadataError
        The file cannot be read or unpacked, is not UTF-8, no sound CSV, or empty; has no column for
        users or items, or two columns of one name; a row has too many cells, or one of its four is
        empty; a column holds numbers in some rows and words in others, numbers and dates, seconds
        and milliseconds, or a type that does not fit; a weight is infinite, NaN or not above 0; a
        time is before 1970, more than a day ahead, or a day written as one number (20240501).
    MissingExtraError
        Parquet without pyarrow.
    """
    try:
        with open_file(path) as file:
            magic = file.peek(4)[:4]
            if not magic:
                raise MetadataError(f"{path}: empty file (0 bytes): write a header and rows")
            if magic == b"PAR1":
                return _read_parquet(path)
            unpacked = gzip.GzipFile(fileobj=file) if magic[:2] == b"\x1f\x8b" else file
            # What is not UTF-8 matters only in the columns that are used: see `check_log`.
            with io.TextIOWrapper(
                unpacked, encoding="utf-8-sig", errors="surrogateescape", newline=""
            ) as text:
                return _read_csv(path, text)
    except OSError as error:
        raise MetadataError(f"{path}: {error.strerror or error}: look at path and file") from error
    except (EOFError, zlib.error) as error:
        raise MetadataError(f"{path}: cannot be unpacked ({error}): fetch it again") from error


class _Codes(dict[str, int]):
    """Numbers identifiers in the order in which they come."""

    def __missing__(self, id: str) -> int:
        self[id] = code = len(self)
        return code


def _read_csv(path: str, text: io.TextIOWrapper) -> Log:
    line = text.readline()
    if "\0" in line or not is_utf8(line):
        raise MetadataError(f"{path}: not UTF-8 text: save it as 'CSV UTF-8' or Parquet")

    # Only the header knows the delimiter for sure: values hold commas, semicolons and tabs.
    def fitness(delimiter: str) -> tuple[int, int]:
        titles = {squeeze(title) for title in line.split(delimiter)}
        return sum(not titles.isdisjoint(names) for names in FIELDS.values()), len(titles)

    # Strict, else a quote left open swallows the rest of the file silently.
    reader = csv.reader(chain([line], text), delimiter=max(",;\t", key=fitness), strict=True)
    users, items = _Codes(), _Codes()
    at_user: list[NDArray[np.int32]] = []
    at_item: list[NDArray[np.int32]] = []
    numbers: list[NDArray[np.int64]] = []
    try:
        header = [title.strip() for title in next(reader)]
        at = find_columns(path, header)
        cells = {f: Cells(path, f, header[at[f]]) for f in ("weight", "time") if f in at}
        for rows, columns in _chunks(path, reader, width=len(header)):
            for codes, ids, field in ((at_user, users, "user"), (at_item, items, "item")):
                stripped = map(str.strip, columns[at[field]])
                codes.append(np.fromiter(map(ids.__getitem__, stripped), np.int32, len(rows)))
            for field, column in cells.items():
                column.add(columns[at[field]], rows)
            numbers.append(rows)
    except csv.Error as error:
        raise MetadataError(
            f"{path}: line {reader.line_num}: {error}: double the quotes inside a value, and put "
            "quotes around it"
        ) from error
    if not numbers:
        raise MetadataError(f"{path}: a header and no rows: there is nothing to learn from")
    row = np.concatenate(numbers)
    weight = cells["weight"].values() if "weight" in cells else np.ones(len(row))
    time = cells["time"].values() if "time" in cells else None
    if time is not None and not cells["time"].is_date:
        time = to_seconds(path, time, row)
    log = Log(
        list(users),
        list(items),
        np.concatenate(at_user),
        np.concatenate(at_item),
        weight,
        time,
        row,
    )
    return check_log(path, log)


def _chunks(
    path: str, records: Iterator[list[str]], *, width: int
) -> Iterator[tuple[NDArray[np.int64], list[tuple[str, ...]]]]:
    """Yield numbers of rows, and the columns, of a few rows at a time; blank rows are left out."""
    numbered = enumerate(records, start=2)
    while chunk := list(islice(numbered, _CHUNK)):
        rows = [(number, cells) for number, cells in chunk if any(cells)]
        for number, cells in rows:
            if len(cells) != width:
                if any(cell.strip() for cell in cells[width:]):
                    raise MetadataError(
                        f"{path}: row {number} has {len(cells)} cells, the header has {width}: put "
                        "quotes around values that hold the delimiter"
                    )
                cells[width:] = [""] * (width - len(cells))
        if rows:
            yield (
                np.array([number for number, _ in rows], dtype=np.int64),
                list(zip(*(cells for _, cells in rows), strict=True)),
            )


def _read_parquet(path: str) -> Log:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            titles = file.schema_arrow.names
            at = find_columns(path, titles)
            table = file.read(columns=[titles[i] for i in at.values()])
    except pyarrow.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise MetadataError(f"{path}: no sound Parquet ({reason}): write it again") from error
    if not len(table):
        raise MetadataError(f"{path}: no rows: there is nothing to learn from")
    row = np.arange(1, len(table) + 1)
    columns = {field: table[titles[i]] for field, i in at.items()}
    for field, column in columns.items():
        if column.null_count:
            number = int(np.argmax(column.is_null().to_numpy())) + 1
            raise MetadataError(f"{path}: row {number} has no {field}: fill it in or leave it out")
    users, user = _arrow_ids(path, titles[at["user"]], columns["user"])
    items, item = _arrow_ids(path, titles[at["item"]], columns["item"])
    weight, time = np.ones(len(row)), None
    if "weight" in columns:
        weight, _ = _arrow_numbers(path, "weight", titles[at["weight"]], columns["weight"], row)
    if "time" in columns:
        time, is_date = _arrow_numbers(path, "time", titles[at["time"]], columns["time"], row)
        time = time if is_date else to_seconds(path, time, row)
    return check_log(path, Log(users, items, user, item, weight, time, row))


def _arrow_ids(path: str, title: str, column: Any) -> tuple[list[str], NDArray[np.int32]]:
    import pyarrow
    from pyarrow import types

    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if not (types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind)):
        raise MetadataError(
            f"{path}: column {title!r} holds {kind}: identifiers are text or whole numbers"
        )
    encoded = column.cast(kind).cast(pyarrow.large_string()).combine_chunks().dictionary_encode()
    ids = _Codes()
    codes = np.array([ids[id.strip()] for id in encoded.dictionary.to_pylist()], dtype=np.int32)
    return list(ids), codes[encoded.indices.to_numpy()]


def _arrow_numbers(
    path: str, field: str, title: str, column: Any, row: NDArray[np.int64]
) -> tuple[NDArray[np.float64], bool]:
    """Return the numbers of a column without nulls, and whether they come from dates."""
    import pyarrow
    from pyarrow import types

    kind = column.type
    if types.is_string(kind) or types.is_large_string(kind):
        cells = Cells(path, field, title)
        cells.add(column.to_pylist(), row)
        return cells.values(), cells.is_date
    is_date = field == "time" and (types.is_timestamp(kind) or types.is_date(kind))
    if is_date:
        exact = column.cast(pyarrow.timestamp("us", getattr(kind, "tz", None)), safe=False)
        return exact.cast(pyarrow.int64()).to_numpy() / 1e6, True
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
        raise MetadataError(f"{path}: column {title!r} holds {kind}: {WAY_OUT[field]}")
    return column.cast(pyarrow.float64(), safe=False).to_numpy(), False
