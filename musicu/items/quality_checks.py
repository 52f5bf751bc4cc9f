"""The checks of a collection's data, each of which yields what it finds, in plain words."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.items.field_readers import parse_key
from musicu.items.item import Item, Items
from musicu.metadata.artists import album_key, artist_keys
from musicu.metadata.fields import Metadata
from musicu.metadata.genres import canonical
from musicu.metadata.names import squash_name

__all__ = [
    "Finding",
    "Severity",
    "album_years",
    "by_severity",
    "contradictions",
    "doubtful",
    "duplicates",
    "gaps",
    "item_contradictions",
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


Severity = Literal["error", "warning", "info"]
_RANK = {"error": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in the data of items, or of a release, that its owner should look at.

    Parameters
    ----------
    severity : "error", "warning" or "info"
        An error falsifies what is computed from the data, or keeps a release from being delivered;
        a warning is likely wrong; an info may well be right.
    kind : str
        What it is: ``"same audio"``, ``"years disagree"``.
    field : str
        The field of the metadata that it is about, or ``"audio"``, ``"file"``, ``"loudness"``,
        ``"peak"``; empty where it is about several.
    text : str
        One line for people.
    ids : tuple of str
        The items; empty for a release, which is no item yet.
    """

    severity: Severity
    kind: str
    field: str
    text: str
    ids: tuple[str, ...] = ()


def by_severity(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings: errors first, then warnings, then infos; otherwise in the order given."""
    return tuple(sorted(findings, key=lambda finding: _RANK[finding.severity]))


def duplicates(
    items: Items, audio: _Groups, recordings: _Groups, songs: _Groups
) -> Iterator[Finding]:
    """Yield the groups of one audio, of one recording, of one song; the same group only once."""
    told: set[tuple[int, ...]] = set()
    kinds: tuple[tuple[str, Severity, _Groups], ...] = (
        ("same audio", "warning", audio),
        ("same recording", "info", recordings),
        ("versions", "info", songs),
    )
    for kind, severity, groups in kinds:
        for members in _members(groups):
            if members not in told:
                told.add(members)
                names = _examples(dict.fromkeys(_name(items[i]) for i in members))
                text = f"{len(members):,} items are {_SAME[kind]}: {names}"
                yield Finding(severity, kind, "", text, _ids(items, members))


_SAME = {
    "same audio": "the same audio",
    "same recording": "one recording",
    "versions": "one song in versions",
}


def contradictions(items: Items) -> Iterator[Finding]:
    """Yield values that contradict each other, the measurement, or what is likely."""
    for item in items:
        for found in item_contradictions(item):
            yield replace(found, text=f"{_name(item)}: {found.text}")


def item_contradictions(item: Item) -> Iterator[Finding]:
    """Yield the same of one item, in texts that do not name it."""
    about, measured, ids = item.metadata, item.descriptors, (item.id,)
    if about.year and about.date and not about.date.startswith(f"{about.year:04}"):
        text = f"the year is {about.year}, the date {about.date}"
        yield Finding("warning", "years disagree", "year", text, ids)
    if about.year and not _FIRST_YEAR <= about.year <= datetime.date.today().year:
        text = f"the year is {about.year}"
        yield Finding("warning", "strange year", "year", text, ids)
    if about.bpm and not _BPM_RANGE[0] <= about.bpm <= _BPM_RANGE[1]:
        text = f"{about.bpm:g} beats per minute"
        yield Finding("warning", "strange bpm", "bpm", text, ids)
    tempo = measured.get("tempo")
    if about.bpm and tempo and measured.get("tempo_confidence", 1.0) >= _SURE_TEMPO:
        off = min(abs(about.bpm / (tempo * factor) - 1) for factor in _OCTAVES)
        if off > _TEMPO_TOLERANCE:
            text = f"{about.bpm:g} bpm are written, {tempo:.1f} were measured"
            yield Finding("warning", "tempos disagree", "bpm", text, ids)
    heard = measured.get("key")
    if about.key and heard and measured.get("key_confidence", 1.0) >= _SURE_KEY:
        written, found = parse_key(about.key), parse_key(str(heard))
        # A key and its relative have the same notes: place 0 is C major and A minor.
        if written and found and written[0] != found[0]:
            text = f"{about.key} is written as its key, {heard} was heard"
            yield Finding("info", "keys disagree", "key", text, ids)


def doubtful(items: Items) -> Iterator[Finding]:
    """Yield items whose tags do not say in which encoding they are, and whose letters may be wrong.

    Then those of which the path alone tells what they are.
    """
    for item in items:
        if item.metadata.doubtful:
            fields = ", ".join(item.metadata.doubtful)
            text = f"{_name(item)}: the letters of {fields} may be wrong: the encoding is not known"
            yield Finding("warning", "doubtful letters", "", text, (item.id,))
    guessed = [i for i, item in enumerate(items) if item.metadata.guessed]
    if guessed:
        names = _examples(_name(items[i]) for i in guessed)
        text = f"{len(guessed):,} items have fields that only their path tells: {names}"
        yield Finding("info", "guessed from the path", "", text, _ids(items, guessed))


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
            yield Finding("error", "isrc of several artists", "isrc", text, _ids(items, members))


def spellings(items: Items) -> Iterator[Finding]:
    """Yield artists, labels and genres of several spellings, with the items of the rarer ones."""
    kinds: tuple[
        tuple[str, str, Callable[[Metadata], Iterable[str]], Callable[[str], str]], ...
    ] = (
        ("artist", "artist", lambda about: about.artists, squash_name),
        ("label", "label", lambda about: (about.label,) if about.label else (), squash_name),
        ("genre", "genres", lambda about: about.genres, canonical),
    )
    for kind, field, names_of, fold in kinds:
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
                yield Finding("info", f"{kind} spellings", field, text, _ids(items, members))


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
            yield Finding("info", "album of several years", "year", text, _ids(items, members))


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
            severity: Severity = "warning" if share > 0.5 else "info"
            yield Finding(severity, "missing", field, text, _ids(items, members))


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
    kinds: dict[str, tuple[Severity, Callable[[int], Iterable[Hashable]]]] = {
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
            yield Finding(severity, "leak", "", text, _ids(items, members))


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
