"""Draw the page's icons: ``python page/icons.py`` writes them to page/src/icons.

The mark of the page, a rounded square with three circles, as PNG files for a home screen; the
maskable one fills its square, and keeps the circles in the part that every mask shows.
"""

import struct
import zlib
from pathlib import Path

import numpy as np

BLUE, WHITE = (0x1F, 0x6F, 0xD0), (0xFF, 0xFF, 0xFF)
CIRCLES = ((10, 19, 4.5), (20.5, 11, 3.5), (23, 21.5, 2.5))  # x, y, radius of 32
CORNER = 9
FINE = 4  # samples a pixel, along each side


def draw(size: int, *, maskable: bool = False) -> bytes:
    """Return an icon as a PNG file."""
    n = size * FINE
    y, x = (np.mgrid[0:n, 0:n] + 0.5) * 32 / n
    # How far outside the inner square, whose corners are the centers of the round ones.
    dx, dy = (np.abs(axis - 16) - (16 - CORNER) for axis in (x, y))
    inside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) <= CORNER
    if maskable:
        inside[:] = True
        x, y = ((axis - 16) / 0.72 + 16 for axis in (x, y))
    white = np.zeros_like(inside)
    for cx, cy, radius in CIRCLES:
        white |= np.hypot(x - cx, y - cy) <= radius
    rgba = np.zeros((n, n, 4))
    rgba[..., :3] = np.where(white[..., None], WHITE, BLUE)
    rgba[..., 3] = 255 * inside
    pixels = rgba.reshape(size, FINE, size, FINE, 4).mean(axis=(1, 3)).round().astype(np.uint8)
    rows = np.zeros((size, 1 + 4 * size), dtype=np.uint8)  # each row begins with its filter: 0
    rows[:, 1:] = pixels.reshape(size, -1)
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0),
        b"IDAT": zlib.compress(rows.tobytes(), 9),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )


if __name__ == "__main__":
    folder = Path(__file__).with_name("src") / "icons"
    folder.mkdir(exist_ok=True)
    (folder / "icon-192.png").write_bytes(draw(192))
    (folder / "icon-512.png").write_bytes(draw(512))
    (folder / "icon-maskable.png").write_bytes(draw(512, maskable=True))
