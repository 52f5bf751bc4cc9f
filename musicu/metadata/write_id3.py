"""Text frames changed in the ID3v2 tag at the start of an MP3; all other frames stay."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from musicu.audio.containers import ReadAt
from musicu.audio.tag_blocks import id3v2_length, synchsafe
from musicu.metadata.parsers import squeeze
from musicu.metadata.splices import Splice
from musicu.metadata.tag_targets import TARGETS, RefusedError, Values

__all__ = ["edit_id3"]

_LARGEST = 1 << 28  # bytes that a header can state
_PADDING = 1024  # room that a new tag is given, so that the next change need not move the audio


class _Frame(NamedTuple):
    name: str
    data: bytes
    whole: bytes


def edit_id3(read: ReadAt, size: int, values: Values) -> list[Splice]:
    """Tell what becomes of a file whose ID3v2 tag gets new values.

    Parameters
    ----------
    read : callable
        Reads the file.
    size : int
        Its bytes.
    values : dict of str to tuple of str
        By the names of :data:`musicu.metadata.tag_targets.TARGETS`; they replace what is there.

    Raises
    ------
    RefusedError
        The tag is of a kind in which nothing can be changed safely.
    """
    header = read(0, 10)
    length = id3v2_length(header)
    if not length:
        new = b"".join(_encoded(name, texts, 4) for name, texts in values.items())
        return [_header(b"ID3\x04\x00\x00", len(new) + _PADDING), new + bytes(_PADDING), (0, size)]
    version, flags = header[3], header[5]
    if version < 3:
        raise RefusedError("its ID3 tag is of version 2.2, which is not written")
    if flags:
        raise RefusedError(
            "its ID3 tag is unsynchronized, or has an extended header or a footer: not written"
        )
    body = read(10, length - 10)
    if len(body) < length - 10:
        raise RefusedError("its ID3 tag is longer than the file")
    kept, rest = [], 0
    for frame in _frames(body, version):
        rest += len(frame.whole)
        if not any(_holds(frame, name) for name in values):
            kept.append(frame.whole)
    if body[rest:].strip(b"\0"):
        raise RefusedError("its ID3 tag holds something that is no frame")
    new = b"".join([*kept, *(_encoded(name, texts, version) for name, texts in values.items())])
    room = length - 10
    if len(new) > room:
        room = len(new) + _PADDING
    return [_header(header[:6], room), new + bytes(room - len(new)), (length, size)]


def _header(start: bytes, size: int) -> bytes:
    if size >= _LARGEST:
        raise RefusedError("its ID3 tag would be too large")
    return start + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def _frames(body: bytes, version: int) -> Iterator[_Frame]:
    at = 0
    while at + 10 <= len(body) and body[at]:
        name, size = body[at : at + 4], body[at + 4 : at + 8]
        if not re.fullmatch(rb"[A-Z0-9]{4}", name):
            raise RefusedError("its ID3 tag holds something that is no frame")
        length = synchsafe(size) if version == 4 else int.from_bytes(size, "big")
        if version == 4 and (max(size) > 127 or not _is_next(body, at + 10 + length)):
            raise RefusedError("its ID3 tag states sizes of frames as an earlier version does")
        end = at + 10 + length
        if end > len(body):
            raise RefusedError("a frame of its ID3 tag is longer than the tag")
        # A frame that is compressed, encrypted or the like is kept, and never taken for ours.
        data = body[at + 10 : end] if not any(body[at + 8 : at + 10]) else b""
        yield _Frame(name.decode("ascii"), data, body[at:end])
        at = end


def _is_next(body: bytes, at: int) -> bool:
    """Whether a frame, padding or the end of the tag is at a place."""
    return at >= len(body) or re.match(rb"[A-Z0-9]{4}|\0", body[at : at + 4]) is not None


def _holds(frame: _Frame, name: str) -> bool:
    target = TARGETS[name]
    if frame.name == target.id3:
        return True
    if frame.name != "TXXX" or not frame.data:
        return False
    label = frame.data[1:].partition(b"\0\0" if frame.data[0] in (1, 2) else b"\0")[0]
    return squeeze(label.replace(b"\0", b"").decode("latin-1")) in target.names


def _encoded(name: str, texts: tuple[str, ...], version: int) -> bytes:
    """Return a text frame; version 2.3 knows no moods, and one value a frame."""
    if not texts:
        return b""
    target = TARGETS[name]
    frame, label = target.id3, ""
    if version == 3 and frame == "TMOO":
        frame, label = "TXXX", target.comment
    parts = [label] * bool(label) + ([*texts] if version == 4 else ["/".join(texts)])
    if version == 4:
        data = b"\x03" + "\0".join(parts).encode("utf-8")
    elif all(part.isascii() for part in parts):
        data = b"\x00" + "\0".join(parts).encode("latin-1")
    else:
        data = b"\x01" + b"\0\0".join(b"\xff\xfe" + part.encode("utf-16-le") for part in parts)
    size = len(data)
    packed = (
        bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
        if version == 4
        else size.to_bytes(4, "big")
    )
    return frame.encode("ascii") + packed + b"\0\0" + data
