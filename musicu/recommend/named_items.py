"""Items found by artist and title, as players write them down: the way of listening exports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from musicu.errors import RecommenderError
from musicu.items.item import Item, Items
from musicu.items.titles import song_title
from musicu.metadata.artists import artist_keys, named_artists
from musicu.metadata.fields import Metadata
from musicu.metadata.names import normalize_name
from musicu.recommend.listening_exports import Listen

__all__ = ["MatchedListens", "NamedItems", "match_listens"]


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


class NamedItems:
    """Items by their artists and titles.

    Parameters
    ----------
    items : Items
    """

    def __init__(self, items: Items) -> None:
        self._by_recording: dict[str, Item] = {}
        self._by_title: dict[tuple[str, str], list[Item]] = {}
        self._by_song: dict[tuple[str, str], list[Item]] = {}
        for item in items:
            about = item.metadata
            if about.mb_recording:
                self._by_recording.setdefault(about.mb_recording, item)
            if not about.title:
                continue
            song = song_title(item)
            for artist in artist_keys(about):
                self._by_title.setdefault((artist, normalize_name(about.title)), []).append(item)
                if song:
                    self._by_song.setdefault((artist, song), []).append(item)

    def find(self, listen: Listen) -> str | None:
        """Return the id of the item that was listened to; None if it is none of them.

        By MusicBrainz's recording; else by one of the artists and the title, as
        :func:`musicu.metadata.names.normalize_name` spells them; else by the song, another version
        of which it may be (:func:`musicu.items.titles.song_title`). Of several, the one on an album
        of the same name, else the first.
        """
        if listen.recording in self._by_recording:
            return self._by_recording[listen.recording].id
        artists, title = named_artists(listen.artist), normalize_name(listen.title)
        found = [one for a in artists for one in self._by_title.get((a, title), ())]
        if not found:
            song = song_title(Item("", Metadata(title=listen.title, artist=listen.artist)))
            found = [one for a in artists for one in self._by_song.get((a, song or ""), ())]
        if not found:
            return None
        album = normalize_name(listen.album)
        same = (one for one in found if normalize_name(one.metadata.album or "") == album)
        return next(same, found[0]).id


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
            meant[key] = names.find(listen)
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
