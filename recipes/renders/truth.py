"""What is true of an excerpt: its tempo, meter, key and instruments.

The tempo is that of the beat as the time signature notates it: the dotted quarter in 6/8, 9/8 and
12/8, the half note in 2/2. The key is that of the signature in force; between the major key and
its relative minor decides the score's last chord or, where the signature there is another one,
which of the two the notes resemble more.
"""

from __future__ import annotations

from collections import defaultdict

import mido
import numpy as np

from renders.midi import DRUM_CHANNEL
from renders.score import Excerpt, Note, Score
from renders.words import DRUMS, word_of

TONICS = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
#: Weights of the scale degrees (Albrecht and Shanahan, "The use of large corpora to train a new
#: type of key-finding algorithm", 2013).
PROFILES = {
    "major": [0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081],
    "minor": [0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052],
}
STEADY = 0.03  # beats that differ by less, relative to their median, count as a constant tempo


def tempo_truth(excerpt: Excerpt, beat: float | None = None) -> dict[str, str]:
    """Return the tempo and meter of an excerpt.

    Parameters
    ----------
    excerpt : Excerpt
        The excerpt as it is played.
    beat : float, optional
        Length of the beat in quarter notes, where an arrangement's beat is not the notated one.

    Returns
    -------
    dict
        ``tempo_bpm`` (median over the beats), ``tempo_middle``, ``tempo_min``, ``tempo_max``,
        ``tempo_constant`` (yes or no), ``beat_quarters``, ``meter`` (at the middle),
        ``meter_constant``.
    """
    times, score = excerpt.times(), excerpt.score
    last = excerpt.end()
    beats = score.beats(excerpt.start, last)
    if beat is not None:
        beats = np.arange(excerpt.start, last, beat).tolist()
    at = np.array([times(position) for position in beats])
    gaps = np.diff(at)
    middles = (at[1:] + at[:-1]) / 2.0
    inside = (at[1:] <= excerpt.seconds + 0.05) & (at[:-1] >= -0.05) & (gaps > 0.02)
    gaps, middles = gaps[inside], middles[inside]
    tempos = 60.0 / gaps
    half = excerpt.seconds / 2.0
    steady = bool(np.ptp(tempos) <= STEADY * np.median(tempos))
    positions = [position for position in beats if 0.0 <= times(position) <= excerpt.seconds]
    meters = {str(score.meter_at(position)) for position in positions}
    center = score.meter_at(min(positions, key=lambda position: abs(times(position) - half)))
    return {
        "tempo_bpm": f"{np.median(tempos):.2f}",
        "tempo_middle": f"{np.interp(half, middles, tempos):.2f}",
        "tempo_min": f"{tempos.min():.2f}",
        "tempo_max": f"{tempos.max():.2f}",
        "tempo_constant": "yes" if steady else "no",
        "beat_quarters": f"{center.beat if beat is None else beat:g}",
        "meter": str(center),
        "meter_constant": "yes" if len(meters) == 1 else "no",
    }


def resemblance(histogram: np.ndarray, tonic: int, mode: str) -> float:
    """Return the correlation of a pitch-class histogram with a key's profile, from -1 to 1."""
    return float(np.corrcoef(histogram, np.roll(PROFILES[mode], tonic))[0, 1])


def likely_key(histogram: np.ndarray) -> tuple[int, str] | None:
    """Return the key whose profile a pitch-class histogram resembles most.

    Parameters
    ----------
    histogram : numpy.ndarray
        Twelve sounding times, from C on.

    Returns
    -------
    (int, str) or None
        Tonic and mode; None where all pitch classes sound alike.
    """
    if np.ptp(histogram) <= 0.0:
        return None
    keys = [(tonic, mode) for tonic in range(12) for mode in PROFILES]
    return max(keys, key=lambda key: resemblance(histogram, *key))


def pitch_classes(notes: list[Note]) -> np.ndarray:
    """Return how long each of the twelve pitch classes sounds, in quarter notes."""
    histogram = np.zeros(12)
    for note in notes:
        histogram[note.pitch % 12] += min(note.end - note.start, 4.0)
    return histogram


