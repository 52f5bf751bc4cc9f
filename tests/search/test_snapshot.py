import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from conftest import MakeStore, Shelf, add_track, unit
from hypothesis import given, settings
from hypothesis import strategies as st

from musicu.catalog.catalog import Catalog
from musicu.catalog.index import Index
from musicu.catalog.sql_filter import filter_tracks
from musicu.catalog.store import Store
from musicu.errors import CatalogError, MetadataError, ModelError
from musicu.metadata.artists import album_key, artist_keys
from musicu.metadata.fields import Metadata
from musicu.metadata.names import fold_text
from musicu.search.map_columns import build_columns
from musicu.search.name_codes import NameCodes
from musicu.search.snapshot import Snapshot
from musicu.search.snapshot_reader import MEASURES, read_all
from musicu.search.watcher import CatalogWatcher

RNG = np.random.default_rng(0)
VECTORS = unit(RNG.standard_normal((600, 16)))


def _snapshot(store: Store) -> Snapshot:
    return CatalogWatcher(store.path).snapshot


def _describe(store: Store, id: str, **values: Any) -> None:
    with store.change():
        store.db.execute("UPDATE tracks SET descriptors = ? WHERE id = ?", (json.dumps(values), id))


def test_a_snapshot_holds_every_track_with_its_vector(make_store: MakeStore) -> None:
    store, model = make_store(VECTORS)
    snapshot = _snapshot(store)
    index = Index.open(store, model)
    assert len(snapshot) == 600 and snapshot.model == model and snapshot.path == store.path
    np.testing.assert_array_equal(snapshot.tracks, index.tracks)
    np.testing.assert_array_equal(snapshot.vectors(np.arange(600)), index.matrix)
    np.testing.assert_array_equal(snapshot.vector(599), index.matrix[599])
    assert [snapshot.position(id) for id in snapshot.ids] == list(range(600))


def test_tracks_that_lie_nowhere_or_have_no_vector_are_not_in_it(make_store: MakeStore) -> None:
    store, model = make_store(VECTORS[:6])
    with store.change():
        store.set_missing(["/music/000002.flac"], missing=True)
        store.db.execute("DELETE FROM vectors WHERE track = 5")
    snapshot = _snapshot(store)
    assert snapshot.tracks.tolist() == [1, 2, 4, 6]
    np.testing.assert_array_equal(snapshot.vectors([2, 3]), VECTORS[[3, 5]])


def test_a_card_says_what_the_catalog_says(make_store: MakeStore) -> None:
    tags = {"title": 'Häng "on"\n🎵', "artist": "Ålba", "album": "A/B", "year": 1991}
    store, _ = make_store(VECTORS[:2], [tags | {"genres": ["Jazz", "Soul"]}, {}])
    _describe(store, f"{0:032x}", tempo=120.5, key="A minor", loudness=-9.25)
    full, empty = map(json.loads, _snapshot(store).cards)
    assert full == tags | {
        "id": f"{0:032x}",
        "genres": ["Jazz", "Soul"],
        "seconds": 60.0,
        "tempo": 120.5,
        "key": "A minor",
        "loudness": -9.25,
        "file": "000000.flac",
    }
    assert list(empty) == list(full)
    assert [k for k, v in empty.items() if v not in (None, [])] == ["id", "seconds", "file"]


def test_seconds_are_not_rounded(make_store: MakeStore) -> None:
    store, _ = make_store(VECTORS[:1])
    with store.change():
        store.db.execute("UPDATE tracks SET seconds = ?", (1 / 3 + 100,))
    assert json.loads(_snapshot(store).cards[0])["seconds"] == 1 / 3 + 100


def test_half_a_character_from_a_broken_tag_is_escaped(make_store: MakeStore) -> None:
    store, _ = make_store(VECTORS[:1], [{"title": "caf\udce9 é"}])
    snapshot = _snapshot(store)
    assert json.loads(snapshot.cards[0].decode("utf-8"))["title"] == "caf\udce9 é"
    assert "\udce9" in snapshot.texts[0]


def test_texts_are_searched_without_case_and_diacritics(make_store: MakeStore) -> None:
    tags = {"title": "Für Elise", "artist": "BEETHOVEN", "album": "Straße"}
    store, _ = make_store(VECTORS[:2], [tags, {}])
    assert _snapshot(store).texts == ["beethoven fur elise strasse", "000001"]


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    folded = fold_text(text)
    assert fold_text(folded) == folded
    assert fold_text(text.upper().lower()) == fold_text(text.upper())


