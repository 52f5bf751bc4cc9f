"""JSON bodies that several routes receive or send; those of one route stand beside it.

What is received is checked before anything is asked of the catalog. What is sent is written as
bytes; its models are what the OpenAPI description is made of.
"""

from typing import Annotated, Any

from fastapi import Path
from fastapi.openapi.models import Example
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from musicu.catalog.index import FLOAT32_MAX, unit_vector
from musicu.search.query import MOST_SEEDS, MOST_TRACKS, Query
from musicu.search.seeds import Seed
from musicu.search.spaces import DEFAULT_SPACE, SPACES
from musicu.service.choices import SpaceName
from musicu.service.errors import Refusal

__all__ = [
    "AUDIO_BODY",
    "NON_MUSIC",
    "PROBLEM",
    "SIMILAR_EXAMPLES",
    "Credentials",
    "Match",
    "PathBody",
    "PlacedUpload",
    "ProblemBody",
    "SeedBody",
    "SimilarAnswer",
    "SimilarBody",
    "StrictModel",
    "TrackCard",
    "TrackId",
    "TrackPath",
    "UploadDescription",
    "optional",
    "read_similar",
    "validation_message",
]

_ID = "3f0c1e9ab52d4f0e8a6b7c5d4e3f2a1b"
_OTHER = "9d2b7a6c5e4f3a1b0c8d7e6f5a4b3c2d"

TrackId = Annotated[
    str,
    Field(
        min_length=6,
        max_length=64,
        description="Id of a stored track, or its first characters.",
        examples=[_ID],
    ),
]

TrackPath = Annotated[
    str,
    Path(
        min_length=6,
        max_length=64,
        description="Id of a stored track, or its first characters.",
        examples=[_ID],
    ),
]

_Number = Annotated[float, Field(ge=-FLOAT32_MAX, le=FLOAT32_MAX)]


NON_MUSIC = "Also what is heard to be no music: speech, noise, single sounds."


