"""Bits that change on a disk: found wherever they are, mended if anything knows what was there."""

import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeStore, RunCli, Shelf, unit

from musicu import Catalog
from musicu.catalog.items import catalog_items
from musicu.encoders.registry import DEFAULT_MODEL
from musicu.monitoring.tracks import Tracks
from musicu.search.watcher import CatalogWatcher

RNG = np.random.default_rng(3)
VECTORS = unit(RNG.standard_normal((12, 16)))
TEXTS = {
    "tracks": ("id", "codec", "descriptors"),
    "files": ("path", "tags", "metadata", "reason", "kind"),
    "sound_tags": ("tags",),
    "models": ("id", "sha256"),
    "roots": ("path",),
    "aliases": ("id",),
    "meta": ("value",),
    "vectors": ("vector",),
}


@pytest.fixture(scope="module")
def described(original: Shelf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with something in every column."""
    path = tmp_path_factory.mktemp("described") / "music.db"
    shutil.copyfile(original.db, path)
    with Catalog(path) as catalog:
        store = catalog.store
        heard = '{"tempo": 120.5, "key": "A minor", "loudness": -12.25}'
        with store.change():
            store.db.execute("UPDATE tracks SET descriptors = ?", (heard,))
            store.db.execute("INSERT INTO aliases (id, track) VALUES (?, 1)", ("f" * 32,))
            for name in ("a", "b"):
                store.put_file(f"/music/{name}.mp3", 1, 1, kind="error", reason=f"no {name * 9}")
        assert catalog.verify() == []
        store.db.execute("PRAGMA journal_mode = DELETE")
    return path


def _spots(path: Path) -> list[tuple[str, int]]:
    """Bytes of the file in which something stored lies, and what."""
    data = path.read_bytes()
    spots = []
    with closing(sqlite3.connect(path)) as db:
        db.text_factory = bytes
        for table, columns in TEXTS.items():
            for column in columns:
                for (value,) in db.execute(f"SELECT {column} FROM {table}"):
                    # The stamp of the vectors is random: another one is as good.
                    if isinstance(value, bytes) and len(value) > 3 and len(value) != 16:
                        # What is longer may go on in another page.
                        start, kept = data.find(value[:480]), min(len(value), 480)
                        spots += [(f"{table}.{column}", start + i) for i in range(kept)]
    return spots


def test_every_flipped_bit_is_found_and_named(described: Path, tmp_path: Path) -> None:
    spots, rng = _spots(described), random.Random(5)
    kinds = sorted({what for what, _ in spots})
    data, path = described.read_bytes(), tmp_path / "c.db"
    for number in range(120):
        what, at = rng.choice([s for s in spots if s[0] == kinds[number % len(kinds)]])
        path.write_bytes(_flipped(data, at, rng.randrange(8)))
        with Catalog(path) as catalog:
            found = catalog.verify()
            assert found, what
            assert all(f"verify --repair --catalog {path}' mends it" in line for line in found)
        if what.startswith("vectors"):
            (line,) = found
            assert line.startswith(str(described.parent.parent)) or "/library/" in line
            assert f"its vector of {DEFAULT_MODEL}@1 is damaged" in line


def test_a_flipped_bit_is_turned_back(described: Path, tmp_path: Path) -> None:
    """Whatever it was in: a path, a tag, a vector, without any file of music to look at."""
    spots, rng = _spots(described), random.Random(6)
    kinds = sorted({what for what, _ in spots})
    data, path = described.read_bytes(), tmp_path / "c.db"
    for number in range(3 * len(kinds)):
        what, at = rng.choice([s for s in spots if s[0] == kinds[number % len(kinds)]])
        path.write_bytes(_flipped(data, at, rng.randrange(8)))
        with Catalog(path) as catalog:
            done = catalog.repair(jobs=1)
            assert (done.left, catalog.verify()) == ([], []), what
            assert done.mended, what
        assert _content(path) == _content(described), what
        for file in tmp_path.iterdir():
            file.unlink()


def test_a_wrong_dimension_is_no_damage_of_vectors(described: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    with Catalog(shutil.copyfile(described, path)) as catalog:
        store = catalog.store
        with store.change():
            (right,) = store.db.execute("SELECT checksum FROM models").fetchone()
            store.db.execute("UPDATE models SET dim = dim + 8")
        store.db.execute("UPDATE models SET checksum = ?", (right,))
        assert len(catalog.repair(jobs=1).mended) == 1
        assert catalog.verify() == []
    assert _content(path) == _content(described)


@pytest.mark.parametrize(
    "part", [b"'error', 'skipped'", b"'$.title'", b"UPDATE files SET checksum", b"files_track"]
)
def test_a_schema_that_has_rotted_is_made_anew(
    described: Path, tmp_path: Path, part: bytes
) -> None:
    path = tmp_path / "c.db"
    data = described.read_bytes()
    path.write_bytes(_flipped(data, data.find(part) + 4, 0))
    torn = Catalog.salvage(path)  # where SQLite cannot open it
    with Catalog(path) as catalog:
        assert torn or any("the schema" in line for line in catalog.verify())
        assert catalog.repair(jobs=1).left == []
        assert catalog.verify() == []
    assert _content(path) == _content(described)


def _flipped(data: bytes, at: int, bit: int) -> bytes:
    flipped = bytearray(data)
    flipped[at] ^= 1 << bit
    return bytes(flipped)


def _content(path: Path) -> list[list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        db.text_factory = bytes
        return [
            db.execute(f"SELECT {', '.join(TEXTS[table])} FROM {table} ORDER BY 1").fetchall()
            for table in TEXTS
            if table != "meta"
        ]


def _ruin(path: Path, track: int) -> str:
    """Put random bytes over a vector in the file; return the track's id."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        vector, id = db.execute(
            "SELECT vector, id FROM vectors JOIN tracks USING (track) WHERE track = ?", (track,)
        ).fetchone()
    data = path.read_bytes()
    at = data.find(vector)
    noise = bytes(RNG.integers(0, 256, len(vector), dtype=np.uint8))
    path.write_bytes(data[:at] + noise + data[at + len(vector) :])
    return str(id)


