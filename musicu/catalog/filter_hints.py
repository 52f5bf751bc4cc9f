"""Why a filter let nothing pass: values that no track has, and those that are near them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from musicu.catalog.schema import LIST_COLUMNS
from musicu.catalog.store import Store
from musicu.catalog.tracks import library_columns
from musicu.metadata.names import fold_text
from musicu.metadata.near_names import did_you_mean

__all__ = ["filter_hint"]

_TEXT = r"(?:'((?:[^']|'')*)'|\"([^\"]*)\")"
# has(genres, 'Jazz'), heard(sound_tags, 'piano'): what, and the text.
_CALLED = re.compile(rf"\b(?:has|heard)\s*\(\s*(\w+)\s*,\s*{_TEXT}\s*\)", re.IGNORECASE)
_COMPARED = re.compile(rf"\b(\w+)\s*(?:==?|IS|COLLATE\s+NOCASE\s*=)\s*{_TEXT}", re.IGNORECASE)
_SOUND = "sound_tags"


def filter_hint(store: Store, where: str) -> str | None:
    """Say in one line which values of a filter no track has, with names that are near.

    Parameters
    ----------
    store : Store
        The catalog.
    where : str
        A condition that can be understood, see :func:`musicu.catalog.sql_filter.filter_tracks`.

    Returns
    -------
    str or None
        None where every text in it is some track's value, or none could be made out: then the
        condition as a whole is what nothing fulfils.

    Examples
    --------
    ``genres = "Folk"`` gives ``genres is a list: has(genres, 'Folk')``; ``has(genres, 'jaz')``
    gives ``no track has genres 'jaz'; near is 'Jazz'``.
    """
    columns = set(library_columns(store))
    hints: dict[str, None] = {}
    for column, text in _texts(_CALLED, where, columns):
        if column in (*LIST_COLUMNS, _SOUND):
            hints |= _unknown(store, column, text)
    for column, text in _texts(_COMPARED, where, columns):
        if column == _SOUND:
            hints[f"{column} are asked with heard({column}, {_quoted(text)}) > 0.5"] = None
        elif column in LIST_COLUMNS:
            hints[f"{column} is a list: has({column}, {_quoted(text)})"] = None
            hints |= _unknown(store, column, text)
        else:
            hints |= _unknown(store, column, text)
    return "; ".join(hints) or None


def _texts(pattern: re.Pattern[str], where: str, columns: set[str]) -> Iterator[tuple[str, str]]:
    """Yield columns of the view, and the texts that a filter compares them with."""
    for name, single, double in pattern.findall(where):
        if name.lower() in columns:
            yield name.lower(), single.replace("''", "'") or double


def _unknown(store: Store, column: str, text: str) -> dict[str, None]:
    names = set(_values(store, column))
    # Lists are compared without case, other columns are not.
    folds = column in (*LIST_COLUMNS, _SOUND)
    if text in names or (folds and text.casefold() in {name.casefold() for name in names}):
        return {}
    if not names:
        return {f"no track has {column}": None}
    same = [name for name in names if fold_text(name) == fold_text(text)]
    near = f"; near is {same[0]!r}" if same else did_you_mean(text, sorted(names))
    verb = "is heard as" if column == _SOUND else f"has {column}"
    return {f"no track {verb} {text!r}{near}": None}


def _values(store: Store, column: str) -> Iterable[str]:
    """Yield the texts that tracks have in a column."""
    found = store.db.execute(f"SELECT DISTINCT {column} FROM library WHERE {column} IS NOT NULL")
    for (value,) in found:
        if column in LIST_COLUMNS or column == _SOUND:
            yield from map(str, json.loads(value))
        elif isinstance(value, str):
            yield value


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
