"""Scores: sums over fields and over what was played, for anybody, and forgotten when asked."""

from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import DAY, DIM, GENRES, N_ITEMS, NEW, NOW, group, item, items, log, sound

from musicu.errors import MetadataError, MusicuError, RecommenderError
from musicu.evaluation.list_metrics import popularity_lift
from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.hyperparameters import Hyperparameters
from musicu.recommend.interactions import Interactions
from musicu.recommend.recommender import Recommender
from musicu.recommend.scorer import History, Scorer

ARRAYS = "content factors mean inv_std scale".split()


def fit(logged: Interactions | None = None, known: Items | None = None, **more: Any) -> FittedModel:
    chosen = {"dim": 8} | more
    return FittedModel.fit(logged or log(), known or items(), Hyperparameters(**chosen))


@pytest.fixture(scope="module")
def fitted() -> FittedModel:
    return fit()


def same_numbers(a: FittedModel, b: FittedModel, rtol: float = 1e-4) -> None:
    """Check that two models say the same of the same items."""
    assert a.items.ids == b.items.ids
    assert np.array_equal(a.listeners, b.listeners)
    for name in ARRAYS:  # but for rounding of what is made unit length again
        one, other = getattr(a.item_factors, name), getattr(b.item_factors, name)
        assert np.allclose(one, other, rtol=rtol, atol=1e-6), name
    assert np.allclose(a.vectors.toarray(), b.vectors.toarray(), atol=1e-6)
    everything = np.arange(len(a.items))
    assert np.array_equal(*(one.artists.rows(everything).toarray() for one in (a, b)))


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Scorer, list[int]]:
    """Draw small random worlds with items that lack anything, and a history."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, users = draw(st.integers(1, 14)), draw(st.integers(1, 8))
    lacking = draw(st.sampled_from([0.0, 0.5, 1.0]))

    def one(i: int) -> Item:
        if rng.random() < lacking:
            return Item(f"i{i}")
        genre = GENRES[int(rng.integers(4))]
        return Item(f"i{i}", Metadata(genres=(genre,), artist=f"a{rng.integers(3)}"))

    def some(start: int, number: int) -> Items:
        heard = rng.standard_normal((number, 4)) * (rng.random((number, 1)) < 0.7)
        return Items([one(start + i) for i in range(number)], heard.astype(np.float32))

    played = rng.random((users, n)) < 0.4
    played[0, 0] = True
    user, at = np.nonzero(played)
    times = NOW + 40 * DAY * rng.random(len(user)) if draw(st.booleans()) else None
    logged = Interactions(
        [f"u{i}" for i in range(users)],
        [f"i{i}" for i in range(n)],
        user,
        at,
        rng.integers(1, 50, len(user)),
        times,
    )
    known = some(0, draw(st.integers(1, n)))  # the others are played, and nothing is known of them
    model = fit(
        logged,
        known,
        dim=draw(st.integers(1, 6)),
        taste=draw(st.sampled_from([0.0, 0.1, 1.0])),
        length_debias=draw(st.sampled_from([0.0, 0.25, 1.0])),
        shrinkage=draw(st.sampled_from([0.0, 5.0])),
        max_interests=draw(st.integers(1, 3)),
    ).with_items(some(n, draw(st.integers(0, 4))))
    at = rng.permutation(len(model.items))[: draw(st.integers(1, len(model.items)))]
    return Scorer(model), at.tolist()


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_fields_and_history_each_add_up_to_the_score(drawn: tuple[Scorer, list[int]]) -> None:
    scorer, history = drawn
    items, vectors = scorer.model.items, scorer.model.vectors
    listener = scorer.listener(History([items.ids[i] for i in history], None, None))
    everything = np.arange(len(items))
    scores, parts = scorer.scores(listener), scorer.parts(listener, everything)
    assert np.isfinite(scores).all()
    by_field, by_history = (
        scorer.by_field(listener, everything),
        scorer.by_history(listener, everything),
    )
    for at in everything.tolist():
        fields, plays = {name: told[at] for name, told in by_field.items()}, by_history[at]
        assert set(fields) == {*vectors.fields, "listeners"}
        assert len(plays) == len(listener.played) == len(set(history))
        # Contributions may cancel out: rounding is of their size, and that of the scores.
        size = np.abs(scores).max() + np.abs(list(fields.values())).sum() + np.abs(plays).sum()
        for told in (sum(fields.values()), plays.sum(), parts[at].sum()):
            assert told == pytest.approx(scores[at], rel=1e-5, abs=1e-5 * size)
    some = everything[::2]
    assert np.allclose(scorer.scores(listener, some), scores[some], rtol=1e-5, atol=1e-5)


def test_contributions_stand_where_they_belong(fitted: FittedModel) -> None:
    scorer = Scorer(fitted)
    listener = scorer.listener(History(["item 0", "item 1", "item 16"]))
    new = fitted.items.position(f"item {N_ITEMS - 1}")
    bare = Scorer(fitted.with_items(Items([Item("unknown")])))
    fields = scorer.by_field(listener, np.array([new]))
    assert fields["listeners"] == pytest.approx(0, abs=1e-6)  # nobody played it
    assert fields["label"] == fields["text"] == 0  # nothing is known of these
    told = bare.by_field(bare.listener(History(["item 0"])), np.array([N_ITEMS]))
    assert not any(told.values())
    weighed = scorer.by_field(listener, np.array([5]), part_weights=(1.0, 0.0, 0.0))
    content = scorer.parts(listener, np.array([5]))[0, 0]
    assert sum(weighed.values()) == pytest.approx(content, rel=1e-5)
    assert weighed["listeners"] == 0


def test_what_nobody_knows_anything_of_is_still_recommended_by_its_listeners() -> None:
    bare = Items([Item(f"item {i}") for i in range(N_ITEMS)])
    scorer = Scorer(fit(known=bare))
    assert scorer.listener("listener-000-of-60").interests is None
    scores = scorer.scores(scorer.listener("listener-000-of-60"))
    own = np.array([group(i) == 0 for i in range(N_ITEMS - NEW)])
    assert scores[: N_ITEMS - NEW][own].mean() > scores[: N_ITEMS - NEW][~own].mean() + 1
    assert not scores[N_ITEMS - NEW :].any()


def test_a_history_of_new_items_alone_finds_its_group(fitted: FittedModel) -> None:
    heard = np.stack([sound(2, 900 + i) for i in range(3)])
    new = Items([item(2 * 4 + i, artist=f"x{i}", artists=()) for i in range(3)], heard)
    new = Items([Item(f"new {i}", one.metadata) for i, one in enumerate(new)], heard)
    scorer = Scorer(fitted.with_items(new))
    listener = scorer.listener(History(new.ids))
    assert not listener.factor.any()
    best = np.argsort(-scorer.scores(listener))[:12]
    assert [group(i) for i in best if i < N_ITEMS].count(2) >= 8


def test_adding_items_changes_no_score_and_not_the_model_before(fitted: FittedModel) -> None:
    before = Scorer(fitted).listener("listener-003-of-60")
    heard = np.stack([sound(i % 4, 700 + i) for i in range(50)])
    more = fitted.with_items(Items([Item(f"more {i}") for i in range(50)], heard))
    after = Scorer(more).listener("listener-003-of-60")
    assert np.array_equal(Scorer(more).scores(after)[:N_ITEMS], Scorer(fitted).scores(before))
    for model, n in ((fitted, N_ITEMS), (more, N_ITEMS + 50)):
        assert len(model.items) == len(model.item_factors.factors) == len(model.vectors) == n
    with pytest.raises(FrozenInstanceError):
        fitted.items = more.items  # type: ignore[misc]


def test_items_added_one_by_one_or_at_once_or_twice_are_the_same(fitted: FittedModel) -> None:
    new = Items([item(i) for i in range(200, 206)], np.stack([sound(1, i) for i in range(6)]))
    at_once = fitted.with_items(new)
    one_by_one = fitted
    for i in range(len(new)):
        one_by_one = one_by_one.with_items(new.take([i])).with_items(new.take([i]))
    same_numbers(at_once, one_by_one, rtol=1e-5)
    computed_anew = at_once.with_vectors(at_once.vectors, learn=False)
    same_numbers(computed_anew, at_once, rtol=1e-5)
    assert at_once.with_items(new.take([])) is at_once


def test_items_of_another_model_are_refused(fitted: FittedModel) -> None:
    with pytest.raises(MetadataError, match="one model"):
        fitted.with_items(Items([Item("other")], np.ones((1, DIM + 1), dtype=np.float32)))


def test_other_settings_are_those_of_a_fit_with_them(fitted: FittedModel) -> None:
    changes: dict[str, Any] = {"weights": {"audio": 1.0, "genres": 0.5}, "shrinkage": 1.0}
    changes |= {"length_debias": 1.0, "half_life": 10.0, "ridge": 2.0}
    same_numbers(fitted.with_settings(**changes), fit(**changes))
    # What does not touch the content map keeps it.
    assert fitted.with_settings(length_debias=1.0).content_map is fitted.content_map
    same_numbers(fitted.with_settings(evenness=1.0), fit(length_debias=1.0))


def test_a_folded_in_listener_is_the_fitted_one_when_nothing_fades() -> None:
    dated = log()
    undated = Interactions(dated.users, dated.items, dated.user, dated.item, dated.weight)
    # Each on an album of its own: an album heard in one go counts less than its tracks.
    apart = Items([item(i, album=None) for i in range(N_ITEMS)])
    model = fit(undated, apart)
    for number, user in enumerate(undated.users):
        listener = Scorer(model).listener(user)
        assert np.allclose(listener.factor, model.als.users[number], atol=1e-4)


@pytest.mark.parametrize("user", ["listener-000-of-60", "loner"])
def test_forgetting_is_never_having_known(user: str) -> None:
    known = items()
    shared = log()
    # The loner is the only one who played some items: one that is known, one of which nothing is.
    own = len(shared.items)
    logged = Interactions(
        (*shared.users, "loner"),
        (*shared.items, f"item {N_ITEMS - 1}", "obscure", "shared and bare"),
        [*shared.user, 60, 60, 60, 5],
        [*shared.item, own, own + 1, own + 2, own + 2],
        [*shared.weight, 3, 3, 3, 3],
        [*shared.time, NOW, NOW, NOW, NOW],  # type: ignore[misc]
    )
    titled = known.extended(Items([Item("titled", Metadata(title="Only a title"))]))
    later = Items([item(300)], sound(3, 300)[None])
    with_them = fit(logged, titled).with_items(later)
    without = fit(logged.without_user(user), titled).with_items(later)
    forgot = with_them.without_user(user)
    assert list(forgot.items) == list(without.items)
    assert np.array_equal(forgot.als.items, without.als.items)
    same_numbers(forgot, without)
    assert user not in forgot.log.users and user not in repr(vars(forgot))
    assert ("obscure" in forgot.items.ids) == (user != "loner")
    assert {"titled", "shared and bare"} <= set(forgot.items.ids)
    with pytest.raises(RecommenderError, match="no such user"):
        forgot.without_user(user)


def test_the_last_listener_cannot_be_forgotten_and_all_stays_as_it_was() -> None:
    recommender = Recommender(dim=4).fit(Interactions(["u"], ["item 0"], [0], [0]), items())
    with pytest.raises(RecommenderError, match="nobody listened"):
        recommender.forget_user("u")
    assert recommender.log.users == ("u",) and len(recommender.items) == N_ITEMS


def test_a_change_of_taste_shows_within_days(fitted: FittedModel) -> None:
    def share(days: int) -> float:
        """Share of the new taste in the best 12, some days after it began."""
        old = [f"item {i}" for i in range(N_ITEMS - NEW) if group(i) == 0][:12]
        new = [f"item {i}" for i in range(N_ITEMS - NEW) if group(i) == 1][: 3 * days]
        times = [NOW - DAY * (30 + 4 * i) for i in range(len(old))]
        times += [NOW + DAY * (i // 3) for i in range(len(new))]
        scorer = Scorer(fitted)
        listener = scorer.listener(History(old + new, None, times), now=NOW + days * DAY)
        scores = scorer.scores(listener)
        scores[listener.played] = -np.inf
        return float(np.mean([group(i) == 1 for i in np.argsort(-scores)[:6]]))

    assert share(0) == 0
    assert share(5) >= 0.5


def test_a_mix_of_hundred_tracks_does_not_dominate() -> None:
    # Sixteen days with a jazz track each; and one night with a long mix of ten tracks of metal.
    recommender = Recommender(dim=8).fit(log(), items())
    jazz = [f"item {i}" for i in range(N_ITEMS - NEW) if group(i) == 2][:16]
    metal = [f"item {i}" for i in range(N_ITEMS - NEW) if group(i) == 1][:10]
    days = [NOW - DAY * (2 + 1.5 * i) for i in range(16)]

    def lead(times: list[float]) -> float:
        """Tell how far metal is ahead of jazz in what is recommended."""
        history = History([*jazz, *metal * 10], None, [*days, *times])
        scores: dict[int, list[float]] = {1: [], 2: []}
        for one in recommender.recommend(history, 60, min_new=0):
            scores.setdefault(group(int(one.id[5:])), []).append(one.score)
        return float(np.mean(scores[1]) - np.mean(scores[2]))

    assert lead([NOW - DAY - 200 * i for i in range(100)]) < 0.3
    assert lead([NOW - DAY * (1 + i / 2) for i in range(100)]) > 0.6


def test_length_debiasing_lowers_popularity_lift() -> None:
    logged, known = log(popular=2.0, users=120), items()
    played = logged.matrix("binary").toarray() > 0
    assert played.any(axis=1).all()
    played = np.pad(played, ((0, 0), (0, NEW)))
    lift = []
    for length_debias in (0.0, 0.25, 1.0):
        scorer = Scorer(fit(logged, known, length_debias=length_debias))
        scores = np.stack([scorer.scores(scorer.listener(user)) for user in logged.users])
        ranked = np.argsort(-np.where(played, -np.inf, scores), axis=1)[:, :10]
        lift.append(popularity_lift(ranked, played, scorer.model.listeners))
    assert lift[0] > lift[1] > lift[2]


def test_an_artists_new_track_is_placed_nearer_to_its_listeners_than_a_strangers() -> None:
    # Everybody plays one artist more than the others of the group.
    rng = np.random.default_rng(0)
    users, old = 88, N_ITEMS - NEW
    favorite = np.arange(users)[:, None] % 22 == np.arange(old) // 4
    liked = np.arange(users)[:, None] % 4 == np.array([group(i) for i in range(old)])
    user, played = np.nonzero(rng.random((users, old)) < 0.04 + 0.2 * liked + 0.7 * favorite)
    ids = [f"item {i}" for i in range(old)]
    logged = Interactions([f"u{i}" for i in range(users)], ids, user, played)
    # Four new tracks that sound the same, of one genre, one of them by the favorite artist.
    artists = (("Artist 0",), ("Artist 4",), ("Newcomer", "Artist 0"), ("Newcomer", "Artist 4"))
    same_genre = [item(0, artist=names[0], artists=names, album=None) for names in artists]
    new = Items([Item(f"new {i}", one.metadata) for i, one in enumerate(same_genre)])
    new = Items(new, np.stack([sound(0, 500)] * 4))
    model = fit(logged, dim=16).with_items(new)
    fans = model.als.users[np.arange(users) % 22 == 0]
    known, stranger, duet, other_duet = model.item_factors.factors[N_ITEMS:] @ fans.T
    assert (known > stranger).all() and (duet > other_duet).all()


def test_errors_say_what_is_wrong_in_one_line(fitted: FittedModel) -> None:
    faults: list[tuple[Any, dict[str, Any], str]] = [
        ("nobody", {}, "no such user"),
        (History([]), {}, "the history is empty"),
        (History(["item 0", "item x"]), {}, "no item 'item x' among the 96"),
        (History(["item 0"], [-1.0]), {}, "numbers from 0"),
        (History(["item 0"]), {"hour": 3.0}, "times"),
    ]
    for user, options, words in faults:
        with pytest.raises(MusicuError, match=words) as caught:
            Scorer(fitted).listener(user, **options)
        assert "\n" not in str(caught.value)
        assert "nobody" not in str(caught.value)


def test_the_hour_asked_for_brings_what_is_played_then(fitted: FittedModel) -> None:
    mornings = [f"item {i}" for i in range(N_ITEMS - NEW) if group(i) == 0][:8]
    nights = [f"item {i}" for i in range(N_ITEMS - NEW) if group(i) == 1][:8]
    midnight = NOW - NOW % DAY
    times = [midnight - DAY * i + 8 * 3600 for i in range(8)]
    times += [midnight - DAY * i + 20 * 3600 for i in range(8)]
    history = History(mornings + nights, None, times)
    share = []
    for hour in (8.0, 20.0):
        scorer = Scorer(fitted)
        scores = scorer.scores(scorer.listener(history, hour=hour))
        share.append(np.mean([group(i) == 0 for i in np.argsort(-scores)[:20]]))
    assert share[0] > share[1]


def test_a_long_history_is_not_compared_with_itself_as_a_whole(
    fitted: FittedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = Scorer(fitted)
    ids, weights = fitted.items.ids[:30], np.arange(30) + 1.0
    whole = scorer.listener(History(ids, weights))
    monkeypatch.setattr("musicu.recommend.scorer._TELLING", 10)
    part = scorer.listener(History(ids, weights))
    assert np.count_nonzero(whole.profile_weights) == 30
    assert np.count_nonzero(part.profile_weights) == 10
    assert np.array_equal(whole.factor, part.factor)
    at = int(np.argmax(scorer.scores(part)))
    told = scorer.by_history(part, np.array([at])).sum()
    assert told == pytest.approx(scorer.scores(part)[at], rel=1e-4)
