"""What the disk says against the catalog: files that are new, changed, gone, back, or moved."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from musicu.catalog.scan import Found, scan
from musicu.catalog.store import FileRow, Store
from musicu.errors import PASSING, CatalogError
from musicu.paths import lies_under, lies_under_any

__all__ = ["Moves", "Plan", "compare"]


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
    unread : list of str
        Why what is there cannot be opened.
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
    unread: list[str] = field(default_factory=list)
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
    added = set(store.roots())
    for root in away:
        strange = root not in added and not _holds_tracks(root, known)
        if len(away) == len(roots) or strange:
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
                    plan.unread.append(found.skip)
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


class Moves:
    """What is known of files that are gone goes to where they are now.

    A file was moved if it is gone, and its audio was found at a path that was not known before.
    What a sheet said of it goes along. Of a folder that is out of sight as a whole, such as a drive
    that is away, a file counts as moved only if its size and time came along with its name; unless
    the folder is no longer there and most of its tracks were found again: then it was moved, and
    changed on the way. A folder that was moved is forgotten when nothing of it is left to come
    back. All methods are called within transactions.

    Parameters
    ----------
    store : Store
    roots : iterable of str
        What this run could look at.

    Attributes
    ----------
    followed : set of str
        Where files lay that are elsewhere now.
    lost : int
        Tracks' files that did not come along when their folder was moved.
    forgotten : set of str
        Folders that were moved.
    """

    def __init__(self, store: Store, roots: Iterable[str]) -> None:
        self.followed: set[str] = set()
        self.lost = 0
        self.forgotten: set[str] = set()
        self._store = store
        self._looked, self._added = set(roots), set(store.roots())
        self._counts: Counter[str] = Counter()  # files that came from a folder out of sight
        self._likely: dict[str, dict[int, str]] = {}  # others, and where their audio is now

    def rename(self, renamed: Sequence[tuple[str, str]]) -> None:
        """Move the rows of files that lie elsewhere as they were: from where, to where."""
        self._store.db.executemany(
            "UPDATE files SET path = CAST(? AS TEXT), missing = 0 WHERE path = CAST(? AS TEXT)",
            [(os.fsencode(new), os.fsencode(old)) for old, new in renamed],
        )
        self.followed.update(old for old, _ in renamed)
        homes = Counter(self._home(old) for old, _ in renamed)
        self._counts += homes
        for home in homes:
            self._forget_if_empty(home)

    def follow(self, found: Found) -> None:
        """Look where a file was before that was not known and is stored now."""
        copies = self._store.db.execute(
            "SELECT f.file, f.path, f.size, f.mtime_ns FROM files f JOIN files n"
            " ON n.track = f.track AND n.file != f.file WHERE n.path = CAST(? AS TEXT)"
            " ORDER BY f.size != ?, f.mtime_ns != ?, f.path",
            (os.fsencode(found.path), found.size, found.mtime_ns),
        ).fetchall()
        for file, path, size, mtime_ns in copies:
            if os.path.lexists(path):
                continue
            home = self._home(path)
            away = home not in self._looked and not _in_sight(home)
            name = os.path.basename(path)
            as_it_was = size, mtime_ns, name
            if away and as_it_was != (found.size, found.mtime_ns, os.path.basename(found.path)):
                self._likely.setdefault(home, {}).setdefault(file, found.path)
                continue
            self._take(file, path, found.path)
            if away:
                self._counts[home] += 1
                self._forget_if_empty(home)
            return

    def settle(self) -> None:
        """Decide on folders of which some files have gone elsewhere as they were, not all."""
        for home, came in self._counts.items():
            if home in self.forgotten or os.path.lexists(home):
                continue
            left = [
                (path, row)
                for path, row in self._store.files(home).items()
                if not row.missing and self._home(path) == home
            ]
            tracks = [path for path, row in left if row.track is not None]
            likely = self._likely.get(home, {})
            if came + len(likely) <= len(tracks) - len(likely):
                continue
            for file, new in likely.items():
                row = self._store.db.execute(
                    "SELECT path FROM files WHERE file = ?", (file,)
                ).fetchone()
                if row is not None:
                    self._take(file, row[0], new)
            lost = [path for path in tracks if path not in self.followed]
            self._store.set_missing(lost, missing=True)
            self.lost += len(lost)
            self._forget(home)

    def _home(self, path: str) -> str:
        """Return the folder that was added or looked at and holds a file, or the file's own."""
        above = path
        while above not in self._added and above not in self._looked:
            higher = os.path.dirname(above)
            if higher == above:
                return os.path.dirname(path)
            above = higher
        return above

    def _take(self, file: int, path: str, new: str) -> None:
        """Let a row go; what a sheet said of it goes to the one at the new path."""
        db = self._store.db
        db.execute(
            "UPDATE files SET sheet = (SELECT sheet FROM files WHERE file = ?)"
            " WHERE path = CAST(? AS TEXT) AND sheet = '{}'",
            (file, os.fsencode(new)),
        )
        db.execute("DELETE FROM files WHERE file = ?", (file,))
        self.followed.add(path)

    def _forget_if_empty(self, home: str) -> None:
        inside = os.fsencode(home.rstrip(os.sep) + os.sep)
        left = self._store.db.execute(
            "SELECT 1 FROM files WHERE path > CAST(? AS TEXT) AND path < CAST(? AS TEXT)"
            " AND track IS NOT NULL LIMIT 1",
            (inside, inside[:-1] + bytes([inside[-1] + 1])),
        ).fetchone()
        if left is None and home not in self._looked and not _in_sight(home):
            self._forget(home)

    def _forget(self, home: str) -> None:
        known = self._store.files(home).items()
        self._store.drop_files([path for path, row in known if row.track is None])
        self._store.db.execute(
            "DELETE FROM roots WHERE path = CAST(? AS TEXT)", (os.fsencode(home),)
        )
        self.forgotten.add(home)


def _in_sight(folder: str) -> bool:
    """Whether a folder can be looked into, and holds anything."""
    try:
        with os.scandir(folder) as entries:
            return any(True for _ in entries)
    except OSError:
        return False
