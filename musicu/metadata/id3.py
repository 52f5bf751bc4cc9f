"""ID3 tags of versions 1, 2.2, 2.3 and 2.4, and the genres that have numbers in them.

Only frames that hold a field are read, and of these no more than a text can be; pictures are passed
over. Sizes are checked against the file, so damage costs what it hits and no more.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

from musicu.audio.containers import ReadAt, bytes_reader
from musicu.audio.tag_blocks import id3v2_length, synchsafe
from musicu.metadata.fields import frame_names

__all__ = [
    "GENRES",
    "LONGEST",
    "NAMES",
    "Texts",
    "genre_names",
    "read_id3v1",
    "read_id3v2",
    "read_utf8",
]

# Names and values in the order found; bytes where the encoding is not known for certain.
Texts = list[tuple[str, str | bytes]]

LONGEST = 40_000  # bytes of one value; what is longer is no title
_MOST_FRAMES = 10_000
_MOST_UNSYNCHRONIZED = 1 << 24  # bytes; such tags can only be read as a whole

# The names that frames stand for; those that hold several things are read on their own.
NAMES = frame_names("id3")
# Version 2.2 has three letters.
_OLD = {"TYE": "TYER", "TDA": "TDAT", "TIM": "TIME", "TXX": "TXXX", "UFI": "UFID"}
_WANTED = frozenset({*NAMES, *_OLD.values()})
_GENRES = """
Blues; Classic Rock; Country; Dance; Disco; Funk; Grunge; Hip-Hop; Jazz; Metal; New Age; Oldies;
Other; Pop; R&B; Rap; Reggae; Rock; Techno; Industrial; Alternative; Ska; Death Metal; Pranks;
Soundtrack; Euro-Techno; Ambient; Trip-Hop; Vocal; Jazz+Funk; Fusion; Trance; Classical;
Instrumental; Acid; House; Game; Sound Clip; Gospel; Noise; Alt. Rock; Bass; Soul; Punk; Space;
Meditative; Instrumental Pop; Instrumental Rock; Ethnic; Gothic; Darkwave; Techno-Industrial;
Electronic; Pop-Folk; Eurodance; Dream; Southern Rock; Comedy; Cult; Gangsta Rap; Top 40;
Christian Rap; Pop/Funk; Jungle; Native American; Cabaret; New Wave; Psychedelic; Rave;
Showtunes; Trailer; Lo-Fi; Tribal; Acid Punk; Acid Jazz; Polka; Retro; Musical; Rock & Roll;
Hard Rock; Folk; Folk-Rock; National Folk; Swing; Fast-Fusion; Bebop; Latin; Revival; Celtic;
Bluegrass; Avantgarde; Gothic Rock; Progressive Rock; Psychedelic Rock; Symphonic Rock; Slow
Rock; Big Band; Chorus; Easy Listening; Acoustic; Humour; Speech; Chanson; Opera; Chamber Music;
Sonata; Symphony; Booty Bass; Primus; Porn Groove; Satire; Slow Jam; Club; Tango; Samba;
Folklore; Ballad; Power Ballad; Rhythmic Soul; Freestyle; Duet; Punk Rock; Drum Solo; A
Cappella; Euro-House; Dance Hall; Goa; Drum & Bass; Club-House; Hardcore; Terror; Indie;
BritPop; Afro-Punk; Polsk Punk; Beat; Christian Gangsta Rap; Heavy Metal; Black Metal;
Crossover; Contemporary Christian; Christian Rock; Merengue; Salsa; Thrash Metal; Anime; JPop;
Synthpop; Abstract; Art Rock; Baroque; Bhangra; Big Beat; Breakbeat; Chillout; Downtempo; Dub;
EBM; Eclectic; Electro; Electroclash; Emo; Experimental; Garage; Global; IDM; Illbient;
Industro-Goth; Jam Band; Krautrock; Leftfield; Lounge; Math Rock; New Romantic; Nu-Breakz;
Post-Punk; Post-Rock; Psytrance; Shoegaze; Space Rock; Trop Rock; World Music; Neoclassical;
Audiobook; Audio Theatre; Neue Deutsche Welle; Podcast; Indie Rock; G-Funk; Dubstep; Garage
Rock; Psybient
"""
GENRES = tuple(name.strip() for name in _GENRES.replace("\n", " ").split(";"))


def genre_names(text: str) -> list[str]:
    """Return the genres that a text of ID3 stands for.

    ``"17"`` and ``"(17)"`` are numbers, ``"(4)Eurodisco"`` is one with a refinement; a number
    without a name is nothing. Several may be joined by ";"; numbers by "/" too.
    """
    separator = "[/;]" if re.fullmatch(r"\(?\d+\)?(?:[/;]\s*\(?\d+\)?)+", text) else ";"
    parts = [part.strip() for part in re.split(separator, text)]
    return list(dict.fromkeys(name for part in parts for name in _genre_names(part)))


def _genre_names(text: str) -> list[str]:
    numbers, rest = re.match(r"((?:\((?:\d+|RX|CR)\))*)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    marks = re.findall(r"\d+|RX|CR", numbers)
    if re.fullmatch(r"[0-9]+|RX|CR", rest.strip("\0 ")):
        marks, rest = [*marks, rest.strip("\0 ")], ""
    named = {"RX": "Remix", "CR": "Cover"}
    names = [named.get(mark) or _genre(int(mark)) for mark in marks]
    names.append(rest[1:] if rest.startswith("((") else rest)
    return [name for name in names if name]


def _genre(number: int) -> str:
    return GENRES[number] if number < len(GENRES) else ""


def read_id3v1(data: bytes) -> Texts:
    """Read the 128 bytes at the end of a file, whose encoding nothing states."""
    fields = (("TITLE", 3, 33), ("ARTIST", 33, 63), ("ALBUM", 63, 93), ("DATE", 93, 97))
    found: Texts = [
        (name, data[start:end].partition(b"\0")[0].strip()) for name, start, end in fields
    ]
    if data[125] == 0 and data[126]:
        found.append(("TRACK", str(data[126])))
    found.append(("GENRE", _genre(data[127])))
    return [(name, text) for name, text in found if text]


def read_id3v2(read: ReadAt, at: int) -> tuple[Texts, int, int]:
    """Read the tag that starts at a position.

    Returns
    -------
    texts : list of (str, str or bytes)
    length : int
        Bytes of the tag as its header states; 0 where there is none.
    version : int
        2, 3 or 4.
    """
    header = read(at, 10)
    length = id3v2_length(header)
    if not length:
        return [], 0, 0
    version, flags, size = header[3], header[5], synchsafe(header[6:])
    start, end = at + 10, at + 10 + size
    if flags & 0x80 and version < 4:
        body = read(at + 10, min(size, _MOST_UNSYNCHRONIZED)).replace(b"\xff\x00", b"\xff")
        read, start, end = bytes_reader(body), 0, len(body)
    if flags & 0x40:
        if version == 2:  # compressed, in a way that was never settled
            return [], length, version
        start += _extended(read, start, version)
    frames = _frames(read, start, end, version, unsynchronized=bool(flags & 0x80))
    return _named(frames), length, version


def _named(frames: Iterator[tuple[str, bytes]]) -> Texts:
    found: Texts = []
    parts: dict[str, str] = {}
    for frame, data in frames:
        if frame == "UFID":
            owner, _, identifier = data.partition(b"\0")
            if owner == b"http://musicbrainz.org":
                found.append(("MUSICBRAINZTRACKID", identifier))
            continue
        texts = _texts(data)
        if frame == "TXXX":
            if texts:
                name = texts[0] if isinstance(texts[0], str) else texts[0].decode("latin-1")
                found += [(name, text) for text in texts[1:]]
        elif frame in ("TYER", "TDAT", "TIME"):
            for text in texts[:1]:
                parts[frame] = text if isinstance(text, str) else text.decode("latin-1")
        else:
            found += [(NAMES[frame], text) for text in texts]
    if "TYER" in parts:
        found.append(("DATE", _date(**{name.lower(): text for name, text in parts.items()})))
    return found


def _date(tyer: str, tdat: str = "", time: str = "") -> str:
    """Join the year, the day and month, and the hour and minute of version 2.3."""
    if not re.fullmatch(r"\d{4}", tyer) or not re.fullmatch(r"\d{4}", tdat):
        return tyer
    date = f"{tyer}-{tdat[2:]}-{tdat[:2]}"
    return f"{date}T{time[:2]}:{time[2:]}:00" if re.fullmatch(r"\d{4}", time) else date


def _extended(read: ReadAt, at: int, version: int) -> int:
    """Return the length of the extended header; 0 where a frame stands in its place."""
    head = read(at, 4)
    if len(head) < 4 or re.fullmatch(rb"[A-Z][A-Z0-9]{3}", head):
        return 0
    return synchsafe(head) if version == 4 else 4 + int.from_bytes(head, "big")


def _frames(
    read: ReadAt, at: int, end: int, version: int, *, unsynchronized: bool
) -> Iterator[tuple[str, bytes]]:
    """Yield the frames that are wanted, with the start of what they hold."""
    letters, head = (3, 6) if version == 2 else (4, 10)
    for _ in range(_MOST_FRAMES):
        header = read(at, head)
        name = header[:letters]
        if len(header) < head or at + head > end or not re.fullmatch(rb"[A-Z0-9 ]{3,4}", name):
            return
        size = int.from_bytes(header[letters : 2 * letters], "big")
        if version == 4:
            size = _size_of_4(read, at, end, header[4:8])
        at += head
        frame = name.decode("ascii")
        frame = _OLD.get(frame, frame)
        if frame in _WANTED and at < end:
            data = read(at, min(size, end - at, LONGEST))
            flags = header[9] if version > 2 else 0
            plain = _plain(data, flags, version, unsynchronized=unsynchronized)
            if plain:
                yield frame, plain
        at += size


def _size_of_4(read: ReadAt, at: int, end: int, data: bytes) -> int:
    """Return a frame's size in version 2.4; older programs wrote it as in version 2.3."""
    plain, size = int.from_bytes(data, "big"), synchsafe(data)
    if any(byte > 127 for byte in data):
        return plain
    if plain == size or _is_frame(read, at + 10 + size, end):
        return size
    return plain if _is_frame(read, at + 10 + plain, end) else size


