import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MakeStore, Shelf, add_track, retag, unit
from hypothesis import given, settings
from hypothesis import strategies as st

from musicu.catalog.catalog import Catalog
from musicu.catalog.index import Index
from musicu.catalog.similar import rank
from musicu.catalog.sql_filter import filter_tracks
from musicu.catalog.store import Store
from musicu.encoders.registry import find_model
from musicu.errors import CatalogError, MetadataError, ModelMismatchError, MusicuError
from musicu.metadata.fields import Metadata

RNG = np.random.default_rng(1)
# Scores are rounded to six digits.
ATOL = 2e-6


def _song(number: int) -> dict[str, Any]:
    return {
        "title": f"Song {number}",
        "artist": f"Artist {number % 7}",
        "artists": [f"Artist {number % 7}", f"Guest {number % 3}"],
        "album": f"Album {number % 10}",
        "album_artist": f"Artist {number % 7}",
        "year": 1980 + number % 40,
        "genres": ["Jazz", "Soul"] if number % 2 else ["Rock"],
    }


@pytest.fixture
def made(make_store: MakeStore, tmp_path: Path) -> Path:
    """A catalog of 300 random vectors with metadata."""
    path = tmp_path / "made.db"
    vectors = unit(RNG.standard_normal((300, 16)))
    store, _ = make_store(vectors, [_song(n) for n in range(300)], path=path)
    store.close()
    return path


# The query itself


def _queries(shelf: Shelf, kind: str) -> str | Path:
    song = shelf / "Alba/First Light/01 Dawn.flac"
    with shelf.open() as catalog:
        (track,) = [t for t in catalog.tracks() if t["title"] == "Dawn"]
    copy = shelf.folder.parent / "elsewhere.flac"
    if kind in ("copy", "retagged"):
        shutil.copyfile(song, copy)
    if kind == "retagged":
        retag(copy, title="Quite another", artist="Somebody", album="Else")
    queries: dict[str, str | Path] = {
        "path": song,
        "id": track["id"],
        "upper-case id": track["id"].upper(),
        "prefix": track["id"][:6],
        "copy": copy,
        "retagged": copy,
    }
    return queries[kind]


@pytest.mark.parametrize("kind", ["path", "id", "upper-case id", "prefix", "copy", "retagged"])
def test_a_track_is_never_its_own_neighbor(shelf: Shelf, kind: str) -> None:
    query = _queries(shelf, kind)
    with shelf.open() as catalog:
        matches = catalog.similar(query, 100)
        same = catalog.similar(shelf / "Alba/First Light/01 Dawn.flac", 100)
    assert len(matches) == 7
    assert "Dawn" not in {m.title for m in matches}
    assert matches == same


def test_a_stored_track_and_the_same_file_as_a_new_one_agree(shelf: Shelf, tmp_path: Path) -> None:
    """The file is heard again; its tags are those of the copy in hand."""
    song = shelf / "Bruno/Stones/02 Basalt.opus"
    copy = tmp_path / "new.opus"
    shutil.copyfile(song, copy)
    with shelf.open() as catalog:
        for alike in (False, True):
            new, stored = (
                catalog.similar(query, exclude_same_artist=alike, exclude_same_album=alike)
                for query in (copy, song)
            )
            assert new == stored


def test_a_stored_file_that_has_changed_is_a_new_query(shelf: Shelf) -> None:
    song, other = shelf / "Dora/Night.wav", shelf / "Carla/Tide/02 Flow.flac"
    with shelf.open() as catalog:
        expected = catalog.similar(other)
        shutil.copyfile(other, song)
        assert catalog.similar(song) == expected


def test_a_removed_file_still_answers_for_what_is_stored(shelf: Shelf) -> None:
    song = shelf / "Dora/Night.wav"
    with shelf.open() as catalog:
        before = catalog.similar(song)
        song.unlink()
        assert catalog.similar(song) == before


