"""Audio files in, mono float32 blocks out: streamed, counted, hashed, and honest about damage.

FFmpeg (through PyAV) reads every format in one pass that decodes, averages the channels and hashes
the packets. It is given the bytes between a file's tag blocks, one link of a chained Ogg file at a
time. libsndfile (through soundfile) is the second opinion on files FFmpeg cannot open. Both
feed one resampler, soxr.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.configuration import configuration
from musicu.errors import AudioError
from musicu.headers import (
    Promise,
    contradicts_itself,
    ends_early,
    find_samples,
    promised_seconds,
    wave_format,
)
from musicu.links import FLAC, find_links, next_flac
from musicu.source import Source

__all__ = [
    "AUDIO_SUFFIXES",
    "LARGEST",
    "MOST_CHANNELS",
    "AudioStream",
    "identify",
    "identify_file",
    "load",
    "open_media",
]

Array = NDArray[np.float32]
Tap = Callable[[Array, int], None]

AUDIO_SUFFIXES = frozenset(
    ".3gp .aac .ac3 .aif .aifc .aiff .alac .ape .au .caf .dff .dsf .flac .m4a .m4b .mka .mp2 .mp3 "
    ".mp4 .mpc .oga .ogg .opus .spx .tta .w64 .wav .wave .webm .wma .wv".split()
)

# Only these demuxers may open a file. FFmpeg guesses by content, and its playlist and image readers
# would otherwise follow references out of the file or take a cover picture for a stream.
_FORMATS = (
    "aac,ac3,aiff,amr,ape,asf,au,caf,dsf,eac3,flac,iff,matroska,mov,mp3,mpc,mpc8,ogg,tta,w64,wav,wv"
)
# Of these, the ones that are found by a sync word of 11 to 16 bits, which chance writes, too.
_CHANCE_FORMATS = ("aac", "ac3", "eac3", "mp3")
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}

# Native samples a block: large enough that Python's share is small, small enough to stay in cache.
_BLOCK = 65536
# Bytes a read: FFmpeg asks Python for them.
_READ = 1 << 16
# Bump when the bytes that enter the hash change: identities of different schemes never collide.
_IDENTITY = "musicu-audio-2"
# Programs that join or stream these leave the count of the first part; what follows is audio, since
# each frame says so itself.
_COUNTED_LATER = ("flac", "mp3", "ogg")
# A damaged header may state anything. DSD512 decodes at 2.8 MHz; FFmpeg mixes up to 64 channels.
_RATES = range(1000, 3_000_000)
MOST_CHANNELS = 64
# 32-bit integers stored as floats without scaling reach this; damaged floats go up to 1e38, and
# their power is no number any more.
LARGEST = 2.0**31 + 1
# Codecs that keep floats as they are. All others write full scale as 1: what a lossy one adds to
# loud music stays below 2, and a source that was louder below this.
_FLOAT_CODECS = ("pcm_f", "wavpack")
_LOUDEST = 4.0
# A file with a sound head is kept for what it has, unless so many times as much cannot be decoded.
_MOSTLY = 4
# Bytes that are left where memory is not short, and more than any packet has.
_ROOM, _LARGEST_PACKET = 1 << 26, 1 << 28
# How tags between the parts of a joined file begin.
_TAGS = (b"ID3", b"APETAGEX", b"TAG")
# What a file may trim off its packets (encoder delay, padding) without being another piece.
_TRIM_SECONDS = 0.5


class AudioStream:
    """One pass over a file's audio.

    Iterating yields mono float32 blocks (mean over the channels); the other attributes are final
    once the iteration has ended.

    Parameters
    ----------
    path : str
        The file.
    sr : int or None
        Rate to resample to (Hz); None keeps the file's own.
    tap : callable or None
        Called with every native block [channels, n] float32 and its rate, before the mix to mono.

    Attributes
    ----------
    codec : str
        Name of the decoder.
    native_sr, channels : int
        Rate (Hz) and number of channels of the file.
    seconds : float
        Length of the audio that could be read.
    peak : float
        Largest absolute value of the mono mix, before resampling (full scale = 1).
    digest : str
        Identity of the audio (see :func:`identify`), 32 hex digits.
    problem : str or None
        What could not be read of a file that was read in part.
    promise : Promise
        What its headers state.

    Raises
    ------
    AudioError
        While iterating: nothing could be read at all.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, sr: int | None, tap: Tap | None = None
    ) -> None:
        self.path = os.fspath(path)
        self.sr = sr
        self.tap = tap
        self.codec = ""
        self.native_sr = 0
        self.channels = 0
        self.seconds = 0.0
        self.peak = 0.0
        self.digest = ""
        self.problem: str | None = None
        self.promise = Promise()
        self._container = ""
        self._tick = 0.0  # seconds, unit of the packets' times
        self._next: int | None = None  # where another stream begins that only reading could tell

    def __iter__(self) -> Iterator[Array]:
        _check_file(self.path)
        resampler: _Resampler | None = None
        for block, rate in self._first_that_reads():
            if resampler is None or resampler.native_sr != rate:
                if resampler:
                    yield resampler.finish()
                resampler = _Resampler(rate, self.sr or self.native_sr)
            self.seconds += len(block) / rate
            yield resampler.push(block)
        if resampler is None:
            raise AudioError(self.path, self.problem or "no audio samples")
        yield resampler.finish()

    def _first_that_reads(self) -> Iterator[tuple[Array, int]]:
        """Blocks from FFmpeg, or from libsndfile if FFmpeg finds no audio at all."""
        read = False
        try:
            for item in self._ffmpeg():
                read = True
                yield item
        except AudioError as error:
            if read or error.cause == "system":
                raise
            try:
                yield from self._sndfile()
            except AudioError:
                raise error from None

    def _ffmpeg(self) -> Iterator[tuple[Array, int]]:
        import av

        mixer: _Mixer | None = None
        bad = good = 0
        for packet in _packets(self):
            try:
                frames = packet.decode()
            except MemoryError:
                raise
            except av.FFmpegError:
                bad += 1
                continue
            good += bool(frames)
            for frame in frames:
                key = (frame.format.name, frame.layout.name, frame.sample_rate)
                if mixer is None or mixer.key != key:
                    if mixer:
                        yield from self._mono(mixer.finish(), mixer.rate)
                    self._check(frame.sample_rate, frame.layout.nb_channels)
                    mixer = _Mixer(frame, key, keep_channels=self.tap is not None)
                    if not self.native_sr:
                        self.native_sr, self.channels = frame.sample_rate, mixer.channels
                yield from self._mono(mixer.push(frame), mixer.rate)
        if bad > good * (1 if self._container in _CHANCE_FORMATS else _MOSTLY):
            # Random bytes under an audio name, in which FFmpeg finds a few frames that look like
            # sound; or a decoder that was told something wrong, and writes noise now and then.
            self.problem = f"not audio: {bad} of {bad + good} packets cannot be decoded"
            raise AudioError(self.path, self.problem)
        if mixer is None:
            raise AudioError(self.path, self.problem or "no audio samples")
        yield from self._mono(mixer.finish(), mixer.rate)
        if broken := self.promise.broken(self.seconds):
            self._note(broken)
        if bad:
            self._note(f"{bad} of {bad + good} packets could not be decoded")
        if self.peak > _LOUDEST and not self.codec.startswith(_FLOAT_CODECS):
            self._note(f"decodes to {self.peak:.0f} times full scale")

    def examine(self) -> float:
        """Demultiplex the file without decoding; return its length by the times of its packets.

        These may be wrong where nothing is wrong with the audio, so nothing is said yet of what the
        headers promise.
        """
        _check_file(self.path)
        seconds = 0.0
        for packet in _packets(self):
            seconds += (packet.duration or 0) * self._tick
        return seconds

    def _mono(self, blocks: Iterator[Array], rate: int) -> Iterator[tuple[Array, int]]:
        for block in blocks:
            peak = _peak(block)
            if not peak < LARGEST:  # sees NaN too
                np.copyto(block, 0.0, where=~(np.abs(block) < LARGEST))
                self._note("samples that are not numbers, or beyond any scale")
                peak = _peak(block)
            if self.tap:
                self.tap(block, rate)
            mono = block[0]
            if len(block) > 1:
                mono = block.mean(axis=0, dtype=np.float32)
                peak = _peak(mono)
            self.peak = max(self.peak, peak)
            yield mono, rate

    def _sndfile(self) -> Iterator[tuple[Array, int]]:
        import soundfile

        try:
            # Without a name libsndfile cannot take any bytes under "*.au" for raw samples.
            with _SndFile(self.path) as raw, soundfile.SoundFile(raw) as file:
                self._check(file.samplerate, file.channels)
                self.codec = f"{file.format}/{file.subtype}".lower()
                self.native_sr, self.channels = file.samplerate, file.channels
                while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
                    yield from self._mono(iter([np.ascontiguousarray(block.T)]), file.samplerate)
        except soundfile.SoundFileError as error:
            raise AudioError(self.path, str(error)) from None
        except OSError as error:
            raise _failed(self.path, error) from None
        if self.digest:  # of packets that FFmpeg saw and could not decode: it has said so
            return
        # FFmpeg saw no packets here, so the identity is that of the file's bytes.
        self.problem = None
        with _open(self.path) as content:
            self.digest = hashlib.file_digest(content, "sha256").hexdigest()[:32]

    def _check(self, rate: int, channels: int) -> None:
        if rate not in _RATES or not 1 <= channels <= MOST_CHANNELS:
            raise AudioError(self.path, f"not audio: {channels} channels at {rate} Hz")

    def _note(self, problem: str) -> None:
        if self.problem is None:
            self.problem = problem


