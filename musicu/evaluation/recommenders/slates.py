"""Slates on what listeners then did: surfaces, or a champion and its challenger.

A log is cut at a day. Each listener's slate is made from what was played before it, for the moment
of the first play after it, and measured by all that was played from then on. Recommenders that are
compared should have been fitted on nothing later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import gini
from musicu.errors import MusicuError
from musicu.evaluation import list_metrics
from musicu.evaluation.bootstrap import bootstrap_means, interval
from musicu.evaluation.ranking_metrics import expected_reciprocal_rank, measure
from musicu.evaluation.scores import ALPHA, Better, Comparison, Score, verdict
from musicu.evaluation.significance import DRAWS, compare_systems, holm
from musicu.items.fusion import Fusion
from musicu.items.item import Items
from musicu.metadata.artists import main_artist
from musicu.recommend.interactions import Interactions
from musicu.recommend.recommender import History, Recommender
from musicu.recommend.slate import SlateRequest, make_slate
from musicu.recommend.surface import Surface

__all__ = ["TESTED", "Contender", "SlateEvaluation", "evaluate_slates"]

Positions = NDArray[np.intp]
Floats = NDArray[np.float64]

TESTED = ("err", "ndcg", "diversity", "miscalibration")  # what is compared, and corrected for
_LOWER = {"miscalibration", "repeated artists"}
_HIGHEST = 2  # grades: played; played more than once


@dataclass(frozen=True)
class Contender:
    """What makes slates.

    Parameters
    ----------
    recommender : Recommender
    surface : Surface
    """

    recommender: Recommender
    surface: Surface


@dataclass(frozen=True, kw_only=True)
class SlateEvaluation:
    """What slates were like.

    Attributes
    ----------
    listeners : int
        How many were asked for.
    scores : tuple of Score
        A row for each contender and measure: ``err`` (expected reciprocal rank), ``ndcg``,
        ``recall``; ``diversity`` within a slate, ``miscalibration`` (nats) and
        ``repeated artists``; ``new``, the share of what nobody had played; ``coverage`` and
        ``gini`` of all slates. Those of one surface are compared.
    notes : tuple of str
    """

    listeners: int
    scores: tuple[Score, ...]
    notes: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a contender and measure."""
        return [
            {
                "contender": score.system,
                "measure": score.metric,
                "value": score.value,
                "low": score.low,
                "high": score.high,
                "listeners": score.queries,
                "difference": score.comparison and score.comparison.difference,
                "p_holm": score.comparison and score.comparison.p_holm,
                "verdict": score.comparison and score.comparison.verdict,
            }
            for score in self.scores
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)


def evaluate_slates(
    contenders: Mapping[str, Contender],
    log: Interactions,
    since: float,
    *,
    until: float | None = None,
    against: str | None = None,
    most: int | None = None,
    seed: int = 0,
    draws: int = DRAWS,
    progress: Callable[[int, int], None] | None = None,
) -> SlateEvaluation:
    """Measure slates.

    Parameters
    ----------
    contenders : mapping of str to Contender
        By name.
    log : Interactions
        With times, before and after the cut.
    since, until : float
        Seconds since 1970 UTC: where to cut, and what to leave out.
    against : str, optional
        The one to compare those of its surface with; the first if None.
    most : int >= 1, optional
        Listeners at most; drawn if there are more.
    seed, draws : int
        Of the listeners, and of tests and intervals.
    progress : callable, optional
        Told slates that are made, and how many there will be.

    Raises
    ------
    MusicuError
        The log has no times, fewer than two listeners played on both sides of the cut, or
        there is no such contender.
    """
    if not contenders or (against is not None and against not in contenders):
        raise MusicuError(f"no contender {against!r}; there are {', '.join(contenders)}")
    before = log.before(since)
    assert log.time is not None
    later = log.time >= since
    later &= log.time < (np.inf if until is None else until)
    after = log.where(later)
    users = np.intersect1d(before.user, after.user)
    if len(users) < 2:
        raise MusicuError("fewer than two listeners played before and after: choose another day")
    if most is not None and len(users) > most:
        users = np.sort(np.random.default_rng(seed).permutation(users)[:most])
    names = [log.users[user] for user in users.tolist()]
    items = _union(contenders)
    labels = _Labels.of(items, before, names)
    total, done = len(contenders) * len(names), 0
    values: dict[str, dict[str, Floats]] = {}
    figures: dict[str, dict[str, float]] = {}
    for name, one in contenders.items():
        asked = [_Asked.of(one, before, after, user) for user in names]
        slates = []
        for request in asked:
            slates.append(request.slate(one, items))
            done += 1
            if progress is not None:
                progress(done, total)
        lists = _lists([found for found, _ in slates])
        values[name] = dict(_measured(lists, asked, items, labels))
        values[name]["new"] = np.array([new for _, new in slates])
        shown = list_metrics.exposure(lists, np.ones(len(items), dtype=np.bool_))
        figures[name] = {"coverage": list_metrics.coverage(shown), "gini": gini(shown)}
    base = next(iter(contenders)) if against is None else against
    compared = _compared(contenders, values, base, draws)
    scores = list(_scores(values, figures, compared, draws))
    return SlateEvaluation(listeners=len(names), scores=tuple(scores), notes=_NOTES)


