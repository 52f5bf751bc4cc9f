"""Who takes part in an offline test: the recommender, what it must beat, and it without its parts.

All score the same users and the same candidates of one split, and all learn from its training log
alone. New items are added after the fit, so nothing of them is in what was learned. Whatever the
parts, users and items are factorized once a split.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from musicu.items.fusion import DEFAULT_WEIGHTS, Fusion, ItemVectors
from musicu.items.item import Items
from musicu.items.titles import artist_names
from musicu.listening.projection import fit_projection
from musicu.listening.scorer import Listener, Scorer
from musicu.trials.protocols import Split

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["FULL", "GRID", "Arena", "Contender", "settings_grid"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Positions = NDArray[np.intp]
Kind = Literal["full", "baseline", "control", "ablation", "missing", "missing baseline"]

FULL = "musicu"

# What settings are chosen from, where they are chosen: each value of one with each of the others.
GRID: Mapping[str, Sequence[float]] = {
    "smoothing": (2.0, 5.0, 12.0),
    "audio": (0.3, 1.0, 2.0),
    "taste": (0.1, 0.25, 0.5),
}


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Scores of one system in one split.

    Attributes
    ----------
    name : str
        Of the system.
    kind : {"full", "baseline", "control", "ablation", "missing", "missing baseline"}
        What it is there for.
    lacks : str
        What the new items lack at the test; empty where nothing.
    scores : np.ndarray [shape=(users, candidates), float32]
        Larger is better.
    """

    name: str
    kind: Kind
    scores: Floats
    lacks: str = ""


