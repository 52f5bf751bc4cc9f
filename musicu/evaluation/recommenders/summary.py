"""Means of an offline test with intervals, tests against the whole recommender, losses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.evaluation.bootstrap import bootstrap_means, interval
from musicu.evaluation.list_metrics import lorenz
from musicu.evaluation.ranking_metrics import KS
from musicu.evaluation.recommenders.collector import GROUPS, MetricCollector, SystemMetrics
from musicu.evaluation.recommenders.results import Loss
from musicu.evaluation.recommenders.systems import FULL
from musicu.evaluation.recommenders.whole_catalog import CATALOG_GROUPS
from musicu.evaluation.scores import Comparison, Score
from musicu.evaluation.significance import adjust, compare_systems
from musicu.evaluation.two_way import compare_two_way, two_way_means

__all__ = ["TESTED", "compare_all", "exposure_curves", "summarize_scores"]

# What is tested, and corrected together; the first decides which baseline is the best among new
# items. Of whole lists, baselines are tested.
TESTED = (
    *(("listeners", "ndcg@20"), ("listeners", "recall@20"), ("items", "ndcg@20")),
    *(("catalog", "ndcg@20"), ("catalog, new items", "ndcg@20")),
)
_TWO_WAY = ("ndcg@20", "recall@20")

_MEASURES = ("ndcg", "recall", "mrr", "map", "precision", "hit")


def summarize_scores(
    collector: MetricCollector,
    comparisons: Mapping[tuple[str, str], Sequence[Comparison]],
    *,
    draws: int,
) -> Iterator[Score]:
    """Yield the mean of each system on each measure, group by group, then what lists are like.

    Parameters
    ----------
    collector : MetricCollector
    comparisons : mapping of (str, str) to sequence of Comparison
        As :func:`compare_all` returns them; each goes to the score of its system.
    draws : int
        Of the bootstrap, over listeners, or over items where these ask; for NDCG and recall of
        the first 20, over listeners and artists.
    """
    users, cold = np.concatenate(collector.users), np.concatenate(collector.cold)
    names = [f"{name}@{k}" for k in KS for name in _MEASURES]
    for group in GROUPS:
        who = cold if group == "items" else users
        table = np.stack(
            [r.all_values(group, name) for r in collector.records.values() for name in names]
        )
        asked = ~np.isnan(table[0])
        if not asked.any():
            continue
        means = table[:, asked].mean(axis=1)
        samples = bootstrap_means(table, who, draws=draws)
        ends = [interval(row) for row in samples]
        if group == "listeners":
            for name in _TWO_WAY:
                drawn = _two_way(collector, collector.records, (group, name), draws)
                ends[names.index(name) :: len(names)] = [interval(row) for row in drawn[1]]
        clusters = len(np.unique(who[asked]))
        tested = {
            (found.system, name): found
            for name in names
            for found in comparisons.get((group, name), ())
        }
        at = 0
        for system, record in collector.records.items():
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
                    clusters=clusters,
                    comparison=tested.get((system, name)),
                )
                at += 1
    yield from _whole_lists(collector, comparisons, draws)
    for system, record in collector.records.items():
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
                clusters=len(np.unique(users)),
            )


def compare_all(
    collector: MetricCollector, *, draws: int
) -> tuple[dict[tuple[str, str], list[Comparison]], list[Loss]]:
    """Test everything against the whole recommender, and what lacks something against rivals.

    Parameters
    ----------
    collector : MetricCollector
    draws : int
        Of the randomization and of the bootstrap, over listeners.

    Returns
    -------
    comparisons : dict of (str, str) to list of Comparison
        By group and metric, for all of :data:`TESTED`.
    losses : list of Loss
        On the first.
    """
    users, cold = np.concatenate(collector.users), np.concatenate(collector.cold)
    compared = []
    for group, metric in TESTED:
        if group == "items":
            values = {
                name: record.all_values(group, metric)
                for name, record in collector.records.items()
                if record.kind != "rival"
            }
            compared.append(compare_systems(values, FULL, clusters=cold, draws=draws))
            continue
        whole = group.startswith("catalog")
        records = collector.catalog if whole else collector.records
        taken = {
            name: record
            for name, record in records.items()
            if record.kind in ("full", "baseline") or not (whole or record.kind == "rival")
        }
        if group not in collector.shares or not collector.shares[group].nnz:
            compared.append([])
            continue
        means, samples, queries, clusters = _two_way(collector, taken, (group, metric), draws)
        compared.append(
            compare_two_way(list(taken), means, samples, queries=queries, clusters=clusters)
        )
    losses = _losses(collector, users, draws)
    # One family: no finding of the whole evaluation is to be false.
    family = iter(adjust([*(c for some in compared for c in some), *(x.versus for x in losses)]))
    return (
        {of: list(islice(family, len(some))) for of, some in zip(TESTED, compared, strict=True)},
        [replace(loss, versus=next(family)) for loss in losses],
    )


def _two_way(
    collector: MetricCollector,
    records: Mapping[str, SystemMetrics],
    of: tuple[str, str],
    draws: int,
) -> tuple[list[float], NDArray[np.float64], int, int]:
    """Return means of systems, samples of them, and how many queries of how many listeners."""
    share = collector.shares[of[0]]
    gains = [record.gains[of] for record in records.values()]
    queries = float(share.sum())
    means = [float(table.sum()) / queries for table in gains]
    clusters = int(np.count_nonzero(np.diff(share.indptr)))
    return means, two_way_means(gains, share, draws=draws), round(queries), clusters


def _whole_lists(
    collector: MetricCollector,
    comparisons: Mapping[tuple[str, str], Sequence[Comparison]],
    draws: int,
) -> Iterator[Score]:
    """Yield what whole lists found, and the share of new items in them."""
    for group in CATALOG_GROUPS:
        if group not in collector.shares or not collector.shares[group].nnz:
            continue
        for name in _TWO_WAY:
            tested = {found.system: found for found in comparisons.get((group, name), ())}
            means, samples, queries, clusters = _two_way(
                collector, collector.catalog, (group, name), draws
            )
            for (system, record), mean, drawn in zip(
                collector.catalog.items(), means, samples, strict=True
            ):
                low, high = interval(drawn)
                yield Score(
                    system=system,
                    kind=record.kind,
                    group=group,
                    metric=name,
                    value=mean,
                    low=low,
                    high=high,
                    queries=queries,
                    clusters=clusters,
                    comparison=tested.get(system),
                )
    for system, record in collector.catalog.items():
        yield Score(
            system=system,
            kind=record.kind,
            group="lists",
            metric="new@20",
            value=float(np.mean(record.new_shares)),
            low=float("nan"),
            high=float("nan"),
            queries=len(np.concatenate(collector.users)),
            clusters=len(np.unique(np.concatenate(collector.users))),
        )


def _losses(collector: MetricCollector, users: NDArray[np.str_], draws: int) -> list[Loss]:
    group, metric = TESTED[0]
    records = collector.records
    values = {name: record.all_values(group, metric) for name, record in records.items()}
    means = {name: float(np.nanmean(row)) for name, row in values.items()}
    test: dict[str, Any] = {"clusters": users, "draws": draws}
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
        versus, less = (
            compare_systems({name: values[name], other: values[other]}, other, **test)[0]
            for other in (rival, FULL)
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


def exposure_curves(collector: MetricCollector) -> dict[str, tuple[float, ...]]:
    """Return Lorenz curves of the recommender, the best baseline, popularity and chance."""
    group, metric = TESTED[0]
    means = {
        name: float(np.nanmean(record.all_values(group, metric)))
        for name, record in collector.records.items()
        if record.kind == "baseline"
    }
    names = dict.fromkeys([FULL, max(means, key=means.__getitem__), "popularity", "random"])
    curves = {}
    for name in names:
        # Candidates of splits with more lists are shown more often: shares make them alike.
        shares = [shown / max(shown.sum(), 1) for shown in collector.records[name].exposure]
        curves[name] = tuple(lorenz(np.concatenate(shares), points=51)[1].tolist())
    return curves
