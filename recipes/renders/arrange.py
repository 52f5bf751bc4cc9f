"""Arrange an excerpt of a score: new sounds, tempo and key, perhaps drums and a bass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import mido
import numpy as np

from renders.excerpt import cut_excerpt, draw_bend, draw_factor
from renders.midi import DRUM_CHANNEL
from renders.patterns import ALL_PATTERNS, add_bass, add_drums, patterns_for
from renders.score import Excerpt, Note, RenderError, Score
from renders.truth import instrument_truth, key_truth, sounding_programs, tempo_truth

TICKS_PER_SECOND = 960  # 480 ticks per beat at 120 beats per minute
DRUM_KITS = [0, 8, 16, 24, 25, 32, 40]
BASS_PROGRAMS = [32, 33, 34, 35, 36, 37, 38, 39, 43, 58, 70, 87]


@dataclass
class Sounds:
    """What plays: notes by part, and each part's program.

    Attributes
    ----------
    notes : list of Note
        The notes, times in quarter notes, already transposed.
    programs : dict of int to int or None
        General MIDI program of each part (the kit for drums); None keeps the score's own.
    drums : set of int
        Parts on the drum channel.
    pattern : str
        Name of the drum pattern that was added, or empty.
    swing : float
        From 0 (even) to 1 (triplets).
    controls : bool
        Whether the score's own controls apply.
    """

    notes: list[Note] = field(default_factory=list)
    programs: dict[int, int | None] = field(default_factory=dict)
    drums: set[int] = field(default_factory=set)
    pattern: str = ""
    swing: float = 0.0
    controls: bool = True


#: Makes the sounds of an excerpt from it, its pitched notes (transposed) and a random generator.
Template = Callable[[Excerpt, list[Note], np.random.Generator], Sounds]


@dataclass(frozen=True)
class Arrangement:
    """A MIDI file, what is true of it (columns of the manifest), and the notes it is made from."""

    midi: mido.MidiFile
    truth: dict[str, str]
    excerpt: Excerpt
    pitched: list[Note]


def random_sounds(excerpt: Excerpt, pitched: list[Note], rng: np.random.Generator) -> Sounds:
    """Give every part a random program; at times keep the score's, add drums or a bass.

    Parameters
    ----------
    excerpt : Excerpt
        The excerpt.
    pitched : list of Note
        Its pitched notes, transposed.
    rng : numpy.random.Generator
        Source of all choices.

    Returns
    -------
    Sounds
        The sounds.
    """
    score = excerpt.score
    parts = len(score.drums)
    keep = rng.random() < 0.25
    names = patterns_for(score.meter_at(excerpt.start))
    with_drums, with_bass = rng.random() < 0.45 and bool(names), rng.random() < 0.3
    sounds = Sounds(drums={part for part in range(parts) if score.drums[part]} | {parts})
    levels = rng.uniform(0.65, 1.1, parts)
    sounds.notes = [
        replace(note, velocity=int(np.clip(note.velocity * levels[note.part], 25, 127)))
        for note in pitched
    ]
    bars = bars_of(excerpt)
    if with_drums:
        sounds.pattern = str(rng.choice(names))
        sounds.swing = ALL_PATTERNS[sounds.pattern][0]
        sounds.notes += add_drums(bars, parts, sounds.pattern, rng)
    else:
        sounds.notes += own_drums(excerpt)
    if with_bass and pitched:
        sounds.notes += add_bass(pitched, bars, parts + 1, rng)
    for part in range(parts + 2):
        if part in sounds.drums:
            program = None if keep and part < parts else int(rng.choice(DRUM_KITS))
        elif part > parts:
            program = int(rng.choice(BASS_PROGRAMS))
        else:  # 14 families, no noises
            program = None if keep else int(rng.integers(14)) * 8 + int(rng.integers(8))
        sounds.programs[part] = program
    return sounds


def own_sounds(excerpt: Excerpt, pitched: list[Note], rng: np.random.Generator) -> Sounds:
    """Keep the score's own programs and drums.

    Parameters
    ----------
    excerpt : Excerpt
        The excerpt.
    pitched : list of Note
        Its pitched notes, transposed.
    rng : numpy.random.Generator
        Not used.

    Returns
    -------
    Sounds
        The sounds.
    """
    parts = excerpt.score.drums
    return Sounds(
        notes=pitched + own_drums(excerpt),
        programs=dict.fromkeys(range(len(parts))),
        drums={part for part, drum in enumerate(parts) if drum},
    )


def bars_of(excerpt: Excerpt) -> list[tuple[float, float]]:
    """Return start and length of the excerpt's bars, in quarter notes."""
    last = excerpt.end()
    return [bar for bar in excerpt.score.bars() if excerpt.start <= bar[0] < last]


def own_drums(excerpt: Excerpt) -> list[Note]:
    """Return the excerpt's notes on the drum channel."""
    score, last = excerpt.score, excerpt.end()
    return [
        note
        for note in score.notes
        if score.drums[note.part] and excerpt.start - 0.1 <= note.start < last
    ]


