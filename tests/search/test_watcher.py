import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SECONDS, MakeStore, RunCli, Shelf, add_track, unit
from made_audio import notes, write

from musicu.catalog.store import Store, StoredModel
from musicu.encoders.registry import find_model
from musicu.errors import CatalogError
from musicu.search import watcher as live_module
from musicu.search.snapshot import Snapshot
from musicu.search.watcher import CatalogWatcher

TESTS = Path(__file__).parents[1]

RNG = np.random.default_rng(0)
VECTORS = unit(RNG.standard_normal((700, 16)))


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read all again as soon as anything has changed."""
    monkeypatch.setattr(live_module, "_PAUSE", 0.0)
    monkeypatch.setattr(live_module, "_SHARE", 0)


@pytest.fixture
def follow() -> Iterator[Callable[[Path], CatalogWatcher]]:
    """Return a function that opens a catalog and follows it."""
    followed: list[CatalogWatcher] = []

    def start(path: Path) -> CatalogWatcher:
        live = CatalogWatcher(path, interval=0.02)
        followed.append(live)
        live.start()
        return live

    yield start
    for live in followed:
        live.close()


def _until(true: Callable[[], Any], seconds: float = 300.0) -> None:
    """Wait for something that another thread or process brings about."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.005)


def _other_model(store: Store, sha256: str = "b" * 64, dim: int = 8) -> StoredModel:
    return store.use_model(replace(find_model(), id="other", sha256=sha256, dim=dim))


def _is_whole(snapshot: Snapshot, path: Path) -> None:
    """All parts of a snapshot are of the same tracks, and those are the catalog's."""
    with Store(path, create=False) as store:
        rows = store.db.execute(
            "SELECT l.track, l.id, v.vector FROM library l JOIN vectors v ON v.track = l.track"
            " AND v.model = ? ORDER BY l.track",
            (snapshot.model.row,),
        ).fetchall()
    assert snapshot.tracks.tolist() == [track for track, _, _ in rows]
    assert snapshot.ids == [id for _, id, _ in rows]
    n = len(snapshot)
    assert snapshot.vectors(np.arange(n)).tobytes() == b"".join(vector for *_, vector in rows)
    assert {len(snapshot.cards), len(snapshot.texts), len(snapshot.artists)} == {n}
    assert {len(snapshot.albums), len(snapshot.columns.year)} == {n}
    assert len(snapshot.nearest) + len(snapshot.tail) == n
    assert [snapshot.position(id) for id in snapshot.ids] == list(range(n))


def test_what_does_not_change_is_not_read_again(make_store: MakeStore) -> None:
    store, _ = make_store(VECTORS)
    live = CatalogWatcher(store.path)
    before = live.snapshot
    assert not live.refresh() and not live.refresh()
    assert live.snapshot is before
    assert live.state() == {
        "number": 1,
        "tracks": 700,
        "model": "made@1",
        "next_model": None,
        "stale": False,
        "problem": None,
        "damaged": 0,
    }


def test_tracks_that_are_added_come_as_a_tail_and_older_snapshots_stay(
    make_store: MakeStore,
) -> None:
    store, model = make_store(VECTORS[:300])
    live = CatalogWatcher(store.path)
    first = live.snapshot
    for number in range(300, 320):
        with store.change():
            add_track(store, model, number, VECTORS[number], {"title": f"No {number}"})
        assert live.refresh()
        assert live.snapshot.nearest is first.nearest
        assert live.snapshot.position(f"{number:032x}") == number
        with pytest.raises(CatalogError):
            first.position(f"{number:032x}")
    assert live.snapshot.number > first.number and len(first) == 300 == len(first.columns.year)
    assert b"No 319" in live.snapshot.cards[-1] and "no 319" in live.snapshot.texts[-1]
    _is_whole(live.snapshot, store.path)


