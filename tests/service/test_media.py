import os
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from conftest import Shelf as Library
from made_audio import notes, sine, write
from test_uploads import Served

from musicu.audio.decode import load
from musicu.audio.waveform import compute_waveform
from musicu.service.settings import Settings

_PATIENCE = 300.0


@pytest.fixture(scope="module")
def library(original: Library, tmp_path_factory: pytest.TempPathFactory) -> Library:
    """A copy of the library and its catalog: files go missing here."""
    folder = tmp_path_factory.mktemp("media")
    shutil.copytree(original.folder, folder / "library")
    shutil.copyfile(original.db, folder / "music.db")
    with closing(sqlite3.connect(folder / "music.db")) as db, db:
        for table in ("files", "roots"):
            db.execute(
                f"UPDATE {table} SET path = replace(path, ?, ?)",
                (str(original.folder), str(folder / "library")),
            )
    return Library(folder / "library", folder / "music.db")


@pytest.fixture(scope="module")
def served(library: Library) -> Iterator[Served]:
    running = Served(Settings(catalog=library.db, deadline=_PATIENCE, decode_seconds=_PATIENCE))
    yield running
    running.close()


def _id(library: Library, name: str) -> str:
    with closing(sqlite3.connect(library.db)) as db:
        (id,) = db.execute(
            "SELECT t.id FROM tracks t JOIN files f USING (track) WHERE f.path LIKE ?",
            (f"%/{name}",),
        ).fetchone()
    found: str = id
    return found


def _detail(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    detail: str = answer.json()["detail"]
    return detail


# The file


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("01 Dawn.flac", "audio/flac"),
        ("02 Noon.mp3", "audio/mpeg"),
        ("01 Granite.ogg", "audio/ogg"),
        ("02 Basalt.opus", "audio/ogg"),
        ("01 Ebb.m4a", "audio/mp4"),
        ("Night.wav", "audio/wav"),
        ("Solo.aiff", "audio/aiff"),
    ],
)
def test_a_file_goes_out_as_it_is_with_its_kind(
    served: Served, library: Library, name: str, kind: str
) -> None:
    id = _id(library, name)
    (path,) = library.folder.rglob(name)
    answer = served.client.get(f"/v1/tracks/{id}/audio")
    assert answer.content == path.read_bytes()
    assert answer.headers["content-type"] == kind
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    head = served.client.head(f"/v1/tracks/{id}/audio")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(path.stat().st_size)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-99", 0, 100), ("bytes=1000-", 1000, None), ("bytes=-50", -50, None)],
)
def test_a_player_gets_the_part_it_asks_for(
    served: Served, library: Library, asked: str, start: int, end: int | None
) -> None:
    content = (library / "Dora/Night.wav").read_bytes()
    answer = served.client.get(
        f"/v1/tracks/{_id(library, 'Night.wav')}/audio", headers={"Range": asked}
    )
    assert answer.status_code == 206
    assert answer.content == content[start:end]
    assert answer.headers["content-range"].endswith(f"/{len(content)}")


def test_a_part_beyond_the_end_is_told(served: Served, library: Library) -> None:
    answer = served.client.get(
        f"/v1/tracks/{_id(library, 'Night.wav')}/audio", headers={"Range": "bytes=99999999-"}
    )
    assert answer.status_code == 416


def test_what_a_browser_cannot_play_is_made_into_what_it_can(
    served: Served, library: Library, tmp_path: Path
) -> None:
    url = f"/v1/tracks/{_id(library, 'Solo.aiff')}/audio.opus"
    answer = served.client.get(url)
    assert answer.headers["content-type"] == "audio/ogg"
    heard = tmp_path / "heard.opus"
    heard.write_bytes(answer.content)
    sound, same = (load(path, sr=16000)[0] for path in (library / "Dora/Solo.aiff", heard))
    assert len(same) == pytest.approx(len(sound), abs=16)
    assert np.corrcoef(sound, same[: len(sound)])[0, 1] > 0.95
    part = served.client.get(url, headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, answer.content[100:200])


