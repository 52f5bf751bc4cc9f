"""Lists for many listeners: block by block, so that memory does not grow with their number."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MissingExtraError, MusicuError
from musicu.files import written_file
from musicu.recommend.answer import chosen
from musicu.recommend.interactions import Interactions
from musicu.recommend.recommender import History, Recommender
from musicu.recommend.scorer import Scorer

__all__ = ["COLUMNS", "Lists", "listeners_of", "need_parquet", "recommend_batch", "write_lists"]

# Columns of a file of lists, and their types in Arrow.
COLUMNS = {"user": "string", "rank": "int32", "item": "string", "score": "float32", "new": "bool"}
_BLOCK = 500  # listeners


@dataclass(frozen=True, eq=False)
class Lists:
    """The lists of a block of listeners, one below the other.

    Attributes
    ----------
    users : tuple of str
        All who were asked for, those without a list too.
    user : np.ndarray [shape=(m,), int32]
        Position in `users` of each row.
    rank : np.ndarray [shape=(m,), int32]
        1 for the best.
    item : np.ndarray [shape=(m,), intp]
        Position among the recommender's items.
    score : np.ndarray [shape=(m,), float32]
        As in :class:`musicu.recommend.results.Recommendation`.
    new : np.ndarray [shape=(m,), bool]
        Whether nobody has played it yet.
    """

    users: tuple[str, ...]
    user: NDArray[np.int32]
    rank: NDArray[np.int32]
    item: NDArray[np.intp]
    score: NDArray[np.float32]
    new: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.user)


def recommend_batch(
    recommender: Recommender,
    listeners: Iterable[tuple[str, History]],
    n: int = 20,
    *,
    block: int = _BLOCK,
    **rules: Any,
) -> Iterator[Lists]:
    """Give many listeners the lists that :meth:`Recommender.recommend` gives, without reasons.

    Parameters
    ----------
    recommender : Recommender
    listeners : iterable of (str, History)
        Read as they are needed; see :func:`listeners_of`.
    n : int >= 0
        How many each.
    block : int >= 1
        How many listeners' lists are held at a time.
    **rules
        The other options of :meth:`Recommender.recommend`, but ``explain``.

    Yields
    ------
    Lists
        Of each block, in the order of the listeners.

    Raises
    ------
    MusicuError
        An item is not known, or a rule is out of its range.

    Examples
    --------
    >>> items = Items(Item(f"t{i}", Metadata(genres=("jazz",))) for i in range(5))
    >>> log = Interactions(["ann", "ben"], items.ids, [0, 0, 1], [0, 1, 1])
    >>> recommender = Recommender(dim=2).fit(log, items)
    >>> (lists,) = recommend_batch(recommender, listeners_of(log), n=2)
    >>> [lists.users[user] for user in lists.user]
    ['ann', 'ann', 'ben', 'ben']
    """
    model, scorer = recommender.model, Scorer(recommender.model)
    when = {name: rules.pop(name, None) for name in ("now", "hour")}
    usual = {
        "diversity": 0.0,
        "max_per_artist": None,
        "max_per_album": None,
        "no_versions": True,
        "popularity_weight": 0.0,
        "min_new": None,
    }
    asked = iter(listeners)
    while some := list(islice(asked, block)):
        rows = []
        for number, (_, history) in enumerate(some):
            if not len(history.items):
                continue
            at, placed, _, _ = chosen(
                model,
                recommender.ranker,
                recommender.sources,
                scorer.listener(history, **when),
                n,
                **(usual | rules),
            )
            rows += [(number, i + 1, at[i], one.score) for i, one in enumerate(placed)]
        user, rank, item, score = zip(*rows, strict=True) if rows else [()] * 4
        yield Lists(
            tuple(name for name, _ in some),
            np.array(user, dtype=np.int32),
            np.array(rank, dtype=np.int32),
            np.array(item, dtype=np.intp),
            np.array(score, dtype=np.float32),
            model.is_new[np.array(item, dtype=np.intp)],
        )


def listeners_of(log: Interactions, users: slice = slice(None)) -> Iterator[tuple[str, History]]:
    """Yield users of a log with what they played and said; with nothing if it was nothing.

    Parameters
    ----------
    log : Interactions
    users : slice
        Which, by position.
    """
    for user in log.users[users]:
        said = {} if log.feedback is None else dict(zip(*log.feedback.of_user(user), strict=True))
        yield user, History(*log.of_user(user), said)


def write_lists(
    recommender: Recommender,
    log: Interactions,
    path: str | os.PathLike[str],
    n: int = 20,
    *,
    users: slice = slice(None),
    progress: Callable[[int, int], object] | None = None,
    **rules: Any,
) -> int:
    """Write the lists of a log's users to Parquet: the file is whole or not there.

    Parameters
    ----------
    recommender : Recommender
    log : Interactions
        Its items are the recommender's.
    path : str or path-like
        Columns ``user``, ``rank``, ``item``, ``score``, ``new``; a row a place.
    n : int >= 0
        How many each.
    users : slice
        Whose, by position.
    progress : callable or None
        Called with how many users are done, and of how many.
    **rules
        As for :func:`recommend_batch`.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    MusicuError
        The file cannot be written, an item is not known, or a rule is out of its range.
    MissingExtraError
        There is no pyarrow.
    """
    pyarrow, parquet = need_parquet()
    schema = pyarrow.schema(list(COLUMNS.items()))
    total, done, written = len(log.users[users]), 0, 0
    ids = recommender.items
    try:
        with written_file(path) as file, parquet.ParquetWriter(file, schema) as writer:
            for lists in recommend_batch(recommender, listeners_of(log, users), n, **rules):
                names = [_text(name) for name in lists.users]
                columns = {
                    "user": [names[user] for user in lists.user.tolist()],
                    "rank": lists.rank,
                    "item": [_text(ids[at].id) for at in lists.item.tolist()],
                    "score": lists.score,
                    "new": lists.new,
                }
                writer.write_table(pyarrow.table(columns, schema=schema))
                done, written = done + len(names), written + len(lists)
                if progress:
                    progress(done, total)
    except OSError as error:
        raise MusicuError(f"{path}: cannot be written ({error.strerror or error})") from None
    return written


def need_parquet() -> tuple[Any, Any]:
    """Return pyarrow and its module of Parquet; asked before what takes long, too.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    return pyarrow, pyarrow.parquet


def _text(name: str) -> str:
    """Write bytes of a name that are not UTF-8 as their numbers."""
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
