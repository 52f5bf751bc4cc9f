"""Groups of items, of which it may be asked how often they are shown: by audience or a field."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.metadata.artists import main_artist
from musicu.metadata.fields import FIELDS
from musicu.metadata.near_names import did_you_mean
from musicu.recommend.fitted_model import FittedModel

__all__ = ["AUDIENCES", "item_groups"]

Labels = NDArray[np.str_]

# Artists by listening: those who have the first third of it, the second, the last; and those whom
# nobody has played.
AUDIENCES = ("head", "middle", "tail", "new")

_KNOWN: WeakKeyDictionary[FittedModel, dict[str, Labels]] = WeakKeyDictionary()


def item_groups(model: FittedModel, by: str) -> Labels:
    """Tell which group each item belongs to.

    Parameters
    ----------
    model : FittedModel
    by : str
        ``"audience"``: that of the item's main artist, one of :data:`AUDIENCES`, from listeners of
        all the artist's items; ``"new"``: ``"new"`` if nobody has played it, else ``"known"``; or a
        field of the metadata, of several values the first.

    Returns
    -------
    np.ndarray [shape=(n,), str]
        ``""`` where the field says nothing.

    Raises
    ------
    MusicuError
        There is no such field.

    Examples
    --------
    >>> from musicu.recommend.groups import item_groups
    >>> items = Items(Item(f"t{i}", Metadata(artist=f"Artist {i}")) for i in range(4))
    >>> log = Interactions(["ann", "ben"], items.ids, [0, 1, 1], [0, 0, 1])
    >>> item_groups(Recommender(dim=2).fit(log, items).model, "audience").tolist()
    ['head', 'tail', 'new', 'new']
    """
    kept = _KNOWN.setdefault(model, {})
    if by not in kept:
        if by == "audience":
            kept[by] = _audiences(model)
        elif by == "new":
            kept[by] = np.where(model.listeners > 0, "known", "new")
        elif by in FIELDS:
            values = (getattr(item.metadata, by) for item in model.items)
            kept[by] = np.array([_text(value) for value in values], dtype=np.str_)
        else:
            names = ["audience", "new", *FIELDS]
            raise MusicuError(f"no groups by {by!r}{did_you_mean(by, names)}")
    return kept[by]


def _audiences(model: FittedModel) -> Labels:
    names = [main_artist(item.metadata) or f"\0{item.id}" for item in model.items]
    artist = np.unique(np.array(names, dtype=object), return_inverse=True)[1]
    listening = np.bincount(artist, weights=model.listeners)
    order = np.argsort(-listening, kind="stable")
    # An artist belongs where the artist's share begins: the best known is always of the head.
    before = np.cumsum(listening[order]) - listening[order]
    third = np.minimum(3 * before // max(float(listening.sum()), 1.0), 2).astype(np.intp)
    group = np.empty(len(listening), dtype=np.intp)
    group[order] = third
    group[listening == 0] = 3
    return np.array(AUDIENCES)[group][artist]


def _text(value: object) -> str:
    if isinstance(value, tuple):
        value = value[0] if value else None
    return "" if value is None else str(value)
