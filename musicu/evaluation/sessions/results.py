"""The results of a test of what comes next, as rows and as plain values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from musicu.evaluation.scores import MARKS, Score, find_score

__all__ = ["GROUPS", "SCHEMA", "SessionEvaluation"]

SCHEMA = "musicu.evaluate.sessions/1"
GROUPS = ("all", "warm", "cold", "repeats", "no repeats", "known artists", "new artists")


@dataclass(frozen=True, kw_only=True)
class SessionEvaluation:
    """All results of a test of what comes next in sessions.

    Attributes
    ----------
    split : str
        What was learned from, and what was asked, in words.
    plays, sessions, items : int
        Learned from; and how many items were ranked.
    positions, listeners, artists : int
        How many questions were asked, by how many listeners, and how many artists they are about.
    shares : dict of float
        Which share of the questions each group has.
    settings : dict
        Of each system, as chosen on the validation span.
    against : str
        The system that all others are compared with.
    scores : tuple of Score
        Groups: of what came next, "warm" was played in training and "cold" was not; "repeats" were
        played in the session before; the last two tell whether the artist was played in training.
        "lists" tells what the first twenty are like. Intervals are those of NDCG, hit rate and MRR
        at 20; comparisons those of NDCG@20, corrected together by Holm's method.
    notes : tuple of str
        What a reader should know, the most important first.
    """

    split: str
    plays: int
    sessions: int
    items: int
    positions: int
    listeners: int
    artists: int
    shares: dict[str, float]
    settings: dict[str, dict[str, Any]]
    against: str
    scores: tuple[Score, ...]
    notes: tuple[str, ...]

    def score(self, system: str, group: str, metric: str) -> Score | None:
        """Return one score, or None where it was not measured."""
        return find_score(self.scores, system, group, metric)

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a number."""
        found = []
        for score in self.scores:
            row = {
                name: getattr(score, name)
                for name in ("system", "group", "metric", "value", "low", "high", "queries")
            }
            test = score.comparison
            row |= {
                "against": test and test.against,
                "difference": test and test.difference,
                "difference_low": test and test.low,
                "difference_high": test and test.high,
                "p_holm": test and test.p_holm,
                "verdict": test and test.verdict,
            }
            found.append({name: _plain(value) for name, value in row.items()})
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; ``schema`` names their layout. NaN becomes None."""
        about = {name: value for name, value in asdict(self).items() if name != "scores"}
        return {
            "schema": SCHEMA,
            "musicu": version("musicu"),
            **about,
            "scores": self.rows(),
        }

    def summary(self, metric: str = "ndcg@20") -> list[dict[str, Any]]:
        """Return one row a system: a measure for each group, as text, and what lists are like.

        ``+`` and ``-`` mark what is clearly better or worse than what all are compared with.
        """
        rows: dict[str, dict[str, Any]] = {}
        for score in self.scores:
            row = rows.setdefault(score.system, {"system": score.system})
            if score.metric == metric or score.group == "lists":
                mark = MARKS.get(score.comparison.verdict, "") if score.comparison else ""
                title = score.metric if score.group == "lists" else score.group
                row[title] = f"{score.value:.3f}{mark}"
        return list(rows.values())


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
