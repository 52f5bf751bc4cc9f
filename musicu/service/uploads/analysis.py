"""Analysis of uploads by a few warm worker processes, in a bounded queue.

Nothing that strangers send is decoded in the service's own process.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from musicu.encoders.model import Model
from musicu.errors import MusicuError
from musicu.service.queues import WorkQueue
from musicu.service.settings import Settings
from musicu.workers.pool import Worker, WorkerSettings

__all__ = ["UploadAnalyzer", "WorkerSlot"]

# Bytes of data a worker may hold. It needs some 300 MB; compressed tags in an upload may unfold to
# anything.
_MEMORY = 1 << 30


class UploadAnalyzer:
    """Warm workers that analyze uploads.

    Parameters
    ----------
    settings : Settings
        How many, and their limits.
    model_of : callable
        Returns the model to embed with; asked before each file, on any thread. When another one
        comes back, the worker is replaced, and no request is lost.
    command : list of str, optional
        How to start a worker, for tests.

    Attributes
    ----------
    queue : WorkQueue
        Uploads that wait for the workers.
    audio_queue : WorkQueue
        Other work on audio: waveforms, passages.
    """

    def __init__(
        self,
        settings: Settings,
        model_of: Callable[[], Model],
        command: list[str] | None = None,
    ) -> None:
        self.queue = WorkQueue("decoding", settings.workers, settings.queue, settings.deadline)
        self.audio_queue = WorkQueue("pictures and passages", 1, settings.queue, settings.deadline)
        self.model_of = model_of
        limits = WorkerSettings(
            model=None,
            describe=True,
            longest=settings.upload_seconds,
            timeout=settings.decode_seconds,
            memory=_MEMORY,
        )
        self._slots = [WorkerSlot(limits, model_of, command) for _ in range(settings.workers)]
        self._warming: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to start the workers; who comes before they are ready waits for that first."""
        self._warming = [
            asyncio.create_task(
                self.queue.run(lambda _: None, prepare=lambda place: self._slots[place].warm())
            )
            for _ in self._slots
        ]

    async def close(self) -> None:
        """End the workers, also those at work, and the threads."""
        for slot in self._slots:
            slot.kill(for_good=True)
        for queue in (self.queue, self.audio_queue):
            await queue.close()
        for slot in self._slots:
            slot.close()
        await asyncio.gather(*self._warming, return_exceptions=True)

    async def analyze(self, path: str, *, describe: bool = False) -> dict[str, Any]:
        """Analyze a file that may be anything; the start of a worker is not on its time.

        Parameters
        ----------
        path : str
            The file.
        describe : bool
            Whether to compute descriptors.

        Returns
        -------
        dict
            The fields of :class:`musicu.workers.analyze_file.Analysis`, or ``error``, why not, and
            ``cause``, what is at fault; and ``model``: the :class:`musicu.encoders.model.Model`
            that the vector is of.

        Raises
        ------
        Busy
            Too many wait.
        Late
            No answer before the deadline; its worker was ended.
        MusicuError
            No worker can be started.
        """
        if self._warming:
            await asyncio.wait(self._warming)
        return await self.queue.run(
            lambda place: self._slots[place].analyze(path, describe=describe),
            prepare=lambda place: self._slots[place].prepare(),
            give_up=lambda place: self._slots[place].kill(),
            after=lambda place: self._slots[place].mend(),
        )


class WorkerSlot:
    """A worker that is warm, replaced when it is lost or its model is out of date.

    To be used by one thread at a time; ended from any.

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
        """Analyze a file; see :meth:`musicu.service.uploads.analysis.UploadAnalyzer.analyze`."""
        worker, model = self._current_worker()
        return {**worker.analyze(path, describe=describe), "model": model}

    def prepare(self) -> None:
        """Have a worker that is ready.

        Raises
        ------
        MusicuError
            It cannot start, or the service is closing.
        """
        worker, _ = self._current_worker()
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

    def _current_worker(self) -> tuple[Worker, Model]:
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
