"""Whatever a client sends, whether it fits the published description or not: no 5xx."""

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from conftest import Shelf
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from served import PATIENCE, Served, serving

schemathesis = pytest.importorskip("schemathesis")

CASES = 800


@pytest.fixture
def held(shelf: Shelf, tmp_path: Path) -> Iterator[Served]:
    # On a machine that is busy with other things, too, nothing is late.
    options: dict[str, Any] = {"queue": 64, "deadline": PATIENCE}
    with serving(shelf.db, uploads=tmp_path / "uploads", **options) as held:
        yield held


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # schemathesis's own and those of what it imports
def test_no_request_is_answered_with_a_server_error(held: Served) -> None:
    schema = schemathesis.openapi.from_dict(held.ask("GET", "/openapi.json"))
    operations = [found.ok() for found in schema.get_all_operations()]
    ids = [track["id"] for track in held.ask("GET", "/v1/tracks")["tracks"]]
    statuses: Counter[tuple[str, int]] = Counter()

    def ask_all(cases: st.SearchStrategy[Any], label: str, count: int) -> None:
        @settings(
            max_examples=count,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases)
        def ask(case: Any) -> None:
            _name_tracks(case, ids)
            answer = case.call(base_url=held.url, timeout=PATIENCE)
            statuses[label, answer.status_code] += 1
            assert answer.status_code < 500, f"{case.as_curl_command()}: {answer.text}"

        # An operation without parameters has one valid case, and nothing can be wrong with it.
        with suppress(Unsatisfiable):
            ask()

    for operation in operations:
        count = CASES // (2 * len(operations)) + 1
        types = [body.media_type for body in operation.body]
        if "application/json" in types:  # as many of it where files are bodies, too
            count *= len(types)
        for mode in schemathesis.GenerationMode:
            ask_all(operation.as_strategy(generation_mode=mode), operation.label, count)
    answered = {label for label, status in statuses if status < 300}
    assert statuses.total() >= CASES / 2  # some operations have few cases to try
    assert {"POST /v1/similar", "GET /v1/tracks"} <= answered


# What texts and numbers can be, and most programs do not think of.
_TEXTS = (
    *("%00", "a%00b", "%ED%A0%80", "%FF%FE", "%zz", "%", "9" * 5000, "9" * 19, "-1", "1e400"),
    *("NaN", "Infinity", "[", "'", '"', "*", "%F0%9F%8E%B5" * 100, "x" * 2001),
)
_JSON_TEXTS = (
    '"\\ud800"',
    '"a\\u0000b"',
    '"abcdef\\udfff\\ud800"',
    '"' + "x" * 100_000 + '"',
    '""',
)
_NUMBERS = (
    *("1e39", "-1e39", "1e400", "NaN", "Infinity", "-Infinity", "1" + "0" * 400, "9" * 5000),
    *("-0.0", "1e-400", "[1]", '"1"', "true", "null", "9223372036854775808", '{"a": 1}'),
)
_BODIES = {
    "/v1/similar": (
        *('{"id": TEXT}', '{"id": ID, "where": TEXT}', '{"id": ID, "exclude": [TEXT]}'),
        *(
            '{"seeds": [{"id": TEXT}]}',
            '{"path": {"from": TEXT, "to": ID}}',
            '{"id": ID, "by": TEXT}',
        ),
        *('{"id": ID, "n": NUMBER}', '{"id": ID, "diversity": NUMBER}'),
        *('{"id": ID, "max_per_artist": NUMBER}', '{"id": ID, "max_per_album": NUMBER}'),
        *('{"seeds": [{"id": ID, "weight": NUMBER}]}', '{"seeds": [{"vector": VECTOR}]}'),
        *('{"seeds": [{"vector": [NUMBER]}]}', '{"path": {"from": ID, "to": ID}, "n": NUMBER}'),
    ),
    "/v1/match": ('{"a": TEXT, "b": ID}', '{"a": NUMBER, "b": ID}'),
    "/v1/playlists": ('{"tracks": [TEXT]}', '{"tracks": [ID], "title": TEXT}'),
    "/v1/session": ('{"token": TEXT}', '{"token": NUMBER}'),
    "/v1/jobs": ('{"kind": TEXT}', '{"kind": NUMBER}'),
    "/v1/recommend": (
        *(
            '{"user": TEXT}',
            '{"history": [{"id": TEXT}]}',
            '{"history": [{"id": ID}], "n": NUMBER}',
        ),
        *(
            '{"history": [{"id": ID, "weight": NUMBER}]}',
            '{"history": [{"id": ID, "time": NUMBER}]}',
        ),
    ),
}
_NO_JSON = (
    *(b"[" * 100_000, b'{"a":' * 50_000, b"", b"\xff\xfe", b'"\xed\xa0\x80"', b"null"),
    *(b"9" * 100_000, b'{"id": "\xed\xa0\x80abcde"}', b'{"id": "abcdef", "id": "abcdef"'),
)


