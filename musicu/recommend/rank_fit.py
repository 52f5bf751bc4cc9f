"""The ranking stage: what its features are, and how their weights are learned from a log.

The parts of :meth:`Scorer.parts` are weighed by default as they stand. A log can teach better
weights, and what popularity and a known artist are worth beside them: some of each listener's plays
are hidden, the scorer learns from the rest, and a :class:`Ranker` learns to tell the hidden plays
from what the sources proposed instead and from popular items (:func:`sample_negatives`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from musicu.errors import RecommenderError
from musicu.items.item import Items
from musicu.recommend.candidates import propose
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.hyperparameters import Hyperparameters
from musicu.recommend.interactions import Interactions
from musicu.recommend.ranking import Ranker, sample_negatives
from musicu.recommend.scorer import Listener, Scorer

__all__ = ["FEATURES", "features", "hide_plays", "learn_ranking", "rank_scores"]

Floats = NDArray[np.float64]
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
    model = scorer.model
    played = model.listeners[at] > 0
    parts = scorer.parts(listener, at)
    parts[~played, 1] = np.nan
    popularity = np.where(played, np.log1p(model.listeners[at]), np.nan)
    share = model.artists.rows(listener.played).sum(axis=0) / len(listener.played)
    artist = (model.artists.rows(at) * share).max(axis=1).toarray().ravel()
    return np.column_stack([parts, popularity, artist])


def rank_scores(scorer: Scorer, ranker: Ranker | None, listener: Listener, at: Positions) -> Floats:
    """Return what candidates are ranked by: a ranker's scores, or the plain ones, calibrated.

    Parameters
    ----------
    scorer : Scorer
    ranker : Ranker or None
    listener : Listener
    at : np.ndarray [shape=(c,), intp]
        Positions of the candidates.

    Returns
    -------
    np.ndarray [shape=(c,), float64]
    """
    if ranker is None:
        scores = scorer.scores(listener, at).astype(np.float64)
        calibration, is_new = scorer.model.calibration, scorer.model.listeners[at] == 0
        return scores if calibration is None else calibration.apply(scores, is_new)
    return ranker.score(features(scorer, listener, at))


def learn_ranking(
    interactions: Interactions, items: Items, settings: Hyperparameters, *, hidden: float = 0.2
) -> Ranker:
    """Learn the weights of the ranking stage.

    Parameters
    ----------
    interactions : Interactions
    items : Items
    settings : Hyperparameters
        Of the scores; their seed draws what is hidden, too.
    hidden : float in (0, 1)
        Share of each listener's items to hide: the last ones where there are times, else drawn.

    Returns
    -------
    Ranker

    Raises
    ------
    RecommenderError
        No listener has items enough.
    """
    rng = np.random.default_rng(settings.seed)
    kept, wanted = hide_plays(interactions, hidden, rng)
    model = FittedModel.fit(interactions.where(kept), items, settings)
    scorer = Scorer(model)
    users = sorted(wanted)
    drawn = sorted(rng.permutation(len(users))[:_USERS].tolist())
    rows, chosen, lists = [], [], []
    for user in (users[i] for i in drawn):
        listener = scorer.listener(interactions.users[user])
        right = model.positions(interactions.items[i] for i in wanted[user])
        proposed = np.array([*propose(model, listener)], dtype=np.intp)
        wrong = sample_negatives(
            _NEGATIVES,
            proposed,
            model.listeners,
            exclude=[*right.tolist(), *listener.played.tolist()],
            seed=settings.seed + user,
        )
        at = np.concatenate([right, wrong])
        rows.append(features(scorer, listener, at))
        chosen.append(np.arange(len(at)) < len(right))
        lists.append(np.full(len(at), user))
    if not rows:
        raise RecommenderError(
            "no listener played five items: there is nothing to learn ranking from"
        )
    return Ranker.fit(
        FEATURES,
        np.concatenate(rows),
        np.concatenate(chosen),
        np.concatenate(lists),
        positive=_POSITIVE,
    )


def hide_plays(
    log: Interactions, share: float, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], dict[int, list[int]]]:
    """Choose some of each user's plays to hide.

    Parameters
    ----------
    log : Interactions
    share : float in (0, 1)
        Of each user's items: the last ones played where there are times, else drawn.
    rng : np.random.Generator

    Returns
    -------
    kept : np.ndarray [shape=(m,), bool]
        The interactions that stay.
    hidden : dict of int to list of int
        Positions of the items hidden, by the position of the user.
    """
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
