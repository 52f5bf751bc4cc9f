"""Syllables cut out of speech, as spectra that can be stretched and sung at any pitch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyworld
from sounds.speech import Voice, speak, text

RATE = 24000  # sample rate of all singing, Hz
FRAME = 0.005  # seconds from one spectrum to the next
SUNG = "la na mo di ru sa lei ho ma ne vi to ka ya no ri fa lu be go mi ra se wo du ni".split()


@dataclass(frozen=True)
class Syllable:
    """A syllable: spectra, aperiodicities, and the frames of its steady vowel.

    Attributes
    ----------
    spectrum : numpy.ndarray
        Power, shape (frames, bins); its vowel has a mean energy of 1.
    noise : numpy.ndarray
        Aperiodicity from 0 to 1, same shape.
    voiced : numpy.ndarray
        For each frame whether it has a pitch.
    steady : (int, int)
        First and last frame of the vowel's loudest part.
    """

    spectrum: np.ndarray
    noise: np.ndarray
    voiced: np.ndarray
    steady: tuple[int, int]


def cut_syllables(samples: np.ndarray) -> tuple[list[Syllable], float]:
    """Cut speech into syllables.

    Parameters
    ----------
    samples : numpy.ndarray
        Speech at `RATE`.

    Returns
    -------
    (list of Syllable, float)
        The syllables, and the median of the voice's pitch in Hz.

    Raises
    ------
    ValueError
        If there are fewer than four.
    """
    samples = np.ascontiguousarray(samples, dtype=np.float64)
    rough, times = pyworld.dio(samples, RATE, f0_floor=65.0, f0_ceil=500.0, frame_period=5.0)
    pitch = pyworld.stonemask(samples, rough, times, RATE)
    spectrum = pyworld.cheaptrick(samples, pitch, times, RATE)
    noise = pyworld.d4c(samples, pitch, times, RATE)
    energy = spectrum.mean(axis=1)
    loud = energy > 0.003 * np.quantile(energy, 0.95)
    found = []
    for first, last in _runs((pitch > 0) & loud):
        if not 16 <= last - first <= 160:
            continue
        peak = first + int(np.argmax(energy[first:last]))
        strong = energy > 0.35 * energy[peak]
        low, high = peak, peak
        while low > first and strong[low - 1]:
            low -= 1
        while high < last - 1 and strong[high + 1]:
            high += 1
        if high - low < 6:
            continue
        start = first  # a consonant without pitch belongs to it
        while start > max(0, first - 14) and pitch[start - 1] == 0:
            start -= 1
        level = energy[low : high + 1].mean()
        found.append(
            Syllable(
                (spectrum[start:last] / level).astype(np.float32),
                noise[start:last].astype(np.float32),
                pitch[start:last] > 0,
                (low - start, high - start),
            )
        )
    if len(found) < 4:
        raise ValueError("too few syllables in this speech")
    return found, float(np.median(pitch[pitch > 0]))


def _runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Return first and one past the last index of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def spoken_syllables(voice: Voice, rng: np.random.Generator) -> tuple[list[Syllable], float]:
    """Let a synthesizer's voice speak, and cut what it says.

    Parameters
    ----------
    voice : Voice
        The voice.
    rng : numpy.random.Generator
        Source of the text.

    Returns
    -------
    (list of Syllable, float)
        See `cut_syllables`.
    """
    words = text(rng, voice.language.startswith("en"), 30)
    if rng.random() < 0.6:
        words = ", ".join(str(word) for word in rng.permutation(SUNG))
    samples = speak(voice, words, RATE, rng)
    return cut_syllables(
        samples[: 20 * RATE] + 1e-5 * rng.standard_normal(len(samples[: 20 * RATE]))
    )
