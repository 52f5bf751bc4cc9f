"""Files that hold several streams one after another: chained Ogg, and what was joined by `cat`."""

from __future__ import annotations

from musicu.audio.containers import ebml_segment_end, find_bytes
from musicu.audio.ogg import ogg_links
from musicu.audio.source import Source

__all__ = ["FLAC", "find_links", "next_flac"]

# How a FLAC stream begins: its name and a STREAMINFO of 34 bytes.
FLAC = b"fLaC\0\0\0\x22"


def find_links(source: Source) -> list[int]:
    """Return where each stream of a chained file begins: [0] if it is not chained."""
    magic = source.at(0, 4)
    if magic == b"OggS":
        return ogg_links(source)
    links = [0]
    while end := _end(source, links[-1]):
        if source.at(end, 4) != magic:
            break
        links.append(end)
    return links


def next_flac(source: Source) -> int:
    """Return where another FLAC stream begins behind the first, or else where the file ends."""
    found = find_bytes(source.at, 1, FLAC)
    return source.size if found is None else found


def _end(source: Source, start: int) -> int | None:
    """Return where the WAV, AIFF or Matroska file ends that begins at ``start``, by its size."""
    head = source.at(start, 8)
    if head.startswith((b"RIFF", b"FORM")):
        size = int.from_bytes(head[4:], "little" if head.startswith(b"RIFF") else "big")
        return start + 8 + size + size % 2
    return ebml_segment_end(source.at, start)
