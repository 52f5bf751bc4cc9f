"""What a file's own headers promise, so that what is missing, or was left out, can be told."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from musicu.audio.frames import counted_seconds, frame_length
from musicu.audio.links import begins_whole, last_granule, page_is_last, segment_end
from musicu.audio.source import Source

__all__ = [
    "Promise",
    "Samples",
    "contradicts_itself",
    "ends_early",
    "find_samples",
    "promised_seconds",
    "wave_format",
]

# A header may be off by half a second (encoder padding, rounding).
_OFF = 0.5
# Raw streams state no length, and FFmpeg guesses one from the size of the file.
_RAW = ("aac", "ac3", "amr", "eac3")
# FFmpeg takes the length of these from a rate or a count that nothing else depends on and that may
# be wrong: their bytes are counted.
_BY_RATE = ("au", "caf", "wav", "w64")
# Programs that write a WAV into a pipe cannot know its size: sox leaves 0x7FFFF000 and a little
# more, FFmpeg 0xFFFFFFFF.
_UNKNOWN_SIZE = 0x7FFFF000
_SAMPLES_LAST = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"riff", b".snd")
# Less than this behind the samples (bytes), and less than half a second, is padding, or what some
# program left there. Half a second takes this much at least: 4 bits of 8,000 Hz.
_FOREIGN, _SLOW = 1 << 14, 2000
# WAVE's numbers for samples as they are (integers, floats, A-law, mu-law, by a GUID) and for ADPCM
# (Microsoft, IMA): bytes in a block's head for each channel, and the samples in it.
_PLAIN = (1, 3, 6, 7, 0xFFFE)
_ADPCM = {2: (7, 2), 0x11: (4, 1)}
_BLOCKS = (*_ADPCM, 0x31)  # with GSM: the samples in a block stand behind the structure
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # of every chunk's GUID but the first
_ASF_FILE = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_ASF_STREAM = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
_ASF_AUDIO = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")


@dataclass(frozen=True, kw_only=True)
class _Form:
    """How a format of chunks writes them."""

    first: int  # where its first chunk begins
    name: int  # length of a chunk's name
    size: str  # how a chunk's size is written, for `struct`
    own: int = 0  # what the size counts of the chunk's head
    even: int = 2  # chunks begin at multiples of this
    samples: tuple[bytes, ...] = (b"data",)  # the chunk with the audio


_FORMS = {
    b"RIFF": _Form(first=12, name=4, size="<I"),
    b"RF64": _Form(first=12, name=4, size="<I"),
    b"BW64": _Form(first=12, name=4, size="<I"),
    b"RIFX": _Form(first=12, name=4, size=">I"),
    b"FORM": _Form(first=12, name=4, size=">I", samples=(b"SSND", b"BODY")),
    b"FRM8": _Form(first=16, name=4, size=">Q", samples=(b"DSD ", b"DST ")),
    b"riff": _Form(first=40, name=16, size="<Q", own=24, even=8, samples=(b"data" + _W64_TAIL,)),
    b"caff": _Form(first=8, name=4, size=">Q", even=1),
    b"DSD ": _Form(first=28, name=4, size="<Q", own=12, even=1),
}


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


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The part of a file that holds its samples, as its header has it and as it is.

    Attributes
    ----------
    stated : int
        Bytes, by the header; 0 where it was written before the number was known.
    there : int
        Bytes that are there.
    field : int
        Where the header states them.
    right : bytes
        What should stand there.
    stop : int
        Where they end.
    last : bool
        Whether no part that a decoder needs may follow: FFmpeg takes all that follows in an AU file
        for samples, and refuses a WAV file for a damaged tag.
    """

    stated: int
    there: int
    field: int
    right: bytes
    stop: int
    last: bool


def find_samples(source: Source) -> Samples | None:
    """Find the samples of a WAV, RF64, W64, AIFF, AU, CAF, DSF or DSDIFF file.

    Returns
    -------
    Samples or None
        None: another format, or no samples in it.
    """
    magic = source.at(0, 4)
    if magic == b".snd":
        start, stated = struct.unpack(">II", source.at(4, 8).ljust(8, b"\0"))
        unknown = stated == 0xFFFFFFFF
        form = _Form(first=0, name=0, size=">I", even=1)
        return _samples(source, form, 8, start, 0 if unknown else stated)
    if magic not in _FORMS:
        return None
    form = _FORMS[magic]
    found = _chunk(source, form, form.samples)
    if found is None:
        return None
    field, start, stated = found
    if magic in (b"RF64", b"BW64") and stated == 0xFFFFFFFF:
        form, field = _Form(first=12, name=4, size="<Q"), 28  # in the chunk ds64, the first one
        stated = int.from_bytes(source.at(field, 8), "little")
    elif form.size == "<I" and stated >= _UNKNOWN_SIZE or stated >= 1 << 62:
        stated = 0
    return _samples(source, form, field, start, stated)


def _samples(source: Source, form: _Form, field: int, start: int, stated: int) -> Samples:
    stop = start + stated
    # Tags that are no chunks are looked for only where something else than chunks follows.
    behind = stop + -stop % form.even
    tidy = stated and (stop == source.size or _are_chunks(source, form, behind, source.size))
    end = stop if tidy else source.before_tags(start)
    if stated and stop < end:
        rest, enough = end - stop, _enough(source, form)
        if _are_chunks(source, form, behind, end):
            rest = 0
        elif rest >= enough:  # zeros are no evidence of audio
            rest = source.before_zeros(stop, end) - stop
        end = end if rest >= enough else stop
    there = max(0, end - start)
    room = struct.calcsize(form.size) * 8
    right = struct.pack(form.size, min(there + form.own, (1 << room) - 1))
    last = source.at(0, 4) in _SAMPLES_LAST
    return Samples(
        stated=stated, there=there, field=field, right=right, stop=start + there, last=last
    )


