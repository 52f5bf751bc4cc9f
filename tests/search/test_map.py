"""The map: groups stay together, nothing leaves the square, later tracks find their places."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MakeStore, add_track, unit
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from musicu.catalog.catalog import Catalog
from musicu.errors import CatalogError, MissingExtraError
from musicu.search import map_layout as layout
from musicu.search.map import Atlas, atlas_path, compute_atlas, map_json
from musicu.search.map_layout import fit_square, project, settle
from musicu.search.snapshot import Snapshot
from musicu.search.watcher import CatalogWatcher

Array = NDArray[np.float32]
Stop = type("Stop", (Exception,), {})

DRAW = [sys.executable, "-W", "error", "-P", "-m", "musicu.search.map"]


def _groups(n: int, groups: int = 6, *, dim: int = 32, seed: int = 0) -> tuple[Array, Any]:
    """Unit vectors around some centers, and which each is of."""
    rng = np.random.default_rng(seed)
    of = np.arange(n) % groups
    centers = np.random.default_rng(99).standard_normal((groups, dim))
    return unit(centers[of] + 0.4 * rng.standard_normal((n, dim))), of


def _purity(positions: Array, of: Any, rows: Any = slice(None), k: int = 10) -> float:
    """Share of the k nearest on the map that are of the own group."""
    apart = np.linalg.norm(positions[rows, None] - positions[None], axis=2)
    near = np.argsort(apart, axis=1, kind="stable")[:, 1 : k + 1]
    return float((of[near] == of[rows][:, None]).mean())


# Laying out


def test_what_belongs_together_lies_together() -> None:
    matrix, of = _groups(240)
    positions = project(matrix)
    assert positions.shape == (240, 2) and positions.dtype == np.float32
    assert np.abs(positions).max() <= 1
    assert _purity(positions, of) > 0.98


def test_the_same_vectors_give_the_same_map() -> None:
    matrix, _ = _groups(60)
    first = project(matrix)
    np.testing.assert_array_equal(first, project(matrix.copy()))
    assert not np.array_equal(first, project(matrix, seed=1))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 16, 17])
@pytest.mark.parametrize("dim", [1, 2, 32])
def test_few_vectors_have_a_map_too(n: int, dim: int) -> None:
    positions = project(unit(np.random.default_rng(0).standard_normal((n, dim))))
    assert positions.shape == (n, 2) and np.isfinite(positions).all()
    assert np.abs(positions).max(initial=0) <= 1
    if dim > 2 and n > 1:
        assert len(np.unique(positions, axis=0)) == n
        assert np.abs(positions).max() > 0.5


@pytest.mark.parametrize("n", [1, 4, 40])
def test_copies_share_a_place_and_harm_nobody(n: int) -> None:
    same = np.tile(unit(np.ones((1, 32))), (n, 1))
    assert np.isfinite(project(same)).all()
    matrix, of = _groups(120)
    positions = project(np.concatenate([matrix, np.tile(matrix[:1], (n, 1))]))
    assert np.isfinite(positions).all()
    assert _purity(positions, np.concatenate([of, np.zeros(n, dtype=int)])) > 0.95


def test_few_copies_lie_in_one_point() -> None:
    assert not project(np.tile(unit(np.ones((1, 32))), (5, 1))).any()


def test_opposites_have_a_place() -> None:
    one = unit(np.random.default_rng(0).standard_normal((1, 32)))
    assert np.isfinite(project(np.concatenate([np.tile(one, (30, 1)), -one]))).all()


def test_it_says_how_far_it_is() -> None:
    told: list[tuple[str, int, int]] = []
    project(_groups(40)[0], progress=lambda *step: told.append(step))
    messages = list(dict.fromkeys(message for message, _, _ in told))
    assert messages == ["finding neighbors", "laying out the map"]
    assert all(0 <= done <= total for _, done, total in told)
    done = [done for message, done, _ in told if message == messages[1]]
    assert done == sorted(done) and told[-1][1] == told[-1][2] > 0


def test_of_very_many_some_are_laid_out_and_the_others_placed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(layout, "_MOST", 90)
    matrix, of = _groups(300)
    told: set[str] = set()
    positions = project(matrix, progress=lambda message, *_: told.add(message))
    assert "placing the others" in told
    assert np.abs(positions).max() <= 1
    assert _purity(positions, of) > 0.98


def test_without_umap_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"umap-learn.*\.\[serve\]"):
        project(_groups(17)[0])
    assert len(project(_groups(16)[0])) == 16


# The square

POINTS = arrays(
    np.float64, st.tuples(st.integers(0, 40), st.just(2)), elements=st.floats(-1e3, 1e3)
)


@given(points=POINTS)
def test_nothing_leaves_the_square(points: NDArray[np.float64]) -> None:
    fitted = fit_square(points.astype(np.float32))
    assert fitted.shape == points.shape and fitted.dtype == np.float32
    assert np.isfinite(fitted).all() and np.abs(fitted).max(initial=0) <= 1


@pytest.mark.parametrize("n", [10, 50, 1000])
@pytest.mark.parametrize("far", [5.0, 100.0, 1e6])
def test_an_outlier_leaves_room_for_the_rest(n: int, far: float) -> None:
    rest = np.random.default_rng(n).uniform(-1, 1, (n, 2))
    fitted = fit_square(np.concatenate([rest, [[far, 0.3 * far]]]).astype(np.float32))
    assert np.ptp(fitted[:-1], axis=0).max() > 1.5
    assert 0.9 < fitted[-1, 0] <= 1


def test_the_middle_keeps_its_proportions() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (400, 2)) * [3, 1]
    fitted = fit_square(points.astype(np.float32))
    assert np.abs(fitted[:, 0]).max() > 0.9 > 0.4 > np.abs(fitted[:, 1]).max()
    inside = np.abs(fitted).max(axis=1) < 0.9
    assert inside.mean() > 0.95
    # One shift, one scale.
    scale = np.polyfit(points[inside, 0], fitted[inside, 0], 1)[0]
    moved = fitted[inside] - scale * points[inside]
    np.testing.assert_allclose(moved, np.tile(moved[0], (len(moved), 1)), atol=1e-5)


def test_what_is_farther_out_stays_farther_out() -> None:
    crowd = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    ray = np.array([[1.2, 0.6], [1.6, 0.8], [2.4, 1.2]])
    fitted = fit_square(np.concatenate([crowd, ray]).astype(np.float32))[-3:]
    assert np.all(np.diff(fitted[:, 0]) > 0) and np.all(np.diff(fitted[:, 1]) > 0)


def test_shift_and_scale_of_a_picture_do_not_matter() -> None:
    points = np.random.default_rng(0).standard_normal((100, 2))
    one, other = (fit_square(p.astype(np.float32)) for p in (points, 7 * points + 3))
    np.testing.assert_allclose(one, other, atol=1e-5)


# Places for what comes later

NEAR = arrays(np.float64, (3, 7, 2), elements=st.floats(-1, 1))
FAR = arrays(np.float64, (3, 7), elements=st.floats(0, 2))


@given(positions=NEAR, distances=FAR)
def test_a_place_lies_between_those_of_the_neighbors(
    positions: NDArray[np.float64], distances: NDArray[np.float64]
) -> None:
    placed = settle(positions.astype(np.float32), distances)
    assert np.all(placed >= positions.min(axis=1) - 1e-5)
    assert np.all(placed <= positions.max(axis=1) + 1e-5)


def test_a_copy_lies_where_the_original_does() -> None:
    rng = np.random.default_rng(0)
    positions = rng.uniform(-1, 1, (1, 15, 2)).astype(np.float32)
    distances = rng.uniform(0.1, 0.5, (1, 15))
    distances[0, 4] = 0.0
    np.testing.assert_allclose(settle(positions, distances), positions[:, 4], atol=1e-6)


def test_no_place_is_in_the_void_between_two_groups() -> None:
    left, right = [[-0.8, 0.1]] * 8, [[0.8, 0.1]] * 7
    ((x, y),) = settle(np.array([left + right], dtype=np.float32), np.full((1, 15), 0.3))
    assert (x, y) == pytest.approx((-0.8, 0.1), abs=1e-6)


# The atlas of a catalog


def _snapshot(path: Path) -> Snapshot:
    return CatalogWatcher(path).snapshot


def test_a_map_is_kept_beside_the_catalog(make_store: MakeStore) -> None:
    store, model = make_store(_groups(12)[0])
    file = compute_atlas(store.path)
    assert file == atlas_path(store.path, model)
    assert file.name == f"{store.path.name}-aaaaaaaa-map.npz"
    assert sorted(p.name for p in file.parent.glob("*map*")) == [file.name]
    atlas, snapshot = Atlas.load(store.path, model), _snapshot(store.path)
    assert atlas is not None and len(atlas) == 12 and not atlas.stale(snapshot)
    np.testing.assert_array_equal(atlas.positions(snapshot), project(_groups(12)[0]))


def test_only_tracks_that_lie_somewhere_are_on_the_map(make_store: MakeStore) -> None:
    store, model = make_store(_groups(12)[0])
    store.set_missing(["/music/000003.flac"], missing=True)
    compute_atlas(store.path)
    atlas = Atlas.load(store.path, model)
    assert atlas is not None and len(atlas) == 11
    np.testing.assert_array_equal(
        atlas.positions(_snapshot(store.path)), project(np.delete(_groups(12)[0], 3, axis=0))
    )


def test_positions_go_by_identity_not_by_order(make_store: MakeStore) -> None:
    store, model = make_store(_groups(9)[0])
    snapshot = _snapshot(store.path)
    places = np.random.default_rng(0).uniform(-1, 1, (9, 2)).astype(np.float32)
    mixed = np.random.default_rng(1).permutation(9)
    Atlas([snapshot.ids[i] for i in mixed], places[mixed]).save(store.path, model)
    atlas = Atlas.load(store.path, model)
    assert atlas is not None
    np.testing.assert_array_equal(atlas.positions(snapshot), places)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 no archive", "half", "without ids", "an object", "another shape"]
)
def test_a_damaged_map_is_none(make_store: MakeStore, content: bytes | str) -> None:
    store, model = make_store(_groups(5)[0])
    assert Atlas.load(store.path, model) is None
    file = compute_atlas(store.path)
    ids, flat = np.array([b"a", b"b"]), np.zeros((3, 2), dtype=np.float32)
    if content == "half":
        content = file.read_bytes()[: file.stat().st_size // 2]
    elif content == "without ids":
        np.savez(file, positions=flat)
    elif content == "an object":
        np.savez(file, ids=ids.astype(object), positions=flat)
    elif content == "another shape":
        np.savez(file, ids=ids, positions=flat)
    if isinstance(content, bytes):
        file.write_bytes(content)
    assert Atlas.load(store.path, model) is None


def test_tracks_that_come_later_find_their_group(make_store: MakeStore) -> None:
    matrix, of = _groups(150)
    store, model = make_store(matrix[:120])
    compute_atlas(store.path)
    atlas = Atlas.load(store.path, model)
    assert atlas is not None
    live = CatalogWatcher(store.path)
    before = atlas.positions(live.snapshot)
    with store.change():
        for number in range(120, 135):
            add_track(store, model, number, matrix[number])
    assert live.refresh()
    first = atlas.positions(live.snapshot)
    assert _purity(first, of[:135], np.arange(120, 135)) > 0.95
    with store.change():
        for number in range(135, 150):
            add_track(store, model, number, matrix[number])
    assert live.refresh()
    second = atlas.positions(live.snapshot)
    assert _purity(second, of, np.arange(135, 150)) > 0.95
    # Nothing moves because something else came.
    np.testing.assert_array_equal(first[:120], before)
    np.testing.assert_array_equal(second[:135], first)


def test_a_map_is_stale_when_more_than_a_fifth_came_later(make_store: MakeStore) -> None:
    store, _ = make_store(_groups(50)[0])
    snapshot = _snapshot(store.path)
    places = np.zeros((50, 2), dtype=np.float32)
    assert not Atlas(snapshot.ids[:40], places[:40]).stale(snapshot)
    assert Atlas(snapshot.ids[:39], places[:39]).stale(snapshot)
    assert Atlas([], places[:0]).stale(snapshot)
    np.testing.assert_array_equal(Atlas([], places[:0]).positions(snapshot), places)


def test_new_music_is_placed_among_its_like(make_store: MakeStore) -> None:
    matrix, of = _groups(120)
    store, model = make_store(matrix)
    compute_atlas(store.path)
    atlas, snapshot = Atlas.load(store.path, model), _snapshot(store.path)
    assert atlas is not None
    places = atlas.positions(snapshot)
    for vector, group in zip(*_groups(12, seed=5), strict=True):
        place = np.array(atlas.place(vector, snapshot))
        nearest = np.linalg.norm(places - place, axis=1).argsort()[:5]
        assert (of[nearest] == group).all()
    # What is known already lies where it does.
    assert atlas.place(matrix[7], snapshot) == pytest.approx(places[7].tolist(), abs=1e-4)


# Drawing in a process of its own


# With few tracks it is the same process without UMAP, which takes its time to begin.
@pytest.mark.parametrize("n", [12, pytest.param(40, marks=pytest.mark.slow)])
def test_a_process_draws_the_map_and_says_how_far_it_is(make_store: MakeStore, n: int) -> None:
    matrix, _ = _groups(n)
    store, model = make_store(matrix)
    done = subprocess.run([*DRAW, store.path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(step.keys() == {"message", "done", "total"} for step in told)
    assert told[0]["message"] == "reading the catalog"
    atlas = Atlas.load(store.path, model)
    assert atlas is not None
    np.testing.assert_array_equal(atlas.positions(_snapshot(store.path)), project(matrix))


def test_a_map_can_be_of_a_model_that_is_not_the_last(make_store: MakeStore) -> None:
    store, model = make_store(_groups(8)[0])
    store.db.execute(
        "INSERT INTO models (model, id, version, sha256, dim) VALUES (9, 'next', '1', ?, 32)",
        ("b" * 64,),
    )
    store.db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES ('model', 9)")
    done = subprocess.run([*DRAW, store.path, model.sha256], capture_output=True, check=False)
    assert done.returncode == 0
    assert Atlas.load(store.path, model) is not None


def test_what_cannot_be_drawn_is_one_line(tmp_path: Path, make_store: MakeStore) -> None:
    store, _ = make_store(_groups(8)[0])
    for arguments, reason in (
        ([tmp_path / "none.db"], "no catalog at"),
        ([store.path, "f" * 64], "nothing is embedded"),
        ([], "usage:"),
    ):
        done = subprocess.run([*DRAW, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and not list(tmp_path.glob("*.tmp"))
        assert reason in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_process_that_is_ended_leaves_the_old_map(make_store: MakeStore) -> None:
    store, model = make_store(_groups(60)[0])
    Atlas(["0" * 32], np.zeros((1, 2), dtype=np.float32)).save(store.path, model)
    with subprocess.Popen(
        [*DRAW, store.path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.terminate()
        assert process.wait() == 128 + signal.SIGTERM
        assert process.stderr.read() == ""
    atlas = Atlas.load(store.path, model)
    assert atlas is not None and len(atlas) == 1
    assert not list(store.path.parent.glob("*.tmp"))


def test_a_map_that_is_given_up_leaves_nothing(make_store: MakeStore) -> None:
    store, model = make_store(_groups(40)[0])

    def stop(message: str, done: int, total: int) -> None:
        if done:
            raise Stop

    with pytest.raises(Stop):
        compute_atlas(store.path, progress=stop)
    assert not list(store.path.parent.glob("*map*"))
    assert Atlas.load(store.path, model) is None


def test_a_map_that_cannot_be_written_is_one_line(make_store: MakeStore) -> None:
    store, model = make_store(_groups(5)[0])
    atlas_path(store.path, model).mkdir()
    with pytest.raises(CatalogError, match="the map cannot be written"):
        compute_atlas(store.path)
    assert not list(store.path.parent.glob("*.tmp"))


# As JSON


def test_a_map_is_written_column_by_column(make_store: MakeStore) -> None:
    tags: list[dict[str, Any]] = [
        {"title": "a", "year": 1991, "genres": ["Jazz"]},
        {"title": "b", "genres": ["Rock", "Jazz"]},
        {"title": "c", "year": 2005},
    ]
    store, _ = make_store(_groups(3)[0], tags)
    described = {"tempo": 120.04, "loudness": -9.876, "key": "A minor"}
    store.db.execute("UPDATE tracks SET descriptors = ? WHERE track = 2", (json.dumps(described),))
    snapshot = _snapshot(store.path)
    places = np.array([[-1, 0.1], [0.33333, 1], [0, -0.00001]], dtype=np.float32)
    drawn = json.loads(map_json(snapshot, places))
    assert list(drawn) == ["number", "ids", "x", "y", "columns"]
    assert (drawn["number"], drawn["ids"]) == (snapshot.number, snapshot.ids)
    assert drawn["x"] == [-1, 0.3333, 0] and drawn["y"] == [0.1, 1, 0]
    columns = drawn["columns"]
    assert columns["year"] == [1991, None, 2005]
    assert columns["tempo"] == [None, 120.0, None] and columns["loudness"] == [None, -9.9, None]
    assert "energy" not in columns  # brightness and onset rate are unknown
    genre = columns["genre"]
    assert [genre["names"][c] if c >= 0 else None for c in genre["codes"]] == ["Jazz", "Rock", None]
    assert columns["key"] == {"names": ["A minor"], "codes": [-1, 0, -1]}


def test_a_map_of_nothing_known_has_no_columns(make_store: MakeStore) -> None:
    store, _ = make_store(_groups(3)[0])
    drawn = map_json(_snapshot(store.path), np.zeros((3, 2), dtype=np.float32))
    assert json.loads(drawn)["columns"] == {} and b"NaN" not in drawn


# Real music


@pytest.mark.data
@pytest.mark.slow
def test_rap_and_jazz_lie_apart(tmp_path: Path) -> None:
    data = os.environ.get("MUSICU_DATA")
    if not data:
        pytest.skip("MUSICU_DATA is not set")
    folder = Path(data) / "taffc"
    lines = (folder / "manifest.csv").read_text(encoding="utf-8").splitlines()[1:]
    rap, jazz = (
        [line.split(",")[1] for line in lines if f",{g}," in line] for g in ("Rap", "Jazz")
    )
    chosen = rap[:40] + jazz[:40]
    with Catalog(tmp_path / "music.db") as catalog:
        catalog.add_folder(*(folder / name for name in chosen), jobs=2)
    compute_atlas(tmp_path / "music.db")
    snapshot = _snapshot(tmp_path / "music.db")
    atlas = Atlas.load(tmp_path / "music.db", snapshot.model)
    assert atlas is not None
    with Catalog(tmp_path / "music.db") as catalog:
        names = {track["id"]: Path(track["path"]).name for track in catalog.tracks()}
    of = np.array([f"audio/{names[id]}" in rap for id in snapshot.ids])
    assert _purity(atlas.positions(snapshot), of) > 0.85
