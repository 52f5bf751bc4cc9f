"""A change of the way audio is identified: ids change, and nothing else."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MakeStore
from made_answers import Answers, axis

from musicu.catalog.catalog import Catalog
from musicu.catalog.items import catalog_items
from musicu.encoders.registry import find_model
from musicu.errors import CatalogError, ModelError
from musicu.recommend.interactions import read_interactions
from musicu.recommend.item_ids import catalog_names, match_items
from musicu.recommend.recommender import Recommender
from musicu.search.watcher import CatalogWatcher


def _id(number: int) -> str:
    return f"{number:032x}"


def _old(number: int) -> str:
    return f"{0xABCDEF00 + number:08x}" + "f" * 24


def _make_older(catalog: Catalog) -> None:
    """Give all tracks ids of another way of identifying audio."""
    db = catalog.store.db
    rows = db.execute("SELECT track, id FROM tracks").fetchall()
    with catalog.store.change():
        db.executemany(
            "UPDATE tracks SET id = ? WHERE track = ?",
            [(_old(int(id, 16)), track) for track, id in rows],
        )
        db.execute("UPDATE files SET identity = 1")


def _ids(catalog: Catalog) -> dict[str, str]:
    return {Path(track["path"]).name: track["id"] for track in catalog.tracks()}


def _vector(catalog: Catalog, id: str) -> np.ndarray[Any, Any]:
    (blob,) = catalog.store.db.execute(
        "SELECT vector FROM vectors JOIN tracks USING (track) WHERE id = ?", (id,)
    ).fetchone()
    return np.frombuffer(blob, dtype="<f4")


@pytest.fixture
def older(tmp_path: Path, answers: Answers) -> Catalog:
    """Three tracks, one of them with a copy, with ids of an older musicu."""
    for number in (1, 2, 3):
        answers.sound(tmp_path / "music" / f"{number}.flac", number)
    answers.sound(tmp_path / "music" / "copy of 3.flac", 3)
    with Catalog(tmp_path / "c.db") as catalog:
        catalog.add_folder(tmp_path / "music")
        _make_older(catalog)
    answers.forget()
    return Catalog(tmp_path / "c.db")


def test_files_are_identified_anew_without_being_decoded(older: Catalog, answers: Answers) -> None:
    with older as catalog:
        before = catalog.similar(axis(1), n=9)
        summary = catalog.add_folder()
        assert (summary.reidentified, summary.unchanged, summary.embedded) == (4, 4, 0)
        assert answers.analyzed == []
        assert _ids(catalog) == {"1.flac": _id(1), "2.flac": _id(2), "3.flac": _id(3)}
        after = catalog.similar(axis(1), n=9)
        assert [(m.path, m.score) for m in after] == [(m.path, m.score) for m in before]
        assert catalog.info().copies == 1
        assert catalog.verify() == []
        answers.forget()
        assert catalog.add_folder().reidentified == 0
        assert answers.identified == []


def test_an_interrupted_change_goes_on(
    older: Catalog, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the first file: the rest keeps its old ids until the next run."""
    with older as catalog:

        def stop(_: Any) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            catalog.add_folder(progress=stop, jobs=1)
        assert len(catalog.aliases()) == 1
        assert catalog.add_folder().reidentified == 3
        assert set(_ids(catalog).values()) == {_id(1), _id(2), _id(3)}
        assert answers.analyzed == []


def test_old_ids_go_on_resolving(older: Catalog, tmp_path: Path) -> None:
    with older as catalog:
        catalog.add_folder()
        assert catalog.aliases() == {_old(n): _id(n) for n in (1, 2, 3)}
        assert _old(1) in catalog
        assert "e" * 32 not in catalog
        for name in (_old(1), _old(1)[:9], _old(1).upper()):
            assert [m.path for m in catalog.similar(name)] == [
                m.path for m in catalog.similar(_id(1))
            ]
        with pytest.raises(CatalogError, match="more than one"):
            catalog.similar(_old(1)[:6])
        items = catalog_items(catalog)
        names = catalog_names(catalog, items)
        assert names.find(_old(2)) == (_id(2),)
        assert names.one(_old(2)[:8]) == _id(2)
        log = tmp_path / "plays.csv"
        log.write_text(f"user,item\nann,{_old(1)}\nann,{_id(3)}\nbob,{_old(3)}\n")
        matched = match_items(read_interactions(log), names)
        assert sorted(matched.items) == [_id(1), _id(3)]
        live = CatalogWatcher(catalog.store.path)
        try:
            snapshot = live.snapshot
            assert snapshot.ids[snapshot.position(_old(2))] == _id(2)
            with pytest.raises(CatalogError, match="no track"):
                snapshot.position("e" * 32)
        finally:
            live.close()


