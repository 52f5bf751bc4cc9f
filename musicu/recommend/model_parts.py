"""How the parts of a fitted model follow from each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musicu.items.fused_vectors import ItemVectors
from musicu.recommend.als import Factors
from musicu.recommend.content_map import ContentMap, Examples, even_lengths
from musicu.recommend.hyperparameters import Hyperparameters
from musicu.recommend.interactions import Interactions
from musicu.recommend.item_factors import ItemFactors

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["combine_factors", "learn_content_map", "play_matrix", "with_unplayed"]

Floats = NDArray[np.float32]
Positions = NDArray[np.intp]

_LEAST_TOLD = 1.0  # listeners at which an item counts half for the maps


def learn_content_map(
    settings: Hyperparameters,
    vectors: ItemVectors,
    als: Factors,
    listeners: NDArray[np.intp],
    maps: Mapping[bytes, Floats] | None = None,
) -> ContentMap:
    """Learn how factors follow from the vectors of items that were played.

    Where maps are given, what they are learned from is looked at only if others are asked for.
    """

    def examples() -> Examples:
        fitted = np.arange(len(als.items))
        known = np.flatnonzero(vectors.present[fitted].any(axis=1) & (listeners[fitted] > 0))
        lengths = even_lengths(als.items[known], settings.target_debias)
        return vectors.take(known), lengths, listeners[known]

    with_them: dict[str, Any] = {
        "ridge": settings.ridge,
        "shrinkage": _LEAST_TOLD,
        "seed": settings.seed,
    }
    if maps:
        return ContentMap.stored(examples, (vectors.dim, als.dim), maps, **with_them)
    return ContentMap(*examples(), **with_them)


def combine_factors(
    settings: Hyperparameters,
    content_map: ContentMap,
    vectors: ItemVectors,
    als: Factors,
    listeners: NDArray[np.intp],
) -> ItemFactors:
    """Combine what content predicts with what listening taught."""
    return ItemFactors.combine(
        content_map.predict(vectors),
        als.items,
        vectors,
        listeners,
        shrinkage=settings.shrinkage,
        length_debias=settings.length_debias,
        seed=settings.seed,
    )


def play_matrix(interactions: Interactions, positions: Positions, n: int) -> csr_array:
    """Return users by n items, those of the interactions at their positions."""
    from scipy.sparse import csr_array

    matrix = interactions.matrix()
    columns = positions.astype(np.int32)[matrix.indices]
    return csr_array((matrix.data, columns, matrix.indptr), shape=(matrix.shape[0], n))


def with_unplayed(listeners: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return how many played each item, with more items that nobody played.

    There is room behind for those that come next, so that a million numbers are not copied for
    each of them. They are zeros, whoever adds them: models may share that room.
    """
    n, room = len(listeners), listeners.base
    if isinstance(room, np.ndarray) and room.ndim == 1 and room.dtype == listeners.dtype:
        begins = room.__array_interface__["data"] == listeners.__array_interface__["data"]
        if begins and len(room) >= n + count and not room[n : n + count].any():
            return room[: n + count]
    grown = np.zeros(n + count + max(n // 8, 64), dtype=listeners.dtype)
    grown[:n] = listeners
    return grown[: n + count]
