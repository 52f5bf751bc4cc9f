"""Simulated listeners: what was planted is found again, and nothing else."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musicu.errors import MusicuError
from musicu.simulation.environment import START
from musicu.simulation.listeners import DAY, RHYTHM, WEEK, Behavior
from musicu.simulation.records import SOURCES, Simulation
from musicu.simulation.simulate import Simulator, ab_table, simulate_listening, to_interactions

N, DIM, DAYS = 600, 24, 42
SEARCH, RECOMMENDED, REPEAT = range(3)


def _items(n: int = N, dim: int = DIM, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Unit vectors in styles, in a narrow cone as embeddings are, and their artists."""
    rng = np.random.default_rng(seed)
    style = rng.integers(20, size=n)
    vectors = rng.normal(size=(20, dim))[style] + 0.7 * rng.normal(size=(n, dim)) + 0.7
    artist = style * 10 + rng.integers(5, size=n)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), artist


VECTORS, ARTISTS = _items()


def _simulate(**behavior: Any) -> Simulation:
    return simulate_listening(
        VECTORS, artists=ARTISTS, n_users=150, days=DAYS, seed=3, behavior=Behavior(**behavior)
    )


@pytest.fixture(scope="module")
def world() -> Simulation:
    return _simulate(drifting=0.4, changing=0.3)


def _gini(simulation: Simulation) -> float:
    count = np.sort(np.bincount(simulation.item, minlength=N))
    rank = np.arange(1, N + 1)
    return float(2 * (rank * count).sum() / (N * count.sum()) - (N + 1) / N)


