"""Rows of a catalog, read in one statement, and looked up by what a user names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeStore, Shelf, add_track, unit

from musicu.catalog.index import Index
from musicu.catalog.lookup import find_by_id, find_stored_file, find_track
from musicu.catalog.similar import rank
from musicu.catalog.store import Store
from musicu.catalog.tracks import (
    find_columns,
    read_columns,
    read_files,
    read_tracks,
    read_values,
    read_vectors,
    stored_items,
)
from musicu.errors import CatalogError

VECTORS = unit(np.random.default_rng(5).standard_normal((60, 8)))
TAGS = [{"title": f"Song {i}", "artists": [f"Artist {i // 3}"], "year": 1990} for i in range(60)]
IDS = [f"{i:032x}" for i in range(60)]


def _statements(store: Store, work: Callable[[], object]) -> int:
    """How many statements read tracks in some work."""
    seen: list[str] = []
    store.db.set_trace_callback(seen.append)
    work()
    store.db.set_trace_callback(None)
    return sum("library l" in statement for statement in seen)


def test_a_batch_is_one_statement(make_store: MakeStore) -> None:
    store, model = make_store(VECTORS, TAGS)
    index = Index.open(store, model)
    rows = index.tracks.tolist()
    assert _statements(store, lambda: [*read_tracks(store, rows)]) == 1
    assert _statements(store, lambda: stored_items(store, rows, VECTORS)) == 1
    assert _statements(store, lambda: find_columns(store, IDS)) == 1
    assert _statements(store, lambda: rank(store, index, VECTORS[0], 20)) == 1


def test_tracks_come_by_path_by_row_and_by_id(make_store: MakeStore) -> None:
    store, model = make_store(VECTORS[:5], TAGS[:5])
    paths = [path for (path,) in read_values(store, ["path"])]
    assert paths == sorted(paths) and len(paths) == 5
    rows = dict(read_values(store, ("id", "track"), ids=[IDS[3], "no such id", IDS[1]]))
    assert rows.keys() == {IDS[1], IDS[3]}
    (track,) = read_tracks(store, [rows[IDS[3]]])
    assert (track.id, track.metadata.title, track.metadata.year) == (IDS[3], "Song 3", 1990)
    assert track.item.descriptors["duration"] == track.seconds
    (columns,) = read_columns(store, rows=[track.row])
    assert columns["artists"] == ["Artist 1"] and columns["path"] == track.path
    assert "track" not in columns
    twice = find_columns(store, [IDS[2], IDS[0], IDS[2]])
    assert [one["id"] for one in twice] == [IDS[2], IDS[0], IDS[2]]
    assert {one["size"] for one in twice} == {1}


def test_a_track_that_lies_nowhere_is_not_read(make_store: MakeStore) -> None:
    store, _ = make_store(VECTORS[:3], TAGS[:3])
    rows = dict(read_values(store, ("id", "track")))
    with store.change():
        store.set_missing(["/music/000001.flac"], missing=True)
    assert [track.id for track in read_tracks(store)] == [IDS[0], IDS[2]]
    with pytest.raises(CatalogError, match=f"no track '{IDS[1]}', or its file is gone"):
        find_columns(store, [IDS[0], IDS[1]])
    items = stored_items(store, [rows[IDS[2]], rows[IDS[1]]], VECTORS[:2])
    assert items.ids == (IDS[2], f"track {rows[IDS[1]]}")
    np.testing.assert_array_equal(items.audio, VECTORS[:2])
    assert [id for _, id in read_files(store)] == [IDS[0], IDS[2]]
    assert [id for _, id in read_files(store, missing=True)] == [IDS[0], IDS[2], IDS[1]]
    assert [*read_files(store, rows[IDS[1]])] == []


def test_a_damaged_vector_is_told_from_one_that_is_not_there(make_store: MakeStore) -> None:
    store, model = make_store(VECTORS[:3])
    one, two, three = (row for (row,) in read_values(store, ["track"]))
    with store.change():
        store.db.execute("UPDATE vectors SET vector = x'00' WHERE track = ?", (two,))
        store.db.execute("DELETE FROM vectors WHERE track = ?", (three,))
    found = read_vectors(store, model, [one, two, three])
    assert found.keys() == {one, two} and found[two] is None
    np.testing.assert_array_equal(found[one], VECTORS[0])


def test_a_track_is_found_by_path_id_beginning_and_earlier_id(shelf: Shelf) -> None:
    with Store(shelf.db, create=False) as store:
        path, id = next(read_files(store))
        found = find_track(store, path)
        assert found is not None and found.id == id
        assert find_track(store, os.path.relpath(path)) == found
        for name in (id, id.upper(), id[:8]):
            assert find_by_id(store, name).id == id
        with store.change():
            store.db.execute("INSERT INTO aliases (id, track) VALUES (?, ?)", ("e" * 32, found.row))
        assert find_by_id(store, "e" * 32).id == find_by_id(store, "eeeeee").id == id
        for unknown in (id[:5], "f" * 32, "é" * 32, "no\0name"):
            with pytest.raises(CatalogError, match="neither a file nor a stored track"):
                find_track(store, unknown)


def test_a_beginning_of_two_ids_names_neither(make_store: MakeStore) -> None:
    store, _ = make_store(VECTORS[:2])
    with pytest.raises(CatalogError, match="more than one track's id begins so"):
        find_track(store, "000000")


def test_a_file_that_has_changed_is_another_one(make_store: MakeStore, tmp_path: Path) -> None:
    store, model = make_store(VECTORS[:1])
    song = tmp_path / "song.flac"
    song.write_bytes(b"music")
    info = song.stat()
    with store.change():
        track = add_track(store, model, 7, VECTORS[1])
        store.put_file(str(song), info.st_size, info.st_mtime_ns, kind="audio", track=track)
    found = find_stored_file(store, song)
    assert found is not None and found.row == track
    song.write_bytes(b"other music")
    assert find_stored_file(store, song) is None
    assert find_track(store, song) is None
    song.unlink()  # what is not there has not changed
    assert find_track(store, song) == found
