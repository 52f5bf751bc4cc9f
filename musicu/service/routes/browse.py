"""``/v1/browse``: artists, albums, genres and new arrivals, and the tracks of each."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from musicu.search.browse import Group, Shelf
from musicu.search.snapshot import Snapshot
from musicu.service.responses import as_json, fragment
from musicu.service.schemas import TrackCard
from musicu.service.state import Service, service_of

__all__ = ["BrowsedGroup", "GroupList", "GroupTracks", "router"]

router = APIRouter(tags=["search"])

Here = Annotated[Service, Depends(service_of)]
Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]


class BrowsedGroup(BaseModel):
    """An artist, an album, a genre, or a track without an album."""

    key: str = Field(description="What its tracks are asked for by.", examples=["first light"])
    name: str = Field(examples=["First Light"])
    artist: str | None = Field(description="Of an album, if it is one's.", examples=["Alba"])
    year: int | None = Field(examples=[1991])
    tracks: int = Field(description="How many.", examples=[12])
    id: str = Field(description="Id of its first track, for a cover.")


class GroupList(BaseModel):
    """Groups of tracks."""

    total: int = Field(ge=0, description="How many there are.", examples=[1])
    groups: list[BrowsedGroup]


class GroupTracks(BaseModel):
    """A group, and its tracks in order."""

    group: BrowsedGroup
    total: int = Field(ge=0, description="How many tracks there are.", examples=[12])
    tracks: list[TrackCard]


@router.get(
    "/v1/browse/{shelf}",
    summary="Artists, albums, genres or new arrivals",
    response_description="Groups of tracks.",
    response_class=Response,
    responses={200: {"model": GroupList}},
)
async def browse(service: Here, shelf: Shelf, limit: Limit = 100, offset: Offset = 0) -> Response:
    """List artists and albums by name, genres by size, or what came last first."""
    return as_json(await service.work(_groups, service, shelf, limit, offset))


@router.get(
    "/v1/browse/{shelf}/tracks",
    summary="The tracks of an artist, album or genre",
    response_description="Its tracks, in order.",
    response_class=Response,
    responses={200: {"model": GroupTracks}},
)
async def browse_tracks(
    service: Here,
    shelf: Shelf,
    key: Annotated[str, Query(max_length=1000, description="As the list names it.")],
    limit: Limit = 200,
    offset: Offset = 0,
) -> Response:
    """List the tracks of one of them."""
    return as_json(await service.work(_tracks, service, shelf, key, limit, offset))


def _groups(service: Service, shelf: str, limit: int, offset: int) -> dict[str, Any]:
    snapshot = service.live.snapshot
    groups = snapshot.shelves.groups(shelf)
    shown = [_told(snapshot, group) for group in groups[offset : offset + limit]]
    return {"total": len(groups), "groups": shown}


def _tracks(service: Service, shelf: str, key: str, limit: int, offset: int) -> dict[str, Any]:
    snapshot = service.live.snapshot
    group = snapshot.shelves.group(shelf, key)
    shown = group.positions[offset : offset + limit]
    return {
        "group": fragment(_told(snapshot, group)),
        "total": len(group.positions),
        "tracks": [orjson.Fragment(snapshot.cards[at]) for at in shown],
    }


def _told(snapshot: Snapshot, group: Group) -> dict[str, Any]:
    return {
        "key": group.key,
        "name": group.name,
        "artist": group.artist,
        "year": group.year,
        "tracks": len(group.positions),
        "id": snapshot.ids[group.positions[0]],
    }
