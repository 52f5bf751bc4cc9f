"""What the disk says against the catalog: files that are new, changed, gone, back, or moved."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from musicu.errors import PASSING, CatalogError
from musicu.locate import lies_under, lies_under_any
from musicu.scan import Found, scan
from musicu.store import FileRow, Store

__all__ = ["Plan", "compare", "follow_moves"]


@dataclass
class Plan:
    """What there is to do.

    Attributes
    ----------
    todo : list of Found
        New, changed, or asked for: to analyze. What failed for a passing cause comes last, so that
        it holds up nothing else.
    stale : list of Found
        Unchanged, but identified in an earlier way: to identify anew.
    renamed : list of (str, str)
        Of these, files that were moved as they are: from where, to where.
    passed : list of Found
        Not opened, and not recorded so yet.
    back, gone : list of str
        Paths that are there again, and that are there no longer.
    away : tuple of str
        Folders that cannot be seen now; nothing is known to have changed in them.
    found, unchanged, failed, skipped : int
        Files seen; of them known and left alone; standing failures; not opened.
    """

    todo: list[Found] = field(default_factory=list)
    stale: list[Found] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    passed: list[Found] = field(default_factory=list)
    back: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    away: tuple[str, ...] = ()
    found: int = 0
    unchanged: int = 0
    failed: int = 0
    skipped: int = 0


def compare(
    store: Store,
    known: dict[str, FileRow],
    roots: Sequence[str],
    ready: set[int],
    *,
    force: bool,
    retry: bool,
) -> Plan:
    """Compare the disk with the catalog.

    Parameters
    ----------
    store : Store
        The catalog, whose own files are no part of the music.
    known : dict of str to FileRow
        All its files, by path.
    roots : sequence of str
        Absolute paths of folders or files to look at.
    ready : set of int
        Row numbers of tracks that need nothing.
    force, retry : bool
        Whether to analyze everything, or what failed, again.

    Raises
    ------
    CatalogError
        None of the roots is there, or one that the catalog knows nothing of.
    """
    plan = Plan()
    away = [root for root in roots if not os.path.lexists(root)]
    for root in away:
        if len(away) == len(roots) or not _holds_tracks(root, known):
            raise CatalogError(f"{root}: no such file or folder{_advice(root, known)}")
    seen: set[str] = set()
    unseen = set(away)
    again = []
    # An earlier identity cannot be compared with today's: a moved file is told by what came along.
    stale = {
        (row.size, row.mtime_ns, os.path.basename(path)): path
        for path, row in known.items()
        if row.track is not None and not row.current
    }
    for root in roots:
        before = len(seen)
        for found in () if root in unseen else _foreign(root, store):
            if found.path in seen:  # roots may overlap
                continue
            seen.add(found.path)
            row = known.get(found.path)
            same = row is not None and (row.size, row.mtime_ns) == (found.size, found.mtime_ns)
            if row and same and row.missing:
                plan.back.append(found.path)
            if found.skip is not None:
                plan.failed += found.failed
                plan.skipped += not found.failed
                if found.failed:
                    unseen.add(found.path)  # what lies in there is not gone, but hidden
                if not same:
                    plan.passed.append(found)
            elif row is None and (old := _moved_from(found, stale)):
                plan.renamed.append((old, found.path))
                plan.stale.append(found)
            elif row is None or not same:
                plan.todo.append(found)
            elif row.track is not None and not row.current:
                plan.stale.append(found)
            elif row.cause in PASSING and not force:
                again.append(found)
            elif not force and _is_settled(row, ready, retry=retry):
                # A failure that stands is a failure still.
                plan.failed += row.kind == "error"
                plan.unchanged += row.kind != "error"
            else:
                plan.todo.append(found)
        # The empty folder at which a drive is mounted, most likely.
        if len(seen) == before and root not in unseen and _holds_tracks(root, known):
            unseen.add(root)
            away.append(root)
    plan.todo += again
    looked, renamed = set(roots), {old for old, _ in plan.renamed}
    plan.gone = [
        path
        for path, row in known.items()
        if path not in seen
        and path not in renamed
        and not row.missing
        and lies_under_any(path, looked)
        and not lies_under_any(path, unseen)
    ]
    plan.away, plan.found = tuple(away), len(seen)
    return plan


def _is_settled(row: FileRow, ready: set[int], *, retry: bool) -> bool:
    """Whether a file that has not changed needs nothing."""
    if row.kind == "error":
        return not retry
    return row.track in ready and row.cause is None


def _moved_from(found: Found, stale: dict[tuple[int, int, str], str]) -> str | None:
    """Return where a file lay that is gone from there and has come here as it is, once."""
    key = found.size, found.mtime_ns, os.path.basename(found.path)
    old = stale.get(key)
    if old is None or os.path.lexists(old):
        return None
    return stale.pop(key)


def _advice(root: str, known: dict[str, FileRow]) -> str:
    if not _holds_tracks(root, known):
        return ""
    return (
        "; nothing of it is forgotten: if it was moved, name its new place, if its drive is away, "
        "come back with it, else 'musicu catalog forget' drops it"
    )


def _holds_tracks(root: str, known: dict[str, FileRow]) -> bool:
    return any(row.track is not None and lies_under(path, root) for path, row in known.items())


def _foreign(root: str, store: Store) -> Iterator[Found]:
    """Files under a folder but the catalog's own, which may lie among the music."""
    own = {str(store.path), os.path.realpath(store.path)}
    beside = tuple(path + end for path in own for end in "-.")
    for found in scan(root):
        if found.path not in own and not found.path.startswith(beside):
            yield found


