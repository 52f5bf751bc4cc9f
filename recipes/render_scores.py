"""Render symbolic music (MIDI and MusicXML) to varied audio for training a small encoder.

Each render is an excerpt of a score with its own sound: a random soundfont, a random General
MIDI program for every part, another tempo and key, sometimes an added drum pattern or bass line,
random reverb and chorus, and sometimes an effect (drive, tilt, record noise, tremolo). All choices
come from the seed, the score's id and the variant's number, so a run can be stopped and started
again: files that exist are left as they are.

The input is a folder with ``manifest.csv`` (columns ``score_id``, ``file``, ``member`` and
``collection``; ``file`` is a zip in the folder, ``member`` a ``.mid`` or ``.musicxml`` in it). The
output is a flat folder of mono FLAC files, ``collection_scoreid_variant.flac``.

Needs the ``fluidsynth`` program, General MIDI soundfonts, and ``mido``; MusicXML needs
``music21`` as well::

    pip install mido music21
    python recipes/render_scores.py scores renders --workers 2 \
        --soundfont FluidR3_GM.sf2 --soundfont TimGM6mb.sf2 \
        --collection freedoom:0:2 --collection nottingham:350:1

Only a window of a MusicXML score is parsed, since whole string quartets take minutes.
"""

from __future__ import annotations

import argparse
import bisect
import contextlib
import csv
import io
import math
import multiprocessing
import os
import signal
import subprocess
import tempfile
import time
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.etree import ElementTree

import mido
import numpy as np
import soundfile
import soxr

SOUNDFONTS = [
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "/usr/share/sounds/sf2/TimGM6mb.sf2",
    "/usr/share/sounds/sf3/MuseScore_General_Lite.sf3",
]
COLLECTIONS = [
    "freedoom:0:2",
    "openmsx:0:2",
    "nottingham:350:1",
    "openscore_quartets:0:2",
    "openscore_lieder:250:1",
]
RENDER_RATE = 32000  # above the output's rate, so that the synthesizer's images can be filtered out
DRUM_CHANNEL = 9
DRUM_KITS = [0, 8, 16, 24, 25, 32, 40]
BASS_PROGRAMS = [32, 33, 34, 35, 36, 37, 38, 39, 43, 58, 70, 87]
KEPT_CONTROLS = {1, 6, 7, 11, 38, 64, 100, 101}
TICKS_PER_SECOND = 960  # 480 ticks per beat at 120 beats per minute

KICK, RIM, SNARE, CLAP, CLOSED = 36, 37, 38, 39, 42
OPEN, CRASH, RIDE, TAMBOURINE, SHAKER, CLAVE = 46, 49, 51, 54, 70, 75
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
}
#: Patterns of twelve sixteenths, for bars of three quarters or six eighths.
TRIPLE_PATTERNS: dict[str, tuple[float, dict[int, str]]] = {
    "waltz": (0.0, {KICK: "X...........", SNARE: "....x...x...", CLOSED: "x.x.x.x.x.x."}),
    "jazz waltz": (1.0, {KICK: "X.......x...", RIM: "....x.......", RIDE: "X...x.x.x..."}),
    "six-eight": (0.0, {KICK: "X.......x.x.", SNARE: "......X.....", CLOSED: "X.x.x.X.x.x."}),
}


class RenderError(Exception):
    """A score cannot be rendered; the message says why, in a few words."""


@dataclass(frozen=True)
class Job:
    """One render to make."""

    score_id: str
    archive: Path
    member: str
    variant: int
    variants: int
    target: Path


@dataclass(frozen=True)
class Settings:
    """What is the same for all renders of a run."""

    seed: int
    seconds: float
    sample_rate: int
    soundfonts: tuple[str, ...]
    timeout: float


@dataclass(frozen=True)
class Note:
    """A note; ``start`` and ``end`` are in quarter notes or, in an excerpt, in seconds."""

    start: float
    end: float
    pitch: int
    velocity: int
    part: int


