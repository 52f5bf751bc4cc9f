"""A small ranker: how much each stage's evidence counts is learned from what was listened to.

A linear model of a handful of features, trained on pairs: what somebody listened to should come
before what they did not (Rendle et al., BPR, UAI 2009). It is small enough to be read, and its
scores are sums of one part a feature.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import MusicuError

__all__ = ["Ranker", "sample_negatives"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Positions = NDArray[np.intp]

# Popularity to this power draws negatives (word2vec, Mikolov et al., NeurIPS 2013).
_POPULARITY_POWER = 0.75


@dataclass(frozen=True)
class Ranker:
    """A sum of weighted, standardized features.

    Make one with :meth:`fit`; the fields rebuild it after storage.

    Parameters
    ----------
    names : tuple of str
        The features, in their columns' order.
    weights : np.ndarray [shape=(F,), float64]
        What a feature gives for each standard deviation above its mean.
    mean, std : np.ndarray [shape=(F,), float64]
        Of each feature among the candidates it was trained on.
    """

    names: tuple[str, ...]
    weights: Floats
    mean: Floats
    std: Floats

    @classmethod
    def fit(
        cls,
        names: Sequence[str],
        features: ArrayLike,
        chosen: ArrayLike,
        lists: ArrayLike,
        *,
        positive: Collection[str] = (),
        penalty: float = 1.0,
    ) -> Self:
        """Learn the weights.

        Minimizes the mean, over the lists, of the mean logistic loss of all pairs of a chosen and
        another candidate of the same list, plus ``penalty / (2 * lists) * |weights|^2``. It is
        convex: one solution, found by L-BFGS-B.

        Parameters
        ----------
        names : sequence of str
            The features.
        features : array-like [shape=(c, F)]
            A row a candidate. NaN is "not known": it neither gives nor takes.
        chosen : array-like [shape=(c,), bool]
            Whether it was listened to.
        lists : array-like [shape=(c,)]
            Which listener's list (or which session) it belongs to. Lists in which all or none were
            chosen teach nothing.
        positive : collection of str
            Features that may only speak for a candidate: their weights are 0 or more.
        penalty : float > 0
            Strength of the pull to zero.

        Raises
        ------
        MusicuError
            Shapes or names do not fit, a value is infinite, or no list holds a pair.
        """
        x, hit, group = np.asarray(features, float), np.asarray(chosen), np.asarray(lists)
        columns = tuple(names)
        if x.ndim != 2 or x.shape[1] != len(columns) or len(set(columns)) != len(columns):
            raise MusicuError(
                f"features of shape {x.shape} do not fit {len(columns)} names: one column each"
            )
        if hit.shape != (len(x),) or group.shape != (len(x),):
            raise MusicuError(f"{len(x):,} candidates need as many values of chosen and of lists")
        if np.isinf(x).any():
            raise MusicuError(
                f"feature {columns[int(np.isinf(x).any(axis=0).argmax())]!r} is infinite"
            )
        unknown = sorted(set(positive) - set(columns))
        if unknown:
            raise MusicuError(f"no feature {unknown[0]!r} to keep positive: {', '.join(columns)}")
        if penalty <= 0:
            raise MusicuError(f"a penalty of {penalty:g}: it must be above 0")
        from scipy.optimize import minimize

        mean, std = _moments(x)
        z = _standardize(x, mean, std)
        better, worse, share = _pairs(hit.astype(np.bool_), group)
        # Differences of a pair are formed once; a pair's share makes all lists count the same.
        difference = z[better] - z[worse]
        ridge = penalty / len(np.unique(group[better]))

        def loss(w: Floats) -> tuple[float, Floats]:
            margin = difference @ w
            slope = -share * np.exp(-np.logaddexp(0, margin))
            value = share @ np.logaddexp(0, -margin) + ridge / 2 * (w @ w)
            return float(value), slope @ difference + ridge * w

        bounds = [(0.0 if name in positive else None, None) for name in columns]
        found = minimize(loss, np.zeros(len(columns)), jac=True, bounds=bounds, method="L-BFGS-B")
        return cls(columns, np.asarray(found.x, dtype=np.float64), mean, std)

    def score(self, features: ArrayLike) -> Floats:
        """Return the scores [c] of candidates with features [c, F]; larger is better."""
        return np.asarray(self.contributions(features).sum(axis=1), dtype=np.float64)

    def contributions(self, features: ArrayLike) -> Floats:
        """Say what each feature gives.

        Parameters
        ----------
        features : array-like [shape=(c, F)]
            A row a candidate; NaN is "not known".

        Returns
        -------
        np.ndarray [shape=(c, F), float64]
            ``weight * (feature - mean) / std``, 0 where not known. Rows sum to the scores: an
            average candidate has 0.

        Raises
        ------
        MusicuError
            There is not one column a feature.
        """
        x = np.asarray(features, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != len(self.names):
            raise MusicuError(
                f"features of shape {x.shape} do not fit this ranker: {', '.join(self.names)}"
            )
        return np.asarray(self.weights * _standardize(x, self.mean, self.std), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return {
            "names": list(self.names),
            "weights": self.weights.tolist(),
            "mean": self.mean.tolist(),
            "std": self.std.tolist(),
        }

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any]) -> Self:
        """Rebuild it from what :meth:`to_dict` returned.

        Raises
        ------
        MusicuError
            Something is missing or does not fit.
        """
        try:
            names = tuple(str(name) for name in saved["names"])
            columns = [np.array(saved[k], dtype=np.float64) for k in ("weights", "mean", "std")]
        except (KeyError, TypeError, ValueError):
            raise MusicuError("this is no saved ranker: train it again") from None
        if any(c.shape != (len(names),) or not np.isfinite(c).all() for c in columns):
            raise MusicuError("this saved ranker is damaged: train it again")
        return cls(names, *columns)


def sample_negatives(
    n: int,
    candidates: ArrayLike,
    popularity: ArrayLike,
    *,
    exclude: Iterable[int] = (),
    hard: float = 0.5,
    seed: int = 0,
) -> Positions:
    """Choose items that somebody did not listen to, to set against those that they did.

    Two kinds. Hard ones, drawn from what the earlier stages proposed: told from the chosen ones
    only by what this ranker adds. And, from the whole catalog, popular ones, with probability
    proportional to ``popularity ** 0.75``: the chosen are mostly popular, and against evenly drawn
    ones popularity would be all that is learned.

    Parameters
    ----------
    n : int >= 0
        How many; fewer where there are not as many.
    candidates : array-like of int
        Positions that the earlier stages proposed.
    popularity : array-like [shape=(items,)] >= 0
        Of every item; 0 is never drawn as a popular one.
    exclude : iterable of int
        Positions that must not be drawn: what was listened to.
    hard : float in [0, 1]
        Share of hard ones.
    seed : int
        Of the draw.

    Returns
    -------
    np.ndarray [int]
        Positions in ascending order, each once.

    Raises
    ------
    MusicuError
        `hard` is not a share, or a popularity is negative or no number.
    """
    weight = np.asarray(popularity, dtype=np.float64)
    if not 0 <= hard <= 1:
        raise MusicuError(f"hard is {hard:g}: it goes from 0 to 1")
    if not np.all(np.isfinite(weight) & (weight >= 0)):
        raise MusicuError("popularity must be numbers from 0, one an item")
    rng = np.random.default_rng(seed)
    heard = np.unique(np.fromiter(exclude, dtype=np.intp))
    proposed = np.setdiff1d(np.asarray(candidates, dtype=np.intp), heard)
    difficult = rng.choice(proposed, min(round(hard * n), len(proposed)), replace=False)
    weight = weight**_POPULARITY_POWER
    weight[heard] = weight[difficult] = 0.0
    count = min(n - len(difficult), int(np.count_nonzero(weight)))
    popular = np.empty(0, dtype=np.intp)
    if count:
        popular = rng.choice(len(weight), count, replace=False, p=weight / weight.sum())
    return np.sort(np.concatenate([difficult, popular])).astype(np.intp)


def _moments(x: Floats) -> tuple[Floats, Floats]:
    known = ~np.isnan(x)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, x, 0.0).sum(axis=0) / count
    std = np.sqrt((np.where(known, x - mean, 0.0) ** 2).sum(axis=0) / count)
    return mean, std


def _standardize(x: Floats, mean: Floats, std: Floats) -> Floats:
    # A feature that never varied says nothing.
    return np.where(np.isnan(x) | (std == 0), 0.0, (x - mean) / np.where(std > 0, std, 1.0))


def _pairs(chosen: Bools, lists: NDArray[Any]) -> tuple[Positions, Positions, Floats]:
    """All pairs (chosen, not chosen) within lists, and each one's share in the loss."""
    better, worse, share = [], [], []
    order = np.argsort(lists, kind="stable")
    _, starts = np.unique(lists[order], return_index=True)
    for rows in np.split(order, starts[1:]):
        yes, no = rows[chosen[rows]], rows[~chosen[rows]]
        if len(yes) and len(no):
            better.append(np.repeat(yes, len(no)))
            worse.append(np.tile(no, len(yes)))
            share.append(np.full(len(yes) * len(no), 1 / (len(yes) * len(no))))
    if not better:
        raise MusicuError("nothing to learn from: no list holds both chosen and other candidates")
    return np.concatenate(better), np.concatenate(worse), np.concatenate(share) / len(share)