def follow_moves(
    store: Store,
    fresh: Sequence[Found],
    roots: Sequence[str],
    renamed: Sequence[tuple[str, str]],
) -> None:
    """Let what is known of files that are gone go to where they are now; within a transaction.

    A file was moved if it is gone, and its audio was found at a path that was not known before.
    What a sheet said of it goes along. Of a folder that is out of sight as a whole, such as a drive
    that is away, a file counts as moved only if its size and time came along with its name. Such
    a folder is forgotten when nothing of it is left to come back.

    Parameters
    ----------
    store : Store
    fresh : sequence of Found
        Files that were not known before this run.
    roots : sequence of str
        What this run could look at.
    renamed : sequence of (str, str)
        Files whose rows have followed already: from where, to where.
    """
    db = store.db
    looked, added = set(roots), set(store.roots())
    moved_from = {_home(old, added) for old, _ in renamed}
    for found in fresh:
        row = db.execute(
            "SELECT file, track FROM files WHERE path = CAST(? AS TEXT) AND track IS NOT NULL",
            (os.fsencode(found.path),),
        ).fetchone()
        if row is None:
            continue
        copies = db.execute(
            "SELECT file, path, size, mtime_ns FROM files WHERE track = ? AND file != ?"
            " ORDER BY size != ?, mtime_ns != ?, path",
            (row[1], row[0], found.size, found.mtime_ns),
        ).fetchall()
        for file, path, size, mtime_ns in copies:
            if os.path.lexists(path):
                continue
            home = _home(path, added)
            if not lies_under_any(path, looked) and not _in_sight(home):
                name = os.path.basename(path)
                if (size, mtime_ns, name) != (
                    found.size,
                    found.mtime_ns,
                    os.path.basename(found.path),
                ):
                    continue
                moved_from.add(home)
            db.execute(
                "UPDATE files SET sheet = (SELECT sheet FROM files WHERE file = ?)"
                " WHERE file = ? AND sheet = '{}'",
                (file, row[0]),
            )
            db.execute("DELETE FROM files WHERE file = ?", (file,))
            break
    for root in (moved_from & added) - looked:
        if not _in_sight(root) and not any(
            row.kind == "audio" for row in store.files(root).values()
        ):
            store.drop_files(list(store.files(root)))
            db.execute("DELETE FROM roots WHERE path = CAST(? AS TEXT)", (os.fsencode(root),))


def _home(path: str, roots: set[str]) -> str:
    """Return the added folder that a file lies in, or the file's own."""
    return next((root for root in sorted(roots) if lies_under(path, root)), os.path.dirname(path))


def _in_sight(folder: str) -> bool:
    """Whether a folder can be looked into, and holds anything."""
    try:
        with os.scandir(folder) as entries:
            return any(True for _ in entries)
    except OSError:
        return False