def key_truth(score: Score, start: float, end: float, shift: int) -> dict[str, str]:
    """Return the key of a part of a score, transposed.

    Parameters
    ----------
    score : Score
        The score as written.
    start, end : float
        The part of the score, in quarter notes.
    shift : int
        Semitones by which it is transposed.

    Returns
    -------
    dict
        ``key`` (as "Eb minor"), ``tonic`` (0 to 11, C is 0) and ``mode``, empty without a
        signature, where it changes, or where the last chord and the notes speak against it;
        ``key_basis``, what told major from minor; and ``key_from_notes``, the key that the notes
        resemble most.
    """
    notes = [
        note
        for note in score.notes
        if not score.drums[note.part] and note.end > start and note.start < end
    ]
    histogram = pitch_classes(notes)
    heard = likely_key(histogram)
    before = [key for key in score.keys if key[0] <= start + 0.01] or score.keys[:1]
    within = before[-1:] + [key for key in score.keys if start + 0.01 < key[0] < end]
    key, basis = None, ""
    if heard is not None and len({sharps for _, sharps, _ in within}) == 1:
        key, basis = _signed_key(score, within[0][1], histogram, heard)
    named = None if key is None else f"{TONICS[(key[0] + shift) % 12]} {key[1]}"
    return {
        "key": named or "",
        "tonic": "" if key is None else str((key[0] + shift) % 12),
        "mode": "" if key is None else key[1],
        "key_basis": basis,
        "key_from_notes": "" if heard is None else f"{TONICS[(heard[0] + shift) % 12]} {heard[1]}",
    }


def _signed_key(
    score: Score, sharps: int, histogram: np.ndarray, heard: tuple[int, str]
) -> tuple[tuple[int, str] | None, str]:
    """Choose between a signature's major key and its relative minor."""
    tonic = sharps * 7 % 12
    pair = {tonic: "major", (tonic + 9) % 12: "minor"}
    if score.final is not None and score.final[1] == sharps:
        if mode := pair.get(score.final[0]):
            return (score.final[0], mode), "signature and last chord"
        # Modal tunes and endings on the dominant: only the notes can tell.
        return (heard, "signature and notes") if pair.get(heard[0]) == heard[1] else (None, "")
    best = max(pair.items(), key=lambda key: resemblance(histogram, *key))
    return best, "signature and notes"


def sounding_programs(midi: mido.MidiFile, seconds: float) -> dict[int, float]:
    """Return which programs sound in a MIDI file, and for what share of its time.

    Parameters
    ----------
    midi : mido.MidiFile
        A file with one track; ticks are 1/960 second.
    seconds : float
        Length that counts.

    Returns
    -------
    dict
        Program (`renders.words.DRUMS` for the drum channel) to the share, from 0 to 1. A drum
        note counts for a fifth of a second; what a volume of nearly nothing hides is left out.
    """
    spans: dict[int, list[tuple[float, float]]] = defaultdict(list)
    program, volume = [0] * 16, [[100, 127] for _ in range(16)]
    begun: dict[tuple[int, int], tuple[float, int, int]] = {}
    tick = 0
    for message in midi.tracks[0]:
        tick += message.time
        at = tick / 960.0
        if message.type == "program_change":
            program[message.channel] = message.program
        elif message.type == "control_change" and message.control in (7, 11):
            volume[message.channel][message.control == 11] = message.value
        elif message.type == "note_on" and message.velocity > 0:
            cc = volume[message.channel]
            loud = message.velocity * cc[0] * cc[1] / 127**2
            drum = message.channel == DRUM_CHANNEL
            number = DRUMS if drum else program[message.channel]
            begun[message.channel, message.note] = (at, number, round(loud))
        elif message.type in ("note_on", "note_off"):
            if found := begun.pop((message.channel, message.note), None):
                start, number, level = found
                stop = start + 0.2 if number == DRUMS else at
                if level >= 12 and start < seconds:
                    spans[number].append((start, min(stop, seconds)))
    return {number: _covered(list_of) / seconds for number, list_of in sorted(spans.items())}


def _covered(spans: list[tuple[float, float]]) -> float:
    """Return the length of a union of spans."""
    total, reached = 0.0, 0.0
    for start, stop in sorted(spans):
        total += max(0.0, stop - max(start, reached))
        reached = max(reached, stop)
    return total


def instrument_truth(shares: dict[int, float]) -> dict[str, str]:
    """Return programs and instrument words with their shares of the time.

    Parameters
    ----------
    shares : dict
        Program to share, see `sounding_programs`.

    Returns
    -------
    dict
        ``drums`` (yes or no), ``instruments`` (``word:share`` joined by ``|``, the largest first;
        of several programs with one word the largest share counts), ``programs`` likewise.
    """
    words: dict[str, float] = {}
    for program, share in shares.items():
        words[word_of(program)] = max(words.get(word_of(program), 0.0), share)
    ranked = sorted(words.items(), key=lambda item: -item[1])
    return {
        "drums": "yes" if shares.get(DRUMS, 0.0) > 0.02 else "no",
        "instruments": "|".join(f"{word}:{share:.2f}" for word, share in ranked),
        "programs": "|".join(
            f"{program}:{share:.2f}"
            for program, share in sorted(shares.items(), key=lambda item: -item[1])
        ),
    }
