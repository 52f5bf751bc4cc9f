"""Rank a catalog by similarity to a vector, within filters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.index import Index
from musicu.catalog.lookup import QueryVector
from musicu.catalog.nearest import growing_counts
from musicu.catalog.non_music import choose_tracks
from musicu.catalog.store import Store
from musicu.catalog.tracks import read_tracks
from musicu.encoders.tagger import TagHead
from musicu.metadata.artists import album_key, artist_keys
from musicu.metadata.fields import Metadata

__all__ = ["Match", "describe_matches", "find_similar", "rank"]

# Neighbors that are looked for beside those that are asked for: some may be left out.
_MORE = 1000


@dataclass(frozen=True)
class Match:
    """A similar track.

    Attributes
    ----------
    rank : int
        1 for the most similar.
    score : float in [0, 1]
        Cosine of the two embeddings; negative ones count as 0.
    id : str
        Identity of its audio.
    path : str
        Where it lies.
    title, artist, album : str or None
        From its metadata.
    seconds : float
        Its length.
    """

    rank: int
    score: float
    id: str
    path: str
    title: str | None
    artist: str | None
    album: str | None
    seconds: float


def find_similar(
    store: Store,
    index: Index,
    query: QueryVector,
    n: int,
    where: str | None = None,
    exclude_same_artist: bool = False,
    exclude_same_album: bool = False,
    *,
    head: TagHead | None = None,
) -> list[Match]:
    """Return the tracks most similar to a query but the query itself: :func:`rank`.

    Parameters
    ----------
    store, index
        The catalog and its vectors.
    query : QueryVector
        What is asked for, see :func:`musicu.catalog.lookup.find_query`.
    n : int >= 0
        How many.
    where : str or None
        SQL condition on metadata, see :func:`musicu.catalog.sql_filter.filter_tracks`.
    exclude_same_artist, exclude_same_album : bool
        Leave out tracks that share an artist, or the album, with the query.
    head : TagHead or None
        Leaves out what it tells to be no music.

    Raises
    ------
    MetadataError
        The condition cannot be understood.
    """
    return rank(
        store,
        index,
        query.vector,
        n,
        among=choose_tracks(store, index, where, head),
        exclude_ids=() if query.id is None else (query.id,),
        not_artists_of=query.metadata if exclude_same_artist else None,
        not_album_of=query.metadata if exclude_same_album else None,
    )


def rank(
    store: Store,
    index: Index,
    vector: NDArray[np.float32],
    n: int,
    *,
    among: NDArray[np.int64] | None = None,
    exclude_ids: Collection[str] = (),
    not_artists_of: Metadata | None = None,
    not_album_of: Metadata | None = None,
) -> list[Match]:
    """Return the ``n`` tracks most similar to a vector.

    Every filter acts before the ranking: ``n`` tracks come back if there are as many that pass.

    Parameters
    ----------
    store, index
        The catalog and its vectors.
    vector : np.ndarray [shape=(dim,), float32]
        Unit vector.
    n : int >= 0
        How many.
    among : np.ndarray [shape=(m,), int64] or None
        Row numbers of the tracks that may be found; None for all of them.
    exclude_ids : collection of str
        Identities that are left out: the query itself.
    not_artists_of, not_album_of : Metadata or None
        Leave out tracks that share an artist, or the album, with this one.
    """
    artists = frozenset(artist_keys(not_artists_of) if not_artists_of else ())
    album = album_key(not_album_of) if not_album_of else None
    ranked = _nearest(index, vector, max(n, 0) + len(exclude_ids) + _MORE, among)
    matches = describe_matches(store, ranked, exclude_ids, artists, album)
    return [match for _, match in islice(matches, max(n, 0))]


def _nearest(
    index: Index, vector: NDArray[np.float32], n: int, among: NDArray[np.int64] | None
) -> Iterator[tuple[int, float]]:
    """Yield tracks from the nearest on with their scores: `n`, then more as they are needed."""
    done = 0
    for reach in growing_counts(n, len(index)):
        ((tracks, cosines),) = index.search(vector[None], reach, among=among)
        yield from zip(tracks[done:].tolist(), cosines[done:].clip(0, 1).tolist(), strict=True)
        done = len(tracks)
        if done < reach:
            return


def describe_matches(
    store: Store,
    ranked: Iterable[tuple[int, float]],
    exclude_ids: Collection[str] = (),
    artists: frozenset[str] = frozenset(),
    album: str | None = None,
) -> Iterator[tuple[int, Match]]:
    """Describe tracks that are not left out, each with its row number.

    Parameters
    ----------
    store : Store
        The catalog.
    ranked : iterable of (int, float)
        Row numbers of tracks with their scores, the best first.
    exclude_ids, artists, album
        Ids, keys of artists, and the key of an album that are left out.

    Yields
    ------
    (int, Match)
    """
    place, portion, ranked = 0, 32, iter(ranked)
    while some := list(islice(ranked, portion)):
        known = {track.row: track for track in read_tracks(store, [row for row, _ in some])}
        for row, score in some:
            track = known.get(row)
            if track is None or track.id in exclude_ids:  # its files are gone for now
                continue
            about = track.metadata
            if not artists.isdisjoint(artist_keys(about)) or (album and album == album_key(about)):
                continue
            place += 1
            names = about.title, about.artist, about.album
            yield row, Match(place, round(score, 6), track.id, track.path, *names, track.seconds)
        portion *= 2
