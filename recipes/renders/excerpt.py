"""Choose which part of a score is played, how fast, and how freely."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from renders.score import Excerpt, RenderError, Score

TEMPOS = (45.0, 210.0)  # beats per minute that are drawn


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


def draw_factor(score: Score, tempos: tuple[float, float], rng: np.random.Generator) -> float:
    """Draw how many times faster than written a score is played.

    Parameters
    ----------
    score : Score
        The score.
    tempos : (float, float)
        Range of the beat's tempo in beats per minute, kept to within the factors .5 to 2.
    rng : numpy.random.Generator
        Source of the choice.

    Returns
    -------
    float
        The factor.
    """
    clock = score.clock()
    beats = score.beats(0.0, score.end)
    written = 60.0 * len(beats) / max(clock(score.end), 0.5)
    low, high = (float(np.clip(tempo / written, 0.5, 2.0)) for tempo in tempos)
    factors = [float(np.exp(rng.normal(0.0, 0.22))) for _ in range(8)]
    return next((f for f in factors if low <= f <= high), float(rng.uniform(low, high)))


def draw_bend(rng: np.random.Generator) -> Callable[[float], float]:
    """Return a map from steady time to the time of a free performance, by 8 to 20 %."""
    period, phase = rng.uniform(7.0, 16.0), rng.uniform(0.0, 2.0 * math.pi)
    depth = rng.uniform(0.08, 0.2) * period / (2.0 * math.pi)
    turn = 2.0 * math.pi / period
    return lambda time: time + depth * (math.sin(turn * time + phase) - math.sin(phase))


def cut_excerpt(
    score: Score,
    seconds: float,
    factor: float,
    share: tuple[float, float],
    rng: np.random.Generator,
) -> Excerpt:
    """Choose the window of a score that is played; short scores are repeated.

    Parameters
    ----------
    score : Score
        The score.
    seconds : float
        Length of the excerpt as it is played.
    factor : float
        How many times faster than written.
    share : (float, float)
        Part of the score, as fractions, in which the excerpt starts.
    rng : numpy.random.Generator
        Source of the choice.

    Returns
    -------
    Excerpt
        The window, in steady time.
    """
    span = seconds * factor
    first = min(note.start for note in score.notes)
    playing = score.clock()(score.end) - score.clock()(first)
    if playing < span + 1.0:
        score = score.repeated(min(40, math.ceil((span + 1.0) / max(playing, 1.0)) + 1))
    return Excerpt(score, choose_start(score, span, share, rng), seconds, factor, lambda time: time)
