"""The figure of an evaluation of encoders."""

from __future__ import annotations

from musicu.evaluation.encoders.evaluate import Evaluation
from musicu.reports.svg import Dot, Panel, dot_plot

__all__ = ["encoder_figure"]


def encoder_figure(evaluation: Evaluation) -> str:
    """Draw all metrics of an evaluation as an SVG document, a panel each.

    Parameters
    ----------
    evaluation : Evaluation

    Returns
    -------
    str
    """
    panels = []
    whole = [score for score in evaluation.scores if not score.group]
    for metric in dict.fromkeys(score.metric for score in whole):
        scores = [score for score in whole if score.metric == metric]
        note = f"{scores[0].queries:,} queries by {scores[0].clusters:,} artists"
        if scores[0].better == "lower":
            note = "lower is better"
        dots = tuple(Dot(score.value, score.low, score.high) for score in scores)
        panels.append(Panel(metric, note, dots))
    artists = f"{evaluation.clips:,} clips by {evaluation.artists:,} artists"
    labels = [system["label"] for system in evaluation.systems]
    return dot_plot(panels, labels, title=f"{artists}, 95 % intervals over artists")
