"""Evaluate recommendation offline: new items, whole rankings, many baselines, honest tests.

Each split hides what was played of some items, and a part of what was played of the others. All
systems learn from the rest, and make whole lists of all that a listener does not know; then they
rank the new items alone. Nothing is sampled. Differences to the whole recommender are tested over
listeners and artists, with all that folds and seeds say of one taken together, and corrected for
all comparisons at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.evaluation.ranking_metrics import KS
from musicu.evaluation.recommenders.baselines import BASELINES, field_neighborhoods
from musicu.evaluation.recommenders.collector import TOP, MetricCollector
from musicu.evaluation.recommenders.results import RecommendEvaluation
from musicu.evaluation.recommenders.splits import FoldProtocol, Protocol, Split
from musicu.evaluation.recommenders.summary import compare_all, exposure_curves, summarize_scores
from musicu.evaluation.recommenders.systems import FULL, Experiment
from musicu.evaluation.significance import DRAWS
from musicu.items.fusion import Fusion
from musicu.items.item import Items
from musicu.recommend.hyperparameters import named_as_stored
from musicu.recommend.interactions import Interactions

__all__ = ["evaluate_recommend"]

Progress = Callable[[int, int], None]


def evaluate_recommend(
    log: Interactions,
    items: Items,
    *,
    protocol: Protocol | None = None,
    seeds: int = 5,
    others: Mapping[str, NDArray[np.floating]] | None = None,
    candidates: Literal["new", "all"] = "new",
    settings: Mapping[str, Any] | None = None,
    tune: bool = False,
    parts: bool = True,
    draws: int = DRAWS,
    progress: Progress | None = None,
) -> RecommendEvaluation:
    """Measure how well new items find their listeners, and listeners new items.

    Parameters
    ----------
    log : Interactions
        Who played what. Items of which nothing is known take part in what is learned.
    items : Items
        What can be recommended.
    protocol : FoldProtocol or TimeProtocol, optional
        What is new; by default five folds of whole artists.
    seeds : int >= 1
        How often all is done, with other folds where these are drawn, and other starts.
    others : mapping of str to np.ndarray [shape=(n, dim)], optional
        More vectors to compare with, a row an item: MFCC, another model's embeddings. A row of
        zeros is an item without one.
    candidates : {"new", "all"}
        Beside whole lists, rank the new items among themselves, or among all items of `items` but
        those of the listener's history; what should be found there is what was played of the new
        ones either way.
    settings : mapping of str to object, optional
        Those of :class:`musicu.recommend.hyperparameters.Hyperparameters`.
    tune : bool
        Choose ridge, weight of the audio and taste
        (:data:`musicu.evaluation.recommenders.systems.GRID`) in each split, on a validation split
        inside its training part.
    parts : bool
        Whether the recommender is measured without each of its parts, too, and where new items lack
        something: most of the time goes there.
    draws : int
        Of the bootstrap and of the randomization; no p value is below one in so many, and each is
        multiplied by up to the number of comparisons.
    progress : callable, optional
        Called with the splits that are done, and all of them.

    Returns
    -------
    RecommendEvaluation

    Raises
    ------
    MusicuError
        The protocol cannot split this log and these items; other vectors are not one an item, or
        have the name of a baseline; or fewer than two listeners can be asked.
    """
    protocol = protocol or FoldProtocol()
    if seeds < 1:
        raise MusicuError(f"{seeds} seeds: at least one is needed")
    given = Fusion().fit(items).transform(items)
    fields = [f for f, some in zip(given.fields, given.present.T, strict=True) if some.any()]
    extra = _checked(others or {}, len(items), fields)
    collector = MetricCollector(log, items)
    chosen: list[dict[str, Any]] = []
    about: dict[str, Any] = {"fields": fields, "settings": dict(settings or {}), "others": extra}
    for seed in range(seeds):
        splits = protocol.splits(log, items, seed=seed)
        for number, split in enumerate(splits):
            ranked = _ranked(split, items, candidates)
            experiment = Experiment(split, items, ranked, seed=seed, **about)
            model = experiment.model
            if tune:
                inner = protocol.validation(split, items, seed=seed)
                best = _tuned(log, inner, items, _ranked(inner, items, candidates), about, seed)
                chosen.append(named_as_stored(best))
                model = model.with_settings(**best)
            collector.start_split(split, ranked, seed=seed)
            for system in experiment.systems(model, parts=parts):
                collector.add(system)
            collector.add_lists(experiment.test, model.items.ids, experiment.catalog(model))
            if progress:
                progress(seed * len(splits) + number + 1, seeds * len(splits))
    comparisons, losses = compare_all(collector, draws=draws)
    return RecommendEvaluation(
        protocol=protocol.about,
        candidates=candidates,
        splits=len(collector.ranked),
        seeds=seeds,
        interactions=len(log),
        users=len(log.users),
        items=len(items),
        asked=len(np.unique(np.concatenate(collector.users))),
        cold=len(np.unique(np.concatenate(collector.cold))),
        ranked=float(np.mean(collector.ranked)),
        fields=tuple(fields),
        others=tuple(extra),
        settings=dict(settings or {}),
        chosen=tuple(chosen),
        scores=tuple(summarize_scores(collector, comparisons, draws=draws)),
        losses=tuple(losses),
        exposure=exposure_curves(collector),
        notes=tuple(_notes(collector, candidates)),
    )


def _checked(
    others: Mapping[str, NDArray[np.floating]], count: int, fields: Sequence[str]
) -> dict[str, NDArray[np.floating]]:
    taken = {*BASELINES, "audio", *dict(field_neighborhoods(fields))}
    for name, vectors in others.items():
        if vectors.ndim != 2 or len(vectors) != count:
            raise MusicuError(
                f"vectors {name!r} of shape {vectors.shape} do not fit {count:,} items: one row "
                "an item"
            )
        if name in taken:
            raise MusicuError(f"vectors cannot be called {name!r}: a baseline is; rename them")
    return dict(others)


def _ranked(split: Split, items: Items, candidates: str) -> NDArray[np.intp]:
    return split.cold if candidates == "new" else np.arange(len(items))


def _tuned(
    log: Interactions,
    split: Split,
    items: Items,
    candidates: NDArray[np.intp],
    about: Mapping[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Return the settings with the best NDCG@10 in a validation split; the first of equals."""
    collector = MetricCollector(log, items)
    collector.start_split(split, candidates, seed=seed)
    experiment = Experiment(split, items, candidates, seed=seed, **about)
    found = [(collector.ndcg(scores), settings) for settings, scores in experiment.grid()]
    return max(found, key=lambda pair: pair[0])[1]


def _notes(collector: MetricCollector, candidates: str) -> Iterator[str]:
    least = min(collector.ranked)
    if least <= max(KS):
        yield (
            f"A split has {least:,} candidates at the least: what is measured at {max(KS)} says "
            "little there."
        )
    known = collector.records[FULL].values["known artists", f"ndcg@{TOP}"]
    if all(np.isnan(values).all() for values in known):
        yield "No new item is by an artist whom anybody played in training."
    if candidates == "all":
        yield "What was played in training is ranked too, and can never be right."
