"""Statistics that compare a batch with the rest, for the batch in question and all draws at once.

Each is small while the two are alike, whatever it measures; what is small, the draws tell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicu.monitoring.permutations import Permutations
from musicu.monitoring.tracks import KINDS, NUMBERS, Tracks

__all__ = ["FEWEST", "Statistic", "batch_statistics", "number_statistic"]

Array = NDArray[np.float32]
Array64 = NDArray[np.float64]

FEWEST = 20  # tracks, on either side, that a fact must be known of

# Share of the whole variance below which a direction of the embeddings counts as no weaker. Genres
# move the strong directions, codecs the weak ones, where music hardly varies.
_RIDGES = {"embedding mean": 1e-2, "embedding details": 1e-4}
# Squared distances between these are of two encodings of one recording: nearly, but not quite, the
# same. On unit vectors, cosines from 0.995 to 0.999998.
_COPY, _SAME = 1e-2, 4e-6
_QUANTILES = np.linspace(0.02, 0.98, 25)
_NAMED = 24  # kinds that are told apart: the most frequent ones
# What concerns a smaller share of the tracks is no drift, however rare.
_LEAST = 0.05


@dataclass(frozen=True, eq=False)
class Statistic:
    """One statistic.

    Attributes
    ----------
    name : str
        What is compared.
    values : np.ndarray [shape=(1 + draws,), float64]
        The statistic of the batch in question, then of each draw; the larger, the less alike.
    words : str
        How the two sides differ, for people.
    """

    name: str
    values: Array64
    words: str


def batch_statistics(tracks: Tracks, draws: Permutations) -> Iterator[Statistic]:
    """Compare batch and rest by all that is known of the tracks.

    Parameters
    ----------
    tracks : Tracks
        Both sides together.
    draws : Permutations
        Who is on which side.

    Yields
    ------
    Statistic
        A statistic; none of what is known of too few tracks.
    """
    yield from _embeddings(tracks.vectors, draws)
    for name, unit in NUMBERS.items():
        values = tracks.numbers(name)
        if _enough(np.isfinite(values), draws):
            yield number_statistic(name, unit, values, draws)
    for name in KINDS:
        kinds = tracks.kinds(name)
        if _enough(np.array([bool(some) for some in kinds]), draws):
            yield _kind(name, kinds, draws)


def _enough(known: NDArray[np.bool_], draws: Permutations) -> bool:
    return bool(min(draws.batch[0] @ known, draws.rest[0] @ known) >= FEWEST)


def _embeddings(vectors: Array, draws: Permutations) -> Iterator[Statistic]:
    """Compare vectors by their means, by their energy distance, and as copies of each other.

    The basis is that of both sides together, blind to who is on which: so the draws stay a fair
    comparison also where there are few tracks for many dimensions.
    """
    x = vectors - vectors.mean(axis=0)
    variance, axes = np.linalg.eigh(x.T @ x / len(x))
    variance = np.maximum(variance, 0)
    total = max(float(variance.sum()), 1e-12)
    z = x @ axes
    # +1 / n in the batch, -1 / n in the rest: every statistic is a form of these weights.
    side = draws.batch / draws.batch.sum(axis=1, keepdims=True)
    side -= draws.rest / draws.rest.sum(axis=1, keepdims=True)
    moved = side @ z
    length = float(np.linalg.norm(moved[0]))
    for name, ridge in _RIDGES.items():
        # Hotelling's (1931) statistic with a ridge (Chen, Paul, Prentice and Wang, 2011).
        weights = 1 / (variance + ridge * total)
        yield Statistic(
            name, _floats((moved**2) @ weights), f"the mean moved by {length / total**0.5:.2f} SD"
        )
    # Energy distance (Szekely and Rizzo, 2013). Its middle is taken out, for the precision.
    size = (x**2).sum(axis=1)
    square = np.maximum(size[:, None] + size - 2 * x @ x.T, 0)
    apart = np.sqrt(square)
    apart -= apart.mean()
    energy = -_floats(np.einsum("mn,mn->m", side @ apart, side))
    yield Statistic("embedding energy", energy, f"energy distance {max(energy[0], 0):.4f}")
    scale = max(float((vectors**2).sum(axis=1).mean()), 1e-12)
    near = (square < _COPY * scale) & (square > _SAME * scale)
    if near.any():
        yield _copies(near, draws)


def _copies(near: NDArray[np.bool_], draws: Permutations) -> Statistic:
    """Count tracks of the batch of which the rest has another encoding."""
    at = np.flatnonzero(near.any(axis=0))
    found = draws.rest[:, at] @ near[np.ix_(at, at)].astype(np.float32) > 0
    share = (found * draws.batch[:, at]).sum(axis=1) / draws.batch.sum(axis=1)
    return Statistic(
        "copies",
        np.where(share < _LEAST, 0.0, _floats(share)),
        f"{100 * share[0]:.0f} % are, in another encoding, in the catalog already",
    )


def number_statistic(
    name: str, unit: str, values: Array64, draws: Permutations, *, other: str = "the catalog's"
) -> Statistic:
    """Compare a number's distributions (Anderson and Darling, 1952, on a grid of quantiles).

    Parameters
    ----------
    name, unit : str
        What it is called, and what it is counted in.
    values : np.ndarray [shape=(n,), float64]
        NaN where it is not known.
    draws : Permutations
        Who is on which side.
    other : str
        What words call that of the other side.
    """
    known = np.isfinite(values)
    grid = np.unique(np.quantile(values[known], _QUANTILES))
    below = ((values[:, None] <= grid) & known[:, None]).astype(np.float32)
    weights = known.astype(np.float32)
    shares = []
    for side in _sides(draws):
        shares.append((side @ below) / np.maximum(side @ weights, 1)[:, None])
    level = below[known].mean(axis=0)
    scale = level * (1 - level) + 1e-3
    here, there = (float(np.median(values[known & (side[0] > 0)])) for side in _sides(draws))
    return Statistic(
        name,
        _floats((((shares[0] - shares[1]) ** 2) / scale).mean(axis=1)),
        " ".join(f"median {here:.4g} {unit}".split()) + f", {other} {there:.4g}",
    )


def _kind(name: str, kinds: list[tuple[str, ...]], draws: Permutations) -> Statistic:
    """Compare shares of kinds by the likelihood ratio (the G test; Woolf, 1957)."""
    count = Counter(kind for some in kinds for kind in some)
    # By number, then by name: the order of the tracks must not matter.
    named = sorted(count, key=lambda kind: (-count[kind], kind))[:_NAMED]
    column = {kind: at for at, kind in enumerate(named)}
    table = np.zeros((len(kinds), len(named) + 1), dtype=np.float32)  # the last is all others
    for row, some in zip(table, kinds, strict=True):
        for kind in some:
            row[column.get(kind, -1)] += 1 / len(some)
    sizes, shares = [], []
    for side in _sides(draws):
        found = (side @ table).astype(np.float64)
        sizes.append(found.sum(axis=1, keepdims=True))
        shares.append(found / np.maximum(sizes[-1], 1))
    both = (sizes[0] * shares[0] + sizes[1] * shares[1]) / np.maximum(sizes[0] + sizes[1], 1)
    values = np.zeros(len(both))
    for size, share in zip(sizes, shares, strict=True):
        ratio = np.where(share > 0, share, 1) / np.where(share > 0, both, 1)
        values += 2 * (size * share * np.log(ratio)).sum(axis=1)
    change = shares[0] - shares[1]
    values[np.abs(change).sum(axis=1) / 2 < _LEAST] = 0
    most = int(np.argmax(change[0]))
    text = named[most] if most < len(named) else "others"
    here, there = (100 * float(share[0, most]) for share in shares)
    return Statistic(name, values, f"{text} {here:.0f} %, the catalog's {there:.0f} %")


def _sides(draws: Permutations) -> tuple[Array, Array]:
    return draws.batch, draws.rest


def _floats(values: NDArray[np.floating]) -> Array64:
    return np.asarray(values, dtype=np.float64)
