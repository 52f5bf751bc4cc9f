"""Which items are one song: the same audio, the same recording, or a version of it.

Everything is grouped and nothing is thrown away. In doubt two items stay apart: a false merge hides
music, a missed one only repeats it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from musicu.items.item import Items
from musicu.items.titles import song_numbers, song_title
from musicu.metadata.artists import artist_keys, main_artist

__all__ = [
    "NEAR_AUDIO",
    "SAME_AUDIO",
    "close_pairs",
    "same_audio",
    "same_recordings",
    "versions",
]

Floats = NDArray[np.float32]
Groups = NDArray[np.int64]
Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]

# Cosines of musicu's embeddings. Of 1.2 million pairs of other tracks (free_music, game_music,
# taffc) none is above the first; of 10,000 pairs of one artist 4 are above the second, at least
# half of them the same song.
SAME_AUDIO = 0.995
NEAR_AUDIO = 0.97

_BLOCK = 512  # rows compared at a time
_AXES = 32  # principal axes that settle most comparisons


def same_audio(items: Items) -> Groups:
    """Group items whose embeddings are the same but for the coding of the file.

    Parameters
    ----------
    items : Items

    Returns
    -------
    np.ndarray [shape=(n,), int64]
        Group numbers; items that were not heard are alone.
    """
    return _groups(len(items), [_same_audio_pairs(items)])


def same_recordings(items: Items) -> Groups:
    """Group items that share a MusicBrainz recording, or an ISRC and an artist or a title.

    An ISRC alone does not do where artists differ: labels give one out twice.

    Parameters
    ----------
    items : Items

    Returns
    -------
    np.ndarray [shape=(n,), int64]
        Group numbers.
    """
    return _groups(len(items), [_linked(_recording_keys(items))])


def versions(items: Items, *, audio: Groups | None = None) -> Groups:
    """Group items that are one song to a listener: the same audio, recording, or a version.

    A version has the artist and the title of another, remarks left out (:func:`song_title`); or
    nearly its sound (:data:`NEAR_AUDIO`) and an artist of it, unless the titles' numbers differ.

    Parameters
    ----------
    items : Items
    audio : np.ndarray [shape=(n,), int64] or None
        What :func:`same_audio` returns, where it is known already.

    Returns
    -------
    np.ndarray [shape=(n,), int64]
        Group numbers from 0, in the order in which the groups begin.
    """
    titles = (
        (("song", title, artist),)
        if (title := song_title(item)) and (artist := main_artist(item.metadata))
        else ()
        for item in items
    )
    same = _same_audio_pairs(items) if audio is None else _linked((g,) for g in audio.tolist())
    others = map(_linked, (_recording_keys(items), titles))
    return _groups(len(items), [same, *others, *_near_audio_pairs(items)])


def _recording_keys(items: Items) -> Iterator[list[Hashable]]:
    """Yield for each item what only the same recording shares."""
    artists: dict[str, set[str]] = defaultdict(set)
    for item in items:
        if item.metadata.isrc and (main := main_artist(item.metadata)):
            artists[item.metadata.isrc].add(main)
    for item in items:
        about = item.metadata
        keys: list[Hashable] = [("mb", about.mb_recording)] if about.mb_recording else []
        if about.isrc and len(artists[about.isrc]) < 2:
            keys.append(("isrc", about.isrc))
        elif about.isrc:
            said = {"artist": main_artist(item.metadata), "title": song_title(item)}
            keys += [("isrc", about.isrc, *said_so) for said_so in said.items() if said_so[1]]
        yield keys


def _linked(keys: Iterable[Iterable[Hashable]]) -> Pairs:
    """Pair each item with the first one that has a key of its own."""
    first: dict[Hashable, int] = {}
    pairs = [
        (place, number)
        for number, own in enumerate(keys)
        for key in own
        if (place := first.setdefault(key, number)) != number
    ]
    one, other = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return one, other


def _groups(n: int, links: Iterable[Pairs]) -> Groups:
    """Return numbers of the connected components, in the order of their first members."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one, other = _together(links)
    graph = coo_array((np.ones(len(one), dtype=bool), (one, other)), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    _, first, group = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[group].astype(np.int64)


def _together(links: Iterable[Pairs]) -> Pairs:
    none = np.empty(0, dtype=np.int64)
    one, other = zip((none, none), *links, strict=True)
    return np.concatenate(one), np.concatenate(other)


def _near_audio_pairs(items: Items) -> Iterator[Pairs]:
    """Yield pairs of one artist that sound nearly the same and are not numbered differently."""
    by_artist: dict[str, list[int]] = defaultdict(list)
    for position in np.flatnonzero(items.heard).tolist():
        for name in artist_keys(items[position].metadata):
            by_artist[name].append(position)
    for positions in by_artist.values():
        if len(positions) < 2:
            continue
        at = np.array(positions)
        for one, other in close_pairs(items.audio[at], NEAR_AUDIO):
            numbers = {i: song_numbers(items[at[i]]) for i in {*one.tolist(), *other.tolist()}}
            fits = [
                not (numbers[i] and numbers[j]) or numbers[i] == numbers[j]
                for i, j in zip(one.tolist(), other.tolist(), strict=True)
            ]
            yield at[one[fits]], at[other[fits]]


def _same_audio_pairs(items: Items) -> Pairs:
    heard = np.flatnonzero(items.heard)
    n = len(heard)
    parts = []
    for one, other in close_pairs(items.audio[heard], SAME_AUDIO):
        if len(one) > n:  # a thousand copies of silence are a million pairs: a tree does
            group = _groups(n, [(one, other)])
            other = np.unique(np.concatenate([one, other]))
            one = np.unique(group, return_index=True)[1][group[other]]
        parts.append((one, other))
    one, other = _together(parts)
    return heard[one], heard[other]


def close_pairs(vectors: Floats, least: float) -> Iterator[Pairs]:
    """Yield all pairs of unit vectors with a cosine above `least`.

    Exact, and much less than all products. Along any axis two such vectors are at most
    ``sqrt(2 - 2 least)`` apart, so each is compared with those near it on one axis only. And
    their product is at most that of their parts in a few principal axes plus the product of the
    lengths of the rest (Cauchy-Schwarz), so whole products are left to the few pairs that pass.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, dim), float32]
        Of length 1.
    least : float in [0, 1)

    Yields
    ------
    (np.ndarray, np.ndarray) [shape=(m,), int64]
        Rows of some pairs, each pair once.
    """
    n = len(vectors)
    if n <= _BLOCK:
        i, j = np.nonzero(np.triu(vectors @ vectors.T, 1) > least)
        yield i, j
        return
    axes = np.linalg.eigh(vectors.T @ vectors)[1][:, ::-1][:, :_AXES]
    parts = vectors @ axes
    spread = np.linalg.eigh(np.cov(parts.T).reshape(axes.shape[1], -1))[1][:, -1]
    along = parts @ spread
    order = np.argsort(along)
    rest = np.sqrt(np.maximum(0, 1 - np.square(parts).sum(axis=1)))
    bound = np.column_stack([parts, rest])[order].astype(np.float32)
    along, whole = along[order], vectors[order]
    reach = np.sqrt(2 - 2 * least) + 1e-5
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        end = np.searchsorted(along, along[stop - 1] + reach, side="right")
        i, j = np.nonzero(bound[start:stop] @ bound[start:end].T > least - 1e-5)
        i, j = i[j > i] + start, j[j > i] + start
        kept = [
            np.einsum("ij,ij->i", whole[i[at : at + n]], whole[j[at : at + n]]) > least
            for at in range(0, len(i), n)
        ]
        if not kept:
            continue
        close = np.concatenate(kept)
        yield order[i[close]], order[j[close]]
