"""Evaluate encoders on a labelled collection: vectors, scores, robustness, cost, from one seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np

from musicu.errors import MissingExtraError, MusicuError
from musicu.evaluation.bootstrap import DRAWS
from musicu.evaluation.encoders.cost import Cost, measure_cost
from musicu.evaluation.encoders.dataset import Collection
from musicu.evaluation.encoders.embedding import embed_collection
from musicu.evaluation.encoders.robustness import Robustness, measure_robustness
from musicu.evaluation.encoders.scoring import check_artists, score_systems
from musicu.evaluation.encoders.systems import Encoders, System
from musicu.evaluation.encoders.vector_cache import VectorCache
from musicu.evaluation.scores import MARKS, Score, apart, find_score

__all__ = ["SCHEMA", "Evaluation", "evaluate_encoder"]

Progress = Callable[[int, int], None]

SCHEMA = "musicu.evaluate.encoder/1"


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All results of an evaluation, and what they depend on.

    Attributes
    ----------
    collection : str
        Path of the table of labels.
    columns : dict
        The roles of its columns, and which rows were chosen.
    clips, artists : int
        How many were used.
    seed, draws : int
        Of all that is drawn; how often the bootstrap drew.
    systems : tuple of dict
        Label and parts; of each model fold, name, folder, hash of the weights, dimension.
    scores : tuple of Score
        Metric by metric, in the systems' order; then group by group.
    robustness : tuple of Robustness
        Empty if not asked for.
    costs : dict of Cost
        By system; empty if not asked for.
    skipped : tuple of (str, str)
        Files that could not be used, with reasons.
    notes : tuple of str
        What a reader should know.
    """

    collection: str
    columns: dict[str, Any]
    clips: int
    artists: int
    seed: int
    draws: int
    systems: tuple[dict[str, Any], ...]
    scores: tuple[Score, ...]
    robustness: tuple[Robustness, ...]
    costs: dict[str, Cost]
    skipped: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; ``schema`` names their layout."""
        scores = [_plain(score, versus) for score, versus in self._compared()]
        return {
            "schema": SCHEMA,
            "musicu": version("musicu"),
            **asdict(replace(self, scores=())),
            "scores": scores,
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row a number, for tables: scores and their folds, then robustness, then cost."""
        empty = dict.fromkeys(
            "metric group system fold value low high queries against difference difference_low "
            "difference_high verdict apart".split()
        )
        rows: list[dict[str, Any]] = []
        for score, versus in self._compared():
            about = {"metric": score.metric, "group": score.group, "system": score.system}
            row = {**about, **{k: getattr(score, k) for k in ("value", "low", "high", "queries")}}
            if versus:
                ends = {"difference_low": versus["low"], "difference_high": versus["high"]}
                row = {**versus, **row, **ends}
            rows += [row, *({**about, "fold": f, "value": v} for f, v in score.folds.items())]
        for robust in self.robustness:
            numbers = {"": robust.mean, ", 5th percentile": robust.low}
            rows += [
                {"metric": f"cosine, {robust.distortion}{of}", "system": robust.system, "value": v}
                for of, v in numbers.items()
            ]
        for label, cost in self.costs.items():
            ratios = {"embed / decode": cost.to_decode, "embed / ffmpeg": cost.to_ffmpeg}
            rows += [
                {"metric": name.replace("_", " "), "system": label, "value": value}
                for name, value in {**asdict(cost), **ratios}.items()
            ]
        return [{**empty, **row} for row in rows]

    def summary(self) -> list[dict[str, str]]:
        """One row a metric, one column a system; ``+`` and ``-`` mark what is clearly apart."""
        table: dict[str, dict[str, str]] = {}
        for row in self.rows():
            value, metric = row["value"], row["metric"]
            if row["fold"] is None and not row["group"] and value is not None:
                about = {"metric": metric, **{s["label"]: "" for s in self.systems}}
                text = f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
                text += MARKS.get(row["verdict"], "")
                table.setdefault(metric, about)[row["system"]] = text
        return list(table.values())

    def _compared(self) -> Iterator[tuple[Score, dict[str, Any] | None]]:
        """Yield each score, and what its comparison says."""
        for score in self.scores:
            if (found := score.comparison) is None:
                yield score, None
                continue
            told = {name: getattr(found, name) for name in _COMPARISON}
            other = find_score(self.scores, found.against, score.group, score.metric)
            assert other is not None
            yield score, {**told, "apart": apart(score, other)}


