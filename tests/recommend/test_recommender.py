"""Recommendations: whole, with reasons that add up, within rules; kept without anybody's name."""

import copy
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from planted import N_ITEMS, group, item, items, log, sound

from musicu.errors import CatalogError, MusicuError, NotFittedError, RecommenderError
from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata
from musicu.recommend.candidates import CANDIDATE_SOURCES
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.interactions import Interactions, hash_user
from musicu.recommend.rank_fit import rank_scores
from musicu.recommend.ranking import Ranker
from musicu.recommend.recommender import History, Recommender
from musicu.recommend.scorer import Listener, Scorer

USER = "listener-001-of-60"  # metal
SALT = "long and random"


@pytest.fixture(scope="module")
def plain() -> Recommender:
    return Recommender(dim=8).fit(log(), items())


@pytest.fixture(scope="module")
def learned(plain: Recommender) -> Recommender:
    return copy.copy(plain).learn_ranking()


@pytest.fixture(params=["plain", "learned"])
def recommender(request: pytest.FixtureRequest) -> Recommender:
    found: Recommender = request.getfixturevalue(request.param)
    return found


def ids(found: Any) -> list[str]:
    return [one.id for one in found]


RULES = st.fixed_dictionaries(
    {
        "n": st.integers(0, 30),
        "diversity": st.sampled_from([0.0, 0.3, 1.0]),
        "max_per_artist": st.sampled_from([None, 1, 2]),
        "max_per_album": st.sampled_from([None, 1]),
        "no_versions": st.booleans(),
        "popularity_weight": st.sampled_from([0.0, 0.5, -0.5]),
        "min_new": st.sampled_from([0.0, 0.3]),
        "again": st.booleans(),
    }
)


@settings(max_examples=60, deadline=None)
@given(rules=RULES, user=st.integers(0, 59), is_learned=st.booleans())
def test_contributions_add_up_to_the_score_whatever_the_rules(
    plain: Recommender, learned: Recommender, rules: dict[str, Any], user: int, is_learned: bool
) -> None:
    recommender = learned if is_learned else plain
    name = recommender.log.users[user]
    found = recommender.recommend(name, **rules)
    played = set(recommender.log.of_user(name)[0])
    assert len(found) <= rules["n"]
    assert [one.rank for one in found] == list(range(1, len(found) + 1))
    assert len(set(ids(found))) == len(found)
    assert rules["again"] or not played & set(ids(found))
    for one in found:
        assert one.score == sum(one.contributions.values())
        assert all(type(value) is float for value in one.contributions.values())
        ruled = bool(rules["diversity"] or rules["popularity_weight"])
        assert ("rules" in one.contributions) == ruled
        assert ("popularity" in one.contributions) == is_learned
        assert {heard.id for heard in one.because} <= played
        assert one.sources
        json.dumps(one.to_dict())
    if len(found) < rules["n"]:
        assert any(" of " in note for note in found.notes)
    if not (rules["diversity"] or rules["min_new"]):
        scores = [one.score for one in found]
        assert all(a >= b - 1e-4 for a, b in zip(scores, scores[1:], strict=False))
    if rules["max_per_artist"]:
        artists = [one.artist for one in found]
        assert max(map(artists.count, artists), default=0) <= rules["max_per_artist"]
    if rules["max_per_album"]:
        albums = [one.album for one in found]
        assert max(map(albums.count, albums), default=0) <= 1
    if rules["min_new"] and not any("min_new" in note for note in found.notes):
        new = [
            recommender.model.listeners[recommender.items.position(id)] == 0 for id in ids(found)
        ]
        assert all(sum(new[:p]) >= int(0.3 * p + 1e-9) for p in range(len(new) + 1))


def test_the_score_is_the_rankings(recommender: Recommender) -> None:
    scorer = Scorer(recommender.model)
    found = recommender.recommend(USER, 10)
    at = np.array([recommender.items.position(id) for id in ids(found)])
    assert [one.score for one in found] == pytest.approx(
        rank_scores(scorer, recommender.ranker, scorer.listener(USER), at), rel=1e-4, abs=1e-4
    )


