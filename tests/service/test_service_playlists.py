"""Playlists over HTTP: the files that players find beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from conftest import Shelf
from served import Served, serving

from musicu.metadata.playlist import read_m3u8


@pytest.fixture(scope="module")
def served(original: Shelf) -> Iterator[Served]:
    with serving(original.db) as running:
        yield running


@pytest.fixture(scope="module")
def paths(original: Shelf) -> dict[str, str]:
    """Return the path of each track's file by its id."""
    with original.open() as catalog:
        return {track["id"]: track["path"] for track in catalog.tracks()}


def fetch(served: Served, **body: object) -> httpx.Response:
    answer = served.http.post("/v1/playlists", json=body)
    assert answer.status_code == 200, answer.text
    return answer


def test_a_saved_playlist_leads_to_its_files_in_order(
    served: Served, paths: dict[str, str], original: Shelf, tmp_path: Path
) -> None:
    ids = [*sorted(paths)[:4], sorted(paths)[1]]
    answer = fetch(served, tracks=ids, title="Late night")
    assert answer.headers["content-type"] == "audio/x-mpegurl; charset=utf-8"
    target = original.folder / "late.m3u8"
    target.write_bytes(answer.content)
    try:
        assert read_m3u8(target) == [paths[id] for id in ids]
    finally:
        target.unlink()
    assert "#PLAYLIST:Late night" in answer.text
    assert str(original.folder) not in answer.text


def test_absolute_paths_lead_there_from_anywhere(
    served: Served, paths: dict[str, str], tmp_path: Path
) -> None:
    id = min(paths)
    (tmp_path / "a.m3u8").write_bytes(fetch(served, tracks=[id], paths="absolute").content)
    (path,) = read_m3u8(tmp_path / "a.m3u8")
    assert path == paths[id] and os.path.exists(path)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Tea / time", "Tea time.m3u8"),
        ("../../etc/passwd", "etc passwd.m3u8"),
        ('"; rm -rf *', "; rm -rf.m3u8"),
        ("a\r\nSet-Cookie: b", "a Set-Cookie b.m3u8"),
        ("Träume über 東京", "Träume über 東京.m3u8"),
        ("...", "playlist.m3u8"),
    ],
)
def test_a_title_becomes_the_name_of_one_file(
    served: Served, paths: dict[str, str], title: str, name: str
) -> None:
    headers = fetch(served, tracks=[min(paths)], title=title).headers
    disposition = headers["content-disposition"]
    assert disposition.startswith("attachment;") and "set-cookie" not in headers
    assert unquote(disposition.rpartition("UTF-8''")[2]) == name


def test_tracks_that_are_not_there_and_lists_of_none_are_refused(
    served: Served, paths: dict[str, str]
) -> None:
    body = {"tracks": [min(paths), "ffffffffffff"]}
    assert "ffffffffffff" in served.ask("POST", "/v1/playlists", 404, json=body)["detail"]
    served.ask("POST", "/v1/playlists", 422, json={"tracks": []})
    served.ask("POST", "/v1/playlists", 422, json={"tracks": [min(paths)], "path": "/etc"})
