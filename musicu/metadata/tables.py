"""Tables on disk (CSV, TSV, JSON lines, Parquet, plain or packed), read as rows of cells.

Metadata sheets, items, listening logs, logs of A/B tests and labels are all read here, by the same
rules. Errors name a row, and no cell of it: logs say who somebody is.
"""

from __future__ import annotations

import csv
import io
import json
import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Any

from musicu.errors import MetadataError, MissingExtraError
from musicu.files import open_file

__all__ = ["Table", "open_unpacked"]

_DELIMITERS = ",;\t"
_LINES = {".jsonl", ".ndjson", ".json"}
_PARQUET = {".parquet", ".pq"}
_PACKED = {".gz", ".bz2", ".xz"}
# Rows at a time: with more, the garbage collector walks over all that is alive.
_CHUNK = 1 << 9
_LONGEST = 1 << 22  # characters of a header; a file without any line break is no table

# Numbers of rows, and the cells of each column.
Chunk = tuple[Sequence[int], list[Sequence[Any]]]


class Table:
    """A table on disk; make one with :meth:`open`.

    Attributes
    ----------
    path : str
        The file.
    columns : tuple of str
        Names of the columns, as written; those without a name are left out.
    """

    def __init__(
        self,
        path: str,
        columns: Sequence[str],
        chunks: Callable[[Sequence[int]], Iterator[Chunk]],
    ) -> None:
        self.path = path
        self.columns = tuple(columns)
        self._chunks = chunks

    @classmethod
    def open(cls, path: str | os.PathLike[str], known: Callable[[str], bool]) -> Table:
        """Open a table.

        Its bytes tell whether it is packed (gzip, bzip2, xz) and whether it is Parquet; the suffix
        ``.jsonl``, or a first line that begins with a brace, that it is JSON lines. Anything else
        is CSV with a header, divided by comma, semicolon or tab. Text is UTF-8, with or without a
        byte order mark; other encodings are not guessed, since paths and ids have to be exact.

        Parameters
        ----------
        path : str or path-like
        known : callable
            Whether a name is a column's that is looked for: the delimiter is the one that shows
            the most of them.

        Raises
        ------
        MetadataError
            The file cannot be read or unpacked, is empty, or is no such table.
        MissingExtraError
            Parquet without pyarrow.
        """
        name = os.fspath(path)
        suffixes = [suffix.lower() for suffix in Path(name).suffixes]
        if suffixes and suffixes[-1] in _PACKED:
            suffixes.pop()
        suffix = suffixes[-1] if suffixes else ""
        with open_unpacked(name) as file:
            if file.peek(4)[:4] == b"PAR1" or suffix in _PARQUET:
                return cls(name, *_open_parquet(name))
            with _as_text(file) as text:
                while (first := text.readline(_LONGEST)).isspace():
                    pass
        if not first:
            raise MetadataError(f"{name}: the file is empty: write a header and rows")
        lines = suffix in _LINES or first.lstrip().startswith("{")
        if not _is_text(first) and ("\0" in first or not lines):
            raise MetadataError(
                f"{name}: not UTF-8 text, and not Parquet: save it as 'CSV UTF-8' or Parquet"
            )
        return cls(name, *(_open_lines(name) if lines else _open_csv(name, first, known)))

    def position(self, column: str) -> int:
        """Return where in `columns` a column is.

        Raises
        ------
        MetadataError
            There is no such column, or there are two.
        """
        if column not in self.columns:
            found = ", ".join(map(repr, self.columns)) or "none"
            raise MetadataError(f"{self.path}: no column {column!r}; columns found: {found}")
        if self.columns.count(column) > 1:
            raise MetadataError(f"{self.path}: two columns are named {column!r}: rename one")
        return self.columns.index(column)

    def chunks(
        self, columns: Sequence[int | str] | None = None, *, may_be_empty: bool = False
    ) -> Iterator[Chunk]:
        """Yield the numbers of some hundred rows at a time, and the cells of each column.

        Parameters
        ----------
        columns : sequence of int or str, optional
            Which ones, by position in `columns` or by name; None is all of them. The others may
            hold what they like.
        may_be_empty : bool
            Whether the table may have no rows.

        Raises
        ------
        MetadataError
            As :meth:`position`; a row is broken, or a cell is not UTF-8 or holds a null character;
            or there are no rows.
        """
        chosen = range(len(self.columns)) if columns is None else columns
        at = [c if isinstance(c, int) else self.position(c) for c in chosen]
        enough = may_be_empty
        for numbers, cells in self._chunks(at):
            enough = True
            yield (
                numbers,
                [self._clean(p, numbers, column) for p, column in zip(at, cells, strict=True)],
            )
        if not enough:
            raise MetadataError(f"{self.path}: a header and no rows: add rows")

    def rows(
        self, columns: Sequence[int | str] | None = None, *, may_be_empty: bool = False
    ) -> Iterator[tuple[int, list[Any]]]:
        """Yield each row's number, as an editor shows it, and its cells in some columns.

        Rows without any value are passed over, and where a row ends early, cells are empty.
        Numbers start at 2 in CSV, after the header, and at 1 elsewhere. Cells of CSV are text;
        those of the other forms are what they hold: None, text, numbers, dates, lists. Text is
        without surrounding white space.

        Parameters and errors are those of :meth:`chunks`.
        """
        for numbers, cells in self.chunks(columns, may_be_empty=may_be_empty):
            for number, *row in zip(numbers, *cells, strict=True):
                yield number, row

    def _clean(self, position: int, numbers: Sequence[int], cells: Sequence[Any]) -> Sequence[Any]:
        """Return cells with their text stripped; look whether it is text."""
        kinds = set(map(type, cells))
        if str not in kinds:
            return cells
        if len(kinds) == 1:
            cells = list(map(str.strip, cells))
            joined = "".join(cells)
        else:
            cells = [cell.strip() if isinstance(cell, str) else cell for cell in cells]
            joined = "".join(cell for cell in cells if isinstance(cell, str))
        if _is_text(joined):
            return cells
        number, text = next(
            (number, cell)
            for number, cell in zip(numbers, cells, strict=True)
            if isinstance(cell, str) and not _is_text(cell)
        )
        fault = "holds a null character" if "\0" in text else "is not UTF-8"
        raise MetadataError(
            f"{self.path}: row {number}, column {self.columns[position]!r} {fault}: save it as "
            "'CSV UTF-8'"
        )


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


