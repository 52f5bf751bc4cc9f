"""Settings of baselines, chosen on a span that is neither learned from nor reported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from musicu.sequences.contents import Contents
from musicu.sequences.fitted import Ranker
from musicu.sequences.plays import Plays
from musicu.sequences.queries import Queries
from musicu.sequences.ranks import ndcg, rank_targets

__all__ = ["tune"]


def tune(
    make: Callable[..., Ranker],
    grid: Mapping[str, Sequence[Any]],
    plays: Plays,
    contents: Contents,
    queries: Queries,
    *,
    progress: Callable[[], None] | None = None,
) -> tuple[dict[str, Any], float]:
    """Choose settings by NDCG@20, one after the other, each with what was chosen before it.

    Parameters
    ----------
    make : callable
        Makes a ranker of settings.
    grid : mapping of str to sequence
        The values of each setting, in the order in which they are chosen.
    plays : Plays
        What is learned from.
    contents : Contents
    queries : Queries
        Later ones.
    progress : callable, optional
        Called after each try.

    Returns
    -------
    settings : dict
    value : float
        Their NDCG@20.
    """

    def value(settings: Mapping[str, Any]) -> float:
        ranks, _ = rank_targets(make(**settings).fit(plays, contents), queries)
        if progress is not None:
            progress()
        return float(ndcg(ranks).mean())

    chosen: dict[str, Any] = {}
    best = value(chosen)
    for name, values in grid.items():
        usual = getattr(make(), name)
        for tried in values:
            if tried != usual and (found := value(chosen | {name: tried})) > best:
                best, chosen = found, chosen | {name: tried}
    return chosen, best
