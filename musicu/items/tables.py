"""Tables of items on disk: CSV, JSON lines and Parquet, read as rows of cells."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from musicu.errors import MetadataError, MissingExtraError
from musicu.files import open_file

__all__ = ["Table"]

_DELIMITERS = ",;\t"
_SPREADSHEETS = {".csv", ".tsv"}
_LINES = {".jsonl", ".ndjson"}
_PARQUET = {".parquet", ".pq"}


class Table:
    """A table on disk; make one with :meth:`open`.

    Attributes
    ----------
    path : str
        The file.
    columns : tuple of str
        Names of all columns, as written.
    """

    def __init__(
        self,
        path: str,
        columns: Sequence[str],
        rows: Callable[[Sequence[str]], Iterator[tuple[int, list[Any]]]],
    ) -> None:
        self.path = path
        self.columns = tuple(columns)
        self._rows = rows

    @classmethod
    def open(cls, path: str | os.PathLike[str], known: Callable[[str], bool]) -> Table:
        """Open a table; the suffix tells its form.

        Parameters
        ----------
        path : str or path-like
            ``.csv``, ``.tsv`` or ``.jsonl``, each also with ``.gz``, in UTF-8, or ``.parquet``. In
            CSV, the header tells whether comma, semicolon or tab divides the cells.
        known : callable
            Whether a name is a column's that is looked for: the delimiter is the one that shows
            the most of them.

        Raises
        ------
        MetadataError
            The file cannot be read, is empty, is not UTF-8, or is no sound table.
        MissingExtraError
            Parquet without pyarrow.
        """
        name = os.fspath(path)
        suffixes = [suffix.lower() for suffix in Path(name).suffixes]
        suffix = "".join(suffixes[-1:])
        if suffix in _PARQUET:
            return cls(name, *_open_parquet(name))
        if suffix == ".gz":
            suffix = "".join(suffixes[-2:-1])
        if suffix in _SPREADSHEETS:
            return cls(name, *_open_csv(name, known))
        if suffix in _LINES:
            return cls(name, *_open_lines(name))
        raise MetadataError(
            f"{name}: the name must end in .csv, .tsv, .jsonl (or these with .gz) or .parquet"
        )

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[tuple[int, list[Any]]]:
        """Yield each row's number, as an editor shows it, and its cells in some columns.

        Rows without any value are passed over. Numbers start at 2 in CSV, after the header, and
        at 1 elsewhere. Cells of CSV are text without surrounding white space, those of the other
        forms are what they hold: None, text, numbers, lists.

        Raises
        ------
        MetadataError
            A row is broken.
        """
        return self._rows(self.columns if columns is None else columns)


_Opened = tuple[Sequence[str], Callable[[Sequence[str]], Iterator[tuple[int, list[Any]]]]]


def _read_text(path: str) -> str:
    try:
        with open_file(path) as file:
            packed = path.lower().endswith(".gz")
            data = (gzip.GzipFile(fileobj=file) if packed else file).read()
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error) or "cannot be read"
        raise MetadataError(f"{path}: {reason}") from None
    data = data.removeprefix(b"\xef\xbb\xbf")
    if not data.strip():
        raise MetadataError(f"{path}: the file is empty")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MetadataError(f"{path}: line {line} is not UTF-8: save it as UTF-8") from None


def _open_csv(path: str, known: Callable[[str], bool]) -> _Opened:
    text = _read_text(path)
    # Only the header knows the delimiter for sure: values hold commas, semicolons and tabs.
    first = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]

    def fitness(delimiter: str) -> tuple[int, int]:
        titles = next(csv.reader([first], delimiter=delimiter), [])
        return sum(known(title.strip()) for title in titles), len(titles)

    delimiter = max(_DELIMITERS, key=fitness)

    def records() -> Iterator[tuple[int, list[str]]]:
        # strict: else a quote left open swallows the rest of the table silently.
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        number = 0
        try:
            for number, cells in enumerate(reader, start=1):
                if any(cells):
                    yield number, [cell.strip() for cell in cells]
        except csv.Error as error:
            raise MetadataError(f"{path}: row {number + 1}: {error}") from None

    start, header = next(records())
    if repeated := next((t for i, t in enumerate(header) if t and t in header[:i]), None):
        raise MetadataError(f"{path}: two columns are named {repeated!r}: rename one")

    def rows(columns: Sequence[str]) -> Iterator[tuple[int, list[Any]]]:
        at = [header.index(column) for column in columns]
        for number, cells in records():
            if number == start or not any(cells):
                continue
            if any(cells[len(header) :]):
                raise MetadataError(
                    f"{path}: row {number} has {len(cells)} cells, the header has {len(header)}: "
                    "put quotes around values that hold the delimiter"
                )
            yield number, [cells[i] if i < len(cells) else "" for i in at]

    return [title for title in header if title], rows


def _open_lines(path: str) -> _Opened:
    records: list[tuple[int, dict[str, Any]]] = []
    columns: dict[str, None] = {}
    # Not splitlines(): JSON text may hold U+2028 and its like.
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise MetadataError(f"{path}: line {number} is not JSON: {error}") from None
        if not isinstance(record, dict):
            raise MetadataError(f"{path}: line {number} is no JSON object: one {{...}} a line")
        records.append((number, record))
        columns.update(dict.fromkeys(record))

    def rows(columns: Sequence[str]) -> Iterator[tuple[int, list[Any]]]:
        for number, record in records:
            if record:
                yield number, [record.get(column) for column in columns]

    return list(columns), rows


def _open_parquet(path: str) -> _Opened:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    try:
        open_file(path).close()  # pyarrow would wait for a FIFO
        file = pyarrow.parquet.ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise MetadataError(f"{path}: {reason}") from None

    def rows(columns: Sequence[str]) -> Iterator[tuple[int, list[Any]]]:
        number = 0
        try:
            for batch in file.iter_batches(columns=list(columns)):
                cells = [batch.column(name).to_pylist() for name in columns]
                for row in zip(*cells, strict=True):
                    number += 1
                    yield number, list(row)
        except (OSError, pyarrow.ArrowException) as error:
            raise MetadataError(f"{path}: {str(error).splitlines()[0]}") from None

    return file.schema_arrow.names, rows
