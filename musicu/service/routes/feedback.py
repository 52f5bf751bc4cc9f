"""``POST /v1/feedback``: what a listener says of a track, kept for the next ``musicu fit``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from musicu.service.errors import Refusal
from musicu.service.feedback import Event
from musicu.service.schemas import StrictModel, TrackId
from musicu.service.state import Service, service_of

__all__ = ["FeedbackBody", "router"]

router = APIRouter(tags=["recommendations"])


class FeedbackBody(StrictModel):
    """Who says what of which track."""

    user: str = Field(
        pattern=r"^[A-Za-z0-9._-]{1,64}$",
        description="A name the client chooses for the listener.",
        examples=["f3b1c2"],
    )
    id: TrackId
    event: Event = Field(examples=["liked"])


@router.post(
    "/v1/feedback",
    summary="What a listener says of a track",
    status_code=204,
    response_class=Response,
)
async def feedback(
    service: Annotated[Service, Depends(service_of)], body: FeedbackBody
) -> Response:
    """Append it to the log that the service was started with."""
    log = service.feedback
    if log is None:
        raise Refusal(404, "no feedback is kept: start with 'musicu serve --feedback FILE'")
    snapshot = service.live.snapshot
    item = snapshot.ids[snapshot.position(body.id)]
    await service.work(log.add, body.user, item, body.event)
    return Response(status_code=204)
