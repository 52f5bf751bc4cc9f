"""Collections that were left out of training: how good encoders are on what they never heard.

Each collection is searched as a whole and measured apart; then each figure is averaged over the
collections. A system counts in such a mean only where it is known to have heard nothing of the
collection: its config says so (:mod:`musicu.encoders.heard`), or it is a model made for this
collection by name (``{collection}``) whose config does not say otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from musicu.errors import MusicuError
from musicu.evaluation.bootstrap import DRAWS
from musicu.evaluation.encoders.dataset import Collection
from musicu.evaluation.encoders.embedding import check_files
from musicu.evaluation.encoders.evaluate import Evaluation, evaluate_encoder
from musicu.evaluation.encoders.hearing import Hearing, heard_identities, hearing_of
from musicu.evaluation.encoders.systems import System
from musicu.evaluation.encoders.vector_cache import VectorCache
from musicu.evaluation.scores import MARKS, Score, find_score

__all__ = ["SCHEMA", "LeftOut", "Standing", "evaluate_left_out"]

SCHEMA = "musicu.evaluate.left-out/1"

Progress = Callable[[int, int], None]

# A ratio to a figure next to 0 says nothing.
_LEAST = 0.05
_STATES = {"unseen": "", "heard": "heard", "unknown": "not known"}


@dataclass(frozen=True)
class Standing:
    """A system over all figures of all collections that it never heard; hub skew is not among them.

    Attributes
    ----------
    figures : int
        How many there are.
    reached : int
        Those at or above the best of the systems it is compared with.
    to_best : float or None
        Mean of its ratio to that one.
    to_ensemble, least : float or None
        Mean and minimum of its ratio to the ensemble; None without one.
    """

    figures: int
    reached: int
    to_best: float | None
    to_ensemble: float | None
    least: float | None


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """All results.

    Attributes
    ----------
    evaluations : dict of Evaluation
        By the collections' names.
    hearing : dict of dict of Hearing
        By the systems' labels, then by collection.
    against : tuple of str
        Labels of systems: each is compared with the best of these on each figure. None: of all.
    ensemble : str or None
        Label of the system to whose figures all are related.
    """

    evaluations: dict[str, Evaluation]
    hearing: dict[str, dict[str, Hearing]]
    against: tuple[str, ...]
    ensemble: str | None

    @property
    def labels(self) -> list[str]:
        """The systems."""
        return list(self.hearing)

    @property
    def metrics(self) -> list[str]:
        """All figures, in the order in which they are measured."""
        found = (score.metric for one in self.evaluations.values() for score in one.scores)
        return list(dict.fromkeys(found))

    @property
    def notes(self) -> list[str]:
        """What a reader should know, collection by collection."""
        notes = [f"{name}: {n}" for name, one in self.evaluations.items() for n in one.notes]
        for label, states in self.hearing.items():
            for state, what in (
                ("heard", "was trained on some of {}, where it counts in no mean"),
                ("unknown", "does not say what it heard, so it counts in no mean of {}"),
            ):
                names = [name for name, one in states.items() if one.state == state]
                if names:
                    notes.append(f"{label}: {what.format(', '.join(names))}")
            if named := [name for name, one in states.items() if one.by_name]:
                notes.append(
                    f"{label}: never heard {', '.join(named)}, by its folder's name; its config "
                    "does not say what it heard"
                )
        return notes

    def score(self, collection: str, system: str, metric: str) -> Score | None:
        """Return a figure, or None where it was not measured."""
        return find_score(self.evaluations[collection].scores, system, "", metric)

    def ratio(self, collection: str, system: str, metric: str) -> float | None:
        """Return a figure over that of the ensemble; None where there is no such ratio."""
        if self.ensemble is None:
            return None
        own = self.score(collection, system, metric)
        other = self.score(collection, self.ensemble, metric)
        return _over(own, other.value if other else 0.0)

    def mean(self, system: str, metric: str) -> tuple[float | None, int, int]:
        """Average a figure over collections that a system never heard.

        Returns
        -------
        value : float or None
            None where it heard all of them.
        count, of : int
            Of how many collections it is the mean, and how many have the figure.
        """
        scores = {name: self.score(name, system, metric) for name in self.evaluations}
        there = {name: score.value for name, score in scores.items() if score}
        kept = [v for name, v in there.items() if self._unseen(system, name)]
        return (sum(kept) / len(kept) if kept else None), len(kept), len(there)

    def standing(self, system: str) -> Standing:
        """Sum a system up."""
        scores = [
            (name, score)
            for name, one in self.evaluations.items()
            for score in one.scores
            if score.system == system and score.better == "higher" and self._unseen(system, name)
        ]
        compared = [(score, score.comparison) for _, score in scores if score.comparison]
        best = [_over(score, versus.base) for score, versus in compared]
        ensemble = [self.ratio(name, system, score.metric) for name, score in scores]
        ratios = [ratio for ratio in ensemble if ratio is not None]
        return Standing(
            figures=len(compared),
            reached=sum(versus.difference >= 0 for _, versus in compared),
            to_best=_mean(best),
            to_ensemble=_mean(ratios),
            least=min(ratios, default=None),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; ``schema`` names their layout."""
        return {
            "schema": SCHEMA,
            "musicu": version("musicu"),
            "against": list(self.against),
            "ensemble": self.ensemble,
            "hearing": {
                label: {name: asdict(one) for name, one in states.items()}
                for label, states in self.hearing.items()
            },
            "collections": {name: one.to_dict() for name, one in self.evaluations.items()},
            "means": [row for row in self.rows() if row["collection"] is None],
            "standings": {label: asdict(self.standing(label)) for label in self.labels},
            "notes": self.notes,
        }

    def rows(self) -> list[dict[str, Any]]:
        """One row a number: collection by collection, then the means, whose collection is None."""
        empty = dict.fromkeys(
            "collection metric system heard value low high queries artists against difference "
            "difference_low difference_high verdict to_ensemble collections".split()
        )
        rows: list[dict[str, Any]] = []
        for name, one in self.evaluations.items():
            rows += [{**empty, **self._row(name, score)} for score in one.scores]
        for metric in self.metrics:
            for label in self.labels:
                value, count, _ = self.mean(label, metric)
                about = {"metric": metric, "system": label, "value": value}
                rows.append({**empty, **about, "collections": count})
        return rows

    def tables(self) -> Iterator[tuple[str, list[dict[str, str]]]]:
        """Yield a title and a table, one row a system: collections, then means, then standings."""
        for name, one in self.evaluations.items():
            title = f"{name}: {one.clips:,} clips by {one.artists:,} artists"
            yield title, [self._line(name, label) for label in self.labels]
        yield "mean over collections that were left out", [self._means(s) for s in self.labels]
        yield "all figures but hub skew", [self._summed(label) for label in self.labels]

    def _unseen(self, system: str, collection: str) -> bool:
        return self.hearing[system][collection].state == "unseen"

    def _row(self, collection: str, score: Score) -> dict[str, Any]:
        row = {
            "collection": collection,
            "metric": score.metric,
            "system": score.system,
            "heard": self.hearing[score.system][collection].state,
            "value": score.value,
            "low": score.low,
            "high": score.high,
            "queries": score.queries,
            "artists": score.clusters,
        }
        if score.better == "higher":
            row["to_ensemble"] = self.ratio(collection, score.system, score.metric)
        if versus := score.comparison:
            row |= {
                "against": versus.against,
                "difference": versus.difference,
                "difference_low": versus.low,
                "difference_high": versus.high,
                "verdict": versus.verdict,
            }
        return row

    def _line(self, collection: str, label: str) -> dict[str, str]:
        line = {"system": label, "heard": _STATES[self.hearing[label][collection].state]}
        for metric in self.metrics:
            if score := self.score(collection, label, metric):
                mark = MARKS.get(score.comparison.verdict, "") if score.comparison else ""
                line[metric] = f"{score.value:.3f}{mark}"
        return line

    def _means(self, label: str) -> dict[str, str]:
        line = {"system": label}
        for metric in self.metrics:
            value, count, of = self.mean(label, metric)
            some = f" ({count} of {of})" if count < of else ""
            line[metric] = "" if value is None else f"{value:.3f}{some}"
        return line

    def _summed(self, label: str) -> dict[str, str]:
        one = self.standing(label)
        line = {
            "system": label,
            "at or above the best": f"{one.reached} of {one.figures}",
            "mean ratio to it": _told(one.to_best),
        }
        if self.ensemble is not None:
            line |= {
                f"mean ratio to {self.ensemble}": _told(one.to_ensemble),
                "least": _told(one.least),
            }
        return line


