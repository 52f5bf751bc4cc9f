"""Recordings from the JSON dumps of MusicBrainz, one document a line.

The full dumps hold a recording of a release inside it, and in ``recording`` only those that are on
none: ``release`` is the one to read. Files are packed as ``tar.xz``; unpack them first.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from musicu.errors import MetadataError
from musicu.items.item import Item, Items
from musicu.metadata.table_formats import open_unpacked
from musicu.metadata.values import metadata_that_fits

__all__ = ["iter_musicbrainz", "musicbrainz_items", "read_musicbrainz"]

Record = Mapping[str, Any]

# What MusicBrainz writes where a release has no label.
_NO_LABEL = {"[no label]"}


def read_musicbrainz(path: str | os.PathLike[str]) -> Items:
    """Read a dump whole, each recording once.

    A recording that is on several releases is described by the earliest; the others add what that
    one does not say.

    Parameters
    ----------
    path : str or path-like
        As for :func:`iter_musicbrainz`.

    Raises
    ------
    MetadataError
        As for :func:`iter_musicbrainz`, or there is no recording.
    """
    kept: dict[str, Item] = {}
    for item in iter_musicbrainz(path):
        other = kept.get(item.id)
        kept[item.id] = item if other is None else _joined(other, item)
    if not kept:
        raise MetadataError(f"{os.fspath(path)}: no recording is in it")
    return Items(kept.values())


def iter_musicbrainz(path: str | os.PathLike[str]) -> Iterator[Item]:
    """Yield the recordings of a dump as they come, in little memory.

    Parameters
    ----------
    path : str or path-like
        The file from ``mbdump/`` in ``release.tar.xz`` or ``recording.tar.xz``, or
        ``release-group``: one JSON document a line, plain or with ``.gz``, ``.bz2`` or ``.xz``.

    Yields
    ------
    Item
        See :func:`musicbrainz_items`. The same recording comes once for each of its releases.

    Raises
    ------
    MetadataError
        The file cannot be read, or a line is not such a document.
    """
    name = os.fspath(path)
    archive = f"{name}: a tar file: unpack it, and name mbdump/release"
    if re.search(r"\.tar(\.\w+)?$|\.tgz$", name, re.IGNORECASE):
        raise MetadataError(archive)
    with open_unpacked(name) as file:
        for number, line in enumerate(file, start=1):
            if number == 1 and b"\0" in line:
                raise MetadataError(archive)
            if not line.strip():
                continue
            try:
                items = musicbrainz_items(json.loads(line))
            except (ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
                raise MetadataError(
                    f"{name}: line {number} is no release, recording or release group of "
                    f"MusicBrainz ({type(error).__name__}: {error})"
                ) from None
            yield from items


def musicbrainz_items(record: Record) -> list[Item]:
    """Return the items that one document describes.

    A release gives one a track, named by its recording; a recording or a release group gives one,
    named by itself. The year is that of the first release where it is known. Genres and tags are
    the recording's own, else the release's, else the release group's; tags that are genres count
    as genres only; tags weigh as many votes as they have. Countries are releases', the label is
    the first, and the duration goes to the descriptors.

    Parameters
    ----------
    record : mapping
        As the web service and the dumps give it.

    Raises
    ------
    ValueError
        It is none of the three.
    """
    if not isinstance(record, Mapping) or "id" not in record or "title" not in record:
        raise ValueError("no id and title")
    if "media" in record or "text-representation" in record:
        return [
            _track_item(record, medium, track)
            for medium in record.get("media") or ()
            for track in medium.get("tracks") or ()
        ]
    if "primary-type" in record or "secondary-types" in record:
        return [_group_item(record)]
    if "length" in record or "isrcs" in record or "video" in record:
        return [_recording_item(record)]
    raise ValueError("no media, primary-type or length")


def _track_item(release: Record, medium: Record, track: Record) -> Item:
    recording = track.get("recording") or {}
    group = release.get("release-group") or {}
    labels = [(info.get("label") or {}).get("name") for info in release.get("label-info") or ()]
    credit = track.get("artist-credit") or recording.get("artist-credit")
    return _item(
        recording.get("id") or track["id"],
        (recording, release, group),
        credit=credit or release.get("artist-credit"),
        length=recording.get("length") or track.get("length"),
        values={
            "title": [track.get("title") or recording.get("title")],
            "album": [release["title"]],
            "album_artist": [_phrase(release.get("artist-credit"))],
            "date": [
                recording.get("first-release-date")
                or group.get("first-release-date")
                or release.get("date")
            ],
            "label": [name for name in labels if name not in _NO_LABEL],
            "isrc": recording.get("isrcs") or (),
            "mb_track": [track.get("id")],
            "mb_recording": [recording.get("id")],
            "mb_album": [release["id"]],
            "track": [_text(track.get("position"))],
            "disc": [_text(medium.get("position"))],
            "country": [_country(release)],
            "language": [(release.get("text-representation") or {}).get("language")],
        },
    )


def _recording_item(recording: Record) -> Item:
    return _item(
        recording["id"],
        (recording,),
        credit=recording.get("artist-credit"),
        length=recording.get("length"),
        values={
            "title": [recording["title"]],
            "date": [recording.get("first-release-date")],
            "isrc": recording.get("isrcs") or (),
            "mb_recording": [recording["id"]],
        },
    )


def _group_item(group: Record) -> Item:
    return _item(
        group["id"],
        (group,),
        credit=group.get("artist-credit"),
        length=None,
        values={
            "title": [group["title"]],
            "album": [group["title"]],
            "album_artist": [_phrase(group.get("artist-credit"))],
            "date": [group.get("first-release-date")],
        },
    )


def _item(
    id: str,
    described: Sequence[Record],
    *,
    credit: Sequence[Record] | None,
    length: float | None,
    values: dict[str, Sequence[str | None]],
) -> Item:
    """Build an item; `described` may have genres and tags, the nearest to the recording first."""
    artists = [part.get("artist") or {} for part in credit or ()]
    names = [
        artist.get("name") or part.get("name")
        for artist, part in zip(artists, credit or (), strict=True)
    ]
    genres = next((found for r in described if (found := _votes(r.get("genres")))), {})
    tags = next((found for r in described if (found := _votes(r.get("tags")))), {})
    metadata = metadata_that_fits(
        values
        | {
            "artist": [_phrase(credit)],
            "mb_artists": [artist.get("id") for artist in artists],
        },
        lists={
            "artists": [name for name in names if name],
            "genres": genres,
            "tags": [tag for tag in tags if tag not in genres],
        },
    )
    return Item(
        id,
        metadata,
        {"duration": length / 1000} if length else {},
        {tag: tags[tag] for tag in metadata.tags if tag in tags},
    )


def _votes(voted: Sequence[Record] | None) -> dict[str, float]:
    """Return names with their votes, the most voted first; those voted down are left out."""
    counts = [(str(vote["name"]), float(vote.get("count", 1))) for vote in voted or ()]
    return dict(sorted(((n, c) for n, c in counts if c > 0), key=lambda pair: -pair[1]))


def _phrase(credit: Sequence[Record] | None) -> str | None:
    """Return a credit as it is printed: "Alba feat. Bruno"."""
    parts = (f"{part.get('name') or ''}{part.get('joinphrase') or ''}" for part in credit or ())
    return "".join(parts) or None


def _text(number: object) -> str | None:
    return None if number is None else str(number)


def _country(release: Record) -> str | None:
    if release.get("country"):
        return str(release["country"])
    areas = [event.get("area") or {} for event in release.get("release-events") or ()]
    return next((code for area in areas for code in area.get("iso-3166-1-codes") or ()), None)


def _joined(one: Item, other: Item) -> Item:
    """Describe a recording by its earliest release, and fill in from the other."""
    early, late = sorted((one, other), key=lambda item: item.metadata.date or "9999")
    metadata = late.metadata.merged(early.metadata)
    weights = late.tag_weights if late.metadata.tags == metadata.tags else early.tag_weights
    return Item(one.id, metadata, {**late.descriptors, **early.descriptors}, weights)
