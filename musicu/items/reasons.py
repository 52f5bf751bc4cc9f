"""What two items have in common, in plain words: the reasons behind a likeness."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from musicu.artists import credited_artists, named_artists
from musicu.items.fields import (
    artists_of,
    fraction_of_year,
    genres_of,
    key_of,
    one_name,
    tags_of,
    tempo_of,
)
from musicu.items.genres import KNOWN, canonical
from musicu.items.item import Item

__all__ = ["both_sound", "reasons", "words"]

_MOST = 3  # names in one phrase
_MOST_HEARD = 4
_YEARS = 3
_NEAR = math.log2(1.04)  # tempos within 4 %, octaves apart or not
_MAJOR = "C G D A E B F# Db Ab Eb Bb F".split()
_MINOR = "A E B F# C# G# Eb Bb F C G D".split()


def both_sound(one: Collection[str], other: Collection[str]) -> tuple[str, ...]:
    """Say which of a model's words are heard in both, in the order of the first."""
    both = [tag for tag in one if tag in other][:_MOST_HEARD]
    return (f"both sound {', '.join(both)}",) if both else ()


def reasons(a: Item, b: Item) -> dict[str, str]:
    """Return what two items have in common, field by field.

    Parameters
    ----------
    a, b : Item

    Returns
    -------
    dict of str to str
        From fields of :data:`musicu.items.fusion.FIELDS` to phrases: ``"both house"``, ``"the same
        label: Quiet Harbor"``, ``"2019 and 2020"``, ``"122 and 124 BPM"``, ``"related keys: A
        minor and C major"``. Fields without anything in common are left out; audio, loudness,
        sound and text have no words of their own.
    """
    said = {field: tell(a, b) for field, tell in _TELLERS.items()}
    return {field: phrase for field, phrase in said.items() if phrase}


def words(a: Item, b: Item) -> list[str]:
    """Return the phrases of :func:`reasons`."""
    return list(reasons(a, b).values())


def _shared(a: Mapping[str, float], b: Mapping[str, float]) -> list[str]:
    both = a.keys() & b.keys()
    return sorted(both, key=lambda name: (-a[name] * b[name], name))


def _genres(a: Item, b: Item) -> str:
    own, other = genres_of(a), genres_of(b)
    shared = _shared(own, other)
    written = _spelled(a.metadata.genres)
    same = [name for name in shared if own[name] == other[name] == 1.0][:_MOST]
    if same:
        return "both " + ", ".join(written.get(name, name) for name in same)
    return f"both kinds of {shared[0]}" if shared else ""


def _tags(a: Item, b: Item) -> str:
    written = _spelled(a.metadata.tags)
    shared = _shared(tags_of(a), tags_of(b))[:_MOST]
    return "both tagged " + ", ".join(written.get(name, name) for name in shared) if shared else ""


def _spelled(names: Sequence[str]) -> dict[str, str]:
    """Return how names are written that the table of genres does not spell."""
    spelled = {canonical(name): name for name in reversed(names)}
    return {name: text for name, text in spelled.items() if name not in KNOWN}


def _artists(a: Item, b: Item) -> str:
    own, other = a.metadata, b.metadata
    if own.mb_artists and other.mb_artists and not set(own.mb_artists) & set(other.mb_artists):
        return ""  # of one name, but known to be others
    written = named_artists(own.album_artist or "") | credited_artists(own)
    shared = [written[x] for x in _shared(artists_of(a), artists_of(b)) if x in written]
    return "the same artist: " + ", ".join(shared[:_MOST]) if shared else ""


def _one(name: str, read: Callable[[Item], str | None]) -> Callable[[Item, Item], str]:
    def tell(a: Item, b: Item) -> str:
        same = one_name(read(a)).keys() & one_name(read(b)).keys()
        return f"the same {name}: {read(a)}" if same else ""

    return tell


def _year(a: Item, b: Item) -> str:
    first, second = fraction_of_year(a), fraction_of_year(b)
    if not abs(first - second) <= _YEARS:  # which NaN is not, either
        return ""
    same = int(first) == int(second)
    return f"both from {int(first)}" if same else f"{int(first)} and {int(second)}"


def _tempo(a: Item, b: Item) -> str:
    first, second = tempo_of(a), tempo_of(b)
    apart = math.log2(first / second)
    if math.isnan(apart) or abs(apart - round(apart)) > _NEAR:
        return ""
    same = round(first) == round(second)
    return f"both {first:.0f} BPM" if same else f"{first:.0f} and {second:.0f} BPM"


def _key(a: Item, b: Item) -> str:
    (first, major), (second, other_major) = key_of(a), key_of(b)
    if math.isnan(first) or math.isnan(second):
        return ""
    named = _key_name(first, major), _key_name(second, other_major)
    if named[0] == named[1]:
        return f"both in {named[0]}"
    steps = abs(first - second)
    related = min(steps, 12 - steps) + (major != other_major) <= 1
    return f"related keys: {named[0]} and {named[1]}" if related else ""


def _key_name(place: float, major: float) -> str:
    return f"{_MAJOR[int(place)]} major" if major else f"{_MINOR[int(place)]} minor"


_TELLERS: Mapping[str, Callable[[Item, Item], str]] = {
    "genres": _genres,
    "tags": _tags,
    "artists": _artists,
    "label": _one("label", lambda item: item.metadata.label),
    "country": _one("country", lambda item: item.metadata.country),
    "language": _one("language", lambda item: item.metadata.language),
    "year": _year,
    "tempo": _tempo,
    "key": _key,
}
