"""The reasons in a recommender's answers: why an item, why another like it, and whom it fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.items.reasons import words
from musicu.items.titles import artist_names, main_artist
from musicu.listening.ranker import Ranker
from musicu.listening.ranking import features
from musicu.listening.rerank import Placed
from musicu.listening.results import Fan, Heard, Recommendation
from musicu.listening.scorer import Listener, Scorer

__all__ = ["explained", "near_items", "near_musicians", "near_users"]

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

_BECAUSE = 3  # items of the history that are named
_NO_LENGTH = 1e-12


def explained(
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
    told = None if ranker is None else ranker.contributions(features(scorer, listener, at))
    for i, (row, place) in enumerate(zip(at.tolist(), placed, strict=True)):
        if ranker is None or told is None:
            parts = scorer.by_field(listener, row)
        else:
            parts = _weighed(scorer, ranker, listener, row, told[i])
        if set(place.adjustments) != {"score"}:
            parts["rules"] = place.score - sum(parts.values())
        by = scorer.by_history(listener, row)
        because = [
            Heard(item.id, item.metadata.title, item.metadata.artist, float(by[j]))
            for j in top_k(by, _BECAUSE)
            if by[j] > 0
            for item in [scorer.items[int(listener.played[j])]]
        ]
        item = scorer.items[row]
        about = item.metadata
        first = scorer.items[scorer.items.position(because[0].id)] if because else None
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
        )


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


def near_items(scorer: Scorer, at: int, n: int) -> Iterator[Fan]:
    """Yield the items most like one; see :meth:`Recommender.similar_items`."""
    scores, near = _alike(scorer, at)
    order = [other for other in top_k(scores, n + 1).tolist() if other != at]
    for other in order[: max(n, 0)]:
        yield Fan(scorer.items.ids[other], *_why(scorer, at, other, near))


def near_musicians(scorer: Scorer, at: int, n: int) -> Iterator[Fan]:
    """Yield other artists that were played, by their item that is most like one."""
    scores, near = _alike(scorer, at)
    own = set(artist_names(scorer.items[at]))
    seen: set[str] = set()
    for other in top_k(scores, len(scores)).tolist():
        if len(seen) >= n:
            return
        item = scorer.items[other]
        key = main_artist(item) or item.id
        if other == at or scorer.listeners[other] == 0 or key in seen:
            continue
        if own & set(artist_names(item)):
            continue
        seen.add(key)
        names = item.metadata.artists or (item.metadata.artist or item.id,)
        yield Fan(names[0], *_why(scorer, at, other, near))


def near_users(scorer: Scorer, users: Sequence[str], at: int, n: int) -> Iterator[Fan]:
    """Yield the users, those of the factors, for whom an item stands out most from the catalog."""
    usual, joint = scorer.catalog_moments()
    factors = scorer.factors.users
    # A user's scores over the catalog have mean u . m and variance u' C u.
    mean = factors @ usual
    spread = np.sqrt(np.maximum(((factors @ joint) * factors).sum(axis=1), 0))
    spread = np.where(spread > 0, spread, 1).astype(np.float64)
    z = (factors @ scorer.places[at] - mean) / spread
    for user in top_k(z, n).tolist():
        parts = scorer.by_place(factors[user], at)
        parts = {name: float(value / spread[user]) for name, value in parts.items()}
        parts["usual"] = float(-mean[user] / spread[user])
        yield Fan(users[user], float(sum(parts.values())), parts)


def _alike(scorer: Scorer, at: int) -> tuple[Floats, Floats]:
    """Likeness of all items to one, and the half of it that is due to listeners."""
    length = np.linalg.norm(scorer.places, axis=1)
    near = scorer.places @ scorer.places[at] / np.maximum(length * length[at], _NO_LENGTH) / 2
    content = scorer.vectors.scores(scorer.vectors.take([at]).toarray()[0]) / 2
    return (content + near).astype(np.float64), near.astype(np.float64)


def _why(scorer: Scorer, at: int, other: int, near: Floats) -> tuple[float, dict[str, float]]:
    parts = scorer.vectors.contributions(scorer.vectors.take([at]).toarray()[0] / 2, other)
    parts["listeners"] = float(near[other])
    return float(sum(parts.values())), parts
