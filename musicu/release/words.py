"""What two tracks have in common, in words."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable

from musicu.items.fields import artists_of, genres_of, key_of, tags_of, tempo_of
from musicu.items.genres import canonical
from musicu.items.item import Item
from musicu.names import normalize_name

__all__ = ["own_names", "shared_words"]

_TEMPO = 1.06
_MOST = 4  # names of one kind


def shared_words(
    one: Item, other: Item, *, heard: Collection[str] = (), also_heard: Collection[str] = ()
) -> tuple[str, ...]:
    """Say what two tracks have in common, as one would to somebody who knows neither.

    Parameters
    ----------
    one, other : Item
        The tracks; words are spelled as the first one has them.
    heard, also_heard : collection of str
        What the model hears in them.

    Returns
    -------
    tuple of str
        Short phrases: ``"same artist: Alba"``, ``"both folk"``, ``"96 and 99 BPM"``.
    """
    found: list[str] = []
    a, b = one.metadata, other.metadata
    artists = artists_of(one).keys() & artists_of(other).keys()
    if names := [n for n in a.artists or (a.artist or "",) if normalize_name(n) in artists]:
        found.append(f"same artist: {', '.join(names[:_MOST])}")
    if a.label and b.label and normalize_name(a.label) == normalize_name(b.label):
        found.append(f"same label: {a.label}")
    found += _genres(one, other)
    tags = tags_of(other)
    if both := [tag for tag in a.tags if canonical(tag) in tags]:
        found.append(f"both tagged {', '.join(both[:_MOST])}")
    if both := [tag for tag in heard if tag in also_heard]:
        found.append(f"both sound {_listed(both[:_MOST])}")
    found += _tempo(tempo_of(one), tempo_of(other))
    if not math.isnan(key_of(one)[0]) and key_of(one) == key_of(other):
        found.append(f"same key: {a.key or one.descriptors.get('key')}")
    if a.year and b.year and abs(a.year - b.year) <= 2:
        found.append(f"both of {a.year}" if a.year == b.year else f"of {a.year} and {b.year}")
    for what in ("country", "language"):
        if (value := getattr(a, what)) and value == getattr(b, what):
            found.append(f"same {what}: {value}")
    return tuple(found)


def _genres(one: Item, other: Item) -> list[str]:
    theirs = {canonical(genre) for genre in other.metadata.genres}
    if same := [genre for genre in one.metadata.genres if canonical(genre) in theirs]:
        return [f"both {', '.join(same[:_MOST])}"]
    mine, also = genres_of(one), genres_of(other)
    related = sorted(mine.keys() & also.keys(), key=lambda name: -mine[name] * also[name])
    return [f"both kinds of {related[0]}"] if related else []


def _tempo(one: float, other: float) -> list[str]:
    if math.isnan(one) or math.isnan(other):
        return []
    if max(one, other) / min(one, other) > _TEMPO:
        return []
    return [f"{one:.0f} and {other:.0f} BPM"]


def own_names(item: Item) -> frozenset[str]:
    """Return an item's artists by all their names; "various artists" are nobody."""
    return frozenset(artists_of(item))


def _listed(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
