"""Likes and dislikes: read, learned from apart from plays, explained, and forgotten."""

import copy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import N_ITEMS, NEW, group, items, log

from musicu.errors import MetadataError, MusicuError
from musicu.recommend.feedback import Feedback
from musicu.recommend.interactions import Interactions, read_interactions
from musicu.recommend.recommender import History, Recommender
from musicu.recommend.scorer import Scorer

USER = "listener-001-of-60"
OLD = N_ITEMS - NEW


def told(users: int = 60, seed: int = 0) -> Interactions:
    """Return a log in which people like their own group and dislike others, of what they heard."""
    plays = log(users=users)
    rng = np.random.default_rng(seed)
    user, item = rng.integers(users, size=1500), rng.integers(OLD, size=1500)
    own = user % 4 == np.array([group(i) for i in item])
    value = np.where(rng.random(1500) < 0.9, own, ~own) * 2.0 - 1
    said = Feedback(plays.users, [f"item {i}" for i in range(OLD)], user, item, value)
    return Interactions(
        *(plays.users, plays.items, plays.user, plays.item, plays.weight, plays.time), feedback=said
    )


@pytest.fixture(scope="module")
def fitted() -> Recommender:
    return Recommender(dim=8).fit(told(), items())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 3), st.integers(0, OLD - 1), st.lists(st.integers(0, OLD - 1), max_size=6))
def test_a_dislike_pushes_down_and_a_like_pulls_up(
    fitted: Recommender, kind: int, item: int, others: list[int]
) -> None:
    played = [f"item {i}" for i in range(OLD) if group(i) == kind][:5]
    said = {f"item {i}": 1.0 if group(i) == kind else -1.0 for i in others if i != item}
    scorer, at = Scorer(fitted.model), np.array([fitted.items.position(f"item {item}")])

    def score(value: float) -> float:
        told = said | {f"item {item}": value}
        return float(scorer.scores(scorer.listener(History(played, said=told)), at)[0])

    assert score(-1) < score(-0.5) < score(0.5) < score(1)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 59), st.integers(0, N_ITEMS - 1))
def test_explanations_add_up_with_what_was_said(fitted: Recommender, user: int, item: int) -> None:
    scorer = Scorer(fitted.model)
    listener = scorer.listener(fitted.log.users[user])
    at = np.array([fitted.items.position(f"item {item}")])
    score = float(scorer.scores(listener, at)[0])
    assert sum(scorer.by_field(listener, at).values()) == pytest.approx(score, abs=1e-4)
    assert scorer.parts(listener, at).sum() == pytest.approx(score, abs=1e-4)
    own, others = scorer.by_said(listener, at)
    by_all = scorer.by_history(listener, at).sum() + own.sum() + others[0]
    assert by_all == pytest.approx(score, abs=1e-4)


def test_what_is_like_what_was_disliked_says_so_and_it_never_comes(fitted: Recommender) -> None:
    played = [f"item {i}" for i in range(OLD) if group(i) in (1, 2)][::4]
    metal = [f"item {i}" for i in range(OLD) if group(i) == 1 and f"item {i}" not in played][:4]
    before = fitted.recommend(History(played), 30)
    after = fitted.recommend(History(played, said=dict.fromkeys(metal, -1.0)), 30)

    def share(found: object) -> float:
        return float(np.mean([group(int(one.id[5:])) == 1 for one in found]))  # type: ignore[attr-defined]

    assert share(after) < share(before)
    assert not {one.id for one in after} & set(metal)
    reasons = [reason for one in after for reason in one.despite]
    assert reasons and all(r.id in metal and r.contribution < 0 for r in reasons)
    for one in after:
        assert one.score == pytest.approx(sum(one.contributions.values()))
        assert all(reason.contribution > 0 for reason in one.because)


def test_preference_is_found_among_what_was_shown_to_all_alike() -> None:
    # Everybody is shown the same few items over and over: how often is not how well.
    log_of_all, known = told(), items()
    learned = Recommender(dim=8).fit(log_of_all, known)
    deaf = Recommender(dim=8, preference=0.0).fit(log_of_all, known)
    better = []
    for user, name in enumerate(log_of_all.users[:20]):
        mine = [group(i) == user % 4 for i in range(OLD, N_ITEMS)]
        if any(mine) and not all(mine):
            score = []
            for model in (learned.model, deaf.model):
                scorer = Scorer(model)
                values = scorer.scores(scorer.listener(name))
                new = values[[known.position(f"item {i}") for i in range(OLD, N_ITEMS)]]
                score.append(new[mine].min() - new[~np.array(mine)].max())
            better.append(score[0] > score[1])
    assert np.mean(better) > 0.8


