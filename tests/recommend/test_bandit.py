"""Bandits: they learn what is true, also where feedback is late, and go on exploring meanwhile."""

from collections import deque
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from planted import items, log

from musicu.errors import CatalogError, RecommenderError
from musicu.recommend.bandit import LinearBandit
from musicu.recommend.exploration import candidate_vectors, softmax_chances
from musicu.recommend.recommender import Recommender

ITEMS, DIM = 30, 6
Method = Literal["thompson", "linucb"]


def _world(seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Vectors, and the chance of a play of each: linear in them, .05 to .75."""
    rng = np.random.default_rng(seed)
    around = rng.standard_normal((ITEMS, DIM - 1))
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    liked = rng.standard_normal(DIM - 1)
    return np.column_stack([np.ones(ITEMS), around]), 0.4 + 0.35 * around @ (
        liked / np.linalg.norm(liked)
    )


def _lost(bandit: LinearBandit, *, delay: int, rounds: int = 500, seed: int = 0) -> float:
    """Plays lost, on average, in the last fifth; feedback comes `delay` rounds late."""
    x, chance = _world(seed)
    rng = np.random.default_rng([seed, 1])
    waiting: deque[tuple[int, float]] = deque()
    lost = []
    for now in range(rounds):
        (at,), (number,) = bandit.choose(x)
        waiting.append((number, float(rng.random() < chance[at])))
        lost.append(chance.max() - chance[at])
        if len(waiting) > delay:
            bandit.tell(*waiting.popleft())
            if now % 10 == 0:
                bandit.learn()
    return float(np.mean(lost[-rounds // 5 :]))


@pytest.mark.parametrize("method", ["thompson", "linucb"])
@pytest.mark.parametrize("delay", [0, 100])
def test_it_finds_what_is_liked_though_feedback_is_late(method: Method, delay: int) -> None:
    chance = _world()[1]
    random = float(chance.max() - chance.mean())
    assert _lost(LinearBandit(DIM, method=method), delay=delay) < 0.35 * random


def test_who_waits_for_feedback_goes_on_exploring_with_drawn_beliefs() -> None:
    x, _ = _world()
    shown = {}
    for method in ("thompson", "linucb"):
        bandit = LinearBandit(DIM, method=method)
        shown[method] = len({int(bandit.choose(x)[0][0]) for _ in range(60)})
    assert shown["linucb"] == 1 < 8 < shown["thompson"]


def test_what_is_learned_does_not_depend_on_when_it_was_told() -> None:
    x, _ = _world()
    told = np.random.default_rng(5).random(40)
    ends = []
    for order in (np.arange(40), np.arange(40)[::-1]):
        bandit = LinearBandit(DIM, window=100.0)
        for row in range(40):
            bandit.choose(x[[row % ITEMS]], now=float(row))
        for number in order.tolist():
            assert bandit.tell(number, told[number], now=50.0)
        assert bandit.learn(now=90.0) == 0 and bandit.learn(now=1000.0) == 40
        ends.append((bandit.mean, bandit.spread(x)))
    seen = x[np.arange(40) % ITEMS]
    ridge = np.linalg.solve(seen.T @ seen + np.eye(DIM), seen.T @ told)
    for mean, spread in ends:
        assert mean == pytest.approx(ridge)
        covariance = np.linalg.inv(seen.T @ seen + np.eye(DIM))
        assert spread == pytest.approx(0.5 * np.sqrt(np.diag(x @ covariance @ x.T)))


def test_silence_counts_when_plays_do() -> None:
    """A third is played, at once; who learns that at once believes in more than a third."""
    rng = np.random.default_rng(0)
    fair = LinearBandit(1, window=100.0, ridge=1e-6)
    hasty = LinearBandit(1, ridge=1e-6)
    silent: deque[tuple[int, int]] = deque()
    for now in range(150):
        played = rng.random() < 1 / 3
        for bandit in (fair, hasty):
            _, (number,) = bandit.choose([[1.0]], now=float(now))
            if played:
                bandit.tell(number, 1.0, now=float(now))
            elif bandit is hasty:
                silent.append((now + 100, number))
        while silent and silent[0][0] <= now:
            hasty.tell(silent.popleft()[1], 0.0, now=float(now))
        for bandit in (fair, hasty):
            bandit.learn(now=float(now))
    assert abs(fair.mean[0] - 1 / 3) < 4 * np.sqrt(2 / 9 / 50)
    assert hasty.mean[0] > 0.5
    assert not fair.tell(0, 1.0, now=150.0)  # late: learned from already
    assert not fair.tell(149, 1.0, now=1e6)  # late: its window is over


def test_propensities_are_the_shares_of_choices() -> None:
    x, _ = _world()
    bandit = LinearBandit(DIM, exploration=0.5)
    for _ in range(30):
        _, (number,) = bandit.choose(x)
        bandit.tell(number, 1.0)
    bandit.learn()
    chance = bandit.propensities(x, draws=4000)
    assert chance.sum() == pytest.approx(1)
    counts = np.bincount([int(bandit.choose(x)[0][0]) for _ in range(600)], minlength=ITEMS)
    assert np.abs(counts / 600 - chance).max() < 4 * np.sqrt(0.25 / 600)
    assert sorted(LinearBandit(DIM, method="linucb").propensities(x))[-2:] == [0, 1]


def test_offsets_are_what_is_expected_anyway() -> None:
    x = np.ones((1, 1))
    bandit = LinearBandit(1, ridge=1e-6)
    for _ in range(50):
        _, (number,) = bandit.choose(x, offsets=0.3)
        bandit.tell(number, 0.5)
    bandit.learn()
    assert bandit.mean == pytest.approx([0.2], rel=1e-3)


def test_it_is_kept_with_what_is_pending(tmp_path: Any) -> None:
    x, _ = _world()
    bandit = LinearBandit(DIM, window=10.0, seed=3)
    for now in range(20):
        bandit.choose(x, 2, now=float(now))
        bandit.tell(2 * now, 1.0, now=float(now))
        bandit.learn(now=float(now))
    bandit.save(tmp_path / "bandit.npz")
    loaded = LinearBandit.load(tmp_path / "bandit.npz")
    assert repr(loaded) == repr(bandit) and loaded.pending.keys() == bandit.pending.keys()
    for one in (bandit, loaded):
        one.learn(now=100.0)
    assert np.array_equal(loaded.mean, bandit.mean)
    assert np.array_equal(loaded.choose(x, 3)[0], bandit.choose(x, 3)[0])
    with pytest.raises(CatalogError, match="no bandit that musicu saved"):
        np.savez(tmp_path / "other.npz", a=np.zeros(2))
        LinearBandit.load(tmp_path / "other.npz")
    with pytest.raises(CatalogError, match="o such file"):
        LinearBandit.load(tmp_path / "nothing.npz")


def test_what_means_nothing_is_one_line() -> None:
    bandit = LinearBandit(DIM)
    with pytest.raises(RecommenderError, match="no bandit 'greedy'"):
        LinearBandit(2, method="greedy")  # type: ignore[arg-type]
    with pytest.raises(RecommenderError, match="ridge and noise above 0"):
        LinearBandit(2, noise=0)
    with pytest.raises(RecommenderError, match=r"vectors of shape \(1, 2\): rows of 6"):
        bandit.choose([[1.0, 2.0]])
    with pytest.raises(RecommenderError, match="no decision 7: 0 were made"):
        bandit.tell(7, 1.0)


def test_a_recommenders_candidates_have_vectors() -> None:
    recommender = Recommender(dim=4).fit(log(), items())
    user, ids = recommender.log.users[1], ["item 90", "item 3"]
    vectors = candidate_vectors(recommender, user, ids)
    assert vectors.shape == (2, 2 + 4) and (vectors[:, 0] == 1).all()
    found = recommender.recommend(user, 2, candidates=ids, again=True)
    assert {one.id: one.score for one in found} == pytest.approx(
        dict(zip(ids, vectors[:, 1], strict=True)), abs=1e-4
    )
    assert np.linalg.norm(vectors[:, 2:], axis=1) == pytest.approx(1)


def test_chances_are_a_softmax_with_an_even_share() -> None:
    from scipy.special import softmax

    scores = np.random.default_rng(0).normal(size=(5, 7)) * 500  # nothing overflows
    chances = softmax_chances(scores, temperature=100.0, even=0.2)
    assert chances == pytest.approx(0.8 * softmax(scores / 100, axis=1) + 0.2 / 7)
    for wrong in ({"temperature": 0.0}, {"even": 1.5}):
        with pytest.raises(RecommenderError, match="chances need finite scores"):
            softmax_chances([1.0], **wrong)
