"""Encoders: how a field of many items becomes rows of unit length whose dot product is likeness.

Fields of names (genres, artists, ...) become sparse rows, one column a name: nothing is hashed, so
that an explanation can be exact. Fields of numbers become dense rows, cosines and sines of a few
frequencies, whose dot product is a Gaussian of the numbers' difference.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.errors import ModelMismatchError
from musicu.items.item import Item, Items

__all__ = [
    "Axis",
    "CategoricalEncoder",
    "EmbeddingEncoder",
    "FieldEncoder",
    "NumericEncoder",
    "gaussian_features",
]

Floats = NDArray[np.float32]
_FEW = 10  # tracks whose mean is trusted by half
_NEGLIGIBLE = 1e-4  # frequencies of a smaller share are left out
_REACH = 3.0  # standard deviations beyond which a learned axis tells no further difference


class FieldEncoder(Protocol):
    """One field: learned from items, then the same for any items."""

    @property
    def sparse(self) -> bool:
        """Whether the rows are a SciPy sparse array."""

    @property
    def width(self) -> int:
        """How many columns the rows have."""

    def fit(self, items: Items) -> None:
        """Learn what the field needs: its names, or its scales."""

    def transform(self, items: Items) -> Any:
        """Return one row an item, of length 1; zero where the field is missing."""

    def state(self) -> dict[str, Any]:
        """Return what was learned, as JSON types and arrays."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""


class CategoricalEncoder:
    """A field that holds names with weights: a row has a column for every name seen in the fit.

    The dot product of two rows is a cosine. Where rarity counts, each name counts in it by its
    inverse document frequency, ``rarity + ln((1 + n) / (1 + items that have it))``: a name that
    most items have says little (K. Sparck Jones, "A statistical interpretation of term
    specificity", J. Documentation 28, 1972). A name that too few of the fit's items had has no
    column; an item with no other names is masked, as if the field were missing.

    Parameters
    ----------
    read : callable
        From an item to its names, with weights > 0.
    least : int
        In how many of the fit's items a name must be.
    rarity : float >= 0, optional
        What a name counts that all items have; rarer ones count more. Without it, all count 1.
    """

    sparse = True

    def __init__(
        self,
        read: Callable[[Item], Mapping[str, float]],
        *,
        least: int = 1,
        rarity: float | None = None,
    ) -> None:
        self._read = read
        self._least = least
        self._rarity = rarity
        self._column: dict[str, int] = {}
        self._scale = np.zeros(0, dtype=np.float32)

    @property
    def width(self) -> int:
        """How many names there are."""
        return len(self._column)

    def fit(self, items: Items) -> None:
        """Learn the names, and how rare each is."""
        count: dict[str, int] = {}
        for item in items:
            for name in self._read(item):
                count[name] = count.get(name, 0) + 1
        counts = {
            name: 1.0
            if self._rarity is None
            else self._rarity + math.log((1 + len(items)) / (1 + n))
            for name, n in sorted(count.items())
            if n >= self._least
        }
        said = {name: weight for name, weight in counts.items() if weight > 0}
        self._column = {name: at for at, name in enumerate(said)}
        # Both rows of a product carry the square root, so that a name counts by its rarity once.
        self._scale = np.sqrt(np.array(list(said.values()), dtype=np.float32))

    def transform(self, items: Items) -> Any:
        """Return a ``scipy.sparse.csr_array`` [shape=(n, width), float32]."""
        from scipy.sparse import csr_array

        columns, values, ends = array("i"), array("f"), array("q", [0])
        for item in items:
            for name, weight in self._read(item).items():
                if name in self._column:
                    columns.append(self._column[name])
                    values.append(weight)
            ends.append(len(columns))
        column, end = np.asarray(columns), np.asarray(ends)
        row = np.repeat(np.arange(len(items)), np.diff(end))
        data = np.asarray(values) * self._scale[column]
        data /= np.sqrt(np.bincount(row, data**2, minlength=len(items)))[row].astype(np.float32)
        return csr_array((data, column, end), shape=(len(items), self.width))

    def state(self) -> dict[str, Any]:
        """Return the names and the square roots of their weights."""
        return {"names": list(self._column), "scale": self._scale}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""
        self._column = {name: at for at, name in enumerate(state["names"])}
        self._scale = np.asarray(state["scale"], dtype=np.float32)


class EmbeddingEncoder:
    """The audio embedding, seen from the mean of the items that were fitted.

    What all music of a collection shares says nothing about two of its tracks; without it, their
    likeness is spread over the whole range, and fewer tracks are near everything (Suzuki et al.,
    "Centering similarity measures to reduce hubs", EMNLP 2013). The dimension is learned, and
    others are refused.
    """

    sparse = False

    def __init__(self) -> None:
        self._mean: Floats = np.zeros(0, dtype=np.float32)

    @property
    def width(self) -> int:
        """The embedding's dimension."""
        return len(self._mean)

    def fit(self, items: Items) -> None:
        """Learn the dimension and the mean."""
        heard = items.audio[items.heard]
        # Of a handful of tracks the mean is no common ground but the tracks themselves.
        share = len(heard) / (len(heard) + _FEW)
        mean = heard.mean(axis=0) if len(heard) else np.zeros(items.audio.shape[1])
        self._mean = np.asarray(share * mean, dtype=np.float32)

    def transform(self, items: Items) -> Floats:
        """Return the embeddings [shape=(n, width)].

        Raises
        ------
        ModelMismatchError
            The items were heard with a model of another dimension.
        """
        dim = items.audio.shape[1]
        if self.width and dim not in (0, self.width):
            raise ModelMismatchError(
                f"embeddings of {dim} dimensions cannot be compared with those of {self.width} "
                "that were fitted: use the same model"
            )
        if dim != self.width:
            return np.zeros((len(items), self.width), dtype=np.float32)
        rows = (items.audio - self._mean) * items.heard[:, None]
        return np.asarray(unit_rows(rows), dtype=np.float32)

    def state(self) -> dict[str, Any]:
        """Return the mean."""
        return {"mean": self._mean}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""
        self._mean = np.asarray(state["mean"], dtype=np.float32)


