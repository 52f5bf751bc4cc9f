"""The parts that are sung: solo lines, choirs in four voices, and rapped rhythms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from renders.arrange import Arrangement, bars_of, swung
from renders.score import Note, RenderError
from renders.voicing import in_range, split_voices, sustained

from sung.singing import RANGES, Sung, crowd, draw_manner, one_voice, sing
from sung.syllables import RATE, Syllable

#: A voice's syllables and the median pitch of its speech in Hz.
Bank = tuple[list[Syllable], float]
#: Ranges of soprano, alto, tenor and bass, and whose voice sings them.
CHOIR = [(60, 81, "female"), (53, 74, "female"), (47, 67, "male"), (40, 62, "male")]
#: Rapped bars of sixteenths; "X" is stressed.
FLOWS = [
    "X.x.X.xxX.x.X...",
    "XxxxX.x.XxxxX.x.",
    "..xxX.xxX.xxX.x.",
    "X..xX..xX..xX.x.",
    "xxX.xxX.xxX.X...",
    "X.xxX.xxX.xxX.xx",
    "..x.X.x...x.X.x.",
]


def to_sing(notes: list[Note], times: Callable[[float], float], seconds: float) -> list[Sung]:
    """Return notes in seconds, those inside an excerpt."""
    found = []
    for note in notes:
        start, end = max(0.0, times(note.start)), min(seconds, times(note.end))
        if end > start:
            found.append(Sung(start, end, float(note.pitch), note.velocity))
    return found


def solo(made: Arrangement, kind: str, bank: Bank, rng: np.random.Generator) -> np.ndarray:
    """Sing the lead of an arrangement.

    Parameters
    ----------
    made : Arrangement
        The arrangement, whose own lead does not play.
    kind : str
        ``male``, ``female`` or ``child``.
    bank : (list of Syllable, float)
        The voice.
    rng : numpy.random.Generator
        Source of all choices.

    Returns
    -------
    numpy.ndarray
        Samples at `sung.syllables.RATE`.

    Raises
    ------
    RenderError
        If the lead is silent most of the time.
    """
    lead, inner, _ = split_voices(made.pitched)
    lead = in_range(lead or inner, *RANGES[kind][:2])
    seconds = made.excerpt.seconds
    line = one_voice(to_sing(lead, made.excerpt.times(), seconds))
    if sum(note.end - note.start for note in line) < 0.35 * seconds:
        raise RenderError("too little to sing")
    manner = draw_manner(kind, bank[1], rng)
    samples = sing(line, bank[0], manner, seconds, rng)
    if rng.random() < 0.2:  # recorded twice
        samples = samples + 0.8 * crowd(samples, 2, rng)
    return samples


def choir(made: Arrangement, banks: list[Bank], rng: np.random.Generator) -> np.ndarray:
    """Sing an arrangement in four voices, each by many singers.

    Parameters
    ----------
    made : Arrangement
        The arrangement.
    banks : list of (list of Syllable, float)
        Voices, which take turns.
    rng : numpy.random.Generator
        Source of all choices.

    Returns
    -------
    numpy.ndarray
        Samples at `sung.syllables.RATE`.

    Raises
    ------
    RenderError
        If there is too little to sing.
    """
    lead, inner, bass = split_voices(sustained(made.pitched, 0.8))
    middle = float(np.median([note.pitch for note in inner])) if inner else 60.0
    lines = [lead, [n for n in inner if n.pitch >= middle], [n for n in inner if n.pitch < middle]]
    seconds, times = made.excerpt.seconds, made.excerpt.times()
    total, sung = np.zeros(round(seconds * RATE)), 0.0
    for number, ((low, high, kind), notes) in enumerate(zip(CHOIR, [*lines, bass], strict=True)):
        line = one_voice(to_sing(in_range(notes, low, high), times, seconds))
        if not line:
            continue
        sung += sum(note.end - note.start for note in line)
        bank = banks[number % len(banks)]
        samples = sing(line, bank[0], draw_manner(kind, bank[1], rng), seconds, rng)
        total += crowd(samples, int(rng.integers(4, 8)), rng) * rng.uniform(0.7, 1.0)
    if sung < 0.6 * seconds:
        raise RenderError("too little to sing")
    return total


def rap(made: Arrangement, kind: str, bank: Bank, rng: np.random.Generator) -> np.ndarray:
    """Speak syllables in the rhythm of an arrangement's bars.

    Parameters
    ----------
    made : Arrangement
        The arrangement: drums and bass.
    kind : str
        ``male``, ``female`` or ``child``.
    bank : (list of Syllable, float)
        The voice.
    rng : numpy.random.Generator
        Source of all choices.

    Returns
    -------
    numpy.ndarray
        Samples at `sung.syllables.RATE`.
    """
    excerpt, times = made.excerpt, made.excerpt.times()
    swing = float(made.truth["swing"])
    spoken = np.sqrt(RANGES[kind][2] * bank[1]) * rng.uniform(0.9, 1.2)
    base = 69.0 + 12.0 * np.log2(spoken / 440.0)
    line: list[Sung] = []
    flow = str(rng.choice(FLOWS))
    for number, (start, length) in enumerate(bars_of(excerpt)):
        if number % 2 == 0:
            flow = str(rng.choice(FLOWS))
        if number % 8 == 7 and rng.random() < 0.5:
            continue  # takes a breath
        for step in range(round(length * 4)):
            mark = flow[step % 16]
            if mark == ".":
                continue
            spots = [start + step * 0.25, start + step * 0.25 + rng.uniform(0.18, 0.27)]
            begin, stop = (times(swung(spot, swing, excerpt.start)) for spot in spots)
            fall = 3.0 * (0.5 - step / (length * 4.0))
            pitch = base + fall + (2.5 if mark == "X" else 0.0) + rng.normal(0.0, 0.8)
            late = rng.uniform(-0.01, 0.02)
            if stop < excerpt.seconds and begin + late > 0.0:
                loud = 95 if mark == "X" else 78
                line.append(Sung(begin + late, stop + late, float(pitch), loud))
    manner = replace(draw_manner(kind, bank[1], rng), vibrato=(5.0, 0.0, 1.0), glide=0.03)
    samples = sing(line, bank[0], manner, excerpt.seconds, rng)
    if rng.random() < 0.3:
        samples = samples + 0.5 * crowd(samples, 2, rng)
    return samples
