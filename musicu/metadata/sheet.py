"""Metadata from a spreadsheet: one row per track, found again by path or by ISRC."""

import os
import posixpath
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from musicu.errors import MetadataError
from musicu.metadata.fields import FIELDS, Metadata, complete_metadata, field_of
from musicu.metadata.names import unique
from musicu.metadata.tables import Table
from musicu.metadata.values import field_value, texts
from musicu.paths import absolute

__all__ = ["Sheet", "load_sheet"]

_PATH_NAMES = {"path", "file", "filename", "filepath", "location"}


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

    The file is any of :meth:`musicu.metadata.tables.Table.open`. It has a column ``path`` or
    ``isrc`` or both, and any fields of :class:`musicu.metadata.fields.Metadata` under their own or
    other usual names ("Album Artist", "release date", "genre"). Several values in a cell are
    divided by ``|`` or
    ``;``, or are a list. Empty cells are missing values. Free tags may stand in several columns
    ("moods", "instruments", "tags").

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    Sheet

    Raises
    ------
    MetadataError
        The table cannot be read, has neither key column, two columns for one field, a row without
        a key, a value that does not fit its field, or two rows with the same key and different
        data.
    MissingExtraError
        Parquet without pyarrow.
    """
    table = Table.open(path, lambda title: _column_field(title) is not None)
    columns = _columns(table)
    rows = []
    for number, cells in table.rows([at for _, at in columns], may_be_empty=True):
        file: str | None = None
        found: dict[str, Any] = {}
        for (field, at), cell in zip(columns, cells, strict=True):
            try:
                if field == "path":
                    file = next(iter(texts(cell)), None)
                elif (value := field_value(field, cell)) is not None:
                    found[field] = unique([*found[field], *value]) if field in found else value
            except ValueError as error:
                raise MetadataError(
                    f"{table.path}: row {number}, column {table.columns[at]!r}: {cell!r} is not "
                    f"{error}"
                ) from None
        metadata = complete_metadata(found)
        if not file and not metadata.isrc:
            raise MetadataError(f"{table.path}: row {number} has neither path nor isrc")
        rows.append((number, file, metadata))
    ignored = tuple(title for title in table.columns if _column_field(title) is None)
    return Sheet(table.path, rows, ignored=ignored)


def _columns(table: Table) -> list[tuple[str, int]]:
    """Return the fields that columns hold, and the columns' positions."""
    columns: list[tuple[str, int]] = []
    first: dict[str, str] = {}
    for at, title in enumerate(table.columns):
        if (field := _column_field(title)) is None:
            continue
        if field in first and not (field in FIELDS and FIELDS[field].gathered):
            both = f"{first[field]!r} and {title!r}"
            raise MetadataError(f"{table.path}: columns {both} both mean {field}: keep one")
        first.setdefault(field, title)
        columns.append((field, at))
    if not {"path", "isrc"} & first.keys():
        found = ", ".join(map(repr, table.columns)) or "none"
        raise MetadataError(
            f"{table.path}: needs a column 'path' or 'isrc'; columns found: {found}"
        )
    return columns


def _column_field(title: str) -> str | None:
    return "path" if re.sub(r"[\W_]", "", title.lower()) in _PATH_NAMES else field_of(title)


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
