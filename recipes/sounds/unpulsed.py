"""Sounds without a beat that may be taken for one, made up at random.

Tones that beat with one another do so as regularly as any drum; a tremolo, too; chords may swell
at uneven times, and hits may be scattered. A model of the tempo learns from them when not to be
sure.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sounds.noises import banded, colored, peak_one, scattered, slow
from sounds.pulses import VOICES, place

__all__ = ["UNPULSED", "make_unpulsed"]

Maker = Callable[[int, int, np.random.Generator], np.ndarray]

_CHORDS = ((0, 4, 7), (0, 3, 7), (0, 7), (0, 5, 7), (0, 4, 7, 11), (0, 3, 7, 10), (0, 2, 7), (0,))


def make_unpulsed(rate: int, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Make a sound that has no beat.

    Parameters
    ----------
    rate : int
        Sample rate (Hz).
    seconds : float
        Length.
    rng : numpy.random.Generator
        Source of all choices.

    Returns
    -------
    numpy.ndarray [shape=(n,)]
        The samples; no louder than 0.5.
    """
    kind = str(rng.choice(sorted(UNPULSED)))
    size = int(seconds * rate)
    samples = 0.5 * peak_one(UNPULSED[kind](size, rate, rng))
    if rng.random() < 0.4:
        samples += 10 ** rng.uniform(-4, -1.5) * colored(size, rate, rng.uniform(-6, 0), rng)
    return samples * 10 ** rng.uniform(-1, 0)


def tone(hz: float, partials: int, slope: float, time: np.ndarray, phase: float) -> np.ndarray:
    """Return a steady tone, whose n-th partial has the amplitude ``n ** -slope``."""
    top = time.shape[0] / max(float(time[-1]), 1e-9) / 2.2
    numbers = [n for n in range(1, partials + 1) if n * hz < top]
    return np.sum([n**-slope * np.sin(n * (2 * np.pi * hz * time + phase)) for n in numbers], 0)


def chord(rng: np.random.Generator) -> np.ndarray:
    """Return frequencies (Hz) of a chord, some of its tones doubled in the octave."""
    base = 2.0 ** rng.uniform(np.log2(55), np.log2(330))
    steps = np.array(_CHORDS[int(rng.integers(len(_CHORDS)))], dtype=float)
    doubled = steps[rng.random(len(steps)) < 0.4] + 12
    return np.asarray(base * 2.0 ** (np.concatenate([steps, doubled]) / 12))


def beating(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a held chord of which some tones are doubled a little out of tune."""
    time, partials, slope = np.arange(size) / rate, int(rng.integers(1, 7)), rng.uniform(0.8, 2.0)
    mix = np.zeros(size)
    off = 2.0 ** rng.uniform(-1.5, 2.5)  # Hz
    for number, hz in enumerate(chord(rng)):
        gain = rng.uniform(0.4, 1.0)
        mix += gain * tone(float(hz), partials, slope, time, rng.uniform(0, 6.28))
        if number == 0 or rng.random() < 0.4:
            near = float(hz) + (off if rng.random() < 0.6 else 2.0 ** rng.uniform(-1.5, 2.5))
            mix += gain * rng.uniform(0.2, 1.0) * tone(near, partials, slope, time, 0.0)
    swell = slow(size, rate, 0.05, rng) if rng.random() < 0.4 else np.ones(size)
    return mix * (0.3 + 0.7 * swell)


def tremolo(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a held chord whose tones tremble, together or each for itself, more or less."""
    time, slope = np.arange(size) / rate, rng.uniform(0.8, 2.0)
    together = 2.0 ** rng.uniform(-0.5, 2.8) if rng.random() < 0.6 else 0.0
    depth = rng.uniform(0.03, 0.5)
    mix = np.zeros(size)
    for hz in chord(rng):
        hertz = together or 2.0 ** rng.uniform(-0.5, 2.8)
        shape = 1 - depth * (0.5 + 0.5 * np.sin(2 * np.pi * hertz * time + rng.uniform(0, 6.28)))
        mix += shape * tone(float(hz), 5, slope, time, rng.uniform(0, 6.28))
    return mix


def swells(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return chords that swell and fade at uneven times."""
    mix, at, longest = np.zeros(size), 0.0, rng.uniform(3, 8)
    while at < size / rate:
        length = rng.uniform(0.6, 1.0) * longest
        time = np.arange(int(length * rate)) / rate
        shape = np.minimum(time / rng.uniform(0.6, 2.5), 1) * np.minimum((length - time) / 2, 1)
        for hz in chord(rng):
            partials = int(rng.integers(1, 6))
            place(mix, at * rate, shape * tone(float(hz), partials, 1.4, time, rng.uniform(0, 6)))
        at += rng.uniform(0.2, 0.8) * longest
    return mix


def drone(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a low tone with many partials that come and go, and wind."""
    time, hz = np.arange(size) / rate, 2.0 ** rng.uniform(np.log2(40), np.log2(160))
    mix = np.zeros(size)
    for number in range(1, 13):
        drift = hz * number * (1 + rng.uniform(-0.004, 0.004))
        level = slow(size, rate, rng.uniform(0.05, 0.6), rng) / number
        mix += level * np.sin(2 * np.pi * drift * time + rng.uniform(0, 6.28))
    wind = banded(colored(size, rate, -3.0, rng), rate, 150.0, 2000.0)
    return peak_one(mix) + rng.uniform(0, 0.6) * wind * slow(size, rate, 0.3, rng)


def scattered_hits(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return hits of drums or tones that nobody can foresee."""
    names = [str(name) for name in rng.choice(sorted(VOICES), int(rng.integers(1, 4)))]
    mix = np.zeros(size)
    for name in names:
        play = VOICES[name](rate, rng)
        if rng.random() < 0.5:
            mix += scattered(
                size,
                float(2.0 ** rng.uniform(-0.5, 2.5)),
                rate,
                lambda play=play: play(int(rng.integers(40, 76))),
                rng,
            )
        else:
            low = rng.uniform(0.1, 0.5)
            gaps = rng.uniform(low, low * rng.uniform(2.5, 6), int(size / rate / low) + 1)
            for at in np.cumsum(gaps):
                place(mix, at * rate, play(int(rng.integers(40, 76))))
    return mix


def murmur(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return bands of noise that open and close a few times a second, as speech does."""
    mix, hertz = np.zeros(size), rng.uniform(1.5, 5.0)
    for center in 2.0 ** rng.uniform(8, 12, int(rng.integers(1, 5))):
        band = banded(colored(size, rate, -3.0, rng), rate, center / 1.4, center * 1.4)
        mix += peak_one(band) * slow(size, rate, hertz, rng) ** rng.uniform(1, 3)
    return mix * slow(size, rate, 0.3, rng) ** 0.5


#: Sorts of sounds.
UNPULSED: dict[str, Maker] = {
    "beating": beating,
    "drone": drone,
    "murmur": murmur,
    "scattered hits": scattered_hits,
    "swells": swells,
    "tremolo": tremolo,
}
