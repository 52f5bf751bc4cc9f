"""What models and baselines of sessions share: what they can be asked, and what they count."""

from __future__ import annotations

from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from musicu.sequences.contents import Contents
from musicu.sequences.plays import Plays
from musicu.sequences.queries import LONGEST, Queries

__all__ = ["DAY", "Fitted", "Ranker", "play_shares", "session_table", "then_popular"]

Floats = NDArray[np.float32]

DAY = 86400.0


class Ranker(Protocol):
    """What scores all items for queries."""

    def fit(self, plays: Plays, contents: Contents) -> Self:
        """Learn from plays before those that are asked about."""

    def scores(self, queries: Queries) -> Floats:
        """Score all items for each query [q, n]."""


class Fitted:
    """Holds what was learned beside the frozen settings."""

    def keep(self, **learned: Any) -> Self:
        """Take over what was learned, each under its name with a line before it."""
        for name, value in learned.items():
            object.__setattr__(self, "_" + name, value)
        return self

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{type(self).__name__} has no {name}: fit it first")


def play_shares(plays: Plays, weights: NDArray[np.float64] | None = None) -> Floats:
    """Return the share of the plays that each item has."""
    count = np.bincount(plays.item, weights, minlength=len(plays.items))
    return np.asarray(count / max(count.sum(), 1e-12), dtype=np.float32)


def session_table(plays: Plays) -> Any:
    """Return sessions by items [s, n]: how often each is in it."""
    from scipy.sparse import csr_array

    _, row = np.unique(plays.session, return_inverse=True)
    shape = (int(row.max(initial=-1)) + 1, len(plays.items))
    return csr_array((np.ones(len(row), np.float32), (row, plays.item)), shape=shape)


def then_popular(found: Floats, queries: Queries, share: Floats, *, again: bool) -> Floats:
    """Let popularity order what is not told apart; take out what was played, if not `again`."""
    if not again:
        query, at, _ = queries.steps(LONGEST)
        found[query, queries.played[at]] = 0
    return np.asarray(found + 1e-6 * share, dtype=np.float32)
