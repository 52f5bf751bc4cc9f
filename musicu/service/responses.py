"""JSON as the service sends it, also where a name is not quite text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
from starlette.responses import Response

__all__ = ["as_json", "encode_json", "fragment", "parse_json"]


def encode_json(content: Any) -> bytes:
    """Write JSON.

    Names of files and tags that are not UTF-8 have half surrogate pairs, which JSON can escape and
    UTF-8 cannot hold: these are left to the standard library, which escapes them.

    Parameters
    ----------
    content : JSON types
        Without fragments where it may hold such names; see :func:`fragment`.
    """
    try:
        return orjson.dumps(content)
    except orjson.JSONEncodeError:
        return json.dumps(content).encode()


def parse_json(text: bytes) -> Any:
    """Read JSON, also with half surrogate pairs."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def fragment(content: Any) -> orjson.Fragment:
    """Write a part of a JSON text, once for all texts that :func:`encode_json` puts it into."""
    return orjson.Fragment(encode_json(content))


def as_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response.

    Parameters
    ----------
    content : JSON types
    status : int
        HTTP status.
    headers : mapping of str to str or None
        Further headers.
    """
    return Response(encode_json(content), status, headers, media_type="application/json")
