"""What the page says of one release, section by section."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from html import escape

from musicu.items.quality_checks import Finding
from musicu.recommend.results import AudienceMatch
from musicu.release.checks import CLEAR_KEY
from musicu.release.neighbors import Neighbor
from musicu.release.playlist_fit import PlaylistFit
from musicu.release.results import Release
from musicu.reports.release_charts import (
    map_plot,
    meter_bar,
    parts_list,
    ribbon,
    score_bar,
    timeline,
)
from musicu.reports.rounding import rounded_shares
from musicu.reports.theme import count, shown

__all__ = [
    "TRUST",
    "Link",
    "card",
    "clock",
    "pill",
    "points",
    "release_section",
    "title_of",
]

Link = Callable[[str], str | None]

_SEVERITIES = {"error": ("Mend", "bad"), "warning": ("Check", "warn"), "info": ("Note", "")}
TRUST = {"high": "good", "medium": "warn", "low": "bad"}
_OPEN = 3  # neighbors whose reasons are shown without a click
_VERDICTS = {"fits": "good", "at the edge": "warn", "does not fit": ""}
_DOUBLES = {"same audio": "bad", "same recording": "bad", "same sound": "warn", "version": ""}
_HEARD = (
    ("Style", ("genre",)),
    ("Mood", ("mood",)),
    ("Voice and instruments", ("voice", "instrument")),
    ("Era", ("era",)),
)
_MOST_HEARD = 6
_PLAYLISTS, _NO_PLAYLISTS = 12, 3  # shown if some fit, and if none does


def release_section(release: Release, number: int, link: Link, *, alone: bool) -> str:
    """Say all there is to say of one release.

    Parameters
    ----------
    release : Release
        Which.
    number : int
        Its place in the report.
    link : callable
        From a path to what the page plays it by, or None.
    alone : bool
        Whether the report is on this release alone: then its title is the page's.
    """
    about = release.metadata
    facts = [about.album, about.label, about.date or about.year, about.isrc, *about.genres]
    chips = "".join(f'<span class="chip">{shown(str(fact))}</span>' for fact in facts if fact)
    player = _play(link, release.path, 0.0, 0.0, clock(release.seconds))
    heading = "h1" if alone else "h2"
    wave = f'<div class="card wide">{timeline(release.envelope)}</div>' if release.envelope else ""
    return (
        f'<article class="release{" alone" if alone else ""}" id="release-{number}"><header><div>'
        f"<{heading}>{shown(release.title)}</{heading}>"
        f'<p class="by">{shown(about.artist or "no artist")}</p>'
        f'<div class="chips gap">{chips}</div></div><div>{player}</div></header>'
        + wave
        + _tiles(release)
        + _doubles(release)
        + _findings(release.findings)
        + _neighbors(release, link)
        + _pair(_map(release), _artists(release))
        + _playlists(release.playlists)
        + _pair(_heard(release), _audience(release))
        + "</article>"
    )


def _pair(*cards: str) -> str:
    there = "".join(cards)
    return f'<div class="pair">{there}</div>' if there else ""


def clock(seconds: float) -> str:
    """Write seconds as minutes and seconds: ``3:07``."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    clock = f"{rest // 60}:{rest % 60:02}"
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else clock


def pill(text: str, kind: str = "") -> str:
    """Write a word in a colored pill: ``good``, ``warn``, ``bad``, or none of these."""
    return f'<span class="pill {kind}">{shown(text)}</span>'


def card(title: str, *inside: str, note: str = "") -> str:
    """Put something under a title, with a line on how to read it."""
    more = f'<p class="soft small note">{note}</p>' if note else ""
    return f'<section class="card"><h3>{title}</h3>{more}{"".join(inside)}</section>'


def _play(link: Link, path: str, start: float, end: float, text: str) -> str:
    source = link(path)
    if source is None:
        return f'<span class="soft num">{text}</span>'
    return (
        f'<button type="button" class="play" data-src="{escape(source)}" data-start="{start:.2f}" '
        f'data-end="{end:.2f}">{text}</button>'
    )


def _tile(value: str, name: str, more: str = "") -> str:
    return f'<div class="tile"><b class="num">{value}</b><span>{shown(name)}</span>{more}</div>'


def _tiles(release: Release) -> str:
    told = release.descriptors
    tiles = []
    if told.get("tempo"):
        others = " or ".join(f"{bpm:.0f}" for bpm, _ in told["tempo_candidates"][1:3])
        name = f"Tempo; could be read as {others}" if others else "Tempo"
        tiles.append(_tile(f"{told['tempo']:.0f} BPM", name))
    if told.get("key"):
        sure = "clear" if told["key_confidence"] >= CLEAR_KEY else "not clear"
        tiles.append(_tile(shown(told["key"]), f"Key, {sure}"))
    if told.get("loudness") is not None:
        spread = told.get("loudness_range")
        name = "Loudness" + (f", range {spread:.1f} LU" if spread is not None else "")
        tiles.append(_tile(f"{told['loudness']:.1f} LUFS", name))
    if release.unusual:
        words, _, share = release.unusual.words.partition(": ")
        scale = f'<div class="scale"><i style="left:{release.unusual.percentile:.1f}%"></i></div>'
        tiles.append(_tile(shown(words[0].upper() + words[1:]), share, scale))
    trust = release.confidence
    reasons = "; ".join(trust.reasons) or "enough to hear, and enough to compare with"
    tiles.append(_tile(pill(f"{trust.level} confidence", TRUST[trust.level]), reasons))
    return f'<div class="tiles">{"".join(tiles)}</div>'


def _doubles(release: Release) -> str:
    if not release.doubles:
        return ""
    rows = "".join(
        f"<li>{pill(double.kind, _DOUBLES[double.kind])} {shown(double.name)} "
        f'<span class="soft">– {shown(double.words)}</span></li>'
        for double in release.doubles
    )
    return card("In the catalog already?", f'<ul class="plain">{rows}</ul>')


def _findings(findings: Iterable[Finding]) -> str:
    rows = "".join(
        f'<li><div class="finding">{pill(*_SEVERITIES[f.severity])}'
        f"<span>{shown(f.text)}</span></div></li>"
        for f in findings
    )
    return card("Before it goes out", f'<ul class="plain">{rows}</ul>') if rows else ""


def title_of(near: Neighbor) -> str:
    """Return a track's title, or its file's name without one."""
    return near.title or os.path.basename(near.path)


def points(near: Neighbor) -> str:
    """Write the score as the sum of its rounded parts: what is shown adds up."""
    return f"{sum(rounded_shares(near.contributions).values()) / 10:.1f}"


def _neighbors(release: Release, link: Link) -> str:
    if not release.neighbors:
        return ""
    rows = "".join(_neighbor(release, near, link) for near in release.neighbors)
    return card(
        "Nearest in the catalog",
        rows,
        note="Scores are of 100; each is the sum of what sound and metadata add to it.",
    )


def _neighbor(release: Release, near: Neighbor, link: Link) -> str:
    artist = shown(near.artist or "no artist")
    album = f" · {shown(near.album)}" if near.album else ""
    shared = "".join(f'<span class="chip">{shown(words)}</span>' for words in near.shared)
    why = [f'<div class="parts">{parts_list(near.contributions)}</div>']
    if shared:
        why.append(f'<div class="chips">{shared}</div>')
    if near.passage:
        why.append(_lanes(release, near, link))
    return (
        f'<details class="near"{" open" if near.rank <= _OPEN else ""}><summary>'
        f'<span class="rank num">{near.rank}</span>'
        f'<span class="name"><b>{shown(title_of(near))}</b>'
        f'<br><span class="soft small">{artist}{album}</span></span>'
        f'{score_bar(near.contributions)}<span class="score num">{points(near)}</span></summary>'
        f'<div class="why">{"".join(why)}</div></details>'
    )


def _lanes(release: Release, near: Neighbor, link: Link) -> str:
    """Draw the passage that matches best, in the release and in the other track."""
    found = near.passage
    assert found is not None
    lanes = []
    for name, path, seconds, start, drawn in (
        ("This release", release.path, release.seconds, found.start, True),
        ("That track", near.path, near.seconds, found.other, False),
    ):
        end = min(start + found.seconds, seconds)
        picture = ribbon(
            seconds,
            start,
            found.seconds,
            envelope=release.envelope if drawn else near.envelope,
            curve=near.curve if drawn else (),
            windows=release.windows if drawn else (),
        )
        button = _play(link, path, start, end, f"{clock(start)} – {clock(end)}")
        lanes.append(f'<div class="lane"><span class="soft">{name}</span>{picture}{button}</div>')
    likeness = f"{100 * found.similarity:.0f} of 100"
    told = f"These seconds are most alike, {likeness}; the bluer, the more alike."
    return f'<div class="soft small">{told}</div>{"".join(lanes)}'


def _map(release: Release) -> str:
    if len(release.neighbors) < 2:
        return ""
    own = any(near.same_artist for near in release.neighbors)
    return card(
        "Map",
        map_plot(release.neighbors),
        note="The star is the release; around it are its nearest tracks"
        + (", its own artist's in violet." if own else "."),
    )


def _artists(release: Release) -> str:
    if not release.artists:
        return ""
    rows = "".join(
        f'<span><b>{shown(found.artist)}</b> <span class="soft small">'
        f"{shown(', '.join(found.nearest))}</span></span>{meter_bar(found.score, 'artists')}"
        f'<span class="num">{100 * found.score:.0f}</span>'
        for found in release.artists
    )
    return card(
        "Artists like it",
        f'<div class="meter wide">{rows}</div>',
        note="By their nearest tracks; the release's own artists are left out.",
    )


def _playlists(fits: Sequence[PlaylistFit]) -> str:
    if not fits:
        return ""
    fitting = [found for found in fits if found.fit.verdict != "does not fit"]
    listed = fitting[:_PLAYLISTS] or fits[:_NO_PLAYLISTS]
    rows = "".join(
        f"<tr><td><b>{shown(found.name)}</b><br>"
        f'<span class="soft small">{found.known} of {found.tracks} tracks known</span></td>'
        f"<td>{pill(found.fit.verdict, _VERDICTS[found.fit.verdict])}"
        + (" " + pill("in it already") if found.contains else "")
        + f'</td><td data-name="Nearness" class="num">{100 * found.fit.closeness:.0f} '
        f'<span class="soft">· its own {100 * found.fit.coherence:.0f}</span></td>'
        f"<td>{_place(found)}</td></tr>"
        for found in listed
    )
    head = "<th>Playlist</th><th>Verdict</th><th>Nearness</th><th>Where it would stand</th>"
    left = len(fits) - len(listed)
    more = (
        f'<p class="soft small gap">{count(left, "other playlist")} fit less.</p>' if left else ""
    )
    return card(
        "Playlists",
        f'<table class="stack"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>',
        more,
        note="A release fits if it is as near to a playlist as the playlist's own tracks are.",
    )


def _place(found: PlaylistFit) -> str:
    after = f"“{shown(found.after)}”" if found.after else ""
    before = f"“{shown(found.before)}”" if found.before else ""
    if after and before:
        return f"No. {found.fit.position}, between {after} and {before}"
    return f"First, before {before}" if before else f"Last, after {after}"


def _heard(release: Release) -> str:
    if not release.heard:
        return ""
    groups = []
    for name, kinds in _HEARD:
        said = [tag for tag in release.heard if tag.kind in kinds][:_MOST_HEARD]
        rows = "".join(
            f"<span>{shown(tag.name)}</span>{meter_bar(tag.probability)}"
            f'<span class="num">{100 * tag.probability:.0f} %</span>'
            for tag in said
        )
        if rows:
            groups.append(f'<div><h4>{name}</h4><div class="meter">{rows}</div></div>')
    return card(
        "What is heard",
        f'<div class="groups">{"".join(groups)}</div>',
        note="By the model, from the audio alone, with probabilities.",
    )


def _audience(release: Release) -> str:
    if release.audience is None:
        return ""
    groups = "".join(
        f'<div><h4>{name}</h4><div class="meter">{_fans(fans)}</div></div>'
        for name, fans in (
            ("Listeners", release.audience.listeners),
            ("Listeners of", release.audience.artists),
        )
        if fans
    )
    return card(
        "Who would listen",
        f'<div class="groups">{groups}</div>',
        note="By the recommender, from what was played.",
    )


def _fans(fans: Sequence[AudienceMatch]) -> str:
    most = max(max(fan.score for fan in fans), 1e-9)
    return "".join(
        f"<span>{shown(fan.name)}</span>{meter_bar(fan.score / most, 'label')}"
        f'<span class="num">{fan.score:.2f}</span>'
        for fan in fans
    )
