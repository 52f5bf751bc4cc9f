"""Any audio file as Opus in Ogg, which browsers play."""

from __future__ import annotations

import os
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from musicu.audio.decode import AudioStream
from musicu.errors import AudioError

__all__ = ["SAMPLE_RATE", "transcode"]

SAMPLE_RATE: Final = 48000  # Hz; Opus knows no other above 24000
_BIT_RATE = 128_000


def transcode(
    path: str | os.PathLike[str], out: str | os.PathLike[str], *, longest: float | None = None
) -> float:
    """Write an audio file's sound as Opus.

    Parameters
    ----------
    path : str or path-like
        The file: anything that is read here.
    out : str or path-like
        What is written, an Ogg file of one or two channels; more are mixed to one.
    longest : float > 0 or None
        Seconds of audio that the file may hold.

    Returns
    -------
    float
        Seconds that were written.

    Raises
    ------
    AudioError
        Nothing can be read, or it is longer than that.
    OSError
        It cannot be written.
    """
    import av

    name = os.fspath(path)
    with av.open(os.fspath(out), "w", format="ogg") as file:
        writer = _Writer(file, name, longest)
        for _ in AudioStream(name, sr=None, tap=writer.push):
            pass
        return writer.finish()


class _Writer:
    """Encodes blocks as they come; the first of them says how many channels there are."""

    def __init__(self, file: Any, name: str, longest: float | None) -> None:
        self._file = file
        self._name = name
        self._longest = longest
        self._stream: Any = None
        self._resampler: Any = None
        self._rate = 0
        self._seconds = 0.0

    def push(self, block: NDArray[np.float32], rate: int) -> None:
        import av

        if self._stream is None:
            self._stream = self._file.add_stream("libopus", rate=SAMPLE_RATE)
            self._stream.layout = "stereo" if len(block) == 2 else "mono"
            self._stream.bit_rate = _BIT_RATE
        channels = self._stream.codec_context.channels
        if len(block) != channels:
            block = np.repeat(block.mean(axis=0, keepdims=True), channels, axis=0)
        self._seconds += block.shape[1] / rate
        if self._longest is not None and self._seconds > self._longest:
            raise AudioError(self._name, f"longer than {self._longest:g} s")
        if rate != self._rate:
            self._drain()
            self._rate = rate
            self._resampler = av.AudioResampler("flt", self._stream.layout, SAMPLE_RATE)
        samples = np.ascontiguousarray(np.clip(block, -1, 1), dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(samples, "fltp", self._stream.layout.name)
        frame.sample_rate = rate
        self._write(self._resampler.resample(frame))

    def finish(self) -> float:
        if self._stream is None:
            raise AudioError(self._name, "no audio")
        self._drain()
        self._write([None])
        return self._seconds

    def _drain(self) -> None:
        if self._resampler is not None:
            self._write(self._resampler.resample(None))

    def _write(self, frames: list[Any]) -> None:
        for frame in frames:
            if frame is not None:
                frame.pts = None  # the encoder counts for itself
            for packet in self._stream.encode(frame):
                self._file.mux(packet)
