"""A listening log's columns: their names, numbers and dates in text, and what cannot be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.metadata import squeeze

__all__ = [
    "FIELDS",
    "WAY_OUT",
    "Cells",
    "Log",
    "check_log",
    "find_columns",
    "is_utf8",
    "to_seconds",
]

# Names a column goes by, letters and digits only (see `squeeze`), best first.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "user": ("USER", "USERID", "USERNAME", "LISTENER", "LISTENERID", "ACCOUNT", "ACCOUNTID"),
    "item": (
        *("ITEM", "ITEMID", "TRACK", "TRACKID", "SONG", "SONGID", "RECORDING", "RECORDINGID"),
        *("PATH", "ISRC", "ALBUM", "ALBUMID", "ARTIST", "ARTISTID", "ARTISTNAME"),
    ),
    "weight": ("WEIGHT", "PLAYS", "PLAYCOUNT", "LISTENS", "LISTENCOUNT", "COUNT", "RATING"),
    "time": (
        *("TIME", "TIMESTAMP", "DATE", "DATETIME", "TS", "UTS"),
        *("PLAYEDAT", "LISTENEDAT", "CREATEDAT"),
    ),
}
_DAY = 86400.0
# Seconds reach this in the year 5138, milliseconds reached it in 1973.
_MILLISECONDS = 1e11
WAY_OUT = {
    "weight": "write a number above 0, such as 1 or 2.5",
    "time": "write seconds since 1970, or a date such as 2024-05-01T18:30:00Z",
}


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
        Finite, above 0.
    time : np.ndarray [shape=(m,), float64] or None
        Seconds since 1970, UTC.
    row : np.ndarray [shape=(m,), int64]
        Numbers of the rows: a CSV's header is row 1, a Parquet file's first row is row 1.
    """

    users: list[str]
    items: list[str]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    weight: NDArray[np.float64]
    time: NDArray[np.float64] | None
    row: NDArray[np.int64]

    def take(self, positions: NDArray[np.intp]) -> Log:
        """Return the rows at some positions."""
        return replace(
            self,
            user=self.user[positions],
            item=self.item[positions],
            weight=self.weight[positions],
            time=None if self.time is None else self.time[positions],
            row=self.row[positions],
        )


class Cells:
    """A column of text that holds numbers, or dates: as its first cell, so the others.

    Parameters
    ----------
    path, field, title : str
        Of the file, ``"weight"`` or ``"time"``, and what the column is called.

    Attributes
    ----------
    is_date : bool
        Whether the cells are dates.
    """

    def __init__(self, path: str, field: str, title: str) -> None:
        self.is_date = False
        self._path = path
        self._field = field
        self._title = title
        self._first: tuple[str, int] | None = None
        self._values: list[NDArray[np.float64]] = []

    def add(self, cells: Sequence[str], rows: NDArray[np.int64]) -> None:
        """Read some more cells.

        Raises
        ------
        MetadataError
            A cell is empty, or not what the first cell is; the text has its number from `rows`.
        """
        if self._first is None and cells:
            self._first = cells[0], int(rows[0])
            self.is_date = self._kind(cells[0]) == "dates"
        parse: Callable[[str], float] = _seconds if self.is_date else float
        try:
            self._values.append(np.array(list(map(parse, cells)), dtype=np.float64))
        except ValueError:
            self._fail(cells, rows)

    def values(self) -> NDArray[np.float64]:
        """Return all numbers, dates as seconds since 1970, UTC."""
        return np.concatenate(self._values) if self._values else np.zeros(0)

    def _kind(self, cell: str) -> str:
        parsers: dict[str, Callable[[str], float]] = {"numbers": float}
        if self._field == "time":
            parsers["dates"] = _seconds
        for kind, parse in parsers.items():
            try:
                parse(cell)
            except ValueError:
                continue
            return kind
        return "words" if cell.strip() else "nothing"

    def _fail(self, cells: Sequence[str], rows: NDArray[np.int64]) -> None:
        assert self._first is not None
        usual = "dates" if self.is_date else "numbers"
        cell, row = next((c, r) for c, r in zip(cells, rows, strict=True) if self._kind(c) != usual)
        kind, way_out = self._kind(cell), WAY_OUT[self._field]
        if kind == "nothing":
            raise MetadataError(
                f"{self._path}: row {row} has no {self._field} in column {self._title!r}: "
                f"{way_out}, or leave the row out"
            )
        first, first_row = self._first
        if row == first_row:
            raise MetadataError(
                f"{self._path}: row {row}, column {self._title!r}: {cell!r} is no {self._field}: "
                f"{way_out}"
            )
        raise MetadataError(
            f"{self._path}: column {self._title!r} mixes {usual} and {kind}: {first!r} in row "
            f"{first_row} and {cell!r} in row {row}: {way_out}, in all rows"
        )


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def find_columns(path: str, titles: Sequence[str]) -> dict[str, int]:
    """Return at which position each field stands.

    Raises
    ------
    MetadataError
        Users or items have no column, or a field has two of one name. Other titles are not told:
        in a file without a header they are somebody's data.
    """
    squeezed = [squeeze(title) for title in titles]
    found: dict[str, int] = {}
    for field, names in FIELDS.items():
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


