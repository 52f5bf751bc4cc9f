"""Find a snapshot's tracks by what is heard in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from musicu.catalog.index import Index
from musicu.catalog.similar import rank_by_tags
from musicu.catalog.store import Store
from musicu.encoders.tagger import TagHead
from musicu.encoders.vocabulary import Term, Vocabulary
from musicu.errors import ModelError
from musicu.search.snapshot import Snapshot

__all__ = ["TagHits", "search_tags"]


class TagHits(NamedTuple):
    """Tracks that a tag query found.

    Attributes
    ----------
    snapshot : Snapshot
        The moment of the catalog that was asked.
    positions : list of int
        Tracks, the best first.
    scores : list of float
        See :class:`musicu.catalog.similar.TaggedMatch`.
    terms : tuple of Term
        The query as tags of the model.
    unused : tuple of str
        Its words that name no tag.
    """

    snapshot: Snapshot
    positions: list[int]
    scores: list[float]
    terms: tuple[Term, ...]
    unused: tuple[str, ...]


def search_tags(
    snapshot: Snapshot, head: TagHead | None, text: str, n: int, where: str | None
) -> TagHits:
    """Find the tracks that fit a tag query best; see :meth:`musicu.Catalog.find`.

    Raises
    ------
    ModelError
        There is no tag head.
    MetadataError
        No word names a tag, or the condition cannot be understood.
    """
    if head is None:
        raise ModelError(
            f"{snapshot.path}: {snapshot.model.name} is not installed, or has no tag head: "
            "search by artist, title and album"
        )
    query = Vocabulary([tag.name for tag in head.tags]).parse(text)
    among = None if where is None else snapshot.tracks[snapshot.filter(where)]
    matrix = snapshot.nearest.matrix
    if len(snapshot.tail):
        matrix = np.concatenate([matrix, snapshot.tail.matrix])
    with Store(snapshot.path, create=False) as store:
        index = Index(snapshot.tracks, matrix)
        matches = rank_by_tags(store, index, head, query.terms, n, among=among)
    positions = [snapshot.position(match.id) for match in matches]
    return TagHits(snapshot, positions, [m.score for m in matches], query.terms, query.unused)