def test_a_track_that_another_process_adds_is_found(
    make_store: MakeStore, follow: Callable[[Path], CatalogWatcher]
) -> None:
    """At once, though all is to be read again only in ten seconds."""
    store, _ = make_store(VECTORS[:300])
    live = follow(store.path)
    program = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "import numpy as np\n"
        "from conftest import add_track\n"
        "from musicu.catalog.store import Store\n"
        "store = Store(sys.argv[1], create=False)\n"
        "for number in range(300, 310):\n"
        "    with store.change():\n"
        "        add_track(store, store.current_model(), number, np.eye(16)[number - 300])\n"
        "store.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, store.path, TESTS, TESTS / "helpers"], check=False
    )
    assert done.returncode == 0
    _until(lambda: len(live.snapshot) == 310)
    ((positions, _),) = live.snapshot.search(np.eye(16, dtype=np.float32)[7:8], 1)
    assert live.snapshot.ids[positions[0]] == f"{307:032x}"
    _is_whole(live.snapshot, store.path)


def test_a_folder_that_musicu_embeds_meanwhile_is_found(
    shelf: Shelf, run_cli: RunCli, follow: Callable[[Path], CatalogWatcher]
) -> None:
    live = follow(shelf.db)
    write(shelf / "Dora/New.flac", notes(22050, SECONDS, seed=99), 22050, "flac")
    done = run_cli("embed", shelf.folder, "--catalog", shelf.db)
    assert done.returncode == 0, done.stderr
    _until(lambda: len(live.snapshot) == 9)
    assert len(live.snapshot.tail) == 1
    _is_whole(live.snapshot, shelf.db)


@pytest.mark.usefixtures("eager")
def test_anything_that_changes_is_seen(make_store: MakeStore) -> None:
    store, model = make_store(VECTORS, [{"title": f"No {i}"} for i in range(700)])
    live = CatalogWatcher(store.path)
    changes: list[Callable[[], Any]] = [
        lambda: store.db.execute('UPDATE files SET sheet = \'{"title": "New"}\' WHERE file = 5'),
        lambda: store.db.execute("UPDATE files SET path = '/elsewhere' WHERE file = 6"),
        lambda: store.db.execute("UPDATE tracks SET descriptors = '{\"tempo\": 99.0}'"),
        lambda: store.set_missing(["/music/000300.flac"], missing=True),
        lambda: store.set_missing(["/music/000300.flac"], missing=False),
        lambda: store.put_vector(model, 9, VECTORS[3]),
        lambda: store.drop_files(["/music/000010.flac"]),
        lambda: store.drop_files([f"/music/{i:06}.flac" for i in range(200, 700)]),
        lambda: store.db.execute(
            "INSERT INTO sound_tags (model, track, tags) VALUES (?, 1, '{}')", (model.row,)
        ),
    ]
    for change in changes:
        before = live.snapshot
        with store.change():
            change()
        assert live.refresh() and live.snapshot.number > before.number
        assert not live.refresh()
        _is_whole(live.snapshot, store.path)
    assert b'"New"' in live.snapshot.cards[4] and b"99.0" in live.snapshot.cards[0]
    assert len(live.snapshot) == 199


@pytest.mark.usefixtures("eager")
def test_a_track_that_takes_the_place_of_a_deleted_one_is_another(make_store: MakeStore) -> None:
    """SQLite gives the row numbers of the last track and its vector away again."""
    store, model = make_store(VECTORS[:10])
    live = CatalogWatcher(store.path)
    with store.change():
        store.drop_files(["/music/000009.flac"])
        assert add_track(store, model, 77, VECTORS[77]) == 10
    assert live.refresh()
    assert live.snapshot.ids[9] == f"{77:032x}"
    _is_whole(live.snapshot, store.path)


@pytest.mark.usefixtures("eager")
def test_what_a_filter_asks_for_is_asked_again_after_a_change(make_store: MakeStore) -> None:
    store, _ = make_store(VECTORS[:10])
    live = CatalogWatcher(store.path)
    assert live.snapshot.filter("path LIKE '/music/%'").sum() == 10
    with store.change():
        store.db.execute("UPDATE files SET path = '/elsewhere' WHERE file = 6")
    live.refresh()
    assert live.snapshot.filter("path LIKE '/music/%'").sum() == 9


