"""Audio files in, mono float32 blocks out: streamed, counted, hashed, and honest about damage.

FFmpeg (through PyAV) reads every format in one pass that decodes, averages the channels and hashes
the packets. libsndfile (through soundfile) is the second opinion on files FFmpeg cannot open. Both
feed one resampler, soxr.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import AudioError
from musicu.headers import ends_early, promised_seconds

__all__ = ["AUDIO_SUFFIXES", "LARGEST", "MOST_CHANNELS", "AudioStream", "identify", "load"]

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
# Bump when the bytes that enter the hash change: identities of different schemes never collide.
_IDENTITY = "musicu-audio-1"
# A header may promise up to half a second more than there is (encoder padding, rounding).
_MISSING_SECONDS = 0.5
# A damaged header may state anything. DSD512 decodes at 2.8 MHz; FFmpeg mixes up to 64 channels.
_RATES = range(1000, 3_000_000)
MOST_CHANNELS = 64
# 32-bit integers stored as floats without scaling reach this; damaged floats go up to 1e38, and
# their power is no number any more.
LARGEST = 2.0**31 + 1


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
        self._container = ""
        self._promised = 0.0

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
            if read:
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
        if bad > good and self._container in _CHANCE_FORMATS:
            # Random bytes under an audio name: FFmpeg finds a few frames that look like sound.
            raise AudioError(
                self.path, f"not audio: {bad} of {bad + good} packets cannot be decoded"
            )
        if mixer is None:
            raise AudioError(self.path, self.problem or "no audio samples")
        yield from self._mono(mixer.finish(), mixer.rate)
        if self._promised - self.seconds > _MISSING_SECONDS:
            self._note(f"only {self.seconds:.1f} s of {self._promised:.1f} s are there")
        if bad:
            self._note(f"{bad} of {bad + good} packets could not be decoded")

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
        # FFmpeg saw no packets here, so the identity is that of the file's bytes.
        self.problem = None
        with open(self.path, "rb") as content:
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
        nodes = [source, self._graph.add("aformat", "sample_fmts=fltp")]
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
                yield self._graph.pull().to_ndarray().astype(np.float32, copy=False)
            except (av.BlockingIOError, av.EOFError):
                return


class _SndFile(io.FileIO):
    """A file as libsndfile likes it; after a damaged header it seeks before the start."""

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
        size = os.stat(path).st_size
    except OSError as error:
        raise AudioError(path, (error.strerror or str(error)).lower()) from None
    if os.path.isdir(path):
        raise AudioError(path, "a folder, not an audio file")
    if not os.path.isfile(path):  # to open a FIFO is to wait for whoever writes into it
        raise AudioError(path, "not a regular file")
    if size == 0:
        raise AudioError(path, "empty file (0 bytes)")


def _packets(stream: AudioStream) -> Iterator[Any]:
    """Demultiplex a file's best audio stream; fills ``digest``, ``codec`` and ``problem``."""
    import av

    path = os.path.abspath(stream.path)
    try:
        path.encode("utf-8")
        source: Any = f"file:{path}"
    except UnicodeEncodeError:  # a name that is not valid UTF-8: FFmpeg reads through Python
        source = open(path, "rb")  # noqa: SIM115 - closed below, with the container
    # Tags that are not UTF-8 must not keep the audio from being read; PyAV 19 bears them unasked.
    old = int(av.__version__.split(".")[0]) < 19
    lenient: dict[str, Any] = {"metadata_errors": "replace"} if old else {}
    try:
        container = av.open(source, options=_OPTIONS, **lenient)
    except (av.FFmpegError, OSError) as error:
        if not isinstance(source, str):
            source.close()
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise AudioError(stream.path, f"not readable as audio ({reason})") from None
    with container, closing(source) if not isinstance(source, str) else container:
        if not container.streams.audio:
            raise AudioError(stream.path, "no audio stream in the file")
        audio = container.streams.best("audio")
        if audio is None or audio.codec_context is None:
            raise AudioError(stream.path, "no decoder for its audio stream")
        audio.codec_context.thread_count = 1
        stream.codec = audio.codec_context.name
        rate, channels = audio.codec_context.sample_rate, audio.codec_context.channels
        identity = hashlib.sha256(f"{_IDENTITY} {stream.codec} {rate} {channels} ".encode())
        demuxer = container.demux(audio)
        while True:
            try:
                packet = next(demuxer, None)
            except av.FFmpegError as error:
                stream._note(f"reading stopped ({(error.strerror or str(error)).lower()})")
                break
            if packet is None:
                break
            if packet.size:
                identity.update(packet)
            yield packet
        stream.digest = identity.hexdigest()[:32]
        stream._container = container.format.name
        stream._promised = promised_seconds(stream.path, stream._container, audio)
        if ends_early(stream.path, stream._container):
            stream._note("the end of the file is missing")


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
        First 32 hex digits of SHA-256 over the codec's name, rate, channels and packets.

    Raises
    ------
    AudioError
        The file cannot be opened as audio by FFmpeg.
    """
    stream = AudioStream(path, sr=None)
    _check_file(stream.path)
    for _ in _packets(stream):
        pass
    return stream.digest


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
