"""Isolated workers: a decoder that crashes, hangs or eats memory costs its own file and no other.

Each worker is a fresh interpreter that exchanges JSON over pipes. That needs no pickle, works from
scripts without a ``__main__`` guard and from notebooks, and lets a stuck worker simply be killed:
three things that multiprocessing's pools, and libraries built on them, do not give together.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from musicu.errors import AudioError, MusicuError
from musicu.paths import absolute
from musicu.workers.child_process import ChildProcess
from musicu.workers.worker_program import unpack_arrays

__all__ = ["Pool", "Worker", "WorkerSettings", "analyze_isolated"]

T = TypeVar("T")
R = TypeVar("R")

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """What every worker of a pool gets at its start.

    Attributes
    ----------
    model : str or None
        Folder of the model to embed with; None does not embed.
    program : str
        What it does, by its name in :data:`musicu.workers.worker_program.PROGRAMS`.
    describe : bool
        Whether to compute descriptors, where a request does not.
    longest : float > 0 or None
        Seconds of audio a file may hold; one that turns out longer while it is decoded is refused,
        whatever its header says. None is no limit.
    timeout : float > 0
        Seconds a file may take; the start of a worker does not count.
    start_timeouts : tuple of float > 0
        Seconds a process may take until it is ready, the first time and when it is tried again:
        slow disks take long over its libraries, but not twice.
    memory : int
        Bytes of data a worker may hold (where the system can limit it).
    nice : int
        Added to the workers' niceness.
    """

    model: str | None
    program: str = "track"
    describe: bool = False
    longest: float | None = None
    timeout: float = 300.0
    start_timeouts: tuple[float, ...] = (30.0, 60.0, 120.0)
    memory: int = 4 << 30
    nice: int = 0


class Worker:
    """One worker process; started when first needed, and again after it was lost.

    Parameters
    ----------
    settings : WorkerSettings
        What it gets at its start.
    command : list of str, optional
        How to start it, for tests.
    """

    def __init__(self, settings: WorkerSettings, command: list[str] | None = None) -> None:
        self.settings = settings
        # -P: a file called queue.py where the user happens to be must not become a module.
        self._command = command or [sys.executable, "-P", "-m", "musicu.workers.worker_program"]
        self._process: ChildProcess | None = None
        self._lock = threading.Lock()
        self._over = False

    @property
    def running(self) -> bool:
        """Whether there is a process that can answer at once."""
        process = self._process
        return process is not None and process.running

    def warm(self) -> None:
        """Start the process now, if it does not run, so that the next request need not wait.

        Raises
        ------
        MusicuError
            It cannot start, or the worker was closed.
        """
        self._running_process()

    def call(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request to the worker's program and wait for the answer.

        Parameters
        ----------
        request : dict
            JSON types; ``path`` is the file that it is about.

        Returns
        -------
        dict
            What the program answers, arrays as np.ndarray; or ``error``, why not, and ``cause``,
            what is at fault (see :class:`musicu.errors.AudioError`).

        Raises
        ------
        MusicuError
            No process can be started, or the worker was closed.
        """
        answer = self._ask(request)
        # Who ends a process from outside need not have meant this file.
        if answer.get("cause") == "killed" and not self._over:
            answer = self._ask(request)
        return answer

    def analyze(self, path: str, *, describe: bool | None = None) -> dict[str, Any]:
        """Analyze a file; see :meth:`call`.

        Parameters
        ----------
        path : str
            The file.
        describe : bool or None
            Whether to compute descriptors; None is what the settings say.

        Returns
        -------
        dict
            The fields of :class:`musicu.workers.analyze_file.Analysis`; or ``error`` and ``cause``.
        """
        wanted = self.settings.describe if describe is None else describe
        return self.call({"path": path, "identify": False, "describe": wanted})

    def identify(self, path: str) -> dict[str, Any]:
        """Identify a file without decoding it; see :meth:`call`.

        Parameters
        ----------
        path : str
            The file.

        Returns
        -------
        dict
            ``id``, ``metadata``, ``tags_problem``, ``problem`` and ``promise`` (the fields of
            :class:`musicu.audio.header_checks.Promise`, to be compared with the length of its
            track); or
            ``error`` and ``cause``.
        """
        return self.call({"path": path, "identify": True})

    def kill(self) -> None:
        """End the process for good, from any thread; who waits for its answer gets an error."""
        with self._lock:
            self._over = True
            if self._process:
                self._process.kill()

    def close(self) -> None:
        """End the process and close its channels; one that is at work is killed."""
        self.kill()
        self._end()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self._running_process()
        since = process.stderr_size
        line = process.ask(json.dumps(request), self.settings.timeout)
        if line.endswith("\n"):
            return unpack_arrays(json.loads(line))
        cause, reason = self._end(since)
        if cause == "time":
            reason = f"took longer than {self.settings.timeout:g} s"
        elif cause == "file":
            reason = f"the decoder crashed ({reason})"
        elif cause == "killed":
            reason = f"its process was ended from outside ({reason})"
        return {"error": reason, "cause": cause}

    def _running_process(self) -> ChildProcess:
        # One that ended while it had nothing to do is not the next file's fault.
        if self._process is not None and not self._process.running:
            self._end()
        return self._process or self._start()

    def _start(self) -> ChildProcess:
        """Start a process; a worker that cannot even start must not be blamed on a file."""
        reason = ""
        for seconds in self.settings.start_timeouts:
            process = self._spawn()
            if process.ask(json.dumps(asdict(self.settings)), seconds) == "ready\n":
                return process
            cause, reason = self._end()
            if cause == "time":
                reason = f"not ready after {seconds:g} s"
            elif cause != "killed":
                break  # its own fault, the next time too
        raise MusicuError(f"a worker process cannot start: {reason}")

    def _spawn(self) -> ChildProcess:
        with self._lock:
            if self._over:
                raise MusicuError("the worker was closed")
            try:
                self._process = ChildProcess(self._command, dict.fromkeys(_ONE_THREAD, "1"))
            except OSError as error:
                raise MusicuError(f"a worker process cannot start: {error}") from None
            return self._process

    def _end(self, since: int = 0) -> tuple[str, str]:
        """End the process; return what is at fault, and the reason."""
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return "killed", "it was not running"
        cause, reason, _ = process.end(since)
        if cause == "memory":
            reason = f"needs more than {self.settings.memory >> 20} MB of memory"
        return cause, reason