def test_a_recommender_goes_on_with_todays_ids(older: Catalog, tmp_path: Path) -> None:
    with older as catalog:
        log = tmp_path / "plays.csv"
        log.write_text("user,item\n" + "".join(f"u{n},{_old(n % 3 + 1)}\n" for n in range(9)))
        fitted = Recommender(dim=2).fit(read_interactions(log), catalog_items(catalog))
        fitted.save(tmp_path / "recommender")
        catalog.add_folder()
        loaded = Recommender.load(tmp_path / "recommender", aliases=catalog.aliases())
        assert sorted(loaded.items.ids) == sorted(_id(n) for n in (1, 2, 3))


def test_a_track_that_is_gone_keeps_its_old_id_until_it_comes_back(
    older: Catalog, tmp_path: Path, answers: Answers
) -> None:
    song, aside = tmp_path / "music/2.flac", tmp_path / "2.flac"
    with older as catalog:
        os.rename(song, aside)
        catalog.add_folder()
        os.rename(aside, song)
        summary = catalog.add_folder()
        assert (summary.reidentified, answers.analyzed) == (1, [])
        assert catalog.aliases()[_old(2)] == _id(2)


def test_a_folder_that_moved_meanwhile_is_followed(
    older: Catalog, tmp_path: Path, answers: Answers
) -> None:
    os.rename(tmp_path / "music", tmp_path / "nas")
    with older as catalog:
        assert catalog.add_folder(tmp_path / "nas").reidentified == 4
        assert answers.analyzed == []
        assert {Path(t["path"]).parent.name for t in catalog.tracks()} == {"nas"}
        assert catalog.info().folders == (str(tmp_path / "nas"),)


def test_copies_that_were_told_apart_become_one_and_the_whole_one_stays(
    tmp_path: Path, answers: Answers
) -> None:
    """As when tags at the end of a file were taken for audio that is missing."""
    answers.sound(tmp_path / "m/a.mp3", 1, problem="only 6 of 66 s are there", vector=8)
    answers.sound(tmp_path / "m/b.mp3", 2, vector=9)
    with Catalog(tmp_path / "c.db") as catalog:
        catalog.add_folder(tmp_path / "m", jobs=1)
        _make_older(catalog)
        answers.sound(tmp_path / "m/a.mp3", 7)
        answers.sound(tmp_path / "m/b.mp3", 7)
        answers.forget()
        catalog.add_folder(jobs=1)
        assert answers.analyzed == []
        assert [t["id"] for t in catalog.tracks()] == [_id(7)]
        assert catalog.aliases() == {_old(1): _id(7), _old(2): _id(7)}
        assert np.array_equal(_vector(catalog, _id(7)), axis(9))
        assert catalog.verify() == []


def test_what_was_wrongly_said_to_be_missing_is_no_problem_any_more(
    tmp_path: Path, answers: Answers
) -> None:
    answers.sound(tmp_path / "m/a.mp3", 1, problem="only 60.0 s of 66.0 s are there")
    answers.sound(tmp_path / "m/b.mp3", 2, problem="3 of 900 packets could not be decoded")
    with Catalog(tmp_path / "c.db") as catalog:
        catalog.add_folder(tmp_path / "m")
        _make_older(catalog)
        catalog.add_folder()
        assert [Path(p.path).name for p in catalog.problems()] == ["b.mp3"]
        problems = catalog.store.db.execute("SELECT problem FROM tracks ORDER BY id").fetchall()
        assert problems == [(None,), ("3 of 900 packets could not be decoded",)]


