"""Waveforms, covers and transcoded files, made in worker processes that stay warm."""

from __future__ import annotations

import os
import queue
from types import TracebackType
from typing import Any, ClassVar, Self

from musicu.audio.waveform import Waveform
from musicu.errors import AudioError, MusicuError
from musicu.workers.pool import Worker, WorkerSettings

__all__ = ["CoverRenderer", "Transcoder", "WaveformRenderer"]


class _Renderer:
    """Has a program work on files in worker processes that stay warm; for any number of threads.

    Parameters
    ----------
    jobs : int >= 1
        Processes; who asks while all are busy waits.
    timeout : float > 0
        Seconds a file may take.
    memory : int
        Bytes of data a process may hold (where the system can limit it).
    longest : float > 0 or None
        Seconds of audio that a file may hold, where the program looks at that.
    command : list of str, optional
        How to start a process, for tests.
    """

    program: ClassVar[str]

    def __init__(
        self,
        jobs: int = 1,
        *,
        timeout: float = 60.0,
        memory: int = 1 << 30,
        longest: float | None = None,
        command: list[str] | None = None,
    ) -> None:
        settings = WorkerSettings(
            model=None,
            program=self.program,
            timeout=timeout,
            memory=memory,
            longest=longest,
        )
        self._workers = [Worker(settings, command) for _ in range(jobs)]
        self._free: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._closed = False
        for worker in self._workers:
            self._free.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, path: str | os.PathLike[str], **more: Any) -> dict[str, Any]:
        """Return what the program answers for a file; see `render`."""
        path = os.fspath(path)
        worker = self._free.get()
        try:
            if self._closed:
                raise MusicuError(f"the {self.program} renderer was closed")
            answer = worker.call({"path": path, **more})
        finally:
            self._free.put(worker)
        if "error" in answer:
            raise AudioError(path, answer["error"], cause=answer["cause"])
        return answer

    def close(self) -> None:
        """End the processes; who waits for an answer gets an error."""
        if self._closed:
            return
        self._closed = True
        for worker in self._workers:
            worker.kill()
        idle = [self._free.get() for _ in self._workers]
        for worker in idle:
            worker.close()
            self._free.put(worker)  # who still waits for one sees that all is over


class WaveformRenderer(_Renderer):
    """Computes waveforms; see :class:`musicu.audio.waveform.Waveform`."""

    program = "waveform"

    def render(self, path: str | os.PathLike[str]) -> Waveform:
        """Compute a file's waveform, as :func:`musicu.audio.waveform.compute_waveform`.

        Raises
        ------
        AudioError
            Nothing can be read.
        MusicuError
            The renderer was closed, or a process cannot start.
        """
        return Waveform(**self._ask(path))


class CoverRenderer(_Renderer):
    """Makes thumbnails of covers; see :mod:`musicu.audio.cover_art`."""

    program = "cover"

    def render(self, path: str | os.PathLike[str]) -> bytes:
        """Return the thumbnail (JPEG) of an audio file's cover; empty if it has none.

        Raises
        ------
        AudioError
            It took too long, or too much memory.
        MusicuError
            The renderer was closed, or a process cannot start.
        """
        return bytes(self._ask(path)["picture"].tobytes())


class Transcoder(_Renderer):
    """Writes files as Opus; see :mod:`musicu.audio.transcode`."""

    program = "transcode"

    def write(self, path: str | os.PathLike[str], out: str | os.PathLike[str]) -> float:
        """Transcode a file, as :func:`musicu.audio.transcode.transcode`; return its seconds.

        Raises
        ------
        AudioError
            Nothing can be read, it is too long, or it took too long.
        MusicuError
            The transcoder was closed, or a process cannot start.
        """
        return float(self._ask(path, out=os.fspath(out))["seconds"])
