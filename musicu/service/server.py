"""The one process that serves: its socket, its signals, its end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import uvicorn
from threadpoolctl import threadpool_limits

from musicu.errors import MusicuError
from musicu.service.app import create_app
from musicu.service.connection import BoundedHttpProtocol
from musicu.service.settings import Settings
from musicu.service.state import Service

__all__ = ["serve"]

_REST = 75  # seconds a connection may rest: longer than the pools of clients and proxies keep one
_GRACE = 2  # seconds that answers in hand have to be finished in
# Seconds after which whatever has not ended is cut off: fewer than the 10 that others would wait
# before they do it, and clean up after nobody.
_SHUTDOWN_SECONDS = 8.0
_SWITCH = 0.0005
_FREEZE_SECONDS = 2.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_log = logging.getLogger(__name__)


def serve(settings: Settings, tell: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Parameters
    ----------
    settings : Settings
        What the service is told.
    tell : callable
        Called with the service's address when it can be reached.

    Raises
    ------
    CatalogError
        The catalog cannot be opened.
    MusicuError
        The address cannot be listened on.
    """
    # A thread that computes lets the others go on ten times as soon as usual: answers that wait for
    # a few milliseconds of theirs would wait for as many of somebody else's at each step.
    sys.setswitchinterval(_SWITCH)
    # Products of the searches are small: BLAS's threads would only wait for each other.
    with (
        threadpool_limits(limits=1, user_api="blas"),
        _listen(settings.host, settings.port) as listener,
    ):
        app = create_app(settings)
        config = uvicorn.Config(
            app,
            http=BoundedHttpProtocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            # A proxy's word for where a request comes from is believed by nobody here.
            proxy_headers=False,
            timeout_keep_alive=_REST,
            timeout_graceful_shutdown=_GRACE,
            lifespan="on",
        )
        address = _address(settings.host, listener)
        server = _Server(config, app.state.service, lambda: tell(address))
        try:
            server.run([listener])
        finally:
            server.ended()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise MusicuError(
            f"{host}:{port}: {error.strerror or error}; --port 0 takes any port that is free"
        ) from None


def _address(host: str, listener: socket.socket) -> str:
    port = listener.getsockname()[1]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


async def _freeze_loaded(service: Service) -> None:
    """Keep what lives long out of sight of Python's garbage collector.

    It would look all of a catalog over every half minute, and everybody would wait for a tenth of a
    second among 100,000 tracks.
    """
    seen = None
    while True:
        held = id(service.live.snapshot.nearest), service.explorer.prepared
        if held != seen:
            seen = held
            gc.unfreeze()  # what was replaced goes
            gc.collect()
            gc.freeze()
        await asyncio.sleep(_FREEZE_SECONDS)


class _Server(uvicorn.Server):
    """A server that says when it listens, and whose end by a signal is no failure."""

    def __init__(
        self, config: uvicorn.Config, service: Service, listening: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._service = service
        self._listening = listening
        self._timer: threading.Timer | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._freezing = asyncio.create_task(_freeze_loaded(self._service))
            self._listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # What is cut off from here on is no fault, and nothing to frighten anybody with.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals; unlike the original, do not raise them again after the end."""

        def leave(number: int, frame: FrameType | None) -> None:
            self.handle_exit(number, frame)
            if self._timer is None:
                self._timer = threading.Timer(_SHUTDOWN_SECONDS, _cut_off, [self._service])
                self._timer.daemon = True
                self._timer.start()

        before = {number: signal.signal(number, leave) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def ended(self) -> None:
        """Have nothing cut off any more, unless nothing was waited for: Ctrl-C came twice."""
        if self._timer is not None:
            self._timer.cancel()
        if self.force_exit:
            _cut_off(self._service)


def _cut_off(service: Service) -> None:
    """End this process, whatever its threads are doing."""
    cleaning = threading.Thread(target=_clean_up, args=[service], daemon=True)
    cleaning.start()
    cleaning.join(1.0)
    os._exit(0)


def _clean_up(service: Service) -> None:
    """Say so, and leave neither processes nor files behind."""
    _log.warning("some work did not end in time and was cut off")
    for children in Path("/proc/self/task").glob("*/children"):  # elsewhere they see us go
        for child in children.read_text().split():
            with suppress(OSError):
                os.kill(int(child), signal.SIGKILL)
    shutil.rmtree(service.uploads.folder, ignore_errors=True)
