import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.recommend.ranking import Ranker, sample_negatives

Floats = NDArray[np.float64]

NAMES = ("similarity", "affinity", "popularity")


def made(
    truth: tuple[float, ...], lists: int = 150, size: int = 20, seed: int = 0
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.intp]]:
    """Lists whose best candidates by a hidden sum (and some luck) were listened to."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((lists, size, len(truth)))
    worth = x @ np.array(truth) + rng.gumbel(size=(lists, size))
    chosen = worth >= np.sort(worth, axis=1)[:, [-3]]
    scale = np.array([0.01, 1.0, 500.0])[: len(truth)]
    groups = np.repeat(np.arange(lists), size)
    return (x * scale + 3 * scale).reshape(-1, len(truth)), chosen.ravel(), groups


def test_the_hidden_reasons_are_found_whatever_their_units() -> None:
    x, chosen, lists = made((1.0, 0.5, 0.0))
    found = Ranker.fit(NAMES, x, chosen, lists)
    assert found.weights[0] > found.weights[1] > 4 * abs(found.weights[2])
    assert found.weights[0] / found.weights[1] == pytest.approx(2.0, rel=0.25)
    other = Ranker.fit(NAMES, x * [1000, 0.1, 3] + [5, 0, 1], chosen, lists)
    np.testing.assert_allclose(other.weights, found.weights, rtol=1e-3, atol=1e-4)


def test_pairs_are_told_apart_better_than_by_any_one_feature() -> None:
    x, chosen, lists = made((1.0, 0.7, -0.7))
    new_x, new_chosen, _ = made((1.0, 0.7, -0.7), seed=1)
    found = Ranker.fit(NAMES, x, chosen, lists)

    def right(scores: Floats) -> float:
        yes, no = scores[new_chosen], scores[~new_chosen]
        return float((yes[:, None] > no).mean())

    assert right(found.score(new_x)) > 0.05 + max(
        right(s * new_x[:, i]) for i in range(3) for s in (1, -1)
    )


def test_the_weights_are_those_of_logistic_regression_on_differences() -> None:
    from sklearn.linear_model import LogisticRegression

    x, chosen, lists = made((1.0, 0.5, -0.3), lists=40, size=8)
    found = Ranker.fit(NAMES, x, chosen, lists)
    z = ((x - x.mean(axis=0)) / x.std(axis=0)).reshape(40, 8, 3)
    hit = chosen.reshape(40, 8)
    d = np.concatenate(
        [(a[h][:, None] - a[~h]).reshape(-1, 3) for a, h in zip(z, hit, strict=True)]
    )
    both, label = np.concatenate([d, -d]), np.repeat([1, 0], len(d))
    # Each list's pairs weigh 1 in all; the penalty of one candidate list is 1 / 40 of the mean.
    reference = LogisticRegression(C=1.0, fit_intercept=False, tol=1e-8)
    reference.fit(both, label, sample_weight=np.full(len(both), 1 / (2 * 15)))
    np.testing.assert_allclose(found.weights, reference.coef_[0], atol=2e-3)


def test_a_feature_that_may_only_help_never_harms() -> None:
    x, chosen, lists = made((1.0, -1.0, 0.3))
    free = Ranker.fit(NAMES, x, chosen, lists)
    bound = Ranker.fit(NAMES, x, chosen, lists, positive=NAMES)
    assert free.weights[1] < 0
    assert bound.weights[1] == 0
    assert (bound.weights[[0, 2]] > 0).all()


@given(st.integers(1, 30), st.integers(0, 1000))
@settings(max_examples=50)
def test_the_parts_add_up_to_the_score_and_unknown_ones_are_nothing(c: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ranker = Ranker(NAMES, rng.standard_normal(3), rng.standard_normal(3), rng.random(3) + 0.1)
    x = rng.standard_normal((c, 3))
    x[rng.random((c, 3)) < 0.3] = np.nan
    parts = ranker.contributions(x)
    np.testing.assert_array_equal(parts.sum(axis=1), ranker.score(x))
    assert (parts[np.isnan(x)] == 0).all()
    np.testing.assert_array_equal(ranker.score(ranker.mean[None]), [0.0])


def test_features_that_are_often_unknown_are_still_learned() -> None:
    x, chosen, lists = made((1.0, 1.0, 0.0))
    x[np.random.default_rng(4).random(len(x)) < 0.6, 1] = np.nan
    found = Ranker.fit(NAMES, x, chosen, lists)
    assert found.weights[1] > 0.5 * found.weights[0]
    assert np.isfinite(found.score(x)).all()


def test_a_feature_that_never_varies_gets_no_weight() -> None:
    x, chosen, lists = made((1.0, 0.5, 0.0))
    x[:, 1] = 7.0
    found = Ranker.fit(NAMES, x, chosen, lists)
    assert found.weights[1] == 0
    assert found.score([[0.03, 1e9, 1500.0]])[0] == found.score([[0.03, 7.0, 1500.0]])[0]


def test_long_lists_do_not_outweigh_short_ones() -> None:
    x, chosen, lists = made((1.0, 0.4, 0.0), lists=30)
    rows = np.r_[np.arange(len(x)), np.tile(np.arange(20), 30)]
    alone = Ranker.fit(NAMES, x, chosen, lists, penalty=1e-6)
    longer = Ranker.fit(NAMES, x[rows], chosen[rows], lists[rows], penalty=1e-6)
    np.testing.assert_allclose(longer.weights / longer.std, alone.weights / alone.std, rtol=1e-2)


def test_the_order_of_the_rows_does_not_matter_and_nothing_is_random() -> None:
    x, chosen, lists = made((1.0, 0.5, 0.2), lists=30)
    order = np.random.default_rng(1).permutation(len(x))
    first = Ranker.fit(NAMES, x, chosen, lists)
    np.testing.assert_array_equal(Ranker.fit(NAMES, x, chosen, lists).weights, first.weights)
    shuffled = Ranker.fit(NAMES, x[order], chosen[order], lists[order])
    np.testing.assert_allclose(shuffled.weights, first.weights, atol=1e-4)


def test_it_survives_json() -> None:
    x, chosen, lists = made((1.0, 0.5, 0.2), lists=20)
    ranker = Ranker.fit(NAMES, x, chosen, lists)
    back = Ranker.from_dict(json.loads(json.dumps(ranker.to_dict())))
    assert back.names == ranker.names
    np.testing.assert_array_equal(back.score(x), ranker.score(x))


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        ({}, "no saved ranker"),
        ({"names": ["a"], "weights": ["x"], "mean": [0], "std": [1]}, "no saved ranker"),
        ({"names": ["a"], "weights": [1, 2], "mean": [0], "std": [1]}, "damaged"),
        ({"names": ["a"], "weights": [float("nan")], "mean": [0], "std": [1]}, "damaged"),
    ],
)
def test_what_is_no_ranker_is_not_loaded(saved: dict[str, object], message: str) -> None:
    with pytest.raises(MusicuError, match=message):
        Ranker.from_dict(saved)


def test_what_cannot_be_learned_from_is_named() -> None:
    x, chosen, lists = np.zeros((4, 3)), np.array([1, 0, 1, 0]), np.array([0, 0, 1, 1])
    with pytest.raises(MusicuError, match="do not fit 2 names"):
        Ranker.fit(NAMES[:2], x, chosen, lists)
    with pytest.raises(MusicuError, match="4 candidates need"):
        Ranker.fit(NAMES, x, chosen[:3], lists)
    with pytest.raises(MusicuError, match="no list holds both"):
        Ranker.fit(NAMES, x, np.ones(4), lists)
    with pytest.raises(MusicuError, match="feature 'affinity' is infinite"):
        Ranker.fit(NAMES, x + [0, np.inf, 0], chosen, lists)
    with pytest.raises(MusicuError, match="no feature 'luck'"):
        Ranker.fit(NAMES, x, chosen, lists, positive=("luck",))
    with pytest.raises(MusicuError, match="penalty of 0"):
        Ranker.fit(NAMES, x, chosen, lists, penalty=0)
    with pytest.raises(MusicuError, match="do not fit this ranker: similarity, affinity"):
        Ranker(NAMES, np.ones(3), np.zeros(3), np.ones(3)).score(np.zeros((2, 4)))


# Negatives


@given(
    st.integers(0, 60),
    st.lists(st.integers(0, 49), max_size=30),
    st.sets(st.integers(0, 49), max_size=20),
    st.floats(0, 1),
)
def test_negatives_are_never_what_was_heard_and_never_twice(
    n: int, candidates: list[int], heard: set[int], hard: float
) -> None:
    drawn = sample_negatives(n, candidates, np.arange(50), exclude=heard, hard=hard)
    assert len(set(drawn)) == len(drawn) <= n
    assert not heard & set(drawn.tolist())
    assert len(drawn) == n or len(drawn) >= len(set(range(1, 50)) - heard)


def test_half_of_the_negatives_are_hard_and_the_others_are_popular() -> None:
    popularity = np.r_[np.zeros(900), np.full(50, 1.0), np.full(50, 16.0)]
    drawn = np.concatenate(
        [sample_negatives(20, np.arange(100), popularity, seed=seed) for seed in range(200)]
    )
    assert (drawn < 100).sum() == 2000
    assert not ((drawn >= 100) & (drawn < 900)).any()
    ratio = (drawn >= 950).sum() / ((drawn >= 900) & (drawn < 950)).sum()
    assert ratio == pytest.approx(16**0.75, rel=0.25)


def test_a_draw_that_makes_no_sense_is_named() -> None:
    with pytest.raises(MusicuError, match="hard is 2"):
        sample_negatives(1, [0], [1.0], hard=2)
    with pytest.raises(MusicuError, match="popularity must be numbers"):
        sample_negatives(1, [0], [-1.0])
