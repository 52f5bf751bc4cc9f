"""``/v1/tracks``: search by text or by what is heard, and all that is known of one track."""

import os
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from musicu.catalog.store import Store
from musicu.encoders.vocabulary import Term
from musicu.paths import lies_under
from musicu.search.snapshot import Snapshot
from musicu.service.errors import Refusal
from musicu.service.responses import as_json, fragment
from musicu.service.schemas import NON_MUSIC, TrackCard, TrackPath, optional
from musicu.service.state import Service, service_of

__all__ = ["FaintTerm", "TrackDetails", "TrackList", "router"]

router = APIRouter(tags=["search"])

Here = Annotated[Service, Depends(service_of)]


class FaintTerm(BaseModel):
    """A part of a wish that is hardly heard in the tracks that were found."""

    text: str = Field(examples=["harpsichord"])
    heard: int = Field(ge=0, description="In how many of them it is heard.", examples=[1])
    tracks: int = Field(ge=0, description="How many they are.", examples=[50])


class TrackList(BaseModel):
    """Tracks that were found."""

    total: int = Field(ge=0, description="How many there are.", examples=[1])
    tracks: list[TrackCard]
    terms: list[Term] = optional("What was looked for, where that is a sound.")
    unused: list[str] = optional("Words that name no tag, where a sound was looked for.")
    faint: list[FaintTerm] = optional("What of it is hardly heard in these tracks.")


class TrackDetails(BaseModel):
    """All columns of the catalog for a track, and its files."""

    model_config = ConfigDict(extra="allow")

    id: str = Field(description="Id of its audio.")
    path: str = Field(description="Its first file, seen from the catalog's folders.")
    title: str | None
    artist: str | None
    album: str | None
    year: int | None
    genres: list[str] | None
    seconds: float
    tempo: float | None = Field(description="Beats per minute.")
    sound_tags: dict[str, float] | None = Field(description="Probabilities of tags.")
    said: list[str] = optional("Tags that are sure enough to be said.")
    unsure: list[str] = optional("Kinds of tags of which nothing can be said.")
    non_music: bool = optional("Whether it is heard to be no music.")
    familiar: bool = optional("Whether it is like something that the model has learned from.")
    files: list[str] = Field(description="All its files.", examples=[["01 Dawn.flac"]])


@router.get(
    "/v1/tracks",
    summary="Search for tracks",
    response_description="Tracks that were found.",
    response_class=Response,
    responses={200: {"model": TrackList}},
)
async def tracks(
    service: Here,
    q: Annotated[
        str,
        Query(max_length=500, description="Words of title, artist or album.", examples=["rain"]),
    ] = "",
    sounds: Annotated[
        str, Query(max_length=500, description="What it sounds like.", examples=["sad jazz, piano"])
    ] = "",
    where: Annotated[
        str | None,
        Query(max_length=2000, description="SQL condition.", examples=["year >= 1990"]),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    include_non_music: Annotated[bool, Query(description=f"{NON_MUSIC} By sound.")] = False,
) -> Response:
    """List tracks that have all words of `q`, or those that sound most like `sounds`."""
    if q.strip() and sounds.strip():
        raise Refusal(422, "q and sounds are two ways to search: choose one")
    if sounds.strip():
        wish = sounds, limit, offset, where, include_non_music
        return as_json(await service.work(_by_sound, service, *wish))
    return as_json(await service.work(_by_text, service, q, limit, offset, where))


@router.get(
    "/v1/tracks/{id}",
    summary="All that is known of a track",
    response_description="All columns of the catalog for this track, and its files.",
    response_class=Response,
    responses={200: {"model": TrackDetails}},
)
async def track(service: Here, id: TrackPath) -> Response:
    """Tell a track's metadata, descriptors and what is heard in it."""
    return as_json(await service.work(_details, service, id))


def _details(service: Service, id: str) -> dict[str, Any]:
    """Tell all columns of a track; where its files lie only as seen from the catalog's folders."""
    details = service.explorer.details(id)
    with Store(service.settings.catalog, create=False) as store:
        roots = store.roots()
    details["path"] = _inside(details["path"], roots)
    details["files"] = [_inside(path, roots) for path in details["files"]]
    return details


def _inside(path: str, roots: list[str]) -> str:
    root = next((root for root in roots if lies_under(path, root)), path)
    return os.path.relpath(path, os.path.dirname(root))


def _by_text(
    service: Service, q: str, limit: int, offset: int, where: str | None
) -> dict[str, Any]:
    while True:
        snapshot = service.live.snapshot
        total, positions = service.explorer.search(q, limit, offset, where=where)
        if service.live.snapshot is snapshot:  # else the positions may be of the next one
            return {"total": total, "tracks": _cards(snapshot, positions)}


def _by_sound(
    service: Service,
    q: str,
    limit: int,
    offset: int,
    where: str | None,
    include_non_music: bool,
) -> dict[str, Any]:
    found = service.explorer.find(
        q, offset + limit, where=where, include_non_music=include_non_music
    )
    return {
        "total": found.total,
        "tracks": _cards(found.snapshot, found.positions[offset:]),
        "terms": fragment([asdict(term) for term in found.terms]),
        "unused": fragment(found.unused),
        "faint": fragment([one._asdict() for one in found.faint]),
    }


def _cards(snapshot: Snapshot, positions: Iterable[int]) -> list[orjson.Fragment]:
    """Return tracks' cards, whose JSON is ready."""
    return [orjson.Fragment(snapshot.cards[position]) for position in positions]
