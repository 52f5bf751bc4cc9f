"""Candidate generation: several cheap sources, each good at something, propose what is ranked."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.scorer import Listener

__all__ = [
    "CANDIDATE_SOURCES",
    "Source",
    "near_artists",
    "near_interests",
    "near_listeners",
    "propose",
    "unplayed_items",
]

Positions = NDArray[np.intp]
# From who listens, to positions of items, at most that many.
Source = Callable[[FittedModel, Listener, int], Positions]

_TYPICAL = 10  # items of a history whose neighbors are looked at
_NEIGHBORS = 10


def near_interests(model: FittedModel, listener: Listener, n: int) -> Positions:
    """Nearest neighbors of each interest: fused vectors of content, so new items too."""
    if listener.interests is None:
        return np.zeros(0, dtype=np.intp)
    items = model.item_factors
    centers = np.stack([listener.vectors.query(w) for w in listener.interests.rows])
    scores = model.vectors.scores(centers - items.mean).T * items.inv_std
    each = -(-n // len(scores))
    return np.unique(np.concatenate([top_k(row, each) for row in scores]))


def near_listeners(model: FittedModel, listener: Listener, n: int) -> Positions:
    """Those whose factors fit the listener's best."""
    return top_k(model.item_factors.factors @ listener.factor, n)


def unplayed_items(model: FittedModel, listener: Listener, n: int) -> Positions:
    """Best of what nobody has played: beside popular items they would not be seen."""
    new = np.flatnonzero(model.listeners == 0)
    return new[top_k(model.item_factors.factors[new] @ listener.factor, n)]


def near_artists(model: FittedModel, listener: Listener, n: int) -> Positions:
    """More by the artists who were played, by those they work with, and by their neighbors."""
    factors, artists = model.item_factors.factors, model.artist_matrix
    played = listener.played
    typical = played[top_k(factors[played] @ listener.factor, _TYPICAL)]
    known = np.zeros(len(factors), dtype=np.float32)
    known[played] = 1
    for scores in factors[typical] @ factors.T:
        known[top_k(scores, _NEIGHBORS)] = 1
    for _ in range(2):  # all by these artists, then all by whom they work with
        known = (artists @ (artists.T @ known) > 0).astype(np.float32)
    at = np.flatnonzero(known)
    return at[top_k(factors[at] @ listener.factor, n)]


# Add a candidate source here: all recommenders ask those that are in this table.
CANDIDATE_SOURCES: dict[str, Source] = {
    "interests": near_interests,
    "listeners": near_listeners,
    "artists": near_artists,
    "new": unplayed_items,
}


def propose(
    model: FittedModel,
    listener: Listener,
    *,
    sources: Mapping[str, Source] = CANDIDATE_SOURCES,
    pool: int = 500,
) -> dict[int, tuple[str, ...]]:
    """Ask all sources.

    Parameters
    ----------
    model : FittedModel
    listener : Listener
    sources : mapping of str to callable
        By name; each takes model, listener and a number, and returns positions.
    pool : int >= 1
        How many items each may propose.

    Returns
    -------
    dict of int to tuple of str
        Positions of items, and the sources that proposed each.
    """
    found: dict[int, tuple[str, ...]] = {}
    for name, source in sources.items():
        for at in source(model, listener, pool).tolist():
            found[at] = (*found.get(at, ()), name)
    return dict(sorted(found.items()))
