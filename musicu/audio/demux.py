"""Demultiplex: a file's compressed packets, in order, with the identity of its audio on the way."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Any

from musicu.audio.codec_config import configuration
from musicu.audio.header_checks import ends_early, promised_seconds
from musicu.audio.links import FLAC, find_links, next_flac
from musicu.audio.media import StreamInfo, check_room, open_media, open_source, unreadable
from musicu.audio.samples import contradicts_itself, find_samples, wave_format
from musicu.audio.source import Source
from musicu.errors import AudioError

__all__ = ["packets"]

# Bytes a read: FFmpeg asks Python for them.
_READ = 1 << 16
# Bump when the bytes that enter the hash change: identities of different schemes never collide.
_IDENTITY = "musicu-audio-2"
# Programs that join or stream these leave the count of the first part; what follows is audio, since
# each frame says so itself.
_COUNTED_LATER = ("flac", "mp3", "ogg")
# How tags between the parts of a joined file begin.
_TAGS = (b"ID3", b"APETAGEX", b"TAG")
# What a file may trim off its packets (encoder delay, padding) without being another piece.
_TRIM_SECONDS = 0.5


class _Identity:
    """A hash over what decodes to the audio of a file: configurations and packets."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256(_IDENTITY.encode())
        self._zeros = 0
        self.add = self._hash.update

    def begin(self, codec: str, rate: int, channels: int, config: bytes) -> None:
        """Enter a stream's configuration."""
        self._zeros = 0
        self._hash.update(f" {codec} {rate} {channels} {len(config)} ".encode() + config)

    def add_padded(self, packet: Any) -> bool:
        """Enter a packet of a stream that may end in zeros; return False if it is nothing else.

        A parser leaves zeros behind the last frame in its packet.
        """
        data = memoryview(packet)
        if data[-1] and not self._zeros:
            self.add(data)
            return True
        filled = bytes(data).rstrip(b"\0")
        if filled:
            self.add(bytes(self._zeros) + filled)
            self._zeros = 0
        self._zeros += len(data) - len(filled)
        return bool(filled)

    def trim(self, samples: int) -> None:
        """Enter how much the file lets a decoder throw away."""
        self._hash.update(f" trim {samples} ".encode())

    def hexdigest(self) -> str:
        """Return the first 32 hex digits."""
        return self._hash.hexdigest()[:32]


def packets(info: StreamInfo) -> Iterator[Any]:
    """Demultiplex a file's best audio stream, and fill in all that is told without decoding.

    Parameters
    ----------
    info : StreamInfo
        Of the file; its codec, container, tick, digest, promise and problem are filled in.

    Yields
    ------
    av.Packet
        The packets, in order.

    Raises
    ------
    AudioError
        The file cannot be opened as audio by FFmpeg, or not be read any more.
    """
    identity = _Identity()
    with open_source(info.path) as source:
        try:
            yield from _links(info, source, identity)
        except OSError as error:
            raise unreadable(info.path, source.error or error) from None
    info.digest = identity.hexdigest()


def _links(info: StreamInfo, source: Source, identity: _Identity) -> Iterator[Any]:
    """Demultiplex the streams of a file that follow each other, nearly always one."""
    begin, end = source.begin, source.end
    starts = find_links(source)
    for i, start in enumerate(starts):
        last = i + 1 == len(starts)
        source.begin, source.end = begin + start, end if last else begin + starts[i + 1]
        try:
            yield from _demux(info, source, identity, last=last)
        except AudioError as error:
            if not start:
                raise
            info.note(f"a part of the file is {error.reason}")
        if info.next_stream is not None:
            starts.append(start + info.next_stream)


