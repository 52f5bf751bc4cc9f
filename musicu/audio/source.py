"""The bytes of a file between its tag blocks: what a decoder is given to read.

Tags may stand before and behind the audio of any format, of several kinds and several in a row.
Each states its own length; they are taken off by it, from outside to inside.
"""

from __future__ import annotations

import io
import os
import re
from typing import Any

from musicu.audio.frames import frame_length

__all__ = ["Source"]

# These formats state where their audio ends, and nothing behind it reaches a decoder: RIFF, IFF,
# W64, CAF, AU, EBML (Matroska), ASF, DSF; and by their first box MP4 and QuickTime.
_DELIMITED = (
    *(b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"FRM8", b"riff", b"caff", b".snd", b"DSD "),
    *(b"\x1a\x45\xdf\xa3", b"\x30\x26\xb2\x75"),
)
_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
_ID3V2 = re.compile(rb"ID3[\x02-\x04][^\xff].[\x00-\x7f]{4}", re.DOTALL)
# How tags end, and how many bytes from there to their last one: APEv2, ID3v1 with and without its
# extension, ID3v2.4, Lyrics3.
_ENDS_LENGTH = {b"APETAGEX": 32, b"TAG+": 227, b"TAG": 128, b"3DI": 10}
_ENDS_LENGTH |= {b"LYRICS200": 9, b"LYRICSEND": 9}
_ENDS = re.compile(rb"(?=(APETAGEX|TAG\+|(?<!APE)TAG|3DI|LYRICS200|LYRICSEND))")
# An ID3v2 tag at the end may lack the footer that says so. It is looked for in as many last bytes,
# which is far more than cover pictures take.
_LONGEST_TAIL = 1 << 23
# The longest frame of MPEG audio (bytes); no other format ends in that many zeros of its own.
_LONGEST_FRAME = 1729
# Two of the longest frames of MPEG audio, AAC or AC-3 are shorter than this.
_CHAIN = 1 << 14
_CHUNK = 1 << 16


