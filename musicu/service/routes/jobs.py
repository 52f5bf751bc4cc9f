"""Work that goes on after its request: scans and maps; what failed in them; the map itself."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from pydantic import BaseModel, ConfigDict

from musicu.catalog.stats import Problem, list_problems
from musicu.catalog.store import Store
from musicu.paths import lies_under
from musicu.service.errors import Busy, Refusal
from musicu.service.jobs import Jobs, JobStatus
from musicu.service.responses import as_json
from musicu.service.schemas import json_response
from musicu.service.state import Service, service_of

__all__ = ["JobBody", "router"]

router = APIRouter(tags=["jobs"])
Here = Annotated[Service, Depends(service_of)]
JobId = Annotated[str, Path(pattern="^[0-9a-f]{1,32}$")]

_LOOK = 0.2  # seconds between two looks at a job: what happens between them is one event
_BEAT = 15.0  # seconds of silence after which proxies and clients are told that all is well
_LISTENERS = 32

_KINDS = ("error", "partial", "skipped")


_JOB = {
    "id": "6780f7801b2d",
    "kind": "scan",
    "state": "running",
    "done": 120,
    "total": 340,
    "eta_seconds": 41.5,
    "message": "120 of 340 files",
    "started": "2026-03-01T12:00:00Z",
    "ended": None,
}
_TEXT_OR_NONE = {"type": ["string", "null"]}
_JOB_FIELDS = {
    "id": {"type": "string"},
    "kind": {"enum": ["scan", "map"]},
    "state": {"enum": ["waiting", "running", "done", "failed", "canceled"]},
    "done": {"type": "integer", "minimum": 0},
    "total": {"type": "integer", "minimum": 0},
    "eta_seconds": {"type": ["number", "null"]},
    "message": {"type": "string"},
    "summary?": {"type": "object"},
    "started": _TEXT_OR_NONE,
    "ended": _TEXT_OR_NONE,
}
_ONE = json_response("A job.", _JOB_FIELDS, _JOB)
_STREAM = {"schema": {"type": "string"}, "example": "event: progress\ndata: {...}\n\n"}
_FOLLOWED = {**_ONE, "content": {**_ONE["content"], "text/event-stream": _STREAM}}
_ALL = json_response(
    "The last 50 jobs.",
    {"jobs": {"type": "array", "items": {"type": "object"}}},
    {"jobs": [_JOB]},
)
_PROBLEMS = json_response(
    "Files, and what is wrong with them.",
    {
        "total": {"type": "integer", "minimum": 0},
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    name: {"type": "string"} for name in ("name", "folder", "kind", "reason")
                },
            },
        },
    },
    {
        "total": 1,
        "problems": [
            {
                "name": "03 Neon.mp3",
                "folder": "music/Alba",
                "kind": "error",
                "reason": "empty file (0 bytes)",
            }
        ],
    },
)
_NUMBERS = {"type": "array", "items": {"type": "number"}}
_MAP = json_response(
    "Tracks, where they lie, and what they can be colored by.",
    {
        "number": {"type": "integer"},
        "ids": {"type": "array", "items": {"type": "string"}},
        "x": _NUMBERS,
        "y": _NUMBERS,
        "columns": {"type": "object"},
    },
    {
        "number": 7,
        "ids": ["3f0c1e9ab52d4f0e8a6b7c5d4e3f2a1b"],
        "x": [-0.31],
        "y": [0.872],
        "columns": {"year": [1991], "genre": {"names": ["Jazz"], "codes": [0]}},
    },
)
_DRAWING = json_response(
    "There is no map yet; it is being drawn.",
    {"state": {"const": "computing"}, "job": {"type": "object"}},
    {"state": "computing", "job": {**_JOB, "kind": "map"}},
)


class JobBody(BaseModel):
    """What to do."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["scan", "map"]


@router.post(
    "/v1/jobs",
    summary="Start a job",
    status_code=202,
    response_class=Response,
    responses={202: _ONE},
)
async def start_job(body: JobBody, service: Here) -> Response:
    """Look for new files in the catalog's folders, or draw its map, in the background."""
    if body.kind == "scan" and not service.settings.scan:
        raise Refusal(403, "scanning is switched off here: run 'musicu embed' beside the service")
    status = service.jobs.start(body.kind)
    return as_json(status.to_dict(), 202, {"Location": f"/v1/jobs/{status.id}"})


