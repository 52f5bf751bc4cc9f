"""Errors as a client sees them: RFC 9457 problem details, one line each, no paths of the server."""

import errno
import os
import re
import sqlite3
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from musicu.errors import (
    AudioError,
    CatalogError,
    MissingExtraError,
    ModelError,
    ModelMismatchError,
    MusicuError,
)
from musicu.search.space_builder import Preparing
from musicu.service.responses import encode_json

__all__ = ["Busy", "Late", "Refusal", "failed_io", "handle_problems", "problem", "status_of"]

# A folder of the server in a text: what stands before a path's last name.
_FOLDER = re.compile(r"(?<![\w/.:])/(?:[^\s/:'\"]+/)+")

# Failures that are not the file's and that a client can try again after; one that needs too much
# memory will need it again.
_PASSING = {"time": 504, "killed": 503, "system": 503}


class Refusal(MusicuError):
    """A request that is refused, with the status that says so.

    Parameters
    ----------
    status : int in [400, 599]
        HTTP status.
    detail : str
        One line that names the thing and the way out.
    headers : mapping of str to str or None
        Further headers of the response.
    **members
        Further members of the problem: ``id="..."``.
    """

    def __init__(
        self, status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.members = members


class Busy(Refusal):
    """Too much is waiting already; the client is told when to come again.

    Parameters
    ----------
    detail : str
        What is busy.
    retry_after : int >= 1
        Seconds to wait.
    """

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(503, detail, {"Retry-After": str(max(1, int(retry_after)))})


class Late(Refusal):
    """A request took longer than its deadline.

    Parameters
    ----------
    detail : str
        What took so long.
    begun : bool
        Whether work on it had begun.
    """

    def __init__(
        self, detail: str = "the answer took too long; ask for less", *, begun: bool = False
    ) -> None:
        super().__init__(504, detail)
        self.begun = begun


def failed_io(error: OSError, what: str) -> Refusal:
    """Return the refusal for what the service's own disk or system would not do.

    Parameters
    ----------
    error : OSError
        What it said.
    what : str
        What cannot be done: ``"the upload cannot be received"``.

    Returns
    -------
    Refusal
        507 where a disk is full; else 503, for somebody may mend it.
    """
    detail = f"{what} ({error.strerror or type(error).__name__})"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refusal(507, detail, {"Retry-After": "60"})
    return Busy(detail, 60)


def problem(
    status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> Response:
    """Render a problem as ``application/problem+json``.

    Parameters
    ----------
    status : int
        HTTP status.
    detail : str
        One line for people.
    headers : mapping of str to str or None
        Further headers.
    **members
        Further members of the JSON object.
    """
    try:
        title = HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    body = {"title": title, "status": status, "detail": " ".join(detail.split()), **members}
    return Response(
        encode_json(body),
        status,
        dict(headers or {}),
        media_type="application/problem+json",
    )


def status_of(error: MusicuError) -> int:
    """Return the HTTP status that says what kind of mistake an error is."""
    if isinstance(error, Refusal):
        return error.status
    if isinstance(error, AudioError) and error.cause in _PASSING:
        return _PASSING[error.cause]
    for kind, status in (
        (AudioError, 422),
        (ModelMismatchError, 409),
        (CatalogError, 404),
        (MissingExtraError, 501),
        (ModelError, 503),
        (Preparing, 503),
    ):
        if isinstance(error, kind):
            return status
    return 400


def handle_problems(app: FastAPI) -> None:
    """Have an app answer every error that somebody can mend with a problem."""
    app.add_exception_handler(MusicuError, _mendable)
    app.add_exception_handler(sqlite3.DatabaseError, _unreadable)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def _mendable(request: Request, error: Exception) -> Response:
    assert isinstance(error, MusicuError)
    detail = error.reason if isinstance(error, AudioError) else str(error)
    detail = _without_folders(detail)
    if isinstance(error, Refusal):
        return problem(error.status, detail, error.headers, **error.members)
    status = status_of(error)
    again = isinstance(error, Preparing) or (isinstance(error, AudioError) and status == 503)
    return problem(status, detail, {"Retry-After": "2"} if again else None)


def _unreadable(request: Request, error: Exception) -> Response:
    detail = f"the catalog cannot be used now ({error}); try again"
    return problem(503, detail, {"Retry-After": "2"})


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem(422, "; ".join(_sentence(found) for found in error.errors()))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, str(error.detail), error.headers)


def _sentence(found: Mapping[str, Any]) -> str:
    """Put one finding of pydantic into words, without what the client sent."""
    place = ".".join(str(part) for part in found["loc"] if part != "body")
    return f"{place}: {found['msg']}" if place else str(found["msg"])


def _without_folders(text: str) -> str:
    """Leave of each path in a text its last name."""
    return _FOLDER.sub("", text.replace(os.path.expanduser("~") + os.sep, ""))
