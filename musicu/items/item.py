"""An item: a track, or an artist, as recommendation sees it: what is known, and what is heard."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.errors import MetadataError
from musicu.metadata.fields import Metadata

__all__ = ["Item", "Items"]

Floats = NDArray[np.float32]

_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Item:
    """What is known about one thing that can be recommended.

    Parameters
    ----------
    id : str
        Its name among the items: a catalog's track id, a path, an ISRC, an artist's name.
    metadata : Metadata
        What is written about it.
    descriptors : mapping of str to object
        What was measured, as :meth:`musicu.Descriptors.to_dict` returns it; may be partial.
    tag_weights : mapping of str to float > 0
        How strongly each of ``metadata.tags`` applies; 1 where nothing is said.
    """

    id: str
    metadata: Metadata = Metadata()
    descriptors: Mapping[str, Any] = field(default_factory=dict)
    tag_weights: Mapping[str, float] = field(default_factory=dict)


class Items(Sequence[Item]):
    """Items in a fixed order, with their audio embeddings where they have one.

    Parameters
    ----------
    items : iterable of Item
        Each id once.
    audio : np.ndarray [shape=(n, dim), float32] or None
        Embeddings, made unit length here; a row of zeros or NaN is an item that was not heard.

    Attributes
    ----------
    ids : tuple of str
    audio : np.ndarray [shape=(n, dim), float32]
        Unit rows; zeros where not heard. ``dim`` is 0 where nothing was.
    heard : np.ndarray [shape=(n,), bool]

    Raises
    ------
    MetadataError
        An id comes twice, or the embeddings are not one row an item.
    """

    def __init__(self, items: Iterable[Item], audio: Floats | None = None) -> None:
        self._items = tuple(items)
        self.ids = tuple(item.id for item in self._items)
        self._position = {id: i for i, id in enumerate(self.ids)}
        if len(self._position) != len(self.ids):
            twice = next(id for i, id in enumerate(self.ids) if self._position[id] != i)
            raise MetadataError(f"item {twice!r} is there twice: keep one")
        found = np.zeros((len(self), 0)) if audio is None else np.asarray(audio)
        if found.ndim != 2 or len(found) != len(self):
            raise MetadataError(
                f"embeddings of shape {found.shape} do not fit {len(self):,} items: one row an item"
            )
        rows: Floats = np.nan_to_num(found, nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)
        # What is of unit length already stays bit for bit: items are copied many times.
        self.audio = unit_rows(rows, tolerance=_ROUNDING)
        self.heard = np.asarray(self.audio.any(axis=1))

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        heard = f"{int(self.heard.sum()):,} heard, {self.audio.shape[1]} dimensions"
        return f"Items({len(self):,}, {heard})"

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __getitem__(self, position: Any) -> Any:
        """Return the item at a position; a slice gives :class:`Items`."""
        if isinstance(position, slice):
            return self.take(range(len(self))[position])
        return self._items[position]

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self.find(id) is not None

    def find(self, id: str) -> int | None:
        """Return the position of an id, None if there is none."""
        return self._position.get(id)

    def position(self, id: str) -> int:
        """Return where an id stands.

        Raises
        ------
        MetadataError
            There is no such item.
        """
        at = self.find(id)
        if at is None:
            raise MetadataError(f"no item {id!r} among the {len(self):,} that are known")
        return at

    def take(self, positions: Iterable[int]) -> Items:
        """Return the items at some positions, in that order."""
        chosen = list(positions)
        return Items((self[i] for i in chosen), self.audio[chosen])

    def extended(self, others: Items) -> Items:
        """Return these items with others after them.

        Raises
        ------
        MetadataError
            An id is in both, or both were heard, by models of different dimensions.
        """
        width = max(self.audio.shape[1], others.audio.shape[1])
        audio = np.zeros((len(self) + len(others), width), dtype=np.float32)
        for part, rows in ((self, audio[: len(self)]), (others, audio[len(self) :])):
            if part.audio.shape[1] not in (0, width):
                raise MetadataError(
                    f"embeddings of {part.audio.shape[1]} and of {width} dimensions cannot stand "
                    "side by side: use one model for all items"
                )
            rows[:, : part.audio.shape[1]] = part.audio
        return Items([*self, *others], audio)
