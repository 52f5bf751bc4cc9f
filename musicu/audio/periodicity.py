"""What comes back in a recording, and after how long.

Out of that come tempos that may be meant, and what speaks for and against each of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicu.audio.accents import STREAMS

__all__ = ["BAR", "BEAT", "FEATURES", "TEMPO_RANGE", "Periodicity", "tempo_features"]

Array64 = NDArray[np.float64]

TEMPO_RANGE = (40.0, 240.0)  # BPM
_STEP = 0.004
_TEMPI = np.exp(np.arange(np.log(TEMPO_RANGE[0]), np.log(TEMPO_RANGE[1]), _STEP))  # BPM
_MIDDLE = 110.0  # BPM: the middle of the tempos that people write
_WIDTH = 1.2  # octaves
_SEGMENT = 1024  # frames (16 s): the tempo may drift from segment to segment
_LAGS = 640  # frames (10 s)
# Relative rises; smaller ones (two tones beating) carry no pulse. In the bass a tone is one of few
# bands; slow rises have four frames.
_ACCENT_FLOORS = np.array([0.05, 0.01, 0.01, 0.01, 0.04])
_SPECTRUM = 8192  # points of the transform of an autocorrelation
_WEIGHTS = (0.7, 1.0, 0.7, 1.2, 1.0)  # of the streams, for proposing
_PEAKS = 6  # tempos that are proposed for themselves
_RELATIVES = ((1 / 2, 2, 1 / 3, 3, 2 / 3, 3 / 2, 1 / 4, 4), *((1 / 2, 2),) * 3)  # of the best four
_MOST = 16  # candidates
_SAME = 0.03  # candidates nearer than this are one
_HARMONY_LAGS = 33  # coarse frames (8 s)

# Of a candidate's beat, and of its frequency.
_LAG_RATIOS = (1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4, 6)
_RATE_RATIOS = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 1, 4 / 3, 3 / 2, 2, 3, 4, 6)
_HARMONY_RATIOS = (1 / 2, 1, 3 / 2, 2, 3, 4, 6, 8)
_LOOSE = (0.99, 1.0, 1.01)  # a player is not exact, and neither is a candidate
_WIDTHS = {
    "repeats": len(STREAMS) * len(_LAG_RATIOS),
    "spectra": len(STREAMS) * len(_RATE_RATIOS),
    "tempo": 2,
    "salience": 1,
    "harmony": len(_HARMONY_RATIOS),
    "onsets": len(STREAMS),
    "clarity": len(STREAMS),
    "strength": len(STREAMS),
}
_ENDS = np.cumsum(list(_WIDTHS.values())).tolist()
#: Where in a row of :func:`tempo_features` the features of one sort are.
FEATURES = {name: slice(end - _WIDTHS[name], end) for name, end in zip(_WIDTHS, _ENDS, strict=True)}


def _columns(name: str, ratios: tuple[float, ...], wanted: tuple[float, ...]) -> list[int]:
    """Return where the features of some ratios are, for all streams."""
    starts = range(FEATURES[name].start, FEATURES[name].stop, len(ratios))
    return [start + ratios.index(ratio) for start in starts for ratio in wanted]


#: Of the autocorrelations after one and after four beats.
BEAT, BAR = (_columns("repeats", _LAG_RATIOS, (ratio,)) for ratio in (1, 4))
# What means one thing at slow tempos and another at fast ones: what divides the beat, onsets, and
# what is the same for all candidates. Their products with the tempo are features, too.
_WITH_TEMPO = [
    *_columns("repeats", _LAG_RATIOS, (1 / 2, 1, 2)),
    *_columns("spectra", _RATE_RATIOS, (1 / 2, 1, 2, 4)),
    *range(FEATURES["onsets"].start, FEATURES["strength"].stop),
]
FEATURES["products"] = slice(_ENDS[-1], _ENDS[-1] + len(_WITH_TEMPO))


@dataclass(frozen=True)
class Periodicity:
    """How accents and harmony of a recording come back.

    Attributes
    ----------
    repeats : np.ndarray [shape=(5, lags), float64]
        Autocorrelation of each stream of accents, 1 at lag 0; lags in frames.
    spectra : np.ndarray [shape=(5, 4097), float64]
        Their spectra, relative to the largest peak at any tempo; from 0 to half the frame rate.
    strengths : np.ndarray [shape=(5,), float64]
        Variance of each stream.
    onset_rates : np.ndarray [shape=(5,), float64]
        Peaks of each stream per second.
    harmony : np.ndarray [shape=(33,), float64]
        Autocorrelation of the pitch classes, 1 at lag 0; lags in steps of the chroma.
    rate, chroma_rate : float
        Frames a second.
    """

    repeats: Array64
    spectra: Array64
    strengths: Array64
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
        repeats, strengths = _autocorrelation(accents, rate)
        tapered = repeats * np.hanning(2 * repeats.shape[1])[repeats.shape[1] :]
        tapered[:, 0] *= 0.5
        spectra = np.maximum(2 * np.fft.rfft(tapered, _SPECTRUM, axis=1).real, 0.0)
        slowest = int(TEMPO_RANGE[0] / 60 / rate * _SPECTRUM)
        spectra /= np.maximum(spectra[:, slowest:].max(axis=1, keepdims=True), 1e-9)
        rates = np.array([_onset_rate(stream, rate) for stream in accents])
        harmony = _harmony(chroma)
        return cls(repeats, spectra, strengths, rates, harmony, rate, chroma_rate)

    @property
    def clarity(self) -> Array64:
        """Highest autocorrelation of each stream at any tempo."""
        longest, shortest = (int(60 * self.rate / _TEMPI[i]) for i in (0, -1))
        return np.asarray(self.repeats[:, shortest : longest + 1].max(axis=1))

    def after(self, lags: Array64) -> Array64:
        """Return the autocorrelations [5, k] after `lags` [k] frames; 0 beyond the longest."""
        return _interpolate(self.repeats, lags)

    def at(self, hz: Array64) -> Array64:
        """Return the spectra [5, k] at `hz` [k]."""
        return _interpolate(self.spectra, hz / self.rate * _SPECTRUM)

    def salience(self) -> Array64:
        """Return how much speaks for each tempo of a fine grid.

        Multiples of the beat repeat too, its divisions less: the mean over multiples favors what
        is at least a beat, the spectrum what is at most one (Peeters 2006).
        """
        beats = 60 * self.rate / _TEMPI
        comb = np.mean([self.after(k * beats) for k in range(1, 5)], axis=0)
        spectra = self.at(_TEMPI / 60)
        spectra /= np.maximum(spectra.max(axis=1, keepdims=True), 1e-9)
        prior = np.exp(-0.5 * (np.log2(_TEMPI / _MIDDLE) / _WIDTH) ** 2)
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


def tempo_features(periodicity: Periodicity, bpm: Array64, salience: Array64) -> Array64:
    """Measure what speaks for and against candidates of the tempo.

    For each stream the autocorrelation after parts and multiples of the beat and the spectrum at
    parts and multiples of its rate; the tempo; how often harmony comes back; onsets per beat; and
    what is the same for all candidates: clarity, strength and balance of the streams.

    Parameters
    ----------
    periodicity : Periodicity
        Of the recording.
    bpm, salience : np.ndarray [shape=(c,), float64]
        As :meth:`Periodicity.candidates` proposes them.

    Returns
    -------
    np.ndarray [shape=(c, features), float64]
    """
    beats = 60 * periodicity.rate / bpm
    lags = np.multiply.outer(_LOOSE, np.multiply.outer(beats, _LAG_RATIOS))
    repeats = periodicity.after(lags.ravel()).reshape(-1, *lags.shape).max(axis=1)
    rates = np.multiply.outer(_LOOSE, np.multiply.outer(bpm / 60, _RATE_RATIOS))
    spectra = periodicity.at(rates.ravel()).reshape(-1, *rates.shape).max(axis=1)
    octaves = np.log2(bpm / _MIDDLE)
    steps = np.multiply.outer(60 * periodicity.chroma_rate / bpm, _HARMONY_RATIOS)
    harmony = _interpolate(periodicity.harmony[None], steps.ravel()).reshape(steps.shape)
    onsets = np.log2(np.multiply.outer(60 / bpm, np.maximum(periodicity.onset_rates, 0.2)))
    level = np.log(periodicity.strengths + 1e-6)
    shared = np.concatenate([periodicity.clarity, level])
    columns = np.column_stack(
        [
            repeats.swapaxes(0, 1).reshape(len(bpm), -1),
            np.sqrt(spectra).swapaxes(0, 1).reshape(len(bpm), -1),
            octaves,
            octaves**2,
            salience,
            harmony,
            onsets,
            np.tile(shared, (len(bpm), 1)),
        ]
    )
    return np.hstack([columns, columns[:, _WITH_TEMPO] * octaves[:, None]])


def _autocorrelation(accents: Array64, rate: float) -> tuple[Array64, Array64]:
    """Mean autocorrelation over segments of 16 s that overlap by half, 1 at lag 0; variances."""
    # The Gaussian (24 ms) forgives a player's timing, the box (1 s) takes out slow changes.
    t = np.arange(-int(rate / 2), int(rate / 2) + 1) / rate
    gauss = np.exp(-0.5 * (t / 0.024) ** 2)
    kernel = gauss / gauss.sum() - 1 / len(t)
    streams = np.stack([np.convolve(stream, kernel, mode="same") for stream in accents])
    streams -= streams.mean(axis=1, keepdims=True)
    n = streams.shape[1]
    lags = np.arange(min(_LAGS, n * 3 // 4))
    total, count = np.zeros((len(streams), len(lags))), np.zeros(len(lags))
    for start in range(0, max(1, n - _SEGMENT // 2), _SEGMENT // 2):
        segment = streams[:, start : start + _SEGMENT]
        power = np.abs(np.fft.rfft(segment, 2 * _SEGMENT, axis=1)) ** 2
        total += np.fft.irfft(power, axis=1)[:, : len(lags)]
        count += np.maximum(segment.shape[1] - lags, 0)
    mean = total / count
    return mean / (mean[:, :1] + _ACCENT_FLOORS[:, None] ** 2), mean[:, 0]


def _onset_rate(stream: Array64, rate: float) -> float:
    """Peaks per second: the largest of 7 frames that stand out from 13 and are not faint."""
    relative = stream / max(float(stream.mean()), 1e-9)
    view = np.lib.stride_tricks.sliding_window_view
    highest = view(np.pad(relative, 3), 7).max(axis=1)
    mean = view(np.pad(relative, 6, mode="edge"), 13).mean(axis=1)
    peaks = (relative == highest) & (relative > 1.3 * mean) & (relative > 0.5)
    return float(peaks.sum()) / (len(stream) / rate)


def _harmony(chroma: Array64) -> Array64:
    """Autocorrelation of the pitch classes at `_HARMONY_LAGS` lags, 1 at lag 0, zero-padded."""
    found = np.zeros(_HARMONY_LAGS)
    rows = np.sqrt(chroma)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    rows = rows - rows.mean(axis=0)
    for lag in range(min(_HARMONY_LAGS, len(rows) - 4)):
        found[lag] = (rows[: len(rows) - lag] * rows[lag:]).sum() / (len(rows) - lag)
    return np.asarray(found / max(float(found[0]), 1e-3))


def _interpolate(rows: Array64, places: Array64) -> Array64:
    """Return rows [r, n] at fractional places [k]: [r, k]; 0 beyond the last."""
    left = np.minimum(places.astype(int), rows.shape[1] - 2)
    part = places - left
    values = rows[:, left] * (1 - part) + rows[:, left + 1] * part
    return np.where(places <= rows.shape[1] - 1, values, 0.0)
