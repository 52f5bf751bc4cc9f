from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.search.rerank import Placed, rerank

Floats = NDArray[np.float64]


def positions(placed: list[Placed]) -> list[int]:
    return [place.position for place in placed]


def near(*groups: int) -> Floats:
    """Similarity 1 within a group, 0 between groups."""
    g = np.array(groups)
    return (g[:, None] == g).astype(np.float64)


@st.composite
def problems(draw: st.DrawFn) -> dict[str, Any]:
    """Candidates with all that can be asked of them."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    c = draw(st.integers(1, 30))
    x = rng.standard_normal((c, 3))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return {
        "scores": rng.standard_normal(c).round(draw(st.integers(0, 6))),
        "n": draw(st.integers(0, 30)),
        "similarity": x @ x.T,
        "artists": [("a", f"a{i}") if i == 3 else f"a{i}" for i in rng.integers(0, 6, c)],
        "albums": [f"b{i}" if i else None for i in rng.integers(0, 6, c)],
        "versions": list(rng.integers(0, 20, c)),
        "popularity": rng.random(c),
        "is_new": rng.random(c) < 0.4,
        "diversity": draw(st.sampled_from([0.0, 0.3, 1.0])),
        "max_per_artist": draw(st.sampled_from([None, 1, 3])),
        "max_per_album": draw(st.sampled_from([None, 1, 2])),
        "no_versions": draw(st.booleans()),
        "popularity_weight": draw(st.sampled_from([0.0, 0.5, -0.5])),
        "min_new": draw(st.sampled_from([0.0, 0.1, 0.3, 1.0])),
    }


def most_common(labels: list[Any]) -> int:
    flat = [x for label in labels for x in (label if isinstance(label, tuple) else (label,))]
    return max((flat.count(x) for x in flat if x is not None), default=0)


@given(st.lists(st.floats(-1e6, 1e6), max_size=40), st.integers(0, 50))
def test_without_options_the_order_is_that_of_the_scores(scores: list[float], n: int) -> None:
    placed, notes = rerank(scores, n=n)
    assert positions(placed) == sorted(range(len(scores)), key=lambda i: -scores[i])[:n]
    assert all(place.score == scores[place.position] for place in placed)
    assert bool(notes) == (n > len(scores))


@given(problems())
@settings(max_examples=150)
def test_caps_hold_whatever_else_is_asked_for(problem: dict[str, Any]) -> None:
    placed, notes = rerank(**problem)
    at = positions(placed)
    assert len(set(at)) == len(at) <= problem["n"]
    for cap, labels in (("max_per_artist", "artists"), ("max_per_album", "albums")):
        if problem[cap] is not None:
            assert most_common([problem[labels][i] for i in at]) <= problem[cap]
    if problem["no_versions"]:
        assert len({problem["versions"][i] for i in at}) == len(at)
    assert (len(at) < problem["n"]) == any(f"{len(at)} of {problem['n']}" in note for note in notes)


@given(problems())
@settings(max_examples=150)
def test_a_list_is_only_short_if_every_other_candidate_is_capped(problem: dict[str, Any]) -> None:
    placed, _ = rerank(**problem)
    at = positions(placed)
    if len(at) == problem["n"]:
        return
    for other in set(range(len(problem["scores"]))) - set(at):
        more = [*at, other]
        broken = [
            problem[cap] is not None and most_common([problem[of][i] for i in more]) > problem[cap]
            for cap, of in (("max_per_artist", "artists"), ("max_per_album", "albums"))
        ]
        twice = len({problem["versions"][i] for i in more}) < len(more)
        assert any(broken) or (problem["no_versions"] and twice)


@given(problems())
@settings(max_examples=100)
def test_adjustments_add_up_to_the_score_exactly(problem: dict[str, Any]) -> None:
    for place in rerank(**problem)[0]:
        assert sum(place.adjustments.values()) == place.score
        assert place.adjustments["score"] == problem["scores"][place.position]
        expected = -problem["popularity_weight"] * problem["popularity"][place.position]
        assert place.adjustments.get("popularity", 0.0) == expected or not expected


@given(problems())
@settings(max_examples=150)
def test_every_beginning_of_the_list_has_its_share_of_new_ones(problem: dict[str, Any]) -> None:
    placed, notes = rerank(**problem)
    if any("min_new" in note for note in notes):
        return
    new = np.cumsum([problem["is_new"][i] for i in positions(placed)])
    for p, found in enumerate(new, start=1):
        assert found >= np.floor(problem["min_new"] * p + 1e-9)


@given(problems())
@settings(max_examples=50)
def test_the_same_question_has_the_same_answer(problem: dict[str, Any]) -> None:
    assert rerank(**problem) == rerank(**problem)


def test_new_ones_are_only_lifted_where_they_are_due() -> None:
    placed, notes = rerank([5, 4, 3, 2, 1], n=4, is_new=[0, 0, 0, 1, 1], min_new=0.5)
    assert positions(placed) == [0, 3, 1, 4]
    assert [place.lifted for place in placed] == [False, True, False, True]
    assert notes == []
    placed, notes = rerank([5, 4, 3], n=3, is_new=[0, 0, 1], min_new=1.0)
    assert positions(placed) == [2, 0, 1]
    assert notes == ["min_new could not be kept: too few new candidates"]


def test_new_ones_that_are_good_anyway_are_not_lifted() -> None:
    placed, _ = rerank([5, 4, 3], n=3, is_new=[1, 1, 0], min_new=0.5)
    assert positions(placed) == [0, 1, 2]
    assert not any(place.lifted for place in placed)


def test_diversity_passes_over_what_is_like_those_above() -> None:
    scores = [1.0, 0.9, 0.6]
    assert positions(rerank(scores, n=3, similarity=near(0, 0, 1), diversity=0.0)[0]) == [0, 1, 2]
    placed, _ = rerank(scores, n=3, similarity=near(0, 0, 1), diversity=0.5)
    assert positions(placed) == [0, 2, 1]
    assert [place.score for place in placed] == pytest.approx([0.5, 0.3, -0.05])


def test_diversity_counts_the_nearest_above_even_if_all_are_unlike() -> None:
    similarity = np.array([[1.0, -0.9, -0.1], [-0.9, 1.0, 0.0], [-0.1, 0.0, 1.0]])
    placed, _ = rerank([1.0, 0.5, 0.6], n=2, similarity=similarity, diversity=0.5)
    assert positions(placed) == [0, 1]
    assert placed[1].score == pytest.approx(0.5 * 0.5 + 0.5 * 0.9)


def test_similarities_may_come_from_a_function() -> None:
    matrix = near(0, 0, 1, 1)
    asked: list[int] = []

    def row(position: int) -> Floats:
        asked.append(position)
        return matrix[position]

    given_matrix = rerank([4, 3, 2, 1], n=3, similarity=matrix, diversity=0.9)
    assert rerank([4, 3, 2, 1], n=3, similarity=row, diversity=0.9) == given_matrix
    assert asked == positions(given_matrix[0])


def test_popularity_is_taken_off_or_put_on() -> None:
    scores, popularity = [1.0, 0.9], [0.9, 0.1]
    less, _ = rerank(scores, n=2, popularity=popularity, popularity_weight=0.5)
    more, _ = rerank(scores, n=2, popularity=popularity, popularity_weight=-0.5)
    assert positions(less) == [1, 0]
    assert positions(more) == [0, 1]
    assert less[0].adjustments == {"score": 0.9, "popularity": -0.05}


def test_a_duet_counts_for_both_artists() -> None:
    artists = [("a", "b"), "a", "b", "c"]
    placed, notes = rerank([4, 3, 2, 1], n=4, artists=artists, max_per_artist=1)
    assert positions(placed) == [0, 3]
    assert notes == ["2 of 4: max_per_artist (2 left out)"]


def test_candidates_without_a_label_are_not_capped() -> None:
    placed, _ = rerank([3, 2, 1], n=3, artists=[None, None, ""], max_per_artist=1)
    assert positions(placed) == [0, 1, 2]


def test_a_song_comes_in_one_version_unless_all_are_wanted() -> None:
    versions = ["song", "song", "other"]
    assert positions(rerank([3, 2, 1], n=2, versions=versions)[0]) == [0, 2]
    assert positions(rerank([3, 2, 1], n=2, versions=versions, no_versions=False)[0]) == [0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scores": [1, np.nan]}, "scores must be numbers"),
        ({"diversity": 0.5}, "diversity needs the similarity"),
        ({"diversity": 2.0, "similarity": np.eye(2)}, "diversity is 2: it goes from 0 to 1"),
        ({"diversity": 0.5, "similarity": np.eye(3)}, "do not fit 2 candidates"),
        ({"min_new": 0.5}, "is_new is needed"),
        ({"min_new": 0.5, "is_new": [True]}, "is_new must be 2 numbers"),
        ({"popularity_weight": 1.0}, "popularity is needed"),
        ({"max_per_artist": 2}, "max_per_artist needs labels of 2 candidates"),
        ({"max_per_album": 0, "albums": ["a", "b"]}, "max_per_album is 0"),
        ({"versions": ["a"]}, "no_versions needs labels of 2 candidates, one each; there are 1"),
    ],
)
def test_what_cannot_be_asked_for_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MusicuError, match=message):
        rerank(**{"scores": [2, 1], "n": 2, **options})
