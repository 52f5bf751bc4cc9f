"""A catalog divided into lists: one a cluster, mood, genre or artist, or like what others chose."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.catalog.non_music import head_at_hand
from musicu.encoders.tagger import TagHead
from musicu.errors import ModelError, MusicuError
from musicu.metadata.artists import named_artists
from musicu.search.explorer import Explorer
from musicu.search.query import MOST_SEEDS, MOST_TRACKS, Query
from musicu.search.rerank import rerank
from musicu.search.seeds import Seed, blend
from musicu.search.snapshot import Snapshot

__all__ = ["DIVISIONS", "ListLimits", "TrackList", "like_tracks", "list_tracks"]

Array = NDArray[np.float32]
Bools = NDArray[np.bool_]

# Clusters are found among so many tracks, evenly chosen; all others go to the nearest one.
_LEARNED_FROM = 20_000
_MOST_CLUSTERS = 24
_ROUNDS = 30
# A cluster is named by words that are heard in it more than elsewhere, so many standard deviations.
_TELLING = 0.3
# Candidates for a list, beside the tracks asked for, where an artist is capped.
_TIMES = 8


@dataclass(frozen=True)
class TrackList:
    """Tracks that belong together.

    Attributes
    ----------
    name : str
        What the list is called.
    kind : str
        One of :data:`DIVISIONS`, ``"like"`` or ``"query"``.
    ids : tuple of str
        Its tracks, in order.
    notes : tuple of str
        What could not be had, one line each.
    """

    name: str
    kind: str
    ids: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ListLimits:
    """What every list keeps to.

    Parameters
    ----------
    most, least : int >= 1
        Tracks of a list; where there are fewer than `least`, there is no list.
    where : str or None
        SQL condition on metadata, as for :meth:`musicu.Catalog.similar`.
    max_per_artist : int >= 1 or None
        Cap; not in an artist's own list.
    clusters : int >= 1 or None
        How many clusters there are; None goes by the number of tracks.
    include_non_music : bool
        Also what is heard to be no music.

    Raises
    ------
    MusicuError
        A number is out of its range.
    """

    most: int = 50
    least: int = 5
    where: str | None = None
    max_per_artist: int | None = None
    clusters: int | None = None
    include_non_music: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most <= MOST_TRACKS:
            raise MusicuError(f"a list has {self.least} to {self.most} tracks: 1 to {MOST_TRACKS}")
        if self.clusters is not None and self.clusters < 1:
            raise MusicuError(f"{self.clusters} clusters: at least 1")


def list_tracks(explorer: Explorer, by: str, limits: ListLimits | None = None) -> list[TrackList]:
    """Divide a catalog into lists.

    Parameters
    ----------
    explorer : Explorer
        The catalog.
    by : str
        One of :data:`DIVISIONS`. ``"cluster"``: spherical k-means on the embeddings (Dhillon and
        Modha, Machine Learning 2001; begun as in Arthur and Vassilvitskii, SODA 2007), each track
        in one list at most, the most typical first; named by words that are heard there more than
        elsewhere. ``"mood"``, ``"genre"``: a word of the
        model, the tracks in which it is surest. ``"artist"``: what is nearest to the middle of an
        artist's tracks, theirs and others'.
    limits : ListLimits or None
        What every list keeps to.

    Returns
    -------
    list of TrackList
        By size, the largest first; of artists by name. The same catalog gives the same lists.

    Raises
    ------
    MusicuError
        There is no such division; `MetadataError` if the condition cannot be understood,
        `ModelError` if words are needed and the catalog's model has none.

    Examples
    --------
    >>> from musicu.search.track_lists import ListLimits, list_tracks
    >>> explorer = Explorer.open("music.db")
    >>> [len(one.ids) for one in list_tracks(explorer, "cluster", ListLimits(least=1, clusters=1))]
    [1]
    >>> explorer.close()
    """
    if by not in DIVISIONS:
        raise MusicuError(f"{by}: no way to divide a catalog; there are {', '.join(DIVISIONS)}")
    limits = limits or ListLimits()
    snapshot = explorer.live.snapshot
    head = head_at_hand(snapshot.model)
    mask = snapshot.choose(limits.where, None if limits.include_non_music else head)
    allowed = np.ones(len(snapshot), dtype=np.bool_) if mask is None else mask
    return list(DIVISIONS[by](snapshot, head, allowed, limits))


def like_tracks(
    explorer: Explorer, name: str, seeds: Sequence[Seed], limits: ListLimits | None = None
) -> TrackList:
    """List what is like some tracks, without these.

    Parameters
    ----------
    explorer : Explorer
    name : str
        Of the list.
    seeds : sequence of Seed
        Of more than 100 as many are taken, evenly chosen.
    limits : ListLimits or None
        What the list keeps to; `least` is not asked.

    Raises
    ------
    MusicuError
        As :meth:`musicu.Explorer.similar`.
    """
    limits = limits or ListLimits()
    step = max(len(seeds) / MOST_SEEDS, 1.0)
    chosen = [seeds[int(at * step)] for at in range(math.ceil(len(seeds) / step))][:MOST_SEEDS]
    query = Query(
        seeds=tuple(chosen),
        n=limits.most,
        where=limits.where,
        max_per_artist=limits.max_per_artist,
        include_non_music=limits.include_non_music,
    )
    answer = explorer.similar(query)
    return TrackList(name, "like", tuple(hit.id for hit in answer.hits), answer.notes)


def _clusters(
    snapshot: Snapshot, head: TagHead | None, allowed: Bools, limits: ListLimits
) -> Iterator[TrackList]:
    positions = np.flatnonzero(allowed)
    vectors = snapshot.vectors(positions)
    count = limits.clusters or round(math.sqrt(len(positions) / limits.least))
    count = min(max(count, 1), len(positions) // limits.least)
    if limits.clusters is None:
        count = min(count, _MOST_CLUSTERS)
    if count < 1:
        return
    centers = _centers(vectors, count)
    nearest = np.argmax(vectors @ centers.T, axis=1)
    logits = None if head is None else head.logits(vectors)
    lists = []
    for number in range(len(centers)):
        members = nearest == number
        mask = np.zeros(len(snapshot), dtype=np.bool_)
        mask[positions[members]] = True
        ids = _nearest(snapshot, centers[number], mask, limits, limits.max_per_artist)
        if len(ids) >= limits.least:
            name = "" if head is None or logits is None else _words(head, logits, members)
            lists.append((int(members.sum()), name, ids))
    lists.sort(key=lambda one: (-one[0], one[2]))
    for number, (_, name, ids) in enumerate(lists, start=1):
        yield TrackList(name or f"Cluster {number}", "cluster", ids)


def _centers(vectors: Array, count: int) -> Array:
    """Return unit vectors [at most count, dim] amid clusters; always the same."""
    rng = np.random.default_rng(0)
    some = vectors[:: math.ceil(len(vectors) / _LEARNED_FROM)]
    centers = some[[int(rng.integers(len(some)))]]
    far = np.maximum(1.0 - some @ centers[0], 0.0).astype(np.float64)
    while len(centers) < count and far.sum() > 1e-6:
        new = some[rng.choice(len(some), p=far / far.sum())]
        centers = np.vstack([centers, new])
        far = np.minimum(far, np.maximum(1.0 - some @ new, 0.0))
    for _ in range(_ROUNDS):
        nearest = np.argmax(some @ centers.T, axis=1)
        sums = (nearest == np.arange(len(centers))[:, None]).astype(np.float32) @ some
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        moved = np.where(lengths > 1e-6, sums / np.maximum(lengths, 1e-6), centers)
        if np.array_equal(moved, centers):
            break
        centers = moved
    return centers


def _words(head: TagHead, logits: Array, members: Bools) -> str:
    """Name a cluster by its most telling words: one of genre, one of mood."""
    if members.all():
        return ""
    spread = np.maximum(logits.std(axis=0), 1e-6)
    lead = (logits[members].mean(axis=0) - logits.mean(axis=0)) / spread
    words = []
    for kind in ("genre", "mood"):
        of_kind = [at for at, tag in enumerate(head.tags) if tag.kind == kind]
        best = max(of_kind, key=lambda at: float(lead[at]), default=None)
        if best is not None and lead[best] >= _TELLING:
            words.append(head.tags[best].name)
    return ", ".join(words)


def _heard(kind: str) -> Callable[..., Iterator[TrackList]]:
    def lists(
        snapshot: Snapshot, head: TagHead | None, allowed: Bools, limits: ListLimits
    ) -> Iterator[TrackList]:
        if head is None:
            raise ModelError(
                f"{snapshot.path}: {snapshot.model.name} is not installed, or knows no words: "
                "divide by cluster or by artist"
            )
        positions = np.flatnonzero(allowed)
        vectors = snapshot.vectors(positions)
        sure = head.probabilities(vectors)
        sure[head.unfamiliar(vectors)] = 0.0
        found = []
        for at, tag in enumerate(head.tags):
            if tag.kind == kind:
                heard = top_k(sure[:, at], _TIMES * limits.most)
                heard = heard[sure[heard, at] >= tag.threshold]
                scores, cap = sure[heard, at], limits.max_per_artist
                ids = _capped(snapshot, positions[heard], scores, limits.most, cap)
                found.append(TrackList(tag.name, kind, ids))
        found.sort(key=lambda one: (-len(one.ids), one.name))
        yield from (one for one in found if len(one.ids) >= limits.least)

    return lists


def _artists(
    snapshot: Snapshot, head: TagHead | None, allowed: Bools, limits: ListLimits
) -> Iterator[TrackList]:
    names: dict[str, str] = {}
    tracks: dict[str, list[int]] = {}
    for position in np.flatnonzero(allowed).tolist():
        credit = json.loads(snapshot.cards[position])["artist"] or ""
        for key, name in named_artists(credit).items():
            names.setdefault(key, name)
            tracks.setdefault(key, []).append(position)
    for key in sorted(tracks):
        if len(tracks[key]) >= limits.least:
            own = snapshot.vectors(tracks[key])
            middle = blend(own, np.ones(len(own), dtype=np.float32))
            yield TrackList(names[key], "artist", _nearest(snapshot, middle, allowed, limits, None))


def _nearest(
    snapshot: Snapshot, vector: Array, mask: Bools, limits: ListLimits, cap: int | None
) -> tuple[str, ...]:
    """Return the ids of the tracks that are nearest to a vector, within the caps."""
    reach = limits.most if cap is None else _TIMES * limits.most
    ((positions, cosines),) = snapshot.search(vector[None], reach, [mask])
    return _capped(snapshot, positions, cosines, limits.most, cap)


def _capped(
    snapshot: Snapshot, positions: NDArray[np.intp], scores: Array, most: int, cap: int | None
) -> tuple[str, ...]:
    artists = [snapshot.artists[at] for at in positions.tolist()]
    placed, _ = rerank(scores, n=most, artists=artists, max_per_artist=cap)
    return tuple(snapshot.ids[positions[place.position]] for place in placed)


#: Ways to divide a catalog into lists, by name.
DIVISIONS: dict[str, Callable[..., Iterator[TrackList]]] = {
    "cluster": _clusters,
    "mood": _heard("mood"),
    "genre": _heard("genre"),
    "artist": _artists,
}
