"""The ranking stage: what its features are, and how their weights are learned from a log.

The parts of :meth:`Scorer.parts` are weighed by default as they stand. A log can teach better
weights, and what popularity and a known artist are worth beside them: some of each listener's plays
are hidden, the scorer learns from the rest, and a :class:`Ranker` learns to tell the hidden plays
from what the sources proposed instead and from popular items (:func:`sample_negatives`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.listening.candidates import propose
from musicu.listening.ranker import Ranker, sample_negatives
from musicu.listening.scorer import Listener, Scorer

if TYPE_CHECKING:
    from musicu.items.item import Items
    from musicu.listening.interactions import Interactions

__all__ = ["FEATURES", "features", "learn_ranking"]

Positions = NDArray[np.intp]

FEATURES = ("content", "listeners", "taste", "popularity", "artist")
# All but popularity, of which there may be too much, can only speak for an item.
_POSITIVE = ("content", "listeners", "taste", "artist")
_NEGATIVES = 50
_USERS = 2000


def features(scorer: Scorer, listener: Listener, at: Positions) -> NDArray[np.float64]:
    """Return what the ranking stage knows of candidates.

    Parameters
    ----------
    scorer : Scorer
    listener : Listener
    at : np.ndarray [shape=(c,), intp]
        Positions of the candidates.

    Returns
    -------
    np.ndarray [shape=(c, 5), float64]
        :data:`FEATURES`: the three parts of the score; the logarithm of its listeners; the share of
        the history that is by its artists. Of an item that nobody played, ``listeners`` and
        ``popularity`` are NaN, not known: it shall not stand behind for being new.
    """
    played = scorer.listeners[at] > 0
    parts = scorer.parts(listener, at)
    parts[~played, 1] = np.nan
    popularity = np.where(played, np.log1p(scorer.listeners[at]), np.nan)
    share = scorer.credits[listener.played].sum(axis=0) / len(listener.played)
    artist = (scorer.credits[at] * share).max(axis=1).toarray().ravel()
    return np.column_stack([parts, popularity, artist])


def learn_ranking(
    scorer: Scorer, interactions: Interactions, items: Items, *, hidden: float = 0.2, seed: int = 0
) -> Ranker:
    """Learn the weights of the ranking stage.

    Parameters
    ----------
    scorer : Scorer
        Its parameters are used; it is not changed.
    interactions : Interactions
    items : Items
    hidden : float in (0, 1)
        Share of each listener's items to hide: the last ones where there are times, else drawn.
    seed : int
        Of the drawing.

    Returns
    -------
    Ranker

    Raises
    ------
    MetadataError
        No listener has items enough.
    """
    rng = np.random.default_rng(seed)
    kept, wanted = _hide(interactions, hidden, rng)
    inner = type(scorer)(**scorer.get_params()).fit(interactions.where(kept), items)
    users = sorted(wanted)
    drawn = sorted(rng.permutation(len(users))[:_USERS].tolist())
    rows, chosen, lists = [], [], []
    for user in (users[i] for i in drawn):
        listener = inner.listener(interactions.users[user])
        right = np.array([inner.items.position(interactions.items[i]) for i in wanted[user]])
        proposed = np.array([*propose(inner, listener)], dtype=np.intp)
        wrong = sample_negatives(
            _NEGATIVES,
            proposed,
            inner.listeners,
            exclude=[*right.tolist(), *listener.played.tolist()],
            seed=seed + user,
        )
        at = np.concatenate([right, wrong])
        rows.append(features(inner, listener, at))
        chosen.append(np.arange(len(at)) < len(right))
        lists.append(np.full(len(at), user))
    if not rows:
        raise MetadataError("no listener played five items: there is nothing to learn ranking from")
    return Ranker.fit(
        FEATURES,
        np.concatenate(rows),
        np.concatenate(chosen),
        np.concatenate(lists),
        positive=_POSITIVE,
    )


def _hide(
    log: Interactions, share: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], dict[int, list[int]]]:
    """Choose plays to hide: a mask of those kept, and for each user the items hidden."""
    kept = np.ones(len(log), dtype=np.bool_)
    wanted: dict[int, list[int]] = {}
    ends = np.flatnonzero(np.diff(log.user, append=-1)) + 1
    for start, end in zip(np.concatenate([[0], ends[:-1]]), ends, strict=True):
        rows = np.arange(start, end)
        _, first = np.unique(log.item[rows], return_index=True)
        # Newest first; an item's first row is then its latest play.
        order = np.sort(first) if log.time is not None else rng.permutation(first)
        number = int(share * len(order))
        if number:
            gone = log.item[rows[order[:number]]]
            kept[rows] = ~np.isin(log.item[rows], gone)
            wanted[int(log.user[start])] = gone.tolist()
    return kept, wanted
