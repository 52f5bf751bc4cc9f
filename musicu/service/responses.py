"""Answers in JSON, also where a name is not quite text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

__all__ = ["as_json"]


def as_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response.

    Everything beyond ASCII is escaped: names of files that are not UTF-8 have half surrogate
    pairs, of which JSON can speak and UTF-8 cannot.

    Parameters
    ----------
    content : JSON types
    status : int
    headers : mapping of str to str or None
    """
    return Response(json.dumps(content), status, headers, media_type="application/json")