def analyze_isolated(path: str, settings: WorkerSettings) -> dict[str, Any]:
    """Analyze one file in a worker of its own: it may be broken.

    Returns
    -------
    dict
        The fields of :class:`musicu.workers.analyze_file.Analysis`.

    Raises
    ------
    AudioError
        The file cannot be used.
    """
    worker = Worker(settings)
    try:
        answer = worker.analyze(absolute(path))
    finally:
        worker.close()
    if "error" in answer:
        raise AudioError(path, answer["error"], cause=answer["cause"])
    return answer


class Pool:
    """Several workers, fed from one list.

    Parameters
    ----------
    settings : WorkerSettings
        What each worker gets at its start.
    jobs : int >= 1
        How many.
    command : list of str, optional
        How to start a worker, for tests.
    """

    def __init__(
        self, settings: WorkerSettings, jobs: int, command: list[str] | None = None
    ) -> None:
        self._workers = [Worker(settings, command) for _ in range(jobs)]
        self._threads: list[threading.Thread] = []
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        for worker in self._workers:
            worker.kill()
        # Only when no thread can start a process any more is nothing left behind.
        for thread in self._threads:
            thread.join()
        for worker in self._workers:
            worker.close()

    def stop(self) -> None:
        """Take no new task; :meth:`run` ends when those in hand are done."""
        self._stop.set()

    def run(self, tasks: Iterable[T], handle: Callable[[Worker, T], R]) -> Iterator[tuple[T, R]]:
        """Handle tasks on all workers; yield each with its result, in the order they finish.

        Parameters
        ----------
        tasks : iterable
            What to do.
        handle : callable
            Called with a worker and a task, on a thread of its own.
        """
        waiting = iter(tasks)
        lock = threading.Lock()
        # Results carry their exception, if any: a fault in `handle` must reach the caller.
        results: queue.Queue[tuple[T, R] | BaseException | None] = queue.Queue()

        def serve(worker: Worker) -> None:
            try:
                while not self._stop.is_set():
                    with lock:
                        task = next(waiting)
                    results.put((task, handle(worker, task)))
            except StopIteration:
                pass
            except BaseException as error:  # handed to the caller
                results.put(error)
            finally:
                results.put(None)

        for worker in self._workers:
            self._threads.append(threading.Thread(target=serve, args=(worker,), daemon=True))
            self._threads[-1].start()
        running = len(self._workers)
        while running:
            item = results.get()
            if item is None:
                running -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                yield item