_NOTES = (
    "What was played later was chosen under what was shown then: a slate is not blamed for what "
    "nobody could hear, but gains nothing by it either.",
)


@dataclass(frozen=True)
class _Asked:
    """A listener: who that is before the cut, and what was played after it."""

    request: SlateRequest
    wanted: Mapping[str, int]

    @classmethod
    def of(cls, one: Contender, before: Interactions, after: Interactions, user: str) -> _Asked:
        known = one.recommender.items
        ids, weights, times = before.of_user(user)
        kept = [i for i, id in enumerate(ids) if known.find(id) is not None]
        assert times is not None
        history = History([ids[i] for i in kept], weights[kept], times[kept])
        played, amount, moments = after.of_user(user)
        assert moments is not None
        first = int(np.argmin(moments))
        plays = one.surface.playing and known.find(played[first]) is not None
        playing = [played[first]] if plays else []
        total: dict[str, float] = {}
        for id, weight in zip(played, amount.tolist(), strict=True):
            total[id] = total.get(id, 0.0) + weight
        passed = {*playing, *(() if one.surface.again else ids)}
        wanted = {id: 1 + (w >= _HIGHEST) for id, w in total.items() if id not in passed}
        now = float(moments[first])
        return cls(SlateRequest(user=history, playing=playing, now=now), wanted)

    def slate(self, one: Contender, items: Items) -> tuple[list[int], float]:
        """Return positions of what is shown, and the share that is new."""
        history = self.request.user
        assert isinstance(history, History)
        if not history.items and not self.request.playing:
            return [], float("nan")
        found = make_slate(one.recommender, one.surface, self.request)
        share = found.new / len(found) if len(found) else float("nan")
        return [items.position(shown.id) for shown in found], share


def _union(contenders: Mapping[str, Contender]) -> Items:
    """Return the items of all contenders, each once."""
    first, *others = {id(c.recommender): c.recommender.items for c in contenders.values()}.values()
    for more in others:
        known = set(first.ids)
        new = [i for i, one in enumerate(more.ids) if one not in known]
        if new:
            first = Items([*first, *more.take(new)])
    return first


def _lists(slates: Sequence[Sequence[int]]) -> Positions:
    """Return slates as rows, -1 where there is nothing."""
    found = np.full((len(slates), max(1, *map(len, slates))), -1, dtype=np.intp)
    for row, slate in zip(found, slates, strict=True):
        row[: len(slate)] = slate
    return found


