"""Read MIDI files as scores."""

from __future__ import annotations

import io
import re
from collections import Counter
from typing import Any

import mido

from renders.score import Meter, Note, RenderError, Score

DRUM_CHANNEL = 9
KEPT_CONTROLS = {1, 6, 7, 11, 38, 64, 100, 101}
#: Sharps of the major keys; a minor key has as many as the major key three semitones above.
SHARPS = {
    name: number - 7
    for number, name in enumerate(
        ["Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#"]
    )
}
MINOR_SHARPS = {
    name: number - 7
    for number, name in enumerate(
        ["Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#"]
    )
}


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
    score = Score(tempos=[(0.0, 0.5)], meters=[Meter(0.0, 4, 4)])
    open_notes: dict[tuple[int, int, int], list[tuple[float, int]]] = {}
    found: list[tuple[float, float, int, int, tuple[int, int]]] = []
    controls: list[tuple[float, mido.Message]] = []
    for tick, index, message in events:
        at = tick / midi.ticks_per_beat
        if message.type in ("set_tempo", "time_signature", "key_signature"):
            _read_signature(score, at, message)
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
    score.final = final_chord(score)
    return score


def _read_signature(score: Score, at: float, message: mido.MetaMessage) -> None:
    """Put a tempo, a meter or a key signature into the score."""
    if message.type == "set_tempo":
        _set(score.tempos, (at, max(message.tempo, 50_000) / 1e6))
    elif message.type == "time_signature":
        # Beat trackers write "1/4": they say nothing about bars.
        numerator = 4 if (message.numerator, message.denominator) == (1, 4) else message.numerator
        meter = Meter(at, numerator, message.denominator)
        if (meter.numerator, meter.denominator) != score.meters[-1][1:] or at == 0.0:
            _set(score.meters, meter)
    elif parsed := re.fullmatch(r"([A-G][b#]?)(m?)", message.key):
        name, minor = parsed.groups()
        if (sharps := (MINOR_SHARPS if minor else SHARPS).get(name)) is not None:
            _set(score.keys, (at, sharps, "minor" if minor else "major"))


def _set(table: list[Any], entry: Any) -> None:
    """Append an entry that begins with its position, replacing one at the same position."""
    if table and entry[0] - table[-1][0] < 1e-6:
        table[-1] = type(entry)(*[table[-1][0], *entry[1:]]) if isinstance(entry, Meter) else entry
    else:
        table.append(entry)


def final_chord(score: Score) -> tuple[int, int | None] | None:
    """Return the pitch class of the last chord's lowest note, and the signature in force there.

    Parameters
    ----------
    score : Score
        The whole score.

    Returns
    -------
    (int, int or None) or None
        Pitch class and sharps; None without pitched notes.
    """
    pitched = [note for note in score.notes if not score.drums[note.part]]
    if not pitched:
        return None
    last = max(note.end for note in pitched)
    chord = [note for note in pitched if note.end > last - 0.26]
    sharps = score.keys[-1][1] if score.keys else None
    return min(note.pitch for note in chord) % 12, sharps
