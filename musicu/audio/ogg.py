"""Ogg files: where their chained streams begin, and how far their pages reach."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from musicu.audio.containers import OggPage, find_bytes, ogg_pages
from musicu.audio.source import Source

__all__ = ["begins_whole", "last_granule", "ogg_links", "page_checksum", "page_is_last"]

# The longest page (RFC 3533, section 6) and some foreign bytes behind it.
_TAIL = 2 * 65536
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def ogg_links(source: Source) -> list[int]:
    """Return where links begin: with the first pages of all their streams, before any other."""
    links, within = [0], False
    for page in _pages(source):
        if not page.is_first:
            within = True
        elif within and _is_sound(source, page):
            links.append(page.at)
            within = False
    return links


def begins_whole(source: Source) -> bool:
    """Whether the first page with audio of an Ogg file is whole: FFmpeg leaves it out if not."""
    for page in _pages(source):
        if page.granule > 0:
            return _is_sound(source, page)
    return False


def page_is_last(source: Source) -> bool | None:
    """Whether the last page of an Ogg file ends its stream (RFC 3533); None: it is not whole."""
    page = next(ogg_pages(source.at, _last_page(source)), None)
    if page is None or page.at + page.length > source.size:
        return None
    return page.is_last


def last_granule(source: Source) -> int:
    """Return the position that the last page of an Ogg file states, 0 if it states none.

    The page need not be whole.
    """
    position = source.at(_last_page(source) + 6, 8)
    return max(0, int.from_bytes(position, "little", signed=True))


def _last_page(source: Source) -> int:
    start = max(0, source.size - _TAIL)
    return start + max(0, source.at(start, _TAIL).rfind(b"OggS"))


def _pages(source: Source) -> Iterator[OggPage]:
    """Yield all pages, also those behind damage."""
    at: int | None = 0
    while at is not None and at < source.size:
        latest, end = at, at
        for page in ogg_pages(source.at, at):
            latest, end = page.at, page.at + page.length
            yield page
        if end >= source.size:
            return
        # The page before may have been cut, and another begin within what it states.
        at = find_bytes(source.at, latest + 1, b"OggS")


def page_checksum(page: bytes) -> bytes:
    """Return the checksum [4] that a page should state, whatever it does (RFC 3533, section 6).

    It is zlib's CRC with the bits of all bytes reversed, and not inverted.
    """
    turned = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    crc = zlib.crc32(turned, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return crc.to_bytes(4, "big").translate(_REVERSED)


def _is_sound(source: Source, page: OggPage) -> bool:
    """Whether a page has the checksum that it states."""
    data = source.at(page.at, page.length)
    return page_checksum(data) == data[22:26]
