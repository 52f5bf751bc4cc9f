"""Take a score's notes apart into lead, inner voices and bass, and find and play its chords."""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from renders.score import Note

#: How chords are played: which tones ("all", "low" root and fifth, "arpeggio"), length of a note
#: in quarter notes (0 holds until the next), and sixteenths as in drum patterns.
CHORD_STYLES: dict[str, tuple[str, float, str]] = {
    "pad": ("all", 0.0, "X..............."),
    "off-beat": ("all", 0.22, "..X...X...X...X."),
    "power": ("low", 0.45, "X.x.x.x.X.x.x.x."),
    "power held": ("low", 0.0, "X.......X.....x."),
    "stabs": ("all", 0.3, "X..x..x...x..x.."),
    "four stabs": ("all", 0.4, "..X...X...X...X."),
    "strum": ("all", 0.0, "X...x.x...x.x.x."),
    "comp": ("all", 0.4, "X.....x.....x..."),
    "bossa": ("all", 0.3, "X..x..X...x..x.."),
    "picking": ("arpeggio", 0.9, "X.x.x.x.X.x.x.x."),
    "sixteenths": ("arpeggio", 0.24, "XxxxXxxxXxxxXxxx"),
    "montuno": ("all", 0.22, "X.xx.x.xx.x.xx.x"),
    "funk": ("all", 0.15, "X..x..x..xx..x.x"),
    "quarters": ("all", 0.7, "x...X...x...X..."),
}


class Chord(NamedTuple):
    """A chord that sounds for one bar, times in quarter notes."""

    start: float
    length: float
    root: int
    minor: bool

    @property
    def tones(self) -> list[int]:
        """Pitch classes of root, third and fifth."""
        return [self.root, (self.root + 3 + (not self.minor)) % 12, (self.root + 7) % 12]


def split_voices(notes: list[Note]) -> tuple[list[Note], list[Note], list[Note]]:
    """Take notes apart into lead, inner voices and bass.

    Parameters
    ----------
    notes : list of Note
        Pitched notes, ordered by start.

    Returns
    -------
    (list of Note, list of Note, list of Note)
        The lead is the highest part that plays one note at a time, or else the top notes; the
        bass are the lowest notes of the rest below middle C.
    """
    lead = _lead_part(notes)
    top, inner, bass = [], [], []
    groups: dict[float, list[Note]] = defaultdict(list)
    for note in notes:
        groups[round(note.start * 8) / 8].append(note)
    reached = -1.0
    for _, group in sorted(groups.items()):
        rest = [note for note in group if note.part != lead]
        top += [note for note in group if note.part == lead]
        rest.sort(key=lambda note: note.pitch)
        if lead is None and rest and (rest[-1].pitch >= 60 or rest[-1].start >= reached):
            reached = rest[-1].end
            top.append(rest.pop())
        if rest and rest[0].pitch < 60:
            bass.append(rest.pop(0))
        inner += rest
    return top, inner, bass


def _lead_part(notes: list[Note]) -> int | None:
    """Return the highest part that mostly plays one note at a time, if there is more than one."""
    parts: dict[int, list[Note]] = defaultdict(list)
    for note in notes:
        parts[note.part].append(note)
    best: tuple[float, int] | None = None
    for part, own in parts.items():
        overlaps = sum(a.end > b.start + 0.1 for a, b in zip(own, own[1:], strict=False))
        pitch = float(np.mean([note.pitch for note in own]))
        busy = sum(note.end - note.start for note in own)
        span = notes[-1].start - notes[0].start + 1.0
        if overlaps < 0.15 * len(own) and busy > 0.35 * span and pitch > 57.0:
            best = max(best or (0.0, part), (pitch, part))
    return best[1] if best is not None and len(parts) > 1 else None


def in_range(notes: list[Note], low: int, high: int) -> list[Note]:
    """Move a line by octaves into a range, and then single notes that still lie outside."""
    if not notes:
        return []
    middle = float(np.median([note.pitch for note in notes]))
    shift = 12 * round(((low + high) / 2.0 - middle) / 12.0) if not low <= middle <= high else 0
    moved = []
    for note in notes:
        pitch = note.pitch + shift
        while pitch < low:
            pitch += 12
        while pitch > high:
            pitch -= 12
        moved.append(replace(note, pitch=pitch))
    return moved


