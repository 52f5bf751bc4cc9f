"""What a recommender must beat: chance, popularity, the artist, neighbors by all that is known.

A neighborhood scores an item by its mean likeness to what a user played, each played item weighing
with the logarithm of its plays. It learns nothing from other users.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.items.fusion import ItemVectors
from musicu.items.item import Items
from musicu.items.titles import artist_names
from musicu.listening.interactions import Interactions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["SystemScores", "Kind", "Baselines", "weighted_similarity"]

Floats = NDArray[np.float32]
Positions = NDArray[np.intp]
Kind = Literal["full", "baseline", "control", "ablation", "missing", "rival"]


@dataclass(frozen=True, kw_only=True)
class SystemScores:
    """Scores of one system in one split.

    Attributes
    ----------
    name : str
        Of the system.
    kind : {"full", "baseline", "control", "ablation", "missing", "rival"}
        What it is there for; "missing" is the recommender where new items lack something, "rival"
        a baseline where they do.
    uses : tuple of str
        Which fields of the new items it looks at.
    lacks : str
        What the new items lack; empty where nothing.
    scores : np.ndarray [shape=(users, candidates), float32]
        Larger is better.
    """

    name: str
    kind: Kind
    uses: tuple[str, ...]
    scores: Floats
    lacks: str = ""


class Baselines:
    """The baselines of one split.

    Parameters
    ----------
    train : Interactions
        What may be learned from.
    users : np.ndarray [shape=(u,), intp]
        Positions of the users who are asked.
    items : Items
        All that can be recommended, the n items that come first among those of `vectors`.
    vectors : ItemVectors
        Fused vectors, with the weights that plain likeness has.
    candidates, new : np.ndarray [shape=(c,), intp]
        Positions of the items that are ranked, and of those that are new.
    fields : sequence of str
        The fields that any item has.
    others : mapping of str to np.ndarray [shape=(n, dim)]
        More vectors; a row of zeros is an item without one.
    seed : int
        Of what is drawn.
    """

    def __init__(
        self,
        train: Interactions,
        users: Positions,
        items: Items,
        vectors: ItemVectors,
        candidates: Positions,
        new: Positions,
        *,
        fields: Sequence[str],
        others: Mapping[str, NDArray[np.floating]],
        seed: int,
    ) -> None:
        self._items, self._vectors, self._fields = items, vectors, list(fields)
        self._candidates, self._new = candidates, new
        spaces = {"audio": items.audio} if "audio" in fields else {}
        self._spaces = {**spaces, **others}
        self._seed = seed
        inside = train.of_items(items.ids)
        self._listeners = np.bincount(inside.item, minlength=len(items))
        self._history = _row_normalized(inside.matrix()[users])

    def __iter__(self) -> Iterator[SystemScores]:
        shape = (self._history.shape[0], len(self._candidates))
        drawn = np.random.default_rng(self._seed).random(shape, dtype=np.float32)
        yield _baseline("random", (), drawn)
        yield _baseline("popularity", (), np.broadcast_to(self._popularity(), shape))
        yield _baseline("same artist", ("artists",), self._same_artist())
        for name, of in self._neighborhoods():
            yield _baseline(f"{name} kNN", of, self._knn(of, of))
        for name, space in self._spaces.items():
            rows = unit_rows(space).astype(np.float32)
            scores = (self._history @ rows) @ rows[self._candidates].T
            yield _baseline(f"{name} kNN", ("audio",), scores)

    def with_missing(self, lacks: str, kept: Sequence[str]) -> Iterator[SystemScores]:
        """Yield the neighborhoods again, the new items having some fields only.

        Parameters
        ----------
        lacks : str
            What they lack, in words.
        kept : sequence of str
            The fields they have.
        """
        for name, of in self._neighborhoods():
            left = tuple(field for field in of if field in kept)
            if left and len(left) < len(of):
                yield SystemScores(
                    name=f"{name} kNN, {lacks}",
                    kind="rival",
                    uses=left,
                    lacks=lacks,
                    scores=self._knn(of, left),
                )

    def _neighborhoods(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Name what items are compared by."""
        classic = tuple(field for field in ("genres", "year") if field in self._fields)
        metadata = tuple(field for field in self._fields if field != "audio")
        if classic:
            yield " + ".join("genre" if f == "genres" else f for f in classic), classic
        if metadata and metadata != classic:
            yield "metadata", metadata
        if metadata and "audio" in self._fields:
            yield "all fields", tuple(self._fields)

    def _knn(self, of: Sequence[str], of_new: Sequence[str]) -> Floats:
        fields, shape = self._vectors.fields, self._vectors.present.shape
        there = np.broadcast_to([field in of for field in fields], shape).copy()
        there[self._new] = [field in of_new for field in fields]
        return weighted_similarity(self._vectors.keep(there), self._history, self._candidates)

    def _popularity(self) -> Floats:
        """Return listeners in training; among items without any, those of the artist decide."""
        names = [next(iter(artist_names(item)), item.id) for item in self._items]
        _, artist = np.unique(names, return_inverse=True)
        of_artist = np.bincount(artist, weights=self._listeners)[artist]
        score = self._listeners + of_artist / (1 + of_artist.max(initial=0))
        return np.asarray(score[self._candidates], dtype=np.float32)

    def _same_artist(self) -> Floats:
        from scipy.sparse import csr_array

        number: dict[str, int] = {}
        pairs = [
            (at, number.setdefault(artist, len(number)))
            for at, item in enumerate(self._items)
            for artist in artist_names(item)
        ]
        rows, columns = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
        ones = np.ones(len(rows), dtype=np.float32)
        of = csr_array((ones, (rows, columns)), shape=(len(self._items), len(number)))
        return np.asarray(((self._history @ of) @ of[self._candidates].T).toarray())


def weighted_similarity(vectors: ItemVectors, weights: csr_array, at: Positions) -> Floats:
    """Return weighted sums of likenesses to what was played.

    Parameters
    ----------
    vectors : ItemVectors
        Of n items.
    weights : scipy.sparse.csr_array [shape=(users, n)]
        Of what each user played.
    at : np.ndarray [shape=(c,), intp]
        Positions of the items that are scored.

    Returns
    -------
    np.ndarray [shape=(users, c), float32]
    """
    rows = vectors.take(at)
    dense = (weights @ vectors.dense) @ rows.dense.T
    sparse = ((weights @ vectors.sparse) @ rows.sparse.T).toarray()
    return np.asarray(dense + sparse, dtype=np.float32)


def _baseline(name: str, uses: tuple[str, ...], scores: NDArray[Any]) -> SystemScores:
    found = np.asarray(scores, dtype=np.float32)
    return SystemScores(name=name, kind="baseline", uses=uses, scores=found)


def _row_normalized(matrix: csr_array) -> csr_array:
    """Divide each row by its sum."""
    from scipy.sparse import csr_array, diags_array

    whole = np.maximum(matrix.sum(axis=1), np.finfo(np.float32).tiny)
    return csr_array(diags_array((1 / whole).astype(np.float32)) @ matrix)
