"""``musicu serve`` as a process, and plain connections to it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any
from urllib.parse import urlsplit

from torture.killing import children, survivors
from torture.lab import PATIENCE, Argument, Lab

# Seconds the server may take to end after SIGTERM; its own grace is a few.
GRACE = 60.0


class Server:
    """A running server: its process, its port, and what it wrote to stderr."""

    def __init__(self, process: subprocess.Popen[str], port: int, log: IO[str]) -> None:
        self.process, self.port, self._log = process, port, log

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        limit: float = PATIENCE,
    ) -> tuple[int, bytes]:
        """Send a request; return status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def upload(self, path: str, body: bytes) -> tuple[int, Any]:
        """Send a file; return status and document."""
        headers = {"content-type": "application/octet-stream"}
        status, answer = self.ask("POST", path, body, headers)
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, answer[:200]

    def raw(self, data: bytes, *, pause: float = 0.0, limit: float = 60.0) -> bytes:
        """Send bytes as they are, in pieces with pauses if one is given; return what comes."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=limit) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):
                if pause:
                    for start in range(0, len(data), max(1, len(data) // 10)):
                        connection.sendall(data[start : start + max(1, len(data) // 10)])
                        time.sleep(pause)
                else:
                    connection.sendall(data)
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                while part := connection.recv(65536):
                    answer += part
        return answer

    def said(self) -> str:
        """Return what it wrote to stderr so far."""
        self._log.seek(0)
        return self._log.read()

    def end(self) -> str | None:
        """Ask it to end; say what is wrong with how it does."""
        if self.process.poll() is not None:
            return f"it had ended by itself: {self.process.returncode}: {self.said()[-300:]}"
        before, workers = len(self.said()), children(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=GRACE)
        except subprocess.TimeoutExpired:
            return f"it does not end within {GRACE:g} s of SIGTERM"
        if status not in (0, -signal.SIGTERM):
            return f"it ended with {status}: {self.said()[-300:]}"
        if "Traceback" in self.said()[before:]:
            return f"a traceback at its end: {self.said().strip().splitlines()[-1]}"
        left = survivors(workers)
        return f"{len(left)} workers outlive it" if left else None


@contextmanager
def serving(lab: Lab, *args: Argument) -> Iterator[Server]:
    """Serve for a while; whatever is left of it is killed at the end."""
    with tempfile.TemporaryFile("a+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            lab.command("serve", "--port", "0", *args),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            encoding="utf-8",
            env=lab.env,
        )
        # It never outlives the campaign, whatever happens to it.
        timer = threading.Timer(2 * PATIENCE, process.kill)
        timer.start()
        try:
            late = time.monotonic() + PATIENCE
            while True:
                log.seek(0)
                found = re.search(r"http://\S+", said := log.read())
                if found:
                    break
                if process.poll() is not None or time.monotonic() > late:
                    raise RuntimeError(f"the server does not start: {said[-400:]}")
                time.sleep(0.05)
            port = urlsplit(found[0]).port
            assert port
            yield Server(process, port, log)
        finally:
            timer.cancel()
            workers = children(process.pid) if process.poll() is None else []
            process.kill()
            process.wait()
            for pid in workers:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
