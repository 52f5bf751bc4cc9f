"""What is known about a track besides its audio, and how to read it from the file's tags.

A missing value stays missing (None or an empty tuple): nothing is guessed or filled in.
"""

import math
import os
import re
import struct
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from musicu.errors import AudioError, MetadataError

__all__ = [
    "FIELD_NAMES",
    "Metadata",
    "complete_metadata",
    "field_of",
    "normalize_name",
    "parse_field",
    "read_tags",
    "split_artists",
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
        return Metadata(**(below | above))

    def _present(self) -> dict[str, Any]:
        pairs = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in pairs if value is not None and value != ()}


# Names each field goes by in tags and sheets, letters and digits only (see `_squeeze`), best
# first; a name of several fields means the first of them, but in tags it serves them all. They are
# those of MusicBrainz Picard's tag mapping, plus older and vendors' names.
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
}

_ID3_NAMES = {
    "TIT2": "TITLE",
    "TPE1": "ARTIST",
    "TPE2": "ALBUMARTIST",
    "TALB": "ALBUM",
    "TDRC": "DATE",
    "TDRL": "RELEASEDATE",
    "TDOR": "ORIGINALDATE",
    "TCON": "GENRE",
    "TPUB": "LABEL",
    "TSRC": "ISRC",
    "TBPM": "BPM",
    "TKEY": "KEY",
    "TRCK": "TRACK",
    "TPOS": "DISC",
}
_MP4_NAMES = {
    "\xa9nam": "TITLE",
    "\xa9ART": "ARTIST",
    "aART": "ALBUMARTIST",
    "\xa9alb": "ALBUM",
    "\xa9day": "DATE",
    "\xa9gen": "GENRE",
    "tmpo": "BPM",
    "trkn": "TRACK",
    "disk": "DISC",
}

# What mutagen lets through besides its own MutagenError when the headers of real files are damaged
# byte by byte (1.48; found by mutating files of every container). Each means that these tags
# cannot be read.
_MUTAGEN_LEAKS = (
    ValueError,  # negative sizes (ASF, APEv2), offsets over 64 bits (MP4), bad UTF-16 (ASF)
    IndexError,  # counts and table entries out of range (Ogg, WavPack)
    KeyError,  # unknown attribute type (ASF)
    struct.error,  # header cut short (Opus)
    RecursionError,  # boxes or frames nested thousands deep (MP4, ID3)
)


def _squeeze(name: str) -> str:
    """Bring the spellings of a name together: ``"Album Artist"``, ``"album_artist"``."""
    return re.sub(r"[^A-Z0-9]", "", name.upper())


def field_of(name: str) -> str | None:
    """Return the metadata field that a tag or column of this name holds, or None."""
    wanted = _squeeze(name)
    by_name = (field for field in FIELD_NAMES if _squeeze(field) == wanted)
    by_alias = (field for field, names in FIELD_NAMES.items() if wanted in names)
    return next(by_name, None) or next(by_alias, None)


# ---- names of artists ---------------------------------------------------------------------------

# "feat" without its dot counts in lower case only: "Little Feat & Bonnie Raitt" is not one.
_FEATURED = r"(?:feat\.\s*|ft\.\s*|featuring\s+|(?-i:feat)\s+)"
_BRACKETED = re.compile(rf"[(\[]\s*{_FEATURED}([^()\[\]]+)[)\]]", re.IGNORECASE)
_JOINT = re.compile(rf"\s+(?:{_FEATURED}|vs\.?\s+|/\s+)|[;|]", re.IGNORECASE)


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    kept: dict[str, str] = {}
    for name in map(str.strip, names):
        if name:
            kept.setdefault(name.casefold(), name)
    return tuple(kept.values())


def _cut(text: str) -> Iterator[str]:
    for piece in _JOINT.split(_BRACKETED.sub(r" feat. \1", text)):
        name, *rest = piece.split(" x ")
        for other in rest:
            if name.strip()[:1].isupper() and other.strip()[:1].isupper():
                yield name
                name = other
            else:
                name = f"{name} x {other}"
        yield name


