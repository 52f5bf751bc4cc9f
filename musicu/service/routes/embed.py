"""Uploads: embed a file, find similar tracks, add it to the catalog.

The body is the file itself, not a form. It is received into a temporary file, analyzed by a worker
process, and deleted half an hour later; a copy stays where it was added.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from musicu.encoders.model import Model
from musicu.encoders.tagger import TagHead
from musicu.errors import AudioError, CatalogError
from musicu.items.item import Item
from musicu.metadata.fields import Metadata
from musicu.search.seeds import Seed
from musicu.service.errors import Busy, Late, Refusal
from musicu.service.responses import as_json, parse_json
from musicu.service.schemas import (
    AUDIO_BODY,
    SimilarBody,
    UploadDescription,
    optional,
    validation_message,
)
from musicu.service.state import Service, service_of
from musicu.service.uploads.store import Upload

__all__ = ["AddedTrack", "EmbeddedUpload", "router", "similar_to_upload"]

_log = logging.getLogger(__name__)

router = APIRouter(tags=["uploads"])

Here = Annotated[Service, Depends(service_of)]
Name = Annotated[
    str | None,
    Query(max_length=10_000, description="What the file is called.", examples=["Dawn.mp3"]),
]

# Tags below this probability are left out.
_LEAST_PROBABILITY = 0.05
_AGAIN = "at the second try, too; the machine may be busy: try again later"
# How often a file is analyzed when the catalog's model changes meanwhile.
_TRIES = 3


class EmbeddedUpload(UploadDescription):
    """What is known of an uploaded file, and its embedding."""

    model: str = Field(description="Model of the vector.", examples=["musicu-3@1"])
    vector: list[float] = optional("The embedding: a unit vector; if it was asked for.")


class AddedTrack(BaseModel):
    """A track that was added, or was there: its card; less, as long as the catalog is slow."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(description="Id of its audio.")
    seconds: float
    retried: str = optional("Why it was analyzed a second time: what the first ran out of.")


@router.post(
    "/v1/embed",
    summary="What is heard in a file",
    response_class=Response,
    responses={200: {"model": EmbeddedUpload, "description": "What is known of the file."}},
    openapi_extra=AUDIO_BODY,
)
async def embed(
    request: Request,
    service: Here,
    describe: Annotated[bool, Query(description="Tempo, key, loudness and so on.")] = True,
    tags: Annotated[bool, Query(description="What it sounds like, in words.")] = True,
    vector: Annotated[bool, Query(description="The embedding: a unit vector.")] = True,
    name: Name = None,
) -> Response:
    """Embed a file, describe it, and say what is heard in it."""
    async with _analyzed(request, service, describe=describe) as (upload, answer):
        service.uploads.keep(upload, answer)
    described = await service.work(_describe, service, answer, tags)
    described["model"] = answer["model"].name
    if vector:
        described["vector"] = [round(float(x), 7) for x in answer["vector"]]
    return as_json(described)


async def similar_to_upload(request: Request, service: Service) -> Response:
    """Answer ``POST /v1/similar`` with an audio file as its body.

    Parameters
    ----------
    request : Request
        Its query has the fields of the JSON body as far as they are not about seeds, and
        ``describe`` (false) and ``name``.
    service : Service
        Who answers.

    Raises
    ------
    Refusal
        The query, or the way the body is sent, is not what it should be.
    AudioError
        The file cannot be used.
    Busy, Late
        Too much is going on, or it took too long.
    """
    query, describe = _read_wish(request)
    async with _analyzed(request, service, describe=describe) as (upload, answer):
        service.uploads.keep(upload, answer)
    described = await service.work(_describe, service, answer, True)
    described["place"] = await service.work(service.map.place, answer["vector"])
    item = Item(answer["id"], Metadata.from_dict(answer["metadata"]), answer["descriptors"] or {})
    found = await service.similar.search(
        replace(
            query,
            seeds=(Seed(vector=answer["vector"], item=item),),
            exclude=(*query.exclude, answer["id"]) if described["known"] else query.exclude,
        )
    )
    return service.respond(found, upload=described)


