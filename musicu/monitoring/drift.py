"""Whether the tracks that come in still sound like the catalog, and are encoded like it.

The embeddings are compared in several ways and, as an encoder that hears music may well be deaf to
levels and codecs, what was measured of the files besides. All these statistics are calibrated
together: the same draws (:mod:`musicu.monitoring.permutations`) say what each is worth while
nothing drifts, and what the largest of them all is worth (the max statistic of Westfall and Young,
Resampling-Based Multiple Testing, 1993). So a batch is flagged by chance as rarely as was asked,
however many signals there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import ModelMismatchError, MusicuError
from musicu.monitoring.permutations import permute_batches
from musicu.monitoring.sampling import align_batch
from musicu.monitoring.statistics import FEWEST, Statistic, batch_statistics
from musicu.monitoring.tracks import Tracks

__all__ = ["DriftReport", "Signal", "check_batch", "judge", "too_few"]

Array = NDArray[np.float32]
Array64 = NDArray[np.float64]

_DRAWS = 1000
_GROUPS = 5  # a batch of fewer artists tells of them, and not of what comes in
# What is asked for is kept with a margin, as a catalog is itself one draw from what might come in:
# all the batches of a year share how it happens to differ from the rest of the world's music.
_MARGIN = 50.0
_TAIL = 0.1  # of the draws' largest scores, to which an exponential is fitted
_CEILING = 30.0  # scores beyond, minus the decimal logarithm of p, say nothing more


@dataclass(frozen=True, kw_only=True)
class Signal:
    """One comparison.

    Attributes
    ----------
    name : str
        What is compared: ``"loudness"``.
    statistic : float
        How unlike the two sides are.
    threshold : float
        Above this it is drift.
    p : float in [0, 1]
        At most so often is the largest of all the signals as unlikely as this one, while nothing
        drifts. Drift is what is below ``alpha``.
    drifted : bool
        Whether it is.
    words : str
        How the two sides differ, for people.
    """

    name: str
    statistic: float
    threshold: float
    p: float
    drifted: bool
    words: str


@dataclass(frozen=True, kw_only=True)
class DriftReport:
    """What a comparison found.

    Attributes
    ----------
    drifted : bool or None
        Whether the batch differs; None if there is too little to say.
    n, groups : int
        Tracks and groups of the batch that were compared.
    reference : int
        Tracks that they were compared with.
    signals : tuple of Signal
        The most unlikely first.
    words : str
        The finding in a line.
    """

    drifted: bool | None
    n: int
    groups: int
    reference: int
    signals: tuple[Signal, ...]
    words: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a mapping that JSON can hold."""
        return {**asdict(self), "signals": [asdict(signal) for signal in self.signals]}


def check_batch(
    reference: Tracks | Array, batch: Tracks | Array, *, alpha: float = 0.01, seed: int = 0
) -> DriftReport:
    """Tell whether a batch of tracks differs from a catalog.

    Whose tracks are whose matters: a batch of whole albums strays further than one of as many
    artists, and both are undisturbed. Where the groups are not given, they are guessed from the
    vectors, which costs some power; give them if you can.

    Parameters
    ----------
    reference : Tracks or np.ndarray [shape=(n, dim), float32]
        The catalog: see :meth:`Tracks.of_catalog`. 2,500 tracks drawn at random stand for more.
    batch : Tracks or np.ndarray [shape=(m, dim), float32]
        What came in. 200 tracks are enough to hear a shift, 20 are the least.
    alpha : float in (0, 0.5]
        At most so often an undisturbed batch may be flagged.
    seed : int
        Of the draws; the same seed gives the same answer.

    Returns
    -------
    DriftReport
        The finding, with all its signals.

    Raises
    ------
    ModelMismatchError
        The vectors of the two are of different models.
    MusicuError
        ``alpha`` is out of range.
    """
    reference, batch = _tracks(reference), _tracks(batch)
    if not 0 < alpha <= 0.5:
        raise MusicuError(f"alpha is a probability in (0, 0.5], not {alpha}")
    named = reference.model is not None and batch.model is not None
    if reference.vectors.shape[1] != batch.vectors.shape[1] or (
        named and reference.model != batch.model
    ):
        raise ModelMismatchError(
            f"the batch is of {batch.model or 'another model'}, the catalog of "
            f"{reference.model or 'another one'}: embed both with one model"
        )
    if min(len(reference), len(batch)) < FEWEST:
        return too_few(len(batch), reference=len(reference))
    pair = align_batch(reference, batch, seed)
    draws = permute_batches(pair.group, pair.inside, known=pair.known, draws=_DRAWS, seed=seed)
    if draws.n < FEWEST or draws.rest[0].sum() < FEWEST or draws.groups < _GROUPS:
        return too_few(draws.n, draws.groups, len(reference))
    signals = judge(list(batch_statistics(pair.tracks, draws)), alpha)
    found = [signal for signal in signals if signal.drifted]
    words = "; ".join(f"{signal.name}: {signal.words}" for signal in found)
    return DriftReport(
        drifted=bool(found),
        n=draws.n,
        groups=draws.groups,
        reference=int(draws.rest[0].sum()),
        signals=signals,
        words=words or "as the catalog",
    )