def evaluate_left_out(
    collections: Mapping[str, Collection],
    systems: Sequence[System],
    *,
    against: Sequence[str] = (),
    ensemble: str | None = None,
    cache: VectorCache | None = None,
    seed: int = 0,
    draws: int = DRAWS,
    progress: Progress | None = None,
) -> LeftOut:
    """Evaluate systems on collections, and say which of these each system never heard.

    Parameters
    ----------
    collections : mapping of Collection
        By name, from :func:`musicu.evaluation.encoders.gathered.read_collections`.
    systems : sequence of System
        ``{collection}`` in a model's folder stands for the name.
    against : sequence of str
        Labels of systems: on each figure, each system is compared with the best of those of them
        that never heard the collection, itself left out. None: with the best of all such.
    ensemble : str, optional
        Label of the system to whose figures all are related.
    cache, seed, draws
        As for :func:`musicu.evaluation.encoders.evaluate.evaluate_encoder`.
    progress : callable, optional
        Called with clips done and clips in all.

    Raises
    ------
    MusicuError
        As for that function; or there is no system ``ensemble``, no collection, or a model of one
        collection each says that it heard it.
    """
    labels = [system.label for system in systems]
    if not collections:
        raise MusicuError("no collection to evaluate on")
    if away := [one for one in (*against, *([ensemble] if ensemble else ())) if one not in labels]:
        raise MusicuError(f"no system {away[0]!r}; there are {', '.join(labels)}")
    for collection in collections.values():
        check_files(collection)
    hearing: dict[str, dict[str, Hearing]] = {label: {} for label in labels}
    for name, collection in collections.items():
        clips = set(heard_identities(collection))
        for system in systems:
            hearing[system.label][name] = found = hearing_of(system, name, clips)
            if system.by_collection and found.state == "heard":
                raise MusicuError(
                    f"{system.label}: the model of {name!r} was trained on {found.clips} of its "
                    f"{len(clips)} clips"
                )
    whole = sum(len(collection.files) for collection in collections.values())
    before = 0
    evaluations = {}
    for name, collection in collections.items():

        def advance(done: int, _: int, before: int = before) -> None:
            if progress:
                progress(before + done, whole)

        fair = [s for s in against or labels if hearing[s][name].state == "unseen"]
        evaluations[name] = evaluate_encoder(
            collection,
            [system.within(name) for system in systems],
            against=fair or against,
            cache=cache,
            seed=seed,
            draws=draws,
            progress=advance,
        )
        before += len(collection.files)
    return LeftOut(
        evaluations=evaluations, hearing=hearing, against=tuple(against), ensemble=ensemble
    )


def _over(score: Score | None, base: float) -> float | None:
    if score is None or score.better == "lower" or base < _LEAST:
        return None
    return score.value / base


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _told(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
