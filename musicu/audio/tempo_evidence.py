"""What speaks for and against each of the tempos that a recording may have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicu.audio.accents import STREAMS
from musicu.audio.periodicity import MIDDLE, PAIRS, Periodicity, interpolate

__all__ = ["BAR", "BEAT", "FEATURES", "tempo_features"]

Array64 = NDArray[np.float64]

# Of a candidate's beat, and of its frequency.
_LAG_RATIOS = (1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4, 6)
_RATE_RATIOS = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 1, 4 / 3, 3 / 2, 2, 3, 4, 6)
_HARMONY_RATIOS = (1 / 2, 1, 3 / 2, 2, 3, 4, 6, 8)
_ANSWER_RATIOS = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 1, 3 / 2, 2, 3, 4)
_AGREEMENT_RATIOS = (1 / 2, 1, 2, 4)
# Note values: how long one onset lasts until the next, in beats.
_INTERVAL_RATIOS = (1 / 6, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 3 / 2, 2, 3, 4)
_INTERVAL_STREAMS = (0, 3, 4)
_INTERVAL_WIDTH = 0.12  # octaves
_LOOSE = (0.99, 1.0, 1.01)  # a player is not exact, and neither is a candidate
_WIDTHS = {
    "repeats": len(STREAMS) * len(_LAG_RATIOS),
    "spectra": len(STREAMS) * len(_RATE_RATIOS),
    "tempo": 2,
    "salience": 1,
    "harmony": len(_HARMONY_RATIOS),
    "onsets": len(STREAMS),
    "clarity": len(STREAMS),
    "strength": len(STREAMS),
    "answers": len(PAIRS) * (1 + len(_ANSWER_RATIOS)),
    "agreements": len(PAIRS) * len(_AGREEMENT_RATIOS),
    "intervals": len(_INTERVAL_STREAMS) * (2 + len(_INTERVAL_RATIOS)),
}
_ENDS = np.cumsum(list(_WIDTHS.values())).tolist()
#: Where in a row of :func:`tempo_features` the features of one sort are.
FEATURES = {name: slice(end - _WIDTHS[name], end) for name, end in zip(_WIDTHS, _ENDS, strict=True)}


def _columns(name: str, ratios: tuple[float, ...], wanted: tuple[float, ...]) -> list[int]:
    """Return where the features of some ratios are, for all streams."""
    starts = range(FEATURES[name].start, FEATURES[name].stop, len(ratios))
    return [start + ratios.index(ratio) for start in starts for ratio in wanted]


#: Of the autocorrelations after one and after four beats.
BEAT, BAR = (_columns("repeats", _LAG_RATIOS, (ratio,)) for ratio in (1, 4))
# What means one thing at slow tempos and another at fast ones: what divides the beat, onsets, and
# what is the same for all candidates. Their products with the tempo are features, too.
_WITH_TEMPO = [
    *_columns("repeats", _LAG_RATIOS, (1 / 2, 1, 2)),
    *_columns("spectra", _RATE_RATIOS, (1 / 2, 1, 2, 4)),
    *range(FEATURES["onsets"].start, FEATURES["strength"].stop),
]
FEATURES["products"] = slice(_ENDS[-1], _ENDS[-1] + len(_WITH_TEMPO))


def tempo_features(periodicity: Periodicity, bpm: Array64, salience: Array64) -> Array64:
    """Measure what speaks for and against candidates of the tempo.

    For each stream the autocorrelation after parts and multiples of the beat and the spectrum at
    parts and multiples of its rate; the tempo; how often harmony comes back; onsets per beat; how
    the registers answer one another (a snare a beat after the kick), and whether they swing
    together at its rate or take turns (hi-hats between the beats); note values between onsets;
    and what is the same for all candidates: clarity and strength of the streams.

    Parameters
    ----------
    periodicity : Periodicity
        Of the recording.
    bpm, salience : np.ndarray [shape=(c,), float64]
        As :meth:`Periodicity.candidates` proposes them.

    Returns
    -------
    np.ndarray [shape=(c, features), float64]
    """
    beats = 60 * periodicity.rate / bpm
    lags = np.multiply.outer(_LOOSE, np.multiply.outer(beats, _LAG_RATIOS))
    repeats = periodicity.after(lags.ravel()).reshape(-1, *lags.shape).max(axis=1)
    rates = np.multiply.outer(_LOOSE, np.multiply.outer(bpm / 60, _RATE_RATIOS))
    spectra = periodicity.at(rates.ravel()).reshape(-1, *rates.shape).max(axis=1)
    octaves = np.log2(bpm / MIDDLE)
    steps = np.multiply.outer(60 * periodicity.chroma_rate / bpm, _HARMONY_RATIOS)
    harmony = interpolate(periodicity.harmony[None], steps.ravel()).reshape(steps.shape)
    onsets = np.log2(np.multiply.outer(60 / bpm, np.maximum(periodicity.onset_rates, 0.2)))
    level = np.log(periodicity.strengths + 1e-6)
    shared = np.concatenate([periodicity.clarity, level])
    columns = np.column_stack(
        [
            repeats.swapaxes(0, 1).reshape(len(bpm), -1),
            np.sqrt(spectra).swapaxes(0, 1).reshape(len(bpm), -1),
            octaves,
            octaves**2,
            salience,
            harmony,
            onsets,
            np.tile(shared, (len(bpm), 1)),
            _answers(periodicity, beats),
            _agreements(periodicity, bpm / 60),
            *(_note_values(periodicity.onsets[i], beats) for i in _INTERVAL_STREAMS),
        ]
    )
    return np.hstack([columns, columns[:, _WITH_TEMPO] * octaves[:, None]])


def _answers(periodicity: Periodicity, beats: Array64) -> Array64:
    """How registers answer one another after parts and multiples of each beat, and at once."""
    lags = np.multiply.outer(_LOOSE, np.multiply.outer(beats, _ANSWER_RATIOS))
    found = interpolate(periodicity.answers, lags.ravel()).reshape(-1, *lags.shape).max(axis=1)
    later = found.swapaxes(0, 1).reshape(len(beats), -1)
    return np.hstack([later, np.tile(periodicity.answers[:, 0], (len(beats), 1))])


def _agreements(periodicity: Periodicity, rates: Array64) -> Array64:
    """Whether registers go together or take turns, at parts and multiples of each beat's rate."""
    hz = np.multiply.outer(rates, _AGREEMENT_RATIOS)
    found = periodicity.agreeing(hz.ravel()).reshape(-1, *hz.shape)
    return found.swapaxes(0, 1).reshape(len(rates), -1)


def _note_values(onsets: NDArray[np.intp], beats: Array64) -> Array64:
    """Share of intervals between onsets near each note value; median, fifth (log2 beats)."""
    found = np.zeros((len(beats), len(_INTERVAL_RATIOS) + 2))
    if len(onsets) < 4:
        return found
    values = np.log2(np.diff(onsets) / beats[:, None])
    for i, ratio in enumerate(_INTERVAL_RATIOS):
        off = (values - np.log2(ratio)) / _INTERVAL_WIDTH
        found[:, i] = np.exp(-0.5 * off**2).mean(axis=1)
    found[:, -2] = np.median(values, axis=1)
    found[:, -1] = np.percentile(values, 20, axis=1)
    return found
