"""What a recording sounds like, in few numbers that have a meaning: tempo, key, loudness and more.

The signal is heard once, in blocks. Two spectrograms are shared by all descriptors: a fine one
(64 ms) for onsets, brightness and level, and a coarse one (512 ms) for pitch. Eight numbers a fine
frame are kept, and twelve a coarse one, so two hours take 16 MB.

The methods are those of librosa and of the papers named at :class:`Descriptors`. They are written
out here because librosa takes seconds to import and compile, and computes one spectrogram for each
descriptor; the tests compare the two.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.audio.accents import STREAMS, AccentMeter, pick_onsets
from musicu.audio.key import OCTAVE, chroma_of, estimate_key, pitch_histogram
from musicu.audio.loudness import Loudness, LoudnessMeter, k_weighting
from musicu.audio.mel_filters import mel_filters
from musicu.audio.periodicity import Periodicity
from musicu.audio.tempo import find_pulse
from musicu.errors import AudioError

__all__ = ["Describer", "Descriptors", "describe"]

Array = NDArray[np.float32]
Array64 = NDArray[np.float64]

_SR = 16000
# Window lengths in seconds, and frames in a block. NumPy's FFT is four times slower on blocks of
# twice the size.
_FINE, _FINE_FRAMES = 0.064, 128
_COARSE, _COARSE_FRAMES = 0.512, 16

_SILENCE = 1e-9  # a recording without any frame above this power (-90 dBFS) is silent
_FRAME_RANGE = 1e-6  # a frame 60 dB below the loudest one is silent
_LEVEL_FRAMES = 12  # 192 ms: a block of short-time loudness

_SHORTEST = 4.0  # seconds: less has no tempo


@dataclass(frozen=True, kw_only=True)
class Descriptors:
    """What a recording sounds like. None where the recording does not define a value.

    A gain on the recording changes nothing but ``loudness`` and ``peak``.

    Attributes
    ----------
    duration : float
        Length (s).
    tempo : float or None
        Beats per minute, 40 to 240, over the whole recording. None for silence and under 4 s.
        Candidates are peaks of autocorrelation and spectrum of the accents (Peeters 2006), their
        halves, doubles and thirds; a logistic model chooses by what comes back after parts and
        multiples of each one's beat, in each register, by the note values that each one means,
        and by how often harmony changes.
    tempo_confidence : float
        Probability (0 to 1) that ``tempo`` is right within 4 %, its octave included; low where
        the tempo sways and where there is no beat.
    tempo_candidates : tuple of (float, float)
        Tempo (BPM) and its probability relative to the best (0 to 1), the best first. Half and
        double of the best are always among them where they lie within 40 to 240.
    key : str or None
        Tonic and mode, sharps only: ``"F# minor"``. None for silence and where nothing has a pitch.
        The tuned pitch-class histogram of spectral peaks (Gomez 2006) is correlated with the
        profiles of Albrecht and Shanahan (2013), spread to the notes' harmonics.
    key_confidence : float
        Margin of the best key over the second: 0 (atonal) to 1 (plain cadences).
    loudness : float or None
        Integrated loudness (LUFS), ITU-R BS.1770.
    loudness_range : float or None
        Loudness range (LU), EBU Tech 3342.
    peak : float or None
        Largest sample (dBFS).
    brightness : float or None
        Spectral centroid (Hz), weighted by power; mean over the frames within 60 dB of the loudest.
    onset_rate : float
        Onsets per second: peaks of the onset strength (mean rise of the mel bands in dB, as
        ``librosa.onset.onset_strength``) that stand out by 2 dB.
    dynamic_complexity : float or None
        Mean absolute deviation (dB) of the short-time from the global loudness (Streich 2007).
        Short-time: K-weighted level of 192 ms, where it is within 60 dB of the loudest. Global: the
        mean of these weighted by ``0.9 ** -level``, which favors the loud ones.
    regularity : float or None
        Pulse clarity, 0 to 1: the highest autocorrelation of the accents at any beat of 40 to
        240 BPM (Lartillot 2008). None where there is no tempo.

    References
    ----------
    - G. Peeters, "Template-based estimation of time-varying tempo", EURASIP JASP, 2006.
    - E. Gomez, "Tonal description of music audio signals", PhD thesis, UPF, 2006.
    - J. Albrecht, D. Shanahan, "The use of large corpora to train a new type of key-finding
      algorithm", Music Perception 31, 2013.
    - S. Streich, "Music complexity: a multi-faceted description of audio content", PhD thesis,
      UPF, 2007.
    - O. Lartillot et al., "Multi-feature modeling of pulse clarity", ISMIR 2008.
    """

    duration: float
    tempo: float | None
    tempo_confidence: float
    tempo_candidates: tuple[tuple[float, float], ...]
    key: str | None
    key_confidence: float
    loudness: float | None
    loudness_range: float | None
    peak: float | None
    brightness: float | None
    onset_rate: float
    dynamic_complexity: float | None
    regularity: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a mapping that JSON can hold."""
        return asdict(self)


