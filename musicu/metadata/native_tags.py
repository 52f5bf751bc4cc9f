"""Tags of the formats' own: Vorbis comments, APEv2, MP4, ASF, RIFF and AIFF chunks.

Only texts are read: pictures are passed over. Sizes are checked against the file and counts are
bounded, so a damaged file gives what stands before the damage, in bounded time and memory.
Positions count from the first byte of the format, behind any tags that stand before it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from musicu.audio.containers import (
    CHUNK_FORMS,
    Part,
    ReadAt,
    asf_objects,
    bytes_reader,
    flac_blocks,
    mp4_boxes,
    ogg_pages,
    riff_chunks,
)
from musicu.metadata.fields import frame_names
from musicu.metadata.id3 import GENRES, LONGEST, Texts, read_utf8

__all__ = [
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


def read_ape(read: ReadAt, at: int, end: int) -> Texts:
    """Read the items of an APE tag between its header and its footer, or of the place of both.

    Parameters
    ----------
    read : callable
        From a position, up to so many bytes.
    at, end : int
        Where the items begin and end.
    """
    found: Texts = []
    for _ in range(_MOST):
        head = read(at, min(8 + _LONGEST_NAME, end - at))
        name, zero, _ = head[8:].partition(b"\0")
        if len(head) < 8 or not zero:
            break
        size, flags = struct.unpack_from("<II", head)
        at += 8 + len(name) + 1
        if flags & 6 == 0:  # text
            value = read(at, min(size, LONGEST, end - at))
            found += [(name.decode("latin-1"), read_utf8(text)) for text in value.split(b"\0")]
        at += size
    return found


def _comments(read: ReadAt, at: int, end: int) -> Texts:
    """Read Vorbis comments: the vendor, and then names and values."""
    found: Texts = []
    vendor = read(at, 4)
    if len(vendor) < 4:
        return found
    at += 4 + int.from_bytes(vendor, "little")
    count = int.from_bytes(read(at, 4), "little")
    at += 4
    for _ in range(min(count, _MOST)):
        size = read(at, min(4, end - at))
        if len(size) < 4:
            break
        at += 4
        length = min(int.from_bytes(size, "little"), end - at)
        start = read(at, min(length, _LONGEST_NAME))
        name, equals, _ = start.partition(b"=")
        if equals and name.upper() != b"METADATA_BLOCK_PICTURE":
            value = read(at + len(name) + 1, min(length - len(name) - 1, LONGEST))
            found.append((name.decode("latin-1"), read_utf8(value)))
        at += length
    return found


def read_flac(read: ReadAt, size: int) -> Texts:
    """Read the comments of a FLAC stream."""
    found: Texts = []
    for kind, start, end in flac_blocks(read, 0, size):
        if kind == 4:
            found += _comments(read, start, end)
    return found


def read_ogg(read: ReadAt) -> Texts:
    """Read the comments of the streams that start together, Skeleton and the like beside them."""
    found: Texts = []
    for first, second in _ogg_headers(read):
        skip = next(skip for mark, skip in _OGG_COMMENTS.items() if first.startswith(mark))
        found += _comments(bytes_reader(second), skip, len(second))
    return found


def _ogg_headers(read: ReadAt) -> Iterator[tuple[bytes, bytes]]:
    """Yield the first two packets of each stream whose second one holds comments."""
    packets: dict[bytes, list[bytearray]] = {}
    waiting: set[bytes] = set()
    for page in ogg_pages(read, 0):
        if page.at >= _MOST_OGG or (not page.is_first and not waiting):
            return
        start = page.at + len(page.head)
        body, at = read(start, page.length - len(page.head)), 0
        parts = packets.setdefault(page.serial, [bytearray()])
        for length in page.segments:
            parts[-1] += body[at : at + length]
            at += length
            if length == 255:
                continue
            if len(parts) == 1 and parts[0].startswith(tuple(_OGG_COMMENTS)):
                waiting.add(page.serial)
            elif page.serial in waiting:
                waiting.discard(page.serial)
                yield bytes(parts[0]), bytes(parts[1])
            if page.serial not in waiting:  # nothing more is wanted of it
                packets[page.serial] = parts = [bytearray(), bytearray(), bytearray()]
                break
            parts.append(bytearray())


def _inside(read: ReadAt, outer: Part, name: bytes) -> Part:
    """Return the first box of a name in another; where there is none, an empty one."""
    boxes = mp4_boxes(read, outer.start, outer.stop)
    return next((box for box in boxes if box.name == name), Part(name, 0, 0, 0))


def read_mp4(read: ReadAt, size: int) -> Texts:
    """Read what an MP4 file has in moov, udta: the item list (meta, ilst), and 3GPP's texts."""
    udta = _inside(read, _inside(read, Part(b"", 0, size, size), b"moov"), b"udta")
    meta = _inside(read, udta, b"meta")
    if read(meta.start + 4, 4) != b"hdlr":  # version and flags, which QuickTime leaves out
        meta = meta._replace(start=meta.start + 4)
    items = _inside(read, meta, b"ilst")
    found: Texts = []
    for item in mp4_boxes(read, items.start, items.stop):
        name = _MP4_NAMES.get(item.name.decode("latin-1"), "")
        if item.name == b"----":
            label = _inside(read, item, b"name")
            text = read(label.start + 4, min(label.stop - label.start - 4, _LONGEST_NAME))
            name = text.decode("utf-8", "ignore")
        for box in mp4_boxes(read, item.start, item.stop) if name else ():
            if box.name == b"data":
                data = read(box.start, min(box.stop - box.start, 8 + LONGEST))
                found.append((name, _mp4_value(item.name, data)))
    for box in mp4_boxes(read, udta.start, udta.stop):
        if name := _3GP_NAMES.get(box.name.decode("latin-1"), ""):
            value = read(box.start + 4, min(box.stop - box.start - 4, LONGEST))
            found.append((name, _3gp_value(box.name, value)))
    return found


