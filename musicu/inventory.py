"""What a catalog holds, what it could not use, and whether all of it is whole."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import numpy as np

from musicu.index import Index
from musicu.store import Store

__all__ = ["CatalogInfo", "Problem", "find_damage", "list_problems", "take_stock"]


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


def take_stock(store: Store) -> CatalogInfo:
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


def find_damage(store: Store) -> list[str]:
    """Check the file, every vector, and the matrix beside it; return what is wrong."""
    try:
        return _damage(store)
    except sqlite3.DatabaseError as error:  # so damaged that it cannot even be read
        return [f"SQLite: {error}"]


def _damage(store: Store) -> list[str]:
    db = store.db
    wrong = [
        f"SQLite: {message}"
        for (message,) in db.execute("PRAGMA integrity_check")
        if message != "ok"
    ]
    wrong += [
        f"SQLite: broken reference in {row[0]}" for row in db.execute("PRAGMA foreign_key_check")
    ]
    for model in store.models():
        stored = db.execute(
            "SELECT t.id, v.vector FROM vectors v JOIN tracks t ON t.track = v.track"
            " WHERE v.model = ? ORDER BY v.track",
            (model.row,),
        ).fetchall()
        bad = [id for id, blob in stored if not _is_unit(blob, model.dim)]
        wrong += [f"{id}: not a unit vector of {model.name}" for id in bad]
        if not bad:
            index = Index.open(store, model)
            wrong += [
                f"{id}: the matrix beside the catalog differs; delete *.npy there"
                for at, (id, blob) in enumerate(stored)
                if index.matrix[at].tobytes() != blob
            ]
    without = db.execute(
        "SELECT count(*) FROM tracks WHERE track NOT IN (SELECT track FROM vectors)"
    ).fetchone()[0]
    if without:
        wrong.append(f"{without} tracks have no vector: run 'musicu embed'")
    return wrong


def _is_unit(blob: bytes, dim: int) -> bool:
    vector = np.frombuffer(blob, dtype="<f4") if len(blob) == 4 * dim else np.zeros(1)
    return bool(abs(np.linalg.norm(vector) - 1.0) < 1e-3)