def test_texts_and_numbers_nobody_thinks_of_are_refused(held: Served) -> None:
    described = held.ask("GET", "/openapi.json")["paths"]
    id = held.ask("GET", "/v1/tracks")["tracks"][0]["id"]
    dim = held.service.live.snapshot.model.dim

    def ask(method: str, target: str, body: bytes = b"") -> int:
        # As bytes: a client's library would not send most of it.
        head = f"{method.upper()} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", held.port), timeout=PATIENCE) as asking:
            asking.sendall(head.encode() + body)
            got = b""
            while part := asking.recv(65536):
                got += part
        status = int(got[9:12])
        assert status < 500, (method, target[:200], body[:200], got[-500:])
        return status

    for path, operations in described.items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                for text in _TEXTS:
                    if parameter["in"] == "query":
                        ask(method, f"{path.replace('{id}', id)}?{parameter['name']}={text}")
                    elif parameter["in"] == "path":
                        ask(method, path.replace("{id}", text))
    for path, bodies in _BODIES.items():
        for raw in _NO_JSON:
            assert 400 <= ask("POST", path, raw) < 500
        for body in bodies:
            for number in _NUMBERS:
                vector = f"[{', '.join([number] * dim)}]"
                sent = body.replace("VECTOR", vector).replace("NUMBER", number)
                for text in _JSON_TEXTS if "TEXT" in body else ("",):
                    ask("POST", path, sent.replace("TEXT", text).replace("ID", f'"{id}"').encode())
                if "NUMBER" not in body and "VECTOR" not in body:
                    break


@pytest.mark.parametrize("number", ["1e39", "-1e39", "1e400", "NaN", "Infinity", "1" + "0" * 400])
def test_a_vector_that_float32_cannot_hold_is_refused(held: Served, number: str) -> None:
    dim = held.service.live.snapshot.model.dim
    vector = ", ".join([*["0.1"] * (dim - 1), number])
    found = held.http.post(
        "/v1/similar",
        content=f'{{"seeds": [{{"vector": [{vector}]}}]}}',
        headers={"Content-Type": "application/json"},
    )
    assert found.status_code == found.json()["status"] == 422
    assert "vector" in found.json()["detail"]


def test_a_vector_of_large_numbers_that_fit_is_only_a_direction(held: Served) -> None:
    dim = held.service.live.snapshot.model.dim
    asked = [
        held.ask("POST", "/v1/similar", json={"seeds": [{"vector": [size] * dim}]})["matches"]
        for size in (1.0, 3e38, 1e-30)
    ]
    assert asked[0] == asked[1] == asked[2]


def _name_tracks(case: Any, ids: list[str]) -> None:
    """Put tracks that exist where any text would do: else most answers were 404."""
    places = [case.path_parameters, case.body]
    if isinstance(case.body, dict):
        seeds = case.body.get("seeds")
        places += [case.body.get("path"), *(seeds if isinstance(seeds, list) else [])]
    for place in places:
        for name in ("id", "from", "to", "a", "b"):
            if isinstance(place, dict) and isinstance(place.get(name), str):
                place[name] = ids[len(place[name]) % len(ids)]
