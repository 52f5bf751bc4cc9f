"""The plugin in the real beets, with a library of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Shelf

pytest.importorskip("beets", reason="the extra `beets` is not installed")

CONFIG = """
directory: {folder}
library: {library}
plugins: musicu
import: {{copy: no, write: no, quiet: yes, autotag: no, duplicate_action: keep}}
musicu: {{catalog: {catalog}, like: 3}}
"""


class Beets:
    def __init__(self, shelf: Shelf, home: Path) -> None:
        self.home = home
        home.mkdir()
        (home / "config.yaml").write_text(
            CONFIG.format(folder=shelf.folder, library=home / "lib.db", catalog=shelf.db)
        )

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "beets", *words],
            env={**os.environ, "BEETSDIR": str(self.home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr


def test_fields_are_filled_and_queries_find_what_is_alike(shelf: Shelf, tmp_path: Path) -> None:
    with shelf.open() as catalog, catalog.store.change():
        catalog.store.db.execute(
            """UPDATE tracks SET descriptors = '{"tempo": 100.4, "tempo_confidence": 0.9,
            "key": "F# minor", "key_confidence": 0.9}'"""
        )
    beets = Beets(shelf, tmp_path / "beets")
    beets.run("import", "-A", str(shelf.folder))
    before = {path: path.read_bytes() for path in shelf.folder.rglob("*.*") if path.is_file()}
    beets.run("modify", "-y", "-W", "title:Dawn", "bpm=77")
    beets.run("musicu")
    form = "$title|$bpm|$initial_key|$musicu_like_artists"
    rows = dict(line.split("|", 1) for line in beets.run("ls", "-f", form).splitlines())
    bpm, key, artists = rows["Noon"].split("|")
    assert (bpm, key) == ("100", "F#m")
    assert artists == "Carla"  # the others are untagged, or the track's own
    assert rows["Dawn"].startswith("77|F#m|")  # what was there stays
    beets.run("musicu", "--force", "title:Dawn")
    assert beets.run("ls", "-f", "$bpm", "title:Dawn").strip() == "100"
    with shelf.open() as catalog:
        expected = {match.path for match in catalog.similar("Ebb", 3)}
    found = beets.run("ls", "-f", "$path", "like:Ebb").splitlines()
    assert found and set(found) == expected & set(beets.run("ls", "-f", "$path").splitlines())
    # Files are written only if that is asked for.
    assert {path: path.read_bytes() for path in before} == before
