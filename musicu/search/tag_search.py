"""Find a snapshot's tracks by what is heard in them."""

from __future__ import annotations

from typing import NamedTuple

from musicu.catalog.by_tags import Faint, faint_terms, rank_by_tags, wants_non_music
from musicu.catalog.index import Index
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
        See :class:`musicu.catalog.by_tags.TaggedMatch`.
    terms : tuple of Term
        The query as tags of the model.
    unused : tuple of str
        Its words that name no tag.
    faint : tuple of Faint
        Its terms that are hardly heard in the tracks.
    total : int
        How many tracks there were to choose among.
    """

    snapshot: Snapshot
    positions: list[int]
    scores: list[float]
    terms: tuple[Term, ...]
    unused: tuple[str, ...]
    faint: tuple[Faint, ...]
    total: int


def search_tags(
    snapshot: Snapshot,
    head: TagHead | None,
    text: str,
    n: int,
    where: str | None,
    include_non_music: bool,
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
    query = Vocabulary.of(head.tags).parse(text)
    include = include_non_music or wants_non_music(head, query.terms)
    mask = snapshot.choose(where, None if include else head)
    among = None if mask is None else snapshot.tracks[mask]
    with Store(snapshot.path, create=False) as store:
        index = Index(snapshot.tracks, snapshot.matrix)
        matches = rank_by_tags(store, index, head, query.terms, n, among=among)
    return TagHits(
        snapshot,
        [snapshot.position(match.id) for match in matches],
        [match.score for match in matches],
        query.terms,
        query.unused,
        faint_terms(head, query.terms, [match.tags for match in matches]),
        len(snapshot) if among is None else len(among),
    )
