"""Small worlds of listeners and items in which it is known who likes what."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata
from musicu.recommend.interactions import Interactions

DAY = 86_400.0
NOW = 1_700_000_000.0
DIM = 12  # of the audio
GENRES = ("House", "Metal", "Jazz", "Folk")
PER_ARTIST = 4
N_ITEMS = 96
N_USERS = 60
NEW = 8  # the last items, two artists, are new

Floats = NDArray[np.float32]


def group(item: int) -> int:
    """Tell the group of an item: that of its artist."""
    return item // PER_ARTIST % len(GENRES)


def sound(of: int, seed: int) -> Floats:
    """Return an embedding that is near those of a group."""
    rng = np.random.default_rng([7, seed])
    center = np.random.default_rng([3, of]).standard_normal(DIM)
    return np.asarray(center + 0.6 * rng.standard_normal(DIM), dtype=np.float32)


def item(number: int, **changes: Any) -> Item:
    """Return an item as it is in the world, with some other metadata."""
    artist = f"Artist {number // PER_ARTIST}"
    about: dict[str, Any] = {
        "title": f"Song {chr(97 + number % 26)}{chr(97 + number // 26)}",
        "artist": artist,
        "artists": (artist,),
        "album": f"Album {number // 2}",
        "genres": (GENRES[group(number)],),
        "year": 1980.0 + number % 40,
    }
    return Item(f"item {number}", Metadata(**(about | changes)))


def items(n: int = N_ITEMS) -> Items:
    """Return all items of the world."""
    return Items([item(i) for i in range(n)], np.stack([sound(group(i), i) for i in range(n)]))


def log(
    *, users: int = N_USERS, seed: int = 0, popular: float = 1.0, new: int = NEW
) -> Interactions:
    """Return who played what: mostly a listener's own group, popular items more often.

    Listener u's group is u modulo 4; the last `new` items are played by nobody.
    """
    rng = np.random.default_rng(seed)
    old = N_ITEMS - new
    same = np.arange(users)[:, None] % len(GENRES) == np.array([group(i) for i in range(old)])
    fame = np.random.default_rng(1).permutation(np.linspace(0.4, 1, old)) ** popular
    heard = rng.random((users, old)) < np.where(same, 0.5, 0.04) * fame
    for i in np.flatnonzero(~heard.any(axis=0)).tolist():
        heard[group(i), i] = True
    user, played = np.nonzero(heard)
    return Interactions(
        [f"listener-{u:03d}-of-{users}" for u in range(users)],
        [f"item {i}" for i in range(old)],
        user,
        played,
        rng.integers(1, 20, len(user)),
        NOW - DAY * rng.uniform(0, 60, len(user)),
    )
