"""Release reports: what an uploaded track is like in the catalog, and why."""

import base64
import hashlib
import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response

from musicu.service.responses import as_json
from musicu.service.schemas import AUDIO_BODY, NON_MUSIC
from musicu.service.state import Service, service_of

__all__ = ["lock_page", "router"]

router = APIRouter(tags=["release"])


@router.post(
    "/v1/release",
    summary="A release report",
    response_class=Response,
    responses={
        200: {
            "model": dict[str, Any],
            "description": "The report.",
            "content": {"text/html": {"schema": {"type": "string"}}},
        }
    },
    openapi_extra=AUDIO_BODY,
)
async def report_on_release(
    request: Request,
    service: Annotated[Service, Depends(service_of)],
    neighbors: Annotated[int, Query(ge=0, le=50, description="Nearest tracks to name.")] = 10,
    format: Annotated[Literal["json", "html"], Query()] = "json",
    name: Annotated[str, Query(max_length=500, description="What to call the file.")] = "upload",
    include_non_music: Annotated[bool, Query(description=NON_MUSIC)] = False,
) -> Response:
    """Report on a new track, which is kept no longer than that takes: JSON, or a page to read."""
    reports = service.release_reporter
    reports.queue.check()  # before a body is read for nothing
    async with service.uploads.receive(request) as upload:
        made = await reports.make(upload.path, name, neighbors, include_non_music=include_non_music)
    if format == "json":
        return as_json(made.report)
    page, policy = lock_page(made.page)
    return Response(
        page.encode("utf-8", "replace"),
        media_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": policy},
    )


def lock_page(page: str) -> tuple[str, str]:
    """Bring a report's page under a policy that allows its one style sheet and nothing else.

    A policy can name a style sheet by its hash, but not styles in attributes: these become rules
    of the sheet.

    Parameters
    ----------
    page : str
        HTML of :func:`musicu.reports.release_page.render_page`, without players.

    Returns
    -------
    page, policy : str
        HTML, and its ``Content-Security-Policy``.
    """
    numbers: dict[str, int] = {}

    def to_rule(style: re.Match[str]) -> str:
        return f' data-s="{numbers.setdefault(style[1], len(numbers))}"'

    head, end, body = page.partition("</style>")
    before, begin, sheet = head.partition("<style>")
    body = re.sub(r' style="([^"]*)"', to_rule, body)
    for style, number in numbers.items():
        strong = ";".join(f"{part} !important" for part in style.split(";") if part)
        sheet += f'[data-s="{number}"]{{{strong}}}\n'
    known = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{known}'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return before + begin + sheet + end + body, policy
