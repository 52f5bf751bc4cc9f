"""Commands ended by SIGKILL at random moments: the process, its workers, or all of them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torture.lab import PATIENCE, Lab, Run

VICTIMS = ("the process", "a worker", "all of them")


@dataclass(frozen=True)
class Job:
    """A command that writes, and how to judge what is left of it.

    Attributes
    ----------
    args : list
        The command.
    watch : Path
        Folder in which its writing can be seen.
    seconds : float
        How long it takes undisturbed.
    after : callable
        Says what is wrong right after the kill.
    done : callable
        Says what is wrong once the same command has run again.
    again : list or None
        What finishes the work, if not the same command.
    workers : bool
        Whether it has workers to kill.
    env : dict or None
        Changes of the environment.
    statuses : tuple of int
        How the second run may end.
    """

    args: list[str | os.PathLike[str]]
    watch: Path
    seconds: float
    after: Callable[[], str | None]
    done: Callable[[], str | None]
    again: list[str | os.PathLike[str]] | None = None
    workers: bool = False
    env: dict[str, str] | None = None
    statuses: tuple[int, ...] = (0,)


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def _look(folder: Path) -> tuple[tuple[str, int, int], ...]:
    seen = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                info = entry.stat(follow_symlinks=False)
                seen.append((entry.name, info.st_size, info.st_mtime_ns))
    return tuple(sorted(seen))


def wait_for_a_moment(
    rng: random.Random, process: subprocess.Popen[str], watch: Path, seconds: float
) -> str:
    """Wait until it is time to kill: after a while, or soon after something was written."""
    began = time.monotonic()
    if rng.random() < 0.5:
        moment = seconds * rng.uniform(0.05, 1.0)
        while process.poll() is None and time.monotonic() < began + moment:
            time.sleep(0.002)
        return f"after {moment:.2f} s"
    changes, pause = rng.choice([1, 1, 2, 3, 5, 8]), rng.choice([0.0, 0.0, 0.002, 0.02, 0.1])
    seen, left = _look(watch), changes
    while process.poll() is None and left and time.monotonic() < began + PATIENCE:
        now = _look(watch)
        left -= now != seen
        seen = now
        time.sleep(0.0005)
    time.sleep(pause)
    return f"{1000 * pause:g} ms after change {changes}"


def kill(process: subprocess.Popen[str], victim: str) -> bool:
    """Kill a process, one of its workers, or all; return whether there was anybody to kill."""
    workers = children(process.pid)
    if process.poll() is not None or (victim == "a worker" and not workers):
        return False
    targets = {
        "the process": [process.pid],
        "a worker": workers[:1],
        "all of them": [process.pid, *workers],
    }[victim]
    for pid in targets:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return True


def survivors(pids: list[int]) -> list[int]:
    """Return which of some workers are there long after their parent's end."""
    late = time.monotonic() + 60
    while time.monotonic() < late and (pids := [pid for pid in pids if _runs(pid)]):
        time.sleep(0.02)
    return pids


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def try_job(lab: Lab, rng: random.Random, job: Job, victim: str) -> tuple[str, str | None] | None:
    """Run a job, kill it, judge what is left; run it again, and judge the end.

    Returns
    -------
    tuple of str and str or None, or None
        When it was killed, and what is wrong; None if it ended before.
    """
    with tempfile.TemporaryFile("a+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            lab.command(*job.args),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            encoding="utf-8",
            env={**lab.env, **(job.env or {})},
        )
        moment = wait_for_a_moment(rng, process, job.watch, job.seconds)
        workers = children(process.pid)
        hit = kill(process, victim)
        try:
            status = process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return moment, "hung after the kill"
        log.seek(0)
        said = log.read()
    if not hit:
        return None
    if victim == "the process" and (left := survivors(workers)):
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return moment, f"{len(left)} workers go on without their process"
    if victim == "a worker":
        fault = Run((), status, "", said).fault()
        if fault is not None:
            return moment, fault
    return moment, judge(lab, job)


def judge(lab: Lab, job: Job) -> str | None:
    """Judge what a kill left, and what the next run makes of it."""
    if (wrong := job.after()) is not None:
        return f"after the kill: {wrong}"
    again = lab.run(*(job.again or job.args), env=job.env)
    if (wrong := again.fault(*job.statuses)) is not None:
        return f"the next run: {wrong}"
    if (wrong := job.done()) is not None:
        return f"after the next run: {wrong}"
    return None
