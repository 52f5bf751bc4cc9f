"""How much a listener may like an item that was played, or that nobody has played yet.

An item's place among the listeners is what its content predicts (a linear map W from the fused
vector to the collaborative factors) plus, for what was played, how its listeners differ from that:

    place(i) = fused(i) W + trust(i) (factor(i) - fused(i) W)

A listener u scores it by

    place(i) . factor(u) / s1  +  taste * fused(i) . liking(u) / s2

where factor(u) is folded in from the decayed history, liking(u) is the mean of the listener's
interests, each a weighted mean of history items, and s1, s2 are the standard deviations of the two
parts over the catalog. All is linear in ``fused(i)`` and in the history: each score is exactly a
sum over fields, and exactly a sum over what was played.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.items.fusion import DEFAULT_WEIGHTS, Fusion, ItemVectors
from musicu.items.item import Item, Items
from musicu.items.titles import artist_names
from musicu.listening.factors import factorize
from musicu.listening.interactions import Interactions
from musicu.listening.projection import fit_projection
from musicu.listening.taste import Interests, find_interests, history_weights
from musicu.names import normalize_name

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["LISTENING_WEIGHTS", "History", "Listener", "Scorer"]

Floats = NDArray[np.float32]
Positions = NDArray[np.intp]

# Where listeners teach what belongs together, audio's 256 dimensions need less room than where
# likeness is all there is (measured: docs/recommend.md).
LISTENING_WEIGHTS: Mapping[str, float] = {
    **DEFAULT_WEIGHTS,
    "audio": 0.3,
    "tags": 1.0,
    "tempo": 0.05,
    "key": 0.05,
    "loudness": 0.05,
    "sound": 0.05,
}

# A listener's scores are measured against those of this many items, drawn once.
_SAMPLE = 2000
_BLOCK = 1024
_NO_SPREAD = 1e-3


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
    influence : np.ndarray [shape=(h, k), float32]
        What each adds to the listener's factor.
    interests : Interests or None
        Groups of what was played; None where nothing is known of any of it.
    liking : np.ndarray [shape=(h,), float64]
        What each adds to the mean of the interests.
    scale : tuple of float
        Standard deviations s1 and s2.
    mean : float
        Mean score over the catalog.
    """

    played: Positions
    influence: Floats
    interests: Interests | None
    liking: NDArray[np.float64]
    scale: tuple[float, float]
    mean: float

    @property
    def factor(self) -> Floats:
        """The listener's vector among the collaborative factors [shape=(k,)]."""
        factor: Floats = self.influence.sum(axis=0)
        return factor


