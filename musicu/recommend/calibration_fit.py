"""Learning from a log what new items' scores are worth; see :mod:`musicu.recommend.calibration`."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.items.item import Items
from musicu.metadata.artists import group_key
from musicu.recommend.calibration import Calibration, logistic
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.hyperparameters import Hyperparameters
from musicu.recommend.interactions import Interactions
from musicu.recommend.rank_fit import hide_plays
from musicu.recommend.scorer import Scorer

__all__ = ["calibrated", "learn_calibration"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

_LAST = 0.2  # of the plays of a log with times are hidden
_COLD = 0.2  # of the artists are hidden as if they were new
_HIDDEN = 0.2  # of each listener's other items
_USERS = 500
_TOP = 100  # a listener's best of either kind: what may come into a list
_ENOUGH = 20  # plays to be found of either kind; with fewer nothing is said
_LEAST_SLOPE = 0.05
_SEEN = 0.999  # of the scores of new items that were hidden: beyond, nothing was seen


def calibrated(model: FittedModel) -> FittedModel:
    """Return a model that was fitted, and knows what its scores of new items are worth.

    Raises
    ------
    RecommenderError
        The model was loaded: it has no log to learn that from.
    """
    given = model.items.take(range(model.n_given))
    return replace(model, calibration=learn_calibration(model.log, given, model.settings))


def learn_calibration(
    interactions: Interactions, items: Items, settings: Hyperparameters
) -> Calibration | None:
    """Learn how scores of new items compare with those of known ones.

    Parameters
    ----------
    interactions : Interactions
    items : Items
    settings : Hyperparameters
        Their seed draws what is hidden; ``new_share`` states what is not to be estimated.

    Returns
    -------
    Calibration or None
        None where too little can be hidden to learn anything.
    """
    rng = np.random.default_rng(settings.seed)
    hidden = _by_time(interactions, items) or _by_artists(interactions, items, rng)
    if hidden is None:
        return None
    cold = np.isin(np.arange(len(items)), hidden.cold)
    model = FittedModel.fit(hidden.train, items.take(np.flatnonzero(~cold).tolist()), settings)
    model = model.with_items(items.take(hidden.cold.tolist()))
    new, known = _outcomes(model, hidden, rng)
    # Who found these plays may have no history to be asked by.
    if min(new[1].sum(), known[1].sum()) < _ENOUGH:
        return None
    (new_level, new_slope), (level, slope) = logistic(*new), logistic(*known)
    odds = len(hidden.new) / len(hidden.known)
    share, by = hidden.span * odds / (1 + hidden.span * odds), hidden.by
    if settings.new_share is None:
        new_level += float(np.log(hidden.span))
    else:
        # That share is of all new items there are, be they more or less than were hidden here.
        share, by = settings.new_share, "stated"
        unplayed = len(set(items.ids) - {interactions.items[i] for i in interactions.item})
        count = (unplayed or len(hidden.cold)) / len(hidden.cold)
        new_level += float(np.log(share / (1 - share)) - np.log(odds * count))
    slope = max(slope, _LEAST_SLOPE)
    return Calibration(
        level=float((new_level - level) / slope),
        slope=float(max(new_slope, _LEAST_SLOPE) / slope),
        top=float(np.quantile(new[0], _SEEN)),
        new_share=float(share),
        by=by,
    )


@dataclass(frozen=True)
class _Hidden:
    """What is learned from, and what was played of items that were new, and of others."""

    train: Interactions
    new: Interactions
    known: Interactions
    cold: Positions  # of the new items
    span: float  # how long the known plays took, as a share of what the new ones took
    by: str


def _by_time(log: Interactions, items: Items) -> _Hidden | None:
    if log.time is None or not len(log):
        return None
    since = float(np.quantile(log.time, 1 - _LAST))
    late = log.where(log.time > since)
    early = log.where(log.time <= since)
    old = {log.items[i] for i in np.unique(early.item)}
    train = early.of_items(id for id in log.items if id in old)
    known = late.of_items(train.items)
    # What was played before is no find.
    before, now = (x.user.astype(np.int64) * len(train.items) + x.item for x in (train, known))
    known = known.where(~np.isin(now, before))
    fresh = {log.items[i] for i in np.unique(late.item)} - old
    cold = np.array([i for i, id in enumerate(items.ids) if id in fresh], dtype=np.intp)
    new = late.of_items(items.ids[i] for i in cold)
    if min(len(new), len(known)) < _ENOUGH:
        return None
    return _Hidden(train, new, known, cold, 1.0, "time")


def _by_artists(log: Interactions, items: Items, rng: np.random.Generator) -> _Hidden | None:
    cold = _drawn(log, items, rng)
    away = {items.ids[i] for i in cold}
    warm = log.of_items(id for id in log.items if id not in away)
    kept, _ = hide_plays(warm, _HIDDEN, rng)
    # What lost all its plays would be new, and is not meant to be.
    kept |= np.bincount(warm.item[kept], minlength=len(warm.items))[warm.item] == 0
    new, known = log.of_items(items.ids[i] for i in cold), warm.where(~kept)
    if min(len(new), len(known)) < _ENOUGH:
        return None
    return _Hidden(warm.where(kept), new, known, cold, _HIDDEN, "artists")


def _drawn(interactions: Interactions, items: Items, rng: np.random.Generator) -> Positions:
    """Choose items that are hidden as if they were new: whole artists of what was played."""
    played = {interactions.items[i] for i in np.unique(interactions.item)}
    able = np.array([id in played for id in items.ids], dtype=np.bool_)
    number: dict[Hashable, int] = {}
    keys = (group_key(item.metadata) or (item.id,) for item in items)
    group = np.array([number.setdefault(key, len(number)) for key in keys], dtype=np.intp)
    groups = np.unique(group[able])
    drawn = rng.permutation(groups)[: int(_COLD * len(groups))]
    return np.flatnonzero(np.isin(group, drawn) & able)


def _outcomes(
    model: FittedModel, hidden: _Hidden, rng: np.random.Generator
) -> tuple[tuple[Floats, Bools], tuple[Floats, Bools]]:
    """Return scores of the best new and known items of listeners, and which were played."""
    scorer, tests = Scorer(model), (hidden.new, hidden.known)
    able = [np.zeros(len(model.items), dtype=np.bool_), model.listeners > 0]
    able[0][model.positions(hidden.new.items)] = True
    wanted = [test.matrix("binary") for test in tests]
    place = [model.positions(test.items) for test in tests]
    users = np.intersect1d(hidden.train.user, np.concatenate([test.user for test in tests]))
    none = np.zeros(0), np.zeros(0, dtype=np.bool_)
    found: tuple[list[tuple[Floats, Bools]], ...] = ([none], [none])
    for user in np.sort(rng.permutation(users)[:_USERS]).tolist():
        listener = scorer.listener(hidden.train.users[user])
        scores = scorer.scores(listener).astype(np.float64)
        scores[listener.played] = -np.inf
        for rows, matrix, at, kind in zip(found, wanted, place, able, strict=True):
            hit = np.zeros(len(scores), dtype=np.bool_)
            hit[at[matrix[[user]].indices]] = True
            best = top_k(np.where(kind, scores, -np.inf), min(_TOP, int(kind.sum())))
            best = best[scores[best] > -np.inf]
            rows.append((scores[best], hit[best]))
    new, known = (
        (np.concatenate([s for s, _ in rows]), np.concatenate([h for _, h in rows]))
        for rows in found
    )
    return new, known
