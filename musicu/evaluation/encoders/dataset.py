"""A labelled collection: tables in, files with artists, folds and labels out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.metadata.artists import is_various
from musicu.metadata.tables import Table
from musicu.metadata.values import texts

__all__ = ["Collection", "LabelTable", "read_table_groups", "read_tables", "select"]

Labels = NDArray[Any]

_FILE = ("file", "path")
_ARTIST = ("artist_group", "artist")
_FOLD, _TRACK = ("fold",), ("source_track",)
_SINGLE, _MULTI = ("quadrant", "genre", "style", "vocals", "project"), ("genres", "moods")
_NUMERIC = ("valence", "arousal")
_USUAL = {*_FILE, *_ARTIST, *_FOLD, *_TRACK, *_SINGLE, *_MULTI, *_NUMERIC}
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class LabelTable:
    """Rows of one or more joined tables.

    Attributes
    ----------
    name : str
        Path of the first file.
    folder : Path
        Where relative paths of audio files start.
    columns : tuple of str
        Names of all columns.
    rows : tuple of dict
        Cells by column; "" where a joined file has no such row.
    notes : tuple of str
        What a reader of the results should know of the joining.
    """

    name: str
    folder: Path
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Collection:
    """Clips and what is known of them; arrays have one entry a clip.

    Attributes
    ----------
    name : str
        Path of the first table.
    files : tuple of Path
        The audio.
    artist : np.ndarray [shape=(n,), str]
        Who made it; a clip whose artist is not known, or is "Various Artists", is like no other.
    fold, track : np.ndarray [shape=(n,), str] or None
        Artist-disjoint part of the collection; track of which the clip is a piece.
    single : dict of np.ndarray [shape=(n,), str]
        One label a clip, by column; "" is unknown.
    multi : dict of tuple of frozenset of str
        Any number of labels a clip, by column.
    columns : dict
        Which column had which role, and which rows were chosen.
    notes : tuple of str
        What a reader of the results should know.
    numeric : dict of np.ndarray [shape=(n,), float64]
        One number a clip, by column; NaN is unknown.
    """

    name: str
    files: tuple[Path, ...]
    artist: Labels
    fold: Labels | None
    track: Labels | None
    single: dict[str, Labels]
    multi: dict[str, tuple[frozenset[str], ...]]
    columns: dict[str, Any]
    notes: tuple[str, ...] = ()
    numeric: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def take(self, kept: Sequence[int]) -> Collection:
        """Return the collection of some of the clips, by number."""
        at = np.asarray(kept, dtype=np.intp)
        return replace(
            self,
            files=tuple(self.files[i] for i in at),
            artist=self.artist[at],
            fold=None if self.fold is None else self.fold[at],
            track=None if self.track is None else self.track[at],
            single={name: labels[at] for name, labels in self.single.items()},
            multi={name: tuple(sets[i] for i in at) for name, sets in self.multi.items()},
            numeric={name: values[at] for name, values in self.numeric.items()},
        )


def read_table_groups(paths: Sequence[str | os.PathLike[str]]) -> list[LabelTable]:
    """Read tables of several sets of files.

    A table with a column ``file`` or ``path`` begins a set; one without is joined to those before.

    Raises
    ------
    MetadataError
        As for :func:`read_tables`.
    """
    groups: list[list[str | os.PathLike[str]]] = []
    for path in paths:
        if not groups or not set(_FILE).isdisjoint(read_tables([path]).columns):
            groups.append([path])
        else:
            groups[-1].append(path)
    return [read_tables(group) for group in groups]


def read_tables(paths: Sequence[str | os.PathLike[str]]) -> LabelTable:
    """Read tables and join each to those before it.

    Two files are joined on the first column of the earlier ones that the later one has, too. Rows
    of the later file that fit no row of the first are left out.

    Parameters
    ----------
    paths : sequence of str or path-like
        See :meth:`musicu.metadata.tables.Table.open`.

    Returns
    -------
    LabelTable

    Raises
    ------
    MetadataError
        A file cannot be read, has no rows, or cannot be joined.
    """
    columns: tuple[str, ...] = ()
    rows: list[dict[str, str]] = []
    folder: Path | None = None
    notes = []
    for path in map(Path, paths):
        header, new = _read(path, columns)
        if folder is None and not set(_FILE).isdisjoint(header):
            folder = path.parent
        if not columns:
            columns, rows = header, new
            continue
        key = next((c for c in columns if c in header), None)
        if key is None:
            raise MetadataError(
                f"{path}: has none of the columns {', '.join(columns)} to be joined on; "
                f"its own are {', '.join(header)}"
            )
        by_key = {row[key]: row for row in new}
        if len(by_key) < len(new):
            raise MetadataError(f"{path}: joined on {key!r}, in which values occur twice")
        without = sum(row[key] not in by_key for row in rows)
        if without == len(rows):
            raise MetadataError(f"{path}: no row fits a row of {paths[0]} by {key!r}")
        if without:
            notes.append(f"{path}: {without} of {len(rows)} clips have no row there")
        empty = dict.fromkeys(header, "")
        rows = [{**empty, **by_key.get(row[key], {}), **row} for row in rows]
        columns += tuple(c for c in header if c not in columns)
    if not columns:
        raise MetadataError("no table of labels: name a table")
    return LabelTable(
        name=os.fspath(paths[0]),
        folder=folder or Path(paths[0]).parent,
        columns=columns,
        rows=tuple(rows),
        notes=tuple(notes),
    )


def select(
    table: LabelTable,
    *,
    audio: str | os.PathLike[str] | None = None,
    artist: str | None = None,
    fold: str | None = None,
    single: Sequence[str] | None = None,
    multi: Sequence[str] | None = None,
    numeric: Sequence[str] | None = None,
    track: str | None = None,
    only: Iterable[tuple[str, str]] = (),
) -> Collection:
    """Say which column of a table means what.

    Parameters
    ----------
    table : LabelTable
        From :func:`read_tables`. Files are in its column ``file`` or ``path``.
    audio : path-like, optional
        Where relative paths start; else the folder of the table.
    artist, fold, track : str, optional
        Columns. None: ``artist_group`` or else ``artist``, ``fold``, ``source_track`` if the table
        has them. "": none; then each clip is an artist of its own.
    single, multi : sequence of str, optional
        Columns of one label, and of labels joined by ``|``. None: ``quadrant``, ``genre``,
        ``style``, ``vocals`` and ``project``; ``genres`` and ``moods``; those the table has.
    numeric : sequence of str, optional
        Columns of one number. None: ``valence`` and ``arousal``, if the table has them.
    only : iterable of (str, str)
        Columns and values: rows with another value are left out.

    Returns
    -------
    Collection

    Raises
    ------
    MetadataError
        A column that was named is not there, no row is left, or a clip has no fold.
    """
    have = table.columns

    def role(named: str | None, *usual: str) -> str:
        return next((c for c in usual if c in have), "") if named is None else named

    def roles(named: Sequence[str] | None, *usual: str) -> list[str]:
        return [c for c in (usual if named is None else named) if c and (named or c in have)]

    chosen = tuple(only)
    file = role(None, *_FILE)
    artist = role(artist, *_ARTIST)
    fold, track = role(fold, *_FOLD), role(track, *_TRACK)
    single, multi = roles(single, *_SINGLE), roles(multi, *_MULTI)
    numbers = roles(numeric, *_NUMERIC)
    wanted = [artist, fold, track, *single, *multi, *numbers, *(column for column, _ in chosen)]
    if missing := [column for column in wanted if column and column not in have]:
        raise MetadataError(
            f"{table.name}: no column {', '.join(map(repr, missing))}; there are {', '.join(have)}"
        )
    if not file:
        raise MetadataError(
            f"{table.name}: no column 'file' or 'path'; there are {', '.join(have)}"
        )
    rows = [row for row in table.rows if all(row[column] == value for column, value in chosen)]
    if not rows:
        raise MetadataError(f"{table.name}: no row is left, of {len(table.rows)}")
    if fold and (bare := [row[file] for row in rows if not row[fold]]):
        shown = ", ".join(bare[:_SHOWN])
        raise MetadataError(f"{table.name}: {len(bare)} clips have no {fold!r}: {shown}")

    def cells(column: str) -> Labels:
        return np.array([row[column] for row in rows], dtype=np.str_)

    def owned(column: str, is_unknown: Callable[[str], bool]) -> Labels:
        """Labels of which an unknown one is like no other."""
        named = [row.get(column, "") for row in rows]
        return np.array([f"\0{i}" if is_unknown(n) else n for i, n in enumerate(named)], np.str_)

    start = Path(audio) if audio is not None else table.folder
    return Collection(
        name=table.name,
        files=tuple(start / row[file] for row in rows),
        artist=owned(artist, is_various),
        fold=cells(fold) if fold else None,
        track=owned(track, lambda name: not name) if track else None,
        single={column: cells(column) for column in single},
        multi={column: tuple(map(_labels, cells(column))) for column in multi},
        columns={
            "artist": artist or None,
            "fold": fold or None,
            "track": track or None,
            "single": single,
            "multi": multi,
            "numeric": numbers,
            "only": dict(chosen),
        },
        notes=table.notes,
        numeric={column: _numbers(table.name, column, cells(column)) for column in numbers},
    )


def _numbers(name: str, column: str, cells: Labels) -> NDArray[np.float64]:
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells], dtype=np.float64)
    except ValueError as error:
        raise MetadataError(f"{name}: column {column!r} of numbers: {error}") from None


def _labels(cell: str) -> frozenset[str]:
    return frozenset(name.strip() for name in cell.split("|") if name.strip())


def _read(path: Path, earlier: Sequence[str]) -> tuple[tuple[str, ...], list[dict[str, str]]]:
    """Read a table's columns and rows; labels of a list are joined as they are in text."""
    table = Table.open(path, lambda title: title in _USUAL or title in earlier)
    rows: list[dict[str, str]] = []
    for number, cells in table.rows(table.columns):
        row = {}
        for column, cell in zip(table.columns, cells, strict=True):
            try:
                row[column] = "|".join(texts(cell))
            except ValueError as error:
                raise MetadataError(
                    f"{path}: row {number}, column {column!r}: {cell!r} is not {error}"
                ) from None
        rows.append(row)
    return table.columns, rows
