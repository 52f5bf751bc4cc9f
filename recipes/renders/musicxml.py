"""Read MusicXML as scores, a window at a time: whole string quartets take minutes to parse."""

from __future__ import annotations

import contextlib
import math
import signal
import warnings
from xml.etree import ElementTree

import numpy as np

from renders.midi import read_midi
from renders.score import RenderError, Score

STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def window_musicxml(
    data: bytes, seconds: float, share: tuple[float, float], rng: np.random.Generator
) -> tuple[bytes, tuple[int, int | None] | None]:
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
    (bytes, (int, int or None) or None)
        The shortened score as MusicXML, and the whole score's last chord (see `Score.final`).
    """
    root = ElementTree.fromstring(data)
    parts = root.findall("part")
    final = final_chord(parts)
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
    return ElementTree.tostring(root), final


def final_chord(parts: list[ElementTree.Element]) -> tuple[int, int | None] | None:
    """Return the pitch class of the lowest last note, and the signature in force there."""
    sharps: int | None = None
    for item in parts[0].iter("fifths"):
        sharps = int(item.text or 0)
    lowest = None
    for part in parts:
        for measure in part.findall("measure")[:-3:-1]:
            pitches = [pitch for note in measure.findall("note") for pitch in _last(note)]
            if pitches:  # the last of each voice and staff would do: the lowest of a few is it
                low = min(pitches[-3:])
                lowest = low if lowest is None else min(lowest, low)
                break
    return None if lowest is None else (lowest % 12, sharps)


def _last(note: ElementTree.Element) -> list[int]:
    """Return a note's MIDI pitch, or nothing for a rest."""
    pitch = note.find("pitch")
    if pitch is None:
        return []
    step, alter = STEPS[pitch.findtext("step", "C")], float(pitch.findtext("alter", "0"))
    return [12 * (int(pitch.findtext("octave", "4")) + 1) + step + round(alter)]


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
