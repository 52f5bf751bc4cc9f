"""What a recommender has learned: a frozen model, and the models that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError, RecommenderError
from musicu.items.fused_vectors import ItemVectors
from musicu.items.fusion import Fusion
from musicu.items.item import Item, Items
from musicu.items.item_pieces import JoinedItems
from musicu.items.vector_pieces import JoinedVectors
from musicu.recommend.als import Factors, factorize
from musicu.recommend.artist_links import ArtistLinks
from musicu.recommend.calibration import Calibration
from musicu.recommend.candidate_index import CandidateIndex
from musicu.recommend.content_map import ContentMap
from musicu.recommend.hyperparameters import Hyperparameters, named_today
from musicu.recommend.interactions import Interactions
from musicu.recommend.item_factors import ItemFactors
from musicu.recommend.model_parts import (
    combine_factors,
    learn_content_map,
    play_matrix,
    with_unplayed,
)
from musicu.recommend.preference import Preference, learn_preference

__all__ = ["FittedModel"]

Floats = NDArray[np.float32]
Positions = NDArray[np.intp]
# Hyperparameters that the content map is learned with.
_LEARNED_WITH = {"weights", "ridge", "target_debias", "seed"}


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedModel:
    """What was learned from interactions and from what the items are. It never changes.

    Make one with :meth:`fit`. The other methods return new models that share what they can.

    Attributes
    ----------
    settings : Hyperparameters
    items : Items
        All n that can be recommended: the items fitted, then played ones of which nothing is
        known, then those added.
    n_given : int
        How many items there were to be fitted.
    interactions : Interactions or None
        What was fitted; None for a model that was loaded: its folder holds no users.
    als : Factors
        Collaborative factors of the users and of the items fitted.
    fusion : Fusion
    vectors : JoinedVectors
        Fused vectors of the items.
    listeners : np.ndarray [shape=(n,), int]
        How many played each.
    content_map : ContentMap
        From fused vectors to factors.
    item_factors : ItemFactors
        What follows from all these.
    artists : ArtistLinks
        Which items are by which artists.
    index : CandidateIndex or None
        Where to look for candidates; None compares all.
    calibration : Calibration or None
        What scores of new items are worth; None takes them as they are.
    preference : Preference or None
        What is said of items once they are heard; None where nothing was.

    Examples
    --------
    >>> items = Items(Item(f"t{i}", Metadata(genres=("jazz",))) for i in range(4))
    >>> log = Interactions(["ann"], items.ids, [0, 0], [0, 1])
    >>> model = FittedModel.fit(log, items, Hyperparameters(dim=2))
    >>> new = Items([Item("new")])
    >>> model.with_items(new).with_settings(taste=0.5).items.ids
    ('t0', 't1', 't2', 't3', 'new')
    """

    settings: Hyperparameters
    items: Items
    n_given: int
    interactions: Interactions | None
    als: Factors
    fusion: Fusion
    vectors: JoinedVectors
    listeners: NDArray[np.intp]
    content_map: ContentMap
    item_factors: ItemFactors
    artists: ArtistLinks
    index: CandidateIndex | None = None
    calibration: Calibration | None = None
    preference: Preference | None = None

    @classmethod
    def fit(
        cls, interactions: Interactions, items: Items, settings: Hyperparameters | None = None
    ) -> Self:
        """Learn from who played what, and from what is known of the items.

        Parameters
        ----------
        interactions : Interactions
            Items that are not among `items` take part as played things without content.
        items : Items
            Everything that is known; most may be unplayed.
        settings : Hyperparameters, optional

        Raises
        ------
        RecommenderError
            There are no interactions.
        """
        settings = settings or Hyperparameters()
        known = set(items.ids)
        everything = items.extended(Items(Item(id) for id in interactions.items if id not in known))
        at = np.array([everything.position(id) for id in interactions.items], dtype=np.intp)
        matrix = play_matrix(interactions, at, len(everything))
        return cls.assemble(
            settings=settings,
            items=everything,
            n_given=len(items),
            interactions=interactions,
            als=factorize(matrix, dim=settings.dim, seed=settings.seed),
            fusion=Fusion(settings.weights).fit(items),
            listeners=np.bincount(matrix.indices, minlength=len(everything)),
        )

    @classmethod
    def assemble(
        cls,
        *,
        settings: Hyperparameters,
        items: Items,
        n_given: int,
        als: Factors,
        fusion: Fusion,
        listeners: NDArray[np.intp],
        interactions: Interactions | None = None,
        maps: Mapping[bytes, Floats] | None = None,
        preference: Preference | None = None,
    ) -> Self:
        """Make a model of the parts that are kept on disk; the others follow from them.

        Parameters
        ----------
        maps : mapping of bytes to np.ndarray, optional
            Maps of the :class:`ContentMap` that are learned already.
        preference : Preference, optional
            Where there are no interactions to learn it from.
        settings, items, n_given, als, fusion, listeners, interactions
            Attributes of the model.
        """
        vectors = JoinedVectors([fusion.transform(items)])
        if interactions is not None:
            preference = learn_preference(interactions.feedback, items, vectors)
        content_map = learn_content_map(settings, vectors, als, listeners, maps)
        item_factors = combine_factors(settings, content_map, vectors, als, listeners)
        return cls(
            settings=settings,
            items=items,
            n_given=n_given,
            interactions=interactions,
            als=als,
            fusion=fusion,
            vectors=vectors,
            listeners=listeners,
            content_map=content_map,
            item_factors=item_factors,
            artists=ArtistLinks.of(items),
            index=CandidateIndex.of_many(item_factors, vectors, seed=settings.seed),
            preference=preference,
        )

    @property
    def log(self) -> Interactions:
        """The interactions that were fitted.

        Raises
        ------
        RecommenderError
            The model was loaded: its folder holds no users.
        """
        if self.interactions is None:
            raise RecommenderError(
                "a recommender that was loaded knows no users: give a history, or fit it again"
            )
        return self.interactions

    @cached_property
    def is_new(self) -> NDArray[np.bool_]:
        """Which items nobody has played [shape=(n,), bool]."""
        return np.asarray(self.listeners == 0)

    @property
    def n_fitted(self) -> int:
        """How many items were fitted: all but those added later."""
        return len(self.als.items)

    def positions(self, ids: Iterable[str]) -> Positions:
        """Return the positions of items.

        Raises
        ------
        RecommenderError
            There is no such item.
        """
        try:
            return np.array([self.items.position(id) for id in ids], dtype=np.intp)
        except MetadataError as error:
            raise RecommenderError(str(error)) from None

    def with_items(self, items: Items) -> Self:
        """Return a model with more items, which nobody played; nothing changes for the others.

        Parameters
        ----------
        items : Items
            Those that are there already are passed over.

        Raises
        ------
        MetadataError
            Their vectors are of another model of audio.
        """
        new = items.take(i for i, id in enumerate(items.ids) if self.items.find(id) is None)
        if not len(new):
            return self
        everything = JoinedItems([self.items]).extended(new)
        rows = self.fusion.transform(new)
        vectors = self.vectors.extended(rows)
        item_factors = self.item_factors.extended(self.content_map.predict(rows), rows)
        return replace(
            self,
            items=everything,
            vectors=vectors,
            listeners=with_unplayed(self.listeners, len(new)),
            item_factors=item_factors,
            artists=self.artists.extended(new),
            index=CandidateIndex.of_many(
                item_factors, vectors, before=self.index, seed=self.settings.seed
            ),
        )

    def with_settings(self, **changes: Any) -> Self:
        """Return a model with other settings, weights of fields among them; the factors stay.

        Parameters
        ----------
        **changes
            Of :class:`Hyperparameters`; ``dim`` tells only at the next fit.
        """
        named = named_today(changes)
        settings = replace(self.settings, **named)
        fusion, vectors = self.fusion, self.vectors
        if "weights" in named:
            fusion = copy(fusion).set_params(weights=settings.weights)
            vectors = JoinedVectors([fusion.transform(self.items)])
        other = replace(self, settings=settings, fusion=fusion)
        return other.with_vectors(vectors, learn=not _LEARNED_WITH.isdisjoint(named))

    def with_vectors(self, vectors: ItemVectors, *, learn: bool) -> Self:
        """Return a model of the same listening, in which other things are known of the items.

        Parameters
        ----------
        vectors : ItemVectors
            Fused vectors of all items.
        learn : bool
            Whether the maps from content to factors are learned from these vectors, too.
        """
        rows = vectors if isinstance(vectors, JoinedVectors) else JoinedVectors([vectors])
        content_map, preference = self.content_map, self.preference
        if learn:
            content_map = learn_content_map(self.settings, vectors, self.als, self.listeners)
            if self.interactions is not None:
                said = self.interactions.feedback
                preference = learn_preference(said, self.items, vectors)
        item_factors = combine_factors(
            self.settings, content_map, vectors, self.als, self.listeners
        )
        return replace(
            self,
            vectors=rows,
            content_map=content_map,
            preference=preference,
            item_factors=item_factors,
            index=CandidateIndex.of_many(item_factors, rows, seed=self.settings.seed),
        )

    def with_interactions(self, interactions: Interactions) -> Self:
        """Return a model that knows other users: nothing but their factors is computed.

        Parameters
        ----------
        interactions : Interactions
            Their items are those of the model.

        Raises
        ------
        RecommenderError
            An item is not known.
        """
        at = self.positions(interactions.items)
        rows = play_matrix(interactions, at, len(self.items))[:, : self.n_fitted]
        users = self.als.fold_in(rows)
        return replace(self, interactions=interactions, als=self.als.with_users(users))

    def without_user(self, user: str) -> Self:
        """Return a model that was learned without a user: nothing derived from the user stays.

        Raises
        ------
        RecommenderError
            There is no such user, or no other, or the model was loaded and so knows none.
        """
        left = self.log.without_user(user)
        given = self.items.take(range(self.n_given))
        added = self.items.take(range(self.n_fitted, len(self.items)))
        return self.fit(left, given, self.settings).with_items(added)
