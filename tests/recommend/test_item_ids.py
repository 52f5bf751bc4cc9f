"""What logs and playlists call items, and which items they mean."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeStore, Shelf, unit
from hypothesis import given
from hypothesis import strategies as st
from made_audio import notes, write

from musicu.catalog.items import catalog_items
from musicu.catalog.lookup import analyze_query, find_by_id
from musicu.errors import (
    AudioError,
    CatalogError,
    ModelMismatchError,
    MusicuError,
    RecommenderError,
)
from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata
from musicu.recommend.interactions import Interactions
from musicu.recommend.item_ids import (
    ItemResolver,
    catalog_names,
    match_items,
    new_items,
)
from musicu.search.watcher import CatalogWatcher

IDS = ("aaaaaa11", "aaaaaa22", "bbbbbb33", "cccccc44")
ITEMS = Items(
    [
        Item(IDS[0], Metadata(isrc="GBAYE0601498")),
        Item(IDS[1], Metadata(isrc="USRC17607839")),
        Item(IDS[2], Metadata(isrc="USRC17607839")),
        Item(IDS[3]),
    ],
    np.eye(4, dtype=np.float32),
)
PATHS = {
    "/music/a/one.flac": IDS[0],
    "/music/b/two.flac": IDS[1],
    "/copies/two again.mp3": IDS[1],
    "/other/a/one.flac": IDS[3],
    f"/music/{unicodedata.normalize('NFC', 'Björk')}/x.flac": IDS[2],
    "/gone/with its track.flac": "dddddd55",
}
NAMES = ItemResolver(ITEMS, PATHS, ["/music"])


def _log(items: tuple[str, ...], *, users: int = 2) -> Interactions:
    """Each user plays every item, with weights 1, 2, 3, ..."""
    user, item = np.divmod(np.arange(users * len(items)), len(items))
    people = [f"u{i}" for i in range(users)]
    return Interactions(people, items, user, item, np.arange(len(user)) + 1, np.arange(len(user)))


# Names


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("aaaaaa11", {"aaaaaa11"}),
        ("AAAAAA1", {"aaaaaa11"}),
        ("aaaaaa", {"aaaaaa11", "aaaaaa22"}),
        ("bbbbb", set()),
        ("éaaaaa", set()),
        ("0ld0ld", {"bbbbbb33"}),
        ("0LD0LD99", {"bbbbbb33"}),
        ("0ld0l", set()),
        ("cccccc", {"cccccc44"}),  # what is called so today goes before what was
    ],
)
def test_the_first_characters_of_an_id_mean_the_same_to_all(
    make_store: MakeStore, name: str, meant: set[str]
) -> None:
    """To the catalog, to a snapshot of it, and to a recommender's items."""
    aliases = {"0ld0ld99": IDS[2], "cccccc00": IDS[1]}
    store, _ = make_store(np.eye(4, dtype=np.float32))
    with store.change():
        for row, id in enumerate(IDS, start=1):
            store.db.execute("UPDATE tracks SET id = ? WHERE track = ?", (id, row))
        for old, id in aliases.items():
            row = IDS.index(id) + 1
            store.db.execute("INSERT INTO aliases (id, track) VALUES (?, ?)", (old, row))
    with CatalogWatcher(store.path) as watcher:
        snapshot = watcher.snapshot
    asked: list[tuple[Callable[[str], str], type[MusicuError], str]] = [
        (lambda name: find_by_id(store, name).id, CatalogError, "more than one"),
        (lambda name: snapshot.ids[snapshot.position(name)], CatalogError, "more than one"),
        (ItemResolver(ITEMS, aliases=aliases).one, RecommenderError, "go by this name"),
    ]
    for find, error, several in asked:
        if len(meant) == 1:
            assert {find(name)} == meant
        else:
            with pytest.raises(error) as caught:
                find(name)
            assert (several in str(caught.value)) == bool(meant)


