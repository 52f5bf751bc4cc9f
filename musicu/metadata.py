"""What is known about a track besides its audio: the fields, and how each is read from text.

A missing value stays missing (None or an empty tuple), and what is not certain is marked.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from musicu.codes import country_code, language_code
from musicu.errors import MetadataError
from musicu.names import featured_in, split_artists, unique

__all__ = [
    "FIELD_NAMES",
    "GATHERED",
    "Metadata",
    "complete_metadata",
    "field_of",
    "is_placeholder",
    "parse_field",
    "squeeze",
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

    title: str | None = None
    artist: str | None = None
    artists: tuple[str, ...] = ()
    album: str | None = None
    album_artist: str | None = None
    year: int | None = None
    date: str | None = None
    genres: tuple[str, ...] = ()
    label: str | None = None
    isrc: str | None = None
    mb_track: str | None = None
    mb_recording: str | None = None
    mb_artists: tuple[str, ...] = ()
    mb_album: str | None = None
    bpm: float | None = None
    key: str | None = None
    track: int | None = None
    disc: int | None = None
    country: str | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()
    description: str | None = None
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


# Names each field goes by in tags and sheets, letters and digits only (see `squeeze`), best
# first; a name of several fields means the first of them, but in tags it serves them all. They are
# those of MusicBrainz Picard's tag mapping, plus older and vendors' names. The names of a field in
# `GATHERED` do not stand in for each other: what all of them hold is taken together.
FIELD_NAMES: Mapping[str, tuple[str, ...]] = {
    "title": ("TITLE", "NAME", "TRACKTITLE"),
    "artist": ("ARTIST", "AUTHOR", "ARTISTNAME"),
    "artists": ("ARTISTS", "ARTIST", "AUTHOR"),
    "album": ("ALBUM", "ALBUMTITLE", "RELEASE"),
    "album_artist": ("ALBUMARTIST",),
    "date": ("DATE", "YEAR", "RELEASEDATE", "ORIGINALDATE"),
    "year": ("DATE", "YEAR", "RELEASEDATE", "ORIGINALDATE", "ORIGINALYEAR", "RELEASEYEAR"),
    "genres": ("GENRE", "GENRES"),
    "label": ("LABEL", "PUBLISHER", "ORGANIZATION", "RECORDLABEL"),
    "isrc": ("ISRC",),
    "mb_track": ("MUSICBRAINZRELEASETRACKID",),
    "mb_recording": ("MUSICBRAINZTRACKID", "MUSICBRAINZRECORDINGID"),
    "mb_artists": ("MUSICBRAINZARTISTID", "MBARTIST"),
    "mb_album": ("MUSICBRAINZALBUMID", "MUSICBRAINZRELEASEID"),
    "bpm": ("BPM", "BEATSPERMINUTE", "TEMPO"),
    "key": ("INITIALKEY", "KEY"),
    "track": ("TRACKNUMBER", "TRACK"),
    "disc": ("DISCNUMBER", "DISC", "PARTOFSET"),
    "country": ("RELEASECOUNTRY", "MUSICBRAINZALBUMRELEASECOUNTRY", "COUNTRY"),
    "language": ("LANGUAGE", "LANG"),
    "tags": (
        *("TAGS", "TAG", "KEYWORDS", "KEYWORD", "MOOD", "MOODS", "THEME", "THEMES"),
        *("INSTRUMENT", "INSTRUMENTS"),
    ),
    "description": ("DESCRIPTION",),
}
GATHERED = frozenset({"tags"})


def stored_metadata(text: str) -> Metadata:
    """Return the metadata that a catalog has as JSON; of a text that is damaged, none."""
    try:
        return Metadata.from_dict(json.loads(text))
    except (AttributeError, TypeError, ValueError, MetadataError):
        return Metadata()


def squeeze(name: str) -> str:
    """Bring the spellings of a field's name together: ``"Album Artist"``, ``"album_artist"``."""
    return re.sub(r"[^A-Z0-9]", "", name.upper())


def field_of(name: str) -> str | None:
    """Return the metadata field that a tag or column of this name holds, or None."""
    wanted = squeeze(name)
    by_name = (field for field in FIELD_NAMES if squeeze(field) == wanted)
    by_alias = (field for field, names in FIELD_NAMES.items() if wanted in names)
    return next(by_name, None) or next(by_alias, None)


_ISO_DATE = re.compile(
    r"[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01])([T ][0-9:.]+(Z|[+-][0-9:]+)?)?)?)?"
)
_YEAR = re.compile(r"(?<![0-9])[0-9]{4}(?=$|[^0-9]|[0-9]{4}$)")
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _year(text: str) -> int:
    for match in _YEAR.finditer(text):
        if 1000 <= int(match.group()) <= 2100:
            return int(match.group())
    raise ValueError("a year from 1000 to 2100")


def _date(text: str) -> str:
    if not _ISO_DATE.fullmatch(text) or not 1000 <= int(text[:4]) <= 2100:
        raise ValueError("a date such as 2004, 2004-05 or 2004-05-01")
    return text


def _isrc(text: str) -> str:
    for piece in re.split(r"[/;,|]", text):
        code = squeeze(piece).removeprefix("ISRC")
        if _ISRC.fullmatch(code):
            return code
    raise ValueError("an ISRC such as GB-AYE-06-01498")


