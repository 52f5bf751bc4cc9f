"""What a map can be colored by: numbers and names of all tracks of a catalog, one array each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicu.encoders.tagger import TagHead
from musicu.search.snapshot_reader import MEASURES

__all__ = ["Coded", "Columns", "build_columns", "heard_words"]

Array = NDArray[np.float32]

# More names than that cannot be told apart on a map.
_MOST_NAMES = 40
_ENERGY = ("loudness", "onset_rate", "brightness")


@dataclass(frozen=True, eq=False)
class Coded:
    """A column of names: each track's number of its name, -1 for none."""

    names: tuple[str, ...]
    codes: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of a catalog, in its order.

    Attributes
    ----------
    year, tempo, loudness : np.ndarray [shape=(n,), float32]
        From the metadata; detected (beats per minute); integrated (LUFS). NaN where unknown.
    energy : np.ndarray [shape=(n,), float32]
        In [0, 1]: mean of the track's percentile ranks in loudness, onset rate and brightness
        within the catalog; NaN where one of them is unknown.
    genre : Coded
        First genre; the commonest first, and all beyond 40 are "other".
    key : Coded
        Detected key, by name.
    """

    year: Array
    tempo: Array
    loudness: Array
    energy: Array
    genre: Coded
    key: Coded


def build_columns(
    measures: Array, genres: Sequence[str | None], keys: Sequence[str | None]
) -> Columns:
    """Build the columns of all tracks from what pages hold of them, strung together."""
    by_name = dict(zip(MEASURES, measures.T.copy(), strict=True))
    ranks = [_percentiles(by_name[name]) for name in _ENERGY]
    return Columns(
        by_name["year"],
        by_name["tempo"],
        by_name["loudness"],
        np.mean(ranks, axis=0, dtype=np.float32),
        _coded(_commonest(genres), genres),
        _coded(sorted({name for name in keys if name is not None}), keys),
    )


def heard_words(head: TagHead, vectors: Array) -> Coded:
    """Say one word of each track: its most probable genre, else the most probable of all.

    Of tags, only those that :meth:`musicu.encoders.tagger.TagHead.hear` says.

    Parameters
    ----------
    head : TagHead
    vectors : np.ndarray [shape=(n, dim), float32]
        Unit vectors of the tracks.

    Returns
    -------
    Coded
        The commonest word first; -1 where nothing can be said.
    """
    kinds = np.array([tag.kind for tag in head.tags])
    sounds = kinds == "non-music"
    probable = head.probabilities(vectors)
    # Rounded, as they are shown and stored.
    said = probable.round(3) >= np.array([tag.threshold for tag in head.tags], dtype=np.float32)
    none = head.non_music(vectors)
    said &= np.where(none[:, None], sounds, ~sounds)
    said[~none] &= ~head.unfamiliar(vectors[~none])[:, None]
    genres = said & (kinds == "genre")
    among = np.where(genres.any(axis=1, keepdims=True), genres, said)
    any_said: NDArray[np.bool_] = np.asarray(among.any(axis=1))
    best = np.where(among, probable, -1).argmax(axis=1)
    words = [
        head.tags[tag].name if some else None
        for tag, some in zip(best.tolist(), any_said.tolist(), strict=True)
    ]
    return _coded(_commonest(words), words)


def _percentiles(values: Array) -> Array:
    """Rank each value within all in [0, 1]; equal values share the mean of their ranks."""
    ranks = np.full(values.shape, np.nan, dtype=np.float32)
    known = ~np.isnan(values)
    ordered = np.sort(values[known])
    below = np.searchsorted(ordered, values[known], side="left")
    above = np.searchsorted(ordered, values[known], side="right")
    ranks[known] = (below + above) / (2 * max(len(ordered), 1))
    return ranks


def _commonest(names: Sequence[str | None]) -> list[str]:
    """Return the names that a map can show, the commonest first."""
    counts = Counter(name for name in names if name is not None)
    # Equally common ones by name: the order must not hang on which track came first.
    common = sorted(counts, key=lambda name: (-counts[name], name))
    if len(common) > _MOST_NAMES:
        common = [name for name in common if name != "other"][:_MOST_NAMES]
        common.append("other")
    return common


def _coded(names: Sequence[str], values: Sequence[str | None]) -> Coded:
    codes = {name: code for code, name in enumerate(names)}
    rest = codes.get("other", -1)
    found = (-1 if value is None else codes.get(value, rest) for value in values)
    return Coded(tuple(names), np.fromiter(found, dtype=np.int32, count=len(values)))
