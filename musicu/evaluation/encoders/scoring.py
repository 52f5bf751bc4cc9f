"""Vectors and labels in, scores with intervals and comparisons out.

Neighbors are searched inside each fold where there are folds: they are artist-disjoint, and models
of a cross-validation have one space a fold. The queries of all folds are put together. The metrics:

``artist P@1``, ``artist MAP``
    Other clips by the artist are to be found. Pieces of the query's own track, where tracks are
    known, are no candidates.
``same recording P@1``, ``same recording MAP``
    Other pieces of the query's own track are to be found, among all clips.
``COLUMN P@1``, ``COLUMN MAP``
    For a column of single labels; the own artist's clips are no candidates, nor are clips without
    a label.
``COLUMN Jaccard@10``
    For a column of several labels, likewise.
``lone COLUMN P@1``, ``lone COLUMN MAP``
    For a column of several labels, among the clips that have exactly one, which ten clips have as
    their only one; without the own artist.
``lone COLUMN probe``
    Accuracy of a logistic regression on the same clips
    (:func:`musicu.evaluation.retrieval_metrics.probe`). Its cross-validation runs over the folds,
    or over five parts with whole artists in each where there are no folds. If one of the systems
    has a model a fold, all are probed over five such parts inside each fold, so that all of them
    learn from the same clips.
``COLUMN R2``
    For a column of numbers: how much of it a ridge regression tells
    (:func:`musicu.evaluation.retrieval_metrics.ridge_probe`), over the same parts as the probe.
``same track``
    See :func:`musicu.evaluation.retrieval_metrics.same_track_first`.
``hub skew``
    Skewness of the 10-occurrence inside each fold, averaged over folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import skewness
from musicu.errors import MusicuError
from musicu.evaluation.bootstrap import DRAWS, bootstrap_means, bootstrap_skews, interval
from musicu.evaluation.encoders.dataset import Collection
from musicu.evaluation.encoders.systems import System
from musicu.evaluation.retrieval_metrics import (
    artist_parts,
    average_precision,
    jaccard,
    k_occurrence,
    mean_relevance,
    only_labels,
    precision_at_1,
    probe,
    ridge_probe,
    same_track_first,
    similarities,
)
from musicu.evaluation.scores import Better, Comparison, Score, verdict

__all__ = ["check_artists", "score_systems"]

Floats = NDArray[np.float64]
Labels = NDArray[Any]

_SKEW = "hub skew"
# Fewer artists than this are no sample: their bootstrap draws the same few again and again.
_ARTISTS = 10
# Groups with fewer clips are left out.
_GROUP = 25


def check_artists(collection: Collection) -> None:
    """Refuse a collection in which no artist could be found again.

    Raises
    ------
    MusicuError
        Fewer than two artists have two clips.
    """
    _, count = np.unique(collection.artist, return_counts=True)
    if (several := int((count > 1).sum())) < 2:
        raise MusicuError(
            f"{collection.name}: two artists or more must have two clips or more; "
            f"of {len(count)} artists {several} has: --artist names the column"
        )


def score_systems(
    collection: Collection,
    systems: Sequence[System],
    vectors: Mapping[str, Floats],
    *,
    against: Sequence[str] = (),
    by: str | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> tuple[list[Score], list[str]]:
    """Score vectors.

    Parameters
    ----------
    collection : Collection
        The clips.
    systems : sequence of System
        What made the vectors.
    vectors : mapping of np.ndarray [shape=(n, dim), float64]
        By the systems' labels.
    against : sequence of str
        Labels of systems: for each metric, each system is compared with the best of these, itself
        left out. None: with the best of all.
    by : str, optional
        Column of labels by which to score the queries again, those of each label with 25 clips or
        more; they search among all clips as before.
    seed, draws : int
        Of all that is drawn; how often the bootstrap draws.

    Returns
    -------
    scores : list of Score
        Metric by metric, in the systems' order; then group by group.
    notes : list of str
        Metrics with no query or too few artists, and artists in several folds.

    Raises
    ------
    MusicuError
        Fewer than two artists have two clips, or there is no column ``by``.
    """
    check_artists(collection)
    groups = _groups(collection, by)
    artist, fold = collection.artist, collection.fold
    spaces = np.zeros(len(artist), dtype=np.intp) if fold is None else fold
    names = np.unique(spaces)
    inside = any(system.by_fold for system in systems)
    each = [_clip_values(collection, spaces, s, vectors[s.label], inside, seed) for s in systems]
    notes = [] if fold is None else _artists_in_several_folds(artist, fold)
    scores = []
    for group, metric in product(["", *groups], each[0]):
        table = np.stack([values[metric] for values in each])
        if group:
            if metric == _SKEW:
                continue
            table[:, ~groups[group]] = np.nan
        scored = ~np.isnan(table[0])
        if not scored.any():
            notes.append(f"{_named(metric, group)}: left out, for no clip can be scored")
            continue
        count = len(np.unique(artist[scored]))
        if count < _ARTISTS:
            few = f"{count} artists are too few for an interval to be trusted"
            notes.append(f"{_named(metric, group)}: {few}")
        by_space = [[_mean(metric, row[spaces == name]) for name in names] for row in table]
        if metric == _SKEW:
            value = np.mean(by_space, axis=1)
            samples = bootstrap_skews(table, artist, spaces, draws=draws, seed=seed)
        else:
            value = np.nanmean(table, axis=1)
            samples = bootstrap_means(table, artist, draws=draws, seed=seed)
        better: Better = "lower" if metric == _SKEW else "higher"
        queries = int(scored.sum())
        labels = [system.label for system in systems]
        compared = _compare(labels, value, samples, against, better, queries, count)
        for i, system in enumerate(systems):
            low, high = interval(samples[i])
            means = {} if fold is None else dict(zip(map(str, names), by_space[i], strict=True))
            scores.append(
                Score(
                    system=system.label,
                    group=group,
                    metric=metric,
                    better=better,
                    value=float(value[i]),
                    low=low,
                    high=high,
                    queries=queries,
                    clusters=count,
                    folds={k: None if np.isnan(v) else v for k, v in means.items()},
                    comparison=compared[i],
                )
            )
    return scores, notes


def _groups(collection: Collection, by: str | None) -> dict[str, NDArray[np.bool_]]:
    """Clips that carry each label of a column."""
    if by is None:
        return {}
    if by in collection.multi:
        sets = collection.multi[by]
    elif by in collection.single:
        sets = tuple(frozenset({label} - {""}) for label in collection.single[by].tolist())
    else:
        there = ", ".join([*collection.single, *collection.multi]) or "none"
        raise MusicuError(f"no column of labels {by!r} to group by; there are {there}")
    carry = {label: np.array([label in of for of in sets]) for label in frozenset().union(*sets)}
    return {label: has for label, has in sorted(carry.items()) if has.sum() >= _GROUP}


def _named(metric: str, group: str) -> str:
    return f"{metric}, {group}" if group else metric


def _clip_values(
    collection: Collection, spaces: Labels, system: System, vectors: Floats, inside: bool, seed: int
) -> dict[str, Floats]:
    """Every metric's value for every clip; for the hub skew, the 10-occurrence."""
    lone = {column: np.array(only_labels(sets)) for column, sets in collection.multi.items()}
    values: dict[str, Floats] = {}

    def put(metric: str, at: NDArray[np.intp], row: Floats) -> None:
        values.setdefault(metric, np.full(len(spaces), np.nan))[at] = row

    everything = np.arange(len(spaces))
    areas = [np.flatnonzero(spaces == name) for name in np.unique(spaces)]
    for at in areas:
        near = similarities(vectors[at], distance=system.distance)
        artist = collection.artist[at]
        own = artist[:, None] == artist
        others = ~np.eye(len(at), dtype=np.bool_)
        if collection.track is not None:
            track = collection.track[at]
            sisters, everyone = track[:, None] == track, others.copy()
            others &= ~sisters
            put("same track", at, same_track_first(near, track, artist))
            put("same recording P@1", at, precision_at_1(near, sisters, everyone))
            put("same recording MAP", at, average_precision(near, sisters, everyone))
        put("artist P@1", at, precision_at_1(near, own, others))
        put("artist MAP", at, average_precision(near, own, others))
        for column, labels in collection.single.items():
            named = labels[at]
            same, candidates = _alike(named), ~own & (named != "")
            put(f"{column} P@1", at, precision_at_1(near, same, candidates))
            put(f"{column} MAP", at, average_precision(near, same, candidates))
        for column, sets in collection.multi.items():
            here = [sets[i] for i in at]
            candidates = ~own & np.array([bool(labels) for labels in here])
            put(f"{column} Jaccard@10", at, mean_relevance(near, jaccard(here), candidates))
            named = lone[column][at]
            same, candidates = _alike(named), ~own & (named != "")
            put(f"lone {column} P@1", at, precision_at_1(near, same, candidates))
            put(f"lone {column} MAP", at, average_precision(near, same, candidates))
        put(_SKEW, at, k_occurrence(near))
    for at in areas if inside else [everything]:
        if collection.fold is None or inside:
            parts = artist_parts(collection.artist[at], seed=seed)
        else:
            parts = collection.fold
        for column, labels in lone.items():
            put(f"lone {column} probe", at, probe(vectors[at], labels[at], parts))
        for column, numbers in collection.numeric.items():
            put(f"{column} R2", at, ridge_probe(vectors[at], numbers[at], parts))
    return values


