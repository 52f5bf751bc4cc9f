"""How much a listener may like an item that was played, or that nobody has played yet.

A listener u scores an item i by its place among the listeners (:mod:`musicu.listening.places`) and
by plain likeness:

    place(i) . factor(u) / s1  +  taste * gain(i) * fused(i) . (liking(u) - common) / s2

where factor(u) is folded in from the decayed history, liking(u) is the mean of the listener's
interests, each a weighted mean of history items, common is the catalog's mean, and s1, s2 are the
standard deviations of the two parts over the catalog. All is linear in ``fused(i)`` and in the
history: each score is exactly a sum over fields, and exactly a sum over what was played.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.errors import MetadataError
from musicu.items.fusion import ItemVectors
from musicu.listening.places import LISTENING_WEIGHTS, Places
from musicu.listening.taste import Interests, find_interests, history_weights, shares
from musicu.names import normalize_name

__all__ = ["LISTENING_WEIGHTS", "History", "Listener", "Scorer"]

Floats = NDArray[np.float32]
Floats64 = NDArray[np.float64]
Positions = NDArray[np.intp]

# Interests are looked for among so many items of a history, the weightiest: the cost grows with
# the square of their number.
_TELLING = 500
_ROUNDING = 1e-5
_plain = lru_cache(maxsize=200_000)(normalize_name)


@dataclass(frozen=True)
class History:
    """What somebody played.

    Parameters
    ----------
    items : sequence of str
    weights : sequence of float > 0 or None
        Plays; 1 each where nothing is said.
    times : sequence of float or None
        Seconds since 1970 UTC.
    """

    items: Sequence[str]
    weights: Sequence[float] | NDArray[Any] | None = None
    times: Sequence[float] | NDArray[Any] | None = None


@dataclass(frozen=True)
class Listener:
    """A listener as the recommender sees one.

    Attributes
    ----------
    played : np.ndarray [shape=(h,), intp]
        Positions of the items played, each once.
    rows : ItemVectors
        Their fused vectors.
    influence : np.ndarray [shape=(h, k), float32]
        What each adds to the listener's factor.
    factor : np.ndarray [shape=(k,), float32]
        The listener's vector among the collaborative factors: the sum of these.
    interests : Interests or None
        Groups of what was played; None where nothing is known of any of it.
    liking : np.ndarray [shape=(h,), float64]
        What each adds to the mean of the interests.
    toward : np.ndarray [shape=(dim,), float32]
        Where this mean lies from the catalog's.
    scale : tuple of float
        Standard deviations s1 and s2.
    """

    played: Positions
    rows: ItemVectors
    influence: Floats
    factor: Floats
    interests: Interests | None
    liking: Floats64
    toward: Floats
    scale: tuple[float, float]


class Scorer(Places):
    """Scores items for listeners, played or new; learns from interactions and what items are.

    :class:`musicu.listening.recommender.Recommender` makes recommendations of the scores.

    Parameters
    ----------
    weights : mapping of str to float, optional
        Weights of the fields (:class:`musicu.items.fusion.Fusion`);
        :data:`musicu.listening.places.LISTENING_WEIGHTS` where nothing is said.
    dim : int > 0
        Length of the collaborative factors.
    smoothing : float > 0
        Of the maps from content to factors; see :func:`fit_projection`.
    doubt : float >= 0
        Listeners at which an item's own factor counts half.
    taste : float >= 0
        How much plain likeness to what was played counts beside the listeners.
    evenness : float in [0, 1]
        How far the lengths of all places are brought together: what is long is popular, or looks
        like what is popular. 0 leaves them, 1 makes all equal.
    half_life : float > 0
        Days in which a play loses half its weight.
    max_interests : int >= 1
        Interests of a listener at most.
    seed : int
        Of all that is drawn at random.

    Attributes
    ----------
    items : Items
        All that can be recommended: the items fitted, then played ones of which nothing is known,
        then those added.
    vectors : ItemVectors
        Their fused vectors.
    places : np.ndarray [shape=(n, k), float32]
        Where each stands among the listeners.
    listeners : np.ndarray [shape=(n,), int]
        How many played each.
    common : np.ndarray [shape=(dim,), float32]
        The mean fused vector of the items fitted, and
    gain : np.ndarray [shape=(n,), float32]
        one over each item's standard deviation of likeness: what taste is measured by.
    credits : scipy.sparse.csr_array [shape=(n, artists), float32]
        1 where an item is by an artist.
    interactions : Interactions or None
        What was fitted; None for a recommender that was loaded: its file holds no users.

    Examples
    --------
    >>> scorer = Scorer().fit(interactions, items)
    >>> scorer.scores(scorer.listener("somebody"))
    """

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
        MetadataError
            The user or an item is not known, or nothing was played.
        MusicuError
            A weight or time is no number, or an hour was asked for without times.
        """
        if isinstance(user, str):
            user = History(*self.log.of_user(user))
        if not len(user.items):
            raise MetadataError("the history is empty: name at least one item that was played")
        played = np.array([self.items.position(id) for id in user.items], dtype=np.intp)
        weights = history_weights(
            np.ones(len(played)) if user.weights is None else user.weights,
            user.times,
            now=now,
            half_life_days=self.half_life,
            groups=[self.album(i) for i in played],
            context_hour=hour,
        )
        own, at = np.unique(played, return_inverse=True)
        summed: Floats64 = np.bincount(at, weights=weights).astype(np.float64)
        return self._listener(own, summed)

    def _listener(self, played: Positions, weights: Floats64) -> Listener:
        influence = np.zeros((len(played), self.factors.dim), dtype=np.float32)
        had = played < len(self.factors.items)  # what was added later has no factor
        influence[had] = self.factors.influence(played[had], weights[had])
        factor = influence.sum(axis=0)
        place = self.places[self._sample] @ factor
        rows = self.vectors.take(played)
        interests, liking = self._interests(rows, weights), np.zeros(len(played))
        toward = np.zeros(self.vectors.dim, dtype=np.float32)
        if interests is not None:
            liking = shares(interests.mass) @ interests.rows
            toward = rows.query(liking) - self.common
        taste = self.gain[self._sample] * self._sampled.scores(toward)
        scale = _deviation(place, float(np.abs(place).max())), _deviation(taste, 1.0)
        return Listener(played, rows, influence, factor, interests, liking, toward, scale)

    def _interests(self, rows: ItemVectors, weights: Floats64) -> Interests | None:
        known = np.flatnonzero(rows.present.any(axis=1) & (weights > 0))
        if not len(known):
            return None
        telling = np.sort(known[top_k(weights[known], _TELLING)])
        chosen = rows.take(telling)
        found = find_interests(
            chosen.similarity(chosen), weights[telling], max_interests=self.max_interests
        )
        members = np.zeros((len(found), len(rows)))
        members[:, telling] = found.members
        return replace(found, members=members)

    def album(self, at: int) -> tuple[str, str] | None:
        """Return what tracks of one album share, or None."""
        about = self.items[at].metadata
        artist = about.album_artist or about.artist or ""
        return (_plain(about.album), _plain(artist)) if about.album else None

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
        rows, one = (self.vectors, slice(None)) if at is None else (self.vectors.take(at), at)
        s1, s2 = listener.scale
        place: Floats = self.places[one] @ listener.factor / np.float32(s1)
        alike = self.gain[one] * rows.scores(listener.toward)
        return place + alike * np.float32(self.taste / s2)

    def parts(self, listener: Listener, at: Positions) -> Floats64:
        """Return the three parts of scores: content's place, its listeners' beyond that, taste.

        Returns
        -------
        np.ndarray [shape=(c, 3), float64]
            Rows sum to the scores.
        """
        rows = self.vectors.take(at)
        content = self.stretch[at] * (self.content[at] @ listener.factor)
        beyond = self.places[at] @ listener.factor - content
        taste = self.gain[at] * rows.scores(listener.toward) * self.taste
        s1, s2 = listener.scale
        return np.stack([content / s1, beyond / s1, taste / s2], axis=1).astype(np.float64)

    def by_field(
        self, listener: Listener, at: int, *, part_weights: Sequence[float] = (1.0, 1.0, 1.0)
    ) -> dict[str, float]:
        """Return what each field, and ``listeners``, adds to the score of an item.

        ``listeners`` is what those who played it say beyond its content. The sum is the score.

        Parameters
        ----------
        listener : Listener
        at : int
            Position of the item.
        part_weights : sequence of float
            Weights of the three :meth:`parts`; a ranker may have others than 1.
        """
        content, beyond, taste = part_weights
        s1, s2 = listener.scale
        place = self.by_place(listener.factor, at)
        said = place.pop("listeners")
        alike = self.vectors.contributions(listener.toward, at)
        gain = taste * self.taste * float(self.gain[at]) / s2
        parts = {field: content * place[field] / s1 + gain * alike[field] for field in place}
        return {**parts, "listeners": beyond * said / s1}

    def by_place(self, factor: Floats, at: int) -> dict[str, float]:
        """Return what each field, and ``listeners``, adds to ``place(at) . factor``.

        Parameters
        ----------
        factor : np.ndarray [shape=(k,)]
        at : int
            Position of the item.
        """
        seen = self.projection.of(self.vectors.present[at]) @ factor
        parts = self.vectors.contributions(seen * self.stretch[at], at)
        whole = float(self.places[at].astype(np.float64) @ factor)
        return {**parts, "listeners": whole - sum(parts.values())}

    def by_history(self, listener: Listener, at: int) -> Floats64:
        """Return what each item that was played adds to the score of an item; the sum is the score.

        Returns
        -------
        np.ndarray [shape=(h,), float64]
            In the order of ``listener.played``.
        """
        s1, s2 = listener.scale
        told: Floats64 = listener.influence.astype(np.float64) @ self.places[at] / s1
        if listener.interests is not None:
            item = self.vectors.take([at])
            alike = listener.rows.scores(item.toarray()[0]).astype(np.float64)
            alike -= float(item.scores(self.common)[0]) / listener.liking.sum()
            told += self.gain[at] * self.taste / s2 * listener.liking * alike
        return told


def _deviation(values: Floats, unit: float) -> float:
    """Return the standard deviation of values about as large as a unit; 1 where it is rounding."""
    found = float(values.std())
    return found if found > _ROUNDING * unit else 1.0