class _Mixer:
    """FFmpeg's filter graph from a decoder's frames to float blocks; the mixing is done in C.

    FFmpeg's own downmix is 3 dB louder than the mean, hence the explicit ``pan``.
    """

    def __init__(self, frame: Any, key: tuple[str, str, int], *, keep_channels: bool) -> None:
        from av.filter import Graph

        self.key = key
        self.rate = frame.sample_rate
        self.channels = frame.layout.nb_channels
        self._graph = Graph()
        self._graph.threads = 1
        source = self._graph.add_abuffer(
            sample_rate=frame.sample_rate,
            format=frame.format.name,
            layout=frame.layout.name,
            channels=self.channels,
            time_base=frame.time_base,
        )
        # PyAV reads beyond the planes of more than 8 channels; interleaved there is one plane.
        self._interleaved = keep_channels and self.channels > 8
        sample_format = "flt" if self._interleaved else "fltp"
        nodes = [source, self._graph.add("aformat", f"sample_fmts={sample_format}")]
        if self.channels > 1 and not keep_channels:
            share = 1.0 / self.channels
            mean = "+".join(f"{share:.9f}*c{i}" for i in range(self.channels))
            nodes.append(self._graph.add("pan", f"mono|c0={mean}"))
        nodes.append(self._graph.add("asetnsamples", f"n={_BLOCK}:p=0"))
        nodes.append(self._graph.add("abuffersink"))
        for upper, lower in zip(nodes, nodes[1:], strict=False):
            upper.link_to(lower)
        self._graph.configure()
        self._waiting = 0

    def push(self, frame: Any) -> Iterator[Array]:
        """Take a frame; yield the blocks [channels, n] that are full."""
        self._graph.push(frame)
        self._waiting += frame.samples
        if self._waiting >= _BLOCK:
            self._waiting %= _BLOCK
            yield from self._pull()

    def finish(self) -> Iterator[Array]:
        """Yield what is left."""
        self._graph.push(None)
        yield from self._pull()

    def _pull(self) -> Iterator[Array]:
        import av

        while True:
            try:
                block = self._graph.pull().to_ndarray().astype(np.float32, copy=False)
            except (av.BlockingIOError, av.EOFError):
                return
            if self._interleaved:
                block = np.ascontiguousarray(block.reshape(-1, self.channels).T)
            yield block


