"""The bytes of a file between its tag blocks: what a decoder is given to read."""

from __future__ import annotations

import io
import os
from typing import Any

from musicu.audio.containers import CHUNK_FORMS, EBML, MP4_BOXES
from musicu.audio.tag_blocks import before_zeros, blocks_before, blocks_behind

__all__ = ["Source"]

# These formats state where their audio ends, and nothing behind it reaches a decoder: those of
# chunks, AU, EBML (Matroska), ASF; and by their first box MP4 and QuickTime.
_DELIMITED = (*CHUNK_FORMS, b".snd", EBML, b"\x30\x26\xb2\x75")
# The longest frame of MPEG audio (bytes); no other format ends in that many zeros of its own.
_LONGEST_FRAME = 1729


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
            self.delimited = head.startswith(_DELIMITED) or head[4:] in MP4_BOXES
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
        for block in blocks_before(self.at, start):
            if block.stop >= self.size:
                break
            start = block.stop
        return start

    def before_tags(self, start: int = 0) -> int:
        """Return where the tags at the end begin, none of which begins before ``start``."""
        end = self.size
        for block in blocks_behind(self.at, start, end, padded=True):
            end = block.start
        return end

    def before_zeros(self, start: int, end: int) -> int:
        """Return where the zeros begin that end at ``end``, at the earliest ``start``."""
        return before_zeros(self.at, start, end)


def _before_padding(source: Source, head: bytes, end: int) -> int:
    """Return where the zeros at the end that are no part of a last frame begin."""
    filled = source.before_zeros(0, end)
    if head.startswith(b"\x0b\x77") and end - filled > 2:  # AC-3: words of 16 bits
        return filled + filled % 2
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # AAC: ends in ones
        return filled
    return min(end, filled + _LONGEST_FRAME)
