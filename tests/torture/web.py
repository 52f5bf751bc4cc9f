"""Hostile requests to ``musicu serve``: each gets an answer, and the server goes on and ends."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from torture.lab import Lab, Outcome, contents
from torture.server import Server, serving
from torture.tables import odd_text

ROWS = {
    "hostile requests": "Whatever a client sends, it is answered without a server error, and"
    " others are answered after it",
    "ends of serve": "After any requests, SIGTERM ends the server in time, without a traceback",
}
# Seconds after which a request counts as not answered, on a machine with other work.
_PATIENCE = 120.0
_PLACES = (
    *("/", "/v1/info", "/v1/tracks", "/v1/similar", "/v1/map", "/v1/embed", "/v1/jobs", "/metrics"),
    *("/v1/recommend", "/v1/release", "/v1/match", "/v1/monitor", "/v1/session", "/v1/playlists"),
    *("/healthz", "/readyz", "/v1/audience", "/openapi.json", "/rest/ping.view", "/../etc/passwd"),
)
_METHODS = (
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "PATCH",
    "TRACE",
    "\0",
    "get",
    "X" * 99,
)
_FILTERS = (
    "has(genres,printf('%.*c',900000000+track,'x'))",
    "length(zeroblob(1000000000)) > 0",
    "length(replace(printf('%.*c',5000000,'a'),'a',printf('%.*c',500,'b'))) > 0",
    "title LIKE '%' || hex(randomblob(400000000)) || '%'",
    "title GLOB '*a*a*a*a*a*a*a*a*a*b'",
    "(" * 2000 + "1" + ")" * 2000,
    "1 IN (WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) SELECT x FROM c)",
    "load_extension('x')",
    "readfile('/etc/passwd') IS NOT NULL",
    "year > 1; DROP TABLE files",
    "ATTACH '/tmp/x' AS y",
    "\ud800 = 1",
    "title MATCH 'x'",
    "abs(-9223372036854775808) > 0",
    "'" * 999,
)


def requests(lab: Lab, rng: random.Random, size: int) -> Iterator[Outcome]:
    """Send so many requests to one server, then ask it to end."""
    with lab.room() as room:
        db = lab.copy(room)
        ids = sorted(contents(db).tracks)
        (room / "uploads").mkdir()
        with serving(lab, "--catalog", db, "--uploads", room / "uploads") as server:
            for number in range(size):
                told, wrong = _send(rng, server, ids)
                if wrong is None and number % 10 == 9:
                    wrong = _healthy(server, ids)
                yield Outcome("hostile requests", told, wrong)
                if server.process.poll() is not None:
                    break
            thread = threading.Thread(target=_keep_busy, args=(server,))
            thread.start()
            wrong = server.end()
            thread.join()
            yield Outcome("ends of serve", f"after {size} requests", wrong)


def _send(rng: random.Random, server: Server, ids: list[str]) -> tuple[str, str | None]:
    ways = (_json, _json, _filter, _filter, _query, _raw, _head, _large, _upload, _slow)
    way = rng.choice(ways)
    told = way.__name__.strip("_")
    before = server.said().count("Traceback")
    try:
        more, status = way(rng, server, ids)
    except (OSError, HTTPException) as error:
        return told, f"no answer: {error!r}"
    wrong = None
    if server.said().count("Traceback") > before:
        wrong = f"a traceback: {server.said().strip().splitlines()[-1]}"
    # 503: busy. A refusal to speak such HTTP may also be to close the connection.
    if status is not None and status >= 500 and status not in (501, 503, 505):
        wrong = f"answered {status}"
    return f"{told}: {more}", wrong


def _healthy(server: Server, ids: list[str]) -> str | None:
    body = json.dumps({"id": ids[0], "n": 3}).encode()
    headers = {"content-type": "application/json"}
    try:
        status, _ = server.ask("POST", "/v1/similar", body, headers, limit=_PATIENCE)
    except OSError as error:
        return f"the next one is not answered: {error!r}"
    return None if status in (200, 503) else f"the next one is answered {status}"


def _keep_busy(server: Server) -> None:
    path = "/v1/tracks?where=" + quote(_FILTERS[0])
    with suppress(OSError, ValueError):
        server.ask("GET", path, limit=_PATIENCE)


def _odd(rng: random.Random, ids: list[str]) -> Any:
    return rng.choice(
        [
            *(None, True, -1, 0, 1.5, 10**400, float("nan"), 1e39, [], {}, "", ids[0]),
            *(odd_text(rng), [odd_text(rng)] * 50, {"id": ids[0], "weight": 1e300}),
            *([[]] * 1000, [1e39] * 256, [0.0] * 256, ["x"] * 256, [0.1] * 100_000),
        ]
    )


def _json(rng: random.Random, server: Server, ids: list[str]) -> tuple[str, int]:
    names = ["id", "n", "where", "seeds", "exclude", "vector", "diversity", "path", "from", "to"]
    names += ["history", "items", "user", "weight", "rules", "by", "a", "b", "x" * 5000]
    document: Any = {rng.choice(names): _odd(rng, ids) for _ in range(rng.randrange(1, 5))}
    if rng.random() < 0.5:
        document["id"] = ids[0]
    if rng.random() < 0.3:
        document = {"seeds": [{"vector": _odd(rng, ids), "weight": _odd(rng, ids)}], **document}
    body = json.dumps(rng.choice([document, document, _odd(rng, ids)])).encode()
    if rng.random() < 0.2:
        body = rng.choice([body[: len(body) // 2], b"[" * 100_000, b"\xff\xfe", b'{"a":1,"a":2}'])
    place = rng.choice(["/v1/similar", "/v1/similar", "/v1/recommend", "/v1/playlists", "/v1/jobs"])
    kind = rng.choice(["application/json", "application/json", "text/plain", "x", ""])
    status, _ = server.ask("POST", place, body, {"content-type": kind}, limit=_PATIENCE)
    return f"{place} {body[:120]!r}", status


def _filter(rng: random.Random, server: Server, ids: list[str]) -> tuple[str, int]:
    condition = rng.choice(_FILTERS)
    path = "/v1/tracks?limit=3&where=" + quote(condition, errors="replace")
    status, _ = server.ask("GET", path[:60_000], limit=_PATIENCE)
    return condition[:80], status


def _query(rng: random.Random, server: Server, ids: list[str]) -> tuple[str, int]:
    names = ["limit", "offset", "q", "where", "sort", "after", "n", "fields", "name", "describe"]
    place = rng.choice(
        [*_PLACES[1:], f"/v1/tracks/{ids[0]}/waveform", f"/v1/tracks/{ids[0]}/audio"]
    )
    pairs = [f"{rng.choice(names)}={quote(odd_text(rng)[:3000], errors='replace')}" for _ in "123"]
    path = f"{place}?{'&'.join(pairs)}"
    headers = {
        "range": rng.choice(["bytes=0-", "bytes=9-1", "bytes=-0", "x" * 500, "bytes=0-9,1-2"])
    }
    status, _ = server.ask("GET", path, None, headers, limit=_PATIENCE)
    return path[:120], status


def _status(answer: bytes) -> int | None:
    if not answer.startswith(b"HTTP/1."):
        return None
    return int(answer[9:12])


def _raw(rng: random.Random, server: Server, ids: list[str]) -> tuple[str, int | None]:
    ways = {
        "noise": rng.randbytes(2000),
        "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(300),
        "http 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "two lengths": b"POST /v1/similar HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
        b"Content-Length: 6\r\n\r\n{}   ",
        "chunks": b"POST /v1/similar HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n",
        "less than said": b"POST /v1/embed HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/octet-stream\r\nContent-Length: 999\r\n\r\nfLaC",
        "negative": b"POST /v1/embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "many at once": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500,
    }
    name = rng.choice(list(ways))
    return name, _status(server.raw(ways[name], limit=_PATIENCE))


def _head(rng: random.Random, server: Server, ids: list[str]) -> tuple[str, int | None]:
    method, place = rng.choice(_METHODS), rng.choice(_PLACES)
    lines = [f"{method} {place} HTTP/{rng.choice(['1.1', '1.0', '0.9', '9.9'])}"]
    host = rng.choice(["localhost", "127.0.0.1", "evil.example", "", "a" * 3000])
    lines.append(f"Host: {host}")
    way = rng.choice(["many", "long", "odd", "none"])
    if way == "many":
        lines += [f"X-{n}: {n}" for n in range(5000)]
    elif way == "long":
        lines.append("X: " + "y" * 2_000_000)
    elif way == "odd":
        lines += [f"{odd_text(rng)[:100]}: {odd_text(rng)[:1000]}" for _ in range(20)]
    data = "\r\n".join([*lines, "", ""]).encode("utf-8", "replace")
    return f"{method[:9]} {place}, {way}", _status(server.raw(data, limit=_PATIENCE))


def _large(rng: random.Random, server: Server, ids: list[str]) -> tuple[str, int]:
    """Send a body that is too large for its place: an answer must come, not a reset."""
    place = rng.choice(["/v1/similar", "/v1/recommend", "/v1/playlists"])
    size = rng.choice([2, 10]) * 1_000_000
    headers = {"content-type": "application/json"}
    status, _ = server.ask("POST", place, b" " * size, headers, limit=_PATIENCE)
    return f"{size:,} bytes to {place}", status if status != 200 else 599


def _upload(rng: random.Random, server: Server, ids: list[str]) -> tuple[str, int]:
    body = rng.choice([b"", rng.randbytes(30_000), b"ID3\x04\0\0\x7f\x7f\x7f\x7f", b"RIFF" * 9000])
    place = rng.choice(["/v1/embed", "/v1/similar", "/v1/tracks"])
    name = quote(odd_text(rng)[:300], errors="replace")
    status, _ = server.upload(f"{place}?name={name}", body)
    return f"{len(body)} bytes to {place}", status


def _slow(rng: random.Random, server: Server, ids: list[str]) -> tuple[str, int | None]:
    data = b"POST /v1/similar HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    data += b"Content-Length: 14\r\n\r\n" + b'{"id":"abcdef"}'[:14]
    return "piece by piece", _status(server.raw(data, pause=0.05, limit=_PATIENCE))
