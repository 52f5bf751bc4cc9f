"""Files that lie elsewhere now: what was known of them moves along, of whole folders too."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence

from musicu.catalog.scan import FoundFile
from musicu.catalog.store import Store

__all__ = ["MovedFiles"]


class MovedFiles:
    """What is known of files that are gone goes to where they are now.

    A file was moved if it is gone, and its audio was found at a path that was not known before. Its
    row of a metadata sheet goes along. Of a folder that is out of sight as a whole, such as a drive
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

    def follow(self, found: FoundFile) -> None:
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
        """Delete a row; its row of a metadata sheet goes to the one at the new path."""
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
