"""Short pieces with a known beat, made up at random: patterns of drums, bass, chords and a tune.

They are cheaper than renders of scores, and hold what scores lack: bare metronomes, fast rock and
metal, ticking hi-hats over slow beats, swing at every tempo. Tempos are drawn around what people
write for each kind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["KINDS", "Pulse", "draw_tempo", "make_pulse"]

Hit = tuple[float, str, float]  # beat, voice, gain


@dataclass(frozen=True)
class Pulse:
    """A piece: samples [n] and the tempo (BPM)."""

    samples: np.ndarray
    bpm: float
    kind: str


def draw_tempo(rng: np.random.Generator) -> tuple[str, float]:
    """Draw the kind and tempo (BPM) of a piece: what `make_pulse` draws first."""
    kind = str(rng.choice(sorted(KINDS)))
    low, high = KINDS[kind][0]
    return kind, float(np.exp(rng.uniform(np.log(low), np.log(high))))


def make_pulse(rate: int, seconds: float, rng: np.random.Generator) -> Pulse:
    """Make a piece.

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
    Pulse
    """
    kind, bpm = draw_tempo(rng)
    length, hits = KINDS[kind][1](rng)
    swing = rng.choice([0.0, 0.0, 0.0, 0.5, 1.0]) if length % 1 == 0 and kind != "jig" else 0.0
    haste = rng.choice([0.0, 0.004, 0.012, 0.02])
    voices = {name: make(rate, rng) for name, make in VOICES.items()}
    mix = np.zeros(int((seconds + 4) * rate))
    root = int(rng.integers(36, 48))
    chords = rng.permutation([0, 5, 7, 9, 2])[: int(rng.choice([2, 4]))]
    change = float(rng.choice([1, 1, 1, 2, 0.5])) * length
    tune = int(rng.integers(12, 24))
    for cycle in range(int(seconds * bpm / 60 / length) + 1):
        for beat, voice, gain in hits:
            at = cycle * length + beat
            whole, part = divmod(at, 1.0)
            if swing and abs(part - 0.5) < 0.01:
                at = whole + 0.5 + swing / 6
            time = at * 60 / bpm + rng.uniform(0.0, haste)
            chord = int(chords[int(at / change) % len(chords)])
            if voice in ("bass", "chord", "tune", "pad"):
                tune = int(np.clip(tune + rng.choice([-2, -1, 0, 1, 2, 4, -4]), 12, 31))
                pitches = {"bass": [chord], "tune": [tune], "pad": [12 + chord, 16 + chord]}
                for pitch in pitches.get(voice, [12 + chord, 16 + chord, 19 + chord]):
                    place(mix, time * rate, voices[voice](root + pitch) * gain)
            else:
                place(mix, time * rate, voices[voice](0) * gain)
    mix = mix[: int(seconds * rate)]
    mix *= 0.5 / max(float(np.abs(mix).max()), 1e-9)
    return Pulse(mix + 10 ** rng.uniform(-5, -3) * rng.standard_normal(len(mix)), bpm, kind)


def place(mix: np.ndarray, at: float, sound: np.ndarray) -> None:
    """Add a sound to the mix."""
    start = int(at)
    if start < len(mix):
        part = sound[: len(mix) - start]
        mix[start : start + len(part)] += part


def _spread(voice: str, step: float, length: float, gain: float, start: float = 0.0) -> list[Hit]:
    return [(float(at), voice, gain) for at in np.arange(start, length - 1e-6, step)]


def _some(hits: list[Hit], share: float, rng: np.random.Generator) -> list[Hit]:
    return [hit for hit in hits if rng.random() < share]


def _band(rng: np.random.Generator, length: float, subdivisions: tuple[float, ...]) -> list[Hit]:
    """Return bass, chords and a tune over a bar."""
    hits: list[Hit] = []
    if rng.random() < 0.7:
        hits += _spread("bass", float(rng.choice([1, 0.5, 2, length])), length, 0.7)
    if rng.random() < 0.6:
        voice = str(rng.choice(["chord", "pad"]))
        hits += _spread(voice, float(rng.choice([1, 2, length, 0.5])), length, 0.25)
    if rng.random() < 0.6:
        step = float(rng.choice(subdivisions))
        hits += _some(_spread("tune", step, 2 * length, 0.35), rng.uniform(0.4, 0.9), rng)
    return [hit for hit in hits if hit[0] < length]


def metronome(rng: np.random.Generator) -> tuple[float, list[Hit]]:
    """Clicks alone, all alike or the first of a bar louder."""
    length = float(rng.choice([1, 2, 3, 4]))
    voice = str(rng.choice(["click", "hat", "kick", "snare"]))
    first = rng.choice([1.0, 1.0, 2.0])
    return length, [(0.0, voice, 0.5 * first), *_spread(voice, 1.0, length, 0.5, 1.0)]


def rock(rng: np.random.Generator) -> tuple[float, list[Hit]]:
    """Kick, backbeat and hi-hats on quarters, eighths or sixteenths."""
    kicks = [float(k) for k in rng.choice([0, 0.5, 1.5, 2, 2.5, 3.5], 3, replace=False)]
    hits = [(k, "kick", 0.9) for k in {0.0, *kicks}]
    hits += [(1.0, "snare", 0.7), (3.0, "snare", 0.7)]
    hits += _spread(
        "hat", float(rng.choice([0.5, 0.5, 0.5, 1.0, 0.25])), 4.0, rng.uniform(0.05, 0.4)
    )
    return 4.0, hits + _band(rng, 4.0, (0.5, 1.0))


def fast_rock(rng: np.random.Generator) -> tuple[float, list[Hit]]:
    """Return a backbeat at high speed: kicks on all other eighths, chugging chords."""
    hits = [(1.0, "snare", 0.7), (3.0, "snare", 0.7)]
    kicks = _spread("kick", float(rng.choice([0.5, 0.5, 1.0])), 4.0, 0.7)
    hits += [hit for hit in kicks if hit[0] not in (1.0, 3.0)]
    hits += _spread("hat", float(rng.choice([0.5, 1.0])), 4.0, rng.uniform(0.05, 0.4))
    hits += _some(_spread("chord", 0.5, 4.0, 0.3), rng.uniform(0.5, 1.0), rng)
    return 4.0, hits


def slow_rock(rng: np.random.Generator) -> tuple[float, list[Hit]]:
    """Return a slow backbeat under hi-hats on sixteenths or eighths."""
    hits = [(0.0, "kick", 0.9), (1.0, "snare", 0.7), (2.0, "kick", 0.9), (3.0, "snare", 0.7)]
    hits += _some(_spread("kick", 0.25, 4.0, 0.6), 0.12, rng)
    hits += _spread("hat", float(rng.choice([0.25, 0.5, 0.5])), 4.0, rng.uniform(0.05, 0.4))
    return 4.0, hits + _band(rng, 4.0, (0.25, 0.5))


def house(rng: np.random.Generator) -> tuple[float, list[Hit]]:
    """Four on the floor, hi-hats between, stabs."""
    hits = _spread("kick", 1.0, 4.0, 0.9) + _spread("hat", 1.0, 4.0, 0.3, 0.5)
    hits += [(1.0, "snare", 0.5), (3.0, "snare", 0.5)] if rng.random() < 0.7 else []
    hits += _some(_spread("chord", 0.25, 4.0, 0.25), 0.35, rng)
    hits += _some(_spread("bass", 0.25, 4.0, 0.4), rng.uniform(0.2, 0.8), rng)
    return 4.0, hits


def breaks(rng: np.random.Generator) -> tuple[float, list[Hit]]:
    """Drum and bass: kick on 1 and 3.5, snare on 2 and 4."""
    hits = [(0.0, "kick", 0.9), (2.5, "kick", 0.8), (1.0, "snare", 0.7), (3.0, "snare", 0.7)]
    hits += _some(_spread("snare", 0.25, 4.0, 0.15), 0.2, rng)
    hits += _spread("hat", 0.5, 4.0, 0.25) + _spread("bass", float(rng.choice([2, 4])), 4.0, 0.6)
    return 4.0, hits


def picking(rng: np.random.Generator) -> tuple[float, list[Hit]]:
    """Broken chords over a bass: piano or guitar alone."""
    step = float(rng.choice([0.5, 0.5, 0.25]))
    hits = _spread("tune", step, 4.0, 0.3) + _spread("bass", float(rng.choice([2, 4, 1])), 4.0, 0.6)
    hits += [(at, "tune", 0.5) for at in (0.0, 1.5, 3.0)] if rng.random() < 0.5 else []
    return 4.0, _some(hits, rng.uniform(0.85, 1.0), rng)


def march(rng: np.random.Generator) -> tuple[float, list[Hit]]:
    """Bass on the beat, chords off it."""
    hits = _spread("bass", 1.0, 2.0, 0.7) + _spread("chord", 1.0, 2.0, 0.3, 0.5)
    return 2.0, hits + _some(_spread("tune", float(rng.choice([0.5, 0.25])), 2.0, 0.4), 0.7, rng)


def waltz(rng: np.random.Generator) -> tuple[float, list[Hit]]:
    """Bass on one, chords on two and three."""
    hits = [(0.0, "bass", 0.8), (1.0, "chord", 0.35), (2.0, "chord", 0.35)]
    return 3.0, hits + _some(_spread("tune", float(rng.choice([0.5, 1.0])), 3.0, 0.4), 0.7, rng)


def jig(rng: np.random.Generator) -> tuple[float, list[Hit]]:
    """Two beats of three eighths each."""
    third = 1 / 3
    hits = _some(_spread("tune", third, 2.0, 0.45), rng.uniform(0.7, 1.0), rng)
    hits += _spread("bass", 1.0, 2.0, 0.6) if rng.random() < 0.7 else []
    hits += _spread("chord", third, 2.0, 0.15) if rng.random() < 0.3 else []
    if rng.random() < 0.4:
        hits += [(0.0, "kick", 0.8), (1.0, "snare", 0.6), *_spread("hat", third, 2.0, 0.2)]
    return 2.0, hits


def walking(rng: np.random.Generator) -> tuple[float, list[Hit]]:
    """Return a walking bass and a swinging ride cymbal."""
    late = rng.uniform(0.58, 0.7)
    hits = _spread("bass", 1.0, 4.0, 0.7) + [(1.0, "hat", 0.2), (3.0, "hat", 0.2)]
    hits += [(at, "hat", 0.25) for at in (0.0, 1.0, 1.0 + late, 2.0, 3.0, 3.0 + late)]
    hits += _some([(at + late, "chord", 0.25) for at in range(4)], 0.4, rng)
    return 4.0, hits + _some(
        [(at / 2 + (at % 2) * (late - 0.5), "tune", 0.4) for at in range(8)], 0.6, rng
    )


def chorale(rng: np.random.Generator) -> tuple[float, list[Hit]]:
    """Held chords on each beat, some of them passing."""
    hits = _spread("pad", 1.0, 4.0, 0.4) + _spread("bass", 1.0, 4.0, 0.3)
    return 4.0, _some(hits, 0.9, rng) + _some(_spread("tune", 0.5, 4.0, 0.2), 0.3, rng)


Pattern = Callable[[np.random.Generator], tuple[float, list[Hit]]]
#: Kinds: range of tempos (BPM) and pattern.
KINDS: dict[str, tuple[tuple[float, float], Pattern]] = {
    "metronome": ((50, 200), metronome),
    "rock": ((84, 160), rock),
    "fast rock": ((140, 195), fast_rock),
    "slow rock": ((58, 90), slow_rock),
    "house": ((110, 140), house),
    "breaks": ((155, 182), breaks),
    "picking": ((58, 118), picking),
    "march": ((84, 140), march),
    "waltz": ((80, 190), waltz),
    "jig": ((80, 140), jig),
    "walking": ((100, 215), walking),
    "chorale": ((55, 110), chorale),
}


def _drum(
    rate: int, rng: np.random.Generator, low: float, decay: float, noise: float
) -> np.ndarray:
    t = np.arange(int(min(0.5, 7 / decay) * rate)) / rate
    tone = np.sin(2 * np.pi * (low * t + low / 12 * (1 - np.exp(-30 * t))))
    hiss = np.diff(rng.standard_normal(len(t) + 1)) if low > 1000 else rng.standard_normal(len(t))
    return ((1 - noise) * tone + noise * hiss) * np.exp(-decay * t)


def _fixed(
    low: tuple[float, float], decay: tuple[float, float], noise: float
) -> Callable[[int, np.random.Generator], Callable[[int], np.ndarray]]:
    def voice(rate: int, rng: np.random.Generator) -> Callable[[int], np.ndarray]:
        sound = _drum(rate, rng, rng.uniform(*low), rng.uniform(*decay), noise)
        return lambda pitch: sound

    return voice


def _pitched(
    seconds: tuple[float, float], attack: tuple[float, float], decay: tuple[float, float]
) -> Callable[[int, np.random.Generator], Callable[[int], np.ndarray]]:
    def voice(rate: int, rng: np.random.Generator) -> Callable[[int], np.ndarray]:
        length, rise, fall = rng.uniform(*seconds), rng.uniform(*attack), rng.uniform(*decay)
        slope = rng.uniform(0.8, 2.0)
        t = np.arange(int(length * rate)) / rate
        shape = np.minimum(t / rise, 1.0) * np.minimum((length - t) / 0.05, 1.0) * np.exp(-fall * t)
        known: dict[int, np.ndarray] = {}

        def play(pitch: int) -> np.ndarray:
            if pitch not in known:
                hz = 440 * 2 ** ((pitch - 69) / 12)
                tones = [k**-slope * np.sin(2 * np.pi * k * hz * t) for k in range(1, 9)]
                known[pitch] = np.sum(tones, axis=0) * shape
            return known[pitch]

        return play

    return voice


VOICES = {
    "click": _fixed((800, 2500), (60, 200), 0.0),
    "kick": _fixed((42, 65), (9, 20), 0.02),
    "snare": _fixed((150, 230), (14, 28), 0.6),
    "hat": _fixed((6000, 7500), (30, 90), 1.0),
    "bass": _pitched((0.2, 0.6), (0.004, 0.02), (1.0, 5.0)),
    "chord": _pitched((0.15, 0.5), (0.003, 0.02), (1.0, 6.0)),
    "tune": _pitched((0.2, 0.5), (0.003, 0.08), (1.0, 5.0)),
    "pad": _pitched((0.4, 1.0), (0.05, 0.2), (0.0, 0.5)),
}
