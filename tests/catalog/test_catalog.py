import csv
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.parquet
import pytest
import soundfile
from conftest import PROGRAM, MakeStore, RunCli, Shelf, retag, unit
from made_audio import noise, notes, write

from musicu.catalog.catalog import Catalog
from musicu.catalog.ingest import Progress, Summary, ingest
from musicu.catalog.store import Store
from musicu.encoders.install import install_model
from musicu.encoders.registry import DEFAULT_MODEL, find_model
from musicu.errors import CatalogError, MetadataError, ModelError, ModelMismatchError, MusicuError
from musicu.metadata.playlist import read_m3u8
from musicu.workers.pool import Worker

# Generous on a busy machine, and yet what a test that hangs may cost.
_TIMEOUT = 300.0


def _stamp(catalog: Catalog) -> str:
    """What changes with every change of a vector."""
    return str(catalog.store.db.execute("SELECT value FROM meta WHERE key = 'vectors'").fetchone())


def _rows(db: Path) -> dict[bytes, tuple[str, bytes]]:
    """Path to identity and vector, of all that is embedded with the current model."""
    with closing(Store(db, create=False).db) as connection:
        rows = connection.execute(
            "SELECT f.path, t.id, v.vector FROM files f JOIN tracks t USING (track)"
            " JOIN vectors v USING (track) JOIN meta ON key = 'model' AND value = v.model"
        ).fetchall()
    return {os.fsencode(path): (id, vector) for path, id, vector in rows}


def _counts(summary: Summary) -> dict[str, int]:
    """The counts that are not 0, without those that follow from the others."""
    names = ("unchanged", "embedded", "recognized", "partial", "failed", "missing")
    return {name: getattr(summary, name) for name in names if getattr(summary, name)}


