"""The evaluation's metrics, against ranx, scikit-learn and SciPy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from references import references

from musicu.arrays import skewness, unit_rows
from musicu.evaluation.bootstrap import bootstrap_means, bootstrap_skews, interval
from musicu.evaluation.retrieval_metrics import (
    artist_parts,
    average_precision,
    jaccard,
    k_occurrence,
    mean_relevance,
    only_labels,
    precision_at_1,
    probe,
    same_track_first,
    similarities,
)

# All are sums of a few doubles.
TOLERANCE = 1e-9
# Three standard errors of a share over 400 repetitions.
CHANCE = 3 * np.sqrt(0.95 * 0.05 / 400)

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
SEEDS = st.integers(0, 10_000)


def questions(seed: int, n: int = 40) -> tuple[Floats, Bools, Bools]:
    """Similarities of random vectors, own artists' clips, all but the clip itself."""
    rng = np.random.default_rng(seed)
    artist = rng.choice(list("abcdefgh"), size=n)
    others = ~np.eye(n, dtype=np.bool_)
    return similarities(rng.standard_normal((n, 5))), artist[:, None] == artist, others


@pytest.mark.parametrize("told", references("ranx: retrieval"), ids=["own artist", "label"])
def test_map_and_precision_are_what_ranx_says(told: dict[str, Any]) -> None:
    """Of clips that look for their artist's, or for their label's by other artists."""
    similarity = np.array(told["similarity"], dtype=np.float64)
    artist = np.array(told["artist"])
    same, others = artist[:, None] == artist, ~np.eye(len(artist), dtype=np.bool_)
    label = artist if told["label"] is None else np.array(told["label"])
    relevant, candidates = label[:, None] == label, others if told["label"] is None else ~same
    precision = precision_at_1(similarity, relevant, candidates)
    ap = average_precision(similarity, relevant, candidates)
    assert np.nanmean(precision) == pytest.approx(told["precision@1"], abs=TOLERANCE)
    assert np.nanmean(ap) == pytest.approx(told["map"], abs=TOLERANCE)


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_average_precision_is_what_scikit_learn_says(seed: int) -> None:
    from sklearn.metrics import average_precision_score

    similarity, same, others = questions(seed, n=20)
    got = average_precision(similarity, same, others)
    for i, value in enumerate(got):
        at = others[i]
        if same[i, at].any():
            wanted = average_precision_score(same[i, at], similarity[i, at])
            assert value == pytest.approx(wanted, abs=TOLERANCE)
        else:
            assert np.isnan(value)


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_scores_do_not_depend_on_the_order_of_clips(seed: int) -> None:
    similarity, same, others = questions(seed, n=15)
    order = np.random.default_rng(seed).permutation(15)
    turned = np.ix_(order, order)
    for metric in (precision_at_1, average_precision):
        straight = metric(similarity, same, others)
        mixed = metric(similarity[turned], same[turned], others[turned])
        np.testing.assert_allclose(mixed, straight[order], atol=TOLERANCE)


def test_a_query_with_nothing_to_find_is_not_scored() -> None:
    similarity = similarities(np.random.default_rng(0).standard_normal((3, 4)))
    same = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=np.bool_)
    others = ~np.eye(3, dtype=np.bool_)
    for metric in (precision_at_1, average_precision):
        assert np.isnan(metric(similarity, same, others)).tolist() == [False, False, True]
    relevance = same.astype(np.float64)
    assert np.isnan(mean_relevance(similarity, relevance, others)).tolist() == [0, 0, 1]


def test_what_is_no_candidate_is_not_found() -> None:
    similarity = np.array([[0.0, 0.9, 0.5]])
    relevant = np.array([[False, False, True]])
    assert precision_at_1(similarity, relevant, np.array([[False, True, True]])) == [0.0]
    assert precision_at_1(similarity, relevant, np.array([[False, False, True]])) == [1.0]


def test_mean_relevance_is_that_of_the_nearest_and_of_no_more_than_there_are() -> None:
    similarity = np.array([[0.0, 0.9, 0.8, 0.7]])
    relevance = np.array([[1.0, 0.5, 0.25, 0.75]])
    candidates = np.array([[False, True, True, True]])
    for k, wanted in ((1, 0.5), (2, 0.375), (3, 0.5), (10, 0.5)):
        assert mean_relevance(similarity, relevance, candidates, k=k) == [wanted]


