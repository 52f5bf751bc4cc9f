"""Rank a catalog by similarity to a vector, or by a tag query, within filters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.index import Index
from musicu.catalog.lookup import QueryVector
from musicu.catalog.nearest import growing_counts
from musicu.catalog.sql_filter import filter_tracks
from musicu.catalog.store import Store
from musicu.catalog.tracks import read_tracks
from musicu.encoders.tagger import TagHead
from musicu.encoders.vocabulary import Term, Vocabulary
from musicu.metadata.artists import album_key, artist_keys
from musicu.metadata.fields import Metadata

__all__ = [
    "Findings",
    "Match",
    "TaggedMatch",
    "find_by_tags",
    "find_similar",
    "rank",
    "rank_by_tags",
]

# A spread of logits that is rounding, not music: then all tracks are equal in this tag.
_NO_SPREAD = 1e-4
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


@dataclass(frozen=True)
class TaggedMatch(Match):
    """A track that fits a tag query.

    Attributes
    ----------
    score : float
        How many standard deviations above the catalog's mean it lies, summed over the query's terms
        (see :func:`rank_by_tags`); may be negative.
    tags : dict of str to float in [0, 1]
        Probability of each tag that the query names.
    """

    tags: dict[str, float]


@dataclass(frozen=True)
class Findings:
    """What a tag query found.

    Attributes
    ----------
    matches : tuple of TaggedMatch
        The best first.
    terms : tuple of Term
        How the query was understood.
    unused : tuple of str
        Its words that name no tag of the model.
    """

    matches: tuple[TaggedMatch, ...]
    terms: tuple[Term, ...]
    unused: tuple[str, ...]


def find_similar(
    store: Store,
    index: Index,
    query: QueryVector,
    n: int,
    where: str | None = None,
    exclude_same_artist: bool = False,
    exclude_same_album: bool = False,
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
        among=None if where is None else filter_tracks(store, where),
        exclude_ids=() if query.id is None else (query.id,),
        not_artists_of=query.metadata if exclude_same_artist else None,
        not_album_of=query.metadata if exclude_same_album else None,
    )


def find_by_tags(
    store: Store, index: Index, head: TagHead, text: str, n: int, *, where: str | None = None
) -> Findings:
    """Return the tracks that fit a tag query best: :func:`rank_by_tags`.

    Parameters
    ----------
    store, index
        The catalog and its vectors.
    head : TagHead
        Tag head of the vectors' model.
    text : str
        What is wanted, see :meth:`musicu.encoders.vocabulary.Vocabulary.parse`.
    n : int >= 0
        How many.
    where : str or None
        SQL condition on metadata, see :func:`musicu.catalog.sql_filter.filter_tracks`.

    Raises
    ------
    MetadataError
        No word of the query names a tag, or the condition cannot be understood.
    """
    query = Vocabulary([tag.name for tag in head.tags]).parse(text)
    among = None if where is None else filter_tracks(store, where)
    matches = rank_by_tags(store, index, head, query.terms, n, among=among)
    return Findings(tuple(matches), query.terms, query.unused)


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
    matches = _matches(store, ranked, exclude_ids, artists, album)
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


def rank_by_tags(
    store: Store,
    index: Index,
    head: TagHead,
    terms: Collection[Term],
    n: int,
    *,
    among: NDArray[np.int64] | None = None,
) -> list[TaggedMatch]:
    """Return the ``n`` tracks that fit a tag query best.

    A frequent tag is probable everywhere, a rare one nowhere: probabilities cannot be added. So
    each tag's log-odds are standardized over all the catalog's tracks (z-scores). A term takes the
    largest of its tags; a track's score is the sum over the terms, negated ones subtracted.

    Parameters
    ----------
    store, index
        The catalog and its vectors.
    head : TagHead
        Tag head of the vectors' model.
    terms : collection of Term
        What is wanted, and what is not.
    n : int >= 0
        How many.
    among : np.ndarray [shape=(m,), int64] or None
        Row numbers of the tracks that may be found; None for all of them.
    """
    used = head.only({name for term in terms for name in term.tags})
    logits = used.logits(index.matrix).astype(np.float64)
    spread = logits.std(axis=0)
    z = (logits - logits.mean(axis=0)) / np.where(spread > _NO_SPREAD, spread, np.inf)
    column = {tag.name: i for i, tag in enumerate(used.tags)}
    scores = np.zeros(len(z))
    for term in terms:
        best = z[:, [column[name] for name in term.tags]].max(axis=1)
        scores += -best if term.negated else best
    order = np.lexsort((index.tracks, -scores.round(6)))
    if among is not None:
        order = order[np.isin(index.tracks[order], among)]
    ranked = ((int(index.tracks[i]), float(scores[i])) for i in order)
    return [
        TaggedMatch(**asdict(match), tags=used.say(index[track]))
        for track, match in islice(_matches(store, ranked), max(n, 0))
    ]


def _matches(
    store: Store,
    ranked: Iterable[tuple[int, float]],
    exclude_ids: Collection[str] = (),
    artists: frozenset[str] = frozenset(),
    album: str | None = None,
) -> Iterator[tuple[int, Match]]:
    """Describe tracks that are not left out, each with its row number."""
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
