"""Seeds, looked up in a snapshot, and the one vector that they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicu.errors import ModelMismatchError, MusicuError
from musicu.search.query import Seed
from musicu.search.snapshot import Snapshot

__all__ = ["FoundSeeds", "blend", "find_seeds"]

Array = NDArray[np.float32]

# Seeds whose weighted sum is shorter than this cancel each other out: its direction is chance.
_CANCELED = 1e-3


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