@dataclass
class Score:
    """A score's notes, the controls of its parts, its tempos and its meters.

    Attributes
    ----------
    notes : list of Note
        All notes, times in quarter notes.
    drums : list of bool
        For each part whether it is played on the drum channel.
    controls : list of (float, int, mido.Message)
        Position, part and message of every control, program and pitch bend kept.
    tempos : list of (float, float)
        Position and seconds per quarter note, first entry at 0.
    meters : list of (float, float)
        Position and length of a bar in quarter notes, first entry at 0.
    """

    notes: list[Note] = field(default_factory=list)
    drums: list[bool] = field(default_factory=list)
    controls: list[tuple[float, int, mido.Message]] = field(default_factory=list)
    tempos: list[tuple[float, float]] = field(default_factory=list)
    meters: list[tuple[float, float]] = field(default_factory=list)

    @property
    def end(self) -> float:
        """Position at which the last note ends."""
        return max(note.end for note in self.notes)

    def bars(self) -> list[tuple[float, float]]:
        """Return start and length of every bar, in quarter notes."""
        end, bars = self.end, []
        for index, (start, length) in enumerate(self.meters):
            stop = self.meters[index + 1][0] if index + 1 < len(self.meters) else end
            for bar in np.arange(start, stop - 1e-6, length):
                bars.append((float(bar), min(length, max(stop - float(bar), 0.25))))
        return bars

    def clock(self) -> Clock:
        """Return the map from quarter notes to seconds."""
        return Clock(self.tempos)

    def repeated(self, times: int) -> Score:
        """Return the score played ``times`` times, each time from the start of a bar."""
        start, length = max(m for m in self.meters if m[0] < self.end)
        period = start + math.ceil((self.end - start) / length - 1e-6) * length
        result = Score(drums=self.drums, controls=self.controls)
        for shift in (turn * period for turn in range(times)):
            result.notes += [
                replace(note, start=note.start + shift, end=note.end + shift) for note in self.notes
            ]
            result.tempos += [(at + shift, value) for at, value in self.tempos if at < period]
            result.meters += [(at + shift, value) for at, value in self.meters if at < period]
        return result


class Clock:
    """Map from quarter notes to seconds under changing tempos."""

    def __init__(self, tempos: list[tuple[float, float]]) -> None:
        self.positions = [at for at, _ in tempos]
        self.rates = [rate for _, rate in tempos]
        self.times = [0.0]
        for index in range(1, len(tempos)):
            step = self.positions[index] - self.positions[index - 1]
            self.times.append(self.times[-1] + step * self.rates[index - 1])

    def __call__(self, position: float) -> float:
        """Return the time in seconds of a position in quarter notes."""
        index = max(0, bisect.bisect_right(self.positions, position) - 1)
        return self.times[index] + (position - self.positions[index]) * self.rates[index]


def read_midi(data: bytes) -> Score:
    """Read a MIDI file; every channel of every track becomes a part.

    Parameters
    ----------
    data : bytes
        The file's content.

    Returns
    -------
    Score
        The score, its parts ordered by their number of notes.
    """
    midi = mido.MidiFile(file=io.BytesIO(data), clip=True)
    events = []
    for index, track in enumerate(midi.tracks):
        tick = 0
        for message in track:
            tick += message.time
            events.append((tick, index, message))
    events.sort(key=lambda event: event[0])
    score = Score(tempos=[(0.0, 0.5)], meters=[(0.0, 4.0)])
    open_notes: dict[tuple[int, int, int], list[tuple[float, int]]] = {}
    found: list[tuple[float, float, int, int, tuple[int, int]]] = []
    controls: list[tuple[float, mido.Message]] = []
    for tick, index, message in events:
        at = tick / midi.ticks_per_beat
        if message.type == "set_tempo":
            _set(score.tempos, at, max(message.tempo, 50_000) / 1e6)
        elif message.type == "time_signature":
            _set(score.meters, at, 4.0 * message.numerator / message.denominator)
        elif message.type == "note_on" and message.velocity > 0:
            key = (index, message.channel, message.note)
            open_notes.setdefault(key, []).append((at, message.velocity))
        elif message.type in ("note_on", "note_off"):
            if started := open_notes.get((index, message.channel, message.note)):
                start, velocity = started.pop(0)
                part = (index, message.channel)
                found.append((start, max(at, start + 0.02), message.note, velocity, part))
        elif message.type in ("program_change", "pitchwheel") or (
            message.type == "control_change" and message.control in KEPT_CONTROLS
        ):
            controls.append((at, message))
    if not found:
        raise RenderError("no notes")
    order = [part for part, _ in Counter(entry[4] for entry in found).most_common()]
    numbers = {part: number for number, part in enumerate(order)}
    score.notes = sorted(
        (Note(*entry[:4], numbers[entry[4]]) for entry in found), key=lambda note: note.start
    )
    score.drums = [channel == DRUM_CHANNEL for _, channel in order]
    for at, message in controls:
        for (_, channel), number in numbers.items():
            if channel == message.channel:
                score.controls.append((at, number, message))
    return score


