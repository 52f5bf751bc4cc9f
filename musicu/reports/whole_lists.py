"""The part of an evaluation's report that is about whole lists, as people are shown them."""

from __future__ import annotations

from collections.abc import Iterator

from musicu.evaluation.recommenders.results import RecommendEvaluation
from musicu.evaluation.recommenders.systems import EXPLORATION, FULL
from musicu.evaluation.scores import Score
from musicu.reports.html import Cell, Column, Figure, Table
from musicu.reports.svg import Line, line_plot

__all__ = ["whole_list_blocks", "whole_list_summary"]

_SHOWN = (
    ("catalog", "ndcg@20", "NDCG@20"),
    ("catalog", "recall@20", "recall@20"),
    ("catalog, known items", "ndcg@20", "NDCG@20 of known"),
    ("catalog, known items", "recall@20", "recall@20 of known"),
    ("catalog, new items", "ndcg@20", "NDCG@20 of new"),
    ("catalog, new items", "recall@20", "recall@20 of new"),
    ("lists", "new@20", "share of new"),
)


def whole_list_summary(result: RecommendEvaluation) -> Iterator[str]:
    """Yield what whole lists come to, in a sentence."""
    ours = result.score(FULL, "catalog", "ndcg@20")
    baselines = [s for s in _of_lists(result) if s.kind == "baseline"]
    if ours is None or not baselines:
        return
    best = max(baselines, key=lambda score: score.value)
    new = result.score(FULL, "catalog, new items", "ndcg@20")
    found = "" if new is None else f", {new.value:.3f} of what is new in them"
    yield (
        f"The first 20 of all that a listener does not know reach an NDCG@20 of {ours.value:.3f} "
        f"({ours.low:.3f} to {ours.high:.3f}){found}; the best baseline, {best.system}, "
        f"{best.value:.3f}."
    )


def whole_list_blocks(result: RecommendEvaluation) -> Iterator[str | Table | Figure]:
    """Yield the table of whole lists, and what room for new items costs."""
    scores = _of_lists(result)
    if not scores:
        return
    yield (
        "The first 20 of all that a listener does not know, known and new items together. What "
        "should be found is what was hidden: all plays of the new items, and a part of each "
        "listener's plays of the others. Intervals are over listeners and artists, drawn again."
    )
    ordered = sorted(scores, key=lambda score: (score.kind != "full", -score.value))
    rows = []
    for one in ordered:
        row: list[str | Cell | float | None] = [one.system]
        for group, metric, _ in _SHOWN:
            found = result.score(one.system, group, metric)
            row.append(None if found is None else _cell(found))
        rows.append(row)
    yield Table(
        title="Whole lists",
        columns=["system", *(Column(title, "higher") for *_, title in _SHOWN[:-1]), "share of new"],
        rows=rows,
        note="Marks: compared with musicu, corrected for all comparisons on this page.",
    )
    names = [f"{FULL}, {share:g} kept for new" for share in EXPLORATION]
    lines = []
    for group, _, title in (_SHOWN[0], _SHOWN[2], _SHOWN[4]):
        values = [result.score(name, group, "ndcg@20") for name in names]
        told = [score.value for score in values if score is not None]
        if len(told) == len(names):
            lines.append(Line(title, list(EXPLORATION), told))
    if lines:
        yield Figure(
            drawings=[
                line_plot(
                    lines,
                    title="Room for new items",
                    x="share of each list that is kept",
                    y="NDCG@20",
                )
            ],
            caption="What lists find in all, of known and of new items, by the room that is kept.",
        )


def _of_lists(result: RecommendEvaluation) -> list[Score]:
    return [s for s in result.scores if (s.group, s.metric) == ("catalog", "ndcg@20")]


def _cell(score: Score) -> Cell:
    known = score.low == score.low
    return Cell(
        value=score.value,
        low=score.low if known else None,
        high=score.high if known else None,
        verdict=score.comparison.verdict if score.comparison else "open",
    )
