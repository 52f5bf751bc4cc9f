"""Curves of a training as one SVG, readable on light and on dark ground."""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

__all__ = ["curves"]

_WIDTH, _HEIGHT = 340, 150  # of a panel's axes
_LEFT, _TOP, _GAP, _FOOT = 56, 58, 84, 40

_STYLE = """
svg { font: 12px system-ui, "DejaVu Sans", sans-serif; }
.ground { fill: #ffffff; } text { fill: #24292f; } .quiet { fill: #656d76; }
.grid { stroke: #d8dee4; } .line { stroke: #0969da; stroke-width: 2; fill: none; }
.dot { fill: #0969da; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #0d1117; } text { fill: #e6edf3; } .quiet { fill: #8b949e; }
  .grid { stroke: #30363d; } .line { stroke: #58a6ff; } .dot { fill: #58a6ff; }
}
"""


def curves(history: Sequence[Sequence[float]], *, title: str, figure: str) -> str:
    """Draw loss and held-out figure over the steps, side by side.

    Parameters
    ----------
    history : sequence of (step, loss, held-out figure)
        One row an evaluation; a figure that is no number is left out.
    title : str
        Above both.
    figure : str
        What the held-out figure is.

    Returns
    -------
    str
        An SVG document.
    """
    width = 2 * (_LEFT + _WIDTH) + _GAP
    height = _TOP + _HEIGHT + _FOOT
    panels = [("loss", 1), (f"held out: {figure}", 2)]
    drawn = "".join(
        _panel(name, [(row[0], row[at]) for row in history], x=_LEFT + i * (_WIDTH + _GAP))
        for i, (name, at) in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">\n<style>{_STYLE}</style>\n'
        f'<rect class="ground" width="{width}" height="{height}"/>\n'
        f'<text x="{_LEFT}" y="22" font-weight="bold">{escape(title)}</text>\n{drawn}</svg>\n'
    )


def _panel(name: str, points: Sequence[tuple[float, float]], *, x: int) -> str:
    points = [(step, value) for step, value in points if math.isfinite(value)]
    out = [f'<text x="{x}" y="{_TOP - 10}">{escape(name)}</text>']
    if not points:
        out.append(f'<text class="quiet" x="{x}" y="{_TOP + 20}">nothing was held out</text>')
        return "\n".join(out) + "\n"
    ticks = _ticks([value for _, value in points])
    low, high, last = ticks[0], ticks[-1], points[-1][0]

    def at(step: float, value: float) -> tuple[float, float]:
        return x + _WIDTH * step / last, _TOP + _HEIGHT * (1 - (value - low) / (high - low))

    for tick in ticks:
        y = at(0, tick)[1]
        out.append(f'<line class="grid" x1="{x}" x2="{x + _WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(
            f'<text class="quiet" x="{x - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
        )
    line = " ".join("{:.1f},{:.1f}".format(*at(*point)) for point in points)
    out.append(f'<polyline class="line" points="{line}"/>')
    end_x, end_y = at(*points[-1])
    out.append(f'<circle class="dot" cx="{end_x:.1f}" cy="{end_y:.1f}" r="3.5"/>')
    out.append(f'<text x="{end_x + 7:.1f}" y="{end_y + 4:.1f}">{points[-1][1]:.3f}</text>')
    foot = _TOP + _HEIGHT + 20
    out.append(f'<text class="quiet" x="{x}" y="{foot}">0</text>')
    right = f'x="{x + _WIDTH}" y="{foot}" text-anchor="end"'
    out.append(f'<text class="quiet" {right}>{last:,.0f} steps</text>')
    return "\n".join(out) + "\n"


def _ticks(values: Sequence[float]) -> list[float]:
    """Round numbers around the values, 3 to 6 of them."""
    low, high = min(values), max(values)
    span = max(high - low, 0.01 * max(abs(high), abs(low), 1e-6))
    power = 10.0 ** math.floor(math.log10(span / 2))
    step = next(power * k for k in (1, 2, 5, 10) if span / (power * k) <= 4)
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 2)
    return [round(k * step, 12) for k in range(first, last + 1)]
