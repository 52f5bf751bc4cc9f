"""The files on disk compared with the catalog: which are new, changed, gone, back, or moved."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from musicu.catalog.scan import FoundFile, scan
from musicu.catalog.store import FileRow, Store
from musicu.errors import PASSING, CatalogError
from musicu.paths import lies_under, lies_under_any

__all__ = ["FileChanges", "compare_files"]


@dataclass
class FileChanges:
    """What there is to do.

    Attributes
    ----------
    todo : list of FoundFile
        New, changed, or asked for: to analyze. What failed for a passing cause comes last, so that
        it holds up nothing else.
    stale : list of FoundFile
        Unchanged, but identified in an earlier way: to identify anew.
    renamed : list of (str, str)
        Of these, files that were moved as they are: from where, to where.
    passed : list of FoundFile
        Not opened, and not recorded so yet.
    unread : list of str
        Why what is there cannot be opened.
    back, gone : list of str
        Paths that are there again, and that are there no longer.
    away : tuple of str
        Folders that cannot be seen now; nothing is known to have changed in them.
    found, unchanged, failed, skipped, unsettled : int
        Files seen; of them known and left alone; standing failures; not opened; new or changed, but
        not written to their end yet.
    """

    todo: list[FoundFile] = field(default_factory=list)
    stale: list[FoundFile] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    passed: list[FoundFile] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    away: tuple[str, ...] = ()
    found: int = 0
    unchanged: int = 0
    failed: int = 0
    skipped: int = 0
    unsettled: int = 0


def compare_files(
    store: Store,
    known: dict[str, FileRow],
    roots: Sequence[str],
    ready: set[int],
    *,
    force: bool,
    retry: bool,
    settled: Callable[[FoundFile], bool] | None = None,
    again: bool = True,
) -> FileChanges:
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
    settled : callable or None
        Tells of a new or changed file whether it is written to its end; None takes it for granted.
    again : bool
        Whether to try again what failed for a passing cause.

    Raises
    ------
    CatalogError
        None of the roots is there, or one that the catalog knows nothing of.
    """
    changes = FileChanges()
    away = _check_roots(store, known, roots)
    seen: set[str] = set()
    unseen = set(away)
    passing: list[FoundFile] = []
    # An earlier identity cannot be compared with today's: a moved file is known by its size, time
    # and name.
    stale = {
        (row.size, row.mtime_ns, os.path.basename(path)): path
        for path, row in known.items()
        if row.track is not None and not row.current
    }
    for root in roots:
        before = len(seen)
        for found in () if root in unseen else _files_but_own(root, store):
            if found.path in seen:  # roots may overlap
                continue
            seen.add(found.path)
            row = known.get(found.path)
            same = row is not None and (row.size, row.mtime_ns) == (found.size, found.mtime_ns)
            if row and same and row.missing:
                changes.back.append(found.path)
            if found.skip is not None:
                _pass_over(changes, found, same=same)
                if found.failed:
                    unseen.add(found.path)  # what lies in there is not gone, but hidden
            elif not same and settled is not None and not settled(found):
                changes.unsettled += 1
            elif row is None and (old := _moved_from(found, stale)):
                changes.renamed.append((old, found.path))
                changes.stale.append(found)
            elif row is None or not same:
                changes.todo.append(found)
            elif row.track is not None and not row.current:
                changes.stale.append(found)
            elif row.cause in PASSING and not force:
                if again:
                    passing.append(found)
                else:
                    changes.failed += 1
            elif not force and _is_settled(row, ready, retry=retry):
                # A failure that stands is a failure still.
                changes.failed += row.kind == "error"
                changes.unchanged += row.kind != "error"
            else:
                changes.todo.append(found)
        # The empty folder at which a drive is mounted, most likely.
        if len(seen) == before and root not in unseen and _holds_tracks(root, known):
            unseen.add(root)
            away.append(root)
    changes.todo += passing
    changes.gone = _gone(known, seen, {old for old, _ in changes.renamed}, set(roots), unseen)
    changes.away, changes.found = tuple(away), len(seen)
    return changes


def _check_roots(store: Store, known: dict[str, FileRow], roots: Sequence[str]) -> list[str]:
    """Return the roots that are not there now."""
    away = [root for root in roots if not os.path.lexists(root)]
    added = set(store.roots())
    for root in away:
        strange = root not in added and not _holds_tracks(root, known)
        if len(away) == len(roots) or strange:
            raise CatalogError(f"{root}: no such file or folder{_advice(root, known)}")
    return away


def _pass_over(changes: FileChanges, found: FoundFile, *, same: bool) -> None:
    """Count a file that is not opened, or cannot be."""
    changes.failed += found.failed
    changes.skipped += not found.failed
    if found.failed and found.skip:
        changes.unread.append(found.skip)
    if not same:
        changes.passed.append(found)


def _gone(
    known: dict[str, FileRow], seen: set[str], renamed: set[str], roots: set[str], unseen: set[str]
) -> list[str]:
    """List known files that are no longer where they could be seen."""
    return [
        path
        for path, row in known.items()
        if path not in seen
        and path not in renamed
        and not row.missing
        and lies_under_any(path, roots)
        and not lies_under_any(path, unseen)
    ]


def _is_settled(row: FileRow, ready: set[int], *, retry: bool) -> bool:
    """Whether a file that has not changed needs nothing."""
    if row.kind == "error":
        return not retry
    return row.track in ready and row.cause is None


def _moved_from(found: FoundFile, stale: dict[tuple[int, int, str], str]) -> str | None:
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


def _files_but_own(root: str, store: Store) -> Iterator[FoundFile]:
    """Files under a folder but the catalog's own, which may lie among the music."""
    own = {str(store.path), os.path.realpath(store.path)}
    beside = tuple(path + end for path in own for end in "-.")
    for found in scan(root):
        if found.path not in own and not found.path.startswith(beside):
            yield found
