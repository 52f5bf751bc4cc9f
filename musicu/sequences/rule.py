"""The rule without learning that is hard to beat: what is like the session so far, by content.

A session is the mean of its plays' tags, and of its plays' artists (and audio, where it was heard);
each play weighs less than the one after it. An item scores by how like it is. What was played
already is the likest of all, and comes again less often than that: `played` takes that much away.
What else was in the sessions of what was played may count, too: the one thing here that is learned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.sequences.contents import Contents
from musicu.sequences.fitted import session_table
from musicu.sequences.plays import Plays
from musicu.sequences.queries import Queries

__all__ = ["DecayedContent", "item_neighbors", "likeness"]

Floats = NDArray[np.float32]

_SHRINKAGE = 3.0  # sessions added to those of each item: what is shared once says little
_MOST = 50  # neighbors of an item


def likeness(rows: Any, part: Any) -> Floats:
    """Return how like each of some sessions each item is.

    Parameters
    ----------
    rows : scipy.sparse array [shape=(q, n)]
        What each item weighs in each session.
    part : scipy.sparse array or np.ndarray [shape=(n, width), float32]
        Unit rows of the items.

    Returns
    -------
    np.ndarray [shape=(q, n), float32]
        Cosines of the items with the sessions' sums; 0 where nothing is known.
    """
    whole = rows @ part
    asked = unit_rows(np.asarray(whole.toarray() if hasattr(whole, "toarray") else whole))
    if hasattr(part, "tocsr"):
        return np.ascontiguousarray((part @ np.ascontiguousarray(asked.T)).T)
    return np.asarray(asked @ part.T, dtype=np.float32)


def item_neighbors(plays: Plays) -> Any:
    """Return cosines of the sessions that items are in: the fifty largest of each, not its own.

    Returns
    -------
    scipy.sparse.csr_array [shape=(n, n), float32]
    """
    from scipy.sparse import csr_array, diags_array

    table = csr_array(session_table(plays) > 0, dtype=np.float32)
    count = np.asarray(table.sum(axis=0)).ravel()
    even = csr_array(table @ diags_array((1 / np.sqrt(count + _SHRINKAGE)).astype(np.float32)))
    pairs = csr_array(even.T @ even).tocoo()
    row, column = pairs.coords
    apart = row != column
    row, column, value = row[apart], column[apart], pairs.data[apart]
    order = np.lexsort((column, -value, row))
    row, column, value = row[order], column[order], value[order]
    start = np.searchsorted(row, np.arange(len(plays.items)))
    kept = np.arange(len(row)) - start[row] < _MOST
    return csr_array((value[kept], (row[kept], column[kept])), shape=pairs.shape)


@dataclass(frozen=True)
class DecayedContent:
    """Decayed mean of a session's tags and artists.

    Parameters
    ----------
    decay : float in 0 to 1
        What a play weighs, of what the play after it does. 0 is the last play alone.
    artists, audio : float >= 0
        What likeness of artists, and of audio, counts beside that of tags.
    played : float >= 0
        What is taken from what the session holds already.
    neighbors : float >= 0
        What being in the same sessions counts; see :func:`item_neighbors`.
    """

    decay: float = 0.7
    artists: float = 0.6
    audio: float = 0.6
    played: float = 0.0
    neighbors: float = 0.0

    def fit(self, plays: Plays, contents: Contents) -> Self:
        """Take over what is known of the items, and learn neighbors if they count."""
        return self.for_items(contents, item_neighbors(plays) if self.neighbors else None)

    def for_items(self, contents: Contents, neighbors: Any = None) -> Self:
        """Return the same rule for some items, and their neighbors [n, n]."""
        rule = replace(self)
        object.__setattr__(rule, "_parts", contents.parts())
        object.__setattr__(rule, "_neighbors", neighbors)
        return rule

    @property
    def shares(self) -> Mapping[str, float]:
        """What each part counts."""
        return {"tags": 1.0, "artists": self.artists, "audio": self.audio}

    def scores(self, queries: Queries) -> Floats:
        """Score all items for each query [q, n]."""
        parts: dict[str, Any] = self._parts  # type: ignore[attr-defined]
        rows = queries.weights(self.decay)
        total = np.zeros((len(queries), queries.n_items), dtype=np.float32)
        for name, part in parts.items():
            if share := self.shares[name]:
                total += np.float32(share) * likeness(rows, part)
        near: Any = self._neighbors  # type: ignore[attr-defined]
        if self.neighbors and near is not None:
            even = rows.multiply((1 / rows.sum(axis=1))[:, None]).tocsr()
            total += np.float32(self.neighbors) * (even @ near).toarray()
        if self.played:
            query, at, _ = queries.steps()
            there = np.unique(query * queries.n_items + queries.played[at])  # each once
            total.ravel()[there] -= np.float32(self.played)
        return total

    def play_weights(self, queries: Queries) -> dict[str, Any]:
        """Return what likeness to each played item adds, part by part [q, n], sparse."""
        parts: dict[str, Any] = self._parts  # type: ignore[attr-defined]
        rows = queries.weights(self.decay)
        found = {}
        for name, part in parts.items():
            if share := self.shares[name]:
                whole = rows @ part
                square = whole.multiply(whole) if hasattr(whole, "multiply") else whole * whole
                length = np.sqrt(np.asarray(square.sum(axis=1)).ravel())
                scale = np.where(length > 0, share / np.where(length > 0, length, 1), 0)
                found[name] = rows.multiply(scale[:, None]).tocsr()
        if self.neighbors:
            scale = self.neighbors / rows.sum(axis=1)
            found["neighbors"] = rows.multiply(scale[:, None]).tocsr()
        return found
