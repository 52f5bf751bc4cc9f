"""Drum patterns and bass lines that are added to scores."""

from __future__ import annotations

import bisect
from collections.abc import Iterator

import numpy as np

from renders.score import Meter, Note

KICK, RIM, SNARE, CLAP, CLOSED = 36, 37, 38, 39, 42
OPEN, CRASH, RIDE, TAMBOURINE, SHAKER, CLAVE = 46, 49, 51, 54, 70, 75
PEDAL, MUTED, CONGA = 44, 62, 63
#: Drum patterns: swing (0 to 1), then one string of sixteenths per drum; "X" is an accent.
PATTERNS: dict[str, tuple[float, dict[int, str]]] = {
    "rock": (
        0.0,
        {KICK: "X.......X.x.....", SNARE: "....X.......X...", CLOSED: "x.x.x.x.x.x.x.x."},
    ),
    "backbeat": (
        0.0,
        {KICK: "X.....x.x.......", SNARE: "....X.......X..x", RIDE: "X.x.X.x.X.x.X.x."},
    ),
    "disco": (
        0.0,
        {
            KICK: "X...X...X...X...",
            CLAP: "....X.......X...",
            OPEN: "..x...x...x...x.",
            CLOSED: "x..xx..xx..xx..x",
        },
    ),
    "house": (
        0.0,
        {KICK: "X...X...X...X...", SNARE: "....x..x....X...", SHAKER: "xxXxxxXxxxXxxxXx"},
    ),
    "hip-hop": (
        0.4,
        {KICK: "X..x......Xx....", SNARE: "....X.......X...", CLOSED: "x.x.x.xxx.x.x.x."},
    ),
    "shuffle": (
        1.0,
        {KICK: "X.....x.X.....x.", SNARE: "....X.......X...", RIDE: "X...x.x.X...x.x."},
    ),
    "bossa": (
        0.0,
        {KICK: "X..xX..xX..xX..x", RIM: "X..X..X...X..X..", CLOSED: "x.x.x.x.x.x.x.x."},
    ),
    "drum and bass": (
        0.0,
        {KICK: "X.........X.....", SNARE: "....X..x.x..X...", CLOSED: "x.x.x.x.x.x.x.x."},
    ),
    "half-time": (
        0.0,
        {KICK: "X.....x.....x...", SNARE: "........X.......", CLOSED: "x...x...x...x.x."},
    ),
    "son": (
        0.0,
        {CLAVE: "X..X..X...X.X...", KICK: "...x..X....x..X.", TAMBOURINE: "x.x.x.x.x.x.x.x."},
    ),
    "four on the floor": (
        0.0,
        {KICK: "X...X...X...X...", CLAP: "....X.......X...", OPEN: "..X...X...X...X."},
    ),
    "trap": (
        0.0,
        {KICK: "X......x..X.....", CLAP: "........X.......", CLOSED: "x.x.xxx.x.x.xxxx"},
    ),
    "boom bap": (
        0.5,
        {KICK: "X.x.......Xx....", SNARE: "....X.......X...", CLOSED: "x.x.x.x.x.x.x.x."},
    ),
    "one drop": (
        0.3,
        {KICK: "........X.......", RIM: "........X.......", CLOSED: "x.X.x.X.x.X.x.X."},
    ),
    "steppers": (
        0.2,
        {KICK: "X...X...X...X...", RIM: "........X.......", CLOSED: "..X...X...X...X."},
    ),
    "swing": (
        1.0,
        {RIDE: "X...X.x.X...X.x.", PEDAL: "....x.......x...", KICK: "x...x...x...x..."},
    ),
    "funk": (
        0.0,
        {KICK: "X.x...x...x..x..", SNARE: "....X..x.x..X..x", CLOSED: "x.x.x.x.x.x.x.x."},
    ),
    "congas": (
        0.0,
        {CONGA: "..x...xx..x...xx", MUTED: "....X.......X...", CLAVE: "X..X..X...X.X..."},
    ),
    "train": (
        0.0,
        {KICK: "X...X...X...X...", SNARE: "x.Xxx.Xxx.Xxx.Xx"},
    ),
    "double kick": (
        0.0,
        {KICK: "XxxxXxxxXxxxXxxx", SNARE: "....X.......X...", CRASH: "X.......X......."},
    ),
    "break": (
        0.0,
        {KICK: "X.x.......xx....", SNARE: "....X..x.x..X..x", RIDE: "x.x.x.x.x.x.x.x."},
    ),
}
#: Patterns of twelve sixteenths for bars of three quarters.
TRIPLE_PATTERNS: dict[str, tuple[float, dict[int, str]]] = {
    "waltz": (0.0, {KICK: "X...........", SNARE: "....x...x...", CLOSED: "x.x.x.x.x.x."}),
    "jazz waltz": (1.0, {KICK: "X.......x...", RIM: "....x.......", RIDE: "X...x.x.x..."}),
}
#: Patterns of twelve sixteenths for bars of dotted quarters (6/8, 9/8, 12/8).
COMPOUND_PATTERNS: dict[str, tuple[float, dict[int, str]]] = {
    "six-eight": (0.0, {KICK: "X.......x.x.", SNARE: "......X.....", CLOSED: "X.x.x.X.x.x."}),
    "slow six": (0.0, {KICK: "X...........", RIM: "......X.....", RIDE: "X.x.x.X.x.x."}),
}


