"""What a recording sounds like, in few numbers that have a meaning: tempo, key, loudness and more.

The signal is heard once, in blocks. Two spectrograms are shared by all descriptors: a fine one
(64 ms) for onsets, brightness and level, and a coarse one (512 ms) for pitch. Four numbers a fine
frame are kept, so two hours take 7 MB.

The methods are those of librosa and of the papers named at each field of :class:`Descriptors`. They
are written out here because librosa takes seconds to import and compile, and computes one
spectrogram for each descriptor; the tests compare the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import AudioError
from musicu.loudness import Loudness, LoudnessMeter, k_weighting
from musicu.mel import FrontEnd, mel_filters

__all__ = ["Describer", "Descriptors", "describe"]

Array = NDArray[np.float32]
Array64 = NDArray[np.float64]

_SR = 16000
# Window lengths in seconds, and frames in a block: its spectra stay in the L2 cache.
_FINE, _FINE_FRAMES = 0.064, 256
_COARSE, _COARSE_FRAMES = 0.512, 32

_SILENCE = 1e-9  # a recording whose frames all have less power (-90 dBFS) is silent
_FRAME_RANGE = 1e-6  # a frame 60 dB below the loudest one is silent
_BAND_RANGE = 1e-8  # a mel band 80 dB below the strongest one so far is empty (librosa's top_db)

_ONSET_DB = 2.0  # an onset stands out by this much from the seconds around it; noise does not
_ACCENT_HZ = 2000.0  # kick, snare, bass and chords mark the beat; hi-hats divide it
_ACCENT_FLOOR = 0.02  # changes of 2 % (a chord's beating) carry no pulse
_TEMPI = np.exp(np.arange(np.log(40.0), np.log(240.0), 0.004))  # BPM
_SEGMENT = 1024  # frames (16 s): tempo may drift from segment to segment
_LAGS = 512  # frames (8 s): four beats at the slowest tempo and more
_SHORTEST = 250  # frames (4 s) for a tempo

_PITCH_HZ = (60.0, 1500.0)
_TENTHS = 120  # an octave of the pitch histogram in tenths of a semitone
_KEYS = tuple(
    f"{tonic} {mode}"
    for mode in ("major", "minor")
    for tonic in ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
)
# Krumhansl & Kessler (1982): how well each degree fits a major and a minor key.
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


class _Spectra:
    """Power spectra of a stream in blocks of a fixed number of frames; centered, zeros outside."""

    def __init__(self, n_fft: int, frames: int) -> None:
        self.n_fft, self.hop = n_fft, n_fft // 4
        n = np.arange(n_fft)
        self._hann = (0.5 - 0.5 * np.cos(2 * np.pi * n / n_fft)).astype(np.float32)
        self._buffer = np.zeros(n_fft + (frames - 1) * self.hop, dtype=np.float32)
        self._filled = n_fft // 2

    def push(self, y: Array) -> Iterator[Array]:
        while len(y):
            n = min(len(y), len(self._buffer) - self._filled)
            self._buffer[self._filled : self._filled + n] = y[:n]
            self._filled += n
            y = y[n:]
            if self._filled == len(self._buffer):
                yield self._power(self._buffer)
                self._filled = self.n_fft - self.hop
                self._buffer[: self._filled] = self._buffer[-self._filled :]

    def finish(self) -> Iterator[Array]:
        yield from self.push(np.zeros(self.n_fft // 2, dtype=np.float32))
        if self._filled >= self.n_fft:
            yield self._power(self._buffer[: self._filled])

    def _power(self, y: Array) -> Array:
        frames = np.lib.stride_tricks.sliding_window_view(y, self.n_fft)[:: self.hop]
        spectrum = np.fft.rfft(frames * self._hann, axis=1)
        power: Array = spectrum.real**2 + spectrum.imag**2
        return power


def _tempo_scores(accents: Array64) -> tuple[Array64, Array64, float]:
    """Score and pulse strength of each tempo in ``_TEMPI``, and the regularity."""
