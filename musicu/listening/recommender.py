"""Recommendations with reasons: candidates are proposed, ranked, and placed within rules."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from copy import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.items.item import Items
from musicu.items.reasons import words
from musicu.items.titles import artist_names, main_artist
from musicu.items.versions import versions
from musicu.listening import storage
from musicu.listening.candidates import SOURCES, Source, propose
from musicu.listening.interactions import Interactions
from musicu.listening.ranker import Ranker
from musicu.listening.ranking import features, learn_ranking
from musicu.listening.rerank import Placed, rerank
from musicu.listening.results import Audience, Fan, Heard, Recommendation, Recommendations
from musicu.listening.scorer import History, Listener, Scorer

__all__ = ["History", "Recommender"]

Positions = NDArray[np.intp]

_BECAUSE = 3  # items of the history that are named
_PLACED = 10  # the best of the candidates, times the length of the list, are what rules act on
_USERS = 4096  # at a time


class Recommender(Scorer):
    """Recommends items to listeners, and listeners to items, played or new.

    Parameters
    ----------
    **parameters
        Those of :class:`musicu.listening.scorer.Scorer`.

    Attributes
    ----------
    sources : mapping of str to callable
        The candidate sources; replace them at will.
    ranker : Ranker or None
        Weights of the ranking stage that were learned (:meth:`learn_ranking`); None takes the
        scores as they are.

    Examples
    --------
    >>> recommender = Recommender().fit(interactions, items)
    >>> recommender.recommend("somebody", n=10, max_per_artist=2)
    >>> recommender.recommend(History(["a", "b"]), n=10)
    >>> recommender.audience("a new track")
    """

    sources: Mapping[str, Source] = SOURCES
    ranker: Ranker | None = None

    def learn_ranking(self, *, hidden: float = 0.2) -> Self:
        """Learn from the log what the parts of the score, popularity and known artists are worth.

        Parameters
        ----------
        hidden : float in (0, 1)
            Share of each listener's items that is hidden to learn from.

        Raises
        ------
        MetadataError
            The recommender was loaded, or no listener has items enough.
        """
        described = np.flatnonzero(self.vectors.present.any(axis=1))
        plain = Scorer(**self.get_params())
        self.ranker = learn_ranking(
            plain, self.log, self.items.take(described), hidden=hidden, seed=self.seed
        )
        return self

    def recommend(
        self,
        user: str | History,
        n: int = 20,
        *,
        candidates: Collection[str] | None = None,
        again: bool = False,
        now: float | None = None,
        hour: float | None = None,
        diversity: float = 0.0,
        max_per_artist: int | None = None,
        max_per_album: int | None = None,
        no_versions: bool = True,
        popularity_weight: float = 0.0,
        min_new: float = 0.0,
    ) -> Recommendations:
        """Return what somebody may like, the best first, with reasons.

        Parameters
        ----------
        user : str or History
            A user of the interactions, or what somebody played.
        n : int >= 0
            How many.
        candidates : collection of str or None
            Choose among these items only; None asks the sources.
        again : bool
            Whether what was played may come again.
        now, hour : float or None
            As for :meth:`listener`.
        diversity, max_per_artist, max_per_album, no_versions, popularity_weight, min_new
            Rules of the list; see :func:`musicu.listening.rerank.rerank`. Popularity is the share
            of items with fewer listeners; new is what nobody has played.

        Returns
        -------
        Recommendations
            With notes on what the rules could not give.

        Raises
        ------
        MetadataError
            The user or an item is not known, or nothing was played.
        MusicuError
            A rule is out of its range.
        """
        listener = self.listener(user, now=now, hour=hour)
        if candidates is None:
            found = propose(self, listener, sources=self.sources)
        else:
            found = {self.items.position(id): ("asked",) for id in candidates}
        if not again:
            for row in listener.played.tolist():
                found.pop(row, None)
        at = np.array(sorted(found), dtype=np.intp)
        scores = self._rank(listener, at)
        # Rules act on the top of the ranking; but room for new items must find new items.
        order = np.lexsort((at, -scores))
        top = np.zeros(len(at), dtype=np.bool_)
        for kind in (np.ones(len(at), dtype=np.bool_), self.listeners[at] == 0):
            top[order[kind[order]][: _PLACED * n]] = True
        at, scores = at[top], scores[top]
        chosen = self.items.take(at)
        reach = float(np.ptp(scores)) if len(scores) else 0.0
        rows = self.vectors.take(at)
        placed, notes = rerank(
            scores,
            n=n,
            # Likeness spans what the scores span, so that both count.
            similarity=(lambda i: reach * rows.take([i]).similarity(rows)[0])
            if diversity
            else None,
            artists=[artist_names(item) for item in chosen],
            albums=[self.album(int(i)) for i in at],
            versions=versions(chosen) if no_versions and len(at) else None,
            popularity=self._popularity()[at] if popularity_weight else None,
            is_new=self.listeners[at] == 0,
            diversity=diversity,
            max_per_artist=max_per_artist,
            max_per_album=max_per_album,
            no_versions=no_versions,
            popularity_weight=popularity_weight,
            min_new=min_new,
        )
        return Recommendations(
            (
                self._explained(listener, rank, int(at[place.position]), place, found)
                for rank, place in enumerate(placed, 1)
            ),
            notes=notes,
        )

    def _rank(self, listener: Listener, at: Positions) -> NDArray[np.float64]:
        if self.ranker is None:
            return self.parts(listener, at).sum(axis=1)
        return self.ranker.score(features(self, listener, at))

    def _popularity(self) -> NDArray[np.float64]:
        """Share of the items that have fewer listeners."""
        return np.searchsorted(np.sort(self.listeners), self.listeners) / len(self.listeners)

    def _explained(
        self,
        listener: Listener,
        rank: int,
        at: int,
        place: Placed,
        found: Mapping[int, tuple[str, ...]],
    ) -> Recommendation:
        if self.ranker is None:
            parts = self.by_field(listener, at)
        else:
            row = features(self, listener, np.array([at]))
            told = self.ranker.contributions(row)[0]
            weights = self.ranker.weights / np.where(self.ranker.std > 0, self.ranker.std, 1)
            parts = self.by_field(listener, at, part_weights=weights[:3])
            if np.isnan(row[0, 1]):
                parts["listeners"] = 0.0
            parts["popularity"], parts["artist"] = float(told[3]), float(told[4])
            # Features are measured from their means: what is left is the same for all.
            parts["level"] = float(told.sum()) - sum(parts.values())
        if set(place.adjustments) != {"score"}:
            parts["rules"] = place.score - sum(parts.values())
        parts = {name: float(value) for name, value in parts.items()}
        by = self.by_history(listener, at)
        because = [
            Heard(item.id, item.metadata.title, item.metadata.artist, float(by[i]))
            for i in np.argsort(-by, kind="stable")[:_BECAUSE]
            if by[i] > 0
            for item in [self.items[int(listener.played[i])]]
        ]
        item = self.items[at]
        about = item.metadata
        first = self.items[self.items.position(because[0].id)] if because else None
        return Recommendation(
            rank,
            item.id,
            about.title,
            about.artist,
            about.album,
            float(sum(parts.values())),
            parts,
            tuple(words(item, first)) if first else (),
            tuple(because),
            found[at],
        )

    def similar_items(self, id: str, n: int = 20) -> list[Fan]:
        """Return the items most like one: half by content, half by who listens.

        Parameters
        ----------
        id : str
        n : int >= 0

        Returns
        -------
        list of Fan
            Names are the items' ids; contributions are those of the fields, and ``listeners``.

        Raises
        ------
        MetadataError
            There is no such item.
        """
        at = self.items.position(id)
        scores, near = self._alike(at)
        order = [i for i in np.lexsort((np.arange(len(scores)), -scores)) if i != at][: max(n, 0)]
        return [Fan(self.items.ids[i], *self._why(at, int(i), near)) for i in order]

    def _alike(self, at: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Likeness of all items to one, and the half of it that is due to listeners."""
        length = np.linalg.norm(self.places, axis=1)
        near = self.places @ self.places[at] / np.maximum(length * length[at], 1e-12) / 2
        content = self.vectors.scores(self.vectors.take([at]).toarray()[0]) / 2
        return (content + near).astype(np.float64), near.astype(np.float64)

    def _why(
        self, at: int, other: int, near: NDArray[np.float64]
    ) -> tuple[float, dict[str, float]]:
        parts = self.vectors.contributions(self.vectors.take([at]).toarray()[0] / 2, other)
        parts["listeners"] = float(near[other])
        return float(sum(parts.values())), parts

    def audience(self, item: str | Items, n: int = 20) -> Audience:
        """Return whom a track fits: listeners, and artists that were played.

        Parameters
        ----------
        item : str or Items
            An item that is there, or one new one.
        n : int >= 0
            How many of each.

        Raises
        ------
        MetadataError
            There is no such item.
        """
        if isinstance(item, Items):
            return copy(self).add(item).audience(item.ids[0], n)
        at = self.items.position(item)
        return Audience(tuple(self._listeners(at, n)), tuple(self._artists(at, n)))

    def _listeners(self, at: int, n: int) -> Iterable[Fan]:
        """Users for whom the item's place stands out most from the catalog."""
        if self.interactions is None or n <= 0:
            return
        users = self.factors.users
        z = np.zeros(len(users))
        moments = np.ones((len(users), 2))
        for start in range(0, len(users), _USERS):
            rows = slice(start, start + _USERS)
            scores = users[rows] @ self.places[self._sample].T
            moments[rows] = np.column_stack([scores.mean(axis=1), scores.std(axis=1)])
            spread = np.where(moments[rows, 1] > 0, moments[rows, 1], np.inf)
            z[rows] = (users[rows] @ self.places[at] - moments[rows, 0]) / spread
        for user in np.lexsort((np.arange(len(z)), -z))[:n]:
            mean, spread = moments[user]
            listener = Listener(
                np.zeros(0, dtype=np.intp), users[[user]], None, np.zeros(0), (spread or 1, 1), 0
            )
            parts = {**self.by_field(listener, at), "usual": -mean / (spread or 1)}
            yield Fan(self.interactions.users[user], float(sum(parts.values())), parts)

    def _artists(self, at: int, n: int) -> Iterable[Fan]:
        """Artists with listeners, by their item that is most alike."""
        scores, near = self._alike(at)
        own = set(artist_names(self.items[at]))
        seen: set[str] = set()
        for other in np.lexsort((np.arange(len(scores)), -scores)).tolist():
            if len(seen) >= n:
                return
            item = self.items[other]
            key = main_artist(item) or item.id
            if other == at or self.listeners[other] == 0 or key in seen:
                continue
            if own & set(artist_names(item)):
                continue
            seen.add(key)
            names = item.metadata.artists or (item.metadata.artist or item.id,)
            yield Fan(names[0], *self._why(at, other, near))

    # Keeping it

    def with_log(self, interactions: Interactions) -> Self:
        """Return a copy that knows other users: nothing but their factors is computed.

        Parameters
        ----------
        interactions : Interactions
            Their items are those of the recommender.

        Raises
        ------
        MetadataError
            An item is not known.
        """
        other = copy(self)
        other.interactions = interactions
        fitted = len(self.factors.items)
        other.factors = copy(self.factors)
        other.factors.users = self.factors.fold_in(self._matrix(interactions)[:, :fitted])
        return other

    def save(self, folder: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write a folder of JSON and arrays. It holds items and what was learned, and no user.

        Parameters
        ----------
        folder : str or path-like
            Written whole or not at all.
        force : bool
            Replace a recommender that is there.

        Raises
        ------
        CatalogError
            There is something else, or the folder cannot be written.
        """
        storage.save(self, folder, force=force)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what :meth:`save` wrote.

        Raises
        ------
        CatalogError
            There is no recommender, or it was saved by a newer musicu.
        """
        parameters, ranker, state = storage.load(folder)
        loaded = cls(**parameters)
        loaded.ranker = ranker
        for name, value in state.items():
            setattr(loaded, name, value)
        loaded.interactions = None
        loaded.vectors = loaded.fusion.transform(loaded.items)
        loaded._settle()
        return loaded
