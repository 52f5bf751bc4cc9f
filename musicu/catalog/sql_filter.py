"""Which tracks fulfil a condition in SQL, within bounds of what it may read and cost.

Conditions come from strangers, too, and one call of ``printf`` can make SQLite work for minutes
without looking up. So a condition may use the functions of a list only; a text in it has at most
64 kB, which makes every one of them a matter of milliseconds; and whatever has many steps is
interrupted after some seconds.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.sound_tags import refresh_tags
from musicu.catalog.store import Store
from musicu.catalog.tracks import library_columns, read_columns
from musicu.errors import MetadataError

__all__ = ["FUNCTIONS", "filter_tracks", "read_filtered"]

# Each is done in time proportional to its texts, or to the product of two where they are searched.
# ("trim" is not: with a second argument it compares every letter of one with every one of another.)
FUNCTIONS: Final = frozenset(
    "has heard like glob lower upper length substr substring instr replace "
    "coalesce ifnull nullif iif typeof abs round sign min max count sum total avg "
    "date strftime json_extract json_array_length json_type json_valid -> ->>".split()
)
_ACTIONS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
_BYTES = 64 << 10
_PATTERN = 250  # letters of what LIKE and GLOB compare with
_SECONDS = 60.0


def filter_tracks(store: Store, where: str, *, seconds: float = _SECONDS) -> NDArray[np.int64]:
    """Row numbers of the tracks that fulfil a SQL condition on the ``library`` view.

    ``has(genres, 'Jazz')`` tests a list for a value, ``heard(sound_tags, 'piano') > 0.5`` the
    probability of a tag; a tag below 0.05 counts as 0. The condition can read the catalog and
    nothing else, change nothing, and call the functions of ``FUNCTIONS``.

    Parameters
    ----------
    store : Store
        The catalog.
    where : str
        The condition.
    seconds : float > 0
        How long it may take.

    Raises
    ------
    MetadataError
        The condition cannot be understood, or takes too long.
    ModelError
        It names tags, and the catalog's model has no tag head.
    """
    if "sound_tags" in where.casefold():
        refresh_tags(store, needed=True)
    try:
        try:
            return _select(store, where, seconds, _BYTES)
        except sqlite3.DataError:  # a text, or a row, is too long: one that is stored may be
            texts = ("tags", "sheet", "metadata")
            row = " + ".join(f"length(CAST({text} AS BLOB))" for text in texts)
            longest = store.db.execute(f"SELECT max({row}) FROM files").fetchone()[0] or 0
            if longest <= _BYTES:
                raise
            return _select(store, where, seconds, longest + _BYTES)
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        why = " ".join(str(error).split())
    if why == "interrupted":
        raise MetadataError(f"the filter {where!r} takes too long")
    if "use function" in why or "no such function" in why:
        names = ", ".join(sorted(name for name in FUNCTIONS if name.isidentifier()))
        ways = f"functions are {names}, as in has(genres, 'Jazz')"
    else:
        ways = (
            "texts go in single quotes, lists are asked with has(genres, 'Jazz'), columns are "
            f"{', '.join(library_columns(store))}"
        )
    raise MetadataError(f"the filter {where!r} cannot be understood ({why}); {ways}")


def read_filtered(store: Store, where: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield all tracks, or those that fulfil a condition, as columns of ``library``, by path.

    Raises
    ------
    MetadataError, ModelError
        As :func:`filter_tracks`.
    """
    refresh_tags(store, needed=False)
    among = None if where is None else set(filter_tracks(store, where).tolist())
    for track in read_columns(store, ["track", *library_columns(store)]):
        if among is None or track["track"] in among:
            del track["track"]
            yield track


def _select(store: Store, where: str, seconds: float, size: int) -> NDArray[np.int64]:
    with _bounded(store.db, seconds, size):
        rows = store.db.execute(f"SELECT track FROM library WHERE ({where}\n)").fetchall()
    return np.array(rows, dtype=np.int64).reshape(-1)


@contextmanager
def _bounded(db: sqlite3.Connection, seconds: float, size: int) -> Iterator[None]:
    """Let statements read and nothing else, within bounds of time and of a text's bytes."""

    def authorize(action: int, _: Any, name: str | None, *rest: Any) -> int:
        known = action == sqlite3.SQLITE_FUNCTION and name in FUNCTIONS
        return sqlite3.SQLITE_OK if known or action in _ACTIONS else sqlite3.SQLITE_DENY

    limits = {sqlite3.SQLITE_LIMIT_LENGTH: size, sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: _PATTERN}
    before = {limit: db.setlimit(limit, most) for limit, most in limits.items()}
    timer = threading.Timer(seconds, db.interrupt)
    timer.daemon = True
    db.set_authorizer(authorize)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # or it might interrupt what comes next
        db.set_authorizer(None)
        for limit, most in before.items():
            db.setlimit(limit, most)
