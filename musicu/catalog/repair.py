"""Mending a catalog: what is damaged is taken from a sound copy, or made anew from the files."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from musicu.catalog.checksums import CHECKSUMMED
from musicu.catalog.ingest import Progress, ingest
from musicu.catalog.integrity import Damage, list_damage
from musicu.catalog.repair_rows import restore_from_matrix, row_condition, unflip_row, unflip_vector
from musicu.catalog.salvage import salvage, salvage_note
from musicu.catalog.sound_tags import store_tags
from musicu.catalog.store import Store, StoredModel
from musicu.encoders.model import Model
from musicu.encoders.registry import list_models
from musicu.encoders.tagger import TagHead
from musicu.errors import MusicuError

__all__ = ["Repair", "repair", "repair_catalog"]

_UNFLIPPED = "one bit had changed, and is back"


@dataclass
class Repair:
    """What became of what was damaged.

    Attributes
    ----------
    mended : list of str
        A line for each thing that is sound again.
    left : list of str
        A line for each thing that is not, and what can be done.
    """

    mended: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def repair_catalog(
    store: Store, *, jobs: int = 1, progress: Callable[[Progress], None] | None = None
) -> tuple[Store, Repair]:
    """Mend what :func:`musicu.catalog.integrity.check_integrity` finds, and nothing else.

    A vector is taken from the matrix beside the catalog if it is sound there. Else the files in
    question are analyzed again. Of a file of SQLite's that is damaged itself, all rows that can be
    read go to a new one; the old one is kept, as ``NAME.damaged``.

    Parameters
    ----------
    store : Store
        The catalog.
    jobs : int >= 1
        Worker processes.
    progress : callable or None
        Called after each file that is analyzed again.

    Returns
    -------
    Store
        The catalog: opened anew if its rows had to go to a new file.
    Repair
        What was mended and what was not, with reasons.

    Raises
    ------
    CatalogError
        The catalog can only be read, or nothing of it can.
    """
    with store.change():
        pass  # raises if nothing may be written
    note = None
    if _file_is_damaged(store):
        note = f"{store.path}: its indexes were built anew"
        with suppress(sqlite3.DatabaseError):
            store.db.execute("REINDEX")  # all that most damage needs
        if _file_is_damaged(store):
            store.close()
            note = salvage_note(store.path, salvage(store.path))
            store = Store(store.path, create=False)
    done = repair(store, jobs=jobs, progress=progress)
    if note:
        done.mended.insert(0, note)
    return store, done


def _file_is_damaged(store: Store) -> bool:
    """Whether the file itself is damaged, not only what is stored in it."""
    return any(one.table == "file" for one in list_damage(store))


def repair(
    store: Store, *, jobs: int = 1, progress: Callable[[Progress], None] | None = None
) -> Repair:
    """Mend the rows of a catalog whose pages can be read; parameters as :func:`repair_catalog`."""
    done = Repair()
    found = _restore_rows(store, done)
    with store.change():
        for one in found:
            if one.table in ("meta", "models", "roots", "aliases"):
                _mend_setting(store, one, done)
    _renew_sound_tags(store, [one for one in found if one.table == "sound_tags"])
    lost = [one for one in found if one.table == "vectors"]
    lost += [one for one in found if one.table in ("tracks", "files")] + _without_vector(store)
    _analyze_again(store, lost, jobs, progress, done)
    still = {(one.table, one.key) for one in (*list_damage(store), *_without_vector(store))}
    for one in lost + [one for one in found if one.table == "sound_tags"]:
        if (way := _outcome(store, one, still)) is not None:
            done.left.append(f"{one.text}: {way}")
        elif one.table == "files":
            done.mended.append(f"{one.text}: read anew; a sheet ('embed --metadata') goes over it")
        else:
            done.mended.append(f"{one.text}: made anew")
    return done


def _restore_rows(store: Store, done: Repair) -> list[Damage]:
    """Restore what can be without any file of music; return what is left."""
    for one in list_damage(store):
        if one.table in CHECKSUMMED and unflip_row(store, one):
            done.mended.append(f"{one.text}: {_UNFLIPPED}")
    left = []
    # Whether a vector is sound depends on what is said of its model.
    for one in list_damage(store):
        if one.table == "vectors" and restore_from_matrix(store, one):
            done.mended.append(f"{one.text}: taken from the matrix beside the catalog")
        elif one.table == "vectors" and unflip_vector(store, one):
            done.mended.append(f"{one.text}: {_UNFLIPPED}")
        elif one.table == "vectors" or one.table in CHECKSUMMED:
            left.append(one)
    return left


def _without_vector(store: Store) -> list[Damage]:
    """Tracks without any vector: it lay on a page that could not be read."""
    current = store.current_model()
    rows = store.db.execute(
        "SELECT track, id FROM tracks WHERE track NOT IN (SELECT track FROM vectors)"
    )
    return [
        Damage("vectors", (current.row, track), f"track {id}: has no vector")
        for track, id in rows
        if current is not None
    ]


def _mend_setting(store: Store, one: Damage, done: Repair) -> None:
    """Mend what no file of music holds: the model's name, settings, folders, earlier ids."""
    if one.table == "models":
        (found,) = store.db.execute(
            "SELECT model, id, version, sha256, dim FROM models WHERE model = ?", one.key
        ).fetchall()
        model = _installed_like(StoredModel(*found))
        if model is None:
            done.left.append(f"{one.text}: install the model ('musicu models add FOLDER')")
            return
        store.db.execute(
            "UPDATE models SET id = ?, version = ?, sha256 = ?, dim = ? WHERE model = ?",
            (model.id, model.version, model.sha256, model.dim, *one.key),
        )
        done.mended.append(f"{one.text}: it is {model.id}@{model.version}")
        return
    where, key = row_condition(one)
    store.db.execute(f"DELETE FROM {one.table} WHERE {where}", key)
    if one.table == "meta":
        store.db.execute(
            "INSERT OR IGNORE INTO meta (key, value) VALUES ('vectors', hex(randomblob(8)))"
        )
        store.db.execute(
            "INSERT OR IGNORE INTO meta (key, value) SELECT 'model', model FROM vectors"
            " GROUP BY model ORDER BY count(*) DESC, model DESC LIMIT 1"
        )
        outcome = "made anew"
    elif one.table == "roots":
        outcome = "left out; 'musicu embed FOLDER' adds a folder"
    else:
        outcome = "left out; it does not say which track it was"
    done.mended.append(f"{one.text}: {outcome}")


