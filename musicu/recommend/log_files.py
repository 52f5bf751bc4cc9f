"""Listening logs as files: which columns are meant, and what of them cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.metadata.parsers import squeeze
from musicu.metadata.tables import Table
from musicu.metadata.values import TIME_WAY_OUT, NumberColumn
from musicu.recommend.feedback import SIGNALS, rating_values, signal_values

__all__ = ["Log", "known_only", "read_log"]

# Names a column goes by, letters and digits only (see `squeeze`), best first.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "user": ("USER", "USERID", "USERNAME", "LISTENER", "LISTENERID", "ACCOUNT", "ACCOUNTID"),
    "item": (
        *("ITEM", "ITEMID", "TRACK", "TRACKID", "SONG", "SONGID", "RECORDING", "RECORDINGID"),
        *("PATH", "ISRC", "ALBUM", "ALBUMID", "ARTIST", "ARTISTID", "ARTISTNAME"),
    ),
    "weight": ("WEIGHT", "PLAYS", "PLAYCOUNT", "LISTENS", "LISTENCOUNT", "COUNT"),
    "rating": ("RATING", "STARS"),
    "time": (
        *("TIME", "TIMESTAMP", "DATE", "DATETIME", "TS", "UTS"),
        *("PLAYEDAT", "LISTENEDAT", "CREATEDAT"),
    ),
}
_FIELDS = {**_FIELDS, **{name: (name.upper(),) for name in SIGNALS}}
_WAY_OUT = {
    "weight": "write a number above 0, such as 1 or 2.5",
    "rating": "write a number, such as 4",
    "time": TIME_WAY_OUT,
}
# What a cell of a column that declares something may hold.
_TRUTH = {"1": True, "TRUE": True, "YES": True, "0": False, "FALSE": False, "NO": False, "": False}
_DAY = 86400.0
_MOST_SECONDS = 1e11  # what a date can still be told of


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Log:
    """A log's columns, in the file's order.

    Parameters
    ----------
    users, items : list of str
        Each once; users are not for display.
    user, item : np.ndarray [shape=(m,), int32]
        Positions in `users` and `items`.
    weight : np.ndarray [shape=(m,), float64]
        Finite, above 0; 0 too where columns declare what was said.
    time : np.ndarray [shape=(m,), float64] or None
        Seconds since 1970, UTC.
    row : np.ndarray [shape=(m,), int64]
        Numbers of the rows: in CSV the header is row 1, elsewhere the first row is.
    value : np.ndarray [shape=(m,), float32] or None
        What was said, from -1 to 1, NaN where nothing was; None where no column declares it.
    """

    users: list[str]
    items: list[str]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    weight: NDArray[np.float64]
    time: NDArray[np.float64] | None
    row: NDArray[np.int64]
    value: NDArray[np.float32] | None = None

    def take(self, positions: NDArray[np.intp]) -> Log:
        """Return the rows at some positions."""
        return replace(
            self,
            user=self.user[positions],
            item=self.item[positions],
            weight=self.weight[positions],
            time=None if self.time is None else self.time[positions],
            row=self.row[positions],
            value=None if self.value is None else self.value[positions],
        )


def read_log(source: Any) -> Log:
    """Read a log; :func:`musicu.recommend.interactions.read_interactions` says what it may hold.

    Parameters
    ----------
    source : str, path-like or data frame

    Returns
    -------
    Log
        At least one row.

    Raises
    ------
    MetadataError
        The table cannot be read; has no column for users or items, or two columns of one name; a
        row has an empty cell in one of its four, or an identifier that is neither text nor a whole
        number; a column holds numbers in some rows and words in others, numbers and dates, seconds
        and milliseconds; a weight is infinite, NaN or not above 0; a time is before 1970, more than
        a day ahead, or a day written as one number (20240501).
    MissingExtraError
        Parquet without pyarrow.
    """
    usual = {name for names in _FIELDS.values() for name in names}
    table = Table.open(source, lambda title: squeeze(title) in usual)
    path = table.path
    at = _find_columns(path, table.columns)
    ids = {"user": _Codes(), "item": _Codes()}
    codes: dict[str, list[NDArray[np.int32]]] = {field: [] for field in ids}
    measured = {
        field: NumberColumn(
            path,
            table.columns[at[field]],
            field,
            way_out=_WAY_OUT[field],
            times=field == "time",
        )
        for field in ("weight", "rating", "time")
        if field in at
    }
    flags: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in SIGNALS if name in at}
    numbers: list[NDArray[np.int64]] = []
    for rows, columns in table.chunks(list(at.values()), arrays=True):
        cells = dict(zip(at, columns, strict=True))
        for field, known in ids.items():
            named = _identifiers(path, field, cells[field], rows)
            codes[field].append(np.fromiter(map(known.__getitem__, named), np.int32, len(rows)))
        for field, column in measured.items():
            column.add(cells[field], rows)
        for field, told in flags.items():
            told.append(_truths(path, field, cells[field], rows))
        numbers.append(np.array(rows, dtype=np.int64))
    row = np.concatenate(numbers)
    value, weight = None, measured["weight"].values() if "weight" in at else np.ones(len(row))
    if flags or "rating" in at:
        declared = {name: np.concatenate(told) for name, told in flags.items()}
        if "weight" not in at and "exposed" in declared:
            weight = np.where(declared["exposed"], 0.0, 1.0)
        # What was shown and is not played is exposed, whether or not a column says so.
        declared["exposed"] = declared.get("exposed", np.zeros(len(row), bool)) | (weight == 0)
        value = signal_values(declared, len(row))
        if "rating" in at:
            value = np.where(
                np.abs(value) > abs(SIGNALS["exposed"]),
                value,
                rating_values(_finite(path, measured["rating"].values(), row)),
            )
    log = Log(
        list(ids["user"]),
        list(ids["item"]),
        np.concatenate(codes["user"]),
        np.concatenate(codes["item"]),
        weight,
        measured["time"].values() if "time" in at else None,
        row,
        value,
    )
    return _check_log(path, log)


def _truths(path: str, field: str, cells: Sequence[Any], rows: Sequence[int]) -> NDArray[np.bool_]:
    """Read a column that declares something.

    Raises
    ------
    MetadataError
        A cell is neither true nor false.
    """
    if isinstance(cells, np.ndarray):
        cells = cells.tolist()
    found = np.zeros(len(rows), dtype=np.bool_)
    for i, (number, cell) in enumerate(zip(rows, cells, strict=True)):
        text = "" if cell is None else str(cell).strip().upper().removesuffix(".0")
        if text not in _TRUTH:
            raise MetadataError(
                f"{path}: row {number}: {field} {str(cell)[:20]!r} is neither true nor false: "
                "write 1 or 0"
            )
        found[i] = _TRUTH[text]
    return found


def _finite(path: str, ratings: NDArray[np.float64], row: NDArray[np.int64]) -> NDArray[np.float64]:
    wrong = ~np.isfinite(ratings)
    if wrong.any():
        raise MetadataError(
            f"{path}: row {row[np.argmax(wrong)]}: its rating is not finite: {_WAY_OUT['rating']}"
        )
    return ratings


class _Codes(dict[str, int]):
    """Numbers identifiers in the order in which they come."""

    def __missing__(self, id: str) -> int:
        self[id] = code = len(self)
        return code


def _identifiers(path: str, field: str, cells: Sequence[Any], rows: Sequence[int]) -> Sequence[str]:
    if isinstance(cells, np.ndarray):
        cells = cells.tolist()
    if set(map(type, cells)) == {str}:
        return cells
    for number, cell in zip(rows, cells, strict=True):
        if cell is not None and type(cell) not in (str, int):
            raise MetadataError(
                f"{path}: row {number}: its {field} is {type(cell).__name__}: identifiers are text "
                "or whole numbers"
            )
    return ["" if cell is None else str(cell) for cell in cells]


def _find_columns(path: str, titles: Sequence[str]) -> dict[str, int]:
    """Return at which position each field stands.

    Raises
    ------
    MetadataError
        Users or items have no column, or a field has two of one name. Other titles are not told:
        in a file without a header they are somebody's data.
    """
    squeezed = [squeeze(title) for title in titles]
    found: dict[str, int] = {}
    for field, names in _FIELDS.items():
        name = next((name for name in names if name in squeezed), None)
        if name is not None:
            found[field] = squeezed.index(name)
            if squeezed.count(name) > 1:
                raise MetadataError(
                    f"{path}: two columns are called {titles[found[field]]!r}: keep one"
                )
    missing = [repr(field) for field in ("user", "item") if field not in found]
    if missing:
        raise MetadataError(
            f"{path}: no column {' and no column '.join(missing)} among the {len(titles)} of its "
            "header (row 1): name them so"
        )
    return found


def _check_log(path: str, log: Log) -> Log:
    """Return the log if all of it can be used.

    Raises
    ------
    MetadataError
        An identifier is empty, a weight is not finite or not above 0, or a time is
        not finite, before 1970 or in the future.
    """
    for field, ids, codes in (("user", log.users, log.user), ("item", log.items, log.item)):
        for code, id in enumerate(ids):
            if not id:
                row = log.row[np.argmax(codes == code)]
                raise MetadataError(f"{path}: row {row}: its {field} is empty: fill it in")
    # A time without a zone may be a day's time ahead.
    latest = datetime.now(UTC).timestamp() + _DAY
    single = np.finfo(np.float32)
    checks: list[tuple[str, NDArray[np.float64], NDArray[np.bool_], str]] = [
        ("weight", log.weight, ~(np.abs(log.weight) <= single.max), "is not finite"),
        (
            "weight",
            log.weight,
            (log.weight < single.tiny) & ((log.value is None) | (log.weight != 0)),
            "is not above 0" if log.value is None else "is below 0",
        ),
    ]
    if log.time is not None:
        checks += [
            ("time", log.time, ~np.isfinite(log.time), "is not finite"),
            ("time", log.time, log.time < 0, "is before 1970"),
            ("time", log.time, log.time > latest, "is in the future"),
        ]
    for field, values, wrong, fault in checks:
        if wrong.any():
            first = int(np.argmax(wrong))
            raise MetadataError(
                f"{path}: row {log.row[first]}: {field} {_shown(field, values[first])} {fault}: "
                f"{_WAY_OUT[field]}, or leave the row out"
            )
    return log


def _shown(field: str, value: float) -> str:
    if field == "time" and 0 <= value < _MOST_SECONDS:
        return datetime.fromtimestamp(value, UTC).isoformat()
    return f"{value:g}"


def known_only(log: Log, name: str, *, known: set[str], drop: bool) -> Log:
    """Return the rows with known items, if others may be dropped.

    Raises
    ------
    MetadataError
        There are others, and they may not, or nothing is left without them.
    """
    strange = np.array([id not in known for id in log.items])
    if not strange.any():
        return log
    rows = strange[log.item]
    if drop and not rows.all():
        return log.take(np.flatnonzero(~rows))
    first = int(np.argmax(rows))
    found = f"{np.count_nonzero(strange):,} of {len(strange):,} items are unknown"
    where = f"first {log.items[log.item[first]]!r} in row {log.row[first]}"
    way_out = (
        "nothing is left without them: look whether this log belongs to these items"
        if rows.all()
        else "leave them out with unknown='drop' or keep them with unknown='keep'"
    )
    raise MetadataError(f"{name}: {found}, {where}: {way_out}")
