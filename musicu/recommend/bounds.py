"""A bound on what one listener can teach: how many items, how much of each, and none alone.

A recommender's folder holds no listener, but what it holds was learned from them. With a bound a
heavy listener says no more than others, and what fewer than some listeners played counts as played
by nobody, so that no number in the folder is one person's. This is no differential privacy; what it
does is measured by :mod:`musicu.evaluation.recommenders.privacy`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicu.errors import RecommenderError
from musicu.recommend.interactions import Interactions

__all__ = ["Bound"]


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What one listener can teach at most.

    Parameters
    ----------
    most_items : int >= 1 or None
        So many items of a listener count: those played most, of equal ones the latest.
    most_weight : float > 0 or None
        The plays of one item by one listener count no more than this together.
    least_listeners : int >= 1
        An item with fewer listeners, after the above, counts as played by nobody.

    Raises
    ------
    RecommenderError
        A value is out of its range.

    Examples
    --------
    >>> from musicu.recommend.bounds import Bound
    >>> log = Interactions(["ann", "ben"], ["x", "y"], [0, 0, 1], [0, 1, 0], [9, 1, 2])
    >>> bounded = Bound(most_weight=3, least_listeners=2).apply(log)
    >>> bounded.weight.tolist(), [bounded.items[i] for i in bounded.item]
    ([3.0, 2.0], ['x', 'x'])
    """

    most_items: int | None = None
    most_weight: float | None = None
    least_listeners: int = 1

    def __post_init__(self) -> None:
        if self.most_items is not None and self.most_items < 1:
            raise RecommenderError(f"at most {self.most_items} items a listener: at least 1")
        if self.most_weight is not None and not self.most_weight > 0:
            raise RecommenderError(f"plays count at most {self.most_weight:g}: above 0")
        if self.least_listeners < 1:
            raise RecommenderError(f"items of {self.least_listeners} listeners: at least 1")

    def apply(self, log: Interactions) -> Interactions:
        """Return what counts of a log; what was said goes where all its plays go.

        Raises
        ------
        RecommenderError
            Nothing is left.
        """
        pair = log.user.astype(np.int64) * max(len(log.items), 1) + log.item
        pairs, first, of = np.unique(pair, return_index=True, return_inverse=True)
        amount = np.bincount(of, weights=log.weight)
        user, item = log.user[first], log.item[first]
        kept = np.ones(len(pairs), dtype=np.bool_)
        if self.most_items is not None and len(pairs):
            # Rows of a log come newest first within a user.
            order = np.lexsort((first, -amount, user))
            starts = np.flatnonzero(np.diff(user[order], prepend=-1))
            place = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
            kept[order] = place < self.most_items
        if self.least_listeners > 1:
            count = np.bincount(item[kept], minlength=len(log.items))
            kept &= count[item] >= self.least_listeners
        found = log.where(kept[of])
        if not len(found):
            raise RecommenderError("with this bound nothing is left to learn from")
        if self.most_weight is None:
            return found
        scale = np.minimum(1.0, self.most_weight / amount)[of][kept[of]]
        weight = found.weight * scale.astype(np.float32)
        return type(found)(
            found.users,
            found.items,
            found.user,
            found.item,
            weight,
            found.time,
            feedback=found.feedback,
        )
