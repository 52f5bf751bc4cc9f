"""Interactions: who listened to what, how much, and when; read from CSV or Parquet.

An error names a row, never a user; with a salt a user's name is gone once the file is read.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import MetadataError, RecommenderError
from musicu.recommend.feedback import Feedback
from musicu.recommend.log_files import known_only, read_log

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Interactions", "hash_user", "read_interactions"]

Floats = NDArray[np.float32]


class Interactions:
    """Who listened to what, how much, and when.

    Read them with :func:`read_interactions`, or build them from arrays of one entry an interaction.

    Parameters
    ----------
    users, items : iterable of str
        Identifiers, each once. Some may have no interaction.
    user, item : array_like of int [shape=(m,)]
        Positions in `users` and `items`.
    weight : array_like of float > 0 [shape=(m,)], optional
        How much: plays, minutes, a rating. 1 where nothing is said.
    time : array_like of float [shape=(m,)], optional
        When: seconds since 1970, UTC.
    feedback : Feedback, optional
        What was said of items, also of such as were not played.

    Attributes
    ----------
    users, items : tuple of str
    user, item, weight, time : np.ndarray [shape=(m,)]
        int32, int32, float32, and float64 or None; all sorted by user, within a user newest first,
        then by item.
    feedback : Feedback or None

    Raises
    ------
    MetadataError
        An identifier comes twice, the arrays do not fit each other, a weight is not above 0, or a
        time is not finite.
    """

    def __init__(
        self,
        users: Iterable[str],
        items: Iterable[str],
        user: ArrayLike,
        item: ArrayLike,
        weight: ArrayLike | None = None,
        time: ArrayLike | None = None,
        *,
        feedback: Feedback | None = None,
    ) -> None:
        self.users, self.items, self.feedback = tuple(users), tuple(items), feedback
        self._row_of_user = {id: i for i, id in enumerate(self.users)}
        if len(self._row_of_user) < len(self.users) or len(set(self.items)) < len(self.items):
            raise MetadataError("users and items of a log must each come once: keep one of each")
        at_user = np.asarray(user, dtype=np.int32)
        at_item = np.asarray(item, dtype=np.int32)
        weights: Floats = np.asarray(
            np.ones(at_user.shape) if weight is None else weight, dtype=np.float32
        )
        times = None if time is None else np.asarray(time, dtype=np.float64)
        shapes = {a.shape for a in (at_user, at_item, weights, times) if a is not None}
        if len(shapes) > 1 or at_user.ndim != 1:
            raise MetadataError(
                f"arrays of shapes {sorted(shapes)} are no log: one entry an interaction"
            )
        for positions, ids in ((at_user, self.users), (at_item, self.items)):
            if len(positions) and not 0 <= positions.min() <= positions.max() < len(ids):
                raise MetadataError(f"positions in a log must lie from 0 to {len(ids) - 1}")
        if not (np.isfinite(weights) & (weights > 0)).all():
            raise MetadataError("weights of a log must be numbers above 0: leave out the others")
        if times is not None and not np.isfinite(times).all():
            raise MetadataError("times of a log must be finite numbers: seconds since 1970")
        order = _order(at_user, at_item, times)
        self.user = at_user[order]
        self.item = at_item[order]
        self.weight = weights[order]
        self.time = None if times is None else times[order]

    def __len__(self) -> int:
        return len(self.user)

    def __repr__(self) -> str:
        return (
            f"Interactions({len(self):,} of {len(self.users):,} users with {len(self.items):,} "
            f"items, {'without' if self.time is None else 'with'} times)"
        )

    def matrix(self, transform: Literal["log1p", "binary", "raw"] = "log1p") -> csr_array:
        """Return users by items, the weights of a pair added up.

        Parameters
        ----------
        transform : {"log1p", "binary", "raw"}
            The sum's ``log(1 + sum)``; 1 for every pair; or the sum itself.

        Returns
        -------
        scipy.sparse.csr_array [shape=(n_users, n_items), float32]

        Raises
        ------
        MetadataError
            There is no such transform.
        """
        from scipy.sparse import coo_array

        if transform not in ("log1p", "binary", "raw"):
            raise MetadataError(f"no transform {transform!r}: use 'log1p', 'binary' or 'raw'")
        shape = len(self.users), len(self.items)
        at = self.user, self.item
        summed = coo_array((self.weight.astype(np.float64), at), shape=shape).tocsr()
        if transform == "log1p":
            summed.data = np.log1p(summed.data)
        elif transform == "binary":
            summed.data[:] = 1
        return summed.astype(np.float32)

    def of_user(self, user: str) -> tuple[tuple[str, ...], Floats, NDArray[np.float64] | None]:
        """Return one user's items, weights and times, newest first.

        Raises
        ------
        RecommenderError
            There is no such user.
        """
        first, last = np.searchsorted(self.user, [self._position(user), self._position(user) + 1])
        rows = slice(first, last)
        ids = tuple(self.items[i] for i in self.item[rows])
        times = None if self.time is None else self.time[rows]
        return ids, self.weight[rows], times

    def where(self, rows: ArrayLike) -> Self:
        """Return some of the interactions; `users` and `items` stay, and so do positions.

        What was said of an item goes where all its plays by that user go.

        Parameters
        ----------
        rows : array_like of bool [shape=(m,)], or of int
        """
        chosen = np.asarray(rows)
        time = None if self.time is None else self.time[chosen]
        at = self.user[chosen], self.item[chosen], self.weight[chosen]
        kept = type(self)(self.users, self.items, *at, time)
        if self.feedback is not None:
            before, after = ({*zip(x.user, x.item, strict=True)} for x in (self, kept))
            gone = {(self.users[u], self.items[i]) for u, i in before - after}
            kept.feedback = self.feedback.without_pairs(gone)
        return kept

    def before(self, time: float) -> Self:
        """Return what happened before a moment; `users` and `items` stay.

        Raises
        ------
        MetadataError
            The log has no times.
        """
        if self.time is None:
            raise MetadataError("this log has no times: read one with a column 'time'")
        kept = self.where(self.time < time)
        kept.feedback = self.feedback and self.feedback.before(time)
        return kept

    def of_items(self, items: Iterable[str]) -> Self:
        """Return the interactions with some items, which are `items` then, in this order."""
        ids = tuple(items)
        position = {id: i for i, id in enumerate(ids)}
        moved = np.array([position.get(id, -1) for id in self.items], dtype=np.int32)
        kept = self.where(moved[self.item] >= 0) if len(self) else self
        at, said = moved[kept.item], self.feedback and self.feedback.of_items(position)
        return type(self)(
            self.users, ids, kept.user, at, kept.weight, kept.time, feedback=said or None
        )

    def without_user(self, user: str) -> Self:
        """Return the log as if a user had never been in it.

        Items that nobody else listened to are gone with them.

        Raises
        ------
        RecommenderError
            There is no such user; the text does not repeat who was asked for.
        """
        position = self._position(user)
        kept = self.where(self.user != position)
        lost = np.setdiff1d(self.item, kept.item)
        items = np.delete(np.arange(len(self.items)), lost)
        return type(self)(
            self.users[:position] + self.users[position + 1 :],
            [self.items[i] for i in items],
            kept.user - (kept.user > position),
            np.searchsorted(items, kept.item),
            kept.weight,
            kept.time,
            feedback=self.feedback and self.feedback.without_user(user),
        )

    def _position(self, user: str) -> int:
        if user not in self._row_of_user:
            raise RecommenderError(
                f"no such user among the {len(self.users):,} of this log: if it was read with a "
                "salt, ask for hash_user(user, salt)"
            )
        return self._row_of_user[user]


def hash_user(user: str, salt: str) -> str:
    """Return the name a user goes by where a salt is used: keyed SHA-256 (RFC 2104), 32 digits.

    Without the salt nobody can tell who it is, nor try names out; keep it apart from the data.

    Raises
    ------
    MetadataError
        The salt is empty.
    """
    if not salt:
        raise MetadataError("an empty salt hides nobody: give a long random one")
    return hmac.new(salt.encode(), user.encode(), hashlib.sha256).hexdigest()[:32]


def read_interactions(
    path: str | os.PathLike[str],
    *,
    known: Collection[str] | None = None,
    unknown: Literal["error", "keep", "drop"] = "error",
    duplicates: Literal["error", "sum"] = "error",
    salt: str | None = None,
) -> Interactions:
    """Read who listened to what.

    The file is any of :meth:`musicu.metadata.tables.Table.open`: CSV, JSON lines, Parquet. It has
    columns
    ``user`` and ``item``, and may have ``weight`` and ``time``, under these or other usual names
    (``userId``, ``track_id``, ``plays``, ``timestamp``, ...); where several columns could be
    meant, these four names win. Columns ``liked``, ``disliked``, ``skipped``, ``completed`` and
    ``exposed``, of 1 and 0 or true and false, and ``rating`` declare what was said of an item
    (:data:`musicu.recommend.feedback.SIGNALS`): a weight may be 0 then, shown and not played, and
    what was disliked or skipped counts as no play. Other columns are ignored. Identifiers are text
    or whole numbers.
    Times are seconds or milliseconds since 1970, or ISO 8601, in UTC where no zone is written. The
    order of the file's rows makes no difference.

    Parameters
    ----------
    path : str or os.PathLike
    known : collection of str, optional
        The items there are.
    unknown : {"error", "keep", "drop"}
        What to do with the interactions with other items.
    duplicates : {"error", "sum"}
        What to do with rows of one user, one item and one time (or no time): their weights can be
        added up.
    salt : str, optional
        Users are kept under their :func:`hash_user` only.

    Returns
    -------
    Interactions
        `users` and `items` are sorted.

    Raises
    ------
    MetadataError
        The file cannot be read or understood, or holds something that cannot be used: see
        :func:`musicu.recommend.log_files.read_log`; or an item is unknown, or a row comes twice.
    MissingExtraError
        Parquet without pyarrow.
    """
    name = os.fspath(path)
    log = read_log(name)
    if known is not None and unknown != "keep":
        log = known_only(log, name, known=set(known), drop=unknown == "drop")
    people = log.users if salt is None else [hash_user(user, salt) for user in log.users]
    users, user = _sorted(people, log.user)
    items, item = _sorted(log.items, log.item)
    # Rows of one user, item and time are neighbors in this order, as they come in the file.
    order = _order(user, item, log.time)
    user, item, row = user[order], item[order], log.row[order]
    time = None if log.time is None else log.time[order]
    again = (np.diff(user, prepend=-1) == 0) & (np.diff(item, prepend=-1) == 0)
    if time is not None:
        again &= np.diff(time, prepend=-1) == 0
    if again.any() and duplicates == "error":
        later = np.flatnonzero(again)[np.argmin(row[again])]
        more = np.count_nonzero(again) - 1
        raise MetadataError(
            f"{name}: rows {row[later - 1]} and {row[later]} are the same user and item"
            f"{'' if time is None else ' at the same time'}"
            f"{f' ({more:,} more rows come again)' if more else ''}: keep one, or add up their "
            "weights with duplicates='sum'"
        )
    first = np.flatnonzero(~again)
    weight = np.add.reduceat(log.weight[order], first)
    feedback = None
    liked = np.ones(len(first), dtype=np.bool_)
    if log.value is not None:
        value = log.value[order]
        said = np.isfinite(value)
        moments = None if time is None else time[said]
        feedback = Feedback(users, items, user[said], item[said], value[said], moments)
        # What was disliked in any of the rows was no play of something liked.
        liked = np.minimum.reduceat(np.where(said, value, 0), first) >= 0
    time = None if time is None else time[first]
    log_of_all = user[first], item[first], weight, time
    kept = liked & (weight > 0)
    log_of_plays = [x if x is None else x[kept] for x in log_of_all]
    played, log_of_plays[1] = np.unique(item[first][kept], return_inverse=True)
    return Interactions(users, [items[i] for i in played], *log_of_plays, feedback=feedback)


def _sorted(ids: list[str], codes: NDArray[np.int32]) -> tuple[list[str], NDArray[Any]]:
    """Sort identifiers and leave out those without a row."""
    used = np.unique(codes)
    order = sorted(used.tolist(), key=ids.__getitem__)
    rank = np.zeros(len(ids), dtype=np.int32)
    rank[order] = np.arange(len(order))
    return [ids[i] for i in order], rank[codes]


def _order(user: NDArray[Any], item: NDArray[Any], time: NDArray[Any] | None) -> NDArray[np.intp]:
    """Order by user, newest first, then by item."""
    return np.lexsort((item, user) if time is None else (item, -time, user))
