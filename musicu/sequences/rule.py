"""The rule without learning that is hard to beat: what is like the session so far, by content.

A session is the mean of its plays' tags, and of its plays' artists (and audio, where it was heard);
each play weighs less than the one after it. An item scores by how like it is. What was played
already is the likest of all, and comes again less often than that: `played` takes that much away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.sequences.contents import Contents
from musicu.sequences.plays import Plays
from musicu.sequences.queries import Queries

__all__ = ["DecayedContent", "likeness"]

Floats = NDArray[np.float32]


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
    """

    decay: float = 0.7
    artists: float = 0.6
    audio: float = 0.6
    played: float = 0.0

    def fit(self, plays: Plays, contents: Contents) -> Self:
        """Take over what is known of the items; nothing is learned from plays."""
        del plays
        object.__setattr__(self, "_parts", contents.parts())
        return self

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
        if self.played:
            query, at, _ = queries.steps()
            there = np.unique(query * queries.n_items + queries.played[at])  # each once
            total.ravel()[there] -= np.float32(self.played)
        return total
