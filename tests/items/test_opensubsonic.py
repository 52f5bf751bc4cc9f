"""Songs of a music server, here one that this file plays."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from musicu.errors import MetadataError
from musicu.items.opensubsonic import OpenSubsonic, song_item

PASSWORD = "sesame/öffne dich"
Answer = dict[str, Any] | bytes | int


def song(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"s{number}", "isDir": False, "title": f"Song {number}", "type": "music"} | more


class FakeServer:
    """A server with some songs; `answer` may be replaced by a fault."""

    def __init__(self, songs: list[dict[str, Any]], page: int = 500) -> None:
        self.songs = songs
        self.page = page
        self.asked: list[dict[str, str]] = []
        self.answer: Callable[[str, dict[str, str]], Answer] = self.behave
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {k: v[0] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
                fake.asked.append(query)
                answer = fake.answer(parts.path, query)
                status = answer if isinstance(answer, int) else 200
                body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                with suppress(ConnectionError):  # who asked has given up
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def behave(self, path: str, query: dict[str, str]) -> Answer:
        known = {"status": "ok", "version": "1.16.1", "type": "fake", "openSubsonic": True}
        proof = hashlib.md5((PASSWORD + query.get("s", "")).encode()).hexdigest()
        if query.get("u") != "alba" or query.get("t") != proof or len(query["s"]) < 6:
            return refused(40, "Wrong username or password")
        if path == "/music/rest/ping":
            return {"subsonic-response": known}
        assert path == "/music/rest/search3"
        assert query["query"] == ""
        start, count = int(query["songOffset"]), min(int(query["songCount"]), self.page)
        found = {"song": self.songs[start : start + count]} if self.songs[start:] else {}
        return {"subsonic-response": known | {"searchResult3": found}}

    def open(self, password: str = PASSWORD, **options: Any) -> OpenSubsonic:
        return OpenSubsonic(f"{self.url}/music/", "alba", password, **options)


def refused(code: int, message: str) -> Answer:
    error = {"code": code, "message": message}
    return {"subsonic-response": {"status": "failed", "version": "1.16.1", "error": error}}


@pytest.fixture
def serve() -> Iterator[Callable[..., FakeServer]]:
    started: list[FakeServer] = []

    def start(*songs: dict[str, Any], page: int = 500) -> FakeServer:
        fake = FakeServer(list(songs), page)
        threading.Thread(target=fake.http.serve_forever, args=(0.01,), daemon=True).start()
        started.append(fake)
        return fake

    yield start
    for fake in started:
        fake.http.shutdown()
        fake.http.server_close()


Serve = Callable[..., FakeServer]


def test_a_server_says_who_it_is(serve: Serve) -> None:
    fake = serve()
    assert fake.open().ping()["type"] == "fake"
    (asked,) = fake.asked
    assert (asked["v"], asked["c"], asked["f"]) == ("1.16.1", "musicu", "json")
    assert "p" not in asked


def test_all_songs_are_listed_page_by_page(serve: Serve) -> None:
    fake = serve(*map(song, range(1203)))
    assert fake.open().items().ids == tuple(f"s{i}" for i in range(1203))
    assert [asked["songOffset"] for asked in fake.asked] == ["0", "500", "1000", "1203"]
    assert len({asked["s"] for asked in fake.asked}) == 4  # a new salt each time


def test_servers_may_give_smaller_pages_than_asked_for(serve: Serve) -> None:
    assert len(serve(*map(song, range(25)), page=10).open().items()) == 25


def test_podcasts_and_videos_are_left_out(serve: Serve) -> None:
    fake = serve(song(1), song(2, type="podcast"), song(3, isVideo=True), {"id": "s4"})
    assert fake.open().items().ids == ("s1", "s4")


def test_a_song_becomes_an_item() -> None:
    item = song_item(
        song(
            7,
            album="Live at The Casbah",
            artist="Artist 1",
            track=4,
            discNumber=1,
            year=2005,
            duration=178,
            bpm=134,
            musicBrainzId="189002e7-3285-4e2e-92a3-7f6c30d407a2",
            isrc=["USSM18300073", "DELV42300297"],
            genre="Rap",
            genres=[{"name": "Hip-Hop"}, {"name": "East coast"}],
            artists=[{"id": "1", "name": "Artist 1"}, {"id": "2", "name": "Earth; Wind"}],
            displayArtist="Artist 1 feat. Earth; Wind",
            displayAlbumArtist="Artist 6 & Artist 7",
            moods=["slow", "cool"],
            groupings=["Live"],
            replayGain={"trackGain": -7.5, "trackPeak": 0.98},
        )
    )
    about = item.metadata
    assert (item.id, about.title, about.album) == ("s7", "Song 7", "Live at The Casbah")
    assert about.artist == "Artist 1 feat. Earth; Wind"
    assert about.artists == ("Artist 1", "Earth; Wind")
    assert about.album_artist == "Artist 6 & Artist 7"
    assert (about.year, about.track, about.disc, about.bpm) == (2005, 4, 1, 134.0)
    assert about.genres == ("Hip-Hop", "East coast")
    assert about.tags == ("slow", "cool", "Live")
    assert about.isrc == "USSM18300073"
    assert about.mb_recording == "189002e7-3285-4e2e-92a3-7f6c30d407a2"
    assert item.descriptors == {"duration": 178.0, "loudness": -10.5}


def test_what_a_server_does_not_know_is_missing() -> None:
    empty = {"bpm": 0, "year": 0, "isrc": [""], "genres": [], "artists": [], "moods": []}
    empty |= {"musicBrainzId": "", "displayArtist": "", "replayGain": {"trackGain": 0}}
    assert song_item(song(1, **empty)).metadata.to_dict() == {"title": "Song 1"}
    plain = song_item(song(1, artist="Alba", genre="Jazz"))  # of a server before OpenSubsonic
    assert (plain.metadata.artists, plain.metadata.genres) == (("Alba",), ("Jazz",))


# Faults


def test_the_password_is_never_shown(serve: Serve) -> None:
    fake = serve(song(1))
    server = fake.open("wrong password")
    assert repr(server) == f"OpenSubsonic('{fake.url}/music', user='alba')"
    with pytest.raises(MetadataError) as caught:
        server.items()
    told = str(caught.value)
    assert told == f"{fake.url}/music/rest/search3: Wrong username or password (error 40)"
    assert "wrong password" not in repr(vars(caught.value))
    assert caught.value.__context__ is None
    for asked in fake.asked:
        assert asked["t"] not in told
        assert "wrong password" not in asked.values()


def test_a_password_in_the_address_is_dropped() -> None:
    server = OpenSubsonic("https://alba:secret@music.example.org:8443/x/rest/", "alba", "secret")
    assert server.url == "https://music.example.org:8443/x"
    with pytest.raises(MetadataError, match="http:// or https://") as caught:
        OpenSubsonic("ftp://alba:secret@music.example.org", "alba", "secret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "music.example.org", "file:///etc/passwd", "http://", "http://[", "http://a:b"]
)
def test_addresses_that_are_none_are_told(url: str) -> None:
    with pytest.raises(MetadataError, match="http:// or https://"):
        OpenSubsonic(url, "alba", "secret")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (404, "the server answers 404 Not Found; is this its address?"),
        (500, "the server answers 500"),
        (b"<html>hello</html>", "no OpenSubsonic server answers here"),
        (b'{"other": 1}', "no OpenSubsonic server answers here"),
        (b"[]", "no OpenSubsonic server answers here"),
        (refused(41, "Token authentication\nnot supported"), "Token authentication not supported"),
        ({"subsonic-response": {"status": "failed"}}, r"no reason is given \(error 0\)"),
    ],
)
def test_faults_of_a_server_are_one_line(serve: Serve, answer: Answer, told: str) -> None:
    fake = serve(song(1))
    fake.answer = lambda path, query: answer
    with pytest.raises(MetadataError, match=told) as caught:
        fake.open().ping()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{fake.url}/music/rest/ping: ")


def test_a_server_that_does_not_answer_is_given_up(serve: Serve) -> None:
    fake = serve(song(1))
    waiting = threading.Event()
    fake.answer = lambda path, query: 500 if waiting.wait(5) else 500
    with pytest.raises(MetadataError, match=r"no answer within 0\.2 s"):
        fake.open(timeout=0.2).ping()
    waiting.set()


def test_no_server_at_all_is_told() -> None:
    fake = FakeServer([])
    fake.http.server_close()
    with pytest.raises(MetadataError, match="refused"):
        fake.open().ping()


def test_a_server_that_shows_no_songs_is_a_fault(serve: Serve) -> None:
    with pytest.raises(MetadataError, match="no songs are listed"):
        serve().open().items()


def test_a_server_that_turns_in_a_circle_is_a_fault(serve: Serve) -> None:
    fake = serve(*map(song, range(10)))
    fake.answer = lambda path, query: fake.behave(path, query | {"songOffset": "0"})
    with pytest.raises(MetadataError, match="the same songs again from song 10 on"):
        fake.open().items()
