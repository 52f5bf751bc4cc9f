"""What there is to browse: the artists, albums, genres and new arrivals of a snapshot."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from musicu.errors import CatalogError
from musicu.metadata.artists import named_artists
from musicu.metadata.names import fold_text

__all__ = ["SHELVES", "Group", "Shelf", "Shelves"]

Card = dict[str, Any]

# Kinds of groups, by the name of the attribute of `Shelves` that lists them.
Shelf = Literal["albums", "artists", "genres", "new"]
SHELVES: Final[tuple[str, ...]] = get_args(Shelf)
_NUMBERS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Group:
    """Tracks that belong together.

    Attributes
    ----------
    key : str
        What it goes by, among the groups of its kind and of this snapshot.
    name : str
        As it is written most often.
    artist : str or None
        Of an album: whose it is; None where that are several.
    year : int or None
        Of an album: the earliest of its tracks.
    positions : tuple of int
        Its tracks, in the order in which they are to be listed.
    """

    key: str
    name: str
    artist: str | None
    year: int | None
    positions: tuple[int, ...]


class Shelves:
    """The groups of a snapshot's tracks; each kind is made when it is first asked for.

    Parameters
    ----------
    cards : sequence of bytes
    artists : sequence of tuple of int
    albums : np.ndarray [shape=(n,), int32]
        As in :class:`musicu.search.snapshot.Snapshot`.
    """

    def __init__(
        self, cards: Sequence[bytes], artists: Sequence[tuple[int, ...]], albums: NDArray[np.int32]
    ) -> None:
        self._raw = cards
        self._artists = artists
        self._albums = albums.tolist()

    @cached_property
    def _cards(self) -> list[Card]:
        return [json.loads(card) for card in self._raw]

    def groups(self, kind: str) -> tuple[Group, ...]:
        """Return the groups of a kind, one of :data:`SHELVES`, in the order of the shelf."""
        found: tuple[Group, ...] = getattr(self, kind)
        return found

    def group(self, kind: str, key: str) -> Group:
        """Return the group of a kind that goes by a key.

        Raises
        ------
        CatalogError
            There is none.
        """
        for one in self.groups(kind):
            if one.key == key:
                return one
        raise CatalogError(f"{key}: there is nothing of that name among the {kind}")

    @cached_property
    def artists(self) -> tuple[Group, ...]:
        """Artists by name, with all tracks that credit them."""
        members: dict[int, list[int]] = defaultdict(list)
        names: dict[int, Counter[str]] = defaultdict(Counter)
        for at, codes in enumerate(self._artists):
            credited = list(named_artists(self._cards[at]["artist"] or "").values())
            for place, code in enumerate(codes):
                members[code].append(at)
                if len(credited) == len(codes):
                    names[code][credited[place]] += 1
        named = {code: _commonest(found) for code, found in names.items()}
        groups = [
            Group(fold_text(name), name, None, None, self._by_album(members[code]))
            for code, name in named.items()
        ]
        return tuple(sorted(_distinct(groups), key=lambda group: group.key))

    @cached_property
    def albums(self) -> tuple[Group, ...]:
        """Albums by name."""
        groups = [group for group in self._together() if self._albums[group.positions[0]] >= 0]
        return tuple(sorted(groups, key=lambda group: (fold_text(group.name), group.key)))

    @cached_property
    def genres(self) -> tuple[Group, ...]:
        """Genres, those with the most tracks first."""
        members: dict[str, list[int]] = defaultdict(list)
        names: dict[str, Counter[str]] = defaultdict(Counter)
        for at, card in enumerate(self._cards):
            for key, name in {fold_text(name): name for name in card["genres"]}.items():
                members[key].append(at)
                names[key][name] += 1
        groups = [
            Group(key, _commonest(names[key]), None, None, tuple(members[key])) for key in members
        ]
        return tuple(sorted(groups, key=lambda group: (-len(group.positions), group.key)))

    @cached_property
    def new(self) -> tuple[Group, ...]:
        """Albums, and tracks without one, by when the last of their tracks came: newest first."""
        return tuple(sorted(self._together(), key=lambda group: -max(group.positions)))

    def _together(self) -> Iterable[Group]:
        """Return a group for each album, and for each track without one."""
        members: dict[Hashable, list[int]] = defaultdict(list)
        for at, album in enumerate(self._albums):
            members[album if album >= 0 else (at,)].append(at)
        for own in members.values():
            first = self._cards[own[0]]
            whose = {self._artists[at][:1] for at in own}
            years = [self._cards[at]["year"] for at in own if self._cards[at]["year"]]
            names = Counter(self._cards[at]["album"] for at in own if self._albums[at] >= 0)
            names.pop(None, None)  # an album may be told by its identifier alone
            yield Group(
                first["id"],
                _commonest(names) if names else first["title"] or first["file"].rpartition(".")[0],
                first["artist"] if len(whose) == 1 else None,
                min(years, default=None),
                self._by_album(own),
            )

    def _by_album(self, positions: Iterable[int]) -> tuple[int, ...]:
        """Order tracks by year, album and the numbers and names of their files."""

        def place(at: int) -> tuple[Any, ...]:
            card = self._cards[at]
            parts = _NUMBERS.split(fold_text(card["file"]))
            # Texts and numbers take turns, so that like is compared with like.
            name = [int(part) if part.isdecimal() else part for part in parts]
            return card["year"] or 9999, fold_text(card["album"] or ""), name

        return tuple(sorted(positions, key=place))


def _commonest(names: Counter[str]) -> str:
    """Return the name that is written most often; of equals, the first by letters."""
    return min(names, key=lambda name: (-names[name], name))


def _distinct(groups: Iterable[Group]) -> Iterable[Group]:
    """Keep the larger of two groups of one key: two ways to write what folds to one text."""
    kept: dict[str, Group] = {}
    for group in groups:
        other = kept.get(group.key)
        if other is None or len(group.positions) > len(other.positions):
            kept[group.key] = group
    return kept.values()
