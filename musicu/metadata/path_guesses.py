"""What a file's path tells of it: ``Artist/Album/01 Title.flac`` and its common variants.

A wrong artist costs more than none: tracks of one artist are left out of each other's results. So a
folder counts as an artist or an album only where the names look like it; names that programs give
(temporary folders, identifiers, "audio") never do.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from musicu.metadata.artists import is_various
from musicu.metadata.fields import Metadata, complete_metadata
from musicu.metadata.names import squash_name
from musicu.metadata.parsers import is_placeholder
from musicu.metadata.text_encodings import decode

__all__ = ["guess_metadata"]

# Folders that are no one's work, as `squash_name` spells them.
_GENERIC = frozenset(
    "music musik musique musica muziek muzyka hudba музыка 音乐 音樂 音楽 음악 audio sound "
    "sounds song songs track tracks album albums artist artists single singles "
    "compilation compilations sampler samplers soundtrack "
    "soundtracks ost mixes mixtapes playlist playlists download downloads desktop "
    "documents tmp temp cache library libraries media data dataset datasets sample "
    "samples clips loops stems fixtures case cases example examples demo flac mp3 wav "
    "wave ogg opus m4a aac alac aiff wma lossless lossy out output outputs in input "
    "inputs test tests train valid validation file files folder misc other others "
    "unsorted unknown unknownartist unknownalbum incoming complete completed upload "
    "uploads share shared public private backup backups archive archives nas usb "
    "sdcard home users root mnt volumes srv var opt usr itunes itunesmedia "
    "itunesmusic ituneslibrary spotify bandcamp soundcloud youtube napster new old my "
    "mymusic mine collection rips ripped vinyl cd cds disc discs disk radio podcast "
    "podcasts audiobook audiobooks recording recordings voice work project projects "
    "build dist src".split()
)
_NO_TITLE = (_GENERIC - {"song"}) | frozenset(
    "untitled title noname unnamed newrecording rec take mix master final version bounce render "
    "tone noise silence".split()
)
# Folders in which albums of many artists lie, and those between an artist and the albums.
_OF_MANY = frozenset("compilations compilation samplers soundtracks soundtrack ost".split())
_BETWEEN = frozenset("albums studioalbums discography".split())
# Kinds of music, of which no known artist has the name.
_KINDS = frozenset(
    "rock pop jazz blues metal classical electronic electronica hiphop rap country folk reggae "
    "techno house punk indie soul funk ambient dance rnb world latin charts hits".split()
)
_MADE_UP = re.compile(
    r"[\W\d_]*"  # no letter
    r"|[0-9a-f]{8,}|.*[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}.*"  # hash, UUID
    r"|\..*"  # hidden
    r"|(?:tmp|temp|pytest|test|upload|cache|img|rec|voice|vid|aud|dsc)(?=[\W\d_]).*",
    re.IGNORECASE,
)
# Where a path leads to a disk or a person's home, and how many names that takes.
_PLACES = (
    (("run", "media"), 4),
    (("media",), 3),
    (("home",), 2),
    (("Users",), 2),
    (("mnt",), 2),
    (("Volumes",), 2),
    (("var",), 2),
)
_DISC = re.compile(r"(?:cd|disc|disk|disque|lp)\s*[-_#.]?\s*0*(\d{1,2})\b.*", re.IGNORECASE)
_OF_DISC = re.compile(r"[\s,-]*[\[(]?\b(?:cd|disc|disk)\s*0*(\d{1,2})[\])]?$", re.IGNORECASE)
_NUMBER = re.compile(r"(?:(\d)[-.])?[\[(]?(\d{1,3})(?P<mark>\s*[-–.)\]]\s+|[-–._)\]]\s*|\s+)(?=\S)")
_YEAR_FIRST = re.compile(r"[\[(]?((?:19|20)\d\d)[\])]?(?:\s*[-–.]\s*|\s+)(?=\S)")
_YEAR_IN_BRACKETS = re.compile(r"\s*[\[({]((?:19|20)\d\d)\b[^\])}]*[\])}]")
_NOTE = re.compile(
    r"\s*[\[({](?:[^\])}]*\b(?:flac|mp3|wav|aac|alac|ogg|opus|web|vinyl|lossless|\d+\s*k(?:bps|hz)?|"
    r"\d+[- ]?bits?|v[02]|cbr|vbr)\b[^\])}]*)[\])}]",
    re.IGNORECASE,
)
# "Artist-Album-CD-2001-GROUP", as groups that release files name folders.
_RELEASE = re.compile(r"([^-]+)-([^-]+)-(?:[^-]+-)*((?:19|20)\d\d)-([^-\s]+)")
_DASH = re.compile(r"\s+[-‐‑‒–—―−]\s+")
# What stands behind a dash and belongs to the title; not what only begins like it, as "Live and Let
# Die", "Take On Me", "Nothing Else Matters" and "1999" do.
_VERSION = re.compile(
    r"(?:acoustic|instrumental|demo|mono|stereo|bonus(?:\s+track)?|reprise|intro|outro|live"
    r"(?:\s+(?:at|in|from|on|session)\b.*)?)(?:[^\w\s].*|\s+[^\w\s].*|\s+\d.*)?"
    r"|(?:part|pt|no|nr|act|take)\b\W*(?:\d+|[ivx]+|one|two|three)\b.*"
    r"|[ivx]+\..*|\d{1,2}"
    r"|.*\b(?:remix|mix|edit|version|remaster(?:ed)?)\b.*",
    re.IGNORECASE,
)
_MOST_ON_A_DISC = 40


@dataclass(frozen=True, slots=True)
class _Name:
    """What a file's name tells; whether its number and its artist are written as such."""

    title: str
    artist: str | None = None
    album: str | None = None
    track: int | None = None
    disc: int | None = None


