"""Dots with intervals, lines, and grids, as SVG for light and dark ground; no plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from musicu.reports.theme import fixed_colors

__all__ = ["Cell", "Dot", "Line", "Panel", "dot_plot", "grid_plot", "line_plot", "ticks"]

_COLUMNS = 3
_WIDTH = 190  # of a panel's axis
_GAP = 30
_ROW = 22
_HEAD = 44
_FOOT = 36
_TOP = 34
_CHARACTER = 7.4  # width of one at 12 px, generously

# Of a line plot's frame, and of its key.
_LEFT, _UP, _WIDE, _TALL, _KEY = 46, 46, 280, 200, 18
_COLORS = 5

# Of a grid's cells, and the slant of its columns' names.
_CELL, _SLANT = 58, 35

# Lines differ in color and in their dashes.
_STYLE = fixed_colors("""
.plot { font: 12px system-ui, "DejaVu Sans", sans-serif; }
.plot .ground { fill: var(--card); } .plot text { fill: var(--ink); }
.plot .quiet { fill: var(--soft); } .plot .grid { stroke: var(--line); }
.dots .line { stroke: var(--soft); stroke-width: 2; } .dots .dot { fill: var(--soft); }
.dots .first.line { stroke: var(--accent); } .dots .first.dot { fill: var(--accent); }
.lines path { fill: none; stroke-width: 2; } .lines .grid { stroke-width: 1; }
.lines .equal { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 3; }
.lines .c0 path { stroke: var(--accent); }
.lines .c1 path { stroke: var(--orange); stroke-dasharray: 8 3; }
.lines .c2 path { stroke: var(--good); stroke-dasharray: 2 3; }
.lines .c3 path { stroke: var(--purple); stroke-dasharray: 8 3 2 3; }
.grid-cells .up { fill: var(--good); } .grid-cells .down { fill: var(--bad); }
.lines .c4 path { stroke: var(--soft); stroke-dasharray: 14 4; }
""")


@dataclass(frozen=True)
class Dot:
    """A value with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Panel:
    """One small plot.

    Attributes
    ----------
    title, note : str
        Above it, in bold and in gray.
    dots : tuple of Dot
        One a row, from the top.
    """

    title: str
    note: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Line:
    """A named line through points (x, y); points with NaN are passed over."""

    name: str
    x: ArrayLike
    y: ArrayLike


@dataclass(frozen=True)
class Cell:
    """A cell of a grid.

    Attributes
    ----------
    text, told : str
        In it, and what is told of it where a pointer rests.
    tint : float in [-1, 1]
        How red or how green it is.
    bold, quiet : bool
        How the text is written.
    """

    text: str
    told: str = ""
    tint: float = 0.0
    bold: bool = False
    quiet: bool = False


def dot_plot(panels: Sequence[Panel], rows: Sequence[str], *, title: str = "") -> str:
    """Draw small plots side by side, three in a line; the rows are the same in all.

    A dot plot as Cleveland (1985) proposes: positions along one axis are what eyes compare best.
    The first row is in color.

    Parameters
    ----------
    panels : sequence of Panel
        Each with as many dots as there are rows.
    rows : sequence of str
        Names of the rows.
    title : str
        Above all.

    Returns
    -------
    str
        An SVG document.
    """
    gutter = 24 + _CHARACTER * max(map(len, rows))
    columns = min(_COLUMNS, len(panels))
    lines = math.ceil(len(panels) / _COLUMNS)
    tall = _HEAD + _ROW * len(rows) + _FOOT
    width = max(gutter + columns * (_WIDTH + _GAP), _CHARACTER * len(title) + 32)
    height = _TOP + lines * tall
    out = [*_head("dots", title, width, height), _text(16, 22, title, weight="bold")]
    for number, panel in enumerate(panels):
        line, column = divmod(number, _COLUMNS)
        top = _TOP + line * tall
        if column == 0:
            out += [
                _text(gutter - 8, top + _HEAD + _ROW * (i + 0.5) + 4, name, anchor="end")
                for i, name in enumerate(rows)
            ]
        out += _panel(panel, rows, gutter + _GAP / 2 + column * (_WIDTH + _GAP), top)
    return "\n".join([*out, "</svg>", ""])