@pytest.mark.parametrize(
    ("name", "folder", "meant"),
    [
        (IDS[3], None, IDS[3:]),
        ("/music/a/one.flac", None, IDS[:1]),
        ("/music/b/../a//one.flac", None, IDS[:1]),
        ("/copies/two again.mp3", None, IDS[1:2]),
        ("a/one.flac", None, IDS[:1]),  # from the folder that was embedded
        ("two again.mp3", "/copies", IDS[1:2]),
        ("../copies/two again.mp3", "/logs", IDS[1:2]),
        ("GBAYE0601498", None, IDS[:1]),
        ("gb-aye-06-01498", None, IDS[:1]),
        ("US-RC1-76-07839", None, IDS[1:3]),
        ("two again.mp3", None, ()),
        ("aaaaaa", None, ()),
        ("", None, ()),
        ("/gone/with its track.flac", None, ()),
    ],
)
def test_ids_paths_and_isrcs_name_items(
    name: str, folder: str | None, meant: tuple[str, ...]
) -> None:
    assert NAMES.find(name, folder=folder) == meant


def test_a_relative_path_that_fits_two_folders_means_both() -> None:
    assert NAMES.find("a/one.flac", folder="/other") == (IDS[0], IDS[3])


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_the_forms_of_a_name_in_unicode_are_one(form: str) -> None:
    name = unicodedata.normalize(form, "/music/Björk/x.flac")  # type: ignore[arg-type]
    assert NAMES.find(name) == (IDS[2],)


def test_the_path_of_an_item_is_the_first_that_was_given() -> None:
    assert NAMES.path(IDS[1]) == "/music/b/two.flac"
    assert ItemResolver(ITEMS).path(IDS[1]) is None


def test_the_beginning_of_an_id_is_enough_if_one_only_begins_so() -> None:
    assert NAMES.one("BBBBBB") == IDS[2]
    with pytest.raises(RecommenderError, match="aaaaaa11 and aaaaaa22: name one by its id"):
        NAMES.one("aaaaaa")
    with pytest.raises(RecommenderError, match="none of the 4 items"):
        NAMES.one("bbbbb")


def test_a_file_that_is_no_item_is_told_from_a_wrong_name(tmp_path: Path) -> None:
    (tmp_path / "new.mp3").touch()
    with pytest.raises(RecommenderError, match="not in the catalog: 'musicu embed' adds it"):
        NAMES.one("new.mp3", folder=tmp_path)
    with pytest.raises(RecommenderError, match="name the catalog too"):
        ItemResolver(ITEMS).one(str(tmp_path / "new.mp3"))
    with pytest.raises(RecommenderError, match="name one by an id"):
        NAMES.one("old.mp3", folder=tmp_path)


def test_a_catalogs_files_name_its_tracks_copies_too(shelf: Shelf) -> None:
    with shelf.open() as catalog:
        (shelf / "Copy.wav").write_bytes((shelf / "Dora/Night.wav").read_bytes())
        catalog.add_folder()
        names = catalog_names(catalog, catalog_items(catalog))
        tracks = {track["path"]: track["id"] for track in catalog.tracks()}
    for path, id in tracks.items():
        assert names.find(path) == (id,)
        assert names.find(str(Path(path).relative_to(shelf.folder))) == (id,)
        assert names.find("../" + Path(path).name, folder=Path(path).parent / "x") == (id,)
    assert names.find("Copy.wav") == names.find("Dora/Night.wav")


# Logs


def test_a_logs_items_become_ids_and_names_of_one_item_become_one() -> None:
    log = _log(("a/one.flac", "/copies/two again.mp3", "/music/b/two.flac", IDS[3]))
    matched = match_items(log, NAMES)
    assert matched.items == (IDS[0], IDS[1], IDS[3])
    assert matched.users == log.users
    expected = [[1, 2 + 3, 4], [5, 6 + 7, 8]]
    np.testing.assert_array_equal(matched.matrix("raw").toarray(), expected)
    assert matched.time is not None and log.time is not None
    assert sorted(matched.time) == sorted(log.time)


def test_a_log_without_times_stays_without() -> None:
    log = Interactions(["u"], ["a/one.flac"], [0], [0])
    assert match_items(log, NAMES).time is None