def guess_metadata(path: str, known: Metadata) -> Metadata:
    """Fill what is missing from a file's path.

    Only title, artist, album, year, track and disc. They are marked in ``guessed``; what is known
    stays as it is.

    Parameters
    ----------
    path : str
        The file; of its folders the last three count.
    known : Metadata
        What its tags say.

    Returns
    -------
    Metadata
    """
    if known.title and known.artist and known.album:
        return known
    found = _guess(path, known)
    if known.year or known.date:
        found.pop("year", None)
    if known.artists:
        found.pop("artist", None)
    own = known.to_dict()
    new = {field: value for field, value in found.items() if value and field not in own}
    if not new or not {"title", "artist", "album"} & new.keys():
        return known
    whole = complete_metadata(
        {field: getattr(known, field) for field in own} | new | {"guessed": tuple(new)}
    )
    # The artists one by one are as good as the credit that they are from.
    return replace(whole, guessed=(*new, "artists")) if "artist" in new else whole


def _guess(path: str, known: Metadata) -> dict[str, str | int | None]:
    *folders, file = _readable(path)
    stem = _spaced(os.path.splitext(file)[0])
    folders = folders[_depth(folders) :]
    disc = None
    if folders and (match := _DISC.fullmatch(folders[-1])):
        disc = int(match.group(1))
        folders.pop()
    if len(folders) > 1 and squash_name(folders[-2]) in _BETWEEN:
        del folders[-2]
    pair = ["", "", *map(_spaced, folders)][-2:]
    of_many = bool(pair[0]) and (is_various(pair[0]) or squash_name(pair[0]) in _OF_MANY)
    above = [name if _is_name(name) else "" for name in pair]
    if squash_name(above[0]) in _KINDS:
        above[0] = ""
    if above[0] and pair[1].isdecimal() and _NUMBER.match(stem):
        above[1] = pair[1]  # "1999" and "21" may be albums, where the tracks are numbered too
    folder = _folder(above[1], above[0])
    ordered = bool(above[0] and above[1])
    name = _file(stem, above, ordered=ordered, on_disc=disc or folder.disc)
    # That it is an album is told by numbers, a year or a disc, or by names written as names.
    is_album = bool(
        name.track or disc or folder.disc or folder.year or (folder.artist and not above[0])
    ) or all(map(_is_titled, [*above, name.title]))
    found: dict[str, str | int | None] = {"track": name.track}
    if name.track and is_placeholder("album", pair[1]):
        found["artist"] = above[0]
    if is_album and folder.album:
        found |= {"album": folder.album, "artist": folder.artist or above[0] or None}
        found |= {"year": folder.year}
        by_another = name.artist and not _same(name.artist, folder.album)
        is_no_artist = folder.year or disc or folder.disc or by_another or of_many
        if not (found["artist"] or is_no_artist):
            found["album"] = None  # the folder is as likely the artist's
    found["album"] = name.album or found.get("album")
    found["disc"] = disc or folder.disc or name.disc
    if name.artist and (not known.title or _same(name.title, known.title)):
        found["artist"] = name.artist
    named = name.track or found.get("artist") or found["album"] or _is_titled(name.title)
    # "1999" is a title where the artist is known.
    if named and (_is_title(name.title) or (found.get("artist") and name.title.isdecimal())):
        found["title"] = name.title
    told = found.get("title") or found.get("artist") or known.title
    return found if told else {}  # a number alone tells nothing


@dataclass(frozen=True, slots=True)
class _Folder:
    """What the name of an album's folder tells."""

    album: str = ""
    artist: str | None = None
    year: int | None = None
    disc: int | None = None


def _folder(name: str, above: str) -> _Folder:
    """Read ``Album``, ``2001 - Album``, ``Album (2001) [FLAC]``, ``Artist - Album CD1``."""
    if release := _RELEASE.fullmatch(name):
        artist = release[1].strip()
        return _Folder(release[2].strip(), artist if _is_name(artist) else None, int(release[3]))
    name = _NOTE.sub("", name)
    disc = _OF_DISC.search(name)
    if disc:
        name = name[: disc.start()]
    year = _YEAR_FIRST.match(name) or _YEAR_IN_BRACKETS.search(name)
    if year:
        name = name[: year.start()] + " " + name[year.end() :]
    artist = None
    parts = [part for part in _DASH.split(name.strip(" -")) if part.strip()]
    if len(parts) > 1 and (not above or _same(parts[0], above) or len(parts) == 2):
        if len(parts) > 2 and re.fullmatch(r"(?:19|20)\d\d", parts[1]):
            return _Folder(" - ".join(parts[2:]), parts[0], int(parts[1]))
        live = parts[1].casefold().startswith("live ")  # an album, behind its artist
        if live or not _VERSION.fullmatch(parts[1]):
            artist, parts = parts[0], parts[1:]
    return _Folder(
        " - ".join(parts).strip(),
        artist if artist and _is_name(artist) else None,
        int(year.group(1)) if year else None,
        int(disc.group(1)) if disc else None,
    )


