"""Noise, near silence and plain tones, each from a random generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

#: Makes so many samples at a sample rate.
Maker = Callable[[int, int, np.random.Generator], np.ndarray]


def colored(size: int, rate: int, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Return noise whose level changes by a slope in dB per octave, with a peak of 1.

    Parameters
    ----------
    size, rate : int
        Number of samples and sample rate.
    slope : float
        0 is white, -3 pink, -6 brown.
    rng : numpy.random.Generator
        Source of the noise.

    Returns
    -------
    numpy.ndarray
        The samples.
    """
    spectrum = np.fft.rfft(rng.standard_normal(size))
    octaves = np.log2(np.clip(np.fft.rfftfreq(size, 1.0 / rate), 20.0, None) / 1000.0)
    return peak_one(np.fft.irfft(spectrum * 10.0 ** (slope * octaves / 20.0), size))


def banded(samples: np.ndarray, rate: int, low: float, high: float) -> np.ndarray:
    """Keep a band of frequencies, with edges of a third of an octave."""
    frequencies = np.fft.rfftfreq(len(samples), 1.0 / rate)
    octaves = np.log2(np.clip(frequencies, 1.0, None))
    gains = np.clip((octaves - np.log2(max(low, 1.0))) * 3.0 + 1.0, 0.0, 1.0)
    gains *= np.clip((np.log2(high) - octaves) * 3.0 + 1.0, 0.0, 1.0)
    return np.fft.irfft(np.fft.rfft(samples) * gains, len(samples))


def peak_one(samples: np.ndarray) -> np.ndarray:
    """Scale to a peak of 1; silence stays as it is."""
    return samples / max(float(np.max(np.abs(samples), initial=0.0)), 1e-9)


def slow(size: int, rate: int, hertz: float, rng: np.random.Generator) -> np.ndarray:
    """Return a smooth random curve from 0 to 1 that turns about so many times a second."""
    knots = max(4, round(size / rate * hertz * 2.0) + 2)
    curve = np.interp(np.linspace(0, knots - 1, size), np.arange(knots), rng.random(knots))
    return 0.5 - 0.5 * np.cos(np.pi * curve)


def scattered(
    size: int,
    per_second: float,
    rate: int,
    grain: Callable[[], np.ndarray],
    rng: np.random.Generator,
) -> np.ndarray:
    """Return grains at random times, about so many a second."""
    samples = np.zeros(size)
    for at in rng.integers(0, size, rng.poisson(per_second * size / rate)):
        piece = grain()[: size - at]
        samples[at : at + len(piece)] += piece
    return samples


def ping(rate: int, hertz: float, decay: float) -> np.ndarray:
    """Return a sine that dies away, for five times its decay in seconds."""
    time = np.arange(max(8, round(5.0 * decay * rate))) / rate
    return np.sin(2.0 * np.pi * hertz * time) * np.exp(-time / decay)