def _set(table: list[tuple[float, float]], at: float, value: float) -> None:
    """Append a tempo or meter, replacing an entry at the same position."""
    if table and at - table[-1][0] < 1e-6:
        table[-1] = (table[-1][0], value)
    else:
        table.append((at, value))


def window_musicxml(
    data: bytes, seconds: float, share: tuple[float, float], rng: np.random.Generator
) -> bytes:
    """Cut a window of measures out of a MusicXML score and drop what makes no sound.

    Parameters
    ----------
    data : bytes
        The score as uncompressed, part-wise MusicXML.
    seconds : float
        Length the window should have, judged by the first tempo and meter in force.
    share : (float, float)
        Part of the score, as fractions, in which the window starts.
    rng : numpy.random.Generator
        Source of the random start.

    Returns
    -------
    bytes
        The shortened score as MusicXML.
    """
    root = ElementTree.fromstring(data)
    parts = root.findall("part")
    count = min(len(part.findall("measure")) for part in parts)
    tempo, beats = 100.0, 4.0
    first = max(0, min(count - 8, round(count * rng.uniform(*share))))
    if count > 12:
        first = max(first, 1)  # the first measure is often a pickup
    for measure in parts[0].findall("measure")[: first + 1]:
        for sound in measure.iter("sound"):
            tempo = float(sound.get("tempo", tempo))
        for meter in measure.iter("time"):
            with contextlib.suppress(TypeError, ValueError):
                beats = 4.0 * int(meter.findtext("beats")) / int(meter.findtext("beat-type"))
    length = min(120, math.ceil(seconds * tempo / 60.0 / beats) + 2)
    first = max(0, min(first, count - length))
    for number, part in enumerate(parts):
        measures = part.findall("measure")
        carried: dict[tuple[str, str], ElementTree.Element] = {}
        for measure in measures[:first]:
            for attributes in measure.findall("attributes"):
                for item in attributes:
                    carried[item.tag, item.get("number", "")] = item
        for measure in measures[:first] + measures[first + length :]:
            part.remove(measure)
        for measure in part.findall("measure"):
            _strip(measure)
        opening = part.find("measure")
        tags = ["divisions", "key", "time", "staves", "clef", "transpose"]
        kept = [item for tag in tags for (name, _), item in carried.items() if name == tag]
        if opening is not None and kept:
            attributes = ElementTree.Element("attributes")
            attributes.extend(kept)
            opening.insert(0, attributes)
        if opening is not None and number == 0:
            direction = ElementTree.fromstring(
                "<direction><direction-type><metronome><beat-unit>quarter</beat-unit>"
                f"<per-minute>{tempo:g}</per-minute></metronome></direction-type>"
                f'<sound tempo="{tempo:g}"/></direction>'
            )
            opening.insert(1 if kept else 0, direction)
    return ElementTree.tostring(root)