def _3gp_value(atom: bytes, value: bytes) -> str | bytes:
    if atom == b"yrrc":
        return str(int.from_bytes(value[:2], "big"))
    text = value[2:]  # behind its language; with a byte order mark it is UTF-16, else UTF-8
    if text.startswith(b"\xfe\xff"):
        return text[: len(text) // 2 * 2].decode("utf-16", "surrogatepass").partition("\0")[0]
    return read_utf8(text.partition(b"\0")[0])


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
    return read_utf8(value)


_ASF_CONTENT = bytes.fromhex("3326b2758e66cf11a6d900aa0062ce6c")
_ASF_EXTENDED = bytes.fromhex("40a4d0d207e3d21197f000a0c95ea850")
_ASF_EXTENSION = bytes.fromhex("b503bf5f2ea9cf118ee300c00c205365")
_ASF_METADATA = bytes.fromhex("eacbf8c5af5b77488467aa8c44fa4cca")
_ASF_LIBRARY = bytes.fromhex("941c23449894d149a1411d134e457054")


def read_asf(read: ReadAt, size: int) -> Texts:
    """Read the descriptions of an ASF header, those of the file before those of its parts."""
    places: dict[bytes, tuple[int, int]] = {}
    header = int.from_bytes(read(16, 8), "little")
    for part in asf_objects(read, 30, min(header, size)):
        places.setdefault(part.name, (part.start, part.stop))
        if part.name == _ASF_EXTENSION:
            for inner in asf_objects(read, part.start + 22, part.stop):
                places.setdefault(inner.name, (inner.start, inner.stop))
    found: Texts = []
    if _ASF_CONTENT in places:
        found += _asf_content(read, *places[_ASF_CONTENT])
    for guid in (_ASF_EXTENDED, _ASF_METADATA, _ASF_LIBRARY):
        if guid in places:
            found += _asf_attributes(read, *places[guid], short=guid == _ASF_EXTENDED)
    return [(name.removeprefix("WM/"), value) for name, value in found if name != "Description"]


def _asf_content(read: ReadAt, at: int, end: int) -> Iterator[tuple[str, str]]:
    lengths = read(at, min(10, end - at))
    at += 10
    names = ("Title", "Author", "", "", "")
    for name, length in zip(
        names, struct.iter_unpack("<H", lengths[: len(lengths) & ~1]), strict=False
    ):
        if name:
            yield name, _utf16(read(at, min(length[0], LONGEST, end - at)))
        at += length[0]


def _asf_attributes(read: ReadAt, at: int, end: int, *, short: bool) -> Iterator[tuple[str, str]]:
    """Yield names and values; short ones have no language and stream, and smaller sizes."""
    at += 2
    for _ in range(_MOST):
        if short:
            length = int.from_bytes(read(at, 2), "little")
            name = read(at + 2, min(length, 2 * _LONGEST_NAME))
            head = read(at + 2 + length, 4)
            start = at + 2 + length + 4
        else:
            begin = read(at, 12)
            length, head = int.from_bytes(begin[4:6], "little"), begin[6:]
            name = read(at + 12, min(length, 2 * _LONGEST_NAME))
            start = at + 12 + length
        if len(head) < 4 or start > end:
            return
        kind, size = int.from_bytes(head[:2], "little"), int.from_bytes(head[2:], "little")
        value = read(start, min(size, LONGEST, end - start))
        if kind == 0:
            yield _utf16(name), _utf16(value)
        elif kind in (3, 4, 5):
            yield _utf16(name), str(int.from_bytes(value[:8], "little"))
        at = start + size


def _utf16(data: bytes) -> str:
    return data[: len(data) // 2 * 2].decode("utf-16-le", "surrogatepass").rstrip("\0")


def read_chunks(read: ReadAt, size: int) -> tuple[Texts, list[int]]:
    """Read the texts of a file of chunks: RIFF, AIFF, DSF or DSDIFF.

    Returns
    -------
    texts : list of (str, str or bytes)
        Of the container's own chunks.
    id3 : list of int
        Where ID3 tags begin.
    """
    magic = read(0, 4)
    if magic == b"DSD ":
        where = int.from_bytes(read(20, 8), "little")
        return [], [where] if where else []
    form = CHUNK_FORMS[magic]
    found: Texts = []
    tags: list[int] = []
    for chunk in riff_chunks(read, form, form.first, size):
        if chunk.name in (b"id3 ", b"ID3 "):
            tags.append(chunk.start)
        elif chunk.name == b"LIST" and read(chunk.start, 4) == b"INFO":
            for inner in riff_chunks(read, form, chunk.start + 4, chunk.stop):
                found += _chunk_text(read, inner)
        elif form.size.startswith(">"):
            found += _chunk_text(read, chunk)
    return found, tags


def _chunk_text(read: ReadAt, chunk: Part) -> Texts:
    tag = _CHUNK_NAMES.get(chunk.name.decode("latin-1"))
    if tag is None:
        return []
    text = read(chunk.start, min(chunk.stop - chunk.start, LONGEST)).partition(b"\0")[0]
    return [(tag, read_utf8(text))]