_NAME = st.sampled_from(["The Cure", "cure", "Ålba", "alba", "A & B", "a and b", "!!!", "VA"])
_TAGS = st.fixed_dictionaries(
    {},
    optional={
        "artist": _NAME,
        "artists": st.lists(_NAME, min_size=1, max_size=3),
        "album": st.sampled_from(["One", "one ", "Two"]),
        "album_artist": _NAME,
        "mb_album": st.sampled_from(["x", "y"]),
    },
)


@settings(deadline=None)
@given(st.lists(_TAGS, min_size=2, max_size=6))
def test_two_tracks_share_an_artist_or_album_where_the_catalog_says_so(
    tags: list[dict[str, Any]],
) -> None:
    names = NameCodes()
    abouts = [Metadata.from_dict(one) for one in tags]
    artists = [set(names.artists(one)) for one in tags]
    albums = [names.album(one) for one in tags]
    for a in range(len(tags)):
        for b in range(len(tags)):
            shared = set(artist_keys(abouts[a])) & set(artist_keys(abouts[b]))
            assert bool(artists[a] & artists[b]) == bool(shared)
            own, other = album_key(abouts[a]), album_key(abouts[b])
            assert (albums[a] == albums[b] != -1) == (own is not None and own == other)


def test_an_id_or_its_beginning_names_a_track(make_store: MakeStore) -> None:
    store, _ = make_store(VECTORS[:2])
    with store.change():
        store.db.execute("UPDATE tracks SET id = 'abcdef01' WHERE track = 1")
        store.db.execute("UPDATE tracks SET id = 'abcdef02' WHERE track = 2")
    snapshot = _snapshot(store)
    assert snapshot.position("abcdef02") == snapshot.position("ABCDEF02") == 1
    with pytest.raises(CatalogError, match="abcdef0: more than one track's id begins so"):
        snapshot.position("abcdef0")
    for unknown in ("abcdef03", "abcde", ""):
        with pytest.raises(CatalogError, match="no track of the catalog"):
            snapshot.position(unknown)


def test_searching_it_is_searching_the_catalog(shelf: Shelf) -> None:
    snapshot = CatalogWatcher(shelf.db).snapshot
    with shelf.open() as catalog:
        for id in snapshot.ids:
            matches = catalog.similar(id, n=3)
            query = snapshot.vector(snapshot.position(id))
            ((positions, cosines),) = snapshot.search(query[None], 4)
            found = [
                (snapshot.ids[at], round(max(float(c), 0.0), 6))
                for at, c in zip(positions, cosines, strict=True)
                if snapshot.ids[at] != id
            ]
            assert found[:3] == [(match.id, match.score) for match in matches]


def test_tracks_that_came_later_are_searched_with_the_rest(make_store: MakeStore) -> None:
    """Copies of a vector on both sides come by position, masks and vectors reach over both."""
    store, model = make_store(VECTORS[:300])
    live = CatalogWatcher(store.path)
    with store.change():
        for number in range(300, 600):
            add_track(store, model, number, VECTORS[number % 500])
    assert live.refresh()
    snapshot, index = live.snapshot, Index.open(store, model)
    assert (len(snapshot.nearest), len(snapshot.tail)) == (300, 300)
    np.testing.assert_array_equal(
        snapshot.vectors([0, 599, 299, 300]), index.matrix[[0, 599, 299, 300]]
    )
    np.testing.assert_array_equal(snapshot.vector(599), index.matrix[599])
    mask = np.arange(600) % 3 == 0
    queries = np.concatenate([VECTORS[:40], unit(RNG.standard_normal((10, 16)))])
    for (positions, cosines), (tracks, expected) in zip(
        snapshot.search(queries, 30), index.search(queries, 30), strict=True
    ):
        assert snapshot.tracks[positions].tolist() == tracks.tolist()
        np.testing.assert_allclose(cosines, expected, atol=1e-6)
    for (positions, _), (tracks, _) in zip(
        snapshot.search(queries, [30] * 50, among=[mask] * 50),
        index.search(queries, 30, among=snapshot.tracks[mask]),
        strict=True,
    ):
        assert snapshot.tracks[positions].tolist() == tracks.tolist()


def test_a_filter_chooses_what_it_chooses_in_the_catalog(shelf: Shelf) -> None:
    snapshot = CatalogWatcher(shelf.db).snapshot
    with Store(shelf.db, create=False) as store:
        for where in ("year < 2000", "has(genres, 'jazz')", "path LIKE '%Carla%'", "true", "false"):
            chosen = snapshot.tracks[snapshot.filter(where)].tolist()
            assert chosen == sorted(filter_tracks(store, where).tolist())
    with pytest.raises(MetadataError, match="the filter 'nonsense' cannot be understood"):
        snapshot.filter("nonsense")