def _strip(measure: ElementTree.Element) -> None:
    """Drop lyrics, grace notes, ornaments, repeats and text from a measure."""
    for item in list(measure):
        silent = item.tag in ("print", "harmony", "figured-bass", "barline")
        if item.tag == "direction":
            silent = item.find("sound") is None and item.find("direction-type/dynamics") is None
        if silent or item.find("grace") is not None:
            measure.remove(item)
        elif item.tag == "note":
            for tag in ("lyric", "notations", "beam", "notehead"):
                for child in item.findall(tag):
                    item.remove(child)


def read_musicxml(data: bytes, timeout: float) -> Score:
    """Convert MusicXML to MIDI through music21 and read the result.

    Parameters
    ----------
    data : bytes
        The score as uncompressed MusicXML.
    timeout : float
        Seconds after which the conversion is given up. The process's alarm signal is used.

    Returns
    -------
    Score
        The score.
    """
    from music21 import converter, repeat
    from music21.midi.translate import streamToMidiFile

    def give_up(*_: object) -> None:
        raise RenderError("conversion timed out")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, timeout)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stream = converter.parseData(data.decode("utf-8"), format="musicxml")
            try:
                content = streamToMidiFile(stream).writestr()
            except repeat.ExpanderException:  # a "da capo" whose other end is outside the window
                for name in ("RepeatMark", "TextExpression"):
                    stream.remove(list(stream.recurse().getElementsByClass(name)), recurse=True)
                content = streamToMidiFile(stream).writestr()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    return read_midi(content)


def choose_start(
    score: Score, span: float, share: tuple[float, float], rng: np.random.Generator
) -> float:
    """Choose the start of a bar after which there are notes nearly all the time.

    Parameters
    ----------
    score : Score
        A score at least ``span`` seconds long.
    span : float
        Length of the excerpt in seconds, at the score's own tempo.
    share : (float, float)
        Part of the possible starts, as fractions, to choose from.
    rng : numpy.random.Generator
        Source of the choice.

    Returns
    -------
    float
        The start in quarter notes.

    Raises
    ------
    RenderError
        If no excerpt that was tried has notes in 60 % of its seconds.
    """
    clock = score.clock()
    end = clock(score.end)
    first = min(note.start for note in score.notes)
    busy = np.zeros(math.ceil(end) + 2)
    for note in score.notes:
        # A note counts for at most four seconds: plucked and struck sounds die away.
        start, stop = clock(note.start), clock(note.end)
        busy[int(start) : math.ceil(min(stop, start + 4.0))] = 1.0
    starts = [at for at, _ in score.bars() if clock(at) + span <= end + 1.0 and at >= first - 4.0]
    starts = starts or [first]
    low, high = (int(fraction * len(starts)) for fraction in share)
    starts = starts[low : max(high, low + 1)] or starts
    best, best_cover = starts[0], -1.0
    for index in rng.permutation(len(starts))[:25]:
        at = int(clock(starts[index]))
        cover = float(busy[at : at + math.ceil(span)].mean())
        if cover > best_cover:
            best, best_cover = starts[index], cover
        if cover > 0.95:
            break
    if best_cover < 0.6:
        raise RenderError("too few notes")
    return best


def add_drums(
    bars: list[tuple[float, float]], part: int, rng: np.random.Generator
) -> Iterator[Note]:
    """Yield the notes of a random drum pattern, with uneven velocities.

    Parameters
    ----------
    bars : list of (float, float)
        Start and length of the bars to fill, in quarter notes.
    part : int
        The part that plays the pattern.
    rng : numpy.random.Generator
        Source of the pattern and of its unevenness.

    Yields
    ------
    Note
        A drum note, times in quarter notes.
    """
    triple = sum(abs(length - 3.0) < 0.1 for _, length in bars) > len(bars) / 2
    table = TRIPLE_PATTERNS if triple else PATTERNS
    swing, voices = table[str(rng.choice(sorted(table)))]
    level, spread = rng.uniform(0.65, 1.0), rng.uniform(3.0, 12.0)
    loose = rng.uniform(0.0, 0.02)
    crash = rng.random() < 0.5
    for number, (start, length) in enumerate(bars):
        if crash and number % 8 == 0:
            yield Note(start, start + 1.0, CRASH, int(95 * level), part)
        for step in range(round(length * 4)):
            late = swing / 6.0 if step % 4 == 2 else 0.0
            for drum, voice in voices.items():
                mark = voice[step % len(voice)]
                if mark == ".":
                    continue
                velocity = (112 if mark == "X" else 84) * level + rng.normal(0.0, spread)
                at = max(0.0, start + step * 0.25 + late + rng.normal(0.0, loose))
                yield Note(at, at + 0.2, drum, int(np.clip(velocity, 20, 127)), part)


