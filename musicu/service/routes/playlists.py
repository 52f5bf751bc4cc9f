"""Playlists to take away."""

import os
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from musicu.catalog.store import Store
from musicu.catalog.tracks import find_columns
from musicu.metadata.playlist import PlaylistEntry, playlist_file_name, render_m3u8
from musicu.service.schemas import StrictModel, TrackId
from musicu.service.state import Service, service_of

__all__ = ["PlaylistBody", "router"]

router = APIRouter(tags=["playlists"])
_MOST = 10_000


class PlaylistBody(StrictModel):
    """Which tracks, and how their files are named."""

    tracks: Annotated[list[TrackId], Field(min_length=1, max_length=_MOST)]
    title: str = Field("playlist", min_length=1, max_length=200)
    paths: Literal["relative", "absolute"] = Field(
        "relative",
        description="Relative to the folder that all folders of the catalog share: save it there.",
    )


@router.post(
    "/v1/playlists",
    summary="A playlist to take away",
    response_class=Response,
    responses={
        200: {
            "description": "The playlist, as m3u8; `X-Left-Out` counts files it cannot name.",
            "content": {"audio/x-mpegurl": {"schema": {"type": "string"}}},
        }
    },
)
async def make_playlist(
    body: PlaylistBody, service: Annotated[Service, Depends(service_of)]
) -> Response:
    """Make a playlist (m3u8) of stored tracks, in their order."""
    text, left_out = await service.work(_render, service, body)
    name = playlist_file_name(body.title)
    return Response(
        text,
        media_type="audio/x-mpegurl; charset=utf-8",
        headers={
            "Content-Disposition": (
                f"attachment; filename=\"playlist.m3u8\"; filename*=UTF-8''{_quoted(name)}"
            ),
            "X-Left-Out": str(left_out),
        },
    )


def _render(service: Service, body: PlaylistBody) -> tuple[bytes, int]:
    """Return the playlist, and how many files have a name that it cannot hold."""
    snapshot, catalog = service.live.snapshot, service.settings.catalog
    ids = [snapshot.ids[snapshot.position(id)] for id in body.tracks]
    with Store(catalog, create=False) as store:
        tracks, roots = find_columns(store, ids), store.roots()
    entries = [
        PlaylistEntry(track["path"], track["title"], track["artist"], track["seconds"])
        for track in tracks
    ]
    folder = None
    if body.paths == "relative" and roots:
        folder = os.path.commonpath(roots)
    text, unfit = render_m3u8(entries, folder, title=body.title)
    return text, len(unfit)


def _quoted(name: str) -> str:
    return quote(name.encode("utf-8", "replace"), safe="")
