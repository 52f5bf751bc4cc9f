"""A service that answers on a port of its own, as clients meet it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.routing import Match

from musicu.service.app import ROUTERS, create_app
from musicu.service.connection import BoundedHttpProtocol
from musicu.service.settings import Settings
from musicu.service.state import Service

PATIENCE = 300.0


@dataclass(frozen=True)
class Served:
    """A running service: its address, a client of it, and what it holds."""

    url: str
    port: int
    http: httpx.Client
    service: Service
    server: uvicorn.Server

    def ask(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """Send a request, which must be answered with this status as described; return the JSON."""
        answer = self.http.request(method, path, **options)
        assert answer.status_code == status, answer.text
        model = described(method, answer.url.path, status)
        if model is not None:
            TypeAdapter(model).validate_json(answer.content)
        return answer.json()

    def quiet(self) -> bool:
        """Whether no request is being answered any more."""
        return not self.server.server_state.tasks


def described(method: str, path: str, status: int) -> Any:
    """Return the model of an answer in the OpenAPI description; None where there is none."""
    scope = {"type": "http", "method": method, "path": path, "headers": []}
    for route in (route for router in ROUTERS for route in router.routes):
        if isinstance(route, APIRoute) and route.matches(scope)[0] is Match.FULL:
            own = route.response_model if status == 200 else None
            return route.responses.get(status, {}).get("model") or own
    return None


@contextmanager
def serving(catalog: Path, **options: Any) -> Iterator[Served]:
    """Serve a catalog for a while; options are those of the settings."""
    settings = Settings(catalog=catalog, **options)
    app = create_app(settings)
    config = uvicorn.Config(
        app, http=BoundedHttpProtocol, ws="none", log_level="critical", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            until(lambda: server.started or not thread.is_alive())
            assert server.started
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, timeout=PATIENCE) as http:
                yield Served(url, port, http, app.state.service, server)
        finally:
            server.should_exit = True
            thread.join()


def until(condition: Any) -> None:
    """Wait for something to become true."""
    late = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < late, "it did not happen"
        time.sleep(0.02)


def events(answer: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read server-sent events as a browser does: names and data."""
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
