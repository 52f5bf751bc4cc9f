"""How much a listener may like an item that was played, or that nobody has played yet.

A listener u scores an item i by its factor (:mod:`musicu.recommend.item_factors`) and by plain
likeness:

    item_factor(i) . factor(u) / s1  +  taste * inv_std(i) * fused(i) . profile(u) / s2

where factor(u) is folded in from the decayed history, profile(u) is the mean of the listener's
interests, each a weighted mean of history items, less the catalog's mean, and s1, s2 are the
standard deviations of the two parts over the catalog. Where listeners said what they like and
dislike, what this one would say of the item (:mod:`musicu.recommend.preference`) is added. All is
linear in ``fused(i)`` and in the history: each score is exactly a sum over fields, and exactly a
sum over what was played, and said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.errors import MusicuError, RecommenderError
from musicu.items.fused_vectors import ItemVectors
from musicu.metadata.artists import album_key
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.listener import History, Listener
from musicu.recommend.user_profile import (
    Interests,
    find_interests,
    history_weights,
    interest_shares,
)

__all__ = ["History", "Listener", "Scorer"]

Floats = NDArray[np.float32]
Floats64 = NDArray[np.float64]
Positions = NDArray[np.intp]

# Interests are looked for among so many items of a history, the weightiest: the cost grows with
# the square of their number.
_TELLING = 500
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Scorer:
    """Scores the items of a model for listeners, items that were played or new.

    :class:`musicu.recommend.recommender.Recommender` makes recommendations of the scores.

    Parameters
    ----------
    model : FittedModel

    Examples
    --------
    >>> items = Items(Item(f"t{i}", Metadata(genres=("jazz",))) for i in range(4))
    >>> log = Interactions(["ann"], items.ids, [0, 0], [0, 1])
    >>> scorer = Scorer(Recommender(dim=2).fit(log, items).model)
    >>> scorer.scores(scorer.listener("ann")).shape
    (4,)
    """

    model: FittedModel

    def listener(
        self, user: str | History, *, now: float | None = None, hour: float | None = None
    ) -> Listener:
        """Work out what somebody likes.

        Parameters
        ----------
        user : str or History
            A user of the interactions, or what somebody else played.
        now : float or None
            Seconds since 1970 UTC; None is the last play.
        hour : float or None
            Hour of the day (0 to 24, UTC) the recommendation is for: plays at other hours count
            less.

        Raises
        ------
        RecommenderError
            The user or an item is not known, or nothing was played.
        MusicuError
            A weight or time is no number, or an hour was asked for without times.
        """
        if isinstance(user, str):
            user = self.history(user)
        if not len(user.items) and not len(user.playing):
            raise RecommenderError("the history is empty: name at least one item that was played")
        played, weights = self._weighted(user, now, hour)
        if len(user.playing):
            if not 0 < user.playing_share < 1:
                raise MusicuError(f"what plays is a share of {user.playing_share:g}: above 0 to 1")
            here, counted = self._weighted(History(user.playing), None, None)
            if whole := weights.sum():
                odds = user.playing_share / (1 - user.playing_share)
                counted = counted * (odds * whole / counted.sum())
            played, weights = np.concatenate([played, here]), np.concatenate([weights, counted])
        own, at = np.unique(played, return_inverse=True)
        summed: Floats64 = np.bincount(at, weights=weights).astype(np.float64)
        return self._with_said(self._listener(own, summed), user.said)

    def history(self, user: str) -> History:
        """Return what a user of the interactions played and said.

        Raises
        ------
        RecommenderError
            There is no such user, or the recommender was loaded and so knows none.
        """
        feedback = self.model.log.feedback
        said = {} if feedback is None else dict(zip(*feedback.of_user(user), strict=True))
        return History(*self.model.log.of_user(user), said)

    def _weighted(
        self, history: History, now: float | None, hour: float | None
    ) -> tuple[Positions, Floats64]:
        """Return positions of a history's rows, and how much each counts."""
        played = self.model.positions(history.items)
        weights = history_weights(
            np.ones(len(played)) if history.weights is None else history.weights,
            history.times,
            now=now,
            half_life_days=self.model.settings.half_life,
            groups=[album_key(self.model.items[i].metadata) for i in played.tolist()],
            context_hour=hour,
        )
        return played, weights

    def _with_said(self, listener: Listener, said: Mapping[str, float]) -> Listener:
        """Return a listener who said something of items; of unknown ones it tells nothing."""
        model, items = self.model, self.model.items
        found = {items.find(id): float(value) for id, value in said.items()}
        spoken = {at: value for at, value in found.items() if at is not None}
        if any(not abs(value) <= 1 for value in spoken.values()):
            raise MusicuError("what was said of an item is a number from -1 to 1")
        at = np.array(sorted(spoken), dtype=np.intp)
        values = np.array([spoken[i] for i in at.tolist()], dtype=np.float64)
        listener = replace(listener, spoken=at, said=values, personal=np.zeros(len(at)))
        if model.preference is None:
            return listener
        liking = model.preference.weights
        if len(at):
            rows = model.vectors.take(at)
            listener = replace(listener, personal=model.preference.personal(rows, values))
            liking = liking + rows.query(listener.personal)
        return replace(listener, liking=liking)

    def _listener(self, played: Positions, weights: Floats64) -> Listener:
        model, items = self.model, self.model.item_factors
        influence = np.zeros((len(played), model.als.dim), dtype=np.float32)
        had = played < model.n_fitted  # what was added later has no factor
        influence[had] = model.als.influence(played[had], weights[had])
        factor = influence.sum(axis=0)
        by_factor = items.factors[items.sample] @ factor
        rows = model.vectors.take(played)
        interests, profile_weights = self._interests(rows, weights), np.zeros(len(played))
        profile = np.zeros(model.vectors.dim, dtype=np.float32)
        if interests is not None:
            profile_weights = interest_shares(interests.mass) @ interests.rows
            profile = rows.query(profile_weights) - items.mean
        alike = items.inv_std[items.sample] * items.sampled.scores(profile)
        scale = _deviation(by_factor, float(np.abs(by_factor).max())), _deviation(alike, 1.0)
        return Listener(played, rows, influence, factor, interests, profile_weights, profile, scale)

    def _interests(self, rows: ItemVectors, weights: Floats64) -> Interests | None:
        known = np.flatnonzero(rows.present.any(axis=1) & (weights > 0))
        if not len(known):
            return None
        telling = np.sort(known[top_k(weights[known], _TELLING)])
        chosen = rows.take(telling)
        found = find_interests(
            chosen.similarity(chosen),
            weights[telling],
            max_interests=self.model.settings.max_interests,
        )
        members = np.zeros((len(found), len(rows)))
        members[:, telling] = found.members
        return replace(found, members=members)

    def scores(self, listener: Listener, at: Positions | None = None) -> Floats:
        """Return the scores of items for a listener.

        Parameters
        ----------
        listener : Listener
        at : np.ndarray [shape=(c,), intp] or None
            Positions of items; None is all.

        Returns
        -------
        np.ndarray [shape=(c,), float32]
            In standard deviations of the listener's scores over the catalog, about.
        """
        model, items = self.model, self.model.item_factors
        rows, one = (model.vectors, slice(None)) if at is None else (model.vectors.take(at), at)
        s1, s2 = listener.scale
        by_factor: Floats = items.factors[one] @ listener.factor / np.float32(s1)
        alike = items.inv_std[one] * rows.scores(listener.profile)
        found = by_factor + alike * np.float32(model.settings.taste / s2)
        if listener.liking is not None:
            found += np.float32(model.settings.preference) * rows.scores(listener.liking)
        return np.asarray(found)

    def parts(self, listener: Listener, at: Positions) -> Floats64:
        """Return the three parts of scores: what content predicts, listeners beyond that, taste.

        What was said of items counts as taste.

        Returns
        -------
        np.ndarray [shape=(c, 3), float64]
            Rows sum to the scores.
        """
        model, items = self.model, self.model.item_factors
        rows = model.vectors.take(at)
        content = items.scale[at] * (items.content[at] @ listener.factor)
        beyond = items.factors[at] @ listener.factor - content
        taste = items.inv_std[at] * rows.scores(listener.profile) * model.settings.taste
        s1, s2 = listener.scale
        taste = taste / s2
        if listener.liking is not None:
            taste = taste + model.settings.preference * rows.scores(listener.liking)
        return np.stack([content / s1, beyond / s1, taste], axis=1).astype(np.float64)

    def by_field(
        self, listener: Listener, at: Positions, *, part_weights: Sequence[float] = (1.0, 1.0, 1.0)
    ) -> dict[str, Floats64]:
        """Return what each field, and ``listeners``, adds to the scores of items.

        ``listeners`` is what those who played it say beyond its content. The sum is the score.

        Parameters
        ----------
        listener : Listener
        at : np.ndarray [shape=(c,), intp]
            Positions of the items.
        part_weights : sequence of float
            Weights of the three :meth:`parts`; a ranker may have others than 1.

        Returns
        -------
        dict of str to np.ndarray [shape=(c,), float64]
        """
        content, beyond, taste = part_weights
        s1, s2 = listener.scale
        rows = self.model.vectors.take(at)
        by_factor = self.by_factor(listener.factor, at)
        said = by_factor.pop("listeners")
        alike = rows.parts(listener.profile)
        inv_std = self.model.item_factors.inv_std[at].astype(np.float64)
        weight = taste * self.model.settings.taste * inv_std / s2
        parts = {name: content * by_factor[name] / s1 + weight * alike[name] for name in by_factor}
        if listener.liking is not None:
            liked = rows.parts(listener.liking)
            louder = taste * self.model.settings.preference
            parts = {name: value + louder * liked[name] for name, value in parts.items()}
        return {**parts, "listeners": beyond * said / s1}

    def by_factor(self, factor: Floats, at: Positions) -> dict[str, Floats64]:
        """Return what each field, and ``listeners``, adds to ``item_factor(i) . factor``.

        Parameters
        ----------
        factor : np.ndarray [shape=(k,)]
        at : np.ndarray [shape=(c,), intp]
            Positions of the items.

        Returns
        -------
        dict of str to np.ndarray [shape=(c,), float64]
        """
        model, items = self.model, self.model.item_factors
        rows = model.vectors.take(at)
        parts = {field: np.zeros(len(at)) for field in rows.fields}
        sets, kind = np.unique(rows.present, axis=0, return_inverse=True)
        for number, present in enumerate(sets):
            own = np.flatnonzero(kind.ravel() == number)
            seen = rows.take(own).parts(model.content_map.of(present) @ factor)
            for field, values in seen.items():
                parts[field][own] = values * items.scale[at[own]]
        whole = items.factors[at].astype(np.float64) @ factor
        return {**parts, "listeners": whole - np.add.reduce([*parts.values()])}

    def by_history(self, listener: Listener, at: Positions) -> Floats64:
        """Return what each item that was played adds to the scores of items.

        The sum is the score; with what was said of items, if anything was (:meth:`by_said`).

        Returns
        -------
        np.ndarray [shape=(c, h), float64]
            A row an item, in the order of ``listener.played``.
        """
        model, items = self.model, self.model.item_factors
        s1, s2 = listener.scale
        told: Floats64 = items.factors[at] @ listener.influence.astype(np.float64).T / s1
        if listener.interests is not None:
            rows = model.vectors.take(at)
            weights = listener.profile_weights
            alike = rows.similarity(listener.vectors).astype(np.float64)
            alike -= rows.scores(items.mean)[:, None] / weights.sum()
            told += items.inv_std[at][:, None] * model.settings.taste / s2 * weights * alike
        return told

    def by_said(self, listener: Listener, at: Positions) -> tuple[Floats64, Floats64]:
        """Return what all that a listener said adds to the scores of items, and what others said.

        Returns
        -------
        np.ndarray [shape=(c, m), float64]
            In the order of ``listener.spoken``; below 0 for what was disliked, and is like it.
        np.ndarray [shape=(c,), float64]
            What others say of items like it.
        """
        model = self.model
        if model.preference is None:
            return np.zeros((len(at), len(listener.spoken))), np.zeros(len(at))
        rows, weight = model.vectors.take(at), model.settings.preference
        others = rows.scores(model.preference.weights).astype(np.float64)
        alike = rows.similarity(model.vectors.take(listener.spoken)).astype(np.float64)
        return weight * listener.personal * alike, weight * others


def _deviation(values: Floats, unit: float) -> float:
    """Return the standard deviation of values about as large as a unit; 1 where it is rounding."""
    found = float(values.std())
    return found if found > _ROUNDING * unit else 1.0