def gaussian_features(x: NDArray[np.float64], period: float, width: float) -> Floats:
    """Return rows of unit length whose dot product is ``exp(-(distance / width) ** 2)``.

    The distance is that on a circle, either way around. The Gaussian's Fourier series is cut where
    a frequency's share falls below 1e-4 of the first one's; after A. Rahimi and B. Recht, "Random
    features for large-scale kernel machines", NeurIPS 2007, with all frequencies of the circle in
    place of random ones.

    Parameters
    ----------
    x : np.ndarray [shape=(n,)]
        Numbers; NaN gives a row of zeros.
    period : float
        What goes once around the circle.
    width : float
        Distance at which the product is 1/e.

    Returns
    -------
    np.ndarray [shape=(n, 2 * frequencies - 1), float32]
    """
    reach = math.sqrt(-math.log(_NEGLIGIBLE)) * period / (math.pi * width)
    k = np.arange(math.floor(reach) + 1)
    share = np.exp(-((math.pi * k * width / period) ** 2)) * np.where(k > 0, 2.0, 1.0)
    angle = 2 * np.pi / period * x[:, None] * k
    rows = np.concatenate([np.cos(angle), np.sin(angle[:, 1:])], axis=1)
    rows *= np.sqrt(np.concatenate([share, share[1:]]) / share.sum())
    return np.asarray(np.nan_to_num(rows, nan=0.0), dtype=np.float32)


@dataclass(frozen=True)
class Axis:
    """One number of a field, and how far apart two of them are still alike.

    Parameters
    ----------
    width : float
        Difference at which the likeness is 1/e; in standard deviations where `span` is None.
    period : float
        What goes once around, for numbers on a circle; else 0.
    span : (float, float) or None
        For numbers on a line: where they are cut off. None learns their mean and standard
        deviation.
    weight : float
        Share among the field's axes.
    """

    width: float
    period: float = 0.0
    span: tuple[float, float] | None = None
    weight: float = 1.0

    def features(self, x: NDArray[np.float64], center: float, scale: float) -> Floats:
        """Return rows of unit length; zeros for NaN."""
        if self.period:
            return gaussian_features(x, self.period, self.width)
        low, high = self.span or (-_REACH, _REACH)
        x = np.clip((x - center) / scale, low, high)
        # The ends of the line are kept apart on the circle, by a gap that is far in widths.
        return gaussian_features(x, high - low + 3 * self.width, self.width)


class NumericEncoder:
    """A field of one or more numbers; the likeness is the mean of Gaussians over the axes.

    Axes that an item lacks are masked within the field, as fields are within the item.

    Parameters
    ----------
    read : callable
        From an item to one number an axis, NaN where it is missing.
    axes : sequence of Axis
    """

    sparse = False

    def __init__(self, read: Callable[[Item], Sequence[float]], axes: Sequence[Axis]) -> None:
        self._read = read
        self._axes = tuple(axes)
        self._center = np.zeros(len(axes))
        self._scale = np.ones(len(axes))
        self.width = self._rows(np.zeros((1, len(axes)))).shape[1]

    def _values(self, items: Items) -> NDArray[np.float64]:
        rows = [self._read(item) for item in items]
        return np.array(rows, dtype=np.float64).reshape(len(items), len(self._axes))

    def fit(self, items: Items) -> None:
        """Learn the mean and the standard deviation of the axes that have no span of their own."""
        values = self._values(items)
        for at, axis in enumerate(self._axes):
            known = values[~np.isnan(values[:, at]), at]
            if axis.span is None and not axis.period and len(known):
                self._center[at] = known.mean()
                self._scale[at] = known.std() or 1.0

    def transform(self, items: Items) -> Floats:
        """Return the features [shape=(n, width)]."""
        return self._rows(self._values(items))

    def _rows(self, values: NDArray[np.float64]) -> Floats:
        weights = np.array([axis.weight for axis in self._axes])
        there = ~np.isnan(values) * weights
        total = there.sum(axis=1, keepdims=True)
        share = np.sqrt(there / np.where(total > 0, total, 1)).astype(np.float32)
        parts = (
            share[:, [at]] * axis.features(values[:, at], self._center[at], self._scale[at])
            for at, axis in enumerate(self._axes)
        )
        return np.concatenate(list(parts), axis=1)

    def state(self) -> dict[str, Any]:
        """Return centers and scales."""
        return {"center": self._center, "scale": self._scale}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""
        self._center = np.asarray(state["center"], dtype=np.float64)
        self._scale = np.asarray(state["scale"], dtype=np.float64)
