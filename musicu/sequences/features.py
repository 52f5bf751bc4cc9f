"""What a model of sessions is told of each play, beside what the item is: when, and after what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musicu.sequences.contents import Contents
from musicu.sequences.queries import Queries

__all__ = ["CONTEXT", "FEATURES", "Counts", "Padded", "pad", "play_features"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float32]
Positions = NDArray[np.intp]

CONTEXT = 8  # of the features, those that tell when
FEATURES = CONTEXT + 7
_DAY = 86400.0


@dataclass(frozen=True, eq=False)
class Counts:
    """How often items were played in training.

    Parameters
    ----------
    plays : np.ndarray [shape=(n,), int]
        Of each item.
    artist : np.ndarray [shape=(n,), intp]
        The number of each item's artist; -1 where unknown.
    """

    plays: NDArray[np.int64]
    artist: Positions

    @cached_property
    def by_artist(self) -> NDArray[np.int64]:
        """Of each artist; the last one is nobody, with 0."""
        number = int(self.artist.max(initial=-1)) + 1
        known = self.artist >= 0
        count = np.bincount(self.artist[known], self.plays[known], minlength=number)
        return np.append(count, 0).astype(np.int64)

    @cached_property
    def tracks(self) -> NDArray[np.int64]:
        """How many tracks each artist has; the last one is nobody, with 0."""
        number = int(self.artist.max(initial=-1)) + 1
        count = np.bincount(self.artist[self.artist >= 0], minlength=number)
        return np.append(count, 0)


@dataclass(frozen=True, eq=False)
class Padded:
    """Some sessions as rows of equal length; what lies beyond a session's end is padding.

    Parameters
    ----------
    item : np.ndarray [shape=(b, length), intp]
        0 in padding.
    at, asked_at : np.ndarray [shape=(b, length), float64]
        When each play began, and when the next one was asked for; NaN where nobody knows.
    there : np.ndarray [shape=(b, length), bool]
        False in padding.
    """

    item: Positions
    at: NDArray[np.float64]
    asked_at: NDArray[np.float64]
    there: Bools


def pad(queries: Queries, length: int) -> Padded:
    """Put the latest plays of each query's session in a row."""
    query, at, back = queries.steps(length)
    count = np.minimum(queries.end - queries.start, length)
    place = count[query] - 1 - back
    width = int(count.max(initial=1))
    item = np.zeros((len(queries), width), dtype=np.intp)
    when = np.full(item.shape, np.nan)
    asked = np.full(item.shape, np.nan)
    item[query, place] = queries.played[at]
    when[query, place] = queries.played_at[at]
    asked[:, :-1] = when[:, 1:]
    asked[np.arange(len(queries)), count - 1] = queries.now
    return Padded(item, when, asked, np.arange(width) < count[:, None])


def play_features(
    padded: Padded,
    contents: Contents,
    plays: NDArray[np.int64],
    by_artist: NDArray[np.int64],
    tracks: NDArray[np.int64],
) -> Floats:
    """Return the features of each play.

    Parameters
    ----------
    padded : Padded
    contents : Contents
    plays, by_artist, tracks : np.ndarray [shape=(b, length), int]
        How often the item was played in training, and its artist; how many tracks the artist has.

    Returns
    -------
    np.ndarray [shape=(b, length, FEATURES), float32]
        First the context: gaps before the play and after it, hour and weekday (UTC) of the request,
        all 0 where no time is known. Then whether the artist is that of the play before, how like
        it the tags are, whether the item was there before, how many plays there were; how many
        tracks the artist has, and how often item and artist were played.
    """
    item, there = padded.item, padded.there
    found = np.zeros((*item.shape, FEATURES), dtype=np.float32)
    before = np.full(item.shape, np.nan)
    before[:, 1:] = np.diff(padded.at, axis=1)
    for place, gap in ((0, before), (2, padded.asked_at - padded.at)):
        known = ~np.isnan(gap)
        found[..., place] = np.where(known, np.log1p(np.maximum(np.nan_to_num(gap), 0)) / 5, 0)
        found[..., place + 1] = known
    known = ~np.isnan(padded.asked_at)
    day = np.nan_to_num(padded.asked_at) / _DAY
    for place, turn in ((4, day), (6, day / 7)):
        found[..., place] = np.where(known, np.sin(2 * np.pi * turn), 0)
        found[..., place + 1] = np.where(known, np.cos(2 * np.pi * turn), 0)
    artist = contents.artist[item]
    same = (artist[:, 1:] == artist[:, :-1]) & (artist[:, 1:] >= 0)
    found[:, 1:, CONTEXT] = same
    tags = contents.tags
    pairs = tags[item[:, 1:].ravel()].multiply(tags[item[:, :-1].ravel()])
    found[:, 1:, CONTEXT + 1] = np.asarray(pairs.sum(axis=1)).reshape(item[:, 1:].shape)
    equal = item[:, :, None] == item[:, None, :]
    found[..., CONTEXT + 2] = np.tril(equal, -1).any(axis=2)
    found[..., CONTEXT + 3] = np.log1p(np.arange(item.shape[1])) / 4
    for place, count in ((4, tracks), (5, plays), (6, by_artist)):
        found[..., CONTEXT + place] = np.log1p(np.maximum(count, 0)) / 5
    found[~there] = 0
    return found