def _installed_like(stored: StoredModel) -> Model | None:
    """Find the one installed model that a damaged row must be of."""
    alike = [
        model
        for model in list_models()
        if (model.id, model.version) == (stored.id, stored.version) or model.sha256 == stored.sha256
    ]
    return alike[0] if len(alike) == 1 else None


def _renew_sound_tags(store: Store, damaged: list[Damage]) -> None:
    """Compute damaged tags of vectors again, where the model is installed."""
    able = {
        stored.row: (stored, model)
        for model in list_models()
        if model.tags and (stored := store.find_model(model))
    }
    with store.change():
        store.db.executemany(
            "DELETE FROM sound_tags WHERE model = ? AND track = ?",
            [one.key for one in damaged if one.key[0] in able],
        )
    for row in {one.key[0] for one in damaged} & able.keys():
        stored, model = able[row]
        store_tags(store, stored, TagHead.load(model))


def _analyze_again(
    store: Store,
    damaged: list[Damage],
    jobs: int,
    progress: Callable[[Progress], None] | None,
    done: Repair,
) -> None:
    """Analyze the files of some rows again, with the models of their vectors, and only those."""
    current = store.current_model()
    wanted = _files_to_analyze(store, damaged, current)
    with store.change():
        for one in damaged:
            if one.table == "files":
                # A file that gave no track is new then; a sheet's row that is no JSON is gone.
                store.db.execute("DELETE FROM files WHERE file = ? AND track IS NULL", one.key)
                store.db.execute(
                    "UPDATE files SET sheet = '{}' WHERE file = ? AND NOT json_valid(sheet)",
                    one.key,
                )
    installed = {model.sha256: model for model in list_models()}
    for stored in store.models():
        model = installed.get(stored.sha256)
        for described in (False, True):
            paths = list(dict.fromkeys(wanted.get((stored.row, described), ())))
            if model is None or not paths:
                continue
            try:
                ingest(
                    store,
                    paths,
                    model,
                    jobs=jobs,
                    describe=described,
                    force=True,
                    progress=progress,
                )
            except MusicuError as error:
                done.left.append(str(error))
    if current is not None:
        with store.change():
            store.db.execute("UPDATE meta SET value = ? WHERE key = 'model'", (current.row,))


def _files_to_analyze(
    store: Store, damaged: list[Damage], current: StoredModel | None
) -> dict[tuple[int, bool], list[str]]:
    """Group the files of some rows by the model to embed with, and whether to describe."""
    wanted: dict[tuple[int, bool], list[str]] = {}
    for one in damaged:
        row = one.key[0] if one.table == "vectors" else current.row if current else -1
        paths, described = _files(store, one)
        paths = [path for path in paths if os.path.exists(path)]
        wanted.setdefault((row, described), []).extend(
            paths[:1] if one.table == "vectors" else paths
        )
    return wanted


def _files(store: Store, one: Damage) -> tuple[list[str], bool]:
    """Return where a row's audio lies, the soundest first, and whether it has descriptors."""
    column = "file" if one.table == "files" else "track"
    rows = store.db.execute(
        "SELECT f.path, t.descriptors IS NOT NULL"
        f" FROM files f LEFT JOIN tracks t ON t.track = f.track WHERE f.{column} = ?"
        " ORDER BY f.problem IS NOT NULL, f.path",
        one.key[-1:],
    ).fetchall()
    return [path for path, _ in rows], any(described for _, described in rows)


def _outcome(store: Store, one: Damage, still: set[tuple[str, tuple[Any, ...]]]) -> str | None:
    """Say what can be done about what could not be mended; None if it was."""
    if (one.table, one.key) not in still:
        return None
    models = {model.row: model.name for model in store.models()}
    installed = {model.sha256 for model in list_models()}
    row = one.key[0] if one.table in ("vectors", "sound_tags") else None
    name = models.get(row) if row is not None else None
    if name and not any(m.row == row and m.sha256 in installed for m in store.models()):
        return f"{name} is not installed: 'musicu models add FOLDER' installs it"
    paths = _files(store, one)[0] if one.table != "sound_tags" else []
    if any(map(os.path.exists, paths)):
        return "its file cannot be used: 'musicu catalog errors' says why"
    return (
        "no file of it is there: bring it back and do this again, or"
        f" 'musicu catalog forget {paths[0] if paths else 'PATH'}' drops it"
    )
