"""Choose the tracks of an answer: near, not left out, varied, within the caps."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.nearest import growing_counts
from musicu.items.versions import versions
from musicu.metadata.fields import Metadata
from musicu.search.pages import NameCodes
from musicu.search.query import Query
from musicu.search.rerank import rerank
from musicu.search.seeds import FoundSeeds
from musicu.search.snapshot import Snapshot
from musicu.search.snapshot_items import read_items, seed_items
from musicu.search.spaces import Space

__all__ = ["choose"]

Array = NDArray[np.float32]
Positions = NDArray[np.intp]

# Candidates beside the tracks that are asked for: so many times as many, within these bounds.
_TIMES, _FEWEST, _MOST = 4, 200, 2000
# Where caps leave too few, more candidates are looked at, but none that is farther than so many.
_FARTHEST = 20_000


def choose(
    query: Query,
    found: FoundSeeds,
    space: Space,
    vector: Array,
    names: NameCodes,
    out: AbstractSet[str],
) -> tuple[list[tuple[int, float]], list[str]]:
    """Choose tracks.

    Parameters
    ----------
    query : Query
        What is asked for.
    found : FoundSeeds
        Its seeds.
    space : Space
        In which to be near.
    vector : np.ndarray [shape=(dim,), float32]
        To what: what the space makes of the seeds.
    names : NameCodes
        Of the catalog's artists and albums.
    out : set of str
        Ids of tracks that are left out.

    Returns
    -------
    list of (int, float)
        Positions and scores, in order.
    list of str
        Notes: what could not be had.

    Raises
    ------
    MusicuError
        The condition cannot be understood.
    """
    snapshot = space.snapshot
    mask = None if query.where is None else snapshot.filter(query.where)
    artists, albums = _excluded(query, found, snapshot, names)
    first = query.n + len(out) + min(max(_TIMES * query.n, _FEWEST), _MOST)
    for reach in growing_counts(first, _FARTHEST):
        positions, scores = space.nearest(vector, reach, mask)
        complete = len(positions) < reach
        kept = np.array(
            [
                snapshot.ids[at] not in out
                and artists.isdisjoint(snapshot.artists[at])
                and int(snapshot.albums[at]) not in albums
                for at in positions.tolist()
            ],
            dtype=np.bool_,
        )
        positions, scores = positions[kept], scores[kept]
        songs = None
        if query.no_versions:
            songs, fresh = _songs(snapshot, positions, found)
            positions, scores, songs = positions[fresh], scores[fresh], songs[fresh]
        placed, notes = rerank(
            scores,
            n=query.n,
            similarity=space.likeness(positions) if query.diversity else None,
            artists=[snapshot.artists[at] for at in positions.tolist()],
            albums=[None if at < 0 else at for at in snapshot.albums[positions].tolist()],
            versions=None if songs is None else songs.tolist(),
            diversity=query.diversity,
            max_per_artist=query.max_per_artist,
            max_per_album=query.max_per_album,
        )
        if len(placed) == query.n or complete:
            break
    return [(int(positions[p.position]), float(scores[p.position])) for p in placed], notes


def _excluded(
    query: Query, found: FoundSeeds, snapshot: Snapshot, names: NameCodes
) -> tuple[set[int], set[int]]:
    """Return the artists and the albums of the seeds, where these are to be left out."""
    artists: set[int] = set()
    albums: set[int] = set()
    for at in found.wanted():
        position, item = found.positions[at], found.seeds[at].item
        if position >= 0:
            artists.update(snapshot.artists[position])
            albums.add(int(snapshot.albums[position]))
        else:
            about = Metadata() if item is None else item.metadata
            artists.update(names.artists(about))
            albums.add(names.album(about))
    return (
        artists if query.exclude_same_artist else set(),
        albums - {-1} if query.exclude_same_album else set(),
    )


def _songs(
    snapshot: Snapshot, positions: Positions, found: FoundSeeds
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return which song each candidate is, and whether it is none of the seeds'."""
    own = seed_items(snapshot, found, found.wanted())
    groups = versions(own.extended(read_items(snapshot, positions.tolist())))
    songs = groups[len(own) :]
    return songs, ~np.isin(songs, groups[: len(own)])
