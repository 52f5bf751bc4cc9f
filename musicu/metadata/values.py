"""What the cells of tables and other sources hold: texts, numbers, times, and metadata."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.metadata.fields import FIELDS, Metadata, complete_metadata, parse_field
from musicu.metadata.names import unique

__all__ = [
    "TIME_WAY_OUT",
    "NumberColumn",
    "field_value",
    "listed",
    "metadata_that_fits",
    "number",
    "one_text",
    "seconds",
    "texts",
]

_OF_SEVERAL = frozenset(field.name for field in FIELDS.values() if field.kind == "list")
TIME_WAY_OUT = "write seconds since 1970, or a date such as 2024-05-01T18:30:00Z"
# Seconds reach this in the year 5138, milliseconds reached it in 1973.
_MILLISECONDS = 1e11


def texts(cell: Any) -> list[str]:
    """Return the values in a cell, as text: none, one, or those of a list.

    Parameters
    ----------
    cell : None, str, bool, int, float, date or datetime, or a list of these
        Empty texts and NaN are no values. ``2004.0`` is ``"2004"``.

    Raises
    ------
    ValueError
        The cell holds something else, such as a JSON object.
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return []
    if isinstance(cell, list | tuple):
        return [text for piece in cell for text in texts(piece)]
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, date):  # datetime is one
        cell = cell.isoformat()
    if not isinstance(cell, str | int | float):
        raise ValueError("text, a number, or a list of them")
    text = str(cell).strip()
    return [text] if text else []


def one_text(cell: Any) -> str:
    """Return the one value in a cell, as text; ValueError where there is none, or there are more.

    See :func:`texts`.
    """
    (text,) = texts(cell)
    return text


def listed(cell: Any) -> Any:
    """Return the values in the cell of a field of several, such as genres.

    Text is a JSON list or object, as ``musicu catalog export`` writes them, or is cut at ``|`` and
    ``;``. What is no text stays what it is.
    """
    if not isinstance(cell, str):
        return cell
    if cell.startswith(("[", "{")):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            pass
    return re.split(r"[|;]", cell)


def field_value(field: str, cell: Any) -> Any:
    """Return what a cell says of a metadata field, or None where it says nothing.

    Raises
    ------
    ValueError
        No value in it fits the field; the text says what was expected.
    """
    return parse_field(field, texts(listed(cell) if field in _OF_SEVERAL else cell))


def number(cell: Any) -> float:
    """Return the number in a cell; NaN where it is empty.

    Raises
    ------
    ValueError
        It holds something else; true and false are no numbers.
    """
    if cell is None or cell == "":
        return math.nan
    try:
        if not isinstance(cell, bool):
            return float(cell)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError("a number")


def seconds(cell: Any) -> float:
    """Return the moment that a date, or text in ISO 8601, names: seconds since 1970, UTC.

    Where no zone is written it is UTC.

    Raises
    ------
    ValueError
        It is no date.
    """
    if isinstance(cell, str):
        cell = datetime.fromisoformat(cell.strip())
    elif not isinstance(cell, datetime):
        if not isinstance(cell, date):
            raise ValueError("a date")
        cell = datetime.combine(cell, time())
    moment: datetime = cell if cell.tzinfo else cell.replace(tzinfo=UTC)
    return moment.timestamp()


