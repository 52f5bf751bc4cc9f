"""Candidate generation: several cheap sources, each good at something, propose what is ranked."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.listening.scorer import Listener, Scorer

__all__ = [
    "SOURCES",
    "Source",
    "near_artists",
    "near_interests",
    "near_listeners",
    "new_items",
    "propose",
]

Positions = NDArray[np.intp]
# From who listens, to positions of items, at most that many.
Source = Callable[[Scorer, Listener, int], Positions]

_TYPICAL = 10  # items of a history whose neighbors are looked at
_NEIGHBORS = 10


def near_interests(scorer: Scorer, listener: Listener, n: int) -> Positions:
    """Nearest neighbors of each interest: fused vectors of content, so new items too."""
    if listener.interests is None:
        return np.zeros(0, dtype=np.intp)
    centers = np.stack([listener.rows.query(w) for w in listener.interests.rows])
    scores = scorer.vectors.scores(centers - scorer.common).T * scorer.gain
    each = -(-n // len(scores))
    return np.unique(np.concatenate([top_k(row, each) for row in scores]))


def near_listeners(scorer: Scorer, listener: Listener, n: int) -> Positions:
    """Those whose place among the listeners fits best."""
    return top_k(scorer.places @ listener.factor, n)


def new_items(scorer: Scorer, listener: Listener, n: int) -> Positions:
    """Best of what nobody has played: beside popular items they would not be seen."""
    new = np.flatnonzero(scorer.listeners == 0)
    return new[top_k(scorer.places[new] @ listener.factor, n)]


def near_artists(scorer: Scorer, listener: Listener, n: int) -> Positions:
    """More by the artists who were played, by those they work with, and by their neighbors."""
    places, credits = scorer.places, scorer.credits
    played = listener.played
    typical = played[top_k(places[played] @ listener.factor, _TYPICAL)]
    known = np.zeros(len(places), dtype=np.float32)
    known[played] = 1
    for scores in places[typical] @ places.T:
        known[top_k(scores, _NEIGHBORS)] = 1
    for _ in range(2):  # all by these artists, then all by whom they work with
        known = (credits @ (credits.T @ known) > 0).astype(np.float32)
    at = np.flatnonzero(known)
    return at[top_k(places[at] @ listener.factor, n)]


SOURCES: Mapping[str, Source] = {
    "interests": near_interests,
    "listeners": near_listeners,
    "artists": near_artists,
    "new": new_items,
}


def propose(
    scorer: Scorer,
    listener: Listener,
    *,
    sources: Mapping[str, Source] = SOURCES,
    pool: int = 500,
) -> dict[int, tuple[str, ...]]:
    """Ask all sources.

    Parameters
    ----------
    scorer : Scorer
    listener : Listener
    sources : mapping of str to callable
        By name; each takes scorer, listener and a number, and returns positions.
    pool : int >= 1
        How many items each may propose.

    Returns
    -------
    dict of int to tuple of str
        Positions of items, and the sources that proposed each.
    """
    found: dict[int, tuple[str, ...]] = {}
    for name, source in sources.items():
        for at in source(scorer, listener, pool).tolist():
            found[at] = (*found.get(at, ()), name)
    return dict(sorted(found.items()))
