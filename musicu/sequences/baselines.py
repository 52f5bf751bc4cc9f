"""What a model of sessions must beat: popularity, the last artist, neighbors, factors, content.

Each has few settings, and each may try as many of them on the validation span
(:data:`BASELINES` names the values).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.recommend.als import Factors, factorize
from musicu.sequences.contents import Contents
from musicu.sequences.fitted import DAY, Fitted, play_shares, session_table, then_popular
from musicu.sequences.neighbors import ItemNeighbors, SessionNeighbors
from musicu.sequences.plays import Plays
from musicu.sequences.queries import Queries
from musicu.sequences.rule import DecayedContent, likeness

__all__ = [
    "BASELINES",
    "InSession",
    "LastArtist",
    "LastContent",
    "Popularity",
    "SessionFactors",
]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Popularity(Fitted):
    """The same for all: what is played most.

    Parameters
    ----------
    halflife : float > 0 or None
        Days in which a play loses half its weight; None: never.
    """

    halflife: float | None = None

    def fit(self, plays: Plays, contents: Contents) -> Self:
        """Count plays."""
        del contents
        age = (plays.time.max(initial=0) - plays.time) / DAY
        return self.keep(share=play_shares(plays, 0.5 ** (age / (self.halflife or np.inf))))

    def scores(self, queries: Queries) -> Floats:
        """Score all items for each query [q, n]."""
        share: Floats = self._share
        return np.tile(share, (len(queries), 1))


@dataclass(frozen=True)
class InSession(Fitted):
    """What the session holds already, the latest or the most frequent first; then what is popular.

    Parameters
    ----------
    decay : float in 0 to 1
        1 counts plays, less prefers the latest.
    """

    decay: float = 1.0

    def fit(self, plays: Plays, contents: Contents) -> Self:
        """Count plays."""
        del contents
        return self.keep(share=play_shares(plays))

    def scores(self, queries: Queries) -> Floats:
        """Score all items for each query [q, n]."""
        dense: Floats = queries.weights(self.decay).toarray()
        found: Floats = dense + 1e-3 * self._share
        return found


@dataclass(frozen=True)
class LastArtist(Fitted):
    """Tracks of the last play's artist, the most played first; then what is popular.

    Parameters
    ----------
    played : bool
        Whether what the session holds already stands behind the artist's other tracks.
    """

    played: bool = False

    def fit(self, plays: Plays, contents: Contents) -> Self:
        """Count plays."""
        return self.keep(share=play_shares(plays), artist=contents.artist)

    def scores(self, queries: Queries) -> Floats:
        """Score all items for each query [q, n]."""
        last = self._artist[queries.played[queries.end - 1]]
        same = (self._artist[None, :] == last[:, None]) & (last[:, None] >= 0)
        found = same.astype(np.float32) + self._share
        if self.played:
            found -= 0.5 * (queries.weights(1.0, last=None).toarray() > 0)
        return np.asarray(found, dtype=np.float32)


@dataclass(frozen=True)
class LastContent(Fitted):
    """What is nearest to the last play by one part of the content.

    Parameters
    ----------
    part : str
        As of :meth:`musicu.sequences.contents.Contents.parts`.
    """

    part: str = "tags"

    def fit(self, plays: Plays, contents: Contents) -> Self:
        """Take over what is known of the items."""
        del plays
        return self.keep(rows=contents.parts().get(self.part, contents.tags))

    def scores(self, queries: Queries) -> Floats:
        """Score all items for each query [q, n]."""
        return likeness(queries.weights(0.0, last=1), self._rows)


@dataclass(frozen=True)
class SessionFactors(Fitted):
    """Implicit ALS over sessions; the session so far is folded in.

    Parameters
    ----------
    dim, regularization
        As of :func:`musicu.recommend.als.factorize`.
    again : bool
        Whether what the session holds already may come first.
    """

    dim: int = 64
    regularization: float = 0.01
    again: bool = True

    def fit(self, plays: Plays, contents: Contents) -> Self:
        """Learn vectors of the items."""
        del contents
        table = session_table(plays)
        factors = factorize(table, dim=self.dim, regularization=self.regularization)
        return self.keep(factors=factors, share=play_shares(plays))

    def scores(self, queries: Queries) -> Floats:
        """Score all items for each query [q, n]."""
        factors: Factors = self._factors
        found = factors.fold_in(queries.weights(1.0)) @ factors.items.T
        return then_popular(found, queries, self._share, again=self.again)


# By name: what makes one, and the values of its settings, tried one setting after the other.
BASELINES: Mapping[str, tuple[Any, Mapping[str, Sequence[Any]]]] = {
    "popularity": (Popularity, {}),
    "recent popularity": (Popularity, {"halflife": (1.0, 3.0, 10.0, 30.0)}),
    "popularity in session": (InSession, {"decay": (1.0, 0.9, 0.7, 0.5)}),
    "last artist": (LastArtist, {"played": (False, True)}),
    "last item's tags": (LastContent, {}),
    "item kNN": (
        ItemNeighbors,
        {"again": (True, False), "decay": (0.5, 0.7, 0.9), "shrinkage": (0.0, 1.0, 10.0)},
    ),
    "V-SKNN": (
        SessionNeighbors,
        {"again": (True, False), "neighbors": (50, 100, 500), "decay": (0.6, 0.8, 0.9)},
    ),
    "STAN": (
        SessionNeighbors,
        {
            "again": (True, False),
            "near": (2.0, 5.0, 15.0),
            "days": (10.0, 40.0, 160.0),
            "decay": (0.6, 0.8, 0.9),
        },
    ),
    "iALS": (
        SessionFactors,
        {"again": (True, False), "dim": (64, 128), "regularization": (0.003, 0.01, 0.03)},
    ),
    "decayed tags + artists": (
        DecayedContent,
        {"decay": (0.3, 0.5, 0.6, 0.7, 0.8), "artists": (0.3, 0.6, 1.0, 1.5)},
    ),
    "decayed tags + artists, fewer repeats": (
        DecayedContent,
        {
            "played": (0.1, 0.2, 0.3, 0.4, 0.6),
            "decay": (0.3, 0.5, 0.6, 0.7, 0.8),
            "artists": (0.3, 0.6, 1.0, 1.5),
        },
    ),
    "decayed tags + artists + item kNN": (
        DecayedContent,
        {
            "neighbors": (1.0, 2.0, 4.0),
            "played": (0.1, 0.2, 0.3, 0.4, 0.6),
            "decay": (0.3, 0.5, 0.6, 0.7, 0.8),
            "artists": (0.3, 0.6, 1.0, 1.5),
        },
    ),
}
