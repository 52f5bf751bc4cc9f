"""What comes next in sessions: models and baselines, by a split in time and over all items.

Everything is learned from the spans before the one that is asked about; settings of baselines are
chosen on the span between, by learning from what lies before that one. All items that are described
are ranked, whether or not anybody ever played them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.evaluation.bootstrap import interval
from musicu.evaluation.list_metrics import coverage, exposure, popularity_lift, repetition
from musicu.evaluation.scores import Comparison, Score
from musicu.evaluation.sessions.results import GROUPS, SessionEvaluation
from musicu.evaluation.significance import adjust
from musicu.evaluation.two_way import compare_two_way, two_way_means
from musicu.sequences.baselines import BASELINES
from musicu.sequences.contents import Contents
from musicu.sequences.fitted import Ranker
from musicu.sequences.plays import Plays
from musicu.sequences.queries import Queries
from musicu.sequences.ranks import rank_measures, rank_targets
from musicu.sequences.tuning import tune

__all__ = ["YARDSTICK", "evaluate_sessions"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

YARDSTICK = "decayed tags + artists"
_LENGTH = 20
_TESTED = ("ndcg@20", "hr@20", "mrr@20")


def evaluate_sessions(
    plays: Plays,
    contents: Contents,
    *,
    models: Mapping[str, Callable[[Plays, Contents], Ranker]] | None = None,
    baselines: Mapping[str, tuple[Any, Mapping[str, Any]]] = BASELINES,
    positions: int | None = 4000,
    tuned_on: int = 1000,
    draws: int = 20_000,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> SessionEvaluation:
    """Evaluate models of what comes next, and baselines.

    Parameters
    ----------
    plays : Plays
        Of three spans or more: the last one is asked about, the one before it chooses settings.
    contents : Contents
        What is known of the items; all that are played are among them.
    models : mapping of str to callable, optional
        Each returns a fitted ranker, given the plays before the last span and the contents. The
        first one is what all others are compared with; else the best baseline on the span between.
    baselines : mapping
        As :data:`musicu.sequences.baselines.BASELINES`.
    positions : int or None
        Ask so many questions, drawn by the seed; None asks all.
    tuned_on : int
        Questions by which settings are chosen.
    draws : int
        Of the bootstrap, for NDCG@20; a tenth of it for the other intervals. With 77 comparisons,
        20,000 draws can tell a corrected p below .01.
    seed : int
        Of the bootstrap, of the questions, and of the order of items of equal score.
    progress : callable, optional
        Takes how many rankings are done, and of how many.

    Returns
    -------
    SessionEvaluation

    Raises
    ------
    MusicuError
        There are fewer than three spans, or a span in which no session has two plays.
    """
    if plays.spans < 3:
        raise MusicuError(
            f"the plays are of {plays.spans} spans: three are needed, to learn from, to choose "
            "settings by, and to ask about"
        )
    # Of equal scores the item of the smaller number stands first: the numbers say nothing.
    order = np.random.default_rng(seed).permutation(len(contents))
    contents = contents.take(order)
    plays = plays.renumbered(contents.items.ids)
    last = plays.spans - 1
    choosing = _questions(plays.within(last - 1), tuned_on, seed)
    asked = _questions(plays.within(last), positions, seed)
    train = plays.before(last)
    tell = _Counter(progress, baselines, len(models or {}))
    settings: dict[str, dict[str, Any]] = {}
    chosen_by: dict[str, float] = {}
    rankers: dict[str, Ranker] = {
        name: make(train, contents) for name, make in (models or {}).items()
    }
    before = plays.before(last - 1)
    for name, (make, grid) in baselines.items():
        settings[name], chosen_by[name] = tune(
            make, grid, before, contents, choosing, progress=tell
        )
        rankers[name] = make(**settings[name]).fit(train, contents)
    found = {}
    for name, ranker in rankers.items():
        found[name] = rank_targets(ranker, asked, length=_LENGTH)
        tell()
    best = max(chosen_by, key=lambda name: chosen_by[name])
    against = next(iter(models)) if models else best
    groups = _groups(asked, train, contents)
    scores = _scores(found, against, asked, contents.artist, groups, draws=draws, seed=seed)
    scores += _list_scores(
        {name: lists for name, (_, lists) in found.items()}, asked, train, contents
    )
    return SessionEvaluation(
        split=f"spans 1 to {last} are learned from, span {last + 1} is asked about",
        plays=len(train),
        sessions=len(np.unique(train.session)),
        items=len(contents),
        positions=len(asked),
        listeners=len(np.unique(asked.user)),
        artists=len(np.unique(contents.artist[asked.target])),
        shares={name: float(inside.mean()) for name, inside in groups.items()},
        settings=settings,
        against=against,
        scores=tuple(scores),
        notes=_notes(scores, list(models or ()), best),
    )


class _Counter:
    """Counts rankings."""

    def __init__(
        self,
        progress: Callable[[int, int], None] | None,
        baselines: Mapping[str, tuple[Any, Mapping[str, Any]]],
        models: int,
    ) -> None:
        tries = [
            1 + sum(v != getattr(make(), name) for name, values in grid.items() for v in values)
            for make, grid in baselines.values()
        ]
        self._progress, self._done = progress, 0
        self._total = sum(tries) + len(baselines) + models

    def __call__(self) -> None:
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)


def _questions(plays: Plays, count: int | None, seed: int) -> Queries:
    """Return questions of a span, in order, drawn by the seed if there are more than so many.

    Raises
    ------
    MusicuError
        There is none.
    """
    found = Queries.of_plays(plays)
    if not len(found):
        raise MusicuError("no session of a span has two plays: nothing can be asked of it")
    if count is None or count >= len(found):
        return found
    drawn = np.random.default_rng(seed).choice(len(found), count, replace=False)
    return found.take(np.sort(drawn))


def _groups(asked: Queries, train: Plays, contents: Contents) -> dict[str, Bools]:
    """Return which questions are of each of :data:`GROUPS`."""
    seen = np.zeros(len(contents), dtype=np.bool_)
    seen[train.item] = True
    artists = np.append(np.zeros(max(int(contents.artist.max(initial=-1)) + 1, 1), np.bool_), False)
    artists[contents.artist[train.item]] = True
    artists[-1] = False  # nobody knows who it is
    warm, again = seen[asked.target], asked.repeats()
    known = artists[contents.artist[asked.target]]
    kinds = (np.ones(len(asked), np.bool_), warm, ~warm, again, ~again, known, ~known)
    return dict(zip(GROUPS, kinds, strict=True))


def _scores(
    found: Mapping[str, tuple[Positions, Positions]],
    against: str,
    asked: Queries,
    artist: Positions,
    groups: Mapping[str, Bools],
    *,
    draws: int,
    seed: int,
) -> list[Score]:
    """Return all measures, with intervals and comparisons over listeners and artists."""
    names = [against, *(name for name in found if name != against)]
    measured = {name: rank_measures(found[name][0]) for name in names}
    _, user = np.unique(asked.user, return_inverse=True)
    _, who = np.unique(artist[asked.target], return_inverse=True)
    scores: list[Score] = []
    tests: dict[tuple[str, str], Comparison] = {}
    for group, inside in groups.items():
        clusters = len(np.unique(user[inside]))
        enough = clusters > 1 and len(np.unique(who[inside])) > 1
        for metric in next(iter(measured.values())):
            values = np.stack([measured[name][metric][inside] for name in names])
            means = values.mean(axis=1) if inside.any() else np.full(len(names), np.nan)
            ends = [(np.nan, np.nan)] * len(names)
            number = int(inside.sum())
            if metric in _TESTED and enough:
                number_of_draws = draws if metric == _TESTED[0] else max(1, draws // 10)
                drawn = _drawn_means(
                    values, user[inside], who[inside], draws=number_of_draws, seed=seed
                )
                ends = [interval(row) for row in drawn]
                if metric == _TESTED[0]:
                    tests |= {
                        (group, one.system): one
                        for one in compare_two_way(
                            names, means.tolist(), drawn, queries=number, clusters=clusters
                        )
                    }
            scores += [
                Score(
                    system=name,
                    group=group,
                    metric=metric,
                    value=float(mean),
                    low=low,
                    high=high,
                    queries=number,
                    clusters=clusters,
                )
                for name, mean, (low, high) in zip(names, means, ends, strict=True)
            ]
    corrected = dict(zip(tests, adjust(list(tests.values())), strict=True))
    return [
        replace(score, comparison=corrected.get((score.group, score.system)))
        if score.metric == _TESTED[0]
        else score
        for score in scores
    ]


def _drawn_means(
    values: Floats, user: Positions, artist: Positions, *, draws: int, seed: int
) -> Floats:
    """Means of several systems with listeners and artists drawn again [systems, draws]."""
    from scipy.sparse import csr_array

    shape = (int(user.max()) + 1, int(artist.max()) + 1)
    tables = [
        csr_array((row, (user, artist)), shape=shape) for row in (np.ones(len(user)), *values)
    ]
    for table in tables:
        table.sum_duplicates()
    return two_way_means(tables[1:], tables[0], draws=draws, seed=seed)


def _list_scores(
    lists: Mapping[str, Positions], asked: Queries, train: Plays, contents: Contents
) -> list[Score]:
    """Tell what the first twenty are like, and how much of what came next is new."""
    from scipy.sparse import csr_array

    count = np.bincount(train.item, minlength=len(contents)).astype(np.float64)
    query, at, _ = asked.steps()
    history = csr_array(
        (np.ones(len(query)), (query, asked.played[at])), shape=(len(asked), len(contents))
    )
    everything = np.ones(len(contents), dtype=np.bool_)
    found = []
    for name, ranked in lists.items():
        told = {
            "coverage@20": coverage(exposure(ranked, everything)),
            "popularity lift@20": popularity_lift(ranked, history, count),
            "artist repetition@20": float(np.nanmean(repetition(ranked, contents.artist))),
            "unseen@20": float((count[ranked] == 0).mean()),
        }
        found += [
            Score(
                system=name,
                group="lists",
                metric=metric,
                value=value,
                low=np.nan,
                high=np.nan,
                queries=len(asked),
                clusters=len(np.unique(asked.user)),
            )
            for metric, value in told.items()
        ]
    return found


def _notes(scores: list[Score], models: list[str], best: str) -> tuple[str, ...]:
    """Say first what wins: a simple baseline, if it does."""
    every = {s.system: s for s in scores if s.group == "all" and s.metric == _TESTED[0]}
    notes = []
    for name in models:
        rivals = [s for system, s in every.items() if system not in models]
        rival = max(rivals, key=lambda s: s.value)
        test = rival.comparison if name == models[0] else None
        ahead = every[name].value > rival.value
        sure = test is not None and test.verdict == ("clearly worse" if ahead else "clearly better")
        notes.append(
            f"{name if ahead else rival.system} is ahead of {rival.system if ahead else name}: "
            f"NDCG@20 {max(every[name].value, rival.value):.3f} and "
            f"{min(every[name].value, rival.value):.3f}"
            + ("" if sure or test is None else ", which may be chance")
        )
    if not models:
        notes.append(f"the best baseline on the span before is {best}; all are compared with it")
    return tuple(notes)
