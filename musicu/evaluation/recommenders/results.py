"""The results of an offline test of recommenders, as rows, as plain values and as a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

from musicu.evaluation.scores import MARKS, Comparison, Score, find_score

__all__ = ["SCHEMA", "Loss", "RecommendEvaluation"]

SCHEMA = "musicu.evaluate.recommend/1"


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What the recommender loses where new items lack something.

    Attributes
    ----------
    lacks : str
        What they lack, in words.
    value : float
        Listeners' NDCG@20.
    loss, low, high : float
        Share of the NDCG@20 with everything that is lost, and its 95 % interval.
    rival : str
        The best of the baselines that know no more of the new items.
    rival_value : float
        Its NDCG@20.
    versus : Comparison
        The recommender against that rival.
    """

    lacks: str
    value: float
    loss: float
    low: float
    high: float
    rival: str
    rival_value: float
    versus: Comparison


@dataclass(frozen=True, kw_only=True)
class RecommendEvaluation:
    """All results of an offline test of recommendation.

    Attributes
    ----------
    protocol : str
        What was new, in words.
    candidates : {"new", "all"}
        Whether the new items were ranked, or all that the listener did not know.
    splits, seeds : int
        How many splits in all, and how many seeds.
    interactions, users, items : int
        Of the log, and of the described items.
    asked, cold : int
        How many different listeners and new items were asked about.
    ranked : float
        Mean number of candidates.
    fields : tuple of str
        What is known of the items.
    others : tuple of str
        Names of other vectors that took part.
    settings : dict
        Of the recommender, where not its defaults.
    chosen : tuple of dict
        Settings that the validation split chose, a split each; empty if none were chosen.
    scores : tuple of Score
        Groups: "catalog" is whole lists of all that a listener does not know, by all that should be
        found in them; "catalog, known items" and "catalog, new items" are the same lists by a part
        of it. "listeners" ask for new items among new items; "known artists" and "new artists" are
        listeners asking for some of them; "items" are new items asking for listeners. "lists" is
        what the listeners' lists are like. Where it was tested, a system is compared with the whole
        recommender; ``p_holm`` and the verdict are corrected for all comparisons of the evaluation.
        Kinds are those of :class:`musicu.evaluation.recommenders.baselines.SystemScores`.
    losses : tuple of Loss
    exposure : dict
        For some systems, the share of all exposure that the least shown candidates have, at shares
        from 0 to 1 of the candidates.
    notes : tuple of str
        What a reader should know.
    """

    protocol: str
    candidates: str
    splits: int
    seeds: int
    interactions: int
    users: int
    items: int
    asked: int
    cold: int
    ranked: float
    fields: tuple[str, ...]
    others: tuple[str, ...]
    settings: dict[str, Any]
    chosen: tuple[dict[str, Any], ...]
    scores: tuple[Score, ...]
    losses: tuple[Loss, ...]
    exposure: dict[str, tuple[float, ...]]
    notes: tuple[str, ...]

    def compared(self) -> dict[tuple[str, str], list[Comparison]]:
        """Return what was tested against the whole recommender, by group and metric."""
        found: dict[tuple[str, str], list[Comparison]] = {}
        for score in self.scores:
            if score.comparison:
                found.setdefault((score.group, score.metric), []).append(score.comparison)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; ``schema`` names their layout. NaN becomes None."""
        plain = {
            "schema": SCHEMA,
            "musicu": version("musicu"),
            **asdict(replace(self, scores=(), losses=())),
            "scores": [_plain(score) for score in self.scores],
            "comparisons": [
                {"group": group, "metric": metric, "result": _tested(one)}
                for (group, metric), comparisons in self.compared().items()
                for one in comparisons
            ],
            "losses": [{**asdict(loss), "versus": _tested(loss.versus)} for loss in self.losses],
        }
        found: dict[str, Any] = _without_nan(plain)
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a number: system, group and measure, and the test against musicu."""
        rows = []
        for score in self.scores:
            row = {**_plain(score), **dict.fromkeys(_TEST)}
            if found := score.comparison:
                row |= {
                    "difference": found.difference,
                    "difference_low": found.low,
                    "difference_high": found.high,
                    **{name: getattr(found, name) for name in ("p", "p_holm", "verdict")},
                }
            rows.append(_without_nan(row))
        return rows

    def summary(self, *, among_new: bool = False) -> list[dict[str, Any]]:
        """Return one row a system with the usual numbers, as text.

        ``+`` and ``-`` mark what is clearly better or worse than the whole recommender.

        Parameters
        ----------
        among_new : bool
            Tell of new items that are ranked among new items only, instead of whole lists.
        """
        shown = _SHOWN_NEW if among_new else _SHOWN
        rows: dict[str, dict[str, Any]] = {}
        for row in self.rows():
            title = shown.get((row["group"], row["metric"]))
            value = row["value"]
            if title and value is not None and row["kind"] != "rival":
                about = {"system": row["system"], "kind": row["kind"]}
                line = rows.setdefault(row["system"], about | dict.fromkeys(shown.values(), ""))
                line[title] = f"{value:.3f}{MARKS.get(row['verdict'], '')}"
        return list(rows.values())

    def score(self, system: str, group: str, metric: str) -> Score | None:
        """Return one score, or None where it was not measured."""
        return find_score(self.scores, system, group, metric)


_TEST = ("difference", "difference_low", "difference_high", "p", "p_holm", "verdict")
_SHOWN = {
    ("catalog", "ndcg@20"): "NDCG@20",
    ("catalog", "recall@20"): "recall@20",
    ("catalog, known items", "ndcg@20"): "of known",
    ("catalog, new items", "ndcg@20"): "of new",
    ("lists", "new@20"): "share of new",
}
_SHOWN_NEW = {
    ("listeners", "ndcg@20"): "NDCG@20",
    ("listeners", "recall@20"): "recall@20",
    ("listeners", "mrr@10"): "MRR@10",
    ("items", "ndcg@20"): "NDCG@20 of items",
    ("lists", "coverage@10"): "coverage@10",
    ("lists", "popularity lift@10"): "popularity lift",
}
_SCORE = ("system", "kind", "group", "metric", "value", "low", "high", "queries")


def _plain(score: Score) -> dict[str, Any]:
    return {name: getattr(score, name) for name in _SCORE}


def _tested(comparison: Comparison) -> dict[str, Any]:
    plain = asdict(comparison)
    plain["listeners"] = plain.pop("clusters")
    return plain


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return None if value != value else value
    if isinstance(value, Mapping):
        return {key: _without_nan(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(inner) for inner in value]
    return value
