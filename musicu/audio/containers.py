"""Walk the parts of a container file by their sizes: chunks, boxes, pages, objects, blocks.

Decoding (what a header states) and reading tags both go through these walks. Sizes may be damaged:
each walk ends, and says of a part both how large it claims to be and where it ends at most.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

__all__ = [
    "ASF_HEADER",
    "CHUNK_FORMS",
    "EBML",
    "MP4_BOXES",
    "W64_TAIL",
    "ChunkForm",
    "OggPage",
    "Part",
    "ReadAt",
    "asf_objects",
    "bytes_reader",
    "ebml_segment_end",
    "file_reader",
    "find_bytes",
    "flac_blocks",
    "mp4_boxes",
    "ogg_pages",
    "riff_chunks",
]

# From a position, up to so many bytes; b"" outside of the file.
ReadAt = Callable[[int, int], bytes]

# Parts of one level; no sound file has as many.
_MOST = 10_000
_CHUNK = 1 << 16
# What MP4 and QuickTime files begin with, behind four bytes of size.
MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # of every chunk's GUID but the first
ASF_HEADER = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


class Part(NamedTuple):
    """One part of a file.

    Attributes
    ----------
    name : bytes
        Its name, or GUID.
    start, stop : int
        Where its content begins, and ends at most: by its size, or with what it is part of.
    size : int
        Bytes of content, as the file states them.
    """

    name: bytes
    start: int
    stop: int
    size: int


def file_reader(file: BinaryIO) -> ReadAt:
    """Return what reads from any position of a file, which damage may have put anywhere."""

    def read(at: int, size: int) -> bytes:
        if at < 0 or size <= 0:
            return b""
        try:
            file.seek(at, os.SEEK_SET)
        except (OSError, ValueError):  # farther than the system can go: no file is so long
            return b""
        return file.read(size)

    return read


def bytes_reader(data: bytes) -> ReadAt:
    """Return what reads from any position of some bytes."""
    return lambda at, size: data[at : at + size] if at >= 0 and size > 0 else b""


def find_bytes(read: ReadAt, at: int, mark: bytes) -> int | None:
    """Return where some bytes stand next from a position on; None if nowhere."""
    while len(data := read(at, _CHUNK)) >= len(mark):
        found = data.find(mark)
        if found >= 0:
            return at + found
        at += len(data) - len(mark) + 1
    return None


@dataclass(frozen=True, kw_only=True)
class ChunkForm:
    """How a format of chunks writes them.

    Attributes
    ----------
    first : int
        Where its first chunk begins.
    name : int
        Length of a chunk's name.
    size : str
        How a chunk's size is written, for :mod:`struct`.
    own : int
        What the size counts of the chunk's head.
    even : int
        Chunks begin at multiples of this.
    samples : tuple of bytes
        Names of the chunk with the audio.
    """

    first: int
    name: int
    size: str
    own: int = 0
    even: int = 2
    samples: tuple[bytes, ...] = (b"data",)


# By the first bytes of a file: RIFF (WAVE) and its forms of 64 bits, AIFF, DSDIFF, W64, CAF, DSF.
CHUNK_FORMS = {
    b"RIFF": ChunkForm(first=12, name=4, size="<I"),
    b"RF64": ChunkForm(first=12, name=4, size="<I"),
    b"BW64": ChunkForm(first=12, name=4, size="<I"),
    b"RIFX": ChunkForm(first=12, name=4, size=">I"),
    b"FORM": ChunkForm(first=12, name=4, size=">I", samples=(b"SSND", b"BODY")),
    b"FRM8": ChunkForm(first=16, name=4, size=">Q", samples=(b"DSD ", b"DST ")),
    b"riff": ChunkForm(first=40, name=16, size="<Q", own=24, even=8, samples=(b"data" + W64_TAIL,)),
    b"caff": ChunkForm(first=8, name=4, size=">Q", even=1),
    b"DSD ": ChunkForm(first=28, name=4, size="<Q", own=12, even=1),
}


def riff_chunks(read: ReadAt, form: ChunkForm, at: int, end: int) -> Iterator[Part]:
    """Yield the chunks between two positions, which count from the file's first byte.

    The chunk ``data`` of RF64 has the size that ``ds64`` states; its `size` stays what it says.
    """
    width, long = struct.calcsize(form.size), 0xFFFFFFFF
    for _ in range(_MOST):
        head = read(at, form.name + width)
        start = at + len(head)
        if len(head) < form.name + width or start > end:
            return
        name = head[: form.name]
        size = int(struct.unpack(form.size, head[form.name :])[0]) - form.own
        if name == b"ds64":
            long = int.from_bytes(read(start + 8, 8), "little")
        length = long if name == b"data" and size == 0xFFFFFFFF else max(0, size)
        yield Part(name, start, min(start + length, end), max(0, size))
        if size < 0:
            return
        at = start + length
        at += -at % form.even


def mp4_boxes(read: ReadAt, at: int, end: int) -> Iterator[Part]:
    """Yield the boxes of MP4 or QuickTime between two positions (ISO 14496-12, 4.2)."""
    for _ in range(_MOST):
        head = read(at, 16)
        if len(head) < 8 or at + 8 > end:
            return
        size, name, start = int.from_bytes(head[:4], "big"), head[4:8], at + 8
        if size == 1:
            size, start = int.from_bytes(head[8:], "big"), at + 16
        stop = end if size == 0 else at + size
        if stop < start:
            return
        yield Part(name, start, min(stop, end), stop - start)
        at = stop


def asf_objects(read: ReadAt, at: int, end: int) -> Iterator[Part]:
    """Yield the objects of ASF between two positions, those of its header from 30 on."""
    for _ in range(_MOST):
        head = read(at, 24)
        length = int.from_bytes(head[16:], "little")
        if len(head) < 24 or length < 24 or at + 24 > end:
            return
        yield Part(head[:16], at + 24, min(at + length, end), length - 24)
        at += length


def flac_blocks(read: ReadAt, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield kind, start and end of the metadata blocks of the FLAC stream at a position."""
    at += 4
    for _ in range(_MOST):
        head = read(at, 4)
        if len(head) < 4:
            return
        length = int.from_bytes(head[1:], "big")
        yield head[0] & 0x7F, at + 4, min(at + 4 + length, end)
        if head[0] & 0x80:
            return
        at += 4 + length