class _SndFile(io.FileIO):
    """A file as libsndfile likes it; after a damaged header it seeks before the start."""

    @property
    def name(self) -> str:
        """Nothing: by a name like "*.raw" soundfile would take any bytes for samples."""
        return ""

    @name.setter
    def name(self, name: str) -> None:
        pass

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return super().seek(offset, whence)
        except OSError:
            return self.tell()


class _Resampler:
    """soxr's streaming resampler; at equal rates it passes blocks through."""

    def __init__(self, native_sr: int, sr: int) -> None:
        self.native_sr = native_sr
        self._soxr = None
        if native_sr != sr:
            import soxr

            self._soxr = soxr.ResampleStream(native_sr, sr, 1, dtype="float32", quality="HQ")

    def push(self, y: Array, *, last: bool = False) -> Array:
        return y if self._soxr is None else self._soxr.resample_chunk(y, last=last)

    def finish(self) -> Array:
        return self.push(np.empty(0, dtype=np.float32), last=True)


def _peak(block: Array) -> float:
    return max(float(block.max()), -float(block.min()))


def _check_file(path: str) -> None:
    try:
        status = os.stat(path)
    except OSError as error:
        raise _failed(path, error) from None
    if stat.S_ISDIR(status.st_mode):
        raise AudioError(path, "a folder, not an audio file")
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(path, "not a regular file")
    if status.st_size == 0:
        raise AudioError(path, "empty file (0 bytes)")


