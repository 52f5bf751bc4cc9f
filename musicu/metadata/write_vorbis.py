"""Vorbis comments changed in FLAC and in Ogg; every other block, packet and page stays as it is."""

from __future__ import annotations

from musicu.audio.containers import OggPage, ReadAt, flac_blocks, ogg_pages
from musicu.audio.ogg import page_checksum
from musicu.metadata.parsers import squeeze
from musicu.metadata.splices import Splice
from musicu.metadata.tag_targets import TARGETS, RefusedError, Values

__all__ = ["edit_flac", "edit_ogg"]

_LONGEST_BLOCK = 1 << 24
_MOST_PAGES = 1 << 12
# First packets of Ogg streams, and how long the mark is with which the comments begin.
_COMMENTS_AT = {b"\x01vorbis": 7, b"OpusHead": 8}


def edit_flac(read: ReadAt, start: int, size: int, values: Values) -> list[Splice]:
    """Tell what becomes of a FLAC file whose comments get new values.

    Parameters
    ----------
    read : callable
        Reads the file.
    start, size : int
        Where the stream begins, and the bytes of the file.
    values : dict of str to tuple of str
        By the names of :data:`musicu.metadata.tag_targets.TARGETS`; they replace what is there.

    Raises
    ------
    RefusedError
        Its blocks are not as they should be.
    """
    parts: list[Splice] = [(0, start + 4)]
    done, last, behind = False, False, start + 4
    for kind, at, end in flac_blocks(read, start, size):
        head = read(at - 4, 4)
        length = int.from_bytes(head[1:], "big")
        if at + length > size:
            raise RefusedError("a block of its headers is longer than the file")
        last = bool(head[0] & 0x80)
        behind = end
        if kind == 4 and not done:
            block = _changed(read(at, length), values)
            parts.append(_flac_block(head[0], block))
            done = True
        else:
            parts.append((at - 4, end))
    if not last:
        raise RefusedError("its headers do not end")
    if not done:
        first = read(start + 4, 4)
        length = int.from_bytes(first[1:], "big")
        # Behind the first block, which says what the stream is; the last one is marked so.
        new = _flac_block(4 | first[0] & 0x80, _changed(bytes(8), values))
        info = bytes([first[0] & 0x7F]), (start + 5, start + 8 + length)
        parts = [(0, start + 4), *info, new, *parts[2:]]
    return [*parts, (behind, size)]


def _flac_block(kind: int, data: bytes) -> bytes:
    if len(data) >= _LONGEST_BLOCK:
        raise RefusedError("its comments would be too long for FLAC")
    return bytes([kind]) + len(data).to_bytes(3, "big") + data


def edit_ogg(read: ReadAt, size: int, values: Values) -> list[Splice]:
    """Tell what becomes of an Ogg file (Vorbis, Opus) whose comments get new values.

    The headers keep the number of their pages, so that no page with audio is touched; parameters
    and errors are those of :func:`edit_flac`.
    """
    pages: list[OggPage] = []
    packets: list[bytes] = [b""]
    needed = 1
    for page in ogg_pages(read, 0):
        if len(pages) >= _MOST_PAGES or page.at + page.length > size:
            break
        body = read(page.at + len(page.head), page.length - len(page.head))
        if page_checksum(page.head + body) != page.head[22:26]:
            raise RefusedError("a page of its headers has the wrong checksum")
        if not pages:
            mark = next((mark for mark in _COMMENTS_AT if body.startswith(mark)), None)
            if mark is None:
                raise RefusedError("Ogg with another codec than Vorbis or Opus is not written")
            needed = 2 if mark == b"\x01vorbis" else 1
            pages.append(page)
            continue
        if page.is_first or page.serial != pages[0].serial:
            raise RefusedError("Ogg with several streams side by side is not written")
        pages.append(page)
        at = 0
        for length in page.segments:
            packets[-1] += body[at : at + length]
            at += length
            if length < 255:
                packets.append(b"")
        if len(packets) > needed and not packets[-1]:
            break
    if len(packets) != needed + 1 or packets.pop():
        raise RefusedError("its headers do not end with a page")
    first = read(pages[0].at + len(pages[0].head), 8)
    skip = next(at for mark, at in _COMMENTS_AT.items() if first.startswith(mark))
    comments = packets[0]
    packets[0] = comments[:skip] + _changed(comments[skip:], values)
    begin, end = pages[1].at, pages[-1].at + pages[-1].length
    return [(0, begin), _paged(packets, pages[1:]), (end, size)]


def _paged(packets: list[bytes], pages: list[OggPage]) -> bytes:
    """Lay packets out on as many pages as there were, with their numbers."""
    lengths: list[int] = []
    for packet in packets:
        lengths += [255] * (len(packet) // 255) + [len(packet) % 255]
    if not len(pages) <= len(lengths) <= 255 * len(pages):
        raise RefusedError("its comments would not fit the pages of its headers")
    data, at, used, out = b"".join(packets), 0, 0, b""
    inside = False
    for number, page in enumerate(pages):
        count = min(255, len(lengths) - used - (len(pages) - number - 1))
        segments = lengths[used : used + count]
        used += count
        body = data[at : at + sum(segments)]
        at += len(body)
        ends = any(length < 255 for length in segments)
        head = bytearray(page.head[:26])
        head[5] = page.head[5] & 0xFE | inside
        head[6:14] = bytes(8) if ends else b"\xff" * 8
        whole = bytes(head) + bytes([count, *segments]) + body
        out += whole[:22] + page_checksum(whole) + whole[26:]
        inside = segments[-1] == 255
    return out


def _changed(data: bytes, values: Values) -> bytes:
    """Return comments with new values; what stands behind them stays."""
    at = 4 + int.from_bytes(data[:4], "little")
    if at + 4 > len(data):
        raise RefusedError("its comments are damaged")
    count = int.from_bytes(data[at : at + 4], "little")
    vendor, at = data[:at], at + 4
    gone = frozenset().union(*(TARGETS[name].names for name in values))
    kept = []
    for _ in range(count):
        length = int.from_bytes(data[at : at + 4], "little")
        comment = data[at : at + 4 + length]
        if len(comment) < 4 + length or at + 4 > len(data):
            raise RefusedError("its comments are damaged")
        at += len(comment)
        if squeeze(comment[4:].partition(b"=")[0].decode("latin-1")) not in gone:
            kept.append(comment)
    for name, texts in values.items():
        for text in texts:
            comment = f"{TARGETS[name].comment}={text}".encode()
            kept.append(len(comment).to_bytes(4, "little") + comment)
    return vendor + len(kept).to_bytes(4, "little") + b"".join(kept) + data[at:]
