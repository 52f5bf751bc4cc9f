"""The checks of a collection's data, each of which yields what it finds, in plain words."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from musicu.artists import album_key, artist_keys
from musicu.errors import MetadataError
from musicu.items.fields import parse_key
from musicu.items.genres import canonical
from musicu.items.item import Item, Items
from musicu.metadata import Metadata
from musicu.names import squash_name

__all__ = [
    "Finding",
    "album_years",
    "contradictions",
    "doubtful",
    "duplicates",
    "gaps",
    "leaks",
    "shared_codes",
    "spellings",
]

# A tempo is right within 4 %, doubled, tripled, halved or not: "Accuracy 2" of Gouyon et al.,
# "An experimental comparison of audio tempo induction algorithms", IEEE TASLP 14, 2006.
_OCTAVES = (1 / 4, 1 / 3, 1 / 2, 1.0, 2.0, 3.0, 4.0)
_TEMPO_TOLERANCE = 0.04
# Below these confidences musicu's own measurement is what is likely wrong.
_SURE_TEMPO, _SURE_KEY = 0.3, 0.3
_BPM_RANGE = (30.0, 300.0)
_FIRST_YEAR = 1900
_ALBUM_YEARS = 2  # an album's tracks may be this far apart
_EXAMPLES = 3

_Groups = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the data that its owner should look at.

    Parameters
    ----------
    kind : str
        What it is: ``"same audio"``, ``"years disagree"``.
    severity : "error", "warning" or "info"
        An error falsifies what is computed from the data; a warning is likely wrong; an info may
        well be right.
    ids : tuple of str
        The items.
    text : str
        One line for people.
    """

    kind: str
    severity: Literal["error", "warning", "info"]
    ids: tuple[str, ...]
    text: str


def duplicates(
    items: Items, audio: _Groups, recordings: _Groups, songs: _Groups
) -> Iterator[Finding]:
    """Yield the groups of one audio, of one recording, of one song; the same group only once."""
    told: set[tuple[int, ...]] = set()
    kinds: tuple[tuple[str, Literal["warning", "info"], _Groups], ...] = (
        ("same audio", "warning", audio),
        ("same recording", "info", recordings),
        ("versions", "info", songs),
    )
    for kind, severity, groups in kinds:
        for members in _members(groups):
            if members not in told:
                told.add(members)
                names = _examples(_name(items[i]) for i in members)
                text = f"{len(members):,} items are {_SAME[kind]}: {names}"
                yield Finding(kind, severity, _ids(items, members), text)


_SAME = {
    "same audio": "the same audio",
    "same recording": "one recording",
    "versions": "one song in versions",
}


def contradictions(items: Items) -> Iterator[Finding]:
    """Yield values that contradict each other, the measurement, or what is likely."""
    for item in items:
        yield from _contradictions(item)


def _contradictions(item: Item) -> Iterator[Finding]:
    about, measured, ids = item.metadata, item.descriptors, (item.id,)
    if about.year and about.date and not about.date.startswith(f"{about.year:04}"):
        text = f"{_name(item)}: the year is {about.year}, the date {about.date}"
        yield Finding("years disagree", "warning", ids, text)
    if about.year and not _FIRST_YEAR <= about.year <= datetime.date.today().year:
        text = f"{_name(item)}: the year is {about.year}"
        yield Finding("strange year", "warning", ids, text)
    if about.bpm and not _BPM_RANGE[0] <= about.bpm <= _BPM_RANGE[1]:
        text = f"{_name(item)}: {about.bpm:g} beats per minute"
        yield Finding("strange bpm", "warning", ids, text)
    tempo = measured.get("tempo")
    if about.bpm and tempo and measured.get("tempo_confidence", 1.0) >= _SURE_TEMPO:
        off = min(abs(about.bpm / (tempo * factor) - 1) for factor in _OCTAVES)
        if off > _TEMPO_TOLERANCE:
            text = f"{_name(item)}: {about.bpm:g} bpm are written, {tempo:.1f} were measured"
            yield Finding("tempos disagree", "warning", ids, text)
    heard = measured.get("key")
    if about.key and heard and measured.get("key_confidence", 1.0) >= _SURE_KEY:
        written, found = parse_key(about.key), parse_key(str(heard))
        # A key and its relative have the same notes: place 0 is C major and A minor.
        if written and found and written[0] != found[0]:
            text = f"{_name(item)}: {about.key} is written as its key, {heard} was heard"
            yield Finding("keys disagree", "info", ids, text)


def doubtful(items: Items) -> Iterator[Finding]:
    """Yield items whose tags do not say in which encoding they are, and whose letters may be wrong.

    Then those of which the path alone tells what they are.
    """
    for item in items:
        if item.metadata.doubtful:
            fields = ", ".join(item.metadata.doubtful)
            text = f"{_name(item)}: the letters of {fields} may be wrong: the encoding is not known"
            yield Finding("doubtful letters", "warning", (item.id,), text)
    guessed = [i for i, item in enumerate(items) if item.metadata.guessed]
    if guessed:
        names = _examples(_name(items[i]) for i in guessed)
        text = f"{len(guessed):,} items have fields that only their path tells: {names}"
        yield Finding("guessed from the path", "info", _ids(items, guessed), text)


