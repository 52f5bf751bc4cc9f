"""Recommendations with reasons: candidates are proposed, ranked, and placed within rules."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.errors import CatalogError
from musicu.items.item import Items
from musicu.items.titles import artist_names
from musicu.items.versions import versions
from musicu.listening import storage
from musicu.listening.answers import explained, near_items, near_musicians, near_users
from musicu.listening.candidates import SOURCES, Source, propose
from musicu.listening.interactions import Interactions
from musicu.listening.places import matrix_of
from musicu.listening.ranker import Ranker
from musicu.listening.ranking import features, learn_ranking
from musicu.listening.rerank import Placed, rerank
from musicu.listening.results import Audience, Fan, Recommendations
from musicu.listening.scorer import History, Listener, Scorer

__all__ = ["History", "Recommender"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

_PLACED = 10  # the best of the candidates, times the length of the list, are what rules act on


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

    def fit(self, interactions: Interactions, items: Items) -> Self:
        """Learn who likes what, as a scorer does; a ranking that was learned before is given up.

        Parameters
        ----------
        interactions : Interactions
        items : Items

        Raises
        ------
        MetadataError
            There are no interactions.
        """
        self.ranker = None
        return super().fit(interactions, items)

    def forget_user(self, user: str) -> Self:
        """Remove a user and learn again without: nothing that was derived from the user stays.

        A ranking that was learned is learned again from those who are left.

        Raises
        ------
        MetadataError
            There is no such user, or too few others, or the recommender was loaded and so knows
            none.
        """
        learned = self.ranker is not None
        super().forget_user(user)
        return self.learn_ranking() if learned else self

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
        from threadpoolctl import threadpool_limits

        plain, given = Scorer(**self.get_params()), self.items.take(range(self.given))
        # Listeners come one by one: BLAS's threads would wait for each other, as in the factors.
        with threadpool_limits(limits=1, user_api="blas"):
            self.ranker = learn_ranking(plain, self.log, given, hidden=hidden, seed=self.seed)
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
            Whether what was played may come again, or another version of it.
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
        played = listener.played[:0] if again else listener.played
        for row in played.tolist():
            found.pop(row, None)
        at = np.array(sorted(found), dtype=np.intp)
        scores = self._rank(listener, at)
        rules = {
            "diversity": diversity,
            "max_per_artist": max_per_artist,
            "max_per_album": max_per_album,
            "no_versions": no_versions,
            "popularity_weight": popularity_weight,
            "min_new": min_new,
        }
        # Rules act on the top of the ranking: on all of it only where they leave too little of it.
        for most in (_PLACED * n, len(at)):
            top = self._top(at, scores, most)
            whole = len(top) == len(at)
            songs = None
            if no_versions:
                both = versions(self.items.take(np.concatenate([played, at[top]])))
                before, songs = np.split(both, [len(played)])
                fresh = ~np.isin(songs, before)
                top, songs = top[fresh], songs[fresh]
            placed, notes = self._placed(at[top], scores[top], songs, n, rules)
            if len(placed) >= n or whole:
                break
        rows = at[top[[place.position for place in placed]]] if placed else at[:0]
        return Recommendations(
            explained(self, self.ranker, listener, rows, placed, found), notes=notes
        )

    def _top(self, at: Positions, scores: Floats, most: int) -> Positions:
        """Return rows of the best candidates, and of the best new ones, for which room is kept."""
        new = np.flatnonzero(self.listeners[at] == 0)
        return np.union1d(top_k(scores, most), new[top_k(scores[new], most)])

    def _placed(
        self,
        at: Positions,
        scores: Floats,
        songs: NDArray[np.int64] | None,
        n: int,
        rules: Mapping[str, Any],
    ) -> tuple[list[Placed], list[str]]:
        chosen, rows = self.items.take(at), self.vectors.take(at)
        # Likeness spans what the scores span, so that both count.
        reach = float(np.ptp(scores)) if len(scores) else 0.0
        kinds: dict[str, Any] = {"is_new": self.listeners[at] == 0}
        if rules["diversity"]:
            kinds["similarity"] = lambda i: reach * rows.take([i]).similarity(rows)[0]
        if rules["max_per_artist"] is not None:
            kinds["artists"] = [artist_names(item) for item in chosen]
        if rules["max_per_album"] is not None:
            kinds["albums"] = [self.album(int(i)) for i in at]
        if songs is not None:
            kinds["versions"] = songs
        if rules["popularity_weight"]:
            kinds["popularity"] = self._popularity()[at]
        return rerank(scores, n=n, **kinds, **rules)

    def _rank(self, listener: Listener, at: Positions) -> Floats:
        if self.ranker is None:
            return self.scores(listener, at).astype(np.float64)
        return self.ranker.score(features(self, listener, at))

    def _popularity(self) -> Floats:
        """Share of the items that have fewer listeners."""
        return np.searchsorted(np.sort(self.listeners), self.listeners) / len(self.listeners)

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
        return list(near_items(self, self.items.position(id), n))

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
        fans = () if self.interactions is None else near_users(self, self.log.users, at, n)
        return Audience(tuple(fans), tuple(near_musicians(self, at, n)))

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
        other.factors.users = self.factors.fold_in(matrix_of(interactions, self.items)[:, :fitted])
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
        storage.save(self, self.ranker, folder, force=force)

    @classmethod
    def load(
        cls, folder: str | os.PathLike[str], *, aliases: Mapping[str, str] | None = None
    ) -> Self:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        folder : str or path-like
        aliases : mapping of str to str or None
            Earlier ids of items, each with today's: :meth:`musicu.Catalog.aliases`.

        Raises
        ------
        CatalogError
            There is no recommender, or it was saved by a newer musicu.
        """
        parameters, ranker, maps, state = storage.load(folder, aliases or {})
        try:
            loaded = cls(**parameters)
            loaded.ranker = ranker
            for name, value in state.items():
                setattr(loaded, name, value)
            loaded.interactions = None
            loaded.vectors = loaded.fusion.transform(loaded.items)
            loaded.learn(maps)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            # Each part can be read, and they do not fit together.
            raise CatalogError(f"{folder}: no recommender that can be read ({error})") from None
        return loaded
