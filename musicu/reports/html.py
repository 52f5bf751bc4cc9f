"""A report as one HTML file: text, tables, figures; nothing is loaded from anywhere, nothing runs.

It reads on paper and on a phone, on light and on dark ground, and by ear: what a color or a weight
says is said in words too. All text is escaped; figures are taken as they are, so they must come
from musicu's own drawing (:func:`musicu.reports.svg.dot_plot`,
:func:`musicu.reports.svg.line_plot`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral

from musicu.errors import MusicuError
from musicu.evaluation.scores import Better, Verdict
from musicu.reports.theme import document, shown

__all__ = [
    "Cell",
    "Column",
    "Figure",
    "Page",
    "Section",
    "Table",
    "p_equals",
    "p_text",
    "render",
]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number with what is known about it.

    Attributes
    ----------
    value : float
        NaN is shown as a dash.
    low, high : float or None
        Ends of its interval.
    verdict : {"clearly better", "clearly worse", "open"}
        Marked unless open.
    """

    value: float
    low: float | None = None
    high: float | None = None
    verdict: Verdict = "open"


@dataclass(frozen=True)
class Column:
    """A column of numbers.

    Attributes
    ----------
    title : str
        Its head.
    better : {"higher", "lower"} or None
        Which value is the best, and bold; None if none is.
    digits : int
        After the point; whole numbers (int) have none.
    """

    title: str
    better: Better | None = None
    digits: int = 3


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; its first column names the rows.

    Attributes
    ----------
    title : str
        What it shows.
    columns : sequence of Column or str
        A str heads a column of text.
    rows : sequence of sequences of Cell, float, int, str or None
        As many a row as there are columns. None is nothing; a str in a column of numbers stands
        where numbers do.
    note : str
        Below it: what is compared, how the intervals were made.

    Raises
    ------
    MusicuError
        A row has more or fewer cells than there are columns.
    """

    title: str
    columns: Sequence[Column | str]
    rows: Sequence[Sequence[Cell | float | int | str | None]]
    note: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise MusicuError(
                    f"table {self.title!r}: row {row[0] if row else ''!r} has {len(row)} cells "
                    f"for {len(self.columns)} columns: None is nothing"
                )


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Drawings side by side, or below each other where there is no room.

    Attributes
    ----------
    drawings : sequence of str
        SVG elements, taken as they are.
    caption : str
        What is to be seen, for those too who cannot see it.
    """

    drawings: Sequence[str]
    caption: str


@dataclass(frozen=True)
class Section:
    """A head, and what follows it: paragraphs (str), tables and figures."""

    title: str
    blocks: Sequence[str | Table | Figure]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A report.

    Attributes
    ----------
    title : str
        Of the page.
    summary : sequence of str
        Paragraphs above all: what was found.
    sections : sequence of Section
        The rest.
    footnotes : sequence of str
        ``[1]`` in a paragraph, a note or a caption leads to the first one.
    provenance : mapping of str to str
        How the page came about: command, versions, data, date. Nothing is added to it, so the same
        page is the same file.
    """

    title: str
    sections: Sequence[Section]
    summary: Sequence[str] = ()
    footnotes: Sequence[str] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)


def p_text(p: float) -> str:
    """Write a p value: three digits, or ``"< 0.001"``."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def p_equals(p: float) -> str:
    """Write a p value behind a "p": ``"= 0.021"``, or ``"< 0.001"``."""
    return p_text(p) if p < 0.001 else f"= {p_text(p)}"


def render(page: Page) -> str:
    """Write a report as HTML.

    Parameters
    ----------
    page : Page
        What it says.

    Returns
    -------
    str
        An HTML document, to be written as UTF-8.
    """
    notes = len(page.footnotes)
    body = [f"<header><h1>{shown(page.title)}</h1>"]
    body += [f"<p>{_text(text, notes)}</p>" for text in page.summary]
    body.append("</header>")
    if len(page.sections) > 2:
        links = (
            f'<li><a href="#part-{i}">{shown(section.title)}</a></li>'
            for i, section in enumerate(page.sections, start=1)
        )
        body.append(f'<nav aria-label="Contents"><ul>{"".join(links)}</ul></nav>')
    body.append("<main>")
    for i, section in enumerate(page.sections, start=1):
        body.append(f'<section id="part-{i}"><h2>{shown(section.title)}</h2>')
        body += [_block(block, notes) for block in section.blocks]
        body.append("</section>")
    body.append("</main><footer>")
    if page.footnotes:
        items = (
            f'<li id="note-{i}">{_text(text, 0)}</li>'
            for i, text in enumerate(page.footnotes, start=1)
        )
        body.append(f"<h2>Notes</h2><ol>{''.join(items)}</ol>")
    if page.provenance:
        pairs = (f"<dt>{shown(k)}</dt><dd>{shown(v)}</dd>" for k, v in page.provenance.items())
        body.append(f"<h2>How this was made</h2><dl>{''.join(pairs)}</dl>")
    body.append("</footer>")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return document(page.title, style=_STYLE, body="\n".join(body), policy=policy)


_MARKS = {
    "clearly better": '<span class="up" aria-hidden="true">\N{BLACK UP-POINTING TRIANGLE}</span>',
    "clearly worse": '<span class="low" aria-hidden="true">\N{BLACK DOWN-POINTING TRIANGLE}</span>',
}
_NUMBER = ' class="number"'
_FOCUS = ' tabindex="0"'  # what is scrolled must be reached by keys
# Drawings up to this width are made smaller where there is no room; in wider ones nothing could be
# read then, so they are scrolled by themselves, and the page is not.
_FITS = 480


