"""Chance told from difference: by simulation, by SciPy and by statsmodels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from references import references

from musicu.errors import MusicuError
from musicu.evaluation import significance
from musicu.evaluation.bootstrap import bootstrap_means, interval
from musicu.evaluation.scores import ALPHA, Comparison, verdict
from musicu.evaluation.significance import (
    adjust,
    bootstrap_test,
    compare_systems,
    holm,
    randomization_test,
)

Floats = NDArray[np.float64]

REPEATS = 1500
# Four standard errors of a share of 5 % over that many repeats.
CHANCE = 4 * np.sqrt(0.05 * 0.95 / REPEATS)


def skewed(rng: np.random.Generator, *shape: int) -> Floats:
    """Differences as rankings have them: many zeros, long tails, mean 0."""
    return rng.standard_normal(shape) ** 3 * (rng.random(shape) < 0.4)


# No difference: wrong in 5 % of cases, and no more


def test_without_a_difference_one_in_twenty_is_found() -> None:
    differences = skewed(np.random.default_rng(0), REPEATS, 60)
    found = (randomization_test(differences, draws=999) < 0.05).mean()
    assert found == pytest.approx(0.05, abs=CHANCE)


def test_the_bootstrap_finds_hardly_more() -> None:
    rng = np.random.default_rng(1)
    listener = np.repeat(np.arange(200), 3)
    differences = rng.standard_normal((REPEATS, 200))[:, listener]
    differences += 0.3 * rng.standard_normal(differences.shape)
    p, intervals = bootstrap_test(differences, listener, draws=1000)
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=CHANCE)
    missed = np.mean([low > 0 or high < 0 for low, high in intervals])
    assert missed == pytest.approx(0.05, abs=CHANCE)


def test_several_values_of_a_listener_are_no_more_evidence_than_he_is() -> None:
    rng = np.random.default_rng(2)
    listener = np.repeat(np.arange(50), 5)
    differences = skewed(rng, REPEATS, 50)[:, listener] + 0.3 * rng.standard_normal((REPEATS, 250))
    together = randomization_test(differences, listener, draws=999)
    assert (together < 0.05).mean() == pytest.approx(0.05, abs=CHANCE)
    assert (randomization_test(differences, draws=999) < 0.05).mean() > 0.2


def test_seeds_of_one_listener_change_nothing_if_they_are_the_same() -> None:
    differences = skewed(np.random.default_rng(3), 4, 40)
    fivefold = np.repeat(differences, 5, axis=1)
    names = np.repeat([f"listener {i:02d}" for i in range(40)], 5)
    np.testing.assert_array_equal(
        randomization_test(fivefold, names, draws=500), randomization_test(differences, draws=500)
    )
    once, five = bootstrap_test(differences), bootstrap_test(fivefold, names)
    np.testing.assert_allclose(five[0], once[0])
    np.testing.assert_allclose(five[1], once[1])


# A difference: found


def test_a_true_difference_is_found_as_often_as_theory_says() -> None:
    # A mean of 0.4 standard deviations and 50 listeners: the t test has a power of 0.79.
    differences = 0.4 + np.random.default_rng(4).standard_normal((REPEATS, 50))
    randomized = (randomization_test(differences, draws=999) < 0.05).mean()
    resampled = (bootstrap_test(differences, draws=1000)[0] < 0.05).mean()
    assert randomized == pytest.approx(0.79, abs=0.045)
    assert resampled == pytest.approx(0.81, abs=0.05)


def test_p_values_are_never_zero_and_never_more_than_one() -> None:
    far, none = np.ones((1, 100)), np.zeros((1, 100))
    assert randomization_test(far, draws=999) == [1 / 1000]
    assert randomization_test(none, draws=999) == [1]
    assert bootstrap_test(far, draws=999)[0] == [2 / 1000]
    assert bootstrap_test(none, draws=999)[0] == [1]


# The same as others say


def test_p_is_that_of_all_exchanges() -> None:
    from scipy.stats import permutation_test

    rng = np.random.default_rng(5)
    for values in (rng.standard_normal(9) + 0.5, rng.integers(-1, 2, size=9) / 10.0):
        exact = permutation_test(
            (values, np.zeros(9)),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            vectorized=True,
        ).pvalue
        (got,) = randomization_test(values, draws=40_000)
        assert got == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 40_000) + 1e-4)


def test_intervals_are_those_of_every_bootstrap() -> None:
    rng = np.random.default_rng(6)
    listener = rng.integers(0, 60, size=300)
    differences = skewed(rng, 2, 300) + 0.1
    _, got = bootstrap_test(differences, listener, draws=700)
    assert got == [interval(row) for row in bootstrap_means(differences, listener, draws=700)]


def test_holm_is_what_statsmodels_says() -> None:
    for told in references("statsmodels: holm"):
        np.testing.assert_allclose(holm(told["p"]), told["adjusted"], atol=1e-12)


@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=12), alpha=st.floats(0, 0.95))
@settings(max_examples=60, deadline=None)
def test_holm_is_what_holm_wrote(p: list[float], alpha: float) -> None:
    """From the smallest on: reject as long as p is small enough for those that are left."""
    rejected = set()
    for done, at in enumerate(np.argsort(p, kind="stable")):
        if p[at] * (len(p) - done) > alpha:
            break
        rejected.add(int(at))
    assert set(np.flatnonzero(holm(p) <= alpha)) == rejected


def test_holm_counts_down() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03]), [0.03, 0.06, 0.06])
    np.testing.assert_allclose(holm([0.5, 0.9]), [1, 1])
    assert holm([]).shape == (0,)


def test_under_no_difference_holm_finds_anything_at_all_in_one_case_of_twenty() -> None:
    p = np.random.default_rng(7).random((REPEATS, 10))
    any_found = np.mean([holm(row).min() < 0.05 for row in p])
    assert any_found == pytest.approx(0.05, abs=CHANCE)
    assert (p.min(axis=1) < 0.05).mean() > 0.3


# Verdicts


def test_one_rule_gives_every_verdict() -> None:
    assert verdict(-0.1, True) == verdict(0.1, True, "lower") == "clearly worse"
    assert verdict(0.1, True) == verdict(-0.1, True, "lower") == "clearly better"
    assert verdict(0.1, False) == verdict(-9.0, False, "lower") == "open"


def test_at_exactly_the_error_rate_a_difference_is_clear() -> None:
    about: dict[str, Any] = {"system": "a", "against": "b", "value": 1.0, "base": 0.0}
    about |= {"difference": 1.0, "low": 0.5, "high": 1.5, "queries": 9, "clusters": 9}
    above = float(np.nextafter(ALPHA, 1))
    found = [adjust([Comparison(**about, p=p)])[0].verdict for p in (ALPHA, above)]
    assert found == ["clearly better", "open"]
    two = adjust([Comparison(**about, p=ALPHA / 2), Comparison(**about, p=above)])
    assert [c.verdict for c in two] == ["clearly better", "open"]


# Systems against one


def systems(shifts: Sequence[float], queries: int = 200) -> dict[str, Floats]:
    rng = np.random.default_rng(8)
    common = rng.standard_normal(queries)
    return {f"{shift:+g}": common + shift + 0.2 * rng.standard_normal(queries) for shift in shifts}


def test_each_system_gets_its_verdict() -> None:
    found = compare_systems(systems([0.0, 0.5, -0.5, 0.001]), "+0", draws=2000)
    assert [c.system for c in found] == ["+0.5", "-0.5", "+0.001"]
    assert [c.verdict for c in found] == ["clearly better", "clearly worse", "open"]
    for c in found:
        assert c.difference == pytest.approx(c.value - c.base)
        assert c.low < c.difference < c.high
        assert c.p <= c.p_holm <= 1
        assert (c.queries, c.clusters, c.against) == (200, 200, "+0")
    turned = compare_systems(systems([0.0, 0.5]), "+0", better="lower", draws=500)
    assert turned[0].verdict == "clearly worse"


def test_what_all_queries_share_does_not_hide_a_difference() -> None:
    values = systems([0.0, 0.1])
    (pair,) = compare_systems(values, "+0", draws=2000)
    assert pair.verdict == "clearly better"
    assert np.std(values["+0"]) / np.sqrt(200) > 0.06  # what the two intervals would be drowned in


def test_queries_that_one_system_lacks_are_left_out_for_all() -> None:
    values = systems([0.0, 1.0])
    values["+1"][:150] = np.nan
    values["+0"][:150] = 99
    (pair,) = compare_systems(values, "+0", clusters=np.arange(200) // 2, draws=500)
    assert (pair.queries, pair.clusters) == (50, 25)
    assert pair.difference == pytest.approx(1, abs=0.2)


def test_one_system_has_nothing_to_be_compared_with() -> None:
    assert compare_systems(systems([0.0]), "+0") == []


def test_the_seed_decides_and_the_size_of_blocks_does_not_matter_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = systems([0.0, 0.02])
    (one,), (same,) = compare_systems(values, "+0", seed=3), compare_systems(values, "+0", seed=3)
    assert one == same != compare_systems(values, "+0", seed=4)[0]
    monkeypatch.setattr(significance, "_AT_ONCE", 33)
    (other,) = compare_systems(values, "+0", seed=3)
    assert other.p == pytest.approx(one.p, abs=0.02)
    assert other.low == pytest.approx(one.low, abs=0.002)


def test_faults_are_told_in_a_line() -> None:
    with pytest.raises(MusicuError, match=r"no system 'x' to compare with; there are \+0, \+1"):
        compare_systems(systems([0.0, 1.0]), "x")
    with pytest.raises(MusicuError, match="3 listeners do not fit 200 queries"):
        compare_systems(systems([0.0, 1.0]), "+0", clusters=[1, 2, 3])
    with pytest.raises(
        MusicuError, match="two listeners or more must be measured on all systems; 1"
    ):
        compare_systems(systems([0.0, 1.0]), "+0", clusters=[7] * 200)
    nothing = {"a": np.full(5, np.nan), "b": np.zeros(5)}
    with pytest.raises(MusicuError, match="on all systems; 0"):
        compare_systems(nothing, "a")
