"""Ways to compare the tracks of a snapshot, by name: add one to :data:`SPACES`.

A space makes a vector of a query's seeds, finds the nearest tracks and takes scores apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from musicu.search.fused import FusedSpace
from musicu.search.seeds import FoundSeeds, blend
from musicu.search.snapshot import Snapshot

__all__ = ["DEFAULT_SPACE", "SPACES", "AudioSpace", "Space", "SpaceType", "as_scores"]

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

    def similarities(self, positions: Positions) -> Callable[[int], Array]:
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

    def similarities(self, positions: Positions) -> Callable[[int], Array]:
        """Return a function to cosines."""
        rows = self.snapshot.vectors(positions)
        return lambda at: np.asarray(rows @ rows[at])


def as_scores(cosines: Array) -> Floats:
    """Return scores in [0, 1] for cosines, as :class:`musicu.catalog.similar.Match` has them."""
    return np.clip(cosines, 0, 1).astype(np.float64).round(6)


@dataclass(frozen=True)
class SpaceType:
    """How the space of a snapshot is made.

    Parameters
    ----------
    basis : str
        What it compares tracks by, as messages call it.
    make : callable
        From a snapshot, and an event that is set when nobody waits any more, to the space.
    grow : callable
        From a space and a newer snapshot to the space of that; it returns None, as without it,
        where the space has to be made anew.
    background : bool
        Whether that takes long: then it is made in a thread, and while the space of a newer
        snapshot is being made, the last one answers.
    """

    basis: str
    make: Callable[[Snapshot, Event], Space]
    grow: Callable[[Any, Snapshot], Space | None] = lambda space, snapshot: None
    background: bool = False


DEFAULT_SPACE: Final = "sound"
# Add a way to compare here: Explorer, the service and the command line take their choice from it.
SPACES: dict[str, SpaceType] = {
    DEFAULT_SPACE: SpaceType("what is heard", lambda snapshot, _: AudioSpace(snapshot)),
    "all": SpaceType("what is known of tracks", FusedSpace.of, FusedSpace.grown, background=True),
}