def _as_text(file: IO[bytes]) -> io.TextIOWrapper:
    # What is not UTF-8 is kept as surrogates: it matters only in the columns that are read.
    return io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _is_text(text: str) -> bool:
    """Whether a text has no null character, and no byte that ``surrogateescape`` had to keep."""
    try:
        return "\0" not in text and (text.isascii() or bool(text.encode()))
    except UnicodeEncodeError:
        return False


_Opened = tuple[Sequence[str], Callable[[Sequence[int]], Iterator[Chunk]]]


def _open_csv(path: str, first: str, known: Callable[[str], bool]) -> _Opened:
    # Only the header knows the delimiter for sure: values hold commas, semicolons and tabs.
    def fitness(delimiter: str) -> tuple[int, int]:
        titles = next(csv.reader([first], delimiter=delimiter), [])
        return sum(known(title.strip()) for title in titles), len(titles)

    delimiter = max(_DELIMITERS, key=fitness)

    def records() -> Iterator[tuple[int, list[list[str]]]]:
        """Yield the number of a row, and the cells of it and some that follow, blank ones too."""
        start = 1
        with open_unpacked(path) as file, _as_text(file) as text:
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

    def chunks(positions: Sequence[int]) -> Iterator[Chunk]:
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


def _open_lines(path: str) -> _Opened:
    records: list[tuple[int, dict[str, Any]]] = []
    columns: dict[str, None] = {}
    with open_unpacked(path) as file, _as_text(file) as text:
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

    def chunks(positions: Sequence[int]) -> Iterator[Chunk]:
        for start in range(0, len(records), _CHUNK):
            chunk = records[start : start + _CHUNK]
            yield (
                [number for number, _ in chunk],
                [[record.get(names[at]) for _, record in chunk] for at in positions],
            )

    return names, chunks


def _open_parquet(path: str) -> _Opened:
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

    def chunks(positions: Sequence[int]) -> Iterator[Chunk]:
        chosen = [names[at] for at in positions]
        number = 1
        with faults(), pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=chosen):
                if batch.num_rows:
                    numbers = list(range(number, number + batch.num_rows))
                    number += batch.num_rows
                    yield numbers, [_plain(batch.column(name)) for name in chosen]

    return names, chunks


def _plain(column: Any) -> list[Any]:
    """Return the cells of a column of Parquet.

    Decimals become floats, and moments are rounded to microseconds, as Python has them.
    """
    from pyarrow import float64, int64, timestamp, types

    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_decimal(column.type):
        column = column.cast(float64(), safe=False)
    kind = column.type
    if types.is_timestamp(kind):
        column = column.cast(timestamp("us", kind.tz), safe=False)
    # What is most of a log is read several times faster than by to_pylist().
    if types.is_string(kind) or types.is_large_string(kind):
        cells: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return cells
    if not column.null_count and (types.is_integer(kind) or types.is_floating(kind)):
        cells = column.to_numpy().tolist()
        return cells
    if not column.null_count and types.is_timestamp(kind) and kind.tz in (None, "UTC"):
        epoch = datetime(1970, 1, 1, tzinfo=UTC if kind.tz else None)
        since = column.cast(int64()).to_numpy().tolist()
        return [epoch + timedelta(microseconds=number) for number in since]
    return list(column.to_pylist())
