"""Metadata from a spreadsheet: one row per track, found again by path or by ISRC."""

import csv
import io
import os
import posixpath
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from musicu.errors import MetadataError
from musicu.files import open_file
from musicu.locate import absolute
from musicu.metadata import FIELDS, Metadata, complete_metadata, field_of, parse_field

__all__ = ["Sheet", "load_sheet"]

_PATH_NAMES = {"path", "file", "filename", "filepath", "location"}
_DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class _Row:
    """One row: where it stands, and its keys. `path` is as written, or None."""

    number: int
    path: str | None
    metadata: Metadata

    @property
    def key(self) -> str:
        return self.path or self.metadata.isrc or ""


class Sheet:
    """The rows of a metadata sheet; make one with :func:`load_sheet`.

    Parameters
    ----------
    path : str
        The sheet's file. Relative paths in the sheet start from its folder.
    rows : sequence of (int, str or None, Metadata)
        Row number, path as written, and metadata, which holds the ISRC.
    ignored : tuple of str
        Columns that hold no metadata field.

    Attributes
    ----------
    ignored : tuple of str
        Columns that hold no metadata field, as written.

    Raises
    ------
    MetadataError
        Two rows have the same key and different data.
    """

    def __init__(
        self,
        path: str,
        rows: Sequence[tuple[int, str | None, Metadata]],
        *,
        ignored: tuple[str, ...] = (),
    ) -> None:
        self.ignored = ignored
        self._rows: list[_Row] = []
        self._by_path: dict[str, _Row] = {}
        self._by_ending: dict[str, tuple[_Row, str]] = {}
        self._by_isrc: dict[str, _Row | None] = {}
        self._matched: dict[int, list[str]] = {}
        folder = os.path.dirname(os.path.abspath(path))
        for row in (_Row(*row) for row in rows):
            self._add(row, sheet=path, folder=folder)
        # A recording has one ISRC on all its releases: rows with a path may share one, and then
        # it tells them apart no longer. A row that has only its ISRC comes first.
        shared: dict[str, _Row | None] = {}
        for row in self._rows:
            isrc = row.metadata.isrc
            if row.path and isrc:
                same = shared.setdefault(isrc, row)
                if same is not None and same.metadata != row.metadata:
                    shared[isrc] = None
        self._by_isrc = shared | self._by_isrc

    def _add(self, row: _Row, *, sheet: str, folder: str) -> None:
        if row.path:
            relative = _path_key(row.path)
            key = _path_key(os.path.join(folder, relative)) if _is_relative(relative) else relative
            known = self._by_path.setdefault(key, row)
            if known is row and key != relative:
                self._by_ending[relative] = row, os.path.join(folder, row.path)
        else:
            known = self._by_isrc.setdefault(row.metadata.isrc or "", row) or row
        if known is row:
            self._rows.append(row)
        elif known.metadata != row.metadata:
            raise MetadataError(
                f"{sheet}: rows {known.number} and {row.number} both describe {row.key!r}, "
                "differently: keep one"
            )

    def __len__(self) -> int:
        return len(self._rows)

    def lookup(self, path: str, isrc: str | None = None) -> Metadata | None:
        r"""Return what the sheet says about a track, or None.

        A row matches by its path: absolute; or relative to the sheet's folder; or, where no such
        file exists there, as the last components of `path` (the longest row wins). A row also
        matches by its ISRC. Where one row matches by path and another by ISRC, both count and
        the path's row prevails. ``/`` and ``\`` are equal, and so are Unicode NFC and NFD.

        Parameters
        ----------
        path : str
            The audio file.
        isrc : str, optional
            The ISRC known from the file's tags.
        """
        key = _path_key(os.path.abspath(path))
        by_path = self._by_path.get(key) or self._ending(key)
        by_isrc = self._by_isrc.get(isrc) if isrc else None
        for row in (by_path, by_isrc):
            if row is not None:
                files = self._matched.setdefault(row.number, [])
                if key not in files:
                    files.append(key)
        if by_path is None or by_isrc is None:
            row = by_path or by_isrc
            return row.metadata if row else None
        return by_isrc.metadata.merged(by_path.metadata)

    def _ending(self, key: str) -> _Row | None:
        for start in _component_starts(key) if self._by_ending else ():
            found = self._by_ending.get(key[start:])
            # A row whose own file is there belongs to that file and to no other.
            if found is not None and not os.path.lexists(absolute(found[1])):
                return found[0]
        return None

    def unused(self) -> tuple[str, ...]:
        """Return the keys (path, or else ISRC) of the rows that no look-up has matched."""
        return tuple(row.key for row in self._rows if row.number not in self._matched)

    def shared(self) -> dict[str, tuple[str, ...]]:
        """Return the rows that have matched several files: their keys, and the files.

        One ``"01.mp3"`` that matches in every folder is likely meant for one of them only.
        """
        files = ((row.key, self._matched.get(row.number, ())) for row in self._rows)
        return {key: tuple(matched) for key, matched in files if len(matched) > 1}


