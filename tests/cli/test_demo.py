"""The demo shows what it is meant to show, by the commands that a reader types."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

SCRIPT = Path(__file__).parents[2] / "fixtures" / "make_demo.py"
ARTISTS = 8
SONGS_EACH = 4
NEW_RELEASE_BY = "Aurelio Sotomonte"
# Recordings are stored as 16-bit integers, rounded or cut.
ONE_STEP = 1.01 / 32768


@dataclass(frozen=True)
class Demo:
    """The demo's folder with its catalog, as the commands leave them."""

    folder: Path

    def musicu(self, *arguments: str) -> str:
        """Run the installed command; return its output."""
        command = [str(Path(sys.executable).with_name("musicu")), *arguments]
        environment = os.environ | {"MUSICU_CATALOG": str(self.folder / "catalog.db")}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        return done.stdout.decode()

    def ask(self, *arguments: str) -> Any:
        """Run the installed command; return its JSON."""
        return json.loads(self.musicu(*arguments, "--json"))


@pytest.fixture(scope="session")
def demo(demo_songs: Path, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(demo_songs, folder, dirs_exist_ok=True)
    return Demo(folder)


@pytest.fixture(scope="session")
def summary(demo: Demo) -> Any:
    return demo.ask("embed", str(demo.folder / "music"))[0]


def test_every_song_is_embedded_and_every_other_file_counted(summary: Any) -> None:
    counts = {name: summary[name] for name in ("embedded", "partial", "failed", "skipped")}
    assert counts == {"embedded": ARTISTS * SONGS_EACH, "partial": 1, "failed": 2, "skipped": 1}
    assert summary["found"] == summary["embedded"] + summary["failed"] + summary["skipped"]


@pytest.mark.usefixtures("summary")
def test_songs_by_the_new_releases_artist_come_first(demo: Demo) -> None:
    matches = demo.ask("similar", str(demo.folder / "new_release.flac"), "-n", "32")
    first, rest = matches[:SONGS_EACH], matches[SONGS_EACH:]
    assert [match["artist"] for match in first] == [NEW_RELEASE_BY] * SONGS_EACH
    assert NEW_RELEASE_BY not in {match["artist"] for match in rest}
    assert len(matches) == ARTISTS * SONGS_EACH


@pytest.mark.usefixtures("summary")
def test_each_songs_nearest_neighbor_is_by_the_same_artist(demo: Demo) -> None:
    target = demo.folder / "vectors.npz"
    demo.musicu("catalog", "export", str(target))
    with np.load(target) as exported:
        vectors, paths = exported["vectors"], exported["paths"]
    artists = np.array([Path(str(path)).parts[-3] for path in paths])
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -1)
    wrong = artists[similarity.argmax(axis=1)] != artists
    assert paths[wrong].tolist() == []


@pytest.mark.usefixtures("summary")
def test_broken_files_are_listed_with_reasons(demo: Demo) -> None:
    problems = demo.ask("catalog", "errors")
    found = {Path(p["path"]).name: (p["kind"], p["reason"]) for p in problems}
    assert found.keys() == {
        "02 Under the Pier.flac",
        "03 Anvil Psalm.mp3",
        "03 Neon Toll.mp3",
        "cover.jpg",
    }
    kind, reason = found["02 Under the Pier.flac"]
    assert kind == "partial"
    assert "s are there" in reason
    assert found["03 Anvil Psalm.mp3"] == ("error", "empty file (0 bytes)")
    kind, reason = found["03 Neon Toll.mp3"]
    assert kind == "error"
    assert "not readable as audio" in reason
    assert found["cover.jpg"][0] == "skipped"


@pytest.mark.usefixtures("summary")
def test_every_song_is_tagged(demo: Demo) -> None:
    tracks = demo.ask("catalog", "list")
    for track in tracks:
        *_, artist, album, name = Path(track["path"]).parts
        assert (track["artist"], track["album"]) == (artist, album)
        assert name.startswith(f"{track['track_number']:02} {track['title']}.")
        assert track["year"] and track["genres"] and track["label"]
    assert set(Counter(track["artist"] for track in tracks).values()) == {SONGS_EACH}
    codes = [track["isrc"] for track in tracks if track["isrc"]]
    assert len(set(codes)) == len(codes) == ARTISTS * SONGS_EACH // 2


def test_another_run_gives_the_same_samples(demo: Demo) -> None:
    """What this process renders is what the script wrote in a process of its own."""
    spec = importlib.util.spec_from_file_location("make_demo", SCRIPT)
    assert spec and spec.loader
    make_demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_demo)
    stored, sr = soundfile.read(demo.folder / "new_release.flac", dtype="float32")
    assert sr == make_demo.SR
    np.testing.assert_allclose(make_demo.render(6, 4), stored, rtol=0, atol=ONE_STEP)


def test_the_demo_is_small(demo: Demo) -> None:
    files = [path for path in demo.folder.rglob("*") if path.suffix in (".flac", ".mp3", ".ogg")]
    assert sum(path.stat().st_size for path in files) < 25e6
