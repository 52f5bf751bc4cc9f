"""Tags as the containers hold them: Vorbis comments, APEv2, MP4, ASF, RIFF and AIFF chunks.

Each reader walks the blocks of its format by their sizes and reads the texts only: pictures are
passed over. Sizes are checked against the file and counts are bounded, so a damaged file gives what
stands before the damage, in bounded time and memory.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import BinaryIO, Literal

from musicu.metadata.fields import frame_names
from musicu.metadata.id3 import GENRES, LONGEST, Texts, take

__all__ = [
    "ASF_HEADER",
    "read_ape",
    "read_asf",
    "read_chunks",
    "read_flac",
    "read_mp4",
    "read_ogg",
]

_MOST = 10_000  # entries of one block
_LONGEST_NAME = 256
_MOST_OGG = 1 << 25  # bytes of headers; covers stand among the comments

# First packets of Ogg streams, and where in the second the comments start.
_OGG_COMMENTS = {b"\x01vorbis": 7, b"OpusHead": 8, b"\x7fFLAC": 4, b"Speex   ": 0}
_MP4_NAMES = frame_names("mp4")
_3GP_NAMES = frame_names("gpp")  # beside the item list
_CHUNK_NAMES = frame_names("chunks")


def _utf8(value: bytes) -> str | bytes:
    """Decode what should be UTF-8; the bytes where it is not."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value


def read_ape(file: BinaryIO, at: int, end: int) -> Texts:
    """Read the items of an APE tag between its header and its footer, or of the place of both.

    Parameters
    ----------
    file : binary file
    at, end : int
        Where the items begin and end.
    """
    found: Texts = []
    for _ in range(_MOST):
        head = take(file, at, min(8 + _LONGEST_NAME, end - at))
        name, zero, _ = head[8:].partition(b"\0")
        if len(head) < 8 or not zero:
            break
        size, flags = struct.unpack_from("<II", head)
        at += 8 + len(name) + 1
        if flags & 6 == 0:  # text
            value = take(file, at, min(size, LONGEST, end - at))
            found += [(name.decode("latin-1"), _utf8(text)) for text in value.split(b"\0")]
        at += size
    return found


def _comments(file: BinaryIO, at: int, end: int) -> Texts:
    """Read Vorbis comments: the vendor, and then names and values."""
    found: Texts = []
    vendor = take(file, at, 4)
    if len(vendor) < 4:
        return found
    at += 4 + int.from_bytes(vendor, "little")
    count = int.from_bytes(take(file, at, 4), "little")
    at += 4
    for _ in range(min(count, _MOST)):
        size = take(file, at, min(4, end - at))
        if len(size) < 4:
            break
        at += 4
        length = min(int.from_bytes(size, "little"), end - at)
        start = take(file, at, min(length, _LONGEST_NAME))
        name, equals, _ = start.partition(b"=")
        if equals and name.upper() != b"METADATA_BLOCK_PICTURE":
            value = take(file, at + len(name) + 1, min(length - len(name) - 1, LONGEST))
            found.append((name.decode("latin-1"), _utf8(value)))
        at += length
    return found


def read_flac(file: BinaryIO, at: int, size: int) -> Texts:
    """Read the comments of the FLAC stream that starts at a position."""
    found: Texts = []
    at += 4
    for _ in range(_MOST):
        head = take(file, at, 4)
        if len(head) < 4:
            break
        length = int.from_bytes(head[1:], "big")
        if head[0] & 0x7F == 4:
            found += _comments(file, at + 4, min(at + 4 + length, size))
        if head[0] & 0x80:
            break
        at += 4 + length
    return found


def read_ogg(file: BinaryIO, at: int, size: int) -> Texts:
    """Read the comments of the streams that start together, Skeleton and the like beside them."""
    found: Texts = []
    for first, second in _ogg_headers(file, at):
        skip = next(skip for mark, skip in _OGG_COMMENTS.items() if first.startswith(mark))
        found += _comments(io.BytesIO(second), skip, len(second))
    return found


