"""What is known of the items of sessions: artist, tags, and audio where it was heard.

All of it is known of an item that nobody has played yet, and none of it is learned from plays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicu.items.field_encoders import CategoricalEncoder
from musicu.items.field_readers import tags_of
from musicu.items.item import Item, Items
from musicu.items.table import read_items
from musicu.items.vectors import join_vectors, read_vectors
from musicu.metadata.artists import artist_key, main_artist
from musicu.metadata.fields import Metadata
from musicu.metadata.tables import Table
from musicu.sequences.plays import Plays

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Contents", "read_contents", "tag_encoder"]

Floats = NDArray[np.float32]
Positions = NDArray[np.intp]

_RARITY = 1.0  # as in the fusion of all fields
_NAMES = ("track", "track_id", "item", "song")  # that a table of sessions calls its ids


def tag_encoder() -> CategoricalEncoder:
    """Return what turns tags into rows of unit length; rare tags count more."""
    return CategoricalEncoder(tags_of, rarity=_RARITY)


@dataclass(frozen=True)
class Contents:
    """What is known of items, in fixed order.

    Parameters
    ----------
    items : Items
        With their audio vectors, where there are any.
    artists : tuple of str
        The artist's key of each, ``""`` where unknown.
    encoder : CategoricalEncoder, optional
        That knows tags already, from other items; else the tags of these items are what there is.
    """

    items: Items
    artists: tuple[str, ...]
    encoder: CategoricalEncoder | None = None

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return (
            f"Contents({len(self):,} items, {self.artist.max(initial=-1) + 1:,} artists, "
            f"{self.tags.shape[1]:,} tags, {self.items.audio.shape[1]} dimensions of audio)"
        )

    @cached_property
    def artist(self) -> Positions:
        """The number of each item's artist; -1 where unknown."""
        known: dict[str, int] = {}
        return np.array(
            [known.setdefault(key, len(known)) if key else -1 for key in self.artists],
            dtype=np.intp,
        )

    @cached_property
    def tags(self) -> csr_array:
        """Unit rows of tags [n, tags]."""
        return self.fitted_encoder.transform(self.items)

    @cached_property
    def fitted_encoder(self) -> CategoricalEncoder:
        """What knows the tags."""
        if self.encoder is not None:
            return self.encoder
        encoder = tag_encoder()
        encoder.fit(self.items)
        return encoder

    @cached_property
    def by_artist(self) -> csr_array:
        """A one for each item's artist [n, artists]."""
        from scipy.sparse import csr_array

        row = np.flatnonzero(self.artist >= 0)
        shape = (len(self), max(int(self.artist.max(initial=-1)) + 1, 1))
        return csr_array((np.ones(len(row), np.float32), (row, self.artist[row])), shape=shape)

    def parts(self) -> dict[str, Any]:
        """Return the vectors [n, width] that likeness is told by, those there are."""
        found: dict[str, Any] = {"tags": self.tags, "artists": self.by_artist}
        if self.items.audio.shape[1]:
            found["audio"] = self.items.audio
        return found

    def take(self, order: Positions) -> Contents:
        """Return some of the items, in an order."""
        artists = tuple(self.artists[at] for at in order)
        return Contents(self.items.take(order), artists, self.encoder)


def read_contents(
    table: Any,
    plays: Plays | None = None,
    *,
    schema: Mapping[str, str] | None = None,
    vectors: str | Path | None = None,
) -> Contents:
    """Read what is known of items, from a table and from the plays.

    Parameters
    ----------
    table : str, path-like, data frame or None
        One row an item, as :func:`musicu.items.table.read_items` reads it; a column ``track``,
        ``track_id``, ``item`` or ``song`` is the id. None: the plays are all that is known.
    plays : Plays, optional
        Their items take part too, described or not, and what the table does not say of an item's
        artist is taken from them.
    schema : mapping of str to str, optional
        What columns hold.
    vectors : str or path-like, optional
        Audio vectors, as :func:`musicu.items.vectors.read_vectors` reads them.

    Returns
    -------
    Contents

    Raises
    ------
    MetadataError
        As :func:`musicu.items.table.read_items`.
    """
    items = Items([])
    if table is not None:
        titles = Table.open(table, _NAMES.__contains__).columns
        named = next((title for title in titles if title in _NAMES), None)
        holds = dict(schema or {})
        if named is not None and "id" not in holds.values() and "id" not in titles:
            holds[named] = "id"
        items = read_items(table, schema=holds).items
    artists = [main_artist(item.metadata) for item in items]
    if plays is not None:
        played = dict(zip(plays.items, plays.artists, strict=True))
        artists = [
            key or artist_key(played.get(item.id, ""))
            for key, item in zip(artists, items, strict=True)
        ]
        more = [id for id in plays.items if items.find(id) is None]
        items = Items([*items, *(Item(id, Metadata(artist=played[id] or None)) for id in more)])
        artists += [artist_key(played[id]) for id in more]
    if vectors is not None:
        items = join_vectors(items, *read_vectors(vectors))
    return Contents(items, tuple(artists))
