"""The log of an A/B test: who was given which variant, and what was counted of them.

An error names a row, never a user.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError, MusicuError
from musicu.metadata.tables import Table
from musicu.metadata.values import TIME_WAY_OUT, NumberColumn, number, one_text

__all__ = ["ABLog", "read_ab_log"]

Floats = NDArray[np.float64]

# Numbers below are days, counted or written as 20240131, and no seconds since 1970.
_FIRST_SECOND = 1e8


class ABLog:
    """Rows of a trial: one a user, or several, which are added up.

    Parameters
    ----------
    user, variant : sequence [shape=(n,)]
        Whose row it is, and which variant they were given; taken as text.
    columns : mapping of str to array [shape=(n,)]
        Counts and other numbers; NaN where nothing is known.
    time : array [shape=(n,)] or None
        When, in seconds since 1970 UTC.
    path : str
        What errors call the log.
    row : sequence of int [shape=(n,)], optional
        What errors call its rows; 1, 2, ... if None.
    text : mapping of str to str
        Columns that are no numbers, and where: ``{"country": "row 2 holds 'DE'"}``.

    Attributes
    ----------
    users, variants : np.ndarray [shape=(users,), str]
        Each user once, by name, and their variant.
    index : np.ndarray [shape=(n,), intp]
        The user of each row.
    columns, time, path
        As given.

    Raises
    ------
    MusicuError
        There are no rows, columns differ in length, or a user was given two variants.
    """

    def __init__(
        self,
        user: Sequence[Any] | NDArray[Any],
        variant: Sequence[Any] | NDArray[Any],
        columns: Mapping[str, Any],
        time: Any = None,
        *,
        path: str = "the log",
        row: Sequence[int] | None = None,
        text: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        self.columns = {name: np.asarray(c, dtype=np.float64) for name, c in columns.items()}
        self.time: Floats | None = None if time is None else np.asarray(time, dtype=np.float64)
        self._row = np.arange(1, len(user) + 1) if row is None else np.asarray(row)
        self._text = dict(text or {})
        sized: dict[str, Any] = {"variant": variant, **self.columns}
        if self.time is not None:
            sized["time"] = self.time
        for name, values in sized.items():
            if len(values) != len(user):
                raise MusicuError(
                    f"{path}: {len(values):,} values of {name!r} for {len(user):,} rows"
                )
        if not len(user):
            raise MusicuError(f"{path}: there are no rows")
        if self.time is not None and (wrong := np.flatnonzero(~np.isfinite(self.time))).size:
            raise MusicuError(f"{path}: row {self._row[wrong[0]]} has no time")
        given = np.asarray(variant).astype(str)
        self.users, first, self.index = np.unique(
            np.asarray(user).astype(str), return_index=True, return_inverse=True
        )
        self.variants: NDArray[np.str_] = given[first]
        if (wrong := np.flatnonzero(given != self.variants[self.index])).size:
            other = first[self.index[wrong[0]]]
            raise MusicuError(
                f"{path}: one user is in {str(given[other])!r} (row {self._row[other]}) and in "
                f"{str(given[wrong[0]])!r} (row {self._row[wrong[0]]}): leave out who changed"
            )

    def column(self, name: str) -> Floats:
        """Return a column [n] of numbers.

        Raises
        ------
        MusicuError
            There is no such column, it is not of numbers, or a value is missing or infinite.
        """
        if name in self._text:
            raise MusicuError(f"{self.path}: column {name!r} is no number: {self._text[name]}")
        if name not in self.columns:
            known = ", ".join(map(repr, self.columns)) or "none"
            raise MusicuError(f"{self.path}: no column {name!r}; columns of numbers: {known}")
        values = self.columns[name]
        if (wrong := np.flatnonzero(~np.isfinite(values))).size:
            raise MusicuError(
                f"{self.path}: row {self._row[wrong[0]]} has no value of {name!r}: "
                "write 0 where nothing happened, or leave the user out"
            )
        return values

    def totals(self, name: str) -> Floats:
        """Return a column added up for each user [users]."""
        found = np.zeros(len(self.users))
        np.add.at(found, self.index, self.column(name))
        return found

    def constants(self, name: str) -> Floats:
        """Return a column that is the same in all rows of a user [users].

        Raises
        ------
        MusicuError
            It is not.
        """
        values = self.column(name)
        found = np.empty(len(self.users))
        found[self.index] = values
        if (wrong := np.flatnonzero(values != found[self.index])).size:
            raise MusicuError(
                f"{self.path}: row {self._row[wrong[0]]}: {name!r} is not what it is in the same "
                "user's other rows: a covariate is measured once, before the trial"
            )
        return found


def read_ab_log(
    path: Any,
    *,
    user: str = "user",
    variant: str = "variant",
    time: str | None = None,
) -> ABLog:
    """Read the log of an A/B test.

    Parameters
    ----------
    path : str, path-like or data frame
        See :meth:`musicu.metadata.tables.Table.open`.
    user, variant : str
        Names of the columns that say who, and which variant.
    time : str, optional
        Name of the column that says when: seconds or milliseconds since 1970 UTC, or ISO 8601,
        which is UTC where nothing else is said. If None, a column named "time", if there is one.

    Returns
    -------
    ABLog
        With all other columns that hold nothing but numbers and empty cells.

    Raises
    ------
    MusicuError
        The file cannot be read, lacks one of the columns, or a row has no user, no variant, or no
        time that can be understood; and as :class:`ABLog`.
    MissingExtraError
        Parquet without pyarrow.
    """
    table = Table.open(path, lambda title: title in {user, variant, time, "time"})
    if time is None and "time" in table.columns:
        time = "time"
    for name in (user, variant, time):
        if name is not None:
            table.position(name)
    numbers: list[int] = []
    cells: dict[str, list[Any]] = {name: [] for name in table.columns}
    for rows, columns in table.chunks(table.columns):
        numbers += rows
        for name, column in zip(table.columns, columns, strict=True):
            cells[name] += column
    named = {name: _names(table.path, name, cells.pop(name), numbers) for name in (user, variant)}
    when = None if time is None else _times(table.path, time, cells.pop(time), numbers)
    measured: dict[str, list[float]] = {}
    text: dict[str, str] = {}
    for name, column in cells.items():
        measured[name] = []
        for row, cell in zip(numbers, column, strict=True):
            try:
                measured[name].append(number(int(cell) if isinstance(cell, bool) else cell))
            except ValueError:
                text[name] = f"row {row} holds {cell!r}"
                del measured[name]
                break
    return ABLog(
        named[user], named[variant], measured, when, path=table.path, row=numbers, text=text
    )


def _names(path: str, column: str, cells: Sequence[Any], rows: Sequence[int]) -> list[str]:
    names = []
    for row, cell in zip(rows, cells, strict=True):
        try:
            names.append(one_text(cell))
        except ValueError:
            raise MetadataError(f"{path}: row {row} has no {column}: fill it in") from None
    return names


def _times(path: str, title: str, cells: Sequence[Any], rows: Sequence[int]) -> Floats:
    column = NumberColumn(path, title, "time", way_out=TIME_WAY_OUT, times=True)
    column.add(cells, rows)
    when = column.values()
    if (wrong := np.flatnonzero(when < _FIRST_SECOND)).size and not column.dates:
        row, cell = rows[wrong[0]], cells[wrong[0]]
        raise MetadataError(f"{path}: row {row}: {cell!r} is no time: {TIME_WAY_OUT}")
    return when
