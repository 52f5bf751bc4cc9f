"""What can be asked of a catalog, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from musicu.errors import MusicuError
from musicu.search.seeds import Seed
from musicu.search.spaces import DEFAULT_SPACE, SPACES

__all__ = ["MOST_SEEDS", "MOST_TRACKS", "Answer", "Cards", "Hit", "Query"]

MOST_TRACKS = 1000
MOST_SEEDS = 100


@dataclass(frozen=True, kw_only=True)
class Query:
    """The question which tracks are like some others.

    Parameters
    ----------
    seeds : tuple of Seed
        1 to 100; at least one with a weight above 0.
    n : int in [1, 1000]
        How many tracks. Filters act before the ranking, so that this many come back if they exist.
    by : str
        The space in which tracks are compared, one of :data:`musicu.search.spaces.SPACES`:
        ``"sound"``, what is heard, or ``"all"``, that and all that is known.
    where : str or None
        SQL condition on metadata, as for :meth:`musicu.Catalog.similar`.
    diversity : float in [0, 1]
        See :func:`musicu.search.rerank.rerank`.
    max_per_artist, max_per_album : int >= 1 or None
        Caps.
    no_versions : bool
        One version of a song only, and none of a seed.
    collapse_versions : bool
        One row a song; the other versions of it, as far as they are near, come with that row.
    exclude_same_artist, exclude_same_album : bool
        Leave out what shares an artist, or the album, with a seed of weight above 0.
    exclude : tuple of str
        Whole ids of tracks that are left out; the seeds are in any case.
    include_non_music : bool
        Also what is heard to be no music: speech, noise, single sounds.
    explain : bool
        Say what each field adds to the scores, and what tracks have in common with the seeds.

    Raises
    ------
    MusicuError
        A value is out of its range.
    """

    seeds: tuple[Seed, ...]
    n: int = 20
    by: str = DEFAULT_SPACE
    where: str | None = None
    diversity: float = 0.0
    max_per_artist: int | None = None
    max_per_album: int | None = None
    no_versions: bool = False
    collapse_versions: bool = False
    exclude_same_artist: bool = False
    exclude_same_album: bool = False
    exclude: tuple[str, ...] = ()
    include_non_music: bool = False
    explain: bool = False

    def __post_init__(self) -> None:
        if not 1 <= len(self.seeds) <= MOST_SEEDS:
            raise MusicuError(f"{len(self.seeds)} seeds: there can be 1 to {MOST_SEEDS}")
        if all(seed.weight < 0 for seed in self.seeds):
            raise MusicuError("no seed has a weight above 0: say what there should be more of")
        if not 1 <= self.n <= MOST_TRACKS:
            raise MusicuError(f"n is {self.n}: it goes from 1 to {MOST_TRACKS}")
        if self.by not in SPACES:
            raise MusicuError(f"by is {self.by!r}: it is {' or '.join(map(repr, SPACES))}")
        if not 0 <= self.diversity <= 1:
            raise MusicuError(f"diversity is {self.diversity}: it goes from 0 to 1")
        for name in ("max_per_artist", "max_per_album"):
            cap = getattr(self, name)
            if cap is not None and cap < 1:
                raise MusicuError(f"{name} is {cap}: at least 1, or None for no cap")

    @property
    def plain(self) -> bool:
        """Whether the nearest vectors are the answer: the way that is fast."""
        return self.by == DEFAULT_SPACE and not (
            self.where is not None
            or self.diversity
            or self.max_per_artist
            or self.max_per_album
            or self.no_versions
            or self.collapse_versions
            or self.exclude_same_artist
            or self.exclude_same_album
            or self.explain
        )


class Hit(NamedTuple):
    """A track of an answer.

    Attributes
    ----------
    rank : int
        1 for the first.
    position : int
        Where it stands in the answer's snapshot.
    id : str
        Identity of its audio.
    score : float
        By sound: cosine in [0, 1], negative ones count as 0. By all: in [-1, 1].
    why : dict of str to float or None
        What each field adds to the score; their sum is the score. None if not asked for.
    words : tuple of str
        What it has in common with the seed that it is most like.
    versions : tuple of int or None
        Positions of other versions of the song, the nearest first. None if not asked for.
    """

    rank: int
    position: int
    id: str
    score: float
    why: dict[str, float] | None = None
    words: tuple[str, ...] = ()
    versions: tuple[int, ...] | None = None


class Cards(Protocol):
    """What an answer needs of a snapshot: its number, and a JSON object (bytes) for each track."""

    @property
    def number(self) -> int:
        """Which moment of the catalog it is."""

    @property
    def cards(self) -> Sequence[bytes]:
        """Id, title, artist and so on of each track."""


@dataclass(frozen=True, eq=False)
class Answer:
    """Tracks that answer a question, the best first.

    Attributes
    ----------
    hits : tuple of Hit
        The tracks.
    notes : tuple of str
        What could not be had, one line each.
    snapshot : Cards
        The moment of the catalog that was asked.
    by : str
        What the scores mean: the query's space, or ``"path"`` for a journey.
    """

    hits: tuple[Hit, ...]
    notes: tuple[str, ...]
    snapshot: Cards
    by: str

    def __len__(self) -> int:
        return len(self.hits)

    def to_dict(self, parse: Callable[[bytes], Any] = json.loads) -> dict[str, Any]:
        """Return ``by``, ``matches`` and ``notes`` as JSON types.

        A match is a track's card with ``rank`` and ``score``, and with ``why`` and ``words``, or
        ``versions`` (cards), where they were asked for.

        Parameters
        ----------
        parse : callable
            Reads a card, which is a JSON object.
        """
        cards = self.snapshot.cards
        matches = []
        for rank, position, _, score, why, words, versions in self.hits:
            match: dict[str, Any] = {"rank": rank, "score": score}
            if why is not None:
                match |= {"why": why, "words": list(words)}
            if versions is not None:
                match["versions"] = [parse(cards[at]) for at in versions]
            matches.append(match | parse(cards[position]))
        return {"by": self.by, "matches": matches, "notes": list(self.notes)}
