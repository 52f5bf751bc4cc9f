"""What listeners may like, and whom a track fits; served with a recommender."""

from typing import Annotated, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from musicu.errors import CatalogError
from musicu.recommend.recommender import History
from musicu.recommend.results import AudienceMatch, Recommendation
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
    "router",
]

router = APIRouter(tags=["recommendations"])
_MOST = 1000
_HISTORY = 10_000
_LATEST = 1e12
_ID = "3f0c1e9ab52d4f0e8a6b7c5d4e3f2a1b"


class RecommendAnswer(BaseModel):
    """Tracks, the best first, with what adds to their scores."""

    recommendations: list[Recommendation]
    notes: list[str] = Field(description="What the rules could not give, one line each.")
    novelty: str = Field(description="How many are new, and why: 'new: 4 of 20 ...'.")


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
    n: int = Field(20, ge=1, le=_MOST)
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
        if (self.history is None) == (self.user is None):
            raise ValueError("one of history and user is needed")
        if len({played.time is None for played in self.history or ()}) > 1:
            raise ValueError("give a time for each track of the history, or for none")
        return self

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
    rules = body.model_dump(exclude={"history", "said", "user", "n", "include_non_music"})
    listener = body.listener(service.live.snapshot)
    found = await recommender.queue.run(
        lambda _: recommender.recommend(
            listener, body.n, include_non_music=body.include_non_music, rules=rules
        )
    )
    told = {
        "recommendations": [one.to_dict() for one in found],
        "notes": list(found.notes),
        "novelty": found.novelty,
    }
    members = {name: fragment(member) for name, member in told.items()}
    return service.respond(EncodedAnswer(members, tuple(one.id for one in found)))


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
