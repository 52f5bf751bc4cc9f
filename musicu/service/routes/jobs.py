"""Work that goes on after its request: scans and maps; what failed in them; the map itself."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from pydantic import BaseModel, Field

from musicu.catalog.stats import Problem, list_problems
from musicu.catalog.store import Store
from musicu.paths import lies_under
from musicu.service.errors import Busy, Refusal
from musicu.service.jobs import Jobs, JobStatus
from musicu.service.responses import as_json, encode_json
from musicu.service.schemas import StrictModel
from musicu.service.state import Service, service_of

__all__ = [
    "Categories",
    "FileProblem",
    "FileProblems",
    "JobBody",
    "JobList",
    "PendingMap",
    "TrackMap",
    "router",
]

router = APIRouter(tags=["jobs"])
Here = Annotated[Service, Depends(service_of)]
JobId = Annotated[str, Path(pattern="^[0-9a-f]{1,32}$")]

_LOOK = 0.2  # seconds between two looks at a job: what happens between them is one event
_BEAT = 15.0  # seconds of silence after which proxies and clients are told that all is well
_LISTENERS = 32

_EVENTS = {
    "text/event-stream": {
        "schema": {"type": "string"},
        "example": "event: progress\ndata: {...}\n\n",
    }
}
_KINDS = ("error", "partial", "skipped")


class JobList(BaseModel):
    """The last 50 jobs, the newest first."""

    jobs: list[JobStatus]


class FileProblem(BaseModel):
    """A file, and what is wrong with it."""

    name: str = Field(examples=["03 Neon.mp3"])
    folder: str = Field(description="Seen from the catalog's folders.", examples=["music/Alba"])
    kind: Literal["error", "partial", "skipped"]
    reason: str = Field(examples=["empty file (0 bytes)"])


class FileProblems(BaseModel):
    """Files, and what is wrong with them."""

    total: int = Field(ge=0, examples=[1])
    problems: list[FileProblem]


class Categories(BaseModel):
    """A column of names."""

    names: list[str] = Field(examples=[["Jazz"]])
    codes: list[int] = Field(description="Places in names; -1 is unknown.", examples=[[0]])


class TrackMap(BaseModel):
    """Tracks, where they lie, and what they can be colored by."""

    number: int = Field(description="Changes with the catalog.", examples=[7])
    ids: list[str] = Field(examples=[["3f0c1e9ab52d4f0e8a6b7c5d4e3f2a1b"]])
    x: list[float] = Field(examples=[[-0.31]])
    y: list[float] = Field(examples=[[0.872]])
    columns: dict[str, list[float | None] | Categories] = Field(examples=[{"year": [1991]}])


class PendingMap(BaseModel):
    """There is no map yet; it is being drawn."""

    state: Literal["computing"]
    job: JobStatus


class JobBody(StrictModel):
    """What to do."""

    kind: Literal["scan", "map"]


@router.post(
    "/v1/jobs",
    summary="Start a job",
    status_code=202,
    response_class=Response,
    responses={202: {"model": JobStatus, "description": "The job."}},
)
async def start_job(body: JobBody, service: Here) -> Response:
    """Look for new files in the catalog's folders, or draw its map, in the background."""
    if body.kind == "scan" and not service.settings.scan:
        raise Refusal(403, "scanning is switched off here: run 'musicu embed' beside the service")
    status = service.jobs.start(body.kind)
    return as_json(status.to_dict(), 202, {"Location": f"/v1/jobs/{status.id}"})


@router.get(
    "/v1/jobs",
    summary="The last jobs",
    response_description="The last 50 jobs.",
    response_class=Response,
    responses={200: {"model": JobList}},
)
async def list_jobs(service: Here) -> Response:
    """List the last jobs, the newest first."""
    return as_json({"jobs": [status.to_dict() for status in service.jobs.all()]})


@router.get(
    "/v1/jobs/{id}",
    summary="A job",
    response_class=Response,
    responses={200: {"model": JobStatus, "description": "The job.", "content": _EVENTS}},
)
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
    responses={202: {"model": JobStatus, "description": "The job."}},
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
    return format_sse_event(event=name, data_str=encode_json(status.to_dict()).decode())


@router.get(
    "/v1/problems",
    summary="Files that were not used",
    response_description="Files, and what is wrong with them.",
    response_class=Response,
    responses={200: {"model": FileProblems}},
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
    responses={
        200: {"model": TrackMap, "description": "The map."},
        202: {"model": PendingMap, "description": "It is being drawn."},
        304: {"description": "It is as it was."},
    },
)
async def get_map(
    service: Here,
    accept_encoding: Annotated[str, Header()] = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """Return where all tracks lie on the map, column by column."""
    payload = await service.work(service.map.payload)
    if isinstance(payload, JobStatus):
        waiting = {"state": "computing", "job": payload.to_dict()}
        return as_json(waiting, 202, {"Retry-After": "2"})
    headers = {"ETag": payload.tag, "Vary": "Accept-Encoding"}
    if payload.tag in if_none_match:
        return Response(status_code=304, headers=headers)
    if "gzip" not in accept_encoding:
        return Response(payload.body, headers=headers, media_type="application/json")
    headers["Content-Encoding"] = "gzip"
    return Response(payload.packed, headers=headers, media_type="application/json")