class StrictModel(BaseModel):
    """A JSON body without further members, NaN or infinity."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class SeedBody(StrictModel):
    """A track to start from: a stored one by its id, or a new one by its vector."""

    id: TrackId | None = None
    vector: Annotated[list[_Number], Field(min_length=1, max_length=4096)] | None = None
    weight: float = Field(1.0, ge=-1, le=1, description="Below 0: less of it. Not 0.")


class PathBody(StrictModel):
    """Two stored tracks to find a way between."""

    start: TrackId = Field(alias="from")
    end: TrackId = Field(alias="to")


class SimilarBody(StrictModel):
    """Which tracks are like one, like several, or lead from one to another."""

    id: TrackId | None = None
    seeds: Annotated[list[SeedBody], Field(min_length=1, max_length=MOST_SEEDS)] | None = None
    path: PathBody | None = None
    n: int = Field(20, ge=1, le=MOST_TRACKS, description="How many tracks.")
    by: SpaceName = Field(DEFAULT_SPACE, description="What is heard; or all that is known.")
    where: str | None = Field(
        None,
        max_length=2000,
        description="SQL condition on metadata, before the ranking.",
        examples=["year >= 1990"],
    )
    diversity: float = Field(0.0, ge=0, le=1)
    max_per_artist: int | None = Field(None, ge=1)
    max_per_album: int | None = Field(None, ge=1)
    no_versions: bool = Field(False, description="One version of a song only.")
    collapse_versions: bool = Field(
        False, description="One row a song, with its other versions in it."
    )
    exclude_same_artist: bool = False
    exclude_same_album: bool = False
    exclude: list[str] = Field([], max_length=10_000, description="Ids to leave out.")
    include_non_music: bool = Field(False, description=NON_MUSIC)
    explain: bool = Field(False, description="Say what each field adds to the scores.")

    @model_validator(mode="after")
    def _one_start(self) -> "SimilarBody":
        if (self.id is None) + (self.seeds is None) + (self.path is None) != 2:
            raise ValueError("one of id, seeds and path is needed")
        return self

    def query(self) -> Query:
        """Return the question this asks; not for a path.

        Raises
        ------
        MusicuError
            A seed has neither an id nor a vector, or both, or no weight is above 0.
        """
        seeds = map(_seed, self.seeds or ()) if self.id is None else [Seed(id=self.id)]
        return Query(
            seeds=tuple(seeds),
            n=self.n,
            by=self.by,
            where=self.where,
            diversity=self.diversity,
            max_per_artist=self.max_per_artist,
            max_per_album=self.max_per_album,
            no_versions=self.no_versions,
            collapse_versions=self.collapse_versions,
            exclude_same_artist=self.exclude_same_artist,
            exclude_same_album=self.exclude_same_album,
            exclude=tuple(self.exclude),
            include_non_music=self.include_non_music,
            explain=self.explain,
        )


def _seed(body: SeedBody) -> Seed:
    vector = None if body.vector is None else unit_vector(body.vector)
    return Seed(id=body.id, vector=vector, weight=body.weight)


class Credentials(StrictModel):
    """What opens the service."""

    token: str = Field(max_length=1000, examples=["the token"])


def read_similar(body: bytes) -> SimilarBody:
    """Read the JSON body of a question for similar tracks.

    Raises
    ------
    Refusal
        It is not what it should be (status 422).
    """
    try:
        return SimilarBody.model_validate_json(body)
    except ValidationError as error:
        raise Refusal(422, validation_message(error)) from None


def validation_message(error: ValidationError) -> str:
    """Put what is wrong with a body into one line, without repeating what was sent."""
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, found["loc"])), found["msg"])))
        for found in error.errors(include_url=False, include_input=False, include_context=False)[:5]
    )


SIMILAR_EXAMPLES: dict[str, Example] = {
    "one": {"summary": "Like one track", "value": {"id": _ID, "n": 10}},
    "several": {
        "summary": "Like one, unlike another, recent ones",
        "value": {
            "seeds": [{"id": _ID}, {"id": _OTHER, "weight": -0.5}],
            "n": 10,
            "where": "year >= 1990",
            "max_per_artist": 2,
        },
    },
    "path": {"summary": "A way", "value": {"path": {"from": _ID, "to": _OTHER}, "n": 10}},
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
# A body that is a file: FastAPI describes only bodies that it reads into memory itself.
AUDIO_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"audio/*": _BINARY, "application/octet-stream": _BINARY},
    }
}


def optional(description: str) -> Any:
    """Describe a member of an answer that may be missing, but is never null."""
    return Field(default_factory=dict, description=description)


class ProblemBody(BaseModel):
    """A problem, in one line (RFC 9457)."""

    title: str = Field(examples=["Not Found"])
    status: int = Field(ge=400, le=599, examples=[404])
    detail: str = Field(examples=["abc123: neither a file nor a stored track"])


class TrackCard(BaseModel):
    """A track as lists show it."""

    id: str = Field(description="Id of its audio.", examples=[_ID])
    title: str | None = Field(examples=["Dawn"])
    artist: str | None = Field(examples=["Alba"])
    album: str | None = Field(examples=["First Light"])
    year: int | None = Field(examples=[1991])
    genres: list[str] = Field(examples=[["Jazz"]])
    seconds: float = Field(examples=[241.3])
    tempo: float | None = Field(description="Beats per minute.", examples=[92.4])
    key: str | None = Field(description="As detected.", examples=["A minor"])
    loudness: float | None = Field(description="Integrated loudness (LUFS).", examples=[-14.2])
    file: str = Field(description="Name of its file.", examples=["01 Dawn.flac"])


class Match(TrackCard):
    """A track that was found, and how alike it is."""

    rank: int = Field(ge=1, examples=[1])
    score: float = Field(examples=[0.913225])
    why: dict[str, float] = optional("What each field adds to the score, if that was asked for.")
    words: list[str] = optional("What it shares with the seeds, if reasons were asked for.")
    versions: list[TrackCard] = optional("Other versions of it, where these were collapsed.")


class UploadDescription(BaseModel):
    """What is known of an uploaded file, and whether its audio is in the catalog."""

    id: str = Field(description="Id of its audio.", examples=[_ID])
    seconds: float = Field(examples=[241.3])
    codec: str = Field(examples=["mp3"])
    sr: int = Field(description="Sample rate (Hz).", examples=[44100])
    channels: int = Field(examples=[2])
    problem: str | None = Field(description="What is wrong with the file, if something is.")
    metadata: dict[str, Any] = Field(examples=[{"title": "Dawn", "artist": "Alba"}])
    known: bool = Field(description="Whether its audio is in the catalog.")
    retried: str = optional("Why it was analyzed a second time: what the first ran out of.")
    descriptors: dict[str, Any] = optional("Tempo, key, loudness and so on.")
    tags: dict[str, float] = optional("What it sounds like: probabilities of tags.")
    said: list[str] = optional("Tags that are sure enough to be said.")
    unsure: list[str] = optional("Kinds of tags of which nothing can be said.")
    non_music: bool = optional("Whether it is heard to be no music.")
    familiar: bool = optional("Whether it is like something that the model has learned from.")


class PlacedUpload(UploadDescription):
    """An uploaded file, and where it lies on the map."""

    place: list[float] | None = Field(description="x and y; null as long as there is no map.")


class SimilarAnswer(BaseModel):
    """Tracks, the best first."""

    model: str = Field(description="Model of the vectors.", examples=["musicu-3@1"])
    by: str = Field(
        description="What the scores mean.",
        json_schema_extra=lambda schema: schema.update(enum=[*SPACES, "path"]),
    )
    matches: list[Match]
    notes: list[str] = Field(description="What could not be had, one line each.")
    upload: PlacedUpload = optional("What was heard in the body, where that is a file.")


PROBLEM: dict[str, Any] = {
    "description": "A problem, in one line (RFC 9457).",
    # FastAPI would describe a model under the media type of the routes' own answers.
    "content": {"application/problem+json": {"schema": ProblemBody.model_json_schema()}},
}
