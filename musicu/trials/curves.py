"""Lines in one frame as an SVG, readable on light and on dark ground: exposure, reliability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import ArrayLike

from musicu.plots import ticks

__all__ = ["Line", "line_plot"]

_LEFT, _TOP, _WIDE, _TALL = 46, 46, 280, 200
_KEY = 18
_COLORS = 5

# Lines differ in color and in their dashes.
_STYLE = """
svg.lines { font: 12px system-ui, "DejaVu Sans", sans-serif; }
.lines rect { fill: #ffffff; } .lines text { fill: #24292f; } .lines .quiet { fill: #57606a; }
.lines path { fill: none; stroke-width: 2; }
.lines .grid { stroke: #d8dee4; stroke-width: 1; }
.lines .equal { stroke: #57606a; stroke-width: 1; stroke-dasharray: 3 3; }
.lines .c0 path { stroke: #0969da; } .lines .c1 path { stroke: #bc4c00; stroke-dasharray: 8 3; }
.lines .c2 path { stroke: #1a7f37; stroke-dasharray: 2 3; }
.lines .c3 path { stroke: #8250df; stroke-dasharray: 8 3 2 3; }
.lines .c4 path { stroke: #57606a; stroke-dasharray: 14 4; }
@media (prefers-color-scheme: dark) {
  .lines rect { fill: #0d1117; } .lines text { fill: #e6edf3; } .lines .quiet { fill: #9ea7b3; }
  .lines .grid { stroke: #30363d; } .lines .equal { stroke: #9ea7b3; }
  .lines .c0 path { stroke: #58a6ff; } .lines .c1 path { stroke: #f0883e; }
  .lines .c2 path { stroke: #3fb950; } .lines .c3 path { stroke: #bc8cff; }
  .lines .c4 path { stroke: #9ea7b3; }
}
"""


@dataclass(frozen=True)
class Line:
    """A named line through points (x, y); points with NaN are passed over."""

    name: str
    x: ArrayLike
    y: ArrayLike


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
    bottom, right = _TOP + _TALL, _LEFT + _WIDE
    width, height = right + 20, bottom + 46 + _KEY * len(lines)

    def across(value: float) -> float:
        return float(_LEFT + _WIDE * (value - low[0]) / span[0])

    def up(value: float) -> float:
        return float(bottom - _TALL * (value - low[1]) / span[1])

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="lines" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        '<rect width="100%" height="100%"/>',
        f'<text x="{_LEFT}" y="18" font-weight="bold">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="36" class="quiet">{escape(y)}</text>',
        f'<text x="{right}" y="{bottom + 34}" class="quiet" text-anchor="end">{escape(x)}</text>',
    ]
    for tick in ticks(low[0], low[0] + span[0]):
        out.append(
            f'<text x="{across(tick):.1f}" y="{bottom + 17}" class="quiet" text-anchor="middle">'
            f"{tick:g}</text>"
        )
    for tick in ticks(low[1], low[1] + span[1]):
        out.append(f'<path class="grid" d="M{_LEFT} {up(tick):.1f}H{right}"/>')
        out.append(
            f'<text x="{_LEFT - 6}" y="{up(tick) + 4:.1f}" class="quiet" text-anchor="end">'
            f"{tick:g}</text>"
        )
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
            f'<text x="{_LEFT + 34}" y="{key + 4}">{escape(line.name)}</text></g>'
        )
    return "\n".join([*out, "</svg>", ""])
