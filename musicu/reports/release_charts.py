"""The report's small pictures, as SVG and HTML that need nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from musicu.items.comparable import COMPARABLE
from musicu.release.neighbors import Neighbor
from musicu.reports.rounding import rounded_shares
from musicu.reports.theme import shown

__all__ = [
    "map_plot",
    "meter_bar",
    "parts_list",
    "ribbon",
    "score_bar",
    "timeline",
]

_WIDTH, _HEIGHT = 480, 400
_MARGIN = 40
_LINE = 15  # height of a name
_LETTER = 6.8  # width of one, generously
_LETTERS = 28


def score_bar(parts: Mapping[str, float]) -> str:
    """Draw what each field adds to a score as one stacked bar; the whole width is a score of 1.

    What other fields take away again lies under a veil, so that the clear part is the score.
    """
    units = rounded_shares(parts)
    pieces = [
        f'<i style="width:{part * 100:.2f}%;background:var(--field-{name})" '
        f'title="{shown(_label(name))} {units[name] / 10:.1f}"></i>'
        for name, part in parts.items()
        if part > 0
    ]
    if any(part < 0 for part in parts.values()):
        pieces.append(f'<u style="left:{100 * max(sum(parts.values()), 0):.2f}%"></u>')
    return f'<div class="bar" role="img" aria-label="contributions">{"".join(pieces)}</div>'


def parts_list(parts: Mapping[str, float]) -> str:
    """Write the contributions as numbers that add up to the score shown."""
    units = rounded_shares(parts)
    return "".join(
        f'<span class="num"><i style="background:var(--field-{name})"></i>'
        f"{shown(_label(name))} {units[name] / 10:.1f}</span>"
        for name in parts
        if units[name]
    )


def _label(field: str) -> str:
    return COMPARABLE[field].label if field in COMPARABLE else field


def meter_bar(share: float, color: str = "accent") -> str:
    """Draw one value in [0, 1] as a bar."""
    width = 100 * min(max(share, 0.0), 1.0)
    return f'<div class="bar"><i style="width:{width:.1f}%;background:var(--{color})"></i></div>'


def _wave(envelope: Sequence[float], width: float, height: float) -> str:
    """Path of a mirrored envelope."""
    steps = len(envelope)
    x = [(i + 0.5) * width / steps for i in range(steps)]
    half = [max(0.92 * level, 0.03) * height / 2 for level in envelope]
    top = [f"{a:.1f} {height / 2 - b:.1f}" for a, b in zip(x, half, strict=True)]
    bottom = [f"{a:.1f} {height / 2 + b:.1f}" for a, b in zip(x, half, strict=True)]
    return f'<path class="wave" d="M{"L".join([*top, *bottom[::-1]])}Z"/>'


def timeline(envelope: Sequence[float]) -> str:
    """Draw how loud a track is as it goes on."""
    return (
        '<svg class="hero-wave" viewBox="0 0 960 64" preserveAspectRatio="none" '
        f'aria-hidden="true">{_wave(envelope, 960, 64)}</svg>'
    )


def ribbon(
    seconds: float,
    start: float,
    length: float,
    *,
    envelope: Sequence[float] = (),
    curve: Sequence[float] = (),
    windows: Sequence[float] = (),
) -> str:
    """Draw a track from its beginning to its end, with the passage that matches.

    Parameters
    ----------
    seconds : float > 0
        Length of the track.
    start, length : float
        The passage (s).
    envelope : sequence of float
        Its loudness as it goes on, drawn as a wave.
    curve, windows : sequence of float
        How alike each moment is, drawn as heat, and when each moment starts (s).
    """
    scale = 600 / max(seconds, 1e-9)
    out = []
    if curve:
        # The scale is the track's own: what is shown is where it is more alike, and where less.
        low, high = min(curve), max(curve)
        ends = [*windows[1:], seconds]
        for value, begin, end in zip(curve, windows, ends, strict=True):
            strength = 0.06 + 0.34 * (value - low) / ((high - low) or 1)
            out.append(
                f'<rect class="heat" x="{begin * scale:.1f}" width="{(end - begin) * scale:.1f}" '
                f'y="0" height="34" opacity="{strength:.2f}"/>'
            )
    if envelope:
        out.append(_wave(envelope, 600, 34))
    end = min(start + length, seconds)
    out.append(
        f'<rect class="found" x="{start * scale + 1:.1f}" y="1" '
        f'width="{max((end - start) * scale - 2, 2):.1f}" height="32" rx="4"/>'
    )
    return (
        '<svg viewBox="0 0 600 34" preserveAspectRatio="none" role="img" '
        f'aria-label="matching passage">{"".join(out)}</svg>'
    )


def map_plot(neighbors: Sequence[Neighbor]) -> str:
    """Draw a release amid its nearest tracks, with their artists; the release is the star."""
    points = [(0.0, 0.0), *(neighbor.position for neighbor in neighbors)]
    low_x, high_x = min(x for x, _ in points), max(x for x, _ in points)
    low_y, high_y = min(y for _, y in points), max(y for _, y in points)
    # One scale for both axes: distances are what the map is about.
    scale = min(
        (_WIDTH - 2 * _MARGIN) / max(high_x - low_x, 1e-6),
        (_HEIGHT - 2 * _MARGIN) / max(high_y - low_y, 1e-6),
    )
    left = (_WIDTH - scale * (high_x - low_x)) / 2
    top = (_HEIGHT - scale * (high_y - low_y)) / 2
    places = [(left + scale * (x - low_x), top + scale * (high_y - y)) for x, y in points]
    (here_x, here_y), others = places[0], places[1:]
    out = [
        f'<path class="link" d="M{here_x:.1f} {here_y:.1f}L{x:.1f} {y:.1f}"/>' for x, y in others
    ]
    by_artist: dict[str, list[tuple[float, float]]] = {}
    for neighbor, (x, y) in zip(neighbors, others, strict=True):
        told = f"{neighbor.rank}. {neighbor.title or neighbor.path} – {neighbor.artist or '?'}"
        kind = "own" if neighbor.same_artist else "other"
        out.append(
            f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{shown(told)}</title>'
            "</circle>"
        )
        by_artist.setdefault(neighbor.artist or "", []).append((x, y))
    taken = [(here_x, here_y, 14.0), (here_x, here_y + 9, 14.0)]  # the star stays free
    for artist, spots in by_artist.items():
        name = artist if len(artist) <= _LETTERS else artist[: _LETTERS - 1] + "…"
        x, y = _room(name, spots, taken)
        out.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{shown(name)}</text>')
    out.append(f'<path class="here" d="{_star(here_x, here_y, 11)}"/>')
    return (
        f'<svg class="map" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="map of the nearest tracks">{"".join(out)}</svg>'
    )


def _room(
    name: str, spots: Sequence[tuple[float, float]], taken: list[tuple[float, float, float]]
) -> tuple[float, float]:
    """Find a place for a name below its points, or else above, that no other name has."""
    half = len(name) * _LETTER / 2
    x = sum(x for x, _ in spots) / len(spots)
    x = min(max(x, half), _WIDTH - half)
    low, high = max(y for _, y in spots) + _LINE + 5, min(y for _, y in spots) - 11

    def free(y: float) -> bool:
        inside = _LINE <= y <= _HEIGHT - 4
        return inside and all(
            abs(y - other_y) >= _LINE or abs(x - other_x) >= half + other_half
            for other_x, other_y, other_half in taken
        )

    tries = (y for k in range(12) for y in (low + k * _LINE, high - k * _LINE))
    y = next(filter(free, tries), low)
    taken.append((x, y, half))
    return x, y


def _star(x: float, y: float, radius: float) -> str:
    corners = []
    for i in range(10):
        r = radius if i % 2 == 0 else radius * 0.45
        angle = math.pi * (i / 5 - 0.5)
        corners.append(f"{x + r * math.cos(angle):.1f} {y + r * math.sin(angle):.1f}")
    return f"M{'L'.join(corners)}Z"
