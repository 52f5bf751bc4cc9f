"""How the parts of a fitted model follow from each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from musicu.items.fused_vectors import ItemVectors
from musicu.recommend.als import Factors
from musicu.recommend.content_map import ContentMap, even_lengths
from musicu.recommend.hyperparameters import Hyperparameters
from musicu.recommend.interactions import Interactions
from musicu.recommend.item_factors import ItemFactors

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["combine_factors", "learn_content_map", "play_matrix", "stack_vectors"]

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
    """Learn how factors follow from the vectors of items that were played."""
    fitted = np.arange(len(als.items))
    known = np.flatnonzero(vectors.present[fitted].any(axis=1) & (listeners[fitted] > 0))
    return ContentMap(
        vectors.take(known),
        even_lengths(als.items[known], settings.target_debias),
        listeners[known],
        maps=maps,
        ridge=settings.ridge,
        shrinkage=_LEAST_TOLD,
        seed=settings.seed,
    )


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


def stack_vectors(above: ItemVectors, below: ItemVectors) -> ItemVectors:
    """Stand the rows of one fusion below each other."""
    from scipy.sparse import csr_array, vstack

    return ItemVectors(
        (*above.ids, *below.ids),
        above.weights,
        np.concatenate([above.present, below.present]),
        np.concatenate([above.dense, below.dense]),
        csr_array(vstack([above.sparse, below.sparse], format="csr"), dtype=np.float32),
        above.slices,
    )