def white(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return white noise."""
    return colored(size, rate, 0.0, rng)


def pink(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return pink noise, up to 1 dB per octave off."""
    return colored(size, rate, -3.0 + rng.uniform(-1.0, 1.0), rng)


def brown(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return brown noise, up to 1 dB per octave off."""
    return colored(size, rate, -6.0 + rng.uniform(-1.0, 1.0), rng)


def band_noise(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return noise in a band of one to three octaves."""
    low = 2.0 ** rng.uniform(6.5, 12.0)
    return banded(white(size, rate, rng), rate, low, low * 2.0 ** rng.uniform(1.0, 3.0))


def hum(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return mains hum with its harmonics and some hiss."""
    time, base = np.arange(size) / rate, float(rng.choice([50.0, 60.0, 100.0, 120.0]))
    tone = sum(
        np.sin(2.0 * np.pi * base * n * time + rng.uniform(0, 6.3)) * rng.uniform(0.1, 1.0) / n
        for n in range(1, 9)
    )
    return tone + rng.uniform(0.01, 0.2) * pink(size, rate, rng)


def wind(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return gusts: noise in two bands that swell at random."""
    low = banded(pink(size, rate, rng), rate, 80.0, 400.0) * slow(size, rate, 0.3, rng)
    high = banded(pink(size, rate, rng), rate, 400.0, 1500.0) * slow(size, rate, 0.5, rng) ** 2
    return low + high


def rain(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return many short drops over a hiss."""
    drops = scattered(
        size,
        float(rng.uniform(40.0, 400.0)),
        rate,
        lambda: (
            ping(rate, rng.uniform(1500.0, 9000.0), rng.uniform(0.0005, 0.004))
            * rng.exponential(0.3)
        ),
        rng,
    )
    return drops + rng.uniform(0.05, 0.5) * banded(white(size, rate, rng), rate, 800.0, 12000.0)


def waves(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return surf: noise that swells and ebbs every few seconds."""
    time, period = np.arange(size) / rate, rng.uniform(4.0, 9.0)
    swell = np.exp(-3.0 * ((time + rng.uniform(0, period)) % period) / period)
    return pink(size, rate, rng) * (0.15 + swell * (0.5 + slow(size, rate, 0.2, rng)))


def applause(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return the claps of many hands."""

    def clap() -> np.ndarray:
        length = round(0.012 * rate)
        burst = rng.standard_normal(length) * np.exp(-np.arange(length) / (0.003 * rate))
        return burst * rng.uniform(0.2, 1.0)

    claps = scattered(size, float(rng.uniform(30.0, 300.0)), rate, clap, rng)
    return banded(claps, rate, 500.0, 6000.0)


def crackle(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return the clicks of a record or a fire over a low noise."""
    clicks = scattered(
        size,
        float(rng.uniform(3.0, 60.0)),
        rate,
        lambda: (
            rng.standard_normal(round(rng.uniform(0.0005, 0.006) * rate)) * rng.exponential(0.5)
        ),
        rng,
    )
    return clicks + 0.05 * brown(size, rate, rng)


def motor(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return an engine: pulses at an unsteady rate through a resonance."""
    speed = rng.uniform(18.0, 80.0) * (1.0 + 0.3 * slow(size, rate, 0.2, rng))
    phase = np.cumsum(speed) / rate
    pulses = np.diff(np.floor(phase), prepend=0.0) * (1.0 + 0.2 * rng.standard_normal(size))
    body = ping(rate, rng.uniform(60.0, 200.0), 0.02)
    return np.convolve(pulses, body)[:size] + 0.05 * pink(size, rate, rng)


def static(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return radio static that fades in and out, with a whistle."""
    pitch = 400.0 + 1500.0 * slow(size, rate, 0.2, rng)
    whistle = np.sin(2.0 * np.pi * np.cumsum(pitch) / rate) * slow(size, rate, 0.3, rng)
    hiss = banded(white(size, rate, rng), rate, 300.0, 3500.0)
    return hiss * (0.3 + slow(size, rate, 1.0, rng)) + rng.uniform(0.0, 0.15) * whistle


def faint(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return near silence: noise or hum at -85 to -55 dB of full scale, at times digital zero."""
    if rng.random() < 0.2:
        return np.zeros(size)
    kind = [white, pink, brown, hum][int(rng.integers(4))]
    return peak_one(kind(size, rate, rng)) * 10.0 ** (rng.uniform(-85.0, -55.0) / 20.0)


def steady_tone(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return one tone that does not change: a sine, square or sawtooth wave."""
    phase = np.arange(size) / rate * 2.0 ** rng.uniform(6.0, 12.5)
    shape = int(rng.integers(4))
    if shape == 1:
        return banded(np.sign(np.sin(2.0 * np.pi * phase)), rate, 20.0, 12000.0)
    if shape == 2:
        return banded(2.0 * (phase % 1.0) - 1.0, rate, 20.0, 12000.0)
    return np.sin(2.0 * np.pi * phase)


def sweep(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a sine that glides over several octaves, once or again and again."""
    turns = int(rng.choice([1, 1, 2, 5, 12]))
    place = (np.arange(size) / size * turns) % 1.0
    if rng.random() < 0.5:
        place = 1.0 - np.abs(2.0 * place - 1.0)
    start, span = rng.uniform(5.5, 9.0), rng.uniform(1.0, 4.5)
    return np.sin(2.0 * np.pi * np.cumsum(2.0 ** (start + span * place)) / rate)


def beeps(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a tone that goes on and off, as an alarm or a busy line does."""
    period, duty = rng.uniform(0.2, 2.5), rng.uniform(0.1, 0.7)
    time = np.arange(size) / rate
    gate = np.clip(np.minimum(time % period, duty * period - time % period) * 200.0, 0.0, 1.0)
    tones = [2.0 ** rng.uniform(8.0, 11.8) for _ in range(int(rng.integers(1, 3)))]
    return gate * sum(np.sin(2.0 * np.pi * hertz * time) for hertz in tones)


def dialing(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return the pairs of tones of a telephone's keys, at random times."""
    samples, at = np.zeros(size), 0
    while at < size:
        length = round(rng.uniform(0.08, 0.3) * rate)
        time = np.arange(length) / rate
        pair = float(rng.choice([697, 770, 852, 941])), float(rng.choice([1209, 1336, 1477]))
        piece = sum(np.sin(2.0 * np.pi * hertz * time) for hertz in pair)[: size - at]
        samples[at : at + len(piece)] = piece
        at += length + round(rng.uniform(0.05, 0.8) * rate)
    return samples


NOISES: dict[str, Maker] = {
    "white": white,
    "pink": pink,
    "brown": brown,
    "band": band_noise,
    "hum": hum,
    "wind": wind,
    "rain": rain,
    "waves": waves,
    "applause": applause,
    "crackle": crackle,
    "motor": motor,
    "static": static,
}
TONES: dict[str, Maker] = {
    "steady": steady_tone,
    "sweep": sweep,
    "beeps": beeps,
    "dialing": dialing,
}