@pytest.mark.usefixtures("eager")
def test_a_long_tail_becomes_part_of_the_rest(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("snapshot", "watcher"):
        monkeypatch.setattr(f"musicu.search.{module}.LONGEST_TAIL", 5)
    store, model = make_store(VECTORS[:300])
    live = CatalogWatcher(store.path)
    sizes = []
    for number in range(300, 320):
        with store.change():
            add_track(store, model, number, VECTORS[number])
        live.refresh()
        sizes.append(len(live.snapshot.tail))
        _is_whole(live.snapshot, store.path)
    assert sizes == [1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2]


def test_readers_go_on_while_a_writer_writes(
    make_store: MakeStore, follow: Callable[[Path], CatalogWatcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Additions, renewed vectors, lost files and merged tails; every snapshot is of one moment."""
    monkeypatch.setattr(live_module, "_PAUSE", 0.0)
    for module in ("snapshot", "watcher"):
        monkeypatch.setattr(f"musicu.search.{module}.LONGEST_TAIL", 20)
    store, model = make_store(VECTORS[:300])
    live = follow(store.path)
    # A track's vector is its number's, or by its second version that of the number + 350.
    allowed = [{VECTORS[i].tobytes(), VECTORS[(i + 350) % 700].tobytes()} for i in range(700)]
    stop, failures, seen = threading.Event(), [], set()

    def read() -> None:
        numbers = [0]
        while not stop.is_set():
            snapshot = live.snapshot
            numbers.append(snapshot.number)
            n = len(snapshot)
            at = int(np.random.default_rng().integers(n))
            vector = snapshot.vector(at)
            ((positions, _),) = snapshot.search(vector[None], 3)
            if (
                vector.tobytes() not in allowed[int(snapshot.ids[at], 16)]
                or {len(snapshot.ids), len(snapshot.cards), len(snapshot.albums)} != {n}
                or snapshot.position(snapshot.ids[at]) != at
                or snapshot.vector(positions[0]).tobytes() != vector.tobytes()
                or numbers[-1] < numbers[-2]
            ):
                failures.append((snapshot.number, at))
            time.sleep(0.001)
        seen.update(numbers)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(300, 400):
        with store.change():
            add_track(store, model, number, VECTORS[number])
            if number % 7 == 0:
                store.put_vector(model, number - 100, VECTORS[(number - 101 + 350) % 700])
            if number % 10 == 0:
                store.drop_files([f"/music/{number - 290:06}.flac"])
        time.sleep(0.005)
    _until(lambda: len(live.snapshot) == 390)
    stop.set()
    for reader in readers:
        reader.join()
    assert not failures and len(seen) > 2
    _until(lambda: not live._behind(live_module._signature(store.path)))
    _is_whole(live.snapshot, store.path)


@pytest.mark.usefixtures("eager")
def test_another_model_is_served_once_it_has_all_that_the_old_one_has(
    make_store: MakeStore,
) -> None:
    store, old = make_store(VECTORS[:10])
    live = CatalogWatcher(store.path)
    new = _other_model(store)
    for track in range(1, 11):
        assert live.refresh() is False and live.snapshot.model == old
        covered = (track - 1) / 10
        assert live.state()["next_model"] == {"name": "other@1", "covered": covered}
        with store.change():
            store.put_vector(new, track, np.eye(8)[track % 8])
    assert live.refresh() and live.snapshot.model == new
    assert live.state()["next_model"] is None and live.state()["model"] == "other@1"
    assert live.snapshot.vector(2).tolist() == np.eye(8)[3].tolist()
    _is_whole(live.snapshot, store.path)


@pytest.mark.usefixtures("eager")
def test_a_track_that_the_new_model_could_not_embed_does_not_hold_it_up(
    make_store: MakeStore,
) -> None:
    """Ingestion drops such a file's track; one whose files are gone is not waited for, either."""
    store, _ = make_store(VECTORS[:4])
    live = CatalogWatcher(store.path)
    new = _other_model(store)
    with store.change():
        store.put_file("/music/000001.flac", 1, 1, kind="error", reason="broken")
        store.set_missing(["/music/000002.flac"], missing=True)
        for track in (1, 4):
            store.put_vector(new, track, np.eye(8)[track])
    assert live.refresh() and live.snapshot.model == new
    assert live.snapshot.tracks.tolist() == [1, 4]


@pytest.mark.usefixtures("eager")
def test_new_tracks_of_the_old_model_are_found_while_another_embeds(
    make_store: MakeStore,
) -> None:
    store, old = make_store(VECTORS[:4])
    live = CatalogWatcher(store.path)
    new = _other_model(store)
    with store.change():
        store.put_vector(new, 1, np.eye(8)[1])
        add_track(store, old, 4, VECTORS[4])
        add_track(store, new, 5, np.eye(8)[5])
    assert live.refresh()
    assert live.snapshot.model == old and live.snapshot.tracks.tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(("covered", "served"), [(0, "made"), (1, "made"), (2, "other")])
def test_a_start_in_the_middle_serves_the_model_that_covers_more(
    make_store: MakeStore, covered: int, served: str
) -> None:
    store, _ = make_store(VECTORS[:2])
    new = _other_model(store)
    with store.change():
        for track in range(1, covered + 1):
            store.put_vector(new, track, np.eye(8)[track])
    live = CatalogWatcher(store.path)
    assert live.snapshot.model.id == served
    assert (live.state()["next_model"] is None) == (served == "other")


def test_embedding_with_another_model_never_leaves_nothing_to_serve(
    shelf: Shelf,
    run_cli: RunCli,
    follow: Callable[[Path], CatalogWatcher],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_module, "_PAUSE", 0.0)
    monkeypatch.setattr(live_module, "_SHARE", 0)
    live = follow(shelf.db)
    served: list[tuple[str, int]] = []
    live.listeners.append(lambda snapshot: served.append((snapshot.model.id, len(snapshot))))
    done = run_cli("embed", shelf.folder, "--model", "musicu-1", "--catalog", shelf.db)
    assert done.returncode == 0, done.stderr
    _until(lambda: live.snapshot.model.id == "musicu-1")
    assert {n for _, n in served} == {8}
    _is_whole(live.snapshot, shelf.db)


@pytest.mark.usefixtures("eager")
def test_a_catalog_that_is_replaced_is_opened_anew(make_store: MakeStore, tmp_path: Path) -> None:
    """Though nothing but the vectors tells the two apart, and the old one left a journal behind."""
    store, model = make_store(VECTORS[:20])
    live = CatalogWatcher(store.path)
    with store.change():
        add_track(store, model, 20, VECTORS[20])
    assert live.refresh()
    store.close()
    other, _ = make_store(VECTORS[100:121], path=tmp_path / "other.db")
    other.close()
    os.replace(other.path, store.path)
    assert live.refresh()
    np.testing.assert_array_equal(live.snapshot.vectors(np.arange(21)), VECTORS[100:121])
    _is_whole(live.snapshot, store.path)


def test_what_was_not_only_added_is_not_taken_for_that(make_store: MakeStore) -> None:
    """A quick look would show the new track beside one that is gone, or its old vector."""
    store, model = make_store(VECTORS[:300])
    live = CatalogWatcher(store.path)
    before = live.snapshot
    with store.change():
        store.drop_files(["/music/000001.flac"])
        add_track(store, model, 300, VECTORS[300])
    live._look()
    assert live.snapshot is before
    with store.change():
        store.put_vector(model, 5, VECTORS[6])
    live._look()
    assert live.snapshot is before
    assert live.refresh()
    _is_whole(live.snapshot, store.path)


def test_following_a_catalog_keeps_no_file_of_it_open(
    make_store: MakeStore, follow: Callable[[Path], CatalogWatcher]
) -> None:
    store, model = make_store(VECTORS[:20])
    live = follow(store.path)
    with store.change():
        add_track(store, model, 20, VECTORS[20])
    _until(lambda: len(live.snapshot) == 21)
    store.close()
    _until(lambda: not store.path.with_name(f"{store.path.name}-wal").exists())


@pytest.mark.usefixtures("eager")
def test_while_a_catalog_is_gone_or_broken_the_last_snapshot_is_served(
    make_store: MakeStore, follow: Callable[[Path], CatalogWatcher]
) -> None:
    store, _ = make_store(VECTORS[:20])
    store.close()
    kept = store.path.with_name("kept.db")
    shutil.copyfile(store.path, kept)
    live = follow(store.path)
    snapshot = live.snapshot
    away = store.path.with_name("away.db")
    os.rename(store.path, away)
    _until(lambda: live.state()["stale"])
    assert live.snapshot is snapshot and len(snapshot.search(VECTORS[:1], 5)[0][0]) == 5
    assert "no catalog at" in live.state()["problem"]
    os.rename(away, store.path)  # the very same file
    _until(lambda: not live.state()["stale"])
    broken = store.path.with_name("broken.db")
    broken.write_bytes(b"not a catalog" * 1000)
    os.replace(broken, store.path)
    _until(lambda: "not a catalog" in (live.state()["problem"] or ""))
    assert live.snapshot is snapshot
    os.replace(kept, store.path)
    _until(lambda: not live.state()["stale"])
    assert live.snapshot.ids == snapshot.ids


@pytest.mark.usefixtures("eager")
def test_a_vector_that_is_damaged_later_is_told_and_the_rest_served(make_store: MakeStore) -> None:
    store, _ = make_store(VECTORS[:20])
    live = CatalogWatcher(store.path)
    with store.change():
        store.db.execute("UPDATE vectors SET vector = x'00' WHERE track = 3")
        store.db.execute("UPDATE files SET path = '/elsewhere' WHERE file = 3")
    assert live.refresh() and live.snapshot.tracks.tolist() == [1, 2, *range(4, 21)]
    assert live.state()["damaged"] == 1 and not live.state()["stale"]
    with store.change():
        store.drop_files(["/elsewhere"])
    live.refresh()
    assert live.state()["damaged"] == 0
    _is_whole(live.snapshot, store.path)


@pytest.mark.usefixtures("eager")
def test_a_catalog_that_is_emptied_and_filled_again_is_followed(make_store: MakeStore) -> None:
    store, model = make_store(VECTORS[:300])
    live = CatalogWatcher(store.path)
    with store.change():
        store.drop_files([f"/music/{i:06}.flac" for i in range(300)])
    assert live.refresh() and len(live.snapshot) == 0
    with store.change():
        add_track(store, model, 5, VECTORS[5])
    assert live.refresh()
    _is_whole(live.snapshot, store.path)


def test_while_changes_go_on_all_is_read_again_only_now_and_then(
    make_store: MakeStore, follow: Callable[[Path], CatalogWatcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    times = []
    own = CatalogWatcher._renew

    def counted(self: CatalogWatcher, signature: Any) -> None:
        times.append(time.monotonic())
        own(self, signature)

    monkeypatch.setattr(CatalogWatcher, "_renew", counted)
    monkeypatch.setattr(live_module, "_PAUSE", 0.3)
    store, model = make_store(VECTORS[:20])
    live = follow(store.path)
    for number in range(20, 60):
        with store.change():
            add_track(store, model, number, VECTORS[number])
        time.sleep(0.02)
    _until(lambda: not live._behind(live_module._signature(store.path)))
    assert len(live.snapshot) == 60
    assert times and (np.diff(times) >= 0.3).all()


def test_listeners_are_told_of_each_new_snapshot(make_store: MakeStore) -> None:
    store, model = make_store(VECTORS[:20])
    live = CatalogWatcher(store.path)
    told: list[Snapshot] = []
    live.listeners.append(told.append)
    live.refresh()
    assert told == []
    with store.change():
        add_track(store, model, 20, VECTORS[20])
    live.refresh()
    assert told == [live.snapshot]


def test_a_change_right_after_a_look_is_not_overlooked(tmp_path: Path) -> None:
    """A file's time may stand still for two changes; a young one is looked at again."""
    path = tmp_path / "m.db"
    path.write_bytes(b"x")
    assert live_module._settled(live_module._signature(path)) is None
    old = time.time_ns() - 10**9
    os.utime(path, ns=(old, old))
    signature = live_module._signature(path)
    assert live_module._settled(signature) == signature
    assert live_module._settled(()) == ()


def test_it_can_be_stopped_and_started_again(make_store: MakeStore) -> None:
    store, model = make_store(VECTORS[:20])
    with CatalogWatcher(store.path, interval=0.02) as live:
        live.start()
        live.start()
        live.close()
        live.close()
        with store.change():
            add_track(store, model, 20, VECTORS[20])
        live.start()
        _until(lambda: len(live.snapshot) == 21)
    assert not [t for t in threading.enumerate() if t.name == "catalog"]


def test_a_catalog_under_lock_holds_up_nobody_who_reads(make_store: MakeStore) -> None:
    """A writer in the middle of its work: the journal lets others read what was before."""
    store, model = make_store(VECTORS[:20])
    live = CatalogWatcher(store.path)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE files SET path = path || '!'")
    assert not live.refresh() and not live.state()["stale"]
    other.execute("ROLLBACK")
    other.close()