def test_jaccard_is_the_common_share() -> None:
    got = jaccard([{"x"}, {"x", "y"}, {"z"}, frozenset()])
    wanted = [[1, 0.5, 0, 0], [0.5, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert got.tolist() == wanted


def test_euclidean_similarity_orders_as_the_distance() -> None:
    x = np.random.default_rng(0).standard_normal((20, 3))
    distance = np.linalg.norm(x[:, None] - x, axis=2)
    got = similarities(x, distance="euclidean")
    np.testing.assert_allclose(-got, distance**2, atol=TOLERANCE)


def test_cosines_do_not_know_lengths() -> None:
    x = np.random.default_rng(0).standard_normal((6, 3))
    scaled = x * np.arange(1, 7)[:, None]
    np.testing.assert_allclose(similarities(scaled), unit_rows(x) @ unit_rows(x).T, atol=TOLERANCE)


def test_k_occurrences_are_k_on_average() -> None:
    similarity, _, _ = questions(0)
    for k in (1, 10, 39, 100):
        assert k_occurrence(similarity, k=k).mean() == min(k, 39)


def test_a_clip_that_is_near_to_all_is_a_hub() -> None:
    vectors = np.random.default_rng(0).standard_normal((200, 20))
    plain = k_occurrence(similarities(vectors))
    vectors[:5] = vectors.mean(axis=0) + 0.01 * vectors[:5]
    hubs = k_occurrence(similarities(vectors + 0.2))
    assert set(np.argsort(-hubs)[:5]) == {0, 1, 2, 3, 4}
    assert skewness(hubs) > skewness(plain) + 0.5


def test_lone_labels_are_those_of_clips_with_one_that_is_not_rare() -> None:
    sets = [{"x"}, {"x"}, {"x", "y"}, {"y"}, {"z"}, {"z"}, frozenset()]
    assert only_labels(sets, least=2) == ["x", "x", "", "", "z", "z", ""]


def test_one_lone_label_has_nothing_to_be_told_from() -> None:
    assert only_labels([{"x"}, {"x"}, {"y"}], least=2) == ["", "", ""]


def test_a_track_that_is_one_thing_beats_the_artists_other_tracks() -> None:
    near = np.array([[1, 0], [0.99, 0.1], [0, 1], [0.1, 0.99], [0.7, 0.7]])
    track, artist = np.array(list("aabbc")), np.array(list("AAAAB"))
    got = same_track_first(similarities(near), track, artist)
    assert got[:4].tolist() == [1, 1, 1, 1]
    assert np.isnan(got[4])
    mixed = same_track_first(similarities(near), np.array(list("ababc")), artist)
    assert mixed[:4].tolist() == [0, 0, 0, 0]


# The probe


def test_parts_keep_artists_together_and_are_alike_in_size() -> None:
    artist = np.random.default_rng(0).integers(0, 23, size=200)
    parts = artist_parts(artist)
    assert all(len(set(parts[artist == name])) == 1 for name in set(artist))
    sizes = [len(set(artist[parts == part])) for part in range(5)]
    assert sorted(sizes) == [4, 4, 5, 5, 5]


def test_a_probe_finds_a_linear_boundary_and_nothing_in_noise() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((300, 6))
    parts = artist_parts(np.arange(300))
    clear = np.where(x[:, 0] > 0, "up", "down")
    blind = rng.permutation(clear)
    assert probe(x, clear, parts).mean() > 0.9
    assert 0.35 < probe(x, blind, parts).mean() < 0.65


def test_a_probe_is_what_scikit_learn_says() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    label = rng.choice(["x", "y", "z"], size=90)
    x = rng.standard_normal((90, 5)) * [1, 10, 100, 1, 1] + (label == "x")[:, None]
    parts = np.arange(90) % 5
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    wanted = cross_val_predict(model, x, label, groups=parts, cv=LeaveOneGroupOut()) == label
    assert probe(x, label, parts).tolist() == wanted.tolist()


def test_a_probe_leaves_out_what_has_no_label_and_bears_one_class() -> None:
    labels = np.array(["x", "x", "x", "x", "", "y"])
    got = probe(np.eye(6), labels, np.array([0, 0, 1, 1, 0, 1]))
    assert np.isnan(got).tolist() == [False, False, False, False, True, False]
    assert got[5] == 0.0  # the other part knows x only
    assert np.isnan(probe(np.eye(2), np.array(["x", "y"]), np.array([0, 0]))).all()


# Intervals


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(400):
        artist = np.repeat(np.arange(60), 3)
        values = rng.standard_normal(60)[artist] + 0.5 * rng.standard_normal(180)
        low, high = interval(bootstrap_means(values[None], artist, draws=300, seed=seed)[0])
        covered += low < 0 < high
    # The percentile bootstrap is a little too narrow with 60 artists.
    assert 0.95 - CHANCE - 0.02 < covered / 400 < 0.95 + CHANCE


def test_clips_of_one_artist_are_no_more_evidence_than_one() -> None:
    values = np.random.default_rng(0).standard_normal(50)
    once = interval(bootstrap_means(values[None], np.arange(50))[0])
    tenfold = interval(
        bootstrap_means(np.repeat(values, 10)[None], np.repeat(np.arange(50), 10))[0]
    )
    np.testing.assert_allclose(tenfold, once, atol=TOLERANCE)


def test_systems_are_drawn_in_pairs_and_by_seed() -> None:
    values = np.random.default_rng(0).standard_normal((1, 80))
    artist = np.arange(80) // 2
    samples = bootstrap_means(np.concatenate([values, values + 0.25]), artist, seed=3)
    np.testing.assert_allclose(samples[1] - samples[0], 0.25, atol=TOLERANCE)
    assert (
        samples == bootstrap_means(np.concatenate([values, values + 0.25]), artist, seed=3)
    ).all()
    assert (samples[:1] != bootstrap_means(values, artist, seed=4)).any()


def test_clips_without_a_score_do_not_count() -> None:
    values = np.array([[1.0, 0.0, np.nan, np.nan]])
    samples = bootstrap_means(values, np.array(list("aabc")))
    np.testing.assert_allclose(samples, 0.5, atol=TOLERANCE)


def test_skews_of_the_bootstrap_are_those_of_the_drawn_clips() -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(4, size=(1, 60)).astype(np.float64)
    artist, spaces = np.arange(60) // 3, np.arange(60) // 30
    drawn = np.random.default_rng(5).integers(0, 20, size=(3, 20))
    draws = np.stack([np.bincount(row, minlength=20) for row in drawn])
    wanted = [
        np.mean([skewness(np.repeat(counts[0], d[artist] * (spaces == s))) for s in (0, 1)])
        for d in draws
    ]
    got = bootstrap_skews(counts, artist, spaces, draws=3, seed=5)
    np.testing.assert_allclose(got[0], wanted, atol=TOLERANCE)
