"""Team draft: one list out of two rankings, each place of which is one ranking's.

Radlinski, Kurup & Joachims, "How does clickthrough data reflect retrieval quality?", CIKM 2008.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from musicu.errors import MusicuError

__all__ = ["DraftedList", "draft_teams"]


@dataclass(frozen=True)
class DraftedList:
    """A list to show, and whose each place is; what is played there is that ranking's credit.

    Attributes
    ----------
    items : tuple of str
        The first place first.
    teams : tuple of str
        The ranking that chose each; "" where the other one had nothing left, so that nobody gets
        credit.
    """

    items: tuple[str, ...]
    teams: tuple[str, ...]


def draft_teams(
    rankings: dict[str, Sequence[str]], n: int, *, seed: int | Sequence[int]
) -> DraftedList:
    """Let two rankings choose in turn; in each round a coin says which is first.

    Parameters
    ----------
    rankings : dict of str to sequence of str
        Two, by name, the best item first.
    n : int >= 0
        Length of the list; shorter if there are not so many items.
    seed : int or sequence of int
        Of the coin; another one for each list: ``[number of the user, number of the session]``.

    Raises
    ------
    MusicuError
        There are not two rankings, a name is empty, or an item comes twice in one.

    Examples
    --------
    >>> from musicu.evaluation.interleaving.team_draft import draft_teams
    >>> draft_teams({"control": "abcd", "new": "aefg"}, 4, seed=[7, 1])
    DraftedList(items=('a', 'e', 'b', 'f'), teams=('control', 'new', 'control', 'new'))
    """
    if len(rankings) != 2 or "" in rankings:
        raise MusicuError(f"two rankings with names are interleaved, not {len(rankings)}")
    for name, ranking in rankings.items():
        if len(set(ranking)) < len(ranking):
            raise MusicuError(f"the ranking {name!r} has an item twice")
    coin = np.random.default_rng(seed)
    items: dict[str, str] = {}
    left = {name: list(reversed(ranking)) for name, ranking in rankings.items()}

    def best(name: str) -> str | None:
        """Return the best item of a ranking that nobody has chosen; it stays where it is."""
        while left[name] and left[name][-1] in items:
            left[name].pop()
        return left[name][-1] if left[name] else None

    one, other = rankings
    while len(items) < n and best(one) is not None and best(other) is not None:
        for name in (one, other) if coin.integers(2) else (other, one):
            chosen = best(name)
            if chosen is not None and len(items) < n:
                items[chosen] = name
    for ranking in rankings.values():  # one of them has nothing left
        rest = [item for item in ranking if item not in items]
        items |= dict.fromkeys(rest[: n - len(items)], "")
    return DraftedList(tuple(items), tuple(items.values()))