def test_the_only_sound_copy_is_taken_from_the_matrix(shelf: Shelf) -> None:
    with shelf.open() as catalog:
        (first, *_) = list(catalog.tracks())
        before = catalog.similar(first["id"])
    id = _ruin(shelf.db, 1)
    shutil.rmtree(shelf.folder)  # nothing could be heard again
    with shelf.open() as catalog:
        (line,) = catalog.verify()
        assert id in line and "--repair" in line and "npy" not in line
        (done,) = catalog.repair().mended
        assert id in done and "matrix" in done
        assert catalog.verify() == []
        assert catalog.similar(first["id"]) == before


def test_without_a_sound_copy_its_file_is_heard_again_and_no_other(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shelf.open() as catalog:
        exact = catalog.export(shelf / "before.npz")
    for matrix in shelf.db.parent.glob("*.npy"):
        matrix.unlink()
    id = _ruin(shelf.db, 3)
    heard = []
    from musicu.workers.pool import Worker

    analyze = Worker.analyze
    monkeypatch.setattr(
        Worker, "analyze", lambda self, path: heard.append(path) or analyze(self, path)
    )
    with shelf.open() as catalog:
        done = catalog.repair(jobs=1)
        assert done.left == [] and id in done.mended[0] and len(heard) == 1
        assert catalog.verify() == []
        assert catalog.export(shelf / "after.npz") == exact
    with np.load(shelf / "before.npz") as before, np.load(shelf / "after.npz") as after:
        np.testing.assert_array_equal(before["ids"], after["ids"])
        np.testing.assert_allclose(before["vectors"], after["vectors"], atol=1e-4)


def test_a_track_that_lost_its_vector_is_heard_again(shelf: Shelf, run_cli: RunCli) -> None:
    with shelf.open() as catalog:
        (track,) = catalog.store.db.execute("SELECT min(track) FROM tracks").fetchone()
        with catalog.store.change():
            catalog.store.db.execute("DELETE FROM vectors WHERE track = ?", (track,))
        assert catalog.verify() == ["1 tracks have no vector: run 'musicu embed'"]
    ended = run_cli("catalog", "verify", "--repair", "--catalog", shelf.db)
    assert (ended.returncode, "has no vector: made anew" in ended.stderr) == (0, True)
    with shelf.open() as catalog:
        assert catalog.verify() == []


def test_a_schema_whose_keys_do_not_fit_is_made_anew(described: Path, tmp_path: Path) -> None:
    path = tmp_path / "c.db"
    key = b"model INTEGER PRIMARY KEY"
    data = described.read_bytes()
    assert data.count(key) == 1
    path.write_bytes(data.replace(key, key.replace(b"PRIMARY", b"PPIMARY")))
    with Catalog(path) as catalog:
        before = [track["id"] for track in catalog.tracks()]
        assert any("--repair" in line for line in catalog.verify())
        assert "damaged one is" in catalog.repair(jobs=1).mended[0]
        assert catalog.verify() == []
        assert [track["id"] for track in catalog.tracks()] == before


def test_what_cannot_be_mended_is_told_with_the_way_out(shelf: Shelf, run_cli: RunCli) -> None:
    id = _ruin(shelf.db, 3)
    shutil.rmtree(shelf.folder)
    done = run_cli("catalog", "verify", "--repair", "--catalog", shelf.db)
    assert done.returncode == 1
    assert id in done.stdout and "no file of it is there" in done.stdout


def test_a_damaged_vector_reaches_no_answer(shelf: Shelf, run_cli: RunCli) -> None:
    id = _ruin(shelf.db, 3)
    with shelf.open() as catalog:
        others = {track["id"] for track in catalog.tracks()} - {id}
        matches = catalog.similar(min(others))
        assert {match.id for match in matches} == others - {min(others)}
        assert "1 tracks are left out" in (catalog.notice or "")
        with pytest.raises(Exception, match="its vector is damaged: 'musicu catalog verify"):
            catalog.similar(id)
        items = catalog_items(catalog)
        assert not items.audio[items.ids.index(id)].any()
        assert len(catalog.find("jazz").matches) == len(others)
    assert len(Tracks.of_catalog(shelf.db)) == len(others)
    with CatalogWatcher(shelf.db) as live:
        assert set(live.snapshot.ids) == others
        assert live.state()["damaged"] == 1
    done = run_cli("similar", min(others), "-n", "5", "--json", "--catalog", shelf.db)
    assert done.returncode == 0 and done.stderr.count("\n") == 1
    assert "left out" in done.stderr and id not in done.stdout
    done = run_cli("catalog", "export", shelf / "out.npz", "--catalog", shelf.db)
    assert done.returncode == 1 and id in done.stderr
    with np.load(shelf / "out.npz") as written:
        assert set(written["ids"]) == others


@pytest.mark.parametrize(
    ("column", "garbage", "said"),
    [
        ("files.tags", b'{"title": "\xff\xfe"}', "no UTF-8"),
        ("files.sheet", b'["title"]', "no JSON object"),
        ("files.reason", b"a\0b", "zero byte"),
        ("files.problem", b"\xc3(", "no UTF-8"),
        ("tracks.codec", b"\xff", "no UTF-8"),
        ("tracks.descriptors", b"[1]", "no JSON object"),
    ],
)
def test_garbage_in_texts_is_named(shelf: Shelf, column: str, garbage: bytes, said: str) -> None:
    """Also where it came by way of SQLite, with which no checksum can help."""
    table, name = column.split(".")
    with closing(sqlite3.connect(shelf.db)) as db, db:
        db.execute(
            f"UPDATE {table} SET {name} = CAST(? AS TEXT) WHERE {table[:-1]} = 2", (garbage,)
        )
    with shelf.open() as catalog:
        lines = catalog.verify()
        assert any(said in line and "/library/" in line for line in lines), lines
        assert len(list(catalog.tracks())) == 8
        assert len(catalog.similar(next(catalog.tracks())["id"])) == 7
        assert catalog.repair(jobs=1).left == []
        assert catalog.verify() == []


def test_a_file_without_its_end_gives_what_is_left(
    shelf: Shelf, run_cli: RunCli, tmp_path: Path
) -> None:
    data = shelf.db.read_bytes()
    shelf.db.write_bytes(data[: len(data) * 4 // 5])
    done = run_cli("catalog", "info", "--catalog", shelf.db)
    assert done.returncode == 1 and "verify --repair" in done.stderr
    done = run_cli("catalog", "verify", "--repair", "--catalog", shelf.db)
    assert "music.db.damaged" in done.stderr
    assert run_cli("embed", shelf.folder, "--catalog", shelf.db).returncode == 0
    with shelf.open() as catalog:
        assert catalog.verify() == []
        assert len(catalog) == 8


def test_what_is_no_catalog_is_not_mended(tmp_path: Path, run_cli: RunCli) -> None:
    foreign, text = tmp_path / "foreign.db", tmp_path / "text.db"
    with closing(sqlite3.connect(foreign)) as db:
        db.execute("CREATE TABLE tracks (mine)")
    text.write_text("my diary\n" * 1000, encoding="utf-8")
    for path in (foreign, text, tmp_path / "missing.db"):
        before = path.read_bytes() if path.exists() else None
        done = run_cli("catalog", "verify", "--repair", "--catalog", path)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert (path.read_bytes() if path.exists() else None) == before
    assert len(list(tmp_path.iterdir())) == 2


def test_a_torn_file_gives_all_rows_that_can_be_read(make_store: MakeStore, tmp_path: Path) -> None:
    vectors = unit(RNG.standard_normal((400, 64)))
    store, _ = make_store(vectors, path=tmp_path / "torn.db")
    store.db.execute("PRAGMA journal_mode = DELETE")
    store.close()
    data = bytearray((tmp_path / "torn.db").read_bytes())
    # The page in the middle of the vectors.
    at = data.find(vectors[200].tobytes()) // 4096 * 4096
    data[at : at + 4096] = b"\x5a" * 4096
    (tmp_path / "torn.db").write_bytes(data)
    with Catalog(tmp_path / "torn.db") as catalog:
        assert any(line.startswith("SQLite: ") for line in catalog.verify())
        done = catalog.repair(jobs=1)
        assert "torn.db.damaged" in done.mended[0]
        assert len(catalog) == 400
        rows = catalog.store.db.execute("SELECT track, vector FROM vectors").fetchall()
        assert 370 < len(rows) < 400
        assert all(vectors[track - 1].tobytes() == vector for track, vector in rows)
        assert catalog.verify() == [f"{400 - len(rows)} tracks have no vector: run 'musicu embed'"]
    assert (tmp_path / "torn.db.damaged").read_bytes()[100:] == bytes(data)[100:]
