"""Hubness correction: items that are near everything are no longer near everybody.

In many dimensions a few items come to lie among the nearest neighbors of very many others
(Radovanovic, Nanopoulos and Ivanovic, JMLR 2010): the same names in every list. The cure compares
a similarity with what is usual for the query and with what is usual for the item, so that "near"
has to hold from both sides. What is usual for each item is learned once; a query costs one pass
over its scores.

Measured with ``standardized``, before and after: on the audio of 900 clips (musicu-2-free) the skew
of the k-occurrence at k = 10 falls from 1.14 to .75, MAP of artists rises from .254 to .268 and of
genres from .446 to .454; on tags, NDCG@100 of 1,834 Last.fm listeners' lists from .201 to .275.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import MusicuError

__all__ = ["HUB_METHODS", "HubCorrection"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

HUB_METHODS = ("standardized", "mutual", "csls", "nicdm")

# Rows of similarities at a time, and rows that are enough to know what is usual (see `fit`).
_BLOCK = 512
_ENOUGH = 5000
# A spread, or a distance to the neighbors, below which there is nothing to divide by.
_NOTHING = 1e-9


@dataclass(frozen=True)
class HubCorrection:
    """What is usual for each item, and the correction of a query's scores by it.

    Make one with :meth:`fit`; the fields rebuild it after storage.

    Parameters
    ----------
    method : {"standardized", "mutual", "csls", "nicdm"}
        With s the similarity of query x and item y; mu and sigma mean and standard deviation of
        the similarities of x, or of y, to all items; r the mean of its k largest ones:

        - ``standardized``: ``((s - mu_x) / sigma_x + (s - mu_y) / sigma_y) / 2``, the two z-scores
          of Gaussian mutual proximity, averaged instead of turned into probabilities. It is linear
          in s, so an explanation of s explains it as well; the default, because it made
          hubs fewer and lists better on audio, on tags and on tastes alike.
        - ``mutual``: ``log(Phi(z_x) Phi(z_y))`` of the same two z-scores: mutual proximity with
          independent normal distributions (Schnitzer et al., JMLR 2012).
        - ``csls``: ``2 s - r_x - r_y`` (Conneau et al., ICLR 2018).
        - ``nicdm``: ``-d / sqrt(d_x d_y)`` with distances ``d = 1 - s`` and ``1 - r`` (Jegou et
          al., CVPR 2007; Schnitzer et al. 2012).
    k : int >= 1
        Neighbors that make r.
    mean, std, near : np.ndarray [shape=(n,), float64]
        mu, sigma and r of each item.
    """

    method: str
    k: int
    mean: Floats
    std: Floats
    near: Floats

    def __post_init__(self) -> None:
        if self.method not in HUB_METHODS:
            raise MusicuError(
                f"no hubness correction {self.method!r}; there are {', '.join(HUB_METHODS)}"
            )

    @classmethod
    def fit(
        cls,
        items: ArrayLike | Callable[[Positions], ArrayLike],
        *,
        method: str = "standardized",
        k: int = 10,
        n: int | None = None,
        seed: int = 0,
    ) -> Self:
        """Learn what is usual for each item.

        Up to 5,000 items, from all pairs. Beyond, from the similarities to 5,000 items drawn by
        chance: means and spreads are then known to about 1 %, and the k neighbors are those among
        the drawn ones. The cost grows with n, not with its square.

        Parameters
        ----------
        items : array-like [shape=(n, dim)] or callable
            Vectors that are compared by their dot product, or a function that takes positions [b]
            and returns those items' similarities to all items [b, n].
        method, k
            As for the class.
        n : int or None
            Number of items, where `items` is a function.
        seed : int
            Of the draw.

        Raises
        ------
        MusicuError
            There are fewer than two items, k is below 1, or a function came without `n`.
        """
        if callable(items):
            if n is None:
                raise MusicuError("a function of similarities needs n, the number of items")
            rows, total = items, n
        else:
            vectors = np.asarray(items)
            rows, total = (lambda drawn: vectors[drawn] @ vectors.T), len(vectors)
        if total < 2 or k < 1:
            raise MusicuError(
                f"hubness of {total} items at k = {k}: there must be 2 items and k at least 1"
            )
        drawn = np.arange(total)
        if total > _ENOUGH:
            drawn = np.sort(np.random.default_rng(seed).choice(total, _ENOUGH, replace=False))
        count = np.full(total, float(len(drawn)))
        count[drawn] -= 1  # an item is no neighbor of its own
        sums, squares = np.zeros(total), np.zeros(total)
        kept = min(k, int(count.min()))
        nearest = np.full((kept, total), -np.inf)
        for start in range(0, len(drawn), _BLOCK):
            block = drawn[start : start + _BLOCK]
            # Similarity is symmetric: a block of rows adds some neighbors to every column.
            similarity = np.array(rows(block), dtype=np.float64)
            own = np.arange(len(block)), block
            similarity[own] = 0.0
            sums += similarity.sum(axis=0)
            squares += np.einsum("ij,ij->j", similarity, similarity)
            similarity[own] = -np.inf
            both = np.concatenate([nearest, similarity])
            nearest = np.partition(both, len(both) - kept, axis=0)[-kept:]
        mean = sums / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        return cls(method, k, mean, std, nearest.mean(axis=0))

    def apply(self, scores: ArrayLike, *, item: int | None = None) -> Floats:
        """Correct a query's scores.

        Parameters
        ----------
        scores : array-like [shape=(n,)]
            Similarities of one query to all items, on the scale of the items' own: a query vector
            of unit length where the items' are.
        item : int or None
            The query's position where it is one of the items. Then what is usual for it is
            already known, and the result is symmetric; else it is taken from `scores`.

        Returns
        -------
        np.ndarray [shape=(n,), float64]
            Larger is nearer. Comparable within a query and, but for ``csls``, between queries.

        Raises
        ------
        MusicuError
            There is not one score an item.
        """
        s = self._checked(scores)
        if self.method == "mutual":
            from scipy.special import log_ndtr

            mean, std, _ = self._usual(s, item)
            known = log_ndtr(_z(s, mean, std)) + log_ndtr(_z(s, self.mean, self.std))
            return np.asarray(known, dtype=np.float64)
        gain, shift = self.gain_and_shift(s, item=item)
        return gain * s + shift

    def gain_and_shift(
        self, scores: ArrayLike, *, item: int | None = None
    ) -> tuple[Floats, Floats]:
        """Return the correction of a query as one factor and one summand for each item.

        The parts that a score is the sum of, times the factor, and the summand as one part more
        ("how near this item is to everything") make up the corrected score.

        Parameters
        ----------
        scores, item
            As for :meth:`apply`.

        Returns
        -------
        gain, shift : np.ndarray [shape=(n,), float64]
            ``gain * scores + shift`` is what :meth:`apply` returns.

        Raises
        ------
        MusicuError
            There is not one score an item, or the method is ``mutual``, which is not linear.
        """
        s = self._checked(scores)
        mean, std, near = self._usual(s, item)
        if self.method == "standardized":
            own, theirs = _inverse(std), _inverse(self.std)
            return (own + theirs) / 2, -(mean * own + self.mean * theirs) / 2
        if self.method == "csls":
            return np.full(len(s), 2.0), -(near + self.near)
        if self.method == "nicdm":
            gain = 1 / np.sqrt(np.maximum(1 - near, _NOTHING) * np.maximum(1 - self.near, _NOTHING))
            return gain, -gain
        raise MusicuError(f"the hubness correction {self.method!r} has no factors: use another")

    def _checked(self, scores: ArrayLike) -> Floats:
        s = np.asarray(scores, dtype=np.float64)
        if s.shape != self.mean.shape:
            raise MusicuError(
                f"scores of shape {s.shape} do not fit the {len(self.mean):,} items that the"
                " hubness correction knows: one score an item"
            )
        return s

    def _usual(self, s: Floats, item: int | None) -> tuple[float, float, float]:
        if item is not None:
            return float(self.mean[item]), float(self.std[item]), float(self.near[item])
        nearest = np.partition(s, max(len(s) - self.k, 0))[-self.k :]
        return float(s.mean()), float(s.std()), float(nearest.mean())


def _inverse(std: float | Floats) -> Floats:
    spread = np.asarray(std, dtype=np.float64)
    return np.where(spread > _NOTHING, 1 / np.maximum(spread, _NOTHING), 0.0)


def _z(s: Floats, mean: float | Floats, std: float | Floats) -> Floats:
    return np.asarray((s - mean) * _inverse(std), dtype=np.float64)