class Source(io.FileIO):
    """The audio of a file as a file of its own; positions count from its first byte.

    Parameters
    ----------
    path : str
        The file.

    Attributes
    ----------
    begin, end : int
        Where in the file the audio begins and ends.
    delimited : bool
        Whether the format itself states where its audio ends.
    error : OSError or None
        What the system answered instead of bytes: FFmpeg goes on as if the file ended there.
    """

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.error: OSError | None = None
        self._patch = (0, b"")
        self.begin, self.end = 0, os.fstat(self.fileno()).st_size
        try:
            self.begin = self.behind_tags()
            head = self.at(0, 8)
            self.delimited = head.startswith(_DELIMITED) or head[4:] in _BOXES
            if not self.delimited:
                self.end = self.begin + _before_padding(self, head, self.before_tags())
        except BaseException:
            self.close()
            raise
        self.seek(0)

    @property
    def size(self) -> int:
        """Number of bytes."""
        return self.end - self.begin

    def replace(self, offset: int, data: bytes) -> None:
        """Let these bytes be read where others stand in the file."""
        self._patch = (offset, data)

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to ``size`` bytes."""
        position = self.tell()
        left = max(0, self.size - position)
        try:
            data = super().read(left if size is None or size < 0 else min(size, left)) or b""
        except OSError as error:
            self.error = error
            raise
        offset, patch = self._patch
        if patch and position < offset + len(patch) and offset < position + len(data):
            whole = bytearray(data)
            for i, byte in enumerate(patch, offset - position):
                if 0 <= i < len(whole):
                    whole[i] = byte
            data = bytes(whole)
        return data

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer."""
        view = memoryview(buffer).cast("B")
        data = self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a position; -1 if there is no such position, as FFmpeg wants to be told."""
        if whence == os.SEEK_CUR:
            offset += self.tell()
        elif whence == os.SEEK_END:
            offset += self.size
        try:
            return super().seek(self.begin + offset) - self.begin if offset >= 0 else -1
        except (OSError, OverflowError):
            return -1

    def tell(self) -> int:
        """Return the position."""
        return super().tell() - self.begin

    def at(self, offset: int, size: int) -> bytes:
        """Return up to ``size`` bytes from another position, b"" outside of the file."""
        if not 0 <= offset < self.size:
            return b""
        position = self.tell()
        self.seek(offset)
        data = self.read(size)
        self.seek(position)
        return data

    def behind_tags(self, start: int = 0) -> int:
        """Return where the tags that begin at ``start`` end."""
        while True:
            head = self.at(start, 32)
            length = _id3v2_length(head)
            if head.startswith(b"APETAGEX"):
                length = 32 + int.from_bytes(head[12:16], "little")
            elif head.startswith(b"TAG"):  # left over where files were joined
                length = 128
            elif head.startswith(bytes(4)):  # an MP4 file may begin with three
                length = _zeros(self, start)
                # The size of a first box begins with some.
                for size in (1, 2, 3):
                    if self.at(start + length - size, 8)[4:] in _BOXES:
                        length -= size
                        break
            if not length or start + length >= self.size:
                return start
            start += length

    def before_tags(self, start: int = 0) -> int:
        """Return where the tags at the end begin, none of which begins before ``start``."""
        end = self.size
        while True:
            # A tag may end in zeros, and be followed by some. Zeros with no tag before them may
            # belong to the last frame of audio.
            filled = self.before_zeros(start, end)
            if filled == start:
                return end
            tag = _tag_before(self, filled, end)
            if tag is None and not _is_whole(self.at(max(start, end - _CHAIN), _CHAIN)):
                tag = _id3v2_before(self, start, filled, end)
            if tag is None or tag < start:
                return end
            end = tag

    def before_zeros(self, start: int, end: int) -> int:
        """Return where the zeros begin that end at ``end``, at the earliest ``start``."""
        while end > start:
            data = self.at(max(start, end - _CHUNK), min(_CHUNK, end - start))
            filled = len(data.rstrip(b"\0"))
            end -= len(data) - filled
            if filled or not data:
                break
        return end


def _before_padding(source: Source, head: bytes, end: int) -> int:
    """Return where the zeros at the end that are no part of a last frame begin."""
    filled = source.before_zeros(0, end)
    if head.startswith(b"\x0b\x77") and end - filled > 2:  # AC-3: words of 16 bits
        return filled + filled % 2
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # AAC: ends in ones
        return filled
    return min(end, filled + _LONGEST_FRAME)


def _zeros(source: Source, start: int) -> int:
    """Return the number of zeros from ``start`` on."""
    at = start
    while data := source.at(at, _CHUNK):
        filled = data.lstrip(b"\0")
        at += len(data) - len(filled)
        if filled:
            break
    return at - start


def _id3v2_length(head: bytes) -> int:
    """Return the length of the ID3v2 tag that begins with ``head``, 0 if there is none."""
    if not _ID3V2.match(head):
        return 0
    size = 0
    for byte in head[6:10]:  # 4 x 7 bits
        size = size << 7 | byte
    return size + (20 if head[5] & 0x10 else 10)  # with a footer or not


def _tag_before(source: Source, filled: int, end: int) -> int | None:
    """Return where the tag begins that ends between ``filled`` and ``end``, if its end tells."""
    at = max(0, filled - 227)
    tail = source.at(at, min(end, filled + 227) - at)
    found = [
        (at + mark.start() + _ENDS_LENGTH[mark.group(1)], at + mark.start(), mark.group(1))
        for mark in _ENDS.finditer(tail)
    ]
    found.sort(key=lambda item: item[0] != end)  # better one without zeros behind it
    for stop, begin, name in found:
        if not filled <= stop <= end:
            continue
        last = source.at(begin, 32)
        if name == b"APETAGEX":
            length = int.from_bytes(last[12:16], "little")  # with this footer, without a header
            length += 32 if last[23] & 0x80 else 0
            # A footer that is damaged is still no audio.
            return stop - length if 32 <= length <= stop else begin
        if name == b"3DI":
            length = _id3v2_length(b"ID3" + last[3:10])
            return stop - length if source.at(stop - length, 3) == b"ID3" else None
        if name == b"LYRICS200":
            digits = source.at(begin - 6, 6)
            length = int(digits) + 15 if digits.isdigit() else 0
            return stop - length if source.at(stop - length, 11) == b"LYRICSBEGIN" else None
        if name == b"LYRICSEND":  # version 1 has no length, and at most 5100 bytes of text
            first = max(0, begin - 5111)
            text = source.at(first, begin - first)
            return first + text.rfind(b"LYRICSBEGIN") if b"LYRICSBEGIN" in text else None
        return begin
    return None


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


def _id3v2_before(source: Source, start: int, filled: int, end: int) -> int | None:
    """Return where an ID3v2 tag without a footer begins that ends at ``end`` or in its padding."""
    at = max(start, end - _LONGEST_TAIL)
    while len(data := source.at(at, _CHUNK)) >= 10:  # nearly every file has none
        found = data.find(b"ID3")
        while found >= 0:
            length = _id3v2_length(data[found : found + 10])
            if length and filled <= at + found + length <= end:
                return at + found
            found = data.find(b"ID3", found + 1)
        at += len(data) - 9
        if at + 10 > end:
            break
    return None
