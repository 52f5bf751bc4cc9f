"""Tables (CSV, TSV, JSON lines, Parquet, plain or packed; data frames), read as rows of cells.

Metadata sheets, items, listening logs, logs of A/B tests and labels are all read here, by the same
rules. Errors name a row, and no cell of it: logs say who somebody is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from musicu.errors import MetadataError
from musicu.frames import frame_columns
from musicu.metadata.table_formats import (
    Chunk,
    Chunks,
    as_text,
    in_chunks,
    is_text,
    open_csv,
    open_lines,
    open_parquet,
    open_unpacked,
)

__all__ = ["Table", "table_name"]

_LINES = {".jsonl", ".ndjson", ".json"}
_PARQUET = {".parquet", ".pq"}
_PACKED = {".gz", ".bz2", ".xz"}
_LONGEST = 1 << 22  # characters of a header; a file without any line break is no table


def table_name(source: Any) -> str:
    """Return what errors call a table: its path, or that it is a frame.

    Examples
    --------
    >>> table_name("plays.csv"), table_name({"user": ["ann"]})
    ('plays.csv', 'the frame')
    """
    return os.fspath(source) if isinstance(source, str | os.PathLike) else "the frame"


class Table:
    """A table; make one with :meth:`open`.

    Attributes
    ----------
    path : str
        The file; "the frame" for one in memory.
    columns : tuple of str
        Names of the columns, as written; those without a name are left out.
    """

    def __init__(
        self,
        path: str,
        columns: Sequence[str],
        chunks: Chunks,
    ) -> None:
        self.path = path
        self.columns = tuple(columns)
        self._chunks = chunks

    @classmethod
    def open(cls, path: Any, known: Callable[[str], bool]) -> Table:
        """Open a table: a file, or a data frame.

        Its bytes tell whether it is packed (gzip, bzip2, xz) and whether it is Parquet; the suffix
        ``.jsonl``, or a first line that begins with a brace, that it is JSON lines. Anything else
        is CSV with a header, divided by comma, semicolon or tab. Text is UTF-8, with or without a
        byte order mark; other encodings are not guessed, since paths and ids have to be exact.

        Parameters
        ----------
        path : str, path-like, data frame, or mapping of str to array-like
            A frame is of any library (:func:`musicu.frames.frame_columns`); its first row is row 1.
        known : callable
            Whether a name is a column's that is looked for: the delimiter is the one that shows
            the most of them.

        Raises
        ------
        MetadataError
            The file cannot be read or unpacked, is empty, or is no such table; or a frame is none.
        MissingExtraError
            Parquet without pyarrow.
        """
        name = table_name(path)
        if not isinstance(path, str | os.PathLike):
            columns = frame_columns(path, name=name)
            return cls(name, list(columns), in_chunks(list(columns.values())))
        suffixes = [suffix.lower() for suffix in Path(name).suffixes]
        if suffixes and suffixes[-1] in _PACKED:
            suffixes.pop()
        suffix = suffixes[-1] if suffixes else ""
        with open_unpacked(name) as file:
            if file.peek(4)[:4] == b"PAR1" or suffix in _PARQUET:
                return cls(name, *open_parquet(name))
            with as_text(file) as text:
                while (first := text.readline(_LONGEST)).isspace():
                    pass
        if not first:
            raise MetadataError(f"{name}: the file is empty: write a header and rows")
        lines = suffix in _LINES or first.lstrip().startswith("{")
        if not is_text(first) and ("\0" in first or not lines):
            raise MetadataError(
                f"{name}: not UTF-8 text, and not Parquet: save it as 'CSV UTF-8' or Parquet"
            )
        return cls(name, *(open_lines(name) if lines else open_csv(name, first, known)))

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
        self,
        columns: Sequence[int | str] | None = None,
        *,
        may_be_empty: bool = False,
        arrays: bool = False,
    ) -> Iterator[Chunk]:
        """Yield the numbers of some hundred rows at a time, and the cells of each column.

        Parameters
        ----------
        columns : sequence of int or str, optional
            Which ones, by position in `columns` or by name; None is all of them. The others may
            hold what they like.
        may_be_empty : bool
            Whether the table may have no rows.
        arrays : bool
            Whether columns of Parquet that are numbers or moments (UTC), and have no empty cells,
            are NumPy arrays (integers, floats, ``datetime64[us]``): much quicker than lists.

        Raises
        ------
        MetadataError
            As :meth:`position`; a row is broken, or a cell is not UTF-8 or holds a null character;
            or there are no rows.
        """
        chosen = range(len(self.columns)) if columns is None else columns
        at = [c if isinstance(c, int) else self.position(c) for c in chosen]
        enough = may_be_empty
        for numbers, cells in self._chunks(at, arrays):
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
        if isinstance(cells, np.ndarray):
            return cells
        kinds = set(map(type, cells))
        if str not in kinds:
            return cells
        if len(kinds) == 1:
            cells = list(map(str.strip, cells))
            joined = "".join(cells)
        else:
            cells = [cell.strip() if isinstance(cell, str) else cell for cell in cells]
            joined = "".join(cell for cell in cells if isinstance(cell, str))
        if is_text(joined):
            return cells
        number, text = next(
            (number, cell)
            for number, cell in zip(numbers, cells, strict=True)
            if isinstance(cell, str) and not is_text(cell)
        )
        fault = "holds a null character" if "\0" in text else "is not UTF-8"
        raise MetadataError(
            f"{self.path}: row {number}, column {self.columns[position]!r} {fault}: save it as "
            "'CSV UTF-8'"
        )
