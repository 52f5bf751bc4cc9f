"""Keep fused vectors of a catalog that is followed ready, in the background."""

from __future__ import annotations

import sqlite3
import threading

from musicu.errors import MusicuError
from musicu.search.fused import FusedSpace
from musicu.search.query import Preparing
from musicu.search.snapshot import Snapshot
from musicu.search.watcher import Live

__all__ = ["Preparer"]


class Preparer:
    """Fuses a catalog's snapshots, one at a time; until the next is done, the last serves on.

    Parameters
    ----------
    live : Live
        The catalog.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._fused: FusedSpace | None = None
        self._failed: MusicuError | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closing = threading.Event()

    @property
    def ready(self) -> bool:
        """Whether there is something to answer from."""
        return self._fused is not None

    def prepare(self, *, wait: bool = False) -> None:
        """Begin, and again with each new snapshot; with `wait`, return when it is done.

        Raises
        ------
        MusicuError
            It has failed; only if waited for.
        """
        with self._lock:
            if self._follow not in self._live.listeners:
                self._live.listeners.append(self._follow)
        self._follow(self._live.snapshot)
        thread = self._thread
        if wait:
            if thread is not None:
                thread.join()
            if self._failed is not None:
                raise self._failed

    def fused(self) -> FusedSpace:
        """Return the latest that is ready.

        Raises
        ------
        Preparing
            There is none yet; it is being prepared from now on.
        MusicuError
            It could not be prepared.
        """
        fused = self._fused
        if fused is None:
            failed = self._failed
            self.prepare()
            raise failed or Preparing("what is known of tracks is being prepared: try again soon")
        return fused

    def close(self) -> None:
        """End what is being prepared."""
        self._closing.set()
        thread = self._thread
        if thread is not None:
            thread.join()

    def _follow(self, _: Snapshot) -> None:
        with self._lock:
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._work, name="fusing", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            snapshot, fused = self._live.snapshot, self._fused
            try:
                if fused is None or fused.snapshot is not snapshot:
                    grown = None if fused is None else fused.grown(snapshot)
                    self._fused = grown or FusedSpace.of(snapshot, self._closing)
                self._failed = None
            except MusicuError as error:
                self._failed = error
            except (OSError, sqlite3.Error) as error:
                self._failed = MusicuError(f"what is known of tracks cannot be prepared ({error})")
            with self._lock:
                if self._live.snapshot is snapshot or self._closing.is_set():
                    self._thread = None
                    return
