"""Read the files inside a binary Qt resource file (``.rcc``), as Qt's ``rcc --binary`` writes it.

The header has the magic number, the version, and where the tree, the data and the names begin. A
node of the tree is a folder (how many children, which is the first) or a file (where its data
begins, after four bytes of length). Numbers are big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

MAGIC = b"qres"
FOLDER, COMPRESSED = 2, 1 | 4


def resource_files(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of each file that is stored uncompressed, as sounds are.

    Raises
    ------
    ValueError
        If the data are no Qt resource file.
    """
    if data[:4] != MAGIC:
        raise ValueError("no Qt resource file")
    version, tree, payload, names = struct.unpack_from(">4I", data, 4)
    size = 14 if version == 1 else 22  # later versions have a time at the end

    def name(offset: int) -> str:
        (length,) = struct.unpack_from(">H", data, names + offset)
        start = names + offset + 6  # after the length and a hash
        return data[start : start + 2 * length].decode("utf-16-be")

    def walk(index: int, parent: str) -> Iterator[tuple[str, bytes]]:
        node = tree + index * size
        label, flags = struct.unpack_from(">IH", data, node)
        path = f"{parent}/{name(label)}".lstrip("/") if index else ""
        if flags & FOLDER:
            count, first = struct.unpack_from(">2I", data, node + 6)
            for child in range(first, first + count):
                yield from walk(child, path)
        elif not flags & COMPRESSED:
            (offset,) = struct.unpack_from(">I", data, node + 10)
            (length,) = struct.unpack_from(">I", data, payload + offset)
            start = payload + offset + 4
            yield path, data[start : start + length]

    yield from walk(0, "")
