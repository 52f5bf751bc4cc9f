"""What a decoder is told besides the packets, as far as it changes what comes out of them."""

from __future__ import annotations

__all__ = ["configuration"]

# STREAMINFO up to the number of samples; that, and the MD5 sum behind it, decode nothing.
_STREAMINFO_BLOCKS, _STREAMINFO_FORMAT, _STREAMINFO_COUNT = 4, slice(10, 18), (1 << 36) - 1


def configuration(codec: str, extradata: bytes, wave_format: bytes) -> bytes:
    """Return a codec's configuration without tags and without what changes nothing.

    Parameters
    ----------
    codec : str
        FFmpeg's name for the codec.
    extradata : bytes
        What the file holds for its decoder.
    wave_format : bytes
        The WAVEFORMAT structure of a WAV, W64 or ASF file.
    """
    if codec == "vorbis":
        return b"".join(part for i, part in enumerate(_laced(extradata)) if i != 1)  # the comment
    if codec == "flac":
        start = 8 if extradata.startswith(b"fLaC") else 0
        info = extradata[start : start + 34]
        value = int.from_bytes(info[_STREAMINFO_FORMAT], "big") & ~_STREAMINFO_COUNT
        return info[:_STREAMINFO_BLOCKS] + value.to_bytes(8, "big")
    if codec == "musepack7":  # Replay Gain stands in the middle of the header
        return extradata[:4] + extradata[12:]
    if codec.startswith("pcm_"):  # its name says all
        return b""
    if not codec.startswith("wma"):  # bytes a second only serve to seek
        wave_format = wave_format[:8] + wave_format[12:]
    return extradata + wave_format


def _laced(extradata: bytes) -> list[bytes]:
    """Split Vorbis's three headers, which FFmpeg joins in one of two ways."""
    parts: list[bytes] = []
    if extradata[:2] == b"\x00\x1e":  # each with its size in front
        while len(extradata) > 2:
            size = int.from_bytes(extradata[:2], "big")
            parts.append(extradata[2 : 2 + size])
            extradata = extradata[2 + size :]
        return parts
    at, sizes = 1, []  # Xiph's lacing: all sizes but the last one in front
    for _ in range(2):
        size = 0
        while extradata[at : at + 1] == b"\xff":
            size, at = size + 255, at + 1
        size += extradata[at] if at < len(extradata) else 0
        sizes.append(size)
        at += 1
    for size in (*sizes, len(extradata)):
        parts.append(extradata[at : at + size])
        at += size
    return parts