def test_a_cover_is_made_anew_and_kept(served: Served, library: Library) -> None:
    beside = library / "Carla/Tide/folder.jpg"
    beside.write_bytes(compute_waveform(library / "Dora/Night.wav").mel_png())
    url = f"/v1/tracks/{_id(library, '01 Ebb.m4a')}/cover.jpg"
    answer = served.client.get(url)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content.startswith(b"\xff\xd8\xff")
    assert answer.headers["x-content-type-options"] == "nosniff"
    beside.unlink()
    assert served.client.get(url).content == answer.content
    # Beside these lies a cover.jpg that is no picture.
    none = served.client.get(f"/v1/tracks/{_id(library, '01 Dawn.flac')}/cover.jpg")
    assert (none.status_code, none.content) == (204, b"")


@pytest.mark.parametrize("what", ["audio", "audio.opus", "cover.jpg", "waveform", "mel.png"])
@pytest.mark.parametrize(
    "id", ["0" * 32, "..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "abcdef%00", "' OR 1=1 --"]
)
def test_nothing_but_the_catalogs_tracks_is_there(served: Served, id: str, what: str) -> None:
    answer = served.client.get(f"/v1/tracks/{id}/{what}")
    assert answer.status_code in (404, 422)
    assert "passwd" not in answer.text or "etc/" not in answer.text


def test_a_file_that_went_is_gone_until_it_is_back(served: Served, library: Library) -> None:
    path = library / "Dora/Solo.aiff"
    id, hidden = _id(library, "Solo.aiff"), path.with_suffix(".away")
    path.rename(hidden)
    try:
        for what in ("audio", "waveform", "mel.png"):
            answer = served.client.get(f"/v1/tracks/{id}/{what}")
            assert answer.status_code == 410
            assert "gone" in _detail(answer) and "Dora" not in answer.text
    finally:
        hidden.rename(path)
    assert served.client.get(f"/v1/tracks/{id}/audio").status_code == 200


def test_a_pipe_in_a_files_place_is_not_waited_for(served: Served, library: Library) -> None:
    path = library / "Dora/Solo.aiff"
    id, hidden = _id(library, "Solo.aiff"), path.with_suffix(".away")
    path.rename(hidden)
    try:
        os.mkfifo(path)
        assert served.client.get(f"/v1/tracks/{id}/audio").status_code == 410
    finally:
        path.unlink()
        hidden.rename(path)


def test_another_copy_serves_where_the_first_is_gone(served: Served, library: Library) -> None:
    path, copy = library / "Dora/Night.wav", library / "Dora/Night (copy).wav"
    id, content = _id(library, "Night.wav"), path.read_bytes()
    with closing(sqlite3.connect(library.db)) as db, db:
        db.execute(
            "INSERT INTO files (path, size, mtime_ns, track, kind)"
            " SELECT ?, size, mtime_ns, track, kind FROM files WHERE path = ?",
            (str(copy), str(path)),
        )
    for here, away in ((path, copy), (copy, path)):
        here.write_bytes(content)
        away.unlink(missing_ok=True)
        assert served.client.get(f"/v1/tracks/{id}/audio").content == content
    path.write_bytes(content)


# What it looks like


def test_a_waveform_is_what_the_file_looks_like(served: Served, library: Library) -> None:
    id = _id(library, "02 Noon.mp3")
    answer = served.client.get(f"/v1/tracks/{id}/waveform").json()
    seen = compute_waveform(library / "Alba/First Light/02 Noon.mp3")
    assert (answer["id"], answer["seconds"]) == (id, seen.seconds)
    assert np.allclose(answer["peaks"], seen.peaks, atol=1e-3) and len(answer["peaks"]) == 1000
    assert answer["bands"] == seen.bands.tolist()


def test_a_mel_picture_is_a_picture(served: Served, library: Library) -> None:
    answer = served.client.get(f"/v1/tracks/{_id(library, '01 Dawn.flac')}/mel.png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG\r\n\x1a\n")
    _, height = struct.unpack(">II", answer.content[16:24])
    assert height == 96


def test_a_track_is_heard_once_for_both_pictures(served: Served, library: Library) -> None:
    id, cache = _id(library, "02 Flow.flac"), served.service.waveforms
    before = cache.misses

    def ask(what: str) -> int:
        return httpx.get(
            f"http://127.0.0.1:{served.port}/v1/tracks/{id}/{what}", timeout=_PATIENCE
        ).status_code

    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(ask, ["waveform", "mel.png"] * 4)) == {200}
    assert cache.misses == before + 1