@pytest.mark.parametrize("query", ["nothing.flac", "abcde", "f" * 32, "", "zzzzzzzz", "%%%%%%"])
def test_what_is_neither_file_nor_track_is_told(
    made: Path, query: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with Catalog(made) as catalog:
        with pytest.raises(MusicuError) as caught:
            catalog.similar(query)
    assert "\n" not in str(caught.value)
    assert query in str(caught.value)


def test_too_short_or_ambiguous_ids_are_told(made: Path) -> None:
    with Catalog(made) as catalog:
        with pytest.raises(CatalogError, match="more than one track's id"):
            catalog.similar("000000")
        with pytest.raises(CatalogError, match="neither a file nor a stored track"):
            catalog.similar("00000")


# Ranking


@settings(max_examples=30, deadline=None)
@given(n=st.integers(0, 60), asked=st.integers(0, 80), seed=st.integers(0, 2**32 - 1))
def test_the_answer_is_that_of_brute_force(
    tmp_path_factory: pytest.TempPathFactory, n: int, asked: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(rng.standard_normal((n, 8)) + 1e-9)
    query = unit(rng.standard_normal(8) + 1e-9)
    with Store(tmp_path_factory.mktemp("brute") / "m.db", create=True) as store:
        model = store.use_model(replace(find_model(), dim=8))
        with store.change():
            for number, vector in enumerate(vectors):
                add_track(store, model, number, vector, _song(number))
        among = filter_tracks(store, "year >= 2000 AND has(genres, 'jazz')")
        matches = rank(store, Index.open(store, model), query, asked, among=among)
    passing = [i for i in range(n) if _song(i)["year"] >= 2000 and "Jazz" in _song(i)["genres"]]
    exact = sorted((max(0.0, float(vectors[i] @ query)) for i in passing), reverse=True)
    assert len(matches) == min(asked, len(passing))
    assert [m.rank for m in matches] == list(range(1, len(matches) + 1))
    np.testing.assert_allclose([m.score for m in matches], exact[: len(matches)], atol=ATOL)
    for m in matches:
        assert abs(m.score - max(0.0, float(vectors[int(m.id, 16)] @ query))) <= ATOL


def test_scores_lie_between_0_and_1_and_descend(made: Path) -> None:
    with Catalog(made) as catalog:
        for number in range(0, 300, 50):
            scores = [m.score for m in catalog.similar(f"{number:032x}", 300)]
            assert len(scores) == 299
            assert all(0.0 <= s <= 1.0 for s in scores)
            assert scores == sorted(scores, reverse=True)


def test_a_vector_is_a_query_at_any_length(made: Path) -> None:
    vector = RNG.standard_normal(16).astype(np.float32)
    with Catalog(made) as catalog:
        assert catalog.similar(vector) == catalog.similar(vector * np.float32(40))
        for wrong in (np.zeros(16), np.ones(15), np.full(16, np.nan), np.ones((1, 16))):
            with pytest.raises(ModelMismatchError, match="made@1"):
                catalog.similar(wrong.astype(np.float32))
        with pytest.raises(ModelMismatchError, match="made@1"):
            catalog.similar(np.full(16, 1e39))  # more than float32 can hold


# Filters


@pytest.mark.parametrize("asked", [0, 1, 5, 20])
@pytest.mark.parametrize(
    "options",
    [
        {"where": "year >= 2010"},
        {"where": "has(genres, 'JAZZ')"},
        {"exclude_same_artist": True},
        {"exclude_same_album": True},
        {"where": "artist != 'Artist 1'", "exclude_same_artist": True, "exclude_same_album": True},
    ],
)
def test_the_asked_number_comes_back_under_filters(
    made: Path, asked: int, options: dict[str, Any]
) -> None:
    with Catalog(made) as catalog:
        assert len(catalog.similar(f"{5:032x}", asked, **options)) == asked


def test_filters_leave_the_order_of_the_rest_alone(made: Path) -> None:
    with Catalog(made) as catalog:
        everything = catalog.similar(f"{5:032x}", 300)
        filtered = catalog.similar(f"{5:032x}", 300, where="year < 1990")
    assert [m.id for m in filtered] == [
        m.id for m in everything if _song(int(m.id, 16))["year"] < 1990
    ]


def test_no_track_by_any_of_the_querys_artists_comes(made: Path) -> None:
    with Catalog(made) as catalog:
        matches = catalog.similar(f"{5:032x}", 300, exclude_same_artist=True)
    expected = {n for n in range(300) if n % 7 != 5 and n % 3 != 2}
    assert {int(m.id, 16) for m in matches} == expected


def test_no_track_of_the_querys_album_comes_but_one_of_an_equally_named_one(made: Path) -> None:
    with Catalog(made) as catalog:
        matches = catalog.similar(f"{5:032x}", 300, exclude_same_album=True)
    expected = {n for n in range(300) if n != 5 and not (n % 10 == 5 and n % 7 == 5)}
    assert {int(m.id, 16) for m in matches} == expected


def test_names_are_compared_as_people_read_them(make_store: MakeStore) -> None:
    vectors = unit(RNG.standard_normal((3, 8)))
    tags = [{"artist": n, "artists": [n]} for n in ("BJÖRK", "Bjo\u0308rk", "Bjarke")]
    store, model = make_store(vectors, tags)
    about = Metadata(artist="björk", artists=("björk",))
    matches = rank(store, Index.open(store, model), vectors[0], 5, not_artists_of=about)
    assert [m.artist for m in matches] == ["Bjarke"]


def test_tracks_without_artist_or_album_are_never_alike(make_store: MakeStore) -> None:
    vectors = unit(RNG.standard_normal((3, 8)))
    store, model = make_store(vectors, [{}, {"title": "x"}, {"artist": "A", "album": "B"}])
    index = Index.open(store, model)
    matches = rank(store, index, vectors[0], 5, not_artists_of=Metadata(), not_album_of=Metadata())
    assert len(matches) == 3


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("year = 1985", 8),
        ("has(genres, 'jazz') AND NOT has(genres, 'rock')", 150),
        ("has(artists, 'Guest 0')", 100),
        ("title = 'Song 7' OR title = 'Song 8'", 2),
        ("1 = 0) OR (1 = 1", 300),
        ("year = 1985 -- and so on", 8),
        ("label IS NULL", 300),
        ("path LIKE '/music/00000%'", 10),
    ],
)
def test_conditions_are_sql(made: Path, where: str, count: int) -> None:
    with Catalog(made) as catalog:
        assert len(filter_tracks(catalog.store, where)) == count
        assert len(list(catalog.tracks(where))) == count


