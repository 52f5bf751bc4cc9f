"""One answer: candidates are proposed, scored, placed within rules, and explained if asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.recommend.candidates import Source, ask_sources, sources_of
from musicu.recommend.explanations import explain, name_only
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.rank_fit import rank_scores
from musicu.recommend.ranking import Ranker
from musicu.recommend.results import Recommendations
from musicu.recommend.scorer import Listener, Scorer
from musicu.recommend.selection import select
from musicu.search.rerank import Placed

__all__ = ["answer", "chosen"]

Positions = NDArray[np.intp]

_DISLIKED = -0.5  # what was said of something that is not recommended again


def chosen(
    model: FittedModel,
    ranker: Ranker | None,
    sources: Mapping[str, Source],
    listener: Listener,
    n: int,
    *,
    candidates: Collection[str] | None = None,
    exclude: Collection[str] = (),
    again: bool = False,
    **rules: Any,
) -> tuple[Positions, list[Placed], list[str], list[tuple[str, ...]]]:
    """Choose what a listener gets.

    Parameters
    ----------
    model : FittedModel
    ranker : Ranker or None
    sources : mapping of str to callable
        The candidate sources.
    listener : Listener
    n : int >= 0
    candidates, exclude, again, **rules
        As for :meth:`musicu.recommend.recommender.Recommender.recommend`.

    Returns
    -------
    np.ndarray [shape=(p,), intp]
        Positions of items, the first place first.
    list of Placed
        What the rules made of their scores.
    list of str
        What the rules could not give.
    list of tuple of str
        Which sources proposed each of them.

    Raises
    ------
    MusicuError
        An item is not known, or a rule is out of its range.
    """
    if candidates is None:
        found = ask_sources(model, listener, sources=sources)
    else:
        found = {"asked": model.positions(candidates)}
    played = listener.played[:0] if again else listener.played
    disliked = listener.spoken[listener.said <= _DISLIKED]
    out = np.concatenate([played, disliked, model.positions(exclude)])
    every = np.concatenate([out[:0], *found.values()]).astype(np.intp)
    at = np.setdiff1d(every, out)
    rows, placed, notes = select(
        model,
        at,
        rank_scores(Scorer(model), ranker, listener, at),
        n,
        played=played,
        exploration=model.settings.exploration,
        **rules,
    )
    return rows, placed, notes, sources_of(found, rows)


def answer(
    model: FittedModel,
    ranker: Ranker | None,
    sources: Mapping[str, Source],
    listener: Listener,
    n: int,
    *,
    reasons: bool = True,
    **asked: Any,
) -> Recommendations:
    """Choose what a listener gets, and say why.

    Parameters
    ----------
    reasons : bool
        Whether to say why.
    model, ranker, sources, listener, n, **asked
        As for :func:`chosen`.

    Returns
    -------
    Recommendations
        With notes on what the rules could not give.

    Raises
    ------
    MusicuError
        An item is not known, or a rule is out of its range.
    """
    rows, placed, notes, found = chosen(model, ranker, sources, listener, n, **asked)
    scorer = Scorer(model)
    told = (
        explain(scorer, ranker, listener, rows, placed, found)
        if reasons
        else name_only(scorer, rows, placed, found)
    )
    scale, kept = None if ranker else model.calibration, asked.get("min_new")
    return Recommendations(
        told,
        notes=notes,
        exploration=model.settings.exploration if kept is None else kept,
        new_share=None if scale is None else scale.new_share,
    )
