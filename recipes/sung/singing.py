"""Sing a line of notes with the syllables of a voice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyworld

from sung.syllables import FRAME, RATE, Syllable

#: Lowest and highest pitch of each kind of voice, and the mean pitch in Hz of its speech.
RANGES = {"male": (45, 65, 115.0), "female": (57, 79, 205.0), "child": (60, 81, 270.0)}


@dataclass(frozen=True)
class Sung:
    """A note to sing, times in seconds."""

    start: float
    end: float
    pitch: float
    velocity: int = 80


@dataclass(frozen=True)
class Manner:
    """How a voice sings.

    Attributes
    ----------
    formants : float
        Factor on the frequencies of the vocal tract: below 1 larger, above 1 smaller.
    vibrato : (float, float, float)
        Rate in Hz, depth in semitones, and seconds until it has grown.
    glide : float
        Seconds from one pitch to the next.
    scoop : float
        Semitones below a phrase's first note from which it is reached.
    breath : float
        Share of noise that is added, from 0 to 1.
    drift : float
        How far it is out of tune, in semitones.
    """

    formants: float = 1.0
    vibrato: tuple[float, float, float] = (5.5, 0.4, 0.3)
    glide: float = 0.08
    scoop: float = 0.5
    breath: float = 0.05
    drift: float = 0.1


def draw_manner(kind: str, spoken: float, rng: np.random.Generator) -> Manner:
    """Draw a way to sing.

    Parameters
    ----------
    kind : str
        ``male``, ``female`` or ``child``.
    spoken : float
        Median pitch in Hz of the speech that the syllables are from.
    rng : numpy.random.Generator
        Source of all choices.

    Returns
    -------
    Manner
        The manner; vocal tracts grow as speech gets lower, by the cube root of the pitch.
    """
    formants = (RANGES[kind][2] / spoken) ** (1.0 / 3.0) * rng.uniform(0.94, 1.06)
    straight = rng.random() < 0.25
    return Manner(
        formants=float(np.clip(formants, 0.78, 1.4)),
        vibrato=(
            float(rng.uniform(4.8, 6.6)),
            0.0 if straight else float(rng.uniform(0.15, 0.8)),
            float(rng.uniform(0.15, 0.5)),
        ),
        glide=float(rng.uniform(0.04, 0.14)),
        scoop=float(rng.uniform(0.0, 2.0)),
        breath=float(rng.uniform(0.0, 0.25)),
        drift=float(rng.uniform(0.03, 0.15)),
    )


def one_voice(notes: list[Sung]) -> list[Sung]:
    """Return the notes that one voice can sing: the highest of each chord, none under 0.09 s."""
    line: list[Sung] = []
    for note in sorted(notes, key=lambda note: (note.start, -note.pitch)):
        if line and note.start - line[-1].start < 0.09:
            continue
        if line and line[-1].end > note.start:
            line[-1] = Sung(line[-1].start, note.start, line[-1].pitch, line[-1].velocity)
        if note.end - note.start >= 0.05:
            line.append(note)
    return line


def sing(
    notes: list[Sung],
    syllables: list[Syllable],
    manner: Manner,
    seconds: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Sing a line.

    Parameters
    ----------
    notes : list of Sung
        Notes one after the other.
    syllables : list of Syllable
        The voice; one is drawn for each note.
    manner : Manner
        How it sings.
    seconds : float
        Length of the result.
    rng : numpy.random.Generator
        Source of syllables and unevenness.

    Returns
    -------
    numpy.ndarray
        Samples at `RATE`.
    """
    frames, bins = round(seconds / FRAME), syllables[0].spectrum.shape[1]
    spectrum, noise = np.full((frames, bins), 1e-12), np.ones((frames, bins))
    voiced = np.zeros(frames, dtype=bool)
    for note in notes:
        first, last = round(note.start / FRAME), min(round(note.end / FRAME), frames)
        if last - first < 8 or first < 0:
            continue
        unit = syllables[int(rng.integers(len(syllables)))]
        where = stretched(unit, last - first, rng)
        level = (note.velocity / 90.0) ** 2 * _envelope(last - first, rng)
        spectrum[first:last] = unit.spectrum[where] * level[:, None]
        noise[first:last] = unit.noise[where]
        voiced[first:last] = unit.voiced[where]
    spectrum = _moved(spectrum, manner.formants)
    rising = np.linspace(0.3, 1.0, bins) ** 2  # breath is heard in the highs
    noise = np.clip(noise + manner.breath * rising * (1.0 - noise), 1e-3, 1.0)
    hertz = np.where(
        voiced, 440.0 * 2.0 ** ((pitch_curve(notes, manner, frames, rng) - 69) / 12), 0
    )
    spectrum = np.ascontiguousarray(np.maximum(spectrum, 1e-12))
    out = pyworld.synthesize(hertz, spectrum, noise, RATE, 1000.0 * FRAME)
    size = round(seconds * RATE)
    return np.pad(out[:size], (0, max(0, size - len(out))))