def split_artists(text: str | Sequence[str]) -> tuple[str, ...]:
    """Split an artist credit into its artists.

    Several values are several artists, as they are. A single text is cut at ``feat.``, ``ft.``,
    ``featuring``, ``vs``, ``vs.``, at ``/`` between spaces, at ``;`` and ``|``, and at a
    lower-case ``x`` between names that start with a capital. It is not cut at ``&``, ``and``,
    ``,`` or a bare ``/``, which belong to names: Simon & Garfunkel; Earth, Wind & Fire; AC/DC.

    Parameters
    ----------
    text : str or sequence of str
        One credit, or the values of a tag that holds several.

    Returns
    -------
    tuple of str
        In the order written, without repeats (upper and lower case are equal).
    """
    values = [text] if isinstance(text, str) else list(text)
    return _unique(_cut(values[0]) if len(values) == 1 else values)


def normalize_name(name: str) -> str:
    """Return a form of `name` in which different spellings of one name are equal.

    Compatibility decomposition without diacritics (Unicode Standard Annex 15, NFKD), caseless,
    without punctuation and a leading "the"; "&" is "and". Marks that are letters of their script
    (kana, Indic, Thai) stay. A name with nothing left, such as ``"!!!"``, is only casefolded.
    """
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    text = text.replace("&", " and ")
    kept = (
        c for c in text if not ("\u0300" <= c <= "\u036f" or unicodedata.category(c)[0] in "PC")
    )
    words = "".join(kept).split()
    while len(words) > 1 and words[0] == "the":
        words = words[1:]
    return unicodedata.normalize("NFC", " ".join(words)) or name.strip().casefold()


# ---- values -------------------------------------------------------------------------------------

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
    code = _squeeze(text).removeprefix("ISRC")
    if not _ISRC.fullmatch(code):
        raise ValueError("an ISRC such as GB-AYE-06-01498")
    return code


def _uuids(values: Sequence[str]) -> tuple[str, ...]:
    found = _unique(_UUID.findall(" ".join(values).lower()))
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
    match = re.fullmatch(r"0*([1-9][0-9]{0,5})(\s*/.*)?", text)
    if not match:
        raise ValueError("a whole number from 1, such as 3 or 3/12")
    return int(match.group(1))


def _genres(values: Sequence[str]) -> tuple[str, ...]:
    return _unique(piece for value in values for piece in re.split(r"[;|]", value))


