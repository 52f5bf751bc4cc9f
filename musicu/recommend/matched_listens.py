"""Listening exports as logs: what was listened to, found among items by artist and title."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from musicu.errors import RecommenderError
from musicu.items.item import Items
from musicu.items.named_items import NamedItems
from musicu.recommend.listening_exports import Listen

__all__ = ["MatchedListens", "match_listens"]


@dataclass(frozen=True)
class MatchedListens:
    """Listens as a log, and what of them is no item.

    Attributes
    ----------
    user, item : list of str
        Whose listen, to which item, by its id.
    time : list of float or None
        When; None where any of them has no time.
    listens, tracks : int
        How many there were, and of how many different tracks.
    unknown : Counter of (str, str)
        Artists and titles that are no item, with how often they were listened to.
    """

    user: list[str]
    item: list[str]
    time: list[float] | None
    listens: int
    tracks: int
    unknown: Counter[tuple[str, str]] = field(repr=False)

    def columns(self) -> dict[str, list[str] | list[float]]:
        """Return a table for :func:`musicu.read_interactions`."""
        table: dict[str, list[str] | list[float]] = {"user": self.user, "item": self.item}
        return table if self.time is None else table | {"time": self.time}

    def summary(self) -> str:
        """Say in one line how much of it was matched."""
        known = self.tracks - len(self.unknown)
        text = f"{len(self.item):,} of {self.listens:,} listens, "
        text += f"to {known:,} of {self.tracks:,} tracks"
        if not self.unknown:
            return f"matched {text}"
        ((artist, title), count) = self.unknown.most_common(1)[0]
        return f"matched {text}; most heard of the others: {artist} - {title} ({count:,})"


def match_listens(listens: Iterable[Listen], items: Items, *, source: str) -> MatchedListens:
    """Find the items of listens; what is none of them is left out, and counted.

    Parameters
    ----------
    listens : iterable of Listen
    items : Items
    source : str
        What an error calls the export.

    Raises
    ------
    RecommenderError
        Nothing was listened to that is an item.
    """
    names = NamedItems(items)
    meant: dict[tuple[str, str, str, str], str | None] = {}
    unknown: Counter[tuple[str, str]] = Counter()
    tracks: set[tuple[str, str]] = set()
    user, item, time = list[str](), list[str](), list[float | None]()
    count = 0
    for listen in listens:
        count += 1
        key = listen.artist, listen.title, listen.album, listen.recording
        if key not in meant:
            meant[key] = names.find(*key)
        tracks.add(key[:2])
        if (id := meant[key]) is None:
            unknown[key[:2]] += 1
            continue
        user.append(listen.user)
        item.append(id)
        time.append(listen.time)
    if not item:
        raise RecommenderError(
            f"{source}: none of {len(tracks):,} tracks that were listened to is among the "
            f"{len(items):,} items, by artist and title"
        )
    known = [at for at in time if at is not None]
    times = known if len(known) == len(time) else None
    return MatchedListens(user, item, times, count, len(tracks), unknown)
