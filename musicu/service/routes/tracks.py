"""``/v1/tracks``: search by text or by what is heard, and all that is known of one track."""

import json
import os
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from musicu.catalog.store import Store
from musicu.paths import lies_under
from musicu.service.errors import Refusal
from musicu.service.schemas import DETAILS, TRACKS, TrackPath
from musicu.service.state import Service, service_of

__all__ = ["router"]

router = APIRouter(tags=["search"])

Here = Annotated[Service, Depends(service_of)]


@router.get(
    "/v1/tracks", summary="Search for tracks", response_class=Response, responses={200: TRACKS}
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
) -> Response:
    """List tracks that have all words of `q`, or those that sound most like `sounds`."""
    if q.strip() and sounds.strip():
        raise Refusal(422, "q and sounds are two ways to search: choose one")
    search = _by_sound if sounds.strip() else _by_text
    words = sounds if sounds.strip() else q
    return Response(
        await service.work(search, service, words, limit, offset, where),
        media_type="application/json",
    )


@router.get(
    "/v1/tracks/{id}",
    summary="All that is known of a track",
    response_class=Response,
    responses={200: DETAILS},
)
async def track(service: Here, id: TrackPath) -> Response:
    """Tell a track's metadata, descriptors and what is heard in it."""
    details = await service.work(_details, service, id)
    return Response(json.dumps(details), media_type="application/json")


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


def _by_text(service: Service, q: str, limit: int, offset: int, where: str | None) -> bytes:
    while True:
        snapshot = service.live.snapshot
        total, positions = service.explorer.search(q, limit, offset, where=where)
        if service.live.snapshot is snapshot:  # else the positions may be of the next one
            return _listed(total, [snapshot.cards[position] for position in positions])


def _by_sound(service: Service, q: str, limit: int, offset: int, where: str | None) -> bytes:
    heard = service.explorer.find(q, offset + limit, where=where)
    total = len(heard.snapshot) if where is None else int(heard.snapshot.filter(where).sum())
    cards = [heard.snapshot.cards[position] for position in heard.positions[offset:]]
    terms = [asdict(term) for term in heard.terms]
    return _listed(total, cards, terms=terms, unused=heard.unused)


def _listed(total: int, cards: list[bytes], **more: Any) -> bytes:
    """Put cards, which are JSON, into a JSON object."""
    rest = "".join(f",{json.dumps(key)}:{json.dumps(value)}" for key, value in more.items())
    return b'{"total":%d,"tracks":[%s]%s}' % (total, b",".join(cards), rest.encode())