@pytest.mark.parametrize(
    "where",
    [
        "",
        "   ",
        "yeer = 1990",
        "year >",
        "genres = 'Jazz",
        "1); DROP TABLE tracks; --",
        "1; DELETE FROM files",
        "1) ; UPDATE files SET missing = 1 WHERE (1",
        "track IN (DELETE FROM files RETURNING file)",
        "1); ATTACH 'other.db' AS other; --",
        "1); PRAGMA user_version = 9; --",
        "count(*) > 1",
        "has(year, 1990)",
        "has(genres)",
        "load_extension('x')",
        "year = 1990\0",
        "title = '\udcff'",
        "has(genres,\n 'Jazz'",
    ],
)
def test_a_bad_condition_is_told_in_one_line_and_changes_nothing(made: Path, where: str) -> None:
    with Catalog(made) as catalog:
        before = list(catalog.store.db.iterdump())
        for ask in (
            lambda: catalog.similar(f"{5:032x}", where=where),
            lambda: list(catalog.tracks(where)),
        ):
            with pytest.raises(MetadataError, match="cannot be understood") as caught:
                ask()
            assert "\n" not in str(caught.value)
            assert "has(genres, 'Jazz')" in str(caught.value)
        assert list(catalog.store.db.iterdump()) == before
        assert len(catalog.similar(f"{5:032x}", where="year > 0")) == 20


def test_a_filter_that_failed_leaves_the_catalog_writable(made: Path) -> None:
    with Catalog(made) as catalog:
        with pytest.raises(MetadataError):
            list(catalog.tracks("nonsense"))
        assert catalog.forget("/music/000001.flac") == 1


