"""Which items a test treats as new: by artist, by album, by given folds, or by time.

A part of the items is *cold*: all that was ever played of it leaves the training log, and the test
asks who played it. What is shared between the two sides decides what a test can show. With tracks
drawn one by one, an artist's other tracks give the answer away (Pampalk, Flexer and Widmer, ISMIR
2005; Flexer and Schnitzer, 2010); so whole artists or whole albums are drawn here, or everything
that came out after a day, which is how new releases really come.

A list that people are shown holds known items, too. So a part of what was played of the *warm*
items is held out with the rest, and whole lists are measured by both.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MetadataError, MusicuError
from musicu.evaluation.recommenders.folds import described, group_items
from musicu.items.item import Items
from musicu.metadata.artists import artist_keys
from musicu.recommend.interactions import Interactions
from musicu.recommend.rank_fit import hide_plays

__all__ = ["FoldProtocol", "Protocol", "Split", "TimeProtocol"]

Bools = NDArray[np.bool_]
Positions = NDArray[np.intp]

_DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Split:
    """One test: what may be learned from, and what is asked.

    Attributes
    ----------
    name : str
        Which part of the items is cold, in words.
    train : Interactions
        What may be learned from; its items are the warm ones, and no other.
    test : Interactions
        Who played the cold items; its items are the cold ones, in the order of `cold`.
    held : Interactions
        Who played which warm items too, beyond their history in `train`, whose items these are.
    cold : np.ndarray [shape=(c,), intp]
        Positions of the cold items among the items, rising.
    known : np.ndarray [shape=(c,), bool]
        Whether an artist of the item, main or guest, was played in training.
    users : np.ndarray [shape=(u,), intp]
        Who is asked: positions of those who have a history and played something cold, or more of
        the warm.
    """

    name: str
    train: Interactions
    test: Interactions
    held: Interactions
    cold: Positions
    known: Bools
    users: Positions


@dataclass(frozen=True)
class FoldProtocol:
    """Each part of the items is cold once.

    Parameters
    ----------
    by : {"artist", "album"} or sequence of (str or None)
        Whole main artists are drawn, or whole albums, see
        :func:`musicu.evaluation.recommenders.folds.group_items`; or a label an item: each label is
        cold once, in the order of the labels; None is never cold.
    folds : int >= 2
        How many parts, for artists and albums.
    hidden : float in [0, 1)
        Share of each listener's warm items that is held out, too: the last ones played where there
        are times, else drawn. An item keeps its plays where all of them would go.
    each : int >= 1 or None
        How many of the folds are tested a seed; None is all. One of five folds each of twenty seeds
        says more than all folds of four: so many more ways in which music can be new.
    """

    by: Literal["artist", "album"] | Sequence[str | None] = "artist"
    folds: int = 5
    hidden: float = 0.2
    each: int | None = None

    @property
    def about(self) -> str:
        """What is cold, in words."""
        if not isinstance(self.by, str):
            return "given folds of the items, each cold once"
        once = "each" if self.each is None else f"{self.each} of them"
        return f"{self.folds} folds of whole {self.by}s, {once} cold once"

    @property
    def name(self) -> str:
        """One word."""
        return self.by if isinstance(self.by, str) else "fold"

    def splits(self, log: Interactions, items: Items, *, seed: int = 0) -> list[Split]:
        """Return the tests.

        Parameters
        ----------
        log : Interactions
            With items that may be unknown otherwise: they stay warm.
        items : Items
            What can be cold, where anything is known of it.
        seed : int
            Of the folds, where they are drawn.

        Raises
        ------
        MusicuError
            There is nothing to make folds of.
        """
        fold = self._folds(items, seed)
        return [
            self._one(log, items, np.flatnonzero(fold == number), name, seed)
            for number, name in enumerate(self._names()[: self.each])
            if (fold == number).any()
        ]

    def validation(self, split: Split, items: Items, *, seed: int = 0) -> Split:
        """Return a test inside the training part: the next fold is cold, for choosing settings.

        Raises
        ------
        MusicuError
            There is nothing to make folds of.
        """
        fold = self._folds(items, seed)
        own = fold[split.cold[0]]
        after = (own + 1 + np.arange(len(self._names()) - 1)) % len(self._names())
        following = next(number for number in after if (fold == number).any())
        cold = np.flatnonzero(fold == following)
        return self._one(split.train, items, cold, f"{split.name}, validation", seed)

    def _one(self, log: Interactions, items: Items, cold: Positions, name: str, seed: int) -> Split:
        if not 0 <= self.hidden < 1:
            raise MusicuError(f"hidden is {self.hidden:g}: a share from 0 to below 1")
        warm = _warm(log, items, cold)
        kept = np.ones(len(warm), dtype=np.bool_)
        if self.hidden:
            kept, _ = hide_plays(warm, self.hidden, np.random.default_rng([seed, *cold[:1]]))
            # What lost all its plays would be new, and is not meant to be.
            kept |= np.bincount(warm.item[kept], minlength=len(warm.items))[warm.item] == 0
        asked = log.of_items(items.ids[i] for i in cold)
        return _split(warm.where(kept), asked, warm.where(~kept), items, cold, name)

    def _names(self) -> list[str]:
        if isinstance(self.by, str):
            return [f"fold {number + 1}" for number in range(self.folds)]
        return [f"fold {label}" for label in sorted({x for x in self.by if x is not None})]

    def _folds(self, items: Items, seed: int) -> NDArray[np.intp]:
        """Return the number of each item's fold; -1 is never cold."""
        able = described(items)
        if not isinstance(self.by, str):
            if len(self.by) != len(items):
                raise MetadataError(f"{len(self.by):,} folds for {len(items):,} items: one each")
            names = sorted({label for label in self.by if label is not None})
            number = {label: i for i, label in enumerate(names)}
            fold = np.array([-1 if x is None else number[x] for x in self.by], dtype=np.intp)
        else:
            group = group_items(items, self.by)
            able_groups = np.unique(group[able])
            if not 2 <= self.folds <= len(able_groups):
                raise MusicuError(
                    f"{len(able_groups):,} {self.by}s of which anything is known do not make "
                    f"{self.folds} folds: ask for 2 or more, and no more than there are"
                )
            drawn = np.random.default_rng(seed).permutation(len(able_groups)) % self.folds
            of_group = np.zeros(group.max() + 1, dtype=np.intp)
            of_group[able_groups] = drawn
            fold = of_group[group]
        fold = np.where(able, fold, -1)
        if len(np.unique(fold[fold >= 0])) < 2:
            raise MusicuError(
                "all items that can be cold are in one fold, or none is: two folds are needed"
            )
        return fold


