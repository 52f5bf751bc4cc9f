"""Spaces that take long to make, made in the background for each new snapshot."""

from __future__ import annotations

import sqlite3
import threading

from musicu.errors import MusicuError
from musicu.search.snapshot import Snapshot
from musicu.search.spaces import Space, SpaceType
from musicu.search.watcher import CatalogWatcher

__all__ = ["Preparing", "SpaceBuilder"]


class Preparing(MusicuError):
    """What a question needs is not ready yet; soon it is."""


class SpaceBuilder:
    """Makes the spaces of a catalog's snapshots, one at a time; the last one answers meanwhile.

    Parameters
    ----------
    watcher : CatalogWatcher
        The catalog.
    kind : SpaceType
        What to make.
    """

    def __init__(self, watcher: CatalogWatcher, kind: SpaceType) -> None:
        self._watcher = watcher
        self._kind = kind
        self._space: Space | None = None
        self._failed: MusicuError | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()

    @property
    def ready(self) -> bool:
        """Whether there is something to answer from."""
        return self._space is not None

    def prepare(self, *, wait: bool = False) -> None:
        """Begin, and again with each new snapshot; with `wait`, return when it is done.

        Raises
        ------
        MusicuError
            It has failed; only if waited for.
        """
        with self._lock:
            if self._follow not in self._watcher.listeners:
                self._watcher.listeners.append(self._follow)
        self._follow(self._watcher.snapshot)
        thread = self._thread
        if wait:
            if thread is not None:
                thread.join()
            if self._failed is not None:
                raise self._failed

    def latest(self) -> Space:
        """Return the latest that is ready.

        Raises
        ------
        Preparing
            There is none yet; it is being prepared from now on.
        MusicuError
            It could not be prepared.
        """
        space = self._space
        if space is None:
            failed = self._failed
            self.prepare()
            raise failed or Preparing(f"{self._kind.basis} is being prepared: try again soon")
        return space

    def close(self) -> None:
        """End what is being prepared."""
        self._closing.set()
        thread = self._thread
        if thread is not None:
            thread.join()

    def _follow(self, _: Snapshot) -> None:
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._work, name="space", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            snapshot, last = self._watcher.snapshot, self._space
            try:
                if last is None or last.snapshot is not snapshot:
                    grown = None if last is None else self._kind.grow(last, snapshot)
                    self._space = grown or self._kind.make(snapshot, self._closing)
                self._failed = None
            except MusicuError as error:
                self._failed = error
            except (OSError, sqlite3.Error) as error:
                self._failed = MusicuError(f"{self._kind.basis} cannot be prepared ({error})")
            with self._lock:
                if self._watcher.snapshot is snapshot or self._closing.is_set():
                    self._thread = None
                    return
