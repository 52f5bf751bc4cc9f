"""What is known about a track besides its audio: the fields, and how each is read from text.

A missing value stays missing (None or an empty tuple), and what is not certain is marked.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from musicu.errors import MetadataError
from musicu.metadata.codes import country_code, language_code
from musicu.metadata.field_spec import Field, declared_fields, one, row, several
from musicu.metadata.names import featured_in, split_artists, unique
from musicu.metadata.parsers import (
    clean_texts,
    join_texts,
    parse_bpm,
    parse_date,
    parse_isrc,
    parse_position,
    parse_uuid,
    parse_uuids,
    parse_year,
    split_keywords,
    squeeze,
)

__all__ = [
    "FIELDS",
    "Metadata",
    "complete_metadata",
    "field_of",
    "frame_names",
    "parse_field",
    "stored_metadata",
]


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is known about one track; a missing field is None or an empty tuple.

    Parameters
    ----------
    title, artist, album, album_artist, label, key : str or None
        As written. Several artist values are joined by ``"; "``.
    artists : tuple of str
        The artists one by one; see :func:`split_artists`.
    year : int in [1000, 2100] or None
    date : str or None
        ISO 8601 as written: ``"2004"``, ``"2004-05"``, ``"2004-05-01"``, with or without a time.
    genres : tuple of str
    isrc : str or None
        ISO 3901 code: 12 upper-case characters without hyphens.
    mb_track, mb_recording, mb_album : str or None
        MusicBrainz identifiers (lower-case UUID) of release track, recording and release.
    mb_artists : tuple of str
        MusicBrainz identifiers of the artists.
    bpm : float > 0 or None
        Beats per minute.
    track, disc : int > 0 or None
        Position on the disc, and number of the disc.
    country : str or None
        ISO 3166-1 alpha-2, upper case, where it is recognized (``"GB"``, also for "uk" and
        "England"); MusicBrainz's XE and XW are Europe and the world. Else as written.
    language : str or None
        ISO 639, lower case, two letters where there are two: ``"en"`` for "eng" and "English";
        ``"zxx"`` is nothing sung.
    tags : tuple of str
        Free tags: moods, themes, instruments, keywords.
    description : str or None
        A text about it.
    guessed : tuple of str
        Names of the fields above that no tag holds: they are told by the file's path.
    doubtful : tuple of str
        Names of the fields whose letters are not certain, as their encoding is not stated.
    """

    # The one table of fields. What has a row here is read from tags and sheets, stored, and
    # filtered by; with a weight it is compared, explained and shown, too.
    title: str | None = one(
        "TITLE NAME TRACKTITLE", id3="TIT2 TT2", mp4="\xa9nam", gpp="titl", chunks="INAM NAME"
    )
    artist: str | None = row(
        None,
        "ARTIST AUTHOR ARTISTNAME",
        join_texts,
        id3="TPE1 TP1",
        mp4="\xa9ART",
        gpp="perf",
        chunks="IART AUTH",
    )
    artists: tuple[str, ...] = several("ARTISTS ARTIST AUTHOR", split_artists, yields=True)
    album: str | None = one(
        "ALBUM ALBUMTITLE RELEASE",
        id3="TALB TAL",
        mp4="\xa9alb",
        gpp="albm",
        chunks="IPRD",
        matroska="ALBUMTITLE",
    )
    album_artist: str | None = one("ALBUMARTIST", id3="TPE2 TP2", mp4="aART")
    year: int | None = one(
        "DATE YEAR RELEASEDATE ORIGINALDATE ORIGINALYEAR RELEASEYEAR", parse_year, yields=True
    )
    date: str | None = one(
        "DATE YEAR RELEASEDATE ORIGINALDATE",
        parse_date,
        id3="TDRC TDRL:RELEASEDATE TDOR:ORIGINALDATE TORY:ORIGINALDATE TOR:ORIGINALDATE",
        mp4="\xa9day",
        gpp="yrrc",
        chunks="ICRD",
        matroska="DATE_RELEASED DATE_RECORDED",
    )
    genres: tuple[str, ...] = several(
        "GENRE GENRES", id3="TCON TCO", mp4="\xa9gen gnre", gpp="gnre", chunks="IGNR"
    )
    label: str | None = one("LABEL PUBLISHER ORGANIZATION RECORDLABEL", id3="TPUB TPB", weight=0.3)
    isrc: str | None = one("ISRC", parse_isrc, label="ISRC", id3="TSRC TRC")
    mb_track: str | None = one("MUSICBRAINZRELEASETRACKID", parse_uuid, label="MusicBrainz track")
    mb_recording: str | None = one(
        "MUSICBRAINZTRACKID MUSICBRAINZRECORDINGID", parse_uuid, label="MusicBrainz recording"
    )
    mb_artists: tuple[str, ...] = several(
        "MUSICBRAINZARTISTID MBARTIST", parse_uuids, label="MusicBrainz artists"
    )
    mb_album: str | None = one(
        "MUSICBRAINZALBUMID MUSICBRAINZRELEASEID", parse_uuid, label="MusicBrainz release"
    )
    bpm: float | None = one(
        "BPM BEATSPERMINUTE TEMPO", parse_bpm, label="BPM", id3="TBPM TBP", mp4="tmpo"
    )
    key: str | None = one("INITIALKEY KEY", id3="TKEY:KEY TKE:KEY")
    track: int | None = one(
        "TRACKNUMBER TRACK",
        parse_position,
        column="track_number",
        id3="TRCK:TRACK TRK:TRACK",
        mp4="trkn:TRACK",
        chunks="ITRK:TRACK IPRT:TRACK",
        matroska="PART_NUMBER:TRACK",
    )
    disc: int | None = one(
        "DISCNUMBER DISC PARTOFSET",
        parse_position,
        id3="TPOS:DISC TPA:DISC",
        mp4="disk:DISC",
        matroska="ALBUMPART_NUMBER:DISC",
    )
    country: str | None = one(
        "RELEASECOUNTRY MUSICBRAINZALBUMRELEASECOUNTRY COUNTRY", country_code, weight=0.2
    )
    language: str | None = one(
        "LANGUAGE LANG", language_code, id3="TLAN TLA", chunks="ILNG", weight=0.2
    )
    tags: tuple[str, ...] = several(
        "TAGS TAG KEYWORDS KEYWORD MOOD MOODS THEME THEMES INSTRUMENT INSTRUMENTS",
        split_keywords,
        gathered=True,
        id3="TMOO:MOOD",
        chunks="IKEY:KEYWORDS",
    )
    description: str | None = one("DESCRIPTION", mp4="desc ldes")
    # What is said of the fields above.
    guessed: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are present, as JSON types (tuples become lists)."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self._present().items()
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Metadata":
        """Rebuild what :meth:`to_dict` returned.

        Raises
        ------
        MetadataError
            A name is no field, or a field of several values is not a list.
        """
        known = {field.name: field.default for field in fields(cls)}
        for name, value in values.items():
            if name not in known:
                raise MetadataError(f"metadata has no field {name!r}; it has {', '.join(known)}")
            if known[name] == () and not isinstance(value, list | tuple):
                raise MetadataError(f"metadata field {name!r} takes a list, not {value!r}")
        built: dict[str, Any] = {
            name: tuple(value) if known[name] == () else value for name, value in values.items()
        }
        return cls(**built)

    def merged(self, over: "Metadata") -> "Metadata":
        """Return this metadata with every field that is present in `over` taken from there.

        `artist` and `artists`, and `year` and `date`, say one thing twice: where `over` has one
        of the two, the other is not kept from here, so that they cannot contradict each other.
        """
        above = over._present()
        below = self._present()
        for pair in ({"artist", "artists"}, {"year", "date"}):
            if pair & above.keys():
                below = {name: value for name, value in below.items() if name not in pair}
        for note in ("guessed", "doubtful"):
            kept = [name for name in getattr(self, note) if name in below and name not in above]
            above[note] = tuple(unique([*kept, *getattr(over, note)]))
        return Metadata(**(below | above))

    def _present(self) -> dict[str, Any]:
        pairs = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in pairs if value is not None and value != ()}


