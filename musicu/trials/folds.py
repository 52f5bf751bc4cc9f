"""What items are divided by: their artists, their albums, a column of their table."""

from __future__ import annotations

import os
from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from musicu.artists import album_key, group_key, main_artist
from musicu.errors import MetadataError, MusicuError
from musicu.items.comparable import COMPARABLE
from musicu.items.item import Items
from musicu.items.sources import Source
from musicu.items.tables import Table

__all__ = ["described", "group_items", "read_folds"]

Bools = NDArray[np.bool_]

_COMPARED = tuple(name for field in COMPARABLE.values() for name in field.reads)


def described(items: Items) -> Bools:
    """Tell of which items anything is known that can be compared: audio, or at least one field."""
    written = [
        any(getattr(item.metadata, name) for name in _COMPARED)
        or any(name != "duration" for name in item.descriptors)
        for item in items
    ]
    known: Bools = items.heard | np.array(written, dtype=np.bool_)
    return known


def group_items(items: Items, by: str) -> NDArray[np.intp]:
    """Give each main artist, or each album, a number; see :mod:`musicu.artists`.

    Parameters
    ----------
    items : Items
    by : {"artist", "album"}
        What may not be divided.

    Returns
    -------
    np.ndarray [shape=(n,), intp]
        A number an item. An item whose artist is not known is with its album's other ones
        (:func:`musicu.artists.group_key`): of a compilation, one track tells of another. Items of
        which neither is known are groups of their own.

    Raises
    ------
    MusicuError
        There is no such group, or no item names its own.
    """
    if by not in ("artist", "album"):
        raise MusicuError(f"items cannot be grouped by {by!r}: by 'artist' or by 'album' they can")
    named, grouped = (main_artist, group_key) if by == "artist" else (album_key, album_key)
    if not any(named(item.metadata) for item in items):
        raise MusicuError(
            f"no item names its {by}, so whole {by}s cannot be held out: add that field, or give "
            "folds"
        )
    number: dict[Hashable, int] = {}
    keys = (grouped(item.metadata) or (item.id,) for item in items)
    return np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.intp)


def read_folds(path: str | os.PathLike[str], source: Source, column: str) -> tuple[str | None, ...]:
    """Read folds from the table that items came from.

    Parameters
    ----------
    path : str or path-like
        The table.
    source : Source
        What :func:`musicu.items.sources.read_items` returned for it.
    column : str
        The column of folds; items without a value are never new.

    Returns
    -------
    tuple of (str or None)
        One an item.

    Raises
    ------
    MetadataError
        There is no such column, or the table cannot be read.
    """
    table = Table.open(path, lambda title: title == column or title in source.columns)
    if column not in table.columns:
        found = ", ".join(map(repr, table.columns))
        raise MetadataError(f"{table.path}: there is no column {column!r}; columns found: {found}")
    # One row an item, in the items' order.
    cells = (cell for _, (cell,) in table.rows([column]))
    return tuple(None if cell in (None, "") else str(cell) for cell in cells)
