"""What a tally says: means with intervals, tests against the whole recommender, losses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from musicu.bootstrap import bootstrap_means, interval
from musicu.trials.beyond import lorenz
from musicu.trials.contenders import FULL
from musicu.trials.evaluation import Comparison, Loss, Score
from musicu.trials.measures import KS
from musicu.trials.significance import Contrast, contrast, holm
from musicu.trials.tally import GROUPS, Tally

__all__ = ["TESTED", "exposure_curves", "score_tally", "test_tally"]

# What is tested, and corrected together; the first decides which baseline is the best.
TESTED = (("listeners", "ndcg@20"), ("listeners", "recall@20"), ("items", "ndcg@20"))

_MEASURES = ("ndcg", "recall", "mrr", "map", "precision", "hit")


def score_tally(tally: Tally, *, draws: int) -> Iterator[Score]:
    """Yield the mean of each system on each measure, group by group, then what lists are like.

    Parameters
    ----------
    tally : Tally
    draws : int
        Of the bootstrap, over listeners, or over items where these ask.
    """
    users, cold = np.concatenate(tally.users), np.concatenate(tally.cold)
    names = [f"{name}@{k}" for k in KS for name in _MEASURES]
    for group in GROUPS:
        who = cold if group == "items" else users
        table = np.stack(
            [r.all_values(group, name) for r in tally.records.values() for name in names]
        )
        asked = ~np.isnan(table[0])
        if not asked.any():
            continue
        means = table[:, asked].mean(axis=1)
        samples = bootstrap_means(table, who, draws=draws)
        ends = [interval(row) for row in samples]
        at = 0
        for system, record in tally.records.items():
            for name in names:
                yield Score(
                    system=system,
                    kind=record.kind,
                    group=group,
                    metric=name,
                    value=float(means[at]),
                    low=ends[at][0],
                    high=ends[at][1],
                    queries=int(asked.sum()),
                )
                at += 1
    for system, record in tally.records.items():
        figures = {name: (float(np.mean(v)), len(users)) for name, v in record.figures.items()}
        for name, arrays in record.lists.items():
            values = np.concatenate(arrays)
            told = values[~np.isnan(values)]
            figures[name] = float(told.mean()) if len(told) else float("nan"), len(told)
        for name, (value, queries) in figures.items():
            yield Score(
                system=system,
                kind=record.kind,
                group="lists",
                metric=name,
                value=value,
                low=float("nan"),
                high=float("nan"),
                queries=queries,
            )


def test_tally(tally: Tally, *, draws: int) -> tuple[list[Comparison], list[Loss]]:
    """Test everything against the whole recommender, and what lacks something against rivals.

    Parameters
    ----------
    tally : Tally
    draws : int
        Of the randomization and of the bootstrap, over listeners.

    Returns
    -------
    comparisons : list of Comparison
        On all of :data:`TESTED`.
    losses : list of Loss
        On the first.
    """
    users, cold = np.concatenate(tally.users), np.concatenate(tally.cold)
    comparisons = []
    for group, metric in TESTED:
        values = {
            name: record.all_values(group, metric)
            for name, record in tally.records.items()
            if record.kind != "rival"
        }
        who = cold if group == "items" else users
        comparisons += [
            Comparison(group=group, metric=metric, result=result)
            for result in contrast(values, FULL, listeners=who, draws=draws)
        ]
    losses = _losses(tally, users, draws)
    # One family: no finding of the whole evaluation is to be false.
    results = [comparison.result for comparison in comparisons] + [loss.versus for loss in losses]
    corrected = [
        _verdict(result, float(p))
        for result, p in zip(results, holm([result.p for result in results]), strict=True)
    ]
    cut = len(comparisons)
    return (
        [replace(c, result=r) for c, r in zip(comparisons, corrected[:cut], strict=True)],
        [replace(x, versus=r) for x, r in zip(losses, corrected[cut:], strict=True)],
    )


def _losses(tally: Tally, users: NDArray[np.str_], draws: int) -> list[Loss]:
    group, metric = TESTED[0]
    records = tally.records
    values = {name: record.all_values(group, metric) for name, record in records.items()}
    means = {name: float(np.nanmean(row)) for name, row in values.items()}
    losses = []
    for name, record in records.items():
        if record.kind != "missing":
            continue
        allowed = [
            other
            for other, r in records.items()
            if (r.kind == "baseline" or (r.kind, r.lacks) == ("rival", record.lacks))
            and set(r.uses) <= set(record.uses)
        ]
        rival = max(allowed, key=means.__getitem__)
        (versus,) = contrast(
            {name: values[name], rival: values[rival]}, rival, listeners=users, draws=draws
        )
        (less,) = contrast(
            {name: values[name], FULL: values[FULL]}, FULL, listeners=users, draws=draws
        )
        losses.append(
            Loss(
                lacks=record.lacks,
                value=means[name],
                loss=(0 - less.difference) / less.base,
                low=(0 - less.high) / less.base,
                high=(0 - less.low) / less.base,
                rival=rival,
                rival_value=means[rival],
                versus=versus,
            )
        )
    return losses


def _verdict(result: Contrast, p_holm: float) -> Contrast:
    verdict: Literal["clearly better", "clearly worse", "open"] = "open"
    if p_holm < 0.05:
        verdict = "clearly better" if result.difference > 0 else "clearly worse"
    return replace(result, p_holm=p_holm, verdict=verdict)


def exposure_curves(tally: Tally) -> dict[str, tuple[float, ...]]:
    """Return Lorenz curves of the recommender, the best baseline, popularity and chance."""
    group, metric = TESTED[0]
    means = {
        name: float(np.nanmean(record.all_values(group, metric)))
        for name, record in tally.records.items()
        if record.kind == "baseline"
    }
    names = dict.fromkeys([FULL, max(means, key=means.__getitem__), "popularity", "random"])
    curves = {}
    for name in names:
        # Candidates of splits with more lists are shown more often: shares make them alike.
        shares = [shown / max(shown.sum(), 1) for shown in tally.records[name].exposure]
        curves[name] = tuple(lorenz(np.concatenate(shares), points=51)[1].tolist())
    return curves
