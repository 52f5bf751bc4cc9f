"""Collaborative factors: a short vector for each user and each item, from who listened to what.

Implicit-feedback matrix factorization by alternating least squares (Hu, Koren and Volinsky,
"Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008), with the loss and the
frequency-scaled regularization of Rendle, Krichene, Zhang and Koren, "Revisiting the Performance
of iALS on Item Recommendation Benchmarks" (RecSys 2022). It minimizes, over users u and items i,

    sum over heard pairs of w_ui (1 - x_u.y_i)^2  +  floor * sum over all pairs of (x_u.y_i)^2
    + r * sum over u of (n_u + floor * items) |x_u|^2  +  the same for the items.

Each step solves its vectors exactly. The factors are kept on their principal axes, where the sum
over all pairs is a diagonal matrix: a history shorter than `dim` then costs a system of its own
length only, which is what makes this fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from musicu.errors import RecommenderError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Factors", "ItemSums", "factorize"]

Floats = NDArray[np.float32]

# Numbers gathered at a time: what a core's cache holds.
_BATCH = 1 << 20


@dataclass(frozen=True, eq=False)
class ItemSums:
    """What is summed over the vectors of all items.

    Attributes
    ----------
    power : np.ndarray [shape=(dim,), float64]
        Sum of squares on each axis.
    count : int
        Vectors that are not zeros.
    """

    power: NDArray[np.float64]
    count: int

    @classmethod
    def of(cls, vectors: Floats) -> Self:
        """Sum over vectors [shape=(n, dim)]."""
        power = np.einsum("ik,ik->k", vectors, vectors, dtype=np.float64)
        return cls(power, int(np.count_nonzero(vectors.any(axis=1))))


class Factors:
    """Vectors of users and items whose dot product says how likely a user listens to an item.

    Make them with :func:`factorize`; the four arguments rebuild them after storage.

    Parameters
    ----------
    users : np.ndarray [shape=(n_users, dim), float32]
    items : np.ndarray [shape=(n_items, dim), float32]
        On principal axes: ``items.T @ items`` is diagonal, the strongest axis first. Items nobody
        listened to are rows of zeros.
    floor : float > 0
        Weight of each pair, heard or not; an average heard pair weighs 1 more.
    regularization : float > 0
    sums : ItemSums, optional
        Of the items' vectors, where they are known: a million rows need not be read then.

    Attributes
    ----------
    users, items, floor, regularization
        As given.
    sums : ItemSums
    dim : int
    """

    def __init__(
        self,
        users: Floats,
        items: Floats,
        *,
        floor: float,
        regularization: float,
        sums: ItemSums | None = None,
    ) -> None:
        self.users = users
        self.items = items
        self.floor = floor
        self.regularization = regularization
        self.dim = items.shape[1]
        self.sums = sums or ItemSums.of(items)
        self._side = _Side(items, self.sums, floor=floor, regularization=regularization)

    def __repr__(self) -> str:
        return f"Factors({len(self.users):,} users, {len(self.items):,} items, dim={self.dim})"

    def with_users(self, users: Floats) -> Factors:
        """Return the same factors of items with those of other users [shape=(m, dim)]."""
        other = copy(self)
        other.users = users
        return other

    def influence(self, items: NDArray[np.intp], weights: NDArray[np.floating]) -> Floats:
        """Return what each item of one history adds to the vector of who has it (Hu et al. 2008).

        Parameters
        ----------
        items : np.ndarray [shape=(h,), int]
            Each once.
        weights : np.ndarray [shape=(h,)] > 0

        Returns
        -------
        np.ndarray [shape=(h, dim), float32]
            Their sum is what :meth:`fold_in` returns for this history.
        """
        if not len(items):
            return np.zeros((0, self.dim), dtype=np.float32)
        return self._side.shares(items, np.asarray(weights, dtype=np.float64))

    def fold_in(self, rows: csr_array) -> Floats:
        """Return the vectors of users from their histories alone: new users, or changed ones.

        For a row of the matrix that was factorized this is the user's vector in `users`.

        Parameters
        ----------
        rows : scipy.sparse.csr_array [shape=(m, n_items)]
            Weights > 0 of the items each listened to, as in the matrix that was factorized.

        Returns
        -------
        np.ndarray [shape=(m, dim), float32]
            A row of zeros where there is no history.

        Raises
        ------
        RecommenderError
            The rows have another number of items, or a weight is not a number > 0.
        """
        if rows.shape[1] != len(self.items):
            raise RecommenderError(
                f"histories over {rows.shape[1]:,} items do not fit factors of "
                f"{len(self.items):,} items: build them with the same list of items"
            )
        return self._side.solve(_level(rows))


def factorize(
    matrix: csr_array,
    *,
    dim: int = 64,
    regularization: float = 0.01,
    unheard: float = 20.0,
    iterations: int = 12,
    seed: int = 0,
) -> Factors:
    """Learn vectors of users and items from a matrix of listening.

    Each user's weights are divided by their mean, so that a heavy listener counts no more than a
    light one. Nothing depends on who a user is or where a row stands: a user who is removed leaves
    no trace in the items once they are factorized again.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array [shape=(n_users, n_items)]
        Weights > 0, such as :meth:`musicu.recommend.interactions.Interactions.matrix` returns.
    dim : int > 0
        Length of a vector.
    regularization : float > 0
        How strongly vectors are drawn to zero; see the module.
    unheard : float > 0
        What all pairs, heard or not, weigh together relative to the heard ones. The settings that
        Rendle et al. publish for films and songs correspond to 14 to 28.
    iterations : int > 0
        Rounds of one step for the users and one for the items.
    seed : int
        Where the items' vectors start. The same seed gives the same factors.

    Returns
    -------
    Factors

    Raises
    ------
    RecommenderError
        The matrix is empty, or a weight is not a number > 0.
    """
    from threadpoolctl import threadpool_limits

    by_user = _level(matrix)
    if not by_user.nnz:
        raise RecommenderError("nobody listened to anything: factors need at least one interaction")
    by_item = by_user.T.tocsr()
    heard = np.diff(by_item.indptr) > 0
    listeners = int(np.count_nonzero(np.diff(by_user.indptr)))
    floor = unheard * by_user.nnz / (listeners * int(heard.sum()))
    start = np.random.default_rng(seed).standard_normal((len(heard), dim), dtype=np.float32)
    items = start * heard[:, None] * np.float32(0.1 / np.sqrt(dim))
    settings = {"floor": floor, "regularization": regularization}
    # These products are small: on a busy machine BLAS's threads wait for each other at ten times
    # the cost of the work.
    with threadpool_limits(limits=1, user_api="blas"):
        for _ in range(iterations):
            users = _Side.of(_on_axes(items), **settings).solve(by_user)
            items = _Side.of(_on_axes(users), **settings).solve(by_item)
        items = _on_axes(items)
        return Factors(_Side.of(items, **settings).solve(by_user), items, **settings)


class _Side:
    """One side's vectors, on their principal axes, for which the other side's are solved."""

    def __init__(
        self, vectors: Floats, sums: ItemSums, *, floor: float, regularization: float
    ) -> None:
        self._vectors = vectors
        self._all_pairs = floor * sums.power
        self._floor_count = floor * sums.count
        self._regularization = regularization

    @classmethod
    def of(cls, vectors: Floats, *, floor: float, regularization: float) -> Self:
        sums = ItemSums.of(vectors)
        return cls(vectors, sums, floor=floor, regularization=regularization)

    def shares(self, columns: NDArray[np.intp], weights: NDArray[np.float64]) -> Floats:
        """Return the terms whose sum is the vector of one row."""
        y = self._vectors[columns].astype(np.float64)
        pulled = y * (weights / weights.mean())[:, None]
        pull = self._regularization * (len(columns) + self._floor_count)
        system = pulled.T @ y + np.diag(self._all_pairs + pull)
        return np.linalg.solve(system, pulled.T).T.astype(np.float32)

    def solve(self, rows: csr_array) -> Floats:
        """Return the vectors that fit the rows best, zeros for empty rows."""
        solved = np.zeros((rows.shape[0], self._vectors.shape[1]), dtype=np.float32)
        for chosen, columns, weights in _batches(rows, dim=solved.shape[1]):
            count = np.count_nonzero(weights, axis=1)
            pull = self._regularization * (count + self._floor_count)
            scale = (1 / np.sqrt(self._all_pairs + pull[:, None])).astype(np.float32)
            root = np.sqrt(weights)[:, :, None]
            # With E = sqrt(w) y scale, the vector is scale (I + E'E)^-1 E' sqrt(w), and that is
            # scale E' (I + EE')^-1 sqrt(w): the smaller of the two systems is solved.
            e = self._vectors[columns]
            e *= root
            e *= scale[:, None, :]
            et = e.swapaxes(1, 2)
            if e.shape[1] < e.shape[2]:
                found = et @ np.linalg.solve(_plus_identity(e @ et), root)
            else:
                found = np.linalg.solve(_plus_identity(et @ e), et @ root)
            solved[chosen] = scale * found[:, :, 0]
        return solved


def _plus_identity(matrices: Floats) -> Floats:
    diagonal = np.arange(matrices.shape[1])
    matrices[:, diagonal, diagonal] += 1
    return matrices


def _on_axes(vectors: Floats) -> Floats:
    """Turn vectors to their principal axes, the strongest first; dot products do not change."""
    _, axes = np.linalg.eigh((vectors.T @ vectors).astype(np.float64))
    return vectors @ axes[:, ::-1].astype(np.float32)


def _batches(rows: csr_array, *, dim: int) -> Iterator[tuple[Any, Any, Floats]]:
    """Yield rows of similar length together: numbers of rows, columns, weights (0 is padding)."""
    counts = np.diff(rows.indptr)
    order = np.argsort(counts, kind="stable")
    lengths = counts[order]
    first = int(np.searchsorted(lengths, 1))
    while first < len(order):
        # Rows up to a fifth longer share a batch: more padding costs more than more batches.
        last = int(np.searchsorted(lengths, 1.2 * lengths[first] + 1, side="right"))
        width = int(lengths[last - 1])
        last = min(last, first + max(1, _BATCH // (width * max(width, dim))))
        chosen = order[first:last]
        width = int(lengths[last - 1])
        there = np.arange(width) < lengths[first:last, None]
        at = np.where(there, rows.indptr[chosen][:, None] + np.arange(width), 0)
        yield chosen, rows.indices[at], np.where(there, rows.data[at], np.float32(0))
        first = last


def _level(rows: csr_array) -> csr_array:
    """Divide each row by the mean of its weights."""
    from scipy.sparse import csr_array

    rows = csr_array(rows, dtype=np.float32, copy=True)
    rows.sum_duplicates()
    if not (np.isfinite(rows.data) & (rows.data > 0)).all():
        raise RecommenderError("weights of listening must be numbers above 0: leave out the others")
    counts = np.diff(rows.indptr)
    means = rows.sum(axis=1, dtype=np.float64) / np.maximum(counts, 1)
    rows.data /= np.repeat(means, counts)
    return rows
