"""Interleaving: fair lists, credit to whom it is due, and no preference where there is none."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicu.errors import MusicuError
from musicu.evaluation.interleaving.analyze import analyze_interleaving
from musicu.evaluation.interleaving.log import InterleavingLog, read_interleaving_log
from musicu.evaluation.interleaving.team_draft import draft_teams

LETTERS = st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=8)


@settings(max_examples=100, deadline=None)
@given(one=LETTERS, other=LETTERS, n=st.integers(0, 10), seed=st.integers(0, 99))
def test_every_draft_is_fair(one: list[str], other: list[str], n: int, seed: int) -> None:
    drafted = draft_teams({"one": one, "other": other}, n, seed=seed)
    assert len(drafted.items) == len(set(drafted.items)) == min(n, len({*one, *other}))
    assert len(drafted.teams) == len(drafted.items)
    count = [drafted.teams.count(team) for team in ("one", "other")]
    assert abs(count[0] - count[1]) <= 1
    shown: set[str] = set()
    for item, team in zip(drafted.items, drafted.teams, strict=True):
        if team:  # each team takes the best of its own that is left
            ranking = one if team == "one" else other
            assert item == next(i for i in ranking if i not in shown)
        shown.add(item)
    for at in range(0, len(drafted.teams) - 1, 2):  # one place each in a round
        assert len({*drafted.teams[at : at + 2]} - {""}) == 2 - drafted.teams[at : at + 2].count("")


def test_the_coin_is_fair_and_the_same_for_a_seed() -> None:
    lists = [draft_teams({"a": "xy", "b": "yx"}, 2, seed=[3, i]) for i in range(400)]
    first = sum(drafted.teams[0] == "a" for drafted in lists)
    assert abs(first - 200) < 4 * 10
    assert lists[5] == draft_teams({"a": "xy", "b": "yx"}, 2, seed=[3, 5])


def _clicks(
    lists: int, *, seed: int, better: float = 0.0, users: int = 60, greedy: bool = False
) -> InterleavingLog:
    """Return lists of two rankings of 40 items; the new one knows a share of what is liked."""
    rng = np.random.default_rng(seed)
    liked = rng.random((users, 40)) < 0.3
    rows: list[tuple[int, int, str, int]] = []
    for number in range(lists):
        user = number % users
        control, new = rng.permutation(40), rng.permutation(40)
        new = new[np.argsort(~(liked[user][new] & (rng.random(40) < better)), kind="stable")]
        named = {"control": [*map(str, control)], "new": [*map(str, new)]}
        drafted = draft_teams(named, 8, seed=[seed, number])
        for place, (item, team) in enumerate(zip(drafted.items, drafted.teams, strict=True)):
            seen = rng.random() < 1 / (1 + place)
            rows.append((number, user, team, int(seen and liked[user][int(item)])))
    return InterleavingLog(*zip(*rows, strict=True))


def test_without_a_difference_five_per_cent_find_one() -> None:
    rng = np.random.default_rng(0)
    lists, repeats = np.repeat(np.arange(60), 2), 200
    found = []
    for _ in range(repeats):
        first = rng.integers(2, size=60)
        teams = np.array(["a", "b"])[np.stack([first, 1 - first], axis=1).ravel()]
        clicks = rng.random(120) < np.tile([0.5, 0.2], 60)  # the first place is seen more often
        log = InterleavingLog(lists, lists // 3, teams, clicks)
        found.append(analyze_interleaving(log, draws=400).effects[0].p <= 0.05)
    assert np.mean(found) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / repeats)


def test_a_better_ranking_is_found_and_named() -> None:
    report = analyze_interleaving(_clicks(600, seed=1, better=0.4))
    assert (report.control, report.ranking, report.lists, report.users) == (
        "control",
        "new",
        600,
        60,
    )
    assert report.wins + report.losses + report.ties == 600
    for effect in report.effects:
        assert effect.verdict == "higher" and 0 < effect.low < effect.difference < effect.high
    won = report.effects[0]
    assert (won.treatment, won.control) == (report.wins / 600, report.losses / 600)
    turned = analyze_interleaving(_clicks(600, seed=1, better=0.4), control="new")
    assert {effect.verdict for effect in turned.effects} == {"lower"}
    assert turned.effects[1].difference == pytest.approx(-report.effects[1].difference)


def test_lists_of_one_user_are_not_independent() -> None:
    """One devoted listener with all the clicks is no evidence."""
    lists = np.repeat(np.arange(200), 2)
    teams = np.tile(["new", "control", "control", "new"], 100)
    user = np.where(lists < 150, 0, lists)
    clicks = (teams == "new") & (lists < 150)
    alone = analyze_interleaving(InterleavingLog(lists, user, teams, clicks))
    each = analyze_interleaving(InterleavingLog(lists, lists, teams, clicks))
    assert alone.effects[0].verdict == "open" and each.effects[0].verdict == "higher"


def test_a_draft_without_a_coin_is_not_trusted() -> None:
    lists = np.repeat(np.arange(200), 2)
    clicks = np.tile([1, 0], 200)
    report = analyze_interleaving(
        InterleavingLog(lists, lists, np.tile(["new", "control"], 200), clicks)
    )
    assert report.draft_broken and {effect.verdict for effect in report.effects} == {"untrusted"}
    assert report.notes[0].startswith("The draft is broken: 'control' has the first place in 0")


GOOD: dict[str, list[Any]] = {
    "list": ["1", "1", "2", "2"],
    "user": ["ann", "ann", "ben", "ben"],
    "team": ["A", "B", "B", "A"],
    "clicked": [1, 0, 0, 1],
}


def test_places_say_who_was_first_whatever_the_order_of_rows() -> None:
    log = read_interleaving_log(GOOD)
    assert log.first.tolist() == [0, 1] and log.credits.tolist() == [[1, 0], [1, 0]]
    turned = {name: cells[::-1] for name, cells in GOOD.items()} | {"rank": [2, 1, 2, 1]}
    again = read_interleaving_log(turned)
    assert again.first.tolist() == [0, 1] and again.credits.tolist() == [[1, 0], [1, 0]]
    nobody = read_interleaving_log(GOOD | {"team": ["A", None, "B", "A"]})
    assert nobody.credits.tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"team": ["A", "A", "B", "A"]}, "2 places of 'A' and 0 of 'B': no team draft"),
        ({"team": ["A", "B", "C", "A"]}, "teams are 'A', 'B', 'C': two rankings"),
        ({"team": ["A", "A", "A", "A"]}, "teams are 'A': two rankings"),
        ({"clicked": [1, -1, 0, 1]}, "row 2: its credit is -1"),
        ({"clicked": [1, None, 0, 1]}, "row 2: its clicked is empty or no number"),
        ({"clicked": [1, "yes", 0, 1]}, "row 2: its clicked is empty or no number"),
        ({"user": ["ann", "ben", "ben", "ben"]}, "row 2: its list was another user's before"),
        ({"user": ["ann", "ann", "ann", "ann"]}, "all lists are one user's"),
        ({"list": ["1", "1", None, "2"]}, "row 3: its list is empty"),
        ({"rank": [1, 2, 1, None]}, "row 4: its rank is empty"),
        ({name: [] for name in GOOD}, "a header and no rows"),
    ],
)
def test_a_log_that_cannot_be_right_is_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(MusicuError, match=said) as raised:
        analyze_interleaving(GOOD | changes)
    assert "\n" not in str(raised.value) and "ann" not in str(raised.value)


def test_what_is_asked_for_has_to_be_there() -> None:
    with pytest.raises(MusicuError, match="no ranking 'C'; there are 'A', 'B'"):
        analyze_interleaving(GOOD, control="C")
    with pytest.raises(MusicuError, match="no column 'plays'"):
        analyze_interleaving(GOOD, credit="plays")
    with pytest.raises(MusicuError, match="two rankings with names are interleaved, not 1"):
        draft_teams({"A": "abc"}, 2, seed=0)
    with pytest.raises(MusicuError, match="'A' has an item twice"):
        draft_teams({"A": "aa", "B": "b"}, 2, seed=0)