@router.post(
    "/v1/tracks",
    summary="Add a track",
    status_code=201,
    response_class=Response,
    responses={
        200: {"model": AddedTrack, "description": "The track; its audio was there."},
        201: {"model": AddedTrack, "description": "The track; it was added."},
    },
    openapi_extra=AUDIO_BODY,
)
async def add(request: Request, service: Here, name: Name = None) -> Response:
    """Add a file to the catalog; audio that is there already is not added again."""
    adder = service.upload_adder
    if adder is None:
        raise Refusal(403, "no tracks are added here: the service needs --uploads FOLDER for that")
    async with _analyzed(request, service, describe=True) as (upload, answer):
        new = await service.work(adder.add, upload.path, answer, name)
    if new:
        await asyncio.to_thread(service.live.refresh)
    id = answer["id"]
    card = await service.work(_card, service, answer)
    if answer["retried"]:
        card["retried"] = answer["retried"]
    return as_json(card, 201 if new else 200, {"Location": f"/v1/tracks/{id}"})


@asynccontextmanager
async def _analyzed(
    request: Request, service: Service, *, describe: bool
) -> AsyncIterator[tuple[Upload, dict[str, Any]]]:
    """Receive a request's file and analyze it, with a vector of the model that is served."""
    service.analyzer.queue.check()
    try:
        async with service.uploads.receive(request) as upload:
            answer = await _analyze(service, upload.path, describe=describe)
            facts = {**answer, "model": answer["model"].name, "size": upload.size}
            service.upload_monitor.add(answer["vector"], facts)
            yield upload, answer
    except AudioError as error:
        service.metrics.failed(error.reason)
        raise


async def _analyze(service: Service, path: str, *, describe: bool) -> dict[str, Any]:
    """Analyze a file; once more if it ran out of time, which others may have taken from it."""
    retried = None
    for _ in range(_TRIES):
        try:
            answer = await service.analyzer.analyze(path, describe=describe)
        except Late as late:
            if retried or not late.begun:
                raise
            answer = {"error": "took longer than the deadline", "cause": "time"}
        if answer.get("cause") == "time" and not retried:
            retried = answer["error"]
            _log.warning("an upload %s, and is heard a second time", retried)
        elif "error" in answer:
            reason = f"{answer['error']}, {_AGAIN}" if retried else answer["error"]
            raise AudioError("upload", reason, cause=answer["cause"])
        elif answer["model"].sha256 == service.live.snapshot.model.sha256:
            return {**answer, "retried": retried}
    raise Busy("the catalog is changing its model", 2)


def _read_wish(request: Request) -> tuple[Any, bool]:
    """Read the query of an upload: what is asked, and whether descriptors are wanted."""
    given: dict[str, Any] = dict(request.query_params)
    given.pop("name", None)
    describe = given.pop("describe", "false").lower()
    if describe not in ("true", "false") or "id" in given:
        raise Refusal(422, "describe is true or false" if "id" not in given else "id: not here")
    if "exclude" in given:
        given["exclude"] = request.query_params.getlist("exclude")
    try:
        # The upload stands where the id of a stored track would.
        wish = SimilarBody.model_validate({**given, "id": "upload"})
    except ValidationError as error:
        raise Refusal(422, validation_message(error)) from None
    return wish.query(), describe == "true"


def _describe(service: Service, answer: dict[str, Any], tags: bool) -> dict[str, Any]:
    """Describe an analyzed upload, and tell whether it is in the catalog."""
    described = {
        name: answer[name]
        for name in ("id", "seconds", "codec", "sr", "channels", "problem", "metadata")
    }
    described["problem"] = described["problem"] or answer["tags_problem"]
    if answer["descriptors"] is not None:
        described["descriptors"] = answer["descriptors"]
    if answer["retried"]:
        described["retried"] = answer["retried"]
    if tags:
        described["tags"] = {}
        if answer["model"].tags:
            heard = _tag_head(answer["model"]).hear(answer["vector"])
            probable = heard.probabilities.items()
            described["tags"] = {tag: p for tag, p in probable if p >= _LEAST_PROBABILITY}
            described |= heard.verdict()
    described["known"] = _position(service, answer["id"]) is not None
    return described


@lru_cache(maxsize=2)
def _tag_head(model: Model) -> TagHead:
    return TagHead.load(model)


def _position(service: Service, id: str) -> int | None:
    try:
        return service.live.snapshot.position(id)
    except CatalogError:
        return None


def _card(service: Service, answer: dict[str, Any]) -> dict[str, Any]:
    """Return a track's card; one that a slow catalog does not show yet gets what is known."""
    snapshot = service.live.snapshot
    try:
        card: dict[str, Any] = parse_json(snapshot.cards[snapshot.position(answer["id"])])
    except CatalogError:
        return {"id": answer["id"], "seconds": answer["seconds"]}
    return card
