"""Cover art: the picture in a file or beside it, as a small JPEG that was written here.

A picture is whatever somebody put there. It is decoded only if it begins as one of three formats,
within bounds of bytes and pixels; nothing of it goes out but what its pixels looked like.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from fractions import Fraction
from typing import Any

from musicu.audio.media import open_media
from musicu.errors import AudioError

__all__ = ["SIDE", "cover_thumbnail", "find_cover", "thumbnail"]

SIDE = 320  # pixels of a thumbnail's longer side
_MOST_BYTES, _MOST_PIXELS = 24 << 20, 50_000_000
# Names that programs give to an album's picture, in the order in which they are looked for.
_NAMES = [
    f"{name}.{kind}"
    for name in ("cover", "Cover", "folder", "Folder", "front", "Front", "AlbumArt", "album")
    for kind in ("jpg", "jpeg", "png", "webp")
]
# FFmpeg's decoder of each format, by how its files begin.
_DECODERS = {b"\xff\xd8\xff": "mjpeg", b"\x89PNG\r\n\x1a\n": "png", b"RIFF": "webp"}
_QUALITY = "4"  # of FFmpeg's MJPEG, 2 (best) to 31
_HEADERS_ONLY = {"probesize": "65536", "analyzeduration": "0"}


def cover_thumbnail(path: str | os.PathLike[str], side: int = SIDE) -> bytes | None:
    """Return the cover of an audio file, small; None if it has none that can be decoded.

    Parameters
    ----------
    path : str or path-like
        The audio file.
    side : int >= 1
        Pixels of the longer side, at most.

    Returns
    -------
    bytes or None
        A JPEG file.
    """
    for picture in find_cover(os.fspath(path)):
        with suppress(AudioError):
            return thumbnail(picture, side)
    return None


def find_cover(path: str) -> list[bytes]:
    """Return the pictures that may be an audio file's cover: its own first, then the folder's.

    Parameters
    ----------
    path : str
        The audio file.
    """
    found = [_embedded(path)]
    folder = os.path.dirname(path)
    for name in _NAMES:
        if beside := _file(os.path.join(folder, name)):
            found.append(beside)
            break
    return [picture for picture in found if picture]


def thumbnail(picture: bytes, side: int = SIDE) -> bytes:
    """Decode a picture (JPEG, PNG or WebP), and write it anew, no larger than a side.

    Parameters
    ----------
    picture : bytes
        The file's content.
    side : int >= 1
        Pixels of the longer side, at most.

    Returns
    -------
    bytes
        A JPEG file.

    Raises
    ------
    AudioError
        It is no such picture, is damaged, or has more than 50 million pixels.
    """
    import av

    decoder = next((name for head, name in _DECODERS.items() if picture.startswith(head)), None)
    if decoder is None or len(picture) > _MOST_BYTES:
        raise AudioError("cover", "not a picture that is read here")
    try:
        reader: Any = av.CodecContext.create(decoder, "r")
        reader.options = {"max_pixels": str(_MOST_PIXELS)}
        reader.thread_count = 1
        frames = [*reader.decode(av.Packet(picture)), *reader.decode(None)]
        if not frames:
            raise AudioError("cover", "a picture without content")
        return _jpeg(frames[0], side)
    except (av.FFmpegError, ValueError) as error:
        raise AudioError("cover", f"a picture that cannot be decoded ({error})") from None


def _jpeg(frame: Any, side: int) -> bytes:
    import av

    scale = min(1.0, side / max(frame.width, frame.height))
    width, height = (max(1, round(scale * length)) for length in (frame.width, frame.height))
    # By way of RGB: what a picture says of its range and colors need not be true.
    small = frame.reformat(width, height, "rgb24", interpolation="AREA")
    writer: Any = av.CodecContext.create("mjpeg", "w")
    writer.width, writer.height, writer.pix_fmt = width, height, "yuvj420p"
    writer.time_base = Fraction(1, 1)
    writer.options = {"qmin": _QUALITY, "qmax": _QUALITY}
    image = small.reformat(format="yuvj420p", dst_color_range="JPEG")
    return b"".join(bytes(packet) for packet in [*writer.encode(image), *writer.encode(None)])


def _embedded(path: str) -> bytes | None:
    """Return the first picture that is part of an audio file."""
    import av

    # Not the source between the tags: in MP3 the picture is one of them.
    with (
        suppress(av.FFmpegError, OSError, ValueError),
        open_media(f"file:{path}", options=_HEADERS_ONLY) as container,
    ):
        for stream in container.streams.video:
            if stream.disposition & av.stream.Disposition.attached_pic:
                packet = next(iter(container.demux(stream)))
                return bytes(packet) if 0 < packet.size <= _MOST_BYTES else None
    return None


def _file(path: str) -> bytes | None:
    """Return what a file holds if it is one, and of a size that pictures have."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would never end
            return None
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError:
        return None
    return content if len(content) <= _MOST_BYTES else None
