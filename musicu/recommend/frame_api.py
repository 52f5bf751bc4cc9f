"""A recommender called as those of RecTools are: data frames in, a data frame out.

https://rectools.readthedocs.io: columns go by fixed names, users and items by their own ids. The
frames may be of pandas, polars or another library; what comes back is of the library given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.frames import frame_columns, make_frame
from musicu.items.item import Item, Items
from musicu.items.table import read_items
from musicu.items.vectors import join_vectors
from musicu.recommend.interactions import Interactions, read_interactions
from musicu.recommend.recommender import Recommender

__all__ = ["Columns", "Dataset", "FrameRecommender"]


@dataclass(frozen=True)
class Columns:
    """Names of the columns of interactions and recommendations; RecTools' unless others are given.

    Parameters
    ----------
    User, Item, Weight, Datetime, Score, Rank, TargetItem : str

    Examples
    --------
    >>> from musicu.recommend.frame_api import Columns
    >>> Columns.User, Columns(User="listener").User
    ('user_id', 'listener')
    """

    User: str = "user_id"
    Item: str = "item_id"
    Weight: str = "weight"
    Datetime: str = "datetime"
    Score: str = "score"
    Rank: str = "rank"
    TargetItem: str = "target_item_id"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Interactions and items, and what items are called outside; see :meth:`construct`.

    Attributes
    ----------
    interactions : Interactions
    items : Items
    names : dict of str to object
        Items as the frame has them, numbers for example, by the text they go by here.
    columns : Columns
    like : object
        The frame, for its library.
    """

    interactions: Interactions
    items: Items
    names: dict[str, Any]
    columns: Columns
    like: Any

    @classmethod
    def construct(
        cls,
        interactions_df: Any,
        item_features_df: Any = None,
        *,
        item_vectors: tuple[Iterable[str], NDArray[np.float32]] | None = None,
        columns: Columns | None = None,
    ) -> Self:
        """Make a data set of data frames.

        Parameters
        ----------
        interactions_df : data frame or mapping of str to array-like
            Columns ``User`` and ``Item``, and if you like ``Weight`` and ``Datetime``; others as
            :func:`read_interactions` knows them. Rows of one user, item and time are added up.
        item_features_df : data frame, optional
            A row an item: column ``Item``, and fields as for :func:`musicu.read_items`.
        item_vectors : (ids, np.ndarray [shape=(n, dim)]), optional
            What was heard, as :meth:`musicu.Catalog.vectors` returns it.
        columns : Columns, optional

        Raises
        ------
        MetadataError
            A frame lacks a column, or holds what cannot be used: see :func:`read_interactions`
            and :func:`read_items`.
        """
        named = columns or Columns()
        given = frame_columns(interactions_df, name="interactions_df")
        wanted = {"user": named.User, "item": named.Item}
        if missing := [title for title in wanted.values() if title not in given]:
            raise MetadataError(
                f"interactions_df: no column {missing[0]!r}: name it with Columns; columns found: "
                f"{', '.join(map(repr, given))}"
            )
        wanted |= {"weight": named.Weight, "time": named.Datetime}
        table = {title: cells for title, cells in given.items() if title not in wanted.values()}
        table |= {field: given[title] for field, title in wanted.items() if title in given}
        log = read_interactions(table, duplicates="sum")
        cells = given[named.Item]
        listed = cells.tolist() if isinstance(cells, np.ndarray) else cells
        names = {str(cell): cell for cell in listed}
        items = Items(map(Item, log.items))
        if item_features_df is not None:
            items = read_items(item_features_df, schema={named.Item: "id"}).items
        if item_vectors is not None:
            ids, vectors = item_vectors
            items = join_vectors(items, tuple(ids), vectors)
        return cls(log, items, names, named, interactions_df)


