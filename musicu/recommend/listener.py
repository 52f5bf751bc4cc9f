"""Who listens: what somebody played and said, and what a recommender makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.items.fused_vectors import ItemVectors
from musicu.recommend.user_profile import Interests

__all__ = ["History", "Listener"]

Floats = NDArray[np.float32]
Floats64 = NDArray[np.float64]
Positions = NDArray[np.intp]


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
    said : mapping of str to float
        What was said of items, from -1, disliked, to 1, liked; also of such as were not played. It
        tells where the recommender was fitted on what others said.
    playing : sequence of str
        What plays now, or the playlist that is to go on; all before may be empty then.
    playing_share : float in (0, 1)
        How much of the listener that is.
    """

    items: Sequence[str]
    weights: Sequence[float] | NDArray[Any] | None = None
    times: Sequence[float] | NDArray[Any] | None = None
    said: Mapping[str, float] = field(default_factory=dict)
    playing: Sequence[str] = ()
    playing_share: float = 0.5


@dataclass(frozen=True)
class Listener:
    """A listener as the recommender sees one.

    Attributes
    ----------
    played : np.ndarray [shape=(h,), intp]
        Positions of the items played, each once.
    vectors : ItemVectors
        Their fused vectors.
    influence : np.ndarray [shape=(h, k), float32]
        What each adds to the listener's factor.
    factor : np.ndarray [shape=(k,), float32]
        The listener's vector among the collaborative factors: the sum of these.
    interests : Interests or None
        Groups of what was played; None where nothing is known of any of it.
    profile_weights : np.ndarray [shape=(h,), float64]
        What each adds to the mean of the interests.
    profile : np.ndarray [shape=(dim,), float32]
        This mean less the catalog's.
    scale : tuple of float
        Standard deviations s1 and s2.
    spoken : np.ndarray [shape=(m,), intp]
        Positions of the items of which something was said, each once.
    said : np.ndarray [shape=(m,), float64]
        What was said, from -1 to 1.
    personal : np.ndarray [shape=(m,), float64]
        What each adds to the preference for others like it.
    liking : np.ndarray [shape=(dim,), float32] or None
        What preference is by fused vector; None where nobody said anything.
    """

    played: Positions
    vectors: ItemVectors
    influence: Floats
    factor: Floats
    interests: Interests | None
    profile_weights: Floats64
    profile: Floats
    scale: tuple[float, float]
    spoken: Positions = field(default_factory=lambda: np.zeros(0, dtype=np.intp))
    said: Floats64 = field(default_factory=lambda: np.zeros(0))
    personal: Floats64 = field(default_factory=lambda: np.zeros(0))
    liking: Floats | None = None
