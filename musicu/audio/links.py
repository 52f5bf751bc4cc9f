"""Files that hold several streams one after another: chained Ogg, and what was joined by `cat`."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from musicu.audio.source import Source

__all__ = [
    "FLAC",
    "begins_whole",
    "find_links",
    "last_granule",
    "next_flac",
    "page_is_last",
    "segment_end",
]

# How a FLAC stream begins: its name and a STREAMINFO of 34 bytes.
FLAC = b"fLaC\0\0\0\x22"
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
# The longest Ogg page (RFC 3533, section 6) and some foreign bytes behind it.
_OGG_TAIL = 2 * 65536
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def find_links(source: Source) -> list[int]:
    """Return where each stream of a chained file begins: [0] if it is not chained."""
    magic = source.at(0, 4)
    if magic == b"OggS":
        return _ogg_links(source)
    links = [0]
    while end := _end(source, links[-1]):
        if source.at(end, 4) != magic:
            break
        links.append(end)
    return links


def next_flac(source: Source) -> int:
    """Return where another FLAC stream begins behind the first, or else where the file ends."""
    return _next(source, 1, FLAC)


def _end(source: Source, start: int) -> int | None:
    """Return where the WAV, AIFF or Matroska file ends that begins at ``start``, by its size."""
    head = source.at(start, 8)
    if head.startswith((b"RIFF", b"FORM")):
        size = int.from_bytes(head[4:], "little" if head.startswith(b"RIFF") else "big")
        return start + 8 + size + size % 2
    return segment_end(source, start)


def segment_end(source: Source, start: int = 0) -> int | None:
    """Return where the segment of a Matroska file ends (RFC 8794); None if it does not say."""
    at = start
    for name in (_EBML, _SEGMENT):
        head = source.at(at, 12)
        if head[:4] != name or not head[4:5] or not head[4]:
            return None
        length = 9 - head[4].bit_length()
        bits = 7 * length
        size = int.from_bytes(head[4 : 4 + length], "big") & (1 << bits) - 1
        if size == (1 << bits) - 1:  # unknown: a live stream
            return None
        at += 4 + length + size
    return at


def page_is_last(source: Source) -> bool | None:
    """Whether the last page of an Ogg file ends its stream (RFC 3533); None: it is not whole."""
    page = _last_page(source)
    if len(page) < 27 or len(page) < 27 + page[26]:
        return None
    whole = len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    return bool(page[5] & 4) if whole else None


def last_granule(source: Source) -> int:
    """Return the position that the last page of an Ogg file states, 0 if it states none."""
    return max(0, int.from_bytes(_last_page(source)[6:14], "little", signed=True))


def _last_page(source: Source) -> bytes:
    """Return an Ogg file from its last page on.

    A page has the capture pattern, version, flags (6 bytes), its position (8), numbers and a
    checksum (12), the number of segments (1) and their lengths.
    """
    tail = source.at(max(0, source.size - _OGG_TAIL), _OGG_TAIL)
    return tail[max(0, tail.rfind(b"OggS")) :]


def begins_whole(source: Source) -> bool:
    """Whether the first page with audio of an Ogg file is whole: FFmpeg leaves it out if not."""
    for at, head, length in _pages(source):
        if int.from_bytes(head[6:14], "little", signed=True) > 0:
            return _checksum(source.at(at, length)) == head[22:26]
    return False


def _ogg_links(source: Source) -> list[int]:
    """Return where links begin: with the first pages of all their streams, before any other."""
    links, within = [0], False
    for at, head, length in _pages(source):
        if not head[5] & 2:
            within = True
        elif within and _checksum(source.at(at, length)) == head[22:26]:
            links.append(at)
            within = False
    return links


def _pages(source: Source) -> Iterator[tuple[int, bytes, int]]:
    """Yield where each page begins, its head and its length."""
    at = latest = 0
    while head := source.at(at, 27 + 255):
        segments = head[26] if len(head) > 26 else 0
        if not head.startswith(b"OggS") or len(head) < 27 + segments:
            # The page before may have been cut, and another begin within what it states.
            at = latest = _next(source, latest + 1, b"OggS")
            continue
        latest = at
        length = 27 + segments + sum(head[27 : 27 + segments])
        yield at, head, length
        at += length


def _next(source: Source, at: int, mark: bytes) -> int:
    while len(data := source.at(at, 1 << 16)) >= len(mark):
        found = data.find(mark)
        if found >= 0:
            return at + found
        at += len(data) - len(mark) + 1
    return source.size


def _checksum(page: bytes) -> bytes:
    """Return a page's CRC; it is zlib's with the bits of all bytes reversed, and not inverted."""
    turned = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    return (zlib.crc32(turned, 0xFFFFFFFF) ^ 0xFFFFFFFF).to_bytes(4, "big").translate(_REVERSED)
