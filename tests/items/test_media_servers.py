"""Playlists pushed to servers, here fakes of what their public API descriptions say."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import RunCli, Shelf

from musicu.errors import MetadataError
from musicu.items.jellyfin import Jellyfin
from musicu.items.media_server import Server, ServerLibrary, ServerTrack, push_playlist
from musicu.items.opensubsonic import OpenSubsonic
from musicu.items.plex import Plex
from musicu.metadata.playlist import PlaylistEntry, write_m3u8

TRACKS = [
    ("t1", "/music/Alba/First Light/01 Dawn.flac", "Alba", "Dawn"),
    ("t2", "/music/other.mp3", "alba; Bruno", "NOON (Live)"),
    ("t3", "/music/Carla/Tide/01 Ebb.m4a", "x", "y"),
]


class Fake:
    """A server of one kind; its playlists by id, each a name and the ids of tracks."""

    def __init__(self) -> None:
        self.lists: dict[str, tuple[str, list[str]]] = {"p9": ("Old", ["t3"])}
        self.secrets: list[str] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                parts = urlsplit(self.path)
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size).decode()
                if self.headers.get("Content-Type", "").startswith("application/x-www"):
                    said: Any = parse_qs(body)
                else:
                    said = json.loads(body) if body else None
                reply = fake.reply(
                    self.command, parts.path, parse_qs(parts.query), said, dict(self.headers)
                )
                data = b"" if reply is None else json.dumps(reply).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def reply(self, method: str, path: str, query: Any, said: Any, headers: Any) -> Any:
        raise NotImplementedError


class FakeSubsonic(Fake):
    """https://opensubsonic.netlify.app: search3, getPlaylists, createPlaylist."""

    def reply(self, method: str, path: str, query: Any, said: Any, headers: Any) -> Any:
        told: dict[str, Any] = {"status": "ok", "version": "1.16.1"}
        if path == "/rest/search3":
            start = int(query["songOffset"][0])
            names = ("id", "path", "artist", "title")
            songs = [dict(zip(names, track, strict=True)) for track in TRACKS[start:]]
            told["searchResult3"] = {"song": songs}
        elif path == "/rest/getPlaylists":
            own = [{"id": id, "name": name, "owner": "ana"} for id, (name, _) in self.lists.items()]
            told["playlists"] = {"playlist": [*own, {"id": "z", "name": "Late", "owner": "bea"}]}
        else:
            assert (method, path) == ("POST", "/rest/createPlaylist")
            id = said.get("playlistId", ["new"])[0]
            name = said["name"][0] if "name" in said else self.lists[id][0]
            self.lists[id] = name, said["songId"]
        return {"subsonic-response": told}


class FakeJellyfin(Fake):
    """https://api.jellyfin.org: Users, Items, Playlists."""

    def reply(self, method: str, path: str, query: Any, said: Any, headers: Any) -> Any:
        self.secrets.append(headers["Authorization"])
        if path == "/jf/Users":
            return [{"Name": "bea", "Id": "u0"}, {"Name": "ana", "Id": "u1"}]
        if path == "/jf/Items":
            assert query["userId"] == ["u1"] and query["recursive"] == ["true"]
            if query["includeItemTypes"] == ["Playlist"]:
                items = [{"Id": id, "Name": name} for id, (name, _) in self.lists.items()]
            else:
                items = [
                    {"Id": id, "Path": file, "Artists": artist.split("; "), "Name": title}
                    for id, file, artist, title in TRACKS
                ]
            start = int(query["startIndex"][0])
            return {"Items": items[start : start + 2], "TotalRecordCount": len(items)}
        assert method == "POST"
        if path == "/jf/Playlists":
            assert (said["UserId"], said["MediaType"]) == ("u1", "Audio")
            self.lists["new"] = said["Name"], said["Ids"]
            return {"Id": "new"}
        id = path.removeprefix("/jf/Playlists/")
        self.lists[id] = self.lists[id][0], said["Ids"]
        return None  # 204 without a body


class FakePlex(Fake):
    """https://developer.plex.tv/pms: library/sections, playlists."""

    def reply(self, method: str, path: str, query: Any, said: Any, headers: Any) -> Any:
        self.secrets.append(headers["X-Plex-Token"])
        told: dict[str, Any] = {}
        if path == "/identity":
            told["machineIdentifier"] = "m1"
        elif path == "/library/sections":
            told["Directory"] = [{"key": "1", "type": "movie"}, {"key": "2", "type": "artist"}]
        elif path == "/library/sections/2/all":
            start = int(query["X-Plex-Container-Start"][0])
            told["totalSize"] = len(TRACKS)
            told["Metadata"] = [
                {
                    "ratingKey": id,
                    "grandparentTitle": artist,
                    "title": title,
                    "Media": [{"Part": [{"file": file}]}],
                }
                for id, file, artist, title in TRACKS[start : start + 2]
            ]
        elif (method, path) == ("GET", "/playlists"):
            own = [{"ratingKey": id, "title": name} for id, (name, _) in self.lists.items()]
            told["Metadata"] = [*own, {"ratingKey": "s", "title": "Late", "smart": True}]
        elif (method, path) == ("POST", "/playlists"):
            self.lists["new"] = query["title"][0], self.named(query)
            told["Metadata"] = [{"ratingKey": "new"}]
        else:
            id = path.split("/")[2]
            name, ids = self.lists[id]
            self.lists[id] = name, [] if method == "DELETE" else ids + self.named(query)
        return {"MediaContainer": told}

    def named(self, query: Any) -> list[str]:
        start = "server://m1/com.plexapp.plugins.library/library/metadata/"
        assert query["uri"][0].startswith(start)
        return query["uri"][0].removeprefix(start).split(",")