def _file(stem: str, above: Sequence[str], *, ordered: bool, on_disc: int | None) -> _Name:
    """Read ``01 Title``, ``1-01 Title``, ``01 - Artist - Title``, ``Artist - 01 - Title``."""
    disc = track = None
    bare = stem.isdecimal() or is_placeholder("title", stem)  # "01" or "Track 01"
    if ordered and bare and (match := re.fullmatch(r"\D*(\d{1,2})", stem)):
        return _Name("", track=int(match[1]) or None)
    if match := _NUMBER.match(stem):
        number, marked = match.group(2), bool(match["mark"].strip())
        spaced = match["mark"].endswith(" ")
        padded = number.startswith("0") or bool(match.group(1) and len(number) == 2)
        ordinary = ordered and len(number) == 2 and int(number) <= _MOST_ON_A_DISC
        if len(number) < 3 and int(number) and (padded or (marked and spaced) or ordinary):
            track, disc = int(number), int(match.group(1) or 0) or None
            stem = stem[match.end() :]
        elif (
            len(number) == 3
            and (marked or number[0] == str(on_disc))
            and number[0] != "0"
            and number[1:] != "00"
            and above[1]
        ):  # with no album it may be an artist: 311
            disc, track = int(number[0]), int(number[1:])
            stem = stem[match.end() :]
    parts = [part.strip() for part in _DASH.split(stem) if part.strip()]
    if track and len(parts) == 1 and (release := _RELEASE.fullmatch(above[1])):
        parts = stem.split("-")
        if len(parts) > 2 and _same(parts[-1], release[4]):
            parts.pop()
    if track is None and len(parts) > 1 and (match := _NUMBER.match(parts[-1])):
        if match[2].startswith("0") or (len(parts) == 3 and _same(parts[1], above[1])):
            parts[-1:] = [match[2], parts[-1][match.end() :]]
    if len(parts) < 2:
        return _Name(stem.strip(), None, None, track, disc)
    at = next((i for i in (1, 2) if i < len(parts) - 1 and parts[i].isdecimal()), None)
    if at is not None and len(parts[at]) < 3 and track is None:
        before, title = parts[:at], " - ".join(parts[at + 1 :])
        album = before[1] if len(before) > 1 else None
        artist = before[0] if album or not _same(before[0], above[1]) else None
        return _Name(title, artist, album, int(parts[at]) or None, disc)
    if _VERSION.fullmatch(parts[1]) or not _is_name(parts[0]):
        return _Name(" - ".join(parts), None, None, track, disc)
    rest = parts[1:]
    if len(rest) > 1 and above[1] and _same(rest[0], above[1]):
        rest = rest[1:]
    return _Name(" - ".join(rest), parts[0], None, track, disc)


def _readable(path: str) -> list[str]:
    """Split a path; names that are not UTF-8 are read as what they likely are."""
    names = [name for name in path.split(os.sep) if name]
    if not all(name.isprintable() for name in names):  # lone surrogates are not
        names, _ = decode([os.fsencode(name) for name in names])
    return [unicodedata.normalize("NFC", name) for name in names] or [""]


def _depth(folders: Sequence[str]) -> int:
    """Return how many of the first folders only lead to a disk, a home, or a temporary place."""
    for place, depth in _PLACES:
        if tuple(folders[: len(place)]) == place:
            return depth
    return 0


def _spaced(name: str) -> str:
    """Write underscores that stand for spaces as spaces; those of an identifier stay."""
    stand_in = " " not in name and (name[:1].isdigit() or name != name.lower() or "_-_" in name)
    return " ".join((name.replace("_", " ") if stand_in else name).split())


def _same(one: str, other: str) -> bool:
    """Tell whether one of two names is the other, or in it."""
    a, b = squash_name(one), squash_name(other)
    return bool(a and b) and (a in b or b in a)


def _is_name(name: str) -> bool:
    """Tell whether a name may be an artist's or an album's."""
    return (
        len(name) > 1
        and not _MADE_UP.fullmatch(name)
        and squash_name(name) not in _GENERIC
        and not is_various(name)
    )


def _is_title(name: str) -> bool:
    """Tell whether a name may be a title, where something else says that it is a song's."""
    return not _MADE_UP.fullmatch(name) and not is_placeholder("title", name)


def _is_titled(name: str) -> bool:
    """Tell whether a name is written as people write names: with a capital or spaces."""
    written = " " in name or name[:1].isupper() or not name.isascii()
    return written and len(name) > 1 and _is_title(name) and squash_name(name) not in _NO_TITLE
