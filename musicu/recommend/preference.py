"""Who likes what, having heard it: learned from what was said, apart from who came across what.

Two parts of a linear model on fused vectors. What all say of an item is predicted from its content
by ridge regression; each item counts once, however often it was shown, less where few spoke, so
that what is shown to everybody does not decide (what inverse propensities of exposure do: Schnabel
et al., "Recommendations as Treatments", ICML 2016). What one listener says beyond that is a kernel
ridge regression on the listener's own likes and dislikes, in closed form:

    preference(u, i) = fused(i) . w  +  sum over j of a_j fused(i) . fused(j),
    a = (K + penalty I)^-1 (said - predicted)

Both are sums over fields, and over what was said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicu.items.fused_vectors import ItemVectors
from musicu.items.item import Items
from musicu.recommend.content_map import fit_content_map
from musicu.recommend.feedback import Feedback

__all__ = ["Preference", "learn_preference"]

Floats = NDArray[np.float32]
Floats64 = NDArray[np.float64]
Positions = NDArray[np.intp]

_RIDGE = 5.0
_SHRINKAGE = 3.0  # voices at which an item counts half
_PENALTY = 1.0


@dataclass(frozen=True, eq=False)
class Preference:
    """What listeners say of what they hear, as it follows from content.

    Attributes
    ----------
    weights : np.ndarray [shape=(dim,), float32]
        Of the fused vector: what all say.
    mean : float
        Of all that was said.
    """

    weights: Floats
    mean: float

    def personal(self, rows: ItemVectors, said: NDArray[np.floating]) -> Floats64:
        """Return how much each thing that one listener spoke of weighs for others like it.

        Parameters
        ----------
        rows : ItemVectors
            Fused vectors of the m items.
        said : np.ndarray [shape=(m,)]
            From -1 to 1.

        Returns
        -------
        np.ndarray [shape=(m,), float64]
            Below 0 where less was said than is usual.
        """
        rest = np.asarray(said, dtype=np.float64) - self.mean - rows.scores(self.weights)
        kernel = rows.similarity(rows).astype(np.float64)
        found: Floats64 = np.linalg.solve(kernel + _PENALTY * np.eye(len(rest)), rest)
        return found


def learn_preference(
    feedback: Feedback | None, items: Items, vectors: ItemVectors
) -> Preference | None:
    """Learn what all say of items.

    Parameters
    ----------
    feedback : Feedback or None
    items : Items
        What is said of others is passed over.
    vectors : ItemVectors
        Fused vectors of the items.

    Returns
    -------
    Preference or None
        None where nobody said anything of an item that is described.
    """
    if feedback is None or not len(feedback):
        return None
    place = np.array(
        [items.position(id) if id in items else -1 for id in feedback.items], dtype=np.intp
    )
    at = place[feedback.item]
    described = vectors.present.any(axis=1)
    told = (at >= 0) & described[np.maximum(at, 0)]
    if not told.any():
        return None
    count = np.bincount(at[told], minlength=len(described))
    total = np.bincount(at[told], weights=feedback.value[told], minlength=len(described))
    spoken = np.flatnonzero(count)
    usual = total[spoken] / count[spoken]
    # Each item counts once here, too.
    trust = count[spoken] / (count[spoken] + _SHRINKAGE)
    mean = float((usual * trust).sum() / trust.sum())
    weights = fit_content_map(
        vectors.take(spoken),
        (usual - mean).astype(np.float32)[:, None],
        count[spoken],
        ridge=_RIDGE,
        shrinkage=_SHRINKAGE,
        dropout=False,
    )
    return Preference(weights[:, 0], mean)
