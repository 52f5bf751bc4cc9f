"""The reasons in a recommender's answers: why an item, why another like it, and whom it fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.items.explanations import words
from musicu.metadata.artists import credited_artists
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.rank_fit import features
from musicu.recommend.ranking import Ranker
from musicu.recommend.results import AudienceMatch, HistoryContribution, Recommendation
from musicu.recommend.scorer import Listener, Scorer
from musicu.search.rerank import Placed

__all__ = ["explain", "matching_users", "similar_artists", "similar_items"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

_BECAUSE = 3  # items of the history that are named
_NO_LENGTH = 1e-12


def explain(
    scorer: Scorer,
    ranker: Ranker | None,
    listener: Listener,
    at: Positions,
    placed: Sequence[Placed],
    sources: Mapping[int, tuple[str, ...]],
) -> Iterator[Recommendation]:
    """Yield recommendations with their reasons.

    Parameters
    ----------
    scorer : Scorer
    ranker : Ranker or None
        What weighs the parts of the score.
    listener : Listener
    at : np.ndarray [shape=(p,), intp]
        Positions of what got a place, the first place first.
    placed : sequence of Placed
        What the rules made of their scores.
    sources : mapping of int to tuple of str
        Who proposed what is at a position.
    """
    items = scorer.model.items
    told = None if ranker is None else ranker.contributions(features(scorer, listener, at))
    level, slope = _calibration(scorer, ranker, listener, at)
    for i, (row, place) in enumerate(zip(at.tolist(), placed, strict=True)):
        if ranker is None or told is None:
            parts = scorer.by_field(listener, row)
            parts = {name: slope[i] * value for name, value in parts.items()}
            if level[i]:
                parts["new"] = level[i]
        else:
            parts = _weighed(scorer, ranker, listener, row, told[i])
        if set(place.adjustments) != {"score"}:
            parts["rules"] = place.score - sum(parts.values())
        because, despite = _reasons(scorer, listener, row, slope[i])
        item = items[row]
        about = item.metadata
        first = items[items.position(because[0].id)] if because else None
        yield Recommendation(
            i + 1,
            item.id,
            about.title,
            about.artist,
            about.album,
            float(sum(parts.values())),
            parts,
            tuple(words(item, first)) if first else (),
            tuple(because),
            sources[row],
            bool(scorer.model.listeners[row] == 0),
            tuple(despite),
        )


def _reasons(
    scorer: Scorer, listener: Listener, row: int, slope: float
) -> tuple[list[HistoryContribution], list[HistoryContribution]]:
    """Return what of a history, and of what was said, speaks most for an item, and against it."""
    at = np.concatenate([listener.played, listener.spoken])
    places, where = np.unique(at, return_inverse=True)
    told = [scorer.by_history(listener, row), scorer.by_said(listener, row)[0]]
    by = slope * np.bincount(where, weights=np.concatenate(told), minlength=len(places))
    reasons = []
    for sign in (1, -1):
        named = [j for j in top_k(sign * by, _BECAUSE).tolist() if sign * by[j] > 0]
        if sign < 0:  # only what was said speaks against: what was played merely tells less
            named = [j for j in named if places[j] in listener.spoken]
        items = [(scorer.model.items[int(places[j])], float(by[j])) for j in named]
        reasons.append(
            [
                HistoryContribution(item.id, item.metadata.title, item.metadata.artist, value)
                for item, value in items
            ]
        )
    return reasons[0], reasons[1]


def _calibration(
    scorer: Scorer, ranker: Ranker | None, listener: Listener, at: Positions
) -> tuple[list[float], list[float]]:
    """Return what is added to each score, and what it is multiplied by before."""
    calibration, count = scorer.model.calibration, len(at)
    if calibration is None or ranker is not None:
        return [0.0] * count, [1.0] * count
    scores, new = scorer.scores(listener, at), scorer.model.listeners[at] == 0
    level, slope = calibration.pieces(scores, new)
    return level.tolist(), slope.tolist()


def _weighed(
    scorer: Scorer, ranker: Ranker, listener: Listener, at: int, told: Floats
) -> dict[str, float]:
    """Return what fields and features add to a score that a ranker gave."""
    weights = ranker.weights / np.where(ranker.std > 0, ranker.std, 1)
    parts = scorer.by_field(listener, at, part_weights=weights[:3].tolist())
    parts["listeners"], parts["popularity"], parts["artist"] = map(float, (told[1], *told[3:]))
    # The fields are not measured from the mean candidate, as the score is: the same for all.
    parts["level"] = float(told.sum()) - sum(parts.values())
    return parts


def similar_items(model: FittedModel, at: int, n: int) -> Iterator[AudienceMatch]:
    """Yield the items most like one; see :meth:`Recommender.similar_items`."""
    scores, near = _alike(model, at)
    order = [other for other in top_k(scores, n + 1).tolist() if other != at]
    for other in order[: max(n, 0)]:
        yield AudienceMatch(model.items.ids[other], *_why(model, at, other, near))


def similar_artists(model: FittedModel, at: int, n: int) -> Iterator[AudienceMatch]:
    """Yield other artists that were played, by their item that is most like one."""
    scores, near = _alike(model, at)
    own = credited_artists(model.items[at].metadata).keys()
    seen: set[str] = set()
    for other in top_k(scores, len(scores)).tolist():
        if len(seen) >= n:
            return
        item = model.items[other]
        names = credited_artists(item.metadata)
        key, name = next(iter(names.items()), (item.id, item.id))
        if other == at or model.listeners[other] == 0 or key in seen:
            continue
        if own & names.keys():
            continue
        seen.add(key)
        yield AudienceMatch(name, *_why(model, at, other, near))


def matching_users(
    scorer: Scorer, users: Sequence[str], at: int, n: int
) -> Iterator[AudienceMatch]:
    """Yield the users, those of the factors, for whom an item stands out most from the catalog."""
    usual, joint = scorer.model.item_factors.moments()
    factors = scorer.model.als.users
    # A user's scores over the catalog have mean u . m and variance u' C u.
    mean = factors @ usual
    spread = np.sqrt(np.maximum(((factors @ joint) * factors).sum(axis=1), 0))
    spread = np.where(spread > 0, spread, 1).astype(np.float64)
    z = (factors @ scorer.model.item_factors.factors[at] - mean) / spread
    for user in top_k(z, n).tolist():
        parts = scorer.by_factor(factors[user], at)
        parts = {name: float(value / spread[user]) for name, value in parts.items()}
        parts["usual"] = float(-mean[user] / spread[user])
        yield AudienceMatch(users[user], float(sum(parts.values())), parts)


def _alike(model: FittedModel, at: int) -> tuple[Floats, Floats]:
    """Likeness of all items to one, and the half of it that is due to listeners."""
    factors = model.item_factors.factors
    length = np.linalg.norm(factors, axis=1)
    near = factors @ factors[at] / np.maximum(length * length[at], _NO_LENGTH) / 2
    content = model.vectors.scores(model.vectors.take([at]).toarray()[0]) / 2
    return (content + near).astype(np.float64), near.astype(np.float64)


def _why(model: FittedModel, at: int, other: int, near: Floats) -> tuple[float, dict[str, float]]:
    parts = model.vectors.contributions(model.vectors.take([at]).toarray()[0] / 2, other)
    parts["listeners"] = float(near[other])
    return float(sum(parts.values())), parts
