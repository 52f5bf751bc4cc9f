"""A file's bytes told by another file's: what is kept by its place, what is new by itself.

So a change of a few bytes of a large file can be written, read, and taken back exactly.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from io import BufferedReader
from itertools import pairwise
from typing import Any

from musicu.audio.containers import ReadAt

__all__ = ["Splice", "from_json", "inverse", "joined", "pieces", "sha256_of", "to_json"]

# New bytes, or where kept ones begin and end in the other file.
Splice = bytes | tuple[int, int]

_CHUNK = 1 << 20


def joined(parts: Iterable[Splice]) -> list[Splice]:
    """Return the same without empty parts, and with neighbors put together."""
    whole: list[Splice] = []
    for part in parts:
        last = whole[-1] if whole else b""
        if isinstance(part, bytes):
            if part and isinstance(last, bytes) and whole:
                whole[-1] = last + part
            elif part:
                whole.append(part)
        elif part[0] < part[1]:
            if isinstance(last, tuple) and last[1] == part[0]:
                whole[-1] = last[0], part[1]
            else:
                whole.append(part)
    return whole


def pieces(parts: Iterable[Splice], read: ReadAt) -> Iterator[bytes]:
    """Yield the bytes that splices tell of, some at a time.

    Parameters
    ----------
    parts : iterable of Splice
    read : callable
        Reads the other file.

    Raises
    ------
    EOFError
        It is shorter than they say.
    """
    for part in parts:
        if isinstance(part, bytes):
            yield part
            continue
        at, end = part
        while at < end:
            data = read(at, min(_CHUNK, end - at))
            if not data:
                raise EOFError("the file is shorter than it was")
            yield data
            at += len(data)


def inverse(parts: Sequence[Splice], read: ReadAt, size: int) -> list[Splice]:
    """Tell the other file by this one: what leads back.

    Parameters
    ----------
    parts : sequence of Splice
        What is kept of the other file comes in its order there.
    read : callable
        Reads the other file.
    size : int
        Its bytes.
    """
    kept, at = [], 0
    for part in parts:
        if isinstance(part, bytes):
            at += len(part)
        else:
            kept.append((part, at))
            at += part[1] - part[0]
    ends = [(0, 0), *((start, stop) for (start, stop), _ in kept), (size, size)]
    gaps = [read(stop, start - stop) for (_, stop), (start, _) in pairwise(ends)]
    back: list[Splice] = [gaps[0]]
    for ((start, stop), here), gap in zip(kept, gaps[1:], strict=True):
        back += [(here, here + stop - start), gap]
    return joined(back)


def to_json(parts: Iterable[Splice]) -> list[Any]:
    """Return splices as JSON types: ``[start, stop]``, or bytes in base64."""
    return [
        base64.b64encode(part).decode("ascii") if isinstance(part, bytes) else list(part)
        for part in parts
    ]


def from_json(said: Any) -> list[Splice]:
    """Return what :func:`to_json` returned.

    Raises
    ------
    ValueError
        It is something else.
    """
    parts: list[Splice] = []
    for part in said if isinstance(said, list) else [None]:
        if isinstance(part, str):
            parts.append(base64.b64decode(part, validate=True))
        elif isinstance(part, list) and len(part) == 2 and all(type(at) is int for at in part):
            parts.append((part[0], part[1]))
        else:
            raise ValueError("no splices")
    return parts


def sha256_of(file: BufferedReader) -> str:
    """Return the SHA-256 of a file from its first byte on."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()
