"""What a recommender answers, with its reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

__all__ = ["Audience", "AudienceMatch", "HistoryContribution", "Recommendation", "Recommendations"]


@dataclass(frozen=True)
class HistoryContribution:
    """An item of the listener's history that spoke for a recommendation.

    Attributes
    ----------
    id : str
    title, artist : str or None
    contribution : float
        What it adds to the score.
    """

    id: str
    title: str | None
    artist: str | None
    contribution: float


@dataclass(frozen=True)
class Recommendation:
    """An item, and why it is there.

    Attributes
    ----------
    rank : int
        1 for the best.
    id : str
    title, artist, album : str or None
        From its metadata.
    score : float
        In standard deviations of this listener's scores; comparable within one answer only.
    contributions : dict of str to float
        What each field, audio among them, and ``listeners`` (what those who played it played,
        beyond what its content says) add to the score, ``new`` what brings new items to the scale
        of known ones, and what the re-ranking changed. Their sum is the score.
    words : tuple of str
        What it shares with the history item that spoke for it most.
    because : tuple of HistoryContribution
        History items that spoke for it, the strongest first.
    sources : tuple of str
        Candidate sources that proposed it.
    is_new : bool
        Whether nobody has played it yet.
    despite : tuple of HistoryContribution
        What the listener disliked, and speaks against it, the strongest first.
    """

    rank: int
    id: str
    title: str | None
    artist: str | None
    album: str | None
    score: float
    contributions: Mapping[str, float]
    words: tuple[str, ...]
    because: tuple[HistoryContribution, ...]
    sources: tuple[str, ...]
    is_new: bool = False
    despite: tuple[HistoryContribution, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a mapping that JSON can hold."""
        return asdict(self)


class Recommendations(tuple[Recommendation, ...]):
    """Recommendations in order, the best first.

    Attributes
    ----------
    notes : tuple of str
        What the rules could not give, one line each.
    exploration : float
        Share of the list that was kept for these.
    new_share : float or None
        Share of listening that was expected to be of such; None where scores are not calibrated.

    Examples
    --------
    >>> Recommendations([], exploration=0.1).novelty
    'new: 0 of 0 (0.1 of a list is kept for new items)'
    """

    notes: tuple[str, ...]
    exploration: float
    new_share: float | None

    def __new__(
        cls,
        found: Iterable[Recommendation],
        *,
        notes: Iterable[str] = (),
        exploration: float = 0.0,
        new_share: float | None = None,
    ) -> Self:
        """Make them of recommendations, notes, and what was kept and expected for new items."""
        made = super().__new__(cls, tuple(found))
        made.notes = tuple(notes)
        made.exploration, made.new_share = exploration, new_share
        return made

    @property
    def new(self) -> int:
        """How many of them nobody has played yet."""
        return sum(one.is_new for one in self)

    @property
    def novelty(self) -> str:
        """How many are new and why, in one line."""
        why = [f"{self.exploration:.2g} of a list is kept for new items"]
        if self.new_share is not None:
            why.append(f"{self.new_share:.2g} of listening is expected to be of such")
        return f"new: {self.new:,} of {len(self):,} ({', '.join(why)})"


@dataclass(frozen=True)
class AudienceMatch:
    """A listener, an artist or an item that a track fits.

    Attributes
    ----------
    name : str
        The user as in the interactions, the artist, or the item's id.
    score : float
        For a listener: how many of the listener's own standard deviations the track lies above
        the listener's mean over the catalog. For an artist: how alike the best of the artist's
        items is, at most 1.
    contributions : dict of str to float
        What adds up to the score.
    """

    name: str
    score: float
    contributions: Mapping[str, float]


@dataclass(frozen=True)
class Audience:
    """Whom a track fits.

    Attributes
    ----------
    listeners : tuple of AudienceMatch
        The best first; empty for a recommender that was loaded: its file holds no users.
    artists : tuple of AudienceMatch
        Artists that were played, whose listeners are the ones to address; the best first.
    """

    listeners: tuple[AudienceMatch, ...]
    artists: tuple[AudienceMatch, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a mapping that JSON can hold."""
        return asdict(self)
