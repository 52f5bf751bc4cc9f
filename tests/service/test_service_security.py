"""Who may ask a service, from where, and how much; and what goes with every answer."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeStore, unit
from served import PATIENCE, Served, serving

from musicu.errors import MusicuError
from musicu.service.connection import BoundedHttpProtocol
from musicu.service.security import HEADERS, JSON_BYTES, TokenAuth
from musicu.service.settings import Settings

TOKEN = "correct horse battery staple"
OPEN = {"/healthz", "/readyz", "/v1/session"}


@pytest.fixture
def catalog(make_store: MakeStore) -> Path:
    rows = unit(np.random.default_rng(2).standard_normal((20, 8)))
    return make_store(rows)[0].path


@pytest.fixture
def open_service(catalog: Path) -> Iterator[Served]:
    with serving(catalog) as held:
        yield held


@pytest.fixture
def locked(catalog: Path) -> Iterator[Served]:
    with serving(catalog, token=TOKEN) as held:
        yield held


def raw(held: Served, request: bytes, wait: float = PATIENCE) -> bytes:
    """Send bytes as they are; return all that comes back until the service hangs up."""
    with socket.create_connection(("127.0.0.1", held.port), timeout=wait) as connection:
        connection.sendall(request)
        got = b""
        while part := connection.recv(65536):
            got += part
        return got


# The token


def test_without_the_token_nothing_is_told(locked: Served) -> None:
    shown = {"Authorization": f"Bearer {TOKEN}"}
    described = locked.http.get("/openapi.json", headers=shown).json()
    asked = 0
    for path, operations in described["paths"].items():
        for method in operations:
            found = locked.http.request(method, path.replace("{id}", "abcdef"))
            assert (found.status_code == 401) == (path not in OPEN), (method, path)
            if found.status_code == 401:
                asked += 1
                assert found.headers["www-authenticate"] == "Bearer"
                assert found.headers["content-type"] == "application/problem+json"
    assert asked > 10
    for path in ("/openapi.json", "/metrics", "/v1/nothing", "/page", "/v1/session/more"):
        assert locked.http.get(path).status_code == 401, path
    for path in ("/healthz", "/readyz"):
        assert locked.http.get(path).status_code == 200


@pytest.mark.parametrize(
    "path", [b"//v1/info", b"/page/../v1/info", b"/rest/..%2Fv1/info", b"/healthz/../v1/info"]
)
def test_no_way_around_leads_in(locked: Served, path: bytes) -> None:
    got = raw(locked, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert got[9:12] in (b"401", b"404")
    assert b"musicu-" not in got


@pytest.mark.parametrize(
    ("value", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        ("Bearer", 401),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        ("Bearer \xff\xfe", 401),
    ],
)
def test_the_token_is_shown_as_bearer(locked: Served, value: str, status: int) -> None:
    found = locked.http.get("/v1/info", headers={"Authorization": value.encode("latin-1")})
    assert found.status_code == status


def test_a_browser_exchanges_the_token_for_a_cookie_that_no_script_reads(locked: Served) -> None:
    wrong = locked.http.post("/v1/session", json={"token": "guess"})
    assert wrong.status_code == 401 and "set-cookie" not in wrong.headers
    found = locked.http.post("/v1/session", json={"token": TOKEN})
    assert found.status_code == 204
    cookie = found.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert locked.http.get("/v1/info").status_code == 200  # the client keeps it
    gone = locked.http.delete("/v1/session")
    assert gone.status_code == 204
    assert locked.http.get("/v1/info").status_code == 401


@pytest.mark.parametrize("cookie", ["", TOKEN, "0" * 64, TokenAuth("another").cookie, "\xe9"])
def test_another_cookie_opens_nothing(locked: Served, cookie: str) -> None:
    sent = {"Cookie": f"a=b; musicu={cookie}".encode("latin-1")}
    assert locked.http.get("/v1/info", headers=sent).status_code == 401


def test_a_token_may_hold_any_characters(catalog: Path) -> None:
    keys = TokenAuth("schlüssel 🎵")
    assert keys.fits("schlüssel 🎵")
    assert keys.opens("Bearer schlüssel 🎵".encode(), b"")
    assert not keys.fits("schlussel 🎵")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "music.example"])
def test_an_address_that_others_reach_needs_a_token(catalog: Path, host: str) -> None:
    with pytest.raises(MusicuError, match="a token is needed"):
        Settings(catalog=catalog, host=host)
    Settings(catalog=catalog, host=host, token=TOKEN)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "LocalHost"])
def test_a_loopback_address_needs_none(catalog: Path, host: str) -> None:
    assert Settings(catalog=catalog, host=host).loopback


@pytest.mark.parametrize("token", ["", "  \n"])
def test_an_empty_token_is_a_mistake(catalog: Path, token: str) -> None:
    with pytest.raises(MusicuError, match="empty"):
        Settings(catalog=catalog, token=token)


# Where requests come from


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:8420", 200),
        ("localhost:1", 200),
        ("LOCALHOST", 200),
        ("localhost.", 200),
        ("[::1]:8420", 200),
        ("evil.example", 421),
        ("evil.example:8420", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1@evil.example", 421),
        ("evil.example#127.0.0.1", 421),
        ("localhost:8420.evil.example", 421),
        ("10.0.0.7", 421),
        ("[::1].evil.example", 421),
        ("music.home", 421),
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(
    open_service: Served, host: str, status: int
) -> None:
    assert open_service.http.get("/v1/info", headers={"Host": host}).status_code == status
    assert open_service.http.get("/healthz", headers={"Host": host}).status_code == status


def test_a_service_goes_by_the_names_it_is_given(catalog: Path) -> None:
    with serving(catalog, names=("Music.Home",), host="0.0.0.0", token=TOKEN) as held:
        for host, status in (
            ("music.home:8420", 200),
            ("10.0.0.7:8420", 200),  # a number is nobody's to point elsewhere
            ("[fe80::1]", 200),
            ("evil.example", 421),
        ):
            assert held.http.get("/healthz", headers={"Host": host}).status_code == status, host


def test_a_request_without_a_host_is_refused(open_service: Served) -> None:
    assert raw(open_service, b"GET /healthz HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Origin": "http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1.evil.example:{port}"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_another_sites_page_changes_nothing(
    open_service: Served, headers: dict[str, str], status: int
) -> None:
    sent = {name: value.format(port=open_service.port) for name, value in headers.items()}
    asked = {"id": f"{1:032x}"}
    assert open_service.http.post("/v1/similar", json=asked, headers=sent).status_code == status
    if status == 403:  # a page elsewhere may link here, and nothing else
        assert open_service.http.get("/healthz", headers=sent).status_code == 200
        linked = open_service.http.get("/v1/tracks", headers=sent).status_code
        assert linked == (403 if "Sec-Fetch-Site" in sent else 200)
        assert open_service.http.delete("/v1/session", headers=sent).status_code == 403


# What goes with every answer


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("HEAD", "/healthz", 200),
        ("OPTIONS", "/healthz", 204),
        ("GET", "/v1/nothing", 404),
        ("DELETE", "/healthz", 405),
        ("POST", "/v1/similar", 422),
        ("GET", "/metrics", 200),
        ("GET", "/page/nothing.js", 404),
        ("GET", "/page/../settings.py", 404),
        ("GET", "/page/%2e%2e/settings.py", 404),
    ],
)
def test_every_answer_is_safe_to_show(
    open_service: Served, method: str, path: str, status: int
) -> None:
    body = {"content": b"{}", "headers": {"Content-Type": "application/json"}}
    found = open_service.http.request(method, path, **(body if method == "POST" else {}))
    assert found.status_code == status
    for name, value in HEADERS.items():
        assert found.headers.get_list(name) == [value]
    assert "access-control-allow-origin" not in found.headers


def test_refusals_are_safe_to_show_too(locked: Served) -> None:
    for headers, status in (({}, 401), ({"Host": "evil.example"}, 421)):
        found = locked.http.get("/v1/info", headers=headers)
        assert found.status_code == status
        assert {name: found.headers[name] for name in HEADERS} == HEADERS


def test_a_refused_head_is_no_fault_of_the_service(
    locked: Served, caplog: pytest.LogCaptureFixture
) -> None:
    for headers, status in (({}, 401), ({"Host": "evil.example"}, 421)):
        found = locked.http.head("/v1/info", headers=headers)
        assert (found.status_code, found.content) == (status, b"")
    assert not caplog.records


def test_the_policy_lets_nothing_run_that_is_not_ours() -> None:
    policy = dict(
        part.strip().split(" ", 1) for part in HEADERS["content-security-policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == "'self'"
    for sources in policy.values():
        assert "unsafe" not in sources and "*" not in sources and "http" not in sources


# How much


BIG = 10 << 20


def _chunks(size: int) -> Iterator[bytes]:
    for _ in range(size >> 16):
        yield b" " * 65536


@pytest.mark.parametrize("closing", [False, True])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["/v1/similar", "/v1/session", "/v1/jobs", "/v1/embed"])
def test_a_body_that_is_too_large_is_refused_in_words_however_it_comes(
    catalog: Path, path: str, chunked: bool, closing: bool
) -> None:
    kind = "audio/mpeg" if path == "/v1/embed" else "application/json"
    headers = {"Content-Type": kind, **({"Connection": "close"} if closing else {})}
    with serving(catalog, upload_bytes=JSON_BYTES) as held:
        for _ in range(3):
            body = _chunks(BIG) if chunked else b" " * BIG
            found = held.http.post(path, content=body, headers=headers)
            assert found.status_code == found.json()["status"] == 413


def test_who_sends_all_before_he_reads_can_read_the_answer(locked: Served) -> None:
    head = b"POST /v1/similar HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    token = f"Authorization: Bearer {TOKEN}\r\n".encode()
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    for closing in (b"", b"Connection: close\r\n"):
        for body in (
            b"Content-Length: %d\r\n\r\n" % BIG + b" " * BIG,
            b"Transfer-Encoding: chunked\r\n\r\n" + chunk * (BIG >> 16) + b"0\r\n\r\n",
        ):
            for shown, status in ((token, b"413"), (b"", b"401")):
                with socket.create_connection(("127.0.0.1", locked.port), PATIENCE) as asking:
                    asking.sendall(head + shown + closing + body)
                    assert asking.recv(65536)[9:12] == status


def test_the_rest_of_a_refused_body_is_not_waited_for_for_ever(
    open_service: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = b"POST /v1/similar HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n"
    monkeypatch.setattr(BoundedHttpProtocol, "REST_SECONDS", 0.2)
    got = raw(open_service, head + b"Content-Type: text/plain\r\n\r\nnothing more")
    assert got.startswith(b"HTTP/1.1 415")
    monkeypatch.setattr(BoundedHttpProtocol, "REST_BYTES", 1 << 20)
    with socket.create_connection(("127.0.0.1", open_service.port), PATIENCE) as flood:
        flood.sendall(head + b"Content-Type: text/plain\r\n\r\n")
        flood.recv(65536)
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(90):
                flood.sendall(b" " * (1 << 20))


def test_a_connection_goes_on_after_a_body_that_was_refused(open_service: Served) -> None:
    with socket.create_connection(("127.0.0.1", open_service.port), PATIENCE) as asking:
        for _ in range(2):
            asking.sendall(b"POST /v1/similar HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n")
            asking.sendall(b"Content-Type: text/plain\r\n\r\n")
            assert asking.recv(65536).startswith(b"HTTP/1.1 415")
            asking.sendall(b"123456789GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert asking.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "where",
    [
        "has(genres, printf('%.*c', 900000000 + track, 'x'))",
        "length(hex(zeroblob(400000000))) > 0",
        f"title LIKE '{'%_' * 500}'",
        "(SELECT max(length(a || a)) FROM (SELECT hex(randomblob(900000000)) AS a)) > 0",
        "(SELECT count(*) FROM library a, library b, library c, library d, files, files x) > 0",
    ],
)
def test_no_condition_holds_the_service(
    open_service: Served, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr("musicu.search.filter_cache._SECONDS", 0.2)
    for ask in (
        lambda: open_service.http.get("/v1/tracks", params={"where": where}),
        lambda: open_service.http.post("/v1/similar", json={"id": f"{1:032x}", "where": where}),
    ):
        found = ask()
        assert found.status_code == found.json()["status"] == 400
        words = ("functions are abs", "too complex", "takes too long")
        assert any(word in found.json()["detail"] for word in words)


def test_what_calls_itself_audio_is_not_exempt_elsewhere(open_service: Served) -> None:
    kind = {"Content-Type": "audio/mpeg"}
    body = b" " * (JSON_BYTES + 1)
    found = open_service.http.post("/v1/session", content=body, headers=kind)
    assert found.status_code in (413, 422)


def test_a_large_body_that_fits_is_read(open_service: Served) -> None:
    body = b'{"id":"%032x"%s}' % (1, b" " * (JSON_BYTES - 100))
    kind = {"Content-Type": "application/json"}
    assert open_service.http.post("/v1/similar", content=body, headers=kind).status_code == 200


def test_a_body_that_does_not_come_is_not_waited_for(catalog: Path) -> None:
    with serving(catalog, receive_seconds=0.2) as held:
        head = b"POST /v1/similar HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        head += b"Content-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
        began = time.monotonic()
        got = raw(held, head)
        assert got.startswith(b"HTTP/1.1 408")
        assert b"application/problem+json" in got
        assert time.monotonic() - began < PATIENCE / 2