def judge(measured: Sequence[Statistic], alpha: float) -> tuple[Signal, ...]:
    """Tell which statistics are too large, so that any is with a probability of ``alpha``.

    Parameters
    ----------
    measured : sequence of Statistic
        Statistics of one batch and of the same draws.
    alpha : float in (0, 0.5]
        Probability that any signal of an undisturbed batch is called drift; kept with a margin.

    Returns
    -------
    tuple of Signal
        The most unlikely first.
    """
    curves = [_Curve.of(one.values) for one in measured]
    scores = np.array(
        [curve.scores(one.values) for curve, one in zip(curves, measured, strict=True)]
    )
    # The largest scores of the draws, the second time around: now of all signals together.
    tail = _Tail.of(scores[:, 1:].max(axis=0))
    limit = tail.score(-np.log10(alpha / _MARGIN))
    return tuple(
        Signal(
            name=measured[at].name,
            statistic=float(measured[at].values[0]),
            threshold=curves[at].value(limit),
            p=min(1.0, _MARGIN * 10 ** -float(tail.rarity(scores[at, :1])[0])),
            drifted=bool(scores[at, 0] > limit),
            words=measured[at].words,
        )
        for at in np.argsort(-scores[:, 0], kind="stable")
    )


@dataclass(frozen=True, eq=False)
class _Tail:
    """How rare scores are: by counting, and by an exponential where few are left to count.

    Minus the logarithm of a p value has an exponential tail, however roughly p is known.
    """

    drawn: Array64
    edge: float
    slope: float

    @classmethod
    def of(cls, drawn: Array64) -> _Tail:
        drawn = np.sort(drawn)
        edge = float(drawn[int((1 - _TAIL) * len(drawn))])
        return cls(drawn, edge, max(float(drawn[drawn >= edge].mean()) - edge, 1e-3))

    def rarity(self, scores: Array64) -> Array64:
        """Minus the decimal logarithm of the share of draws with such a score, or a larger one."""
        above = len(self.drawn) - np.searchsorted(self.drawn, scores, "left")
        counted = -np.log10(np.maximum(above / len(self.drawn), _TAIL))
        beyond = -np.log10(_TAIL) + np.maximum(scores - self.edge, 0) / self.slope / np.log(10)
        rarity: Array64 = np.where(scores > self.edge, beyond, counted)
        return rarity

    def score(self, rarity: float) -> float:
        """Return the score that is so rare: rarer than the edge."""
        return float(self.edge + self.slope * np.log(10) * (rarity + np.log10(_TAIL)))


@dataclass(frozen=True, eq=False)
class _Curve:
    """How rare values of a statistic are, among the draws and beyond them.

    Quadratic forms of means are distributed nearly as gamma variates (Pearson's type III), and
    what their first three moments get wrong, the tail sets right.
    """

    mean: float
    spread: float
    skew: float
    tail: _Tail | None

    @classmethod
    def of(cls, values: Array64) -> _Curve:
        drawn = values[1:]
        mean, spread = float(drawn.mean()), float(drawn.std())
        if spread <= 1e-9 * max(1e-3, abs(mean)):  # nothing was seen to vary
            return cls(mean, 0.0, 0.0, None)
        skew = max(float((((drawn - mean) / spread) ** 3).mean()), 1e-2)
        plain = cls(mean, spread, skew, None)
        return replace(plain, tail=_Tail.of(plain.rough(drawn)))

    def rough(self, values: Array64) -> Array64:
        """Minus the decimal logarithm of p by the moments alone."""
        from scipy.stats import pearson3

        p = pearson3.sf(values, self.skew, self.mean, self.spread)
        rough: Array64 = -np.log10(np.maximum(p, 1e-300))
        return rough

    def scores(self, values: Array64) -> Array64:
        """Minus the decimal logarithm of p."""
        if self.tail is None:
            return np.where(values > self.mean + 1e-6, _CEILING, 0.0)
        return np.minimum(self.tail.rarity(self.rough(values)), _CEILING)

    def value(self, score: float) -> float:
        """Return the value of the statistic that has this score."""
        from scipy.stats import pearson3

        if self.tail is None:
            return self.mean
        rough = min(self.tail.score(score), 300.0)
        return float(pearson3.isf(10**-rough, self.skew, self.mean, self.spread))


def _tracks(given: Tracks | Array) -> Tracks:
    return given if isinstance(given, Tracks) else Tracks(given)


def too_few(n: int, groups: int = 0, reference: int = 0) -> DriftReport:
    """Say that nothing can be said of ``n`` tracks of a batch, or of a reference of so many."""
    return DriftReport(
        drifted=None,
        n=n,
        groups=groups,
        reference=reference,
        signals=(),
        words=f"too few to say: {FEWEST} tracks by {_GROUPS} artists are the least, on either side",
    )