_PARSE_ALL: Mapping[str, Callable[[Sequence[str]], Any]] = {
    "artist": "; ".join,
    "artists": split_artists,
    "genres": _genres,
    "mb_artists": _uuids,
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
        guests = _BRACKETED.findall(values.get("title", ""))
        values["artists"] = _unique(
            [*values["artists"], *(name for guest in guests for name in split_artists(guest))]
        )
    return Metadata(**values)


# ---- tags ---------------------------------------------------------------------------------------


def read_tags(path: str | os.PathLike[str]) -> Metadata:
    """Read the tags of an audio file.

    ID3 (mp3, aiff, wav), Vorbis comments (flac, ogg, opus), MP4, ASF (wma) and APEv2. The names
    of the fields are those of MusicBrainz Picard's tag mapping and its common variants. Tags that
    are damaged give what could be read of them, which may be nothing; a file that holds no tags
    or is of a kind without tags gives an empty :class:`Metadata`. A value that does not fit its
    field (year "abc", bpm 0) is missing.

    Parameters
    ----------
    path : str or os.PathLike

    Returns
    -------
    Metadata

    Raises
    ------
    AudioError
        The file cannot be opened.
    """
    # Imported here because start-up should not pay for it.
    from mutagen import File, MutagenError
    from mutagen.aiff import AIFF
    from mutagen.apev2 import APEv2
    from mutagen.asf import ASF
    from mutagen.dsdiff import DSDIFF
    from mutagen.dsf import DSF
    from mutagen.flac import FLAC
    from mutagen.id3 import ID3
    from mutagen.mp4 import MP4
    from mutagen.oggflac import OggFLAC
    from mutagen.oggopus import OggOpus
    from mutagen.oggspeex import OggSpeex
    from mutagen.oggvorbis import OggVorbis
    from mutagen.wave import WAVE

    # Only containers whose tags need their parser. ID3 and APEv2 (mp3, WavPack, Monkey's Audio,
    # Musepack) are found without looking at the audio, which may be damaged: mutagen 1.48 never
    # returns from an empty Musepack packet.
    containers = [AIFF, ASF, DSDIFF, DSF, FLAC, MP4, OggFLAC, OggOpus, OggSpeex, OggVorbis, WAVE]
    loaders: tuple[Callable[[Any], Any], ...] = (
        lambda file: getattr(File(file, options=containers), "tags", None),
        ID3,
        APEv2,
    )
    try:
        stream = open(path, "rb")
    except OSError as error:
        raise AudioError(os.fspath(path), error.strerror or "cannot be opened") from error
    with stream:
        for load in loaders:
            stream.seek(0)
            try:
                found = _parse_tags(load(stream))
            except (MutagenError, *_MUTAGEN_LEAKS):
                continue
            if found:
                return complete_metadata(found)
    return Metadata()


def _parse_tags(tags: Any) -> dict[str, Any]:
    """Parse the fields of any kind of mutagen tags."""
    wanted = {name for names in FIELD_NAMES.values() for name in names}
    values: dict[str, list[str]] = {}
    for spelling, items in _tag_values(tags):
        name = _squeeze(spelling)
        if name in wanted:  # others, such as pictures, may be large and no text
            values.setdefault(name, []).extend(_text(item) for item in items)
    found: dict[str, Any] = {}
    for field, names in FIELD_NAMES.items():
        for name in names:
            try:
                value = parse_field(field, values.get(name, []))
            except ValueError:
                continue  # not what this field holds: missing, or under the next name
            if value:
                found[field] = value
                break
    return found


def _tag_values(tags: Any) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield name and values of each tag, in any kind of mutagen tags."""
    from mutagen.apev2 import APEv2
    from mutagen.asf import ASFTags
    from mutagen.id3 import ID3Tags
    from mutagen.mp4 import MP4Tags

    kind = type(tags)
    if issubclass(kind, ID3Tags):
        for frame in tags.values():
            yield from _frame_values(frame)
    elif issubclass(kind, MP4Tags):
        for atom, items in tags.items():
            yield _MP4_NAMES.get(atom) or atom.rpartition(":")[2], items
    elif issubclass(kind, ASFTags):
        for name, item in tags:
            yield name.removeprefix("WM/"), [item.value]
    elif issubclass(kind, APEv2):
        for name, item in tags.items():
            yield name, [item.value]
    elif tags is not None:
        for name, text in tags:
            yield name, [text]


def _frame_values(frame: Any) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield name and values of an ID3 frame that may be wanted (ID3v2.4, section 4)."""
    if frame.FrameID == "UFID" and frame.owner == "http://musicbrainz.org":
        yield "MUSICBRAINZTRACKID", [frame.data]
    elif frame.FrameID == "TCON":
        # mutagen turns "(17)" and "17" into names, and numbers that have none into "Unknown".
        yield "GENRE", [_repaired(name, frame) for name in frame.genres if name != "Unknown"]
    elif frame.FrameID in _ID3_NAMES or frame.FrameID == "TXXX":
        name = frame.desc if frame.FrameID == "TXXX" else _ID3_NAMES[frame.FrameID]
        yield name, [_repaired(str(text), frame) for text in frame.text]


def _repaired(text: str, frame: Any) -> str:
    """Undo the commonest mislabeling of ID3 text: UTF-8 or Windows-1252 marked as Latin-1.

    Latin-1 text is hardly ever valid UTF-8 by chance, and has no use for the codes 0x80 to 0x9f.
    """
    if frame.encoding != 0 or text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        has_codes = re.search("[\x80-\x9f]", text)
        return text.encode("latin-1").decode("cp1252", "replace") if has_codes else text


def _text(value: Any) -> str:
    """Return the text of a tag's value: text, UTF-8 bytes, a number, or (number, total)."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value[0] if isinstance(value, tuple) else value)
