"""Large catalogs: rows in pieces, names in arrays, candidates in cells, lists for everybody."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import N_ITEMS, item, items, log, sound

from musicu.errors import CatalogError, MetadataError, MusicuError
from musicu.items.item import Item, Items
from musicu.items.item_pieces import JoinedItems
from musicu.items.stored_names import StoredNames
from musicu.metadata.fields import Metadata
from musicu.recommend.batch import listeners_of, recommend_batch, write_lists
from musicu.recommend.batch_job import recommend_all
from musicu.recommend.candidate_index import CandidateIndex
from musicu.recommend.recommender import History, Recommender
from musicu.row_pieces import RowPieces
from musicu.search.cells import Cells

USER = "listener-001-of-60"  # metal


@pytest.fixture(scope="module")
def whole() -> Recommender:
    return Recommender(dim=8).fit(log(), items())


@pytest.fixture(scope="module")
def indexed(whole: Recommender) -> Recommender:
    """The same, with its candidates in cells, though it is small."""
    model = whole.model
    found = copy.copy(whole)
    found._model = replace(model, index=CandidateIndex.build(model.item_factors, model.vectors))
    return found


def ids(found: Any) -> list[str]:
    return [one.id for one in found]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_rows_in_pieces_are_the_rows(lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [rng.standard_normal((n, 3)) for n in lengths]
    rows, plain = RowPieces(parts[:1]), np.concatenate(parts)
    for part in parts[1:]:
        rows = rows.extended(part)
    assert rows.shape == plain.shape and np.array_equal(rows, plain)
    assert len(rows.pieces) <= 2 + np.log2(max(len(plain), 1))
    at = rng.integers(len(plain), size=7) if len(plain) else np.zeros(0, dtype=np.intp)
    assert np.array_equal(rows[at], plain[at]) and np.array_equal(rows[2:9], plain[2:9])
    assert np.array_equal(rows[plain[:, 0] > 0], plain[plain[:, 0] > 0])
    assert np.allclose(rows @ np.ones(3), plain.sum(axis=1))
    for one in at[:1].tolist():
        assert np.array_equal(rows[one], plain[one])


@given(st.lists(st.text(max_size=4), unique=True, max_size=20), st.text(max_size=4))
def test_names_in_arrays_are_found(names: list[str], other: str) -> None:
    stored = StoredNames.of(names)
    assert stored.all() == tuple(names) == tuple(stored)
    for at, name in enumerate(names):
        assert stored.get(name) == at
    assert stored.get(other) == (names.index(other) if other in names else None)


def test_cells_that_are_all_looked_at_miss_nothing_and_some_miss_little() -> None:
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((20, 16))
    rows = (centers[rng.integers(20, size=3000)] + 0.3 * rng.standard_normal((3000, 16))).astype(
        np.float32
    )
    cells, among = Cells.build(rows), rng.random(3000) < 0.5
    found = []
    for query in rows[:20]:
        scores = rows @ query
        order = np.argsort(-scores, kind="stable")
        at, values = cells.search(query, 10, look=3000)
        assert np.array_equal(at, order[:10]) and np.allclose(values, scores[at])
        at, _ = cells.search(query, 10, look=3000, among=among)
        assert np.array_equal(at, order[among[order]][:10])
        found.append(len(np.intersect1d(cells.search(query, 10, look=500)[0], order[:10])))
    assert np.mean(found) > 9
    arrays = {f"x_{name}": array for name, array in cells.arrays().items()}
    again = Cells.from_arrays(arrays, "x_")
    assert np.array_equal(again.search(rows[0], 5, look=9)[0], cells.search(rows[0], 5, look=9)[0])
    with pytest.raises(MusicuError, match="do not belong together"):
        Cells.from_arrays(arrays | {"x_order": arrays["x_order"][1:]}, "x_")


def test_candidates_in_cells_make_the_same_lists(
    whole: Recommender, indexed: Recommender, tmp_path: Path
) -> None:
    # So few items are all looked at.
    new = Items([item(200, genres=("Metal",))], sound(1, 500)[None])
    for change in (lambda r: r, lambda r: copy.copy(r).add(new)):
        one, other = change(whole), change(indexed)
        for user in whole.log.users[:12]:
            asked, found = one.recommend(user, 15), other.recommend(user, 15)
            assert ids(asked) == ids(found)
            assert [x.score for x in asked] == pytest.approx([x.score for x in found], abs=1e-4)
    indexed.save(tmp_path / "saved")
    loaded = Recommender.load(tmp_path / "saved")
    assert loaded.model.index is not None and len(loaded.model.index) == N_ITEMS
    history = History(*whole.log.of_user(USER))
    assert ids(loaded.recommend(history, 15)) == ids(whole.recommend(USER, 15))


def test_many_items_get_an_index_and_a_new_one_when_they_are_many_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("musicu.recommend.candidate_index.LARGE", 50)
    model = Recommender(dim=4).fit(log(), items()).model
    assert model.index is not None and len(model.index) == N_ITEMS
    more = model.with_items(Items(Item(f"a{i}") for i in range(50)))
    assert more.index is model.index
    assert len(more.with_items(Items([Item("b")])).index or ()) == N_ITEMS + 51


@settings(max_examples=20, deadline=None)
@given(counts=st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_items_added_one_by_one_are_as_if_added_at_once(
    whole: Recommender, counts: list[int]
) -> None:
    total = sum(counts)
    heard = np.stack([sound(i % 4, 900 + i) for i in range(total)])
    about = [item(300 + i, artist=f"New {i // 3}", artists=()) for i in range(total)]
    at_once = whole.model.with_items(Items(about, heard))
    by_parts, first = whole.model, 0
    for count in counts:
        rows = slice(first, first + count)
        by_parts, first = by_parts.with_items(Items(about[rows], heard[rows])), first + count
    assert by_parts.items.ids == at_once.items.ids and len(whole.model.items) == N_ITEMS
    for name in ("factors", "content", "scale", "inv_std"):
        one, two = (np.asarray(getattr(x.item_factors, name)) for x in (at_once, by_parts))
        assert np.allclose(one, two, rtol=1e-4, atol=1e-5), name
    everything = np.arange(len(by_parts.items))
    links = [x.artists.rows(everything).toarray() for x in (at_once, by_parts)]
    assert np.array_equal(*links)
    mixed = everything[:: max(len(everything) // 7, 1)][::-1]
    assert [x.id for x in by_parts.items.take(mixed)] == [at_once.items.ids[i] for i in mixed]
    assert np.array_equal(by_parts.artists.rows(mixed).toarray(), links[0][mixed])
    assert np.array_equal(by_parts.artists.partners(mixed), at_once.artists.partners(mixed))
    with pytest.raises(MetadataError, match="is there twice"):
        by_parts.items.extended(Items(about[:1]))


def test_items_are_read_from_a_folder_one_by_one(whole: Recommender, tmp_path: Path) -> None:
    odd = Items([Item("ä\udcff", Metadata(title="Übung"), {"bpm": 1.5}, {"x": 2.0})])
    more = copy.copy(whole).add(odd)
    more.save(tmp_path / "saved")
    loaded = Recommender.load(tmp_path / "saved", aliases={"item 3": "today", "item 4": "item 5"})
    assert list(loaded.items)[-1] == odd[0] == loaded.items[-1] == loaded.items[N_ITEMS]
    assert loaded.items.find("item 3") is None and loaded.items.position("today") == 3
    assert loaded.items[3].id == "today" and loaded.items.ids[3:6] == ("today", "item 4", "item 5")
    assert loaded.items[5] == whole.items[5] and loaded.items[2:4].ids == ("item 2", "today")
    assert np.array_equal(loaded.items.audio[:N_ITEMS], whole.items.audio)
    assert isinstance(copy.copy(loaded).add(Items([Item("z")])).items, JoinedItems)


@settings(max_examples=12, deadline=None)
@given(
    rules=st.fixed_dictionaries(
        {
            "diversity": st.sampled_from([0.0, 0.3]),
            "max_per_artist": st.sampled_from([None, 1]),
            "popularity_weight": st.sampled_from([0.0, 0.5]),
            "min_new": st.sampled_from([None, 0.3]),
            "again": st.booleans(),
        }
    ),
    n=st.integers(0, 15),
    block=st.integers(1, 70),
)
def test_a_batch_is_what_each_is_recommended(
    whole: Recommender, rules: dict[str, Any], n: int, block: int
) -> None:
    found: dict[str, list[tuple[str, float, int, bool]]] = {}
    for lists in recommend_batch(whole, listeners_of(whole.log), n, block=block, **rules):
        assert len(lists.users) <= block
        for user, rank, at, score, new in zip(
            lists.user, lists.rank, lists.item, lists.score, lists.new, strict=True
        ):
            row = whole.items.ids[at], float(score), int(rank), bool(new)
            found.setdefault(lists.users[user], []).append(row)
    for user in whole.log.users[::7]:
        alone = whole.recommend(user, n, explain=False, **rules)
        told = [(one.id, np.float32(one.score), one.rank, one.is_new) for one in alone]
        assert found.get(user, []) == told
        with_reasons = whole.recommend(user, n, **rules)
        assert ids(with_reasons) == ids(alone)
        scores = [one.score for one in with_reasons]
        assert [one.score for one in alone] == pytest.approx(scores, abs=1e-4)
        assert not any(one.contributions or one.because or one.words for one in alone)


def test_lists_for_everybody_are_the_same_by_any_number_of_processes(
    whole: Recommender, tmp_path: Path
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    whole.save(tmp_path / "saved")
    steps: list[tuple[int, int]] = []
    tables = []
    for processes in (1, 2):
        path = tmp_path / f"{processes}.parquet"
        rows = recommend_all(
            tmp_path / "saved",
            log(),
            path,
            5,
            processes=processes,
            progress=lambda *step: steps.append(step),
            max_per_artist=1,
        )
        tables.append(parquet.read_table(path).to_pylist())
        assert rows == len(tables[-1]) == 5 * 60 and steps[-1] == (60, 60)
    assert tables[0] == tables[1]
    mine = [(row["item"], row["rank"]) for row in tables[0] if row["user"] == USER]
    asked = whole.recommend(USER, 5, max_per_artist=1)
    assert mine == [(one.id, one.rank) for one in asked]
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["1.parquet", "2.parquet", "saved"]
    with pytest.raises(MusicuError, match="diversity is 2"):
        recommend_all(tmp_path / "saved", log(), tmp_path / "x", 5, diversity=2.0)
    with pytest.raises(MusicuError, match="choose from 1"):
        recommend_all(tmp_path / "saved", log(), tmp_path / "x", processes=0)
    with pytest.raises(MusicuError, match="cannot be written"):
        write_lists(whole, whole.log, tmp_path / "nowhere" / "x.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == left


def test_a_folder_of_the_first_format_is_read(whole: Recommender, tmp_path: Path) -> None:
    whole.save(tmp_path / "new")
    folder = tmp_path / "old"
    folder.mkdir()
    for name in ("items.jsonl", "fusion.npz"):
        shutil.copy(tmp_path / "new" / name, folder)
    model = whole.model
    np.savez(
        folder / "arrays.npz",
        audio=model.items.audio,
        listeners=model.listeners,
        factors=model.als.items,
        **{f"map of fields {key.hex()}": x for key, x in model.content_map.maps.items()},
    )
    about = json.loads((tmp_path / "new" / "recommender.json").read_text())
    about["musicu_recommender"] = 1
    (folder / "recommender.json").write_text(json.dumps(about))
    old, history = Recommender.load(folder), History(*whole.log.of_user(USER))
    assert ids(old.recommend(history)) == ids(whole.recommend(USER))
    old.save(folder, force=True)
    assert ids(Recommender.load(folder).recommend(history)) == ids(whole.recommend(USER))
    assert not (folder / "arrays.npz").exists()


def test_a_folder_whose_files_do_not_fit_is_told(whole: Recommender, tmp_path: Path) -> None:
    whole.save(tmp_path / "saved")
    for name in ("listeners", "factors", "vectors_present", "items_order", "audio", "links_ends"):
        folder = tmp_path / name
        shutil.copytree(tmp_path / "saved", folder)
        np.save(folder / f"{name}.npy", np.load(folder / f"{name}.npy")[:-1])
        with pytest.raises(CatalogError, match="no recommender that can be read") as caught:
            Recommender.load(folder)
        assert "\n" not in str(caught.value)
