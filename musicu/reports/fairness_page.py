"""The report on exposure and merit of groups, and on what targets cost."""

from __future__ import annotations

from collections.abc import Mapping

from musicu.evaluation.recommenders.fairness_results import (
    FairnessReport,
    GroupExposure,
    TargetPrice,
)
from musicu.reports.html import Cell, Column, Page, Section, Table, p_text, render

__all__ = ["fairness_page"]

_METHODS = (
    "Exposure: 1 / log2(1 + rank) of each place, over all lists; merit: shares of what listeners "
    "later played and had not played before (Singh & Joachims 2018).",
    "A target is a least share of every beginning of a list (FA*IR, Zehlike et al. 2017). Its "
    "price is in NDCG, against lists without any target; p of the randomization test over "
    "listeners.",
)


def fairness_page(report: FairnessReport, provenance: Mapping[str, str]) -> str:
    """Return the report as one HTML document.

    Parameters
    ----------
    report : FairnessReport
    provenance : mapping of str to str
        How it came about.
    """
    sections = [Section("Exposure and merit", [_exposure(report)])]
    if report.targets:
        sections.append(Section("What targets cost", [_targets(report)]))
    page = Page(
        title=f"Who is shown, by {report.by}",
        summary=[*map(_said, report.groups), *map(_price, report.targets), *report.notes],
        sections=sections,
        footnotes=_METHODS,
        provenance=provenance,
    )
    return render(page)


def _said(one: GroupExposure) -> str:
    name = one.group or "(not told)"
    return (
        f"{name}: {100 * one.exposure:.1f} % of the attention, {100 * one.merit:.1f} % of what was "
        "played later."
    )


def _price(one: TargetPrice) -> str:
    return (
        f"At least {100 * one.target:.1f} % for {one.group} is kept in {100 * one.met:.0f} % of "
        f"the lists, and changes the NDCG by {one.difference:+.4f} of {one.base:.4f}."
    )


def _exposure(report: FairnessReport) -> Table:
    columns: list[Column | str] = ["group", Column("items", None, 0)]
    columns += [Column("exposure"), Column("merit"), Column("exposure / merit", None, 2)]
    rows: list[list[Cell | float | int | str | None]] = [
        [
            one.group or "(not told)",
            one.items,
            Cell(value=one.exposure, low=one.exposure_low, high=one.exposure_high),
            Cell(value=one.merit, low=one.merit_low, high=one.merit_high),
            one.ratio,
        ]
        for one in report.groups
    ]
    title = f"{report.listeners:,} lists of {report.n}"
    note = "Intervals of 95 %, by the bootstrap over listeners. [1]"
    return Table(title=title, columns=columns, rows=rows, note=note)


def _targets(report: FairnessReport) -> Table:
    columns: list[Column | str] = ["group", Column("least share"), Column("exposure then")]
    columns += [Column("kept in, %", None, 0), Column("NDCG", "higher"), Column("price"), "p"]
    rows: list[list[Cell | float | int | str | None]] = [
        [
            one.group,
            one.target,
            one.reached,
            100 * one.met,
            one.ndcg,
            Cell(value=one.difference, low=one.low, high=one.high),
            p_text(one.p),
        ]
        for one in report.targets
    ]
    return Table(title="Targets, one at a time", columns=columns, rows=rows, note="[2]")