class Arena:
    """A split with everything that the contenders share.

    Parameters
    ----------
    split : Split
    items : Items
        All that can be recommended.
    candidates : np.ndarray [shape=(c,), intp]
        Positions of the items that are ranked.
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
        settings: Mapping[str, Any],
        others: Mapping[str, NDArray[np.floating]],
        seed: int,
    ) -> None:
        self.split, self.items, self.candidates = split, items, candidates
        self.others, self.seed = dict(others), seed
        self.names = [split.train.users[u] for u in split.users]
        cold = np.zeros(len(items), dtype=np.bool_)
        cold[split.cold] = True
        warm = items.take(np.flatnonzero(~cold).tolist())
        self.scorer = Scorer(**{"seed": seed, **settings}).fit(split.train, warm)
        self.scorer.add(items.take(split.cold.tolist()))
        # Where the items stand in the scorer, whose items are others too, in another order.
        self.place = np.array([self.scorer.items.position(id) for id in items.ids], dtype=np.intp)
        self.at = self.place[candidates]
        self.new = self.place[split.cold]
        self.plain = self.scorer.vectors
        if self.scorer.weights is not None:
            self.plain = Fusion().fit(warm).transform(self.scorer.items)

    def tuned(self, settings: Mapping[str, Any]) -> Scorer:
        """Return the scorer with other settings; the factors stay."""
        scorer = copy.copy(self.scorer)
        for name, value in settings.items():
            setattr(scorer, name, value)
        vectors = scorer.vectors
        if "weights" in settings:
            fusion = copy.copy(scorer.fusion).set_params(weights=settings["weights"])
            scorer.fusion, vectors = fusion, fusion.transform(scorer.items)
        return _relearned(scorer, vectors)

    def full(self, scorer: Scorer) -> Contender:
        """Return the whole recommender alone."""
        place, alike = _Heard(scorer, self.names).parts(scorer, self.at)
        return Contender(name=FULL, kind="full", scores=place + np.float32(scorer.taste) * alike)

    def contenders(self, scorer: Scorer, fields: Sequence[str]) -> Iterator[Contender]:
        """Yield all contenders, the whole recommender first.

        Parameters
        ----------
        scorer : Scorer
            With the settings that are tested: :attr:`scorer`, or what :meth:`tuned` returned.
        fields : sequence of str
            The fields that any item has, in the order of :data:`musicu.items.fusion.FIELDS`.
        """
        heard = _Heard(scorer, self.names)
        place, alike = heard.parts(scorer, self.at)
        weight = np.float32(scorer.taste)
        yield Contender(name=FULL, kind="full", scores=place + weight * alike)
        yield from self._baselines(fields)
        yield from self._relearned(scorer, fields)
        yield Contender(name="listeners only, no likeness", kind="ablation", scores=place)
        yield Contender(name="likeness only, no listeners", kind="ablation", scores=alike)
        for lacks, kept in _slices(fields):
            there = np.ones(scorer.vectors.present.shape, dtype=np.bool_)
            there[self.new] = [field in kept for field in scorer.vectors.fields]
            poorer = _with_vectors(scorer, scorer.vectors.keep(there))
            place, alike = heard.parts(poorer, self.at)
            name = f"{FULL}, {lacks}"
            scores = place + weight * alike
            yield Contender(name=name, kind="missing", scores=scores, lacks=lacks)
            yield from self._poorer_baselines(lacks, kept, fields)

    def _relearned(self, scorer: Scorer, fields: Sequence[str]) -> Iterator[Contender]:
        """Yield recommenders that learned from less, or from what belongs to other items."""
        vectors = scorer.vectors
        known = np.flatnonzero(vectors.present.any(axis=1))
        moved = np.arange(len(vectors))
        moved[known] = np.random.default_rng(self.seed).permutation(known)
        yield self._of("contents shuffled", "control", scorer, vectors.take(moved))
        for name, kept in _subsets(fields):
            there = np.broadcast_to([f in kept for f in vectors.fields], vectors.present.shape)
            yield self._of(name, "ablation", scorer, vectors.keep(there))

    def _of(self, name: str, kind: Kind, scorer: Scorer, vectors: ItemVectors) -> Contender:
        other = _relearned(scorer, vectors)
        place, alike = _Heard(other, self.names).parts(other, self.at)
        scores = place + np.float32(other.taste) * alike
        return Contender(name=name, kind=kind, scores=scores)

    # What must be beaten

    def _history(self) -> csr_array:
        """Return what the users played [users, items of the scorer]: logarithms that sum to 1."""
        from scipy.sparse import csr_array, diags_array

        matrix = self.split.train.matrix()[self.split.users]
        column = np.array(
            [self.scorer.items.position(id) for id in self.split.train.items], dtype=np.int32
        )
        shape = (matrix.shape[0], len(self.scorer.items))
        moved = csr_array((matrix.data, column[matrix.indices], matrix.indptr), shape=shape)
        whole = np.maximum(moved.sum(axis=1), np.finfo(np.float32).tiny)
        return csr_array(diags_array((1 / whole).astype(np.float32)) @ moved)

    def _baselines(self, fields: Sequence[str]) -> Iterator[Contender]:
        shape = (len(self.names), len(self.candidates))
        drawn = np.random.default_rng(self.seed).random(shape, dtype=np.float32)
        yield _baseline("random", drawn)
        yield _baseline("popularity", np.broadcast_to(self._popularity(), shape))
        history = self._history()
        yield _baseline("same artist", self._same_artist(history))
        for name, kept in _neighborhoods(fields):
            there = np.broadcast_to(
                [f in kept for f in self.plain.fields], self.plain.present.shape
            )
            yield _baseline(f"{name} kNN", _likeness(self.plain.keep(there), history, self.at))
        spaces = {"audio": self.items.audio} if "audio" in fields else {}
        for name, space in {**spaces, **self.others}.items():
            length = np.linalg.norm(space, axis=1, keepdims=True)
            rows = (space / np.where(length > 0, length, 1)).astype(np.float32)
            liked = history[:, self.place] @ rows
            yield _baseline(f"{name} kNN", liked @ rows[self.candidates].T)

    def _poorer_baselines(
        self, lacks: str, kept: Sequence[str], fields: Sequence[str]
    ) -> Iterator[Contender]:
        """Yield the neighborhoods again, where the new items lack something."""
        history = self._history()
        for name, of in _neighborhoods(fields):
            left = [field for field in of if field in kept]
            if not left or len(left) == len(of):
                continue  # nothing is left to compare, or nothing is missing
            there = np.broadcast_to([f in of for f in self.plain.fields], self.plain.present.shape)
            there = there.copy()
            there[self.new] = [field in left for field in self.plain.fields]
            scores = _likeness(self.plain.keep(there), history, self.at)
            title = f"{name} kNN, {lacks}"
            yield Contender(name=title, kind="missing baseline", scores=scores, lacks=lacks)

    def _popularity(self) -> Floats:
        """Return listeners in training; among items without any, those of the artist decide."""
        own = self.scorer.listeners[self.place].astype(np.float64)
        names = [artist_names(item)[:1] or (item.id,) for item in self.items]
        _, artist = np.unique([name for (name,) in names], return_inverse=True)
        of_artist = np.bincount(artist, weights=own)[artist]
        score = own + of_artist / (1 + of_artist.max(initial=0))
        return np.asarray(score[self.candidates], dtype=np.float32)

    def _same_artist(self, history: csr_array) -> Floats:
        from scipy.sparse import csr_array

        number: dict[str, int] = {}
        pairs = [
            (at, number.setdefault(artist, len(number)))
            for at, item in zip(self.place, self.items, strict=True)
            for artist in artist_names(item)
        ]
        rows, columns = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
        shape = (len(self.scorer.items), len(number))
        of = csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=shape)
        return np.asarray(((history @ of) @ of[self.at].T).toarray(), dtype=np.float32)


class _Heard:
    """What a scorer knows of some users, for scores of all of them at once."""

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

        The scorer may be another one with the same items and factors, if its history rows are
        the same.
        """
        place = self._factor @ scorer.places[at].T / self._scale[:, :1]
        alike = _likeness(scorer.vectors, self._liking, at)
        # Likeness is measured from the catalog's mean.
        alike -= self._tells[:, None] * scorer.vectors.take(at).scores(scorer.common)
        return place, alike * scorer.gain[at] / self._scale[:, 1:]


