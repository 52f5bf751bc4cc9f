"""What a catalog holds, and what it could not use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from musicu.catalog.store import Store

__all__ = ["CatalogInfo", "Problem", "catalog_info", "list_problems"]


# Files whose track is known from before, but which could not be analyzed when last looked at.
_FAILED_ANEW = "SELECT count(*) FROM files WHERE kind = 'audio' AND cause IS NOT NULL"


@dataclass(frozen=True)
class Problem:
    """A file with a flaw: its path, the kind (``error``, ``partial``, ``skipped``), the reason."""

    path: str
    kind: str
    reason: str


@dataclass(frozen=True)
class CatalogInfo:
    """What a catalog holds.

    Attributes
    ----------
    path : str
        The file.
    bytes : int
        Its size.
    tracks, files, hours
        Tracks that can be ranked, files they lie in, and their length together.
    copies : int
        Files beyond the first of a track.
    partial, errors, skipped, missing : int
        Files readable in part, not usable, passed over, and gone from the disk.
    model, model_sha256 : str or None
        The current model, id and version, and the hash of its weights.
    outdated : int
        Tracks without a vector of the current model.
    described : int
        Tracks with descriptors.
    folders : tuple of str
        Folders that were added.
    """

    path: str
    bytes: int
    tracks: int
    files: int
    hours: float
    copies: int
    partial: int
    errors: int
    skipped: int
    missing: int
    model: str | None
    model_sha256: str | None
    outdated: int
    described: int
    folders: tuple[str, ...]


def catalog_info(store: Store) -> CatalogInfo:
    """Count what is stored."""

    def one(statement: str, *values: Any) -> int:
        return int(store.db.execute(statement, values).fetchone()[0])

    current = store.current_model()
    tracks, seconds, described = store.db.execute(
        "SELECT count(*), total(seconds), count(descriptors) FROM tracks"
        " WHERE track IN (SELECT track FROM files WHERE NOT missing)"
    ).fetchone()
    kinds = dict(
        store.db.execute("SELECT kind, count(*) FROM files WHERE NOT missing GROUP BY kind")
    )
    files = kinds.get("audio", 0)
    with_vector = one("SELECT count(*) FROM vectors WHERE model = ?", current.row if current else 0)
    return CatalogInfo(
        path=str(store.path),
        bytes=store.path.stat().st_size,
        tracks=tracks,
        files=files,
        hours=round(seconds / 3600, 3),
        copies=files - tracks,
        partial=one("SELECT count(*) FROM files WHERE problem IS NOT NULL AND NOT missing"),
        errors=kinds.get("error", 0) + one(_FAILED_ANEW),
        skipped=kinds.get("skipped", 0),
        missing=one("SELECT count(*) FROM files WHERE missing"),
        model=current.name if current else None,
        model_sha256=current.sha256 if current else None,
        outdated=one("SELECT count(*) FROM tracks") - with_vector,
        described=described,
        folders=tuple(store.roots()),
    )


def list_problems(store: Store, kinds: tuple[str, ...]) -> list[Problem]:
    """List files that could not be used, or only in part, or were passed over, with reasons."""
    rows = store.db.execute(
        "SELECT path, CASE WHEN kind != 'audio' THEN kind WHEN cause IS NOT NULL THEN 'error'"
        # A reason without a cause is that of tags that could not be read.
        " ELSE 'partial' END AS what, CASE WHEN cause IS NULL THEN coalesce(problem, reason)"
        " ELSE reason END FROM files"
        " WHERE kind != 'audio' OR reason IS NOT NULL OR problem IS NOT NULL ORDER BY what, path"
    )
    return [Problem(*row) for row in rows if row[1] in kinds]