def _is_frame(read: ReadAt, at: int, end: int) -> bool:
    if at == end:
        return True
    head = read(at, 4)
    return at < end and re.fullmatch(rb"[A-Z][A-Z0-9]{3}|\0{1,4}", head) is not None


def _plain(data: bytes, flags: int, version: int, *, unsynchronized: bool) -> bytes:
    """Undo what is done to a frame as a whole: grouping, compression, unsynchronization."""
    if version == 4:
        grouped, packed, locked, counted = flags & 0x40, flags & 0x08, flags & 0x04, flags & 0x01
        skip = (1 if grouped else 0) + (4 if counted else 0)
        if unsynchronized or flags & 0x02:
            data = data.replace(b"\xff\x00", b"\xff")
    else:
        grouped, packed, locked = flags & 0x20, flags & 0x80, flags & 0x40
        skip = (4 if packed else 0) + (1 if grouped else 0)
    if locked:
        return b""
    data = data[skip:]
    if packed:
        try:
            data = zlib.decompressobj().decompress(data, LONGEST)
        except zlib.error:
            return b""
    return data


def _texts(data: bytes) -> list[str | bytes]:
    """Split a text frame's values; the first byte tells their encoding."""
    kind, body = data[0], data[1:]
    if kind in (1, 2):
        return list(_wide(body, big=kind == 2))
    if kind not in (0, 3):
        return []
    values = body.rstrip(b"\0").split(b"\0")
    return [*map(read_utf8, values)] if kind == 3 else [*values]


def read_utf8(value: bytes) -> str | bytes:
    """Decode what should be UTF-8; return the bytes where it is not."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value


def _wide(body: bytes, *, big: bool) -> Iterator[str]:
    """Yield the values of UTF-16, each of which may have a byte order mark."""
    if body[:2] not in (b"\xff\xfe", b"\xfe\xff") and body[:1] == b"\0" != body[1:2]:
        big = True
    body = body[: len(body) // 2 * 2]
    units = [body[at : at + 2] for at in range(0, len(body), 2)]
    while units and units[-1] == b"\0\0":
        units.pop()
    value: list[bytes] = []
    for unit in [*units, b"\0\0"]:
        if unit == b"\0\0":
            yield b"".join(value).decode("utf-16-be" if big else "utf-16-le", "surrogatepass")
            value = []
        elif unit in (b"\xff\xfe", b"\xfe\xff") and not value:
            big = unit == b"\xfe\xff"
        else:
            value.append(unit)