def _alike(labels: Labels) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = (labels[:, None] == labels) & (labels != "")
    return same


def _mean(metric: str, values: Floats) -> float:
    if metric == _SKEW:
        return skewness(values)
    scored = values[~np.isnan(values)]
    return float(scored.mean()) if len(scored) else float("nan")


def _compare(
    labels: Sequence[str],
    value: Floats,
    samples: Floats,
    against: Sequence[str],
    better: Better,
    queries: int,
    artists: int,
) -> list[Comparison | None]:
    """Compare each system with the best other one that it is to be compared with."""
    results: list[Comparison | None] = []
    for i, label in enumerate(labels):
        others = [j for j, other in enumerate(labels) if j != i and other in (against or labels)]
        if not others:
            results.append(None)
            continue
        j = (max if better == "higher" else min)(others, key=lambda j: value[j])
        low, high = interval(samples[i] - samples[j])
        results.append(
            Comparison(
                system=label,
                against=labels[j],
                value=float(value[i]),
                base=float(value[j]),
                difference=float(value[i] - value[j]),
                low=low,
                high=high,
                # An interval without 0 lies on the side of its middle.
                verdict=verdict(low + high, low > 0 or high < 0, better),
                queries=queries,
                clusters=artists,
            )
        )
    return results


def _artists_in_several_folds(artist: Labels, fold: Labels) -> list[str]:
    pairs = np.unique(np.stack([artist, fold]).astype(np.str_), axis=1)
    several = pairs.shape[1] - len(np.unique(artist))
    return (
        [f"{several} artists are in several folds, so the folds are not disjoint"]
        if several
        else []
    )