def _uuids(values: Sequence[str]) -> tuple[str, ...]:
    found = unique(_UUID.findall(" ".join(values).lower()))
    if not found:
        raise ValueError("a MusicBrainz identifier (UUID)")
    return found


def _bpm(text: str) -> float:
    expected = "a number of beats per minute above 0"
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        raise ValueError(expected) from None
    if not 0 < value < math.inf:
        raise ValueError(expected)
    return value


def _position(text: str) -> int:
    match = re.fullmatch(r"0*([1-9][0-9]{0,5})(\s*(?:/|of\b).*)?", text)
    if not match:
        raise ValueError("a whole number from 1, such as 3 or 3/12")
    return int(match.group(1))


def _several(values: Sequence[str]) -> tuple[str, ...]:
    return unique(piece for value in values for piece in re.split(r"[;|]", value))


def _keywords(values: Sequence[str]) -> tuple[str, ...]:
    return _several([value.replace(",", ";") for value in values])


_PARSE_ALL: Mapping[str, Callable[[Sequence[str]], Any]] = {
    "artist": lambda values: "; ".join(unique(values)),
    "artists": split_artists,
    "genres": _several,
    "mb_artists": _uuids,
    "tags": _keywords,
}
_PARSE_ONE: Mapping[str, Callable[[str], Any]] = {
    "year": _year,
    "date": _date,
    "isrc": _isrc,
    "mb_track": lambda text: _uuids([text])[0],
    "mb_recording": lambda text: _uuids([text])[0],
    "mb_album": lambda text: _uuids([text])[0],
    "bpm": _bpm,
    "track": _position,
    "disc": _position,
    "country": country_code,
    "language": language_code,
}


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
    pieces = (piece for value in values for piece in value.split("\0"))
    # Lone surrogates can be neither stored nor shown, and control characters break lists.
    spaced = (re.sub(r"[\t-\r\x85\u2028\u2029]+", " ", piece) for piece in pieces)
    cleaned = (
        re.sub(r"[\0-\x1f\x7f-\x9f\ud800-\udfff\ufeff\ufffe]", "", p).strip() for p in spaced
    )
    texts = [text for text in cleaned if text]
    if not texts:
        return None
    if name in _PARSE_ALL:
        return _PARSE_ALL[name](texts)
    parse = _PARSE_ONE.get(name, str)
    for text in texts[:-1]:
        try:
            return parse(text)
        except ValueError:
            continue
    return parse(texts[-1])


_UNKNOWN = frozenset(
    "unknown undefined unbekannt unbekannte unbekannter unbekanntes inconnu inconnue "
    "desconocido desconocida sconosciuto desconhecido onbekend onbekende okänd ukjent "
    "ukendt tuntematon neznámý nieznany neznámé nieznana неизвестно неизвестный "
    "неизвестен неизв 未知 未知艺术家 未知專輯 未知专辑 未知演出者 不明 "
    "不明なアーティスト 不明なアルバム".split()
)
_KINDS = frozenset(
    "artist artists album title track genre performer label künstler interpret titel artiste titre "
    "piste genero artista título titolo traccia faixa artiest nummer låt исполнитель альбом "
    "название wykonawca umělec".split()
)
_NUMBERED = re.compile(
    r"(?:\d{1,3}[\s.-]+)?(?:audio\s*)?(?:track|titel|piste|pista|traccia|faixa|spår|spor|raita|stopa|utwór|ścieżka|"
    r"трек|дорожка|トラック|曲目|音轨|音軌)\s*(?:no\.?|nr\.?|[#_-])?\s*\d{1,3}",
    re.IGNORECASE,
)


def is_placeholder(field: str, text: str) -> bool:
    """Tell whether a text stands for a missing value, as programs that must write one do.

    ``"(None)"``, ``"<Unknown>"``, ``"Unknown Artist"``; as a title, ``"Track 01"``.
    """
    text = text.strip("\0 \t")
    if field == "title" and _NUMBERED.fullmatch(text):
        return True
    # Some add the time: "Unknown Album (3/12/2004 5:43:01 PM)".
    bare = re.sub(r"\s*\(\d[\d/.: APMapm-]*\)$", "", text).strip("<>()[]{} ").casefold()
    if bare in ("none", "null", "no artist", "no album", "no title", "n/a"):
        return bare != text.casefold() or field != "title"
    words = set(bare.split())
    return bool(words & _UNKNOWN) and words <= _UNKNOWN | _KINDS


def complete_metadata(found: Mapping[str, Any]) -> Metadata:
    """Build metadata from parsed fields, with what they imply.

    A date gives the year; artist and artists give each other; ``(feat. X)`` in the title, in
    round or square brackets, adds X to the artists where there are any.
    """
    values = {name: value for name, value in found.items() if value is not None}
    if "year" not in values and "date" in values:
        values["year"] = _year(values["date"])
    if "artists" in values:
        values.setdefault("artist", "; ".join(values["artists"]))
    elif "artist" in values:
        values["artists"] = split_artists(values["artist"])
    if values.get("artists"):
        guests = featured_in(values.get("title", ""))
        values["artists"] = unique([*values["artists"], *guests])
    return Metadata(**values)
