"""The NumPy that many modules need."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from musicu.arrays import gini, skewness, top_k, unit_rows

TOLERANCE = 1e-12


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rows_get_length_one_in_their_own_precision(kind: type[np.floating]) -> None:
    rows = np.random.default_rng(0).standard_normal((9, 2, 40)).astype(kind)
    rows[4] = 0
    rows[5] = 1e-38  # a length that float32 cannot hold
    found = unit_rows(rows)
    assert found.dtype == kind
    plain = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), kind(1e-45))
    there = np.array([True] * 4 + [False, kind is np.float64] + [True] * 3)
    np.testing.assert_array_equal(found[there], plain[there])
    assert not found[~there].any()


def test_rows_of_about_length_one_stay_bit_for_bit() -> None:
    rows = np.random.default_rng(0).standard_normal((50, 40), dtype=np.float32)
    once = unit_rows(rows)
    np.testing.assert_array_equal(unit_rows(once, tolerance=1e-5), once)
    np.testing.assert_array_equal(unit_rows(rows, tolerance=1e-5), once)


@given(
    arrays(np.float32, st.integers(0, 60), elements=st.sampled_from([0, 1, 2, -np.inf, np.nan])),
    st.integers(-1, 70),
)
def test_the_best_come_first_and_of_equals_the_earlier(scores: np.ndarray, k: int) -> None:
    keys = [-np.inf if np.isnan(score) else score for score in scores.tolist()]
    expected = sorted(range(len(keys)), key=lambda at: (-keys[at], at))[: max(k, 0)]
    assert top_k(scores, k).tolist() == expected
    assert top_k(np.stack([scores, scores]), k).tolist() == [expected] * 2


@given(st.lists(st.integers(0, 40), min_size=2, max_size=20))
def test_gini_is_half_the_mean_difference_over_the_mean(counts: list[int]) -> None:
    x = np.array(counts)
    if not x.any():
        assert np.isnan(gini(x))
        return
    wanted = np.abs(x[:, None] - x).mean() / (2 * x.mean())
    assert gini(x) == pytest.approx(wanted, abs=TOLERANCE)
    assert gini(x[x > 0], len(x)) == pytest.approx(wanted, abs=TOLERANCE)


def test_skewness_is_what_scipy_says() -> None:
    from scipy.stats import skew

    counts = np.random.default_rng(0).poisson(2, 500)
    assert skewness(counts) == pytest.approx(skew(counts), abs=TOLERANCE)
    assert skewness(np.ones(5)) == 0.0
