"""From what is known and heard of an item to where its listeners would place it.

Collaborative factors exist only for items that were played. A linear map from the fused vector to
the factors places the others, and stays explainable: the map's answer is a sum over the fields.
A known artist's new track is placed near that artist's others by the artist's own column.

Ridge regression was compared with a two-layer network trained by a contrastive loss: with hundreds
of items that have both listeners and content it is the better one, see ``docs/recommend.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from musicu.items.fused_vectors import ItemVectors

__all__ = ["ContentMap", "Examples", "even_lengths", "fit_content_map"]

Floats = NDArray[np.float32]
Floats64 = NDArray[np.float64]
# Vectors, factors and listeners of items that were played.
Examples = tuple[ItemVectors, Floats, NDArray[np.integer]]

_VIEWS = 6  # masked copies of each item
_MAPS = 16  # sets of fields that get a map of their own
_LATE = 10_000  # examples for maps that are learned when items are added
_TOLERANCE = 1e-4
_STEPS = 200
_TINY = np.finfo(np.float64).tiny


def fit_content_map(
    vectors: ItemVectors,
    factors: Floats,
    listeners: NDArray[Any],
    *,
    ridge: float = 5.0,
    shrinkage: float = 5.0,
    dropout: bool = True,
    seed: int = 0,
) -> Floats:
    """Fit a linear map from item vectors to collaborative factors.

    With `dropout`, each item takes part once as it is and in several copies that lack random
    fields, together as weighty as the first (modality dropout: Volkovs et al., "DropoutNet", NIPS
    2017; Ganhoer et al., "SiBraR", RecSys 2024), so that one map serves items of which only the
    audio, or only the metadata, is there. What few have played says little: an item counts ``n /
    (n + shrinkage)``.

    Parameters
    ----------
    vectors : ItemVectors
        n items that were played.
    factors : np.ndarray [shape=(n, k), float32]
        Their collaborative factors.
    listeners : np.ndarray [shape=(n,)]
        How many have played each.
    ridge : float > 0
        Ridge penalty: how many items of evidence a direction needs.
    shrinkage : float >= 0
        Listeners at which an item counts half.
    dropout : bool
        Whether copies lack fields.
    seed : int
        Of the fields that are left out.

    Returns
    -------
    np.ndarray [shape=(vectors.dim, k), float32]
        The map: ``vectors.scores(map.T)`` are the predicted factors.
    """
    rng = np.random.default_rng(seed)
    trust = (listeners / (listeners + shrinkage) if shrinkage else np.ones(len(vectors))).astype(
        np.float32
    )
    masked = [(vectors, trust[:, None] / (2 if dropout else 1))]
    for _ in range(_VIEWS if dropout else 0):
        kept = vectors.present & (rng.random(vectors.present.shape) < 0.5)
        masked.append((vectors.keep(kept), trust[:, None] / 2 / _VIEWS))
    # Columns that none of these items has stay 0, and of a million names few may be among them.
    used = np.unique(vectors.sparse.indices)
    views = [(_Columns(rows.dense, rows.sparse[:, used]), weight) for rows, weight in masked]

    # What has to do with the dense fields is multiplied out once. Products among the sparse ones
    # can be too many to be kept, and cost little to form at each step.
    among = sum(rows.dense.T @ (weight * rows.dense) for rows, weight in views)
    across = sum(rows.sparse.T @ (weight * rows.dense) for rows, weight in views)

    def gram(w: Floats64) -> Floats64:
        dense, sparse = np.split(w.astype(np.float32), [cut])
        rest = sum(rows.sparse.T @ (weight * (rows.sparse @ sparse)) for rows, weight in views)
        total: Floats64 = ridge * w
        total += np.concatenate([among @ dense + across.T @ sparse, across @ dense + rest])
        return total

    cut, width = vectors.dense.shape[1], factors.shape[1]
    right = np.zeros((cut + views[0][0].sparse.shape[1], width))
    for rows, weight in views:
        told = weight * factors
        right += np.concatenate([rows.dense.T @ told, rows.sparse.T @ told])
    solved = _solve(gram, right).astype(np.float32)
    whole = np.zeros((vectors.dim, width), dtype=np.float32)
    whole[:cut], whole[cut + used] = solved[:cut], solved[cut:]
    return whole


class _Columns(NamedTuple):
    dense: Floats
    sparse: Any


def even_lengths(factors: Floats, debias: float) -> Floats:
    """Bring the lengths of factors nearer to their mean; rows of zeros stay.

    Parameters
    ----------
    factors : np.ndarray [shape=(n, k), float32]
    debias : float in [0, 1]
        0 leaves the lengths, 1 makes all equal.
    """
    length = np.linalg.norm(factors, axis=1, keepdims=True)
    some = length > 0
    mean = length[some].mean() if some.any() else 1.0
    even: Floats = factors * (mean / np.where(some, length, mean)) ** np.float32(debias)
    return even.astype(np.float32)


class ContentMap:
    """Maps from content to factors: one for each set of fields that items have.

    A map of its own serves items without genres, say, better than one map for all with fields left
    out at random: the fields that are left take over what the missing one said (measured:
    docs/recommend.md). All learn from the same items, looked at as if they had no other fields.
    Sets beyond the most frequent sixteen share a map with random dropout.

    Parameters
    ----------
    vectors, factors, listeners
        The items that were played, as for :func:`fit_content_map`.
    maps : mapping of bytes to np.ndarray, optional
        Maps that are learned already, by :meth:`key`.
    **settings
        ``ridge``, ``shrinkage`` and ``seed`` of :func:`fit_content_map`.
    """

    def __init__(
        self,
        vectors: ItemVectors,
        factors: Floats,
        listeners: NDArray[np.integer],
        *,
        maps: Mapping[bytes, Floats] | None = None,
        **settings: Any,
    ) -> None:
        self._learn_from: Callable[[], Examples] = lambda: (vectors, factors, listeners)
        self._shape = vectors.dim, factors.shape[1]
        self._settings = settings
        self.maps: dict[bytes, Floats] = dict(maps or {})

    @classmethod
    def stored(
        cls,
        learn_from: Callable[[], Examples],
        shape: tuple[int, int],
        maps: Mapping[bytes, Floats],
        **settings: Any,
    ) -> Self:
        """Return maps that are learned already; more are learned if more sets of fields come.

        These are learned from the most played of many items: whoever adds an item waits for it.

        Parameters
        ----------
        learn_from : callable
            Returns vectors, factors and listeners, as for the class; asked then only.
        shape : (int, int)
            ``dim`` of the vectors and of the factors.
        maps : mapping of bytes to np.ndarray
        **settings
            As for the class.
        """
        made = cls.__new__(cls)
        made._learn_from, made._shape = cache(lambda: _some(*learn_from())), shape
        made._settings, made.maps = settings, dict(maps)
        return made

    @staticmethod
    def key(present: NDArray[np.bool_]) -> bytes:
        """Return the name of a set of fields [shape=(fields,), bool]."""
        return np.packbits(present).tobytes()

    def of(self, present: NDArray[np.bool_]) -> Floats:
        """Return the map [shape=(dim, k)] of items that have these fields and no other."""
        if not present.any():
            return np.zeros(self._shape, dtype=np.float32)
        key = self.key(present)
        if key not in self.maps and len(self.maps) >= _MAPS:
            key = b""
        if key not in self.maps:
            vectors, factors, listeners = self._learn_from()
            seen = vectors if key == b"" else vectors.keep(np.tile(present, (len(vectors), 1)))
            known = np.flatnonzero(seen.present.any(axis=1))
            self.maps[key] = fit_content_map(
                seen.take(known),
                factors[known],
                listeners[known].astype(np.float64),
                dropout=key == b"",
                **self._settings,
            )
        return self.maps[key]

    def predict(self, vectors: ItemVectors) -> Floats:
        """Return the factors [shape=(n, k)] that items' contents speak for."""
        sets, kind, count = np.unique(
            vectors.present, axis=0, return_inverse=True, return_counts=True
        )
        predicted = np.zeros((len(vectors), self._shape[1]), dtype=np.float32)
        for number in np.argsort(-count, kind="stable"):
            at = np.flatnonzero(kind.ravel() == number)
            predicted[at] = vectors.take(at).scores(self.of(sets[number]).T)
        return predicted


def _some(vectors: ItemVectors, factors: Floats, listeners: NDArray[np.integer]) -> Examples:
    """Return the examples that most have played, of equal ones the first."""
    most = np.sort(np.argsort(-listeners, kind="stable")[:_LATE])
    return vectors.take(most), factors[most], listeners[most]


def _solve(apply: Callable[[Floats64], Floats64], right: Floats64) -> Floats64:
    """Conjugate gradients for all columns side by side (Hestenes & Stiefel 1952)."""
    # Axes of factors that say next to nothing are below what 32 bits can hold.
    size = np.abs(right).max(axis=0, initial=0)
    size = np.where(size > 0, size, 1)
    solution = np.zeros_like(right)
    residual = right / size
    step = residual.copy()
    power = (residual**2).sum(axis=0)
    enough = _TOLERANCE**2 * power
    for _ in range(_STEPS):
        going = power > enough  # what is solved stays: only rounding would go on
        if not going.any():
            break
        image = apply(step)
        length = np.where(going, power, 0) / np.maximum((step * image).sum(axis=0), _TINY)
        solution += length * step
        residual -= length * image
        before, power = power, (residual**2).sum(axis=0)
        step = residual + power / np.maximum(before, _TINY) * step
    return size * solution