def _open(path: str) -> Source:
    try:
        return Source(path)
    except OSError as error:
        raise _failed(path, error) from None


def _failed(path: str, error: OSError) -> AudioError:
    """Return the error for a file that the system does not let us read."""
    return AudioError(path, (error.strerror or str(error)).lower(), cause="system")


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


def open_media(source: Any, *, options: dict[str, str] | None = None, **keywords: Any) -> Any:
    """Open a file with FFmpeg, as one of the formats that are read here and without leaving it.

    Parameters
    ----------
    source : str or binary file
        An address such as ``"file:/music/a.flac"``, or what is open already.
    options : dict of str to str or None
        For FFmpeg, besides those that keep it from leaving the file.
    **keywords
        Of :func:`av.open`.

    Returns
    -------
    av.container.InputContainer
        Bytes of its metadata that are not UTF-8 are lone surrogates (``surrogateescape``).

    Raises
    ------
    av.FFmpegError
        It is none of these formats, or damaged.
    """
    import av

    # Tags that are not UTF-8 must not keep the audio from being read; PyAV 19 bears them unasked.
    old = int(av.__version__.split(".")[0]) < 19
    lenient: dict[str, Any] = {"metadata_errors": "surrogateescape"} if old else {}
    return av.open(source, options=(options or {}) | _OPTIONS, **lenient, **keywords)


def _packets(stream: AudioStream) -> Iterator[Any]:
    """Demultiplex a file's best audio stream; fills all that is told without decoding."""
    identity = _Identity()
    with _open(stream.path) as source:
        try:
            yield from _links(stream, source, identity)
        except OSError as error:
            raise _failed(stream.path, source.error or error) from None
    stream.digest = identity.hexdigest()


def _links(stream: AudioStream, source: Source, identity: _Identity) -> Iterator[Any]:
    """Demultiplex the streams of a file that follow each other, nearly always one."""
    begin, end = source.begin, source.end
    starts = find_links(source)
    for i, start in enumerate(starts):
        last = i + 1 == len(starts)
        source.begin, source.end = begin + start, end if last else begin + starts[i + 1]
        try:
            yield from _demux(stream, source, identity, last=last)
        except AudioError as error:
            if not start:
                raise
            stream._note(f"a part of the file is {error.reason}")
        if stream._next is not None:
            starts.append(start + stream._next)


