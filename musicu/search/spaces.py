"""What tracks can be near by: a space has vectors for queries and says what a score is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from musicu.search.seeds import FoundSeeds, blend
from musicu.search.snapshot import Snapshot

__all__ = ["AudioSpace", "Space", "as_scores"]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
Ranked = tuple[Positions, Floats]


class Space(Protocol):
    """One way to compare the tracks of a snapshot."""

    @property
    def snapshot(self) -> Snapshot:
        """The moment of the catalog that it is of."""

    def query(self, found: FoundSeeds) -> Array:
        """Return the unit vector that seeds ask for."""

    def nearest(self, query: Array, n: int, among: NDArray[np.bool_] | None) -> Ranked:
        """Return the positions and scores of the tracks nearest to a query, the nearest first."""

    def parts(self, query: Array, positions: Positions) -> dict[str, Floats]:
        """Return what each field adds to the score of each track; their sum is the score."""

    def likeness(self, positions: Positions) -> Callable[[int], Array]:
        """Return a function from one of some tracks to its similarity to each of them."""


class AudioSpace:
    """The space of the embeddings: the score is the cosine, negative ones count as 0.

    Parameters
    ----------
    snapshot : Snapshot
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def query(self, found: FoundSeeds) -> Array:
        """Return the blend of the seeds' embeddings; see :func:`musicu.search.seeds.blend`."""
        return blend(found.vectors, found.weights)

    def nearest(self, query: Array, n: int, among: NDArray[np.bool_] | None) -> Ranked:
        """Return positions and scores by falling cosine."""
        ((positions, cosines),) = self.snapshot.search(query[None], n, [among])
        return positions, as_scores(cosines)

    def parts(self, query: Array, positions: Positions) -> dict[str, Floats]:
        """Return ``{"audio": scores}``."""
        return {"audio": as_scores(self.snapshot.vectors(positions) @ query)}

    def likeness(self, positions: Positions) -> Callable[[int], Array]:
        """Return a function to cosines."""
        rows = self.snapshot.vectors(positions)
        return lambda at: np.asarray(rows @ rows[at])


def as_scores(cosines: Array) -> Floats:
    """Return scores in [0, 1] for cosines, as :class:`musicu.catalog.similar.Match` has them."""
    return np.clip(cosines, 0, 1).astype(np.float64).round(6)
