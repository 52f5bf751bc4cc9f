"""Ensembles: which programs take the lead, the inner voices, the bass, the chords and the drums."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from renders.arrange import Sounds, Template, bars_of
from renders.excerpt import TEMPOS
from renders.patterns import ALL_PATTERNS, add_bass, add_drums, patterns_for
from renders.score import Excerpt, Note
from renders.voicing import (
    chords_of,
    in_range,
    play_chords,
    split_voices,
    sustained,
    thinned,
)

#: Alternatives, one of which is drawn; all programs of one play the same notes together.
Programs = tuple[tuple[int, ...], ...]
TIMPANI = 47


@dataclass(frozen=True)
class Ensemble:
    """An arrangement template; what has no programs does not play.

    Attributes
    ----------
    everything : tuple of tuple of int
        Programs that play all notes; then the next three do not count.
    lead, inner, bass : tuple of tuple of int
        Programs of the score's own voices.
    desks : bool
        The programs of ``inner`` share the inner voices among them, high to low.
    chords : tuple of tuple of int
        Programs of an accompaniment made from the score's chords.
    styles : tuple of str
        How the chords are played.
    line : tuple of int
        Programs of a bass line made from the score.
    lines : tuple of str
        How it is played.
    patterns : tuple of str
        Drum patterns.
    kits : tuple of int
        Drum kits.
    drums : float
        Probability of drums.
    timpani : float
        Probability of timpani on the first beats.
    least : float
        Notes are held for so many quarter notes.
    grid : float
        Only notes on this grid of quarter notes are kept, if positive.
    compass : (int, int)
        Range of the lead, or of everything.
    """

    everything: Programs = ()
    lead: Programs = ()
    inner: Programs = ()
    bass: Programs = ()
    desks: bool = False
    chords: Programs = ()
    styles: tuple[str, ...] = ("pad",)
    line: tuple[int, ...] = ()
    lines: tuple[str, ...] = ("quarters",)
    patterns: tuple[str, ...] = ()
    kits: tuple[int, ...] = (0,)
    drums: float = 1.0
    timpani: float = 0.0
    least: float = 0.0
    grid: float = 0.0
    compass: tuple[int, int] = (55, 91)

    def __call__(self, excerpt: Excerpt, pitched: list[Note], rng: np.random.Generator) -> Sounds:
        """Return the sounds of an excerpt played by this ensemble."""
        sounds = Sounds(controls=False)
        notes = thinned(pitched, self.grid) if self.grid else pitched
        notes = sustained(notes or pitched, self.least) if self.least else notes
        if self.everything:
            self._play(sounds, in_range(notes, *self._wide()), self.everything, rng)
        else:
            lead, inner, bass = split_voices(notes)
            self._play(sounds, in_range(lead, *self.compass), self.lead, rng, 1.1)
            self._play_inner(sounds, in_range(inner, 45, 79), rng)
            self._play(sounds, in_range(bass, 28, 57), self.bass, rng)
        self._accompany(sounds, excerpt, pitched, rng)
        return sounds

    def _wide(self) -> tuple[int, int]:
        """Return the range of everything, at least two octaves wide."""
        return self.compass[0] - 12, self.compass[1]

    def _play(
        self,
        sounds: Sounds,
        notes: list[Note],
        programs: Programs,
        rng: np.random.Generator,
        level: float = 1.0,
    ) -> None:
        """Let each program of an alternative play the notes."""
        if not programs or not notes:
            return
        for program in programs[int(rng.integers(len(programs)))]:
            part = len(sounds.programs)
            sounds.programs[part] = program
            loud = level * rng.uniform(0.75, 1.05)
            sounds.notes += [
                replace(n, part=part, velocity=int(np.clip(n.velocity * loud, 25, 127)))
                for n in notes
            ]

    def _play_inner(self, sounds: Sounds, notes: list[Note], rng: np.random.Generator) -> None:
        """Let the inner voices be played together, or by desks one above the other."""
        if not self.desks or not self.inner:
            self._play(sounds, notes, self.inner, rng)
            return
        programs = self.inner[int(rng.integers(len(self.inner)))]
        bounds = np.quantile([n.pitch for n in notes] or [60], np.linspace(1, 0, len(programs) + 1))
        for number, program in enumerate(programs):
            above = np.inf if number == 0 else bounds[number]
            below = -np.inf if number == len(programs) - 1 else bounds[number + 1]
            own = [note for note in notes if below < note.pitch <= above]
            self._play(sounds, own, ((program,),), rng)

    def _accompany(
        self, sounds: Sounds, excerpt: Excerpt, pitched: list[Note], rng: np.random.Generator
    ) -> None:
        """Add chords, a bass line, timpani and drums."""
        bars = bars_of(excerpt)
        chords = chords_of(pitched, bars)
        if self.chords:
            style, velocity = str(rng.choice(self.styles)), int(rng.integers(60, 85))
            for program in self.chords[int(rng.integers(len(self.chords)))]:
                part = len(sounds.programs)
                sounds.programs[part] = program
                low = 40 if style.startswith("power") else int(rng.integers(52, 60))
                sounds.notes += play_chords(chords, style, low, part, velocity, rng)
        if self.line:
            part = len(sounds.programs)
            sounds.programs[part] = int(rng.choice(self.line))
            style = str(rng.choice(self.lines))
            sounds.notes += add_bass(pitched, bars, part, rng, style)
        if rng.random() < self.timpani:
            part = len(sounds.programs)
            sounds.programs[part] = TIMPANI
            sounds.notes += [
                Note(
                    c.start,
                    c.start + 0.5,
                    41 + (c.root - 41) % 12,
                    int(rng.integers(60, 110)),
                    part,
                )
                for c in chords
                if rng.random() < 0.7
            ]
        fitting = patterns_for(excerpt.score.meter_at(excerpt.start))
        if self.patterns and fitting and rng.random() < self.drums:
            part = len(sounds.programs)
            sounds.programs[part] = int(rng.choice(self.kits))
            sounds.drums = {part}
            wanted = [name for name in self.patterns if name in fitting] or fitting
            sounds.pattern = str(rng.choice(wanted))
            sounds.swing = ALL_PATTERNS[sounds.pattern][0]
            sounds.notes += add_drums(bars, part, sounds.pattern, rng)


@dataclass(frozen=True)
class Kind:
    """A template and when it is used.

    Attributes
    ----------
    sounds : callable
        Makes the sounds of an excerpt.
    weight : float
        How often it is drawn, relative to the others.
    tempos : (float, float)
        Range of the beat's tempo, beats per minute.
    free : float
        Probability of a performance whose tempo sways.
    collections : tuple of str
        Collections it is for; all if empty.
    """

    sounds: Template
    weight: float = 1.0
    tempos: tuple[float, float] = TEMPOS
    free: float = 0.0
    collections: tuple[str, ...] = ()
