"""Who takes part in an offline test: the recommender, what it must beat, and it without its parts.

All score the same users and the same candidates of one split, and all learn from its training log
alone. New items are added after the fit, so nothing of them is in what was learned. Whatever the
parts, users and items are factorized once a split.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.evaluation.recommenders.baselines import (
    Baselines,
    Kind,
    SystemScores,
    weighted_similarity,
)
from musicu.evaluation.recommenders.collaborative import Columns
from musicu.evaluation.recommenders.splits import Split
from musicu.evaluation.recommenders.whole_catalog import CatalogLists, CatalogTest, mixed
from musicu.items.fused_vectors import ItemVectors
from musicu.items.fusion import Fusion
from musicu.items.item import Items
from musicu.recommend.calibration_fit import calibrated
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.hyperparameters import Hyperparameters, named_today
from musicu.recommend.scorer import Listener, Scorer

__all__ = ["EXPLORATION", "FULL", "GRID", "LENGTH_DEBIAS", "Experiment"]

Floats = NDArray[np.float32]
Positions = NDArray[np.intp]

FULL = "musicu"

# What settings are chosen from, where they are: each value of one with each of the others.
GRID: Mapping[str, Sequence[float]] = {
    "ridge": (5.0, 10.0, 20.0),
    "audio": (0.1, 0.3, 1.0),  # weight of the audio
    "taste": (0.05, 0.1, 0.25, 0.5, 1.0, 3.0),
}

# What control of popularity costs.
LENGTH_DEBIAS = (0.0, 0.5, 1.0)

# What room for new items costs: shares of a list that are kept for them.
EXPLORATION = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)


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
        Those of :class:`musicu.recommend.hyperparameters.Hyperparameters`.
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
        model = calibrated(
            FittedModel.fit(
                split.train, warm, Hyperparameters(**{"seed": seed, **named_today(settings)})
            )
        )
        self.model = model.with_items(items.take(split.cold.tolist()))
        self._users = [split.train.users[user] for user in split.users]
        self._seed = seed
        self._known = self.model, _UserModels(self.model, self._users)
        # The model holds other items too, in another order.
        place = self.model.positions(items.ids)
        self._at, self._new = place[candidates], place[split.cold]
        self.test = CatalogTest(split, self.model)
        self._columns = list(Columns(split, self.model))
        self._fields = [field for field in self.model.vectors.fields if field in fields]
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
        weights = self.model.vectors.weights
        for audio in GRID["audio"] if "audio" in self._fields else (None,):
            for ridge in GRID["ridge"]:
                settings: dict[str, Any] = {"ridge": ridge}
                if audio is not None:
                    settings["weights"] = {**weights, "audio": audio}
                model = self.model.with_settings(**settings)
                by_factor, alike = _UserModels(model, self._users).parts(model, self._at)
                for taste in GRID["taste"]:
                    yield {**settings, "taste": taste}, by_factor + np.float32(taste) * alike

    def systems(self, model: FittedModel, *, parts: bool = True) -> Iterator[SystemScores]:
        """Yield all who take part, the whole recommender first.

        Parameters
        ----------
        model : FittedModel
            With the settings that are tested: :attr:`model`, or what followed from it.
        parts : bool
            Whether the recommender without each part takes part, too.
        """
        users = self._listeners(model)
        by_factor, alike = users.parts(model, self._at)
        taste, everything = np.float32(model.settings.taste), tuple(self._fields)
        full = by_factor + taste * alike
        yield SystemScores(name=FULL, kind="full", uses=everything, scores=full)
        yield from self._baselines
        for name, of_rows in self._columns:
            scores = of_rows(slice(None))[:, self._at]
            yield SystemScores(name=name, kind="baseline", uses=everything, scores=scores)
        yield from self._shuffled(model)
        if parts:
            yield from self._parts(model, users)

    def _parts(self, model: FittedModel, users: _UserModels) -> Iterator[SystemScores]:
        """Yield the recommender without its parts, and where new items lack something."""
        by_factor, alike = users.parts(model, self._at)
        taste, everything = np.float32(model.settings.taste), tuple(self._fields)
        yield from self._others(model)
        for name, scores in (
            ("listeners, no likeness", by_factor),
            ("likeness, no listeners", alike),
        ):
            yield SystemScores(name=name, kind="ablation", uses=everything, scores=scores)
        for length_debias in LENGTH_DEBIAS:
            scores = self._scored(model.with_settings(length_debias=length_debias))
            name = f"evenness {length_debias:g}"
            yield SystemScores(name=name, kind="ablation", uses=everything, scores=scores)
        for lacks, kept in self._slices():
            there = np.ones(model.vectors.present.shape, dtype=np.bool_)
            there[self._new] = [field in kept for field in model.vectors.fields]
            poorer = model.with_vectors(model.vectors.keep(there), learn=False)
            by_factor, alike = users.parts(poorer, self._at)
            yield SystemScores(
                name=f"{FULL}, {lacks}",
                kind="missing",
                uses=tuple(kept),
                lacks=lacks,
                scores=by_factor + taste * alike,
            )
            yield from self._baselines.with_missing(lacks, kept)

    def catalog(self, model: FittedModel) -> Iterator[CatalogLists]:
        """Yield the whole lists that listeners would get, those of the whole recommender first.

        Versions of a song are not looked for here; apart from that, musicu's are those of
        :meth:`musicu.recommend.recommender.Recommender.recommend` with its defaults.

        Parameters
        ----------
        model : FittedModel
            As for :meth:`systems`.
        """
        test, users = self.test, self._listeners(model)
        everything = np.arange(len(model.items))
        taste, kinds = np.float32(model.settings.taste), (~test.new, test.new)

        def plain(rows: slice) -> Floats:
            by_factor, alike = users.parts(model, everything, rows)
            return by_factor + taste * alike

        known, new = test.best(plain, kinds)
        as_they_are = mixed(known, new, 0.0)
        if model.calibration is not None:
            there = new[0] >= 0
            scores = model.calibration.apply(np.where(there, new[1], 0), there)
            new = new[0], np.where(there, scores, -np.inf)
        usual = model.settings.exploration
        yield CatalogLists(name=FULL, kind="full", lists=mixed(known, new, usual))
        for share in EXPLORATION:
            name = f"{FULL}, {share:g} kept for new"
            yield CatalogLists(name=name, kind="ablation", lists=mixed(known, new, share))
        name = f"{FULL}, scores as they are, nothing kept"
        yield CatalogLists(name=name, kind="ablation", lists=as_they_are)
        for name, of_rows in self._columns:
            known, new = test.best(of_rows, kinds)
            yield CatalogLists(name=name, kind="baseline", lists=mixed(known, new, 0.0))
            name = f"{name}, {usual:g} kept for new"
            yield CatalogLists(name=name, kind="baseline", lists=mixed(known, new, usual))
        rng = np.random.default_rng(self._seed)
        fame, size = model.listeners.astype(np.float32), len(everything)

        def popular(rows: slice) -> Floats:
            return np.tile(fame, (rows.stop - rows.start, 1))

        def drawn(rows: slice) -> Floats:
            return rng.random((rows.stop - rows.start, size), dtype=np.float32)

        for name, of_rows in (("popularity", popular), ("random", drawn)):
            ((lists, _),) = test.best(of_rows)
            yield CatalogLists(name=name, kind="baseline", lists=lists)

    def _listeners(self, model: FittedModel) -> _UserModels:
        """Return what a model makes of the users; it is worked out once."""
        if self._known[0] is not model:
            self._known = model, _UserModels(model, self._users)
        return self._known[1]

    def _shuffled(self, model: FittedModel) -> Iterator[SystemScores]:
        """Yield the control: a recommender that learned from what belongs to other items."""
        vectors = model.vectors
        known = np.flatnonzero(vectors.present.any(axis=1))
        moved = np.arange(len(vectors))
        moved[known] = np.random.default_rng(self._seed).permutation(known)
        yield self._other("contents shuffled", "control", model, vectors.take(moved), self._fields)

    def _others(self, model: FittedModel) -> Iterator[SystemScores]:
        """Yield recommenders that learned from less."""
        vectors = model.vectors
        for name, kept in self._subsets():
            there = np.broadcast_to([f in kept for f in vectors.fields], vectors.present.shape)
            yield self._other(name, "ablation", model, vectors.keep(there), kept)

    def _other(
        self, name: str, kind: Kind, model: FittedModel, vectors: ItemVectors, uses: Sequence[str]
    ) -> SystemScores:
        scores = self._scored(model.with_vectors(vectors, learn=True))
        return SystemScores(name=name, kind=kind, uses=tuple(uses), scores=scores)

    def _scored(self, model: FittedModel) -> Floats:
        by_factor, alike = _UserModels(model, self._users).parts(model, self._at)
        return by_factor + np.float32(model.settings.taste) * alike

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
    """What a model makes of some users, for the scores of all of them at once."""

    def __init__(self, model: FittedModel, users: Sequence[str]) -> None:
        from scipy.sparse import csr_array

        scorer = Scorer(model)
        listeners: list[Listener] = [scorer.listener(user) for user in users]
        self._factor = np.stack([listener.factor for listener in listeners])
        self._scale = np.array([listener.scale for listener in listeners], dtype=np.float32)
        self._tells = np.array([x.interests is not None for x in listeners], dtype=np.float32)
        ends = np.cumsum([0, *(len(listener.played) for listener in listeners)])
        weights = np.concatenate([listener.profile_weights for listener in listeners])
        played = np.concatenate([listener.played for listener in listeners])
        shape = (len(listeners), len(model.items))
        self._profile = csr_array((weights.astype(np.float32), played, ends), shape=shape)
        ends = np.cumsum([0, *(len(listener.spoken) for listener in listeners)])
        weights = np.concatenate([listener.personal for listener in listeners])
        spoken = np.concatenate([listener.spoken for listener in listeners])
        self._personal = csr_array((weights.astype(np.float32), spoken, ends), shape=shape)

    def parts(
        self, model: FittedModel, at: Positions, rows: slice = slice(None)
    ) -> tuple[Floats, Floats]:
        """Return the two parts of :meth:`Scorer.scores` [users, items], the second for taste 1.

        The model may be another one that learned the same, and knows other things of items that
        nobody played.
        """
        items = model.item_factors
        by_factor = self._factor[rows] @ items.factors[at].T / self._scale[rows, :1]
        alike = weighted_similarity(model.vectors, self._profile[rows], at)
        # Likeness is measured from the catalog's mean.
        alike -= self._tells[rows, None] * model.vectors.take(at).scores(items.mean)
        alike *= items.inv_std[at] / self._scale[rows, 1:]
        if model.preference is not None:
            liked = weighted_similarity(model.vectors, self._personal[rows], at)
            liked += model.vectors.take(at).scores(model.preference.weights)
            by_factor += np.float32(model.settings.preference) * liked
        return by_factor, alike
