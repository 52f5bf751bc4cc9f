"""A child process that answers line by line, and the cause of its end."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from musicu.workers.failure_causes import cause_of_message

__all__ = ["GRACE", "ChildProcess"]

# Seconds between the last byte a process writes and its end.
GRACE = 5.0
_CLEANUP = 2.0  # seconds that a process may clean up when it is asked to end
_LAST_BYTES = 1 << 14  # of what it wrote to stderr
# Signals that a process raises by what it does itself.
_OWN_SIGNALS = {"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"}


class ChildProcess:
    """A running process; its lines are read by a thread, and its stderr is kept.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    env : mapping of str to str, optional
        Set in its environment, besides what is set in this one.

    Attributes
    ----------
    pid : int

    Raises
    ------
    OSError
        It cannot be started, or there is no place for its stderr.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed by end()
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                encoding="ascii",
                errors="replace",
                env={**os.environ, **(env or {})},
            )
        except OSError:
            self._stderr.close()
            raise
        self.pid = self._process.pid
        self._late = False  # it did not answer in time
        # A read of a pipe has no time limit, and a process that waits for a dead drive cannot even
        # be killed: another thread reads, which can be left to it.
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read_all, daemon=True)
        self._reader.start()

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def stderr_size(self) -> int:
        """Bytes it has written to stderr so far."""
        return os.fstat(self._stderr.fileno()).st_size

    def read(self, seconds: float | None) -> str | None:
        """Return its next line; "" if its output has ended, None if nothing came in time."""
        try:
            return self._lines.get(timeout=seconds)
        except queue.Empty:
            return None

    def ask(self, line: str, seconds: float) -> str:
        """Write a line and return the next one; without a line end if there is no answer.

        A process that does not answer in time is killed.
        """
        assert self._process.stdin
        with suppress(OSError):  # it has ended: there will be no answer
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        answer = self.read(seconds)
        if answer is None:
            self._late = True
            self.kill()
        return answer or ""

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def terminate(self) -> None:
        """Ask it to end, and kill it if it does not."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_CLEANUP)
        self._process.kill()

    def end(self, since: int = 0) -> tuple[str, str, int | None]:
        """Wait for the end, force it if need be, and close all channels.

        Parameters
        ----------
        since : int >= 0
            Bytes of stderr that do not count: they were written before the work that failed.

        Returns
        -------
        cause : str
            What is to blame: "time" (it did not answer in time), "killed" (from outside), or a
            cause of :class:`musicu.errors.AudioError`.
        reason : str
            Its signal, or the last line of its stderr.
        status : int or None
            Its exit status; negative is a signal, None if it could not even be killed.
        """
        with suppress(subprocess.TimeoutExpired):  # its own exit status is better than our signal
            self._process.wait(timeout=GRACE)
        if stuck := self._process.poll() is None:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=GRACE)
        assert self._process.stdin
        with suppress(OSError):
            self._process.stdin.close()
        self._reader.join(timeout=GRACE)
        with self._stderr as stderr:
            stderr.seek(max(since, self.stderr_size - _LAST_BYTES))
            words = stderr.read().decode(errors="replace").strip()
        code = self._process.returncode
        if self._late:
            return "time", "", code
        if stuck:
            return "file", "it neither answered nor ended", code
        cause = cause_of_message(words)
        if cause != "memory" and code < 0:
            name = _signal_name(-code)
            return "file" if name in _OWN_SIGNALS else "killed", name, code
        return cause, words.rpartition("\n")[2] or f"exit status {code}", code

    def _read_all(self) -> None:
        assert self._process.stdout
        with self._process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
