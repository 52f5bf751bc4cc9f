"""Slates measured on what was played later, and the expected reciprocal rank by hand."""

from typing import Any

import numpy as np
import pytest
from planted import DAY, NOW, items, log
from scipy.sparse import csr_array

from musicu.errors import MusicuError
from musicu.evaluation.ranking_metrics import expected_reciprocal_rank
from musicu.evaluation.recommenders.slates import Contender, evaluate_slates
from musicu.recommend.interactions import Interactions
from musicu.recommend.recommender import Recommender
from musicu.recommend.surface import Surface, find_surface

SINCE = NOW - 10 * DAY


def test_the_expected_reciprocal_rank_is_the_papers() -> None:
    grades = np.array([[3, 0, 1], [0, 0, 0], [1, 0, 0]])
    lists = np.array([[2, 0, 1], [0, 1, 2], [1, 2, -1]])
    # Chapelle et al., CIKM 2009: stop at place 1 with 1/8, else at place 2 with 7/8.
    by_hand = 1 / 8 + (7 / 8) * (7 / 8) / 2
    expected = [by_hand, np.nan, 0.0]
    for given in (grades, csr_array(grades)):
        np.testing.assert_allclose(expected_reciprocal_rank(lists, given), expected)
    assert expected_reciprocal_rank(np.array([[0]]), [[1]] @ np.eye(1, dtype=int), highest=1) == 0.5
    with pytest.raises(MusicuError, match="grades go from 0 to 2"):
        expected_reciprocal_rank(lists, grades, highest=2)


@pytest.fixture(scope="module")
def fitted() -> dict[str, Recommender]:
    """A recommender, and one that learned from plays of items dealt out anew."""
    early = log().before(SINCE)
    dealt = np.random.default_rng(0).permutation(len(early.items))[early.item]
    mixed = Interactions(early.users, early.items, early.user, dealt, early.weight, early.time)
    return {
        "champion": Recommender(dim=8).fit(early, items()),
        "challenger": Recommender(dim=8, taste=0.0).fit(mixed, items()),
    }


def value(found: Any, contender: str, measure: str) -> Any:
    (row,) = [r for r in found.rows() if (r["contender"], r["measure"]) == (contender, measure)]
    return row


def test_a_challenger_that_knows_nothing_is_clearly_worse(fitted: dict[str, Recommender]) -> None:
    shown = Surface(name="x", n=10)
    contenders = {name: Contender(one, shown) for name, one in fitted.items()}
    calls: list[tuple[int, int]] = []
    found = evaluate_slates(
        contenders, log(), SINCE, draws=500, progress=lambda *told: calls.append(told)
    )
    assert calls[-1] == (2 * found.listeners, 2 * found.listeners)
    worse = value(found, "challenger", "ndcg")
    assert worse["verdict"] == "clearly worse" and worse["difference"] < 0
    assert value(found, "challenger", "miscalibration")["verdict"] == "clearly worse"
    assert value(found, "champion", "ndcg")["verdict"] is None


def test_surfaces_of_one_recommender_stand_beside_each_other(
    fitted: dict[str, Recommender],
) -> None:
    champion = fitted["champion"]
    surfaces = [
        Surface(name="plain", n=10),
        Surface(name="varied", n=10, diversity=0.7, max_per_artist=1),
        find_surface("now-playing"),
        Surface(name="new", n=10, only="new"),
    ]
    contenders = {one.name: Contender(champion, one) for one in surfaces}
    found = evaluate_slates(contenders, log(), SINCE, most=12, draws=200)
    assert found.listeners == 12
    assert all(row["verdict"] is None for row in found.rows())
    varied, plain = (value(found, name, "diversity")["value"] for name in ("varied", "plain"))
    assert varied > plain
    assert value(found, "varied", "repeated artists")["value"] == 0
    assert value(found, "new", "new")["value"] == 1
    assert value(found, "new", "ndcg")["value"] == 0


def test_a_day_that_parts_nobody_is_a_fault(fitted: dict[str, Recommender]) -> None:
    contenders = {"a": Contender(fitted["champion"], Surface(name="x"))}
    with pytest.raises(MusicuError, match="choose another day"):
        evaluate_slates(contenders, log(), NOW + DAY)
    with pytest.raises(MusicuError, match="no contender 'b'"):
        evaluate_slates(contenders, log(), SINCE, against="b")
