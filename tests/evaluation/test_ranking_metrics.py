"""The measures of rankings, against ranx and against lists whose answer is known."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from references import references
from scipy.sparse import csr_array

from musicu.errors import MusicuError
from musicu.evaluation import ranking_metrics as measures
from musicu.evaluation.ranking_metrics import KS, hits, measure, measure_audience, top_n

# All are sums of a few doubles.
TOLERANCE = 1e-9
SEEDS = st.integers(0, 10_000)

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def problem(
    seed: int, queries: int = 12, items: int = 130, share: float = 0.1
) -> tuple[Floats, Bools]:
    """Scores without ties, and what is relevant; some queries have nothing to find."""
    rng = np.random.default_rng(seed)
    scores = rng.permuted(np.tile(np.arange(items), (queries, 1)), axis=1) / items
    relevant = rng.random((queries, items)) < share * rng.random((queries, 1))
    return scores, relevant


@pytest.mark.parametrize("told", references("ranx: ranking"), ids=lambda told: str(told["items"]))
def test_each_query_measures_what_ranx_says(told: dict[str, Any]) -> None:
    """Of the last one, which has nothing to find, ranx says nothing."""
    ranked = np.full((6, max(KS)), -1)
    relevant = np.zeros((6, told["items"]), dtype=np.bool_)
    for row, list_, sought in zip(range(6), told["ranked"], told["relevant"], strict=True):
        ranked[row, : len(list_)] = list_
        relevant[row, sought] = True
    got = measure(ranked, csr_array(relevant))
    assert got.values.keys() == told["values"].keys() and len(got.values) == 6 * len(KS)
    assert got.scored.tolist() == [True] * 5 + [False]
    for name, row in got.values.items():
        np.testing.assert_allclose(row[:5], told["values"][name], atol=TOLERANCE, err_msg=name)
        assert np.isnan(row[5])


@given(seed=SEEDS, share=st.sampled_from([0.0, 0.02, 0.5, 1.0]))
@settings(max_examples=30, deadline=None)
def test_measures_are_what_their_sentences_say(seed: int, share: float) -> None:
    scores, relevant = problem(seed, queries=5, items=30, share=share)
    ranked = top_n(scores, 10)
    got = measure(ranked, relevant, ks=(3, 10))
    for q in range(5):
        want = set(np.flatnonzero(relevant[q]).tolist())
        for k in (3, 10):
            found = [int(i) in want for i in ranked[q, :k]]
            at = [place for place, hit in enumerate(found, start=1) if hit]
            ideal = sum(1 / np.log2(1 + p) for p in range(1, min(k, len(want)) + 1))
            told = {
                "recall": len(at) / max(len(want), 1),
                "ndcg": sum(1 / np.log2(1 + p) for p in at) / max(ideal, 1),
                "mrr": 1 / at[0] if at else 0,
                "map": sum((i + 1) / p for i, p in enumerate(at)) / max(len(want), 1),
                "precision": len(at) / k,
                "hit": float(bool(at)),
            }
            for name, value in told.items():
                if want:
                    assert got.values[f"{name}@{k}"][q] == pytest.approx(value, abs=TOLERANCE)
                else:
                    assert np.isnan(got.values[f"{name}@{k}"][q])


def test_a_perfect_list_is_worth_one_and_an_empty_one_nothing() -> None:
    relevant = np.zeros((1, 50), dtype=np.bool_)
    relevant[0, :5] = True
    perfect = measure(np.arange(10)[None], relevant, ks=(10,)).means()
    assert perfect == pytest.approx(
        {"recall@10": 1, "ndcg@10": 1, "mrr@10": 1, "map@10": 1, "precision@10": 0.5, "hit@10": 1}
    )
    empty = measure(np.full((1, 10), -1), relevant, ks=(10,)).means()
    assert set(empty.values()) == {0.0}
    assert measure(np.zeros((1, 0), dtype=np.intp), relevant, ks=(10,)).means() == empty


def test_many_relevant_items_do_not_keep_a_short_list_from_being_ideal() -> None:
    relevant = np.ones((1, 200), dtype=np.bool_)
    got = measure(np.arange(10)[None], relevant, ks=(10,)).means()
    assert got["ndcg@10"] == pytest.approx(1.0) and got["recall@10"] == pytest.approx(0.05)


def test_queries_with_nothing_to_find_are_counted_and_left_out() -> None:
    relevant = np.array([[True, False], [False, False], [False, False]])
    got = measure(np.array([[0, 1]] * 3), relevant, ks=(1,))
    assert got.left_out == 2 and got.scored.tolist() == [True, False, False]
    assert set(got.means().values()) == {1.0}
    none = measure(np.array([[0, 1]]), relevant[1:2], ks=(1,))
    assert none.left_out == 1 and all(np.isnan(value) for value in none.means().values())


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_sparse_and_dense_relevance_are_the_same(seed: int) -> None:
    scores, relevant = problem(seed, items=40)
    ranked = top_n(scores, 25, exclude=scores > 0.8)
    stored = csr_array(relevant)
    stored.data[::3] = False  # what is stored as False is not relevant
    for sparse, dense in ((csr_array(relevant), relevant), (stored, stored.toarray())):
        a, b = measure(ranked, sparse), measure(ranked, dense)
        for name, row in a.values.items():
            np.testing.assert_array_equal(row, b.values[name])


def test_pairs_that_are_stored_twice_are_one() -> None:
    twice = csr_array(
        (np.array([True, True, True]), np.array([1, 1, 2]), np.array([0, 3])), shape=(1, 4)
    )
    assert measure(np.array([[1, 0]]), twice, ks=(2,)).means()["recall@2"] == 0.5


@given(seed=SEEDS)
@settings(max_examples=25, deadline=None)
def test_measures_do_not_depend_on_the_names_of_items(seed: int) -> None:
    scores, relevant = problem(seed, items=40)
    order = np.random.default_rng(seed).permutation(40)
    straight = measure(top_n(scores, 20), relevant)
    mixed = measure(top_n(scores[:, order], 20), relevant[:, order])
    for name, row in straight.values.items():
        np.testing.assert_allclose(row, mixed.values[name], atol=TOLERANCE)


# The lists


@given(seed=SEEDS, n=st.integers(1, 40), levels=st.integers(1, 30))
@settings(max_examples=60, deadline=None)
def test_the_best_are_those_of_a_stable_sort(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, levels, size=(7, 30)).astype(np.float32)
    exclude = rng.random((7, 30)) < 0.3
    scores[rng.random((7, 30)) < 0.1] = np.nan
    wanted = np.full((7, n), -1)
    for row, (s, out) in enumerate(zip(scores, exclude, strict=True)):
        left = [i for i in range(30) if not out[i] and not np.isnan(s[i])]
        best = sorted(left, key=lambda i: (-s[i], i))[:n]
        wanted[row, : len(best)] = best
    for mask in (exclude, csr_array(exclude)):
        assert top_n(scores, n, exclude=mask).tolist() == wanted.tolist()


def test_lists_do_not_depend_on_how_much_is_looked_at_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    scores, exclude = rng.integers(0, 5, size=(50, 20)).astype(float), rng.random((50, 20)) < 0.2
    whole = top_n(scores, 6, exclude=csr_array(exclude))
    monkeypatch.setattr(measures, "_CELLS", 70)
    assert top_n(scores, 6, exclude=csr_array(exclude)).tolist() == whole.tolist()


def test_infinite_scores_come_first_or_never() -> None:
    scores = np.array([[0.0, np.inf, -np.inf, np.nan]])
    assert top_n(scores, 4).tolist() == [[1, 0, -1, -1]]


def test_one_mask_may_hold_for_all_queries() -> None:
    scores = np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]])
    assert top_n(scores, 3, exclude=np.array([False, True, False])).tolist() == [
        [0, 2, -1],
        [2, 0, -1],
    ]


# The turned problem


def test_the_audience_of_an_item_is_the_same_problem_turned() -> None:
    scores, relevant = problem(3, queries=60, items=25, share=0.4)
    known = csr_array(np.random.default_rng(1).random(scores.shape) < 0.1)
    got = measure_audience(scores, csr_array(relevant), ks=(10,), exclude=known)
    wanted = measure(top_n(scores.T, 10, exclude=known.toarray().T), relevant.T, ks=(10,))
    for name, row in wanted.values.items():
        assert row.shape == (25,)
        np.testing.assert_array_equal(got.values[name], row)


def test_an_item_is_shown_to_those_who_will_play_it() -> None:
    relevant = np.array([[True, False], [True, False], [False, True], [False, False]])
    assert measure_audience(relevant.astype(float), relevant, ks=(2,)).means()["recall@2"] == 1.0


# Faults


@pytest.mark.parametrize(
    ("ranked", "says"),
    [
        ([[0, 1]], "lists of shape (1, 2) do not fit 2 queries"),
        ([[0, 1], [2, 5]], "holds position 5, but there are 4 items"),
        ([[0, 1], [2, -2]], "holds position -2"),
        ([[0, 1, 2], [3, 1, 3]], "list of query 1 holds item 3 twice"),
    ],
)
def test_a_list_that_cannot_be_is_refused(ranked: list[list[int]], says: str) -> None:
    with pytest.raises(MusicuError) as caught:
        hits(np.array(ranked), np.ones((2, 4), dtype=np.bool_))
    assert says in str(caught.value)


def test_a_mask_of_another_shape_is_refused() -> None:
    with pytest.raises(MusicuError, match=r"mask of shape \(2, 3\) does not fit"):
        top_n(np.zeros((2, 4)), 1, exclude=np.zeros((2, 3), dtype=np.bool_))