def _text(text: str, notes: int) -> str:
    """Escape a text; ``[1]`` becomes a link if there is such a footnote."""

    def link(match: re.Match[str]) -> str:
        number = int(match[1])
        if not 1 <= number <= notes:
            return match[0]
        return f'<sup><a href="#note-{number}" aria-label="note {number}">{number}</a></sup>'

    return re.sub(r"\s?\[(\d+)\]", link, shown(text))


def _block(block: str | Table | Figure, notes: int) -> str:
    if isinstance(block, str):
        return f"<p>{_text(block, notes)}</p>"
    if isinstance(block, Table):
        return _table(block, notes)
    drawings = "".join(map(_drawing, block.drawings))
    caption = _text(block.caption, notes)
    return f'<figure><div class="side">{drawings}</div><figcaption>{caption}</figcaption></figure>'


def _drawing(svg: str) -> str:
    width = re.search(r'<svg[^>]* width="([\d.]+)"', svg)
    small = width is not None and float(width[1]) <= _FITS
    return f'<div class="{"fits" if small else "wide"}"{"" if small else _FOCUS}>{svg}</div>'


def _table(table: Table, notes: int) -> str:
    columns = [Column(c) if isinstance(c, str) else c for c in table.columns]
    numeric = [isinstance(c, Column) for c in table.columns]
    best = [_best([row[i] for row in table.rows], c.better) for i, c in enumerate(columns)]
    head = "".join(
        f'<th scope="col"{_NUMBER if number else ""}>{shown(column.title)}</th>'
        for column, number in zip(columns, numeric, strict=True)
    )
    lines = []
    for row in table.rows:
        cells = [f'<th scope="row">{shown("" if row[0] is None else str(row[0]))}</th>']
        for cell, column, number, top in list(zip(row, columns, numeric, best, strict=True))[1:]:
            cells.append(f"<td{_NUMBER if number else ''}>{_cell(cell, column, top)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    verdicts = {c.verdict for row in table.rows for c in row if isinstance(c, Cell)}
    legend = ["Bold: the best."] if any(top is not None for top in best) else []
    legend += [f"{mark} {verdict}." for verdict, mark in _MARKS.items() if verdict in verdicts]
    below = [_text(table.note, notes)] if table.note else []
    below += [" ".join(legend)] if legend else []
    title = shown(table.title)
    return (
        f'<div class="wide" role="region" aria-label="{title}"{_FOCUS}><table>'
        f"<caption><span>{_text(table.title, notes)}</span></caption><thead><tr>{head}</tr></thead>"
        f"<tbody>\n{chr(10).join(lines)}\n</tbody></table></div>"
        + "".join(f'<p class="note">{line}</p>' for line in below)
    )


def _best(cells: Sequence[Cell | float | int | str | None], better: str | None) -> float | None:
    """Return the best value of a column, or None if there is none among several."""
    values = [c.value if isinstance(c, Cell) else c for c in cells]
    numbers = [float(v) for v in values if v is not None and not isinstance(v, str)]
    numbers = [v for v in numbers if not math.isnan(v)]
    if better is None or len(set(numbers)) < 2:
        return None
    return max(numbers) if better == "higher" else min(numbers)


def _cell(cell: Cell | float | int | str | None, column: Column, best: float | None) -> str:
    if cell is None or isinstance(cell, str):
        return shown(cell or "")
    if not isinstance(cell, Cell):
        cell = Cell(value=cell)
    text = _number(cell.value, column.digits)
    if cell.value == best:
        text = f"<strong>{text}</strong>"
    if cell.verdict in _MARKS:
        # In front, so that the digits of a column stay below each other.
        text = f'{_MARKS[cell.verdict]}<span class="spoken">{cell.verdict}</span> {text}'
    if cell.low is not None and cell.high is not None:
        ends = f"{_number(cell.low, column.digits)} to {_number(cell.high, column.digits)}"
        text += f'<br><span class="ends">{ends}</span>'
    return text


def _number(value: float, digits: int) -> str:
    if math.isnan(value):
        return "\N{EN DASH}"
    text = f"{value:,}" if isinstance(value, Integral) else f"{value:,.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


_STYLE = """
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 62rem; background: var(--card);
  color: var(--ink); font: 1rem/1.55 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.75rem; padding-top: 1rem;
  border-top: 1px solid var(--line); }
p, li, dd, figcaption { max-width: 44rem; overflow-wrap: anywhere; }
a { color: var(--accent); } sup { line-height: 0; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; padding: 0; list-style: none; }
.wide { overflow-x: auto; max-width: 100%; position: relative; }
.side { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 1.5rem 0; } svg { display: block; } .fits svg { max-width: 100%; height: auto; }
figcaption, .note, caption, .ends, dl { font-size: 0.875rem; }
figcaption, .note, .ends { color: var(--soft); }
table { border-collapse: collapse; margin-top: 1rem; }
caption { text-align: left; font-weight: 600; padding-bottom: 0.4rem; }
caption span { display: block; position: sticky; left: 0; width: fit-content;
  max-width: min(44rem, calc(100vw - 2rem)); }
th, td { padding: 0.35rem 0.75rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
td:not(.number) { min-width: 11rem; }
.note { margin: 0.5rem 0 0; }
thead th { vertical-align: bottom; border-bottom-width: 2px; }
tbody th { position: sticky; left: 0; background: var(--card); font-weight: 500; }
tbody tr:nth-child(even) > * { background: var(--page); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.up { color: var(--good); } .low { color: var(--bad); }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1rem; }
dt { color: var(--soft); }
dd { margin: 0; font-family: ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap; }
@media (max-width: 30rem) { th, td { padding: 0.3rem 0.5rem; } tbody th { max-width: 9.5rem; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 0.5rem; } }
@media print { .wide { overflow: visible; } nav { display: none; } }
"""
