"""Dots with intervals as one SVG, readable on light and on dark ground; no plotting library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

__all__ = ["Dot", "Panel", "dot_plot", "ticks"]

_COLUMNS = 3
_WIDTH = 190  # of a panel's axis
_GAP = 30
_ROW = 22
_HEAD = 44
_FOOT = 36
_TOP = 34
_CHARACTER = 7.4  # width of one at 12 px, generously

_STYLE = """
svg { font: 12px system-ui, "DejaVu Sans", sans-serif; }
.ground { fill: #ffffff; } text { fill: #24292f; } .quiet { fill: #656d76; }
.grid { stroke: #d8dee4; } .line { stroke: #57606a; stroke-width: 2; } .dot { fill: #57606a; }
.first.line { stroke: #0969da; } .first.dot { fill: #0969da; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #8b949e; }
  .grid { stroke: #30363d; } .line { stroke: #9ea7b3; } .dot { fill: #9ea7b3; }
  .first.line { stroke: #58a6ff; } .first.dot { fill: #58a6ff; }
}
"""


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
    size = f"{width:.0f} {height:.0f}"
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        '<rect class="ground" width="100%" height="100%"/>',
        _text(16, 22, title, weight="bold"),
    ]
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
