"""Tempo: how fast accents come back, how surely, and how regularly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["find_pulse"]

Array64 = NDArray[np.float64]

_ACCENT_FLOOR = 0.01  # relative rise; smaller ones (two tones beating) carry no pulse
_TEMPI = np.exp(np.arange(np.log(40.0), np.log(240.0), 0.004))  # BPM
_SEGMENT = 1024  # frames (16 s): the tempo may drift from segment to segment
_LAGS = 512  # frames (8 s): four beats at the slowest tempo, and more
_SHORTEST = 250  # frames (4 s): less has no tempo


def find_pulse(
    accents: Array64, rate: float
) -> tuple[tuple[tuple[float, float], ...], float, float | None]:
    """Find the tempo of a train of accents.

    Autocorrelation comb and spectrum together, under the prior of Ellis, "Beat Tracking by Dynamic
    Programming" (2007): log-normal around 120 BPM, 0.9 octaves wide.

    Parameters
    ----------
    accents : np.ndarray [shape=(n,), float64]
        Strength of the accent in each frame, >= 0.
    rate : float
        Frames a second.

    Returns
    -------
    candidates : tuple of (bpm, strength)
        The best first, its half and double among them; strengths relative to the best.
    confidence : float in [0, 1]
        Of the best: how much of the accents comes back after one to four beats.
    regularity : float in [0, 1] or None
        Highest autocorrelation at any tempo; None if there is too little to tell.
    """
    if len(accents) < _SHORTEST or not accents.any():
        return (), 0.0, None
    repeats = _autocorrelation(accents, rate)
    lags = np.arange(len(repeats))
    beats = 60 * rate / _TEMPI
    regularity = repeats[int(beats[-1]) : int(beats[0]) + 1].max()

    # Multiples of the beat repeat too, its divisions less: the mean favors what is at least a beat,
    # the spectrum what is at most one.
    comb = np.mean([np.interp(k * beats, lags, repeats, right=0.0) for k in range(1, 5)], axis=0)
    tapered = repeats * np.hanning(2 * len(repeats))[len(repeats) :]
    waves = np.cos(2 * np.pi * lags / beats[:, None])
    spectrum = np.maximum(np.sum(waves * tapered, axis=1), 0.0)
    prior = np.exp(-0.5 * (np.log2(_TEMPI / 120.0) / 0.9) ** 2)
    scores = np.maximum(comb, 0.0) * (spectrum / max(spectrum.max(), 1e-30)) ** 0.25 * prior

    peaks = 1 + np.flatnonzero((scores[1:-1] > scores[:-2]) & (scores[1:-1] >= scores[2:]))
    peaks = peaks[np.argsort(-scores[peaks], kind="stable")][:4]
    if not len(peaks):
        return (), 0.0, float(np.clip(regularity, 0, 1))
    a, b, c = scores[peaks - 1], scores[peaks], scores[peaks + 1]
    bpm = _TEMPI[peaks] * np.exp(0.004 * 0.5 * (a - c) / (a - 2 * b + c))
    candidates = dict(zip(bpm.tolist(), (b / b[0]).tolist(), strict=True))
    for octave in (bpm[0] / 2, bpm[0] * 2):
        known = any(abs(octave / other - 1) < 0.04 for other in candidates)
        if _TEMPI[0] <= octave <= _TEMPI[-1] and not known:
            candidates[float(octave)] = float(np.interp(octave, _TEMPI, scores) / b[0])
    ordered = sorted(candidates.items(), key=lambda candidate: -candidate[1])
    confidence = np.interp(bpm[0], _TEMPI, comb)
    return tuple(ordered), float(np.clip(confidence, 0, 1)), float(np.clip(regularity, 0, 1))


def _autocorrelation(accents: Array64, rate: float) -> Array64:
    """Mean autocorrelation over segments of 16 s that overlap by half, 1 at lag 0."""
    # The Gaussian (24 ms) forgives a player's timing, the box (1 s) takes out slow changes.
    t = np.arange(-int(rate / 2), int(rate / 2) + 1) / rate
    gauss = np.exp(-0.5 * (t / 0.024) ** 2)
    accents = np.convolve(accents, gauss / gauss.sum() - 1 / len(t), mode="same")
    accents -= accents.mean()
    lags = np.arange(min(_LAGS, len(accents) * 3 // 4))
    total, count = np.zeros(len(lags)), np.zeros(len(lags))
    for start in range(0, max(1, len(accents) - _SEGMENT // 2), _SEGMENT // 2):
        segment = accents[start : start + _SEGMENT]
        power = np.abs(np.fft.rfft(segment, 2 * _SEGMENT)) ** 2
        total += np.fft.irfft(power)[: len(lags)]
        count += np.maximum(len(segment) - lags, 0)
    mean = total / count
    return np.asarray(mean / (mean[0] + _ACCENT_FLOOR**2))
