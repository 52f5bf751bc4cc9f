"""A report on the quality of a collection's data: duplicates, contradictions, gaps and leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from musicu.items import quality_checks as checks
from musicu.items.item import Items
from musicu.items.quality_checks import Finding, by_severity
from musicu.items.versions import same_audio, same_recordings, versions

__all__ = ["Finding", "QualityReport", "inspect_items", "versions"]

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What :func:`inspect_items` found.

    Parameters
    ----------
    count : int
        Items that were looked at.
    findings : tuple of Finding
        Errors first, then warnings, then the rest.
    """

    count: int
    findings: tuple[Finding, ...]

    @property
    def kinds(self) -> dict[str, int]:
        """How many findings there are of each kind."""
        return dict(Counter(finding.kind for finding in self.findings))

    def of(self, kind: str) -> tuple[Finding, ...]:
        """Return the findings of a kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a finding for a table: severity, kind, items (how many), examples, text."""
        return [
            {
                "severity": finding.severity,
                "kind": finding.kind,
                "items": len(finding.ids),
                "examples": " ".join(finding.ids[:_EXAMPLES]),
                "text": finding.text,
            }
            for finding in self.findings
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types."""
        found = [
            {"kind": one.kind, "severity": one.severity, "ids": list(one.ids), "text": one.text}
            for one in self.findings
        ]
        return {"count": self.count, "kinds": self.kinds, "findings": found}


def inspect_items(items: Items, *, split: Mapping[str, str] | None = None) -> QualityReport:
    """Look for duplicates, contradictions, strange values, gaps, and leaks between splits.

    Nothing is changed or deleted. Of 55,000 items with embeddings it takes some seconds.

    Parameters
    ----------
    items : Items
    split : mapping of str to str, optional
        The part of a trial each id belongs to ("train", "test"); items it does not name are in
        none, and ids of no item count for nothing. Then the report tells what stands on more than
        one side: the same artist, album, song, or audio.

    Returns
    -------
    QualityReport
        Kinds: "same audio", "same recording", "versions" (one finding a group); "years disagree",
        "tempos disagree", "keys disagree", "isrc of several artists"; "artist spellings", "label
        spellings", "genre spellings"; "strange year", "album of several years", "strange bpm";
        "doubtful letters", "guessed from the path";
        "missing" (one finding a field); "leak" (one finding for each of the four).

    Raises
    ------
    MetadataError
        The split names no item, or one part only.
    """
    audio, recordings = same_audio(items), same_recordings(items)
    songs = versions(items, audio=audio)
    found = (
        *checks.duplicates(items, audio, recordings, songs),
        *checks.contradictions(items),
        *checks.doubtful(items),
        *checks.shared_codes(items),
        *checks.spellings(items),
        *checks.album_years(items),
        *checks.gaps(items),
        *(checks.leaks(items, split, audio, songs) if split is not None else ()),
    )
    return QualityReport(len(items), by_severity(found))
