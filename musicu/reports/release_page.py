"""The report as one page of HTML that carries all it needs."""

from __future__ import annotations

import os
from urllib.parse import quote

from musicu.release.results import Release, ReleaseReport
from musicu.reports.release_sections import (
    TRUST,
    Link,
    card,
    pill,
    points,
    release_section,
    title_of,
)
from musicu.reports.release_style import SCRIPT, STYLE
from musicu.reports.theme import count, document, shown

__all__ = ["render_page"]


def render_page(report: ReleaseReport, *, folder: str | os.PathLike[str] | None = None) -> str:
    """Render a report as HTML.

    Parameters
    ----------
    report : ReleaseReport
        What to show.
    folder : str, path-like or None
        Folder in which the page will lie: audio is played from where it is, seen from there. None
        makes a page without players.

    Returns
    -------
    str
        One document without references to anything but the audio files.
    """
    link = _no_link if folder is None else _linker(os.path.abspath(os.fspath(folder)))
    alone = len(report.releases) == 1
    title = f"{report.releases[0].title} – release report" if alone else "Release report"
    body = [
        _head(report),
        "" if alone else _summary(report),
        *(
            release_section(release, number, link, alone=alone)
            for number, release in enumerate(report.releases)
        ),
        _skipped(report),
        _foot(report),
    ]
    script = f"\n<script>{SCRIPT}</script>" if folder is not None else ""
    main = "\n".join(filter(None, body))
    return document(title, style=STYLE, body=f"<main>\n{main}\n</main>{script}")


def _no_link(path: str) -> str | None:
    return None


def _linker(folder: str) -> Link:
    """Return what turns a path into a link from the report's folder; None where there is none."""

    def link(path: str) -> str | None:
        if not os.path.exists(path):
            return None
        try:
            relative = os.path.relpath(os.path.realpath(path), os.path.realpath(folder))
        except ValueError:  # another drive
            return None
        return quote(os.fsencode(relative.replace(os.sep, "/")))

    return link


def _head(report: ReleaseReport) -> str:
    """Say what was compared with what; a report on several releases has a title of its own."""
    told = [
        f"Compared with {count(report.tracks, 'track')} of {os.path.basename(report.catalog)}",
        f"heard by {report.model}",
        report.created[:10],
    ]
    line = shown(" · ".join(told))
    if report.skipped:
        line += f' · <a href="#skipped">{len(report.skipped):,} not used</a>'
    title = ""
    if len(report.releases) > 1:
        names = dict.fromkeys(r.metadata.artist for r in report.releases if r.metadata.artist)
        by = ", ".join(list(names)[:4]) + (" and others" if len(names) > 4 else "")
        title = f"<h1>{count(len(report.releases), 'new release')}</h1>"
        title += f'<p class="by">{shown(by)}</p>' if by else ""
    return (
        f'<header><div class="eyebrow">Release report</div>{title}'
        f'<p class="soft small gap">{line}</p></header>'
    )


def _summary(report: ReleaseReport) -> str:
    rows = "".join(_row(release, number) for number, release in enumerate(report.releases))
    head = "<th>Release</th><th>Nearest track</th><th>Artists like it</th><th>Confidence</th>"
    return (
        '<section class="card summary"><table class="stack"><thead><tr>'
        f'{head}<th class="r">Metadata</th></tr></thead><tbody>{rows}</tbody></table></section>'
    )


def _row(release: Release, number: int) -> str:
    nearest = "–"
    if release.neighbors:
        near = release.neighbors[0]
        by = f" · {shown(near.artist)}" if near.artist else ""
        nearest = f'{shown(title_of(near))} <span class="soft num">{points(near)}{by}</span>'
    artists = ", ".join(found.artist for found in release.artists[:3]) or "–"
    faults = [finding for finding in release.findings if finding.severity != "info"]
    worst = "bad" if any(finding.severity == "error" for finding in faults) else "warn"
    told = pill(f"{len(faults)} to check", worst) if faults else pill("complete", "good")
    return (
        f'<tr><td><a href="#release-{number}"><b>{shown(release.title)}</b></a><br>'
        f'<span class="soft small">{shown(release.metadata.artist or "no artist")}</span></td>'
        f'<td data-name="Nearest">{nearest}</td>'
        f'<td data-name="Like">{shown(artists)}</td>'
        f'<td data-name="Confidence">'
        f"{pill(release.confidence.level, TRUST[release.confidence.level])}</td>"
        f'<td class="r" data-name="Metadata">{told}</td></tr>'
    )


def _skipped(report: ReleaseReport) -> str:
    rows = [
        f"<li><b>{shown(os.path.basename(skipped.path) or skipped.path)}</b> "
        f'<span class="soft">– {shown(skipped.reason)}</span></li>'
        for skipped in report.skipped
    ]
    rows += [f"<li>{shown(note)}</li>" for note in report.notes]
    if not rows:
        return ""
    title = "Not used" if report.skipped else "Good to know"
    inside = f'<ul class="plain small">{"".join(rows)}</ul>'
    return f'<div class="release" id="skipped">{card(title, inside)}</div>'


def _foot(report: ReleaseReport) -> str:
    return (
        "<footer><p>How to read it: a score is the weighted mean of how alike sound and metadata "
        "are, over what both tracks have; what is missing takes no part. Nothing here knows how "
        "popular music is, nor what is sung.</p>"
        f"<p>{shown(report.catalog)} · {shown(report.model)} · {shown(report.created)}</p></footer>"
    )
