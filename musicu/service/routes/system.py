"""How a service is: alive, ready, counted; what it can do; how a browser shows its token."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from musicu.items.comparable import COMPARABLE
from musicu.reports.release_style import FIELD_COLORS
from musicu.search.query import MOST_SEEDS, MOST_TRACKS
from musicu.service.errors import Refusal
from musicu.service.schemas import HEALTH, INFO, READINESS, Credentials
from musicu.service.security import COOKIE, JSON_BYTES
from musicu.service.settings import VERSION
from musicu.service.state import Service, service_of

__all__ = ["router"]

router = APIRouter(tags=["system"])

Here = Annotated[Service, Depends(service_of)]

_MONTH = 30 * 24 * 3600


@router.get("/healthz", summary="Whether it runs", responses={200: HEALTH})
async def health() -> dict[str, str]:
    """Tell that the service runs; asks for no token."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    summary="Whether it can answer",
    responses={200: READINESS, 503: {**READINESS, "description": "Nothing can be asked yet."}},
)
async def ready(service: Here) -> JSONResponse:
    """Tell which parts are ready; asks for no token."""
    told = service.readiness()
    return JSONResponse(told, 200 if told["ready"] else 503)


@router.get(
    "/metrics",
    summary="Counters, for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": "musicu_requests_in_flight 1.0"}}}},
)
async def metrics(service: Here) -> Response:
    """Write all counters in Prometheus' text format."""
    return Response(service.metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/info", summary="What is served", responses={200: INFO})
async def info(service: Here) -> dict[str, Any]:
    """Tell the version, the model, the limits and what this service can do."""
    settings, snapshot = service.settings, service.live.snapshot
    return {
        "version": VERSION,
        "model": snapshot.model.name,
        "tracks": len(snapshot),
        "limits": {
            "n": MOST_TRACKS,
            "seeds": MOST_SEEDS,
            "json_bytes": JSON_BYTES,
            "upload_bytes": settings.upload_bytes,
            "upload_seconds": settings.upload_seconds,
            "deadline": settings.deadline,
        },
        "features": {
            "recommend": settings.recommender is not None,
            "uploads": settings.uploads is not None,
            "scan": settings.scan,
            "map": True,
            "why": True,
        },
        "fields": {
            name: {"label": COMPARABLE[name].label, "light": light, "dark": dark}
            for name, (light, dark) in FIELD_COLORS.items()
        },
        "notice": service.notice(),
    }


@router.post(
    "/v1/session",
    summary="Exchange the token for a cookie",
    status_code=204,
    response_class=Response,
)
async def open_session(service: Here, request: Request, shown: Credentials) -> Response:
    """Let a browser in that shows the token: it gets a cookie that scripts cannot read."""
    if not service.auth.fits(shown.token):
        raise Refusal(401, "this is not the token")
    answer = Response(status_code=204)
    answer.set_cookie(
        COOKIE,
        service.auth.cookie,
        max_age=_MONTH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
    return answer


@router.delete("/v1/session", summary="Forget the cookie", status_code=204, response_class=Response)
async def close_session() -> Response:
    """Have a browser forget its cookie."""
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer
