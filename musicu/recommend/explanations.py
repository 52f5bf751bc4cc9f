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

__all__ = ["explain", "matching_users", "name_only", "similar_artists", "similar_items"]

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
    sources: Sequence[tuple[str, ...]],
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
    sources : sequence of tuple of str
        Who proposed each.
    """
    if not len(at):
        return
    items = scorer.model.items
    told = None if ranker is None else ranker.contributions(features(scorer, listener, at))
    level, slope = _calibration(scorer, ranker, listener, at)
    by_field = scorer.by_field(listener, at, part_weights=_part_weights(ranker))
    by_history = scorer.by_history(listener, at)
    by_said = scorer.by_said(listener, at)[0]
    for i, (row, place) in enumerate(zip(at.tolist(), placed, strict=True)):
        parts = {name: slope[i] * float(values[i]) for name, values in by_field.items()}
        if told is not None:
            parts |= _weighed(parts, told[i])
        elif level[i]:
            parts["new"] = level[i]
        if set(place.adjustments) != {"score"}:
            parts["rules"] = place.score - sum(parts.values())
        spoke = slope[i] * np.concatenate([by_history[i], by_said[i]])
        because, despite = _reasons(scorer, listener, spoke)
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
            sources[i],
            bool(scorer.model.listeners[row] == 0),
            tuple(despite),
        )


def name_only(
    scorer: Scorer,
    at: Positions,
    placed: Sequence[Placed],
    sources: Sequence[tuple[str, ...]],
) -> Iterator[Recommendation]:
    """Yield recommendations without their reasons: the score, and nothing that adds up to it."""
    for i, (row, place) in enumerate(zip(at.tolist(), placed, strict=True)):
        item = scorer.model.items[row]
        about = item.metadata
        is_new = bool(scorer.model.listeners[row] == 0)
        written = about.title, about.artist, about.album
        yield Recommendation(i + 1, item.id, *written, place.score, {}, (), (), sources[i], is_new)


def _reasons(
    scorer: Scorer, listener: Listener, spoke: Floats
) -> tuple[list[HistoryContribution], list[HistoryContribution]]:
    """Return what of a history, and of what was said, speaks most for an item, and against it.

    Given is what each adds to its score: of what was played, then of what was said.
    """
    at = np.concatenate([listener.played, listener.spoken])
    places, where = np.unique(at, return_inverse=True)
    by: Floats = np.bincount(where, weights=spoke, minlength=len(places)).astype(np.float64)
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


def _part_weights(ranker: Ranker | None) -> list[float]:
    """Return what the three parts of a score are multiplied by."""
    if ranker is None:
        return [1.0, 1.0, 1.0]
    weights = ranker.weights / np.where(ranker.std > 0, ranker.std, 1)
    return [float(weight) for weight in weights[:3]]


def _weighed(parts: Mapping[str, float], told: Floats) -> dict[str, float]:
    """Return what features, and the level, add to a score that a ranker gave."""
    named = dict(
        zip(("listeners", "popularity", "artist"), map(float, (told[1], *told[3:])), strict=True)
    )
    # The fields are not measured from the mean candidate, as the score is: the same for all.
    fields = sum({**parts, **named}.values())
    return {**named, "level": float(told.sum()) - fields}


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
        told = scorer.by_factor(factors[user], np.array([at]))
        parts = {name: float(value[0] / spread[user]) for name, value in told.items()}
        parts["usual"] = float(-mean[user] / spread[user])
        yield AudienceMatch(users[user], float(sum(parts.values())), parts)


def _alike(model: FittedModel, at: int) -> tuple[Floats, Floats]:
    """Likeness of all items to one, and the half of it that is due to listeners."""
    factors = np.asarray(model.item_factors.factors)
    length = np.linalg.norm(factors, axis=1)
    near = factors @ factors[at] / np.maximum(length * length[at], _NO_LENGTH) / 2
    content = model.vectors.scores(model.vectors.take([at]).toarray()[0]) / 2
    return (content + near).astype(np.float64), near.astype(np.float64)


def _why(model: FittedModel, at: int, other: int, near: Floats) -> tuple[float, dict[str, float]]:
    parts = model.vectors.contributions(model.vectors.take([at]).toarray()[0] / 2, other)
    parts["listeners"] = float(near[other])
    return float(sum(parts.values())), parts