def settings_grid(settings: Mapping[str, Any], *, heard: bool) -> Iterator[dict[str, Any]]:
    """Yield the settings of :data:`GRID` around given ones; the audio's weight only if any is."""
    weights = settings.get("weights") or DEFAULT_WEIGHTS
    for smoothing in GRID["smoothing"]:
        for audio in GRID["audio"] if heard else (None,):
            mixed = weights if audio is None else {**weights, "audio": audio}
            yield {"smoothing": smoothing, "weights": dict(mixed)}


def _baseline(name: str, scores: NDArray[np.floating]) -> Contender:
    return Contender(name=name, kind="baseline", scores=np.asarray(scores, dtype=np.float32))


def _likeness(vectors: ItemVectors, weights: csr_array, at: Positions) -> Floats:
    """Weighted sums of the likenesses of items to what was played [users, items]."""
    rows = vectors.take(at)
    dense = (weights @ vectors.dense) @ rows.dense.T
    sparse = ((weights @ vectors.sparse) @ rows.sparse.T).toarray()
    return np.asarray(dense + sparse, dtype=np.float32)


def _with_vectors(scorer: Scorer, vectors: ItemVectors) -> Scorer:
    """Return a scorer that learned the same, and knows other things of its items."""
    other = copy.copy(scorer)
    other.vectors = vectors
    other._settle()
    return other


def _relearned(scorer: Scorer, vectors: ItemVectors) -> Scorer:
    """Return a scorer that learned from the same listening and other contents."""
    known = np.flatnonzero((scorer.listeners > 0) & vectors.present.any(axis=1))
    other = copy.copy(scorer)
    other.projection = fit_projection(
        vectors.take(known),
        scorer.factors.items[known],
        scorer.listeners[known],
        smoothing=scorer.smoothing,
        doubt=scorer.doubt,
        seed=scorer.seed,
    )
    return _with_vectors(other, vectors)


def _neighborhoods(fields: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Name what items are compared by, in the baselines."""
    classic = [field for field in ("genres", "year") if field in fields]
    metadata = [field for field in fields if field != "audio"]
    if classic:
        yield " + ".join("genre" if field == "genres" else field for field in classic), classic
    if metadata and metadata != classic:
        yield "metadata", metadata
    if "audio" in fields and metadata:
        yield "all fields", list(fields)


def _subsets(fields: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Name what the recommender learns from, where that is less than everything."""
    metadata = [field for field in fields if field != "audio"]
    if "audio" in fields and metadata:
        yield "audio only", ["audio"]
        yield "metadata only", metadata
    if len(metadata) > 1:
        for field in metadata:
            yield f"without {field}", [other for other in fields if other != field]


def _slices(fields: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Name what new items may lack, and what they have then."""
    if len(fields) < 2:
        return
    for field in fields:
        yield f"new items lack {field}", [other for other in fields if other != field]
    if "audio" in fields and len(fields) > 2:
        yield "new items have audio only", ["audio"]
