"""Neighbors: items that are in the same sessions, sessions that hold the same items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.sequences.contents import Contents
from musicu.sequences.fitted import DAY, Fitted, play_shares, session_table, then_popular
from musicu.sequences.plays import Plays
from musicu.sequences.queries import Queries

__all__ = ["ItemNeighbors", "SessionNeighbors"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ItemNeighbors(Fitted):
    """Item kNN: cosines of the sessions that items are in, for the decayed session.

    Sarwar et al., WWW 2001.

    Parameters
    ----------
    decay : float in 0 to 1
        What a play weighs, of what the play after it does.
    shrinkage : float >= 0
        Added to the lengths, so that a single common session counts less.
    again : bool
        Whether what the session holds already may come first.
    """

    decay: float = 0.8
    shrinkage: float = 1.0
    again: bool = True

    def fit(self, plays: Plays, contents: Contents) -> Self:
        """Learn which items are in the same sessions."""
        from scipy.sparse import csr_array, diags_array

        del contents
        table = csr_array(session_table(plays) > 0, dtype=np.float32)
        count = np.asarray(table.sum(axis=0)).ravel()
        scaled = (1 / np.sqrt(np.maximum(count + self.shrinkage, 1))).astype(np.float32)
        return self.keep(even=csr_array(table @ diags_array(scaled)), share=play_shares(plays))

    def scores(self, queries: Queries) -> Floats:
        """Score all items for each query [q, n]."""
        rows = queries.weights(self.decay)
        found = ((rows @ self._even.T) @ self._even).toarray()
        return then_popular(found, queries, self._share, again=self.again)


@dataclass(frozen=True)
class SessionNeighbors(Fitted):
    """Session kNN: what the most similar earlier sessions hold.

    V-SKNN (Ludewig & Jannach, UMUAI 2018) weighs the plays of the session by how late they are, and
    an item of a neighbor by how late the last play is that both share; STAN (Garg et al., SIGIR
    2019) weighs neighbors by how long ago they were, too, and their items by how near they stand to
    what is shared.

    Parameters
    ----------
    neighbors : int
        How many sessions.
    decay : float in 0 to 1
        What a play of the session weighs, of what the play after it does.
    days : float or None
        How old a neighbor is that weighs 1/e; None: no matter how old.
    near : float or None
        Steps from what is shared to an item that weighs 1/e; None: no matter how far.
    again : bool
        Whether what the session holds already may come first.
    """

    neighbors: int = 100
    decay: float = 0.8
    days: float | None = None
    near: float | None = None
    again: bool = True

    def fit(self, plays: Plays, contents: Contents) -> Self:
        """Keep the sessions."""
        del contents
        order = np.argsort(plays.session, kind="stable")
        first = np.flatnonzero(np.diff(plays.session[order], prepend=-1))
        ends = np.append(first, len(order))
        held = session_table(plays) > 0
        length = np.sqrt(np.maximum(np.diff(held.indptr), 1))
        return self.keep(
            held=held.astype(np.float32),
            length=length.astype(np.float32),
            played=plays.item[order],
            ends=ends,
            last=plays.time[order][ends[1:] - 1],
            share=play_shares(plays),
        )

    def scores(self, queries: Queries) -> Floats:
        """Score all items for each query [q, n]."""
        rows = queries.weights(self.decay)
        alike = (rows @ self._held.T).tocsr()
        found = np.zeros((len(queries), queries.n_items), dtype=np.float32)
        for number in range(len(queries)):
            inside = slice(alike.indptr[number], alike.indptr[number + 1])
            sessions, like = alike.indices[inside], alike.data[inside]
            like = like / self._length[sessions]
            if self.days is not None:
                # Beside the end of the training, whoever asks: what is later is never seen.
                age = (self._last.max() - self._last[sessions]) / DAY
                like = like * np.exp(-age / self.days)
            best = top_k(like, self.neighbors)
            own = rows.indices[rows.indptr[number] : rows.indptr[number + 1]]
            weight = rows.data[rows.indptr[number] : rows.indptr[number + 1]]
            self._add(found[number], sessions[best], like[best], own, weight)
        return then_popular(found, queries, self._share, again=self.again)

    def _add(
        self,
        row: Floats,
        sessions: NDArray[np.intp],
        like: Floats,
        own: NDArray[np.intp],
        weight: Floats,
    ) -> None:
        """Add what the neighbors of one query say."""
        for session, value in zip(sessions, like, strict=True):
            played = self._played[self._ends[session] : self._ends[session + 1]]
            shared = np.flatnonzero(np.isin(played, own))
            of_shared = weight[np.searchsorted(own, played[shared])]
            if self.near is None:
                np.add.at(row, played, value * of_shared.max())
            else:
                far = np.abs(np.arange(len(played)) - shared[np.argmax(of_shared)])
                np.add.at(row, played, (value * np.exp(-far / self.near)).astype(np.float32))
