"""Bring a catalog up to date with folders: find what changed, analyze it, store it, count it."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Event
from typing import Any

from musicu.catalog.file_changes import FileChanges, compare_files
from musicu.catalog.ingest_analysis import IngestAnalysis
from musicu.catalog.ingest_summary import Progress, Summary
from musicu.catalog.lookup import spell_as_stored
from musicu.catalog.model_choice import model_to_embed
from musicu.catalog.moved_files import MovedFiles
from musicu.catalog.scan import FoundFile
from musicu.catalog.sound_tags import store_tags
from musicu.catalog.stop_signals import stop_signals
from musicu.catalog.store import FileRow, Store
from musicu.catalog.track_ids import clear_problems, embedded_ids
from musicu.encoders.model import Model
from musicu.encoders.tagger import TagHead
from musicu.errors import CatalogError
from musicu.metadata.fields import stored_metadata
from musicu.metadata.sheet import Sheet, load_sheet
from musicu.paths import absolute, lies_under_any
from musicu.workers.pool import Pool, WorkerSettings

__all__ = ["Progress", "Summary", "add_folders", "forget", "ingest"]

PathLike = str | os.PathLike[str]


def add_folders(
    store: Store,
    folders: Sequence[PathLike],
    *,
    model: PathLike | None = None,
    jobs: int | None = None,
    metadata: PathLike | None = None,
    nice: int = 0,
    timeout: float = 300.0,
    describe: bool = False,
    force: bool = False,
    retry: bool = False,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
    settled: Callable[[FoundFile], bool] | None = None,
    again: bool = True,
    stop: Event | None = None,
) -> Summary:
    """Embed what is new or changed under some folders, or those added before: :func:`ingest`.

    Parameters, result and errors are those of :meth:`musicu.Catalog.add_folder`; `settled`,
    `again` and `stop` those of :func:`ingest`.
    """
    roots = [absolute(folder) for folder in folders]
    # Of a drive that is away, only the catalog knows how its names are spelled.
    roots = [r if os.path.lexists(r) else spell_as_stored(store, r) for r in roots]
    roots = roots or store.roots()
    if not roots:
        raise CatalogError(f"{store.path}: no folder was added yet; name one")
    sheet = load_sheet(metadata) if metadata is not None else None
    return ingest(
        store,
        roots,
        model_to_embed(store, model),
        jobs=jobs or os.cpu_count() or 1,
        describe=describe,
        sheet=sheet,
        force=force,
        retry=retry,
        dry_run=dry_run,
        settings=WorkerSettings(model=None, nice=nice, timeout=timeout),
        progress=progress,
        settled=settled,
        again=again,
        stop=stop,
    )


def forget(store: Store, path: PathLike, *, dry_run: bool = False) -> int:
    """Remove a file, or all under a folder, from the catalog; the disk is not touched.

    Parameters
    ----------
    store : Store
        The catalog.
    path : str or path-like
        The file or folder.
    dry_run : bool
        Only count.

    Returns
    -------
    int
        Files removed.

    Raises
    ------
    CatalogError
        The catalog knows nothing there.
    """
    folder = spell_as_stored(store, os.path.abspath(path))
    known = list(store.files(folder))
    if not known and folder not in store.roots():
        raise CatalogError(f"{os.fspath(path)}: not in the catalog {store.path}")
    if not dry_run:
        with store.change():
            store.drop_files(known)
            store.db.execute(
                "DELETE FROM roots WHERE path = CAST(? AS TEXT)", (os.fsencode(folder),)
            )
    return len(known)


def ingest(
    store: Store,
    roots: Sequence[str],
    model: Model,
    *,
    jobs: int,
    describe: bool = False,
    sheet: Sheet | None = None,
    force: bool = False,
    retry: bool = False,
    dry_run: bool = False,
    settings: WorkerSettings | None = None,
    command: list[str] | None = None,
    progress: Callable[[Progress], None] | None = None,
    settled: Callable[[FoundFile], bool] | None = None,
    again: bool = True,
    stop: Event | None = None,
) -> Summary:
    """Update the catalog to match the files on disk.

    Files known by path, size and modification time are left alone. Of the others the audio's
    identity is looked up first if it may be known, so that moved and re-tagged files cost nothing.
    Each result is stored as it comes: a run that is stopped, or killed, goes on where it was.
    Failures that lie outside the file (time, memory, the system) are tried again by the next run.

    Parameters
    ----------
    store : Store
        The catalog.
    roots : sequence of str
        Absolute paths of folders or files.
    model : Model
        Embed with this one, and make it the catalog's current one.
    jobs : int >= 1
        Worker processes.
    describe : bool
        Compute descriptors too.
    sheet : Sheet or None
        Metadata that goes over the files' own.
    force : bool
        Analyze everything again.
    retry : bool
        Analyze again what failed before.
    dry_run : bool
        Only count what there would be to do; nothing is stored.
    settings : WorkerSettings or None
        Limits for the workers; ``model`` and ``describe`` are taken from the other arguments.
    command : list of str, optional
        How to start a worker, for tests.
    progress : callable or None
        Called after each file.
    settled : callable or None
        Tells of a new or changed file whether it is written to its end; else it is left for later.
    again : bool
        Try again what failed for a passing cause.
    stop : threading.Event or None
        Once set, the files in hand are the last, as after Ctrl-C.

    Raises
    ------
    CatalogError
        A root does not exist, or none of them is there now.
    MusicuError
        Failures that are no file's fault piled up; what was done before is stored.
    """
    known = store.files()
    ready = set(embedded_ids(store, store.find_model(model), described=describe).values())
    changes = compare_files(
        store, known, roots, ready, force=force, retry=retry, settled=settled, again=again
    )
    summary = _count(changes, known)
    if dry_run:
        return summary
    current = store.use_model(model)
    moves = MovedFiles(store, [root for root in roots if root not in changes.away])
    _record(store, known, changes, moves)
    limits = settings or WorkerSettings(model=None)
    given = replace(limits, model=str(model.folder), describe=describe)
    run = IngestAnalysis(
        store, current, known, changes, moves, summary, described=describe, force=force, jobs=jobs
    )
    if run.work:
        with Pool(given, min(jobs, run.work), command) as pool, _interruptible(pool, summary):
            for _ in run.steps(pool):
                if progress:
                    progress(run.progress())
                if stop is not None and stop.is_set():
                    summary.interrupted = True
                    pool.stop()
    _tidy(store, roots, moves)
    summary.missing += moves.lost
    summary.away = tuple(root for root in changes.away if root not in moves.forgotten)
    if model.tags:
        store_tags(store, current, TagHead.load(model))
    if sheet is not None:
        summary.unmatched = _update_sheet(store, sheet, roots)
    run.judge()
    if changes.unread and not (run.work or summary.unchanged):
        reason, count = Counter(changes.unread).most_common(1)[0]
        summary.fault = f"no file could be used: {count:,} of {summary.failed:,} for this: {reason}"
    return summary


def _update_sheet(store: Store, sheet: Sheet, roots: Sequence[str]) -> tuple[str, ...]:
    """Apply a metadata sheet to all files under the roots; return its keys that fitted none."""
    rows = store.db.execute("SELECT path, tags FROM files WHERE kind = 'audio'").fetchall()
    changes, looked = [], set(roots)
    for path, text in rows:
        if not lies_under_any(path, looked):
            continue
        tags = stored_metadata(text)
        if found := sheet.lookup(path, tags.isrc):
            row: dict[str, Any] = found.to_dict()
            # What the sheet holds is not guessed and not doubtful; null takes a list away.
            merged = tags.merged(found).to_dict()
            notes = ("guessed", "doubtful")
            row |= {note: merged.get(note) for note in notes if getattr(tags, note)}
            changes.append((json.dumps(row), os.fsencode(path)))
    with store.change():
        store.db.executemany("UPDATE files SET sheet = ? WHERE path = CAST(? AS TEXT)", changes)
    return sheet.unused()


def _count(changes: FileChanges, known: dict[str, FileRow]) -> Summary:
    """Count what the comparison found."""
    return Summary(
        found=changes.found,
        pending=len(changes.todo),
        unchanged=changes.unchanged,
        failed=changes.failed,
        skipped=changes.skipped,
        missing=sum(known[path].track is not None for path in changes.gone),
        away=changes.away,
        unsettled=changes.unsettled,
    )


def _record(
    store: Store, known: dict[str, FileRow], changes: FileChanges, moves: MovedFiles
) -> None:
    """Record what needs no analysis: files back, gone, renamed, or passed over."""
    with store.change():
        store.set_missing(changes.back, missing=False)
        # A lost song is kept for when it comes back; of a lost failure there is nothing to keep.
        store.set_missing([p for p in changes.gone if known[p].track is not None], missing=True)
        store.drop_files([p for p in changes.gone if known[p].track is None])
        moves.rename(changes.renamed)
        for found in changes.passed:
            kind, cause = ("error", "system") if found.failed else ("skipped", None)
            reason = found.skip or ""
            if not (cause and store.put_failure(found.path, reason, cause)):
                store.put_file(
                    found.path, found.size, found.mtime_ns, kind=kind, reason=reason, cause=cause
                )


def _tidy(store: Store, roots: Sequence[str], moves: MovedFiles) -> None:
    """Record the folders; drop rows that nothing refers to any more."""
    with store.change():
        for root in filter(os.path.isdir, roots):
            store.db.execute(
                "INSERT OR IGNORE INTO roots (path) VALUES (CAST(? AS TEXT))", (os.fsencode(root),)
            )
        moves.settle()
        # A copy less; but its row of a sheet is kept for when it comes back.
        store.db.execute(
            "DELETE FROM files WHERE missing AND sheet = '{}' AND track IN"
            " (SELECT track FROM files WHERE NOT missing)"
        )
        store.prune()
        clear_problems(store)


@contextmanager
def _interruptible(pool: Pool, summary: Summary) -> Iterator[None]:
    """Let the first Ctrl-C, or SIGTERM, finish what is in hand; a second one stops at once."""

    def stop() -> None:
        if summary.interrupted:
            raise KeyboardInterrupt
        summary.interrupted = True
        pool.stop()

    with stop_signals(stop):
        yield