def test_the_level_is_the_same_for_all(learned: Recommender) -> None:
    found = learned.recommend(USER, 40)
    level = [one.contributions["level"] for one in found]
    assert level == pytest.approx([level[0]] * len(level), abs=1e-4)
    new = [one for one in found if learned.model.listeners[learned.items.position(one.id)] == 0]
    assert new and all(one.contributions["popularity"] == 0 for one in new)


def test_listeners_are_recommended_their_group(recommender: Recommender) -> None:
    share = [
        np.mean([group(int(one.id[5:])) == u % 4 for one in recommender.recommend(user, 8)])
        for u, user in enumerate(recommender.log.users)
    ]
    assert np.mean(share) > 0.7


def test_reasons_name_what_was_played_and_what_it_has_in_common(plain: Recommender) -> None:
    (one,) = plain.recommend(History(["item 4", "item 5"]), 1, candidates=["item 6"])
    assert one.because[0].id in {"item 4", "item 5"} and one.because[0].artist == "Artist 1"
    assert "both metal" in one.words and "the same artist: Artist 1" in one.words
    assert one.sources == ("asked",)
    by = [heard.contribution for heard in one.because]
    assert by == sorted(by, reverse=True) and min(by) > 0


def test_the_same_question_has_the_same_answer(recommender: Recommender) -> None:
    again = Recommender(dim=8).fit(log(), items())
    if recommender.ranker:
        again.learn_ranking()
    asked: dict[str, Any] = {"n": 12, "diversity": 0.2, "max_per_artist": 2}
    first, second, third = (r.recommend(USER, **asked) for r in (recommender, recommender, again))
    assert list(first) == list(second) == list(third)


def test_more_than_there_are_are_not_given(plain: Recommender) -> None:
    found = plain.recommend(USER, 1000)
    played = len(set(plain.log.of_user(USER)[0]))
    assert len(found) == N_ITEMS - played
    assert found.notes == (f"{len(found)} of 1,000: no more candidates",)
    assert plain.recommend(USER, 0) == ()


def test_rules_find_the_number_asked_for_beyond_the_top_of_the_ranking() -> None:
    # Three hundred tracks of one artist fill the top; one a list is allowed.
    flood = [item(4, title=f"Flood {i}", album=None) for i in range(300)]
    flood = [Item(f"flood {i}", one.metadata) for i, one in enumerate(flood)]
    heard = np.concatenate([items().audio, np.stack([sound(1, i) for i in range(300)])])
    known = Items([*items(), *flood], heard)
    recommender = Recommender(dim=8).fit(log(), known)
    found = recommender.recommend(
        History([f"item {i}" for i in (4, 5, 6, 7)]), 10, max_per_artist=1
    )
    assert len(found) == 10 and found.notes == ()


def test_only_candidates_are_recommended(recommender: Recommender) -> None:
    asked = ["item 3", "item 9", "item 40", "item 9"]
    found = recommender.recommend(History(["item 3"]), 10, candidates=asked)
    assert set(ids(found)) == {"item 9", "item 40"}
    assert set(
        ids(recommender.recommend(History(["item 3"]), 10, candidates=asked, again=True))
    ) == (set(asked))
    assert recommender.recommend(USER, 5, candidates=[]) == ()


def test_one_version_of_a_song_is_enough(plain: Recommender) -> None:
    title = plain.items[8].metadata.title
    live = Item("live", item(8, title=f"{title} (Live)").metadata)
    more = copy.copy(plain).add(Items([live], plain.items.audio[[8]]))
    history = History(["item 9", "item 10", "item 24"])
    assert len({"item 8", "live"} & set(ids(more.recommend(history, 50)))) == 1
    assert {"item 8", "live"} <= set(ids(more.recommend(history, 50, no_versions=False)))


def test_another_version_of_what_was_played_is_nothing_new(plain: Recommender) -> None:
    title = plain.items[8].metadata.title
    live = Item("live", item(8, title=f"{title} (Live)").metadata)
    more = copy.copy(plain).add(Items([live], plain.items.audio[[8]]))
    history = History(["item 8", "item 10", "item 24"])
    assert "live" not in ids(more.recommend(history, 50))
    assert "live" in ids(more.recommend(history, 50, again=True, no_versions=False))
    assert "live" in ids(more.recommend(history, 50, no_versions=False))


