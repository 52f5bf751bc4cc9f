"""A long computation as a process of its own: progress, a result, cancel and deadline.

In the same process it would hold Python's lock for minutes. The process writes JSON lines: any
number of steps, ``{"message", "done", "total"}``, and at most one result.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from musicu.errors import MusicuError
from musicu.workers.child_process import ChildProcess

__all__ = ["Canceled", "JobError", "Overdue", "Progress", "run_job", "serve_job"]

Progress = Callable[[str, int, int], object]

_POLL = 0.1  # seconds between two looks at cancel and deadline
_NICE = 10  # interactive work comes first
_STEP = {"message", "done", "total"}


class Canceled(MusicuError):
    """A job was canceled."""


class Overdue(MusicuError):
    """A job took longer than it may."""


class JobError(MusicuError):
    """A job's process failed.

    Attributes
    ----------
    status : int or None
        Its exit status; None if there is none.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.status = status


def run_job(
    module: str,
    *args: str,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
    deadline: float | None = None,
) -> Any:
    """Run a module as a process and wait for its result.

    Parameters
    ----------
    module : str
        Full name of a module that calls :func:`serve_job` when it is run.
    *args : str
        Its arguments.
    progress : callable or None
        Called with each step: its message, how much is done, and of how much (0 of 0: not known).
        What it raises ends the process, too.
    cancel : threading.Event or None
        Ends the process when it is set.
    deadline : float > 0 or None
        Seconds it may take.

    Returns
    -------
    JSON types
        Its result; None if it has none.

    Raises
    ------
    Canceled
        `cancel` was set.
    Overdue
        The deadline is over.
    JobError
        It cannot be started, or failed; the text is the last line that it wrote to stderr.
    """
    until = None if deadline is None else time.monotonic() + deadline
    if cancel is not None and cancel.is_set():
        raise Canceled("canceled")
    try:
        # -P: a file called queue.py where the user happens to be must not become a module.
        process = ChildProcess([sys.executable, "-P", "-m", module, *args])
    except OSError as error:
        raise JobError(f"a process cannot start: {error}") from None
    if hasattr(os, "setpriority"):
        with suppress(OSError):  # it has ended, which its status tells
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
    result = None
    try:
        while (line := _next_line(process, cancel, until)).endswith("\n"):
            record = json.loads(line)
            if isinstance(record, dict) and record.keys() == _STEP:
                if progress:
                    progress(record["message"], record["done"], record["total"])
            else:
                result = record
    except BaseException:
        process.terminate()
        process.end()
        raise
    _, reason, status = process.end()
    if status is None or status < 0:
        reason = f"its process was ended ({reason})"
    if status != 0:
        raise JobError(reason, status)
    return result


def _next_line(process: ChildProcess, cancel: threading.Event | None, until: float | None) -> str:
    """Wait for a line; "" is the end of the output."""
    patience = None if cancel is None and until is None else _POLL
    while (line := process.read(patience)) is None:
        if cancel is not None and cancel.is_set():
            raise Canceled("canceled")
        if until is not None and time.monotonic() > until:
            raise Overdue("took too long")
    return line


def serve_job(work: Callable[[Progress], Any]) -> None:
    """Do the work of a job in its process: the other end of :func:`run_job`.

    Parameters
    ----------
    work : callable
        Called with what reports a step; returns the result (JSON types; None is none). A
        :class:`MusicuError` ends the process with one line.
    """
    # An end from outside leaves nothing half-written.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))

    # Libraries may print: the lines get a channel of their own.
    with os.fdopen(os.dup(1), "w", encoding="ascii") as channel:
        os.dup2(2, 1)

        def write(record: Any) -> None:
            channel.write(json.dumps(record) + "\n")
            channel.flush()

        def report(message: str, done: int, total: int) -> None:
            write({"message": message, "done": done, "total": total})

        try:
            result = work(report)
        except MusicuError as error:
            sys.exit(str(error))
        if result is not None:
            write(result)
