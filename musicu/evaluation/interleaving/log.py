"""The log of interleaved lists: a row an item shown, with the team whose it was and its credit.

An error names a row, never a user.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import MetadataError, MusicuError
from musicu.metadata.tables import Table
from musicu.metadata.values import number, one_text, texts

__all__ = ["InterleavingLog", "read_interleaving_log"]

Floats = NDArray[np.float64]


class InterleavingLog:
    """Interleaved lists, added up.

    Parameters
    ----------
    list_id : sequence [shape=(n,)]
        Which list each row is of, taken as text; its rows come in the order of its places.
    user : sequence [shape=(n,)]
        Who saw it, taken as text.
    team : sequence of str [shape=(n,)]
        The ranking that chose the item; "" for nobody.
    credit : array-like of float >= 0 [shape=(n,)]
        What it got: 1 for a click, seconds of listening, 0 for nothing.
    path : str
        What errors call the log.
    row : sequence of int [shape=(n,)], optional
        What errors call its rows; 1, 2, ... if None.

    Attributes
    ----------
    teams : tuple of str
        The two, by name.
    credits : np.ndarray [shape=(lists, 2), float64]
        Each team's in each list.
    first : np.ndarray [shape=(lists,), intp]
        Whose the first place was; -1 where nobody's.
    user : np.ndarray [shape=(lists,), intp]
        A number for each user.

    Raises
    ------
    MusicuError
        There are no rows, columns differ in length, there are not two teams, a credit is negative
        or no number, a list is of two users, or one in which teams did not choose in turn.
    """

    def __init__(
        self,
        list_id: Sequence[Any] | NDArray[Any],
        user: Sequence[Any] | NDArray[Any],
        team: Sequence[str] | NDArray[Any],
        credit: ArrayLike,
        *,
        path: str = "the log",
        row: Sequence[int] | None = None,
    ) -> None:
        self.path = path
        value = np.asarray(credit, dtype=np.float64)
        named = np.asarray(team).astype(str)
        rows = np.arange(1, len(value) + 1) if row is None else np.asarray(row)
        for name, column in (("list", list_id), ("user", user), ("team", named)):
            if len(column) != len(value):
                raise MusicuError(f"{path}: {len(column):,} of {name!r} for {len(value):,} rows")
        if not len(value):
            raise MusicuError(f"{path}: there are no rows")
        self.teams = tuple(np.unique(named[named != ""]).tolist())
        if len(self.teams) != 2:
            raise MusicuError(
                f"{path}: teams are {', '.join(map(repr, self.teams)) or 'none'}: two rankings "
                "are compared"
            )
        sound = np.isfinite(value) & (value >= 0)
        if not sound.all():
            at = int(np.argmin(sound))
            raise MusicuError(
                f"{path}: row {rows[at]}: its credit is {value[at]:g}: write 0 where nothing was "
                "played, 1 for a click"
            )
        ids, start, at_list = np.unique(
            np.asarray(list_id).astype(str), return_index=True, return_inverse=True
        )
        who = np.unique(np.asarray(user).astype(str), return_inverse=True)[1]
        self.user: NDArray[np.intp] = who[start].astype(np.intp)
        if (wrong := np.flatnonzero(who != self.user[at_list])).size:
            raise MusicuError(f"{path}: row {rows[wrong[0]]}: its list was another user's before")
        side = np.select([named == name for name in self.teams], [0, 1], -1)
        self.first: NDArray[np.intp] = side[start]
        self.credits: Floats = np.zeros((len(ids), 2))
        places = np.zeros((len(ids), 2), dtype=np.intp)
        for team_at in (0, 1):
            of_team = side == team_at
            np.add.at(self.credits[:, team_at], at_list[of_team], value[of_team])
            np.add.at(places[:, team_at], at_list[of_team], 1)
        if (uneven := np.flatnonzero(np.abs(places[:, 0] - places[:, 1]) > 1)).size:
            one, other = places[uneven[0]]
            raise MusicuError(
                f"{path}: row {rows[start[uneven[0]]]}: this list has {one} places of "
                f"{self.teams[0]!r} and {other} of {self.teams[1]!r}: no team draft; leave the "
                "team empty where only one had something left"
            )

    def __len__(self) -> int:
        return len(self.credits)

    def __repr__(self) -> str:
        users = len(np.unique(self.user))
        return f"InterleavingLog({len(self):,} lists of {users:,} users; {', '.join(self.teams)})"


def read_interleaving_log(
    path: Any,
    *,
    list_id: str = "list",
    user: str = "user",
    team: str = "team",
    credit: str = "clicked",
    rank: str | None = None,
) -> InterleavingLog:
    """Read the log of interleaved lists.

    Parameters
    ----------
    path : str, path-like or data frame
        See :meth:`musicu.metadata.tables.Table.open`.
    list_id, user, team, credit : str
        Columns; see :class:`InterleavingLog`. A team's cell may be empty.
    rank : str, optional
        Column of places, from 1. If None, a column named "rank", if there is one, else a list's
        rows come in its order.

    Returns
    -------
    InterleavingLog

    Raises
    ------
    MusicuError
        The table cannot be read, lacks a column, or a cell is empty or no number; and as
        :class:`InterleavingLog`.
    MissingExtraError
        Parquet without pyarrow.
    """
    table = Table.open(path, lambda title: title in {list_id, user, team, credit, rank, "rank"})
    if rank is None and "rank" in table.columns:
        rank = "rank"
    wanted = [list_id, user, team, credit, *([] if rank is None else [rank])]
    cells: dict[str, list[Any]] = {name: [] for name in wanted}
    rows: list[int] = []
    for numbers, columns in table.chunks(wanted):
        rows += numbers
        for name, column in zip(wanted, columns, strict=True):
            for row, cell in zip(numbers, column, strict=True):
                try:
                    cells[name].append(_cell(cell, name in (list_id, user), name == team))
                except ValueError:
                    raise MetadataError(
                        f"{table.path}: row {row}: its {name} is empty or no number: fill it in"
                    ) from None
    order = np.arange(len(rows))
    if rank is not None:
        order = np.argsort(np.array(cells[rank]), kind="stable")
    taken = [np.array(cells[name])[order] for name in wanted[:4]]
    return InterleavingLog(*taken, path=table.path, row=np.array(rows)[order].tolist())


def _cell(cell: Any, is_name: bool, is_team: bool) -> Any:
    if is_name:
        return one_text(cell)
    if is_team:
        return next(iter(texts(cell)), "")
    value = number(int(cell) if isinstance(cell, bool) else cell)
    if value != value:  # an empty cell
        raise ValueError("a number")
    return value
