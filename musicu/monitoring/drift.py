"""Whether the tracks that come in still sound like the catalog, and are encoded like it.

The embeddings are compared in several ways and, as an encoder that hears music may well be deaf to
levels and codecs, what was measured of the files besides. P values come from random divisions of
the tracks, whole artists staying together (:mod:`musicu.monitoring.permutations`), and are adjusted
for the number of statistics (Westfall and Young, Resampling-Based Multiple Testing, 1993). So a
batch is flagged by chance as rarely as was asked, however many signals there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import ModelMismatchError, MusicuError
from musicu.monitoring.permutations import permute_batches
from musicu.monitoring.sampling import AlignedBatch, align_batch
from musicu.monitoring.statistics import FEWEST, Statistic, batch_statistics
from musicu.monitoring.tracks import Tracks

__all__ = ["DriftReport", "Signal", "check_batch", "judge", "too_few"]

Array = NDArray[np.float32]
Array64 = NDArray[np.float64]

# Random divisions, times 1 / alpha: the smallest p value there can be is one in so many, times the
# number of signals.
_DRAWS = 20
_LEAST_DRAWS, _AT_ONCE = 1000, 1000
_LEAST_ALPHA = 1e-4
_GROUPS = 5  # a batch of fewer artists tells of them, and not of what comes in
_ROUNDING = 1e-6  # of the largest value: what differs by less is the same


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
        At most so often is any of the signals as unlikely as this one while nothing drifts. Drift
        is what is below ``alpha``.
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
    alpha : float in [0.0001, 0.5]
        At most so often an undisturbed batch may be flagged. The smaller it is, the longer it
        takes: 20 / alpha random divisions are made.
    seed : int
        Of the divisions; the same seed gives the same answer.

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
    if not _LEAST_ALPHA <= alpha <= 0.5:
        raise MusicuError(f"alpha is a probability in [{_LEAST_ALPHA}, 0.5], not {alpha}")
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
    n, rest = int(pair.inside.sum()), int((~pair.inside).sum())
    groups = len(np.unique(pair.group[pair.inside]))
    if min(n, rest) < FEWEST or groups < _GROUPS:
        return too_few(n, groups, len(reference))
    signals = judge(_measured(pair, alpha, seed), alpha)
    found = [signal for signal in signals if signal.drifted]
    words = "; ".join(f"{signal.name}: {signal.words}" for signal in found)
    return DriftReport(
        drifted=bool(found),
        n=n,
        groups=groups,
        reference=rest,
        signals=signals,
        words=words or "as the catalog",
    )


def _measured(pair: AlignedBatch, alpha: float, seed: int) -> list[Statistic]:
    """Compare batch and reference, and random divisions of both, some of these at a time."""
    blocks = math.ceil(max(_LEAST_DRAWS, _DRAWS / alpha) / _AT_ONCE)
    found = []
    for rng in np.random.default_rng(seed).spawn(blocks):
        draws = permute_batches(pair.group, pair.inside, known=pair.known, draws=_AT_ONCE, seed=rng)
        found.append(list(batch_statistics(pair.tracks, draws)))
    return [
        replace(same[0], values=np.concatenate([same[0].values, *(x.values[1:] for x in same[1:])]))
        for same in zip(*found, strict=True)
    ]


def judge(measured: Sequence[Statistic], alpha: float) -> tuple[Signal, ...]:
    """Adjust the p values of several statistics for their number, and compare them with ``alpha``.

    The p value of a statistic is the share of divisions in which it is as large as in the one in
    question, which counts as one of them (Phipson and Smyth, 2010). It is adjusted by the minP
    method of Westfall and Young (1993): the share of divisions in which any statistic has as small
    a p value.

    Parameters
    ----------
    measured : sequence of Statistic
        Statistics of one batch and of the same random divisions.
    alpha : float in (0, 0.5]
        Probability that any signal of an undisturbed batch is called drift.

    Returns
    -------
    tuple of Signal
        The smallest p first; of equal ones that which is the most standard deviations off.
    """
    values = np.stack([one.values for one in measured])
    as_large = np.stack([_count_as_large(row) for row in values])
    total = values.shape[1]
    least = np.sort(as_large.min(axis=0))
    p = np.searchsorted(least, as_large[:, 0], "right") / total
    # p < alpha just where as_large is below this.
    limit = least[math.ceil(alpha * total) - 1]
    thresholds = np.max(values, axis=1, where=as_large >= limit, initial=-np.inf)
    spread = np.maximum(values.std(axis=1), np.finfo(np.float64).tiny)
    off = (values[:, 0] - values.mean(axis=1)) / spread
    return tuple(
        Signal(
            name=measured[at].name,
            statistic=float(values[at, 0]),
            threshold=float(thresholds[at]),
            p=float(p[at]),
            drifted=bool(as_large[at, 0] < limit),
            words=measured[at].words,
        )
        for at in np.lexsort((-off, as_large[:, 0]))
    )


def _count_as_large(values: Array64) -> NDArray[np.intp]:
    """Count for each value how many are as large, or larger; rounding errors make no difference."""
    slack = _ROUNDING * float(np.abs(values).max())
    return len(values) - np.searchsorted(np.sort(values), values - slack, "left")


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
