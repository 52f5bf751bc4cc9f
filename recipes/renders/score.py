"""A score's notes on a time axis of quarter notes, with its tempos, meters and key signatures."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import mido
import numpy as np


class RenderError(Exception):
    """A score cannot be rendered; the message says why, in a few words."""


@dataclass(frozen=True)
class Note:
    """A note; ``start`` and ``end`` are in quarter notes."""

    start: float
    end: float
    pitch: int
    velocity: int
    part: int


class Meter(NamedTuple):
    """A time signature and the position at which it begins."""

    at: float
    numerator: int
    denominator: int

    @property
    def length(self) -> float:
        """Length of a bar in quarter notes."""
        return 4.0 * self.numerator / self.denominator

    @property
    def beat(self) -> float:
        """Length of a beat in quarter notes: three eighths in 6/8, 9/8 and 12/8."""
        compound = self.denominator >= 8 and self.numerator > 3 and self.numerator % 3 == 0
        return (12.0 if compound else 4.0) / self.denominator

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"


@dataclass
class Score:
    """A score's notes, the controls of its parts, its tempos, its meters and its keys.

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
    meters : list of Meter
        The time signatures, first entry at 0.
    keys : list of (float, int, str)
        Position, sharps (flats are negative) and mode (``major``, ``minor`` or empty) of the key
        signatures; none where the score has none.
    final : (int, int or None) or None
        Pitch class of the lowest note of the whole score's last chord, and the signature there.
    """

    notes: list[Note] = field(default_factory=list)
    drums: list[bool] = field(default_factory=list)
    controls: list[tuple[float, int, mido.Message]] = field(default_factory=list)
    tempos: list[tuple[float, float]] = field(default_factory=list)
    meters: list[Meter] = field(default_factory=list)
    keys: list[tuple[float, int, str]] = field(default_factory=list)
    final: tuple[int, int | None] | None = None

    @property
    def end(self) -> float:
        """Position at which the last note ends."""
        return max(note.end for note in self.notes)

    def bars(self) -> list[tuple[float, float]]:
        """Return start and length of every bar, in quarter notes."""
        end, bars = self.end, []
        for index, meter in enumerate(self.meters):
            stop = self.meters[index + 1].at if index + 1 < len(self.meters) else end
            for bar in np.arange(meter.at, stop - 1e-6, meter.length):
                bars.append((float(bar), min(meter.length, max(stop - float(bar), 0.25))))
        return bars

    def beats(self, first: float, last: float) -> list[float]:
        """Return the positions of the beats from ``first`` up to ``last``."""
        found: list[float] = []
        for index, meter in enumerate(self.meters):
            stop = self.meters[index + 1].at if index + 1 < len(self.meters) else last + 1.0
            number = max(0, math.ceil((first - meter.at) / meter.beat - 1e-6))
            while (at := meter.at + number * meter.beat) < min(stop - 1e-6, last + 1e-6):
                found.append(at)
                number += 1
        return found

    def meter_at(self, position: float) -> Meter:
        """Return the meter in force at a position."""
        return max(
            (m for m in self.meters if m.at <= position + 1e-6),
            key=lambda meter: meter.at,
            default=self.meters[0],
        )

    def clock(self) -> Clock:
        """Return the map from quarter notes to seconds."""
        return Clock(self.tempos)

    def repeated(self, times: int) -> Score:
        """Return the score played ``times`` times, each time from the start of a bar."""
        meter = max(m for m in self.meters if m.at < self.end)
        period = meter.at + math.ceil((self.end - meter.at) / meter.length - 1e-6) * meter.length
        result = Score(drums=self.drums, controls=self.controls, final=self.final)
        for shift in (turn * period for turn in range(times)):
            result.notes += [
                replace(note, start=note.start + shift, end=note.end + shift) for note in self.notes
            ]
            result.tempos += [(at + shift, value) for at, value in self.tempos if at < period]
            result.meters += [m._replace(at=m.at + shift) for m in self.meters if m.at < period]
            result.keys += [(key[0] + shift, *key[1:]) for key in self.keys if key[0] < period]
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

    def position(self, seconds: float) -> float:
        """Return the position in quarter notes at a time in seconds."""
        index = max(0, bisect.bisect_right(self.times, seconds) - 1)
        return self.positions[index] + (seconds - self.times[index]) / self.rates[index]


@dataclass(frozen=True)
class Excerpt:
    """A window of a score and how its time runs.

    Attributes
    ----------
    score : Score
        The score, long enough for the window.
    start : float
        Where the window begins, in quarter notes.
    seconds : float
        The window's length as it is played.
    factor : float
        How many times faster than written it is played.
    bend : callable
        Map from steady seconds to played seconds, rising; the identity where time runs evenly.
    """

    score: Score
    start: float
    seconds: float
    factor: float
    bend: Callable[[float], float]

    def times(self) -> Callable[[float], float]:
        """Return the map from quarter notes to seconds after the window's start."""
        clock = self.score.clock()
        origin = clock(self.start)
        return lambda position: self.bend((clock(position) - origin) / self.factor)

    def end(self) -> float:
        """Return the position at which the window ends, in quarter notes, a little late."""
        clock = self.score.clock()
        return clock.position(clock(self.start) + (self.seconds + 1.0) * self.factor)
