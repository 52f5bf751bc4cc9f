"""The figure of an evaluation on collections left out: one grid, figures by systems."""

from __future__ import annotations

from musicu.evaluation.encoders.left_out import LeftOut
from musicu.evaluation.scores import MARKS
from musicu.reports.svg import Cell, grid_plot

__all__ = ["left_out_figure"]

_FULL = 0.15  # difference at which a cell has all its color


def left_out_figure(results: LeftOut) -> str:
    """Draw all figures of all collections as an SVG document.

    A cell is green where the system is above the best of those it is compared with, red where it
    is below, the more the farther; in bold where the interval of the paired difference is without
    0. Figures that do not count, of a collection that was heard, are gray and in brackets.

    Parameters
    ----------
    results : LeftOut

    Returns
    -------
    str
    """
    groups = []
    for name, one in results.evaluations.items():
        rows = []
        for metric in dict.fromkeys(score.metric for score in one.scores):
            cells = [_cell(results, name, label, metric) for label in results.labels]
            rows.append((metric, cells))
        groups.append((f"{name}: {one.clips:,} clips by {one.artists:,} artists", rows))
    means = [
        (metric, [_mean(results, label, metric) for label in results.labels])
        for metric in results.metrics
    ]
    groups.append(("mean over collections left out", means))
    best = " or ".join(results.against) or "all"
    note = (
        f"green: above the best of {best}; bold: clearly; in brackets: heard, or not known whether"
    )
    title = "Collections left out of training"
    return grid_plot(groups, results.labels, title=title, note=note)


def _cell(results: LeftOut, collection: str, label: str, metric: str) -> Cell:
    score = results.score(collection, label, metric)
    if score is None:
        return Cell("")
    told = f"{label}, {collection}, {metric}: {score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"
    state = results.hearing[label][collection].state
    if state != "unseen":
        known = "heard" if state == "heard" else "not known whether heard"
        return Cell(f"({score.value:.2f})", f"{told}; {known}", quiet=True)
    if (versus := score.comparison) is None:
        return Cell(f"{score.value:.3f}", told)
    told += (
        f"; {versus.difference:+.3f} [{versus.low:+.3f}, {versus.high:+.3f}] to {versus.against}"
    )
    sign = 1 if score.better == "higher" else -1
    tint = sign * versus.difference / _FULL
    return Cell(f"{score.value:.3f}", told, tint=tint, bold=versus.verdict in MARKS)


def _mean(results: LeftOut, label: str, metric: str) -> Cell:
    value, count, of = results.mean(label, metric)
    if value is None:
        return Cell("")
    return Cell(
        f"{value:.3f}", f"{label}, {metric}: mean of {count} of {of} collections", quiet=count < of
    )
