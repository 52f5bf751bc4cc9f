"""Item-to-item models, which a recommender of new music must beat: their columns, predicted.

An item-to-item model scores an item by a column of weights on what somebody played. What nobody has
played has no column: ridge regression predicts it from the content, of those that have one. The
score of a new item is then a weighted sum of the scores of the known items that are described, so
no column need ever be formed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from musicu.evaluation.recommenders.splits import Split
from musicu.recommend.fitted_model import FittedModel

__all__ = ["Columns", "ridge_weights"]

Floats = NDArray[np.float32]
Positions = NDArray[np.intp]

# Chosen on other shuffles of the artists than those reported (docs/recommend.md).
_RIDGE = {"item kNN": 10.0, "EASE": 10.0, "iALS": 10.0}
_EASE_PENALTY = 100.0
_MOST_LISTENERS = 6000  # EASE is solved among the listeners here


class Columns:
    """Scores of item-to-item models in one split, for all items of a model.

    Parameters
    ----------
    split : Split
    model : FittedModel
        Learned from the split's training part, with the new items added; what it knows of the items
        is what new ones are predicted from.

    Notes
    -----
    Item kNN: cosines between items, of who played them (Sarwar et al., WWW 2001). EASE: Steck, WWW
    2019, solved among the listeners by the identity of Woodbury, which gives the same. iALS: the
    factors of :mod:`musicu.recommend.als`.
    """

    def __init__(self, split: Split, model: FittedModel) -> None:
        self._model, self._users = model, split.users
        matrix = split.train.matrix()
        at = model.positions(split.train.items)[matrix.indices]
        from scipy.sparse import csr_array

        shape = matrix.shape[0], model.n_fitted
        self._plays = csr_array((matrix.data, at, matrix.indptr), shape=shape)
        self._new = np.flatnonzero(model.listeners == 0)
        played = model.listeners[: model.n_fitted] > 0
        described = model.vectors.present[: model.n_fitted].any(axis=1)
        self._known = np.flatnonzero(played & described)

    def __iter__(self) -> Iterator[tuple[str, Callable[[slice], Floats]]]:
        """Yield names, and what scores [users, n] some of the users."""
        yield "item kNN", self._with_new(self._item_knn(), _RIDGE["item kNN"])
        if len(self._users) <= _MOST_LISTENERS >= self._plays.shape[0]:
            yield "EASE", self._with_new(self._ease(), _RIDGE["EASE"])
        yield "iALS", self._with_new(self._ials(), _RIDGE["iALS"])

    def _item_knn(self) -> Callable[[slice], Floats]:
        from scipy.sparse import csr_array, diags_array

        heard = csr_array(self._plays > 0, dtype=np.float32)
        length = np.sqrt(np.asarray(heard.sum(axis=0)).ravel())
        even = csr_array(heard @ diags_array((1 / np.maximum(length, 1)).astype(np.float32)))
        return lambda rows: (heard[self._users[rows]] @ even.T).toarray() @ even

    def _ease(self) -> Callable[[slice], Floats]:
        from scipy.sparse import csr_array, diags_array

        count = np.diff(self._plays.indptr)
        mean = np.asarray(self._plays.sum(axis=1)).ravel() / np.maximum(count, 1)
        x = csr_array(diags_array(1 / np.where(mean > 0, mean, 1)) @ self._plays)
        inverse = np.linalg.inv((x @ x.T).toarray() + _EASE_PENALTY * np.eye(x.shape[0]))
        # What an item says of itself is taken out of its column.
        own = np.asarray((csr_array(x.T).multiply(x.T @ inverse)).sum(axis=1)).ravel()

        def scores(rows: slice) -> Floats:
            history = x[self._users[rows]]
            whole = ((history @ x.T).toarray() @ inverse) @ x
            return np.asarray((whole - history.toarray() * own) / (1 - own), dtype=np.float32)

        return scores

    def _ials(self) -> Callable[[slice], Floats]:
        als = self._model.als
        return lambda rows: als.users[self._users[rows]] @ als.items.T

    def _with_new(
        self, known: Callable[[slice], Floats], ridge: float
    ) -> Callable[[slice], Floats]:
        weights = ridge_weights(self._model, self._known, self._new, ridge)

        def scores(rows: slice) -> Floats:
            found = known(rows)
            whole = np.zeros((len(found), len(self._model.items)), dtype=np.float32)
            whole[:, : found.shape[1]] = found
            whole[:, self._new] = found[:, self._known] @ weights.T
            return whole

        return scores


def ridge_weights(model: FittedModel, known: Positions, new: Positions, ridge: float) -> Floats:
    """Return how ridge regression from content makes a new item of known ones.

    Parameters
    ----------
    model : FittedModel
    known, new : np.ndarray [shape=(k,), intp] and [shape=(m,), intp]
        Positions of items.
    ridge : float > 0

    Returns
    -------
    np.ndarray [shape=(m, k), float32]
        What is predicted of a new item is this much of what the known ones have.
    """
    rows = model.vectors.take(known)
    gram = rows.similarity(rows).astype(np.float64)
    across = model.vectors.take(new).similarity(rows).astype(np.float64)
    solved = np.linalg.solve(gram + ridge * np.eye(len(known)), across.T).T
    return np.asarray(solved, dtype=np.float32)