KINDS: dict[str, tuple[type[Fake], Callable[[str], Server]]] = {
    "subsonic": (FakeSubsonic, lambda url: OpenSubsonic(url, "ana", "secret")),
    "jellyfin": (FakeJellyfin, lambda url: Jellyfin(f"{url}/jf/", "ana", "secret")),
    "plex": (FakePlex, lambda url: Plex(url, "secret")),
}


@pytest.fixture(params=KINDS)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Fake, Server]]:
    kind, connect = KINDS[request.param]
    fake = kind()
    threading.Thread(target=fake.http.serve_forever, args=(0.01,), daemon=True).start()
    yield fake, connect(fake.url)
    fake.http.shutdown()
    fake.http.server_close()


def test_a_server_lists_its_tracks_and_playlists(pair: tuple[Fake, Server]) -> None:
    fake, server = pair
    assert list(server.tracks()) == [ServerTrack(*track) for track in TRACKS]
    assert server.playlists() == {"Old": "p9"}
    assert "secret" not in repr(server)
    assert all("secret" in told for told in fake.secrets)


def test_playlists_are_pushed(pair: tuple[Fake, Server], tmp_path: Path) -> None:
    fake, server = pair
    library = ServerLibrary(server.tracks(), {str(tmp_path): "/music"})
    file = tmp_path / "Late.m3u8"
    names = ("Alba/First Light/01 Dawn.flac", "Carla/Tide/01 Ebb.m4a", "lost.flac")
    write_m3u8(file, [PlaylistEntry(str(tmp_path / name)) for name in names])
    tried = push_playlist(server, library, file, dry_run=True)
    assert set(fake.lists) == {"p9"}
    done = push_playlist(server, library, file)
    assert done == tried == ("Late", 3, 2, "new", (str(tmp_path / "lost.flac"),))
    assert fake.lists["new"] == ("Late", ["t1", "t3"])
    old = file.rename(tmp_path / "Old.m3u8")
    assert push_playlist(server, library, old).state == "kept"
    assert fake.lists["p9"] == ("Old", ["t3"])
    assert push_playlist(server, library, old, replace=True).state == "replaced"
    assert fake.lists["p9"] == ("Old", ["t1", "t3"])
    write_m3u8(old, [PlaylistEntry(str(tmp_path / "lost.flac"))])
    assert push_playlist(server, library, old, replace=True).state == "nothing"
    assert fake.lists["p9"] == ("Old", ["t1", "t3"])


def test_tracks_are_found_by_path_and_by_name(original: Shelf) -> None:
    noon = str(original / "Alba/First Light/02 Noon.mp3")
    tracks = [ServerTrack(*track) for track in TRACKS]
    assert ServerLibrary(tracks).find(noon) == "t2"  # another version, by one of its artists
    ebb = str(original / "Carla/Tide/01 Ebb.m4a")
    assert ServerLibrary(tracks).find(ebb) is None
    assert ServerLibrary(tracks, {str(original.folder): "/music/"}).find(ebb) == "t3"
    inside = [ServerTrack("t4", "Carla/Tide/01 Ebb.m4a", "", "")]
    assert ServerLibrary(inside, {str(original.folder): ""}).find(ebb) == "t4"


def test_what_goes_wrong_is_one_line_without_secrets() -> None:
    with pytest.raises(MetadataError, match="must begin with http"):
        Plex("ftp://x", "secret")
    with pytest.raises(MetadataError) as caught:
        Plex("http://127.0.0.1:9", "secret").playlists()
    assert "secret" not in str(caught.value)


def test_the_command_pushes_a_folder(run_cli: RunCli, tmp_path: Path) -> None:
    fake = FakeSubsonic()
    threading.Thread(target=fake.http.serve_forever, args=(0.01,), daemon=True).start()
    try:
        write_m3u8(tmp_path / "Late.m3u8", [PlaylistEntry("/srv/Carla/Tide/01 Ebb.m4a")])
        words = ["push", tmp_path, "--server", fake.url, "--user", "ana", "--json"]
        done = run_cli(*words, "--folder", "/srv=/music", env={"MUSICU_PASSWORD": "x"})
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)[0]["state"] == "new"
        assert fake.lists["new"] == ("Late", ["t3"])
        assert run_cli("push", tmp_path, "--server", fake.url).returncode == 2
    finally:
        fake.http.shutdown()
        fake.http.server_close()
