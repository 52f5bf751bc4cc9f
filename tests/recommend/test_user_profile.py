import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage

from musicu.errors import MusicuError
from musicu.recommend.user_profile import (
    Interests,
    find_interests,
    history_weights,
    interest_shares,
)

Floats = NDArray[np.float64]

DAY = 86400.0
NOW = 1.7e9
STYLES = np.eye(16)[:4]


def tracks(style: int, n: int, *, spread: float = 0.1, seed: int = 0) -> Floats:
    """Unit vectors around the direction of a style."""
    x = STYLES[style] + spread * np.random.default_rng(seed).standard_normal((n, 16))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def labels(interests: Interests) -> list[int]:
    """Interest of each row."""
    return [int(i) for i in interests.members.argmax(axis=0)]


def same_parts(a: list[int], b: list[int]) -> bool:
    return len({*zip(a, b, strict=True)}) == len({*a}) == len({*b})


# Weights


def test_a_play_counts_half_after_the_half_life() -> None:
    weights = history_weights([5, 5], [NOW, NOW - 40 * DAY], now=NOW, half_life_days=40)
    assert weights[1] == pytest.approx(weights[0] / 2)


def test_plays_count_with_their_logarithm() -> None:
    np.testing.assert_allclose(history_weights([1, 3, 1000]), np.log([2, 4, 1001]))


def test_a_mix_of_a_hundred_tracks_counts_less_than_thirty_tracks_of_many_days() -> None:
    mix = NOW - DAY + 200.0 * np.arange(100)
    weeks = NOW - DAY * np.arange(2, 32)
    weights = history_weights(np.ones(130), np.r_[mix, weeks], now=NOW)
    assert weights[:100].sum() < weights[100:].sum() / 2
    by_album = history_weights(np.ones(130), groups=["mix"] * 100 + [None] * 30)
    assert by_album[:100].sum() == pytest.approx(10 * by_album[100])


@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=40))
def test_a_group_counts_less_than_its_sum_and_more_than_its_best(plays: list[float]) -> None:
    alone = history_weights(plays)
    together = history_weights(plays, groups=["album"] * len(plays))
    assert together.sum() <= alone.sum() * (1 + 1e-9)
    assert together.sum() >= alone.max() * (1 - 1e-9)
    np.testing.assert_allclose(together / together.sum(), alone / alone.sum())


def test_an_album_heard_in_one_sitting_is_held_back_once() -> None:
    times = NOW + 300.0 * np.arange(16)
    once = history_weights(np.ones(16), groups=["album"] * 16)
    both = history_weights(np.ones(16), times, groups=["album"] * 16, half_life_days=1e6)
    np.testing.assert_allclose(both, once, rtol=1e-6)


def test_rows_without_a_label_are_no_group() -> None:
    np.testing.assert_allclose(
        history_weights([1, 1, 1, 1], groups=[None, None, "", ""]), history_weights([1, 1, 1, 1])
    )


def test_two_hours_without_music_end_a_sitting() -> None:
    apart = history_weights([1, 1], [NOW, NOW + 2.5 * 3600], half_life_days=1e9)
    close = history_weights([1, 1], [NOW, NOW + 1.5 * 3600], half_life_days=1e9)
    assert apart.sum() == pytest.approx(2 * np.log(2))
    assert close.sum() == pytest.approx(np.sqrt(2) * np.log(2))


def test_the_hour_asked_for_favors_plays_near_it_around_the_clock() -> None:
    midnight = 86400.0 * 19000
    hours = np.array([23.0, 1.0, 12.0])
    times = midnight + DAY * np.array([-3, 0, 3]) + 3600 * hours
    late, early, noon = history_weights(
        [1, 1, 1], times, context_hour=0.0, half_life_days=1e9
    ) / np.log(2)
    assert late == pytest.approx(early)
    assert noon == pytest.approx(np.exp(-1))
    assert noon < late < 1


def test_a_history_decades_old_still_has_weights() -> None:
    weights = history_weights([1, 1], [0.0, DAY], now=NOW, half_life_days=1)
    np.testing.assert_allclose(weights, np.log(2) * np.array([0.5, 1]))


def test_an_empty_history_has_no_weights() -> None:
    assert history_weights([], [], groups=[], now=NOW).shape == (0,)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": [1, -1]}, "plays of a history"),
        ({"weights": [1, np.nan]}, "plays of a history"),
        ({"weights": [1, 1], "times": [0.0]}, "times of a history"),
        ({"weights": [1, 1], "times": [0.0, np.inf]}, "times of a history"),
        ({"weights": [1], "half_life_days": 0.0}, "half-life of 0 days"),
        ({"weights": [1], "groups": ["a", "b"]}, "2 labels for 1 rows"),
        ({"weights": [1], "context_hour": 3.0}, "needs a history with times"),
    ],
)
def test_what_is_no_history_is_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(MusicuError, match=message):
        history_weights(**arguments)  # type: ignore[arg-type]


