"""Scores of new items beside those of known ones, and the room that is kept for new music."""

import copy
from pathlib import Path

import numpy as np
import pytest
from planted import DAY, N_ITEMS, NEW, NOW, items, log

from musicu.errors import MusicuError
from musicu.recommend.calibration import Calibration, logistic
from musicu.recommend.calibration_fit import learn_calibration
from musicu.recommend.hyperparameters import Hyperparameters
from musicu.recommend.interactions import Interactions
from musicu.recommend.recommender import Recommender

USER = "listener-001-of-60"


@pytest.fixture(scope="module")
def fitted() -> Recommender:
    return Recommender(dim=8).fit(log(), items())


def test_the_chance_of_a_hit_is_found_again() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=20_000)
    hit = rng.random(20_000) < 1 / (1 + np.exp(2 - 1.5 * score))
    level, slope = logistic(score, hit)
    assert level == pytest.approx(-2, abs=0.1) and slope == pytest.approx(1.5, abs=0.1)
    # Nothing but misses, or hits, leaves numbers.
    for all_alike in (np.zeros(30, bool), np.ones(30, bool)):
        assert np.isfinite(logistic(score[:30], all_alike)).all()


def test_every_list_keeps_room_for_new_items_and_says_so(fitted: Recommender) -> None:
    found = fitted.recommend(USER, 20)
    new = {f"item {i}" for i in range(N_ITEMS - NEW, N_ITEMS)}
    assert {one.id for one in found if one.is_new} == {one.id for one in found} & new
    assert found.new == sum(one.id in new for one in found) >= 2
    assert found.novelty.startswith(f"new: {found.new} of 20 (0.1 of a list is kept for new items")
    for p in range(1, 21):
        assert sum(one.is_new for one in found[:p]) >= p // 10
    assert fitted.recommend(USER, 20, min_new=0.25).new >= 5
    old = Recommender(dim=8).fit(log(), items(N_ITEMS - NEW))
    without = old.recommend(USER, 20)
    # Where nothing is new, nothing is missing either.
    assert without.new == 0 and without.notes == ()


def test_a_share_that_is_stated_is_asked_for() -> None:
    def level(share: float) -> float:
        settings = Hyperparameters(dim=8, new_share=share)
        found = learn_calibration(log(), items(), settings)
        assert found is not None and found.by == "stated" and found.new_share == share
        return found.level

    assert level(0.02) < level(0.1) < level(0.4)


def test_with_releases_in_its_last_fifth_a_log_is_divided_by_time() -> None:
    plain = log(users=120, new=0)
    late = np.isin(plain.item, [plain.items.index(f"item {i}") for i in range(0, 40, 5)])
    time = NOW - DAY * np.random.default_rng(2).uniform(1, 60, len(plain))
    time[late] = NOW - DAY * np.random.default_rng(3).uniform(0, 5, late.sum())
    dated = Interactions(plain.users, plain.items, plain.user, plain.item, plain.weight, time)
    found = learn_calibration(dated, items(), Hyperparameters(dim=8))
    assert found is not None and found.by == "time"
    since = np.quantile(time, 0.8)
    fresh, old = (time > since) & late, (time > since) & ~late
    assert found.new_share == pytest.approx(fresh.sum() / (fresh | old).sum(), abs=0.02)
    whole = learn_calibration(plain, items(), Hyperparameters(dim=8))
    assert whole is not None and whole.by == "artists"


def test_calibration_is_forgotten_kept_and_added_to_with_the_rest(
    fitted: Recommender, tmp_path: Path
) -> None:
    assert fitted.model.calibration is not None
    forgot = copy.copy(fitted).forget_user(USER)
    fresh = Recommender(dim=8).fit(log().without_user(USER), items())
    assert forgot.model.calibration == fresh.model.calibration != fitted.model.calibration
    fitted.save(tmp_path / "saved")
    assert Recommender.load(tmp_path / "saved").model.calibration == fitted.model.calibration
    more = copy.copy(fitted).add(items(N_ITEMS + 4))
    assert more.model.calibration == fitted.model.calibration


def test_what_cannot_be_learned_is_left_and_what_is_damaged_refused() -> None:
    few = Interactions(["ann"], ["item 0", "item 1"], [0, 0], [0, 1])
    assert learn_calibration(few, items(), Hyperparameters(dim=2)) is None
    whole = Calibration(level=1.0, slope=2.0, top=3.0, new_share=0.1, by="time").to_dict()
    assert Calibration.from_dict(whole).to_dict() == whole
    for broken in ({}, whole | {"slope": -1}, whole | {"level": "x"}, whole | {"level": np.inf}):
        with pytest.raises(MusicuError, match="calibration"):
            Calibration.from_dict(broken)
