"""``POST /v1/similar``: what is like a track, like several, like an upload, or between two."""

from typing import Any

from fastapi import APIRouter, Request, Response

from musicu.search.query import Seed
from musicu.service.errors import Refusal
from musicu.service.routes.embed import similar_to_upload
from musicu.service.schemas import ANSWER, SIMILAR_BODY, SimilarBody, read_similar
from musicu.service.similar import EncodedAnswer
from musicu.service.state import Service

__all__ = ["router"]

router = APIRouter()

_JSON = "application/json"
_MOST_STEPS = 100
_DESCRIPTION = (
    "JSON asks by id, by several seeds with weights, or for a path. Audio as the body "
    "(`Content-Type: audio/...`) asks for what is like that file, with the same fields as query "
    "parameters, and tells what was heard in it as `upload`."
)
_AUDIO: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}


@router.post(
    "/v1/similar",
    summary="Similar tracks",
    description=_DESCRIPTION,
    tags=["search"],
    response_class=Response,
    responses={200: ANSWER},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {_JSON: SIMILAR_BODY, "audio/*": _AUDIO, "application/octet-stream": _AUDIO},
        }
    },
)
async def similar(request: Request) -> Response:
    """Answer by what the body is. Written for speed: nothing is parsed or rendered twice."""
    service: Service = request.app.state.service
    if not request.headers.get("content-type", "").startswith(_JSON):
        return await similar_to_upload(request, service)
    wish = read_similar(await request.body())
    if wish.path is None:
        reply = await service.similar.search(wish.query())
    else:
        reply = await service.work(_journey, service, wish)
    return Response(service.count_served(reply), media_type=_JSON)


def _journey(service: Service, wish: SimilarBody) -> EncodedAnswer:
    assert wish.path
    if not 2 <= wish.n <= _MOST_STEPS:
        raise Refusal(422, f"n is {wish.n}: a path has 2 to {_MOST_STEPS} tracks")
    return EncodedAnswer.of(
        service.explorer.journey(
            Seed(id=wish.path.start),
            Seed(id=wish.path.end),
            wish.n,
            where=wish.where,
            max_per_artist=wish.max_per_artist,
            exclude=tuple(wish.exclude),
        )
    )
