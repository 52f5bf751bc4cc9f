"""The report of an offline test of recommenders: what was found, how sure it is, what it means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from musicu.evaluation.recommenders.results import RecommendEvaluation
from musicu.evaluation.recommenders.systems import FULL
from musicu.reports.html import Cell, Column, Figure, Page, Section, Table, p_equals, p_text, render
from musicu.reports.svg import Dot, Line, Panel, dot_plot, line_plot
from musicu.reports.theme import count
from musicu.reports.whole_lists import whole_list_blocks, whole_list_summary

__all__ = ["evaluation_page"]

_ACCURACY = (
    *(("listeners", "ndcg@20", "NDCG@20"), ("listeners", "recall@20", "recall@20")),
    *(("listeners", "mrr@10", "MRR@10"), ("listeners", "map@20", "MAP@20")),
    ("items", "ndcg@20", "NDCG@20 of items"),
)
_LIST_METRICS: tuple[tuple[str, str, str | None], ...] = (
    ("coverage@10", "coverage", "higher"),
    ("gini@10", "Gini", "lower"),
    ("popularity lift@10", "popularity lift", None),
    ("novelty@10", "novelty, bits", None),
    ("diversity@10", "diversity", None),
    ("repeated artists@10", "repeated artists", "lower"),
    ("miscalibration@10", "miscalibration", "lower"),
)
_NOTES = (
    "NDCG@20 and recall@20: the bootstrap over listeners and artists at once (Owen, Annals of "
    "Applied Statistics 2007), all that folds and seeds say of one together. Others: Fisher's "
    "randomization test and the bootstrap over listeners, or over items (Smucker et al., 2007).",
    "Krichene and Rendle, KDD 2020: measures on sampled candidates can order systems wrongly, so "
    "all candidates are ranked.",
)


def evaluation_page(result: RecommendEvaluation, provenance: Mapping[str, str]) -> str:
    """Return the report as one HTML document.

    Parameters
    ----------
    result : RecommendEvaluation
    provenance : mapping of str to str
        How it came about.
    """
    sections = [
        Section("Whole lists", list(whole_list_blocks(result))),
        Section("New items among new items", list(_against(result))),
        Section("What the parts are worth", list(_parts(result))),
        Section("When something is missing", list(_missing(result))),
        Section("What the lists are like", list(_lists(result))),
        Section("Every measure", list(_everything(result))),
        Section("Every comparison", list(_comparisons(result))),
        Section("How it was tested", list(_protocol(result))),
    ]
    page = Page(
        title="New items and their listeners",
        summary=[*whole_list_summary(result), *_summary(result)],
        sections=[section for section in sections if section.blocks],
        footnotes=_NOTES,
        provenance=provenance,
    )
    return render(page)


def _systems(result: RecommendEvaluation, *kinds: str) -> list[str]:
    """Names of systems, the best first; the whole recommender before all."""
    scores = [s for s in result.scores if (s.group, s.metric) == ("listeners", "ndcg@20")]
    chosen = [s for s in scores if s.kind in kinds]
    ordered = sorted(chosen, key=lambda s: (s.kind != "full", -s.value))
    return [score.system for score in ordered]


def _cell(result: RecommendEvaluation, system: str, group: str, metric: str) -> Cell | None:
    score = result.score(system, group, metric)
    if score is None:
        return None
    known = np.isfinite([score.low, score.high]).all()
    low, high = (score.low, score.high) if known else (None, None)
    verdict = score.comparison.verdict if score.comparison else "open"
    return Cell(value=score.value, low=low, high=high, verdict=verdict)


def _table(
    result: RecommendEvaluation,
    title: str,
    systems: Iterable[str],
    columns: Iterable[tuple[str, str, str]],
    note: str,
) -> Table:
    shown = [c for c in columns if result.score(FULL, c[0], c[1])]
    return Table(
        title=title,
        columns=["system", *(Column(name, "higher") for *_, name in shown)],
        rows=[
            [s, *(_cell(result, s, group, metric) for group, metric, _ in shown)] for s in systems
        ],
        note=note,
    )


def _summary(result: RecommendEvaluation) -> Iterator[str]:
    best = next(iter(_systems(result, "baseline")))
    ours, theirs = (result.score(system, "listeners", "ndcg@20") for system in (FULL, best))
    assert ours and theirs and theirs.comparison
    versus = theirs.comparison
    said = {
        "clearly worse": "clearly more than",
        "clearly better": "clearly less than",
        "open": "not clearly apart from",
    }[versus.verdict]
    yield (
        f"New items ranked among new items by musicu reach an NDCG@20 of {ours.value:.3f} "
        f"({ours.low:.3f} to {ours.high:.3f}), {said} the {versus.value:.3f} of the best baseline, "
        f"{best} (difference {-versus.difference:+.3f}, {-versus.high:+.3f} to "
        f"{-versus.low:+.3f}, corrected p {p_equals(versus.p_holm)}). [1]"
    )
    if loss := next((x for x in result.losses if "audio only" in x.lacks), None):
        yield (
            f"Where new items have nothing but their audio it reaches {loss.value:.3f}; the best "
            f"baseline that knows no more, {loss.rival.removesuffix(f', {loss.lacks}')}, reaches "
            f"{loss.rival_value:.3f}."
        )
    yield (
        f"{result.asked:,} listeners were asked about {result.cold:,} new items in "
        f"{count(result.splits, 'split')} ({result.protocol}; {count(result.seeds, 'seed')})."
    )


def _against(result: RecommendEvaluation) -> Iterator[str | Table | Figure]:
    systems = _systems(result, "full", "baseline", "control")
    yield (
        "A kNN scores an item by its mean likeness to what was played. All systems learn from the "
        "same plays and rank the same items. [2]"
    )
    yield _table(
        result,
        "How well listeners and new items find each other",
        systems,
        _ACCURACY,
        "Marks: compared with musicu, corrected for all comparisons on this page. "
        "NDCG@20 of items ranks the listeners for each new item.",
    )
    yield Figure(
        drawings=[
            _dots(result, systems, metric, title)
            for metric, title in (("ndcg@20", "NDCG@20"), ("recall@20", "recall@20"))
        ],
        caption="Means with 95 % intervals over listeners and artists.",
    )
    columns = [
        (group, metric, f"{title}, {group}")
        for group in ("known artists", "new artists")
        for metric, title in (("ndcg@20", "NDCG@20"), ("recall@20", "recall@20"))
    ]
    if result.score(FULL, "known artists", "ndcg@20"):
        yield _table(
            result,
            "New items by artists that were played before, and by others",
            systems,
            columns,
            "The rankings are those above; only what counts as found differs. Not tested.",
        )


def _dots(result: RecommendEvaluation, systems: list[str], metric: str, title: str) -> str:
    found = [result.score(system, "listeners", metric) for system in systems]
    dots = tuple(Dot(s.value, s.low, s.high) for s in found if s)
    note = f"{found[0].queries:,} rankings" if found[0] else ""
    return dot_plot([Panel(title, note, dots)], systems)


def _parts(result: RecommendEvaluation) -> Iterator[str | Table]:
    systems = _systems(result, "full", "ablation")
    if len(systems) > 1:
        yield (
            "The recommender learned again without a field, or without what it hears or reads; or "
            "one of its two parts ranked alone: the place that content has among the listeners, "
            "and plain likeness to what was played; or all of it, with more or less of the lead of "
            "the popular taken away (evenness)."
        )
        yield _table(result, "Parts", systems, _ACCURACY, "Marks: compared with musicu.")


def _missing(result: RecommendEvaluation) -> Iterator[str | Table]:
    if not result.losses:
        return
    yield (
        "The same recommender, fitted once; only the new items lack something when they are "
        "ranked. Beside it the best baseline that knows no more of them."
    )
    rows: list[list[Cell | float | str]] = [
        [
            loss.lacks.removeprefix("new items "),
            Cell(value=loss.value, verdict=loss.versus.verdict),
            Cell(value=100 * loss.loss, low=100 * loss.low, high=100 * loss.high),
            loss.rival_value,
            loss.rival.removesuffix(f", {loss.lacks}"),
        ]
        for loss in sorted(result.losses, key=lambda loss: loss.loss)
    ]
    columns: list[Column | str] = ["new items", Column("NDCG@20"), Column("loss, %", None, 1)]
    columns += [Column("best baseline"), "which"]
    yield Table(
        title="NDCG@20 where new items lack something",
        columns=columns,
        rows=rows,
        note="Marks: compared with that baseline.",
    )


def _lists(result: RecommendEvaluation) -> Iterator[str | Table | Figure]:
    systems = _systems(result, "full", "baseline", "control")
    told = {score.metric for score in result.scores if score.group == "lists" and score.value}
    shown = [c for c in _LIST_METRICS if c[0] in told]
    rows = [[s, *(_cell(result, s, "lists", metric) for metric, *_ in shown)] for s in systems]
    yield Table(
        title="Lists of ten",
        columns=["system", *(Column(title, better, 2) for _, title, better in shown)],  # type: ignore[arg-type]
        rows=rows,
        note="Coverage: share of the candidates that anybody is shown; Gini: how unequally. "
        "Popularity lift: how much more popular the list is than the history, 0 being the same, "
        "counted over the whole log. Diversity and miscalibration are those of genres.",
    )
    at = np.linspace(0, 1, len(next(iter(result.exposure.values()))))
    lines = [Line(name, at, curve) for name, curve in result.exposure.items()]
    drawing = line_plot(
        lines,
        title="Exposure",
        x="share of candidates, the least shown first",
        y="share of exposure",
        diagonal=True,
    )
    yield Figure(
        drawings=[drawing],
        caption="Share of all places in lists of ten that the least shown candidates have; the "
        "dotted diagonal is equal exposure.",
    )


def _everything(result: RecommendEvaluation) -> Iterator[Table]:
    systems = _systems(result, "full", "baseline", "control", "ablation", "missing", "rival")
    names = {"ndcg": "NDCG", "recall": "recall", "mrr": "MRR", "map": "MAP", "precision": "prec."}
    shown = [(f"{name}@{k}", f"{t}@{k}") for name, t in names.items() for k in (10, 20, 100)]
    for group, title in (
        ("listeners", "A listener asks for new items"),
        ("items", "A new item asks for listeners"),
    ):
        yield Table(
            title=title,
            columns=["system", *(Column(title, "higher") for _, title in shown)],
            rows=[[s, *(_value(result, s, group, metric) for metric, _ in shown)] for s in systems],
        )


def _value(result: RecommendEvaluation, system: str, group: str, metric: str) -> float | None:
    score = result.score(system, group, metric)
    return score.value if score else None


def _comparisons(result: RecommendEvaluation) -> Iterator[str | Table]:
    yield (
        "Each system less musicu; p values are corrected by Holm's method for all comparisons of "
        "this page together. [1]"
    )
    for (group, metric), found in result.compared().items():
        yield Table(
            title=f"{metric}, {group}",
            columns=[
                "system",
                Column("difference"),
                Column("p"),
                Column("p, bootstrap"),
                Column("p, corrected"),
                Column("queries"),
                "verdict",
            ],
            rows=[
                [
                    r.system,
                    Cell(value=r.difference, low=r.low, high=r.high),
                    p_text(r.p),
                    p_text(r.p_bootstrap),
                    p_text(r.p_holm),
                    r.queries,
                    r.verdict,
                ]
                for r in sorted(found, key=lambda r: r.difference)
            ],
        )


def _protocol(result: RecommendEvaluation) -> Iterator[str]:
    yield (
        f"The log has {result.interactions:,} interactions of {result.users:,} users; "
        f"{result.items:,} items are described, by {', '.join(result.fields)}. New is: "
        f"{result.protocol}. All plays of new items were hidden from whatever learned, and new "
        "items were added after the fit."
    )
    ranked = "the new items" if result.candidates == "new" else "all items outside the history"
    yield (
        f"Ranked were {ranked}, {result.ranked:,.0f} candidates on average, for everybody with a "
        "history who played something new. Equal scores were ordered by chance. Each user's "
        "scores are brought to one mean and spread before listeners are ranked for an item."
    )
    if result.chosen:
        texts = {", ".join(f"{k} {_short(v)}" for k, v in one.items()) for one in result.chosen}
        yield (
            "Smoothing, taste and weight of the audio were chosen in each split, on a validation "
            f"split inside its training part: {'; '.join(sorted(texts))}."
        )
    elif result.settings:
        texts = {", ".join(f"{k} {_short(v)}" for k, v in result.settings.items())}
        yield f"Settings that were given: {'; '.join(texts)}; nothing was chosen in this run."
    else:
        yield "The recommender had its default settings; nothing was chosen in this run."
    yield from result.notes


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        return f"audio {value.get('audio', 0):g}"
    return f"{value:g}" if isinstance(value, float) else str(value)