def test_forgetting_forgets_what_was_said_and_folders_keep_no_listener(
    fitted: Recommender, tmp_path: Path
) -> None:
    forgot = copy.copy(fitted).forget_user(USER)
    fresh = Recommender(dim=8).fit(told().without_user(USER), items())
    one, two = forgot.model.preference, fresh.model.preference
    assert one is not None and two is not None
    assert one.mean == two.mean and np.array_equal(one.weights, two.weights)
    assert forgot.log.feedback is not None and USER not in forgot.log.feedback.users
    fitted.save(tmp_path / "saved")
    loaded = Recommender.load(tmp_path / "saved")
    history = History(["item 1", "item 5"], said={"item 9": -1.0})
    asked, again = fitted.recommend(history, 10), loaded.recommend(history, 10)
    assert [one.id for one in asked] == [one.id for one in again]
    assert asked[0].score == pytest.approx(again[0].score, rel=1e-3)


def test_hidden_plays_take_what_was_said_of_them_along() -> None:
    whole = told()
    assert whole.feedback is not None
    kept = whole.where(np.arange(len(whole)) % 2 == 0)
    gone = set(zip(whole.user.tolist(), whole.item.tolist(), strict=True))
    gone -= set(zip(kept.user.tolist(), kept.item.tolist(), strict=True))
    assert kept.feedback is not None and 0 < len(kept.feedback) < len(whole.feedback)
    left = zip(kept.feedback.user.tolist(), kept.feedback.item.tolist(), strict=True)
    assert not gone & set(left)
    some = whole.of_items(whole.items[:10]).feedback
    assert some is not None and {some.items[i] for i in some.item} <= set(whole.items[:10])


def read(path: Path, text: str) -> Interactions:
    path.write_text(text)
    return read_interactions(path)


def test_columns_declare_what_was_said(tmp_path: Path) -> None:
    found = read(
        tmp_path / "log.csv",
        "user,item,plays,liked,disliked,skipped,completed\n"
        "ann,a,3,1,0,0,0\nann,b,1,0,1,0,0\nann,c,0,,,,\nben,a,2,no,no,yes,no\nben,c,1,0,0,0,1\n"
        "ben,d,4,0,0,0,0\n",
    )
    assert found.feedback is not None
    said = {
        (found.feedback.users[u], found.feedback.items[i]): round(float(v), 2)
        for u, i, v in zip(
            found.feedback.user, found.feedback.item, found.feedback.value, strict=True
        )
    }
    # Shown and not played says little; a play of which nothing is said, nothing.
    assert said == {
        **{("ann", "a"): 1.0, ("ann", "b"): -1.0, ("ann", "c"): -0.1},
        **{("ben", "a"): -0.5, ("ben", "c"): 0.5},
    }
    # What was disliked or skipped, and what was never played, is no play.
    plays = {(found.users[u], found.items[i]) for u, i in zip(found.user, found.item, strict=True)}
    assert plays == {("ann", "a"), ("ben", "c"), ("ben", "d")}
    rated = read(tmp_path / "rated.csv", "user,item,rating\nann,a,5\nann,b,1\nben,a,3\n")
    assert rated.feedback is not None and sorted(rated.feedback.value.tolist()) == [-1, 0, 1]
    shown = read(tmp_path / "shown.csv", "user,item,exposed\nann,a,1\nann,b,0\n")
    assert shown.items == ("b",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("user,item,liked\nann,a,maybe\n", "row 2: liked 'maybe' is neither true nor false"),
        ("user,item,liked\nann,a,2\n", "neither true nor false"),
        ("user,item,plays\nann,a,0\n", "weight 0 is not above 0"),
        ("user,item,plays,liked\nann,a,-1,1\n", "weight -1 is below 0"),
        ("user,item,rating\nann,a,nan\n", "rating"),
        ("user,item,rating\nann,a,good\n", "rating"),
        ("user,item,liked,liked\nann,a,1,1\n", "two columns are called 'liked'"),
    ],
)
def test_bad_feedback_is_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(MetadataError, match=words) as caught:
        read(tmp_path / "log.csv", text)
    assert "\n" not in str(caught.value) and "ann" not in str(caught.value)


def test_feedback_that_does_not_fit_is_refused(fitted: Recommender) -> None:
    with pytest.raises(MetadataError, match="from -1"):
        Feedback(["ann"], ["a"], [0], [0], [2.0])
    with pytest.raises(MetadataError, match="one entry"):
        Feedback(["ann"], ["a"], [0], [0, 0], [1.0])
    with pytest.raises(MusicuError, match="from -1 to 1"):
        fitted.recommend(History(["item 1"], said={"item 2": 3.0}))
