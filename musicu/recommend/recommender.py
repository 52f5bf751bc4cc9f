"""Recommendations with reasons: candidates are proposed, ranked, and placed within rules."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from copy import copy
from typing import Any, Self

from musicu.errors import NotFittedError
from musicu.items.item import Items
from musicu.recommend import storage
from musicu.recommend.answer import answer
from musicu.recommend.calibration_fit import calibrated
from musicu.recommend.candidates import CANDIDATE_SOURCES, Source
from musicu.recommend.explanations import matching_users, similar_artists, similar_items
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.hyperparameters import Hyperparameters, Tunable, named_today
from musicu.recommend.interactions import Interactions
from musicu.recommend.rank_fit import learn_ranking
from musicu.recommend.ranking import Ranker
from musicu.recommend.results import Audience, AudienceMatch, Recommendations
from musicu.recommend.scorer import History, Scorer

__all__ = ["History", "Recommender"]


class Recommender(Tunable):
    """Recommends items to listeners, and listeners to items, played or new.

    Parameters
    ----------
    **settings
        Those of :class:`musicu.recommend.hyperparameters.Hyperparameters`.

    Attributes
    ----------
    settings : Hyperparameters
        What the next :meth:`fit` learns with.
    sources : mapping of str to callable
        The candidate sources; replace them at will.
    ranker : Ranker or None
        Weights of the ranking stage that were learned (:meth:`learn_ranking`); None takes the
        scores as they are.

    Examples
    --------
    >>> genres = ["jazz"] * 5 + ["rock"] * 5
    >>> items = Items(Item(f"t{i}", Metadata(genres=(name,))) for i, name in enumerate(genres))
    >>> log = Interactions(["ann", "ben", "cid"], items.ids, [0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 6, 7])
    >>> recommender = Recommender(dim=2).fit(log, items)
    >>> [found.id for found in recommender.recommend("ann", n=3)]
    ['t2', 't3', 't4']
    >>> [found.id for found in recommender.recommend(History(["t0"]), n=2)]
    ['t1', 't2']
    >>> [listener.name for listener in recommender.audience("t9", n=1).listeners]
    ['cid']
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = Hyperparameters(**named_today(settings))
        self.sources: Mapping[str, Source] = CANDIDATE_SOURCES
        self.ranker: Ranker | None = None
        self._model: FittedModel | None = None

    def _is_fitted(self) -> bool:
        return self._model is not None

    @property
    def model(self) -> FittedModel:
        """What was learned.

        Raises
        ------
        NotFittedError
            Nothing was, yet.
        """
        if self._model is None:
            raise NotFittedError("this recommender has learned nothing yet: fit it, or load one")
        return self._model

    @property
    def items(self) -> Items:
        """All that can be recommended."""
        return self.model.items

    @property
    def log(self) -> Interactions:
        """The interactions that were fitted.

        Raises
        ------
        RecommenderError
            The recommender was loaded: its folder holds no users.
        """
        return self.model.log

    def fit(self, interactions: Interactions, items: Items) -> Self:
        """Learn who likes what; a ranking that was learned before is given up.

        Parameters
        ----------
        interactions : Interactions
            Items that are not among `items` take part as played things without content.
        items : Items
            Everything that is known; most may be unplayed.

        Raises
        ------
        RecommenderError
            There are no interactions.
        """
        self._model = calibrated(FittedModel.fit(interactions, items, self.settings))
        self.ranker = None
        return self

    def add(self, items: Items) -> Self:
        """Take in new items that nobody has played; nothing changes for those that are there.

        Parameters
        ----------
        items : Items
            Those that are there already are passed over.

        Raises
        ------
        MetadataError
            They were heard with a model of another dimension.
        """
        self._model = self.model.with_items(items)
        return self

    def forget_user(self, user: str) -> Self:
        """Remove a user and learn again without: nothing that was derived from the user stays.

        A ranking that was learned is learned again from those who are left.

        Raises
        ------
        RecommenderError
            There is no such user, or too few others, or the recommender was loaded and so knows
            none.
        """
        self._model = calibrated(self.model.without_user(user))
        return self if self.ranker is None else self.learn_ranking()

    def learn_ranking(self, *, hidden: float = 0.2) -> Self:
        """Learn from the log what parts of the score, popularity and known artists are worth.

        Parameters
        ----------
        hidden : float in (0, 1)
            Share of each listener's items that is hidden to learn from.

        Raises
        ------
        RecommenderError
            The recommender was loaded, or no listener has items enough.
        """
        from threadpoolctl import threadpool_limits

        model = self.model
        given = model.items.take(range(model.n_given))
        # Listeners come one by one: BLAS's threads would wait for each other, as in the factors.
        with threadpool_limits(limits=1, user_api="blas"):
            self.ranker = learn_ranking(model.log, given, model.settings, hidden=hidden)
        return self

    def recommend(
        self,
        user: str | History,
        n: int = 20,
        *,
        candidates: Collection[str] | None = None,
        exclude: Collection[str] = (),
        again: bool = False,
        now: float | None = None,
        hour: float | None = None,
        diversity: float = 0.0,
        max_per_artist: int | None = None,
        max_per_album: int | None = None,
        no_versions: bool = True,
        popularity_weight: float = 0.0,
        min_new: float | None = None,
        explain: bool = True,
    ) -> Recommendations:
        """Return what somebody may like, played by others or by nobody yet, with reasons.

        Parameters
        ----------
        user : str or History
            A user of the interactions, or what somebody played.
        n : int >= 0
            How many.
        candidates : collection of str or None
            Choose among these items only; None asks the sources.
        exclude : collection of str
            Left out.
        again : bool
            Whether what was played may come again, or another version of it.
        now, hour : float or None
            As for :meth:`musicu.recommend.scorer.Scorer.listener`.
        diversity, max_per_artist, max_per_album, no_versions, popularity_weight, min_new
            Rules of the list; see :func:`musicu.search.rerank.rerank`. Popularity is the share
            of items with fewer listeners; new is what nobody has played, and `min_new` is the
            setting ``exploration`` where nothing is said.
        explain : bool
            Whether there are reasons; without them an answer takes about half the time.

        Returns
        -------
        Recommendations
            With notes on what the rules could not give.

        Raises
        ------
        MusicuError
            The user or an item is not known, nothing was played, or a rule is out of its range.
        """
        listener = Scorer(self.model).listener(user, now=now, hour=hour)
        return answer(
            self.model,
            self.ranker,
            self.sources,
            listener,
            n,
            candidates=candidates,
            exclude=exclude,
            again=again,
            reasons=explain,
            diversity=diversity,
            max_per_artist=max_per_artist,
            max_per_album=max_per_album,
            no_versions=no_versions,
            popularity_weight=popularity_weight,
            min_new=min_new,
        )

    def similar_items(self, id: str, n: int = 20) -> list[AudienceMatch]:
        """Return the items most like one: half by content, half by who listens.

        Parameters
        ----------
        id : str
        n : int >= 0

        Returns
        -------
        list of AudienceMatch
            Names are the items' ids; contributions are those of the fields, and ``listeners``.

        Raises
        ------
        RecommenderError
            There is no such item.
        """
        (at,) = self.model.positions([id]).tolist()
        return list(similar_items(self.model, at, n))

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
        RecommenderError
            There is no such item.
        """
        if isinstance(item, Items):
            return copy(self).add(item).audience(item.ids[0], n)
        model = self.model
        (at,) = model.positions([item]).tolist()
        users = () if model.interactions is None else model.interactions.users
        listeners = matching_users(Scorer(model), users, at, n) if users else ()
        return Audience(tuple(listeners), tuple(similar_artists(model, at, n)))

    # Keeping it

    def with_log(self, interactions: Interactions) -> Self:
        """Return a copy that knows other users: nothing but their factors is computed.

        Raises
        ------
        RecommenderError
            An item is not known.
        """
        other = copy(self)
        other._model = self.model.with_interactions(interactions)
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
        storage.save(self.model, self.ranker, folder, force=force)

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
        loaded = cls()
        loaded._model, loaded.ranker = storage.load(folder, aliases or {})
        loaded.settings = loaded._model.settings
        return loaded