def _doubled(text: str, times: int) -> str:
    """An expression for a text strung together from itself."""
    made = f"SELECT '{text}' AS a"
    for _ in range(times):
        made = f"SELECT a || a AS a FROM ({made})"
    return f"({made})"


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("has(genres, printf('%.*c', 900000000 + year, 'x'))", "functions are abs, .*heard"),
        ("length(zeroblob(900000000)) > 0", "functions are"),
        ("hex(randomblob(400000000)) > ''", "functions are"),
        ("length(trim(title, title)) > 0", "functions are"),
        ("(SELECT group_concat(title) FROM library) > ''", "functions are"),
        ("sqlite_version() > ''", "functions are"),
        ("nonsense(title)", "functions are"),
        ("(WITH library AS (SELECT hex(1) AS track) SELECT track FROM library) > 0", "functions"),
        (f"length({_doubled('x' * 1000, 8)}) > 0", "too big"),
        (f"length(replace({_doubled('x' * 1000, 5)}, 'x', 'xxxxxxx')) > 0", "too big"),
        (f"title LIKE '{'%_' * 200}'", "too complex"),
        (f"title GLOB '{'*?' * 200}'", "too complex"),
    ],
)
def test_a_condition_cannot_ask_for_more_than_it_costs_a_moment(
    made: Path, where: str, words: str
) -> None:
    with Catalog(made) as catalog:
        with pytest.raises(MetadataError, match=words) as caught:
            catalog.similar(f"{5:032x}", where=where)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "where",
    [
        "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n)",
        "(SELECT count(*) FROM library a, library b, library c, library d) > 0",
        f"(SELECT sum(a LIKE '%{'x' * 200}y') FROM {_doubled('x' * 1000, 5)}, library, files)",
    ],
)
def test_a_condition_without_end_is_ended_and_what_comes_next_is_not(
    made: Path, where: str
) -> None:
    with Catalog(made) as catalog:
        with pytest.raises(MetadataError, match="takes too long"):
            filter_tracks(catalog.store, where, seconds=0.1)
        assert len(filter_tracks(catalog.store, "title IS NOT NULL")) == 300
        assert catalog.forget("/music/000001.flac") == 1


def test_a_long_text_that_is_stored_stops_no_filter(make_store: MakeStore) -> None:
    vectors = unit(RNG.standard_normal((3, 8)))
    store, _ = make_store(vectors, [{"description": "long " * 40_000}, {"title": "a"}, {}])
    assert len(filter_tracks(store, "title = 'a'")) == 1
    assert len(filter_tracks(store, "length(description) > 100000")) == 1


def test_a_condition_may_name_as_many_tracks_as_there_are(made: Path) -> None:
    ids = ", ".join(f"'{number:032x}'" for number in range(20_000))
    with Catalog(made) as catalog:
        assert len(filter_tracks(catalog.store, f"id IN ({ids})")) == 300


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("lower(substr(title, 1, 4)) = 'song' AND length(title) > 4", 300),
        ("coalesce(label, 'none') = 'none' AND iif(year > 0, 1, 0)", 300),
        ("instr(replace(title, 'Song', 'X'), 'X') = 1", 300),
        ("round(abs(-year) / 10.0) * 10 >= 1980 AND ifnull(nullif(year, 0), 1)", 300),
        ("json_extract(genres, '$[0]') IS NOT NULL AND typeof(genres ->> 0) = 'text'", 300),
        ("year = (SELECT max(year) FROM library) AND date(year || '-01-01') IS NOT NULL", None),
        ("path GLOB '/music/0000*'", 100),
    ],
)
def test_conditions_may_call_what_is_useful(made: Path, where: str, count: int | None) -> None:
    with Catalog(made) as catalog:
        found = filter_tracks(catalog.store, where)
        assert len(found) == count if count is not None else len(found) > 0


# What is there


def test_an_empty_catalog_is_told(tmp_path: Path) -> None:
    with (
        Catalog(tmp_path / "empty.db") as catalog,
        pytest.raises(CatalogError, match="nothing is embedded yet; 'musicu embed FOLDER'"),
    ):
        catalog.similar(np.ones(256, dtype=np.float32))


def test_a_track_that_is_gone_for_now_is_no_neighbor(made: Path) -> None:
    with Catalog(made) as catalog:
        before = catalog.similar(f"{5:032x}", 3)
        catalog.store.set_missing([before[0].path], missing=True)
        assert [m.id for m in catalog.similar(f"{5:032x}", 2)] == [m.id for m in before[1:]]


def test_a_copy_that_is_gone_leaves_the_other_one(make_store: MakeStore) -> None:
    vectors = unit(RNG.standard_normal((2, 8)))
    store, model = make_store(vectors)
    store.put_file("/copy.flac", 1, 1, kind="audio", track=1, tags={"title": "the copy"})
    index = Index.open(store, model)
    assert {m.path for m in rank(store, index, vectors[1], 5)} >= {"/copy.flac"}
    store.set_missing(["/copy.flac"], missing=True)
    assert {m.path for m in rank(store, index, vectors[1], 5)} >= {"/music/000000.flac"}