def shared_codes(items: Items) -> Iterator[Finding]:
    """Yield ISRCs whose items have no artist in common."""
    by_code: dict[str, list[int]] = defaultdict(list)
    for position, item in enumerate(items):
        about = item.metadata
        if about.isrc and artist_keys(about) and "artist" not in about.guessed:
            by_code[about.isrc].append(position)
    for code, members in by_code.items():
        artists = [set(artist_keys(items[i].metadata)) for i in members]
        if len(members) > 1 and not set.intersection(*artists):
            names = _examples(dict.fromkeys(items[i].metadata.artist or "" for i in members))
            text = f"ISRC {code} is given to several artists: {names}"
            yield Finding("isrc of several artists", "error", _ids(items, members), text)


def spellings(items: Items) -> Iterator[Finding]:
    """Yield artists, labels and genres of several spellings, with the items of the rarer ones."""
    kinds: tuple[tuple[str, Callable[[Metadata], Iterable[str]], Callable[[str], str]], ...] = (
        ("artist", lambda about: about.artists, squash_name),
        ("label", lambda about: (about.label,) if about.label else (), squash_name),
        ("genre", lambda about: about.genres, canonical),
    )
    for kind, names_of, fold in kinds:
        spelled: dict[str, list[int]] = defaultdict(list)
        for position, item in enumerate(items):
            for name in names_of(item.metadata):
                spelled[name].append(position)
        alike: dict[str, list[str]] = defaultdict(list)
        for name in spelled:
            alike[fold(name)].append(name)
        for names in alike.values():
            if len(names) > 1:
                names.sort(key=lambda name: -len(spelled[name]))
                counts = ", ".join(f"{name!r} ({len(spelled[name]):,})" for name in names)
                members = {i: None for name in names[1:] for i in spelled[name]}
                text = f"one {kind}, {len(names)} spellings: {counts}"
                yield Finding(f"{kind} spellings", "info", _ids(items, members), text)


def album_years(items: Items) -> Iterator[Finding]:
    """Yield albums whose tracks are further apart in time than an album is made."""
    by_album: dict[str, list[int]] = defaultdict(list)
    for position, item in enumerate(items):
        if (album := album_key(item.metadata)) and item.metadata.year:
            by_album[album].append(position)
    for members in by_album.values():
        years = sorted({items[i].metadata.year or 0 for i in members})
        if years[-1] - years[0] > _ALBUM_YEARS:
            album = items[members[0]].metadata.album
            text = f"the tracks of {album!r} are from {years[0]} to {years[-1]}"
            yield Finding("album of several years", "info", _ids(items, members), text)


def gaps(items: Items) -> Iterator[Finding]:
    """Yield important fields, and audio, that items lack."""
    known: dict[str, Callable[[Item], object]] = {
        "title": lambda item: item.metadata.title,
        "artist": lambda item: item.metadata.artist,
        "album": lambda item: item.metadata.album,
        "year": lambda item: item.metadata.year,
        "genres": lambda item: item.metadata.genres,
    }
    lacking = {
        field: [i for i, item in enumerate(items) if not value(item)]
        for field, value in known.items()
    }
    lacking["audio"] = np.flatnonzero(~items.heard).tolist()
    for field, members in lacking.items():
        if members:
            share = len(members) / len(items)
            text = f"{field}: missing for {len(members):,} of {len(items):,} items ({share:.1%})"
            severity: Literal["warning", "info"] = "warning" if share > 0.5 else "info"
            yield Finding("missing", severity, _ids(items, members), text)


def leaks(
    items: Items, split: Mapping[str, str], audio: _Groups, songs: _Groups
) -> Iterator[Finding]:
    """Yield what stands on more than one side of a split: audio, songs, albums, artists.

    Raises
    ------
    MetadataError
        The split names no item, or one part only.
    """
    inside = [(i, split[id]) for i, id in enumerate(items.ids) if id in split]
    if len({part for _, part in inside}) < 2:
        raise MetadataError(
            f"the split puts {len(inside):,} of {len(items):,} items in less than two parts: "
            "its ids must be the items'"
        )
    kinds: dict[str, tuple[Literal["error", "warning"], Callable[[int], Iterable[Hashable]]]] = {
        "audio": ("error", lambda i: (int(audio[i]),)),
        "song": ("error", lambda i: (int(songs[i]),)),
        "album": ("warning", lambda i: filter(None, (album_key(items[i].metadata),))),
        "artist": ("warning", lambda i: artist_keys(items[i].metadata)),
    }
    for kind, (severity, keys) in kinds.items():
        found: dict[Hashable, dict[int, str]] = defaultdict(dict)
        for i, part in inside:
            for key in keys(i):
                found[key][i] = part
        leaking = [parts for parts in found.values() if len(set(parts.values())) > 1]
        if leaking:
            members = sorted({i for parts in leaking for i in parts})
            names = _examples(_name(items[next(iter(parts))]) for parts in leaking)
            text = (
                f"{kind}: {len(leaking):,} on more than one side of the split, with "
                f"{len(members):,} of {len(inside):,} items: {names}"
            )
            yield Finding("leak", severity, _ids(items, members), text)


def _members(groups: _Groups) -> Iterator[tuple[int, ...]]:
    """Yield the groups of more than one item, as positions."""
    order = np.argsort(groups, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        if len(part) > 1:
            yield tuple(part.tolist())


def _ids(items: Items, positions: Iterable[int]) -> tuple[str, ...]:
    return tuple(items.ids[i] for i in positions)


def _name(item: Item) -> str:
    about = item.metadata
    if about.title is None:
        return f"{about.artist} ({item.id})" if about.artist else item.id
    return f"{about.artist} - {about.title}" if about.artist else about.title


def _examples(names: Iterable[str]) -> str:
    found: Sequence[str] = list(names)
    shown = ", ".join(found[:_EXAMPLES])
    return f"{shown}, ..." if len(found) > _EXAMPLES else shown
