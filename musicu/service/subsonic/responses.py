"""Answers of the OpenSubsonic API: one object in JSON, or the same in XML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from starlette.responses import Response

from musicu.errors import MusicuError
from musicu.service.responses import as_json

__all__ = ["VERSION", "SubsonicError", "envelope", "is_callback"]

VERSION = "1.16.1"  # of Subsonic's API, which OpenSubsonic continues
_NAMESPACE = "http://subsonic.org/restapi"
_CALLBACK = re.compile(r"[A-Za-z_$][\w$]{0,63}(?:\.[A-Za-z_$][\w$]{0,63}){0,7}", re.ASCII)
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
    answer: Mapping[str, Any] | SubsonicError,
    *,
    form: str,
    server: str,
    status: int = 200,
    callback: str = "",
) -> Response:
    """Wrap an answer as clients expect it.

    Parameters
    ----------
    answer : mapping or Fault
        Members of the response.
    form : str
        ``"json"``, or ``"jsonp"`` with a callback; anything else is XML.
    server : str
        Version of the server.
    status : int
        HTTP status; faults have 200, too.
    callback : str
        Name of the function that JSONP calls, see :func:`is_callback`.
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
    if form == "jsonp" and is_callback(callback):
        body = bytes(as_json({"subsonic-response": told}).body)
        # What JSON holds and older JavaScript took for the end of a line.
        body = body.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
        text = callback.encode() + b"(" + body + b");"
        return Response(text, status, media_type="text/javascript")
    element = _element("subsonic-response", told)
    element.set("xmlns", _NAMESPACE)
    text = ElementTree.tostring(element, encoding="utf-8", xml_declaration=True)
    return Response(text, status, media_type="application/xml")


def is_callback(name: str) -> bool:
    """Whether a text is the name of a function, and nothing that could be run besides."""
    return _CALLBACK.fullmatch(name) is not None


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
