"""The map that is served: that of the catalog's model, drawn anew when too much has come since."""

from __future__ import annotations

import gzip
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicu.catalog.non_music import head_at_hand
from musicu.search.map import Atlas, atlas_path, map_json
from musicu.search.snapshot import Snapshot
from musicu.search.watcher import CatalogWatcher
from musicu.service.errors import Refusal
from musicu.service.jobs import Jobs, JobStatus

__all__ = ["MapPayload", "ServedMap"]

Vector = NDArray[np.float32]

_LEVEL = 6  # of gzip: a map of 100,000 tracks in a tenth of a second


@dataclass(frozen=True)
class MapPayload:
    """A map as it goes out: JSON, the same compressed, and a tag that changes with both."""

    body: bytes
    packed: bytes
    tag: str


class ServedMap:
    """The map that is served. Thread-safe.

    Parameters
    ----------
    live : CatalogWatcher
        The catalog, followed.
    jobs : Jobs
        Where a map is drawn, as a job of kind ``map``.
    """

    def __init__(self, live: CatalogWatcher, jobs: Jobs) -> None:
        self._live = live
        self.jobs = jobs
        self._lock = threading.Lock()
        self._stamp: tuple[str, int, int] | None = None
        self._atlas: Atlas | None = None
        self._payload: MapPayload | None = None
        self._begun_for = -1  # the snapshot for which a map was last begun

    @property
    def ready(self) -> bool:
        """Whether there is a map."""
        return self.atlas() is not None

    def atlas(self) -> Atlas | None:
        """Return the map of the vectors that are served; None as long as there is none."""
        snapshot = self._live.snapshot
        path = atlas_path(snapshot.path, snapshot.model)
        try:
            info = path.stat()
        except OSError:
            return None
        stamp = (str(path), info.st_ino, info.st_mtime_ns)
        with self._lock:
            if stamp != self._stamp:
                self._atlas, self._stamp = Atlas.load(snapshot.path, snapshot.model), stamp
            return self._atlas

    def place(self, vector: Vector) -> tuple[float, float] | None:
        """Return where music that is not in the catalog lies; None as long as there is no map.

        Parameters
        ----------
        vector : np.ndarray [shape=(dim,), float32]
            Unit vector of the model that is served.
        """
        atlas = self.atlas()
        return None if atlas is None else atlas.place(vector, self._live.snapshot)

    def payload(self) -> MapPayload | JobStatus:
        """Return the map, or the job that draws it.

        A map that is stale is served while another one is drawn.

        Raises
        ------
        Refusal
            It could not be drawn, and nothing has changed since.
        """
        atlas, snapshot = self.atlas(), self._live.snapshot
        if atlas is None:
            return self._begin(snapshot)
        if atlas.stale(snapshot) and self._begun_for != snapshot.number:
            self._begin(snapshot)
        return self._render(atlas, snapshot)

    def _render(self, atlas: Atlas, snapshot: Snapshot) -> MapPayload:
        assert self._stamp
        tag = f'"{snapshot.number}-{self._stamp[2]:x}"'
        payload = self._payload
        if payload is None or payload.tag != tag:
            head = head_at_hand(snapshot.model)
            body = map_json(snapshot, atlas.positions(snapshot), head)
            payload = self._payload = MapPayload(body, gzip.compress(body, _LEVEL, mtime=0), tag)
        return payload

    def _begin(self, snapshot: Snapshot) -> JobStatus:
        """Have a map drawn, once for a moment of the catalog."""
        with self._lock:
            last = self.jobs.last("map")
            if last and not last.over:
                return last
            if self._begun_for != snapshot.number or last is None:
                self._begun_for = snapshot.number
                return self.jobs.start("map")
        if last.state == "done":  # the moment between its end and our next look
            return last
        why = last.message if last.state == "failed" else "its drawing was canceled"
        raise Refusal(503, f"there is no map: {why}; a job of kind 'map' draws one")