@router.get("/v1/jobs", summary="The last jobs", response_class=Response, responses={200: _ALL})
async def list_jobs(service: Here) -> Response:
    """List the last jobs, the newest first."""
    return as_json({"jobs": [status.to_dict() for status in service.jobs.all()]})


@router.get("/v1/jobs/{id}", summary="A job", response_class=Response, responses={200: _FOLLOWED})
async def get_job(id: JobId, service: Here, accept: Annotated[str, Header()] = "") -> Response:
    """Show a job; to ``Accept: text/event-stream``, as it goes on, until it is over."""
    status = service.jobs.get(id)
    if "text/event-stream" not in accept:
        return as_json(status.to_dict())
    if service.jobs.listeners >= _LISTENERS:
        raise Busy("too many clients follow jobs", 5)
    return EventSourceResponse(
        _follow(service.jobs, id), headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    )


@router.delete(
    "/v1/jobs/{id}",
    summary="Cancel a job",
    status_code=202,
    response_class=Response,
    responses={202: _ONE},
)
async def cancel_job(id: JobId, service: Here) -> Response:
    """Have a job stop; what it has finished stays."""
    return as_json(service.jobs.cancel(id).to_dict(), 202)


async def _follow(jobs: Jobs, id: str) -> AsyncIterator[bytes]:
    """Yield an event whenever a job has changed, and a last one when it is over."""
    seen: JobStatus | None = None
    quiet = 0.0
    jobs.listeners += 1
    try:
        while not (seen and seen.over):
            status = jobs.get(id)
            if status is not seen:
                seen, quiet = status, 0.0
                yield _event("progress", status)
            elif quiet >= _BEAT:
                quiet = 0.0
                yield KEEPALIVE_COMMENT
            if not status.over:
                await asyncio.sleep(_LOOK)
                quiet += _LOOK
        yield _event("end", seen)
    finally:
        jobs.listeners -= 1


def _event(name: str, status: JobStatus) -> bytes:
    return format_sse_event(event=name, data_str=json.dumps(status.to_dict()))


@router.get(
    "/v1/problems",
    summary="Files that were not used",
    response_class=Response,
    responses={200: _PROBLEMS},
)
async def list_file_problems(
    service: Here,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0)] = 0,
    kind: Annotated[Literal["error", "partial", "skipped"] | None, Query()] = None,
) -> Response:
    """List files that could not be used, or only in part, or were passed over, with reasons."""
    catalog = service.settings.catalog

    def read() -> tuple[int, list[dict[str, str]]]:
        with Store(catalog, create=False) as store:
            found = list_problems(store, _KINDS if kind is None else (kind,))
            roots = store.roots()
        return len(found), [_shown(one, roots) for one in found[offset : offset + limit]]

    total, problems = await service.work(read)
    return as_json({"total": total, "problems": problems})


def _shown(problem: Problem, roots: list[str]) -> dict[str, str]:
    """Tell where a file is, seen from the folder it was found in."""
    folder, name = os.path.split(problem.path)
    root = next((root for root in roots if lies_under(problem.path, root)), folder)
    inside = os.path.relpath(folder, os.path.dirname(root))
    return {
        "name": name,
        "folder": inside,
        "kind": problem.kind,
        "reason": problem.reason or "",
    }


@router.get(
    "/v1/map",
    summary="The map",
    response_class=Response,
    responses={200: _MAP, 202: _DRAWING, 304: {"description": "It is as it was."}},
)
async def get_map(
    service: Here,
    accept_encoding: Annotated[str, Header()] = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """Return where all tracks lie on the map, column by column."""
    picture = await service.work(service.map.picture)
    if isinstance(picture, JobStatus):
        waiting = {"state": "computing", "job": picture.to_dict()}
        return as_json(waiting, 202, {"Retry-After": "2"})
    headers = {"ETag": picture.tag, "Vary": "Accept-Encoding"}
    if picture.tag in if_none_match:
        return Response(status_code=304, headers=headers)
    if "gzip" not in accept_encoding:
        return Response(picture.body, headers=headers, media_type="application/json")
    headers["Content-Encoding"] = "gzip"
    return Response(picture.packed, headers=headers, media_type="application/json")
