"""The forms a table may have: CSV, JSON lines, Parquet, each of which may be packed; a frame.

Each is opened as its columns' names and what yields its chunks of rows.
"""

from __future__ import annotations

import csv
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import IO, Any

import numpy as np

from musicu.errors import MetadataError, MissingExtraError
from musicu.files import open_file
from musicu.frames import Column

__all__ = [
    "Chunk",
    "Chunks",
    "as_text",
    "in_chunks",
    "is_text",
    "open_csv",
    "open_lines",
    "open_parquet",
    "open_unpacked",
]

_DELIMITERS = ",;\t"
# Rows at a time: with more, the garbage collector walks over all that is alive.
_CHUNK = 1 << 9
# Rows of Parquet at a time. Logs come in large ones: of a text that comes again, one copy is made
# in each. Other tables may hold a vector in each row.
_BATCH, _SMALL_BATCH = 1 << 18, 1 << 16

# Numbers of rows, and the cells of each column.
Chunk = tuple[Sequence[int], list[Sequence[Any]]]
# From the positions of columns, and whether arrays are wanted where they can be had.
Chunks = Callable[[Sequence[int], bool], Iterator[Chunk]]


@contextmanager
def open_unpacked(path: str) -> Iterator[io.BufferedReader]:
    """Open a file whose first bytes tell whether it is packed: gzip, bzip2, xz, or not at all.

    Raises
    ------
    MetadataError
        It cannot be read or unpacked.
    """
    import bz2
    import gzip
    import lzma

    try:
        with open_file(path) as file:
            head = file.peek(6)
            packed: Any = None
            if head.startswith(b"\x1f\x8b"):
                packed = gzip.GzipFile(fileobj=file)
            elif head.startswith(b"BZh"):
                packed = bz2.BZ2File(file)
            elif head.startswith(b"\xfd7zXZ\0"):
                packed = lzma.LZMAFile(file)
            yield file if packed is None else io.BufferedReader(packed)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        reason = getattr(error, "strerror", None)
        if reason is None:
            reason = f"cannot be unpacked ({error}): fetch it again"
        raise MetadataError(f"{path}: {reason}") from error


def as_text(file: IO[bytes]) -> io.TextIOWrapper:
    """Decode a file as UTF-8; its other bytes stay, as lone surrogates.

    They matter only in the columns that are read.
    """
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def is_text(text: str) -> bool:
    """Whether a text has no null character, and no byte that ``surrogateescape`` had to keep."""
    try:
        return "\0" not in text and (text.isascii() or bool(text.encode()))
    except UnicodeEncodeError:
        return False


Opened = tuple[Sequence[str], Chunks]


def open_csv(path: str, first: str, known: Callable[[str], bool]) -> Opened:
    """Open CSV, whose first line is known, divided by what shows most of the columns looked for."""

    # Only the header knows the delimiter for sure: values hold commas, semicolons and tabs.
    def fitness(delimiter: str) -> tuple[int, int]:
        try:
            titles = next(csv.reader([first], delimiter=delimiter), [])
        except csv.Error:  # Undivided, a long header is a field that is too large.
            return 0, 0
        return sum(known(title.strip()) for title in titles), len(titles)

    delimiter = max(_DELIMITERS, key=fitness)

    def records() -> Iterator[tuple[int, list[list[str]]]]:
        """Yield the number of a row, and the cells of it and some that follow, blank ones too."""
        start = 1
        with open_unpacked(path) as file, as_text(file) as text:
            # strict: else a quote left open swallows the rest of the table silently.
            reader = csv.reader(text, delimiter=delimiter, strict=True)
            while True:
                chunk: list[list[str]] = []
                try:
                    chunk.extend(islice(reader, _CHUNK))
                except csv.Error as error:
                    raise MetadataError(
                        f"{path}: row {start + len(chunk)}: {error}: put quotes around the value, "
                        "and double those inside it"
                    ) from None
                if not chunk:
                    return
                yield start, chunk
                start += len(chunk)

    header: list[str] = []
    header_number = 0
    for start, chunk in records():
        for number, cells in enumerate(chunk, start):
            if any(map(str.strip, cells)):
                header, header_number = [title.strip() for title in cells], number
                break
        if header:
            break
    width, named = len(header), [at for at, title in enumerate(header) if title]

    def chunks(positions: Sequence[int], arrays: bool) -> Iterator[Chunk]:
        for start, chunk in records():
            numbers: Sequence[int] = range(start, start + len(chunk))
            if start <= header_number or not _is_full(chunk, width):
                numbers = [
                    number
                    for number, cells in zip(numbers, chunk, strict=True)
                    if number > header_number and any(map(str.strip, cells))
                ]
                chunk = [_fitted(path, number, chunk[number - start], width) for number in numbers]
            if chunk:
                columns = list(zip(*chunk, strict=True))
                yield numbers, [columns[named[at]] for at in positions]

    return [header[at] for at in named], chunks


