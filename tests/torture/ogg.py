"""Ogg pages (RFC 3533): taken apart and sealed again with a right checksum."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def pages(data: bytes) -> Iterator[bytes]:
    """Yield the pages of a whole Ogg file."""
    at = 0
    while data[at : at + 4] == b"OggS":
        count = data[at + 26]
        size = 27 + count + sum(data[at + 27 : at + 27 + count])
        yield data[at : at + size]
        at += size


def sealed(page: bytes, *, serial: int | None = None) -> bytes:
    """Return a page with its checksum set right, and perhaps with another serial number."""
    draft = bytearray(page)
    if serial is not None:
        struct.pack_into("<I", draft, 14, serial)
    draft[22:26] = bytes(4)
    struct.pack_into("<I", draft, 22, _crc(draft))
    return bytes(draft)


def _table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
        table.append(value)
    return table


_TABLE = _table()


def _crc(data: bytes | bytearray) -> int:
    value = 0
    for byte in data:
        value = (value << 8 & 0xFFFFFFFF) ^ _TABLE[value >> 24 ^ byte]
    return value
