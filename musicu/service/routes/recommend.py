"""What listeners may like, and whom a track fits; served with a recommender."""

from dataclasses import replace
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from musicu.errors import CatalogError
from musicu.recommend.recommender import History
from musicu.recommend.results import AudienceMatch, Recommendation, Recommendations
from musicu.recommend.slate import SlateRequest
from musicu.recommend.surface import Surface
from musicu.search.snapshot import Snapshot
from musicu.service.errors import Refusal
from musicu.service.recommender import ReloadingRecommender
from musicu.service.responses import as_json, fragment
from musicu.service.schemas import NON_MUSIC, StrictModel, TrackId
from musicu.service.similar import EncodedAnswer
from musicu.service.state import Service, service_of

__all__ = [
    "AudienceAnswer",
    "PlayedBody",
    "RecommendAnswer",
    "RecommendBody",
    "SaidBody",
    "SurfaceEntry",
    "SurfacesAnswer",
    "router",
]

router = APIRouter(tags=["recommendations"])
_MOST = 1000
_HISTORY = 10_000
_LATEST = 1e12
_ID = "3f0c1e9ab52d4f0e8a6b7c5d4e3f2a1b"
_RULES = {"diversity", "max_per_artist", "max_per_album", "min_new", "popularity_weight", "again"}
_OF_SURFACES = {"playing", "now", "hour", "weekday", "device", "exclude"}


class RecommendAnswer(BaseModel):
    """Tracks, the best first, with what adds to their scores."""

    recommendations: list[Recommendation]
    notes: list[str] = Field(description="What the rules could not give, one line each.")
    novelty: str = Field(description="How many are new, and why: 'new: 4 of 20 ...'.")
    version: int | None = Field(description="Of a registry, which answers; else null.")


class SurfaceEntry(BaseModel):
    """A surface: what it is for, and how many it shows."""

    name: str = Field(examples=["release-radar"])
    about: str
    n: int


class SurfacesAnswer(BaseModel):
    """Surfaces that can be asked for."""

    surfaces: list[SurfaceEntry]


class AudienceAnswer(BaseModel):
    """Listeners of the log, and artists, that a track fits."""

    id: str = Field(examples=[_ID])
    listeners: list[AudienceMatch]
    artists: list[AudienceMatch]


class PlayedBody(StrictModel):
    """A track that was played."""

    id: TrackId
    weight: float = Field(1.0, gt=0, le=1e6, description="How much: plays, minutes, a rating.")
    time: float | None = Field(
        None, ge=-_LATEST, le=_LATEST, description="When: seconds since 1970, UTC."
    )


class SaidBody(StrictModel):
    """What a listener said of a track."""

    id: TrackId
    value: float = Field(ge=-1, le=1, description="From disliked to liked.", examples=[1])