def test_diversity_makes_lists_more_varied(plain: Recommender) -> None:
    def alike(diversity: float) -> float:
        found = plain.recommend(USER, 10, diversity=diversity)
        rows = plain.model.vectors.take([plain.items.position(id) for id in ids(found)])
        return float(rows.similarity(rows).mean())

    assert alike(0.6) < alike(0.3) < alike(0.0)


def test_new_items_come_and_room_for_them_is_kept(recommender: Recommender) -> None:
    heard = np.stack([sound(1, 600 + i) for i in range(20)])
    new = [Item(f"new {i}", Metadata(genres=("Metal",), artist=f"n{i}")) for i in range(20)]
    more = copy.copy(recommender).add(Items(new, heard))
    assert any(id.startswith("new") for id in ids(more.recommend(USER, 20)))
    assert sum(id.startswith("new") for id in ids(more.recommend(USER, 20, min_new=0.5))) >= 8


def test_room_for_new_items_finds_them_below_the_top_of_the_ranking(plain: Recommender) -> None:
    best = ids(plain.recommend(USER, 20, min_new=0))
    found = plain.recommend(USER, 2, min_new=1.0)
    assert found.notes == () and len(found) == 2
    assert not set(best) & set(ids(found))
    assert all(plain.model.listeners[plain.items.position(id)] == 0 for id in ids(found))


def test_partners_of_the_artists_who_were_played_are_proposed(plain: Recommender) -> None:
    artists = [("Artist 1", "Zoe"), ("Zoe",), ("Stranger",)]
    new = [Item(f"w{i}", Metadata(artists=names)) for i, names in enumerate(artists)]
    crowd = [Item(f"crowd {i}", Metadata(genres=("Metal",))) for i in range(600)]
    more = copy.copy(plain).add(Items([*new, *crowd]))
    found = more.recommend(History(["item 4", "item 5"]), 2000, again=True)
    sources = {one.id: one.sources for one in found}
    assert "artists" in sources["w0"] and "artists" in sources["w1"]
    assert "artists" not in sources.get("w2", ())


def test_a_history_is_answered_as_its_user_is(recommender: Recommender, tmp_path: Path) -> None:
    history = History(*recommender.log.of_user(USER))
    recommender.save(tmp_path / "saved")
    loaded = Recommender.load(tmp_path / "saved")
    asked = recommender.recommend(USER, 15, max_per_artist=2)
    assert recommender.recommend(history, 15, max_per_artist=2) == asked
    answer = loaded.recommend(history, 15, max_per_artist=2)
    assert ids(answer) == ids(asked)
    for a, b in zip(answer, asked, strict=True):
        assert a.words == b.words and a.sources == b.sources
        assert a.contributions == pytest.approx(b.contributions, rel=1e-3, abs=1e-4)


def test_what_was_added_is_kept_too(plain: Recommender, tmp_path: Path) -> None:
    new = Items([item(200), Item("bare")], np.stack([sound(2, 1), np.zeros(12, np.float32)]))
    more = copy.copy(plain).add(new)
    more.save(tmp_path / "saved")
    loaded = Recommender.load(tmp_path / "saved")
    assert loaded.items.ids == more.items.ids and loaded.get_params() == more.get_params()
    for name in "factors inv_std mean scale".split():
        a, b = (getattr(one.model.item_factors, name) for one in (loaded, more))
        assert np.allclose(a, b, rtol=1e-4, atol=1e-5), name
    assert np.array_equal(loaded.model.listeners, more.model.listeners)
    loaded.save(tmp_path / "again")
    for file in os.listdir(tmp_path / "saved"):
        assert (tmp_path / "again" / file).is_file()