class Scorer:
    """Scores items for listeners, played or new; learns from interactions and what items are.

    :class:`musicu.listening.recommender.Recommender` makes recommendations of the scores.

    Parameters
    ----------
    weights : mapping of str to float, optional
        Weights of the fields (:class:`musicu.items.fusion.Fusion`); :data:`LISTENING_WEIGHTS`
        where nothing is said.
    dim : int > 0
        Length of the collaborative factors.
    smoothing : float > 0
        Of the map from content to factors; see :func:`fit_projection`.
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
        The catalog's mean fused vector, and
    gain : np.ndarray [shape=(n,), float32]
        one over each item's standard deviation of likeness: what taste is measured by.
    works : dict of str to list of int
        Positions of each artist's items.
    interactions : Interactions or None
        What was fitted; None for a recommender that was loaded: its file holds no users.

    Examples
    --------
    >>> scorer = Scorer().fit(interactions, items)
    >>> scorer.scores(scorer.listener("somebody"))
    """

    def __init__(
        self,
        *,
        weights: Mapping[str, float] | None = None,
        dim: int = 64,
        smoothing: float = 5.0,
        doubt: float = 5.0,
        taste: float = 0.1,
        evenness: float = 0.25,
        half_life: float = 90.0,
        max_interests: int = 4,
        seed: int = 0,
    ) -> None:
        self.weights = LISTENING_WEIGHTS if weights is None else weights
        self.dim = dim
        self.smoothing = smoothing
        self.doubt = doubt
        self.taste = taste
        self.evenness = evenness
        self.half_life = half_life
        self.max_interests = max_interests
        self.seed = seed

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, as scikit-learn's estimators do."""
        names = "weights dim smoothing doubt taste evenness half_life max_interests seed".split()
        return {name: getattr(self, name) for name in names}

    def fit(self, interactions: Interactions, items: Items) -> Self:
        """Learn from who played what, and from what is known of the items.

        Parameters
        ----------
        interactions : Interactions
            Items that are not among `items` take part as played things without content.
        items : Items
            Everything that is known; most may be unplayed.

        Raises
        ------
        MetadataError
            There are no interactions.
        """
        bare = [Item(id) for id in interactions.items if id not in items]
        self.items = items.extended(Items(bare))
        self.interactions: Interactions | None = interactions
        self.fusion = Fusion(self.weights).fit(items)
        matrix = self._matrix(interactions)
        self.listeners = np.bincount(matrix.indices, minlength=len(self.items))
        self.factors = factorize(matrix, dim=self.dim, seed=self.seed)
        self.vectors = self.fusion.transform(self.items)
        known = np.flatnonzero((self.listeners > 0) & self.vectors.present.any(axis=1))
        self.projection = fit_projection(
            self.vectors.take(known),
            self.factors.items[known],
            self.listeners[known],
            smoothing=self.smoothing,
            doubt=self.doubt,
            seed=self.seed,
        )
        self._settle()
        return self

    def add(self, items: Items) -> Self:
        """Take in new items that nobody has played; those that are there already stay as they are.

        Parameters
        ----------
        items : Items
        """
        new = items.take(i for i, id in enumerate(items.ids) if id not in self.items)
        self.items = self.items.extended(new)
        self.listeners = np.concatenate([self.listeners, np.zeros(len(new), dtype=np.intp)])
        self.vectors = self.fusion.transform(self.items)
        self._settle()
        return self

    def forget_user(self, user: str) -> Self:
        """Remove a user and learn again without: nothing that was derived from the user stays.

        Raises
        ------
        MetadataError
            There is no such user, or the recommender was loaded and so knows none.
        """
        left = self.log.without_user(user)
        described = np.flatnonzero(self.vectors.present.any(axis=1))
        return self.fit(left, self.items.take(described))

    @property
    def log(self) -> Interactions:
        """The interactions that were fitted.

        Raises
        ------
        MetadataError
            The recommender was loaded: its file holds no users.
        """
        if self.interactions is None:
            raise MetadataError(
                "a recommender that was loaded knows no users: give a history, or fit it again"
            )
        return self.interactions

    def _matrix(self, interactions: Interactions) -> csr_array:
        """Users by items, with a column an item of ours."""
        from scipy.sparse import csr_array

        matrix = interactions.matrix()
        column = np.array([self.items.position(id) for id in interactions.items], dtype=np.int32)
        shape = (matrix.shape[0], len(self.items))
        return csr_array((matrix.data, column[matrix.indices], matrix.indptr), shape=shape)

    def _settle(self) -> None:
        """Compute what follows from items, factors and projection."""
        self.works: dict[str, list[int]] = {}
        for at, item in enumerate(self.items):
            for name in artist_names(item):
                self.works.setdefault(name, []).append(at)
        described = self.vectors.present.any(axis=1)
        places = self.vectors.scores(self.projection.T)
        # Where nothing is known of an item, its listeners are all there is.
        trust = self.listeners / np.maximum(self.listeners + self.doubt, 1)
        trust = np.where(described, trust, self.listeners > 0)
        own = np.zeros_like(places)  # items that were added later have no factor
        own[: len(self.factors.items)] = self.factors.items - places[: len(self.factors.items)]
        places += trust[:, None] * own
        length = np.linalg.norm(places, axis=1)
        usual = length[length > 0].mean() if length.any() else 1.0
        stretch = (usual / np.where(length > 0, length, usual)) ** self.evenness
        self.stretch = np.asarray(stretch, dtype=np.float32)
        self.places: Floats = (self.stretch[:, None] * places).astype(np.float32)
        pool = np.flatnonzero(described) if described.any() else np.arange(len(described))
        drawn = np.random.default_rng(self.seed).permutation(pool)[:_SAMPLE]
        self._sample = np.sort(drawn)
        self._sampled = self.vectors.take(self._sample)
        # What is near everything is near nobody in particular: likeness is measured from the
        # catalog's mean, in the item's own standard deviations.
        self.common = self._sampled.query(np.full(len(drawn), 1 / len(drawn)))
        self.gain = 1 / np.maximum(self._spread(), _NO_SPREAD)

    def _spread(self) -> Floats:
        """Standard deviation of each item's likeness to the sample."""
        spread = np.zeros(len(self.items), dtype=np.float32)
        for start in range(0, len(spread), _BLOCK):
            rows = slice(start, start + _BLOCK)
            block = self.vectors.take(np.arange(len(spread))[rows])
            spread[rows] = block.similarity(self._sampled).std(axis=1)
        return spread

    # Listeners

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
        return self._listener(own, np.bincount(at, weights=weights))

    def _listener(self, played: Positions, weights: NDArray[np.float64]) -> Listener:
        influence = np.zeros((len(played), self.factors.dim), dtype=np.float32)
        had = played < len(self.factors.items)
        influence[had] = self.factors.influence(played[had], weights[had])
        place = self.places[self._sample] @ influence.sum(axis=0)
        rows = self.vectors.take(played)
        interests, liking, taste = None, np.zeros(len(played)), np.zeros(len(place))
        if rows.present.any():
            interests = find_interests(
                rows.similarity(rows), weights, max_interests=self.max_interests
            )
            # A small interest is heard, but not like a large one.
            share = np.sqrt(interests.mass)
            liking = share / share.sum() @ interests.rows
            query = rows.query(liking) - self.common
            taste = (self.gain[self._sample] * self._sampled.scores(query)).astype(np.float64)
        scale = float(place.std()) or 1.0, float(taste.std()) or 1.0
        mean = float(place.mean()) / scale[0] + self.taste * float(taste.mean()) / scale[1]
        return Listener(played, influence, interests, liking, scale, mean)

    def album(self, at: int) -> tuple[str, str] | None:
        """Return what tracks of one album share, or None."""
        about = self.items[at].metadata
        artist = about.album_artist or about.artist or ""
        return (normalize_name(about.album), normalize_name(artist)) if about.album else None

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
        at = np.arange(len(self.items)) if at is None else at
        score: Floats = self.places[at] @ listener.factor / np.float32(listener.scale[0])
        taste = self.gain[at] * self.vectors.take(at).scores(self._liking(listener))
        return score + taste * np.float32(self.taste / listener.scale[1])

    def _liking(self, listener: Listener) -> Floats:
        """The mean of the interests, from the catalog's mean [shape=(dim,)]."""
        if listener.interests is None:
            return np.zeros(self.vectors.dim, dtype=np.float32)
        return self.vectors.take(listener.played).query(listener.liking) - self.common

    def parts(self, listener: Listener, at: Positions) -> NDArray[np.float64]:
        """Return the three parts of scores: content's place, its listeners' beyond that, taste.

        Returns
        -------
        np.ndarray [shape=(c, 3), float64]
            Rows sum to the scores.
        """
        rows = self.vectors.take(at)
        content = self.stretch[at] * (rows.scores(self.projection.T) @ listener.factor)
        beyond = self.places[at] @ listener.factor - content
        taste = self.gain[at] * rows.scores(self._liking(listener)) * self.taste
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
        place = self.projection @ listener.factor * (content * self.stretch[at])
        liking = self._liking(listener) * (taste * self.gain[at] * self.taste)
        query = place / listener.scale[0] + liking / listener.scale[1]
        said = self.parts(listener, np.array([at]))[0, 1]
        return {**self.vectors.contributions(query, at), "listeners": beyond * float(said)}

    def by_history(self, listener: Listener, at: int) -> NDArray[np.float64]:
        """Return what each item that was played adds to the score of an item; the sum is the score.

        Returns
        -------
        np.ndarray [shape=(h,), float64]
            In the order of ``listener.played``.
        """
        near = listener.influence.astype(np.float64) @ self.places[at] / listener.scale[0]
        if listener.interests is None:
            return near
        item = self.vectors.take([at])
        alike = self.vectors.take(listener.played).similarity(item)[:, 0].astype(np.float64)
        alike -= item.scores(self.common)[0] / listener.liking.sum()
        return near + self.gain[at] * self.taste / listener.scale[1] * listener.liking * alike