def test_a_file_that_is_broken_now_is_told_and_not_remembered(
    served: Served, library: Library
) -> None:
    path, id = library / "Bruno/Stones/02 Basalt.opus", _id(library, "02 Basalt.opus")
    content = path.read_bytes()
    path.write_bytes(b"no music")
    try:
        answer = served.client.get(f"/v1/tracks/{id}/waveform")
        assert answer.status_code == 422 and "Stones" not in _detail(answer)
    finally:
        path.write_bytes(content)
    assert served.client.get(f"/v1/tracks/{id}/waveform").status_code == 200


# Passages


def _noise_then_tones(path: Path, seed: int, start: float) -> None:
    """Write 12 s of noise of its own with the same melody somewhere in it."""
    rng = np.random.default_rng(seed)
    y = (0.02 * rng.standard_normal(44100 * 30)).astype(np.float32)
    song = notes(44100, 14.0, seed=99)[0]
    at = round(start * 44100)
    y[at : at + len(song)] = song
    write(path, y[None], 44100, "flac")


def test_the_passage_that_two_tracks_share_is_found(served: Served, tmp_path: Path) -> None:
    ids = []
    for name, start in (("a", 3.0), ("b", 12.0)):
        _noise_then_tones(tmp_path / f"{name}.flac", ord(name), start)
        content = (tmp_path / f"{name}.flac").read_bytes()
        ids.append(served.post("/v1/embed", content).json()["id"])
    found = served.client.post("/v1/match", json={"a": ids[0], "b": ids[1]}).json()
    assert (found["a"]["id"], found["b"]["id"]) == tuple(ids)
    assert found["b"]["start"] - found["a"]["start"] == pytest.approx(9.0, abs=1.6)
    assert found["similarity"] > 0.9 and 5 < found["seconds"] <= 13
    misses = served.service.passages.misses
    assert served.client.post("/v1/match", json={"a": ids[0], "b": ids[1]}).json() == found
    assert served.service.passages.misses == misses


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"a": "0" * 32, "b": "1" * 32}, 404),
        ({"a": "0" * 32}, 422),
        ({"a": "/etc/passwd", "b": "/etc/passwd"}, 404),
        ({"a": "x", "b": "y"}, 422),
        ({"a": "0" * 32, "b": "1" * 32, "path": "x"}, 422),
        ([], 422),
    ],
)
def test_a_match_of_what_is_not_there_is_refused(served: Served, body: Any, status: int) -> None:
    assert served.client.post("/v1/match", json=body).status_code == status


def test_tracks_of_hours_are_not_compared_window_by_window(
    library: Library, tmp_path: Path
) -> None:
    running = Served(Settings(catalog=library.db, upload_seconds=3.0))
    try:
        one, other = _id(library, "Night.wav"), _id(library, "01 Dawn.flac")
        answer = running.client.post("/v1/match", json={"a": one, "b": other})
        assert answer.status_code == 422 and "longer than 3 s" in _detail(answer)
    finally:
        running.close()


def test_what_is_uploaded_has_a_waveform_and_a_picture_too(served: Served, tmp_path: Path) -> None:
    write(tmp_path / "x.wav", sine(8000, 2.0, amplitude=0.25), 8000)
    id = served.post("/v1/embed", (tmp_path / "x.wav").read_bytes()).json()["id"]
    shape = served.client.get(f"/v1/tracks/{id}/waveform").json()
    assert max(shape["peaks"]) == pytest.approx(0.25, abs=0.01)
    assert served.client.get(f"/v1/tracks/{id}/mel.png").status_code == 200
    sound = served.client.get(f"/v1/tracks/{id}/audio")
    (tmp_path / "back").write_bytes(sound.content)
    assert soundfile.info(tmp_path / "back").duration == pytest.approx(2.0)
