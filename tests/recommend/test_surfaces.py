"""Surfaces: small files say what a place shows, and slates keep to it, with reasons."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted import DAY, N_ITEMS, NEW, NOW, group, item, items, log

from musicu.errors import MusicuError, RecommenderError
from musicu.items.item import Items
from musicu.recommend.interactions import Interactions
from musicu.recommend.recommender import History, Recommender
from musicu.recommend.scorer import Scorer
from musicu.recommend.slate import SlateRequest, make_slate, released_between
from musicu.recommend.surface import SHIPPED, Surface, find_surface, read_surface, read_surfaces

USER = "listener-001-of-60"  # metal


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    late = {i: {"year": 2023} for i in range(N_ITEMS - NEW, N_ITEMS)}
    dated = Items([item(i, **late.get(i, {})) for i in range(N_ITEMS)], items().audio)
    return Recommender(dim=8).fit(log(), dated)


def number(id: str) -> int:
    return int(id.removeprefix("item "))


def ask(recommender: Recommender, surface: Surface, **request: Any) -> Any:
    return make_slate(recommender, surface, SlateRequest(**{"user": USER} | request))


@pytest.mark.parametrize("name", ["home-shelf", "now-playing", "release-radar"])
def test_a_shipped_surface_keeps_its_rules_and_gives_exact_reasons(
    recommender: Recommender, name: str
) -> None:
    surface = find_surface(name)
    found = ask(recommender, surface, playing=["item 5"] if surface.playing else [])
    assert 0 < len(found) <= surface.n
    artists = [one.artist for one in found]
    assert max(map(artists.count, artists)) <= (surface.max_per_artist or len(found))
    for one in found:
        assert one.score == sum(one.contributions.values())
        assert one.sources
    assert surface.about


def test_what_plays_is_as_much_of_the_listener_as_is_said(recommender: Recommender) -> None:
    scorer = Scorer(recommender.model)
    plain = scorer.history(USER)
    jazz = [f"item {i}" for i in range(N_ITEMS - NEW) if group(i) == 2][:2]
    listener = scorer.listener(replace(plain, playing=jazz, playing_share=0.8))
    at = recommender.model.positions(jazz)
    inside = np.isin(listener.played, at)
    assert inside.sum() == 2
    interests = listener.interests
    assert interests is not None
    mass = interests.mass @ interests.members
    assert mass[inside].sum() == pytest.approx(0.8)
    first = ask(recommender, Surface(name="x", playing=0.95, again=True, n=8), playing=jazz)
    usual = ask(recommender, Surface(name="x", n=8))
    jazzy = [np.mean([group(number(one.id)) == 2 for one in some]) for some in (first, usual)]
    assert jazzy[0] > 0.7 > 0.3 > jazzy[1]
    assert not {one.id for one in first} & set(jazz)
    alone = ask(recommender, Surface(name="x", playing=0.5), user=None, playing=jazz)
    assert len(alone) == 20
    with pytest.raises(RecommenderError, match="the history is empty"):
        ask(recommender, Surface(name="x", playing=0.5), user=None)
    with pytest.raises(MusicuError, match="share of 1"):
        scorer.listener(History((), playing=jazz, playing_share=1.0))


def test_what_was_played_rests_and_comes_again(recommender: Recommender) -> None:
    ids, _, times = recommender.log.of_user(USER)
    assert times is not None
    now = float(times.max())
    lately = {id for id, time in zip(ids, times, strict=True) if time > now - 10 * DAY}
    assert lately and lately != set(ids)
    surface = Surface(name="x", again=True, rest_hours=240, n=60)
    found = {one.id for one in ask(recommender, surface)}
    assert not found & lately
    assert found & set(ids)
    # A month later nothing rests.
    assert {one.id for one in ask(recommender, surface, now=now + 30 * DAY)} & lately


def test_a_release_radar_goes_by_dates_and_without_them_by_who_played() -> None:
    dates = {0: "2023-11-01", 1: "2023-11", 2: "2023", 3: "1980-01-01", 4: "2023-12-24"}
    dates |= {N_ITEMS - 1: "1970"}
    dated = Items([item(i, year=None, date=dates.get(i)) for i in range(N_ITEMS)], items().audio)
    recommender = Recommender(dim=4).fit(log(), dated)
    released, undated = released_between(recommender.model, NOW - 60 * DAY, NOW)  # 2023-11-14
    assert [i for i in range(6) if released[i]] == [0, 1, 2]
    assert undated.sum() == N_ITEMS - len(dates)
    radar = Surface(name="x", only="released", n=40)
    shown = {number(one.id) for one in ask(recommender, radar, user=USER, now=NOW)}
    fresh = {0, 1, 2, *range(N_ITEMS - NEW, N_ITEMS - 1)}
    assert shown and shown <= fresh
    # Beside what is allowed, a caller may choose among fewer still.
    few = make_slate(
        recommender, radar, SlateRequest(user=USER, now=NOW), candidates=["item 0", "item 7"]
    )
    assert {one.id for one in few} <= {"item 0"}
    new = Surface(name="x", only="new", n=40)
    assert all(one.is_new for one in ask(recommender, new))


def test_what_is_not_used_is_said(recommender: Recommender) -> None:
    request = {"device": "car", "weekday": "Monday", "hour": 8.0, "playing": ["item 5"]}
    notes = " ".join(ask(recommender, Surface(name="here"), **request).notes)
    for text in ("device and weekday", "the hour, as here", "what plays, as here"):
        assert f"not used: {text}" in notes
    timeless = ask(recommender, find_surface("home-shelf"), user=History(["item 5"])).notes
    assert "not used: the hour, as the history has no times" in timeless
    assert any("hours of rest" in note for note in timeless)
    playing = ask(recommender, find_surface("now-playing")).notes
    assert "nothing plays: the history stands alone" in playing


def test_the_hour_counts_where_the_surface_wants_it() -> None:
    night, day = [f"item {i}" for i in (0, 1, 2)], [f"item {i}" for i in (4, 5, 6)]
    times = [NOW - NOW % DAY - DAY * k + hour * 3600 for hour in (2, 14) for k in range(3)]
    recommender = Recommender(dim=8).fit(log(), items())
    history = History([*night, *day], times=times)
    surface = Surface(name="x", context=("hour",), n=1)
    first = [
        make_slate(recommender, surface, SlateRequest(user=history, hour=hour))[0].id
        for hour in (2.0, 14.0)
    ]
    assert [group(number(id)) for id in first] == [group(0), group(4)]


def test_a_surface_is_a_small_file(tmp_path: Path) -> None:
    path = tmp_path / "car.toml"
    path.write_text('about = "For the car."\nsources = ["artists"]\nmax_per_artist = 1\nn = 5\n')
    surface = read_surface(path)
    assert (surface.name, surface.sources, surface.n) == ("car", ("artists",), 5)
    assert find_surface(path) == surface
    assert set(read_surfaces(SHIPPED, tmp_path)) == set(read_surfaces(SHIPPED)) | {"car"}
    recommender = Recommender(dim=4).fit(log(), items())
    assert {one.sources for one in ask(recommender, surface)} == {("artists",)}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("diversty = 1", "no entry 'diversty'; near is 'diversity'"),
        ('n = "ten"', "n is a whole number"),
        ("n = true", "n is a whole number"),
        ("n = 0", "n is at least 1"),
        ("again = 1", "again is true or false"),
        ("about = 1", "about is a text"),
        ("diversity = 1.5", "diversity is a number from 0 to 1"),
        ('sources = "new"', "sources is an array of texts"),
        ('only = "old"', "only is one of any, new, released"),
        ('context = ["moon"]', "context is some of hour"),
        ("playing = 1.0", "playing is a number from 0, below 1"),
        ("max_per_artist = 0", "max_per_artist is at least 1"),
        ("n =", "not TOML"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(MusicuError) as error:
        read_surface(path)
    assert fault in str(error.value) and "\n" not in str(error.value)
    assert "wrong" in str(error.value)


def test_what_is_not_there_is_named(tmp_path: Path, recommender: Recommender) -> None:
    with pytest.raises(MusicuError, match=r"no surface 'radio'.*home-shelf, now-playing"):
        find_surface("radio")
    with pytest.raises(MusicuError, match="No such file"):
        find_surface(tmp_path / "none.toml")
    with pytest.raises(MusicuError, match="no folder of surfaces"):
        read_surfaces(tmp_path / "none")
    with pytest.raises(MusicuError, match="no candidate source 'moon'"):
        ask(recommender, Surface(name="x", sources=("moon",)))


def test_a_user_of_a_log_without_times_gets_a_slate() -> None:
    timed = log()
    plain = Interactions(timed.users, timed.items, timed.user, timed.item, timed.weight)
    recommender = Recommender(dim=4).fit(plain, items())
    assert len(ask(recommender, find_surface("home-shelf"))) == 20
    notes = ask(recommender, find_surface("release-radar")).notes
    assert any("dates are not used" in note for note in notes)
