"""Reports of off-policy evaluations and of interleaving: what was found, how far it holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from musicu.evaluation.interleaving.analyze import InterleavingReport
from musicu.evaluation.offpolicy.evaluate import OffPolicyReport
from musicu.reports.html import Cell, Column, Figure, Page, Section, Table, p_equals, p_text, render
from musicu.reports.svg import Dot, Panel, dot_plot

__all__ = ["interleaving_page", "off_policy_page"]

_ESTIMATES = (
    "ips: rewards weighted by the policy's chance over the logged one (Horvitz & Thompson 1952); "
    "snips: divided by the mean weight (Swaminathan & Joachims 2015); direct: a model of the "
    "reward alone; dr: the model, corrected by weighted errors (Dudik et al. 2011); sndr: the same "
    "with weights of mean 1.",
    "The effective sample size is the number of decisions of equal weight that would tell as much "
    "(Kish 1965). Weights have mean 1 where propensities are right and nothing is missing.",
)
_DRAFT = (
    "Team draft: in each round a coin says which ranking chooses first (Radlinski et al. 2008). "
    "p values are of the randomization test over users, corrected for two measures (Holm 1979).",
)


def off_policy_page(report: OffPolicyReport, provenance: Mapping[str, str]) -> str:
    """Return the report of an off-policy evaluation as one HTML document.

    Parameters
    ----------
    report : OffPolicyReport
    provenance : mapping of str to str
        How it came about.
    """
    page = Page(
        title="Off-policy evaluation",
        summary=[*report.notes, *_found(report)],
        sections=[
            Section("Policies", list(_policies(report))),
            Section("How far the log reaches", [_reach(report)]),
        ],
        footnotes=_ESTIMATES,
        provenance=provenance,
    )
    return render(page)


def interleaving_page(report: InterleavingReport, provenance: Mapping[str, str]) -> str:
    """Return the report of interleaved lists as one HTML document.

    Parameters
    ----------
    report : InterleavingReport
    provenance : mapping of str to str
        How it came about.
    """
    rows: list[list[Cell | float | str | None]] = [
        [
            effect.measure,
            effect.control,
            effect.treatment,
            Cell(value=effect.difference, low=effect.low, high=effect.high),
            p_text(effect.p_holm),
            effect.verdict,
        ]
        for effect in report.effects
    ]
    columns: list[Column | str] = ["measure", Column(report.control), Column(report.ranking)]
    columns += [Column("difference"), Column("p, corrected"), "verdict"]
    note = f"Intervals of {100 * (1 - report.alpha):g} %, by the bootstrap over users. [1]"
    title = f"{report.ranking} beside {report.control}"
    told = [
        f"By {effect.measure}, {report.ranking} is {effect.verdict} than {report.control}."
        for effect in report.effects
        if effect.verdict in ("higher", "lower")
    ]
    lists = (
        f"Of {report.lists:,} lists of {report.users:,} users, {report.ranking} won "
        f"{report.wins:,}, {report.control} {report.losses:,}; {report.ties:,} were ties. A fair "
        f"coin gave first places: p {p_equals(report.draft_p)}."
    )
    page = Page(
        title="Interleaving",
        summary=[*report.notes, *(told or ["No preference was found."])],
        sections=[
            Section(
                "Preference", [lists, Table(title=title, columns=columns, rows=rows, note=note)]
            )
        ],
        footnotes=_DRAFT,
        provenance=provenance,
    )
    return render(page)


def _found(report: OffPolicyReport) -> Iterator[str]:
    yield (
        f"The log has {report.logged:.3f} [{report.logged_low:.3f}, {report.logged_high:.3f}] a "
        f"decision, over {report.decisions:,} decisions of {report.users:,} users."
    )
    for value in report.values:
        if value.verdict in ("higher", "lower"):
            yield f"{value.policy}, by {value.estimator}: {value.verdict} than the log."


def _policies(report: OffPolicyReport) -> Iterator[Table | Figure]:
    columns: list[Column | str] = ["policy", "estimate", Column("value"), Column("less the log")]
    columns += [Column("p, corrected"), "verdict"]
    rows: list[list[Cell | float | str | None]] = [
        [
            value.policy,
            value.estimator,
            Cell(value=value.value, low=value.low, high=value.high),
            Cell(value=value.difference, low=value.difference_low, high=value.difference_high),
            p_text(value.p_holm),
            value.verdict,
        ]
        for value in report.values
    ]
    note = f"Intervals of {100 * (1 - report.alpha):g} %, by the bootstrap over users. [1]"
    yield Table(title="Mean reward of a decision", columns=columns, rows=rows, note=note)
    names = list(dict.fromkeys(value.policy for value in report.values))
    panels = [
        Panel(
            estimator,
            "mean reward",
            tuple(Dot(v.value, v.low, v.high) for v in report.values if v.estimator == estimator),
        )
        for estimator in dict.fromkeys(value.estimator for value in report.values)
    ]
    drawings = [dot_plot([panel], names) for panel in panels]
    yield Figure(drawings=drawings, caption="The values and intervals of the table.")


def _reach(report: OffPolicyReport) -> Table:
    columns: list[Column | str] = ["policy", Column("effective decisions", None, 0)]
    columns += [Column("share, %", None, 1), Column("mean weight"), Column("p of 1")]
    columns += [Column("largest weight", None, 1), Column("its share, %", None, 1)]
    columns += [Column("cut, %", None, 1)]
    rows: list[list[Cell | float | str | None]] = [
        [
            one.policy,
            one.effective,
            100 * one.effective_share,
            one.mean,
            p_text(one.mean_p),
            one.largest,
            100 * one.largest_share,
            100 * one.clipped,
        ]
        for one in report.diagnostics
    ]
    return Table(title="Weights", columns=columns, rows=rows, note="[2]")
