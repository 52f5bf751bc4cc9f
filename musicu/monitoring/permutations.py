"""Batches drawn as the one in question might have been: the null distribution of every statistic.

Tracks of one artist are alike, so a batch of whole albums strays further from the catalog than as
many tracks drawn one by one. What may be exchanged, if nothing has drifted, is the artist: batch
and reference are put together, and artists are drawn from all of them, as many and with as many
tracks each as the batch has (a permutation test of clusters; Good, Permutation, Parametric and
Bootstrap Tests of Hypotheses, 2005).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Permutations", "permute_batches"]

Array = NDArray[np.float32]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Permutations:
    """Batches and what each is compared with; the first is the one in question.

    Attributes
    ----------
    batch, rest : np.ndarray [shape=(1 + draws, n), float32]
        1 for the tracks on either side. A track may be on none.
    """

    batch: Array
    rest: Array


def permute_batches(
    group: Ints, inside: Bools, *, known: bool, draws: int, seed: int | np.random.Generator
) -> Permutations:
    """Draw batches of whole groups, shaped like a given one.

    A draw takes, for each group of the batch, a random group that is large enough, and as many
    of its tracks.

    Parameters
    ----------
    group : np.ndarray [shape=(n,), intp]
        Group of each track, counted from 0. See :func:`musicu.monitoring.sampling.align_batch`.
    inside : np.ndarray [shape=(n,), bool]
        Whether it is of the batch.
    known : bool
        Whether the batch's groups are among the reference's. Then the other tracks of a group
        that is drawn stay on the other side. Else they are left out, as a new artist has none in
        the catalog.
    draws : int >= 1
        How many.
    seed : int or np.random.Generator
        Of the drawing.

    Returns
    -------
    Permutations
        With the batch in question as the first row.
    """
    rng = np.random.default_rng(seed)
    sizes = np.bincount(group)
    own = np.bincount(group[inside])
    wanted = own[own > 0]
    take = np.zeros((draws + 1, len(sizes)), dtype=np.int32)
    _fill(take[1:], sizes, wanted, rng)
    # Tracks of a group in a random order, of which each draw takes a run from a random start.
    order = np.lexsort((rng.random(len(group)), group))
    place = np.empty(len(group), dtype=np.int32)
    place[order] = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    start = (rng.random(take.shape) * sizes).astype(np.int32)
    taken = (place + start[:, group]) % sizes[group].astype(np.int32) < take[:, group]
    rest = ~taken if known else take[:, group] == 0
    taken[0], rest[0] = inside, ~inside
    return Permutations(taken.astype(np.float32), rest.astype(np.float32))


def _fill(take: NDArray[np.int32], sizes: Ints, wanted: Ints, rng: np.random.Generator) -> None:
    """Draw a group for each wanted number of tracks; the largest numbers choose first."""
    key = rng.random(take.shape, dtype=np.float32)
    for size in np.unique(wanted)[::-1]:
        able = np.flatnonzero(sizes >= size)
        count = int((wanted == size).sum())
        free = np.where(take[:, able] > 0, np.float32(2), key[:, able])
        at = able[np.argpartition(free, count - 1, axis=1)[:, :count]]
        np.put_along_axis(take, at, np.int32(size), axis=1)
