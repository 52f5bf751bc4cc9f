"""What clients send: JSON bodies, checked before anything is asked of the catalog."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from musicu.catalog.index import FLOAT32_MAX, unit_vector
from musicu.search.query import MOST_SEEDS, MOST_TRACKS, Query
from musicu.search.seeds import Seed
from musicu.search.spaces import DEFAULT_SPACE, SPACES
from musicu.service.choices import SpaceName
from musicu.service.errors import Refusal

__all__ = [
    "ANSWER",
    "DETAILS",
    "HEALTH",
    "INFO",
    "PROBLEM",
    "READINESS",
    "SIMILAR_BODY",
    "TRACKS",
    "Credentials",
    "PathBody",
    "ProblemBody",
    "SeedBody",
    "SimilarBody",
    "TrackId",
    "TrackPath",
    "inline_schema",
    "json_response",
    "read_similar",
    "words_of",
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


_Number = Annotated[float, Field(ge=-FLOAT32_MAX, le=FLOAT32_MAX)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class SeedBody(_Strict):
    """A track to start from: a stored one by its id, or a new one by its vector."""

    id: TrackId | None = None
    vector: Annotated[list[_Number], Field(min_length=1, max_length=4096)] | None = None
    weight: float = Field(1.0, ge=-1, le=1, description="Below 0: less of it. Not 0.")


class PathBody(_Strict):
    """Two stored tracks to find a way between."""

    start: TrackId = Field(alias="from")
    end: TrackId = Field(alias="to")


class SimilarBody(_Strict):
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
    exclude_same_artist: bool = False
    exclude_same_album: bool = False
    exclude: list[str] = Field([], max_length=10_000, description="Ids to leave out.")
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
            exclude_same_artist=self.exclude_same_artist,
            exclude_same_album=self.exclude_same_album,
            exclude=tuple(self.exclude),
            explain=self.explain,
        )


def _seed(body: SeedBody) -> Seed:
    vector = None if body.vector is None else unit_vector(body.vector)
    return Seed(id=body.id, vector=vector, weight=body.weight)


class Credentials(_Strict):
    """What opens the service."""

    token: str = Field(max_length=1000, examples=["the token"])


_SIMILAR: TypeAdapter[SimilarBody] = TypeAdapter(SimilarBody)


def read_similar(body: bytes) -> SimilarBody:
    """Read the JSON body of a question for similar tracks.

    Raises
    ------
    Refusal
        It is not what it should be (status 422).
    """
    try:
        return _SIMILAR.validate_json(body)
    except ValidationError as error:
        raise Refusal(422, words_of(error)) from None


def words_of(error: ValidationError) -> str:
    """Put what is wrong with a body into one line, without repeating what was sent."""
    return "; ".join(
        ": ".join(filter(None, (".".join(map(str, found["loc"])), found["msg"])))
        for found in error.errors(include_url=False, include_input=False, include_context=False)[:5]
    )


def inline_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON schema of a model with every reference replaced by what it refers to."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(part) for part in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return resolve(parts[node["$ref"].rpartition("/")[2]])
        return {key: resolve(value) for key, value in node.items()}

    resolved: dict[str, Any] = resolve(schema)
    return resolved


SIMILAR_BODY: dict[str, Any] = {
    "schema": inline_schema(SimilarBody),
    "examples": {
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
    },
}
TrackPath = Annotated[
    str,
    Path(
        min_length=6,
        max_length=64,
        description="Id of a stored track, or its first characters.",
        examples=[_ID],
    ),
]

_CARD = {
    "id": _ID,
    "title": "Dawn",
    "artist": "Alba",
    "album": "First Light",
    "year": 1991,
    "genres": ["Jazz"],
    "seconds": 241.3,
    "tempo": 92.4,
    "key": "A minor",
    "loudness": -14.2,
    "file": "01 Dawn.flac",
}
_NUMBER_OR_NONE: dict[str, Any] = {"type": ["number", "null"]}
_TEXT_OR_NONE: dict[str, Any] = {"type": ["string", "null"]}
_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_CARD_FIELDS: dict[str, Any] = {
    "id": {"type": "string"},
    "title": _TEXT_OR_NONE,
    "artist": _TEXT_OR_NONE,
    "album": _TEXT_OR_NONE,
    "year": {"type": ["integer", "null"]},
    "genres": _TEXTS,
    "seconds": {"type": "number"},
    "tempo": _NUMBER_OR_NONE,
    "key": _TEXT_OR_NONE,
    "loudness": _NUMBER_OR_NONE,
    "file": {"type": "string"},
}


def json_response(description: str, properties: dict[str, Any], example: object) -> dict[str, Any]:
    """Document a JSON answer.

    Parameters
    ----------
    description : str
        What it is.
    properties : dict
        JSON schemas of its members, all of which are always there unless the name ends in ``?``.
    example : object
        One such answer.
    """
    return {
        "description": description,
        "content": {"application/json": {"schema": _object(properties), "example": example}},
    }


class ProblemBody(BaseModel):
    """A problem (RFC 9457)."""

    title: str
    status: int
    detail: str


PROBLEM: dict[str, Any] = {
    "description": "A problem, in one line (RFC 9457).",
    "content": {
        "application/problem+json": {
            "schema": ProblemBody.model_json_schema(),
            "example": {
                "title": "Not Found",
                "status": 404,
                "detail": "abc123: neither a file nor a stored track",
            },
        }
    },
}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {name.rstrip("?"): schema for name, schema in properties.items()},
        "required": [name for name in properties if not name.endswith("?")],
    }


HEALTH = json_response("It runs.", {"status": {"const": "ok"}}, {"status": "ok"})
_PARTS = {"search": "ready", "why": "preparing", "map": "off", "recommender": "off"}
READINESS = json_response(
    "Whether it can answer, and which parts of it can.",
    {
        "ready": {"type": "boolean"},
        "tracks": {"type": "integer"},
        "model": _TEXT_OR_NONE,
        "parts": _object({part: {"enum": ["ready", "preparing", "off"]} for part in _PARTS}),
    },
    {"ready": True, "tracks": 1204, "model": "musicu-2", "parts": _PARTS},
)
_FEATURES = {"recommend": False, "uploads": False, "scan": True, "map": True, "why": True}
_LIMITS = {
    "n": MOST_TRACKS,
    "seeds": MOST_SEEDS,
    "json_bytes": 2 << 20,
    "upload_bytes": 200 << 20,
    "upload_seconds": 3600.0,
    "deadline": 30.0,
}
_SOUND_FIELD = {"label": "Sound", "light": "#2a78d6", "dark": "#3987e5"}
INFO = json_response(
    "What is served.",
    {
        "version": {"type": "string"},
        "model": {"type": "string"},
        "tracks": {"type": "integer"},
        "limits": _object({name: {"type": "number"} for name in _LIMITS}),
        "features": _object({name: {"type": "boolean"} for name in _FEATURES}),
        "fields": {
            "type": "object",
            "description": "What tracks are compared by: a label, and a color on light and on dark "
            "ground.",
            "additionalProperties": _object(dict.fromkeys(_SOUND_FIELD, {"type": "string"})),
        },
        "notice": _TEXT_OR_NONE,
    },
    {
        "version": "0.1.0",
        "model": "musicu-2",
        "tracks": 1204,
        "limits": _LIMITS,
        "features": _FEATURES,
        "fields": {"audio": _SOUND_FIELD},
        "notice": None,
    },
)
ANSWER = json_response(
    "Tracks, the best first.",
    {
        "model": {"type": "string"},
        "by": {"enum": [*SPACES, "path"]},
        "matches": {
            "type": "array",
            "items": _object(
                {
                    "rank": {"type": "integer", "minimum": 1},
                    "score": {"type": "number"},
                    "why?": {"type": "object", "additionalProperties": {"type": "number"}},
                    "words?": _TEXTS,
                    **_CARD_FIELDS,
                }
            ),
        },
        "notes": _TEXTS,
        "upload?": {"type": "object"},
    },
    {
        "model": "musicu-2",
        "by": DEFAULT_SPACE,
        "matches": [{"rank": 1, "score": 0.913225, **_CARD}],
        "notes": [],
    },
)
TRACKS = json_response(
    "Tracks that were found.",
    {
        "total": {"type": "integer", "minimum": 0},
        "tracks": {"type": "array", "items": _object(_CARD_FIELDS)},
        "terms?": {"type": "array", "items": {"type": "object"}},
        "unused?": _TEXTS,
    },
    {"total": 1, "tracks": [_CARD]},
)
DETAILS = json_response(
    "All columns of the catalog for this track, and its files.",
    {"id": {"type": "string"}, "files": _TEXTS},
    {"id": _ID, "title": "Dawn", "artist": "Alba", "tempo": 92.4, "files": ["01 Dawn.flac"]},
)