def stretched(unit: Syllable, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Return which frame of a syllable is heard when it lasts so many frames.

    Parameters
    ----------
    unit : Syllable
        The syllable.
    frames : int
        Length wanted.
    rng : numpy.random.Generator
        Source of the way back and forth through the vowel.

    Returns
    -------
    numpy.ndarray
        Indices: the onset as spoken (at most two fifths), the vowel back and forth, the end.
    """
    low, high = unit.steady
    onset = min(low, round(0.4 * frames))
    offset = min(len(unit.voiced) - 1 - high, round(0.25 * frames))
    middle = frames - onset - offset
    phase = np.cumsum(rng.uniform(0.3, 1.0) * np.pi / max(high - low, 8) * np.ones(middle))
    vowel = low + (high - low) * (0.5 - 0.5 * np.cos(phase))
    start = np.linspace(0, low, onset, endpoint=False)
    stop = np.linspace(high, len(unit.voiced) - 1, offset)
    return np.round(np.concatenate([start, vowel, stop])).astype(int)


def _envelope(frames: int, rng: np.random.Generator) -> np.ndarray:
    """Return a note's power over its frames: an attack, a swell, a release."""
    place = np.arange(frames)
    attack = np.clip((place + 1) / 6.0, 0.0, 1.0)
    release = np.clip((frames - place) / 8.0, 0.0, 1.0)
    swell = 1.0 + rng.uniform(-0.3, 0.5) * np.sin(np.pi * place / frames)
    return (attack * release) ** 2 * swell**2


def _moved(spectrum: np.ndarray, factor: float) -> np.ndarray:
    """Multiply the frequencies of spectra by a factor."""
    bins = spectrum.shape[1]
    at = np.clip(np.arange(bins) / factor, 0, bins - 1)
    low = np.floor(at).astype(int)
    high, part = np.minimum(low + 1, bins - 1), at - low
    return spectrum[:, low] * (1.0 - part) + spectrum[:, high] * part


def pitch_curve(
    notes: list[Sung], manner: Manner, frames: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the pitch of each frame, as a MIDI number with a fraction.

    Parameters
    ----------
    notes : list of Sung
        The line.
    manner : Manner
        Glide, scoop, vibrato and drift.
    frames : int
        Number of frames.
    rng : numpy.random.Generator
        Source of unevenness.

    Returns
    -------
    numpy.ndarray
        Pitches; in pauses that of the note before.
    """
    curve = np.full(frames, notes[0].pitch if notes else 60.0)
    bent = np.zeros(frames)
    rate, depth, growth = manner.vibrato
    for number, note in enumerate(notes):
        first, last = round(note.start / FRAME), min(round(note.end / FRAME), frames)
        curve[first:] = note.pitch
        length = max(last - first, 0)
        time = np.arange(length) * FRAME
        if length * FRAME > 0.3:
            speed = rate * (1.0 + 0.06 * rng.standard_normal())
            grown = np.clip(time / growth - 0.4, 0.0, 1.0)
            bent[first:last] += depth * grown * np.sin(2.0 * np.pi * speed * time)
        alone = number == 0 or note.start - notes[number - 1].end > 0.12
        if alone and rng.random() < 0.5:
            bent[first:last] -= manner.scoop * np.exp(-time / 0.06)
    width = max(3, round(manner.glide / FRAME)) | 1
    window = np.hanning(width + 2)[1:-1]
    smooth = np.convolve(np.pad(curve, width // 2, mode="edge"), window / window.sum(), "valid")
    knots = np.arange(0, frames + 60, 60)
    wander = np.interp(np.arange(frames), knots, rng.standard_normal(len(knots)))
    return smooth + bent + manner.drift * wander + 0.03 * rng.standard_normal(frames)


def crowd(samples: np.ndarray, voices: int, rng: np.random.Generator) -> np.ndarray:
    """Make several singers of one: copies that wander in time and so in pitch.

    Parameters
    ----------
    samples : numpy.ndarray
        One singer at `RATE`.
    voices : int
        How many.
    rng : numpy.random.Generator
        Source of the wandering.

    Returns
    -------
    numpy.ndarray
        The sum.
    """
    size = len(samples)
    place, total = np.arange(size), np.zeros(size)
    for _ in range(voices):
        knots = size // (RATE // 3) + 3
        delays = rng.uniform(0.0, 0.035) + rng.uniform(0.001, 0.004) * rng.standard_normal(knots)
        late = np.interp(place, np.arange(knots) * (RATE // 3), delays) * RATE
        total += np.interp(place - late, place, samples, left=0.0) * rng.uniform(0.6, 1.0)
    return total
