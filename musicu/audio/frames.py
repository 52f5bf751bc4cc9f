"""Frames of raw streams (MPEG audio, AAC, AC-3): what their first bytes say."""

from __future__ import annotations

__all__ = ["counted_seconds", "frame_length"]

# Bit rates (kbit/s) by the index in a frame's header: ISO 11172-3, 2.4.2.3; ISO 13818-3, 2.4.2.3.
_MPEG1 = (
    (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)
_MPEG2 = (
    (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
)
_MPEG_RATES = (44100, 48000, 32000)
# A/52, table 5.18.
_AC3 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_AC3_RATES = (48000, 44100, 32000)


def frame_length(head: bytes) -> int:
    """Return the length of the frame that begins with these 6, 0 where they do not tell."""
    if len(head) < 6:
        return 0
    if head[0] == 0xFF and head[1] & 0xF6 == 0xF0:  # AAC in ADTS
        return (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if head.startswith(b"\x0b\x77"):
        if head[5] >> 3 > 10:  # E-AC-3
            return 2 * (((head[2] & 7) << 8 | head[3]) + 1)
        rate, size = head[4] >> 6, head[4] & 63
        if rate == 3 or size >> 1 >= len(_AC3):
            return 0
        words = _AC3[size >> 1] * 1000 * 1536 // 16 // _AC3_RATES[rate]
        return 2 * (words + (size & 1 if _AC3_RATES[rate] == 44100 else 0))
    return _mpeg_length(head)


def _mpeg_length(head: bytes) -> int:
    rate = _mpeg_rate(head)
    layer = 4 - (head[1] >> 1 & 3)
    if not rate or layer == 4 or head[2] >> 4 == 15:
        return 0
    first = head[1] >> 3 & 3 == 3
    bits = 1000 * (_MPEG1 if first else _MPEG2)[layer - 1][head[2] >> 4]
    padding = head[2] >> 1 & 1
    if not bits:  # any rate: "free format"
        return 0
    if layer == 1:
        return 4 * (12 * bits // rate + padding)
    return (72 if layer == 3 and not first else 144) * bits // rate + padding


def _mpeg_rate(head: bytes) -> int:
    """Return the sampling rate of a frame of MPEG audio, 0 if it is none."""
    version, index = head[1] >> 3 & 3, head[2] >> 2 & 3
    if head[0] != 0xFF or head[1] & 0xE0 != 0xE0 or version == 1 or index == 3:
        return 0
    return _MPEG_RATES[index] >> {3: 0, 2: 1, 0: 2}[version]  # MPEG-1, 2, 2.5


def counted_seconds(head: bytes) -> float:
    """Return the length of an mp3 whose first frame counts frames, else 0.

    Parameters
    ----------
    head : bytes
        Its first 256 bytes. The count is LAME's or Xing's, or Fraunhofer's ("VBRI").
    """
    rate = _mpeg_rate(head) if len(head) > 3 else 0
    for mark, at in ((b"Xing", 8), (b"Info", 8), (b"VBRI", 14)):
        start = head.find(mark)
        flags = int.from_bytes(head[start + 4 : start + 8], "big")
        if rate and start > 0 and (mark == b"VBRI" or flags & 1):
            frames = int.from_bytes(head[start + at : start + at + 4], "big")
            return frames * (1152 if head[1] >> 3 & 3 == 3 else 576) / rate
    return 0.0
