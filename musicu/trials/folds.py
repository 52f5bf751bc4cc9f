"""What items are divided by: their artists, their albums."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.items.item import Items
from musicu.items.titles import main_artist
from musicu.names import normalize_name

__all__ = ["described", "group_items"]

Bools = NDArray[np.bool_]

# The metadata that items are compared by: all but titles, albums and identifiers.
_COMPARED = (
    *("artist", "artists", "genres", "tags", "label", "country", "language"),
    *("year", "date", "bpm", "key", "description"),
)


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
    """Give each main artist, or each album, a number.

    Parameters
    ----------
    items : Items
    by : {"artist", "album"}
        An album is told by its name and its artist.

    Returns
    -------
    np.ndarray [shape=(n,), intp]
        A number an item; items without one are groups of their own.

    Raises
    ------
    MusicuError
        There is no such group, or no item names its own.
    """
    if by not in ("artist", "album"):
        raise MusicuError(f"items cannot be grouped by {by!r}: by 'artist' or by 'album' they can")
    number: dict[Hashable, int] = {}
    keys: list[Hashable] = []
    for item in items:
        artist, about = main_artist(item), item.metadata
        name = artist
        if by == "album":
            owner = normalize_name(about.album_artist) if about.album_artist else artist
            name = normalize_name(about.album) + "\0" + owner if about.album else ""
        keys.append(name or (item.id,))
    if all(isinstance(key, tuple) for key in keys):
        raise MusicuError(
            f"no item names its {by}, so whole {by}s cannot be held out: add that field, or give "
            "folds"
        )
    return np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.intp)
