"""The OpenSubsonic API, asked by a client that other people wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import Shelf
from hypothesis import given
from hypothesis import strategies as st
from libopensonic import Connection, errors
from served import Served, serving

from musicu.items.opensubsonic import OpenSubsonic
from musicu.service.subsonic.responses import SubsonicError, envelope

TOKEN = "sesame/öffne dich"
SPACE = "{http://subsonic.org/restapi}"


@pytest.fixture(scope="module")
def served(original: Shelf) -> Iterator[Served]:
    with serving(original.db, token=TOKEN) as running:
        yield running


@pytest.fixture
def connect(served: Served) -> Iterator[Any]:
    made: list[Connection] = []

    def open_one(**options: Any) -> Connection:
        access = {"username": "alba", "password": TOKEN} | options
        made.append(Connection("http://127.0.0.1", port=served.port, **access))
        return made[-1]

    yield open_one
    for connection in made:
        connection.cleanup()
        connection._loop.close()


@pytest.fixture
def client(connect: Any) -> Connection:
    return connect()


@pytest.fixture(scope="module")
def ids(original: Shelf) -> dict[str, str]:
    with original.open() as catalog:
        return {track["title"]: track["id"] for track in catalog.tracks()}


def rest(served: Served, name: str, **given: Any) -> dict[str, Any]:
    found = served.ask("GET", f"/rest/{name}", params={"apiKey": TOKEN, "f": "json", **given})
    answer: dict[str, Any] = found["subsonic-response"]
    return answer


@pytest.mark.parametrize("use_get", [True, False])
@pytest.mark.parametrize("use_views", [True, False])
@pytest.mark.parametrize(
    "access",
    [
        {},
        {"legacy_auth": True},
        {"username": None, "password": None, "api_key": TOKEN},
    ],
    ids=["token", "password", "key"],
)
def test_every_way_to_log_in_works(
    connect: Any, access: dict[str, Any], use_get: bool, use_views: bool
) -> None:
    assert connect(**access, use_get=use_get, use_views=use_views).ping()


def test_passwords_may_be_written_in_hexadecimal(served: Served) -> None:
    for password in (TOKEN, "enc:" + TOKEN.encode().hex()):
        given = {"u": "alba", "p": password, "f": "json"}
        found = served.ask("GET", "/rest/ping", params=given)["subsonic-response"]
        assert found["status"] == "ok"
        assert (found["type"], found["version"], found["openSubsonic"]) == (
            "musicu",
            "1.16.1",
            True,
        )


@pytest.mark.parametrize(
    ("access", "error"),
    [
        ({"password": "wrong"}, errors.CredentialError),
        ({"password": "wrong", "legacy_auth": True}, errors.CredentialError),
        ({"username": None, "password": None, "api_key": "wrong"}, errors.SonicError),
    ],
)
def test_whoever_does_not_know_the_token_learns_nothing(
    connect: Any, access: dict[str, Any], error: type[Exception]
) -> None:
    client = connect(**access)
    for ask in (client.ping, client.get_random_songs, lambda: client.stream("a" * 32)):
        with pytest.raises(error):
            ask()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, 10),
        ({"u": "alba"}, 10),
        ({"u": "alba", "p": "wrong"}, 40),
        ({"u": "alba", "p": "enc:zz"}, 40),
        ({"u": "alba", "t": "0" * 32, "s": "salt"}, 40),
        ({"u": "alba", "t": hashlib.md5(TOKEN.encode()).hexdigest(), "s": "salt"}, 40),
        ({"apiKey": "wrong"}, 44),
        ({"apiKey": TOKEN, "u": "alba"}, 43),
    ],
)
def test_refusals_have_the_codes_of_the_specification(
    served: Served, given: dict[str, str], code: int
) -> None:
    found = served.ask("GET", "/rest/ping", params={"f": "json", **given})["subsonic-response"]
    assert (found["status"], found["error"]["code"]) == ("failed", code)
    assert "sesame" not in found["error"]["message"]


def test_what_the_server_can_do_is_told_to_anybody(served: Served, client: Connection) -> None:
    told = {one.name: one.versions for one in client.get_open_subsonic_extensions()}
    assert told == {"apiKeyAuthentication": [1], "formPost": [1], "sonicSimilarity": [1]}
    plain = served.ask("GET", "/rest/getOpenSubsonicExtensions?f=json")["subsonic-response"]
    assert plain["status"] == "ok" and len(plain["openSubsonicExtensions"]) == 3


def test_a_client_finds_its_way_in(served: Served, connect: Any, client: Connection) -> None:
    assert client.get_license()["license"] == {"valid": True}
    # Not by the client, which looks for the list one level higher than it is specified.
    assert rest(served, "getMusicFolders")["musicFolders"]["musicFolder"][0]["name"] == "musicu"
    keyed = connect(username=None, password=None, api_key=TOKEN)
    assert keyed.token_info().username


def test_a_song_is_described(client: Connection, ids: dict[str, str]) -> None:
    song = client.get_song(ids["Noon"])
    assert (song.title, song.artist, song.album, song.year) == (
        "Noon",
        "Alba; Bruno",
        "First Light",
        1991,
    )
    assert (song.suffix, song.content_type, song.duration) == ("mp3", "audio/mpeg", 4)
    assert (song.sampling_rate, song.genre, song.is_dir) == (44100, "Soul", False)
    assert [genre.name for genre in song.genres] == ["Soul"]
    with pytest.raises(errors.DataNotFoundError):
        client.get_song("f" * 32)


def test_similar_tracks_are_those_of_the_service(
    served: Served, client: Connection, ids: dict[str, str]
) -> None:
    found = client.get_sonic_similar_tracks(ids["Dawn"], count=5)
    body = {"id": ids["Dawn"], "n": 5}
    headers = {"Authorization": b"Bearer " + TOKEN.encode()}
    expected = served.ask("POST", "/v1/similar", json=body, headers=headers)["matches"]
    assert [one.entry.id for one in found] == [one["id"] for one in expected]
    assert [one.similarity for one in found] == [round(one["score"], 4) for one in expected]
    assert all(0 <= one.similarity <= 1 for one in found)
    assert ids["Dawn"] not in {one.entry.id for one in found}
    assert client.get_sonic_similar_tracks(ids["Dawn"], count=0) == []
    assert len(client.get_sonic_similar_tracks(ids["Dawn"])) == 7
    with pytest.raises(errors.DataNotFoundError):
        client.get_sonic_similar_tracks("no such song")


def test_a_path_leads_from_the_first_song_to_the_last(
    client: Connection, ids: dict[str, str]
) -> None:
    path = client.find_sonic_path(ids["Dawn"], ids["Flow"], count=4)
    walked = [step.entry.id for step in path]
    assert (walked[0], walked[-1]) == (ids["Dawn"], ids["Flow"])
    assert 2 <= len(walked) == len(set(walked)) <= 4
    assert path[0].similarity == 1.0
    assert all(0 <= step.similarity <= 1 for step in path)
    (alone,) = client.find_sonic_path(ids["Dawn"], ids["Dawn"])
    assert alone.entry.id == ids["Dawn"]
    with pytest.raises(errors.DataNotFoundError):
        client.find_sonic_path(ids["Dawn"], "no such song")


def test_matches_are_members_of_the_response_itself(served: Served, ids: dict[str, str]) -> None:
    found = rest(served, "getSonicSimilarTracks", id=ids["Dawn"], count=2)["sonicMatch"]
    assert [sorted(one) for one in found] == [["entry", "similarity"]] * 2


def test_songs_are_searched_and_listed_page_by_page(
    served: Served, client: Connection, ids: dict[str, str]
) -> None:
    assert [song.title for song in client.search3("granite").song] == ["Granite"]
    assert {song.title for song in client.search3("stones").song} == {"Granite", "Basalt"}
    pages = [client.search3("", song_count=3, song_offset=at).song for at in (0, 3, 6, 9)]
    assert [len(page or []) for page in pages] == [3, 3, 2, 0]
    assert len({song.id for page in pages for song in page or []}) == 8
    quoted = rest(served, "search3", query='""', songCount=100)["searchResult3"]["song"]
    assert len(quoted) == 8


def test_random_songs_keep_to_genre_and_years(client: Connection) -> None:
    assert len({song.id for song in client.get_random_songs(size=100)}) == 8
    jazz = client.get_random_songs(size=10, genre="Jazz")
    assert {song.title for song in jazz} == {"Dawn", "Granite", "Ebb"}
    late = client.get_random_songs(size=10, genre="Jazz", from_year=1995, to_year=2000)
    assert [song.title for song in late] == ["Granite"]
    assert client.get_random_songs(genre="'; DROP TABLE files; --") == []


def test_files_are_streamed_as_they_are_and_in_parts(
    served: Served, original: Shelf, ids: dict[str, str]
) -> None:
    data = (original / "Alba/First Light/02 Noon.mp3").read_bytes()
    given = {"apiKey": TOKEN, "id": ids["Noon"]}
    for name in ("stream", "download"):
        whole = served.http.get(f"/rest/{name}", params=given)
        assert (whole.content, whole.headers["content-type"]) == (data, "audio/mpeg")
    part = served.http.get("/rest/stream.view", params=given, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, data[10:20])


def test_a_file_that_is_gone_is_not_found(shelf: Shelf) -> None:
    with shelf.open() as catalog:
        track = next(catalog.tracks())
    (shelf.folder / track["path"]).unlink()
    with serving(shelf.db) as served:
        answer = served.http.get("/rest/stream", params={"id": track["id"], "f": "json"})
    assert answer.json()["subsonic-response"]["error"]["code"] == 70
    assert str(shelf.folder) not in answer.text


def test_without_a_token_anybody_on_this_machine_may_ask(original: Shelf) -> None:
    with serving(original.db) as served:
        assert served.ask("GET", "/rest/ping?f=json")["subsonic-response"]["status"] == "ok"


def test_musicus_own_client_lists_the_catalog(
    served: Served, original: Shelf, ids: dict[str, str]
) -> None:
    server = OpenSubsonic(served.url, "alba", TOKEN)
    assert server.ping()["type"] == "musicu"
    items = server.items()
    with original.open() as catalog:
        assert set(items.ids) == {track["id"] for track in catalog.tracks()}
    by_id = {item.id: item for item in items}
    assert by_id[ids["Granite"]].metadata.artist == "Bruno"


def test_without_a_form_answers_are_xml_with_the_same_content(
    served: Served, ids: dict[str, str]
) -> None:
    given = {"apiKey": TOKEN, "id": ids["Granite"], "count": 2}
    answer = served.http.get("/rest/getSonicSimilarTracks.view", params=given)
    assert answer.headers["content-type"].startswith("application/xml")
    root = ElementTree.fromstring(answer.content)
    assert (root.tag, root.get("status"), root.get("openSubsonic")) == (
        f"{SPACE}subsonic-response",
        "ok",
        "true",
    )
    matches = root.findall(f"{SPACE}sonicMatch")
    plain = rest(served, "getSonicSimilarTracks", id=ids["Granite"], count=2)["sonicMatch"]
    assert [match.get("similarity") for match in matches] == [
        str(one["similarity"]) for one in plain
    ]
    for match, one in zip(matches, plain, strict=True):
        entry = match.find(f"{SPACE}entry")
        assert entry is not None
        assert (entry.get("id"), entry.get("isDir")) == (one["entry"]["id"], "false")
    extensions = ElementTree.fromstring(served.http.get("/rest/getOpenSubsonicExtensions").content)
    versions = extensions.find(f"{SPACE}openSubsonicExtensions/{SPACE}versions")
    assert versions is not None and versions.text == "1"


@given(st.dictionaries(st.sampled_from(["title", "artist"]), st.text(max_size=20)))
def test_any_text_makes_xml_that_can_be_read(about: dict[str, str]) -> None:
    body = bytes(envelope({"song": about}, form="xml", server="1").body)
    song = ElementTree.fromstring(body)[0]
    assert set(song.attrib) == set(about)


def test_a_fault_is_told_in_both_forms() -> None:
    fault = SubsonicError(70, "there is no such song")
    told = json.loads(bytes(envelope(fault, form="json", server="1").body))
    assert told["subsonic-response"]["error"]["code"] == 70
    error = ElementTree.fromstring(bytes(envelope(fault, form="xml", server="1").body))[0]
    assert (error.get("code"), error.get("message")) == ("70", "there is no such song")


def test_endpoints_that_are_not_there_and_parameters_that_are_wrong_are_told(
    served: Served, ids: dict[str, str]
) -> None:
    assert served.http.get("/rest/jukeboxControl?f=json").status_code == 404
    assert rest(served, "getSong")["error"]["code"] == 10
    wrong = rest(served, "getSonicSimilarTracks", id=ids["Dawn"], count="many")
    assert (wrong["status"], wrong["error"]["code"]) == ("failed", 0)


def test_jsonp_calls_a_function_and_nothing_else(served: Served, ids: dict[str, str]) -> None:
    def ask(callback: str, **more: str) -> Any:
        asked = {"apiKey": TOKEN, "f": "jsonp", "callback": callback, "query": ""} | more
        return served.http.get("/rest/search3", params=asked)

    answer = ask("app.take_$1")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.text.startswith("app.take_$1({") and answer.text.endswith("});")
    told = json.loads(answer.text.removeprefix("app.take_$1(").removesuffix(");"))
    assert len(told["subsonic-response"]["searchResult3"]["song"]) == len(ids)
    for callback in ("", "alert(1)//", "a b", "a.", "x" * 99, "ü"):
        refused = ask(callback)
        assert "jsonp needs a callback" in refused.text.lower(), callback
        assert "javascript" not in refused.headers["content-type"]


def test_jsonp_is_not_for_anybodys_page(original: Shelf) -> None:
    with serving(original.db) as running:
        asked = {"f": "jsonp", "callback": "f", "query": ""}
        answer = running.http.get("/rest/search3", params=asked)
        assert "searchResult3" not in answer.text and "where a token is needed" in answer.text
