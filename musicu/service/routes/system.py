"""How a service is: alive, ready, counted; what it can do; how a browser shows its token."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from musicu.items.comparable import COMPARABLE
from musicu.reports.release_style import FIELD_COLORS
from musicu.search.query import MOST_SEEDS, MOST_TRACKS
from musicu.search.spaces import DEFAULT_SPACE
from musicu.service.errors import Refusal
from musicu.service.responses import as_json
from musicu.service.schemas import Credentials
from musicu.service.security import COOKIE, JSON_BYTES
from musicu.service.settings import VERSION
from musicu.service.state import Service, service_of

__all__ = [
    "ComparableField",
    "Features",
    "Health",
    "Info",
    "Limits",
    "Parts",
    "Readiness",
    "router",
]

router = APIRouter(tags=["system"])

Here = Annotated[Service, Depends(service_of)]

_MONTH = 30 * 24 * 3600
PartState = Literal["ready", "preparing", "off"]


class Health(BaseModel):
    """It runs."""

    status: Literal["ok"] = "ok"


class Parts(BaseModel):
    """Which parts can answer."""

    search: PartState
    why: PartState = Field(description="Search by all fields.")
    map: PartState
    recommender: PartState


class Readiness(BaseModel):
    """Whether it can answer, and which parts of it can."""

    ready: bool
    tracks: int = Field(examples=[1204])
    model: str | None = Field(examples=["musicu-3@1"])
    parts: Parts


class Limits(BaseModel):
    """How much may be asked for or sent."""

    n: int = MOST_TRACKS
    seeds: int = MOST_SEEDS
    json_bytes: int = JSON_BYTES
    upload_bytes: int
    upload_seconds: float
    deadline: float = Field(description="Seconds until an answer.")


class Features(BaseModel):
    """What this service can do."""

    recommend: bool
    feedback: bool
    uploads: bool
    scan: bool
    map: bool = True
    why: bool = True


class ComparableField(BaseModel):
    """A field that tracks are compared by: its label, and its colors."""

    label: str = Field(examples=["Sound"])
    light: str = Field(description="Color on a light ground.", examples=["#2a78d6"])
    dark: str = Field(description="Color on a dark ground.", examples=["#3987e5"])


class Info(BaseModel):
    """What is served."""

    version: str
    model: str = Field(examples=["musicu-3@1"])
    tracks: int = Field(examples=[1204])
    limits: Limits
    features: Features
    fields: dict[str, ComparableField]
    by: str = Field(description="What tracks are compared by unless asked otherwise.")
    notice: str | None = Field(description="What there is to know about the catalog just now.")


@router.get("/healthz", summary="Whether it runs", response_description="It runs.")
async def health() -> Health:
    """Tell that the service runs; asks for no token."""
    return Health()


@router.get(
    "/readyz",
    summary="Whether it can answer",
    response_description="Whether it can answer, and which parts of it can.",
    response_class=Response,
    responses={
        200: {"model": Readiness},
        503: {"model": Readiness, "description": "Nothing can be asked yet."},
    },
)
async def ready(service: Here) -> Response:
    """Tell which parts are ready; asks for no token."""
    told = service.readiness()
    return as_json(told, 200 if told["ready"] else 503)


@router.get(
    "/metrics",
    summary="Counters, for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"example": "musicu_requests_in_flight 1.0"}}}},
)
async def metrics(service: Here) -> Response:
    """Write all counters in Prometheus' text format."""
    return Response(service.metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/info", summary="What is served", response_description="What is served.")
async def info(service: Here) -> Info:
    """Tell the version, the model, the limits and what this service can do."""
    settings, snapshot = service.settings, service.live.snapshot
    return Info(
        version=VERSION,
        model=snapshot.model.name,
        tracks=len(snapshot),
        limits=Limits(
            upload_bytes=settings.upload_bytes,
            upload_seconds=settings.upload_seconds,
            deadline=settings.deadline,
        ),
        features=Features(
            recommend=settings.recommender is not None,
            feedback=settings.feedback is not None,
            uploads=settings.uploads is not None,
            scan=settings.scan,
        ),
        fields={
            name: ComparableField(label=COMPARABLE[name].label, light=light, dark=dark)
            for name, (light, dark) in FIELD_COLORS.items()
        },
        by=DEFAULT_SPACE,
        notice=service.notice(),
    )


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