def pitched_notes(excerpt: Excerpt, shift: int) -> list[Note]:
    """Return the excerpt's pitched notes, transposed.

    Parameters
    ----------
    excerpt : Excerpt
        The excerpt.
    shift : int
        Semitones.

    Returns
    -------
    list of Note
        The notes that begin or sound in it, ordered by start.
    """
    score, last = excerpt.score, excerpt.end()
    notes = []
    for note in score.notes:
        if not score.drums[note.part] and note.end > excerpt.start + 0.1 and note.start < last:
            pitch = note.pitch + shift
            pitch += 12 if pitch < 12 else -12 if pitch > 115 else 0
            notes.append(replace(note, pitch=pitch))
    if not notes:
        raise RenderError("no pitched notes")
    return notes


def swung(position: float, amount: float, origin: float) -> float:
    """Return a position with its off-beat eighths late.

    Parameters
    ----------
    position : float
        Position in quarter notes.
    amount : float
        From 0 (even) to 1 (triplets).
    origin : float
        A position on the beat.

    Returns
    -------
    float
        The position moved.

    Examples
    --------
    >>> swung(2.5, 0.6, 0.0)
    2.6
    """
    beat, rest = divmod(position - origin, 1.0)
    middle = 0.5 + amount / 6.0
    bent = rest * middle / 0.5 if rest < 0.5 else 1.0 - (1.0 - rest) * (1.0 - middle) / 0.5
    return origin + beat + bent


def to_midi(excerpt: Excerpt, sounds: Sounds) -> mido.MidiFile:
    """Write what plays as MIDI.

    Parameters
    ----------
    excerpt : Excerpt
        The excerpt.
    sounds : Sounds
        What plays in it.

    Returns
    -------
    mido.MidiFile
        One track at 960 ticks a second, half a second longer than the excerpt.
    """
    times, seconds = excerpt.times(), excerpt.seconds
    free = [number for number in range(16) if number != DRUM_CHANNEL]
    used = sorted({note.part for note in sounds.notes})
    melodic = [part for part in used if part not in sounds.drums]
    channels = {part: free[index % len(free)] for index, part in enumerate(melodic)}
    channels |= {part: DRUM_CHANNEL for part in used if part in sounds.drums}
    events: list[tuple[int, int, mido.Message]] = []
    for part, channel in channels.items():
        if (program := sounds.programs.get(part)) is not None:
            message = mido.Message("program_change", channel=channel, program=program)
            events.append((0, 0, message))
    last = excerpt.end()
    for at, part, message in excerpt.score.controls if sounds.controls else []:
        fixed = message.type == "program_change" and sounds.programs.get(part) is not None
        if part in channels and at < last and not fixed:
            tick = max(0, round(times(at) * TICKS_PER_SECOND))
            events.append((tick, 1, message.copy(channel=channels[part], time=0)))
    end = round((seconds + 0.5) * TICKS_PER_SECOND)
    for note in sounds.notes:
        spots = note.start, note.end
        if sounds.swing:
            spots = tuple(swung(spot, sounds.swing, excerpt.start) for spot in spots)
        begin, stop = (min(end, max(0, round(times(s) * TICKS_PER_SECOND))) for s in spots)
        fields = {"channel": channels[note.part], "note": note.pitch}
        if stop > begin:
            events.append((begin, 3, mido.Message("note_on", velocity=note.velocity, **fields)))
            events.append((stop, 2, mido.Message("note_off", velocity=0, **fields)))
    track, reached = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        if tick <= end:
            track.append(message.copy(time=tick - reached))
            reached = tick
    track.append(mido.MetaMessage("end_of_track", time=end - reached))
    return mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track])


def arrange(
    score: Score,
    seconds: float,
    share: tuple[float, float],
    template: Template,
    tempos: tuple[float, float],
    free: float,
    rng: np.random.Generator,
) -> Arrangement:
    """Arrange an excerpt of a score.

    Parameters
    ----------
    score : Score
        The score.
    seconds : float
        Length of the excerpt.
    share : (float, float)
        Part of the score, as fractions, in which the excerpt starts.
    template : callable
        Makes the sounds.
    tempos : (float, float)
        Range of the beat's tempo, beats per minute.
    free : float
        Probability of a free performance, whose tempo sways.
    rng : numpy.random.Generator
        Source of all choices.

    Returns
    -------
    Arrangement
        What to play, and its truth.
    """
    factor = draw_factor(score, tempos, rng)
    shift = int(rng.integers(-5, 7))
    excerpt = cut_excerpt(score, seconds, factor, share, rng)
    if rng.random() < free:
        excerpt = replace(excerpt, bend=draw_bend(rng))
    pitched = pitched_notes(excerpt, shift)
    sounds = template(excerpt, pitched, rng)
    midi = to_midi(excerpt, sounds)
    truth = {
        **tempo_truth(excerpt),
        "swing": f"{sounds.swing:g}",
        **key_truth(excerpt.score, excerpt.start, excerpt.end(), shift),
        **instrument_truth(sounding_programs(midi, seconds)),
        "pattern": sounds.pattern,
    }
    return Arrangement(midi, truth, excerpt, pitched)