def _enough(source: Source, form: _Form) -> int:
    """Return how many bytes behind the samples are samples, too."""
    magic = source.at(0, 4)
    if magic in (b".snd", b"caff"):
        return _SLOW
    if magic == b"FORM":
        found = _chunk(source, form, (b"COMM",))
        comm = source.at(found[1], 18) if found else b""
        if len(comm) < 18:
            return _FOREIGN
        # The rate is a float of 80 bits; compressed samples take a fourth of what is stated.
        channels, bits, power, mantissa = struct.unpack(">H4xHHQ", comm)
        second = channels * bits / 32 * mantissa * 2.0 ** min(64, power - 16383 - 63)
        return int(min(_FOREIGN, max(_SLOW, second / 2)))
    wave = b"" if magic == b"DSD " else wave_format(source, "wav", 20)
    if len(wave) < 20:
        return _FOREIGN
    tag, _, rate, average, align, _, _, count = struct.unpack(form.size[0] + "HHIIHHHH", wave)
    if tag in _PLAIN:
        average = rate * align
    elif tag in _BLOCKS and count:
        average = rate * align // count
    return min(_FOREIGN, average // 2) or _FOREIGN


def _chunk(source: Source, form: _Form, names: tuple[bytes, ...]) -> tuple[int, int, int] | None:
    """Return where the size of the first of these chunks stands, where it starts, and its size."""
    at = form.first
    width = struct.calcsize(form.size)
    while len(head := source.at(at, form.name + width)) == form.name + width:
        size = struct.unpack(form.size, head[form.name :])[0] - form.own
        start = at + len(head)
        if head[: form.name] in names:
            return at + form.name, start, max(0, size)
        if size < 0:
            return None
        at = start + size
        at += -at % form.even
    return None


def _are_chunks(source: Source, form: _Form, at: int, end: int) -> bool:
    """Whether there are whole chunks from here to the end, and nothing else."""
    width = struct.calcsize(form.size)
    while form.name and at + form.name + width <= end:
        head = source.at(at, form.name + width)
        size = struct.unpack(form.size, head[form.name :])[0] - form.own
        if not head[:4].isascii() or not head[:4].decode("ascii").isprintable() or size < 0:
            return False
        at += len(head) + size
        at += -at % form.even
    return bool(form.name) and at >= end and at - end < form.even


def contradicts_itself(source: Source, container: str) -> bool:
    """Whether the header of a WAV or W64 file states a size of blocks that cannot be."""
    if container not in ("wav", "w64"):
        return False
    form = wave_format(source, container, 20)
    if len(form) < 16:
        return False
    tag, channels, _, _, align, bits = struct.unpack("<HHIIHH", form[:16])
    if tag in _PLAIN:
        return bool(align != channels * (-(-bits // 8)))
    if tag in _ADPCM and len(form) == 20:  # 4 bits a sample behind a head for each channel
        head, first = _ADPCM[tag]
        samples = int.from_bytes(form[18:], "little")
        return bool(samples != (align - head * channels) * 2 // max(1, channels) + first)
    return False


def wave_format(source: Source, container: str, size: int = 16) -> bytes:
    """Return the WAVEFORMAT structure of a WAV, W64 or ASF file: b"" if there is none.

    Some decoders read the same packets in other ways for another block or bit rate. Of a DSF file
    it is the size of the blocks in which its channels alternate.
    """
    if container == "dsf":
        return source.at(72, 4)
    if container in ("wav", "w64"):
        form = _FORMS.get(source.at(0, 4))
        names = (b"fmt ", b"fmt " + _W64_TAIL)
        found = _chunk(source, form, names) if form else None
        return source.at(found[1], size) if found else b""
    for name, body in _asf_objects(source) if container == "asf" else ():
        if name == _ASF_STREAM and body.startswith(_ASF_AUDIO):
            return body[54 : 54 + size]
    return b""


def _asf_objects(source: Source) -> Iterator[tuple[bytes, bytes]]:
    """Yield the name of each object of an ASF header, and its first bytes."""
    at, end = 30, int.from_bytes(source.at(16, 8), "little")
    while at < end and len(head := source.at(at, 24)) == 24:
        yield head[:16], source.at(at + 24, 80)
        at += max(24, int.from_bytes(head[16:], "little"))


def _asf_seconds(source: Source) -> float:
    """Length by an ASF header; FFmpeg believes it only where it finds the file's size right."""
    for name, body in _asf_objects(source):
        if name == _ASF_FILE and len(body) == 80 and not body[64] & 1:  # no live stream
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
        return (segment_end(source) or 0) > source.size
    if container.startswith("mov"):
        return _boxes_end_early(source)
    return False


def _boxes_end_early(source: Source) -> bool:
    """Whether the last box of an MP4 file is longer than what is left."""
    at, tags = 0, source.before_tags()
    while at < tags and len(head := source.at(at, 16)) >= 8:
        size, name = struct.unpack(">I4s", head[:8])
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        if size < 8 or not name.isalnum():  # a size of 0 is "to the end"
            return False
        at += size
    return at > source.size
