"""What lists are like besides being right: facts that hold whatever the music."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.sparse import csr_array

from musicu.arrays import gini
from musicu.errors import MusicuError
from musicu.evaluation import list_metrics as beyond
from musicu.evaluation.list_metrics import (
    coverage,
    diversity,
    exposure,
    lorenz,
    miscalibration,
    novelty,
    popularity_lift,
    repetition,
)

TOLERANCE = 1e-9
SEEDS = st.integers(0, 10_000)
Positions = NDArray[np.intp]


def lists(seed: int, queries: int = 20, n: int = 6, items: int = 15) -> Positions:
    """Random lists, some shorter than others, the first one empty."""
    rng = np.random.default_rng(seed)
    ranked = np.argsort(rng.random((queries, items)), axis=1)[:, :n]
    ranked[np.arange(n) >= rng.integers(0, n + 1, size=(queries, 1))] = -1
    ranked[0] = -1
    return ranked


def everything(items: int) -> NDArray[np.bool_]:
    return np.ones(items, dtype=np.bool_)


# Who is shown


def test_equal_exposure_is_a_gini_of_zero_and_one_for_all_is_the_highest() -> None:
    each = np.arange(12).reshape(4, 3)
    counts = exposure(each, everything(12))
    assert gini(counts) == 0 and coverage(counts) == 1
    one = exposure(np.full((50, 1), 3), everything(12))
    assert gini(one) == pytest.approx(11 / 12, abs=TOLERANCE)
    assert coverage(one) == pytest.approx(1 / 12, abs=TOLERANCE)


def test_gini_is_twice_the_area_between_the_curve_and_the_diagonal() -> None:
    counts = np.random.default_rng(0).poisson(3, size=50)
    at, held = lorenz(counts, points=51)
    assert (held[0], held[-1]) == (0, 1) and (np.diff(held, 2) >= -TOLERANCE).all()
    assert gini(counts) == pytest.approx(1 - 2 * np.trapezoid(held, at), abs=TOLERANCE)
    assert gini(7 * counts) == pytest.approx(gini(counts), abs=TOLERANCE)


def test_what_is_no_candidate_is_not_missed() -> None:
    candidates = np.array([True, True, False, True])
    counts = exposure(np.array([[0, -1], [3, 0]]), candidates)
    assert counts.tolist() == [2, 0, 1]
    assert coverage(counts) == pytest.approx(2 / 3)
    assert np.isnan(coverage(counts[:0]))


# Popularity


def test_lists_like_the_history_lift_nothing_and_lists_twice_as_popular_lift_by_one() -> None:
    popularity = np.array([1.0, 2.0, 4.0, 0.0])
    history = csr_array(np.array([[5, 0, 0, 0], [0, 1, 0, 0]]))
    assert popularity_lift(np.array([[0], [1]]), history, popularity) == 0
    assert popularity_lift(np.array([[1], [2]]), history, popularity) == 1
    assert popularity_lift(np.array([[3], [3]]), history, popularity) == -1
    often = csr_array(np.array([[9, 0, 1, 0]]))  # an item counts once, however often it is played
    assert popularity_lift(np.array([[0, 2]]), often, popularity) == 0


def test_a_lift_is_of_listeners_who_have_both_a_list_and_a_history() -> None:
    popularity = np.array([1.0, 9.0])
    history = np.array([[1, 0], [0, 1], [0, 0]])
    assert popularity_lift(np.array([[1], [-1], [1]]), history, popularity) == pytest.approx(8)
    assert np.isnan(popularity_lift(np.array([[-1], [-1], [0]]), history, popularity))


def test_novelty_is_nothing_for_what_all_know_and_a_bit_for_what_half_know() -> None:
    listeners = np.array([31, 15, 0])
    got = novelty(np.array([[0, -1], [1, -1], [2, -1], [0, 2], [-1, -1]]), listeners, 31)
    np.testing.assert_allclose(got, [0, 1, 5, 2.5, np.nan], atol=TOLERANCE)


# Variety


def test_items_that_are_the_same_have_no_diversity_and_items_apart_have_one() -> None:
    vectors = np.eye(4)[[0, 0, 1, 2]]
    got = diversity(np.array([[0, 1, -1], [0, 2, 3], [0, 1, 2], [0, -1, -1]]), vectors)
    np.testing.assert_allclose(got, [0, 1, 2 / 3, np.nan], atol=TOLERANCE)


@given(seed=SEEDS, as_sparse=st.booleans())
@settings(max_examples=25, deadline=None)
def test_diversity_is_the_mean_over_the_pairs_of_what_is_known(seed: int, as_sparse: bool) -> None:
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((15, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[::4] = 0
    ranked = lists(seed)
    got = diversity(ranked, csr_array(vectors) if as_sparse else vectors)
    for row, value in zip(ranked, got, strict=True):
        known = [i for i in row if i >= 0 and vectors[i].any()]
        pairs = [1 - vectors[i] @ vectors[j] for i, j in combinations(known, 2)]
        wanted = np.mean(pairs) if pairs else np.nan
        np.testing.assert_allclose(value, wanted, atol=TOLERANCE)


@given(seed=SEEDS, named=st.booleans())
@settings(max_examples=25, deadline=None)
def test_repetition_counts_what_stands_above_already(seed: int, named: bool) -> None:
    rng = np.random.default_rng(seed)
    labels: Any = rng.choice(["", "a", "b", "c"], size=15) if named else rng.integers(-1, 3, 15)
    unknown = "" if named else -1
    ranked = lists(seed)
    for row, value in zip(ranked, repetition(ranked, labels), strict=True):
        seen: set[Any] = set()
        again = 0
        for i in row[row >= 0]:
            again += labels[i] in seen
            seen |= {labels[i]} - {unknown}
        wanted = again / (row >= 0).sum() if (row >= 0).any() else np.nan
        np.testing.assert_allclose(value, wanted, atol=TOLERANCE)


def test_one_artist_all_the_way_repeats_itself_but_for_the_first() -> None:
    ranked = np.arange(10)[None]
    assert repetition(ranked, ["x"] * 10) == [0.9]
    assert repetition(ranked, list("abcdefghij")) == [0]
    assert repetition(ranked, [""] * 10) == [0]


# Calibration


GENRES = np.array([[1, 0], [0, 1], [2, 2], [0, 0]])
HALF = np.array([[1.0, 1.0, 0.0, 0.0]])


@pytest.mark.parametrize("distance", ["kl", "hellinger"])
def test_a_list_with_the_listeners_genres_is_calibrated(distance: Any) -> None:
    for row in ([0, 1, -1], [2, -1, -1], [0, 1, 3]):
        got = miscalibration(np.array([row]), HALF, GENRES, distance=distance)
        np.testing.assert_allclose(got, 0, atol=1e-8)


def test_a_list_of_other_genres_is_as_far_as_can_be() -> None:
    jazz = csr_array(np.array([[3.0, 0.0, 0.0, 0.0]]))
    rock = np.array([[1]])
    assert miscalibration(rock, jazz, GENRES) == pytest.approx(-np.log(0.01))
    assert miscalibration(rock, jazz, GENRES, smoothing=0.1) == pytest.approx(-np.log(0.1))
    assert miscalibration(rock, jazz, GENRES, distance="hellinger") == pytest.approx(1)


def test_divergences_are_what_scipy_says() -> None:
    from scipy.stats import entropy

    rng = np.random.default_rng(0)
    genres = rng.random((15, 6)) * (rng.random((15, 6)) < 0.4)
    history = rng.poisson(0.5, size=(20, 15)).astype(float)
    ranked = lists(3)
    even = genres / np.maximum(genres.sum(axis=1, keepdims=True), TOLERANCE)
    kl = miscalibration(ranked, csr_array(history), csr_array(genres))
    hellinger = miscalibration(ranked, history, genres, distance="hellinger")
    assert np.isnan(kl[0]) and not np.isnan(kl).all()
    for i, row in enumerate(ranked):
        p, q = history[i] @ even, even[row[row >= 0]].sum(axis=0)
        if not p.sum() or not q.sum():
            assert np.isnan(kl[i]) and np.isnan(hellinger[i])
            continue
        p, q = p / p.sum(), q / q.sum()
        assert kl[i] == pytest.approx(entropy(p, 0.99 * q + 0.01 * p), abs=TOLERANCE)
        assert hellinger[i] == pytest.approx(np.sqrt(1 - np.sqrt(p * q).sum()), abs=1e-8)


def test_one_loud_day_weighs_as_it_was_played() -> None:
    ranked = np.array([[0, -1], [0, -1]])
    history = np.array([[1.0, 1.0, 0, 0], [9.0, 1.0, 0, 0]])
    even, loud = miscalibration(ranked, history, GENRES)
    assert loud < even


def test_a_history_of_other_items_is_refused() -> None:
    with pytest.raises(MusicuError, match=r"history of shape \(1, 4\) does not fit 2 lists"):
        miscalibration(np.array([[0], [1]]), HALF, GENRES)


def test_lists_are_handled_in_blocks_and_come_out_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ranked = lists(5, queries=50)
    rng = np.random.default_rng(5)
    history, genres, vectors = rng.random((50, 15)), rng.random((15, 4)), np.eye(15)
    whole = diversity(ranked, vectors), miscalibration(ranked, history, genres)
    monkeypatch.setattr(beyond, "_ROWS", 7)
    np.testing.assert_allclose(diversity(ranked, vectors), whole[0], atol=TOLERANCE)
    np.testing.assert_allclose(miscalibration(ranked, history, genres), whole[1], atol=TOLERANCE)
