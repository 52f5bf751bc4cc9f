"""Labels of the clips: artists, and columns of one label or of several, from tables."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.evaluation.encoders.dataset import Collection, read_table_groups, select
from musicu.training.clips import Clip

__all__ = ["Labels", "label_clips", "read_labels"]


@dataclass(frozen=True)
class Labels:
    """What is known of the clips; entries are in the clips' order.

    Attributes
    ----------
    artist : np.ndarray [shape=(n,), str]
        Who made it; a clip nobody is named for is an artist of its own.
    single : dict of np.ndarray [shape=(n,), str]
        One label a clip, by column; "" is unknown.
    multi : dict of tuple of frozenset of str
        Any number of labels a clip, by column; none is unknown.
    known : np.ndarray [shape=(n,), bool]
        Clips of which a table has a row.
    """

    artist: NDArray[np.str_]
    single: dict[str, NDArray[np.str_]]
    multi: dict[str, tuple[frozenset[str], ...]]
    known: NDArray[np.bool_]

    def take(self, kept: Sequence[int]) -> Labels:
        """Return the labels of some of the clips, by number."""
        at = np.asarray(kept, dtype=np.intp)
        return Labels(
            self.artist[at],
            {name: values[at] for name, values in self.single.items()},
            {name: tuple(sets[i] for i in at) for name, sets in self.multi.items()},
            self.known[at],
        )


def read_labels(
    tables: Sequence[str | os.PathLike[str]],
    *,
    artist: str | None = None,
    single: Sequence[str] | None = None,
    multi: Sequence[str] | None = None,
) -> list[Collection]:
    """Read tables of labels.

    A table with a column ``file`` or ``path`` begins a collection; one without is joined to the
    table before it.

    Parameters
    ----------
    tables : sequence of path-like
        See :meth:`musicu.metadata.tables.Table.open`.
    artist, single, multi : optional
        Columns, as for :func:`musicu.evaluation.encoders.dataset.select`; each has to be in one of
        the tables.

    Raises
    ------
    MetadataError
        A table cannot be read or joined, or a column that was named is in none.
    """
    joined = read_table_groups(tables)
    have = [column for table in joined for column in table.columns]
    named = [artist] if artist else []
    for column in [*named, *(single or ()), *(multi or ())]:
        if column not in have:
            there = ", ".join(dict.fromkeys(have))
            raise MetadataError(f"no column {column!r} in the labels; there are {there}")
    return [
        select(
            table,
            artist=artist if artist in table.columns else None,
            fold="",
            track="",
            single=None if single is None else [c for c in single if c in table.columns],
            multi=None if multi is None else [c for c in multi if c in table.columns],
        )
        for table in joined
    ]


def label_clips(clips: Sequence[Clip], collections: Sequence[Collection]) -> Labels:
    """Give each clip the labels of its row: by path, else by a file name that only one row has.

    Raises
    ------
    MetadataError
        There are tables, and no row of theirs fits any clip.
    """
    by_path: dict[str, tuple[Collection, int]] = {}
    by_name: dict[str, tuple[Collection, int]] = {}
    names = Counter(file.name for collection in collections for file in collection.files)
    for collection in collections:
        for row, file in enumerate(collection.files):
            by_path[os.path.abspath(file)] = collection, row
            if names[file.name] == 1:
                by_name[file.name] = collection, row
    rows = [by_path.get(str(clip.path)) or by_name.get(clip.path.name) for clip in clips]
    if collections and not any(rows):
        tables = ", ".join(collection.name for collection in collections)
        raise MetadataError(f"{tables}: no row fits any of the audio files")
    singles = dict.fromkeys(column for c in collections for column in c.single)
    multis = dict.fromkeys(column for c in collections for column in c.multi)
    artist = [
        str(row[0].artist[row[1]]) if row and row[0].artist[row[1]][0] != "\0" else clip.identity
        for row, clip in zip(rows, clips, strict=True)
    ]
    return Labels(
        np.array(artist, dtype=np.str_),
        {
            column: np.array(
                [
                    str(r[0].single[column][r[1]]) if r and column in r[0].single else ""
                    for r in rows
                ],
                dtype=np.str_,
            )
            for column in singles
        },
        {
            column: tuple(
                r[0].multi[column][r[1]] if r and column in r[0].multi else frozenset()
                for r in rows
            )
            for column in multis
        },
        np.array([row is not None for row in rows]),
    )
