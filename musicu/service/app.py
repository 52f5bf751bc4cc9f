"""The service as one ASGI application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.middleware import Middleware
from starlette.responses import FileResponse
from starlette.routing import Match
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from musicu.service.errors import failed_io, handle_problems, problem
from musicu.service.metrics import MetricsMiddleware
from musicu.service.routes import (
    browse,
    embed,
    feedback,
    jobs,
    media,
    monitor,
    playlists,
    recommend,
    release,
    similar,
    system,
    tracks,
)
from musicu.service.schemas import PROBLEM
from musicu.service.security import HEADERS, SecurityMiddleware
from musicu.service.settings import VERSION, Settings
from musicu.service.state import Service
from musicu.service.subsonic import routes as subsonic

__all__ = ["ROUTERS", "create_app"]

# To add a route module, add its router here.
ROUTERS = (
    system.router,
    tracks.router,
    browse.router,
    similar.router,
    embed.router,
    media.router,
    recommend.router,
    feedback.router,
    release.router,
    jobs.router,
    playlists.router,
    monitor.router,
    subsonic.router,
)
_PAGE = Path(__file__).with_name("page")
_ABOUT = (
    "Similar tracks, maps, journeys and recommendations for a catalog of music, by what is heard "
    "in it. Errors are `application/problem+json` (RFC 9457)."
)


def create_app(settings: Settings) -> FastAPI:
    """Make the application; its service starts and ends with the application's lifespan.

    Parameters
    ----------
    settings : Settings
        What the service is told.

    Returns
    -------
    FastAPI
        Several may live in one process: nothing is shared between them.
    """
    service = Service(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.close()

    app = FastAPI(
        title="musicu",
        version=VERSION,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # Swagger's page would be fetched from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        responses={"4XX": PROBLEM, "5XX": PROBLEM},
        middleware=[
            Middleware(MetricsMiddleware, metrics=service.metrics),
            Middleware(SecurityMiddleware, settings=settings, auth=service.auth),
            Middleware(_OptionsMiddleware),
        ],
    )
    app.state.service = service
    handle_problems(app)
    app.add_exception_handler(Exception, _unexpected)
    for router in ROUTERS:
        app.include_router(router)
    app.mount("/page", StaticFiles(directory=_PAGE, check_dir=False), name="page")
    app.add_api_route("/", _index, include_in_schema=False)
    app.add_api_route("/sw.js", _service_worker, include_in_schema=False)
    return app


async def _index() -> Response:
    return FileResponse(_PAGE / "index.html", media_type="text/html; charset=utf-8")


async def _service_worker() -> Response:
    # At the root, as it may only serve what lies below it.
    return FileResponse(_PAGE / "sw.js", media_type="text/javascript; charset=utf-8")


async def _unexpected(request: Request, error: Exception) -> Response:
    # Answered outside of all middleware, which the error has left; the server then hangs up.
    headers = {**HEADERS, "connection": "close"}
    if isinstance(error, OSError):
        refusal = failed_io(error, "the service's machine would not do it")
        return problem(refusal.status, str(refusal), {**headers, **refusal.headers})
    return problem(500, "this is a fault of the service; its log says more", headers)


class _OptionsMiddleware:
    """ASGI middleware that answers ``OPTIONS`` with what a path allows; nothing across origins."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "OPTIONS":
            await self.app(scope, receive, send)
            return
        allowed = {"OPTIONS"}
        for method in ("GET", "POST", "DELETE"):
            probe = {**scope, "method": method}
            if any(route.matches(probe)[0] is Match.FULL for route in scope["app"].routes):
                allowed |= {method, "HEAD"} if method == "GET" else {method}
        answer = (
            Response(status_code=204, headers={"Allow": ", ".join(sorted(allowed))})
            if len(allowed) > 1
            else problem(404, "there is nothing at this address")
        )
        await answer(scope, receive, send)
