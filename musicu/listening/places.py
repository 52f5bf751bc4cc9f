"""Where items stand among the listeners, those that were played and those nobody has played yet.

An item's place is what its content predicts (a linear map W from the fused vector to the
collaborative factors, one for each set of fields that items have) plus, for what was played, how
its listeners differ from that:

    place(i) = fused(i) W + trust(i) (factor(i) - fused(i) W)

All that is measured over the catalog (its mean, spreads, usual lengths) is measured over the items
that were fitted: an item that is added changes nothing for the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.items.fusion import DEFAULT_WEIGHTS, Fusion, ItemVectors
from musicu.items.item import Item, Items
from musicu.items.titles import artist_names
from musicu.listening.factors import factorize
from musicu.listening.interactions import Interactions
from musicu.listening.projection import Projection

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["LISTENING_WEIGHTS", "Places", "matrix_of"]

Floats = NDArray[np.float32]

# Where listeners teach what belongs together, audio's 256 dimensions need less room than where
# likeness is all there is, and what is measured beside them costs more than it tells (measured:
# docs/recommend.md).
LISTENING_WEIGHTS: Mapping[str, float] = {
    **DEFAULT_WEIGHTS,
    "audio": 0.3,
    "tags": 1.0,
    "tempo": 0.0,
    "key": 0.0,
    "loudness": 0.0,
    "sound": 0.0,
}

# A listener's scores are measured against those of this many items, drawn once.
_SAMPLE = 2000
_BLOCK = 1024


class Places:
    """Items, and where they stand; learned from interactions and from what the items are.

    :class:`musicu.listening.scorer.Scorer` tells what the parameters and attributes are.
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
        known = set(items.ids)
        everything = items.extended(Items(Item(id) for id in interactions.items if id not in known))
        matrix = matrix_of(interactions, everything)
        self.factors = factorize(matrix, dim=self.dim, seed=self.seed)
        self.items = everything
        self.given = len(items)
        self.interactions: Interactions | None = interactions
        self.listeners = np.bincount(matrix.indices, minlength=len(self.items))
        self.fusion = Fusion(self.weights).fit(items)
        self.vectors = self.fusion.transform(self.items)
        self.learn()
        return self

    def learn(self, maps: Mapping[bytes, Floats] | None = None) -> None:
        """Learn how factors follow from the vectors of items that were played; settle.

        Parameters
        ----------
        maps : mapping of bytes to np.ndarray, optional
            Maps of :class:`Projection` that are learned already.
        """
        fitted = np.arange(len(self.factors.items))
        told = self.vectors.present[fitted].any(axis=1) & (self.listeners[fitted] > 0)
        known = np.flatnonzero(told)
        self.projection = Projection(
            self.vectors.take(known),
            self.factors.items[known],
            self.listeners[known],
            maps=maps,
            smoothing=self.smoothing,
            doubt=self.doubt,
            seed=self.seed,
        )
        self.settle()

    def add(self, items: Items) -> Self:
        """Take in new items that nobody has played; nothing changes for those that are there.

        Parameters
        ----------
        items : Items
            Those that are there already are passed over.

        Raises
        ------
        MetadataError
            They were heard with a model of another dimension.
        """
        known = set(self.items.ids)
        new = items.take(i for i, id in enumerate(items.ids) if id not in known)
        if not len(new):
            return self
        everything, rows = self.items.extended(new), self.fusion.transform(new)
        self.items = everything
        self.vectors = ItemVectors.joined([self.vectors, rows])
        self.listeners = np.concatenate([self.listeners, np.zeros(len(new), dtype=np.intp)])
        self.credits = self._credits()
        old = self.content, self.stretch, self.places, self.gain
        content = self.projection.predict(rows)
        new_ones = content, *self._measured(rows, content)
        self._take(*(np.concatenate(pair) for pair in zip(old, new_ones, strict=True)))
        return self

    def forget_user(self, user: str) -> Self:
        """Remove a user and learn again without: nothing that was derived from the user stays.

        Raises
        ------
        MetadataError
            There is no such user, or no other, or the recommender was loaded and so knows none.
        """
        left = self.log.without_user(user)
        given = self.items.take(range(self.given))
        added = self.items.take(range(len(self.factors.items), len(self.items)))
        return self.fit(left, given).add(added)

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

    def catalog_moments(self) -> tuple[Floats, Floats]:
        """Return mean [shape=(k,)] and covariance [shape=(k, k)] of the places in the catalog."""
        places = self.places[self._sample]
        usual: Floats = places.mean(axis=0)
        return usual, (places - usual).T @ (places - usual) / np.float32(len(places))

    def settle(self) -> None:
        """Compute what follows from items, factors and projection."""
        self.credits = self._credits()
        fitted = len(self.factors.items)
        described = np.asarray(self.vectors.present.any(axis=1))
        content = self.projection.predict(self.vectors)
        places = content.copy()
        # Where nothing is known of an item, its listeners are all there is.
        trust = self.listeners / np.maximum(self.listeners + self.doubt, 1)
        trust = np.where(described, trust, self.listeners > 0)[:fitted, None]
        places[:fitted] += trust * (self.factors.items - places[:fitted])
        length = np.linalg.norm(places[:fitted], axis=1)
        self._usual = float(length[length > 0].mean()) if length.any() else 1.0
        pool = np.flatnonzero(described[:fitted])
        pool = pool if len(pool) else np.arange(fitted)
        self._sample = np.sort(np.random.default_rng(self.seed).permutation(pool)[:_SAMPLE])
        self._sampled = self.vectors.take(self._sample)
        # What is near everything is near nobody in particular: likeness is measured from the
        # catalog's mean, in the item's own standard deviations.
        self.common = self._sampled.query(np.full(len(self._sample), 1 / len(self._sample)))
        self._take(content, *self._measured(self.vectors, places))

    def _take(self, content: Floats, stretch: Floats, places: Floats, gain: Floats) -> None:
        self.content, self.stretch, self.places, self.gain = content, stretch, places, gain

    def _measured(self, vectors: ItemVectors, places: Floats) -> tuple[Floats, Floats, Floats]:
        """Bring the lengths of places together, and measure the items' likeness to the sample."""
        length = np.linalg.norm(places, axis=1)
        usual = np.float32(self._usual)
        even = (usual / np.where(length > 0, length, usual)) ** self.evenness
        stretch: Floats = even.astype(np.float32)
        spread = np.zeros(len(vectors), dtype=np.float32)
        for start in range(0, len(spread), _BLOCK):
            at = np.arange(start, min(start + _BLOCK, len(spread)))
            spread[at] = vectors.take(at).similarity(self._sampled).std(axis=1)
        # What is like nothing in the sample may be like one in as many: no spread is less.
        least = 1 / np.sqrt(len(self._sample))
        gain: Floats = (1 / np.maximum(spread, least)).astype(np.float32)
        return stretch, stretch[:, None] * places, gain

    def _credits(self) -> csr_array:
        """Items by artists: 1 where an item is by an artist."""
        from scipy.sparse import csr_array

        column: dict[str, int] = {}
        names = [tuple(dict.fromkeys(artist_names(item))) for item in self.items]
        at = [column.setdefault(name, len(column)) for own in names for name in own]
        ends = np.cumsum([0, *map(len, names)])
        ones = np.ones(len(at), dtype=np.float32)
        shape = len(names), max(len(column), 1)
        return csr_array((ones, np.array(at, dtype=np.int32), ends), shape)


def matrix_of(interactions: Interactions, items: Items) -> csr_array:
    """Return users by items, with a column for each of `items`.

    Raises
    ------
    MetadataError
        An item of the interactions is not among them.
    """
    from scipy.sparse import csr_array

    matrix = interactions.matrix()
    column = np.array([items.position(id) for id in interactions.items], dtype=np.int32)
    shape = (matrix.shape[0], len(items))
    return csr_array((matrix.data, column[matrix.indices], matrix.indptr), shape=shape)
