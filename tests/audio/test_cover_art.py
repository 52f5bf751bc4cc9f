import struct
import zlib
from pathlib import Path

import av
import mutagen
import numpy as np
import pytest
from made_audio import notes, write
from mutagen.flac import Picture
from mutagen.id3 import APIC

from musicu.audio.cover_art import cover_thumbnail, thumbnail
from musicu.errors import AudioError

RED, GREEN = (200, 30, 40), (20, 160, 60)


def png(color: tuple[int, int, int], width: int, height: int) -> bytes:
    rows = np.zeros((height, 1 + 3 * width), dtype=np.uint8)
    rows[:, 1:] = np.tile(np.array(color, dtype=np.uint8), width)
    content = zlib.compress(rows.tobytes())
    return png_of(width, height, content)


def png_of(width: int, height: int, content: bytes) -> bytes:
    parts = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0), b"IDAT": content}
    chunks = [(kind, data) for kind, data in (*parts.items(), (b"IEND", b""))]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def pixels(jpeg: bytes) -> np.ndarray:
    assert jpeg.startswith(b"\xff\xd8\xff")
    decoder = av.CodecContext.create("mjpeg", "r")
    frame = [*decoder.decode(av.Packet(jpeg)), *decoder.decode(None)][0]
    return frame.to_ndarray(format="rgb24")


def check(jpeg: bytes | None, color: tuple[int, int, int], width: int, height: int) -> None:
    assert jpeg is not None
    found = pixels(jpeg)
    assert found.shape == (height, width, 3)
    assert np.abs(found.mean(axis=(0, 1)) - color).max() < 6


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "a song.flac"
    write(path, notes(22050, 1.0, seed=1), 22050, "flac")
    return path


def test_a_picture_in_the_file_comes_before_one_beside_it(song: Path, tmp_path: Path) -> None:
    assert cover_thumbnail(song) is None
    (tmp_path / "Folder.jpg").write_bytes(png(GREEN, 90, 60))  # told by content, not by name
    check(cover_thumbnail(song), GREEN, 90, 60)
    file = mutagen.File(song)
    picture = Picture()
    picture.data, picture.mime, picture.type = png(RED, 800, 400), "image/png", 3
    file.add_picture(picture)
    file.save()
    check(cover_thumbnail(song), RED, 320, 160)
    check(cover_thumbnail(song, side=10), RED, 10, 5)


def test_the_picture_of_an_id3_tag_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    write(path, notes(22050, 1.0, seed=1), 22050, "mp3")
    file = mutagen.File(path)
    file.tags.add(APIC(mime="image/jpeg", type=3, data=thumbnail(png(RED, 64, 64))))
    file.save()
    check(cover_thumbnail(path), RED, 64, 64)


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        b"<svg onload='alert(1)'/>",
        b"GIF89a" + bytes(100),
        b"\xff\xd8\xff\xe0 not a picture",
        png(RED, 50, 50)[:60],
        png_of(60_000, 60_000, zlib.compress(bytes(100_000))),  # 10 GB of pixels in 200 bytes
    ],
)
def test_what_is_no_picture_is_none(song: Path, tmp_path: Path, picture: bytes) -> None:
    with pytest.raises(AudioError):
        thumbnail(picture)
    (tmp_path / "cover.jpg").write_bytes(picture)
    assert cover_thumbnail(song) is None


def test_nothing_of_a_picture_goes_out_but_its_pixels() -> None:
    hidden = b"<script>alert(1)</script>"
    made = thumbnail(png(RED, 40, 40) + hidden)
    assert hidden not in made
    check(made, RED, 40, 40)
