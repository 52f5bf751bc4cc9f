"""Rows of another kind of source: what their cells hold, as text, and the metadata it makes."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping
from typing import Any

from musicu.metadata import Metadata, complete_metadata, parse_field
from musicu.names import unique

__all__ = ["metadata_that_fits", "texts"]


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
    if isinstance(cell, datetime.date):  # datetime is one
        cell = cell.isoformat()
    if not isinstance(cell, str | int | float):
        raise ValueError("text, a number, or a list of them")
    text = str(cell).strip()
    return [text] if text else []


def metadata_that_fits(
    values: Mapping[str, Iterable[str | None]], lists: Mapping[str, Iterable[str]]
) -> Metadata:
    """Build metadata from what a database or a server says; what does not fit is left out.

    Nobody can mend one date among the millions of a dump: it stays missing.

    Parameters
    ----------
    values : mapping of str to iterable of str or None
        Fields of :class:`musicu.metadata.Metadata`, and the text for each; None is no value.
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
