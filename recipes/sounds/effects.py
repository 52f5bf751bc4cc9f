"""Sound effects as games and films have them, at random times with pauses between."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sounds.noises import Maker, banded, brown, peak_one, ping, slow, white

#: Makes one sound at a sample rate.
One = Callable[[int, np.random.Generator], np.ndarray]


def _fading(rate: int, decay: float, rng: np.random.Generator) -> np.ndarray:
    """Return white noise that dies away, for six times its decay in seconds."""
    size = round(6.0 * decay * rate)
    return rng.standard_normal(size) * np.exp(-np.arange(size) / (decay * rate))


def explosion(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a blast with a rumble after it."""
    blast = _fading(rate, rng.uniform(0.1, 0.6), rng)
    return banded(blast, rate, 20.0, rng.uniform(200.0, 1500.0)) * 3.0 + 0.1 * blast


def shot(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a shot."""
    return banded(_fading(rate, rng.uniform(0.01, 0.08), rng), rate, 100.0, 9000.0)


def burst(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return several shots in quick succession."""
    gap, count = round(rng.uniform(0.06, 0.14) * rate), int(rng.integers(3, 12))
    one = shot(rate, rng)
    samples = np.zeros(gap * count + len(one))
    for index in range(count):
        samples[index * gap : index * gap + len(one)] += one * rng.uniform(0.7, 1.0)
    return samples


def laser(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a tone that falls fast."""
    time = np.arange(round(rng.uniform(0.1, 0.5) * rate)) / rate
    pitch = rng.uniform(800.0, 4000.0) * np.exp(-time * rng.uniform(3.0, 15.0))
    return np.sin(2.0 * np.pi * np.cumsum(pitch) / rate) * np.exp(-time * 6.0)


def knock(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return two to five knocks on wood."""
    gap = round(rng.uniform(0.12, 0.35) * rate)
    one = ping(rate, rng.uniform(120.0, 500.0), 0.02)
    one = one + 0.5 * np.pad(_fading(rate, 0.004, rng), (0, len(one)))[: len(one)]
    count = int(rng.integers(2, 6))
    samples = np.zeros(gap * count + len(one))
    for index in range(count):
        samples[index * gap : index * gap + len(one)] += one * rng.uniform(0.6, 1.0)
    return samples


def steps(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return footsteps on gravel or a floor."""
    gap, count = rng.uniform(0.4, 0.7) * rate, int(rng.integers(4, 12))
    top = rng.uniform(600.0, 5000.0)
    samples = np.zeros(round(gap * (count + 1)))
    for index in range(count):
        at = round(gap * (index + rng.normal(0.0, 0.03))) if index else 0
        one = banded(_fading(rate, rng.uniform(0.01, 0.04), rng), rate, 80.0, top)
        one = one[: len(samples) - at]
        samples[at : at + len(one)] += one * rng.uniform(0.6, 1.0)
    return samples


def blip(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a short sound of an interface."""
    time = np.arange(round(rng.uniform(0.03, 0.15) * rate)) / rate
    tone = np.sin(
        2.0 * np.pi * rng.uniform(400.0, 3000.0) * (1.0 + rng.uniform(-1, 3) * time) * time
    )
    return tone * np.exp(-time * 20.0)


def glass(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return something that shatters."""
    samples = 0.5 * _fading(rate, 0.3, rng)
    for _ in range(40):
        one = ping(rate, rng.uniform(2000.0, 11000.0), rng.uniform(0.005, 0.05))
        at = int(rng.exponential(0.15) * rate)
        one = one[: max(0, len(samples) - at)]
        samples[at : at + len(one)] += one * rng.uniform(0.1, 0.7)
    return banded(samples, rate, 1000.0, 14000.0)


def clang(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return metal that is struck: partials in no harmonic relation."""
    base, decay = rng.uniform(200.0, 1500.0), rng.uniform(0.05, 0.4)
    pings = [ping(rate, base * ratio, decay / ratio) for ratio in (1.0, 1.47, 2.09, 2.56, 3.7, 5.1)]
    samples = np.zeros(max(map(len, pings)))
    for one in pings:
        samples[: len(one)] += one * rng.uniform(0.3, 1.0)
    return samples


def whoosh(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return something that flies past."""
    size = round(rng.uniform(0.3, 1.2) * rate)
    return banded(white(size, rate, rng), rate, 300.0, 5000.0) * np.hanning(size) ** 2


def thunder(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return thunder that rolls."""
    size = round(rng.uniform(3.0, 6.0) * rate)
    envelope = np.exp(-np.arange(size) / (1.2 * rate)) * slow(size, rate, 3.0, rng)
    return banded(brown(size, rate, rng), rate, 25.0, 500.0) * envelope


def siren(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a siren that rises and falls, or changes between two tones."""
    time = np.arange(round(rng.uniform(3.0, 6.0) * rate)) / rate
    low, speed = rng.uniform(400.0, 800.0), rng.uniform(0.3, 3.0)
    wave = np.sin(2.0 * np.pi * speed * time)
    pitch = low * (1.4 + 0.4 * (np.sign(wave) if rng.random() < 0.5 else wave))
    return np.tanh(3.0 * np.sin(2.0 * np.pi * np.cumsum(pitch) / rate))


def drops(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a drop of water that falls into water."""
    time = np.arange(round(0.12 * rate)) / rate
    pitch = rng.uniform(500.0, 1500.0) * (1.0 + 6.0 * time)
    return np.sin(2.0 * np.pi * np.cumsum(pitch) / rate) * np.exp(-time * 40.0)


def bark(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return one to three barks or growls of a beast."""
    pieces = []
    for _ in range(int(rng.integers(1, 4))):
        time = np.arange(round(rng.uniform(0.12, 0.5) * rate)) / rate
        pitch = rng.uniform(90.0, 450.0) * (1.0 + 0.4 * np.sin(np.pi * time / time[-1]))
        phase = np.cumsum(pitch) / rate
        rough = (2.0 * (phase % 1.0) - 1.0) * (1.0 + 0.6 * rng.standard_normal(len(time)))
        one = banded(rough, rate, 300.0, 2500.0) * np.hanning(len(time))
        pieces += [one, np.zeros(round(rng.uniform(0.05, 0.3) * rate))]
    return np.concatenate(pieces)


def creak(rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return a door that creaks."""
    size = round(rng.uniform(0.5, 2.0) * rate)
    pulses = np.diff(
        np.floor(np.cumsum(20.0 + 120.0 * slow(size, rate, 2.0, rng)) / rate), prepend=0
    )
    body = ping(rate, rng.uniform(500.0, 1800.0), 0.004)
    return np.convolve(pulses * (0.6 + 0.4 * rng.random(size)), body)[:size]


ONES: dict[str, One] = {
    "explosion": explosion,
    "shot": shot,
    "burst": burst,
    "laser": laser,
    "knock": knock,
    "steps": steps,
    "blip": blip,
    "glass": glass,
    "clang": clang,
    "whoosh": whoosh,
    "thunder": thunder,
    "siren": siren,
    "drops": drops,
    "bark": bark,
    "creak": creak,
}


def repeated(one: One) -> Maker:
    """Return a maker of a sound that comes again and again, each time a little different."""

    def make(size: int, rate: int, rng: np.random.Generator) -> np.ndarray:
        samples = rng.uniform(0.0, 0.02) * brown(size, rate, rng)
        at, pause = 0, rng.uniform(0.2, 2.5)
        while at < size:
            piece = peak_one(one(rate, rng))[: size - at] * rng.uniform(0.4, 1.0)
            samples[at : at + len(piece)] += piece
            at += len(piece) + round(rng.exponential(pause) * rate)
        return samples

    return make


EFFECTS: dict[str, Maker] = {name: repeated(one) for name, one in ONES.items()}
