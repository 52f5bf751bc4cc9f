"""How the service does: its speed, its queues, and whether what comes and goes has changed."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from musicu.monitoring.drift import Signal
from musicu.service.responses import as_json
from musicu.service.state import Service, service_of

__all__ = [
    "AnswerDrift",
    "AnswersSummary",
    "CacheSummary",
    "MonitorBody",
    "QueueSummary",
    "RouteSummary",
    "UploadDrift",
    "router",
]

router = APIRouter(tags=["system"])


class RouteSummary(BaseModel):
    """Requests of a route."""

    count: int = Field(examples=[1200])
    p50_ms: float = Field(description="Median latency.", examples=[3.1])
    p99_ms: float = Field(examples=[9.8])
    errors: int = Field(description="Answers with status 500 and above.")


class QueueSummary(BaseModel):
    """Work that waits."""

    depth: int = Field(description="How much waits.")
    limit: int = Field(description="How much may.", examples=[8])
    busy: int = Field(description="How much is being done.", examples=[1])
    rejected: int = Field(description="How much was refused.")


class CacheSummary(BaseModel):
    """Lookups in a cache."""

    hits: int
    misses: int


class UploadDrift(BaseModel):
    """Whether the latest uploads differ from the catalog."""

    uploads: int = Field(description="How many are kept.", examples=[230])
    drifted: bool | None = Field(description="Null where there is too little to say.")
    n: int = Field(description="Uploads that were compared.", examples=[200])
    groups: int = Field(description="Artists of them.", examples=[61])
    reference: int = Field(description="Tracks they were compared with.", examples=[1500])
    signals: list[Signal]
    words: str = Field(examples=["codec: mp3float 100 %, the catalog's 2 %"])


class AnswerDrift(BaseModel):
    """Whether recommendations differ from earlier ones: in scores, new items, coverage."""

    drifted: bool | None = Field(description="Null where there is too little to say.")
    n: int = Field(description="Answers that were compared, on either side.", examples=[200])
    groups: int = Field(description="Listeners of them.", examples=[61])
    reference: int
    signals: list[Signal]
    words: str = Field(examples=["coverage: 310 different items, before 820"])


class AnswersSummary(BaseModel):
    """Recommendations lately, in lists or on a surface."""

    version: int | None = Field(description="Of a registry, which answers.", examples=[3])
    answers: int = Field(description="How many it gave.", examples=[1200])
    before: int | None = Field(description="The version that answered before.", examples=[2])
    drift: AnswerDrift = Field(description="The latest beside the first of this version.")
    swap: AnswerDrift = Field(description="The latest beside those of the version before.")


class MonitorBody(BaseModel):
    """How the service does since its start."""

    since: float = Field(description="Unix time of the start.", examples=[1735689600.0])
    requests: dict[str, RouteSummary] = Field(description="By method and route.")
    queues: dict[str, QueueSummary]
    cache: dict[str, CacheSummary]
    failures: dict[str, int] = Field(
        description="Uploads that could not be used, by reason.",
        examples=[{"empty file (0 bytes)": 2}],
    )
    served: int = Field(description="Tracks named in answers.", examples=[24000])
    tracks: int = Field(description="Tracks of the catalog.", examples=[1500])
    coverage: float | None = Field(description="Share of them that was served.", examples=[0.61])
    hub_share: float | None = Field(
        description="Share of all results that fell on the percent of tracks served most.",
        examples=[0.05],
    )
    gini: float | None = Field(
        description="How unevenly tracks are served (the Gini coefficient).", examples=[0.48]
    )
    drift: UploadDrift
    recommendations: dict[str, AnswersSummary] = Field(
        description="By surface, those that answered; 'lists' without one."
    )


@router.get(
    "/v1/monitor",
    summary="How the service does",
    response_description="How the service does since its start.",
    response_class=Response,
    responses={200: {"model": MonitorBody}},
)
async def monitor(service: Annotated[Service, Depends(service_of)]) -> Response:
    """Sum up speed, queues, failures, what was served, and the drift of the latest uploads.

    Drift is null where fewer than 20 tracks by 5 artists were uploaded.
    """
    # Both may take a second: the comparison when there is news, the counts after many answers.
    drift, served, answers = await asyncio.gather(
        asyncio.to_thread(service.upload_monitor.report),
        asyncio.to_thread(_served, service),
        asyncio.to_thread(_answers, service),
    )
    told = {**service.metrics.summary(), **served, "drift": drift, "recommendations": answers}
    return as_json(told)


def _answers(service: Service) -> dict[str, Any]:
    if service.recommender is None:
        return {}
    told = {name: one.report() for name, one in service.recommender.answers.items()}
    return {name: one for name, one in told.items() if one["answers"]}


def _served(service: Service) -> dict[str, Any]:
    total = len(service.live.snapshot)
    served = service.exposure
    return {
        "tracks": total,
        "coverage": served.coverage(total),
        "hub_share": served.hub_share(total),
        "gini": served.gini(total),
    }