def add_bass(
    notes: list[Note], bars: list[tuple[float, float]], part: int, rng: np.random.Generator
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

    Yields
    ------
    Note
        A bass note, times in quarter notes.
    """
    style = str(rng.choice(["long", "quarters", "octaves", "fifths", "eighths"]))
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
        for index in range(max(1, round(length / step))):
            pitch = root
            if style == "octaves" and index % 2:
                pitch += 12
            elif style == "fifths" and index % 2:
                pitch += 7
            at = start + index * step
            accent = 8 if index == 0 else int(rng.integers(-6, 4))
            yield Note(at, at + step * 0.9, pitch, min(127, velocity + accent), part)


def make_midi(
    score: Score, seconds: float, share: tuple[float, float], rng: np.random.Generator
) -> mido.MidiFile:
    """Arrange an excerpt of a score: new sounds, tempo and key, perhaps drums and a bass.

    Parameters
    ----------
    score : Score
        The score.
    seconds : float
        Length of the excerpt.
    share : (float, float)
        Part of the score, as fractions, in which the excerpt starts.
    rng : numpy.random.Generator
        Source of all choices.

    Returns
    -------
    mido.MidiFile
        The arrangement, at a constant tempo (times are exact to a millisecond).
    """
    factor = float(rng.uniform(0.75, 1.3))
    shift = int(rng.integers(-5, 7))
    keep_programs = rng.random() < 0.25
    with_drums, with_bass = rng.random() < 0.45, rng.random() < 0.3
    span = seconds * factor
    first = min(note.start for note in score.notes)
    playing = score.clock()(score.end) - score.clock()(first)
    if playing < span + 1.0:
        score = score.repeated(min(40, math.ceil((span + 1.0) / max(playing, 1.0)) + 1))
    clock = score.clock()
    start = choose_start(score, span, share, rng)
    origin = clock(start)
    bars = [bar for bar in score.bars() if bar[0] >= start and clock(bar[0]) < origin + span]

    parts = len(score.drums)
    drums = [*score.drums, True, False]  # two more parts: the added drums and the added bass
    levels = rng.uniform(0.65, 1.1, parts).tolist()
    notes = []
    for note in score.notes:
        if clock(note.end) < origin + 0.1 or clock(note.start) > origin + span:
            continue
        velocity = int(np.clip(note.velocity * levels[note.part], 25, 127))
        if not drums[note.part]:
            pitch = note.pitch + shift
            pitch += 12 if pitch < 12 else -12 if pitch > 115 else 0
            notes.append(replace(note, pitch=pitch, velocity=velocity))
        elif not with_drums:
            notes.append(replace(note, velocity=velocity))
    pitched = [note for note in notes if not drums[note.part]]
    if with_drums:
        notes += add_drums(bars, parts, rng)
    if with_bass and pitched:
        notes += add_bass(pitched, bars, parts + 1, rng)

    channels, free = {}, [number for number in range(16) if number != DRUM_CHANNEL]
    free.remove(15)
    for part, drum in enumerate(drums[:parts]):
        channels[part] = DRUM_CHANNEL if drum else free[part % len(free)]
    channels[parts], channels[parts + 1] = DRUM_CHANNEL, 15

    events: list[tuple[int, int, mido.Message]] = []
    used = {note.part for note in notes}
    for part, channel in channels.items():
        if channel == DRUM_CHANNEL:
            program = 0 if keep_programs and part < parts else int(rng.choice(DRUM_KITS))
        elif part > parts:
            program = int(rng.choice(BASS_PROGRAMS))
        else:
            program = int(rng.integers(14)) * 8 + int(rng.integers(8))  # 14 families, no noises
            if keep_programs:
                continue
        if part in used:
            message = mido.Message("program_change", channel=channel, program=program)
            events.append((0, 0, message))
    for at, part, message in score.controls:
        if message.type == "program_change" and (not keep_programs or drums[part]):
            continue
        tick = round((clock(at) - origin) / factor * TICKS_PER_SECOND)
        if tick < seconds * TICKS_PER_SECOND:
            events.append((max(0, tick), 1, message.copy(channel=channels[part], time=0)))
    end = round((seconds + 0.5) * TICKS_PER_SECOND)
    for note in notes:
        begin, stop = (
            min(end, max(0, round((clock(at) - origin) / factor * TICKS_PER_SECOND)))
            for at in (note.start, note.end)
        )
        fields = {"channel": channels[note.part], "note": note.pitch}
        if stop > begin:
            events.append((begin, 3, mido.Message("note_on", velocity=note.velocity, **fields)))
            events.append((stop, 2, mido.Message("note_off", velocity=0, **fields)))
    track, last = mido.MidiTrack(), 0
    for tick, _, message in sorted(events, key=lambda event: event[:2]):
        track.append(message.copy(time=tick - last))
        last = tick
    track.append(mido.MetaMessage("end_of_track", time=end - last))
    return mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track])


def synthesize(
    midi: mido.MidiFile, soundfont: str, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """Play a MIDI file with fluidsynth, under a random amount of reverb and chorus.

    Parameters
    ----------
    midi : mido.MidiFile
        What to play.
    soundfont : str
        Path of the soundfont.
    sample_rate : int
        Sample rate of the result.
    rng : numpy.random.Generator
        Source of the amounts.

    Returns
    -------
    numpy.ndarray
        Mono samples.
    """
    reverb, chorus = rng.random() < 0.8, rng.random() < 0.5
    options = {
        "synth.dynamic-sample-loading": 1,
        "synth.polyphony": 160,
        "synth.reverb.level": f"{rng.uniform(0.1, 0.9):.3f}",
        "synth.reverb.room-size": f"{rng.uniform(0.1, 0.9):.3f}",
        "synth.reverb.damp": f"{rng.uniform(0.0, 0.8):.3f}",
        "synth.chorus.level": f"{rng.uniform(0.3, 3.0):.3f}",
        "synth.chorus.depth": f"{rng.uniform(2.0, 9.0):.3f}",
    }
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.mid"), Path(folder, "out.wav")
        midi.save(source)
        command = ["fluidsynth", "-ni", "-q", "-g", "0.3", "-r", str(RENDER_RATE)]
        command += ["-O", "float", "-R", str(int(reverb)), "-C", str(int(chorus))]
        for name, value in options.items():
            command += ["-o", f"{name}={value}"]
        command += ["-F", str(target), soundfont, str(source)]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=90)
            samples, rate = soundfile.read(target, dtype="float32", always_2d=True)
        except (subprocess.SubprocessError, soundfile.SoundFileError) as error:
            raise RenderError("synthesis failed") from error
    mono = soxr.resample(samples.mean(axis=1), rate, sample_rate)
    # Some presets have an offset or rumble that would take up the headroom.
    spectrum = np.fft.rfft(mono)
    spectrum *= np.clip(np.fft.rfftfreq(len(mono), 1.0 / sample_rate) / 15.0 - 1.0, 0.0, 1.0)
    return np.fft.irfft(spectrum, len(mono))


def add_effects(samples: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Apply one or two of drive, tilt, record noise and tremolo.

    Parameters
    ----------
    samples : numpy.ndarray
        Mono samples with a peak of 1.
    sample_rate : int
        Their sample rate.
    rng : numpy.random.Generator
        Source of the choice and of the amounts.

    Returns
    -------
    numpy.ndarray
        The changed samples.
    """
    names = ["drive", "tilt", "noise", "tremolo"]
    size = len(samples)
    for name in rng.choice(names, size=int(rng.integers(1, 3)), replace=False):
        if name == "drive":
            drive = rng.uniform(0.3, 1.0) / max(float(np.sqrt(np.mean(samples**2))), 0.02)
            samples = np.tanh(drive * samples) / np.tanh(drive)
        elif name == "tilt":
            frequencies = np.fft.rfftfreq(size, 1.0 / sample_rate)
            octaves = np.log2(np.clip(frequencies, 40.0, None) / 1000.0)
            gains = 10.0 ** (rng.uniform(-3.5, 3.5) * octaves / 20.0)
            samples = np.fft.irfft(np.fft.rfft(samples) * gains, size)
        elif name == "noise":
            level = 10.0 ** rng.uniform(-3.0, -2.0)
            clicks = (rng.random(size) < rng.uniform(2.0, 20.0) / sample_rate) * 1.0
            clicks *= rng.uniform(-1.0, 1.0, size) * level * 25.0
            shape = np.exp(-np.arange(24) / 5.0) * np.cos(np.arange(24) * 0.9)
            samples = samples + np.convolve(clicks, shape)[:size]
            samples = samples + rng.normal(0.0, level, size)
        else:
            phase = 2.0 * np.pi * rng.uniform(2.0, 8.0) * np.arange(size) / sample_rate
            depth = rng.uniform(0.3, 0.8)
            samples = samples * (1.0 - depth * (0.5 + 0.5 * np.sin(phase)))
    return samples


def render(job: Job, settings: Settings) -> None:
    """Make one render and write it, under a temporary name until it is complete.

    Parameters
    ----------
    job : Job
        What to render.
    settings : Settings
        The run's settings.

    Raises
    ------
    RenderError
        If the score cannot be rendered.
    """
    key = [settings.seed, zlib.crc32(job.score_id.encode()), job.variant]
    rng = np.random.default_rng(key)
    with zipfile.ZipFile(job.archive) as archive:
        data = archive.read(job.member)
    share = (job.variant / job.variants, (job.variant + 1) / job.variants)
    if job.member.endswith((".mid", ".midi")):
        midi = make_midi(read_midi(data), settings.seconds, share, rng)
    else:
        for attempt in range(3):
            window = window_musicxml(data, settings.seconds * 1.4, share, rng)
            score = read_musicxml(window, settings.timeout)
            try:
                midi = make_midi(score, settings.seconds, (0.0, 1.0), rng)
                break
            except RenderError:
                if attempt == 2:
                    raise
    soundfont = str(rng.choice(list(settings.soundfonts)))
    samples = synthesize(midi, soundfont, settings.sample_rate, rng)
    samples = samples[: round(settings.seconds * settings.sample_rate)].astype(np.float64)
    peak = float(np.max(np.abs(samples), initial=0.0))
    if peak < 1e-3 or np.sqrt(np.mean(samples**2)) < 1e-4:
        raise RenderError("silent")
    samples /= peak
    if rng.random() < 0.3:
        samples = add_effects(samples, settings.sample_rate, rng)
    samples *= rng.uniform(0.5, 0.95) / np.max(np.abs(samples))
    part = job.target.with_name(f".{job.target.name}.part")
    soundfile.write(part, samples, settings.sample_rate, format="FLAC", subtype="PCM_16")
    part.replace(job.target)


def try_render(task: tuple[Job, Settings, float]) -> tuple[Job, str]:
    """Make one render in a worker; return the job and, if it failed, the reason.

    Parameters
    ----------
    task : (Job, Settings, float)
        The job, the run's settings, and the time after which no job is started.

    Returns
    -------
    (Job, str)
        The job and an empty string, or the reason why there is no file.
    """
    job, settings, deadline = task
    if time.time() > deadline:
        return job, "time limit"
    try:
        render(job, settings)
    except RenderError as error:
        return job, str(error)
    except Exception as error:  # whatever a parser makes of an odd score
        return job, f"{type(error).__name__}: {str(error)[:80]}"
    return job, ""


def list_jobs(scores: Path, out: Path, collections: list[str], seed: int) -> list[Job]:
    """List the renders to make.

    Parameters
    ----------
    scores : pathlib.Path
        The folder with ``manifest.csv`` and the zips.
    out : pathlib.Path
        The folder to write to.
    collections : list of str
        ``name:count:variants`` each; a count of 0 takes all scores.
    seed : int
        Seed of the choice of scores.

    Returns
    -------
    list of Job
        The jobs in the collections' order.
    """
    with (scores / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        rows = sorted(csv.DictReader(stream), key=lambda row: row["score_id"])
    jobs = []
    for entry in collections:
        name, count, variants = entry.split(":")
        members = [row for row in rows if row["collection"] == name]
        order = np.random.default_rng([seed, zlib.crc32(name.encode())]).permutation(len(members))
        for variant in range(int(variants)):
            for index in order[: int(count) or None]:
                row = members[index]
                target = out / f"{name}_{row['score_id']}_{variant}.flac"
                archive = scores / row["file"]
                job = Job(row["score_id"], archive, row["member"], variant, int(variants), target)
                jobs.append(job)
    return jobs


def main() -> None:
    """Parse the command line and make the renders."""
    parser = argparse.ArgumentParser(description="Render scores to varied audio.")
    parser.add_argument("scores", type=Path, help="folder with manifest.csv and the zips")
    parser.add_argument("out", type=Path, help="folder for the FLAC files")
    parser.add_argument(
        "--collection",
        action="append",
        metavar="NAME:COUNT:VARIANTS",
        help=f"scores to take, COUNT 0 for all; may be repeated (default: {' '.join(COLLECTIONS)})",
    )
    parser.add_argument(
        "--soundfont", action="append", help="General MIDI soundfont; may be repeated"
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="length (default: 30)")
    parser.add_argument("--sample-rate", type=int, default=16000, help="default: 16000")
    parser.add_argument("--seed", type=int, default=0, help="seed of all choices (default: 0)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument(
        "--timeout", type=float, default=20.0, help="seconds for one MusicXML file (default: 20)"
    )
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="start no render after this many minutes"
    )
    arguments = parser.parse_args()
    settings = Settings(
        seed=arguments.seed,
        seconds=arguments.seconds,
        sample_rate=arguments.sample_rate,
        soundfonts=tuple(arguments.soundfont or SOUNDFONTS),
        timeout=arguments.timeout,
    )
    for soundfont in settings.soundfonts:
        if not Path(soundfont).is_file():
            parser.error(f"no such soundfont: {soundfont}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    collections = arguments.collection or COLLECTIONS
    jobs = list_jobs(arguments.scores, arguments.out, collections, settings.seed)
    todo = [job for job in jobs if not job.target.exists()]
    print(f"{len(jobs)} renders, {len(jobs) - len(todo)} exist", flush=True)
    began = time.time()
    deadline = began + arguments.minutes * 60.0
    tasks = [(job, settings, deadline) for job in todo]
    reasons: Counter[str] = Counter()
    with multiprocessing.Pool(arguments.workers, maxtasksperchild=100) as pool:
        for done, (job, reason) in enumerate(pool.imap_unordered(try_render, tasks), 1):
            if reason:
                reasons[reason] += 1
                if reason != "time limit":
                    print(f"{job.target.stem}: {reason}", flush=True)
            if done % 50 == 0 or done == len(tasks):
                spent = time.time() - began
                print(f"{done}/{len(tasks)} in {spent:.0f} s", flush=True)
        pool.close()
        pool.join()
    used = os.times()
    cpu = used.user + used.system + used.children_user + used.children_system
    made = len(tasks) - reasons.total()
    print(f"made {made}, failed {reasons.total()} {dict(reasons)}, CPU {cpu:.0f} s", flush=True)


if __name__ == "__main__":
    main()
