"""Where the blocks of tags before and behind the audio of a file begin and end.

Tags may stand at both ends of any format, of several kinds and several in a row. Each states its
own length; they are found by it, from outside to inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from musicu.audio.containers import MP4_BOXES, ReadAt
from musicu.audio.frames import frame_length

__all__ = [
    "TagBlock",
    "before_zeros",
    "blocks_before",
    "blocks_behind",
    "id3v2_length",
    "synchsafe",
]

_ID3V2 = re.compile(rb"ID3[\x02-\x04][^\xff].[\x00-\x7f]{4}", re.DOTALL)
# How tags end, and how many bytes from there to their last one: APEv2, ID3v1 with and without its
# extension, ID3v2.4, Lyrics3.
_ENDS_LENGTH = {b"APETAGEX": 32, b"TAG+": 227, b"TAG": 128, b"3DI": 10}
_ENDS_LENGTH |= {b"LYRICS200": 9, b"LYRICSEND": 9}
_ENDS = re.compile(rb"(?=(APETAGEX|TAG\+|(?<!APE)TAG|3DI|LYRICS200|LYRICSEND))")
_KINDS = {b"APETAGEX": "APEv2", b"TAG+": "ID3v1", b"TAG": "ID3v1", b"3DI": "ID3v2"}
# An ID3v2 tag at the end may lack the footer that says so. It is looked for in as many last bytes,
# which is far more than cover pictures take.
_LONGEST_TAIL = 1 << 24
# Two of the longest frames of MPEG audio, AAC or AC-3 are shorter than this.
_CHAIN = 1 << 14
_CHUNK = 1 << 16


class TagBlock(NamedTuple):
    """A block of tags.

    Attributes
    ----------
    kind : {"ID3v2", "APEv2", "ID3v1", "Lyrics3", "zeros"}
        What it is; zeros are left where a tag was taken off or made smaller.
    start, stop : int
        Where it begins and ends, by what it states.
    """

    kind: str
    start: int
    stop: int


def synchsafe(data: bytes) -> int:
    """Read a number of seven bits a byte."""
    value = 0
    for byte in data:
        value = value << 7 | byte & 0x7F
    return value


def id3v2_length(head: bytes) -> int:
    """Return the length of the ID3v2 tag that begins with these 10 bytes, 0 if there is none."""
    if not _ID3V2.match(head):
        return 0
    return synchsafe(head[6:10]) + (20 if head[5] & 0x10 else 10)  # with a footer or not


def blocks_before(read: ReadAt, start: int = 0) -> Iterator[TagBlock]:
    """Yield the blocks that follow each other from a position on.

    The last one may end behind the file.
    """
    while True:
        head, kind = read(start, 32), "ID3v2"
        length = id3v2_length(head)
        if head.startswith(b"APETAGEX"):
            kind, length = "APEv2", 32 + int.from_bytes(head[12:16], "little")
        elif head.startswith(b"TAG"):  # left over where files were joined
            kind, length = "ID3v1", 128
        elif head.startswith(bytes(4)):  # an MP4 file may begin with three
            kind, length = "zeros", _zeros(read, start)
            # The size of a first box begins with some.
            for size in (1, 2, 3):
                if read(start + length - size, 8)[4:] in MP4_BOXES:
                    length -= size
                    break
        if not length:
            return
        yield TagBlock(kind, start, start + length)
        start += length


def blocks_behind(read: ReadAt, start: int, end: int, *, padded: bool) -> Iterator[TagBlock]:
    """Yield the blocks that lie before ``end``, from the last one on; none begins before ``start``.

    Parameters
    ----------
    read : callable
        From a position, up to so many bytes.
    start, end : int
        Where the file's audio begins, and the file ends.
    padded : bool
        Whether blocks may end in zeros and be followed by some, and ID3v2 may lack its footer. This
        may look through megabytes, and through all zeros that a file ends in.
    """
    while True:
        # Zeros with no tag before them may belong to the last frame of audio.
        filled = before_zeros(read, start, end) if padded else end
        if filled <= start:
            return
        block = _block_before(read, filled, end)
        if block is None and padded and not _is_whole(read(max(start, end - _CHAIN), _CHAIN)):
            block = _id3v2_before(read, start, filled, end)
        if block is None or block.start < start:
            return
        yield block
        end = block.start


def before_zeros(read: ReadAt, start: int, end: int) -> int:
    """Return where the zeros begin that end at ``end``, at the earliest ``start``."""
    while end > start:
        data = read(max(start, end - _CHUNK), min(_CHUNK, end - start))
        filled = len(data.rstrip(b"\0"))
        end -= len(data) - filled
        if filled or not data:
            break
    return end


def _zeros(read: ReadAt, start: int) -> int:
    """Return the number of zeros from ``start`` on."""
    at = start
    while data := read(at, _CHUNK):
        filled = data.lstrip(b"\0")
        at += len(data) - len(filled)
        if filled:
            break
    return at - start


def _block_before(read: ReadAt, filled: int, end: int) -> TagBlock | None:
    """Return the block that ends between ``filled`` and ``end``, if its end tells."""
    at = max(0, filled - 227)
    tail = read(at, min(end, filled + 227) - at)
    found = [
        (at + mark.start() + _ENDS_LENGTH[mark.group(1)], at + mark.start(), mark.group(1))
        for mark in _ENDS.finditer(tail)
    ]
    found.sort(key=lambda item: item[0] != end)  # better one without zeros behind it
    for stop, mark_at, mark in found:
        if filled <= stop <= end:
            start = _start(read, mark, mark_at, stop)
            return None if start is None else TagBlock(_KINDS.get(mark, "Lyrics3"), start, stop)
    return None


def _start(read: ReadAt, mark: bytes, at: int, stop: int) -> int | None:
    """Return where the block begins that has its last mark at a position; None if it is none."""
    last = read(at, 32)
    if mark == b"APETAGEX":
        length = int.from_bytes(last[12:16], "little")  # with this footer, without a header
        length += 32 if last[23] & 0x80 else 0
        # A footer that is damaged is still no audio.
        return stop - length if 32 <= length <= stop else at
    if mark == b"3DI":
        length = id3v2_length(b"ID3" + last[3:10])
        return stop - length if read(stop - length, 3) == b"ID3" else None
    if mark == b"LYRICS200":
        digits = read(at - 6, 6)
        length = int(digits) + 15 if digits.isdigit() else 0
        return stop - length if read(stop - length, 11) == b"LYRICSBEGIN" else None
    if mark == b"LYRICSEND":  # version 1 has no length, and at most 5100 bytes of text
        first = max(0, at - 5111)
        text = read(first, at - first)
        return first + text.rfind(b"LYRICSBEGIN") if b"LYRICSBEGIN" in text else None
    return at


def _is_whole(tail: bytes) -> bool:
    """Whether at least two frames of a raw stream follow each other up to the end of these bytes.

    This spares nearly every such file a search through its last megabytes.
    """
    for start in range(len(tail) - 12):
        if tail[start] in b"\xff\x0b":
            at = start + frame_length(tail[start : start + 6])
            while start < at < len(tail) and (length := frame_length(tail[at : at + 6])):
                at += length
                if at == len(tail):
                    return True
    return False


def _id3v2_before(read: ReadAt, start: int, filled: int, end: int) -> TagBlock | None:
    """Return the ID3v2 tag without a footer that ends at ``end`` or in its padding."""
    at = max(start, end - _LONGEST_TAIL)
    while len(data := read(at, _CHUNK)) >= 10:  # nearly every file has none
        found = data.find(b"ID3")
        while found >= 0:
            length = id3v2_length(data[found : found + 10])
            if length and filled <= at + found + length <= end:
                return TagBlock("ID3v2", at + found, at + found + length)
            found = data.find(b"ID3", found + 1)
        at += len(data) - 9
        if at + 10 > end:
            break
    return None
