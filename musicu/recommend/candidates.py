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
    "ask_sources",
    "near_artists",
    "near_interests",
    "near_listeners",
    "propose",
    "sources_of",
    "unplayed_items",
]

Floats = NDArray[np.float32]
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
    centers = listener.vectors.query(listener.interests.rows) - items.mean
    each = -(-n // len(centers))
    if model.index is not None:
        return model.index.by_content(items, model.vectors, centers, each)
    scores = model.vectors.scores(centers).T * items.inv_std[:]
    return np.unique(np.concatenate([top_k(row, each) for row in scores]))


def near_listeners(model: FittedModel, listener: Listener, n: int) -> Positions:
    """Those whose factors fit the listener's best."""
    if model.index is not None:
        return model.index.by_factor(model.item_factors, listener.factor, n)
    return top_k(model.item_factors.factors @ listener.factor, n)


def unplayed_items(model: FittedModel, listener: Listener, n: int) -> Positions:
    """Best of what nobody has played: beside popular items they would not be seen."""
    if model.index is not None:
        among = model.is_new
        return model.index.by_factor(model.item_factors, listener.factor, n, among=among)
    new = np.flatnonzero(model.is_new)
    return new[top_k(model.item_factors.factors[new] @ listener.factor, n)]


def near_artists(model: FittedModel, listener: Listener, n: int) -> Positions:
    """More by the artists who were played, by those they work with, and by their neighbors."""
    factors, played = model.item_factors.factors, listener.played
    typical = played[top_k(factors[played] @ listener.factor, _TYPICAL)]
    if model.index is not None:
        items = model.item_factors
        neighbors = [model.index.neighbors(items, at, _NEIGHBORS) for at in typical.tolist()]
    else:
        neighbors = [top_k(factors @ factors[at], _NEIGHBORS) for at in typical.tolist()]
    at = np.unique(np.concatenate([played, *neighbors]))
    for _ in range(2):  # all by these artists, then all by whom they work with
        at = model.artists.partners(at)
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
    proposals = ask_sources(model, listener, sources=sources, pool=pool)
    every = np.unique(np.concatenate([np.zeros(0, dtype=np.intp), *proposals.values()]))
    return dict(zip(every.tolist(), sources_of(proposals, every), strict=True))


def ask_sources(
    model: FittedModel,
    listener: Listener,
    *,
    sources: Mapping[str, Source] = CANDIDATE_SOURCES,
    pool: int = 500,
) -> dict[str, Positions]:
    """Ask all sources; return what each proposes.

    Parameters
    ----------
    model, listener, sources, pool
        As for :func:`propose`.
    """
    return {name: source(model, listener, pool) for name, source in sources.items()}


def sources_of(proposals: Mapping[str, Positions], at: Positions) -> list[tuple[str, ...]]:
    """Return the sources that proposed each of some items.

    Parameters
    ----------
    proposals : mapping of str to np.ndarray
        What each source proposed.
    at : np.ndarray [shape=(k,), intp]
        Positions of items.
    """
    told = {name: np.isin(at, found).tolist() for name, found in proposals.items()}
    return [tuple(name for name, has in told.items() if has[i]) for i in range(len(at))]
