"""What a file's own headers promise, so that what is missing, or was left out, can be told."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any

from musicu.audio.containers import asf_objects, ebml_segment_end, mp4_boxes
from musicu.audio.frames import counted_seconds, frame_length
from musicu.audio.ogg import begins_whole, last_granule, page_is_last
from musicu.audio.source import Source

__all__ = ["Promise", "ends_early", "promised_seconds"]

# A header may be off by half a second (encoder padding, rounding).
_OFF = 0.5
# Raw streams state no length, and FFmpeg guesses one from the size of the file.
_RAW = ("aac", "ac3", "amr", "eac3")
# FFmpeg takes the length of these from a rate or a count that nothing else depends on and that may
# be wrong: their bytes are counted.
_BY_RATE = ("au", "caf", "wav", "w64")
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")


@dataclass
class Promise:
    """What a file's headers state, to be compared with what was heard.

    Attributes
    ----------
    seconds : float
        Length; 0 if they state none.
    factor : float
        Bytes of samples they state, as a multiple of those that are there, if these are fewer.
    least : bool
        Whether there may be more than they state, and nothing is wrong.
    doubts : list of str
        What else is wrong with them, or with the file's end.
    """

    seconds: float = 0.0
    factor: float = 1.0
    least: bool = False
    doubts: list[str] = field(default_factory=list)

    def broken(self, heard: float) -> str | None:
        """Say what is wrong if so many seconds are heard; None: nothing."""
        promised = max(self.seconds, heard * self.factor)
        if promised - heard > _OFF:
            return f"only {heard:.1f} s of {promised:.1f} s are there"
        if self.factor >= 2.0 and heard < _OFF:  # too few to tell how long the rest would be
            return f"only {1 / self.factor:.1%} of its samples are there"
        if self.seconds and heard - self.seconds > _OFF and not self.least:
            return f"{heard:.1f} s are there, its header says {self.seconds:.1f} s"
        return next(iter(self.doubts), None)


def _asf_seconds(source: Source) -> float:
    """Length by an ASF header; FFmpeg believes it only where it finds the file's size right."""
    for part in asf_objects(source.at, 30, int.from_bytes(source.at(16, 8), "little")):
        body = source.at(part.start, 80) if part.name == _ASF_FILE else b""
        if len(body) == 80 and not body[64] & 1:  # no live stream
            length, _, preroll = struct.unpack("<QQQ", body[40:64])
            return max(0.0, float(length) / 1e7 - float(preroll) / 1e3)
    return 0.0


def promised_seconds(source: Source, media: Any, audio: Any) -> float:
    """Length the header of a file states.

    Parameters
    ----------
    source : Source
        The file.
    media : av.container.InputContainer
        The same, opened.
    audio : av.AudioStream
        Its stream.

    Returns
    -------
    float
        Seconds; 0 where the format states no length and FFmpeg only guesses one.
    """
    container = media.format.name
    if container in _RAW or container in _BY_RATE:
        return 0.0
    if container == "mp3":
        return counted_seconds(source.at(0, 256))
    if container == "asf":
        return _asf_seconds(source)
    if container == "ogg" and len(media.streams) == 1:
        # FFmpeg leaves out damaged pages, and takes the next one for the first or last.
        rate = 48000 if audio.codec_context.codec.canonical_name == "opus" else audio.rate
        start = float((audio.start_time or 0) * audio.time_base) if begins_whole(source) else 0.0
        length: float = last_granule(source) / rate - start
        return length
    if audio.duration:
        return float(audio.duration * audio.time_base)
    # Matroska states one length for all that is in a file.
    alone = len(media.streams) == 1 and container.startswith("matroska")
    return float(media.duration) / 1e6 if alone and media.duration else 0.0


def ends_early(source: Source, container: str, packet: bytes, *, last: bool) -> bool:
    """Whether a file stops within a part whose end its format marks or whose size it states.

    Parameters
    ----------
    source : Source
        The file.
    container : str
        FFmpeg's name for its format.
    packet : bytes
        Its last packet.
    last : bool
        Whether no other link follows in the file.
    """
    if container in _RAW or container == "mp3":
        return len(packet) < frame_length(packet[:6])
    if container == "ogg":
        marked = page_is_last(source)
        return marked is None or last and not marked
    if container.startswith("matroska"):
        return (ebml_segment_end(source.at) or 0) > source.size
    if container.startswith("mov"):
        return _boxes_end_early(source)
    return False


def _boxes_end_early(source: Source) -> bool:
    """Whether the last box of an MP4 file is longer than what is left."""
    end = 0
    for box in mp4_boxes(source.at, 0, source.before_tags()):
        if not box.name.isalnum():
            return False
        end = box.start + box.size
    return end > source.size
