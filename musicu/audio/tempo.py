"""Tempo: which of the tempos that a recording may have is meant, and how surely."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicu.audio.periodicity import TEMPO_RANGE, Periodicity
from musicu.audio.tempo_evidence import BAR, BEAT, FEATURES, tempo_features

__all__ = ["Pulse", "TempoModel", "certainty_features", "find_pulse"]

Array64 = NDArray[np.float64]

_WEIGHTS = Path(__file__).with_name("tempo.npz")
_SAME = 0.04  # octaves of the best that are nearer than this to a candidate are that candidate
_LEAST = -6.0  # logarithm of a probability; what is less likely is as good as impossible
_LISTED = 0.01  # candidates with less than this share of the best's probability are left out


@dataclass(frozen=True)
class Pulse:
    """The tempo of a recording.

    Attributes
    ----------
    candidates : tuple of (bpm, strength)
        The best first, its half and double among them; strengths are probabilities relative to
        the best's.
    confidence : float in [0, 1]
        Probability that the best is right, octave included.
    regularity : float in [0, 1] or None
        Highest autocorrelation of the accents below 2 kHz at any tempo; None if there is too
        little to tell.
    """

    candidates: tuple[tuple[float, float], ...]
    confidence: float
    regularity: float | None


@dataclass(frozen=True)
class TempoModel:
    """A logistic model that chooses among candidates, and what its choice is worth.

    The conditional logit of McFadden, "Conditional logit analysis of qualitative choice behavior"
    (1974): a candidate's odds are the exponential of a weighted sum of its features.

    Attributes
    ----------
    weights : np.ndarray [shape=(features,), float64]
        Of :func:`musicu.audio.tempo_evidence.tempo_features`.
    second : np.ndarray [shape=(features,), float64]
        Likewise, of a model that hears less and is only asked whether it agrees: where two
        disagree, the first is less often right (H. S. Seung et al., "Query by committee",
        COLT 1992).
    certainty : np.ndarray [shape=(30,), float64]
        Logistic regression on :func:`certainty_features`, the intercept last.
    """

    weights: Array64
    second: Array64
    certainty: Array64

    @classmethod
    def load(cls, path: Path) -> TempoModel:
        """Read a model that ``recipes/tempo.py`` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{part.name: arrays[part.name].astype(np.float64) for part in fields(cls)})

    def scores(self, features: Array64) -> Array64:
        """Return logarithms of the candidates' odds [c], up to a constant, of features [c, f]."""
        return np.asarray(features @ self.weights)

    def confidence(self, features: Array64, scores: Array64) -> float:
        """Return the probability that the best is right, of features [c, f] and scores [c]."""
        known = certainty_features(features, scores, features @ self.second)
        return float(self.sureness(known))

    def sureness(self, known: Array64) -> Array64:
        """Return the probability [...] of being right, of :func:`certainty_features` [..., 29]."""
        return np.asarray(1 / (1 + np.exp(-(known @ self.certainty[:-1] + self.certainty[-1]))))


@cache
def _model() -> TempoModel:
    return TempoModel.load(_WEIGHTS)


def find_pulse(periodicity: Periodicity | None, model: TempoModel | None = None) -> Pulse:
    """Find the tempo of a recording.

    Peaks of autocorrelation and spectrum of the accents, their halves, doubles and thirds are
    candidates. A logistic model, fitted to scores rendered to audio (``recipes/tempo.py``), weighs
    what comes back after parts and multiples of each one's beat, in each register, and the note
    values that it would mean.

    Parameters
    ----------
    periodicity : Periodicity or None
        How accents and harmony come back; None if there is too little to tell.
    model : TempoModel, optional
        None takes the one that comes along.

    Returns
    -------
    Pulse
    """
    if periodicity is None:
        return Pulse((), 0.0, None)
    regularity = float(np.clip(periodicity.clarity[3], 0, 1))
    bpm, salience = periodicity.candidates()
    if not len(bpm):
        return Pulse((), 0.0, regularity)
    model = model or _model()
    features = tempo_features(periodicity, bpm, salience)
    scores = model.scores(features)
    odds = np.exp(scores - scores.max())
    best = int(odds.argmax())
    found = {
        tempo: strength
        for tempo, strength in zip(bpm.tolist(), odds.tolist(), strict=True)
        if strength >= _LISTED
    }
    for octave in (bpm[best] / 2, bpm[best] * 2):
        if not TEMPO_RANGE[0] <= octave <= TEMPO_RANGE[1]:
            continue
        near = [i for i, tempo in enumerate(bpm) if abs(octave / tempo - 1) < _SAME]
        if near:
            found[float(bpm[near[0]])] = float(odds[near[0]])
        else:
            found[float(octave)] = 0.0
    ordered = sorted(found.items(), key=lambda candidate: -candidate[1])
    return Pulse(tuple(ordered), model.confidence(features, scores), regularity)


def certainty_features(features: Array64, scores: Array64, second: Array64) -> Array64:
    """Measure what tells whether the best candidate is right.

    Parameters
    ----------
    features : np.ndarray [shape=(c, features), float64]
        Of the candidates, by :func:`musicu.audio.tempo_evidence.tempo_features`.
    scores, second : np.ndarray [shape=(c,), float64]
        Logarithms of the candidates' odds, up to a constant, by the model and its second opinion.

    Returns
    -------
    np.ndarray [shape=(29,), float64]
        Log odds of the best; its lead over the second best (in logarithms, bounded); entropy; how
        likely its double and its half are beside it; how likely the second opinion finds it, and
        whether it would choose it; salience; autocorrelation after one and after four beats;
        highest clarity; clarity, log strength and onsets per beat of each stream; octaves from the
        usual tempo, their square and their absolute value.
    """
    logs, others = _normalized(scores), _normalized(second)
    best = int(scores.argmax())
    p = np.clip(np.sort(np.exp(logs))[::-1], 1e-4, 1 - 1e-4)
    row, octaves = features[best], features[:, FEATURES["tempo"].start]
    octave = octaves[best]
    return np.array(
        [
            np.log(p[0] / (1 - p[0])),
            min(np.log(p[0] / p[1]), 5.0) if len(p) > 1 else 5.0,
            -(p * np.log(p)).sum(),
            *(_beside(logs, best, np.abs(octaves - octave - step) < _SAME) for step in (1, -1)),
            max(others[best], _LEAST),
            float(others.argmax() == best),
            row[FEATURES["salience"]].max(),
            row[BEAT].max(),
            row[BAR].max(),
            row[FEATURES["clarity"]].max(),
            *row[FEATURES["clarity"]],
            *row[FEATURES["strength"]],
            *row[FEATURES["onsets"]],
            octave,
            octave**2,
            abs(octave),
        ]
    )


def _normalized(scores: Array64) -> Array64:
    """Logarithms of probabilities, of logarithms of odds."""
    logs = scores - scores.max()
    return np.asarray(logs - np.log(np.exp(logs).sum()))


def _beside(logs: Array64, best: int, there: NDArray[np.bool_]) -> float:
    """How likely candidates are beside the best, at least ``_LEAST`` (in logarithms)."""
    return max(float(logs[there].max() - logs[best]), _LEAST) if there.any() else _LEAST
