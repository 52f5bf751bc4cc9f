"""What a service answers: the same as the library, in JSON, and every error as a problem."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import numpy as np
import pytest
from conftest import MakeStore, Shelf, add_track, unit
from fastapi import APIRouter, FastAPI, Request
from prometheus_client.parser import text_string_to_metric_families
from served import Served, serving, until

from musicu.catalog.store import Store, StoredModel
from musicu.errors import AudioError, CatalogError, MusicuError
from musicu.service.app import ROUTERS, create_app
from musicu.service.errors import Busy, Late
from musicu.service.metrics import Metrics
from musicu.service.settings import Settings
from musicu.service.similar import Batcher

HERE = "http://127.0.0.1:8420"
TRACKS = 60


@pytest.fixture
def made(make_store: MakeStore) -> tuple[Store, StoredModel]:
    rng = np.random.default_rng(5)
    tags = [{"title": f"Title {i}", "artist": f"Artist {i % 9}"} for i in range(TRACKS)]
    return make_store(unit(rng.standard_normal((TRACKS, 16))), tags)


@pytest.fixture
def held(made: tuple[Store, StoredModel]) -> Iterator[Served]:
    with serving(made[0].path) as held:
        yield held


@pytest.fixture
def client(held: Served) -> httpx.Client:
    return held.http


@pytest.fixture(scope="module")
def listening(original: Shelf) -> Iterator[httpx.Client]:
    """A service over real audio; nothing in it is changed."""
    with serving(original.db) as held:
        yield held.http


def number(i: int) -> str:
    return f"{i:032x}"


# Neighbors


def test_neighbors_are_those_of_the_catalog(listening: httpx.Client, original: Shelf) -> None:
    with original.open() as catalog:
        for track in catalog.tracks():
            expected = catalog.similar(track["id"], 5)
            found = listening.post("/v1/similar", json={"id": track["id"], "n": 5}).json()
            assert [match["id"] for match in found["matches"]] == [one.id for one in expected]
            assert [match["score"] for match in found["matches"]] == [one.score for one in expected]
            assert [match["rank"] for match in found["matches"]] == [1, 2, 3, 4, 5]
            assert found["model"].startswith("musicu-")
            assert found["by"] == "sound"


def test_a_filter_acts_before_the_ranking(listening: httpx.Client, original: Shelf) -> None:
    with original.open() as catalog:
        id = next(iter(catalog.tracks()))["id"]
        expected = [match.id for match in catalog.similar(id, 3, where="year >= 1999")]
    asked = {"id": id, "n": 3, "where": "year >= 1999"}
    found = listening.post("/v1/similar", json=asked).json()["matches"]
    assert [match["id"] for match in found] == expected
    assert len(found) == 3
    assert all(match["year"] >= 1999 for match in found)


def test_a_track_is_found_by_its_vector_first(
    client: httpx.Client, made: tuple[Store, StoredModel]
) -> None:
    (raw,) = made[0].db.execute("SELECT vector FROM vectors WHERE track = 8").fetchone()
    vector = (np.frombuffer(raw, dtype=np.float32) * 3).tolist()  # its length is no matter
    found = client.post("/v1/similar", json={"seeds": [{"vector": vector}], "n": 2}).json()
    (id,) = made[0].db.execute("SELECT id FROM tracks WHERE track = 8").fetchone()
    assert found["matches"][0]["id"] == id
    assert found["matches"][0]["score"] == pytest.approx(1, abs=1e-6)


def test_less_of_a_track_takes_it_and_its_like_away(client: httpx.Client) -> None:
    plain = client.post("/v1/similar", json={"seeds": [{"id": number(1)}], "n": 10}).json()
    nearest = plain["matches"][0]["id"]
    seeds = [{"id": number(1)}, {"id": nearest, "weight": -0.9}]
    mixed = client.post("/v1/similar", json={"seeds": seeds, "n": 10}).json()
    ids = [match["id"] for match in mixed["matches"]]
    assert nearest not in ids and number(1) not in ids
    assert ids != [match["id"] for match in plain["matches"]]


def test_the_same_question_is_answered_from_memory_until_the_catalog_changes(
    held: Served, made: tuple[Store, StoredModel]
) -> None:
    store, model = made
    client, answers = held.http, held.service.similar.cache
    asked = {"id": number(3), "n": 5}
    first = client.post("/v1/similar", json=asked)
    assert (answers.hits, answers.misses) == (0, 1)
    again = client.post(
        "/v1/similar",
        content=json.dumps({**asked, "by": "sound"}, indent=4),
        headers={"Content-Type": "application/json"},
    )
    assert (answers.hits, answers.misses) == (1, 1)
    assert again.content == first.content
    (raw,) = store.db.execute("SELECT vector FROM vectors WHERE track = 4").fetchone()
    with store.change():
        add_track(store, model, 1000, np.frombuffer(raw, dtype=np.float32))
    held.service.live.refresh()
    changed = client.post("/v1/similar", json={"id": number(3), "n": TRACKS}).json()
    assert number(1000) in [match["id"] for match in changed["matches"]]


def test_what_is_served_is_counted(held: Served) -> None:
    service = held.service
    for _ in range(3):  # also where the answer was kept
        held.http.post("/v1/similar", json={"id": number(3), "n": 4})
    assert len(service.exposure) == 12
    assert service.exposure.coverage(TRACKS) == pytest.approx(4 / TRACKS)
    assert service.metrics.summary()["served"] == 12


# Search


def test_tracks_are_found_by_all_words_of_their_names(client: httpx.Client) -> None:
    found = client.get("/v1/tracks", params={"q": "title 1 artist"}).json()
    titles = [track["title"] for track in found["tracks"]]
    assert found["total"] == len(titles) == sum("1" in f"{i}{i % 9}" for i in range(TRACKS))
    assert "Title 1" in titles[:13]  # words that begin so come before those that hold it
    first = client.get("/v1/tracks", params={"q": "title 1 artist", "limit": 4}).json()
    rest = client.get("/v1/tracks", params={"q": "title 1 artist", "offset": 4}).json()
    assert first["tracks"] + rest["tracks"] == found["tracks"]
    assert first["total"] == rest["total"] == found["total"]
    assert client.get("/v1/tracks").json()["total"] == TRACKS
    assert client.get("/v1/tracks", params={"q": "nowhere"}).json() == {"total": 0, "tracks": []}


def test_tracks_are_found_by_their_sound_as_by_the_catalog(
    listening: httpx.Client, original: Shelf
) -> None:
    with original.open() as catalog:
        expected = catalog.find("sad jazz, wibble", 8)
        some = catalog.find("sad jazz", 8, where="year >= 1999")
    found = listening.get("/v1/tracks", params={"sounds": "sad jazz, wibble", "limit": 3}).json()
    assert [track["id"] for track in found["tracks"]] == [one.id for one in expected.matches[:3]]
    assert found["total"] == 8
    assert [term["text"] for term in found["terms"]] == [one.text for one in expected.terms]
    assert found["unused"] == list(expected.unused)
    asked = {"sounds": "sad jazz", "where": "year >= 1999", "offset": 1}
    later = listening.get("/v1/tracks", params=asked).json()
    assert [track["id"] for track in later["tracks"]] == [one.id for one in some.matches[1:]]
    assert later["total"] == len(some.matches)


def test_artists_are_listed_and_their_tracks_asked_for_by_the_key_of_the_list(
    held: Served,
) -> None:
    found = held.ask("GET", "/v1/browse/artists?limit=2&offset=1")
    assert (found["total"], [group["name"] for group in found["groups"]]) == (
        9,
        ["Artist 1", "Artist 2"],
    )
    one = held.ask("GET", "/v1/browse/artists/tracks", params={"key": found["groups"][0]["key"]})
    assert one["group"] == found["groups"][0]
    assert {track["artist"] for track in one["tracks"]} == {"Artist 1"}
    assert one["total"] == len(one["tracks"]) == found["groups"][0]["tracks"] == 7
    assert held.ask("GET", "/v1/browse/new?limit=1")["groups"][0]["id"] == number(TRACKS - 1)
    assert held.ask("GET", "/v1/browse/albums/tracks?key=none", 404)["status"] == 404
    assert held.ask("GET", "/v1/browse/nothing", 422)["status"] == 422


def test_all_that_is_known_of_a_track_is_told_but_not_where_the_server_keeps_it(
    listening: httpx.Client, original: Shelf
) -> None:
    with original.open() as catalog:
        for known in catalog.tracks():
            told = listening.get(f"/v1/tracks/{known['id'][:12]}").json()
            assert {name: told[name] for name in ("id", "title", "year", "codec")} == {
                name: known[name] for name in ("id", "title", "year", "codec")
            }
            inside = str(Path(known["path"]).relative_to(original.folder.parent))
            assert told["files"] == [inside]
            assert str(original.folder.parent) not in json.dumps(told)


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"limit": 0}, 422),
        ({"limit": 1001}, 422),
        ({"offset": -1}, 422),
        ({"q": "a", "sounds": "b"}, 422),
        ({"where": "nonsense ="}, 400),
        ({"q": "x" * 501}, 422),
        ({"sounds": "sad"}, 503),  # the vectors here are of no model
    ],
)
def test_a_wrong_search_is_a_problem(
    client: httpx.Client, params: dict[str, str | int], status: int
) -> None:
    found = client.get("/v1/tracks", params=params)
    assert found.status_code == status
    assert found.json()["status"] == status


# Questions that wait


def test_questions_that_come_together_are_answered_together_and_each_gets_its_own() -> None:
    sizes: list[int] = []
    gate = threading.Event()

    def answer(questions: Sequence[int]) -> list[int | MusicuError]:
        gate.wait(5)
        sizes.append(len(questions))
        return [MusicuError(f"no {q}") if q % 7 == 0 else q * q for q in questions]

    async def run() -> list[int | BaseException]:
        batcher = Batcher(answer, 5.0)
        asked = [asyncio.create_task(batcher.ask(q)) for q in range(100)]
        await asyncio.sleep(0.01)
        assert batcher.busy >= 1 and batcher.depth + batcher.busy == 100
        gate.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert (batcher.depth, batcher.busy) == (0, 0)
        batcher.close()
        return found

    found = asyncio.run(run())
    for q, got in enumerate(found):
        assert str(got) == (f"no {q}" if q % 7 == 0 else str(q * q))
    assert sum(sizes) == 100
    assert max(sizes) == 32
    assert len(sizes) <= 5


def test_a_question_alone_does_not_wait_for_company() -> None:
    async def run() -> None:
        batcher = Batcher(lambda questions: list(questions), 5.0)
        assert [await batcher.ask(q) for q in range(3)] == [0, 1, 2]
        batcher.close()

    asyncio.run(run())


def test_who_gives_up_does_so_alone() -> None:
    gate = threading.Event()

    def answer(questions: Sequence[int]) -> list[int]:
        gate.wait(5)
        return list(questions)

    async def run() -> None:
        hasty, patient = Batcher(answer, 0.01), Batcher(answer, 5.0)
        with pytest.raises(Late):
            await hasty.ask(1)
        kept, leaving = (asyncio.create_task(patient.ask(q)) for q in (1, 2))
        await asyncio.sleep(0.01)
        leaving.cancel()
        gate.set()
        assert await kept == 1
        hasty.close()
        patient.close()

    asyncio.run(run())


def test_more_than_may_wait_are_told_to_come_again() -> None:
    gate = threading.Event()

    def answer(questions: Sequence[int]) -> list[int]:
        gate.wait(5)
        return list(questions)

    async def run() -> None:
        batcher = Batcher(answer, 5.0)
        batcher.limit = 3
        asked = []
        for q in range(6):
            asked.append(asyncio.create_task(batcher.ask(q)))
            await asyncio.sleep(0.005)
        gate.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
        busy = [one for one in found if isinstance(one, Busy)]
        assert len(busy) == batcher.rejected == 2  # one is being answered, three wait
        assert busy[0].headers["Retry-After"] == "1"
        batcher.close()

    asyncio.run(run())


def test_a_fault_in_answering_reaches_all_who_asked_and_nobody_after() -> None:
    faults = [ValueError("broken"), None]

    def answer(questions: Sequence[int]) -> list[int]:
        if fault := faults.pop(0):
            raise fault
        return list(questions)

    async def run() -> None:
        batcher = Batcher(answer, 5.0)
        found = await asyncio.gather(batcher.ask(1), batcher.ask(2), return_exceptions=True)
        assert [type(one) for one in found] == [ValueError, ValueError]
        assert await batcher.ask(3) == 3
        batcher.close()

    asyncio.run(run())


# Errors


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "one of id, seeds and path"),
        ({"id": number(1), "path": {"from": number(1), "to": number(2)}}, 422, "one of id"),
        ({"id": number(1), "n": 0}, 422, "n: "),
        ({"id": number(1), "n": 1001}, 422, "n: "),
        ({"id": number(1), "nonsense": 1}, 422, "nonsense"),
        ({"id": number(1), "by": "magic"}, 422, "by: "),
        ({"id": number(1), "diversity": 1.5}, 422, "diversity"),
        ({"id": 5}, 422, "id: "),
        ({"id": "f" * 32}, 404, "no track"),
        ({"id": "00000"}, 422, "id: "),
        ({"id": "000000"}, 404, "more than one"),
        ({"id": number(1), "where": "yeer > 3"}, 400, "columns are"),
        ({"id": number(1), "where": "1); DROP TABLE tracks; --"}, 400, "cannot be understood"),
        ({"seeds": []}, 422, "seeds"),
        ({"seeds": [{"weight": 1}]}, 400, "id of a stored track or the vector"),
        ({"seeds": [{"id": number(1), "weight": -1}]}, 400, "no seed has a weight above 0"),
        ({"seeds": [{"id": number(1), "weight": 0}]}, 400, "weight"),
        ({"seeds": [{"vector": [0.0] * 16}]}, 400, "not all 0"),
        ({"seeds": [{"vector": [1.0] * 5}]}, 409, "16"),
        ({"path": {"from": number(1), "to": number(2)}, "n": 500}, 422, "2 to 100"),
    ],
)
def test_a_wrong_question_is_answered_with_one_line(
    client: httpx.Client, body: object, status: int, words: str
) -> None:
    found = client.post("/v1/similar", json=body)
    assert found.status_code == status, found.text
    assert found.headers["content-type"] == "application/problem+json"
    told = found.json()
    assert told["status"] == status
    assert words in told["detail"]
    assert "\n" not in told["detail"]
    assert set(told) == {"title", "status", "detail"}


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b'{"id":"\xff"}', b"null", b"1e999", b"[" * 9999]
)
def test_what_is_no_json_is_told_so(client: httpx.Client, body: bytes) -> None:
    kind = {"Content-Type": "application/json"}
    found = client.post("/v1/similar", content=body, headers=kind)
    assert found.status_code == 422
    assert found.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_none_is_refused(client: httpx.Client, literal: str) -> None:
    for body in (
        f'{{"id": "{number(1)}", "diversity": {literal}}}',
        f'{{"seeds": [{{"vector": [{literal}]}}]}}',
    ):
        kind = {"Content-Type": "application/json"}
        assert client.post("/v1/similar", content=body, headers=kind).status_code == 422


def test_a_filter_changes_nothing(client: httpx.Client, made: tuple[Store, StoredModel]) -> None:
    where = "track IN (SELECT track FROM tracks) OR (DELETE FROM tracks)"
    assert client.post("/v1/similar", json={"id": number(1), "where": where}).status_code == 400
    assert made[0].db.execute("SELECT count(*) FROM tracks").fetchone() == (TRACKS,)


def test_an_unknown_address_is_a_problem_too(client: httpx.Client) -> None:
    found = client.get("/v1/nothing")
    assert found.status_code == 404
    assert found.headers["content-type"] == "application/problem+json"
    wrong = client.delete("/v1/similar")
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "POST"
    assert wrong.json()["title"] == "Method Not Allowed"


def test_no_error_names_a_folder_of_the_server(
    held: Served, made: tuple[Store, StoredModel]
) -> None:
    app = held.server.config.app
    assert isinstance(app, FastAPI)
    client, folder = held.http, str(made[0].path.parent)
    errors: dict[str, Exception] = {
        "catalog": CatalogError(f"{made[0].path}: nothing is embedded yet; 'musicu embed FOLDER'"),
        "audio": AudioError(f"{folder}/upload.mp3", "no audio stream"),
        "mend": MusicuError(f"cannot write '{folder}/x y/z.m3u8' here"),
        "home": MusicuError(f"{Path.home()}/music: gone"),
        "fault": ValueError(f"{folder} secret"),
    }

    @app.get("/raise/{name}")
    async def fail(name: str) -> None:
        raise errors[name]

    statuses = {}
    for name in errors:
        found = client.get(f"/raise/{name}")
        statuses[name] = found.status_code
        assert folder not in found.text and str(Path.home()) not in found.text
        assert "Traceback" not in found.text and "secret" not in found.text
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["content-type"] == "application/problem+json"
    assert client.get("/raise/audio").json()["detail"] == "no audio stream"
    assert client.get("/raise/catalog").json()["detail"].startswith(f"{made[0].path.name}: nothing")
    assert statuses == {"catalog": 404, "audio": 422, "mend": 400, "home": 400, "fault": 500}


# Around it


def test_it_says_that_it_is_there_and_ready(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz").json()
    assert ready["ready"] is True
    assert ready["tracks"] == TRACKS
    assert ready["parts"]["search"] == "ready"
    assert ready["parts"]["recommender"] == "off"
    info = client.get("/v1/info").json()
    assert info["tracks"] == TRACKS
    assert info["features"]["recommend"] is False
    assert info["features"]["uploads"] is False
    assert info["limits"]["n"] == 1000


@pytest.mark.parametrize("path", ["/healthz", "/v1/info", "/openapi.json", "/v1/nothing"])
def test_head_is_get_without_the_body(client: httpx.Client, path: str) -> None:
    got, head = client.get(path), client.head(path)
    assert head.status_code == got.status_code
    assert head.content == b""
    assert head.headers == got.headers


def test_options_tell_what_an_address_allows_and_nothing_across_origins(
    client: httpx.Client,
) -> None:
    foreign = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    found = client.options("/v1/similar", headers=foreign)
    assert (found.status_code, found.headers["allow"]) == (204, "OPTIONS, POST")
    assert not [name for name in found.headers if name.startswith("access-control")]
    assert client.options("/v1/info").headers["allow"] == "GET, HEAD, OPTIONS"
    assert client.options("/v1/nothing").status_code == 404


def test_metrics_are_labeled_by_templates_never_by_what_was_asked(client: httpx.Client) -> None:
    for i in range(30):
        client.get(f"/v1/tracks/{number(i)}")
        client.get(f"/v1/nothing/{i}")
        client.request(f"ODD{i}", "/v1/info")
    client.post("/v1/similar", json={"id": number(1)})
    told = client.get("/metrics")
    assert told.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(told.text)}
    labels = {
        (sample.labels["method"], sample.labels["route"])
        for sample in families["musicu_request_seconds"].samples
    }
    assert labels <= {
        ("GET", "/v1/tracks/{id}"),
        ("GET", "(none)"),
        ("other", "(none)"),
        ("other", "/v1/info"),
        ("POST", "/v1/similar"),
    }
    counts = {
        (s.labels["method"], s.labels["route"]): s.value
        for s in families["musicu_request_seconds"].samples
        if s.name.endswith("_count")
    }
    assert counts[("GET", "/v1/tracks/{id}")] == 30
    assert counts[("GET", "(none)")] == 30
    (in_flight,) = families["musicu_requests_in_flight"].samples
    assert in_flight.value == 1  # this one
    queues = {sample.labels["queue"] for sample in families["musicu_queue_depth"].samples}
    assert {"neighbors", "answers", "decoding"} <= queues
    lookups = {
        (s.labels["cache"], s.labels["result"]): s.value
        for s in families["musicu_cache_lookups"].samples
    }
    assert lookups[("answers", "miss")] == 1


def test_two_services_in_one_process_share_nothing(made: tuple[Store, StoredModel]) -> None:
    with serving(made[0].path) as one, serving(made[0].path) as other:
        one.http.post("/v1/similar", json={"id": number(1)})
        until(one.quiet)
        assert one.service.metrics.summary()["requests"]["POST /v1/similar"]["count"] == 1
        assert other.service.metrics.summary()["requests"] == {}


def test_quantiles_are_those_of_the_latencies_as_far_as_buckets_tell() -> None:
    metrics = Metrics()
    seconds = np.random.default_rng(1).lognormal(-5, 1, 5000)
    for value in seconds:
        metrics.answered("GET", "/x", 200, float(value))
    metrics.answered("GET", "/x", 503, 0.001)
    told = metrics.summary()["requests"]["GET /x"]
    assert told["count"] == 5001
    assert told["errors"] == 1
    for name, q in (("p50_ms", 0.5), ("p99_ms", 0.99)):
        exact = 1000 * float(np.quantile(seconds, q))
        assert exact / 1.7 < told[name] < exact * 1.7  # neighboring bounds differ by less


def test_reasons_are_counted_and_cannot_grow_without_end() -> None:
    metrics = Metrics()
    for i in range(500):
        metrics.failed(f"reason {i}\nand more " + "x" * 200)
        metrics.failed("no audio stream")
    reasons = metrics.summary()["failures"]
    assert sum(reasons.values()) == 1000
    assert len(reasons) <= 65
    assert reasons["other"] > 0
    assert max(map(len, reasons)) <= 80
    assert reasons["no audio stream"] == 500


def test_a_request_that_is_cut_off_by_the_end_is_told_so(made: tuple[Store, StoredModel]) -> None:
    app = create_app(Settings(catalog=made[0].path))

    @app.get("/forever")
    async def forever(request: Request) -> None:
        await asyncio.sleep(3600)

    async def run() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            waiting = asyncio.create_task(client.get("/forever"))
            await asyncio.sleep(0.05)
            waiting.cancel()
            return await waiting

    found = asyncio.run(run())
    assert found.status_code == 503
    assert found.headers["retry-after"]
    assert "shutting down" in found.json()["detail"]


# What it says of itself


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_the_description_is_whole_and_shows_each_address_in_use(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()
    names = []
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            names.append(operation["operationId"])
            assert operation.get("summary"), where
            good = [a for status, a in operation["responses"].items() if status[0] == "2"]
            assert good, where
            content = operation.get("requestBody", {}).get("content", {})
            for kind, body in content.items():
                if kind == "application/json":
                    schema = body["schema"]
                    if "$ref" in schema:
                        schema = described["components"]["schemas"][schema["$ref"].split("/")[-1]]
                    shown = (
                        body.get("examples")
                        or body.get("example")
                        or re.search("example|enum", str(schema))
                    )
                    assert shown, where
            for parameter in operation.get("parameters", ()):
                assert parameter.get("description") or parameter["schema"], where
    assert len(names) == len(set(names))
    for reference in _references(described):
        node = described
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    assert {"/healthz", "/readyz", "/metrics", "/v1/info", "/v1/similar"} <= set(described["paths"])


def test_its_examples_of_questions_are_understood(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()
    body = described["paths"]["/v1/similar"]["post"]["requestBody"]["content"]["application/json"]
    for example in body["examples"].values():
        asked = json.dumps(example["value"])
        for i, id in enumerate(dict.fromkeys(re.findall(r"[0-9a-f]{32}", asked))):
            asked = asked.replace(id, number(i))
        if "path" in asked or "where" in asked:
            asked = asked.replace("year >= 1990", "seconds > 1")
        kind = {"Content-Type": "application/json"}
        found = client.post("/v1/similar", content=asked, headers=kind)
        assert found.status_code == 200, found.text


def test_no_page_of_it_loads_anything_from_elsewhere(client: httpx.Client) -> None:
    for path in ("/docs", "/redoc"):
        assert client.get(path).status_code == 404


def test_a_route_is_added_in_one_place(
    made: tuple[Store, StoredModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    router = APIRouter()
    router.add_api_route("/v1/hello", lambda: {"hello": "world"})
    monkeypatch.setattr("musicu.service.app.ROUTERS", (*ROUTERS, router))
    with serving(made[0].path) as one:
        assert one.http.get("/v1/hello").json() == {"hello": "world"}
        assert "/v1/hello" in one.http.get("/openapi.json").json()["paths"]
