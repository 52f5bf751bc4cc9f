"""Bring a catalog up to date with folders: find what changed, analyze it, store it, count it."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

from musicu.errors import CatalogError
from musicu.model import Model
from musicu.pool import Pool, Worker, WorkerSettings
from musicu.scan import Found, scan
from musicu.sheet import Sheet
from musicu.store import FileRow, Store, StoredModel, lies_under
from musicu.tagging import TagHead, store_tags

__all__ = ["Progress", "Summary", "ingest", "update_sheet"]


@dataclass
class Summary:
    """What became of the files.

    Attributes
    ----------
    found : int
        Files seen.
    pending : int
        Files that were new, changed or asked for: those to analyze.
    unchanged : int
        Known by path, size and time, and left alone.
    embedded : int
        Analyzed and stored.
    recognized : int
        Known audio at a new place or with new tags: stored, not computed again.
    partial : int
        Of those embedded, readable in part only.
    failed : int
        Could not be used, now or when last looked at; each has its reason in the catalog.
    skipped : int
        Not opened: pictures, texts, hidden files, marked folders.
    missing : int
        Known files that are no longer under the folders.
    interrupted : bool
        Stopped by Ctrl-C before all was done.
    unmatched : tuple of str
        Keys of the metadata sheet that fitted no file.
    """

    found: int = 0
    pending: int = 0
    unchanged: int = 0
    embedded: int = 0
    recognized: int = 0
    partial: int = 0
    failed: int = 0
    skipped: int = 0
    missing: int = 0
    interrupted: bool = False
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """How far a run is: files and bytes done, files and bytes in all, counts so far."""

    files: int
    total_files: int
    bytes: int
    total_bytes: int
    summary: Summary


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
) -> Summary:
    """Make the catalog say of these folders what is true now.

    Files known by path, size and modification time are left alone. Of the others the audio's
    identity is looked up first if it may be known, so that moved and re-tagged files cost nothing.
    Each result is stored as it comes: a run that is stopped, or killed, goes on where it was.

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

    Raises
    ------
    CatalogError
        A root does not exist.
    """
    for root in roots:
        if not os.path.lexists(root):
            raise CatalogError(f"{root}: no such file or folder")
    summary = Summary()
    ready = store.ready(store.find_model(model), described=describe)
    known = store.files()
    plan = _compare(known, roots, set(ready.values()), summary, force=force, retry=retry)
    todo = plan.todo
    if dry_run:
        return summary
    current = store.use_model(model)
    _apply(store, known, plan)
    sizes = {row.size for row in known.values()}
    gone = bool(plan.gone) or any(row.missing for row in known.values())

    def handle(worker: Worker, found: Found) -> dict[str, Any]:
        # Worth a look before decoding: a file seen before, or as large as one, or one of a
        # library in which some have gone, for those may be it under another name.
        if not force and ready and (found.path in known or found.size in sizes or gone):
            answer = worker.identify(found.path)
            if "error" not in answer and answer["id"] in ready:
                return answer
        return worker.analyze(found.path)

    limits = settings or WorkerSettings(model=None)
    told = replace(limits, model=str(model.folder), describe=describe)
    total_bytes, done_bytes, done = sum(f.size for f in todo), 0, 0
    if todo:
        with Pool(told, min(jobs, len(todo)), command) as pool, _interruptible(pool, summary):
            for found, answer in pool.run(todo, handle):
                with store.change():
                    _store(store, current, found, answer, ready, summary)
                done, done_bytes = done + 1, done_bytes + found.size
                if progress:
                    progress(Progress(done, len(todo), done_bytes, total_bytes, summary))
    with store.change():
        for root in filter(os.path.isdir, roots):
            store.db.execute(
                "INSERT OR IGNORE INTO roots VALUES (CAST(? AS TEXT))", (os.fsencode(root),)
            )
        # What is gone here and lies elsewhere was moved, and what a sheet said of it with it.
        store.db.execute(
            "UPDATE files SET sheet = gone.sheet FROM files gone WHERE gone.track = files.track"
            " AND gone.missing AND gone.sheet != '{}' AND NOT files.missing AND files.sheet = '{}'"
        )
        store.db.execute(
            "DELETE FROM files WHERE missing AND track IN"
            " (SELECT track FROM files WHERE NOT missing)"
        )
        store.prune()
    if model.tags:
        store_tags(store, current, TagHead.load(model))
    if sheet is not None:
        summary.unmatched = update_sheet(store, sheet, roots)
    return summary


def update_sheet(store: Store, sheet: Sheet, roots: Sequence[str]) -> tuple[str, ...]:
    """Apply a metadata sheet to all files under the roots; return its keys that fitted none."""
    rows = store.db.execute(
        "SELECT path, json_extract(tags, '$.isrc') FROM files WHERE kind = 'audio'"
    ).fetchall()
    changes = []
    for path, isrc in rows:
        if any(lies_under(path, root) for root in roots) and (found := sheet.lookup(path, isrc)):
            changes.append((json.dumps(found.to_dict()), os.fsencode(path)))
    with store.change():
        store.db.executemany("UPDATE files SET sheet = ? WHERE path = CAST(? AS TEXT)", changes)
    return sheet.unused()


@dataclass
class _Plan:
    """What the disk says against the catalog."""

    todo: list[Found] = field(default_factory=list)
    passed: list[Found] = field(default_factory=list)  # not opened, and not recorded so yet
    back: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)


def _compare(
    known: dict[str, FileRow],
    roots: Sequence[str],
    ready: set[int],
    summary: Summary,
    *,
    force: bool,
    retry: bool,
) -> _Plan:
    """Compare the disk with the catalog."""
    plan = _Plan()
    seen: set[str] = set()
    for root in roots:
        for found in scan(root):
            if found.path in seen:  # roots may overlap
                continue
            seen.add(found.path)
            row = known.get(found.path)
            same = row is not None and (row.size, row.mtime_ns) == (found.size, found.mtime_ns)
            if row and same and row.missing:
                plan.back.append(found.path)
            if found.skip is not None:
                summary.failed += found.failed
                summary.skipped += not found.failed
                if not same:
                    plan.passed.append(found)
            elif row and same and not force and _settled(row, ready, retry=retry):
                # A failure that stands is a failure still.
                summary.failed += row.kind == "error"
                summary.unchanged += row.kind != "error"
            else:
                plan.todo.append(found)
    plan.gone = [
        path
        for path, row in known.items()
        if path not in seen and not row.missing and any(lies_under(path, root) for root in roots)
    ]
    summary.found, summary.pending = len(seen), len(plan.todo)
    summary.missing = sum(known[path].track is not None for path in plan.gone)
    return plan


def _apply(store: Store, known: dict[str, FileRow], plan: _Plan) -> None:
    """Record what needs no analysis: files back, gone, or passed over."""
    with store.change():
        store.set_missing(plan.back, missing=False)
        # A lost song is kept for when it comes back; of a lost failure there is nothing to keep.
        store.set_missing([p for p in plan.gone if known[p].track is not None], missing=True)
        store.drop_files([p for p in plan.gone if known[p].track is None])
        for found in plan.passed:
            kind = "error" if found.failed else "skipped"
            store.put_file(found.path, found.size, found.mtime_ns, kind=kind, reason=found.skip)


def _settled(row: FileRow, ready: set[int], *, retry: bool) -> bool:
    """Whether a file that has not changed needs nothing."""
    if row.kind == "error":
        return not retry
    return row.track in ready


def _store(
    store: Store,
    model: StoredModel,
    found: Found,
    answer: dict[str, Any],
    ready: dict[str, int],
    summary: Summary,
) -> None:
    """Write one answer into the catalog, and count it."""
    if "error" in answer:
        summary.failed += 1
        store.put_file(found.path, found.size, found.mtime_ns, kind="error", reason=answer["error"])
        return
    track = ready.get(answer["id"])
    if "vector" not in answer:
        assert track is not None
        summary.recognized += 1
    else:
        summary.embedded += 1
        summary.partial += answer["problem"] is not None
        track = store.put_track(answer)
        store.put_vector(model, track, answer["vector"])
        ready[answer["id"]] = track
    store.put_file(
        found.path,
        found.size,
        found.mtime_ns,
        kind="audio",
        track=track,
        tags=answer["metadata"],
    )


@contextmanager
def _interruptible(pool: Pool, summary: Summary) -> Iterator[None]:
    """Let the first Ctrl-C finish what is in hand; a second one stops at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        if summary.interrupted:
            raise KeyboardInterrupt
        summary.interrupted = True
        pool.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