FIELDS: Final[Mapping[str, Field]] = declared_fields(Metadata)
_ATTRIBUTES = frozenset(attribute.name for attribute in fields(Metadata))


def frame_names(form: str) -> dict[str, str]:
    """Return which name each frame, atom or chunk of a format stands for.

    Parameters
    ----------
    form : {"id3", "mp4", "gpp", "chunks", "matroska"}
        ID3 of any version, MP4's item list, 3GPP's texts (TS 26.244, 8.2), RIFF and AIFF chunks,
        Matroska.
    """
    return {
        frame: name
        for field in FIELDS.values()
        for frame, name in field.frames.get(form, {}).items()
    }


def stored_metadata(text: str) -> Metadata:
    """Return the metadata that a catalog has as JSON; of a text that is damaged, none.

    Fields of a musicu that knows more of them are left out.
    """
    try:
        stored = json.loads(text).items()
        return Metadata.from_dict({name: v for name, v in stored if name in _ATTRIBUTES})
    except (AttributeError, TypeError, ValueError, MetadataError):
        return Metadata()


def field_of(name: str) -> str | None:
    """Return the metadata field that a tag or column of this name holds, or None."""
    wanted = squeeze(name)
    by_name = (field.name for field in FIELDS.values() if squeeze(field.name) == wanted)
    holders = (field for field in FIELDS.values() if wanted in field.names)
    by_alias = (field.name for field in sorted(holders, key=lambda field: field.yields))
    return next(by_name, None) or next(by_alias, None)


def parse_field(name: str, values: Iterable[str]) -> Any:
    """Turn the text of a tag or a cell into the value of a metadata field.

    Null bytes separate values; byte order marks, control characters and surrounding white space
    are removed; a field of one value takes the first that fits.

    Parameters
    ----------
    name : str
        A field of :class:`Metadata`.
    values : iterable of str

    Returns
    -------
    object
        The value, or None where the text is empty.

    Raises
    ------
    ValueError
        No value fits the field; the text says what was expected.
    """
    texts = clean_texts(values)
    return FIELDS[name].parse(texts) if texts else None


def complete_metadata(found: Mapping[str, Any]) -> Metadata:
    """Build metadata from parsed fields, with what they imply.

    A date gives the year; artist and artists give each other; ``(feat. X)`` in the title, in
    round or square brackets, adds X to the artists where there are any.
    """
    values = {name: value for name, value in found.items() if value is not None}
    if "year" not in values and "date" in values:
        values["year"] = parse_year(values["date"])
    if "artists" in values:
        values.setdefault("artist", "; ".join(values["artists"]))
    elif "artist" in values:
        values["artists"] = split_artists(values["artist"])
    if values.get("artists"):
        guests = featured_in(values.get("title", ""))
        values["artists"] = unique([*values["artists"], *guests])
    return Metadata(**values)