def test_no_user_is_in_what_is_saved(tmp_path: Path) -> None:
    shared = log()
    users = [hash_user(user, SALT) for user in shared.users[:30]] + list(shared.users[30:])
    logged = Interactions(users, shared.items, shared.user, shared.item, shared.weight, shared.time)
    Recommender(dim=8).fit(logged, items()).learn_ranking().save(tmp_path / "saved")
    blobs = []
    for path in (tmp_path / "saved").iterdir():
        blobs.append(path.name.encode() + path.read_bytes())
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as file:
                blobs += [name.encode() + file.read(name) for name in file.namelist()]
    assert len(blobs) > 4 and any(b"item 3" in blob for blob in blobs)
    for user in (*users, *shared.users):
        for form in (user, user[:16], user.encode("utf-16-le").decode("latin1")):
            assert not any(form.encode("latin1") in blob for blob in blobs)
    # Nor are their vectors.
    for path in (tmp_path / "saved").glob("*.npy"):
        assert np.load(path).shape[:1] != (len(users),), path.name


def test_forgetting_learns_the_ranking_anew(learned: Recommender) -> None:
    recommender = copy.copy(learned).forget_user(USER)
    fresh = Recommender(dim=8).fit(log().without_user(USER), items()).learn_ranking()
    assert recommender.ranker is not None and fresh.ranker is not None
    assert np.allclose(recommender.ranker.weights, fresh.ranker.weights, rtol=1e-2, atol=1e-3)
    assert recommender.ranker is not learned.ranker
    assert copy.copy(learned).fit(log(), items()).ranker is None