def test_what_went_for_copies_and_is_not_is_analyzed(tmp_path: Path, answers: Answers) -> None:
    """As when the decoder's configuration was no part of the identity: whose vector was it?"""
    answers.sound(tmp_path / "m/bad.m4a", 1, vector=5)
    answers.sound(tmp_path / "m/good.m4a", 1, vector=6)
    with Catalog(tmp_path / "c.db") as catalog:
        catalog.add_folder(tmp_path / "m", jobs=1)
        _make_older(catalog)
        answers.sound(tmp_path / "m/bad.m4a", 2, vector=5)
        answers.sound(tmp_path / "m/good.m4a", 3, vector=6)
        answers.forget()
        catalog.add_folder(jobs=1)
        assert sorted(answers.analyzed) == ["bad.m4a", "good.m4a"]
        assert _ids(catalog) == {"bad.m4a": _id(2), "good.m4a": _id(3)}
        assert np.array_equal(_vector(catalog, _id(2)), axis(5))
        assert np.array_equal(_vector(catalog, _id(3)), axis(6))


@pytest.mark.parametrize("damaged_first", [True, False])
def test_a_damaged_copy_never_stands_for_a_whole_one(
    tmp_path: Path, answers: Answers, *, damaged_first: bool
) -> None:
    damaged = answers.sound(tmp_path / "1/x.ogg", 4, problem="only 3 s of 9 s are there", vector=1)
    whole = answers.sound(tmp_path / "2/y.ogg", 4, vector=2)
    folders = [damaged.parent, whole.parent]
    with Catalog(tmp_path / "c.db") as catalog:
        for folder in folders if damaged_first else reversed(folders):
            catalog.add_folder(folder, jobs=1)
        assert np.array_equal(_vector(catalog, _id(4)), axis(2))
        catalog.add_folder(damaged.parent, force=True, jobs=1)
        assert np.array_equal(_vector(catalog, _id(4)), axis(2))
        # What is wrong is wrong with the file, and the track is shown by its sound copy.
        assert [(p.path, p.kind) for p in catalog.problems()] == [(str(damaged), "partial")]
        (track,) = catalog.tracks()
        assert (track["path"], track["problem"]) == (str(whole), None)
        assert catalog.info().partial == 1


def test_a_copy_that_promises_more_than_was_heard_is_told(tmp_path: Path, answers: Answers) -> None:
    whole = answers.sound(tmp_path / "1/x.m4a", 4)
    copy = answers.sound(tmp_path / "2/y.m4a", 4)
    answers.table["y.m4a"]["promise"] = {"seconds": 30.0}
    with Catalog(tmp_path / "c.db") as catalog:
        catalog.add_folder(whole.parent)
        assert catalog.add_folder(copy.parent).recognized == 1
        assert answers.analyzed == ["x.m4a"]
        assert [(p.path, p.reason) for p in catalog.problems()] == [
            (str(copy), "only 10.0 s of 30.0 s are there")
        ]


def test_a_problem_that_is_the_only_copys_is_renewed(tmp_path: Path, answers: Answers) -> None:
    song = answers.sound(tmp_path / "m/x.ogg", 4, vector=1)
    with Catalog(tmp_path / "c.db") as catalog:
        catalog.add_folder(tmp_path / "m")
        answers.sound(song, 4, problem="only 3 s of 9 s are there", vector=2)
        catalog.add_folder(force=True)
        assert np.array_equal(_vector(catalog, _id(4)), axis(2))
        assert [t["problem"] for t in catalog.tracks()] == ["only 3 s of 9 s are there"]


def test_an_id_and_version_never_name_two_weights(make_store: MakeStore) -> None:
    store, _ = make_store(np.eye(4, dtype=np.float32))
    other = replace(find_model(), id="made", sha256="b" * 64, dim=4)
    with pytest.raises(ModelError, match="made@1.*another version"):
        store.use_model(other)
    assert store.use_model(replace(other, version="2")).version == "2"


def test_forgetting_looks_at_each_row_once(make_store: MakeStore) -> None:
    """Deleting a track must find its vectors by an index, not by looking through all of them."""
    store, _ = make_store(np.eye(4, dtype=np.float32))
    for table in ("vectors", "aliases", "files"):
        (plan,) = store.db.execute(f"EXPLAIN QUERY PLAN SELECT 1 FROM {table} WHERE track = 3")
        assert "SEARCH" in plan[3], (table, plan)
