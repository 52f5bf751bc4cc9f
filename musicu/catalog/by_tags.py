"""Find a catalog's tracks by a tag query: rank them, and tell what is hardly heard in them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.index import Index
from musicu.catalog.non_music import choose_tracks
from musicu.catalog.similar import Match, describe_matches
from musicu.catalog.store import Store
from musicu.encoders.tagger import TagHead
from musicu.encoders.vocabulary import Term, Vocabulary

__all__ = [
    "Faint",
    "Findings",
    "TaggedMatch",
    "faint_terms",
    "find_by_tags",
    "rank_by_tags",
    "wants_non_music",
]

# A spread of logits that is rounding, not music: then all tracks are equal in this tag.
_NO_SPREAD = 1e-4
# A wish that is heard in fewer of the tracks that were found is hardly heard.
_HARDLY = 0.25


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


class Faint(NamedTuple):
    """A part of a wish that is hardly heard in the tracks that were found.

    Attributes
    ----------
    text : str
        Its words.
    heard, tracks : int
        In how many of how many tracks one of its tags reaches its threshold.
    """

    text: str
    heard: int
    tracks: int


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
    faint : tuple of Faint
        Its terms that are hardly heard in the tracks.
    """

    matches: tuple[TaggedMatch, ...]
    terms: tuple[Term, ...]
    unused: tuple[str, ...]
    faint: tuple[Faint, ...] = ()


def find_by_tags(
    store: Store,
    index: Index,
    head: TagHead,
    text: str,
    n: int,
    where: str | None = None,
    include_non_music: bool = False,
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
    include_non_music : bool
        Also what is no music, as a wish for such a tag does, too.

    Raises
    ------
    MetadataError
        No word of the query names a tag, or the condition cannot be understood.
    """
    query = Vocabulary.of(head.tags).parse(text)
    include = include_non_music or wants_non_music(head, query.terms)
    among = choose_tracks(store, index, where, None if include else head)
    matches = rank_by_tags(store, index, head, query.terms, n, among=among)
    faint = faint_terms(head, query.terms, [match.tags for match in matches])
    return Findings(tuple(matches), query.terms, query.unused, faint)


def wants_non_music(head: TagHead, terms: Iterable[Term]) -> bool:
    """Whether a wish names what is no music: then it may be found."""
    sounds = {tag.name for tag in head.tags if tag.kind == "non-music"}
    return any(not term.negated and not sounds.isdisjoint(term.tags) for term in terms)


def faint_terms(
    head: TagHead, terms: Iterable[Term], heard: Sequence[Mapping[str, float]]
) -> tuple[Faint, ...]:
    """Return the terms that are wanted and hardly heard in the tracks that were found.

    Parameters
    ----------
    head : TagHead
        Whose thresholds decide what is heard.
    terms : iterable of Term
        The wish.
    heard : sequence of dict of str to float
        Probabilities of the terms' tags in each track.
    """
    limits = {tag.name: tag.threshold for tag in head.tags}
    faint = []
    for term in terms:
        count = sum(any(own[name] >= limits[name] for name in term.tags) for own in heard)
        if not term.negated and count < _HARDLY * len(heard):
            faint.append(Faint(term.text, count, len(heard)))
    return tuple(faint)


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
        for track, match in islice(describe_matches(store, ranked), max(n, 0))
    ]