# Interests


def test_two_styles_are_two_interests_and_one_style_is_one() -> None:
    x = np.concatenate([tracks(0, 12), tracks(1, 6, seed=1)])
    two = find_interests(x @ x.T, np.ones(18))
    assert labels(two) == [0] * 12 + [1] * 6
    np.testing.assert_allclose(two.mass, [12 / 18, 6 / 18])
    same = np.repeat(tracks(0, 1), 9, axis=0)
    assert len(find_interests(same @ same.T, np.ones(9))) == 1


@given(st.integers(1, 30), st.integers(1, 6), st.integers(0, 1000))
@settings(max_examples=60)
def test_interests_share_out_the_whole_history(h: int, most: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((h, 5))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    w = rng.exponential(size=h) + 1e-3
    found = find_interests(x @ x.T, w, max_interests=most)
    assert 1 <= len(found) <= min(most, h)
    np.testing.assert_allclose(found.members.sum(axis=1), 1)
    np.testing.assert_allclose(found.mass @ found.members, w / w.sum())
    assert ((found.members > 0).sum(axis=0) == 1).all()
    assert (np.diff(found.mass) <= 0).all()
    np.testing.assert_allclose(np.linalg.norm(found.rows @ x, axis=1), 1)


@given(st.integers(8, 40), st.integers(0, 1000))
@settings(max_examples=30)
def test_equal_weights_are_clustered_as_scipy_does(h: int, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((h, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    found = find_interests(x @ x.T, np.ones(h), max_interests=4)
    tree = linkage(x, "ward")
    assert same_parts(labels(found), list(fcluster(tree, len(found), "maxclust")))
    # scipy's heights are sqrt(2 cost); the whole scatter is the sum of all costs.
    cost = tree[:, 2] ** 2
    if len(found) < 4:
        assert cost[-len(found)] < 0.05 * cost.sum()
    if len(found) > 1:
        assert cost[-len(found) + 1] >= 0.05 * cost.sum() - 1e-9


def test_a_row_of_weight_three_is_three_rows() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((14, 4))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    times = rng.integers(1, 4, 14)
    many = np.repeat(x, times, axis=0)
    weighted = find_interests(x @ x.T, times)
    repeated = find_interests(many @ many.T, np.ones(len(many)))
    assert same_parts(list(np.repeat(labels(weighted), times)), labels(repeated))
    np.testing.assert_allclose(weighted.mass, repeated.mass)
    np.testing.assert_allclose(weighted.length, repeated.length)


def test_a_new_style_is_an_interest_of_its_own_within_days_and_grows() -> None:
    days = np.arange(-180, 40)
    x = np.concatenate([tracks(0, 180, spread=0.2), tracks(1, 40, spread=0.2, seed=1)])
    shares = []
    for today in (5, 15, 39):
        heard = days <= today
        w = history_weights(np.ones(heard.sum()), NOW + DAY * days[heard], now=NOW + DAY * today)
        found = find_interests(x[heard] @ x[heard].T, w)
        newest = found.members[:, -1].argmax()
        assert (found.members[newest][:180] == 0).all()
        shares.append(found.mass[newest])
        scores = found.rows @ (x[heard] @ STYLES.T)
        combined = interest_shares(found.mass) @ scores
        assert combined[1] > 2 * max(combined[2], combined[3])
        assert scores[:, 1].argmax() == newest
    assert 0.02 < shares[0] < shares[1] < shares[2]


def test_rows_without_a_vector_or_a_weight_belong_to_no_interest() -> None:
    x = tracks(0, 4)
    x[1] = 0
    found = find_interests(x @ x.T, [1, 1, 0, 1])
    assert (found.members[:, [1, 2]] == 0).all()
    assert len(find_interests(x @ x.T, [0, 1, 0, 0])) == 0


def test_interests_do_not_depend_on_the_order_of_the_history() -> None:
    rng = np.random.default_rng(8)
    x = rng.standard_normal((25, 4))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    w = rng.exponential(size=25)
    order = rng.permutation(25)
    found = find_interests(x @ x.T, w)
    other = find_interests((x @ x.T)[np.ix_(order, order)], w[order])
    np.testing.assert_allclose(other.mass, found.mass)
    np.testing.assert_allclose(other.members, found.members[:, order])


def test_a_small_interest_is_heard_but_less_than_a_large_one() -> None:
    np.testing.assert_allclose(interest_shares([0.9, 0.1]), [0.75, 0.25])


def test_what_does_not_fit_together_is_named() -> None:
    with pytest.raises(MusicuError, match="do not fit 3 weights"):
        find_interests(np.eye(2), [1, 1, 1])
    with pytest.raises(MusicuError, match="0 interests"):
        find_interests(np.eye(2), [1, 1], max_interests=0)
