"""Recommendations over HTTP: those of the library, by a recommender that is swapped under way."""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import add_track, unit
from served import Served, serving, until

from musicu.catalog.items import catalog_items
from musicu.catalog.store import Store
from musicu.encoders.registry import find_model
from musicu.errors import MusicuError
from musicu.recommend.interactions import hash_user, read_interactions
from musicu.recommend.lineage import lineage_of
from musicu.recommend.recommender import History, Recommender
from musicu.recommend.registry import Registry
from musicu.service.errors import Busy, Refusal
from musicu.service.feedback import FeedbackLog
from musicu.service.recommender import ReloadingRecommender
from musicu.service.settings import Settings

ARTISTS, EACH, DIM, USERS = 6, 8, 16, 24
TRACKS = ARTISTS * EACH
LATER = 4  # tracks that nobody has played


def fill(path: Path, numbers: range) -> None:
    """Store tracks of six artists, each around a point of its own."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((ARTISTS, DIM))
    vectors = unit(np.repeat(centers, EACH, axis=0) + 0.5 * rng.standard_normal((TRACKS, DIM)))
    with Store(path, create=True) as store:
        model = store.use_model(replace(find_model(), id="made", sha256="a" * 64, dim=DIM))
        with store.change():
            for number in numbers:
                artist = f"Artist {number // EACH}"
                tags = {"title": f"Song {number}", "artist": artist, "artists": [artist]}
                add_track(store, model, number, vectors[number], tags)


def play(path: Path) -> None:
    """Write who played what: each listener the tracks of two artists."""
    rng = np.random.default_rng(1)
    with open(path, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["user", "item", "weight"])
        for user in range(USERS):
            for artist in (user % ARTISTS, (user + 1) % ARTISTS):
                for number in rng.choice(EACH, 5, replace=False).tolist():
                    at = artist * EACH + number
                    if at < TRACKS - LATER:
                        table.writerow([f"listener {user}", f"{at:032x}", rng.integers(1, 9)])


@dataclass(frozen=True)
class World:
    catalog: Path
    log: Path
    fitted: Path


def learn(world: World, **parameters: Any) -> Recommender:
    items = catalog_items(world.catalog)
    log = read_interactions(world.log, known=items.ids)
    recommender = Recommender(dim=8, **parameters).fit(log, items)
    recommender.save(world.fitted, force=True)
    return recommender


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path / "music.db", tmp_path / "plays.csv", tmp_path / "fitted")
    fill(made.catalog, range(TRACKS - LATER))
    play(made.log)
    learn(made)
    return made


@pytest.fixture
def served(world: World) -> Iterator[Served]:
    with serving(world.catalog, recommender=world.fitted, log=world.log) as running:
        until(lambda: running.service.recommender.ready)
        yield running


PLAYED = [{"id": f"{number:032x}", "weight": number + 1.0} for number in range(3)]


def recommend(served: Served, status: int = 200, **body: Any) -> Any:
    return served.ask("POST", "/v1/recommend", status, json=body)


def ids(found: Any) -> list[str]:
    return [one["id"] for one in found["recommendations"]]


def test_a_history_is_answered_as_by_the_library(served: Served, world: World) -> None:
    rules = {"max_per_artist": 2, "diversity": 0.3, "popularity_weight": 0.5}
    history = History([one["id"] for one in PLAYED], [one["weight"] for one in PLAYED])
    expected = Recommender.load(world.fitted).recommend(history, 6, **rules)
    found = recommend(served, history=PLAYED, n=6, **rules)
    assert ids(found) == [one.id for one in expected]
    for one, same in zip(found["recommendations"], expected, strict=True):
        assert one["score"] == pytest.approx(same.score, abs=1e-5)
        assert sum(one["contributions"].values()) == pytest.approx(one["score"], abs=1e-4)
    assert not set(ids(found)) & {one["id"] for one in PLAYED}


def test_a_user_of_the_log_gets_nothing_that_was_played_unless_asked_for(
    served: Served, world: World
) -> None:
    log = read_interactions(world.log)
    played = set(log.of_user("listener 3")[0])
    assert not set(ids(recommend(served, user="listener 3", n=30))) & played
    assert set(ids(recommend(served, user="listener 3", n=30, again=True))) & played


def test_nobody_is_told_who_is_in_the_log(served: Served) -> None:
    detail = recommend(served, 400, user="somebody else")["detail"]
    assert "somebody else" not in detail and "listener" not in detail


def test_with_a_salt_users_are_asked_for_by_name_and_known_by_hash(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSICU_SALT", "long and random")
    with serving(world.catalog, recommender=world.fitted, log=world.log) as served:
        until(lambda: served.service.recommender.ready)
        assert ids(recommend(served, user="listener 3"))
        name = hash_user("listener 3", "long and random")
        recommend(served, 400, user=name)
        fans = served.ask("GET", f"/v1/audience?id={1:032x}&n=24")["listeners"]
        assert name in [fan["name"] for fan in fans]


def test_a_track_that_is_added_is_recommended_without_a_restart(
    served: Served, world: World
) -> None:
    fill(world.catalog, range(TRACKS - LATER, TRACKS))
    history = [{"id": f"{TRACKS - EACH:032x}"}]
    new = f"{TRACKS - 1:032x}"
    until(lambda: new in ids(recommend(served, history=history, min_new=1.0, n=4)))


def test_a_track_that_went_is_recommended_no_more(served: Served, world: World) -> None:
    history = [{"id": f"{0:032x}"}]
    gone = ids(recommend(served, history=history, n=1))[0]
    with Store(world.catalog, create=False) as store:
        paths = [
            path
            for (path,) in store.db.execute(
                "SELECT path FROM files JOIN tracks USING (track) WHERE id = ?", (gone,)
            )
        ]
        with store.change():
            store.drop_files(paths)
    served.service.live.close()  # so that looking for it is done here and now
    assert served.service.live.refresh()
    until(lambda: gone not in ids(recommend(served, history=history, n=40)))


def test_another_recommender_takes_over_and_a_broken_one_does_not(
    served: Served, world: World
) -> None:
    before = recommend(served, history=PLAYED, n=5)
    learn(world, weights={"audio": 0.0, "artists": 1.0})
    until(lambda: recommend(served, history=PLAYED, n=5) != before)
    after = recommend(served, history=PLAYED, n=5)
    assert all(not one["contributions"].get("audio") for one in after["recommendations"])
    (world.fitted / "recommender.json").write_text("{}")
    until(lambda: served.service.recommender.problem)
    assert recommend(served, history=PLAYED, n=5) == after


def test_an_audience_is_that_of_the_library(served: Served, world: World) -> None:
    id = f"{2:032x}"
    found = served.ask("GET", f"/v1/audience?id={id}&n=3")
    expected = Recommender.load(world.fitted).audience(id, 3)
    assert [fan["name"] for fan in found["artists"]] == [fan.name for fan in expected.artists]
    assert len(found["listeners"]) == 3
    assert found["listeners"][0]["name"] in {
        f"listener {u}" for u in range(USERS) if u % 6 in (0, 5)
    }
    assert served.ask("GET", "/v1/audience?id=ffffffff", 404)["status"] == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"history": []},
        {"history": PLAYED, "user": "listener 1"},
        {"history": [{"id": f"{1:032x}", "time": 1.0}, {"id": f"{2:032x}"}]},
        {"history": [{"id": f"{1:032x}", "weight": 0}]},
        {"history": PLAYED, "n": 0},
        {"history": PLAYED, "min_new": 2},
        {"history": PLAYED, "candidates": []},
    ],
)
def test_what_makes_no_sense_is_refused(served: Served, body: dict[str, Any]) -> None:
    assert recommend(served, 422, **body)["detail"]


def test_an_unknown_track_of_a_history_is_named(served: Served) -> None:
    assert "ffffffff" in recommend(served, 400, history=[{"id": "ffffffff"}])["detail"]


def test_without_a_recommender_or_a_log_the_way_out_is_told(world: World) -> None:
    with serving(world.catalog) as served:
        assert "--recommender" in recommend(served, 404, history=PLAYED)["detail"]
        assert "--recommender" in served.ask("GET", "/v1/audience?id=abcdef", 404)["detail"]
    with serving(world.catalog, recommender=world.fitted) as served:
        until(lambda: served.service.recommender.ready)
        assert "--log" in recommend(served, 404, user="listener 1")["detail"]


def test_until_it_is_loaded_it_is_busy_and_a_broken_one_says_why(world: World) -> None:
    recommender = ReloadingRecommender(
        Settings(catalog=world.catalog, recommender=world.fitted), lambda: 1
    )
    with pytest.raises(Busy):
        recommender.recommend("listener 1")
    broken = ReloadingRecommender(
        Settings(catalog=world.catalog, recommender=world.catalog.parent), lambda: 1
    )
    broken.start()
    until(lambda: broken.problem)
    with pytest.raises(Refusal, match="cannot be loaded: no recommender in") as refused:
        broken.audience("a")
    assert refused.value.status == 503 and "/" not in str(refused.value)
    broken._over.set()


def test_a_surface_is_asked_for_by_name(world: World, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "car.toml").write_text('about = "For the car."\nn = 3\nmax_per_artist = 1\n')
    options = {"recommender": world.fitted, "log": world.log, "surfaces": own}
    with serving(world.catalog, **options) as served:
        until(lambda: served.service.recommender.ready)
        told = served.ask("GET", "/v1/surfaces")["surfaces"]
        assert {"release-radar", "car"} <= {one["name"] for one in told}
        user = {"user": "listener 3"}
        found = recommend(served, **user, surface="car", weekday="Monday", device="car")
        assert len(set(one["artist"] for one in found["recommendations"])) == len(ids(found)) == 3
        assert "not used: device and weekday" in " ".join(found["notes"])
        # What is said goes over the surface's own rules; what stands elsewhere is left out.
        first = ids(found)[:1]
        more = recommend(served, **user, surface="car", n=5, max_per_artist=5, exclude=first)
        assert len(ids(more)) == 5 and first[0] not in ids(more)
        plays = PLAYED[0]["id"]
        alone = ids(recommend(served, surface="now-playing", playing=[plays[:12] + plays[12:]]))
        assert alone and plays not in alone
        assert recommend(served, surface="now-playing", playing=[plays], **user)
        detail = recommend(served, 422, **user, surface="radio")["detail"]
        assert "no such surface; there are home-shelf" in detail
        assert "goes with a surface" in recommend(served, 422, **user, device="car")["detail"]


def test_a_registry_is_swapped_without_a_request_lost(world: World, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry", create=True)
    for taste in (0.0, 5.0):
        recommender = learn(world, taste=taste)
        registry.add(recommender, lineage_of(recommender))
    registry.promote(1)
    statuses: list[int] = []
    over = threading.Event()
    with serving(world.catalog, recommender=registry.folder, log=world.log) as served:
        until(lambda: served.service.recommender.ready)
        assert recommend(served, user="listener 3")["version"] == 1

        def keep_asking() -> None:
            while not over.is_set():
                body = {"user": "listener 5", "n": 4}
                statuses.append(served.http.post("/v1/recommend", json=body).status_code)

        thread = threading.Thread(target=keep_asking)
        thread.start()
        try:
            for change, version in ((lambda: registry.promote(2), 2), (registry.roll_back, 1)):
                change()
                until(lambda v=version: served.service.recommender.version == v)
        finally:
            over.set()
            thread.join()
        assert set(statuses) == {200}
        told = served.ask("GET", "/v1/monitor")["recommendations"]["lists"]
        assert told["version"] in (1, 2) and told["drift"]["drifted"] is None


def test_what_is_disliked_and_never_played_is_not_recommended(served: Served) -> None:
    before = ids(recommend(served, history=PLAYED, n=5))
    said = [{"id": before[0], "value": -1}]
    assert before[0] not in ids(recommend(served, history=PLAYED, said=said, n=5))
    recommend(served, 422, history=PLAYED, said=[{"id": before[0], "value": -2}])


def test_feedback_is_a_log_that_can_be_fitted(world: World, tmp_path: Path) -> None:
    log = tmp_path / "feedback.csv"

    def tell(served: Served, number: int, event: str, status: int = 204, user: str = "ann") -> None:
        body = {"user": user, "id": f"{number:032x}", "event": event}
        assert served.http.post("/v1/feedback", json=body).status_code == status

    for _ in range(2):  # it goes on where it was
        with serving(world.catalog, feedback=log) as served:
            assert served.ask("GET", "/v1/info")["features"]["feedback"]
            for number, event in enumerate(("played", "completed", "liked", "skipped")):
                tell(served, number, event)
            tell(served, 4, "disliked", user="bob")
            tell(served, 5, "adored", 422)
            tell(served, 5, "liked", 422, user="=cmd()\n")
            tell(served, 99, "liked", 404)
    read = read_interactions(log)
    assert set(read.of_user("ann")[0]) == {f"{number:032x}" for number in (0, 1)}
    assert read.feedback is not None
    items, values = read.feedback.of_user("ann")
    assert dict(zip(items, values, strict=True)) == {
        f"{1:032x}": 0.5,
        f"{2:032x}": 1.0,
        f"{3:032x}": -0.5,
    }
    assert read.feedback.of_user("bob")[1].tolist() == [-1.0]
    with serving(world.catalog) as served:
        tell(served, 0, "liked", 404)
    log.write_text("user,item\n")
    with pytest.raises(MusicuError, match="no log of feedback"):
        FeedbackLog(log)
