"""Paths between tracks: how smooth they are, and what they keep to."""

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MakeStore, unit
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musicu.errors import CatalogError, MetadataError, ModelMismatchError, MusicuError
from musicu.search.explorer import Explorer
from musicu.search.journey import route, waypoints
from musicu.search.seeds import Seed

Array = NDArray[np.float32]
Path_ = list[int]
Walk = Callable[[Array, int, int, int], Path_]


def angles(rows: Array, path: Sequence[int]) -> NDArray[np.float64]:
    """Angles of the steps of a path (rad)."""
    chosen = rows[list(path)].astype(np.float64)
    return np.arccos(np.clip(np.sum(chosen[1:] * chosen[:-1], axis=1), -1, 1))


def unevenness(rows: Array, path: Sequence[int]) -> float:
    """Standard deviation of the steps over their mean."""
    steps = angles(rows, path)
    return float(steps.std() / steps.mean())


def greedy(rows: Array, start: int, end: int, n: int) -> Path_:
    """Walk to the nearest track not yet used that is nearer to the end than this one, if any."""
    path, goal = [start], rows @ rows[end]
    while len(path) < n - 1:
        near = rows @ rows[path[-1]]
        near[[*path, end]] = -np.inf
        path.append(int(np.where(goal > goal[path[-1]], near, near - 4).argmax()))
    return [*path, end]


def straight(rows: Array, start: int, end: int, n: int) -> Path_:
    """Take the track nearest to each waypoint that is not yet used."""
    path = [start]
    for point in waypoints(rows[start], rows[end], n - 2):
        near = rows @ point
        near[[*path, end]] = -np.inf
        path.append(int(near.argmax()))
    return [*path, end]