class OggPage(NamedTuple):
    """A page of Ogg (RFC 3533, section 6).

    Attributes
    ----------
    at, length : int
        Where it begins, and its bytes by its head.
    head : bytes
        The capture pattern, version, flags (6 bytes), position (8), the stream's and the page's
        number and a checksum (12), the number of segments (1) and their lengths.
    """

    at: int
    length: int
    head: bytes

    @property
    def is_first(self) -> bool:
        """Whether a stream begins with it."""
        return bool(self.head[5] & 2)

    @property
    def is_last(self) -> bool:
        """Whether a stream ends with it."""
        return bool(self.head[5] & 4)

    @property
    def granule(self) -> int:
        """The position that it states; below 0 if it states none."""
        return int.from_bytes(self.head[6:14], "little", signed=True)

    @property
    def serial(self) -> bytes:
        """Its stream's number."""
        return self.head[14:18]

    @property
    def segments(self) -> bytes:
        """The lengths of its segments; a packet ends with one below 255."""
        return self.head[27:]


def ogg_pages(read: ReadAt, at: int) -> Iterator[OggPage]:
    """Yield the pages that follow each other from a position on, up to what is no page."""
    while len(head := read(at, 27 + 255)) >= 27:
        size = 27 + head[26]
        if not head.startswith(b"OggS") or len(head) < size:
            return
        page = OggPage(at, size + sum(head[27:size]), head[:size])
        yield page
        at += page.length


def ebml_segment_end(read: ReadAt, start: int = 0) -> int | None:
    """Return where the segment of a Matroska file ends (RFC 8794); None if it does not say."""
    at = start
    for name in (EBML, _SEGMENT):
        head = read(at, 12)
        if head[:4] != name or not head[4:5] or not head[4]:
            return None
        length = 9 - head[4].bit_length()
        bits = 7 * length
        size = int.from_bytes(head[4 : 4 + length], "big") & (1 << bits) - 1
        if size == (1 << bits) - 1:  # unknown: a live stream
            return None
        at += 4 + length + size
    return at
