import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import PROGRAM, MakeStore, Shelf

from musicu.catalog.catalog import Catalog
from musicu.catalog.file_changes import compare_files
from musicu.catalog.ingest_summary import Summary
from musicu.catalog.scan import FoundFile
from musicu.catalog.tracks import read_columns
from musicu.catalog.watch import Settling, watch_folders
from musicu.errors import CatalogError

_TIMEOUT = 25.0


def _until(true: Callable[[], object]) -> None:
    end = time.monotonic() + _TIMEOUT
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def list_of(db: Path) -> set[str]:
    """The catalog's tracks, each by one of its files."""
    with Catalog(db) as catalog:
        return {str(row["path"]) for row in read_columns(catalog.store)}


def test_a_file_has_settled_when_size_and_time_have_stayed_for_long_enough() -> None:
    now = 100.0
    settling = Settling(5.0, lambda: now)
    grown = [FoundFile("a.flac", size, 1, None) for size in (10, 20)]
    assert not settling(grown[0])
    now = 104.0
    assert not settling(grown[0])
    assert not settling(grown[1])  # it went on growing
    now = 108.9
    assert not settling(grown[1])
    now = 109.0
    assert settling(grown[1])
    assert not settling(grown[1])  # what is asked for again has changed again


def test_what_nobody_asked_for_is_forgotten_and_what_waits_is_not() -> None:
    now = 0.0
    settling = Settling(5.0, lambda: now)
    waiting = FoundFile("a.flac", 1, 1, None)
    settling(FoundFile("cover.jpg", 1, 1, None))
    now = 6.0
    settling(waiting)
    settling.forget(now)
    now = 11.0
    assert settling(waiting)
    assert not settling(FoundFile("cover.jpg", 1, 1, None))


def test_nothing_and_what_is_not_there_cannot_be_watched(tmp_path: Path, shelf: Shelf) -> None:
    with pytest.raises(CatalogError, match="no such file or folder"):
        watch_folders(shelf.db, [tmp_path / "nowhere"], poll=1.0)
    with shelf.open() as catalog, catalog.store.change():
        catalog.store.db.execute("DELETE FROM roots")
    with pytest.raises(CatalogError, match="no folder was added yet"):
        watch_folders(shelf.db, poll=1.0)


@pytest.mark.parametrize("poll", [None, 0.2])
def test_what_comes_grows_and_goes_is_followed(shelf: Shelf, poll: float | None) -> None:
    """A file that is still being written is left alone, and the catalog may lie among the music."""
    if poll is None:
        pytest.importorskip("watchfiles", reason="the extra `watch` is not installed")
    db = shelf.db.rename(shelf / "music.db")
    stop, told = threading.Event(), list[Summary]()
    thread = threading.Thread(
        target=watch_folders,
        args=(db, [shelf.folder]),
        kwargs={"settle": 0.6, "poll": poll, "stop": stop, "report": told.append, "jobs": 1},
    )
    thread.start()
    try:
        whole = (shelf / "Dora/Solo.aiff").read_bytes()
        growing = shelf / "Dora/New.aiff"
        with open(growing, "wb") as file:
            for part in range(4):
                file.write(whole[part * len(whole) // 4 : (part + 1) * len(whole) // 4])
                file.flush()
                time.sleep(0.3)
        _until(lambda: sum(one.recognized for one in told) == 1)
        os.rename(shelf / "Carla", shelf / "Carlotta")
        _until(lambda: sum(one.recognized for one in told) == 3)
        shutil.rmtree(shelf / "Bruno")
        _until(lambda: len(list_of(db)) == 6)
    finally:
        stop.set()
        thread.join(_TIMEOUT)
    assert not thread.is_alive()
    assert {one.failed for one in told} == {0}
    assert str(shelf / "Carlotta/Tide/02 Flow.flac") in list_of(db)


def test_sigterm_ends_it_cleanly(shelf: Shelf) -> None:
    process = subprocess.Popen(
        [PROGRAM, "watch", shelf.folder, "--catalog", shelf.db]
        + ["--poll", "0.2", "--settle", "0.2", "-j", "1"],
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr
    shutil.copy(shelf / "Dora/Night.wav", shelf / "Copy.wav")
    line = process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, rest = process.communicate(timeout=_TIMEOUT)
    assert (process.returncode, rest) == (0, "")
    assert "1 recognized" in line, line


def test_what_failed_for_a_passing_cause_is_tried_again_if_that_is_asked_for(
    tmp_path: Path, make_store: MakeStore
) -> None:
    store, _ = make_store(np.eye(2, dtype=np.float32))
    song = tmp_path / "music/slow.flac"
    song.parent.mkdir()
    song.write_bytes(b"x")
    info = song.stat()
    store.put_file(
        str(song), info.st_size, info.st_mtime_ns, kind="error", reason="slow", cause="time"
    )
    roots = [str(song.parent)]
    for again in (True, False):
        changes = compare_files(
            store, store.files(), roots, set(), force=False, retry=False, again=again
        )
        assert (len(changes.todo), changes.failed) == (again, not again)
    new = song.with_name("new.flac")
    new.write_bytes(b"y")
    changes = compare_files(
        store, store.files(), roots, set(), force=False, retry=False, settled=lambda _: False
    )
    assert changes.unsettled == 1
    assert [found.path for found in changes.todo] == [str(song)]
