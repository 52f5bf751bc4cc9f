"""The report of an A/B test: what to know first, every effect, and how it came about by day."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping

import numpy as np

from musicu.evaluation.ab.analyze import ABEffect, ABReport
from musicu.reports.html import Cell, Column, Figure, Page, Section, Table, p_equals, p_text, render
from musicu.reports.svg import Dot, Line, Panel, dot_plot, line_plot

__all__ = ["ab_page"]

_DAY = 86_400.0
_NOTES = (
    "p values of all variants and metrics are corrected together (Holm 1979). Anytime intervals "
    "and p values hold however often the trial was looked at; the others for one look only, at an "
    "end that was fixed beforehand.",
    "Covariates are what the same users did before the trial (CUPED; Deng et al., WSDM 2013).",
)


def ab_page(report: ABReport, provenance: Mapping[str, str]) -> str:
    """Return the report as one HTML document.

    Parameters
    ----------
    report : ABReport
    provenance : mapping of str to str
        How it came about.
    """
    users = ", ".join(f"{name} {count:,}" for name, count in report.users.items())
    sections = [
        Section("Effects", list(_effects(report))),
        Section(
            "Users", [f"Users: {users}. Split as meant: p {p_equals(report.srm_p)}.", *report.notes]
        ),
    ]
    if days := list(_days(report)):
        sections.insert(1, Section("Day by day", days))
    page = Page(
        title="A/B test",
        summary=list(_summary(report)),
        sections=sections,
        footnotes=_NOTES,
        provenance=provenance,
    )
    return render(page)


def _summary(report: ABReport) -> Iterator[str]:
    if report.srm:
        yield report.notes[0]
        return
    for effect in report.effects:
        if effect.verdict != "open":
            relative = "" if effect.relative is None else f" by {100 * abs(effect.relative):.1f} %"
            yield (
                f"{effect.metric}: {effect.variant} is {effect.verdict} than "
                f"{report.control}{relative}."
            )
    still = [f"{e.metric} of {e.variant}" for e in report.effects if e.verdict == "open"]
    if still:
        yield f"Open: {', '.join(still)}."


def _effects(report: ABReport) -> Iterator[str | Table | Figure]:
    columns: list[Column | str] = ["variant", "metric", Column(report.control), Column("variant")]
    columns += [Column("difference"), Column("relative, %", None, 1), Column("p, corrected")]
    columns += ["verdict"]
    rows: list[list[Cell | float | str | None]] = []
    for effect in report.effects:
        low, high, p = _told(effect)
        rows.append(
            [
                effect.variant,
                effect.metric + (f", adjusted by {effect.covariate}" if effect.covariate else ""),
                effect.control,
                effect.treatment,
                Cell(value=effect.effect, low=low, high=high),
                None if effect.relative is None else 100 * effect.relative,
                p_text(p),
                effect.verdict,
            ]
        )
    anytime = any(effect.anytime_p is not None for effect in report.effects)
    kind = "Anytime intervals" if anytime else "Intervals of a single look"
    note = f"{kind}, {100 * (1 - report.alpha):g} %. [1]"
    if any(effect.covariate for effect in report.effects):
        note += " Adjusted means take out what users did before the trial. [2]"
    yield Table(title=f"Difference to {report.control}", columns=columns, rows=rows, note=note)
    variants = [name for name in report.users if name != report.control]
    drawings = []
    for metric in dict.fromkeys(effect.metric for effect in report.effects):
        own = [effect for effect in report.effects if effect.metric == metric]
        dots = tuple(Dot(effect.effect, *_told(effect)[:2]) for effect in own)
        drawings.append(dot_plot([Panel(metric, f"less {report.control}", dots)], variants))
    yield Figure(drawings=drawings, caption="The differences and intervals of the table.")


def _told(effect: ABEffect) -> tuple[float, float, float]:
    """Return the interval and the corrected p value that the verdict goes by."""
    low, high, p = effect.anytime_low, effect.anytime_high, effect.anytime_p_holm
    if low is None or high is None or p is None:
        return effect.low, effect.high, effect.p_holm
    return low, high, p


def _days(report: ABReport) -> Iterator[str | Figure]:
    drawings, told = [], []
    for effect in report.effects:
        looks, name = effect.looks, f"{effect.variant}, {effect.metric}"
        if len(looks) < 2:
            continue
        at = (np.array([look.time for look in looks]) - looks[0].time) / _DAY
        curves = {
            "difference": [look.effect for look in looks],
            "lower end": [look.low for look in looks],
            "upper end": [look.high for look in looks],
        }
        lines = [Line(title, at, values) for title, values in curves.items()]
        y = "difference and its anytime interval"
        drawings.append(line_plot(lines, title=name, x="days since the first look", y=y))
        if effect.decided is not None:
            day = datetime.datetime.fromtimestamp(effect.decided, datetime.UTC) - _A_MOMENT
            told.append(f"{name} was decided at the end of {day.date().isoformat()}.")
    if drawings:
        yield Figure(drawings=drawings, caption=" ".join(told) or "Nothing was decided.")


# A day ends when the next one begins.
_A_MOMENT = datetime.timedelta(seconds=1)
