"""Files that hold several streams one after another: chained Ogg, and what was joined by `cat`."""

from __future__ import annotations

from musicu.source import Source

__all__ = ["FLAC", "find_links", "next_flac", "page_is_last", "segment_end"]

# How a FLAC stream begins: its name and a STREAMINFO of 34 bytes.
FLAC = b"fLaC\0\0\0\x22"
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
# The longest Ogg page (RFC 3533, section 6) and some foreign bytes behind it.
_OGG_TAIL = 2 * 65536


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
    """Return where another FLAC stream begins behind the first; the end of the file if none does."""
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
    tail = source.at(max(0, source.size - _OGG_TAIL), _OGG_TAIL)
    page = tail[max(0, tail.rfind(b"OggS")) :]
    # Capture pattern 4, version 1, flags 1, positions and checksum 20, number of segments 1.
    if len(page) < 27 or len(page) < 27 + page[26]:
        return None
    whole = len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    return bool(page[5] & 4) if whole else None


def _ogg_links(source: Source) -> list[int]:
    """A link begins with the first pages of all its streams, before any other page of them."""
    links, at, within = [0], 0, False
    latest = 0
    while page := source.at(at, 27 + 255):
        segments = page[26] if len(page) > 26 else 0
        if not page.startswith(b"OggS") or len(page) < 27 + segments:
            # The page before may have been cut, and another begin within what it states.
            at = latest = _next(source, latest + 1, b"OggS")
            continue
        latest = at
        length = 27 + segments + sum(page[27 : 27 + segments])
        if not page[5] & 2:
            within = True
        elif within and _ogg_checksum(source.at(at, length)) == page[22:26]:
            links.append(at)
            within = False
        at += length
    return links


def _next(source: Source, at: int, mark: bytes) -> int:
    while len(data := source.at(at, 1 << 16)) >= len(mark):
        found = data.find(mark)
        if found >= 0:
            return at + found
        at += len(data) - len(mark) + 1
    return source.size


def _ogg_checksum(page: bytes) -> bytes:
    value = 0
    for byte in page[:22] + bytes(4) + page[26:]:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x104C11DB7 if value >> 31 else 0)) & 0xFFFFFFFF
    return value.to_bytes(4, "little")
