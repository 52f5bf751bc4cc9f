import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeStore, add_track, unit
from hypothesis import given, settings
from hypothesis import strategies as st

from musicu.catalog.index import Index
from musicu.catalog.store import Store, StoredModel
from musicu.encoders.registry import find_model

RNG = np.random.default_rng(0)
VECTORS = unit(RNG.standard_normal((50, 16)))
# Dot products of 16 float32 products differ by this much between BLAS's ways of adding up.
ATOL = 1e-6


def _matrices(store: Store) -> list[Path]:
    return sorted(store.path.parent.glob(f"{store.path.name}-*.npy*"))


def test_an_index_is_a_mapping_from_row_numbers_to_vectors(make_store: MakeStore) -> None:
    index = Index.open(*make_store(VECTORS))
    assert len(index) == 50
    assert list(index) == list(range(1, 51))
    assert 50 in index and 51 not in index
    np.testing.assert_array_equal(index[7], VECTORS[6])
    with pytest.raises(KeyError):
        index[0]


def test_the_matrix_is_kept_and_mapped_the_next_time(make_store: MakeStore) -> None:
    store, model = make_store(VECTORS)
    Index.open(store, model)
    (file,) = _matrices(store)
    before = file.stat().st_mtime_ns
    index = Index.open(store, model)
    assert isinstance(index.matrix, np.memmap)
    assert [m.stat().st_mtime_ns for m in _matrices(store)] == [before]
    assert not index.matrix.flags.writeable


def test_any_change_of_a_vector_makes_another_matrix_and_removes_the_old(
    make_store: MakeStore,
) -> None:
    store, model = make_store(VECTORS)
    seen = set()
    for change in (
        lambda: None,
        lambda: add_track(store, model, 50, VECTORS[0]),
        lambda: store.put_vector(model, 1, VECTORS[9]),
        lambda: store.put_vector(model, 51, VECTORS[8]),
        lambda: store.drop_files(["/music/000002.flac"]),
    ):
        with store.change():
            change()
        index = Index.open(store, model)
        (file,) = _matrices(store)
        seen.add(file)
        stored = store.db.execute("SELECT track, vector FROM vectors ORDER BY track").fetchall()
        assert index.tracks.tolist() == [track for track, _ in stored]
        assert index.matrix.tobytes() == b"".join(vector for _, vector in stored)
    assert len(seen) == 5
    assert 3 not in index and 51 in index


def test_a_change_that_is_taken_back_changes_no_matrix(make_store: MakeStore) -> None:
    store, model = make_store(VECTORS)
    Index.open(store, model)
    before = _matrices(store)
    with pytest.raises(ZeroDivisionError), store.change():
        store.put_vector(model, 1, VECTORS[9])
        raise ZeroDivisionError
    np.testing.assert_array_equal(Index.open(store, model)[1], VECTORS[0])
    assert _matrices(store) == before


def test_another_catalog_under_the_same_name_is_not_taken_for_the_first(
    make_store: MakeStore, tmp_path: Path
) -> None:
    path = tmp_path / "same.db"
    store, model = make_store(VECTORS, path=path)
    Index.open(store, model)
    store.close()
    others = unit(RNG.standard_normal((50, 16)))
    index = Index.open(*make_store(others, path=path))
    np.testing.assert_array_equal(index.matrix, others)


@pytest.mark.parametrize("damage", ["truncated", "empty", "foreign", "zip", "shape", "dtype"])
def test_a_matrix_file_that_is_not_whole_is_built_again(make_store: MakeStore, damage: str) -> None:
    store, model = make_store(VECTORS)
    Index.open(store, model)
    (file,) = _matrices(store)
    if damage == "truncated":
        os.truncate(file, file.stat().st_size - 100)
    elif damage == "empty":
        os.truncate(file, 0)
    elif damage == "foreign":
        file.write_bytes(b"not a matrix at all" * 100)
    elif damage == "zip":
        with open(file, "wb") as stream:
            np.savez(stream, matrix=VECTORS)
    elif damage == "shape":
        np.save(file, VECTORS[:-1])
    else:
        np.save(file, VECTORS.astype(np.float64))
    np.testing.assert_array_equal(Index.open(store, model).matrix, VECTORS)
    np.testing.assert_array_equal(np.load(file), VECTORS)


def test_only_matrices_of_the_same_catalog_are_removed(
    make_store: MakeStore, tmp_path: Path
) -> None:
    """A name with wildcards must neither miss its own old files nor hit others'."""
    folder = tmp_path / "[a]*"
    folder.mkdir()
    store, model = make_store(VECTORS, path=folder / "m[1]*.db")
    foreign = [folder / "m1.db-aaaaaaaa-0.npy", folder / "m[1]*.db-notes.npy"]
    for file in foreign:
        file.touch()
    for number in range(2):
        with store.change():
            add_track(store, model, 90 + number, VECTORS[0])
        Index.open(store, model)
    assert all(file.exists() for file in foreign)
    assert len([f for f in folder.iterdir() if f.name.startswith("m[1]*.db-aaaaaaaa")]) == 1


