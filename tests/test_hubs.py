import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import norm

from musicu.arrays import skewness
from musicu.errors import MusicuError
from musicu.listening.hubs import HUB_METHODS, HubCorrection
from musicu.metrics import k_occurrence

Floats = NDArray[np.float64]

LINEAR = ("standardized", "csls", "nicdm")
methods = pytest.mark.parametrize("method", HUB_METHODS)


def rows(n: int = 120, dim: int = 12, seed: int = 0) -> Floats:
    x = np.random.default_rng(seed).standard_normal((n, dim))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def with_a_hub(n: int = 200) -> Floats:
    """Vectors that lean toward one side, and as the first the one in their midst."""
    x = rows(n, 20)
    x += x.std()
    x[0] = x[1:].mean(axis=0)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def corrected(fitted: HubCorrection, similarity: Floats) -> Floats:
    return np.stack([fitted.apply(row, item=i) for i, row in enumerate(similarity)])


@methods
def test_a_planted_hub_is_no_longer_near_everybody(method: str) -> None:
    x = with_a_hub()
    before = x @ x.T
    after = corrected(HubCorrection.fit(x, method=method), before)
    assert k_occurrence(before)[0] > 100
    assert k_occurrence(after)[0] < k_occurrence(before)[0] / 3
    assert skewness(k_occurrence(after)) < skewness(k_occurrence(before))


@methods
def test_two_items_are_as_near_from_either_side(method: str) -> None:
    x = rows()
    after = corrected(HubCorrection.fit(x, method=method), x @ x.T)
    np.testing.assert_allclose(after, after.T, atol=1e-9)


@methods
@given(st.integers(0, 119), st.floats(0.001, 1.0))
def test_a_better_score_of_one_item_is_never_worse_after_the_correction(
    method: str, item: int, gain: float
) -> None:
    x = rows()
    fitted = HubCorrection.fit(x, method=method)
    scores = x @ x[7]
    better = scores.copy()
    better[item] += gain
    assert fitted.apply(better, item=7)[item] >= fitted.apply(scores, item=7)[item]


@methods
def test_blocks_of_similarities_say_the_same_as_vectors(method: str) -> None:
    x = rows(700)
    whole = HubCorrection.fit(x, method=method)
    blocks = HubCorrection.fit(lambda drawn: x[drawn] @ x.T, n=700, method=method)
    scores = x @ rows(1, seed=5)[0]
    np.testing.assert_allclose(blocks.apply(scores), whole.apply(scores))


def test_what_is_usual_for_an_item_leaves_out_the_item_itself() -> None:
    x = rows(40)
    fitted = HubCorrection.fit(x, k=3)
    others = np.delete(x @ x[5], 5)
    assert fitted.mean[5] == pytest.approx(others.mean())
    assert fitted.std[5] == pytest.approx(others.std())
    assert fitted.near[5] == pytest.approx(np.sort(others)[-3:].mean())


def test_mutual_proximity_is_the_product_of_two_normal_probabilities() -> None:
    x = rows(60)
    fitted = HubCorrection.fit(x, method="mutual")
    s = x @ x.T
    mean, std = fitted.mean, fitted.std
    expected = norm.cdf(s[3], mean[3], std[3]) * norm.cdf(s[3], mean, std)
    np.testing.assert_allclose(np.exp(fitted.apply(s[3], item=3)), expected)


def test_local_scaling_and_csls_are_their_formulas() -> None:
    x = rows(60)
    s, r = x @ x.T, HubCorrection.fit(x).near
    csls = HubCorrection.fit(x, method="csls").apply(s[3], item=3)
    np.testing.assert_allclose(csls, 2 * s[3] - r[3] - r)
    nicdm = HubCorrection.fit(x, method="nicdm").apply(s[3], item=3)
    np.testing.assert_allclose(nicdm, -(1 - s[3]) / np.sqrt((1 - r[3]) * (1 - r)), atol=1e-12)


@pytest.mark.parametrize("method", LINEAR)
def test_the_parts_of_a_score_explain_the_corrected_score(method: str) -> None:
    x = rows()
    history = x[[4, 9, 30]]
    weights = np.array([0.5, 0.3, 0.2])
    weights /= np.linalg.norm(weights @ history)
    parts = weights[:, None] * (history @ x.T)
    fitted = HubCorrection.fit(x, method=method)
    scores = parts.sum(axis=0)
    gain, shift = fitted.gain_and_shift(scores)
    np.testing.assert_allclose((gain * parts).sum(axis=0) + shift, fitted.apply(scores))
    assert (gain > 0).all()


def test_a_foreign_query_is_measured_by_its_own_scores() -> None:
    x = rows()
    fitted = HubCorrection.fit(x)
    scores = x @ rows(1, seed=9)[0]
    own = (scores - scores.mean()) / scores.std()
    theirs = (scores - fitted.mean) / fitted.std
    np.testing.assert_allclose(fitted.apply(scores), (own + theirs) / 2)


def test_many_items_are_known_well_from_a_draw_of_them() -> None:
    x = rows(6000, 8)
    drawn = HubCorrection.fit(x)
    s = x[:50] @ x.T
    s[np.arange(50), np.arange(50)] = np.nan
    np.testing.assert_allclose(drawn.mean[:50], np.nanmean(s, axis=1), atol=0.01)
    np.testing.assert_allclose(drawn.std[:50], np.nanstd(s, axis=1), rtol=0.03)
    assert (HubCorrection.fit(x).mean == drawn.mean).all()


@methods
def test_items_of_which_nothing_is_known_get_a_number(method: str) -> None:
    x = rows(30)
    x[4] = 0
    fitted = HubCorrection.fit(x, method=method)
    assert np.isfinite(fitted.apply(x @ x[2])).all()
    assert np.isfinite(fitted.apply(x @ x[4])).all()


def test_what_cannot_be_corrected_is_named() -> None:
    x = rows(10)
    with pytest.raises(MusicuError, match="no hubness correction 'magic'; there are standardized"):
        HubCorrection.fit(x, method="magic")
    with pytest.raises(MusicuError, match="needs n"):
        HubCorrection.fit(lambda drawn: x[drawn] @ x.T)
    with pytest.raises(MusicuError, match="there must be 2"):
        HubCorrection.fit(x[:1])
    with pytest.raises(MusicuError, match="do not fit the 10 items"):
        HubCorrection.fit(x).apply(np.zeros(9))
    with pytest.raises(MusicuError, match="no factors"):
        HubCorrection.fit(x, method="mutual").gain_and_shift(x @ x[0])