def test_a_filter_by_what_is_heard_tags_what_has_no_tags(shelf: Shelf) -> None:
    snapshot = CatalogWatcher(shelf.db).snapshot
    with Store(shelf.db, create=False) as db:
        with db.change():
            db.db.execute("DELETE FROM sound_tags")
        assert snapshot.filter("sound_tags IS NOT NULL").all()
        assert db.db.execute("SELECT count(*) FROM sound_tags").fetchone() == (8,)


def test_a_filter_by_what_is_heard_needs_a_model_that_hears(make_store: MakeStore) -> None:
    store, _ = make_store(VECTORS[:3])
    with pytest.raises(ModelError, match="made@1.*not installed"):
        _snapshot(store).filter("heard(sound_tags, 'piano') > 0.5")


def test_filters_are_asked_once_and_only_so_many_are_kept(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, _ = make_store(VECTORS[:40], [{"year": 1980 + i} for i in range(40)])
    snapshot = _snapshot(store)
    asked = []
    own = filter_tracks

    def counted(store: Store, where: str, **limits: float) -> Any:
        asked.append(where)
        return own(store, where, **limits)

    monkeypatch.setattr("musicu.search.filter_cache.filter_tracks", counted)
    for _ in range(3):
        assert snapshot.filter("year > 1985").sum() == 34
    assert len(asked) == 1
    for year in range(1980, 2020):
        snapshot.filter(f"year = {year}")
    snapshot.filter("year = 2019")
    assert len(asked) == 41
    snapshot.filter("year > 1985")
    assert len(asked) == 42
    with pytest.raises(ValueError, match="read-only"):
        snapshot.filter("true")[0] = False


def test_a_filter_that_never_ends_is_ended(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("musicu.search.filter_cache._SECONDS", 0.2)
    store, _ = make_store(VECTORS[:3])
    endless = (
        "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n)"
    )
    with pytest.raises(MetadataError, match="takes too long"):
        _snapshot(store).filter(f"year > {endless}")


def test_any_thread_may_filter(make_store: MakeStore) -> None:
    store, _ = make_store(VECTORS[:40], [{"year": 1980 + i} for i in range(40)])
    snapshot = _snapshot(store)
    with ThreadPoolExecutor(8) as pool:
        sums = pool.map(
            lambda year: int(snapshot.filter(f"year >= {year}").sum()), range(1980, 2020)
        )
        assert list(sums) == list(range(40, 0, -1))


def test_energy_is_the_mean_rank_in_what_is_loud_busy_and_bright(make_store: MakeStore) -> None:
    store, _ = make_store(VECTORS[:5])
    for i in range(4):  # the fifth has no descriptors
        _describe(
            store,
            f"{i:032x}",
            loudness=-20.0 + i,
            onset_rate=float(i),
            brightness=900.0,
            tempo=100.0 + i,
            key=["C major", "A minor"][i % 2],
        )
    columns = _snapshot(store).columns
    # Of four, the ranks are 1/8 to 7/8; all are equally bright, so that all lie in the middle.
    expected = (2 * np.array([1, 3, 5, 7]) / 8 + 0.5) / 3
    np.testing.assert_allclose(columns.energy[:4], expected, rtol=1e-6)
    assert np.isnan(columns.energy[4]) and np.isnan(columns.tempo[4])
    np.testing.assert_allclose(columns.loudness[:4], [-20, -19, -18, -17])
    assert columns.key.names == ("A minor", "C major")
    assert columns.key.codes.tolist() == [1, 0, 1, 0, -1]


def test_a_catalog_without_descriptors_has_no_energy_and_no_warning(make_store: MakeStore) -> None:
    store, _ = make_store(VECTORS[:3])
    columns = _snapshot(store).columns
    assert np.isnan([columns.energy, columns.tempo, columns.year]).all()
    assert columns.genre.names == columns.key.names == ()
    assert columns.genre.codes.tolist() == [-1, -1, -1]


def test_more_genres_than_can_be_told_apart_become_other() -> None:
    genres: list[str | None] = [f"g{k:02}" for k in range(50) for _ in range(60 - k)]
    genres += [None, "other", "g49"]
    nothing = np.full((len(genres), len(MEASURES)), np.nan, dtype=np.float32)
    genre = build_columns(nothing, genres, [None] * len(genres)).genre
    assert genre.names == (*(f"g{k:02}" for k in range(40)), "other")
    for name, code in zip(genres, genre.codes.tolist(), strict=True):
        expected = name if name is None or name < "g40" else "other"
        assert (None if code == -1 else genre.names[code]) == expected


def test_a_track_s_year_and_first_genre_color_it(make_store: MakeStore) -> None:
    tags = [{"year": 1999, "genres": ["Jazz", "Rock"]}, {"genres": ["Rock"]}, {"genres": ["Rock"]}]
    store, _ = make_store(VECTORS[:3], tags)
    columns = _snapshot(store).columns
    np.testing.assert_array_equal(columns.year, np.array([1999, np.nan, np.nan], np.float32))
    assert columns.genre.names == ("Rock", "Jazz")
    assert columns.genre.codes.tolist() == [1, 0, 0]


def test_a_page_that_has_not_changed_is_not_understood_again(make_store: MakeStore) -> None:
    store, model = make_store(VECTORS)
    names = NameCodes()
    first = read_all(store, model, names, None)
    with store.change():
        store.db.execute('UPDATE files SET tags = json(\'{"title": "new"}\') WHERE track = 300')
    second = read_all(store, model, names, first)
    changed = [k for k in first.pages if first.pages[k] is not second.pages[k]]
    assert list(first.pages) == [0, 1, 2] and changed == [1]
    assert not first.same(second) and second.same(read_all(store, model, names, second))


@pytest.mark.parametrize("blob", [b"xyz", VECTORS[0].tobytes() + b"\0" * 4, VECTORS[0].tobytes()])
def test_a_damaged_vector_is_left_out_and_told(make_store: MakeStore, blob: bytes) -> None:
    store, model = make_store(VECTORS[:5])
    with store.change():
        store.db.execute("UPDATE vectors SET vector = ? WHERE track = 3", (blob,))
    live = CatalogWatcher(store.path)
    assert live.snapshot.tracks.tolist() == [1, 2, 4, 5]
    assert live.snapshot.vectors(range(4)).tobytes() == np.delete(VECTORS[:5], 2, 0).tobytes()
    assert live.state()["damaged"] == 1
    with store.change():
        store.put_vector(model, 3, VECTORS[2])
    live.refresh()
    assert live.snapshot.tracks.tolist() == [1, 2, 3, 4, 5]
    assert live.state()["damaged"] == 0


def test_a_damaged_row_is_left_out_not_the_page(make_store: MakeStore) -> None:
    """What is no JSON says nothing; a track without a length is none."""
    store, _ = make_store(VECTORS[:5], [{"title": f"Song {n}"} for n in range(5)])
    with store.change():
        store.db.execute("UPDATE tracks SET descriptors = '{\"tempo\": 1' WHERE track = 2")
        store.db.execute("UPDATE tracks SET seconds = 9e999 WHERE track = 3")
    live = CatalogWatcher(store.path)
    assert live.snapshot.tracks.tolist() == [1, 2, 4, 5]
    assert live.state()["damaged"] == 1


def test_vectors_of_any_bytes_come_as_they_are(make_store: MakeStore) -> None:
    """They pass through SQLite as text: zero bytes and what is no UTF-8 must survive that."""
    raw = RNG.integers(0, 256, (300, 64), dtype=np.uint8)
    raw[:, ::7] = 0
    raw[:, 3::4] = RNG.integers(0, 0x30, (300, 16), dtype=np.uint8)  # below 2^-30, whatever else
    vectors = raw.view("<f4")
    vectors[:, 0] = 1.0  # so that the length is one
    store, model = make_store(vectors)
    snapshot = _snapshot(store)
    assert snapshot.vectors(np.arange(300)).tobytes() == vectors.tobytes()


def test_a_catalog_without_tracks_is_an_empty_snapshot(make_store: MakeStore) -> None:
    store, _ = make_store(np.empty((0, 16), dtype=np.float32))
    snapshot = _snapshot(store)
    assert len(snapshot) == 0 and snapshot.cards == []
    ((positions, scores),) = snapshot.search(VECTORS[:1], 5)
    assert len(positions) == len(scores) == 0
    assert snapshot.filter("true").shape == (0,)
    assert snapshot.columns.energy.shape == (0,)
    assert snapshot.vectors([]).shape == (0, 16)


def test_a_file_where_nothing_was_embedded_is_refused(shelf: Shelf) -> None:
    path = shelf.db.with_name("empty.db")
    Catalog(path).store.db.close()
    with pytest.raises(CatalogError, match="nothing is embedded yet; 'musicu embed FOLDER'"):
        CatalogWatcher(path)
    with pytest.raises(CatalogError, match="no catalog at"):
        CatalogWatcher(shelf.db.with_name("none.db"))
