"""What comes next in a session: a fitted model, asked by the ids of what was played.

It holds no listeners: a session comes with the question. A fitted model never changes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.errors import RecommenderError
from musicu.sequences.baselines import BASELINES
from musicu.sequences.contents import Contents
from musicu.sequences.features import Counts
from musicu.sequences.fitted import Ranker
from musicu.sequences.network import Network
from musicu.sequences.plays import Plays
from musicu.sequences.queries import LONGEST, Queries
from musicu.sequences.rule import DecayedContent, item_neighbors
from musicu.sequences.scorer import NetworkScorer
from musicu.sequences.tuning import tune

__all__ = ["NextItem", "SessionModel", "SessionState", "judging"]

Floats = NDArray[np.float32]

_RULE = "decayed tags + artists + item kNN"
_REASONS = 3  # plays that an answer names


def judging(plays: Plays, questions: int, seed: int) -> Queries:
    """Return questions of the last span, drawn by the seed if there are more than so many.

    Raises
    ------
    RecommenderError
        There are fewer than two spans, or no session of two plays in the last one.
    """
    if plays.spans < 2:
        raise RecommenderError("plays of two spans are needed: to learn from, and to judge by")
    asked = Queries.of_plays(plays.within(plays.spans - 1))
    if not len(asked):
        raise RecommenderError("no session of the last span has two plays: nothing judges a model")
    drawn = np.random.default_rng(seed).permutation(len(asked))[:questions]
    return asked.take(np.sort(drawn))


@dataclass(frozen=True, kw_only=True)
class NextItem:
    """An answer.

    Attributes
    ----------
    rank : int
        From 1.
    id, artist : str
        The item, and its artist's key; ``""`` where unknown.
    score : float
        Of a network, the logarithm of the chance that this is next; of the rule, its likeness.
    repeat : bool
        Whether the session holds it already.
    unseen : bool
        Whether nobody played it in training.
    because : tuple of (str, float)
        The plays whose content adds most to the score, and how much. Exact for likeness of tags and
        artists and for being in the same sessions; no play is named for what a network adds.
    """

    rank: int
    id: str
    artist: str
    score: float
    repeat: bool
    unseen: bool
    because: tuple[tuple[str, float], ...]


@dataclass(frozen=True, eq=False)
class SessionModel:
    """Tells what comes next; fitted by :meth:`fit`, or by :mod:`musicu.training.sessions`.

    Parameters
    ----------
    contents : Contents
        What is known of the items, with the encoder of their tags.
    plays : mapping of str to int
        How often each item was played in training; what is not there was not.
    until : float
        When the latest play of training was, in seconds since 1970.
    neighbors : scipy.sparse.csr_array [shape=(n, n), float32]
        Of the items; see :func:`musicu.sequences.rule.item_neighbors`.
    rule : DecayedContent
    network : Network or None
        None: the rule is all there is.
    figures : mapping of str to float
        NDCG@20 on the span that chose between them, by name.
    about : mapping
        How it was made, for people.
    """

    contents: Contents
    plays: Mapping[str, int]
    until: float
    neighbors: Any
    rule: DecayedContent = DecayedContent()
    network: Network | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        kind = "the rule" if self.network is None else "a network"
        return f"SessionModel({kind}, {len(self.contents):,} items)"

    @classmethod
    def fit(
        cls, plays: Plays, contents: Contents, *, questions: int = 1000, seed: int = 0
    ) -> SessionModel:
        """Choose the settings of the rule, by the last span of plays.

        A network is fitted by :func:`musicu.training.sessions.fit_sessions`, which begins here.

        Parameters
        ----------
        plays : Plays
            Of two spans or more, numbered as the contents.
        contents : Contents
        questions : int
            By how many the last span judges.
        seed : int
            Of the questions.

        Raises
        ------
        RecommenderError
            There are fewer than two spans, or no session of two plays in the last one.
        """
        asked = judging(plays, questions, seed)
        make, grid = BASELINES[_RULE]
        settings, value = tune(make, grid, plays.before(plays.spans - 1), contents, asked)
        count = np.bincount(plays.item, minlength=len(contents))
        return cls(
            contents=Contents(contents.items, contents.artists, contents.fitted_encoder),
            plays={contents.items.ids[at]: int(count[at]) for at in np.flatnonzero(count)},
            until=float(plays.time.max()),
            neighbors=item_neighbors(plays),
            rule=DecayedContent(**settings),
            figures={"rule": value},
            about={"plays": len(plays), "seed": seed},
        )

    def ranker(self, contents: Contents | None = None) -> Ranker:
        """Return what scores all of some items; else those of the model.

        Items that came later take part with what is known of them.
        """
        known = self.contents
        items = known if contents is None else replace(contents, encoder=known.fitted_encoder)
        near = self._neighbors_of(items)
        if self.network is None:
            return self.rule.for_items(items, near)
        count = np.array([self.plays.get(id, 0) for id in items.items.ids], dtype=np.int64)
        return NetworkScorer(
            network=self.network.run,
            contents=items,
            vectors=self.network.vectors(items),
            counts=Counts(count, items.artist),
            decays=self.network.decays,
            repeat_bias=self.network.repeat_bias,
            neighbors=near,
            context=self.network.context,
        )

    def with_items(self, contents: Contents) -> SessionModel:
        """Return the same model over other items: those of today."""
        items = replace(contents, encoder=self.contents.fitted_encoder)
        return replace(self, contents=items, neighbors=self._neighbors_of(items))

    def _neighbors_of(self, contents: Contents) -> Any:
        """Return the neighbors [n, n] of other items: those that are among them."""
        from scipy.sparse import csr_array

        if contents.items is self.contents.items:
            return self.neighbors
        place = np.array([contents.items.find(id) for id in self.contents.items.ids], dtype=float)
        pairs = self.neighbors.tocoo()
        row, column = place[pairs.coords[0]], place[pairs.coords[1]]
        there = ~np.isnan(row + column)
        at = (row[there].astype(np.intp), column[there].astype(np.intp))
        return csr_array((pairs.data[there], at), shape=(len(contents), len(contents)))

    def state(self) -> SessionState:
        """Begin a session."""
        return SessionState(self)

    def next(
        self,
        session: Sequence[str],
        n: int = 20,
        *,
        times: Sequence[float] | None = None,
        now: float | None = None,
    ) -> list[NextItem]:
        """Tell what comes next.

        Parameters
        ----------
        session : sequence of str
            Ids of what was played, the latest last.
        n : int
            How many answers.
        times : sequence of float, optional
            When each of them began, in seconds since 1970.
        now : float, optional
            When it is asked.

        Returns
        -------
        list of NextItem
            The likeliest first.

        Raises
        ------
        RecommenderError
            An id is of no known item, nothing was played, or there is not one time a play.
        """
        state = self.state()
        if times is not None and len(times) != len(session):
            raise RecommenderError(f"{len(times)} times do not fit {len(session)} plays")
        for place, id in enumerate(session):
            state.play(id, None if times is None else times[place])
        return state.next(n, now=now)

    @cached_property
    def _ranker(self) -> Ranker:
        return self.ranker()


class SessionState:
    """A session that goes on; make one with :meth:`SessionModel.state`.

    It holds the latest plays. Each answer is computed from these alone: forgetting is to let go of
    it.
    """

    def __init__(self, model: SessionModel) -> None:
        self._model = model
        self._items: list[int] = []
        self._times: list[float] = []

    def __len__(self) -> int:
        return len(self._items)

    def play(self, id: str, at: float | None = None) -> None:
        """Add a play, which began so many seconds since 1970.

        Raises
        ------
        RecommenderError
            It is of no known item.
        """
        place = self._model.contents.items.find(id)
        if place is None:
            raise RecommenderError(f"no item {id!r}: name one of those that the model knows")
        self._items.append(place)
        self._times.append(math.nan if at is None else at)

    def next(self, n: int = 20, *, now: float | None = None) -> list[NextItem]:
        """Tell what comes next; see :meth:`SessionModel.next`.

        Raises
        ------
        RecommenderError
            Nothing was played yet.
        """
        if not self._items:
            raise RecommenderError("nothing was played yet: play something first")
        model = self._model
        asked = Queries.of_sessions([self._items], len(model.contents))
        asked = replace(
            asked,
            played_at=np.array(self._times),
            now=np.array([math.nan if now is None else now]),
        )
        ranker = model._ranker
        scores = ranker.scores(asked)[0]
        best = [at for at in top_k(scores, n) if scores[at] > -math.inf]
        ids, artists = model.contents.items.ids, model.contents.artists
        reasons = self._reasons(ranker, asked, best)
        return [
            NextItem(
                rank=rank,
                id=ids[at],
                artist=artists[at],
                score=float(scores[at]),
                repeat=at in self._items,
                unseen=ids[at] not in model.plays,
                because=why,
            )
            for rank, (at, why) in enumerate(zip(best, reasons, strict=True), start=1)
        ]

    def _reasons(
        self, ranker: Ranker, asked: Queries, best: Sequence[int]
    ) -> list[tuple[tuple[str, float], ...]]:
        """Return which plays' content adds most to each answer."""
        recent = np.unique(self._items[-LONGEST:])
        model = self._model
        parts = model.contents.parts()
        if isinstance(ranker, NetworkScorer):
            weights = ranker.play_weights(asked, ranker.outputs(asked))
        else:
            assert isinstance(ranker, DecayedContent)
            weights = ranker.play_weights(asked)
        total = np.zeros((len(recent), len(best)))
        for name, rows in weights.items():
            if name == "neighbors":
                alike = model.neighbors[recent][:, list(best)]
            else:
                alike = parts[name][recent] @ parts[name][list(best)].T
            dense = alike.toarray() if hasattr(alike, "toarray") else np.asarray(alike)
            total += rows.toarray()[0][recent][:, None] * dense
        ids = self._model.contents.items.ids
        found = []
        for column in total.T:
            most = [at for at in top_k(column, _REASONS) if column[at] > 0]
            found.append(tuple((ids[recent[at]], float(column[at])) for at in most))
        return found