def _fail(*_: Any, **__: Any) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    "broken", ["numpy.savez_compressed", "os.replace", "pathlib.Path.write_text"]
)
@pytest.mark.parametrize("there", [False, True])
def test_a_save_that_fails_leaves_everything_as_it_was(
    plain: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, there: bool
) -> None:
    folder = tmp_path / "saved"
    if there:
        plain.save(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()} if there else {}
    with monkeypatch.context() as patch:
        patch.setattr(broken, _fail)
        with pytest.raises(CatalogError, match="No space left on device") as caught:
            plain.save(folder, force=True)
    assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == (["saved"] if there else [])
    if there:
        assert before == {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_replacement_brings_the_old_one_back(
    plain: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    plain.save(tmp_path / "saved")
    replace: Callable[..., None] = os.replace

    def second(source: Any, target: Any) -> None:
        if str(source).endswith(".tmp"):
            raise error
        replace(source, target)

    monkeypatch.setattr("os.replace", second)
    with pytest.raises((CatalogError, KeyboardInterrupt)):
        plain.save(tmp_path / "saved", force=True)
    assert os.listdir(tmp_path) == ["saved"]
    assert len(Recommender.load(tmp_path / "saved").items) == N_ITEMS


def test_other_folders_are_not_written_into(plain: Recommender, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(CatalogError, match="holds other things than a recommender"):
            plain.save(tmp_path, force=force)
        with pytest.raises(CatalogError, match="holds other things"):
            plain.save(tmp_path / "notes.txt", force=force)
    assert os.listdir(tmp_path) == ["notes.txt"]
    plain.save(tmp_path / "saved")
    with pytest.raises(CatalogError, match="--force replaces it"):
        plain.save(tmp_path / "saved")
    plain.save(tmp_path / "saved", force=True)


def test_what_is_no_recommender_is_said_to_be_none(plain: Recommender, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no recommender in"):
        Recommender.load(tmp_path)
    plain.save(tmp_path / "saved")
    for name in os.listdir(tmp_path / "saved"):
        broken = tmp_path / f"broken {name}"
        shutil.copytree(tmp_path / "saved", broken)
        (broken / name).write_bytes((broken / name).read_bytes()[:40])
        with pytest.raises(CatalogError) as caught:
            Recommender.load(broken)
        assert "\n" not in str(caught.value)
        (broken / name).unlink()
        with pytest.raises(CatalogError):
            Recommender.load(broken)
    about = tmp_path / "saved" / "recommender.json"
    newer = json.loads(about.read_text()) | {"musicu_recommender": 99}
    about.write_text(json.dumps(newer))
    with pytest.raises(CatalogError, match="upgrade musicu"):
        Recommender.load(tmp_path / "saved")


@pytest.mark.parametrize(
    "change",
    [
        {"regularization": None},
        {"floor": "low"},
        {"given": [1]},
        {"parameters": {"unheard": 1}},
        {"parameters": None},
        {"ranker": {"weights": 1}},
    ],
)
def test_a_recommender_of_parts_that_do_not_fit_is_told(
    plain: Recommender, tmp_path: Path, change: dict[str, Any]
) -> None:
    plain.save(tmp_path / "saved")
    about = tmp_path / "saved" / "recommender.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | change))
    with pytest.raises(CatalogError, match="saved: no recommender that can be read"):
        Recommender.load(tmp_path / "saved")


def test_the_audience_of_a_new_track_are_those_of_its_kind(plain: Recommender) -> None:
    track = Items([Item("mine", Metadata(genres=("Jazz",), artist="Me"))], sound(2, 77)[None])
    found = plain.audience(track, 10)
    fans = [int(fan.name.split("-")[1]) % 4 for fan in found.listeners]
    assert fans.count(2) >= 9
    artists = [int(fan.name.split()[1]) % 4 for fan in found.artists[:5]]
    assert artists.count(2) == 5
    for fan in (*found.listeners, *found.artists):
        assert fan.score == sum(fan.contributions.values())
    assert [fan.score for fan in found.listeners] == sorted(
        (fan.score for fan in found.listeners), reverse=True
    )
    assert len({fan.name for fan in found.artists}) == len(found.artists)
    assert "mine" not in plain.items.ids
    assert json.dumps(found.to_dict())


def test_how_a_track_stands_out_for_a_listener_is_told_in_their_own_deviations(
    plain: Recommender,
) -> None:
    found = plain.audience("item 5", 60)
    at = plain.items.position("item 5")
    model = plain.model
    scores = model.als.users @ model.item_factors.factors[model.item_factors.sample].T
    for fan in found.listeners:
        user = plain.log.users.index(fan.name)
        own = float(model.als.users[user] @ model.item_factors.factors[at])
        assert fan.score == pytest.approx(
            (own - scores[user].mean()) / scores[user].std(), rel=1e-3, abs=1e-3
        )
    assert len(found.listeners) == 60
    assert all("Artist 1" != fan.name for fan in found.artists)  # its own
    assert plain.audience("item 5", 0).listeners == plain.audience("item 5", 0).artists == ()


def test_a_loaded_recommender_knows_artists_but_no_listeners(
    plain: Recommender, tmp_path: Path
) -> None:
    plain.save(tmp_path / "saved")
    loaded = Recommender.load(tmp_path / "saved")
    found, whole = loaded.audience("item 5", 5), plain.audience("item 5", 5)
    assert found.listeners == ()
    assert [fan.name for fan in found.artists] == [fan.name for fan in whole.artists]
    for ask in (lambda: loaded.recommend(USER), lambda: loaded.forget_user(USER)):
        with pytest.raises(RecommenderError, match="knows no users"):
            ask()
    # With a log it knows those of the log.
    knowing = loaded.with_log(log(users=24, seed=5))
    assert all(fan.name.endswith("of-24") for fan in knowing.audience("item 5", 5).listeners)
    same = loaded.with_log(log())
    assert [fan.name for fan in same.audience("item 5", 5).listeners] == [
        fan.name for fan in whole.listeners
    ]
    assert ids(same.recommend(USER, 5)) == ids(plain.recommend(USER, 5))
    assert loaded.audience("item 5", 5).listeners == ()


def test_similar_items_are_of_the_same_kind(plain: Recommender) -> None:
    found = plain.similar_items("item 5", 12)
    assert "item 5" not in [fan.name for fan in found] and len(found) == 12
    assert np.mean([group(int(fan.name[5:])) == 1 for fan in found]) > 0.8
    assert {fan.name for fan in found} >= {"item 4", "item 6", "item 7"}
    for fan in found:
        assert fan.score == sum(fan.contributions.values()) <= 1 + 1e-5
    scores = [fan.score for fan in found]
    assert all(a >= b - 1e-6 for a, b in zip(scores, scores[1:], strict=False))
    assert len(plain.similar_items("item 5", 1000)) == N_ITEMS - 1
    assert plain.similar_items("item 5", 0) == []


def test_sources_can_be_replaced(plain: Recommender) -> None:
    only = copy.copy(plain)
    only.sources = {"mine": lambda model, listener, n: np.array([90, 91])}
    found = only.recommend(USER, 5)
    assert set(ids(found)) == {"item 90", "item 91"} and found[0].sources == ("mine",)


def test_a_candidate_source_is_added_in_one_place(
    plain: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def oldest(model: FittedModel, listener: Listener, n: int) -> NDArray[np.intp]:
        years = [item.metadata.year or np.inf for item in model.items]
        return np.argsort(years, kind="stable")[:n]

    monkeypatch.setitem(CANDIDATE_SOURCES, "oldest", oldest)
    found = plain.recommend(USER, 1000)
    assert all("oldest" in one.sources for one in found)
    assert Recommender(dim=4).fit(log(), items()).recommend(USER, 5)[0].sources[-1] == "oldest"


def test_what_has_learned_nothing_says_so() -> None:
    bare = Recommender()
    for ask in (lambda: bare.recommend(USER), lambda: bare.audience("x"), lambda: bare.items):
        with pytest.raises(NotFittedError, match="fit it, or load one"):
            ask()
    assert issubclass(NotFittedError, RecommenderError)


def test_settings_are_read_and_copied_as_scikit_learns() -> None:
    chosen: dict[str, Any] = {"dim": 5, "taste": 0.3, "weights": {"audio": 1.0}, "seed": 3}
    recommender = Recommender(**chosen)
    assert {**recommender.get_params(), **chosen} == recommender.get_params()
    assert Recommender(**recommender.get_params()).get_params() == recommender.get_params()
    assert Recommender(weights=None).get_params() == Recommender().get_params()


def test_earlier_names_of_settings_are_understood_and_saved(tmp_path: Path) -> None:
    earlier = Recommender(dim=2, smoothing=3.0, doubt=2.0, evenness=0.5)
    assert (
        earlier.get_params()
        == Recommender(dim=2, ridge=3.0, shrinkage=2.0, length_debias=0.5).get_params()
    )
    earlier.fit(log(), items()).save(tmp_path / "saved")
    stored = json.loads((tmp_path / "saved" / "recommender.json").read_text())["parameters"]
    assert [stored[name] for name in ("smoothing", "doubt", "evenness")] == [3.0, 2.0, 0.5]
    assert Recommender.load(tmp_path / "saved").get_params() == earlier.get_params()
    with pytest.raises(TypeError, match="unheard"):
        Recommender(unheard=1)


def test_a_ranker_counts_as_it_was_learned(plain: Recommender) -> None:
    popular = copy.copy(plain)
    weights = np.array([0.0, 0.0, 0.0, 1.0, 0.0])
    names = ("content", "listeners", "taste", "popularity", "artist")
    popular.ranker = Ranker(names, weights, np.zeros(5), np.ones(5))
    found = popular.recommend(USER, 5)
    played = {popular.items.position(id) for id in popular.log.of_user(USER)[0]}
    most = sorted(popular.model.listeners[[i for i in range(N_ITEMS) if i not in played]])[-5:]
    assert [popular.model.listeners[popular.items.position(id)] for id in ids(found)] == most[::-1]
    assert all(
        one.score == pytest.approx(one.contributions["popularity"], abs=1e-6) for one in found
    )


def test_errors_say_what_is_wrong_in_one_line(plain: Recommender) -> None:
    asks: list[tuple[Callable[[], Any], str]] = [
        (lambda: plain.recommend("nobody"), "no such user"),
        (lambda: plain.recommend(History(["x"])), "no item 'x' among the 96"),
        (lambda: plain.recommend(USER, candidates=["x"]), "no item 'x'"),
        (lambda: plain.recommend(History([])), "the history is empty"),
        (lambda: plain.recommend(USER, diversity=2), "diversity is 2"),
        (lambda: plain.recommend(USER, max_per_artist=0), "max_per_artist is 0"),
        (lambda: plain.recommend(USER, min_new=-1), "min_new is -1"),
        (lambda: plain.audience("x"), "no item 'x'"),
        (lambda: plain.similar_items("x"), "no item 'x'"),
        (lambda: plain.forget_user("nobody"), "no such user"),
        (
            lambda: plain.with_log(Interactions(["u"], ["x"], [0], [0])),
            "no item 'x'",
        ),
    ]
    for ask, words in asks:
        with pytest.raises(MusicuError, match=words) as caught:
            ask()
        assert "\n" not in str(caught.value)
