"""Values of requests that are names out of a table of the library."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticKnownError

from musicu.search.spaces import SPACES

__all__ = ["SpaceName"]


def _known_space(name: Any) -> Any:
    # A list, as clients may send what cannot be looked up.
    if name not in list(SPACES):
        expected = " or ".join(map(repr, SPACES))
        raise PydanticKnownError("literal_error", {"expected": expected})
    return name


# Read from the table with each request, as pydantic's Literal is when the module is imported.
SpaceName = Annotated[
    str,
    BeforeValidator(_known_space),
    Field(json_schema_extra=lambda schema: schema.update(enum=list(SPACES))),
]