def _ogg_headers(file: BinaryIO, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the first two packets of each stream whose second one holds comments."""
    packets: dict[bytes, list[bytearray]] = {}
    waiting: set[bytes] = set()
    end = at + _MOST_OGG
    while at < end:
        head = take(file, at, 27)
        if len(head) < 27 or head[:4] != b"OggS":
            return
        serial, starts = head[14:18], bool(head[5] & 2)
        if not starts and not waiting:
            return
        lacing = take(file, at + 27, head[26])
        body = io.BytesIO(take(file, at + 27 + len(lacing), sum(lacing)))
        at += 27 + len(lacing) + sum(lacing)
        parts = packets.setdefault(serial, [bytearray()])
        for length in lacing:
            parts[-1] += body.read(length)
            if length == 255:
                continue
            if len(parts) == 1 and parts[0].startswith(tuple(_OGG_COMMENTS)):
                waiting.add(serial)
            elif serial in waiting:
                waiting.discard(serial)
                yield bytes(parts[0]), bytes(parts[1])
            if serial not in waiting:  # nothing more is wanted of it
                packets[serial] = parts = [bytearray(), bytearray(), bytearray()]
                break
            parts.append(bytearray())


def _boxes(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of what each box of MP4 holds."""
    for _ in range(_MOST):
        head = take(file, at, 16)
        if len(head) < 8 or at + 8 > end:
            return
        size, name, start = int.from_bytes(head[:4], "big"), head[4:8], at + 8
        if size == 1:
            size, start = int.from_bytes(head[8:], "big"), at + 16
        stop = end if size == 0 else min(at + size, end)
        if stop < start:
            return
        yield name, start, stop
        at = stop


def _inside(file: BinaryIO, place: tuple[int, int], name: bytes) -> tuple[int, int]:
    """Return where the first box of a name begins and ends; nowhere is (0, 0)."""
    found = (box[1:] for box in _boxes(file, *place) if box[0] == name)
    return next(found, (0, 0))


def read_mp4(file: BinaryIO, at: int, size: int) -> Texts:
    """Read what an MP4 file has in moov, udta: the item list (meta, ilst), and 3GPP's texts."""
    udta = _inside(file, _inside(file, (at, size), b"moov"), b"udta")
    start, end = _inside(file, udta, b"meta")
    if take(file, start + 4, 4) != b"hdlr":  # version and flags, which QuickTime leaves out
        start += 4
    found: Texts = []
    for atom, first, last in _boxes(file, *_inside(file, (start, end), b"ilst")):
        name = _MP4_NAMES.get(atom.decode("latin-1"), "")
        if atom == b"----":
            place = _inside(file, (first, last), b"name")
            label = take(file, place[0] + 4, min(place[1] - place[0] - 4, _LONGEST_NAME))
            name = label.decode("utf-8", "ignore")
        if name:
            for kind, begin, stop in _boxes(file, first, last):
                if kind == b"data":
                    data = take(file, begin, min(stop - begin, 8 + LONGEST))
                    found.append((name, _mp4_value(atom, data)))
    for atom, first, last in _boxes(file, *udta):
        name = _3GP_NAMES.get(atom.decode("latin-1"), "")
        if name:
            value = take(file, first + 4, min(last - first - 4, LONGEST))
            found.append((name, _3gp_value(atom, value)))
    return found


def _3gp_value(atom: bytes, value: bytes) -> str | bytes:
    if atom == b"yrrc":
        return str(int.from_bytes(value[:2], "big"))
    text = value[2:]  # behind its language; with a byte order mark it is UTF-16, else UTF-8
    if text.startswith(b"\xfe\xff"):
        return text[: len(text) // 2 * 2].decode("utf-16", "surrogatepass").partition("\0")[0]
    return _utf8(text.partition(b"\0")[0])


def _mp4_value(atom: bytes, data: bytes) -> str | bytes:
    kind, value = int.from_bytes(data[1:4], "big"), data[8:]
    if atom in (b"trkn", b"disk"):
        return str(int.from_bytes(value[2:4], "big"))
    if atom == b"gnre":
        number = int.from_bytes(value[:2], "big") - 1
        return GENRES[number] if 0 <= number < len(GENRES) else ""
    if kind == 2:
        return value[: len(value) // 2 * 2].decode("utf-16-be", "surrogatepass")
    if kind in (21, 22) or atom == b"tmpo":
        return str(int.from_bytes(value[:8], "big", signed=kind == 21))
    return _utf8(value)


ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_CONTENT = bytes.fromhex("3326b2758e66cf11a6d900aa0062ce6c")
_ASF_EXTENDED = bytes.fromhex("40a4d0d207e3d21197f000a0c95ea850")
_ASF_EXTENSION = bytes.fromhex("b503bf5f2ea9cf118ee300c00c205365")
_ASF_METADATA = bytes.fromhex("eacbf8c5af5b77488467aa8c44fa4cca")
_ASF_LIBRARY = bytes.fromhex("941c23449894d149a1411d134e457054")


def read_asf(file: BinaryIO, at: int, size: int) -> Texts:
    """Read the descriptions of an ASF header, those of the file before those of its parts."""
    places: dict[bytes, tuple[int, int]] = {}
    header = int.from_bytes(take(file, at + 16, 8), "little")
    for guid, start, end in _asf_objects(file, at + 30, min(at + header, size)):
        places.setdefault(guid, (start, end))
        if guid == _ASF_EXTENSION:
            for inner, *place in _asf_objects(file, start + 22, end):
                places.setdefault(inner, (place[0], place[1]))
    found: Texts = []
    if _ASF_CONTENT in places:
        found += _asf_content(file, *places[_ASF_CONTENT])
    for guid in (_ASF_EXTENDED, _ASF_METADATA, _ASF_LIBRARY):
        if guid in places:
            found += _asf_attributes(file, *places[guid], short=guid == _ASF_EXTENDED)
    return [(name.removeprefix("WM/"), value) for name, value in found if name != "Description"]


def _asf_objects(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    for _ in range(_MOST):
        head = take(file, at, 24)
        length = int.from_bytes(head[16:], "little")
        if len(head) < 24 or length < 24 or at + 24 > end:
            return
        yield head[:16], at + 24, min(at + length, end)
        at += length


def _asf_content(file: BinaryIO, at: int, end: int) -> Iterator[tuple[str, str]]:
    lengths = take(file, at, min(10, end - at))
    at += 10
    names = ("Title", "Author", "", "", "")
    for name, length in zip(
        names, struct.iter_unpack("<H", lengths[: len(lengths) & ~1]), strict=False
    ):
        if name:
            yield name, _utf16(take(file, at, min(length[0], LONGEST, end - at)))
        at += length[0]


def _asf_attributes(file: BinaryIO, at: int, end: int, *, short: bool) -> Iterator[tuple[str, str]]:
    """Yield names and values; short ones have no language and stream, and smaller sizes."""
    at += 2
    for _ in range(_MOST):
        if short:
            length = int.from_bytes(take(file, at, 2), "little")
            name = take(file, at + 2, min(length, 2 * _LONGEST_NAME))
            head = take(file, at + 2 + length, 4)
            start = at + 2 + length + 4
        else:
            begin = take(file, at, 12)
            length, head = int.from_bytes(begin[4:6], "little"), begin[6:]
            name = take(file, at + 12, min(length, 2 * _LONGEST_NAME))
            start = at + 12 + length
        if len(head) < 4 or start > end:
            return
        kind, size = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:], "little")
        value = take(file, start, min(size, LONGEST, end - start))
        if kind == 0:
            yield _utf16(name), _utf16(value)
        elif kind in (3, 4, 5):
            yield _utf16(name), str(int.from_bytes(value[:8], "little"))
        at = start + size


def _utf16(data: bytes) -> str:
    return data[: len(data) // 2 * 2].decode("utf-16-le", "surrogatepass").rstrip("\0")


def read_chunks(file: BinaryIO, at: int, size: int) -> tuple[Texts, list[int]]:
    """Read the texts of a file of chunks: RIFF, AIFF, DSF or DSDIFF.

    Returns
    -------
    texts : list of (str, str or bytes)
        Of the container's own chunks.
    id3 : list of int
        Where ID3 tags begin.
    """
    magic = take(file, at, 4)
    if magic == b"DSD ":
        where = int.from_bytes(take(file, at + 20, 8), "little")
        return [], [at + where] if where else []
    wide = magic == b"FRM8"
    order: Literal["little", "big"] = "big" if magic in (b"FORM", b"FRM8") else "little"
    found: Texts = []
    tags: list[int] = []
    for name, start, end in _chunks(file, at + (16 if wide else 12), size, order, 8 if wide else 4):
        if name in (b"id3 ", b"ID3 "):
            tags.append(start)
        elif name == b"LIST" and take(file, start, 4) == b"INFO":
            for inner, *place in _chunks(file, start + 4, end, order, 4):
                found += _chunk_text(file, inner, *place)
        elif order == "big":
            found += _chunk_text(file, name, start, end)
    return found, tags


def _chunks(
    file: BinaryIO, at: int, end: int, order: Literal["little", "big"], width: int
) -> Iterator[tuple[bytes, int, int]]:
    long = 0xFFFFFFFF
    for _ in range(_MOST):
        head = take(file, at, 4 + width)
        if len(head) < 4 + width or at + len(head) > end:
            return
        length, start = int.from_bytes(head[4:], order), at + len(head)
        if head[:4] == b"ds64":  # RF64: the length of the data that 32 bits cannot hold
            long = int.from_bytes(take(file, start + 8, 8), "little")
        if head[:4] == b"data" and length == 0xFFFFFFFF:
            length = long
        yield head[:4], start, min(start + length, end)
        at = start + length + (length & 1)


def _chunk_text(file: BinaryIO, name: bytes, start: int, end: int) -> Texts:
    tag = _CHUNK_NAMES.get(name.decode("latin-1"))
    if tag is None:
        return []
    text = take(file, start, min(end - start, LONGEST)).partition(b"\0")[0]
    return [(tag, _utf8(text))]
