"""Plays in the order of time, in sessions and spans: what models of sequences learn from.

Who plays at one second cannot be told apart by time: plays of equal times keep the order of the
file, everywhere. Other orders changed a quarter of a public test set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError
from musicu.metadata.parsers import squeeze
from musicu.metadata.tables import Table
from musicu.metadata.values import TIME_WAY_OUT, NumberColumn, texts

__all__ = ["Plays", "read_plays"]

Bools = NDArray[np.bool_]
Positions = NDArray[np.intp]

# Names a column goes by, letters and digits only (see `squeeze`), best first.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "user": ("USER", "USERID", "USERNAME", "LISTENER", "LISTENERID", "ACCOUNT", "STATION"),
    "item": ("ITEM", "ITEMID", "TRACK", "TRACKID", "SONG", "SONGID", "RECORDING", "RECORDINGID"),
    "time": ("TIME", "TIMESTAMP", "DATETIME", "TS", "UTS", "PLAYEDAT", "LISTENEDAT"),
    "session": ("SESSION", "SESSIONID"),
    "span": ("SPAN", "WINDOW"),
    "artist": ("ARTIST", "ARTISTID", "ARTISTNAME"),
    "title": ("TITLE", "TRACKNAME", "SONGNAME"),
}
_PAUSE = 1800.0  # seconds of silence after which another session begins
_APART = 7 * 86400.0  # seconds without any play between two spans
_PARTS = 4  # spans of a log that goes on without such a gap


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Plays:
    """Plays, the earliest first; of equal times, in the order of the file.

    Parameters
    ----------
    items, users : tuple of str
        Each once.
    artists : tuple of str
        Of the items, as written; ``""`` where nothing is said.
    item, user : np.ndarray [shape=(m,), intp]
        Positions in `items` and `users`.
    session : np.ndarray [shape=(m,), intp]
        A number each; a session is of one user, in one span.
    span : np.ndarray [shape=(m,), intp]
        0 is the earliest.
    time : np.ndarray [shape=(m,), float64]
        Seconds since 1970, UTC.
    """

    items: tuple[str, ...]
    users: tuple[str, ...]
    artists: tuple[str, ...]
    item: Positions
    user: Positions
    session: Positions
    span: Positions
    time: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.item)

    def __repr__(self) -> str:
        return (
            f"Plays({len(self):,} in {len(np.unique(self.session)):,} sessions of "
            f"{len(self.users):,} users, {len(self.items):,} items, {self.spans} spans)"
        )

    @property
    def spans(self) -> int:
        """How many spans there are."""
        return int(self.span.max()) + 1 if len(self) else 0

    def where(self, chosen: Bools) -> Plays:
        """Return some of the plays; items, users and numbers stay what they are."""
        parts = ("item", "user", "session", "span", "time")
        return replace(self, **{name: getattr(self, name)[chosen] for name in parts})

    def before(self, span: int) -> Plays:
        """Return the plays of all spans before one."""
        return self.where(self.span < span)

    def within(self, span: int) -> Plays:
        """Return the plays of one span."""
        return self.where(self.span == span)

    def renumbered(self, ids: Sequence[str]) -> Plays:
        """Return the same plays, with the items in another order, or among more.

        Raises
        ------
        MetadataError
            An item that is played is not among them.
        """
        at = {id: place for place, id in enumerate(ids)}
        if missing := next((id for id in self.items if id not in at), None):
            raise MetadataError(f"the play of {missing!r} is of no known item: describe it")
        place = np.array([at[id] for id in self.items], dtype=np.intp)
        artists = [""] * len(ids)
        for old, new in enumerate(place):
            artists[new] = self.artists[old]
        return replace(self, items=tuple(ids), artists=tuple(artists), item=place[self.item])


def read_plays(source: Any) -> Plays:
    """Read plays from a table.

    Columns go by their usual names: ``user`` (or ``listener``, ``station``), ``item`` (``track``,
    ``song``; without one, an item is its ``artist`` and ``title``), ``time``, and if they are there
    ``artist``, ``session`` and ``span`` (``window``). Without sessions, another one begins after
    half an hour of silence. Without spans, seven days in which nobody plays anything part them; a
    log without such a gap is cut into four spans of as many plays.

    Parameters
    ----------
    source : str, path-like or data frame
        See :meth:`musicu.metadata.tables.Table.open`.

    Returns
    -------
    Plays

    Raises
    ------
    MetadataError
        The table cannot be read; has no column for users, items or times; a cell of these is empty;
        or a time is none.
    MissingExtraError
        Parquet without pyarrow.

    Examples
    --------
    >>> plays = read_plays({"user": ["a", "a", "a"], "track": ["x", "y", "x"], "time": [9, 5, 5]})
    >>> [plays.items[item] for item in plays.item]
    ['y', 'x', 'x']
    """
    usual = {name for names in _FIELDS.values() for name in names}
    table = Table.open(source, lambda title: squeeze(title) in usual)
    at = _find_columns(table)
    held: dict[str, list[str]] = {name: [] for name in at if name != "time"}
    times = NumberColumn(
        table.path, table.columns[at["time"]], "time", way_out=TIME_WAY_OUT, times=True
    )
    for numbers, columns in table.chunks(list(at.values())):
        cells = dict(zip(at, columns, strict=True))
        times.add(cells.pop("time"), numbers)
        for name, column in cells.items():
            needed = name not in ("artist", "title") or "item" not in at
            held[name] += _texts(table.path, name, column, numbers, needed=needed)
    if "item" not in at:
        pairs = zip(held["artist"], held["title"], strict=True)
        held["item"] = [f"{artist} - {title}" for artist, title in pairs]
    moment = times.values()
    order = np.argsort(moment, kind="stable")
    moment = moment[order]
    users, user = _numbered(held["user"], order)
    items, item = _numbered(held["item"], order)
    names = [""] * len(items)
    if "artist" in held:
        for place, artist in zip(item[::-1], np.array(held["artist"])[order][::-1], strict=True):
            names[place] = str(artist)
    span = _spans(moment) if "span" not in held else _given_spans(held["span"], order, moment)
    if "session" in held:
        _, told = _numbered(held["session"], order)
    else:
        told = _sessions(user, moment)
    _, session = np.unique(np.stack([span, user, told]), axis=1, return_inverse=True)
    return Plays(
        items=tuple(items),
        users=tuple(users),
        artists=tuple(names),
        item=item,
        user=user,
        session=np.asarray(session.ravel(), dtype=np.intp),
        span=span,
        time=moment,
    )


def _find_columns(table: Table) -> dict[str, int]:
    """Return at which position each field stands.

    Raises
    ------
    MetadataError
        One that is needed has no column.
    """
    squeezed = [squeeze(title) for title in table.columns]
    found: dict[str, int] = {}
    for field, names in _FIELDS.items():
        name = next((name for name in names if name in squeezed), None)
        if name is not None:
            found[field] = squeezed.index(name)
    named = "item" in found or {"artist", "title"} <= found.keys()
    missing = [f"no column {field!r}" for field in ("user", "time") if field not in found]
    missing += [] if named else ["no column 'item', and no 'artist' with 'title'"]
    if missing:
        raise MetadataError(f"{table.path}: {' and '.join(missing)}: name them so")
    return found


def _texts(
    path: str, field: str, cells: Sequence[Any], rows: Sequence[int], *, needed: bool
) -> list[str]:
    found = []
    for row, cell in zip(rows, cells, strict=True):
        text = "|".join(texts(cell))
        if needed and not text:
            raise MetadataError(f"{path}: row {row}: its {field} is empty: fill it in")
        found.append(text)
    return found


def _numbered(names: Sequence[str], order: Positions) -> tuple[list[str], Positions]:
    """Give names numbers, in the order in which they come."""
    known: dict[str, int] = {}
    codes = [known.setdefault(names[row], len(known)) for row in order]
    return list(known), np.array(codes, dtype=np.intp)


def _spans(moment: NDArray[np.float64]) -> Positions:
    gaps = np.diff(moment, prepend=moment[:1]) > _APART
    if gaps.any():
        return np.cumsum(gaps).astype(np.intp)
    cuts = moment[(len(moment) * np.arange(1, _PARTS)) // _PARTS]  # one second is in one span
    return np.searchsorted(cuts, moment, side="right").astype(np.intp)


def _given_spans(names: Sequence[str], order: Positions, moment: NDArray[np.float64]) -> Positions:
    """Order the spans that a column names by when they begin.

    Raises
    ------
    MetadataError
        Two of them overlap in time.
    """
    told, span = _numbered(names, order)
    for number in range(1, len(told)):
        if moment[span == number].min() < moment[span < number].max():
            raise MetadataError(
                f"the span {told[number]!r} begins before the one before it ends: spans part time"
            )
    return span


def _sessions(user: Positions, moment: NDArray[np.float64]) -> Positions:
    order = np.lexsort((np.arange(len(user)), user))  # a user's plays, in the order of time
    other = np.diff(user[order], prepend=-1) != 0
    paused = np.diff(moment[order], prepend=-np.inf) > _PAUSE
    session = np.empty(len(user), dtype=np.intp)
    session[order] = np.cumsum(other | paused)
    return session