def _demux(
    stream: AudioStream, source: Source, identity: _Identity, *, last: bool
) -> Iterator[Any]:
    """Demultiplex one link of a file, or all of it where it has no links."""
    import av

    samples = find_samples(source)
    if samples and samples.there > samples.stated:
        source.replace(samples.field, samples.right)
    if samples and samples.last:
        source.end = source.begin + samples.stop
    source.seek(0)
    try:
        container = open_media(source, buffer_size=_READ)
    except MemoryError:
        raise
    except (av.FFmpegError, OSError) as error:
        if source.error:
            raise source.error from None
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise AudioError(stream.path, f"not readable as audio ({reason})") from None
    with container:
        if not container.streams.audio:
            raise AudioError(stream.path, "no audio stream in the file")
        audio = container.streams.best("audio")
        if audio is None or audio.codec_context is None:
            raise AudioError(stream.path, "no decoder for its audio stream")
        context: Any = audio.codec_context
        context.thread_count = 1
        name, form = context.codec.canonical_name, container.format.name
        stream.codec, stream._container = stream.codec or context.name, form
        config = configuration(name, context.extradata or b"", wave_format(source, form))
        identity.begin(name, context.sample_rate, context.channels, config)
        stream._tick = float(audio.time_base)
        # A FLAC stream ends with its last sample: only reading it tells where that is.
        total = (audio.duration or 0) if form == "flac" else 0
        stream._next = None
        padded = not source.delimited and form != "ogg"
        first = latest = None
        gap = False
        demuxer = container.demux(audio)
        while True:
            try:
                packet = next(demuxer, None)
            except MemoryError as error:
                if not isinstance(error, av.FFmpegError):
                    raise
                # No packet is larger than its file: where there is room for that, and to spare,
                # what FFmpeg asked for is a size that is damaged. Else this raises the same.
                bytearray(_ROOM + min(source.size, _LARGEST_PACKET))
                stream._note("reading stopped (a packet is said to be larger than the file)")
                break
            except (av.FFmpegError, OSError) as error:
                # Zeros behind the last frame are padding.
                at = latest.pos + latest.size if latest and latest.pos is not None else 0
                if source.error is None and source.before_zeros(at, source.size) > at:
                    stream._note(f"reading stopped ({(error.strerror or str(error)).lower()})")
                break
            if packet is None:
                break
            if packet.size:
                if total and (packet.pts or 0) + (packet.duration or 0) >= total:
                    content = bytes(packet)
                    if FLAC in content:
                        final = av.Packet(content[: content.index(FLAC)])
                        final.stream, final.time_base = audio, packet.time_base
                        identity.add(final)
                        yield final
                        stream._next = next_flac(source)
                        break
                if form == "mp3" and latest and bytes(packet).startswith(_TAGS):
                    # Files were joined with their tags, to which the parser adds a frame.
                    behind = source.behind_tags(packet.pos)
                    if behind > packet.pos:
                        stream._next = behind
                        break
                if not padded:
                    identity.add(packet)
                elif not identity.add_padded(packet):
                    gap = True
                    continue
                elif gap:
                    stream._note("zeros where audio should be")
                latest = packet
                first = first or packet
            yield packet
        if source.error:
            raise source.error
        trimmed = _trimmed(first) + (_trimmed(latest) if latest is not first else 0)
        if trimmed > _TRIM_SECONDS * context.sample_rate:
            identity.trim(trimmed)
        stream.promise.seconds += promised_seconds(source, container, audio)
        stream.promise.least = form in _COUNTED_LATER
        if samples and samples.stated and samples.there:
            stream.promise.factor = max(1.0, samples.stated / samples.there)
            if samples.there > samples.stated:
                stream.promise.doubts.append("the file holds more audio than its header says")
        if contradicts_itself(source, form):
            stream.promise.doubts.append("its header contradicts itself")
        if latest and ends_early(source, form, bytes(latest), last=last):
            stream.promise.doubts.append("the end of the file is missing")


def _trimmed(packet: Any) -> int:
    """Return how many samples of a packet and of what follows the file lets a decoder skip."""
    if packet is None or not packet.has_sidedata("skip_samples"):
        return 0
    return sum(struct.unpack("<II", bytes(packet.get_sidedata("skip_samples"))[:8]))


def identify(path: str | os.PathLike[str]) -> str:
    """Identity of a file's audio: a hash of the compressed packets, not of tags or name.

    Re-tagging, renaming and moving a file leave it unchanged; nothing is decoded.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    str
        First 32 hex digits of SHA-256 over the codec's name, rate, channels, configuration and
        packets.

    Raises
    ------
    AudioError
        The file cannot be opened as audio by FFmpeg.
    """
    return identify_file(path)[0]


def identify_file(path: str | os.PathLike[str]) -> tuple[str, str | None]:
    """Identity of a file's audio, and what can be told of its damage without decoding it.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    digest : str
        See :func:`identify`.
    problem : str or None
        What is missing, by the file's own headers.

    Raises
    ------
    AudioError
        The file cannot be opened as audio by FFmpeg.
    """
    stream = AudioStream(path, sr=None)
    seconds = stream.examine()
    # Packets without times tell nothing of a length.
    broken = stream.promise.broken(seconds or stream.promise.seconds)
    return stream.digest, stream.problem or broken


def load(path: str | os.PathLike[str], *, sr: int | None = None) -> tuple[Array, int]:
    """Read a whole file as mono.

    Parameters
    ----------
    path : str or path-like
        Any format FFmpeg or libsndfile reads.
    sr : int > 0 or None
        Rate to resample to (Hz); None keeps the file's own.

    Returns
    -------
    y : np.ndarray [shape=(n,), float32]
        Mean over the channels, full scale = 1.
    sr : int
        Its rate.

    Raises
    ------
    AudioError
        Nothing in the file can be read as audio.

    Examples
    --------
    >>> y, sr = load("fixtures/tone.flac")
    >>> y.dtype.name, sr
    ('float32', 16000)
    """
    stream = AudioStream(path, sr=sr)
    blocks = list(stream)
    return np.concatenate(blocks), sr or stream.native_sr
