"""Pitch classes and key of spectra."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["OCTAVE", "chroma_of", "estimate_key", "pitch_histogram"]

Array = NDArray[np.float32]
Array64 = NDArray[np.float64]

_PITCH_HZ = (60.0, 4200.0)
_PEAK_RANGE = 1e-5  # spectral peaks 50 dB below the strongest one of their frame are no notes
OCTAVE = 120  # bins of the pitch histogram: tenths of a semitone
_TONICS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
# How often each degree is heard in a major and in a minor key (Albrecht & Shanahan 2013).
_MODES = {
    "major": (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
    "minor": (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
}
_CLEAR_KEY = 0.2  # by how much the right key wins in plain cadences
# A note is heard with its harmonics, of which the third and sixth are a fifth, the fifth a third
# (Gomez 2006): so are the profiles.
_HARMONICS, _DECAY = 6, 0.7


def pitch_histogram(power: Array, sr: int) -> Array64:
    """Sum the magnitudes of each frame's spectral peaks by pitch class.

    Parameters
    ----------
    power : np.ndarray [shape=(t, 1 + n_fft // 2), float32]
        Power spectra.
    sr : int
        Sample rate (Hz).

    Returns
    -------
    np.ndarray [shape=(t, 120), float64]
        In tenths of a semitone above C, octaves folded; relative to the root of the frame's
        largest magnitude, so that what is played softly counts, too.
    """
    bin_hz = sr / (2 * (power.shape[1] - 1))
    low, high = (int(hz / bin_hz) for hz in _PITCH_HZ)
    power = power[:, low:high]
    left, here, right = power[:, :-2], power[:, 1:-1], power[:, 2:]
    floor = _PEAK_RANGE * power.max(axis=1, keepdims=True)
    t, k = np.nonzero((here > left) & (here >= right) & (here > floor))
    # A parabola through three points in dB locates the peak between the bins.
    a, b, c = (np.log(np.maximum(power[t, k + i], 1e-30)).astype(np.float64) for i in range(3))
    # Three powers that differ in their last digit only may have one logarithm: no curvature.
    curvature = a - 2 * b + c
    offset = np.divide(0.5 * (a - c), curvature, out=np.zeros_like(b), where=curvature != 0)
    hz = (low + 1 + k + offset) * bin_hz
    tenths = np.floor(OCTAVE * np.log2(hz / 440.0) + 0.75 * OCTAVE).astype(int) % OCTAVE
    rows = len(power)
    scale = np.sqrt(np.sqrt(np.maximum(power.max(axis=1), 1e-30)))
    found = np.bincount(t * OCTAVE + tenths, np.sqrt(here[t, k]) / scale[t], rows * OCTAVE)
    return np.asarray(found.reshape(rows, OCTAVE), dtype=np.float64)


def chroma_of(pitches: Array64) -> Array64:
    """Return pitch histograms [shape=(t, 120)] by semitone: [shape=(t, 12)], C first."""
    return np.asarray(np.roll(pitches, 5, axis=1).reshape(len(pitches), 12, 10).sum(axis=2))


def estimate_key(pitches: Array64) -> tuple[str | None, float]:
    """Estimate the key of a pitch histogram by correlation with key profiles.

    Parameters
    ----------
    pitches : np.ndarray [shape=(120,), float64]
        The sum of rows that :func:`pitch_histogram` returns.

    Returns
    -------
    key : str or None
        Such as ``"C# minor"``; None if there is no pitch.
    confidence : float in [0, 1]
        By how much it fits better than the second best.
    """
    if not pitches.any():
        return None, 0.0
    semitones = (np.arange(OCTAVE) + 0.5) / 10
    tuning = np.angle(np.sum(pitches * np.exp(2j * np.pi * semitones))) / (2 * np.pi)
    distance = (semitones - tuning - np.arange(12)[:, None] + 6) % 12 - 6
    chroma = (np.cos(np.pi * np.clip(distance, -0.5, 0.5)) ** 2) @ pitches
    # Divided by its length before the mean is taken out, a flat chroma fits no key well.
    chroma /= np.linalg.norm(chroma)
    chroma -= chroma.mean()
    fits: dict[str, float] = {}
    for mode, profile in _MODES.items():
        heard = _with_harmonics(np.array(profile))
        centered = heard - heard.mean()
        centered /= np.linalg.norm(centered)
        for k, tonic in enumerate(_TONICS):
            fits[f"{tonic} {mode}"] = float(chroma @ np.roll(centered, k))
    best, second = sorted(fits, key=fits.__getitem__, reverse=True)[:2]
    return best, min(1.0, (fits[best] - fits[second]) / _CLEAR_KEY)


def _with_harmonics(profile: Array64) -> Array64:
    """Spread a profile [shape=(12,)] to the pitch classes of its notes' harmonics."""
    heard = np.zeros(12)
    for k in range(1, _HARMONICS + 1):
        heard += _DECAY ** (k - 1) * np.roll(profile, round(12 * np.log2(k)))
    return heard
