"""What a release report holds: frozen records that become JSON and rows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from musicu.items.quality_checks import Finding
from musicu.metadata.fields import Metadata
from musicu.recommend.results import Audience
from musicu.release.neighbors import Duplicate, Neighbor, SimilarArtist
from musicu.release.novelty import Confidence, Unusualness
from musicu.release.playlist_fit import PlaylistFit

__all__ = ["HeardTag", "Release", "ReleaseReport", "Skipped"]

_FORMAT = 1
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


@dataclass(frozen=True)
class HeardTag:
    """A word that the model says of a release: its kind, and its probability in [0, 1]."""

    name: str
    kind: str
    probability: float


@dataclass(frozen=True)
class Skipped:
    """A file, playlist or row of the sheet that was not used, and why."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Release:
    """All that the report says of one track.

    Attributes
    ----------
    path, id : str
        The file, and the identity of its audio.
    metadata : Metadata
        Its tags, with the sheet's row over them.
    seconds, codec, sr, channels, problem
        See :class:`musicu.workers.analyze_file.Analysis`.
    descriptors : dict
        See :class:`musicu.Descriptors`.
    heard : tuple of HeardTag
        The model's tags that reach their thresholds, the most probable first.
    neighbors : tuple of Neighbor
        The nearest catalog tracks.
    artists : tuple of SimilarArtist
        The nearest artists, its own left out.
    playlists : tuple of PlaylistFit
        The best first.
    doubles : tuple of Duplicate
        What may be the release itself.
    audience : Audience or None
        Whom it fits; None without a recommender.
    unusual : Unusualness or None
        How far it lies from the catalog's music.
    confidence : Confidence
        How far all this can be trusted.
    findings : tuple of Finding
        What to mend.
    envelope : tuple of float in [0, 1]
        How loud it is in equal stretches of its length, relative to the loudest.
    windows : tuple of float
        Start (s) of each window that the neighbors' curves speak of.
    """

    path: str
    id: str
    metadata: Metadata
    seconds: float
    codec: str
    sr: int
    channels: int
    problem: str | None
    descriptors: dict[str, Any]
    heard: tuple[HeardTag, ...]
    neighbors: tuple[Neighbor, ...]
    artists: tuple[SimilarArtist, ...]
    playlists: tuple[PlaylistFit, ...]
    doubles: tuple[Duplicate, ...]
    audience: Audience | None
    unusual: Unusualness | None
    confidence: Confidence
    findings: tuple[Finding, ...]
    envelope: tuple[float, ...]
    windows: tuple[float, ...]

    @property
    def title(self) -> str:
        """Its title, or its file's name without one."""
        return self.metadata.title or os.path.basename(self.path)


@dataclass(frozen=True, kw_only=True)
class ReleaseReport:
    """What new releases are like in a catalog.

    Attributes
    ----------
    catalog : str
        The catalog's file.
    model : str
        Id and version of the model that heard everything.
    tracks : int
        Tracks of the catalog.
    created : str
        When, in UTC (ISO 8601).
    weights : dict of str to float
        Weight of the audio and of each field of metadata, where both sides have it.
    releases : tuple of Release
        In the order of their paths.
    skipped : tuple of Skipped
        What could not be used.
    notes : tuple of str
        What there is to know of the catalog.
    """

    catalog: str
    model: str
    tracks: int
    created: str
    weights: dict[str, float]
    releases: tuple[Release, ...]
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        told = asdict(self)
        for release, entry in zip(self.releases, told["releases"], strict=True):
            entry["metadata"] = release.metadata.to_dict()
            entry["findings"] = [
                {"level": _LEVELS[one.severity], "field": one.field, "text": one.text}
                for one in release.findings
            ]
        return {"format": _FORMAT, **told}

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a release and neighbor; a release without neighbors has one row."""
        fields = list(self.weights)
        return [
            _row(release, neighbor, fields)
            for release in self.releases
            for neighbor in release.neighbors or (None,)
        ]


def _row(release: Release, near: Neighbor | None, fields: Sequence[str]) -> dict[str, Any]:
    about, passage = release.metadata, near.passage if near else None
    unusual = release.unusual
    return {
        "release_path": release.path,
        "release_artist": about.artist,
        "release_title": about.title,
        "release_isrc": about.isrc,
        "confidence": release.confidence.level,
        "percentile": unusual.percentile if unusual else None,
        "rank": near.rank if near else None,
        "score": near.score if near else None,
        "id": near.id if near else None,
        "artist": near.artist if near else None,
        "title": near.title if near else None,
        "path": near.path if near else None,
        "same_artist": near.same_artist if near else None,
        "shared": "; ".join(near.shared) if near else None,
        "release_start": passage.start if passage else None,
        "start": passage.other if passage else None,
        "passage_similarity": passage.similarity if passage else None,
        **{f"from_{name}": near.contributions.get(name, 0.0) if near else None for name in fields},
    }
