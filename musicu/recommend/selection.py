"""From scored candidates to a list: the top of the ranking, one version of a song, the rules."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.items.versions import versions
from musicu.metadata.artists import album_key, artist_keys
from musicu.recommend.fitted_model import FittedModel
from musicu.search.rerank import Placed, rerank

__all__ = ["select"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

_FEW, _POOL = 2, 10  # rules act on so many times the length of the list, the best of the candidates


def select(
    model: FittedModel,
    at: Positions,
    scores: Floats,
    n: int,
    *,
    played: Positions,
    no_versions: bool,
    exploration: float = 0.0,
    **rules: Any,
) -> tuple[Positions, list[Placed], list[str]]:
    """Choose and order n candidates.

    Parameters
    ----------
    model : FittedModel
    at : np.ndarray [shape=(c,), intp]
        Positions of the candidates.
    scores : np.ndarray [shape=(c,), float64]
        Larger is better.
    n : int >= 0
    played : np.ndarray [shape=(h,), intp]
        Positions of what may not come again, nor another version of it.
    no_versions : bool
        Whether a song comes in one version only.
    exploration : float in [0, 1]
        What ``min_new`` is if it is None. Where there is too little that is new, that is no fault
        of anybody's: nothing is noted.
    **rules
        The others of :func:`musicu.search.rerank.rerank`.

    Returns
    -------
    np.ndarray [shape=(p,), intp]
        Positions of what was chosen, the first place first.
    list of Placed
        What the rules made of their scores.
    list of str
        What the rules could not give.

    Raises
    ------
    MusicuError
        A rule is out of its range.
    """
    usual = rules.get("min_new") is None
    if usual:
        any_new = bool(model.is_new[at].any())
        rules["min_new"] = exploration if any_new else 0.0
    # Rules act on the top of the ranking: on all of it only where they leave too little of it. If
    # none of them changes scores, a list that is filled from a few holds the best of many.
    plain = not (rules["diversity"] or rules["popularity_weight"])
    for most in (_FEW * n, _POOL * n, len(at))[0 if plain else 1 :]:
        # Of the new ones, too, twice and more of those that are due.
        share = rules["min_new"]
        top = _top(model, at, scores, most, math.ceil(most * share) if 0 <= share <= 1 else most)
        whole = len(top) == len(at)
        songs = None
        if no_versions:
            both = versions(model.items.take(np.concatenate([played, at[top]])))
            before, songs = np.split(both, [len(played)])
            fresh = ~np.isin(songs, before)
            top, songs = top[fresh], songs[fresh]
        labels = _labels(model, at[top], scores[top], rules)
        if songs is not None:
            labels["versions"] = songs
        placed, notes = rerank(scores[top], n=n, no_versions=no_versions, **labels, **rules)
        least = -np.inf if whole or most > _FEW * n else float(np.sort(scores)[-most])
        # What stands below the few was not compared with what does not: only room lifts it.
        fair = all(place.lifted or place.score >= least for place in placed)
        if whole or (len(placed) >= n and fair and not (notes and most == _FEW * n)):
            break
    if usual:
        notes = [note for note in notes if not note.startswith("min_new")]
    chosen = at[top[[place.position for place in placed]]] if placed else at[:0]
    return chosen, placed, notes


def _top(model: FittedModel, at: Positions, scores: Floats, most: int, most_new: int) -> Positions:
    """Return rows of the best candidates, and of the best new ones, for which room is kept."""
    order = np.lexsort((at, -scores))
    new = order[model.is_new[at[order]]]
    return np.union1d(order[:most], new[:most_new])


def _labels(
    model: FittedModel, at: Positions, scores: Floats, rules: dict[str, Any]
) -> dict[str, Any]:
    """Return what the rules that are asked for need to know of candidates."""
    labels: dict[str, Any] = {"is_new": model.is_new[at]}
    if rules["diversity"]:
        # Likeness spans what the scores span, so that both count.
        reach = float(np.ptp(scores)) if len(scores) else 0.0
        rows = model.vectors.take(at)
        labels["similarity"] = lambda i: reach * rows.take([i]).similarity(rows)[0]
    if rules["max_per_artist"] is not None:
        labels["artists"] = [artist_keys(model.items[i].metadata) for i in at.tolist()]
    if rules["max_per_album"] is not None:
        labels["albums"] = [album_key(model.items[i].metadata) for i in at.tolist()]
    if rules["popularity_weight"]:
        # The share of the items that have fewer listeners.
        rank = np.searchsorted(np.sort(model.listeners), model.listeners)
        labels["popularity"] = (rank / len(model.listeners))[at]
    return labels