def _panel(panel: Panel, rows: Sequence[str], left: float, top: float) -> list[str]:
    low = min(dot.low for dot in panel.dots)
    high = max(dot.high for dot in panel.dots)
    margin = 0.06 * (high - low) or 0.5
    low, high = low - margin, high + margin

    def x(value: float) -> float:
        return left + _WIDTH * (value - low) / (high - low)

    bottom = top + _HEAD + _ROW * len(rows)
    out = [
        _text(left, top + 16, panel.title, weight="bold"),
        _text(left, top + 31, panel.note, quiet=True),
    ]
    for tick in ticks(low, high):
        at = f"{x(tick):.1f}"
        out.append(f'<path class="grid" d="M{at} {top + _HEAD}V{bottom}"/>')
        out.append(_text(x(tick), bottom + 16, f"{tick:g}", anchor="middle", quiet=True))
    for i, (name, dot) in enumerate(zip(rows, panel.dots, strict=True)):
        first = "first " if i == 0 else ""
        y = top + _HEAD + _ROW * (i + 0.5)
        told = f"{name}: {dot.value:.3f} [{dot.low:.3f}, {dot.high:.3f}]"
        out.append(
            f"<g><title>{escape(told)}</title>"
            f'<path class="{first}line" d="M{x(dot.low):.1f} {y:.1f}H{x(dot.high):.1f}"/>'
            f'<circle class="{first}dot" cx="{x(dot.value):.1f}" cy="{y:.1f}" r="4.5"/></g>'
        )
    return out


def grid_plot(
    groups: Sequence[tuple[str, Sequence[tuple[str, Sequence[Cell]]]]],
    columns: Sequence[str],
    *,
    title: str,
    note: str = "",
) -> str:
    """Draw a grid of numbers whose cells are green or red.

    Parameters
    ----------
    groups : sequence of (heading, rows)
        A row is a name and as many cells as there are columns.
    columns : sequence of str
        Names of the columns, written aslant.
    title, note : str
        Above all, in bold and in gray.

    Returns
    -------
    str
        An SVG document.
    """
    names = [name for _, rows in groups for name, _ in rows] + [heading for heading, _ in groups]
    left = 24 + _CHARACTER * max(map(len, names))
    longest = _CHARACTER * max(map(len, columns))
    tall, wide = (longest * f(math.radians(_SLANT)) for f in (math.sin, math.cos))
    top = 52 + tall
    width = max(left + _CELL * len(columns) + wide, _CHARACTER * max(len(title), len(note)) + 32)
    height = top + _ROW * (len(names) + 0.5 * len(groups)) + 20
    out = [
        *_head("grid-cells", title, width, height),
        _text(16, 22, title, weight="bold"),
        _text(16, 39, note, quiet=True),
    ]
    for i, column in enumerate(columns):
        x, y = left + _CELL * (i + 0.5), top + 4
        out.append(
            f'<g transform="translate({x:.1f} {y:.1f}) rotate(-{_SLANT})">'
            f"{_text(0, 0, column, weight='bold' if i == 0 else '')}</g>"
        )
    y = top + 8.0
    for heading, rows in groups:
        y += 0.5 * _ROW
        out.append(_text(16, y + 15, heading, weight="bold"))
        out.append(f'<path class="grid" d="M16 {y + _ROW:.1f}H{left + _CELL * len(columns):.1f}"/>')
        for name, cells in rows:
            y += _ROW
            out.append(_text(left - 10, y + 15, name, anchor="end"))
            for i, cell in enumerate(cells):
                out.append(_cell(cell, left + _CELL * i, y))
        y += _ROW
    return "\n".join([*out, "</svg>", ""])