def _is_full(chunk: Sequence[Sequence[str]], width: int) -> bool:
    """Whether no row is blank, and each has as many cells as the header."""
    return set(map(len, chunk)) == {width} and all(cells[0].strip() for cells in chunk)


def _fitted(path: str, number: int, cells: list[str], width: int) -> list[str]:
    """Return a row's cells, as many as the header has; ones that are missing are empty."""
    if any(map(str.strip, cells[width:])):
        raise MetadataError(
            f"{path}: row {number} has {len(cells)} cells, the header has {width}: put quotes "
            "around values that hold the delimiter"
        )
    return [*cells[:width], *[""] * (width - len(cells))]


def open_lines(path: str) -> Opened:
    """Open JSON lines: a JSON object a line, each of which may have other columns."""
    records: list[tuple[int, dict[str, Any]]] = []
    columns: dict[str, None] = {}
    with open_unpacked(path) as file, as_text(file) as text:
        for number, line in enumerate(text, start=1):
            if line.isspace():
                continue
            try:
                record = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise MetadataError(
                    f"{path}: line {number} is not JSON ({error}): write one {{...}} a line"
                ) from None
            if not isinstance(record, dict):
                raise MetadataError(f"{path}: line {number} is no JSON object: one {{...}} a line")
            columns.update(dict.fromkeys(record))
            if record:
                records.append((number, record))
    names = list(columns)

    def chunks(positions: Sequence[int], arrays: bool) -> Iterator[Chunk]:
        for start in range(0, len(records), _CHUNK):
            chunk = records[start : start + _CHUNK]
            yield (
                [number for number, _ in chunk],
                [[record.get(names[at]) for _, record in chunk] for at in positions],
            )

    return names, chunks


def open_parquet(path: str) -> Opened:
    """Open Parquet; MissingExtraError without pyarrow."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None

    @contextmanager
    def faults() -> Iterator[None]:
        try:
            yield
        except (OSError, OverflowError, ValueError, pyarrow.ArrowException) as error:
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise MetadataError(f"{path}: no sound Parquet ({reason}): write it again") from None

    with faults(), pyarrow.parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names

    def chunks(positions: Sequence[int], arrays: bool) -> Iterator[Chunk]:
        chosen = [names[at] for at in positions]
        number = 1
        with faults(), pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH if arrays else _SMALL_BATCH, columns=chosen):
                if batch.num_rows:
                    numbers = range(number, number + batch.num_rows)
                    number += batch.num_rows
                    yield numbers, [_cells(batch.column(name), arrays=arrays) for name in chosen]

    return names, chunks


def in_chunks(columns: Sequence[Column]) -> Chunks:
    """Return what yields the rows of columns in memory."""

    def chunks(positions: Sequence[int], arrays: bool) -> Iterator[Chunk]:
        chosen = [columns[at] for at in positions]
        for start in range(0, len(columns[0]) if columns else 0, _SMALL_BATCH):
            cut: list[Any] = [column[start : start + _SMALL_BATCH] for column in chosen]
            stop = min(start + _SMALL_BATCH, len(columns[0]))
            yield (
                range(start + 1, stop + 1),
                [c.tolist() if isinstance(c, np.ndarray) and not arrays else c for c in cut],
            )

    return chunks


def _cells(column: Any, *, arrays: bool) -> Any:
    """Return the cells of a column of Parquet, as an array where that is asked for and can be.

    Decimals become floats, and moments are rounded to microseconds, as Python has them.
    """
    from pyarrow import float64, int64, timestamp, types

    if types.is_decimal(column.type):
        column = column.cast(float64(), safe=False)
    if types.is_timestamp(column.type):
        column = column.cast(timestamp("us", column.type.tz), safe=False)
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if column.null_count:
        return column.to_pylist()
    # What is most of a log is read several times faster than by to_pylist().
    if types.is_string(kind) or types.is_large_string(kind):
        coded = column if types.is_dictionary(column.type) else column.dictionary_encode()
        texts = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
        return texts[coded.indices.to_numpy()].tolist()
    if types.is_integer(kind) or types.is_floating(kind):
        numbers = column.to_numpy(zero_copy_only=False)
        return numbers if arrays else numbers.tolist()
    if types.is_timestamp(kind) and kind.tz in (None, "UTC"):
        since = column.cast(int64()).to_numpy()
        if arrays:
            return since.view("datetime64[us]")
        epoch = datetime(1970, 1, 1, tzinfo=UTC if kind.tz else None)
        return [epoch + timedelta(microseconds=number) for number in since.tolist()]
    return column.to_pylist()