def sustained(notes: list[Note], least: float) -> list[Note]:
    """Hold notes for at least so many quarter notes, but not into the next of the same pitch."""
    following: dict[int, float] = {}
    held = []
    for note in reversed(notes):
        stop = max(note.end, min(note.start + least, following.get(note.pitch, np.inf)))
        following[note.pitch] = note.start
        held.append(replace(note, end=stop))
    return held[::-1]


def thinned(notes: list[Note], grid: float) -> list[Note]:
    """Keep the notes that begin on a grid of so many quarter notes."""
    return [note for note in notes if abs(note.start / grid - round(note.start / grid)) < 0.05]


def chords_of(notes: list[Note], bars: list[tuple[float, float]]) -> list[Chord]:
    """Return the triad that each bar resembles most.

    Parameters
    ----------
    notes : list of Note
        Pitched notes, ordered by start.
    bars : list of (float, float)
        Start and length of the bars.

    Returns
    -------
    list of Chord
        One for each bar with notes.
    """
    starts = [note.start for note in notes]
    chords = []
    for start, length in bars:
        first = bisect.bisect_left(starts, start - 8.0)
        last = bisect.bisect_left(starts, start + length - 0.1)
        histogram = np.zeros(12)
        inside = [note for note in notes[first:last] if note.end > start + 0.05]
        for note in inside:
            span = min(note.end, start + length) - max(note.start, start)
            histogram[note.pitch % 12] += max(span, 0.0)
        if not inside:
            continue
        lowest = min(inside, key=lambda note: (note.pitch, note.start)).pitch % 12
        histogram[lowest] *= 1.5
        triads = [Chord(start, length, root, minor) for root in range(12) for minor in (0, 1)]
        chords.append(max(triads, key=lambda chord: _fit(histogram, chord, lowest)))
    return chords


def _fit(histogram: np.ndarray, chord: Chord, lowest: int) -> float:
    """Return how well a triad fits, the root in the bass a little better."""
    root = 0.2 * histogram.sum() if chord.root == lowest else 0.0
    return float(histogram[chord.tones].sum() + 0.3 * histogram[chord.root] + root)


def play_chords(
    chords: list[Chord], style: str, low: int, part: int, velocity: int, rng: np.random.Generator
) -> Iterator[Note]:
    """Yield the notes of an accompaniment.

    Parameters
    ----------
    chords : list of Chord
        The harmony.
    style : str
        One of `CHORD_STYLES`.
    low : int
        Lowest pitch.
    part : int
        The part that plays.
    velocity : int
        How strong; single notes differ a little.
    rng : numpy.random.Generator
        Source of the differences.

    Yields
    ------
    Note
        A note.
    """
    tones, hold, pattern = CHORD_STYLES[style]
    for chord in chords:
        pitches = sorted(low + (tone - low) % 12 for tone in chord.tones)
        if tones == "low":
            root = low + (chord.root - low) % 12
            pitches = [root, root + 7, root + 12]
        elif tones == "arpeggio":
            pitches += [pitch + 12 for pitch in pitches[:2]]
        steps = [s for s in range(round(chord.length * 4)) if pattern[s % 16] != "."]
        for count, (step, following) in enumerate(
            zip(steps, [*steps[1:], round(chord.length * 4)], strict=True)
        ):
            at = chord.start + step * 0.25
            length = hold or (following - step) * 0.25
            accent = 8 if pattern[step % 16] == "X" else 0
            chosen = [pitches[count % len(pitches)]] if tones == "arpeggio" else pitches
            for number, pitch in enumerate(chosen):
                late = 0.012 * number if style == "strum" else 0.0
                loud = int(np.clip(velocity + accent + rng.normal(0.0, 5.0), 20, 127))
                yield Note(at + late, at + length, pitch, loud, part)