def describe(y: Array, sr: int) -> Descriptors:
    """Describe a recording that is in memory.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (channels, n), float32]
        Samples, full scale at +-1. Loudness and peak are measured on these channels at this rate,
        the rest on their mean at 16 kHz. Samples that are not finite count as zero.
    sr : int
        Sample rate (Hz).

    Returns
    -------
    Descriptors

    Raises
    ------
    AudioError
        There are no samples, or none of them is finite.
    """
    y = np.atleast_2d(np.asarray(y, dtype=np.float32))
    if y.size == 0:
        raise AudioError("<array>", "no samples")
    finite = np.isfinite(y)
    if not finite.all():
        if not finite.any():
            raise AudioError("<array>", "no finite sample")
        y = np.where(finite, y, np.float32(0))
    meter = LoudnessMeter(sr, len(y))
    meter.push(y)
    mono = y.mean(axis=0)
    if sr != _SR:
        import soxr  # here because those who stream do not need it

        mono = soxr.resample(mono, sr, _SR, quality="HQ")
    describer = Describer()
    describer.push(mono)
    return describer.finish(meter.result())


class Describer:
    """Descriptors of a mono signal that arrives in blocks; the blocks' sizes do not matter.

    Parameters
    ----------
    sr : int
        Sample rate (Hz). The methods are tuned at 16000.
    """

    def __init__(self, sr: int = _SR) -> None:
        self.sr = sr
        n_fft = _power_of_two(_FINE * sr)
        self._fine = _Spectra(n_fft, n_fft // 4, _FINE_FRAMES)
        self._weights, mel_hz = _frame_weights(sr, n_fft)
        n_fft = _power_of_two(_COARSE * sr)
        self._coarse = _Spectra(n_fft, n_fft // 2, _COARSE_FRAMES)
        self._samples = 0
        self._accents = AccentMeter(mel_hz)
        # Onset, centroid, level, accents.
        self._frames = [np.empty((3 + len(STREAMS), 0), dtype=np.float32)]
        self._pitches = np.zeros(OCTAVE)
        self._chroma = [np.empty((0, 12), dtype=np.float32)]

    def push(self, y: Array) -> None:
        """Take the next samples.

        Parameters
        ----------
        y : np.ndarray [shape=(n,), float32]
            Finite mono samples at ``sr``, full scale at +-1. Any ``n``.
        """
        self._samples += len(y)
        for power in self._fine.push(y):
            self._add_fine(power)
        for power in self._coarse.push(y):
            self._add_coarse(power)

    def finish(self, loudness: Loudness | None = None) -> Descriptors:
        """End the signal and describe it.

        Parameters
        ----------
        loudness : Loudness, optional
            What a :class:`~musicu.audio.loudness.LoudnessMeter` measured on the original channels.
            Without it loudness, its range and peak are None.

        Returns
        -------
        Descriptors
        """
        for power in self._fine.finish():
            self._add_fine(power)
        for power in self._coarse.finish():
            self._add_coarse(power)
        self._frames = [np.concatenate(self._frames, axis=1)]
        onsets, centroids, levels = self._frames[0][:3]
        loudest = levels.max(initial=0.0)
        heard = levels > loudest * _FRAME_RANGE
        if silent := loudest < _SILENCE:
            onsets, heard = onsets * 0, heard & False
        seconds = self._samples / self.sr
        pulse = find_pulse(None if silent else self.periodicity())
        key, key_confidence = (None, 0.0) if silent else estimate_key(self._pitches)
        return Descriptors(
            duration=seconds,
            tempo=pulse.candidates[0][0] if pulse.candidates else None,
            tempo_confidence=pulse.confidence,
            tempo_candidates=pulse.candidates,
            key=key,
            key_confidence=key_confidence,
            loudness=loudness.integrated_lufs if loudness else None,
            loudness_range=loudness.range_lu if loudness else None,
            peak=loudness.peak_dbfs if loudness else None,
            brightness=float(centroids[heard].mean(dtype=np.float64)) if heard.any() else None,
            onset_rate=len(pick_onsets(onsets)) / max(seconds, 1 / self.sr),
            dynamic_complexity=None if silent else _dynamic_complexity(levels),
            regularity=pulse.regularity,
        )

    def periodicity(self) -> Periodicity | None:
        """Return how accents and harmony come back; None under 4 s and without an accent."""
        accents = np.concatenate(self._frames, axis=1)[3:].astype(np.float64)
        rate = self.sr / self._fine.hop
        if accents.shape[1] < _SHORTEST * rate or not accents.any():
            return None
        chroma = np.concatenate(self._chroma).astype(np.float64)
        chroma_rate = self.sr / self._coarse.hop
        return Periodicity.measure(accents / self._accents.level, rate, chroma, chroma_rate)

    def _add_coarse(self, power: Array) -> None:
        pitches = pitch_histogram(power, self.sr)
        self._pitches += pitches.sum(axis=0)
        self._chroma.append(chroma_of(pitches).astype(np.float32))

    def _add_fine(self, power: Array) -> None:
        # One product for all that is linear in the power, in pieces so small that BLAS does not
        # share them among threads: waiting for one another would cost ten times the product.
        pieces = [power[i : i + 16] @ self._weights for i in range(0, len(power), 16)]
        total, moment, level = (sums := np.concatenate(pieces).T)[:3]
        onset, accents = self._accents.push(sums[3:])
        centroid = moment / np.maximum(total, 1e-30)
        self._frames.append(np.vstack([onset, centroid, level, accents]))


class _Spectra:
    """Power spectra of a stream in blocks of a fixed number of frames; centered, zeros outside."""

    def __init__(self, n_fft: int, hop: int, frames: int) -> None:
        self.n_fft, self.hop = n_fft, hop
        self._hann = _hann(n_fft)
        self._buffer = np.zeros(n_fft + (frames - 1) * hop, dtype=np.float32)
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
        return np.asarray(spectrum.real**2 + spectrum.imag**2, dtype=np.float32)


def _power_of_two(n: float) -> int:
    return 1 << round(math.log2(n))


def _hann(n: int) -> Array:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)


def _frame_weights(sr: int, n_fft: int) -> tuple[Array, Array64]:
    """Weights of the bins for power, its first moment (Hz), K-weighted level and 40 mel bands.

    Returns the matrix [1 + n_fft // 2, 43] and the mel bands' centers (Hz) [40].
    """
    hz = np.fft.rfftfreq(n_fft, 1 / sr)
    z = np.exp(-2j * np.pi * np.outer(hz / sr, np.arange(3)))
    gain = np.prod([abs(z @ s[:3]) / abs(z @ s[3:]) for s in k_weighting(sr)], axis=0)
    level = gain**2 * 2 / (n_fft * np.square(_hann(n_fft)).sum())
    mel = mel_filters(sr=sr, n_fft=n_fft, n_mels=40, fmin=30.0, fmax=min(8000.0, sr / 2))
    weights = np.column_stack([np.ones_like(hz), hz, level, mel]).astype(np.float32)
    return weights, hz[mel.argmax(axis=0)]


def _dynamic_complexity(levels: Array) -> float | None:
    blocks = levels[: len(levels) // _LEVEL_FRAMES * _LEVEL_FRAMES].astype(np.float64)
    blocks = blocks.reshape(-1, _LEVEL_FRAMES).mean(axis=1)
    blocks = blocks[blocks > blocks.max(initial=0.0) * _FRAME_RANGE]
    if not len(blocks):
        return None
    db = 10 * np.log10(blocks / blocks.max())
    return float(np.abs(db - np.average(db, weights=0.9**-db)).mean())
