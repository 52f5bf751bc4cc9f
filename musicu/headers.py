"""How much audio a file's own header promises, so that what is missing can be told."""

from __future__ import annotations

import os
import struct
from typing import Any

__all__ = ["ends_early", "promised_seconds"]

# Programs that write a WAV into a pipe cannot know its size: sox leaves 0x7FFFF000 and a little
# more, FFmpeg 0xFFFFFFFF.
_UNKNOWN_SIZE = 0x7FFFF000
# The longest Ogg page (RFC 3533, section 6) and some foreign bytes behind it.
_OGG_TAIL = 2 * 65536


def promised_seconds(path: str, container: str, audio: Any) -> float:
    """Length the header of a file states.

    Parameters
    ----------
    path : str
        The file.
    container : str
        FFmpeg's name for its format.
    audio : av.AudioStream
        Its stream.

    Returns
    -------
    float
        Seconds; 0 where the format states no length and FFmpeg only guesses one.
    """
    if container == "wav":  # FFmpeg takes the length of what is there
        return _wav_seconds(path)
    if container == "aac" or (container == "mp3" and not _counts_frames(path)):
        return 0.0
    return float(audio.duration * audio.time_base) if audio.duration else 0.0


def ends_early(path: str, container: str) -> bool:
    """Whether an Ogg file lacks the end of its last page or that page's end-of-stream mark.

    Ogg states no length; RFC 3533 has every stream end with a marked page instead.
    """
    if container != "ogg":
        return False
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _OGG_TAIL))
        tail = file.read()
    page = tail[max(0, tail.rfind(b"OggS")) :]
    # Capture pattern 4, version 1, flags 1, positions and checksum 20, number of segments 1.
    if len(page) < 27 or len(page) < 27 + page[26]:
        return True
    return not page[5] & 4 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]])


def _wav_seconds(path: str) -> float:
    rate = 0
    with open(path, "rb") as file:
        if file.read(12)[:4] != b"RIFF":  # RF64 and its like keep their sizes elsewhere
            return 0.0
        while len(head := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", head)
            start = file.tell()
            if name == b"fmt ":
                rate = int.from_bytes(file.read(12)[8:], "little")  # bytes a second
            if name == b"data":
                return size / rate if rate and size < _UNKNOWN_SIZE else 0.0
            file.seek(start + size + size % 2)
    return 0.0


def _counts_frames(path: str) -> bool:
    """Whether an mp3's first frame holds their number."""
    with open(path, "rb") as file:
        head = file.read(10)
        if head[:3] == b"ID3":  # its size is 4 x 7 bits, and comes before the first frame
            size = 0
            for byte in head[6:10]:
                size = size << 7 | byte & 0x7F
            file.seek(10 + size)
        else:
            file.seek(0)
        first_frame = file.read(4096)
    return any(mark in first_frame for mark in (b"Xing", b"Info", b"VBRI"))
