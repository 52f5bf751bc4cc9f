"""Audio files in, mono float32 blocks out: streamed, counted, hashed, and honest about damage.

FFmpeg (through PyAV) reads every format in one pass that decodes, averages the channels and hashes
the packets. It is given the bytes between a file's tag blocks, one link of a chained Ogg file at a
time. libsndfile (through soundfile) is the second opinion on files FFmpeg cannot open. All decoders
feed one resampler, soxr.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from musicu.audio.demux import packets
from musicu.audio.ffmpeg_decoder import decode_ffmpeg
from musicu.audio.header_checks import Promise
from musicu.audio.media import StreamInfo, check_file
from musicu.audio.sndfile_decoder import decode_sndfile
from musicu.errors import AudioError

__all__ = ["DECODERS", "LARGEST", "AudioStream", "Decoder", "identify", "identify_file", "load"]

Array = NDArray[np.float32]
Tap = Callable[[Array, int], None]

# Yields native blocks [channels, n] float32 (one row if it averages the channels itself) with their
# rate; fills in the StreamInfo, and raises AudioError if it finds no audio.
Decoder = Callable[[StreamInfo], Iterator[tuple[Array, int]]]

# By name, in the order they are asked: the first that finds any audio reads the file, and if none
# does, the first one's reason is told. Add a decoder here.
DECODERS: dict[str, Decoder] = {"ffmpeg": decode_ffmpeg, "sndfile": decode_sndfile}

# 32-bit integers stored as floats without scaling reach this; damaged floats go up to 1e38, and
# their power is no number any more.
LARGEST = 2.0**31 + 1


class AudioStream:
    """One pass over a file's audio.

    Iterating yields mono float32 blocks (mean over the channels); the properties are final once the
    iteration has ended.

    Parameters
    ----------
    path : str
        The file.
    sr : int or None
        Rate to resample to (Hz); None keeps the file's own.
    tap : callable or None
        Called with every native block [channels, n] float32 and its rate, before the mix to mono.

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
        self._info = StreamInfo(path=self.path, keep_channels=tap is not None)

    @property
    def codec(self) -> str:
        """Name of the decoder."""
        return self._info.codec

    @property
    def native_sr(self) -> int:
        """Rate of the file (Hz)."""
        return self._info.native_sr

    @property
    def channels(self) -> int:
        """Number of channels of the file."""
        return self._info.channels

    @property
    def seconds(self) -> float:
        """Length of the audio that could be read."""
        return self._info.seconds

    @property
    def peak(self) -> float:
        """Largest absolute value of the mono mix, before resampling (full scale = 1)."""
        return self._info.peak

    @property
    def digest(self) -> str:
        """Identity of the audio (see :func:`identify`), 32 hex digits."""
        return self._info.digest

    @property
    def problem(self) -> str | None:
        """What could not be read of a file that was read in part."""
        return self._info.problem

    @property
    def promise(self) -> Promise:
        """What its headers state."""
        return self._info.promise

    def __iter__(self) -> Iterator[Array]:
        check_file(self.path)
        resampler: _Resampler | None = None
        for block, rate in self._decoded():
            mono = self._mono(block, rate)
            if resampler is None or resampler.native_sr != rate:
                if resampler:
                    yield resampler.finish()
                resampler = _Resampler(rate, self.sr or self.native_sr)
            self._info.seconds += len(mono) / rate
            yield resampler.push(mono)
        if resampler is None:
            raise AudioError(self.path, self.problem or "no audio samples")
        yield resampler.finish()

    def examine(self) -> float:
        """Demultiplex the file without decoding; return its length by the times of its packets.

        These may be wrong where nothing is wrong with the audio, so nothing is said yet of what the
        headers promise.
        """
        check_file(self.path)
        seconds = 0.0
        for packet in packets(self._info):
            seconds += (packet.duration or 0) * self._info.tick
        return seconds

    def _decoded(self) -> Iterator[tuple[Array, int]]:
        """Blocks of the first decoder that finds any audio."""
        first: AudioError | None = None
        for decode in DECODERS.values():
            read = False
            try:
                for item in decode(self._info):
                    read = True
                    yield item
                return
            except AudioError as error:
                first = first or error
                if read or (first is error and error.cause == "system"):
                    raise first from None
        if first is not None:
            raise first

    def _mono(self, block: Array, rate: int) -> Array:
        peak = _peak(block)
        if not peak < LARGEST:  # sees NaN too
            np.copyto(block, 0.0, where=~(np.abs(block) < LARGEST))
            self._info.note("samples that are not numbers, or beyond any scale")
            peak = _peak(block)
        if self.tap:
            self.tap(block, rate)
        mono: Array = block[0]
        if len(block) > 1:
            mono = block.mean(axis=0, dtype=np.float32)
            peak = _peak(mono)
        self._info.peak = max(self._info.peak, peak)
        return mono


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
