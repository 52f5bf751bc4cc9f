"""Item factors: where items stand among the listeners, played or not.

The factor of an item is what its content predicts (a linear map W from the fused vector to the
collaborative factors, one for each set of fields that items have) plus, for what was played, how
its listeners differ from that:

    item_factor(i) = fused(i) W + trust(i) (learned(i) - fused(i) W)

with trust(i) = listeners(i) / (listeners(i) + shrinkage). All that is measured over the catalog
(its mean, standard deviations, usual lengths) is measured over the items that were fitted: an item
that is added changes nothing for the others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.items.fused_vectors import ItemVectors
from musicu.row_pieces import RowPieces

__all__ = ["ItemFactors"]

Floats = NDArray[np.float32]
FloatPieces = RowPieces[np.float32]
Positions = NDArray[np.intp]

# What is measured over the catalog is measured over this many items, drawn once.
_SAMPLE = 2000
_BLOCK = 1024


@dataclass(frozen=True, eq=False, kw_only=True)
class ItemFactors:
    """The factors of n items, and what likeness to them is measured by.

    Attributes
    ----------
    factors : RowPieces [shape=(n, k), float32]
        The factor of each item, its length debiased.
    content : RowPieces [shape=(n, k), float32]
        What the content of each predicts, its length as predicted.
    scale : RowPieces [shape=(n,), float32]
        What the length of each was multiplied by.
    inv_std : RowPieces [shape=(n,), float32]
        One over each item's standard deviation of likeness to the catalog.
    mean : np.ndarray [shape=(dim,), float32]
        The catalog's mean fused vector.
    sample : np.ndarray [shape=(s,), intp]
        Positions of the items that stand for the catalog.
    sampled : ItemVectors
        Their fused vectors.
    usual_length : float
        Mean length of the factors of what was fitted.
    length_debias : float in [0, 1]
        As given.
    """

    factors: FloatPieces
    content: FloatPieces
    scale: FloatPieces
    inv_std: FloatPieces
    mean: Floats
    sample: Positions
    sampled: ItemVectors
    usual_length: float
    length_debias: float

    @classmethod
    def combine(
        cls,
        content: Floats,
        learned: Floats,
        vectors: ItemVectors,
        listeners: NDArray[Any],
        *,
        shrinkage: float,
        length_debias: float,
        seed: int,
    ) -> Self:
        """Combine what content predicts and what listening taught.

        Parameters
        ----------
        content : np.ndarray [shape=(n, k), float32]
            The factors that the contents predict.
        learned : np.ndarray [shape=(f, k), float32]
            Collaborative factors of the first f items, those that were fitted.
        vectors : ItemVectors
            Fused vectors of the n items.
        listeners : np.ndarray [shape=(n,)]
            How many played each.
        shrinkage : float >= 0
            Listeners at which an item's own factor counts half.
        length_debias : float in [0, 1]
            0 leaves the lengths, 1 makes all equal.
        seed : int
            Of the sample.
        """
        fitted = len(learned)
        described = np.asarray(vectors.present.any(axis=1))
        factors = content.copy()
        # Where nothing is known of an item, its listeners are all there is.
        trust = listeners / np.maximum(listeners + shrinkage, 1)
        trust = np.where(described, trust, listeners > 0)[:fitted, None]
        factors[:fitted] += trust * (learned - factors[:fitted])
        length = np.linalg.norm(factors[:fitted], axis=1)
        usual = float(length[length > 0].mean()) if length.any() else 1.0
        pool = np.flatnonzero(described[:fitted])
        pool = pool if len(pool) else np.arange(fitted)
        sample = np.sort(np.random.default_rng(seed).permutation(pool)[:_SAMPLE])
        sampled = vectors.take(sample)
        scale, factors, inv_std = _measure(vectors, factors, sampled, usual, length_debias)
        return cls(
            factors=RowPieces([factors]),
            content=RowPieces([content]),
            scale=RowPieces([scale]),
            inv_std=RowPieces([inv_std]),
            # What is near everything is near nobody in particular: likeness is measured from the
            # catalog's mean, in the item's own standard deviations.
            mean=sampled.query(np.full(len(sample), 1 / len(sample))),
            sample=sample,
            sampled=sampled,
            usual_length=usual,
            length_debias=length_debias,
        )

    def extended(self, content: Floats, vectors: ItemVectors) -> Self:
        """Return these and those of more items, which nobody played.

        Parameters
        ----------
        content : np.ndarray [shape=(m, k), float32]
        vectors : ItemVectors
            Fused vectors of the m items.
        """
        scale, factors, inv_std = _measure(
            vectors, content, self.sampled, self.usual_length, self.length_debias
        )
        return replace(
            self,
            factors=self.factors.extended(factors),
            content=self.content.extended(content),
            scale=self.scale.extended(scale),
            inv_std=self.inv_std.extended(inv_std),
        )

    def moments(self) -> tuple[Floats, Floats]:
        """Return mean [shape=(k,)] and covariance [shape=(k, k)] of the factors in the catalog."""
        factors: Floats = self.factors[self.sample]
        mean: Floats = factors.mean(axis=0)
        covariance = (factors - mean).T @ (factors - mean) / np.float32(len(factors))
        return mean, np.asarray(covariance, dtype=np.float32)


def _measure(
    vectors: ItemVectors,
    factors: Floats,
    sampled: ItemVectors,
    usual_length: float,
    length_debias: float,
) -> tuple[Floats, Floats, Floats]:
    """Bring the lengths of factors together, and measure the items' likeness to the sample."""
    length = np.linalg.norm(factors, axis=1)
    usual = np.float32(usual_length)
    debiased = (usual / np.where(length > 0, length, usual)) ** length_debias
    scale: Floats = debiased.astype(np.float32)
    std = np.zeros(len(vectors), dtype=np.float32)
    for start in range(0, len(std), _BLOCK):
        at = np.arange(start, min(start + _BLOCK, len(std)))
        std[at] = vectors.take(at).similarity(sampled).std(axis=1)
    # What is like nothing in the sample may be like one in as many: no deviation is less.
    least = 1 / np.sqrt(len(sampled))
    inv_std: Floats = (1 / np.maximum(std, least)).astype(np.float32)
    return scale, scale[:, None] * factors, inv_std
