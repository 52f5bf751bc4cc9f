"""Showing what is not known yet: candidates as a bandit sees them, and lists drawn by chance.

Only what was drawn by known chances can tell later what another policy would have brought:
:mod:`musicu.evaluation.offpolicy.evaluate`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.arrays import unit_rows
from musicu.errors import RecommenderError
from musicu.recommend.rank_fit import rank_scores
from musicu.recommend.recommender import History, Recommender
from musicu.recommend.scorer import Scorer

__all__ = ["candidate_vectors", "softmax_chances"]


def candidate_vectors(
    recommender: Recommender, user: str | History, ids: Sequence[str]
) -> NDArray[np.float64]:
    """Return vectors of items for a listener, for :class:`musicu.recommend.bandit.LinearBandit`.

    One bandit for all listeners learns from them what a score is worth in plays, and which
    directions of the factors the scores misjudge: of new items above all.

    Parameters
    ----------
    recommender : Recommender
    user : str or History
    ids : sequence of str
        Of the candidates [n].

    Returns
    -------
    np.ndarray [shape=(n, 2 + k), float64]
        1, the score, and the item's factor of unit length.

    Raises
    ------
    RecommenderError
        The user or an item is not known, or nothing was played.

    Examples
    --------
    >>> from musicu.recommend.exploration import candidate_vectors
    >>> items = Items(Item(f"t{i}", Metadata(genres=("jazz",))) for i in range(4))
    >>> log = Interactions(["ann", "ben"], items.ids, [0, 0, 1], [0, 1, 1])
    >>> recommender = Recommender(dim=2).fit(log, items)
    >>> candidate_vectors(recommender, "ann", ["t2", "t3"]).shape
    (2, 4)
    """
    scorer = Scorer(recommender.model)
    at = scorer.model.positions(ids)
    scores = rank_scores(scorer, recommender.ranker, scorer.listener(user), at)
    factors = unit_rows(scorer.model.item_factors.factors[at].astype(np.float64))
    return np.column_stack([np.ones(len(at)), scores, factors])


def softmax_chances(
    scores: ArrayLike, *, temperature: float = 1.0, even: float = 0.0
) -> NDArray[np.float64]:
    """Return chances to draw one of some items by: the propensities to log.

    Parameters
    ----------
    scores : array-like [shape=(..., n)]
        As a recommender gives them, in standard deviations of the listener's.
    temperature : float > 0
        How far chance counts: a score that is higher by it is 2.7 times as likely.
    even : float in [0, 1]
        Share of draws in which all are alike; no weight is above ``n / even`` then.

    Returns
    -------
    np.ndarray [shape=(..., n), float64]
        Rows sum to 1.

    Raises
    ------
    RecommenderError
        A number is out of its range.

    Examples
    --------
    >>> from musicu.recommend.exploration import softmax_chances
    >>> softmax_chances([2.0, 1.0, 0.0], even=0.3).round(2).tolist()
    [0.57, 0.27, 0.16]
    """
    s = np.asarray(scores, dtype=np.float64)
    if not (temperature > 0 and 0 <= even <= 1 and s.size and np.isfinite(s).all()):
        raise RecommenderError(
            "chances need finite scores, a temperature above 0, and a share from 0 to 1"
        )
    chances = np.exp((s - s.max(axis=-1, keepdims=True)) / temperature)
    chances /= chances.sum(axis=-1, keepdims=True)
    return np.asarray((1 - even) * chances + even / s.shape[-1])