def test_where_nothing_can_be_written_the_matrix_is_in_memory(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the disk fills up: the half-written file is removed."""
    store, model = make_store(VECTORS)

    def refuse(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    index = Index.open(store, model)
    np.testing.assert_array_equal(index.matrix, VECTORS)
    assert _matrices(store) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_no_obstacle(make_store: MakeStore, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    store, model = make_store(VECTORS, path=folder / "m.db")
    folder.chmod(0o555)
    try:
        np.testing.assert_array_equal(Index.open(store, model).matrix, VECTORS)
    finally:
        folder.chmod(0o755)


@pytest.mark.parametrize("blob", [b"", b"xyz", VECTORS[0].tobytes() + b"\0" * 4, VECTORS[0]])
def test_a_damaged_vector_is_left_out(make_store: MakeStore, blob: bytes) -> None:
    store, model = make_store(VECTORS)
    damage(store, 3, bytes(blob))
    for _ in range(2):  # built, and mapped
        index = Index.open(store, model)
        assert (len(index), index.damaged, 3 in index) == (49, 1, False)
        ((tracks, _),) = index.search(VECTORS[2:3], 100)
        assert set(tracks.tolist()) == {*range(1, 51)} - {3}
        np.testing.assert_array_equal(index.matrix, np.delete(VECTORS, 2, axis=0))


def test_a_vector_that_an_older_matrix_has_as_it_was_is_taken_from_there(
    make_store: MakeStore,
) -> None:
    store, model = make_store(VECTORS)
    Index.open(store, model)
    damage(store, 3, VECTORS[0].tobytes())
    index = Index.open(store, model)
    assert (len(index), index.damaged) == (50, 0)
    np.testing.assert_array_equal(index.matrix, VECTORS)
    assert len(_matrices(store)) == 1


def test_a_lost_vector_keeps_old_matrices(make_store: MakeStore) -> None:
    """What nothing else has is nothing to remove."""
    store, model = make_store(VECTORS)
    Index.open(store, model)
    (old,) = _matrices(store)
    damage(store, 3, b"")
    store.db.execute("UPDATE vectors SET checksum = 1 WHERE track = 3")
    assert Index.open(store, model).damaged == 1
    assert old in _matrices(store)


@given(bit=st.integers(0, 8 * (128 + 50 * 64 + 50 * 8 + 16) - 1))
@settings(max_examples=60, deadline=None)
def test_no_flipped_bit_of_the_matrix_file_is_believed(
    bit: int, kept: tuple[Store, StoredModel]
) -> None:
    store, model = kept
    Index.open(store, model)
    (file,) = _matrices(store)
    content = bytearray(file.read_bytes())
    assert len(content) == 128 + 50 * 64 + 50 * 8 + 16
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)
    index = Index.open(store, model)
    np.testing.assert_array_equal(index.matrix, VECTORS)
    assert list(index) == list(range(1, 51))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, StoredModel]]:
    """A catalog with a vector a track."""
    with Store(tmp_path_factory.mktemp("kept") / "m.db", create=True) as store:
        model = store.use_model(replace(find_model(), id="made", dim=16))
        with store.change():
            for number, vector in enumerate(VECTORS):
                add_track(store, model, number, vector)
        yield store, model


def damage(store: Store, track: int, vector: bytes) -> None:
    """Put other bytes in the place of a vector, past what looks after it."""
    with store.change():
        store.db.execute("UPDATE vectors SET vector = ? WHERE track = ?", (vector, track))


def test_a_model_without_vectors_has_an_empty_index(make_store: MakeStore) -> None:
    store, model = make_store(np.empty((0, 16), dtype=np.float32))
    index = Index.open(store, model)
    assert len(index) == 0
    ((tracks, cosines),) = index.search(VECTORS[:1], 9)
    assert len(tracks) == len(cosines) == 0


def test_only_those_asked_for_are_found(make_store: MakeStore) -> None:
    index = Index.open(*make_store(VECTORS))
    among = np.array([3, 5, 8, 999])
    for tracks, _ in index.search(VECTORS[[4, 4]], 9, among=among):
        assert set(tracks.tolist()) == {3, 5, 8}
        assert tracks[0] == 5
    ((tracks, _),) = index.search(VECTORS[4:5], 9, among=np.array([], dtype=np.int64))
    assert not len(tracks)


def test_all_tracks_can_be_found() -> None:
    """All cosines are different."""
    n = 12_000
    angles = RNG.permutation(np.linspace(0, 3, n))
    matrix = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    index = Index(np.arange(n), matrix)
    ((ranked, scores),) = index.search(np.array([[1, 0]], dtype=np.float32), n)
    assert sorted(ranked.tolist()) == list(range(n))
    assert (np.diff(scores) <= 0).all()
    np.testing.assert_allclose(scores, np.sort(np.cos(angles))[::-1], atol=ATOL)


@settings(max_examples=50)
@given(
    st.integers(1, 40),
    st.integers(1, 8),
    st.integers(0, 2**32 - 1),
)
def test_the_ranking_is_that_of_brute_force(n: int, dim: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = unit(rng.standard_normal((n, dim)) + 1e-9)
    tracks = np.sort(rng.choice(1000, n, replace=False))
    query = unit(rng.standard_normal(dim) + 1e-9)
    ((found, scores),) = Index(tracks, matrix).search(query[None], n + 1)
    exact = dict(zip(tracks.tolist(), matrix.astype(np.float64) @ query, strict=True))
    assert sorted(found.tolist()) == tracks.tolist()
    np.testing.assert_allclose(scores, [exact[track] for track in found.tolist()], atol=ATOL)
    np.testing.assert_allclose(scores, sorted(exact.values())[::-1], atol=ATOL)


def test_equal_vectors_come_by_row_number() -> None:
    matrix = np.tile(unit(np.ones(4)), (100, 1))
    ((tracks, _),) = Index(np.arange(100) * 3, matrix).search(matrix[:1], 100)
    assert tracks.tolist() == [3 * i for i in range(100)]