@dataclass(frozen=True)
class TimeProtocol:
    """What was first played from a day on is cold; all that was played before is training.

    Parameters
    ----------
    since : float
        The day, in seconds since 1970 UTC.
    until : float or None
        Plays from then on are left out, and items that came out then.
    window : float > 0
        Days before `since` that are cold in the validation split.
    """

    since: float
    until: float | None = None
    window: float = 365.0

    @property
    def about(self) -> str:
        """What is cold, in words."""
        end = "" if self.until is None else f" and before {_day(self.until)}"
        return f"items first played since {_day(self.since)}{end}; learned from all plays before"

    @property
    def name(self) -> str:
        """One word."""
        return "time"

    def splits(self, log: Interactions, items: Items, *, seed: int = 0) -> list[Split]:
        """Return the one test; as :meth:`FoldProtocol.splits`, but `seed` changes nothing.

        Raises
        ------
        MusicuError
            The log has no times, or nothing is cold, or nothing happened before.
        """
        return [self._cut(log, items, self.since, self.until)]

    def validation(self, split: Split, items: Items, *, seed: int = 0) -> Split:
        """Return a test inside the training part: what came out in its last `window` days is cold.

        Raises
        ------
        MusicuError
            As for :meth:`splits`.
        """
        return self._cut(split.train, items, self.since - self.window * _DAY, self.since)

    def _cut(self, log: Interactions, items: Items, since: float, until: float | None) -> Split:
        if log.time is None:
            raise MetadataError(
                "the log has no times, so nothing can be cold by time: give a log with a column "
                "'time', or take whole artists"
            )
        end = np.inf if until is None else until
        name = f"since {_day(since)}" + ("" if until is None else f" until {_day(until)}")
        first = np.full(len(log.items), np.inf)
        np.minimum.at(first, log.item, log.time)
        came = {id: at for id, at in zip(log.items, first.tolist(), strict=True)}
        out = np.array([came.get(id, np.inf) for id in items.ids])
        cold = np.flatnonzero((out >= since) & (out < end) & described(items))
        test = log.where((log.time >= since) & (log.time < end))
        train = _warm(log.before(since), items, cold, later=first >= since)
        more = test.of_items(train.items)
        # What was played before is no find.
        heard = np.isin(_pairs(more), _pairs(train))
        asked = test.of_items(items.ids[i] for i in cold)
        return _split(train, asked, more.where(~heard), items, cold, name)


Protocol = FoldProtocol | TimeProtocol


def _warm(
    log: Interactions, items: Items, cold: Positions, *, later: Bools | None = None
) -> Interactions:
    """Take the cold items, and those that came `later`, out of a log."""
    away = {items.ids[i] for i in cold}
    if later is not None:
        away |= {id for id, late in zip(log.items, later, strict=False) if late}
    return log.of_items(id for id in log.items if id not in away)


def _split(
    train: Interactions,
    test: Interactions,
    held: Interactions,
    items: Items,
    cold: Positions,
    name: str,
) -> Split:
    if not len(np.intersect1d(train.user, test.user)):
        raise MusicuError(
            f"{name}: {len(cold):,} items are cold, and nobody with a history played any of them: "
            "there is nothing to measure"
        )
    users = np.intersect1d(train.user, np.union1d(test.user, held.user)).astype(np.intp)
    known = _known(train, items, cold)
    return Split(name=name, train=train, test=test, held=held, cold=cold, known=known, users=users)


def _pairs(log: Interactions) -> NDArray[np.int64]:
    """Each user and item as one number."""
    return log.user.astype(np.int64) * len(log.items) + log.item


def _known(train: Interactions, items: Items, cold: Positions) -> Bools:
    played = {train.items[i] for i in np.unique(train.item)}
    artists = {a for item in items if item.id in played for a in artist_keys(item.metadata)}
    own = (artist_keys(items[i].metadata) for i in cold)
    return np.array([not artists.isdisjoint(keys) for keys in own], dtype=np.bool_)


def _day(time: float) -> str:
    return datetime.datetime.fromtimestamp(time, datetime.UTC).date().isoformat()
