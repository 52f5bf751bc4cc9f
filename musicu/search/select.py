"""From candidates to the tracks of an answer: near, not excluded, varied, within the caps."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.nearest import growing_counts
from musicu.encoders.tagger import TagHead
from musicu.items.versions import versions
from musicu.metadata.fields import Metadata
from musicu.search.name_codes import NameCodes
from musicu.search.query import Answer, Hit, Query
from musicu.search.rerank import rerank
from musicu.search.seeds import FoundSeeds, read_items, seed_items
from musicu.search.snapshot import Snapshot
from musicu.search.spaces import DEFAULT_SPACE, Space, as_scores

__all__ = ["excluded_ids", "nearest_answer", "select"]

Array = NDArray[np.float32]
Positions = NDArray[np.intp]

# Candidates beside the tracks that are asked for: so many times as many, within these bounds.
_TIMES, _FEWEST, _MOST = 4, 200, 2000
# Where caps leave too few, more candidates are looked at, but none that is farther than so many.
_FARTHEST = 20_000


def select(
    query: Query,
    found: FoundSeeds,
    space: Space,
    vector: Array,
    names: NameCodes,
    head: TagHead | None = None,
) -> tuple[list[Hit], list[str]]:
    """Select tracks.

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
    head : TagHead or None
        Leaves out what it tells to be no music.

    Returns
    -------
    list of Hit
        In order, without explanations.
    list of str
        Notes: what could not be had.

    Raises
    ------
    MusicuError
        The condition cannot be understood.
    """
    snapshot = space.snapshot
    mask = snapshot.choose(query.where, head)
    out = excluded_ids(snapshot, query, found)
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
        if query.no_versions or query.collapse_versions:
            songs, fresh = _songs(snapshot, positions, found)
            if query.no_versions:
                positions, scores, songs = positions[fresh], scores[fresh], songs[fresh]
        placed, notes = rerank(
            scores,
            n=query.n,
            similarity=space.similarities(positions) if query.diversity else None,
            artists=[snapshot.artists[at] for at in positions.tolist()],
            albums=[None if at < 0 else at for at in snapshot.albums[positions].tolist()],
            versions=None if songs is None else songs.tolist(),
            diversity=query.diversity,
            max_per_artist=query.max_per_artist,
            max_per_album=query.max_per_album,
        )
        if len(placed) == query.n or complete:
            break
    at = [place.position for place in placed]
    hits = _hits(snapshot, positions[at].tolist(), scores[at].tolist())
    if query.collapse_versions and songs is not None:
        hits = [
            hit._replace(versions=tuple(positions[_others(songs, i)].tolist()))
            for hit, i in zip(hits, at, strict=True)
        ]
    return hits, notes


def _others(songs: NDArray[np.int64], at: int) -> NDArray[np.bool_]:
    """Tell which candidates are the song of one of them, but not that one."""
    same: NDArray[np.bool_] = songs == songs[at]
    same[at] = False
    return same


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


def nearest_answer(
    snapshot: Snapshot, n: int, positions: Positions, cosines: Array, out: AbstractSet[str]
) -> Answer:
    """Answer with the nearest tracks by sound that are not excluded.

    Parameters
    ----------
    snapshot : Snapshot
    n : int
        How many.
    positions, cosines : np.ndarray [shape=(m,)]
        Of the nearest tracks, the nearest first: `n` and as many as are excluded.
    out : set of str
        Ids of tracks that are excluded.
    """
    kept = [at for at, position in enumerate(positions) if snapshot.ids[position] not in out][:n]
    hits = _hits(snapshot, positions[kept].tolist(), as_scores(cosines[kept]).tolist())
    notes = () if len(hits) == n else (f"{len(hits):,} of {n:,}: no more candidates",)
    return Answer(tuple(hits), notes, snapshot, DEFAULT_SPACE)


def excluded_ids(snapshot: Snapshot, query: Query, found: FoundSeeds) -> set[str]:
    """Return the ids of a query's seeds, and of the tracks it excludes by their ids."""
    out = {snapshot.ids[position] for position in found.positions if position >= 0}
    # A new track may be in the catalog meanwhile.
    out.update(seed.item.id for seed in found.seeds if seed.item is not None)
    out.update(query.exclude)
    return out


def _hits(snapshot: Snapshot, positions: Sequence[int], scores: Sequence[float]) -> list[Hit]:
    return [
        Hit(rank, position, snapshot.ids[position], score)
        for rank, (position, score) in enumerate(zip(positions, scores, strict=True), start=1)
    ]
