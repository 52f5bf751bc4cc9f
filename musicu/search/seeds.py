"""Seeds: what people name, looked up in a snapshot, as items and as the one vector they ask for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.index import unit_vector
from musicu.catalog.lookup import analyze_query, find_track
from musicu.catalog.store import Store
from musicu.catalog.tracks import stored_items
from musicu.errors import ModelMismatchError, MusicuError
from musicu.items.item import Item, Items
from musicu.search.snapshot import Snapshot

__all__ = ["FoundSeeds", "Seed", "blend", "find_seeds", "read_items", "seed_items", "seed_of"]

Array = NDArray[np.float32]

# Seeds whose weighted sum is shorter than this cancel each other out: its direction is chance.
_CANCELED = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Seed:
    """A track that a question starts from: a stored one, or a new one.

    Two seeds are equal where they say the same, so that a query can be the key of a cache.

    Parameters
    ----------
    weight : float in [-1, 1], not 0
        How much more of this is wanted, or less of it.
    id : str or None
        Of a stored track, or its first 6 or more characters.
    vector : np.ndarray [shape=(dim,), float32] or None
        Embedding of a new track; made unit length here.
    item : Item or None
        What is known of the new track, where that counts, too.

    Raises
    ------
    MusicuError
        Neither or both of `id` and `vector` are given, or a number is not what it should be.
    """

    weight: float = 1.0
    id: str | None = None
    vector: Array | None = None
    item: Item | None = None

    def __post_init__(self) -> None:
        if (self.id is None) == (self.vector is None):
            raise MusicuError("a seed is the id of a stored track or the vector of a new one")
        if not 0 < abs(self.weight) <= 1:
            raise MusicuError(
                f"a seed's weight is {self.weight}: it goes from -1 to 1 and is not 0"
            )
        if self.vector is not None:
            object.__setattr__(self, "vector", unit_vector(self.vector))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seed) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash(self._said()[:3])

    def _said(self) -> tuple[float, str | None, bytes | None, Item | None]:
        vector = None if self.vector is None else self.vector.tobytes()
        return self.weight, self.id, vector, self.item


def seed_of(catalog: Path, query: str | os.PathLike[str], weight: float = 1.0) -> Seed:
    """Make a seed of a file, an id or a name; a file that is not in the catalog is heard.

    Parameters
    ----------
    catalog : Path
        The catalog's file.
    query : str or path-like
        As for :meth:`musicu.Catalog.similar`.
    weight : float in [-1, 1], not 0
        Of the seed.

    Raises
    ------
    CatalogError
        It is neither a file nor a stored track, or several.
    AudioError
        The file cannot be used.
    ModelError
        The catalog's model is not installed.
    """
    name = os.fspath(query)
    with Store(catalog, create=False) as store:
        if (stored := find_track(store, name)) is not None:
            return Seed(id=stored.id, weight=weight)
        item, vector = analyze_query(store, name)
    return Seed(vector=vector, item=item, weight=weight)


@dataclass(frozen=True, eq=False)
class FoundSeeds:
    """Seeds in a snapshot.

    Attributes
    ----------
    seeds : tuple of Seed
        As they were asked for.
    positions : tuple of int
        Where each stands in the snapshot; -1 for new tracks.
    vectors : np.ndarray [shape=(m, dim), float32]
        Their unit vectors.
    """

    seeds: tuple[Seed, ...]
    positions: tuple[int, ...]
    vectors: Array

    @property
    def weights(self) -> Array:
        """How much each counts [shape=(m,), float32]."""
        return np.array([seed.weight for seed in self.seeds], dtype=np.float32)

    def wanted(self) -> list[int]:
        """Return which of them have a weight above 0."""
        return [at for at, seed in enumerate(self.seeds) if seed.weight > 0]


def find_seeds(snapshot: Snapshot, seeds: Sequence[Seed]) -> FoundSeeds:
    """Look up seeds.

    Raises
    ------
    CatalogError
        No track of the snapshot has such an id.
    ModelMismatchError
        A vector is not of the snapshot's model.
    """
    positions, vectors = [], []
    for seed in seeds:
        if seed.vector is None:
            assert seed.id is not None  # a seed has one of the two
            position = snapshot.position(seed.id)
            vectors.append(snapshot.vector(position))
        else:
            position = -1
            vectors.append(seed.vector)
            if seed.vector.shape != (snapshot.model.dim,):
                raise ModelMismatchError(
                    f"the vector has {len(seed.vector)} numbers, "
                    f"those of {snapshot.model.name} have {snapshot.model.dim}"
                )
        positions.append(position)
    return FoundSeeds(tuple(seeds), tuple(positions), np.stack(vectors))


def blend(rows: Array, weights: Array) -> Array:
    """Return the direction of a weighted sum of unit vectors.

    More of some, less of others: J. J. Rocchio, "Relevance feedback in information retrieval",
    in "The SMART retrieval system", 1971, with the weights that the user gives.

    Parameters
    ----------
    rows : np.ndarray [shape=(m, dim), float32]
    weights : np.ndarray [shape=(m,), float32]

    Returns
    -------
    np.ndarray [shape=(dim,), float32]
        Of length 1; a single row with a weight above 0 as it is.

    Raises
    ------
    MusicuError
        They cancel each other out.
    """
    if len(rows) == 1 and weights[0] > 0:
        return np.asarray(rows[0])
    total = weights @ rows
    length = float(np.linalg.norm(total))
    if length < _CANCELED:
        raise MusicuError("the seeds cancel each other out: change their weights")
    return np.asarray(total / np.float32(length), dtype=np.float32)


def read_items(snapshot: Snapshot, positions: Sequence[int]) -> Items:
    """Return tracks of a snapshot with all that is known of them.

    Parameters
    ----------
    snapshot : Snapshot
    positions : sequence of int
        Each once.

    Returns
    -------
    Items
        In that order; of a track that has left the catalog meanwhile its sound alone is known.
    """
    rows = snapshot.tracks[list(positions)].tolist()
    with Store(snapshot.path, create=False) as store:
        return stored_items(store, rows, snapshot.vectors(positions))


def seed_items(snapshot: Snapshot, found: FoundSeeds, which: Sequence[int]) -> Items:
    """Return some seeds as items, stored or new; their ids are their places among the seeds."""
    stored = [at for at in which if found.positions[at] >= 0]
    # A seed can be there twice, with two weights.
    positions = sorted({found.positions[at] for at in stored})
    known = dict(zip(positions, read_items(snapshot, positions), strict=True))
    items = (known.get(found.positions[at]) or found.seeds[at].item or Item("") for at in which)
    named = (replace(item, id=f"seed {at}") for at, item in zip(which, items, strict=True))
    return Items(named, found.vectors[list(which)])
