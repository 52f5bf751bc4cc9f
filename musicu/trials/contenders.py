"""Who takes part in an offline test: the recommender, what it must beat, and it without its parts.

All score the same users and the same candidates of one split, and all learn from its training log
alone. New items are added after the fit, so nothing of them is in what was learned. Whatever the
parts, users and items are factorized once a split.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.items.fusion import Fusion, ItemVectors
from musicu.items.item import Items
from musicu.listening.scorer import Listener, Scorer
from musicu.trials.protocols import Split
from musicu.trials.rivals import Baselines, Kind, SystemScores, weighted_similarity

__all__ = ["EVENNESS", "FULL", "GRID", "Experiment"]

Floats = NDArray[np.float32]
Positions = NDArray[np.intp]

FULL = "musicu"

# What settings are chosen from, where they are: each value of one with each of the others.
GRID: Mapping[str, Sequence[float]] = {
    "smoothing": (2.0, 5.0, 12.0),
    "audio": (0.1, 0.3, 1.0),  # weight of the audio
    "taste": (0.05, 0.1, 0.25, 0.5, 1.0, 3.0),
}

# What control of popularity costs.
EVENNESS = (0.0, 0.5, 1.0)


class Experiment:
    """A split, and all who take part in it.

    Parameters
    ----------
    split : Split
    items : Items
        All that can be recommended.
    candidates : np.ndarray [shape=(c,), intp]
        Positions of the items that are ranked.
    fields : sequence of str
        The fields that any item has.
    settings : mapping of str to object
        Parameters of :class:`musicu.listening.scorer.Scorer`.
    others : mapping of str to np.ndarray [shape=(n, dim)]
        More vectors of all the items to compare with; a row of zeros is an item without one.
    seed : int
        Of all that is drawn.
    """

    def __init__(
        self,
        split: Split,
        items: Items,
        candidates: Positions,
        *,
        fields: Sequence[str],
        settings: Mapping[str, Any],
        others: Mapping[str, NDArray[np.floating]],
        seed: int,
    ) -> None:
        cold = np.isin(np.arange(len(items)), split.cold)
        warm = items.take(np.flatnonzero(~cold).tolist())
        self.scorer = Scorer(**{"seed": seed, **settings}).fit(split.train, warm)
        self.scorer.add(items.take(split.cold.tolist()))
        self._users = [split.train.users[user] for user in split.users]
        self._seed = seed
        # The scorer holds other items too, in another order.
        place = np.array([self.scorer.items.position(id) for id in items.ids], dtype=np.intp)
        self._at, self._new = place[candidates], place[split.cold]
        self._fields = [field for field in self.scorer.vectors.fields if field in fields]
        self._baselines = Baselines(
            split.train,
            split.users,
            items,
            Fusion().fit(warm).transform(items),
            candidates,
            split.cold,
            fields=fields,
            others=others,
            seed=seed,
        )

    def grid(self) -> Iterator[tuple[dict[str, Any], Floats]]:
        """Yield settings of :data:`GRID`, and the scores [users, candidates] that they give."""
        weights = self.scorer.vectors.weights
        for audio in GRID["audio"] if "audio" in self._fields else (None,):
            for smoothing in GRID["smoothing"]:
                settings: dict[str, Any] = {"smoothing": smoothing}
                if audio is not None:
                    settings["weights"] = {**weights, "audio": audio}
                scorer = self.tuned(settings)
                place, alike = _UserModels(scorer, self._users).parts(scorer, self._at)
                for taste in GRID["taste"]:
                    yield {**settings, "taste": taste}, place + np.float32(taste) * alike

    def tuned(self, settings: Mapping[str, Any]) -> Scorer:
        """Return the scorer with other settings; the factors stay."""
        scorer = copy.copy(self.scorer)
        for name, value in settings.items():
            setattr(scorer, name, value)
        if "weights" in settings:
            scorer.fusion = copy.copy(scorer.fusion).set_params(weights=settings["weights"])
            return _relearned(scorer, scorer.fusion.transform(scorer.items))
        return _relearned(scorer, scorer.vectors)

    def systems(self, scorer: Scorer) -> Iterator[SystemScores]:
        """Yield all who take part, the whole recommender first.

        Parameters
        ----------
        scorer : Scorer
            With the settings that are tested: :attr:`scorer`, or what :meth:`tuned` returned.
        """
        users = _UserModels(scorer, self._users)
        place, alike = users.parts(scorer, self._at)
        taste, everything = np.float32(scorer.taste), tuple(self._fields)
        yield SystemScores(name=FULL, kind="full", uses=everything, scores=place + taste * alike)
        yield from self._baselines
        yield from self._others(scorer)
        for name, scores in (("listeners, no likeness", place), ("likeness, no listeners", alike)):
            yield SystemScores(name=name, kind="ablation", uses=everything, scores=scores)
        for evenness in EVENNESS:
            other = copy.copy(scorer)
            other.evenness = evenness
            other.settle()
            scores = self._scored(other)
            yield SystemScores(
                name=f"evenness {evenness:g}", kind="ablation", uses=everything, scores=scores
            )
        for lacks, kept in self._slices():
            there = np.ones(scorer.vectors.present.shape, dtype=np.bool_)
            there[self._new] = [field in kept for field in scorer.vectors.fields]
            poorer = _with_vectors(scorer, scorer.vectors.keep(there))
            place, alike = users.parts(poorer, self._at)
            yield SystemScores(
                name=f"{FULL}, {lacks}",
                kind="missing",
                uses=tuple(kept),
                lacks=lacks,
                scores=place + taste * alike,
            )
            yield from self._baselines.with_missing(lacks, kept)

    def _others(self, scorer: Scorer) -> Iterator[SystemScores]:
        """Yield recommenders that learned from less, or from what belongs to other items."""
        vectors = scorer.vectors
        known = np.flatnonzero(vectors.present.any(axis=1))
        moved = np.arange(len(vectors))
        moved[known] = np.random.default_rng(self._seed).permutation(known)
        yield self._other("contents shuffled", "control", scorer, vectors.take(moved), self._fields)
        for name, kept in self._subsets():
            there = np.broadcast_to([f in kept for f in vectors.fields], vectors.present.shape)
            yield self._other(name, "ablation", scorer, vectors.keep(there), kept)

    def _other(
        self, name: str, kind: Kind, scorer: Scorer, vectors: ItemVectors, uses: Sequence[str]
    ) -> SystemScores:
        scores = self._scored(_relearned(scorer, vectors))
        return SystemScores(name=name, kind=kind, uses=tuple(uses), scores=scores)

    def _scored(self, scorer: Scorer) -> Floats:
        place, alike = _UserModels(scorer, self._users).parts(scorer, self._at)
        return place + np.float32(scorer.taste) * alike

    def _subsets(self) -> Iterator[tuple[str, list[str]]]:
        """Name what the recommender learns from, where that is less than everything."""
        metadata = [field for field in self._fields if field != "audio"]
        if "audio" in self._fields and metadata:
            yield "audio only", ["audio"]
            yield "metadata only", metadata
        if len(self._fields) > 2:
            for field in metadata:
                yield f"without {field}", [other for other in self._fields if other != field]

    def _slices(self) -> Iterator[tuple[str, list[str]]]:
        """Name what new items may lack, and what they have then."""
        if len(self._fields) > 1:
            for field in self._fields:
                yield f"new items lack {field}", [f for f in self._fields if f != field]
        if "audio" in self._fields and len(self._fields) > 2:
            yield "new items have audio only", ["audio"]


class _UserModels:
    """What a scorer makes of some users, for the scores of all of them at once."""

    def __init__(self, scorer: Scorer, users: Sequence[str]) -> None:
        from scipy.sparse import csr_array

        listeners: list[Listener] = [scorer.listener(user) for user in users]
        self._factor = np.stack([listener.factor for listener in listeners])
        self._scale = np.array([listener.scale for listener in listeners], dtype=np.float32)
        self._tells = np.array([x.interests is not None for x in listeners], dtype=np.float32)
        ends = np.cumsum([0, *(len(listener.played) for listener in listeners)])
        liking = np.concatenate([listener.liking for listener in listeners]).astype(np.float32)
        played = np.concatenate([listener.played for listener in listeners])
        shape = (len(listeners), len(scorer.items))
        self._liking = csr_array((liking, played, ends), shape=shape)

    def parts(self, scorer: Scorer, at: Positions) -> tuple[Floats, Floats]:
        """Return the two parts of :meth:`Scorer.scores` [users, items], the second for taste 1.

        The scorer may be another one that learned the same, and knows other things of items that
        nobody played.
        """
        place = self._factor @ scorer.places[at].T / self._scale[:, :1]
        alike = weighted_similarity(scorer.vectors, self._liking, at)
        # Likeness is measured from the catalog's mean.
        alike -= self._tells[:, None] * scorer.vectors.take(at).scores(scorer.common)
        alike *= scorer.gain[at] / self._scale[:, 1:]
        return place, alike


def _with_vectors(scorer: Scorer, vectors: ItemVectors) -> Scorer:
    """Return a scorer that learned the same, and knows other things of its items."""
    other = copy.copy(scorer)
    other.vectors = vectors
    other.settle()
    return other


def _relearned(scorer: Scorer, vectors: ItemVectors) -> Scorer:
    """Return a scorer that learned from the same listening and other contents."""
    other = copy.copy(scorer)
    other.vectors = vectors
    other.learn()
    return other