def _random(seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return lambda user, history, candidates, time: rng.permutation(candidates)


def _near(world: Simulation, users: NDArray[Any], taste: NDArray[Any], when: Any) -> float:
    """Mean cosine of users' plays to one taste each, over the plays that `when` picks."""
    mine = np.isin(world.user, users) & when
    mine &= world.session_taste[world.session] == 0
    cosine = np.einsum("ij,ij->i", VECTORS[world.item[mine]], taste[world.user[mine]])
    return float(cosine.mean())


def _day(world: Simulation) -> NDArray[np.float64]:
    return (world.time - START) / DAY


def test_the_same_seed_makes_the_same_world(world: Simulation) -> None:
    again = _simulate(drifting=0.4, changing=0.3)
    for name in ("user", "item", "time", "weight", "session", "source", "skipped"):
        np.testing.assert_array_equal(getattr(world, name), getattr(again, name))
    np.testing.assert_array_equal(world.shown.item, again.shown.item)
    other = simulate_listening(VECTORS, n_users=150, days=DAYS, seed=4)
    assert len(other) != len(world)


def test_plays_come_in_order_of_time_within_the_days(world: Simulation) -> None:
    assert (np.diff(world.time) >= 0).all()
    assert world.time[0] >= START
    assert (np.diff(world.session_time) >= 0).all()
    assert world.session_time[-1] < START + DAYS * DAY
    np.testing.assert_array_equal(world.session_user[world.session], world.user)
    assert (world.time >= world.session_time[world.session]).all()


def test_sessions_begin_by_the_rhythm_of_the_day_and_of_the_week() -> None:
    alone = simulate_listening(
        VECTORS, n_users=400, days=84, seed=1, behavior=Behavior(length=1, slots=1, page=1)
    )
    day = (alone.session_time - START) / DAY
    hours = np.bincount((day % 1 * 24).astype(int), minlength=24) / len(day)
    assert np.corrcoef(hours, RHYTHM)[0, 1] > 0.95
    week = np.bincount(day.astype(int) % 7, minlength=7) / len(day) * 7
    np.testing.assert_allclose(week, WEEK, atol=0.05)


def test_the_number_of_sessions_and_of_steps_is_that_asked_for() -> None:
    found = _simulate(sessions=0.8, spread=0.0, length=5.0, appeal=0.0)
    assert len(found.session_user) / (150 * DAYS) == pytest.approx(0.8, rel=0.05)
    assert len(found) / len(found.session_user) == pytest.approx(5.0, rel=0.05)
    # Listeners who differ are as active on the whole, and few of them have many sessions.
    found = simulate_listening(
        VECTORS[:40], n_users=2_000, days=7, behavior=Behavior(spread=0.8, length=1, appeal=0)
    )
    many = np.bincount(found.session_user, minlength=2_000)
    assert many.mean() / 7 == pytest.approx(0.6, rel=0.1)
    assert many.var() > 2 * many.mean()


def test_popularity_bias_makes_plays_more_unequal() -> None:
    ginis = [_gini(_simulate(popularity=p)) for p in (0.0, 0.5, 1.0)]
    assert ginis[0] + 0.05 < ginis[1] < ginis[2] - 0.05


def test_focus_zero_and_no_popularity_is_blind_choice() -> None:
    blind = _simulate(focus=0, popularity=0, loyalty=0, repeat=0, appeal=0, new=0, page=1)
    count = np.bincount(blind.item, minlength=N)
    # Of independent draws, variance equals the mean.
    assert count.var() / count.mean() == pytest.approx(1.0, abs=0.2)


def test_what_is_played_was_shown_or_was_played_before(world: Simulation) -> None:
    shown = world.shown
    seen = set(
        zip(shown.session[shown.clicked].tolist(), shown.item[shown.clicked].tolist(), strict=True)
    )
    first = world.source != REPEAT
    plays = list(zip(world.session[first].tolist(), world.item[first].tolist(), strict=True))
    assert set(plays) == seen
    assert shown.clicked.sum() == len(plays)
    past: set[tuple[int, int]] = set()
    order = np.argsort(world.session, kind="stable")
    again = 0
    for i in order:
        pair = int(world.user[i]), int(world.item[i])
        if world.source[i] == REPEAT:
            again += 1
            assert pair in past
        past.add(pair)
    assert again > 100
    assert SOURCES[REPEAT] == "repeat"


@pytest.mark.parametrize("examine", [0.0, 1.0])
def test_clicks_fall_with_the_position_as_planted(examine: float) -> None:
    simulator = Simulator(
        VECTORS, n_users=300, days=28, seed=2, behavior=Behavior(examine=examine, appeal=1.0)
    )
    shown = simulator.run(_random()).shown
    rate = np.array([shown.clicked[shown.position == r].mean() for r in (1, 4)])
    many = [(shown.position == r).sum() for r in (1, 4)]
    wanted = 4.0**-examine
    error = rate[1] / rate[0] * np.sqrt(sum(1 / (r * m) for r, m in zip(rate, many, strict=True)))
    assert abs(rate[1] / rate[0] - wanted) < 3.5 * error
    assert error < 0.25 * wanted


def test_a_repeated_click_needs_no_list_to_be_full() -> None:
    """A policy may show fewer items than there are slots."""
    found = Simulator(VECTORS, n_users=40, days=14).run(lambda u, h, c, t: c[:2])
    assert found.shown.position.max() == 2
    empty = Simulator(VECTORS, n_users=40, days=14).run(lambda u, h, c, t: [])
    assert (empty.shown.position == 0).all()
    assert (empty.source != RECOMMENDED).all()


def test_nothing_is_played_or_shown_before_its_release() -> None:
    found = _simulate(new=0.5)
    release = found.truth.release_day
    assert (release > 0).sum() == N // 2
    begun = (found.session_time - START) / DAY
    assert (release[found.shown.item] <= begun[found.shown.session]).all()
    assert (release[found.item] <= _day(found)).all()
    assert (release[found.item] > 0).mean() > 0.05
    # What is not out is not looked for either: few steps find nothing.
    steps = Simulator(
        VECTORS, n_users=50, days=21, behavior=Behavior(new=0.9, page=1, appeal=0, repeat=0)
    )
    asked = steps.population.session_steps.sum()
    assert len(steps.run()) > 0.75 * asked


def test_the_minority_has_its_share_and_its_niche(world: Simulation) -> None:
    truth = world.truth
    assert truth.minority.sum() == round(0.15 * 150)
    assert truth.niche.sum() == round(0.05 * N)
    inside = truth.niche[world.item]
    theirs = truth.minority[world.user]
    assert inside[theirs].mean() > 5 * inside[~theirs].mean()
    assert inside[theirs].mean() > 0.3


def test_drift_moves_plays_from_the_first_taste_to_the_goal(world: Simulation) -> None:
    truth, day = world.truth, _day(world)
    first, goal = truth.first[:, 0], truth.goal[:, 0]
    goal = goal / np.linalg.norm(goal, axis=1, keepdims=True)
    early, late = day < DAYS / 4, day > DAYS * 3 / 4
    movers = np.flatnonzero(truth.drifting)
    assert _near(world, movers, first, early) > _near(world, movers, first, late) + 0.1
    assert _near(world, movers, goal, late) > _near(world, movers, goal, early) + 0.1
    steady = np.flatnonzero(~truth.drifting & ~np.isfinite(truth.change_day))
    change = _near(world, steady, first, early) - _near(world, steady, first, late)
    assert abs(change) < 0.05


def test_an_abrupt_change_shows_on_its_day(world: Simulation) -> None:
    truth = world.truth
    changers = np.flatnonzero(np.isfinite(truth.change_day))
    assert len(changers) == round(0.3 * 150)
    begun = ((world.session_time - START) / DAY)[world.session]
    searched = world.source == SEARCH  # plays of old stay what they were
    before = searched & (begun < truth.change_day[world.user])
    after = searched & ~before
    old, new = truth.first[:, 0], truth.after
    assert _near(world, changers, old, before) > _near(world, changers, old, after) + 0.2
    assert _near(world, changers, new, after) > _near(world, changers, new, before) + 0.2
    day = float(truth.change_day[changers[0]])
    np.testing.assert_allclose(truth.tastes(day)[changers[0], 0], new[changers[0]])
    np.testing.assert_allclose(truth.tastes(day - 0.1)[changers[0], 0], old[changers[0]], atol=1e-6)


def test_tastes_can_be_recovered_from_plays() -> None:
    found = _simulate(drifting=0, changing=0, minority=0)
    truth = found.truth
    own = found.source == SEARCH
    score = []
    for user in range(150):
        mine = own & (found.user == user) & (found.session_taste[found.session] == 0)
        if mine.sum() >= 30:
            middle = VECTORS[found.item[mine]].mean(axis=0) - VECTORS.mean(axis=0)
            score.append((truth.first[:, 0] @ middle).argsort()[::-1].tolist().index(user))
    assert len(score) > 50
    # Of 150 main tastes, many of one style, the own one is among the nearest.
    assert np.median(score) < 8


def test_a_session_stays_near_one_taste_the_more_the_mood_lasts() -> None:
    def within(mood: float) -> float:
        found = _simulate(mood=mood, tastes=4, drifting=0, changing=0, appeal=0, repeat=0)
        order = np.argsort(found.session, kind="stable")
        vectors = VECTORS[found.item[order]] - VECTORS.mean(axis=0)
        same = np.diff(found.session[order]) == 0
        return float(np.einsum("ij,ij->i", vectors[1:], vectors[:-1])[same].mean())

    lasting, brief = within(1.0), within(0.3)
    assert lasting > 1.25 * brief > 0


def test_favorite_artists_are_played_more() -> None:
    loyal, plain = (_simulate(loyalty=x, drifting=0, changing=0) for x in (2.0, 0.0))

    def same_artist(found: Simulation) -> float:
        mine = found.source == SEARCH
        order = np.lexsort((found.time[mine], found.user[mine]))
        artist, user = ARTISTS[found.item[mine][order]], found.user[mine][order]
        return float((artist[1:] == artist[:-1])[user[1:] == user[:-1]].mean())

    assert same_artist(loyal) > 1.3 * same_artist(plain)


def test_what_is_not_liked_is_skipped_more(world: Simulation) -> None:
    explored = world.shown.position > 0
    assert 0.02 < world.shown.clicked[explored].mean() < 0.5
    taste = world.truth.first[world.user, world.session_taste[world.session]]
    steady = ~world.truth.drifting[world.user] & ~np.isfinite(world.truth.change_day[world.user])
    cosine = np.einsum("ij,ij->i", VECTORS[world.item], taste)
    high = cosine > np.median(cosine[steady])
    assert world.skipped[steady & ~high].mean() > 1.5 * world.skipped[steady & high].mean()
    np.testing.assert_allclose(world.weight, np.where(world.skipped, 0.1, 1.0), rtol=1e-6)


def test_a_policy_sees_exactly_what_was_played_before() -> None:
    calls: list[tuple[int, float, list[int]]] = []

    def policy(user: int, history: Any, candidates: Any, time: float) -> Any:
        calls.append((user, time, history.tolist()))
        return candidates[-10:]

    found = Simulator(VECTORS, artists=ARTISTS, n_users=30, days=21, seed=5).run(policy)
    assert len(calls) == len(found.session_user)
    order = np.argsort(found.session, kind="stable")
    for session, (user, time, history) in enumerate(calls):
        assert user == found.session_user[session]
        assert time == pytest.approx(found.session_time[session])
        past = order[(found.user[order] == user) & (found.session[order] < session)]
        assert history == found.item[past].tolist()
    assert max(len(history) for *_, history in calls) > 50


def test_the_time_outside_a_trial_is_the_same_for_all_policies() -> None:
    simulator = Simulator(VECTORS, n_users=80, days=28, seed=6)
    one = simulator.replay({"a": None, "b": None}, from_day=14)
    two = simulator.replay({"a": None, "b": _random()}, from_day=14)
    before = [x.session_time[x.session] < START + 14 * DAY for x in (one, two)]
    np.testing.assert_array_equal(one.item[before[0]], two.item[before[1]])
    np.testing.assert_array_equal(one.variant, two.variant)
    np.testing.assert_array_equal(one.session_time, two.session_time)
    assert len(one) != len(two)


def test_a_planted_effect_on_clicks_is_there() -> None:
    simulator = Simulator(
        VECTORS, n_users=400, days=28, seed=7, behavior=Behavior(spread=0.0, repeat=0.0)
    )
    found = simulator.replay({"control": _random(1), "more": _random(1)}, appeal={"more": 1.5})
    table = ab_table(found)
    rates = []
    for name in ("control", "more"):
        mine = table["variant"] == name
        rates.append((table["clicks"][mine].sum() / table["shown"][mine].sum(), mine))
    clicks = [table["clicks"][mine].sum() for _, mine in rates]
    error = np.sqrt(sum(1 / c for c in clicks)) * 1.5
    assert abs(rates[1][0] / rates[0][0] - 1.5) < 4 * error
    assert error < 0.1


def test_a_policy_that_knows_the_truth_beats_chance() -> None:
    simulator = Simulator(VECTORS, n_users=120, days=14, seed=8)
    tastes = simulator.population.truth.first[:, 0]

    def oracle(user: int, history: Any, candidates: Any, time: float) -> Any:
        return candidates[np.argsort(-(VECTORS[candidates] @ tastes[user]))]

    table = ab_table(simulator.replay({"chance": _random(), "oracle": oracle}))
    rate = {
        name: table["clicks"][table["variant"] == name].sum()
        / table["shown"][table["variant"] == name].sum()
        for name in ("chance", "oracle")
    }
    assert rate["oracle"] > 3 * rate["chance"]


def test_an_ab_log_keeps_all_that_happened() -> None:
    found = Simulator(VECTORS, n_users=60, days=28, seed=9).replay(
        {"a": None, "b": None}, from_day=10
    )
    table = ab_table(found)
    inside = found.session_time >= START + 10 * DAY
    assert table["sessions"].sum() == inside.sum()
    assert table["plays"].sum() == inside[found.session].sum()
    assert table["skips"].sum() == (inside[found.session] & found.skipped).sum()
    users, first = np.unique(table["user"], return_index=True)
    assert len(users) == 60
    assert table["plays_before"][first].sum() == (~inside)[found.session].sum()
    assert (table["time"] >= START + 10 * DAY).all()
    assert {*table["variant"]} == {"a", "b"}


def test_plays_become_interactions(world: Simulation) -> None:
    ids = [f"track {i}" for i in range(N)]
    log = to_interactions(world, ids)
    assert len(log) == len(world)
    # A log has its own order.
    plays = zip(world.user.tolist(), world.item.tolist(), world.time.tolist(), strict=True)
    kept = zip(log.user.tolist(), log.item.tolist(), log.time.tolist(), strict=True)
    assert sorted(plays) == sorted(kept)
    assert log.users[7] == "listener 7" and log.items == tuple(ids)
    assert to_interactions(world).items[8] == "8"


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    tastes=st.integers(1, 4),
    page=st.integers(1, 5),
    repeat=st.floats(0, 1),
    shares=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 1), st.floats(0, 0.8)),
    rows=st.sampled_from([12, 40]),
)
def test_any_behavior_makes_a_sound_log(
    seed: int, tastes: int, page: int, repeat: float, shares: Sequence[float], rows: int
) -> None:
    behavior = Behavior(
        tastes=tastes,
        page=page,
        slots=2,
        repeat=repeat,
        drifting=shares[0],
        changing=shares[1],
        minority=shares[2],
        new=shares[3],
    )
    found = simulate_listening(VECTORS[:rows], n_users=4, days=9, seed=seed, behavior=behavior)
    sizes = {len(x) for x in (found.user, found.item, found.weight, found.time, found.source)}
    assert sizes == {len(found)}
    assert (found.weight > 0).all() and np.isfinite(found.time).all()
    assert ((found.item >= 0) & (found.item < rows)).all()
    assert (found.truth.release_day[found.item] <= _day(found)).all()
    np.testing.assert_allclose(np.linalg.norm(found.truth.tastes(4.5), axis=2), 1, atol=1e-5)
    np.testing.assert_allclose(found.truth.shares.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vectors": VECTORS * 2}, "row 0 of the vectors has length 2"),
        ({"vectors": VECTORS[0]}, r"vectors of shape \(24,\)"),
        ({"vectors": np.vstack([VECTORS, np.full(DIM, np.nan)])}, "row 600 of the vectors"),
        ({"artists": ["x"]}, "1 artists for 600 items"),
        ({"n_users": 0}, "0 listeners for 42 days"),
        ({"vectors": VECTORS[:5]}, "do not fill 10 slots"),
    ],
)
def test_a_world_that_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"vectors": VECTORS, "n_users": 5, "days": DAYS} | change
    with pytest.raises(MusicuError, match=message) as raised:
        simulate_listening(arguments.pop("vectors"), **arguments)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("behavior", "message"),
    [
        ({"mood": 1.5}, r"mood is 1.5: it must be in \[0, 1\]"),
        ({"length": 0.5}, r"length is 0.5: it must be in \[1, inf\]"),
        ({"focus": float("nan")}, "focus is nan"),
        ({"drifting": 0.7, "changing": 0.7}, "drifting and changing together exceed 1"),
    ],
)
def test_behavior_out_of_range_is_refused(behavior: dict[str, Any], message: str) -> None:
    with pytest.raises(MusicuError, match=message):
        Behavior(**behavior)


@pytest.mark.parametrize(
    ("answer", "message"),
    [([N], "shows item 600, which is not out"), ([3, 3], "shows an item twice")],
)
def test_a_policy_that_shows_what_cannot_be_is_refused(answer: list[int], message: str) -> None:
    simulator = Simulator(VECTORS, n_users=20, days=7, behavior=Behavior(new=0))
    with pytest.raises(MusicuError, match=message):
        simulator.run(lambda *_: answer)


def test_a_trial_needs_two_policies_and_a_day_of_its_own() -> None:
    simulator = Simulator(VECTORS, n_users=5, days=7)
    with pytest.raises(MusicuError, match="two policies"):
        simulator.replay({"a": None})
    with pytest.raises(MusicuError, match="from_day is 7: days run from 0 to 6"):
        simulator.replay({"a": None, "b": None}, from_day=7)
    with pytest.raises(MusicuError, match="appeal names 'c'"):
        simulator.replay({"a": None, "b": None}, appeal={"c": 2.0})
    with pytest.raises(MusicuError, match="no policies were compared"):
        ab_table(simulator.run())