def styles(n: int = 1500, dim: int = 12, seed: int = 0) -> Array:
    """Tracks of artists of styles: dense in places, thin between."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((12, dim))
    artists = np.repeat(centers, 12, axis=0) + rng.standard_normal((144, dim))
    return unit(artists[rng.integers(0, 144, n)] + rng.standard_normal((n, dim)))


def explorer_of(make_store: MakeStore, rows: Array, tags: Any = None) -> Explorer:
    store, _ = make_store(rows, tags)
    return Explorer.open(store.path)


def walked(explorer: Explorer, start: int, end: int, n: int, **options: Any) -> Path_:
    ids = explorer.live.snapshot.ids
    answer = explorer.journey(Seed(id=ids[start]), Seed(id=ids[end]), n, **options)
    return [hit.position for hit in answer.hits]


def compare(explorer: Explorer, n: int, pairs: int) -> dict[str, Any]:
    """Mean largest step (rad) and mean unevenness of each way to walk.

    Ends are drawn by id: the order of rows is that in which workers happened to finish.
    """
    snapshot = explorer.live.snapshot
    rows = snapshot.vectors(np.arange(len(snapshot)))
    walks: dict[str, Walk] = {
        "journey": lambda _, *ends_and_n: walked(explorer, *ends_and_n),
        "greedy": greedy,
        "straight": straight,
    }
    rng, by_id = np.random.default_rng(1), np.argsort(snapshot.ids)
    ends = [by_id[rng.choice(len(rows), 2, replace=False)].tolist() for _ in range(pairs)]
    found = {}
    for name, walk in walks.items():
        paths = [walk(rows, start, end, n) for start, end in ends]
        assert all(len(set(path)) == n for path in paths)
        found[name] = (
            float(np.mean([angles(rows, path).max() for path in paths])),
            float(np.mean([unevenness(rows, path) for path in paths])),
        )
    return found


def test_waypoints_lie_at_even_distances_on_the_great_circle() -> None:
    start, end = unit(np.random.default_rng(0).standard_normal((2, 16)))
    points = np.stack([start, *waypoints(start, end, 5), end])
    steps = angles(points, range(7))
    np.testing.assert_allclose(steps, steps.sum() / 6, atol=1e-5)
    np.testing.assert_allclose(steps.sum(), np.arccos(start @ end), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("turn", [1, -1])
def test_waypoints_between_ends_that_are_one_or_opposite_are_finite(turn: int) -> None:
    (start,) = unit(np.random.default_rng(0).standard_normal((1, 16)))
    assert np.isfinite(waypoints(start, turn * start, 3)).all()


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(4, 9))
@settings(max_examples=40, deadline=None)
def test_no_other_path_forward_has_a_smaller_sum_of_eighth_powers(
    seed: int, stations: int, candidates: int
) -> None:
    rows = unit(np.random.default_rng(seed).standard_normal((candidates + 2, 3)))
    start, end, rows = rows[0], rows[1], rows[2:]
    across = end - (start @ end) * start
    order = np.argsort(np.arctan2(rows @ across / np.linalg.norm(across), rows @ start))

    def price(path: Sequence[int]) -> float:
        whole = np.stack([start, *rows[list(path)], end])
        return float(np.sum(angles(whole, range(len(whole))) ** 8))

    same = (rows @ np.stack([start, end], axis=1) > 0.99).any() or (
        np.triu(rows @ rows.T, 1) > 0.99
    ).any()
    if not same:
        best = min(price(path) for path in combinations(order.tolist(), stations))
        assert price(route(rows, start, end, stations)) == pytest.approx(best, rel=1e-4)


def test_a_journey_has_smaller_and_more_even_steps_than_simpler_walks(
    make_store: MakeStore,
) -> None:
    explorer = explorer_of(make_store, styles())
    for n in (5, 10, 20):
        found = compare(explorer, n, pairs=15)
        for other in ("greedy", "straight"):
            assert found["journey"][0] < 0.95 * found[other][0], (n, found)
            assert found["journey"][1] < 0.8 * found[other][1], (n, found)


@pytest.mark.data
@pytest.mark.slow
def test_a_journey_through_music_has_the_smallest_and_most_even_steps(
    research_catalog: Path,
) -> None:
    found = compare(Explorer.open(research_catalog), 10, pairs=200)
    for other in ("greedy", "straight"):
        assert found["journey"][0] < 0.95 * found[other][0], found
        assert found["journey"][1] < found[other][1], found


def test_the_stations_of_a_journey_go_forward_only(make_store: MakeStore) -> None:
    rows = styles()
    explorer = explorer_of(make_store, rows)
    path = walked(explorer, 3, 700, 12)
    start, end = rows[3], rows[700]
    across = end - (start @ end) * start
    along = np.arctan2(rows[path] @ across / np.linalg.norm(across), rows[path] @ start)
    assert path[0] == 3 and path[-1] == 700
    assert (np.diff(along[1:-1]) > 0).all()


def test_scores_are_cosines_to_the_track_before(make_store: MakeStore) -> None:
    rows = styles()
    explorer = explorer_of(make_store, rows)
    ids = explorer.live.snapshot.ids
    answer = explorer.journey(Seed(id=ids[3]), Seed(id=ids[700]), 8)
    assert answer.by == "path"
    assert [hit.rank for hit in answer.hits] == list(range(1, 9))
    path = [hit.position for hit in answer.hits]
    expected = np.clip(np.sum(rows[path[1:]] * rows[path[:-1]], axis=1), 0, 1)
    np.testing.assert_allclose([hit.score for hit in answer.hits], [1, *expected], atol=1e-6)


def test_ends_that_are_not_stored_are_no_part_of_the_path(make_store: MakeStore) -> None:
    rows = styles()
    explorer = explorer_of(make_store, rows[2:])
    answer = explorer.journey(Seed(vector=rows[0]), Seed(vector=rows[1]), 6)
    path = [hit.position for hit in answer.hits]
    assert len(set(path)) == 6
    assert answer.hits[0].score == pytest.approx(max(0, rows[0] @ rows[path[0] + 2]), abs=1e-6)


def test_conditions_and_exclusions_bind_the_stations_and_not_the_ends(
    make_store: MakeStore,
) -> None:
    rows = styles(400)
    tags = [{"title": "x", "year": 1990 if at % 2 else 2000} for at in range(400)]
    explorer = explorer_of(make_store, rows, tags)
    first = walked(explorer, 0, 2, 8, where="year = 1990")
    assert all(at % 2 for at in first[1:-1]) and len(first) == 8
    ids = explorer.live.snapshot.ids
    second = walked(explorer, 0, 2, 8, where="year = 1990", exclude=(ids[first[1]], "gone" * 8))
    assert first[1] not in second and len(second) == 8


@pytest.mark.parametrize("cap", [1, 2])
def test_caps_count_the_ends_and_every_artist_of_a_duet(make_store: MakeStore, cap: int) -> None:
    rows = styles(600)
    names = [[f"A{at % 30}"] + [f"A{at % 7}"] * (at % 5 == 0) for at in range(600)]
    tags = [{"title": "x", "artists": own, "artist": own[0]} for own in names]
    explorer = explorer_of(make_store, rows, tags)
    path = walked(explorer, 1, 2, 9, max_per_artist=cap)
    counts = {name: sum(name in names[at] for at in path) for name in {*sum(names, [])}}
    assert max(counts.values()) <= cap
    assert len(path) == len(set(path)) == 9


def test_a_path_is_shorter_and_says_so_where_there_is_not_enough(make_store: MakeStore) -> None:
    rows = styles(5)
    explorer = explorer_of(make_store, rows)
    ids = explorer.live.snapshot.ids
    answer = explorer.journey(Seed(id=ids[0]), Seed(id=ids[1]), 9)
    assert {hit.position for hit in answer.hits} == set(range(5))
    (note,) = answer.notes
    assert "5 of 9" in note
    none = explorer.journey(Seed(id=ids[0]), Seed(id=ids[1]), 9, where="year = 1")
    assert [hit.position for hit in none.hits] == [0, 1]


def test_a_hundred_tracks_are_found_in_a_catalog_that_has_hardly_more(
    make_store: MakeStore,
) -> None:
    explorer = explorer_of(make_store, styles(120))
    assert len(set(walked(explorer, 0, 1, 100))) == 100


def test_the_same_recording_does_not_come_twice(make_store: MakeStore) -> None:
    rows = styles(300)
    twice = np.concatenate([rows, unit(rows + 1e-3 * styles(300, seed=5))])
    explorer = explorer_of(make_store, twice)
    path = walked(explorer, 0, 1, 12)
    assert len({at % 300 for at in path}) == 12


def test_two_tracks_are_a_path_of_their_own(make_store: MakeStore) -> None:
    explorer = explorer_of(make_store, styles(50))
    assert walked(explorer, 4, 9, 2) == [4, 9]


def test_what_cannot_be_walked_is_refused_in_one_line(make_store: MakeStore) -> None:
    explorer = explorer_of(make_store, styles(50))
    a, b, *_ = (Seed(id=id) for id in explorer.live.snapshot.ids)
    with pytest.raises(MusicuError, match="ends? where it starts"):
        explorer.journey(a, a)
    with pytest.raises(MusicuError, match="2 to 100"):
        explorer.journey(a, b, 1)
    with pytest.raises(MusicuError, match="2 to 100"):
        explorer.journey(a, b, 101)
    with pytest.raises(CatalogError, match="no track"):
        explorer.journey(a, Seed(id="f" * 32))
    with pytest.raises(ModelMismatchError):
        explorer.journey(a, Seed(vector=np.ones(3, dtype=np.float32)))
    with pytest.raises(MetadataError):
        explorer.journey(a, b, where="nonsense = 1")
    with pytest.raises(MusicuError, match="max_per_artist"):
        explorer.journey(a, b, max_per_artist=0)
