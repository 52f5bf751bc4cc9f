"""Answers of the OpenSubsonic API: one object in JSON, or the same in XML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from starlette.responses import Response

from musicu.errors import MusicuError
from musicu.service.responses import as_json

__all__ = ["VERSION", "SubsonicError", "envelope"]

VERSION = "1.16.1"  # of Subsonic's API, which OpenSubsonic continues
_NAMESPACE = "http://subsonic.org/restapi"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class SubsonicError(MusicuError):
    """What an answer says instead of what was asked for.

    Parameters
    ----------
    code : int
        As the API numbers them: 0 generic, 10 a parameter is missing, 40 wrong user or password,
        43 several ways to log in at once, 44 wrong key, 70 not found.
    message : str
        One line.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def envelope(
    answer: Mapping[str, Any] | SubsonicError, *, form: str, server: str, status: int = 200
) -> Response:
    """Wrap an answer as clients expect it.

    Parameters
    ----------
    answer : mapping or Fault
        Members of the response.
    form : str
        ``"json"``; anything else is XML.
    server : str
        Version of the server.
    status : int
        HTTP status; faults have 200, too.
    """
    told: dict[str, Any] = {
        "status": "failed" if isinstance(answer, SubsonicError) else "ok",
        "version": VERSION,
        "type": "musicu",
        "serverVersion": server,
        "openSubsonic": True,
    }
    if isinstance(answer, SubsonicError):
        told["error"] = {"code": answer.code, "message": str(answer)}
    else:
        told |= answer
    if form == "json":
        return as_json({"subsonic-response": told}, status)
    element = _element("subsonic-response", told)
    element.set("xmlns", _NAMESPACE)
    text = ElementTree.tostring(element, encoding="utf-8", xml_declaration=True)
    return Response(text, status, media_type="application/xml")


def _element(name: str, members: Mapping[str, Any]) -> ElementTree.Element:
    """Turn a JSON object into an element: plain values are attributes, others are elements."""
    element = ElementTree.Element(name)
    for key, value in members.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, Mapping):
                element.append(_element(key, one))
            elif isinstance(value, list):
                ElementTree.SubElement(element, key).text = _text(one)
            else:
                element.set(key, _text(one))
    return element


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _NO_XML.sub("\ufffd", str(value))