def _cell(cell: Cell, x: float, y: float) -> str:
    tint = ""
    if cell.tint:
        kind, strength = "up" if cell.tint > 0 else "down", 0.6 * min(abs(cell.tint), 1.0)
        tint = (
            f'<rect class="{kind}" fill-opacity="{strength:.2f}" x="{x + 1:.1f}" y="{y + 1:.1f}" '
            f'width="{_CELL - 2}" height="{_ROW - 2}" rx="3"/>'
        )
    weight = "bold" if cell.bold else ""
    text = _text(x + _CELL / 2, y + 15, cell.text, anchor="middle", weight=weight, quiet=cell.quiet)
    told = f"<title>{escape(cell.told)}</title>" if cell.told else ""
    return f"<g>{told}{tint}{text}</g>"


def line_plot(lines: Sequence[Line], *, title: str, x: str, y: str, diagonal: bool = False) -> str:
    """Draw lines in one frame, whose axes begin at 0.

    Parameters
    ----------
    lines : sequence of Line
        One at least, each with a point; after five the looks repeat.
    title, x, y : str
        Of the plot and of its axes.
    diagonal : bool
        Whether y = x is drawn too: equal exposure, perfect reliability.

    Returns
    -------
    str
        An SVG element, small enough for a phone.
    """
    points = []
    for line in lines:
        both = np.stack([np.asarray(line.x, dtype=np.float64), np.asarray(line.y, np.float64)])
        points.append(both[:, np.isfinite(both).all(axis=0)])
    low = np.minimum(np.min([p.min(axis=1) for p in points], axis=0), 0.0)
    high = np.max([p.max(axis=1) for p in points], axis=0)
    span = np.where(high > low, high - low, 1.0)
    bottom, right = _UP + _TALL, _LEFT + _WIDE
    width, height = right + 20, bottom + 46 + _KEY * len(lines)

    def across(value: float) -> float:
        return float(_LEFT + _WIDE * (value - low[0]) / span[0])

    def up(value: float) -> float:
        return float(bottom - _TALL * (value - low[1]) / span[1])

    out = [
        *_head("lines", title, width, height),
        _text(_LEFT, 18, title, weight="bold"),
        _text(_LEFT, 36, y, quiet=True),
        _text(right, bottom + 34, x, anchor="end", quiet=True),
    ]
    for tick in ticks(low[0], low[0] + span[0]):
        out.append(_text(across(tick), bottom + 17, f"{tick:g}", anchor="middle", quiet=True))
    for tick in ticks(low[1], low[1] + span[1]):
        out.append(f'<path class="grid" d="M{_LEFT} {up(tick):.1f}H{right}"/>')
        out.append(_text(_LEFT - 6, up(tick) + 4, f"{tick:g}", anchor="end", quiet=True))
    if diagonal:
        start, end = low.max(), high.min()
        out.append(
            f'<path class="equal" d="M{across(start):.1f} {up(start):.1f}'
            f'L{across(end):.1f} {up(end):.1f}"/>'
        )
    for i, (line, both) in enumerate(zip(lines, points, strict=True)):
        drawn = "L".join(f"{across(at):.1f} {up(value):.1f}" for at, value in both.T)
        key = bottom + 46 + _KEY * i
        out.append(
            f'<g class="c{i % _COLORS}"><title>{escape(line.name)}</title><path d="M{drawn}"/>'
            f'<path d="M{_LEFT} {key}h26"/>'
            f"{_text(_LEFT + 34, key + 4, line.name)}</g>"
        )
    return "\n".join([*out, "</svg>", ""])


def _head(kind: str, title: str, width: float, height: float) -> list[str]:
    """Begin an SVG element."""
    size = f"{width:.0f} {height:.0f}"
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot {kind}" viewBox="0 0 {size}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        '<rect class="ground" width="100%" height="100%"/>',
    ]


def _text(
    x: float, y: float, text: str, *, anchor: str = "", weight: str = "", quiet: bool = False
) -> str:
    more = f' text-anchor="{anchor}"' if anchor else ""
    more += f' font-weight="{weight}"' if weight else ""
    more += ' class="quiet"' if quiet else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(text)}</text>'


def ticks(low: float, high: float) -> list[float]:
    """Two to five round numbers between two others."""
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first = math.ceil(low / step)
    return [round(i * step, 12) for i in range(first, math.floor(high / step) + 1)]
