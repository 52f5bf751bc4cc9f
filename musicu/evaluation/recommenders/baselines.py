"""What a recommender must beat: chance, popularity, the artist, neighbors by all that is known.

A neighborhood scores an item by its mean likeness to what a user played, each played item weighing
with the logarithm of its plays. It learns nothing from other users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.items.fused_vectors import ItemVectors
from musicu.items.item import Items
from musicu.metadata.artists import main_artist
from musicu.recommend.artist_links import artist_matrix
from musicu.recommend.interactions import Interactions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = [
    "BASELINES",
    "Baselines",
    "Kind",
    "Scored",
    "SystemScores",
    "field_neighborhoods",
    "field_neighbors",
    "popularity",
    "random_order",
    "same_artist",
    "vector_neighbors",
    "weighted_similarity",
]

Floats = NDArray[np.float32]
Positions = NDArray[np.intp]
# A name, the fields of new items that are looked at, scores [users, candidates] or [candidates].
Scored = tuple[str, tuple[str, ...], NDArray[np.floating]]
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
    """What the baselines of one split are made of; iterate for their scores.

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

    Attributes
    ----------
    items, vectors, candidates, new, fields, seed
        As given.
    spaces : mapping of str to np.ndarray [shape=(n, dim)]
        The audio, and the other vectors.
    listeners : np.ndarray [shape=(n,), int]
        How many played each item in training.
    history : scipy.sparse.csr_array [shape=(u, n), float32]
        What each user played; rows sum to 1.
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
        self.items, self.vectors, self.fields = items, vectors, list(fields)
        self.candidates, self.new = candidates, new
        spaces = {"audio": items.audio} if "audio" in fields else {}
        self.spaces = {**spaces, **others}
        self.seed = seed
        inside = train.of_items(items.ids)
        self.listeners = np.bincount(inside.item, minlength=len(items))
        self.history = _row_normalized(inside.matrix()[users])

    def __iter__(self) -> Iterator[SystemScores]:
        shape = (self.history.shape[0], len(self.candidates))
        for baseline in BASELINES.values():
            for name, uses, scores in baseline(self):
                found = np.asarray(np.broadcast_to(scores, shape), dtype=np.float32)
                yield SystemScores(name=name, kind="baseline", uses=uses, scores=found)

    def with_missing(self, lacks: str, kept: Sequence[str]) -> Iterator[SystemScores]:
        """Yield the neighborhoods again, the new items having some fields only.

        Parameters
        ----------
        lacks : str
            What they lack, in words.
        kept : sequence of str
            The fields they have.
        """
        for name, of in field_neighborhoods(self.fields):
            left = tuple(field for field in of if field in kept)
            if left and len(left) < len(of):
                yield SystemScores(
                    name=f"{name} kNN, {lacks}",
                    kind="rival",
                    uses=left,
                    lacks=lacks,
                    scores=self.knn(of, left),
                )

    def knn(self, of: Sequence[str], of_new: Sequence[str]) -> Floats:
        """Return likeness [users, candidates] by some fields, of new items by some of them."""
        fields, shape = self.vectors.fields, self.vectors.present.shape
        there = np.broadcast_to([field in of for field in fields], shape).copy()
        there[self.new] = [field in of_new for field in fields]
        return weighted_similarity(self.vectors.keep(there), self.history, self.candidates)


def random_order(split: Baselines) -> Iterator[Scored]:
    """Yield chance."""
    shape = (split.history.shape[0], len(split.candidates))
    yield "random", (), np.random.default_rng(split.seed).random(shape, dtype=np.float32)


def popularity(split: Baselines) -> Iterator[Scored]:
    """Yield listeners in training; among items without any, those of the artist decide."""
    names = [main_artist(item.metadata) or item.id for item in split.items]
    _, artist = np.unique(names, return_inverse=True)
    of_artist = np.bincount(artist, weights=split.listeners)[artist]
    score = split.listeners + of_artist / (1 + of_artist.max(initial=0))
    yield "popularity", (), score[split.candidates].astype(np.float32)


def same_artist(split: Baselines) -> Iterator[Scored]:
    """Yield how much of the history is by the artists of an item."""
    of = artist_matrix(split.items)
    scores = ((split.history @ of) @ of[split.candidates].T).toarray()
    yield "same artist", ("artists",), np.asarray(scores)


def field_neighborhoods(fields: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what items are compared by: a name, and some of the fields that any item has."""
    classic = tuple(field for field in ("genres", "year") if field in fields)
    metadata = tuple(field for field in fields if field != "audio")
    if classic:
        yield " + ".join("genre" if f == "genres" else f for f in classic), classic
    if metadata and metadata != classic:
        yield "metadata", metadata
    if metadata and "audio" in fields:
        yield "all fields", tuple(fields)


def field_neighbors(split: Baselines) -> Iterator[Scored]:
    """Yield likeness by genre and year, by all metadata, and by all fields."""
    for name, of in field_neighborhoods(split.fields):
        yield f"{name} kNN", of, split.knn(of, of)


def vector_neighbors(split: Baselines) -> Iterator[Scored]:
    """Yield likeness by the audio alone, and by each of the other vectors."""
    for name, space in split.spaces.items():
        rows = unit_rows(space).astype(np.float32)
        yield f"{name} kNN", ("audio",), (split.history @ rows) @ rows[split.candidates].T


# Add a baseline here: a function from the split to names, fields it looks at, and scores.
BASELINES: dict[str, Callable[[Baselines], Iterator[Scored]]] = {
    "random": random_order,
    "popularity": popularity,
    "same artist": same_artist,
    "neighbors by fields": field_neighbors,
    "neighbors by vectors": vector_neighbors,
}


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


def _row_normalized(matrix: csr_array) -> csr_array:
    """Divide each row by its sum."""
    from scipy.sparse import csr_array, diags_array

    whole = np.maximum(matrix.sum(axis=1), np.finfo(np.float32).tiny)
    return csr_array(diags_array((1 / whole).astype(np.float32)) @ matrix)
