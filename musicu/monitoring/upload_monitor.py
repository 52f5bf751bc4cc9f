"""The latest uploads, and whether they still are what the catalog knows."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.metadata.artists import group_key
from musicu.monitoring.drift import check_batch, too_few
from musicu.monitoring.statistics import FEWEST
from musicu.monitoring.tracks import KINDS, NUMBERS, Tracks, fact_of

__all__ = ["BATCH", "UploadMonitor"]

BATCH = 200  # the uploads that are compared: the latest ones
_KEPT = 1000
# A report costs about a second: the next one waits for this many uploads, or seconds.
_NEWS, _PATIENCE = 20, 60.0
# After so many seconds the catalog is read again.
_AGE = 3600.0


class UploadMonitor:
    """Keeps the latest uploads, and compares them with the catalog. Any thread may add and ask.

    Parameters
    ----------
    catalog : str or path-like
        The catalog's file.
    seed : int
        Of the draws.
    """

    def __init__(self, catalog: str | os.PathLike[str], *, seed: int = 0) -> None:
        self.catalog = catalog
        self.seed = seed
        self._uploads: deque[tuple[NDArray[np.float32], dict[str, Any], str | None, Any]]
        self._uploads = deque(maxlen=_KEPT)
        self._added = 0
        self._lock = threading.Lock()  # of what is added
        self._turn = threading.Lock()  # of who compares
        self._reference: Tracks | None = None
        self._read = self._told = -np.inf
        self._last: dict[str, Any] = {}
        self._last_added = -1

    def __len__(self) -> int:
        """Return how many uploads are kept."""
        return len(self._uploads)

    def add(
        self, vector: NDArray[np.float32], facts: Mapping[str, Any], group: str | None = None
    ) -> None:
        """Remember an upload.

        Parameters
        ----------
        vector : np.ndarray [shape=(dim,), float32]
            Its embedding.
        facts : mapping
            What :meth:`musicu.workers.pool.Worker.analyze` answers; only what is compared is kept.
            A
            ``model``, if it is there, is the name of the vector's model.
        group : str or None
            Whose it is; None takes its artist, else its album, from the metadata among the facts.
        """
        kept = {name: fact_of(facts, name) for name in (*NUMBERS, *KINDS)}
        group = group or group_key(facts.get("metadata") or facts)
        upload = np.array(vector, dtype=np.float32), kept, group, facts.get("model")
        with self._lock:
            self._uploads.append(upload)
            self._added += 1

    def report(self) -> dict[str, Any]:
        """Compare the latest uploads with the catalog.

        The answer is kept for a while: until there are 20 new uploads, or a minute has passed and
        there is one.

        Returns
        -------
        dict
            As :meth:`musicu.monitoring.drift.DriftReport.to_dict`, with ``uploads``: how many are
            kept.

        Raises
        ------
        CatalogError
            The catalog cannot be read.
        """
        with self._turn:
            with self._lock:
                added, uploads = self._added, list(self._uploads)
            now = time.monotonic()
            news = added - self._last_added
            if not self._last or news >= _NEWS or (news and now - self._told > _PATIENCE):
                self._last = self._compare(uploads, now)
                self._last_added, self._told = added, time.monotonic()
            return {"uploads": len(uploads), **self._last}

    def _compare(self, uploads: list[tuple[Any, ...]], now: float) -> dict[str, Any]:
        if len(uploads) < FEWEST:  # the catalog need not be read to say so
            return too_few(len(uploads)).to_dict()
        model = uploads[-1][3]
        stale = now - self._read > _AGE or (
            model is not None and self._reference is not None and self._reference.model != model
        )
        if self._reference is None or stale:
            self._reference = Tracks.of_catalog(self.catalog, model=model, seed=self.seed)
            self._read = now
        reference = self._reference
        dim = reference.vectors.shape[1]
        # Vectors of another model than the catalog's mean nothing beside its own.
        fit = [
            upload
            for upload in uploads
            if len(upload[0]) == dim and upload[3] in (None, reference.model)
        ][-BATCH:]
        batch = Tracks(
            np.array([upload[0] for upload in fit], dtype=np.float32).reshape(-1, dim),
            [upload[1] for upload in fit],
            [upload[2] for upload in fit],
            reference.model,
        )
        return check_batch(reference, batch, seed=self.seed).to_dict()
