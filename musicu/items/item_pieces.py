"""Items that are not all in memory, or stand in pieces: read, and added to, without a copy."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.items.item import Item, Items
from musicu.items.stored_names import StoredNames
from musicu.metadata.fields import Metadata
from musicu.row_pieces import gathered, joined_lengths

__all__ = ["JoinedItems", "StoredItems", "item_row"]

Floats = NDArray[np.float32]

_KEPT = 1 << 16  # items that stay read


class StoredItems(Items):
    """Items of a file of JSON lines, each read when it is asked for.

    Parameters
    ----------
    names : StoredNames
        Their ids as they were stored.
    lines : np.ndarray [shape=(bytes,), uint8]
        What :func:`item_row` returned of each, as JSON, one a line.
    ends : np.ndarray [shape=(n + 1,), int64]
        Where each line begins, and the one before ends.
    audio : np.ndarray [shape=(n, dim), float32]
        Unit rows; zeros where not heard.
    heard : np.ndarray [shape=(n,), bool]
    renamed : mapping of int to str
        Ids that are others today, by position.

    Raises
    ------
    MetadataError
        The parts do not fit each other.
    """

    def __init__(
        self,
        names: StoredNames,
        lines: NDArray[np.uint8],
        ends: NDArray[np.int64],
        audio: Floats,
        heard: NDArray[np.bool_],
        renamed: Mapping[int, str] | None = None,
    ) -> None:
        n = len(names)
        if not n == len(ends) - 1 == len(audio) == len(heard) or len(lines) != ends[-1]:
            raise MetadataError("items, their ids and their vectors do not belong together")
        self.audio, self.heard = audio, heard
        self._names, self._lines, self._ends = names, lines, ends
        self._renamed = dict(renamed or {})
        self._today = {id: at for at, id in self._renamed.items()}
        self._read: OrderedDict[int, Item] = OrderedDict()

    def __len__(self) -> int:
        return len(self._names)

    @cached_property
    def ids(self) -> tuple[str, ...]:  # type: ignore[override]
        """All ids, made when they are first asked for."""
        ids = list(self._names.all())
        for at, id in self._renamed.items():
            ids[at] = id
        return tuple(ids)

    def id_at(self, position: int) -> str:
        """Return one id, without making all."""
        return self._renamed.get(position) or str(self._names[position])

    def __iter__(self) -> Iterator[Item]:
        return (self._parsed(at) for at in range(len(self)))

    def __getitem__(self, position: Any) -> Any:
        """Return the item at a position; a slice gives :class:`Items`."""
        if isinstance(position, slice):
            return self.take(range(len(self))[position])
        at = range(len(self))[position]
        item = self._read.get(at)
        if item is None:
            item = self._read[at] = self._parsed(at)
            if len(self._read) > _KEPT:
                self._read.popitem(last=False)
        return item

    def _parsed(self, at: int) -> Item:
        start, end = self._ends[at : at + 2].tolist()
        try:
            row = json.loads(self._lines[start:end].tobytes().decode(errors="surrogateescape"))
            about = Metadata.from_dict(row["metadata"])
            return Item(self.id_at(at), about, row["descriptors"], row["tag_weights"])
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise MetadataError(f"item {at:,} cannot be read, it is damaged: {error}") from None

    def find(self, id: str) -> int | None:
        """Return the position of an id, None if there is none."""
        at = self._today.get(id)
        if at is not None:
            return at
        at = self._names.get(id)
        return None if at in self._renamed else at

    def extended(self, others: Items) -> Items:
        """Return these items with others after them; see :meth:`Items.extended`."""
        return JoinedItems([self]).extended(others)


class JoinedItems(Items):
    """Items in pieces that are read like one.

    Parameters
    ----------
    pieces : sequence of Items
        At least one; those that are in pieces themselves lend theirs. No id is in two of them.
        Vectors are of one dimension, or of none.

    Examples
    --------
    >>> more = JoinedItems([Items([Item("a")])]).extended(Items([Item("b")]))
    >>> more.ids, more.position("b"), more[1].id
    (('a', 'b'), 1, 'b')
    """

    def __init__(self, pieces: Sequence[Items]) -> None:
        parts = (p.pieces if isinstance(p, JoinedItems) else (p,) for p in pieces)
        self.pieces: tuple[Items, ...] = tuple(piece for own in parts for piece in own)
        self._starts = np.cumsum([0, *map(len, self.pieces)])
        self._width = max(piece.audio.shape[1] for piece in self.pieces)

    def __len__(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def ids(self) -> tuple[str, ...]:  # type: ignore[override]
        """All ids, made when they are first asked for."""
        return tuple(id for piece in self.pieces for id in piece.ids)

    @cached_property
    def audio(self) -> Floats:  # type: ignore[override]
        """All embeddings as one array, made when they are first asked for."""
        return np.concatenate(self._wide())

    @cached_property
    def heard(self) -> NDArray[np.bool_]:  # type: ignore[override]
        """Which were heard [shape=(n,), bool]."""
        return np.concatenate([piece.heard for piece in self.pieces])

    def _wide(self) -> list[Floats]:
        """Return each piece's embeddings, those of what was not heard as wide as the others."""
        wide = [piece.audio for piece in self.pieces]
        return [
            part
            if part.shape[1] == self._width
            else np.zeros((len(part), self._width), dtype=np.float32)
            for part in wide
        ]

    def __iter__(self) -> Iterator[Item]:
        return (item for piece in self.pieces for item in piece)

    def __getitem__(self, position: Any) -> Any:
        """Return the item at a position; a slice gives :class:`Items`."""
        if isinstance(position, slice):
            return self.take(range(len(self))[position])
        at = range(len(self))[position]
        of = int(np.searchsorted(self._starts, at, side="right")) - 1
        return self.pieces[of][at - int(self._starts[of])]

    def find(self, id: str) -> int | None:
        """Return the position of an id, None if there is none."""
        for piece, start in zip(self.pieces, self._starts.tolist(), strict=False):
            if (at := piece.find(id)) is not None:
                return int(start + at)
        return None

    def take(self, positions: Iterable[int]) -> Items:
        """Return the items at some positions, in that order."""
        at = np.array([range(len(self))[i] for i in positions], dtype=np.intp)
        items = (self[i] for i in at.tolist())
        return Items(items, gathered(self._wide(), self._starts, at))

    def extended(self, others: Items) -> Items:
        """Return these items with others after them; see :meth:`Items.extended`."""
        if twice := next((id for id in others.ids if self.find(id) is not None), None):
            raise MetadataError(f"item {twice!r} is there twice: keep one")
        width = others.audio.shape[1]
        if len({0, self._width, width}) > 2:
            raise MetadataError(
                f"embeddings of {self._width} and of {width} dimensions cannot stand "
                "side by side: use one model for all items"
            )
        pieces: list[Items] = []
        parts, first = [*self.pieces, others], 0
        for count in joined_lengths([*map(len, parts)]):
            own = parts[first : first + count]
            pieces.append(own[0] if count == 1 else _one(own))
            first += count
        return JoinedItems(pieces)


def item_row(item: Item) -> dict[str, Any]:
    """Return an item as what JSON can hold; its embedding stands elsewhere."""
    return {
        "id": item.id,
        "metadata": item.metadata.to_dict(),
        "descriptors": dict(item.descriptors),
        "tag_weights": dict(item.tag_weights),
    }


def _one(pieces: Sequence[Items]) -> Items:
    joined = JoinedItems(pieces)
    return Items(joined, joined.audio)