ALL_PATTERNS = PATTERNS | TRIPLE_PATTERNS | COMPOUND_PATTERNS


def patterns_for(meter: Meter) -> list[str]:
    """Return the names of the patterns whose beat is the meter's; none fits 5/4 or 7/8.

    Parameters
    ----------
    meter : Meter
        The time signature.

    Returns
    -------
    list of str
        Names, in alphabetical order.
    """
    if meter.beat == 1.5:
        return sorted(COMPOUND_PATTERNS)
    if meter.beat == 1.0 and meter.numerator % 3 == 0:
        return sorted(TRIPLE_PATTERNS)
    if meter.beat == 1.0 and meter.numerator in (2, 4):
        return sorted(PATTERNS)
    return []


def add_drums(
    bars: list[tuple[float, float]], part: int, name: str, rng: np.random.Generator
) -> Iterator[Note]:
    """Yield the notes of a drum pattern, with uneven velocities.

    Parameters
    ----------
    bars : list of (float, float)
        Start and length of the bars to fill, in quarter notes.
    part : int
        The part that plays the pattern.
    name : str
        The pattern's name.
    rng : numpy.random.Generator
        Source of its unevenness.

    Yields
    ------
    Note
        A drum note, times in quarter notes.
    """
    _, voices = ALL_PATTERNS[name]
    level, spread = rng.uniform(0.85, 1.2), rng.uniform(3.0, 12.0)
    loose = rng.uniform(0.0, 0.02)
    crash = rng.random() < 0.5
    for number, (start, length) in enumerate(bars):
        if crash and number % 8 == 0:
            yield Note(start, start + 1.0, CRASH, min(127, int(95 * level)), part)
        for step in range(round(length * 4)):
            for drum, voice in voices.items():
                mark = voice[step % len(voice)]
                if mark == ".":
                    continue
                velocity = (112 if mark == "X" else 84) * level + rng.normal(0.0, spread)
                at = max(0.0, start + step * 0.25 + rng.normal(0.0, loose))
                yield Note(at, at + 0.2, drum, int(np.clip(velocity, 20, 127)), part)


def add_bass(
    notes: list[Note],
    bars: list[tuple[float, float]],
    part: int,
    rng: np.random.Generator,
    style: str | None = None,
) -> Iterator[Note]:
    """Yield a bass line on the lowest note of each bar.

    Parameters
    ----------
    notes : list of Note
        The pitched notes of the excerpt, ordered by their start, times in quarter notes.
    bars : list of (float, float)
        Start and length of the bars to fill, in quarter notes.
    part : int
        The part that plays the line.
    rng : numpy.random.Generator
        Source of the line's rhythm and velocity.
    style : str, optional
        ``long``, ``quarters``, ``octaves``, ``fifths``, ``eighths`` or ``off-beat``; drawn
        otherwise.

    Yields
    ------
    Note
        A bass note, times in quarter notes.
    """
    style = style or str(rng.choice(["long", "quarters", "octaves", "fifths", "eighths"]))
    velocity = int(rng.integers(75, 115))
    starts = [note.start for note in notes]
    for start, length in bars:
        inside = notes[
            bisect.bisect_left(starts, start - 0.05) : bisect.bisect_left(starts, start + length)
        ]
        if not inside:
            continue
        root = 28 + (min(note.pitch for note in inside) - 28) % 12
        step = {"long": length, "quarters": 1.0, "fifths": 1.0}.get(style, 0.5)
        late = 0.5 if style == "off-beat" else 0.0
        step = 1.0 if late else step
        for index in range(max(1, round(length / step))):
            pitch = root
            if style == "octaves" and index % 2:
                pitch += 12
            elif style == "fifths" and index % 2:
                pitch += 7
            at = start + late + index * step
            accent = 8 if index == 0 else int(rng.integers(-6, 4))
            yield Note(at, at + (step - late) * 0.9, pitch, min(127, velocity + accent), part)