def load_sheet(path: str | os.PathLike[str]) -> Sheet:
    """Load a metadata sheet.

    The file is CSV in UTF-8, with or without a byte order mark; the header line tells whether
    comma, semicolon or tab divides its cells. It has a column ``path`` or ``isrc`` or both, and
    any fields of :class:`musicu.metadata.Metadata` under their own or other usual names ("Album
    Artist", "release date", "genre"). Several values in a cell are divided by ``|`` or ``;``.
    Empty cells are missing values. Free tags may stand in several columns ("moods",
    "instruments", "tags").

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    Sheet

    Raises
    ------
    MetadataError
        The file cannot be read, is not UTF-8 or no sound CSV, has neither key column, two columns
        for one field, a row without a key, a value that does not fit its field, or two rows with
        the same key and different data.
    """
    name = os.fspath(path)
    records = _records(name, _read_text(name))
    header = [cell.strip() for cell in next(records, (1, []))[1]]
    columns: dict[str, list[int]] = {}
    for index, title in enumerate(header):
        field = _column_field(title)
        if field in columns and not (field in FIELDS and FIELDS[field].gathered):
            both = f"{header[columns[field][0]]!r} and {title!r}"
            raise MetadataError(f"{name}: columns {both} both mean {field}: keep one")
        if field:
            columns.setdefault(field, []).append(index)
    if not {"path", "isrc"} & columns.keys():
        found = ", ".join(map(repr, header)) or "none"
        raise MetadataError(f"{name}: needs a column 'path' or 'isrc'; columns found: {found}")
    rows = []
    for number, cells in records:
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(header) :]):
            raise MetadataError(
                f"{name}: row {number} has {len(cells)} cells, the header has {len(header)}: "
                "put quotes around values that hold the delimiter"
            )
        values = {
            field: "; ".join(cells[i].strip() for i in at if i < len(cells))
            for field, at in columns.items()
        }
        file = values.pop("path", None)
        metadata = _row_metadata(values, where=f"{name}: row {number}", header=header, at=columns)
        if not file and not metadata.isrc:
            raise MetadataError(f"{name}: row {number} has neither path nor isrc")
        rows.append((number, file or None, metadata))
    ignored = tuple(title for title in header if title and _column_field(title) is None)
    return Sheet(name, rows, ignored=ignored)


def _column_field(title: str) -> str | None:
    return "path" if re.sub(r"[\W_]", "", title.lower()) in _PATH_NAMES else field_of(title)


def _read_text(path: str) -> str:
    try:
        with open_file(path) as file:
            data = file.read().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise MetadataError(f"{path}: {error.strerror or 'cannot be read'}") from error
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MetadataError(f"{path}: line {line} is not UTF-8: save it as 'CSV UTF-8'") from error


def _records(path: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each row, the header's number being 1."""
    # Only the header knows the delimiter for sure: values hold commas, semicolons and tabs.
    header = re.split(r"[\r\n]", text, maxsplit=1)[0]

    def fitness(delimiter: str) -> tuple[int, int]:
        titles = next(csv.reader([header], delimiter=delimiter), [])
        return sum(_column_field(title) is not None for title in titles), len(titles)

    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=max(_DELIMITERS, key=fitness),
        strict=True,  # else a quote left open swallows the rest of the sheet silently
    )
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            yield number, cells
    except csv.Error as error:
        raise MetadataError(f"{path}: row {number + 1}: {error}") from error


def _row_metadata(
    values: dict[str, str], *, where: str, header: list[str], at: dict[str, list[int]]
) -> Metadata:
    found: dict[str, Any] = {}
    for field, text in values.items():
        several = re.split(r"[|;]", text) if field in ("artists", "mb_artists") else [text]
        try:
            found[field] = parse_field(field, several)
        except ValueError as error:
            column = header[at[field][0]]
            raise MetadataError(f"{where}, column {column!r}: {text!r} is not {error}") from error
    return complete_metadata(found)


def _path_key(path: str) -> str:
    """Bring the spellings of a path together: separators, ``.`` and ``..``, NFC and NFD."""
    slashed = os.path.normcase(path).replace("\\", "/")
    return posixpath.normpath(unicodedata.normalize("NFC", slashed))


def _is_relative(key: str) -> bool:
    return not re.match(r"/|[A-Za-z]:/", key)


def _component_starts(key: str) -> Iterator[int]:
    start = key.find("/") + 1
    while start:
        yield start
        start = key.find("/", start) + 1
