"""Catalogs of every earlier format go on: nothing is decoded again, and old ids still mean theirs.

Each was made by the musicu of its time (``fixtures/make_catalogs.py``), with what it answered.
"""

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from made_audio import notes, write

from musicu import Catalog
from musicu.catalog.items import catalog_items
from musicu.recommend.interactions import Interactions
from musicu.recommend.item_ids import catalog_names, match_items
from musicu.search.explorer import Explorer
from musicu.search.watcher import CatalogWatcher
from musicu.workers.pool import Worker

FIXTURES = Path(__file__).parents[2] / "fixtures"
FORMATS = (1, 2, 3)
# Scores are rounded to six digits.
ATOL = 2e-6


def _recipe() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_catalogs", FIXTURES / "make_catalogs.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RECIPE = _recipe()


@dataclass
class Old:
    """A catalog of an earlier format, its songs, and what was answered then."""

    db: Path
    music: Path
    ids: dict[str, str]
    similar: dict[str, list[list[str | float]]]

    def check_answers(self, catalog: Catalog) -> None:
        """Ask for songs by path and by the ids of then: the answers are those of then."""
        for name, expected in self.similar.items():
            for query in (self.music / name, self.ids[name], self.ids[name][:8]):
                matches = catalog.similar(query)
                assert [Path(m.path).name for m in matches] == [file for file, _ in expected]
                scores = [score for _, score in expected]
                np.testing.assert_allclose([m.score for m in matches], scores, atol=ATOL, rtol=0)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The songs that the catalogs are of."""
    folder = tmp_path_factory.mktemp("songs") / "music"
    RECIPE.make_songs(folder, notes, write)
    return folder


@pytest.fixture(params=FORMATS)
def old(request: pytest.FixtureRequest, songs: Path, tmp_path: Path) -> Old:
    """A catalog that knows these songs as they lie there."""
    sql = FIXTURES / "catalogs" / f"format_{request.param}.sql"
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(sql.read_text(encoding="utf-8"))
        for name in RECIPE.SONGS:
            info = (songs / name).stat()
            db.execute(
                "UPDATE files SET path = ?, size = ?, mtime_ns = ? WHERE path = ?",
                (str(songs / name), info.st_size, info.st_mtime_ns, f"/music/{name}"),
            )
        db.execute("UPDATE roots SET path = ?", (str(songs),))
        assert db.execute("PRAGMA user_version").fetchone() == (request.param,)
        db.commit()
    said = json.loads(sql.with_suffix(".json").read_text(encoding="utf-8"))
    return Old(path, songs, said["ids"], said["similar"])


def test_an_old_catalog_opens_and_answers_as_it_did(old: Old) -> None:
    for _ in range(2):
        with Catalog(old.db) as catalog:
            old.check_answers(catalog)
            assert catalog.verify() == []
            assert [track["year"] for track in catalog.tracks()] == [None, 1991, None, 2001]
            assert [track["artist"] for track in catalog.tracks()] == [None, "Ann", "Ben", "Ben"]
            assert len([*catalog.tracks("country IS NULL AND NOT has(tags, 'calm')")]) == 4
            assert catalog.store.db.execute("PRAGMA user_version").fetchone() == (4,)


def test_the_next_embed_decodes_nothing_and_forgets_no_id(
    old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(Worker, "analyze", refuse)
    with Catalog(old.db) as catalog:
        summary = catalog.add_folder(jobs=1)
        assert (summary.reidentified, summary.unchanged) == (4, 4)
        assert (summary.embedded, summary.recognized, summary.failed) == (0, 0, 0)
        old.check_answers(catalog)
        assert catalog.verify() == []
        now = {os.path.relpath(t["path"], old.music): t["id"] for t in catalog.tracks()}
        # Under today's identity all ids are others; each old one stands for its track.
        changed = {old.ids[name]: id for name, id in now.items() if old.ids[name] != id}
        assert catalog.aliases() == changed
        assert all(id in catalog for id in old.ids.values())
        # Once is enough.
        again = catalog.add_folder(jobs=1)
        assert (again.reidentified, again.unchanged, again.embedded) == (0, 4, 0)


def test_old_ids_go_on_in_snapshots_seeds_and_logs(old: Old) -> None:
    with Catalog(old.db) as catalog:
        catalog.add_folder(jobs=1)
        now = {os.path.relpath(t["path"], old.music): t["id"] for t in catalog.tracks()}
        items = catalog_items(catalog)
        names = catalog_names(catalog, items)
        log = Interactions(["u"], list(old.ids.values()), [0] * 4, range(4))
        assert set(match_items(log, names).items) == set(now.values())
    with CatalogWatcher(old.db) as live:
        snapshot = live.snapshot
        for name, id in old.ids.items():
            assert snapshot.ids[snapshot.position(id)] == now[name]
        explorer = Explorer(live)
        for name, id in old.ids.items():
            assert explorer.details(id)["id"] == now[name]
        explorer.close()


def test_an_upgrade_that_is_killed_leaves_the_catalog_as_it_was(old: Old) -> None:
    def content() -> list[str]:
        with closing(sqlite3.connect(old.db)) as db:
            return [*db.iterdump(), str(db.execute("PRAGMA user_version").fetchone())]

    before = content()
    script = (
        "import os, signal, sys\n"
        "from musicu.catalog import schema, store\n"
        "schema.checksum_schema = lambda: os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.Store(sys.argv[1], create=False)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, old.db], check=False)
    assert done.returncode == -9
    assert content() == before
    with Catalog(old.db) as catalog:
        old.check_answers(catalog)


# Of a failure, formats before 4 kept only the words.
CAUSES = {
    "took longer than 300 s": "time",
    "needs more than 64 MB of memory": "memory",
    "the decoder crashed (SIGKILL)": "killed",
    "the decoder crashed (SIGSEGV)": "file",
    "not readable as audio (input/output error)": "system",
    "permission denied": "system",
    "empty file (0 bytes)": "file",
}


def test_failures_of_an_old_catalog_get_their_cause(old: Old) -> None:
    with closing(sqlite3.connect(old.db)) as db:
        db.executemany(
            "INSERT INTO files (path, size, mtime_ns, kind, reason) VALUES (?, 1, 1, 'error', ?)",
            [(f"/m/{reason}", reason) for reason in CAUSES],
        )
        db.commit()
    with Catalog(old.db) as catalog:
        rows = catalog.store.db.execute("SELECT reason, cause FROM files WHERE kind = 'error'")
        assert dict(rows.fetchall()) == CAUSES
