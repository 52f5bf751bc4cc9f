"""The log of decisions: what was shown, how likely that was, what came of it.

An error names a row, never a user.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import MetadataError, MusicuError
from musicu.metadata.tables import Table
from musicu.metadata.values import number, one_text

__all__ = ["DecisionLog", "read_decisions"]

Floats = NDArray[np.float64]

_REWARD = "write 0 where nothing came of it"
_LOGGED = "the chance with which the logging policy showed what it showed, above 0, at most 1"
_TARGET = "the chance with which the policy would show what was shown, from 0 to 1"
_MODEL = "what a model of the reward expects"


class DecisionLog:
    """Decisions of a logging policy, a row each, and what other policies think of them.

    Parameters
    ----------
    reward : array-like of float [shape=(n,)]
        What came of each: 1 for a play, 0 for none; any finite numbers.
    propensity : array-like of float in (0, 1] [shape=(n,)]
        The chance with which the logging policy showed what it showed.
    policies : mapping of str to array-like of float in [0, 1] [shape=(n,)]
        The chance with which each policy would have shown that, in the same situation.
    user : sequence, optional
        Whose decision it is, taken as text: rows of a user are no independent evidence. None takes
        each row for itself.
    predicted : array-like of float [shape=(n,)], optional
        What a model expects of what was shown. Fit it on other users' rows.
    expected : mapping of str to array-like of float [shape=(n,)], optional
        What that model expects of each policy: the mean over all that could be shown, weighted by
        the policy's chances.
    path : str
        What errors call the log.
    row : sequence of int [shape=(n,)], optional
        What errors call its rows; 1, 2, ... if None.

    Attributes
    ----------
    reward, propensity, policies, predicted, expected, path
        As given.
    user : np.ndarray [shape=(n,), intp]
        A number for each user.

    Raises
    ------
    MusicuError
        There are no rows or no policies, columns differ in length, or a value is out of its range.
    """

    def __init__(
        self,
        reward: ArrayLike,
        propensity: ArrayLike,
        policies: Mapping[str, ArrayLike],
        *,
        user: Sequence[Any] | NDArray[Any] | None = None,
        predicted: ArrayLike | None = None,
        expected: Mapping[str, ArrayLike] | None = None,
        path: str = "the log",
        row: Sequence[int] | None = None,
    ) -> None:
        self.path = path
        self.reward = np.asarray(reward, dtype=np.float64)
        n = self.reward.size
        self._row = np.arange(1, n + 1) if row is None else np.asarray(row)
        if not n:
            raise MusicuError(f"{path}: there are no rows")
        if not policies:
            raise MusicuError(f"{path}: no policy is named that is to be evaluated")
        self.propensity = self._column("propensity", propensity)
        self.policies = {name: self._column(name, column) for name, column in policies.items()}
        self._check("reward", self.reward, np.isfinite(self.reward), _REWARD)
        chance = self.propensity
        self._check("propensity", chance, (chance > 0) & (chance <= 1), _LOGGED)
        for name, chance in self.policies.items():
            self._check(f"policy {name!r}", chance, (chance >= 0) & (chance <= 1), _TARGET)
            if not chance.any():
                raise MusicuError(
                    f"{path}: policy {name!r} would show nothing of what was shown: nothing can "
                    "be told of it from this log"
                )
        self.predicted = None if predicted is None else self._column("predicted", predicted)
        self.expected = {name: self._column(name, c) for name, c in (expected or {}).items()}
        if (self.predicted is None) != (not self.expected):
            raise MusicuError(
                f"{path}: a model of the reward says what it expects of what was shown (predicted) "
                "and of each policy (expected): give both"
            )
        if self.expected and (missing := sorted(set(self.policies) - set(self.expected))):
            raise MusicuError(f"{path}: what the model expects of {missing[0]!r} is not given")
        if self.predicted is not None:
            for name, column in {"predicted": self.predicted, **self.expected}.items():
                self._check(f"expected reward {name!r}", column, np.isfinite(column), _MODEL)
        named = np.arange(n) if user is None else np.asarray(user).astype(str)
        if named.shape != (n,):
            raise MusicuError(f"{path}: {named.size:,} users for {n:,} rows")
        self.user: NDArray[np.intp] = np.unique(named, return_inverse=True)[1].astype(np.intp)

    def __len__(self) -> int:
        return len(self.reward)

    def __repr__(self) -> str:
        users = len(np.unique(self.user))
        return f"DecisionLog({len(self):,} of {users:,} users; {', '.join(self.policies)})"

    def weights(self, policy: str) -> Floats:
        """Return the importance weights [n] of a policy: its chances over those of the log."""
        return np.asarray(self.policies[policy] / self.propensity)

    def _column(self, name: str, values: ArrayLike) -> Floats:
        found = np.asarray(values, dtype=np.float64)
        if found.shape != self.reward.shape or found.ndim != 1:
            raise MusicuError(
                f"{self.path}: {found.size:,} values of {name!r} for {self.reward.size:,} rows"
            )
        return found

    def _check(self, name: str, values: Floats, sound: NDArray[np.bool_], needed: str) -> None:
        if not sound.all():
            at = int(np.argmin(sound))
            raise MusicuError(
                f"{self.path}: row {self._row[at]}: {name} is {values[at]:g}: {needed}"
            )


def read_decisions(
    path: Any,
    policies: Mapping[str, str],
    *,
    reward: str = "reward",
    propensity: str = "propensity",
    user: str | None = None,
    predicted: str | None = None,
    expected: Mapping[str, str] | None = None,
) -> DecisionLog:
    """Read a log of decisions.

    Parameters
    ----------
    path : str, path-like or data frame
        See :meth:`musicu.metadata.tables.Table.open`.
    policies : mapping of str to str
        Of each policy, the column that holds its chances.
    reward, propensity : str
        Columns; see :class:`DecisionLog`.
    user : str, optional
        Column of users. If None, a column named "user", if there is one.
    predicted : str, optional
        Column of a model's expectations of what was shown.
    expected : mapping of str to str, optional
        Of each policy, the column that holds what the model expects of it.

    Returns
    -------
    DecisionLog

    Raises
    ------
    MusicuError
        The table cannot be read, lacks a column, or a cell is empty or no number; and as
        :class:`DecisionLog`.
    MissingExtraError
        Parquet without pyarrow.
    """
    of_policies, of_model = dict(policies), dict(expected or {})
    measured = [reward, propensity, *of_policies.values(), *of_model.values()]
    measured += [] if predicted is None else [predicted]
    table = Table.open(path, lambda title: title in {*measured, user, "user"})
    if user is None and "user" in table.columns:
        user = "user"
    wanted = list(dict.fromkeys([*measured, *([] if user is None else [user])]))
    cells: dict[str, list[Any]] = {name: [] for name in wanted}
    rows: list[int] = []
    for numbers, columns in table.chunks(wanted):
        rows += numbers
        for name, column in zip(wanted, columns, strict=True):
            parse: Callable[[Any], Any] = number if name in measured else one_text
            cells[name] += _parsed(table.path, name, column, numbers, parse)
    return DecisionLog(
        cells[reward],
        cells[propensity],
        {name: cells[column] for name, column in of_policies.items()},
        user=None if user is None else cells[user],
        predicted=None if predicted is None else cells[predicted],
        expected={name: cells[column] for name, column in of_model.items()},
        path=table.path,
        row=rows,
    )


def _parsed(
    path: str, column: str, cells: Sequence[Any], rows: Sequence[int], parse: Callable[[Any], Any]
) -> list[Any]:
    found = []
    for row, cell in zip(rows, cells, strict=True):
        try:
            value = parse(int(cell) if isinstance(cell, bool) else cell)
        except ValueError:
            value = None
        if value is None or value != value:  # NaN: an empty cell
            fault = "is empty" if cell in (None, "") else "is no number"
            raise MetadataError(f"{path}: row {row}: its {column} {fault}: fill it in")
        found.append(value)
    return found