def _demux(info: StreamInfo, source: Source, identity: _Identity, *, last: bool) -> Iterator[Any]:
    """Demultiplex one link of a file, or all of it where it has no links."""
    samples = find_samples(source)
    if samples and samples.there > samples.stated:
        source.replace(samples.field, samples.right)
    if samples and samples.last:
        source.end = source.begin + samples.stop
    source.seek(0)
    with _opened(info, source) as container:
        if not container.streams.audio:
            raise AudioError(info.path, "no audio stream in the file")
        audio = container.streams.best("audio")
        if audio is None or audio.codec_context is None:
            raise AudioError(info.path, "no decoder for its audio stream")
        context: Any = audio.codec_context
        context.thread_count = 1
        name, form = context.codec.canonical_name, container.format.name
        info.codec, info.container = info.codec or context.name, form
        config = configuration(name, context.extradata or b"", wave_format(source, form))
        identity.begin(name, context.sample_rate, context.channels, config)
        info.tick = float(audio.time_base)
        info.next_stream = None
        ends = _Ends()
        yield from _stream_packets(
            info, source, identity, container.demux(audio), ends, form, audio
        )
        if source.error:
            raise source.error
        if ends.trimmed > _TRIM_SECONDS * context.sample_rate:
            identity.trim(ends.trimmed)
        info.promise.seconds += promised_seconds(source, container, audio)
        info.promise.least = form in _COUNTED_LATER
        if samples and samples.stated and samples.there:
            info.promise.factor = max(1.0, samples.stated / samples.there)
            if samples.there > samples.stated:
                info.promise.doubts.append("the file holds more audio than its header says")
        if contradicts_itself(source, form):
            info.promise.doubts.append("its header contradicts itself")
        if ends.latest and ends_early(source, form, bytes(ends.latest), last=last):
            info.promise.doubts.append("the end of the file is missing")


def _opened(info: StreamInfo, source: Source) -> Any:
    """Open a link as a container."""
    import av

    try:
        return open_media(source, buffer_size=_READ)
    except MemoryError as error:
        check_room(error, source.size)
        reason = "a part is said to be larger than the file"
    except (av.FFmpegError, OSError) as error:
        if source.error:
            raise source.error from None
        reason = (getattr(error, "strerror", None) or str(error)).lower()
    # Not within the handlers: want of memory would be taken for its cause.
    raise AudioError(info.path, f"not readable as audio ({reason})")


class _Ends:
    """First and latest packet of a stream."""

    def __init__(self) -> None:
        self.first: Any = None
        self.latest: Any = None

    @property
    def trimmed(self) -> int:
        """Samples that the file lets a decoder skip at both ends."""
        rest = _trimmed(self.latest) if self.latest is not self.first else 0
        return _trimmed(self.first) + rest


def _stream_packets(
    info: StreamInfo,
    source: Source,
    identity: _Identity,
    demuxer: Iterator[Any],
    ends: _Ends,
    form: str,
    audio: Any,
) -> Iterator[Any]:
    """Packets of a container's audio stream up to its end, or to where another one begins."""
    # A FLAC stream ends with its last sample: only reading it tells where that is.
    total = (audio.duration or 0) if form == "flac" else 0
    padded = not source.delimited and form != "ogg"
    gap = False
    while (packet := _next_packet(info, source, demuxer, ends.latest)) is not None:
        if packet.size:
            if total and (packet.pts or 0) + (packet.duration or 0) >= total:
                final = _before_next_flac(packet, audio)
                if final is not None:
                    identity.add(final)
                    yield final
                    info.next_stream = next_flac(source)
                    return
            if form == "mp3" and ends.latest and bytes(packet).startswith(_TAGS):
                # Files were joined with their tags, to which the parser adds a frame.
                behind = source.behind_tags(packet.pos)
                if behind > packet.pos:
                    info.next_stream = behind
                    return
            if not padded:
                identity.add(packet)
            elif not identity.add_padded(packet):
                gap = True
                continue
            elif gap:
                info.note("zeros where audio should be")
            ends.latest = packet
            ends.first = ends.first or packet
        yield packet


def _next_packet(info: StreamInfo, source: Source, demuxer: Iterator[Any], latest: Any) -> Any:
    """Return the next packet; None at the end, or where reading had to stop."""
    import av

    try:
        return next(demuxer, None)
    except MemoryError as error:
        check_room(error, source.size)
        info.note("reading stopped (a packet is said to be larger than the file)")
    except (av.FFmpegError, OSError) as error:
        # Zeros behind the last frame are padding.
        at = latest.pos + latest.size if latest and latest.pos is not None else 0
        if source.error is None and source.before_zeros(at, source.size) > at:
            info.note(f"reading stopped ({(error.strerror or str(error)).lower()})")
    return None


def _before_next_flac(packet: Any, audio: Any) -> Any:
    """Return a stream's last packet without the FLAC stream that follows; None if none does."""
    import av

    content = bytes(packet)
    if FLAC not in content:
        return None
    final: Any = av.Packet(content[: content.index(FLAC)])
    final.stream, final.time_base = audio, packet.time_base
    return final


def _trimmed(packet: Any) -> int:
    """Return how many samples of a packet and of what follows the file lets a decoder skip."""
    if packet is None or not packet.has_sidedata("skip_samples"):
        return 0
    return sum(struct.unpack("<II", bytes(packet.get_sidedata("skip_samples"))[:8]))
