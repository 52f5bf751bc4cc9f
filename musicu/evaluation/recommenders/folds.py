"""What items are divided by: their artists, their albums."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.items.comparable import COMPARABLE
from musicu.items.item import Items
from musicu.metadata.artists import album_key, group_key, main_artist

__all__ = ["described", "group_items"]

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
    """Give each main artist, or each album, a number; see :mod:`musicu.metadata.artists`.

    Parameters
    ----------
    items : Items
    by : {"artist", "album"}
        What may not be divided.

    Returns
    -------
    np.ndarray [shape=(n,), intp]
        A number an item. An item whose artist is not known is with its album's other ones
        (:func:`musicu.metadata.artists.group_key`): of a compilation, one track tells of another.
        Items of which neither is known are groups of their own.

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
