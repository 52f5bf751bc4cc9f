"""A recording's waveform: peaks, energy in three bands, and a picture of its mel spectrum.

One pass over the audio fills bins that become wider as it goes on, so that two hours take no more
memory than two minutes.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicu.audio.decode import AudioStream
from musicu.audio.downsample import Downsampler
from musicu.audio.mel import LogMel, MelStream

__all__ = ["POINTS", "Waveform", "compute_waveform"]

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]

POINTS = 1000  # of a waveform; and the most columns of a picture

# Filters of height 1: noise with equal power in each octave looks even above 1 kHz.
_FRONT_END = LogMel(sr=22050, n_fft=1024, hop_length=512, fmin=30.0, fmax=11025.0, norm=None)
_EDGES = (250.0, 2500.0)  # where low ends, and where high begins (Hz)
_PICTURE_RANGE = 80.0  # dB under the loudest that are black
_BANDS_RANGE = 60.0
# The loudest counts as at least this (dB under a full-scale sine): noise of a converter is dark.
_QUIETEST = -60.0
# Bins of samples and of frames that are kept of a recording.
_SAMPLES = 1 << 20
_FRAMES = 1 << 14
# From dark to light, so that the picture can be read without its hues: red, green, blue.
_COLORS = [
    (8, 6, 24),
    (46, 26, 110),
    (134, 32, 128),
    (222, 73, 82),
    (252, 160, 62),
    (255, 250, 208),
]


@dataclass(frozen=True, eq=False)
class Waveform:
    """A recording's waveform and mel picture.

    Attributes
    ----------
    seconds : float
        Its length.
    peaks : list of float
        Waveform: the largest absolute sample of all channels in each of :data:`POINTS` equal
        stretches, in [0, 1]; full scale is 1, and what goes beyond is 1, too. Channels of opposite
        phase are not silence here, as their mean would be.
    bands : np.ndarray [shape=(3, 1000), uint8]
        What the mean of the channels has below 250 Hz, up to 2.5 kHz and above, in each of the
        stretches: 255 is the loudest of all, 0 is 60 dB less, or silence.
    mel : np.ndarray [shape=(96, t), uint8]
        Mel spectrum of the mean of the channels, low bands first, 30 Hz to 11 kHz; at most
        :data:`POINTS` columns: 255 is the loudest of all, 0 is 80 dB less, or silence.
    """

    seconds: float
    peaks: list[float]
    bands: Bytes
    mel: Bytes

    def mel_png(self) -> bytes:
        """Return the mel spectrum as a PNG file, high bands on top."""
        height, width = self.mel.shape
        # Half the levels do: a step is 0.6 dB, and the file a fifth smaller.
        rows = np.zeros((height, 1 + width), dtype=np.uint8)  # each row begins with its filter: 0
        rows[:, 1:] = self.mel[::-1] >> 1
        at = np.linspace(0, len(_COLORS) - 1, 128)
        shades = [np.interp(at, range(len(_COLORS)), shade) for shade in zip(*_COLORS, strict=True)]
        palette = np.round(np.transpose(shades)).astype(np.uint8)
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            _chunk(kind, content)
            for kind, content in (
                (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
                (b"PLTE", palette.tobytes()),
                (b"IDAT", zlib.compress(rows.tobytes(), 9)),
                (b"IEND", b""),
            )
        )


def compute_waveform(path: str | os.PathLike[str]) -> Waveform:
    """Decode a file and compute its waveform.

    Parameters
    ----------
    path : str or path-like
        The file.

    Raises
    ------
    AudioError
        Nothing can be read.
    """
    samples = Downsampler(np.maximum, _SAMPLES)
    frames = Downsampler(np.add, _FRAMES, _FRONT_END.n_mels)
    stream = AudioStream(
        path,
        sr=_FRONT_END.sr,
        tap=lambda block, _: samples.push(np.abs(block).max(axis=0)),
    )
    mel = MelStream(_FRONT_END)
    for block in stream:
        frames.push(mel.push(block))
    frames.push(mel.finish())

    peaks = np.minimum(samples.read(POINTS), 1.0)
    powers = frames.read(POINTS)
    low, high = (int(np.searchsorted(_centers(), edge)) for edge in _EDGES)
    bands = np.add.reduceat(powers, [0, low, high], axis=1)
    columns = frames.read(min(POINTS, len(frames)))
    return Waveform(
        round(stream.seconds, 3),
        peaks.astype(np.float64).round(4).tolist(),
        np.ascontiguousarray(_shades(bands, _BANDS_RANGE).T),
        np.ascontiguousarray(_shades(columns, _PICTURE_RANGE).T),
    )


def _centers() -> NDArray[np.float64]:
    """Frequencies (Hz) of the mel bands' centers, as near as the spectrum's bins are."""
    highest: NDArray[np.intp] = _FRONT_END.filters().argmax(axis=0)
    return highest * np.float64(_FRONT_END.sr / _FRONT_END.n_fft)


def _shades(powers: Array, span: float) -> Bytes:
    """Levels as shades: 255 for the loudest, 0 for what lies `span` dB under it."""
    full = (_FRONT_END.n_fft / 4) ** 2  # power of a full-scale sine under the window
    loudest = max(float(powers.max()), full * 10 ** (_QUIETEST / 10))
    levels = 10 * np.log10(np.maximum(powers / loudest, 1e-12))
    shades: Bytes = np.round(255 * np.clip(1 + levels / span, 0, 1)).astype(np.uint8)
    return shades


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Frame a part of a PNG file (W3C Recommendation "Portable Network Graphics")."""
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )
