"""What listeners say of what they were shown: what they like and dislike, finish and skip.

Plays tell what somebody came across and kept on playing, so they tell of exposure as much as of
preference. What is said of something after it was heard has a sign, and is kept apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import MetadataError

__all__ = ["SIGNALS", "Feedback", "rating_values", "signal_values"]

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

# What a column of a log declares, and what it says from -1 to 1. The strongest counts where a row
# says several; shown and not played says little.
SIGNALS: Mapping[str, float] = {
    "disliked": -1.0,
    "liked": 1.0,
    "skipped": -0.5,
    "completed": 0.5,
    "exposed": -0.1,
}


class Feedback:
    """Who said what of which item.

    Parameters
    ----------
    users, items : iterable of str
        Identifiers, each once.
    user, item : array_like of int [shape=(m,)]
        Positions in `users` and `items`.
    value : array_like of float in [-1, 1] [shape=(m,)]
        From disliked to liked.
    time : array_like of float [shape=(m,)], optional
        When: seconds since 1970, UTC.

    Raises
    ------
    MetadataError
        An identifier comes twice, the arrays do not fit each other, or a value is out of range.

    Examples
    --------
    >>> said = Feedback(["ann"], ["a", "b"], [0, 0], [0, 1], [1, -1])
    >>> said.of_user("ann")
    (('a', 'b'), array([ 1., -1.], dtype=float32))
    """

    def __init__(
        self,
        users: Iterable[str],
        items: Iterable[str],
        user: ArrayLike,
        item: ArrayLike,
        value: ArrayLike,
        time: ArrayLike | None = None,
    ) -> None:
        self.users, self.items = tuple(users), tuple(items)
        self.user, self.item = (np.asarray(at, dtype=np.int32) for at in (user, item))
        self.value: Floats = np.asarray(value, dtype=np.float32)
        self.time = None if time is None else np.asarray(time, dtype=np.float64)
        shapes = {self.user.shape, self.item.shape, self.value.shape}
        if self.time is not None:
            shapes.add(self.time.shape)
        if len(shapes) > 1 or self.user.ndim != 1:
            raise MetadataError("arrays of feedback must have one entry a row each")
        for at, ids in ((self.user, self.users), (self.item, self.items)):
            if len(set(ids)) < len(ids):
                raise MetadataError("users and items of feedback must each come once")
            if len(at) and not 0 <= at.min() <= at.max() < len(ids):
                raise MetadataError(f"positions in feedback must lie from 0 to {len(ids) - 1}")
        if not (np.abs(self.value) <= 1).all():
            raise MetadataError("values of feedback must lie from -1, disliked, to 1, liked")

    def __len__(self) -> int:
        return len(self.user)

    def __repr__(self) -> str:
        against = int((self.value < 0).sum())
        return f"Feedback({len(self) - against:,} for, {against:,} against)"

    @cached_property
    def _rows_of(self) -> dict[str, NDArray[np.intp]]:
        """Rows of each user who said something, sorted out once for all who ask."""
        order = np.argsort(self.user, kind="stable")
        spoke, first = np.unique(self.user[order], return_index=True)
        names = [self.users[i] for i in spoke.tolist()]
        return dict(zip(names, np.split(order, first[1:]), strict=True)) if names else {}

    def of_user(self, user: str) -> tuple[tuple[str, ...], Floats]:
        """Return what one user spoke of, and the mean of what was said of each; maybe nothing."""
        rows = self._rows_of.get(user)
        if rows is None:
            return (), np.zeros(0, dtype=np.float32)
        at, where = np.unique(self.item[rows], return_inverse=True)
        said = np.bincount(where, weights=self.value[rows]) / np.bincount(where)
        return tuple(self.items[i] for i in at), said.astype(np.float32)

    def where(self, rows: Bools) -> Self:
        """Return some of the rows."""
        time = None if self.time is None else self.time[rows]
        return type(self)(
            self.users, self.items, self.user[rows], self.item[rows], self.value[rows], time
        )

    def before(self, time: float) -> Self:
        """Return what was said before a moment; what has no time was."""
        return self if self.time is None else self.where(self.time < time)

    def of_items(self, items: Collection[str]) -> Self:
        """Return what was said of some items."""
        kept = np.array([id in items for id in self.items], dtype=np.bool_)
        return self.where(kept[self.item])

    def without_pairs(self, pairs: Collection[tuple[str, str]]) -> Self:
        """Return it without what some users, named first, said of some items."""
        named = zip(self.user.tolist(), self.item.tolist(), strict=True)
        kept = [(self.users[u], self.items[i]) not in pairs for u, i in named]
        return self.where(np.array(kept, dtype=np.bool_))

    def without_user(self, user: str) -> Self:
        """Return it as if a user had said nothing."""
        gone = np.array([name == user for name in self.users], dtype=np.bool_)
        left = self.where(~gone[self.user])
        people = [name for name in self.users if name != user]
        moved = np.cumsum(~gone) - 1
        items = np.unique(left.item)
        return type(self)(
            people,
            [self.items[i] for i in items],
            moved[left.user],
            np.searchsorted(items, left.item),
            left.value,
            left.time,
        )

    def renamed(self, names: Mapping[str, str]) -> Self:
        """Return it with other names of the items; those without one are left out."""
        kept = self.of_items(set(names))
        called = sorted({names[self.items[i]] for i in np.unique(kept.item)})
        place = {name: i for i, name in enumerate(called)}
        moved = np.array([place.get(names.get(id, ""), 0) for id in self.items], dtype=np.int32)
        return type(self)(self.users, called, kept.user, moved[kept.item], kept.value, kept.time)


def signal_values(flags: Mapping[str, Bools], rows: int) -> Floats:
    """Return what each row says, of the columns that declare something; NaN where it says nothing.

    Parameters
    ----------
    flags : mapping of str to np.ndarray [shape=(rows,), bool]
        Some of :data:`SIGNALS`.
    rows : int
    """
    found = np.full(rows, np.nan, dtype=np.float32)
    for name, value in sorted(SIGNALS.items(), key=lambda pair: abs(pair[1])):
        if name in flags:
            found[flags[name]] = value
    return found


def rating_values(ratings: NDArray[np.float64]) -> Floats:
    """Return ratings on the scale from -1 to 1: the lowest of all is -1, the highest is 1."""
    low, high = float(ratings.min(initial=np.inf)), float(ratings.max(initial=-np.inf))
    if not high > low:
        return np.ones(len(ratings), dtype=np.float32)
    return (2 * (ratings - low) / (high - low) - 1).astype(np.float32)