class RecommendBody(StrictModel):
    """For whom, how many, and by which rules."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"history": [{"id": _ID}], "n": 10, "max_per_artist": 2}]}
    )

    history: Annotated[list[PlayedBody], Field(min_length=1, max_length=_HISTORY)] | None = None
    said: Annotated[list[SaidBody], Field(max_length=_HISTORY)] = Field(
        [], description="What was said of tracks, with a history."
    )
    user: str | None = Field(
        None, min_length=1, max_length=1000, description="Somebody in the log that is served."
    )
    surface: str | None = Field(
        None,
        min_length=1,
        max_length=100,
        description="For a place on a screen: one of /v1/surfaces. Rules that are given go over "
        "its own.",
        examples=["release-radar"],
    )
    playing: list[TrackId] = Field(
        [], max_length=1000, description="Surface: what plays now, the last one last."
    )
    now: float | None = Field(
        None, ge=0, le=_LATEST, description="Surface: seconds since 1970, UTC; else this moment."
    )
    hour: float | None = Field(None, ge=0, le=24, description="Surface: hour of the day, UTC.")
    weekday: str | None = Field(None, max_length=20, description="Surface: not used; notes say so.")
    device: str | None = Field(None, max_length=100, description="Surface: not used yet.")
    exclude: list[TrackId] = Field(
        [], max_length=10_000, description="Surface: what stands elsewhere, or was shown lately."
    )
    n: int | None = Field(None, ge=1, le=_MOST, description="How many; else 20, or the surface's.")
    diversity: float = Field(0.0, ge=0, le=1)
    max_per_artist: int | None = Field(None, ge=1)
    max_per_album: int | None = Field(None, ge=1)
    min_new: float | None = Field(
        None, ge=0, le=1, description="Share kept for what nobody has played; else the setting's."
    )
    popularity_weight: float = Field(
        0.0, ge=-100, le=100, description="Above 0: less of what many know; below 0: more."
    )
    again: bool = Field(False, description="What was played may come again.")
    include_non_music: bool = Field(False, description=NON_MUSIC)

    @model_validator(mode="after")
    def _one_listener(self) -> Self:
        if self.surface is None and (others := sorted(_OF_SURFACES & self.model_fields_set)):
            raise ValueError(f"{others[0]} goes with a surface: name one")
        alone = self.surface is not None and bool(self.playing)
        if (self.history is None) == (self.user is None) and not (alone and self.user is None):
            raise ValueError("one of history and user is needed")
        if len({played.time is None for played in self.history or ()}) > 1:
            raise ValueError("give a time for each track of the history, or for none")
        return self

    def request(self, snapshot: Snapshot) -> SlateRequest:
        """Return what a surface is asked, by the ids of a moment of the catalog."""
        return SlateRequest(
            user=None if self.history is None and self.user is None else self.listener(snapshot),
            playing=[_whole(id, snapshot) for id in self.playing],
            now=self.now,
            hour=self.hour,
            weekday=self.weekday,
            device=self.device,
            exclude=[_whole(id, snapshot) for id in self.exclude],
            n=self.n,
        )

    def ruled(self, surface: Surface) -> Surface:
        """Return a surface with the rules that are given instead of its own."""
        given = sorted(_RULES & self.model_fields_set)
        return replace(surface, **{name: getattr(self, name) for name in given})

    def listener(self, snapshot: Snapshot) -> str | History:
        """Return whom to recommend to, by the ids of a moment of the catalog."""
        if self.history is None:
            assert self.user is not None
            return self.user
        times = [played.time for played in self.history if played.time is not None]
        return History(
            [_whole(played.id, snapshot) for played in self.history],
            [played.weight for played in self.history],
            times or None,
            {_whole(one.id, snapshot): one.value for one in self.said},
        )


def _whole(id: str, snapshot: Snapshot) -> str:
    """Return the whole id of a stored track; a recommender may know others, too."""
    try:
        return snapshot.ids[snapshot.position(id)]
    except CatalogError:
        return id


async def _recommender(service: Annotated[Service, Depends(service_of)]) -> ReloadingRecommender:
    if service.recommender is None:
        raise Refusal(404, "no recommender is served: start with 'musicu serve --recommender'")
    return service.recommender


@router.post(
    "/v1/recommend",
    summary="Recommendations for a listener",
    response_description="Tracks, the best first, with what adds to their scores.",
    response_class=Response,
    responses={200: {"model": RecommendAnswer}},
)
async def recommend(
    body: RecommendBody,
    service: Annotated[Service, Depends(service_of)],
    recommender: Annotated[ReloadingRecommender, Depends(_recommender)],
) -> Response:
    """Recommend tracks to somebody, each with what adds to its score."""
    snapshot, others = service.live.snapshot, body.include_non_music

    def answer(_: object) -> Recommendations:
        if body.surface is None:
            rules = body.model_dump(include=_RULES)
            listener, n = body.listener(snapshot), 20 if body.n is None else body.n
            return recommender.recommend(listener, n, include_non_music=others, rules=rules)
        surface = body.ruled(recommender.surfaces[body.surface])
        return recommender.slate(surface, body.request(snapshot), include_non_music=others)

    if body.surface is not None and body.surface not in recommender.surfaces:
        names = ", ".join(recommender.surfaces)
        raise Refusal(422, f"there is no such surface; there are {names}")
    found = await recommender.queue.run(answer)
    told = {
        "recommendations": [one.to_dict() for one in found],
        "notes": list(found.notes),
        "novelty": found.novelty,
        "version": recommender.version,
    }
    members = {name: fragment(member) for name, member in told.items()}
    return service.respond(EncodedAnswer(members, tuple(one.id for one in found)))


@router.get(
    "/v1/surfaces",
    summary="Surfaces that recommendations can be made for",
    response_description="Surfaces that can be asked for.",
    response_class=Response,
    responses={200: {"model": SurfacesAnswer}},
)
async def surfaces(
    recommender: Annotated[ReloadingRecommender, Depends(_recommender)],
) -> Response:
    """List the surfaces that ``POST /v1/recommend`` takes."""
    told = [{"name": s.name, "about": s.about, "n": s.n} for s in recommender.surfaces.values()]
    return as_json({"surfaces": told})


@router.get(
    "/v1/audience",
    summary="Whom a track fits",
    response_description="Listeners of the log, and artists, that the track fits.",
    response_class=Response,
    responses={200: {"model": AudienceAnswer}},
)
async def audience(
    service: Annotated[Service, Depends(service_of)],
    recommender: Annotated[ReloadingRecommender, Depends(_recommender)],
    id: Annotated[TrackId, Query()],
    n: Annotated[int, Query(ge=1, le=_MOST)] = 20,
) -> Response:
    """Say which listeners and artists a stored track fits."""
    id = _whole(id, service.live.snapshot)
    found = await recommender.queue.run(lambda _: recommender.audience(id, n))
    return as_json({"id": id, **found.to_dict()})
