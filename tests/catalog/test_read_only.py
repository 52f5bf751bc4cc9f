"""Catalogs on disks and in folders that nobody may write to can be read, whatever their format."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli, Shelf

from musicu import Catalog
from musicu.catalog.schema import schema_checksum
from musicu.catalog.store import Store
from musicu.errors import CatalogError, MetadataError
from musicu.search.watcher import CatalogWatcher

FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Return a function that makes a folder read-only, for root by mounting it so."""
    mounted, closed = [], []

    def lock(folder: Path) -> None:
        if os.geteuid():
            for place in (*folder.iterdir(), folder):
                place.chmod(0o555 if place.is_dir() else 0o444)
                closed.append(place)
            return
        for options in (["--bind", folder], ["-o", "remount,ro,bind"]):
            done = subprocess.run(["mount", *options, folder], capture_output=True, check=False)
            if done.returncode:
                pytest.skip("root may write everywhere, and may not mount here")
            mounted[:] = [folder]

    yield lock
    for place in reversed(closed):
        place.chmod(0o755)
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture
def stick(shelf: Shelf, tmp_path: Path) -> Path:
    """A catalog in a folder of its own; its songs lie elsewhere."""
    (tmp_path / "stick").mkdir()
    return Path(shutil.copy(shelf.db, tmp_path / "stick/m.db"))


def test_all_that_reads_works(
    stick: Path, shelf: Shelf, lock: Callable[[Path], None], run_cli: RunCli
) -> None:
    with shelf.open() as catalog:
        tracks = list(catalog.tracks())
        nearest = [match.id for match in catalog.similar(tracks[0]["id"])]
    lock(stick.parent)
    before = sorted(stick.parent.iterdir())
    with Catalog(stick, create=False) as catalog:
        assert list(catalog.tracks()) == tracks
        assert [match.id for match in catalog.similar(tracks[0]["id"])] == nearest
        assert len(catalog.find("jazz", where="heard(sound_tags, 'Jazz') >= 0").matches) == 8
        assert catalog.verify() == []
        assert catalog.info().tracks == 8
    with CatalogWatcher(stick) as live:
        assert len(live.snapshot) == 8
        assert not live.refresh()
        assert live.snapshot.filter("year IS NOT NULL").any()
    for command in (
        ["similar", tracks[0]["id"]],
        ["find", "jazz"],
        ["catalog", "list"],
        ["catalog", "info"],
        ["catalog", "errors"],
        ["catalog", "verify"],
        ["catalog", "export", shelf / "out.npz"],
    ):
        done = run_cli(*command, "--catalog", stick)
        assert done.returncode == 0, done.stderr
    assert sorted(stick.parent.iterdir()) == before


def test_what_writes_says_that_it_cannot(
    stick: Path, shelf: Shelf, lock: Callable[[Path], None], run_cli: RunCli
) -> None:
    lock(stick.parent)
    for command in (
        ["embed", shelf.folder],
        ["catalog", "forget", shelf.folder],
        ["catalog", "verify", "--repair"],
    ):
        done = run_cli(*command, "--catalog", stick)
        assert done.returncode == 1
        assert f"{stick}: can only be read" in done.stderr
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_older_format_is_read_in_memory(
    tmp_path: Path, lock: Callable[[Path], None], number: int
) -> None:
    path = tmp_path / "old/m.db"
    path.parent.mkdir()
    sql = (FIXTURES / f"catalogs/format_{number}.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(path)) as db:
        db.executescript(sql)
    content = path.read_bytes()
    lock(path.parent)
    with Catalog(path, create=False) as catalog:
        (first, *others) = list(catalog.tracks())
        assert len(catalog.similar(first["id"])) == len(others) == 3
        # Tags are heard in memory, too.
        assert len(list(catalog.tracks("heard(sound_tags, 'Jazz') >= 0"))) == 4
        assert catalog.verify() == []
        with pytest.raises(CatalogError, match="can only be read"):
            catalog.forget("/music")
    assert path.read_bytes() == content


def test_what_a_killed_process_left_in_the_journal_counts(
    stick: Path, tmp_path: Path, lock: Callable[[Path], None]
) -> None:
    left = tmp_path / "left"
    left.mkdir()
    with Catalog(stick) as catalog:
        catalog.store.db.execute('UPDATE files SET sheet = \'{"title": "new"}\'')
        for name in (stick.name, f"{stick.name}-wal"):
            shutil.copy(stick.with_name(name), left)
    lock(left)
    with Catalog(left / stick.name, create=False) as catalog:
        assert {track["title"] for track in catalog.tracks()} == {"new"}
        np.testing.assert_equal(len(catalog), 8)


def test_the_view_of_a_musicu_with_other_fields_is_hidden_by_todays(
    stick: Path, shelf: Shelf, tmp_path: Path, lock: Callable[[Path], None]
) -> None:
    with shelf.open() as catalog:
        expected = list(catalog.tracks("year > 1995 AND country IS NULL"))
    with closing(sqlite3.connect(stick)) as db:
        db.execute("DROP VIEW library")
        db.execute(
            "CREATE VIEW library AS SELECT t.track, t.id, f.path, 1 AS raga"
            " FROM tracks t JOIN files f ON f.track = t.track"
        )
        made = schema_checksum(db)
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (made,))
        db.commit()
    left = tmp_path / "left"  # with a journal, it is read from memory
    left.mkdir()
    with Store(stick, create=False) as store:
        store.db.execute("UPDATE files SET reason = 'none'")
        for name in (stick.name, f"{stick.name}-wal"):
            shutil.copy(stick.with_name(name), left)
    lock(left)
    for folder in (stick.parent, left):
        with Catalog(folder / stick.name, create=False) as catalog:
            assert len(expected) > 0
            assert list(catalog.tracks("year > 1995 AND country IS NULL")) == expected
            assert catalog.verify() == []
            with pytest.raises(MetadataError, match="no such column: raga"):
                next(catalog.tracks("raga = 1"))
    with CatalogWatcher(left / stick.name) as live:
        assert live.snapshot.filter("year > 1995 AND country IS NULL").sum() == len(expected)
    with closing(sqlite3.connect(stick)) as db:
        columns = db.execute("SELECT name FROM pragma_table_info('library')").fetchall()
    assert ("raga",) in columns  # whoever made it still finds it


def test_the_true_reason_is_told(shelf: Shelf, tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "folder.db").mkdir()
    done = run_cli("catalog", "info", "--catalog", tmp_path / "folder.db")
    assert (done.returncode, "a folder" in done.stderr) == (1, True)
    (tmp_path / "text.db").write_text("no catalog at all " * 99, encoding="utf-8")
    done = run_cli("catalog", "info", "--catalog", tmp_path / "text.db")
    assert done.returncode == 1 and "not a catalog that can be opened" in done.stderr


def test_a_full_disk_is_told_and_hinders_no_reading(
    stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musicu.catalog.store.is_full", lambda path: True)
    with Catalog(stick) as catalog:
        id = next(catalog.tracks())["id"]
        assert catalog.similar(id, n=1)
        assert catalog.verify() == []
        with pytest.raises(CatalogError, match="its disk is full: make room"):
            catalog.forget("/", dry_run=False)
    monkeypatch.undo()
    with Catalog(stick) as catalog:
        assert catalog.forget("/") > 0


def test_a_catalog_that_is_no_file_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.db")
    with pytest.raises(CatalogError, match="not a regular file"):
        Catalog(tmp_path / "c.db")