class NumberColumn:
    """A column of numbers, or of times: as its first cell, so the others.

    Parameters
    ----------
    path, title, field : str
        What errors name: the file, the column, and what it holds (``"weight"``).
    way_out : str
        What to write there instead.
    times : bool
        Whether the cells are moments: dates, or numbers, which are seconds or milliseconds since
        1970.

    Attributes
    ----------
    dates : bool
        Whether they are dates.
    """

    def __init__(
        self, path: str, title: str, field: str, *, way_out: str, times: bool = False
    ) -> None:
        self._path, self._title, self._field, self._way_out = path, title, field, way_out
        self._times = times
        self.dates = False
        self._first: tuple[Any, int] | None = None
        self._values: list[NDArray[np.float64]] = []
        self._rows: list[Sequence[int]] = []

    def add(self, cells: Sequence[Any], rows: Sequence[int]) -> None:
        """Read some more cells: a list, or an array of numbers or of ``datetime64[us]`` (UTC).

        Raises
        ------
        MetadataError
            A cell is empty, or not what the first cell is; the text has its number from `rows`.
        """
        if isinstance(cells, np.ndarray):
            moments = cells.dtype.kind == "M"
            if len(cells) and moments <= self._times:
                if self._first is None:
                    self._first, self.dates = (cells[0].item(), rows[0]), moments
                exact = cells.view(np.int64) / 1e6 if moments else cells.astype(np.float64)
                self._values.append(exact)
                self._rows.append(rows)
                return
            cells = cells.tolist()
        if self._first is None and cells:
            self._first = cells[0], rows[0]
            self.dates = self._kind(cells[0]) == "dates"
        parse: Callable[[Any], float] = seconds if self.dates else float
        try:
            if bool in set(map(type, cells)):
                raise ValueError
            self._values.append(np.array(list(map(parse, cells)), dtype=np.float64))
        except (TypeError, ValueError, OverflowError):
            self._fail(cells, rows)
        self._rows.append(rows)

    def values(self) -> NDArray[np.float64]:
        """Return all numbers [shape=(n,)]; times in seconds since 1970, UTC.

        Raises
        ------
        MetadataError
            Times are seconds in some rows and milliseconds in others, or days written as numbers.
        """
        values = np.concatenate(self._values) if self._values else np.zeros(0)
        if not self._times or self.dates:
            return values
        rows = np.concatenate(self._rows) if self._rows else np.zeros(0, dtype=np.int64)
        return self._to_seconds(values, rows)

    def _to_seconds(
        self, values: NDArray[np.float64], rows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        # Days as numbers would be seconds in August to November of 1970.
        likely = np.where((values >= 19000101) & (values <= 21001231), values, 0)
        months, days = likely // 100 % 100, likely % 100
        day = (months >= 1) & (months <= 12) & (days >= 1) & (days <= 31) & (days % 1 == 0)
        if day.any():
            first = int(np.argmax(day))
            text = f"{values[first]:.0f}"
            raise MetadataError(
                f"{self._path}: row {rows[first]}: {text} is a day, not seconds since 1970: write "
                f"it as {text[:4]}-{text[4:6]}-{text[6:]}"
            )
        large = np.abs(values) >= _MILLISECONDS
        if large.any() and not large.all():
            small, big = np.argmin(large), np.argmax(large)
            raise MetadataError(
                f"{self._path}: times mix seconds ({values[small]:.0f} in row {rows[small]}) and "
                f"milliseconds ({values[big]:.0f} in row {rows[big]}): write one of them"
            )
        return values / 1000 if large.any() else values

    def _kind(self, cell: Any) -> str:
        if cell is None or cell == "":
            return "nothing"
        parsers: dict[str, Callable[[Any], float]] = {"numbers": number}
        if self._times:
            parsers["dates"] = seconds
        for kind, parse in parsers.items():
            try:
                parse(cell)
            except ValueError:
                continue
            return kind
        return "words"

    def _fail(self, cells: Sequence[Any], rows: Sequence[int]) -> None:
        assert self._first is not None
        usual = "dates" if self.dates else "numbers"
        cell, row = next((c, r) for c, r in zip(cells, rows, strict=True) if self._kind(c) != usual)
        kind = self._kind(cell)
        where = f"{self._path}: row {row}"
        if kind == "nothing":
            raise MetadataError(
                f"{where} has no {self._field} in column {self._title!r}: {self._way_out}, or "
                "leave the row out"
            )
        first, first_row = self._first
        if row == first_row:
            raise MetadataError(
                f"{where}, column {self._title!r}: {cell!r} is no {self._field}: {self._way_out}"
            )
        raise MetadataError(
            f"{self._path}: column {self._title!r} mixes {usual} and {kind}: {first!r} in row "
            f"{first_row} and {cell!r} in row {row}: {self._way_out}, in all rows"
        )


def metadata_that_fits(
    values: Mapping[str, Iterable[str | None]], lists: Mapping[str, Iterable[str]]
) -> Metadata:
    """Build metadata from what a database or a server says; what does not fit is left out.

    Nobody can mend one date among the millions of a dump: it stays missing.

    Parameters
    ----------
    values : mapping of str to iterable of str or None
        Fields of :class:`musicu.metadata.fields.Metadata`, and the text for each; None is no value.
    lists : mapping of str to iterable of str
        Fields of several values that are known one by one, and so are not cut into more.
    """
    found: dict[str, Any] = {}
    for field, every in values.items():
        try:
            found[field] = parse_field(field, [text for text in every if text])
        except ValueError:
            continue
    for field, names in lists.items():
        # Any field of text cleans what it reads.
        found[field] = unique(parse_field("title", [name]) or "" for name in names) or None
    return complete_metadata(found)
