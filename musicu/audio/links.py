"""Files that hold several streams one after another: chained Ogg, and what was joined by `cat`."""

from __future__ import annotations

from collections.abc import Iterator

from musicu.audio.containers import (
    ASF_HEADER,
    Part,
    asf_objects,
    ebml_segment_end,
    find_bytes,
    mp4_boxes,
)
from musicu.audio.ogg import ogg_links
from musicu.audio.source import Source

__all__ = ["FLAC", "find_links", "next_flac"]

# How a FLAC stream begins: its name and a STREAMINFO of 34 bytes.
FLAC = b"fLaC\0\0\0\x22"


def find_links(source: Source) -> list[int]:
    """Return where each stream of a chained file begins: [0] if it is not chained."""
    if source.at(0, 4) == b"OggS":
        return ogg_links(source)
    links = [0]
    kind = _kind(source, 0)
    while kind and (end := _end(source, links[-1], kind)):
        if end <= links[-1] or _kind(source, end) != kind:
            break
        links.append(end)
    return links


def next_flac(source: Source) -> int:
    """Return where another FLAC stream begins behind the first, or else where the file ends."""
    found = find_bytes(source.at, 1, FLAC)
    return source.size if found is None else found


def _kind(source: Source, start: int) -> bytes:
    """Return what a file of a format that is joined begins with; the box's name of MP4."""
    head = source.at(start, 8)
    return head[4:] if head[4:] == b"ftyp" else head[:4]


def _end(source: Source, start: int, kind: bytes) -> int | None:
    """Return where the file ends that begins at ``start``, by its size or by where one follows."""
    if kind in (b"RIFF", b"FORM", b"RF64", b"BW64"):
        head = source.at(start, 28)
        size = int.from_bytes(head[4:8], "big" if kind == b"FORM" else "little")
        if head[12:16] == b"ds64" and size == 0xFFFFFFFF:
            size = int.from_bytes(head[20:28], "little")
        return start + 8 + size + size % 2
    if kind == b"riff":  # W64
        size = int.from_bytes(source.at(start + 16, 8), "little")
        return start + size + -size % 8
    if kind == b"ftyp":
        return _second(mp4_boxes(source.at, start, source.size), kind, 8)
    if kind == ASF_HEADER[:4]:
        return _second(asf_objects(source.at, start, source.size), ASF_HEADER, 24)
    return ebml_segment_end(source.at, start)


def _second(parts: Iterator[Part], name: bytes, head: int) -> int | None:
    """Return where the second part of a name begins, ``head`` bytes before its content."""
    starts = (part.start - head for part in parts if part.name == name)
    next(starts, None)
    return next(starts, None)
