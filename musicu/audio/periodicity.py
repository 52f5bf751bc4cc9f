"""What comes back in a recording, and after how long; and the tempos that may be meant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["MIDDLE", "PAIRS", "TEMPO_RANGE", "Periodicity", "interpolate"]

Array64 = NDArray[np.float64]

TEMPO_RANGE = (40.0, 240.0)  # BPM
#: Streams that may answer one another: bass and middle (kick and snare), each with the treble.
PAIRS = ((0, 1), (0, 2), (1, 2))
_STEP = 0.004
_TEMPI = np.exp(np.arange(np.log(TEMPO_RANGE[0]), np.log(TEMPO_RANGE[1]), _STEP))  # BPM
MIDDLE = 110.0  #: BPM: the middle of the tempos that people write
_WIDTH = 1.2  # octaves
_SEGMENT = 1024  # frames (16 s): the tempo may drift from segment to segment
_LAGS = 640  # frames (10 s)
# Relative rises; smaller ones (two tones beating) carry no pulse. In the bass a tone is one of few
# bands; slow rises have four frames.
_ACCENT_FLOORS = np.array([0.05, 0.01, 0.01, 0.01, 0.04])
_SPECTRUM = 8192  # points of the transform of an autocorrelation
_FAINT = 0.03  # of the largest of a spectrum: where there is less, streams hardly agree
_WEIGHTS = (0.7, 1.0, 0.7, 1.2, 1.0)  # of the streams, for proposing
_PEAKS = 6  # tempos that are proposed for themselves
_RELATIVES = ((1 / 2, 2, 1 / 3, 3, 2 / 3, 3 / 2, 1 / 4, 4), *((1 / 2, 2),) * 3)  # of the best four
_MOST = 16  # candidates
_SAME = 0.03  # candidates nearer than this are one
_HARMONY_LAGS = 33  # coarse frames (8 s)


@dataclass(frozen=True)
class Periodicity:
    """How accents and harmony of a recording come back.

    Attributes
    ----------
    repeats : np.ndarray [shape=(5, lags), float64]
        Autocorrelation of each stream of accents, 1 at lag 0; lags in frames.
    spectra : np.ndarray [shape=(5, 4097), float64]
        Their spectra, relative to the largest peak at any tempo; from 0 to half the frame rate.
    answers : np.ndarray [shape=(3, lags), float64]
        Correlation of one stream with another, whichever comes first, for each of ``PAIRS``.
    agreements : np.ndarray [shape=(3, 4097), float64]
        At each frequency of ``spectra``, 1 where a pair's streams swing together, -1 where they
        take turns, 0 where they have nothing to do with one another.
    strengths : np.ndarray [shape=(5,), float64]
        Variance of each stream.
    onsets : tuple of np.ndarray [shape=(peaks,), intp]
        Frames in which each stream peaks.
    onset_rates : np.ndarray [shape=(5,), float64]
        Peaks of each stream per second.
    harmony : np.ndarray [shape=(33,), float64]
        Autocorrelation of the pitch classes, 1 at lag 0; lags in steps of the chroma.
    rate, chroma_rate : float
        Frames a second.
    """

    repeats: Array64
    spectra: Array64
    answers: Array64
    agreements: Array64
    strengths: Array64
    onsets: tuple[NDArray[np.intp], ...]
    onset_rates: Array64
    harmony: Array64
    rate: float
    chroma_rate: float

    @classmethod
    def measure(
        cls, accents: Array64, rate: float, chroma: Array64, chroma_rate: float
    ) -> Periodicity:
        """Measure accents and chroma.

        Parameters
        ----------
        accents : np.ndarray [shape=(5, n), float64]
            Of each stream, relative to the recording's level.
        rate : float
            Frames a second.
        chroma : np.ndarray [shape=(t, 12), float64]
            Strength of the pitch classes.
        chroma_rate : float
            Rows a second.

        Returns
        -------
        Periodicity
        """
        repeats, answers, strengths = _correlations(accents, rate)
        spectra = np.maximum(_spectra(repeats), 0.0)
        slowest = int(TEMPO_RANGE[0] / 60 / rate * _SPECTRUM)
        largest = np.maximum(spectra[:, slowest:].max(axis=1, keepdims=True), 1e-9)
        spectra /= largest
        first, second = np.array(PAIRS).T
        roots = np.sqrt(largest * (spectra + _FAINT))
        agreements = np.clip(_spectra(answers) / (roots[first] * roots[second]), -1.0, 1.0)
        onsets = tuple(_peaks(stream) for stream in accents)
        rates = np.array([len(peaks) for peaks in onsets]) / (accents.shape[1] / rate)
        harmony = _harmony(chroma)
        return cls(
            *(repeats, spectra, answers, agreements, strengths),
            *(onsets, rates, harmony, rate, chroma_rate),
        )

    @property
    def clarity(self) -> Array64:
        """Highest autocorrelation of each stream at any tempo."""
        longest, shortest = (int(60 * self.rate / _TEMPI[i]) for i in (0, -1))
        return np.asarray(self.repeats[:, shortest : longest + 1].max(axis=1))

    def after(self, lags: Array64) -> Array64:
        """Return the autocorrelations [5, k] after `lags` [k] frames; 0 beyond the longest."""
        return interpolate(self.repeats, lags)

    def at(self, hz: Array64) -> Array64:
        """Return the spectra [5, k] at `hz` [k]."""
        return interpolate(self.spectra, hz / self.rate * _SPECTRUM)

    def agreeing(self, hz: Array64) -> Array64:
        """Return the agreements [3, k] at `hz` [k]."""
        return interpolate(self.agreements, hz / self.rate * _SPECTRUM)

    def salience(self) -> Array64:
        """Return how much speaks for each tempo of a fine grid.

        Multiples of the beat repeat too, its divisions less: the mean over multiples favors what
        is at least a beat, the spectrum what is at most one (Peeters 2006).
        """
        beats = 60 * self.rate / _TEMPI
        comb = np.mean([self.after(k * beats) for k in range(1, 5)], axis=0)
        spectra = self.at(_TEMPI / 60)
        spectra /= np.maximum(spectra.max(axis=1, keepdims=True), 1e-9)
        prior = np.exp(-0.5 * (np.log2(_TEMPI / MIDDLE) / _WIDTH) ** 2)
        return np.asarray(np.array(_WEIGHTS) @ (np.maximum(comb, 0.0) * spectra**0.25) * prior)

    def candidates(self) -> tuple[Array64, Array64]:
        """Propose tempos: peaks of the salience, their halves, doubles and thirds.

        Returns
        -------
        bpm : np.ndarray [shape=(at most 16,), float64]
        salience : np.ndarray [shape=(the same,), float64]
            Relative to the largest.
        """
        salience = self.salience()
        peaks = 1 + np.flatnonzero(
            (salience[1:-1] > salience[:-2]) & (salience[1:-1] >= salience[2:])
        )
        peaks = peaks[np.argsort(-salience[peaks], kind="stable")][:_PEAKS]
        if not len(peaks):
            return np.empty(0), np.empty(0)
        a, b, c = salience[peaks - 1], salience[peaks], salience[peaks + 1]
        best = _TEMPI[peaks] * np.exp(_STEP * 0.5 * (a - c) / (a - 2 * b + c))
        related = [
            tempo * ratio
            for tempo, ratios in zip(best, _RELATIVES, strict=False)
            for ratio in ratios
        ]
        bpm: list[float] = []
        for tempo in (*best, *related):
            inside = TEMPO_RANGE[0] <= tempo <= TEMPO_RANGE[1]
            if inside and all(abs(tempo / other - 1) > _SAME for other in bpm):
                bpm.append(float(tempo))
        found = np.array(bpm[:_MOST])
        return found, np.interp(found, _TEMPI, salience) / salience.max()


def _correlations(accents: Array64, rate: float) -> tuple[Array64, Array64, Array64]:
    """Mean correlations over segments of 16 s that overlap by half, 1 at most; variances.

    Of each stream with itself, and of the pairs with one another.
    """
    # The Gaussian (24 ms) forgives a player's timing, the box (1 s) takes out slow changes.
    t = np.arange(-int(rate / 2), int(rate / 2) + 1) / rate
    gauss = np.exp(-0.5 * (t / 0.024) ** 2)
    kernel = gauss / gauss.sum() - 1 / len(t)
    streams = np.stack([np.convolve(stream, kernel, mode="same") for stream in accents])
    streams -= streams.mean(axis=1, keepdims=True)
    n = streams.shape[1]
    lags = np.arange(min(_LAGS, n * 3 // 4))
    first, second = np.array(PAIRS).T
    total, count = np.zeros((len(streams), len(lags))), np.zeros(len(lags))
    crossed = np.zeros((len(PAIRS), len(lags)))
    for start in range(0, max(1, n - _SEGMENT // 2), _SEGMENT // 2):
        segment = streams[:, start : start + _SEGMENT]
        spectra = np.fft.rfft(segment, 2 * _SEGMENT, axis=1)
        total += np.fft.irfft(np.abs(spectra) ** 2, axis=1)[:, : len(lags)]
        # The real part is the mean of both directions.
        both = (spectra[first] * spectra[second].conj()).real
        crossed += np.fft.irfft(both, axis=1)[:, : len(lags)]
        count += np.maximum(segment.shape[1] - lags, 0)
    mean = total / count
    scale = mean[:, :1] + _ACCENT_FLOORS[:, None] ** 2
    answers = crossed / count / np.sqrt(scale[first] * scale[second])
    return mean / scale, answers, mean[:, 0]


def _spectra(correlations: Array64) -> Array64:
    """Spectra of correlations [r, lags] that go on alike before lag 0, tapered by a Hann window."""
    tapered = correlations * np.hanning(2 * correlations.shape[1])[correlations.shape[1] :]
    tapered[:, 0] *= 0.5
    return np.asarray(2 * np.fft.rfft(tapered, _SPECTRUM, axis=1).real)


def _peaks(stream: Array64) -> NDArray[np.intp]:
    """Frames that are the largest of 7, stand out from 13 and are not faint."""
    relative = stream / max(float(stream.mean()), 1e-9)
    view = np.lib.stride_tricks.sliding_window_view
    highest = view(np.pad(relative, 3), 7).max(axis=1)
    mean = view(np.pad(relative, 6, mode="edge"), 13).mean(axis=1)
    return np.flatnonzero((relative == highest) & (relative > 1.3 * mean) & (relative > 0.5))


def _harmony(chroma: Array64) -> Array64:
    """Autocorrelation of the pitch classes at `_HARMONY_LAGS` lags, 1 at lag 0, zero-padded."""
    found = np.zeros(_HARMONY_LAGS)
    rows = np.sqrt(chroma)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    rows = rows - rows.mean(axis=0)
    for lag in range(min(_HARMONY_LAGS, len(rows) - 4)):
        found[lag] = (rows[: len(rows) - lag] * rows[lag:]).sum() / (len(rows) - lag)
    return np.asarray(found / max(float(found[0]), 1e-3))


def interpolate(rows: Array64, places: Array64) -> Array64:
    """Read rows between their numbers.

    Parameters
    ----------
    rows : np.ndarray [shape=(r, n), float64]
    places : np.ndarray [shape=(k,), float64]
        Fractional indices, not negative.

    Returns
    -------
    np.ndarray [shape=(r, k), float64]
        Linearly interpolated; 0 beyond the last.
    """
    left = np.minimum(places.astype(int), rows.shape[1] - 2)
    part = places - left
    values = rows[:, left] * (1 - part) + rows[:, left + 1] * part
    return np.where(places <= rows.shape[1] - 1, values, 0.0)
