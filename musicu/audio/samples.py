"""The samples of files that state their number of bytes: WAV, AIFF, AU, CAF and the like."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from musicu.audio.containers import CHUNK_FORMS, W64_TAIL, ChunkForm, Part, asf_objects, riff_chunks
from musicu.audio.source import Source

__all__ = ["Samples", "contradicts_itself", "find_samples", "wave_format"]

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
_ASF_STREAM = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
_ASF_AUDIO = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")


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
        form = ChunkForm(first=0, name=0, size=">I", even=1)
        return _samples(source, form, 8, start, 0 if unknown else stated)
    if magic not in CHUNK_FORMS:
        return None
    form = CHUNK_FORMS[magic]
    found = _chunk(source, form, form.samples)
    if found is None:
        return None
    field, start, stated = found.start - struct.calcsize(form.size), found.start, found.size
    if magic in (b"RF64", b"BW64") and stated == 0xFFFFFFFF:
        form, field = ChunkForm(first=12, name=4, size="<Q"), 28  # in the chunk ds64, the first one
        stated = int.from_bytes(source.at(field, 8), "little")
    elif form.size == "<I" and stated >= _UNKNOWN_SIZE or stated >= 1 << 62:
        stated = 0
    return _samples(source, form, field, start, stated)


def _samples(source: Source, form: ChunkForm, field: int, start: int, stated: int) -> Samples:
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


def _enough(source: Source, form: ChunkForm) -> int:
    """Return how many bytes behind the samples are samples, too."""
    magic = source.at(0, 4)
    if magic in (b".snd", b"caff"):
        return _SLOW
    if magic == b"FORM":
        found = _chunk(source, form, (b"COMM",))
        comm = source.at(found.start, 18) if found else b""
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


def _chunk(source: Source, form: ChunkForm, names: tuple[bytes, ...]) -> Part | None:
    """Return the first of these chunks."""
    chunks = riff_chunks(source.at, form, form.first, source.size)
    return next((chunk for chunk in chunks if chunk.name in names), None)


def _are_chunks(source: Source, form: ChunkForm, at: int, end: int) -> bool:
    """Whether there are whole chunks from here to the end, and nothing else."""
    if not form.name:
        return False
    for chunk in riff_chunks(source.at, form, at, end):
        if not chunk.name[:4].isascii() or not chunk.name[:4].decode("ascii").isprintable():
            return False
        at = chunk.start + chunk.size
        at += -at % form.even
    return at >= end and at - end < form.even


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
        form = CHUNK_FORMS.get(source.at(0, 4))
        names = (b"fmt ", b"fmt " + W64_TAIL)
        found = _chunk(source, form, names) if form else None
        return source.at(found.start, size) if found else b""
    header = int.from_bytes(source.at(16, 8), "little") if container == "asf" else 0
    for part in asf_objects(source.at, 30, header):
        if part.name == _ASF_STREAM and source.at(part.start, 16) == _ASF_AUDIO:
            return source.at(part.start + 54, size)
    return b""
