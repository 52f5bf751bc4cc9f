"""A place at the desk: a worker that is warm, and another one when it is lost or out of date."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from musicu.encoders.model import Model
from musicu.errors import MusicuError
from musicu.workers.pool import Worker, WorkerSettings

__all__ = ["Seat"]


class Seat:
    """A place at the desk with its worker; used by one thread at a time, ended from any.

    Parameters
    ----------
    limits : WorkerSettings
        What its workers are told, but for the model.
    model_of : callable
        Returns the model to embed with; asked before each file.
    command : list of str or None
        How to start a worker, for tests.
    """

    def __init__(
        self, limits: WorkerSettings, model_of: Callable[[], Model], command: list[str] | None
    ) -> None:
        self._limits = limits
        self._model_of = model_of
        self._command = command
        self._worker: Worker | None = None
        self._model: Model | None = None
        self._lost = False  # the worker was ended, and another one has to come
        self._closed = False
        self._lock = threading.Lock()

    def analyze(self, path: str, *, describe: bool) -> dict[str, Any]:
        """Analyze a file; see :meth:`musicu.service.uploads.analysis.Desk.analyze`."""
        worker, model = self._staffed()
        return {**worker.analyze(path, describe=describe), "model": model}

    def prepare(self) -> None:
        """Have a worker that is ready.

        Raises
        ------
        MusicuError
            It cannot start, or the service is closing.
        """
        worker, _ = self._staffed()
        worker.warm()

    def warm(self) -> None:
        """Have a worker that is ready; one that cannot start is the next request's to tell."""
        with suppress(MusicuError):
            self.prepare()

    def mend(self) -> None:
        """Replace a worker that was lost, before somebody waits for it."""
        if self._worker is None or not self._worker.running:
            self.warm()

    def kill(self, *, for_good: bool = False) -> None:
        """End the work in hand; the next request gets another worker, unless it is for good."""
        with self._lock:
            self._lost = True
            self._closed |= for_good
            if self._worker:
                self._worker.kill()

    def close(self) -> None:
        """Clean up after the worker, when no thread is at work here any more."""
        if self._worker:
            self._worker.close()

    def _staffed(self) -> tuple[Worker, Model]:
        """Return a worker of the model that is wanted now."""
        model = self._model_of()
        with self._lock:
            old = self._worker
            if old and not self._lost and self._model and self._model.sha256 == model.sha256:
                return old, model
            if self._closed:
                raise MusicuError("the service is closing")
            settings = replace(self._limits, model=str(model.folder))
            self._worker = fresh = Worker(settings, self._command)
            self._model, self._lost = model, False
        if old:
            old.close()
        return fresh, model