@dataclass(frozen=True)
class _Labels:
    """What variety and calibration are told by: artists, and genres or, where none is, tags."""

    artists: NDArray[np.str_]
    words: Any
    history: Any

    @classmethod
    def of(cls, items: Items, before: Interactions, names: Sequence[str]) -> _Labels:
        artists = np.array([main_artist(item.metadata) for item in items], dtype=np.str_)
        at = {user: row for row, user in enumerate(before.users)}
        history = before.of_items(items.ids).matrix()[[at[name] for name in names]]
        for field in ("genres", "tags"):
            words = Fusion({field: 1}).fit(items).transform(items).sparse
            if words.nnz:
                break
        return cls(artists, words, history)


def _measured(
    lists: Positions, asked: Sequence[_Asked], items: Items, labels: _Labels
) -> Iterator[tuple[str, Floats]]:
    """Yield each measure, one value a listener."""
    from scipy.sparse import csr_array

    cells = [
        (row, at, grade)
        for row, one in enumerate(asked)
        for id, grade in one.wanted.items()
        if (at := items.find(id)) is not None
    ]
    rows, columns, grades = (np.array([cell[k] for cell in cells], np.intp) for k in range(3))
    wanted = csr_array((grades, (rows, columns)), shape=(len(asked), len(items)))
    k = lists.shape[1]
    told = measure(lists, wanted, ks=(k,)).values
    yield "err", expected_reciprocal_rank(lists, wanted, highest=_HIGHEST)
    yield "ndcg", told[f"ndcg@{k}"]
    yield "recall", told[f"recall@{k}"]
    if labels.artists.any():
        yield "repeated artists", list_metrics.repetition(lists, labels.artists)
    if labels.words.nnz:
        yield "diversity", list_metrics.diversity(lists, labels.words)
        yield (
            "miscalibration",
            list_metrics.miscalibration(lists, labels.history, labels.words),
        )


def _compared(
    contenders: Mapping[str, Contender],
    values: Mapping[str, Mapping[str, Floats]],
    base: str,
    draws: int,
) -> dict[tuple[str, str], Comparison]:
    """Compare those of one surface with one of them, corrected for all that is compared."""
    same = [n for n, one in contenders.items() if one.surface == contenders[base].surface]
    found: dict[tuple[str, str], Comparison] = {}
    for metric in TESTED:
        table = {name: values[name][metric] for name in same if metric in values[name]}
        if len(table) > 1 and (~np.isnan(np.stack([*table.values()])).any(axis=0)).sum() > 1:
            told = compare_systems(table, base, better=_better(metric), draws=draws)
            found |= {(one.system, metric): one for one in told}
    # One family: no finding of the whole evaluation is to be false.
    adjusted = holm([one.p for one in found.values()]).tolist()
    return {
        (name, metric): replace(
            one, p_holm=p, verdict=verdict(one.difference, p <= ALPHA, _better(metric))
        )
        for ((name, metric), one), p in zip(found.items(), adjusted, strict=True)
    }


def _better(metric: str) -> Better:
    return "lower" if metric in _LOWER else "higher"


def _scores(
    values: Mapping[str, Mapping[str, Floats]],
    figures: Mapping[str, Mapping[str, float]],
    compared: Mapping[tuple[str, str], Comparison],
    draws: int,
) -> Iterator[Score]:
    for name, measured in values.items():
        for metric, row in measured.items():
            scored = ~np.isnan(row)
            low = high = float("nan")
            if scored.sum() > 1:
                who = np.arange(len(row))
                low, high = interval(bootstrap_means(row[None, :], who, draws=draws)[0])
            yield Score(
                system=name,
                group="slates",
                metric=metric,
                better=_better(metric),
                value=float(row[scored].mean()) if scored.any() else float("nan"),
                low=low,
                high=high,
                queries=int(scored.sum()),
                clusters=int(scored.sum()),
                comparison=compared.get((name, metric)),
            )
        for metric, value in figures[name].items():
            yield Score(
                system=name,
                group="slates",
                metric=metric,
                value=value,
                low=float("nan"),
                high=float("nan"),
                queries=len(row),
                clusters=len(row),
            )
