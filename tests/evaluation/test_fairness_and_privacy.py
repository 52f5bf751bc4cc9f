"""Exposure and merit where both are known; attacks that must succeed, and ones that must not."""

import numpy as np
import pytest
from planted import DAY, GENRES, NOW, items, log

from musicu.errors import MusicuError, RecommenderError
from musicu.evaluation.recommenders.fairness import evaluate_fairness
from musicu.evaluation.recommenders.privacy import auc, evaluate_privacy
from musicu.recommend.bounds import Bound
from musicu.recommend.groups import AUDIENCES, item_groups
from musicu.recommend.interactions import Interactions
from musicu.recommend.recommender import Recommender
from musicu.recommend.slate import SlateRequest, make_slate
from musicu.recommend.surface import Surface
from musicu.reports.fairness_page import fairness_page

SINCE = NOW - 15 * DAY


@pytest.fixture(scope="module")
def fitted() -> Recommender:
    return Recommender(dim=8).fit(log().before(SINCE), items())


def test_groups_are_told_by_audience_by_who_is_new_and_by_fields(fitted: Recommender) -> None:
    model = fitted.model
    audience = item_groups(model, "audience")
    assert set(audience) == set(AUDIENCES)
    listening = {name: model.listeners[audience == name].sum() for name in AUDIENCES}
    assert listening["new"] == 0
    assert all(0.25 < listening[name] / model.listeners.sum() < 0.42 for name in AUDIENCES[:3])
    assert (item_groups(model, "new") == "new").tolist() == (model.listeners == 0).tolist()
    assert set(item_groups(model, "genres")) == set(GENRES)
    assert set(item_groups(model, "country")) == {""}
    with pytest.raises(MusicuError, match="no groups by 'contry'; near is 'country'"):
        item_groups(model, "contry")


def test_exposure_and_merit_are_shares_and_targets_have_a_price(fitted: Recommender) -> None:
    told = evaluate_fairness(
        fitted, log(), SINCE, n=10, most=25, targets={"tail": 0.6, "new": 1.0}, draws=300
    )
    assert told.listeners == 25 and {one.group for one in told.groups} <= {*AUDIENCES}
    assert sum(one.merit for one in told.groups) == pytest.approx(1)
    for one in told.groups:
        assert one.exposure_low <= one.exposure <= one.exposure_high
    tail, new = told.targets
    assert (tail.group, tail.met, new.met) == ("tail", 1.0, 0.0)  # eight are new: too few for all
    assert tail.reached > 0.5 and new.reached > 0.7
    assert new.difference < 0  # nobody played what is new
    page = fairness_page(told, {"command": "musicu evaluate fairness"})
    assert "At least 60.0 % for tail is kept in 100 %" in page
    with pytest.raises(MusicuError, match="no group 'moon' by audience"):
        evaluate_fairness(fitted, log(), SINCE, targets={"moon": 0.1}, most=3)


def test_a_surface_keeps_a_groups_share(fitted: Recommender) -> None:
    user = log().users[2]
    plain = Surface(name="x", n=10, max_per_artist=2)
    floor = Surface(name="x", n=10, max_per_artist=2, least_group="genres=Folk", least_share=0.5)
    folk = item_groups(fitted.model, "genres") == "Folk"
    member = {id for id, inside in zip(fitted.items.ids, folk.tolist(), strict=True) if inside}
    usual, held = (make_slate(fitted, s, SlateRequest(user=user)) for s in (plain, floor))
    assert sum(one.id in member for one in usual) < 5
    for place in range(1, 11):
        assert sum(one.id in member for one in held[:place]) >= place // 2
    artists = [one.artist for one in held]
    assert max(map(artists.count, artists)) <= 2
    assert [one.rank for one in held] == list(range(1, 11))
    none = Surface(name="x", least_group="genres=Polka", least_share=0.5)
    assert any(
        "could not be kept" in n for n in make_slate(fitted, none, SlateRequest(user=user)).notes
    )


def test_the_area_under_the_curve_is_mann_and_whitneys() -> None:
    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 5, 80).astype(float), rng.random(80) < 0.4
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]]
    assert auc(scores, positive) == pytest.approx(np.mean(pairs))
    assert np.isnan(auc(scores, np.ones(80, bool)))


def rare() -> Interactions:
    """Return listening in which everybody has an item of their own beside those of all."""
    plays = log()
    own = [f"own {i}" for i in range(len(plays.users))]
    user = np.concatenate([plays.user, np.arange(len(own))])
    item = np.concatenate([plays.item, len(plays.items) + np.arange(len(own))])
    return Interactions(plays.users, [*plays.items, *own], user, item)


def test_items_of_ones_own_give_a_listener_away_and_a_bound_stops_that() -> None:
    open_, bounded = (
        evaluate_privacy(rare(), items(), settings={"dim": 4}, left_out=0, bound=bound)
        for bound in (None, Bound(least_listeners=3))
    )
    assert open_.members == 30 and open_.others == 30
    counts = {one.name: one for one in open_.attacks}["fewest listeners of an item"]
    assert counts.auc == counts.low == 1.0 and counts.against == "folder"
    after = {one.name: one for one in bounded.attacks}["fewest listeners of an item"]
    assert after.auc == pytest.approx(0.5)
    assert {one.against for one in bounded.attacks} == {"folder", "answers"}


def test_leaving_a_listener_out_changes_little() -> None:
    steps: list[tuple[int, int]] = []
    told = evaluate_privacy(
        log(),
        items(),
        settings={"dim": 4},
        most=8,
        left_out=2,
        panel=10,
        n=10,
        progress=lambda *step: steps.append(step),
    )
    assert steps[-1] == (4, 4) and len(told.influences) == 2
    assert told.influences[0].items >= told.influences[1].items
    assert all(0 <= one.changed <= one.most <= 1 for one in told.influences)
    assert told.influences[1].changed < 0.5
    text = str(told.to_dict())
    assert "listener-" not in text
    with pytest.raises(RecommenderError, match="too few to part"):
        evaluate_privacy(Interactions(["ann"], ["x"], [0], [0]), items())