def test_what_is_unknown_or_unclear_is_counted_and_named_in_one_line() -> None:
    log = _log(("what", IDS[0], "USRC17607839", "who"))
    with pytest.raises(RecommenderError) as raised:
        match_items(log, NAMES, source="log.csv")
    text = str(raised.value)
    assert text.startswith("log.csv: 3 of 4 items are unknown or have a name of several")
    assert "the first is 'what'" in text
    assert f"'USRC17607839' is {IDS[1]} or {IDS[2]}" in text
    assert "6 of 8 interactions" in text and "\n" not in text


def test_what_is_unknown_can_be_left_out_with_those_who_played_nothing_else() -> None:
    log = Interactions(["u", "v"], ["what", IDS[0]], [0, 1, 1], [0, 0, 1], [1, 2, 3])
    matched = match_items(log, NAMES, unknown="drop")
    assert (matched.users, matched.items) == (("v",), (IDS[0],))
    assert matched.weight.tolist() == [3]


def test_what_is_unknown_can_be_kept_under_its_name() -> None:
    log = _log(("what", IDS[0], "USRC17607839"))
    matched = match_items(log, NAMES, unknown="keep")
    assert set(matched.items) == set(log.items)
    assert len(matched) == len(log)


def test_a_log_of_other_items_is_not_left_out_whole() -> None:
    with pytest.raises(RecommenderError, match="nothing is left without them"):
        match_items(_log(("what", "who")), NAMES, unknown="drop")


@given(st.lists(st.sampled_from([*IDS, *PATHS, "GBAYE0601498", "what"]), min_size=1, unique=True))
def test_no_interaction_is_lost_or_made_up(items: list[str]) -> None:
    log = _log(tuple(items))
    kept = match_items(log, NAMES, unknown="keep")
    assert kept.weight.sum() == log.weight.sum() and len(kept) == len(log)
    known = [item for item in items if len(NAMES.find(item)) == 1]
    if known:
        dropped = match_items(log, NAMES, unknown="drop")
        assert len(dropped) == len(log.users) * len(known)
        assert set(dropped.items) == {NAMES.one(item) for item in known}


# What is new


def test_tracks_that_are_not_known_are_new() -> None:
    new = new_items(ITEMS.take([0, 2]), ITEMS, source="music.db")
    assert new.ids == (IDS[1], IDS[3])
    np.testing.assert_array_equal(new.audio, ITEMS.audio[[1, 3]])


def test_tracks_of_another_catalog_or_model_are_refused() -> None:
    with pytest.raises(RecommenderError, match="none of its 1 tracks is among the 4 items"):
        new_items(ITEMS, Items([Item("zzz")]), source="music.db")
    rng = np.random.default_rng(0)
    for dim in (4, 8):
        again = Items(list(ITEMS), unit(rng.standard_normal((4, dim))))
        with pytest.raises(ModelMismatchError, match="another model"):
            new_items(ITEMS, again, source="music.db")


def test_a_new_file_is_heard_as_its_catalog_hears(original: Shelf, tmp_path: Path) -> None:
    song = original / "Carla/Tide/02 Flow.flac"
    copy = tmp_path / "new.flac"
    copy.write_bytes(song.read_bytes())
    write(tmp_path / "other.wav", notes(16000, 4.0, seed=99), 16000, "wav")
    (tmp_path / "broken.mp3").write_bytes(b"no music")
    with original.open() as catalog:
        stored = catalog_items(catalog)
        heard, vector = analyze_query(catalog.store, copy)
        other, new = analyze_query(catalog.store, tmp_path / "other.wav")
        with pytest.raises(AudioError, match="broken.mp3"):
            analyze_query(catalog.store, tmp_path / "broken.mp3")
    at = stored.position(heard.id)
    assert heard.metadata == stored[at].metadata
    assert heard.descriptors["duration"] == stored[at].descriptors["duration"]
    np.testing.assert_allclose(vector, stored.audio[at], atol=1e-5)
    assert other.id not in stored.ids
    assert new.shape == (stored.audio.shape[1],)
