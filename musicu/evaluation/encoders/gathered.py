"""Collections under names, each gathered from tables of several sets of files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.evaluation.encoders.dataset import (
    Collection,
    LabelTable,
    read_table_groups,
    select,
)

__all__ = ["named_tables", "read_collections"]


def named_tables(text: str) -> tuple[str, list[str]]:
    """Read ``NAME=TABLE`` or ``NAME=TABLE+TABLE``; a "+" in the name of a file is no sign.

    Raises
    ------
    MetadataError
        It has no name, or a table is missing.

    Examples
    --------
    >>> named_tables("games=a.csv+b.csv")
    ('games', ['a.csv', 'b.csv'])
    """
    name, equals, spec = text.partition("=")
    tables = [spec] if Path(spec).is_file() else [part.strip() for part in spec.split("+")]
    if not name.strip() or not equals or not all(tables):
        raise MetadataError(f"{text!r} is not NAME=TABLE or NAME=TABLE+TABLE")
    return name.strip(), tables


def read_collections(
    named: Sequence[tuple[str, Sequence[str]]],
    *,
    artist: str | None = None,
    single: Sequence[str] | None = None,
    multi: Sequence[str] | None = None,
    numeric: Sequence[str] | None = None,
    track: str | None = None,
    only: Iterable[tuple[str, str]] = (),
) -> dict[str, Collection]:
    """Read collections, each from tables of one set of files or of several.

    A table with a column ``file`` or ``path`` adds its files to the collection; one without is
    joined to the table before it. Folds are of no use here: nothing of a collection was heard, so
    all of it is searched.

    Parameters
    ----------
    named : sequence of (str, sequence of str)
        Name and tables of each, from :func:`named_tables`.
    artist, single, multi, numeric, track : optional
        Columns, as for :func:`musicu.evaluation.encoders.dataset.select`; each has to be in one of
        the tables.
    only : iterable of (str, str)
        Columns and values: of tables that have the column, other rows are left out.

    Raises
    ------
    MetadataError
        A table cannot be read or joined, two collections have one name, or a column that was named
        is in none of the tables.
    """
    names = [name for name, _ in named]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise MetadataError(f"two collections are called {twice[0]!r}")
    chosen = list(only)
    groups = {name: read_table_groups(tables) for name, tables in named}
    have = dict.fromkeys(c for tables in groups.values() for t in tables for c in t.columns)
    asked = [artist, track, *(single or ()), *(multi or ()), *(numeric or ())]
    for column in [*asked, *(column for column, _ in chosen)]:
        if column and column not in have:
            raise MetadataError(f"no column {column!r} in any table; there are {', '.join(have)}")

    def there(column: str | None, table: LabelTable) -> str | None:
        """Return a column that was named, where the table has it."""
        return column if column == "" or column in table.columns else None

    def those(columns: Sequence[str] | None, table: LabelTable) -> list[str] | None:
        return None if columns is None else [c for c in columns if c in table.columns]

    return {
        name: _together(
            [
                select(
                    table,
                    artist=there(artist, table),
                    fold="",
                    single=those(single, table),
                    multi=those(multi, table),
                    numeric=those(numeric, table),
                    track=there(track, table),
                    only=[pair for pair in chosen if pair[0] in table.columns],
                )
                for table in tables
            ]
        )
        for name, tables in groups.items()
    }


def _together(parts: Sequence[Collection]) -> Collection:
    """Put the clips of several collections into one; what one has no column for is not known."""
    if len(parts) == 1:
        return parts[0]

    def labels(column: Callable[[Collection], NDArray[Any] | None]) -> NDArray[np.str_]:
        """Labels end to end; unknown ones stay like no other."""
        found: list[str] = []
        for number, part in enumerate(parts):
            own = column(part)
            cells = [f"\0{i}" for i in range(len(part.files))] if own is None else own.tolist()
            found += [f"\0{number} {cell[1:]}" if cell[:1] == "\0" else cell for cell in cells]
        return np.array(found, dtype=np.str_)

    def columns(role: str) -> list[str]:
        return list(dict.fromkeys(name for part in parts for name in getattr(part, role)))

    return Collection(
        name=" + ".join(part.name for part in parts),
        files=tuple(file for part in parts for file in part.files),
        artist=labels(lambda part: part.artist),
        fold=None,
        track=labels(lambda part: part.track) if any(p.track is not None for p in parts) else None,
        single={
            name: np.concatenate(
                [part.single.get(name, np.full(len(part.files), "")) for part in parts]
            )
            for name in columns("single")
        },
        multi={
            name: tuple(
                labels
                for part in parts
                for labels in part.multi.get(name, (frozenset(),) * len(part.files))
            )
            for name in columns("multi")
        },
        columns={part.name: part.columns for part in parts},
        notes=tuple(note for part in parts for note in part.notes),
        numeric={
            name: np.concatenate(
                [part.numeric.get(name, np.full(len(part.files), np.nan)) for part in parts]
            )
            for name in columns("numeric")
        },
    )