def _write_songs(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        soundfile.write(folder / f"{number:03}.wav", noise(16000, 4.0, seed=number)[0], 16000)


@pytest.fixture
def nothing_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def analyze(self: Worker, path: str) -> dict[str, Any]:
        raise AssertionError(f"computed: {path}")

    monkeypatch.setattr(Worker, "analyze", analyze)


# Rescans


def test_a_second_run_opens_nothing(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("musicu.catalog.ingest.Pool", None)
    with shelf.open() as catalog:
        before = _stamp(catalog)
        summary = catalog.add_folder(shelf.folder)
        assert _counts(summary) == {"unchanged": 8}
        assert (summary.found, summary.skipped) == (10, 2)
        assert _stamp(catalog) == before


def test_the_tags_are_there(shelf: Shelf) -> None:
    with shelf.open() as catalog:
        tracks = {Path(t["path"]).stem: t for t in catalog.tracks()}
    assert tracks["02 Noon"]["artists"] == ["Alba", "Bruno"]
    assert tracks["01 Granite"]["genres"] == ["Rock", "Jazz"]
    assert (tracks["01 Ebb"]["title"], tracks["01 Ebb"]["year"]) == ("Ebb", 2005)
    assert (tracks["Solo"]["title"], tracks["Solo"]["year"]) == ("Solo", None)  # by its name


@pytest.mark.usefixtures("nothing_is_computed")
def test_a_renamed_file_is_recognized(shelf: Shelf) -> None:
    new = shelf / "Dora/Renamed.wav"
    (shelf / "Dora/Night.wav").rename(new)
    with shelf.open() as catalog:
        before, rows = _stamp(catalog), _rows(shelf.db)
        assert _counts(catalog.add_folder(shelf.folder)) == {
            "unchanged": 7,
            "recognized": 1,
            "missing": 1,
        }
        assert _stamp(catalog) == before
        assert catalog.info().missing == 0
        after = _rows(shelf.db)
        assert after[os.fsencode(new)] == rows[os.fsencode(shelf / "Dora/Night.wav")]
        assert len(after) == 8


@pytest.mark.usefixtures("nothing_is_computed")
def test_a_moved_folder_is_recognized(shelf: Shelf, tmp_path: Path) -> None:
    """Out of the folder that was added, into another one."""
    target = tmp_path / "new place"
    (shelf / "Alba").rename(target)
    with shelf.open() as catalog:
        before = _stamp(catalog)
        assert _counts(catalog.add_folder(target)) == {"recognized": 2}
        assert _counts(catalog.add_folder()) == {"unchanged": 8}  # their paths have followed
        assert (catalog.info().missing, catalog.info().files, len(catalog)) == (0, 8, 8)
        assert _stamp(catalog) == before


@pytest.mark.usefixtures("nothing_is_computed")
@pytest.mark.parametrize(
    "name",
    [
        "Alba/First Light/01 Dawn.flac",
        "Alba/First Light/02 Noon.mp3",
        "Bruno/Stones/01 Granite.ogg",
        "Bruno/Stones/02 Basalt.opus",
        "Carla/Tide/01 Ebb.m4a",
    ],
)
def test_a_retagged_file_is_recognized_and_its_new_tags_show(shelf: Shelf, name: str) -> None:
    retag(shelf / name, title="A title that needs more room than there was " * 40, genre="Noise")
    with shelf.open() as catalog:
        before = _stamp(catalog)
        assert _counts(catalog.add_folder(shelf.folder)) == {"unchanged": 7, "recognized": 1}
        assert _stamp(catalog) == before
        (track,) = catalog.tracks("has(genres, 'noise')")
        assert track["path"] == str(shelf / name)


@pytest.mark.usefixtures("nothing_is_computed")
def test_a_touched_file_is_recognized(shelf: Shelf) -> None:
    os.utime(shelf / "Dora/Night.wav", ns=(1, 1))
    with shelf.open() as catalog:
        assert _counts(catalog.add_folder(shelf.folder)) == {"unchanged": 7, "recognized": 1}


@pytest.mark.usefixtures("nothing_is_computed")
def test_copies_are_one_track_and_several_files(shelf: Shelf) -> None:
    shutil.copyfile(shelf / "Dora/Night.wav", shelf / "Dora/A copy.wav")
    with shelf.open() as catalog:
        assert _counts(catalog.add_folder()) == {"unchanged": 8, "recognized": 1}
        info = catalog.info()
        assert (info.tracks, info.files, info.copies, len(catalog)) == (8, 9, 1, 8)
        assert len(catalog.similar(shelf / "Carla/Tide/01 Ebb.m4a")) == 7


def test_copies_that_come_together_are_one_track(tmp_path: Path) -> None:
    _write_songs(tmp_path / "songs", 1)
    shutil.copyfile(tmp_path / "songs/000.wav", tmp_path / "songs/copy.wav")
    with Catalog() as catalog:
        catalog.add_folder(tmp_path / "songs", jobs=2)
        assert (catalog.info().tracks, catalog.info().files) == (1, 2)


@pytest.mark.usefixtures("nothing_is_computed")
def test_a_removed_file_is_missing_and_comes_back(shelf: Shelf, tmp_path: Path) -> None:
    song, query = shelf / "Dora/Night.wav", shelf / "Dora/Solo.aiff"
    with shelf.open() as catalog:
        before, everything = _stamp(catalog), catalog.similar(query)
        song.rename(tmp_path / "kept.wav")
        assert _counts(catalog.add_folder()) == {"unchanged": 7, "missing": 1}
        assert catalog.info().missing == 1
        assert (len(catalog), len(list(catalog.tracks()))) == (7, 7)
        assert [m.id for m in catalog.similar(query)] == [
            m.id for m in everything if m.path != str(song)
        ]
        assert _counts(catalog.add_folder()) == {"unchanged": 7}
        (tmp_path / "kept.wav").rename(song)
        assert _counts(catalog.add_folder()) == {"unchanged": 8}
        assert catalog.similar(query) == everything
        assert _stamp(catalog) == before


def test_changed_audio_takes_the_place_of_the_old(shelf: Shelf) -> None:
    song = shelf / "Dora/Night.wav"
    with shelf.open() as catalog:
        (old,) = catalog.tracks(f"path = '{song}'")
        write(song, notes(16000, 4.0, seed=99), 16000)
        assert _counts(catalog.add_folder()) == {"unchanged": 7, "embedded": 1}
        (new,) = catalog.tracks(f"path = '{song}'")
        assert new["id"] != old["id"] and old["id"] not in catalog
        (count,) = catalog.store.db.execute("SELECT count(*) FROM tracks").fetchone()
        assert catalog.info().tracks == count == 8
        assert catalog.verify() == []


def test_what_a_killed_run_left_without_a_file_is_computed_again(shelf: Shelf) -> None:
    """A track whose file changed just before the end must not be taken for a stored one."""
    song = shelf / "Dora/Night.wav"
    with shelf.open() as catalog:
        catalog.store.db.execute(
            "UPDATE files SET track = NULL, kind = 'error', reason = 'changed', size = 1"
            " WHERE path = ?",
            (str(song),),
        )
        assert _counts(catalog.add_folder()) == {"unchanged": 7, "embedded": 1}
        assert catalog.verify() == []


def test_overlapping_roots_count_once(shelf: Shelf, tmp_path: Path) -> None:
    with Catalog(tmp_path / "other.db") as catalog:
        summary = catalog.add_folder(shelf / "Dora", shelf / "Dora", shelf / "Dora/Solo.aiff")
        assert (summary.found, summary.embedded) == (2, 2)
        assert catalog.info().folders == (str(shelf / "Dora"),)
        with pytest.raises(CatalogError, match="no such file or folder"):
            catalog.add_folder(shelf / "Nobody")


def test_a_rescan_of_a_part_leaves_the_rest_alone(shelf: Shelf) -> None:
    (shelf / "Dora/Night.wav").unlink()
    with shelf.open() as catalog:
        assert _counts(catalog.add_folder(shelf / "Carla")) == {"unchanged": 2}
        assert catalog.info().missing == 0


def test_force_computes_all_again_and_comes_to_the_same(shelf: Shelf) -> None:
    before = _rows(shelf.db)
    with shelf.open() as catalog:
        assert _counts(catalog.add_folder(shelf / "Dora", force=True)) == {"embedded": 2}
    assert _rows(shelf.db) == before


def test_a_dry_run_stores_nothing(shelf: Shelf) -> None:
    shutil.copyfile(shelf / "Dora/Night.wav", shelf / "Dora/A copy.wav")
    (shelf / "Dora/Solo.aiff").unlink()
    with shelf.open() as catalog:
        before = list(catalog.store.db.iterdump())
        summary = catalog.add_folder(dry_run=True)
        assert (summary.pending, summary.missing, summary.embedded) == (1, 1, 0)
        assert list(catalog.store.db.iterdump()) == before


def test_progress_counts_to_the_end(shelf: Shelf, tmp_path: Path) -> None:
    told: list[Progress] = []
    with Catalog(tmp_path / "other.db") as catalog:
        catalog.add_folder(shelf / "Dora", progress=told.append)
    assert [p.files for p in told] == [1, 2]
    last = told[-1]
    assert (last.files, last.bytes) == (last.total_files, last.total_bytes)
    assert last.total_bytes == sum(f.stat().st_size for f in (shelf / "Dora").iterdir())


def test_descriptors_are_added_to_what_is_known(shelf: Shelf) -> None:
    before = _rows(shelf.db)
    with shelf.open() as catalog:
        assert _counts(catalog.add_folder(shelf / "Dora", describe=True)) == {"embedded": 2}
        assert catalog.info().described == 2
        (track,) = catalog.tracks(f"loudness < 0 AND path = '{shelf / 'Dora/Night.wav'}'")
        assert isinstance(track["brightness"], float)
        assert _counts(catalog.add_folder(shelf / "Dora", describe=True)) == {"unchanged": 2}
        assert _counts(catalog.add_folder(shelf / "Dora", force=True)) == {"embedded": 2}
        assert catalog.info().described == 2
    assert _rows(shelf.db) == before


def test_descriptors_of_an_earlier_version_are_measured_anew(shelf: Shelf) -> None:
    folder, version = shelf / "Dora", "json_extract(descriptors, '$.version')"
    with shelf.open() as catalog:
        catalog.add_folder(folder, describe=True)
    for earlier in ("json_remove(descriptors, '$.version')", "'not JSON'"):
        with closing(sqlite3.connect(shelf.db)) as connection:
            connection.execute(f"UPDATE tracks SET descriptors = {earlier} WHERE {version}")
            connection.commit()
        with shelf.open() as catalog:
            # Who does not ask for descriptors keeps what is there.
            assert _counts(catalog.add_folder(folder)) == {"unchanged": 2}
            assert _counts(catalog.add_folder(folder, describe=True)) == {"embedded": 2}
            assert _counts(catalog.add_folder(folder, describe=True)) == {"unchanged": 2}


# Interruption


def _start(folder: Path, db: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [PROGRAM, "embed", folder, "--catalog", db, "-j", "2"],
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


def _wait_for_rows(db: Path, count: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + _TIMEOUT
    while time.monotonic() < end and process.poll() is None:
        if db.exists():
            connection = sqlite3.connect(db, timeout=30.0)
            try:
                if connection.execute("SELECT count(*) FROM files").fetchone()[0] >= count:
                    return
            except sqlite3.OperationalError:
                pass  # no tables yet
            finally:
                connection.close()
        time.sleep(0.005)
    raise AssertionError("the run ended, or never came so far")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Sixty songs, and a catalog into which they came in one run; not to be changed."""
    base = tmp_path_factory.mktemp("whole")
    _write_songs(base / "songs", 60)
    with Catalog(base / "whole.db") as catalog:
        catalog.add_folder(base / "songs")
    return base / "songs", base / "whole.db"


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_cut_off_goes_on_and_comes_to_the_same(
    whole: tuple[Path, Path], tmp_path: Path, how: signal.Signals
) -> None:
    folder, count = whole[0], 60
    db = tmp_path / "cut.db"
    process = _start(folder, db)
    _wait_for_rows(db, 3, process)
    process.send_signal(how)
    _, told = process.communicate(timeout=_TIMEOUT)
    kept = len(_rows(db))
    assert 3 <= kept < count
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "stopped; what is done is kept, the same command goes on" in told
        assert "Traceback" not in told
    with Catalog(db) as catalog:
        assert catalog.verify() == []
        assert _counts(catalog.add_folder(folder)) == {
            "unchanged": kept,
            "embedded": count - kept,
        }
        assert catalog.verify() == []
    assert _rows(db) == _rows(whole[1])


@pytest.mark.slow
def test_two_runs_at_the_same_time_come_to_the_same_as_one(tmp_path: Path) -> None:
    """On a catalog that neither of them finds there."""
    folder, db = tmp_path / "songs", tmp_path / "both.db"
    _write_songs(folder, 12)
    both = [_start(folder, db), _start(folder, db)]
    told = [process.communicate(timeout=_TIMEOUT)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    with Catalog(tmp_path / "one.db") as catalog:
        catalog.add_folder(folder)
    assert _rows(db) == _rows(tmp_path / "one.db")
    with Catalog(db) as catalog:
        assert catalog.verify() == []
        assert _counts(catalog.add_folder()) == {"unchanged": 12}


def test_queries_are_answered_while_a_run_writes(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    _write_songs(folder, 40)
    query = shelf / "Dora/Solo.aiff"
    process = _start(folder, shelf.db)
    sizes = []
    with shelf.open() as catalog:
        while process.poll() is None:
            matches = catalog.similar(query, 100)
            scores = [m.score for m in matches]
            assert scores == sorted(scores, reverse=True)
            assert str(query) not in {m.path for m in matches}
            sizes.append(len(matches))
            time.sleep(0.02)
    process.communicate()
    assert process.returncode == 0
    assert sizes[0] < 47 and sizes == sorted(sizes)


def test_a_writer_that_waits_does_not_stop_readers(shelf: Shelf) -> None:
    with shelf.open() as writer, shelf.open() as reader, writer.store.change():
        writer.store.set_missing([str(shelf / "Dora/Night.wav")], missing=True)
        assert len(reader) == 8
        assert len(reader.similar(shelf / "Dora/Solo.aiff")) == 7


# Bad files


@pytest.fixture
def damaged(original: Shelf, tmp_path: Path) -> Path:
    """A folder of all that goes wrong; what can be used is called good."""
    folder = tmp_path / "damaged"
    folder.mkdir()
    mp3 = (original / "Alba/First Light/02 Noon.mp3").read_bytes()
    flac = (original / "Alba/First Light/01 Dawn.flac").read_bytes()
    wav = (original / "Dora/Night.wav").read_bytes()
    m4a = (original / "Carla/Tide/01 Ebb.m4a").read_bytes()
    (folder / "good flac named.mp3").write_bytes(flac)
    (folder / "good unknown.suffix").write_bytes(mp3)
    (folder / "good without suffix").write_bytes((original / "Dora/Solo.aiff").read_bytes())
    (folder / "part.wav").write_bytes(wav[: len(wav) // 2])
    (folder / "bad truncated.m4a").write_bytes(m4a[: len(m4a) // 3])
    (folder / "bad header only.flac").write_bytes(flac[:60])
    (folder / "bad empty.mp3").touch()
    (folder / "bad text.mp3").write_text("This is a letter, not a song.\n" * 50)
    (folder / "bad random.mp3").write_bytes(np.random.default_rng(0).bytes(50_000))
    (folder / "bad zeros.flac").write_bytes(bytes(50_000))
    (folder / "bad picture.flac").write_bytes(
        b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + np.random.default_rng(1).bytes(20_000) + b"\xff\xd9"
    )
    write(folder / "bad silence.wav", np.zeros((1, 64000), dtype=np.float32), 16000)
    (folder / "bad link.mp3").symlink_to(folder / "nothing")
    return folder


def test_bad_files_cost_themselves_and_each_is_told(
    damaged: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    done = run_cli("embed", damaged, "-j", "2")
    bad = {path.name for path in damaged.iterdir() if path.name.startswith("bad")}
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        f"13 files: 4 embedded, {len(bad)} failed",
        "1 of them are readable in part only",
        "reasons: musicu catalog errors",
    ]
    told = json.loads(run_cli("catalog", "errors", "--json").stdout)
    assert {Path(row["path"]).name for row in told if row["kind"] == "error"} == bad
    assert all(row["reason"] and "\n" not in row["reason"] for row in told)
    reasons = {Path(row["path"]).name: row["reason"] for row in told}
    assert reasons["bad empty.mp3"] == "empty file (0 bytes)"
    assert reasons["bad silence.wav"] == "silence: nothing to embed"
    assert reasons["bad link.mp3"] == "no such file or directory"
    assert [row["kind"] for row in told if row["path"].endswith("part.wav")] == ["partial"]
    assert run_cli("embed", damaged, "--strict").returncode == 1  # they are not mended
    with Catalog(tmp_path / "music.db") as catalog:
        assert len(catalog) == 4
        assert len(catalog.similar(damaged / "part.wav")) == 3
        with pytest.raises(MusicuError, match="empty file"):
            catalog.similar(damaged / "bad empty.mp3")


def test_strict_makes_a_failure_of_failures(damaged: Path, run_cli: RunCli) -> None:
    assert run_cli("embed", damaged / "good unknown.suffix", "--strict").returncode == 0
    done = run_cli("embed", damaged / "bad empty.mp3", "--strict")
    assert (done.returncode, done.stdout) == (1, "")


def test_failures_are_left_alone_until_they_change_or_are_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    folder.mkdir()
    song = folder / "a.wav"
    song.touch()
    with Catalog() as catalog:
        assert _counts(catalog.add_folder(folder)) == {"failed": 1}
        again = catalog.add_folder(folder)
        assert (again.failed, again.pending) == (1, 0)
        again = catalog.retry()
        assert (again.failed, again.pending) == (1, 1)
        write(song, notes(16000, 4.0), 16000)
        assert _counts(catalog.add_folder(folder)) == {"embedded": 1}
        assert catalog.problems() == []
        assert catalog.retry() == Summary()
        assert catalog.info().folders == (str(folder),)


def test_retry_hears_what_failed_and_nothing_else(shelf: Shelf) -> None:
    song = shelf / "Dora/Night.wav"
    with shelf.open() as catalog:
        catalog.store.put_file(
            str(song), song.stat().st_size, song.stat().st_mtime_ns, kind="error", reason="hiccup"
        )
        summary = catalog.retry()
        assert (summary.found, summary.failed) == (1, 0)
        assert summary.embedded + summary.recognized == 1
        assert len(catalog) == 8


def test_a_failure_that_is_removed_is_forgotten(tmp_path: Path) -> None:
    folder = tmp_path / "songs"
    folder.mkdir()
    (folder / "a.wav").touch()
    with Catalog() as catalog:
        catalog.add_folder(folder)
        (folder / "a.wav").unlink()
        assert _counts(catalog.add_folder(folder)) == {}
        assert catalog.problems() == []


# Looking after it


def test_a_file_or_a_folder_can_be_forgotten(shelf: Shelf) -> None:
    with shelf.open() as catalog:
        assert catalog.forget(shelf / "Dora/Night.wav", dry_run=True) == 1
        assert len(catalog) == 8
        assert catalog.forget(shelf / "Dora/Night.wav") == 1
        assert catalog.forget(shelf / "Alba") == 3  # and its picture
        assert (len(catalog), catalog.verify()) == (5, [])
        assert len(catalog.similar(shelf / "Dora/Solo.aiff")) == 4
        with pytest.raises(CatalogError, match="not in the catalog"):
            catalog.forget(shelf / "Alba")
        with pytest.raises(CatalogError, match="not in the catalog"):
            catalog.forget(shelf.folder.parent / "librar")
        assert catalog.forget(shelf.folder) == 6
        assert catalog.info().folders == ()
        with pytest.raises(CatalogError, match="no folder was added yet"):
            catalog.add_folder()
    assert (shelf / "Dora/Night.wav").exists()


@pytest.mark.parametrize(
    "blob", [b"short", np.zeros(256, "<f4").tobytes(), np.full(256, np.nan, "<f4").tobytes()]
)
def test_a_damaged_vector_is_found(shelf: Shelf, blob: bytes) -> None:
    with shelf.open() as catalog:
        assert catalog.verify() == []
        id, path = catalog.store.db.execute(
            "SELECT id, path FROM library WHERE track = 3"
        ).fetchone()
        catalog.store.db.execute("UPDATE vectors SET vector = ? WHERE track = 3", (blob,))
        assert catalog.verify() == [
            f"{path} ({id}): its vector of {find_model().name} is damaged: 'musicu catalog verify"
            f" --repair --catalog {shelf.db}' mends it"
        ]


def test_a_damaged_matrix_is_built_again(shelf: Shelf) -> None:
    with shelf.open() as catalog:
        catalog.similar(shelf / "Dora/Solo.aiff")
        (file,) = shelf.db.parent.glob("music.db-*.npy")
        data = bytearray(file.read_bytes())
        data[-1] ^= 0x55
        file.write_bytes(data)
        assert catalog.verify() == []
        assert file.read_bytes() != data
        assert len(catalog.similar(shelf / "Dora/Solo.aiff")) == 7


def test_foreign_bytes_in_the_file_are_found(shelf: Shelf, run_cli: RunCli) -> None:
    data = bytearray(shelf.db.read_bytes())
    for page in range(4096 * 3, len(data), 4096):
        if b"CREATE " not in data[page : page + 4096]:  # damage to the schema stops the opening
            data[page : page + 200] = b"\xab" * 200
    shelf.db.write_bytes(data)
    done = run_cli("catalog", "verify")
    assert done.returncode == 1
    assert done.stdout.startswith("SQLite: ")
    for command in (["catalog", "list"], ["embed"], ["similar", shelf / "Dora/Solo.aiff"]):
        done = run_cli(*command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_catalog_of_a_newer_format_is_left_alone(shelf: Shelf) -> None:
    db = sqlite3.connect(shelf.db)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = shelf.db.read_bytes()
    with pytest.raises(CatalogError, match="made by a newer musicu; upgrade"):
        shelf.open()
    assert shelf.db.read_bytes() == before


def test_foreign_files_are_no_catalogs_and_stay_what_they_are(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.db"
    db = sqlite3.connect(foreign)
    db.execute("CREATE TABLE tracks (mine)")
    db.close()
    text = tmp_path / "text.db"
    text.write_text("my diary\n" * 1000)
    for path, why in (
        (foreign, "not a musicu catalog"),
        (text, "not a database"),
        (tmp_path, "open"),
    ):
        before = path.read_bytes() if path.is_file() else b""
        with pytest.raises(CatalogError, match=why) as caught:
            Catalog(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)
        assert before == (path.read_bytes() if path.is_file() else b"")


def test_a_missing_catalog_is_made_only_on_request(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="'musicu embed FOLDER' makes one"):
        Catalog(tmp_path / "a" / "new.db", create=False)
    assert not (tmp_path / "a").exists()
    with Catalog(tmp_path / "a" / "new.db") as catalog:
        assert (len(catalog), catalog.verify(), catalog.problems()) == (0, [], [])
        assert catalog.info().model is None


def test_the_catalog_is_where_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Catalog() as catalog:
        assert catalog.info().path == str(tmp_path / "music.db")
    monkeypatch.delenv("MUSICU_CATALOG")
    with Catalog() as catalog:
        assert catalog.info().path == str(tmp_path / "xdg_data_home/musicu/catalog.db")


def test_counts_are_right(shelf: Shelf) -> None:
    with shelf.open() as catalog:
        info = catalog.info()
        ids = [track["id"] for track in catalog.tracks()]
        assert len(ids) == len(set(ids)) == len(catalog) == info.tracks == info.files == 8
        assert all(id in catalog for id in ids) and "nobody" not in catalog
    # Codecs pad a little.
    assert info.hours == pytest.approx(8 * 4.0 / 3600, abs=0.0006)
    assert (info.skipped, info.errors, info.partial, info.copies, info.outdated) == (2, 0, 0, 0, 0)
    assert (info.model, info.model_sha256) == (find_model().name, find_model().sha256)
    assert info.folders == (str(shelf.folder),)
    assert info.bytes == shelf.db.stat().st_size


# Metadata sheets


def test_a_sheet_goes_over_the_tags_and_survives_retagging(shelf: Shelf) -> None:
    isrc = "USRC17607839"
    retag(shelf / "Alba/First Light/01 Dawn.flac", isrc=isrc)
    sheet = shelf.folder.parent / "sheet.csv"
    sheet.write_text(
        "path,isrc,title,label\n"
        "library/Dora/Night.wav,,Nacht,Own\n"
        f",{isrc},Morning,Label by ISRC\n"
        "library/Nobody/None.mp3,,Nothing,\n"
    )
    with shelf.open() as catalog:
        summary = catalog.add_folder(metadata=sheet)
        assert summary.unmatched == ("library/Nobody/None.mp3",)

        def labels() -> dict[str, str]:
            return {t["title"]: t["label"] for t in catalog.tracks("label IS NOT NULL")}

        assert labels() == {"Nacht": "Own", "Morning": "Label by ISRC"}
        retag(shelf / "Alba/First Light/01 Dawn.flac", title="Tag", genre="New")
        assert _counts(catalog.add_folder()) == {"unchanged": 7, "recognized": 1}
        assert labels() == {"Nacht": "Own", "Morning": "Label by ISRC"}
        (track,) = catalog.tracks("has(genres, 'New')")
        assert (track["title"], track["artist"]) == ("Morning", "Alba")
        assert {m.title for m in catalog.similar(shelf / "Dora/Night.wav")} >= {"Morning"}


@pytest.mark.usefixtures("nothing_is_computed")
def test_what_a_sheet_said_moves_with_the_file(shelf: Shelf) -> None:
    sheet = shelf.folder.parent / "sheet.csv"
    sheet.write_text("path,title\nlibrary/Dora/Night.wav,Nacht\n")
    with shelf.open() as catalog:
        catalog.add_folder(metadata=sheet)
        (shelf / "Dora/Night.wav").rename(shelf / "Dora/Moved.wav")
        catalog.add_folder()
        (track,) = catalog.tracks("title = 'Nacht'")
        assert track["path"] == str(shelf / "Dora/Moved.wav")


def test_a_bad_sheet_is_told_before_anything_is_done(shelf: Shelf) -> None:
    (shelf / "sheet.csv").write_text("title\nx\n")
    with shelf.open() as catalog:
        before = list(catalog.store.db.iterdump())
        with pytest.raises(MetadataError, match="needs a column 'path' or 'isrc'"):
            catalog.add_folder(metadata=shelf / "sheet.csv")
        assert list(catalog.store.db.iterdump()) == before


# Unusual names


_NAMES = ("🎵 émoji.wav", "two\nlines.wav", "caf\udce9.wav", "quote ' \" %s.wav", " spaces .wav")


@pytest.fixture
def unusual(tmp_path: Path) -> Path:
    folder = tmp_path / "unusual"
    _write_songs(folder, len(_NAMES))
    for number, name in enumerate(_NAMES):
        (folder / f"{number:03}.wav").rename(folder / name)
    return folder


def test_unusual_names_go_through_everything(
    unusual: Path, tmp_path: Path, run_cli: RunCli, run_program: RunCli
) -> None:
    expected = {str(unusual / name) for name in _NAMES}
    assert run_cli("embed", unusual).returncode == 0
    assert run_cli("embed", unusual).stderr == "5 files: 5 unchanged\n"
    for form in ("--json", "--nl", "--csv", "--tsv"):
        told = run_program("catalog", "list", form).stdout
        assert {row["path"] for row in _parse(told, form)} == expected
    table = run_program("catalog", "list").stdout
    assert len(table.splitlines()) == 6
    shown = [name.replace("\n", "\\n").replace("\udce9", "\\xe9") for name in _NAMES]
    assert all(name in table for name in shown)
    for name in _NAMES:
        command = ("similar", unusual / name, "--include-non-music", "--json")
        done = run_cli(*command, "--m3u8", tmp_path / "list.m3u8")
        assert done.returncode == 0, done.stderr
        others = expected - {str(unusual / name)}
        assert {row["path"] for row in json.loads(done.stdout)} == others
        # A playlist has a line for each file, and no way around it.
        assert set(read_m3u8(tmp_path / "list.m3u8")) == {p for p in others if "\n" not in p}
        assert ("a name that a playlist cannot hold" in done.stderr) == ("\n" not in name)


def _parse(text: str, form: str) -> list[dict[str, Any]]:
    if form == "--json":
        rows: list[dict[str, Any]] = json.loads(text)
        return rows
    if form == "--nl":
        return [json.loads(line) for line in text.splitlines()]
    dialect = "excel" if form == "--csv" else "excel-tab"
    return list(csv.DictReader(text.splitlines(keepends=True), dialect=dialect))


def test_unusual_names_are_exported(unusual: Path, tmp_path: Path) -> None:
    with Catalog() as catalog:
        catalog.add_folder(unusual)
        for suffix in (".npz", ".csv", ".parquet"):
            assert catalog.export(tmp_path / f"out{suffix}") == 5
        for name in _NAMES:
            assert catalog.forget(unusual / name) == 1
    expected = {str(unusual / name) for name in _NAMES}
    with np.load(tmp_path / "out.npz") as npz:
        assert set(npz["paths"].tolist()) == expected
    with open(tmp_path / "out.csv", encoding="utf-8", errors="surrogateescape", newline="") as file:
        assert {row["path"] for row in csv.DictReader(file)} == expected
    paths = pyarrow.parquet.read_table(tmp_path / "out.parquet")["path"].to_pylist()
    assert set(paths) == {path.replace("\udce9", "\\xe9") for path in expected}


# Exports


def test_exports_hold_vectors_metadata_and_provenance(shelf: Shelf, tmp_path: Path) -> None:
    with shelf.open() as catalog:
        for suffix in (".npz", ".csv", ".parquet"):
            assert catalog.export(tmp_path / f"out{suffix}") == 8
        tracks = {track["id"]: track for track in catalog.tracks()}
    model = find_model()
    stored = {id: np.frombuffer(blob, "<f4") for id, blob in _rows(shelf.db).values()}
    with np.load(tmp_path / "out.npz", allow_pickle=False) as npz:
        assert set(npz["ids"]) == set(stored)
        for id, path, vector in zip(npz["ids"], npz["paths"], npz["vectors"], strict=True):
            np.testing.assert_array_equal(vector, stored[id])
            assert path == tracks[id]["path"]
        assert set(npz["model_sha256"]) == {model.sha256}
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    parquet = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    for row, other in zip(rows, parquet, strict=True):
        track = tracks[row["id"]]
        assert other["genres"] == (track["genres"] or [])
        assert (other["id"], other["title"], other["year"]) == (
            row["id"],
            track["title"],
            track["year"],
        )
        assert (row["model_id"], row["model_version"]) == (model.id, model.version)
        assert other["model_sha256"] == row["model_sha256"] == model.sha256
        np.testing.assert_array_equal(np.float32(other["vector"]), stored[row["id"]])
        # Written with seven digits.
        np.testing.assert_allclose(json.loads(row["vector"]), stored[row["id"]], atol=6e-8)
    assert not list(tmp_path.glob(".*"))


def test_an_export_that_cannot_be_written_is_told(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    with shelf.open() as catalog:
        for target, why in (
            ("out.xls", "must end in .npz, .parquet, .csv"),
            ("nowhere/out.csv", "cannot be written"),
            ("folder.csv", "cannot be written"),
        ):
            with pytest.raises(CatalogError, match=why):
                catalog.export(tmp_path / target)
    assert not list(tmp_path.glob(".*"))


# Other models


@pytest.fixture
def other_model(tmp_path: Path) -> Path:
    """A tiny model of another dimension: the mean of each mel band."""
    folder = tmp_path / "other"
    shutil.copytree(find_model().folder, folder)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=0)],
        "mean",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 187, 96])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 96])],
    )
    opset = [onnx.helper.make_opsetid("", 13)]
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=opset, ir_version=8), folder / "encoder.onnx"
    )
    config = json.loads((folder / "config.json").read_text())
    del config["sha256"], config["tags"]
    (folder / "config.json").write_text(json.dumps({**config, "id": "other", "dim": 96}))
    return folder


def test_vectors_of_two_models_are_never_compared(shelf: Shelf, other_model: Path) -> None:
    install_model(other_model)
    song, late = shelf / "Dora/Solo.aiff", shelf / "Alba/First Light/01 Dawn.flac"
    with shelf.open() as catalog:
        before, first = catalog.similar(song), _rows(shelf.db)
        with pytest.raises(ModelMismatchError, match="musicu embed --model other --catalog"):
            catalog.similar(song, model="other")
        assert catalog.similar(song, model=DEFAULT_MODEL) == before

        # Some of it: from now on the other model's vectors are those that queries use.
        assert _counts(catalog.add_folder(shelf / "Dora", model="other")) == {"embedded": 2}
        assert [m.path for m in catalog.similar(song)] == [str(shelf / "Dora/Night.wav")]
        assert catalog.info().outdated == 6
        with pytest.raises(ModelMismatchError, match="to embed again what is left: musicu embed"):
            catalog.similar(late)
        with pytest.raises(ModelMismatchError, match="the vector is"):
            catalog.similar(np.ones(256, dtype=np.float32))

        # The rest, without another word: the catalog remembers.
        assert _counts(catalog.add_folder()) == {"unchanged": 2, "embedded": 6}
        matches = catalog.similar(song)
        assert len(matches) == 7 and matches != before
        assert (catalog.info().model, catalog.info().outdated) == ("other@1", 0)
        assert len(catalog.similar(np.ones(96, dtype=np.float32))) == 8
        assert catalog.verify() == []

        # And back: the first model's vectors are still there.
        assert _counts(catalog.add_folder(model=DEFAULT_MODEL)) == {"unchanged": 8}
        assert catalog.similar(song) == before
    assert _rows(shelf.db) == first


def test_a_model_that_was_removed_is_told(shelf: Shelf, other_model: Path, tmp_path: Path) -> None:
    install_model(other_model)
    write(tmp_path / "new.wav", notes(16000, 4.0, seed=77), 16000)
    with shelf.open() as catalog:
        catalog.add_folder(model="other")
        assert len(catalog.similar(tmp_path / "new.wav")) == 8
        shutil.rmtree(tmp_path / "models")
        assert len(catalog.similar(shelf / "Dora/Solo.aiff")) == 7  # needs no model
        for ask in (lambda: catalog.similar(tmp_path / "new.wav"), lambda: catalog.add_folder()):
            with pytest.raises(ModelError, match="other@1, which is not installed.*--model"):
                ask()


# Callers' own threads and commands


def test_a_worker_that_cannot_start_stores_no_failures(shelf: Shelf, tmp_path: Path) -> None:
    with Catalog(tmp_path / "other.db") as catalog:
        with pytest.raises(MusicuError, match="a worker process cannot start"):
            ingest(
                catalog.store,
                [str(shelf.folder)],
                find_model(),
                jobs=2,
                command=["/nowhere/python"],
            )
        assert catalog.problems(kinds=("error",)) == []


def test_a_catalog_made_of_vectors_alone_works(make_store: MakeStore) -> None:
    store, _ = make_store(unit(np.random.default_rng(0).standard_normal((5, 8))))
    with Catalog(store.path) as catalog:
        assert [m.rank for m in catalog.similar(f"{2:032x}")] == [1, 2, 3, 4]