def to_seconds(path: str, time: NDArray[np.float64], row: NDArray[np.int64]) -> NDArray[np.float64]:
    """Bring seconds or milliseconds since 1970 to seconds.

    Raises
    ------
    MetadataError
        Both are there, or a day written as one number; the text has its number from `row`.
    """
    # Days as numbers would be seconds in August to November of 1970.
    likely = np.where((time >= 19000101) & (time <= 21001231), time, 0)
    months, days = likely // 100 % 100, likely % 100
    day = (months >= 1) & (months <= 12) & (days >= 1) & (days <= 31) & (days % 1 == 0)
    if day.any():
        first = int(np.argmax(day))
        text = f"{time[first]:.0f}"
        raise MetadataError(
            f"{path}: row {row[first]}: {text} is a day, not seconds since 1970: write it as "
            f"{text[:4]}-{text[4:6]}-{text[6:]}"
        )
    large = np.abs(time) >= _MILLISECONDS
    if large.any() and not large.all():
        seconds, milliseconds = np.argmin(large), np.argmax(large)
        raise MetadataError(
            f"{path}: times mix seconds ({time[seconds]:.0f} in row {row[seconds]}) and "
            f"milliseconds ({time[milliseconds]:.0f} in row {row[milliseconds]}): write one of them"
        )
    return time / 1000 if large.any() else time


def check_log(path: str, log: Log) -> Log:
    """Return the log if all of it can be used.

    Raises
    ------
    MetadataError
        An identifier is empty or not UTF-8, a weight is not finite or not above 0, or a time is
        not finite, before 1970 or in the future.
    """
    for field, ids, codes in (("user", log.users, log.user), ("item", log.items, log.item)):
        for code, id in enumerate(ids):
            if not id or not is_utf8(id):
                row = log.row[np.argmax(codes == code)]
                fault = "is not UTF-8: save it as 'CSV UTF-8'" if id else "is empty: fill it in"
                raise MetadataError(f"{path}: row {row}: its {field} {fault}")
    # A time without a zone may be a day's time ahead.
    latest = datetime.now(UTC).timestamp() + _DAY
    single = np.finfo(np.float32)
    checks: list[tuple[str, NDArray[np.float64], NDArray[np.bool_], str]] = [
        ("weight", log.weight, ~(np.abs(log.weight) <= single.max), "is not finite"),
        ("weight", log.weight, log.weight < single.tiny, "is not above 0"),
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
                f"{WAY_OUT[field]}, or leave the row out"
            )
    return log


def _shown(field: str, value: float) -> str:
    if field == "time" and 0 <= value < _MILLISECONDS:
        return datetime.fromtimestamp(value, UTC).isoformat()
    return f"{value:g}"


def is_utf8(text: str) -> bool:
    """Whether a text holds no byte that ``surrogateescape`` had to keep."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
