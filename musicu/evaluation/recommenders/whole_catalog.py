"""Whole lists, as people are shown them: the first twenty of all that a listener does not know.

What should be found is what was held out: plays of the new items, and further plays of known ones.
One list is measured three times, by all of it, by the known and by the new: a recommender that
never shows what is new has nothing to show for the third.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicu.evaluation.ranking_metrics import top_n
from musicu.evaluation.recommenders.baselines import Kind
from musicu.evaluation.recommenders.splits import Split
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.interactions import Interactions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["CATALOG_GROUPS", "LENGTH", "CatalogLists", "CatalogTest", "mixed"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

CATALOG_GROUPS = ("catalog", "catalog, known items", "catalog, new items")
LENGTH = 20
_CELLS = 1 << 24  # scores held at once


@dataclass(frozen=True, kw_only=True)
class CatalogLists:
    """Lists that one system made.

    Attributes
    ----------
    name : str
        Of the system.
    kind : str
        As of :class:`musicu.evaluation.recommenders.baselines.SystemScores`.
    lists : np.ndarray [shape=(users, 20), intp]
        Positions in the model, the best first; -1 is nothing.
    """

    name: str
    kind: Kind
    lists: Positions


class CatalogTest:
    """What whole lists of one split are made from, and measured by.

    Parameters
    ----------
    split : Split
    model : FittedModel
        Learned from the split's training part, with the new items added.

    Attributes
    ----------
    users : tuple of str
        Who is asked.
    new : np.ndarray [shape=(n,), bool]
        Which items of the model nobody played in training.
    """

    def __init__(self, split: Split, model: FittedModel) -> None:
        self.users = tuple(split.train.users[user] for user in split.users)
        self.new: Bools = model.listeners == 0
        self._seen = _pairs(split.train, model)[split.users]
        wanted = _pairs(split.test, model) + _pairs(split.held, model)
        self._wanted = wanted[split.users].tocsr()

    def best(
        self, scores: Callable[[slice], NDArray[Any]], kinds: Sequence[Bools | None] = (None,)
    ) -> list[tuple[Positions, Floats]]:
        """Return the best twenty of what a listener does not know, for each kind of items.

        Parameters
        ----------
        scores : callable
            Returns the scores [users, n] of some of the users.
        kinds : sequence of np.ndarray [shape=(n,), bool] or None
            Which items to choose among; None is all.

        Returns
        -------
        list of tuple
            Positions, -1 for nothing, and scores [users, 20], a pair for each kind.
        """
        found: list[tuple[list[Positions], list[Floats]]] = [([], []) for _ in kinds]
        step = max(1, _CELLS // len(self.new))
        for start in range(0, len(self.users), step):
            rows = slice(start, min(start + step, len(self.users)))
            table = np.asarray(scores(rows), dtype=np.float64)
            seen = self._seen[rows].toarray() > 0
            for kind, (lists, values) in zip(kinds, found, strict=True):
                at = top_n(table, LENGTH, exclude=seen if kind is None else seen | ~kind)
                told = np.take_along_axis(table, np.maximum(at, 0), axis=1)
                lists.append(at)
                values.append(np.where(at >= 0, told, -np.inf))
        return [(np.concatenate(lists), np.concatenate(values)) for lists, values in found]

    def new_share(self, lists: Positions) -> float:
        """Return which share of some lists is new."""
        shown = lists >= 0
        return float((self.new[lists] & shown).sum() / max(shown.sum(), 1))

    def wanted(self) -> dict[str, csr_array]:
        """Return what the listeners should find [users, n], for each of the groups."""
        found = {}
        for group, kind in zip(
            CATALOG_GROUPS, (np.ones_like(self.new), ~self.new, self.new), strict=True
        ):
            part = self._wanted.multiply(kind[None, :]).tocsr()
            part.eliminate_zeros()
            found[group] = part
        return found


def mixed(
    known: tuple[Positions, Floats], new: tuple[Positions, Floats], min_new: float
) -> Positions:
    """Merge lists of known and of new items by score, as :func:`musicu.search.rerank.rerank` does.

    Parameters
    ----------
    known, new : tuple of np.ndarray [shape=(users, 20)]
        Positions, the best first, and scores; -1 and minus infinity where there is none.
    min_new : float in [0, 1]
        Share of new ones in every beginning of a list.

    Returns
    -------
    np.ndarray [shape=(users, 20), intp]
    """
    rows, length = np.arange(len(known[0])), known[0].shape[1]
    taken = np.zeros((2, len(rows)), dtype=np.intp)
    result = np.full(known[0].shape, -1, dtype=np.intp)
    for place in range(length):
        heads = []
        for (at, scores), number in zip((known, new), taken, strict=True):
            head = np.minimum(number, length - 1)
            left = number < length
            heads.append(
                (
                    np.where(left, at[rows, head], -1),
                    np.where(left, scores[rows, head], -np.inf),
                )
            )
        due = (taken[1] < int(min_new * (place + 1) + 1e-9)) & (heads[1][0] >= 0)
        second = due | (heads[1][1] > heads[0][1])
        result[:, place] = np.where(second, heads[1][0], heads[0][0])
        taken += np.stack([~second, second])
    return result


def _pairs(log: Interactions, model: FittedModel) -> csr_array:
    """Return users by the model's items: 1 where somebody played one."""
    from scipy.sparse import csr_array

    matrix = log.matrix("binary")
    columns = model.positions(log.items)[matrix.indices]
    shape = matrix.shape[0], len(model.items)
    return csr_array((matrix.data, columns, matrix.indptr), shape=shape)
