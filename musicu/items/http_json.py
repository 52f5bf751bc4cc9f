"""One request to a music server, answered in JSON; a failure is one line without secrets."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from musicu.errors import MetadataError

__all__ = ["request_json", "server_address"]


def server_address(url: str) -> str:
    """Return a server's address without what may be secret in it: scheme, host, port and path.

    Raises
    ------
    MetadataError
        It is not http or https.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname + (f":{parts.port}" if parts.port else "")  # type: ignore[operator]
    except (ValueError, TypeError):
        host = ""
    if not host or parts.scheme not in ("http", "https"):
        # The address may hold a password too.
        raise MetadataError("the server's address must begin with http:// or https:// and a host")
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"


def request_json(
    address: str,
    wanted: Mapping[str, Any] | None = None,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, Any] | None = None,
    body: Any = None,
    timeout: float = 30.0,
    kind: str = "music server",
) -> Any:
    """Ask a server.

    Parameters
    ----------
    address : str
        Without the query, since messages name it.
    wanted : mapping or None
        The query; a list is a parameter that comes several times.
    method : str
    headers : mapping or None
    form, body : mapping, JSON types or None
        What is sent along, as a form or as JSON.
    timeout : float > 0
        Seconds to wait for an answer.
    kind : str
        What should answer, for messages.

    Returns
    -------
    JSON types
        None where the answer is empty.

    Raises
    ------
    MetadataError
        The server cannot be reached, refuses, or answers something that is not JSON.
    """
    query = urllib.parse.urlencode(dict(wanted or {}), doseq=True)
    data = None
    sent = {"Accept": "application/json", **(headers or {})}
    if form is not None:
        data = urllib.parse.urlencode(dict(form), doseq=True).encode()
    elif body is not None:
        data = json.dumps(body).encode()
        sent["Content-Type"] = "application/json"
    asked = urllib.request.Request(
        f"{address}?{query}" if query else address, data=data, headers=sent, method=method
    )
    try:
        with urllib.request.urlopen(asked, timeout=timeout) as response:
            answer = response.read()
    except urllib.error.HTTPError as error:
        error.close()
        raise MetadataError(
            f"{address}: the server answers {error.code} {error.reason}; is this its address?"
        ) from None
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            reason = f"no answer within {timeout:g} s"
        raise MetadataError(f"{address}: {reason or type(error).__name__}") from None
    try:
        return json.loads(answer) if answer.strip() else None
    except ValueError:
        raise MetadataError(f"{address}: no {kind} answers here") from None
