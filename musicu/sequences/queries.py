"""What had been played in a session, and what came next: the questions that models answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.sequences.plays import Plays

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["LONGEST", "Queries"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

LONGEST = 50  # plays of a session that count, the latest ones


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Queries:
    """What is asked: what comes next in each of some sessions.

    Parameters
    ----------
    n_items : int
        How many items there are to choose among.
    played : np.ndarray [shape=(m,), intp]
        Items, session after session, each in the order of time.
    played_at : np.ndarray [shape=(m,), float64]
        Seconds since 1970.
    start, end : np.ndarray [shape=(q,), intp]
        The plays of a query's session so far are ``played[start:end]``; at least one.
    target : np.ndarray [shape=(q,), intp]
        What came next; -1 where nobody knows.
    now : np.ndarray [shape=(q,), float64]
        When it is asked: when what came next began.
    user, session : np.ndarray [shape=(q,), intp]
        Whose, and which.
    """

    n_items: int
    played: Positions
    played_at: Floats
    start: Positions
    end: Positions
    target: Positions
    now: Floats
    user: Positions
    session: Positions

    def __len__(self) -> int:
        return len(self.end)

    def __repr__(self) -> str:
        return f"Queries({len(self):,} of {len(np.unique(self.session)):,} sessions)"

    @classmethod
    def of_plays(cls, plays: Plays) -> Queries:
        """Ask for each play of a session but the first."""
        order = np.argsort(plays.session, kind="stable")
        session = plays.session[order]
        first = np.flatnonzero(np.diff(session, prepend=-1))
        start = np.repeat(first, np.diff(first, append=len(session)))
        at = np.arange(len(session))
        asked = at[at > start]
        return cls(
            n_items=len(plays.items),
            played=plays.item[order],
            played_at=plays.time[order],
            start=start[asked],
            end=asked,
            target=plays.item[order][asked],
            now=plays.time[order][asked],
            user=plays.user[order][asked],
            session=session[asked],
        )

    @classmethod
    def of_sessions(
        cls, sessions: Sequence[Sequence[int]], n_items: int, *, now: float = float("nan")
    ) -> Queries:
        """Ask what follows on each of some sessions, of which no time is known.

        Raises
        ------
        MusicuError
            A session is empty.
        """
        lengths = np.array([len(one) for one in sessions], dtype=np.intp)
        if not lengths.all():
            raise MusicuError("an empty session tells nothing of what comes next: name a play")
        end = np.cumsum(lengths)
        nothing = np.full(len(lengths), -1, dtype=np.intp)
        return cls(
            n_items=n_items,
            played=np.array([item for one in sessions for item in one], dtype=np.intp),
            played_at=np.full(int(lengths.sum()), np.nan),
            start=end - lengths,
            end=end,
            target=nothing,
            now=np.full(len(lengths), now),
            user=nothing,
            session=np.arange(len(lengths)),
        )

    def take(self, positions: Positions | slice) -> Queries:
        """Return some of the queries."""
        parts = ("start", "end", "target", "now", "user", "session")
        return replace(self, **{name: getattr(self, name)[positions] for name in parts})

    def steps(self, last: int | None = None) -> tuple[Positions, Positions, Positions]:
        """Return, for each play that counts, its query, its place in `played`, its steps back.

        Parameters
        ----------
        last : int or None
            Only so many of the latest plays; None is all.

        Returns
        -------
        query, at, back : np.ndarray [shape=(n,), intp]
            Query by query, in the order of time; ``back`` is 0 for the latest play.
        """
        first = self.start if last is None else np.maximum(self.start, self.end - last)
        count = self.end - first
        query = np.repeat(np.arange(len(self)), count)
        step = np.arange(len(query)) - np.repeat(np.cumsum(count) - count, count)
        return query, np.repeat(first, count) + step, np.repeat(count, count) - 1 - step

    def weights(self, decay: float, *, last: int | None = LONGEST) -> csr_array:
        """Return what each item of a session weighs: ``decay`` to the steps back, added up.

        Returns
        -------
        scipy.sparse.csr_array [shape=(q, n_items), float32]
        """
        from scipy.sparse import csr_array

        query, at, back = self.steps(last)
        table = csr_array(
            ((decay**back).astype(np.float32), (query, self.played[at])),
            shape=(len(self), self.n_items),
        )
        table.sum_duplicates()
        return table

    def repeats(self) -> NDArray[np.bool_]:
        """Tell whether what came next had been played in the session before."""
        query, at, _ = self.steps()
        again = self.played[at] == self.target[query]
        return np.bincount(query, again, minlength=len(self)) > 0
