"""What ``musicu recommend --surface`` takes, and how it asks."""

import datetime
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from musicu.recommend.loading import CatalogRecommender
    from musicu.recommend.recommender import History
    from musicu.recommend.results import Recommendations
    from musicu.recommend.surface import Surface

__all__ = ["At", "Device", "SurfaceName", "ask_surface", "named_surface"]

SurfaceName = Annotated[
    str | None,
    typer.Option(
        help="For a place on a screen: home-shelf, now-playing, release-radar, "
        "playlist-continuation, or a file that describes one; other options go over it.",
        metavar="NAME",
    ),
]
At = Annotated[
    datetime.datetime | None,
    typer.Option(
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        help="When a --surface is for (UTC); else now.",
        metavar="TIME",
    ),
]
Device = Annotated[str | None, typer.Option(help="What a --surface is shown on; not used yet.")]


def named_surface(
    name: str | None, at: datetime.datetime | None, device: str | None
) -> "Surface | None":
    """Return the surface that is named; None if none is."""
    if name is None:
        if at is not None or device is not None:
            raise typer.BadParameter("--at and --device say something of a --surface")
        return None
    from musicu.recommend.surface import find_surface

    return find_surface(name)


def ask_surface(
    loaded: "CatalogRecommender",
    place: "Surface",
    listener: "History | None",
    played: "History | None",
    *,
    at: datetime.datetime | None,
    hour: float | None,
    device: str | None,
    exclude: Collection[str],
    n: int | None,
    rules: Mapping[str, Any],
) -> "Recommendations":
    """Return what a surface shows; what is named plays, where what plays counts."""
    from musicu.recommend.slate import SlateRequest, make_slate

    now = datetime.datetime.now(datetime.UTC) if at is None else at.replace(tzinfo=datetime.UTC)
    playing = played.items if played and place.playing else ()
    request = SlateRequest(
        user=listener or (None if playing else played),
        playing=playing,
        now=now.timestamp(),
        hour=hour,
        device=device,
        exclude=exclude,
        n=n,
    )
    ruled = replace(place, **rules)
    return make_slate(loaded.recommender, ruled, request, candidates=loaded.candidates)