class FrameRecommender:
    """Calls a :class:`Recommender` by data frames.

    Parameters
    ----------
    recommender : Recommender, optional
        One with settings of its own.

    Attributes
    ----------
    recommender : Recommender

    Examples
    --------
    >>> from musicu.recommend.frame_api import Columns, Dataset, FrameRecommender
    >>> plays = {"user_id": [1, 1, 2, 2], "item_id": ["a", "b", "b", "c"]}
    >>> about = {"item_id": ["a", "b", "c", "d"], "genres": ["jazz", "jazz", "jazz", "jazz"]}
    >>> dataset = Dataset.construct(plays, about)
    >>> model = FrameRecommender(Recommender(dim=2)).fit(dataset)
    >>> sorted(model.recommend(users=[1], k=2, like="pandas")["item_id"])
    ['c', 'd']
    """

    def __init__(self, recommender: Recommender | None = None) -> None:
        self.recommender = recommender or Recommender()
        self._dataset: Dataset | None = None

    def __repr__(self) -> str:
        return f"FrameRecommender({self.recommender!r})"

    def fit(self, dataset: Dataset) -> Self:
        """Learn from a data set.

        Raises
        ------
        RecommenderError
            There are no interactions.
        """
        self.recommender.fit(dataset.interactions, dataset.items)
        self._dataset = dataset
        return self

    def recommend(
        self,
        users: Iterable[Any],
        k: int = 10,
        *,
        dataset: Dataset | None = None,
        filter_viewed: bool = True,
        items_to_recommend: Iterable[Any] | None = None,
        add_rank_col: bool = True,
        like: Any = None,
        **rules: Any,
    ) -> Any:
        """Return the best items of each user, with scores and ranks.

        Parameters
        ----------
        users : iterable
            As the frame calls them.
        k : int >= 0
            How many each.
        dataset : Dataset, optional
            What the users played; None is what was fitted.
        filter_viewed : bool
            Leave out what they played.
        items_to_recommend : iterable, optional
            Choose among these only.
        add_rank_col : bool
            Whether there is a column ``Rank``, from 1.
        like : str, data frame or None
            Library of the frame that is returned; None is that of the data set.
        **rules
            The others of :meth:`Recommender.recommend`: ``max_per_artist=1``.

        Returns
        -------
        data frame
            Columns ``User``, ``Item``, ``Score`` and ``Rank``; users in the order asked for.

        Raises
        ------
        NotFittedError
            Nothing was fitted.
        RecommenderError
            A user or an item is not known.
        """
        model = self.recommender.model  # or NotFittedError
        asked = dataset or self._dataset
        among = None if items_to_recommend is None else list(map(str, items_to_recommend))
        log = model.log if asked is None else asked.interactions
        named = Columns() if asked is None else asked.columns
        names = {} if asked is None else asked.names
        library = _library(asked, like)
        recommender = self.recommender.with_log(log) if dataset is not None else self.recommender
        rows: dict[str, list[Any]] = {
            title: [] for title in (named.User, named.Item, named.Score, named.Rank)
        }
        for user in users:
            found = recommender.recommend(
                str(user), k, candidates=among, again=not filter_viewed, **rules
            )
            for one in found:
                cells = (user, names.get(one.id, one.id), one.score, one.rank)
                for column, cell in zip(rows.values(), cells, strict=True):
                    column.append(cell)
        if not add_rank_col:
            del rows[named.Rank]
        return make_frame(rows, library)

    def recommend_to_items(
        self, target_items: Iterable[Any], k: int = 10, *, like: Any = None
    ) -> Any:
        """Return the items most like each of some items.

        Parameters
        ----------
        target_items : iterable
        k : int >= 0
            How many each.
        like : str, data frame or None
            As for :meth:`recommend`.

        Raises
        ------
        NotFittedError
            Nothing was fitted.
        RecommenderError
            There is no such item.
        """
        asked = self._dataset
        named = Columns() if asked is None else asked.columns
        names = {} if asked is None else asked.names
        library = _library(asked, like)
        found = [
            (target, names.get(one.name, one.name), one.score, rank)
            for target in target_items
            for rank, one in enumerate(self.recommender.similar_items(str(target), k), start=1)
        ]
        titles = (named.TargetItem, named.Item, named.Score, named.Rank)
        columns = zip(*found, strict=True) if found else [[] for _ in titles]
        return make_frame(dict(zip(titles, map(list, columns), strict=True)), library)


def _library(dataset: Dataset | None, like: Any) -> Any:
    """Return what a frame is made like: as is asked for, else as the data set's."""
    if like is not None or dataset is None or isinstance(dataset.like, Mapping):
        return like
    return dataset.like
