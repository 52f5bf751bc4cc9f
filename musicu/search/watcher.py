"""A catalog followed while other processes write to it: always a snapshot to answer from."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any, Self

from musicu.catalog.model_choice import not_embedded
from musicu.catalog.store import Store, StoredModel
from musicu.errors import CatalogError
from musicu.search.name_codes import NameCodes
from musicu.search.snapshot import LONGEST_TAIL, Snapshot, build_snapshot
from musicu.search.snapshot_reader import CatalogPages, read_added, read_all

__all__ = ["CatalogWatcher"]

# While changes go on, all is read again at most this often (s), and at most a twentieth of the
# time is spent on it.
_PAUSE = 10.0
_SHARE = 20
# A file's time stands still for a tick of the kernel's clock: a change within it may not show (s).
_TICK = 0.02

# Of the file: where it is; size and time of change; of the journal beside it: all of that.
Signature = tuple[tuple[int, ...], ...]


class CatalogWatcher:
    """A catalog that is followed.

    Readers take :attr:`snapshot` and never wait. Tracks that are added by another process appear
    within the interval; anything else that changes (metadata, files that went, another model) is
    read in the background. While another model embeds the catalog anew, the vectors of the old
    one serve on until the new one has them all.

    No connection to the catalog stays open between two looks, so that the file can be replaced:
    SQLite would take the journal that an open connection keeps for that of the new file.

    Parameters
    ----------
    path : str or path-like
        The catalog.
    interval : float > 0
        Time between two looks of the watching thread (s).

    Attributes
    ----------
    snapshot : Snapshot
        The catalog as it was last seen.
    names : NameCodes
        Numbers of artists and albums, as in every snapshot.
    listeners : list of callable
        Called with each new snapshot by the thread that found it; they are not to raise.

    Raises
    ------
    CatalogError
        The file is missing, not a catalog, or nothing is embedded yet.
    """

    def __init__(self, path: str | os.PathLike[str], *, interval: float = 0.25) -> None:
        self.path = Path(path).absolute()
        self.listeners: list[Callable[[Snapshot], None]] = []
        self._interval = interval
        self.names = NameCodes()
        self._numbers = count(1)
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._looking = threading.Lock()  # for whoever replaces what this object holds
        self._reading_all = threading.Lock()
        self._problem: str | None = None
        started = time.monotonic()
        signature = _signature(self.path)
        try:
            with Store(self.path, create=False) as store:
                model, self._following = _choose(store, None)
                self._reading = read_all(store, model, self.names, None)
        except sqlite3.Error as error:
            raise CatalogError(f"{self.path}: cannot be read ({error})") from None
        self._file = self._tried = signature[:1]
        self._seen = self._all_seen = _settled(signature)
        self.snapshot = self._build(self._reading, None, merge=True)
        self._rest(started)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Follow the catalog in a thread of its own."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._follow, name="catalog", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the thread; the snapshot stays."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def refresh(self) -> bool:
        """Look for changes now.

        Tracks that were added are there afterwards. What needs all to be read again is done here,
        too, unless a thread follows the catalog, which then does it in its time.

        Returns
        -------
        bool
            Whether there is a new snapshot.
        """
        number = self.snapshot.number
        self._look()
        if self._thread is None and self._behind(_signature(self.path)):
            self._read_all()
        return self.snapshot.number != number

    def state(self) -> dict[str, Any]:
        """Describe what is served.

        Returns
        -------
        dict
            ``number`` and ``tracks`` of the snapshot, the name of its ``model``; ``next_model``,
            None or the ``name`` of the one that will follow and which share of the tracks it has
            ``covered``; ``stale``, whether the catalog cannot be read now, and the ``problem``;
            ``damaged``, how many tracks are left out since they are not what was stored.
        """
        snapshot, following = self.snapshot, self._following
        return {
            "number": snapshot.number,
            "tracks": len(snapshot),
            "model": snapshot.model.name,
            "next_model": following,
            "stale": self._problem is not None,
            "problem": self._problem,
            "damaged": sum(page.damaged for page in self._reading.pages.values()),
        }

    def _follow(self) -> None:
        while not self._stop.wait(self._interval):
            self._look()
            signature = _signature(self.path)
            rested = time.monotonic() >= self._rest_until or signature[:1] != self._tried
            if rested and self._behind(signature):
                self._read_all()

    def _behind(self, signature: Signature) -> bool:
        return signature != self._all_seen or self._problem is not None

    def _rest(self, started: float) -> None:
        now = time.monotonic()
        self._rest_until = now + max(_PAUSE, _SHARE * (now - started))

    def _look(self) -> None:
        """Take in tracks that were added, and only those."""
        found = None
        with self._looking:
            signature = _signature(self.path)
            if signature == self._seen:
                return
            self._seen = _settled(signature)
            if signature[:1] == self._file:
                with self._noting_problems(), Store(self.path, create=False) as store:
                    found = read_added(store, self.names, self._reading)
            if found is None:
                return
            grown = not found.same(self._reading)
            self._reading = found
            if grown:
                self.snapshot = self._build(found, self.snapshot, merge=False)
        if grown:
            self._tell()

    def _read_all(self) -> None:
        """Read what has changed, whatever it is; readers and :meth:`_look` go on meanwhile."""
        with self._reading_all:
            started = time.monotonic()
            signature = _signature(self.path)
            self._tried = signature[:1]
            with self._noting_problems():
                self._renew(signature)
            self._rest(started)

    def _renew(self, signature: Signature) -> None:
        # Of another file nothing is known: not even equal ids say that vectors are equal.
        before = self._reading if signature[:1] == self._file else None
        with Store(self.path, create=False) as store:
            model, following = _choose(store, before.model if before else None)
            reading = read_all(store, model, self.names, before)
        built = None
        long = len(self.snapshot.tail) > LONGEST_TAIL
        if before is None or long or not reading.same(self._reading):
            built = self._build(reading, self.snapshot, merge=True)
        with self._looking:
            if built is not None:
                # Tracks that were added while the search structure was being made.
                with Store(self.path, create=False) as store:
                    self._reading = read_added(store, self.names, reading) or reading
                self.snapshot = self._build(self._reading, built, merge=False)
            self._file, self._following = signature[:1], following
        self._all_seen, self._problem = _settled(signature), None
        if built is not None:
            self._tell()

    def _build(self, reading: CatalogPages, before: Snapshot | None, *, merge: bool) -> Snapshot:
        pages = list(reading.pages.values())
        number = next(self._numbers)
        return build_snapshot(number, self.path, reading.model, pages, before, merge=merge)

    def _tell(self) -> None:
        for listener in tuple(self.listeners):
            listener(self.snapshot)

    @contextmanager
    def _noting_problems(self) -> Iterator[None]:
        """Serve on what there is while the catalog cannot be read, and say why."""
        try:
            yield
        except (CatalogError, OSError, sqlite3.Error) as error:
            self._problem = f"{self.path}: cannot be read now ({error})"


def _signature(path: Path) -> Signature:
    """Tell what a commit changes about the catalog's files; the first is the file's identity.

    Empty if there is no file. The journal counts only while it holds something: opening the
    catalog makes an empty one.
    """
    try:
        file = os.stat(path)
    except OSError:
        return ()
    signature = ((file.st_dev, file.st_ino), (file.st_size, file.st_mtime_ns))
    try:
        journal = os.stat(f"{path}-wal")
    except OSError:
        return signature
    more = (journal.st_ino, journal.st_size, journal.st_mtime_ns)
    return (*signature, more) if journal.st_size else signature


def _settled(signature: Signature) -> Signature | None:
    """Return a signature, or None if a change right now might leave it as it is."""
    now = time.time()
    young = any(0 <= now - part[-1] / 1e9 < _TICK for part in signature[1:])
    return None if young else signature


def _choose(store: Store, served: StoredModel | None) -> tuple[StoredModel, dict[str, Any] | None]:
    """Choose the model to serve, and say which one follows it.

    The catalog's current one, unless it is still to embed tracks that the one served has; if none
    was served yet, the one that has most tracks.
    """
    current = store.current_model()
    if current is None:
        raise not_embedded(store.path)
    models = store.models()
    if served not in models:
        served = max(models, key=lambda m: (_covered(store, m), m == current), default=current)
    if served == current:
        return current, None
    assert served is not None
    every, both = _covered(store, served), _covered(store, served, current)
    if both == every:
        return current, None
    return served, {"name": current.name, "covered": both / every}


def _covered(store: Store, *models: StoredModel) -> int:
    """Count tracks that lie somewhere and have a vector of each model."""
    has = " AND EXISTS (SELECT 1 FROM vectors v WHERE v.model = ? AND v.track = l.track)"
    rows = [model.row for model in models]
    statement = f"SELECT count(*) FROM library l WHERE true{has * len(rows)}"
    return int(store.db.execute(statement, rows).fetchone()[0])
