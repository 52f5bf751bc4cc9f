"""How the service does: its speed, its queues, and whether what comes and goes has changed."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from musicu.service.state import Service, service_of

__all__ = ["router"]

router = APIRouter(tags=["system"])

_EXAMPLE = {
    "since": 1735689600.0,
    "requests": {"POST /v1/similar": {"count": 1200, "p50_ms": 3.1, "p99_ms": 9.8, "errors": 0}},
    "queues": {"decoding": {"depth": 0, "limit": 8, "busy": 1, "rejected": 0}},
    "cache": {"answers": {"hits": 310, "misses": 890}},
    "failures": {"empty file (0 bytes)": 2},
    "served": 24000,
    "tracks": 1500,
    "coverage": 0.61,
    "hub_share": 0.05,
    "gini": 0.48,
    "drift": {
        "uploads": 230,
        "drifted": True,
        "n": 200,
        "groups": 61,
        "reference": 1500,
        "words": "codec: mp3float 100 %, the catalog's 2 %",
        "signals": [
            {
                "name": "codec",
                "statistic": 930.2,
                "threshold": 31.5,
                "p": 1e-12,
                "drifted": True,
                "words": "mp3float 100 %, the catalog's 2 %",
            }
        ],
    },
}


@router.get(
    "/v1/monitor",
    summary="How the service does",
    responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}},
)
async def monitor(service: Annotated[Service, Depends(service_of)]) -> dict[str, Any]:
    """Sum up speed, queues, failures, what was served, and the drift of the latest uploads.

    Drift is null where fewer than 20 tracks by 5 artists were uploaded.
    """
    # Both may take a second: the comparison when there is news, the counts after many answers.
    drift, served = await asyncio.gather(
        asyncio.to_thread(service.upload_monitor.report), asyncio.to_thread(_served, service)
    )
    return {**service.metrics.summary(), **served, "drift": drift}


def _served(service: Service) -> dict[str, Any]:
    total = len(service.live.snapshot)
    served = service.exposure
    return {
        "tracks": total,
        "coverage": served.coverage(total),
        "hub_share": served.hub_share(total),
        "gini": served.gini(total),
    }
