"""Isolated workers: a decoder that crashes, hangs or eats memory costs its own file and no other.

Each worker is a fresh interpreter that speaks JSON over pipes. That needs no pickle, works from
scripts without a ``__main__`` guard and from notebooks, and lets a stuck worker simply be killed:
three things that multiprocessing's pools, and libraries built on them, do not give together.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from musicu.causes import cause_of_words
from musicu.errors import AudioError, MusicuError
from musicu.locate import absolute

__all__ = ["Pool", "Worker", "WorkerSettings", "analyze_isolated"]

T = TypeVar("T")
R = TypeVar("R")

# Seconds a process may take until it is ready, the first time and when it is tried again: slow
# disks take long over its libraries, but not twice.
_STARTS = (30.0, 60.0, 120.0)
# Seconds between the last byte a process writes and its end.
_LAST_WORDS = 5.0
_LAST_BYTES = 1 << 14  # of what it wrote to stderr
# Signals that a process raises by what it does itself.
_OWN_SIGNALS = {"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"}
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """What every worker of a pool is told at its start.

    Attributes
    ----------
    model : str or None
        Folder of the model to embed with; None does not embed.
    describe : bool
        Whether to compute descriptors, where a request does not say.
    longest : float > 0 or None
        Seconds of audio a file may hold; one that turns out longer while it is decoded is refused,
        whatever its header says. None is no limit.
    timeout : float > 0
        Seconds a file may take; the start of a worker does not count.
    memory : int
        Bytes of data a worker may hold (where the system can limit it).
    nice : int
        Added to the workers' niceness.
    """

    model: str | None
    describe: bool = False
    longest: float | None = None
    timeout: float = 300.0
    memory: int = 4 << 30
    nice: int = 0


class Worker:
    """One worker process; started when first needed, and again after it was lost.

    Parameters
    ----------
    settings : WorkerSettings
        What it is told.
    command : list of str, optional
        How to start it, for tests.

    Raises
    ------
    MusicuError
        There is no place for what its processes say.
    """

    def __init__(self, settings: WorkerSettings, command: list[str] | None = None) -> None:
        self.settings = settings
        # -P: a file called queue.py where the user happens to be must not become a module.
        self._command = command or [sys.executable, "-P", "-m", "musicu.worker"]
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._over = False
        self._late = False  # the process did not answer in time
        try:
            self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker
        except OSError as error:
            raise MusicuError(f"a worker process cannot start: {error}") from None

    @property
    def running(self) -> bool:
        """Whether there is a process that can answer at once."""
        return self._process is not None and self._process.poll() is None

    def warm(self) -> None:
        """Start the process now, if it does not run, so that the next request need not wait.

        Raises
        ------
        MusicuError
            It cannot start, or the worker was closed.
        """
        self._running_process()

    def analyze(self, path: str, *, describe: bool | None = None) -> dict[str, Any]:
        """Analyze a file.

        Parameters
        ----------
        path : str
            The file.
        describe : bool or None
            Whether to compute descriptors; None is what the settings say.

        Returns
        -------
        dict
            The fields of :class:`musicu.analyze.Analysis`; or ``error``, why not, and ``cause``,
            what is at fault (see :class:`musicu.errors.AudioError`).

        Raises
        ------
        MusicuError
            No process can be started, or the worker was closed.
        """
        wanted = self.settings.describe if describe is None else describe
        answer = self._call({"path": path, "identify": False, "describe": wanted})
        if answer.get("vector"):
            answer["vector"] = np.frombuffer(base64.b64decode(answer["vector"]), dtype=np.float32)
        return answer

    def identify(self, path: str) -> dict[str, Any]:
        """Tell what can be told of a file without decoding it.

        Parameters
        ----------
        path : str
            The file.

        Returns
        -------
        dict
            ``id``, ``metadata``, ``tags_problem``, ``problem`` and ``promise`` (the fields of
            :class:`musicu.headers.Promise`, to be compared with what was heard of its track); or
            ``error`` and ``cause``.

        Raises
        ------
        MusicuError
            No process can be started, or the worker was closed.
        """
        return self._call({"path": path, "identify": True})

    def kill(self) -> None:
        """End the process for good, from any thread; who waits for its answer gets an error."""
        with self._lock:
            self._over = True
            if self._process:
                self._process.kill()

    def close(self) -> None:
        """End the process and close its channels; one that is at work is killed."""
        self.kill()
        self._bury()
        self._stderr.close()

    def _call(self, request: dict[str, Any]) -> dict[str, Any]:
        answer = self._ask(request)
        # Who ends a process from outside need not have meant this file.
        if answer.get("cause") == "killed" and not self._over:
            answer = self._ask(request)
        return answer

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        process = self._running_process()
        said = os.fstat(self._stderr.fileno()).st_size
        line = self._exchange(process, request, self.settings.timeout)
        if line.endswith("\n"):
            answer: dict[str, Any] = json.loads(line)
            return answer
        cause, words = self._bury(said)
        if cause == "time":
            words = f"took longer than {self.settings.timeout:g} s"
        elif cause == "file":
            words = f"the decoder crashed ({words})"
        elif cause == "killed":
            words = f"its process was ended from outside ({words})"
        return {"error": words, "cause": cause}

    def _exchange(
        self, process: subprocess.Popen[str], request: dict[str, Any], seconds: float
    ) -> str:
        """Say a line and return the next one; what is no whole line tells that there is none."""
        assert process.stdin
        with suppress(OSError):  # it has ended; the answer that is missing tells
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            self._late = True
            process.kill()
            return ""

    def _running_process(self) -> subprocess.Popen[str]:
        # One that ended while it had nothing to do is not the next file's fault.
        if self._process is not None and self._process.poll() is not None:
            self._bury()
        return self._process or self._start()

    def _start(self) -> subprocess.Popen[str]:
        """Start a process; a worker that cannot even start must not be blamed on a file."""
        words = ""
        for seconds in _STARTS:
            process = self._spawn()
            line = self._exchange(process, asdict(self.settings), seconds)
            if line == "ready\n":
                return process
            cause, words = self._bury()
            if cause == "time":
                words = f"not ready after {seconds:g} s"
            elif cause != "killed":
                break  # its own fault, the next time too
        raise MusicuError(f"a worker process cannot start: {words}")

    def _spawn(self) -> subprocess.Popen[str]:
        self._stderr.seek(0)
        self._stderr.truncate()
        with self._lock:
            if self._over:
                raise MusicuError("the worker was closed")
            try:
                self._process = process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=self._stderr,
                    encoding="ascii",
                    errors="replace",
                    env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1")},
                )
            except OSError as error:
                raise MusicuError(f"a worker process cannot start: {error}") from None
        self._late = False
        # A read of a pipe has no time limit, and a process that waits for a dead drive cannot even
        # be killed: another thread reads, which can be left to it.
        self._lines = queue.SimpleQueue()
        self._reader = threading.Thread(target=_read, args=(process, self._lines), daemon=True)
        self._reader.start()
        return process

    def _bury(self, said: int = 0) -> tuple[str, str]:
        """Take leave of the process; return what is at fault, and its last words.

        Those are its signal, or the last line that it wrote to stderr after the byte `said`.
        """
        process, self._process = self._process, None
        if process is None:
            return "killed", "it was not running"
        with suppress(subprocess.TimeoutExpired):  # its own end says more than a blow of ours
            process.wait(timeout=_LAST_WORDS)
        if stuck := process.poll() is None:
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=_LAST_WORDS)
        assert process.stdin and self._reader
        with suppress(OSError):
            process.stdin.close()
        self._reader.join(timeout=_LAST_WORDS)
        if self._late:
            return "time", ""
        if stuck:
            return "file", "it neither answered nor ended"
        self._stderr.seek(max(said, os.fstat(self._stderr.fileno()).st_size - _LAST_BYTES))
        words = self._stderr.read().decode(errors="replace").strip()
        cause, code = cause_of_words(words), process.returncode
        if cause == "memory":
            return cause, f"needs more than {self.settings.memory >> 20} MB of memory"
        if code < 0:
            name = _name(-code)
            return "file" if name in _OWN_SIGNALS else "killed", name
        return cause, words.rpartition("\n")[2] or f"exit status {code}"


def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
    assert process.stdout
    with process.stdout as answers:
        for line in answers:
            lines.put(line)
    lines.put("")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def analyze_isolated(path: str, settings: WorkerSettings) -> dict[str, Any]:
    """Analyze one file in a worker of its own: it may be broken.

    Returns
    -------
    dict
        The fields of :class:`musicu.analyze.Analysis`.

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
        What each worker is told.
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
