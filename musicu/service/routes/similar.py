"""``POST /v1/similar``: what is like a track, like several, like an upload, or between two."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request, Response
from fastapi.routing import APIRoute

from musicu.search.seeds import Seed
from musicu.service.errors import Refusal
from musicu.service.routes.embed import similar_to_upload
from musicu.service.schemas import (
    AUDIO_BODY,
    SIMILAR_EXAMPLES,
    SimilarAnswer,
    SimilarBody,
    read_similar,
)
from musicu.service.similar import EncodedAnswer
from musicu.service.state import Service, service_of

__all__ = ["router"]


class _JsonOrAudio(APIRoute):
    """A route whose body FastAPI describes but does not read: it is JSON or a file.

    JSON is parsed and checked in one pass, which answers sooner.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""

        async def handle(request: Request) -> Response:
            service: Service = request.app.state.service
            if not request.headers.get("content-type", "").startswith(_JSON):
                return await similar_to_upload(request, service)
            answer: Response = await self.endpoint(service, read_similar(await request.body()))
            return answer

        return handle


router = APIRouter(route_class=_JsonOrAudio)

Here = Annotated[Service, Depends(service_of)]

_JSON = "application/json"
_MOST_STEPS = 100
_DESCRIPTION = (
    "JSON asks by id, by several seeds with weights, or for a path. Audio as the body "
    "(`Content-Type: audio/...`) asks for what is like that file, with the same fields as query "
    "parameters, and tells what was heard in it as `upload`."
)


@router.post(
    "/v1/similar",
    summary="Similar tracks",
    description=_DESCRIPTION,
    tags=["search"],
    response_class=Response,
    responses={200: {"model": SimilarAnswer, "description": "Tracks, the best first."}},
    openapi_extra=AUDIO_BODY,
)
async def similar(
    service: Here, wish: Annotated[SimilarBody, Body(openapi_examples=SIMILAR_EXAMPLES)]
) -> Response:
    """Answer a request in JSON."""
    if wish.path is None:
        reply = await service.similar.search(wish.query())
    else:
        reply = await service.work(_journey, service, wish)
    return service.respond(reply)


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
            include_non_music=wish.include_non_music,
        )
    )