_COMPARISON = ("against", "difference", "low", "high", "verdict")
_SCORE = ("system", "metric", "group", "better", "value", "low", "high", "folds", "queries")


def _plain(score: Score, versus: dict[str, Any] | None) -> dict[str, Any]:
    plain = {name: getattr(score, name) for name in _SCORE}
    return {**plain, "artists": score.clusters, "comparison": versus}


def evaluate_encoder(
    collection: Collection,
    systems: Sequence[System],
    *,
    against: Sequence[str] = (),
    by: str | None = None,
    robustness: bool = False,
    clips: int = 200,
    cost: bool = False,
    cache: VectorCache | None = None,
    seed: int = 0,
    draws: int = DRAWS,
    progress: Progress | None = None,
) -> Evaluation:
    """Embed a collection with some systems and evaluate them.

    Parameters
    ----------
    collection : Collection
        From :func:`musicu.evaluation.encoders.dataset.select`.
    systems : sequence of System
        From :func:`musicu.evaluation.encoders.systems.model_system` and
        :func:`musicu.evaluation.encoders.systems.baseline_system`.
    against : sequence of str
        Labels of systems: for each metric, each system is compared with the best of these, itself
        left out. None: with the best of all.
    by : str, optional
        Column of labels by which to score the queries again, group by group.
    robustness : bool
        Also compare models' vectors of distorted clips with those of the clips.
    clips : int >= 1
        How many clips for that.
    cost : bool
        Also measure what the models cost; of a model a fold the first.
    cache : VectorCache, optional
        Vectors of earlier evaluations; new ones are added.
    seed, draws : int
        Of all that is drawn; how often the bootstrap draws.
    progress : callable, optional
        Called with clips done and clips in all; a clip to be distorted counts once more.

    Returns
    -------
    Evaluation

    Raises
    ------
    MissingExtraError
        There are columns to probe, and scikit-learn is not installed.
    MusicuError
        Files are missing, systems share a label or are not there, there is no column ``by``, or
        fewer than two artists have two clips. Also what
        :class:`musicu.evaluation.encoders.systems.Encoders` raises.
    """
    labels = [system.label for system in systems]
    if twice := sorted({label for label in labels if labels.count(label) > 1}):
        raise MusicuError(f"two systems are called {twice[0]!r}: name them LABEL=MODEL")
    if not labels:
        raise MusicuError("no system to evaluate")
    if away := [label for label in against if label not in labels]:
        raise MusicuError(f"no system {away[0]!r}; there are {', '.join(labels)}")
    check_artists(collection)
    if (collection.multi or collection.numeric) and find_spec(
        "sklearn"
    ) is None:  # now, not after the long wait
        raise MissingExtraError("scikit-learn", "evaluate")
    models = [system for system in systems if not system.baseline]
    folds = [] if collection.fold is None else np.unique(collection.fold).tolist()
    encoders = Encoders(systems, folds)
    count = len(collection.files)
    whole = count + (min(clips, count) if robustness and models else 0)

    def advance(before: int) -> Progress:
        return lambda done, _: progress(before + done, whole) if progress else None

    found = embed_collection(
        collection, systems, encoders, seed=seed, cache=cache, progress=advance(0)
    )
    used = found.collection
    scores, notes = score_systems(
        used, systems, found.vectors, against=against, by=by, seed=seed, draws=draws
    )
    robust: list[Robustness] = []
    if robustness and models:
        fold = [""] * count if used.fold is None else used.fold.tolist()
        robust, more = measure_robustness(
            used.files,
            lambda i, y, sr: encoders.embed(y, sr, fold[i]),
            clips=clips,
            seed=seed,
            progress=advance(count),
        )
        notes += more
    measured = measure_cost([encoders.of(system) for system in models]) if cost and models else []
    return Evaluation(
        collection=collection.name,
        columns=collection.columns,
        clips=len(used.files),
        artists=len(np.unique(used.artist)),
        seed=seed,
        draws=draws,
        systems=tuple(
            {
                "label": system.label,
                "parts": list(system.parts),
                "baseline": system.baseline,
                "models": [] if system.baseline else encoders.describe(system),
            }
            for system in systems
        ),
        scores=tuple(scores),
        robustness=tuple(robust),
        costs={s.label: c for s, c in zip(models, measured, strict=False)},
        skipped=found.skipped,
        notes=(*collection.notes, *notes),
    )
