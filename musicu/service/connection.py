"""The HTTP connection of the service: uvicorn's own, with bounds for hostile clients."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from musicu.service.errors import problem
from musicu.service.security import HEADERS

__all__ = ["BoundedHttpProtocol"]


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 connection, bounded in time and bytes; given as ``Config(http=...)``.

    uvicorn has no option for either: ``timeout_keep_alive`` ends with the first byte of a request,
    and the size of a head is bounded for h11 only.

    - The head of a request has to come within `HEAD_SECONDS` and `HEAD_BYTES`. Otherwise a client
      could hold as many connections as there can be.
    - A request may be answered before its body is there, because that is too large or nobody may
      send it. What still comes is then read and dropped, for `REST_SECONDS` and `REST_BYTES`: to
      close the connection of a client that is still sending would take the answer away from it.
    - What is no HTTP is answered with a problem and the headers that every answer has.

    Attributes
    ----------
    HEAD_SECONDS : float > 0
    HEAD_BYTES : int > 0
    REST_SECONDS : float > 0
    REST_BYTES : int > 0
    """

    HEAD_SECONDS: ClassVar[float] = 10
    HEAD_BYTES: ClassVar[int] = 64 << 10
    REST_SECONDS: ClassVar[float] = 30
    REST_BYTES: ClassVar[int] = 256 << 20

    _timer: asyncio.TimerHandle | None = None
    _size = 0
    _sending = False  # the client has not sent all of a request's body

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the head of a request."""
        super().connection_made(transport)
        self._start_timer(self.HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and count it."""
        if self._timer is None and self.cycle is not None and self.cycle.response_complete:
            self._start_timer(self.HEAD_SECONDS)  # the next one
        self._size += len(data)
        super().data_received(data)
        if self._timer is not None and self._size > (
            self.REST_BYTES if self._sending else self.HEAD_BYTES
        ):
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Have the request answered; the head has come in time."""
        self._stop_timer()
        self._sending = True
        super().on_headers_complete()
        self.cycle.transport = _ClosingTransport(self)  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        """Close a connection whose answer waited for the rest of the body."""
        self._sending = False
        super().on_message_complete()
        if self.cycle.response_complete:
            self._stop_timer()
            if not self.cycle.keep_alive:
                self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the rest of a body that was answered early, but not for long."""
        super().on_response_complete()
        if self._sending and self.cycle.response_complete and not self.transport.is_closing():
            self._start_timer(self.REST_SECONDS)

    def leave(self) -> None:
        """Hang up after an answer: at once, or when all that the client is sending is here."""
        if not self._sending or self.transport.is_closing():
            self.transport.close()
        elif self.transport.can_write_eof():
            self.transport.write_eof()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, with the headers that every answer has."""
        answer = problem(400, msg, {**HEADERS, "connection": "close"})
        head = [b"HTTP/1.1 400 Bad Request", *(b": ".join(pair) for pair in answer.raw_headers)]
        self.transport.write(b"\r\n".join([*head, b"", bytes(answer.body)]))
        self.transport.close()

    def _start_timer(self, seconds: float) -> None:
        self._size = 0
        self._timer = self.loop.call_later(seconds, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _ClosingTransport:
    """The transport that an answer is written to; to close it is to call `leave`."""

    def __init__(self, connection: BoundedHttpProtocol) -> None:
        self._connection = connection
        self.close = connection.leave

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection.transport, name)
