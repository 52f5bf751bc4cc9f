"""A recommender called as those of the library implicit are: matrices in, arrays out.

https://benfred.github.io/implicit/: users and items are numbers, the rows and columns of a matrix.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import MusicuError, NotFittedError
from musicu.items.item import Items
from musicu.recommend.interactions import Interactions
from musicu.recommend.recommender import History, Recommender

__all__ = ["MatrixRecommender"]

Ids = NDArray[np.int32]
Scores = NDArray[np.float32]


class MatrixRecommender:
    """Calls a :class:`Recommender` by matrices of users and items.

    Parameters
    ----------
    items : Items
        What the columns of matrices are, in their order.
    recommender : Recommender, optional
        One with settings of its own, or one that is fitted; its items are `items` then.

    Attributes
    ----------
    recommender : Recommender

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> names = ["jazz"] * 5 + ["rock"] * 5
    >>> items = Items(Item(f"t{i}", Metadata(genres=(name,))) for i, name in enumerate(names))
    >>> plays = np.zeros((3, 10))
    >>> plays[[0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 6, 7]] = 1
    >>> user_items = csr_array(plays)
    >>> from musicu.recommend.matrix_api import MatrixRecommender
    >>> model = MatrixRecommender(items, Recommender(dim=2)).fit(user_items)
    >>> ids, scores = model.recommend(np.array([0, 2]), user_items[[0, 2]], N=3)
    >>> ids.shape, set(ids[0].tolist()) <= {2, 3, 4}
    ((2, 3), True)
    """

    def __init__(self, items: Items, recommender: Recommender | None = None) -> None:
        self.recommender = recommender or Recommender()
        self._items = items

    def __repr__(self) -> str:
        return f"MatrixRecommender({self._items!r}, {self.recommender!r})"

    def fit(self, user_items: Any) -> Self:
        """Learn from a matrix of plays.

        Parameters
        ----------
        user_items : scipy.sparse matrix or array [shape=(n_users, n_items)]
            How much each user played each item; entries are above 0.

        Raises
        ------
        MusicuError
            The columns are not the items, or an entry is not above 0.
        """
        rows = self._rows(user_items).tocoo()
        users = map(str, range(rows.shape[0]))
        log = Interactions(users, self._items.ids, rows.row, rows.col, rows.data)
        self.recommender.fit(log, self._items)
        return self

    def recommend(
        self,
        userid: int | ArrayLike,
        user_items: Any = None,
        N: int = 10,
        filter_already_liked_items: bool = True,
        filter_items: ArrayLike | None = None,
        recalculate_user: bool = True,
        items: ArrayLike | None = None,
    ) -> tuple[Ids, Scores]:
        """Return the best items of one user, or of each of several.

        Parameters
        ----------
        userid : int or array-like of int [shape=(u,)]
            Rows of the matrix that was fitted.
        user_items : scipy.sparse matrix or array [shape=(u, n_items)], optional
            What each of them played, in this order; None is what was fitted. A listener's vector
            is always computed from it (``recalculate_user``), so new users are served as well.
        N : int >= 0
            How many each.
        filter_already_liked_items : bool
            Leave out what `user_items` holds.
        filter_items, items : array-like of int or None
            Leave these out; or choose among these only. Not both.
        recalculate_user : bool
            Has to be true where `user_items` is given.

        Returns
        -------
        ids : np.ndarray [shape=(N,) or (u, N), int32]
            Columns of items, the best first; -1 where there are no more.
        scores : np.ndarray [shape=(N,) or (u, N), float32]
            Minus infinity there.

        Raises
        ------
        NotFittedError
            Nothing was fitted.
        RecommenderError
            A user has played nothing.
        MusicuError
            A number is no column, the matrix does not fit, or both lists of items are given.
        """
        model = self.recommender.model  # or NotFittedError
        if filter_items is not None and items is not None:
            raise MusicuError("choose one of items and filter_items")
        one = np.ndim(userid) == 0
        who = np.atleast_1d(np.asarray(userid, dtype=np.int64))
        if user_items is None:
            if model.interactions is None:
                raise NotFittedError(
                    "a recommender that was loaded knows no users: give user_items"
                )
            user_items = model.interactions.matrix("raw")[who]
        rows = self._rows(user_items)
        if rows.shape[0] != len(who):
            raise MusicuError(f"{rows.shape[0]:,} rows for {len(who):,} users: one row a user")
        among = None if items is None else self._named(items)
        without = () if filter_items is None else self._named(filter_items)
        ids = np.full((len(who), N), -1, dtype=np.int32)
        scores = np.full((len(who), N), -np.inf, dtype=np.float32)
        for at in range(len(who)):
            ends = slice(*rows.indptr[at : at + 2])
            history = History(self._named(rows.indices[ends]), rows.data[ends])
            found = self.recommender.recommend(
                history,
                N,
                candidates=among,
                exclude=without,
                again=not filter_already_liked_items,
            )
            ids[at, : len(found)] = [self._items.position(one.id) for one in found]
            scores[at, : len(found)] = [one.score for one in found]
        return (ids[0], scores[0]) if one else (ids, scores)

    def similar_items(self, itemid: int, N: int = 10) -> tuple[Ids, Scores]:
        """Return the items most like one, and how much; see :meth:`Recommender.similar_items`.

        Raises
        ------
        MusicuError
            There is no such column.
        """
        (id,) = self._named([itemid])
        found = self.recommender.similar_items(id, N)
        return (
            np.array([self._items.position(one.name) for one in found], dtype=np.int32),
            np.array([one.score for one in found], dtype=np.float32),
        )

    def _named(self, columns: ArrayLike) -> list[str]:
        at = np.asarray(columns, dtype=np.int64)
        if at.size and not 0 <= at.min() <= at.max() < len(self._items):
            raise MusicuError(f"items are columns from 0 to {len(self._items) - 1}")
        return [self._items.ids[column] for column in at.tolist()]

    def _rows(self, user_items: Any) -> Any:
        from scipy.sparse import csr_array

        rows = csr_array(user_items)
        if rows.shape[1] != len(self._items):
            raise MusicuError(
                f"a matrix of {rows.shape[1]:,} columns does not fit {len(self._items):,} items"
            )
        rows.eliminate_zeros()
        return rows
