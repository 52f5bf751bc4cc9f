"""What two items share in one field, as a phrase; an empty one where they share nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from musicu.items.field_readers import (
    artists_of,
    fraction_of_year,
    genres_of,
    key_of,
    names_in,
    number_in,
    tags_of,
    tempo_of,
)
from musicu.items.item import Item
from musicu.metadata.artists import credited_artists, named_artists
from musicu.metadata.field_spec import Field
from musicu.metadata.genres import KNOWN, canonical
from musicu.metadata.names import normalize_name

__all__ = [
    "Phrase",
    "same_artists",
    "same_genres",
    "same_tags",
    "same_values",
    "similar_keys",
    "similar_tempos",
    "similar_years",
]

Phrase = Callable[[Item, Item], str]

_MOST = 3  # names in one phrase
_YEARS = 3
_NEAR = math.log2(1.04)  # tempos within 4 %, octaves apart or not
_MAJOR = "C G D A E B F# Db Ab Eb Bb F".split()
_MINOR = "A E B F# C# G# Eb Bb F C G D".split()


def same_genres(a: Item, b: Item) -> str:
    """Say ``"both house, techno"`` or ``"both kinds of jazz"``."""
    own, other = genres_of(a), genres_of(b)
    shared = _shared(own, other)
    written = _spelled(a.metadata.genres)
    same = [name for name in shared if own[name] == other[name] == 1.0][:_MOST]
    if same:
        return "both " + ", ".join(written.get(name, name) for name in same)
    return f"both kinds of {shared[0]}" if shared else ""


def same_tags(a: Item, b: Item) -> str:
    """Say ``"both tagged calm, piano"``."""
    written = _spelled(a.metadata.tags)
    shared = _shared(tags_of(a), tags_of(b))[:_MOST]
    return "both tagged " + ", ".join(written.get(name, name) for name in shared) if shared else ""


def same_artists(a: Item, b: Item) -> str:
    """Say ``"the same artist: Alba"``, but not of two who are known to be others of one name."""
    own, other = a.metadata, b.metadata
    if own.mb_artists and other.mb_artists and not set(own.mb_artists) & set(other.mb_artists):
        return ""
    written = named_artists(own.album_artist or "") | credited_artists(own)
    shared = [written[x] for x in _shared(artists_of(a), artists_of(b)) if x in written]
    return "the same artist: " + ", ".join(shared[:_MOST]) if shared else ""


def same_values(field: Field) -> Phrase:
    """Return what says of any field that its values are the same: ``"the same label: Stone"``."""

    def phrase(a: Item, b: Item) -> str:
        value = getattr(a.metadata, field.name)
        if field.kind == "number":
            same = [f"{value:g}"] if number_in(a, field) == number_in(b, field) else []
        else:
            written = {normalize_name(name): name for name in reversed(_texts(value))}
            shared = _shared(names_in(a, field), names_in(b, field))
            same = [written[name] for name in shared][:_MOST]
        return f"the same {field.name.replace('_', ' ')}: {', '.join(same)}" if same else ""

    return phrase


def similar_years(a: Item, b: Item) -> str:
    """Say ``"both from 2019"`` or ``"2019 and 2020"``."""
    first, second = fraction_of_year(a), fraction_of_year(b)
    if not abs(first - second) <= _YEARS:  # which NaN is not, either
        return ""
    same = int(first) == int(second)
    return f"both from {int(first)}" if same else f"{int(first)} and {int(second)}"


def similar_tempos(a: Item, b: Item) -> str:
    """Say ``"122 and 124 BPM"``; octaves count as the same."""
    first, second = tempo_of(a), tempo_of(b)
    apart = math.log2(first / second)
    if math.isnan(apart) or abs(apart - round(apart)) > _NEAR:
        return ""
    same = round(first) == round(second)
    return f"both {first:.0f} BPM" if same else f"{first:.0f} and {second:.0f} BPM"


def similar_keys(a: Item, b: Item) -> str:
    """Say ``"both in A minor"`` or ``"related keys: A minor and C major"``."""
    (first, major), (second, other_major) = key_of(a), key_of(b)
    if math.isnan(first) or math.isnan(second):
        return ""
    named = _key_name(first, major), _key_name(second, other_major)
    if named[0] == named[1]:
        return f"both in {named[0]}"
    steps = abs(first - second)
    related = min(steps, 12 - steps) + (major != other_major) <= 1
    return f"related keys: {named[0]} and {named[1]}" if related else ""


def _shared(a: Mapping[str, float], b: Mapping[str, float]) -> list[str]:
    both = a.keys() & b.keys()
    return sorted(both, key=lambda name: (-a[name] * b[name], name))


def _spelled(names: Sequence[str]) -> dict[str, str]:
    """Return how names are written that the table of genres does not spell."""
    spelled = {canonical(name): name for name in reversed(names)}
    return {name: text for name, text in spelled.items() if name not in KNOWN}


def _texts(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value or ()


def _key_name(place: float, major: float) -> str:
    return f"{_MAJOR[int(place)]} major" if major else f"{_MINOR[int(place)]} minor"
