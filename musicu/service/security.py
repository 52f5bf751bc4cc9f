"""Who may ask, from where, and how much: checked before anything else looks at a request.

A service on a loopback address is still in reach of every web page its user opens: by requests
sent across sites, and by host names that are made to point at 127.0.0.1 (DNS rebinding). Hence the
checks of ``Host`` and ``Origin`` even where no token is set.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
from contextlib import suppress
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from musicu.service.errors import problem
from musicu.service.settings import Settings

__all__ = ["COOKIE", "HEADERS", "JSON_BYTES", "SecurityMiddleware", "TokenAuth"]

COOKIE: Final = "musicu"
JSON_BYTES: Final = 2 << 20
# The page and all it needs come from here; nothing is inline, nothing is evaluated.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self' blob:; manifest-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "private, no-cache",
}
_RAW = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
_OWN = frozenset({b"content-security-policy", b"cache-control"})  # a route may have its own
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_OPEN = frozenset({"/", "/sw.js", "/healthz", "/readyz", "/v1/session"})
_PAGE = "/page/"
_REST = "/rest/"  # OpenSubsonic has its own ways to show a token
# Whoever answers these counts the bytes of what they send himself.
_UPLOAD_PATHS = frozenset({"/v1/embed", "/v1/release", "/v1/similar", "/v1/tracks"})
_JSON = b"application/json"
_READ = frozenset(
    {
        b"host",
        b"origin",
        b"sec-fetch-site",
        b"authorization",
        b"cookie",
        b"content-type",
    }
)


class TokenAuth:
    """Compares what a client shows with the token.

    Parameters
    ----------
    token : str or None
        The token; None lets everybody in.
    """

    def __init__(self, token: str | None) -> None:
        self._token = None if token is None else token.encode()
        # What a browser keeps opens this service, but does not tell the token itself.
        self.cookie = hmac.new(self._token or b"", b"musicu session", hashlib.sha256).hexdigest()

    def fits(self, token: str | bytes) -> bool:
        """Whether this is the token; takes as long for every wrong one."""
        given = token.encode("utf-8", "surrogateescape") if isinstance(token, str) else token
        return self._token is None or hmac.compare_digest(given, self._token)

    def opens(self, authorization: bytes, cookies: bytes) -> bool:
        """Whether a request's headers show the token.

        Parameters
        ----------
        authorization, cookies : bytes
            Values of the headers ``Authorization`` and ``Cookie``.
        """
        if self._token is None:
            return True
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() == b"bearer" and self.fits(token.strip()):
            return True
        for cookie in cookies.split(b";"):
            name, _, value = cookie.strip().partition(b"=")
            if name == COOKIE.encode() and hmac.compare_digest(value, self.cookie.encode()):
                return True
        return False


class SecurityMiddleware:
    """ASGI middleware that refuses what is not for us, and puts safe headers on every answer.

    Parameters
    ----------
    app : ASGI application
        What answers.
    settings : Settings
        Names, token and limits.
    auth : TokenAuth
        Made of the settings' token.
    """

    def __init__(self, app: ASGIApp, settings: Settings, auth: TokenAuth) -> None:
        self.app = app
        self.auth = auth
        self._names = _LOOPBACK | {name.lower() for name in (settings.host, *settings.names)}
        self._numbers = not settings.loopback
        self._seconds = settings.receive_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = {name: value for name, value in scope["headers"] if name in _READ}
        answer = _SafeResponse(send, head=scope["method"] == "HEAD")
        refused = self._refusal(scope, given)
        if refused:
            status, detail = refused
            headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
            with suppress(_HeadersSent):
                await problem(status, detail, headers)(scope, receive, answer.send)
            return
        inner = scope
        if scope["method"] == "HEAD":
            # As GET, whose headers are wanted; what would follow them is cut off.
            inner = {**scope, "method": "GET"}
        elif scope["method"] not in _SAFE and not _is_upload(scope["path"], given):
            receive = _BoundedBody(receive, self._seconds).receive
        try:
            with suppress(_HeadersSent, ClientDisconnect):
                await self.app(inner, receive, answer.send)
        except asyncio.CancelledError:  # only a server that ends cancels a request
            if not answer.begun:
                gone = problem(503, "the service is shutting down", {"Retry-After": "5"})
                with suppress(_HeadersSent):
                    await gone(scope, receive, answer.send)
        finally:
            scope["route"] = inner.get("route")

    def _refusal(self, scope: Scope, given: dict[bytes, bytes]) -> tuple[int, str] | None:
        """Say why a request is refused, if it is."""
        host = given.get(b"host", b"").decode("latin-1")
        if not host:
            return 400, "the request has no Host header"
        if not self._known(host):
            return 421, (
                "this service does not go by the host name of the request; "
                "'musicu serve --name' adds one"
            )
        path: str = scope["path"]
        safe = scope["method"] in _SAFE
        is_open = path in _OPEN or path.startswith(_PAGE)
        # A link from elsewhere may lead to the page, and to nothing else.
        foreign = given.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin")
        if not safe and (origin := given.get(b"origin")) is not None:
            foreign |= origin.decode("latin-1").partition("://")[2].lower() != host.lower()
        if foreign and not (safe and is_open):
            return 403, "another site's page may not ask for this"
        if is_open or path.startswith(_REST):
            return None
        if not self.auth.opens(given.get(b"authorization", b""), given.get(b"cookie", b"")):
            return 401, "a token is needed: 'Authorization: Bearer TOKEN'"
        return None

    def _known(self, host: str) -> bool:
        if host.startswith("["):
            name, _, port = host[1:].partition("]")
            port = port.removeprefix(":")
        else:
            name, _, port = host.partition(":")
        if port and not port.isdigit():
            return False
        name = name.lower().removesuffix(".")
        if name in self._names:
            return True
        if not self._numbers:
            return False
        try:  # no name was looked up, so none can have been made to point here
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _is_upload(path: str, given: dict[bytes, bytes]) -> bool:
    kind = given.get(b"content-type", b"").lower()
    return path in _UPLOAD_PATHS and not kind.startswith(_JSON)


class _HeadersSent(OSError):
    """The headers are out, and nobody wants more; raised where a lost connection would be."""


class _SafeResponse:
    """Adds headers to an answer; for HEAD, ends it after them."""

    def __init__(self, send: Send, *, head: bool) -> None:
        self._send = send
        self._head = head
        self.begun = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = message["headers"] = list(message.get("headers", ()))
            own = {name for name, _ in headers} & _OWN
            headers += [pair for pair in _RAW if pair[0] not in own] if own else _RAW
            await self._send(message)
            if self._head:
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if self._head:
            raise _HeadersSent
        await self._send(message)


class _BoundedBody:
    """Bounds the size of a body, and the time its sender takes."""

    def __init__(self, receive: Receive, seconds: float) -> None:
        self._receive = receive
        self._seconds = seconds
        self._end: float | None = None
        self._size = 0

    async def receive(self) -> Message:
        if self._end == 0.0:  # all is here; what comes now is the client's leaving
            return await self._receive()
        loop = asyncio.get_running_loop()
        if self._end is None:
            self._end = loop.time() + self._seconds
        try:
            async with asyncio.timeout_at(self._end):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, "the body came too slowly") from None
        self._size += len(message.get("body", b""))
        if self._size > JSON_BYTES:
            raise HTTPException(413, f"the body is larger than {JSON_BYTES >> 20} MB")
        if not message.get("more_body", False):
            self._end = 0.0
        return message
