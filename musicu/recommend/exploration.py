"""A recommender's candidates as a bandit sees them: what is expected of them, and what they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.recommend.rank_fit import rank_scores
from musicu.recommend.recommender import Recommender
from musicu.recommend.scorer import History, Scorer

__all__ = ["candidate_vectors"]


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
