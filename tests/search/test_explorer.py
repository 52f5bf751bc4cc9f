"""Questions to a catalog: parity with the catalog, sums that add up, and what is left out."""

import inspect
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from threading import Event
from typing import Any

import numpy as np
import pytest
from conftest import MakeStore, Shelf, add_track, unit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from musicu.catalog.catalog import Catalog
from musicu.catalog.items import catalog_items
from musicu.cli.mix import mix
from musicu.encoders.registry import find_model
from musicu.errors import CatalogError, MetadataError, ModelError, ModelMismatchError, MusicuError
from musicu.items.fusion import Fusion
from musicu.items.item import Item
from musicu.metadata.fields import Metadata
from musicu.metadata.text_search import search_texts
from musicu.search import fused as fused_module
from musicu.search.explorer import Explorer
from musicu.search.fused import FusedSpace
from musicu.search.query import Answer, Query
from musicu.search.seeds import FoundSeeds, Seed
from musicu.search.snapshot import Snapshot
from musicu.search.space_builder import Preparing
from musicu.search.spaces import SPACES, AudioSpace, SpaceType
from musicu.service.schemas import SimilarBody

Array = NDArray[np.float32]

RNG = np.random.default_rng(0)
N = 60
ROWS = unit(RNG.standard_normal((N, 16)) + 0.5)
TAGS: list[dict[str, Any]] = [
    {
        "title": f"Song {chr(97 + at % 26)}{at}",
        "artist": f"Artist {at % 9}",
        "artists": [f"Artist {at % 9}", *(["Guest"] if at % 7 == 0 else [])],
        "album": f"Album {at % 9}-{at % 2}",
        "year": 1980 + at % 30,
        "genres": [("House", "Jazz", "Folk")[at % 3]],
    }
    for at in range(N)
]


@pytest.fixture
def explorer(make_store: MakeStore) -> Iterator[Explorer]:
    store, _ = make_store(ROWS, TAGS)
    opened = Explorer.open(store.path)
    yield opened
    opened.close()


def ids_of(answer: Answer) -> list[str]:
    return [hit.id for hit in answer.hits]


def one(explorer: Explorer, at: int, weight: float = 1.0) -> Seed:
    return Seed(id=explorer.live.snapshot.ids[at], weight=weight)


def asked(explorer: Explorer, *ats: int, **options: Any) -> Answer:
    return explorer.similar(Query(seeds=tuple(one(explorer, at) for at in ats), **options))


# By sound


@given(st.integers(0, 10_000), st.integers(1, 30), st.booleans())
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_stored_track_is_answered_as_the_catalog_answers(
    make_store: MakeStore, seed: int, n: int, ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    # Axes and their sums: many cosines are equal, and go by row number.
    rows = unit(rng.integers(1, 3, (40, 4)) if ties else rng.standard_normal((40, 4)))
    store, _ = make_store(np.asarray(rows, dtype=np.float32))
    explorer = Explorer.open(store.path)
    id = explorer.live.snapshot.ids[seed % 40]
    answer = explorer.similar(Query(seeds=(Seed(id=id),), n=n))
    with Catalog(store.path) as catalog:
        expected = catalog.similar(id, n)
    if not ties:
        assert ids_of(answer) == [match.id for match in expected]
    np.testing.assert_allclose(
        [hit.score for hit in answer.hits], [match.score for match in expected], atol=2e-6
    )
    assert [hit.rank for hit in answer.hits] == [match.rank for match in expected]


@pytest.mark.parametrize(
    "options",
    [
        {"where": "year >= 1995"},
        {"exclude_same_artist": True},
        {"exclude_same_album": True},
        {"exclude_same_artist": True, "where": "has(genres, 'Jazz')"},
    ],
    ids=str,
)
def test_filters_act_before_the_ranking_as_in_the_catalog(
    explorer: Explorer, options: dict[str, Any]
) -> None:
    with Catalog(explorer.live.path) as catalog:
        for at in (0, 7, 30):
            id = explorer.live.snapshot.ids[at]
            expected = [match.id for match in catalog.similar(id, 12, **options)]
            assert ids_of(asked(explorer, at, n=12, **options)) == expected


def test_many_queries_are_answered_as_each_alone(explorer: Explorer) -> None:
    queries = [
        Query(seeds=(one(explorer, at),), n=1 + at, diversity=0.5 if at % 3 == 0 else 0.0)
        for at in range(10)
    ]
    together = explorer.similar_many(queries)
    assert [a.to_dict() for a in together if isinstance(a, Answer)] == [
        explorer.similar(query).to_dict() for query in queries
    ]


def test_a_query_that_fails_takes_no_other_with_it(explorer: Explorer) -> None:
    good = Query(seeds=(one(explorer, 3),))
    unknown = Query(seeds=(Seed(id="f" * 32),))
    wide = Query(seeds=(Seed(vector=np.ones(5, dtype=np.float32)),))
    wrong = Query(seeds=(one(explorer, 3),), where="nonsense = 1")
    answers = explorer.similar_many([unknown, good, wide, wrong])
    assert [type(answer) for answer in answers] == [
        *(CatalogError, Answer, ModelMismatchError, MetadataError)
    ]
    assert all("\n" not in str(answer) for answer in answers if isinstance(answer, MusicuError))


def test_several_seeds_ask_for_the_direction_of_their_weighted_sum(explorer: Explorer) -> None:
    weights = (1.0, 0.5, -0.4)
    seeds = tuple(one(explorer, at, w) for at, w in zip((1, 2, 3), weights, strict=True))
    answer = explorer.similar(Query(seeds=seeds, n=N))
    target = unit(np.array(weights) @ ROWS[1:4])
    scores = ROWS @ target
    expected = [at for at in np.argsort(-scores).tolist() if at not in (1, 2, 3)]
    assert [hit.position for hit in answer.hits if hit.score > 0] == [
        at for at in expected if scores[at] > 0
    ]
    np.testing.assert_allclose(
        [hit.score for hit in answer.hits], np.clip(scores[expected], 0, 1), atol=1e-6
    )


def test_a_seed_with_a_weight_below_0_pushes_away(explorer: Explorer) -> None:
    with_less = explorer.similar(Query(seeds=(one(explorer, 1), one(explorer, 2, -0.7)), n=10))
    without = explorer.similar(Query(seeds=(one(explorer, 1),), n=10))
    near = [np.mean([ROWS[h.position] @ ROWS[2] for h in a.hits]) for a in (with_less, without)]
    assert near[0] < near[1] - 0.1


def test_seeds_that_cancel_each_other_out_are_refused(explorer: Explorer) -> None:
    opposite = Seed(vector=-ROWS[1], weight=1.0)
    with pytest.raises(MusicuError, match="cancel each other out"):
        explorer.similar(Query(seeds=(one(explorer, 1), opposite)))


def test_seeds_and_what_is_excluded_never_come_back(explorer: Explorer) -> None:
    ids = explorer.live.snapshot.ids
    for options in ({}, {"diversity": 0.3}, {"max_per_artist": 50}):
        query = Query(
            seeds=(one(explorer, 4), one(explorer, 5, -0.2)),
            n=N,
            exclude=(ids[8], "not there"),
            **options,
        )
        found = ids_of(explorer.similar(query))
        assert sorted(found) == sorted(set(ids) - {ids[4], ids[5], ids[8]})


def test_a_new_track_that_is_stored_after_all_does_not_find_itself(explorer: Explorer) -> None:
    id = explorer.live.snapshot.ids[4]
    known = Seed(vector=ROWS[4], item=Item(id))
    assert id not in ids_of(explorer.similar(Query(seeds=(known,), n=N)))
    assert ids_of(explorer.similar(Query(seeds=(Seed(vector=ROWS[4]),), n=1))) == [id]


def test_a_new_track_excludes_its_artists_in_any_spelling(explorer: Explorer) -> None:
    item = Item("new", Metadata(artist="ÁRTIST 3", artists=("ÁRTIST 3",)))
    query = Query(seeds=(Seed(vector=ROWS[3], item=item),), n=N, exclude_same_artist=True)
    positions = {hit.position for hit in explorer.similar(query).hits}
    assert positions == {at for at in range(N) if at % 9 != 3}


def test_fewer_tracks_than_asked_for_are_noted(explorer: Explorer) -> None:
    for options in ({}, {"where": "year > 1000"}):
        answer = asked(explorer, 0, n=100, **options)
        assert len(answer) == N - 1
        assert any("59 of 100" in note for note in answer.notes)


def test_an_id_may_be_cut_to_what_tells_it_apart(make_store: MakeStore) -> None:
    store, model = make_store(ROWS[:3])
    store.db.execute("UPDATE tracks SET id = 'abcdef' || substr(id, 7) WHERE track = 2")
    explorer = Explorer.open(store.path)
    full = explorer.live.snapshot.ids[1]
    short = explorer.similar(Query(seeds=(Seed(id="ABCDEF"),)))
    assert full not in ids_of(short)
    assert short.to_dict() == explorer.similar(Query(seeds=(Seed(id=full),))).to_dict()


# Varied lists


def test_diversity_makes_the_tracks_less_alike(explorer: Explorer) -> None:
    def alike(answer: Answer) -> float:
        rows = ROWS[[hit.position for hit in answer.hits]]
        return float((rows @ rows.T).mean())

    plain, varied, most = (asked(explorer, 5, n=10, diversity=d) for d in (0.0, 0.5, 0.9))
    assert alike(plain) > alike(varied) + 0.02 > alike(most) + 0.02
    assert plain.hits[0] == varied.hits[0]
    assert all(hit.score <= plain.hits[0].score for hit in varied.hits)


def test_caps_hold_and_say_what_they_left_out(explorer: Explorer) -> None:
    answer = asked(explorer, 5, n=20, max_per_artist=1)
    artists = [name for hit in answer.hits for name in TAGS[hit.position]["artists"]]
    assert len(artists) == len(set(artists))
    assert any("max_per_artist" in note for note in answer.notes)
    albums = [TAGS[hit.position]["album"] for hit in asked(explorer, 5, n=18, max_per_album=1).hits]
    assert len(albums) == len(set(albums)) == 18


def test_a_cap_looks_as_far_as_it_must(make_store: MakeStore) -> None:
    """The 1,500 nearest tracks are of one artist."""
    angle = np.linspace(0, 1.5, 1600)
    rows = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    tags = [{"title": "x", "artist": "One" if at < 1500 else f"Other {at}"} for at in range(1600)]
    store, _ = make_store(rows, tags)
    explorer = Explorer.open(store.path)
    query = Query(seeds=(one(explorer, 0),), n=5, max_per_artist=1)
    assert [hit.position for hit in explorer.similar(query).hits] == [1, *range(1500, 1504)]


def test_versions_of_a_song_and_of_the_seeds_come_once_or_not_at_all(
    make_store: MakeStore,
) -> None:
    titles = ["Rain", "Rain (Live)", "Sun", "Sun (Acoustic)", "Wind"]
    tags = [{"title": title, "artist": "Alba"} for title in titles]
    store, _ = make_store(unit(RNG.standard_normal((5, 8)) + 1), tags)
    explorer = Explorer.open(store.path)
    found = [titles[hit.position] for hit in asked(explorer, 0, no_versions=True).hits]
    assert len(found) == 2 and "Wind" in found and "Rain (Live)" not in found
    rows = asked(explorer, 4, collapse_versions=True).to_dict()["matches"]
    told = {row["title"]: [card["title"] for card in row["versions"]] for row in rows}
    assert len(told) == 2  # the nearest of each song, with the other in its row
    assert sorted([*told, *sum(told.values(), [])]) == sorted(titles[:4])
    assert all(title.split()[0] == other.split()[0] for title, (other,) in told.items())
    new = Seed(
        vector=RNG.standard_normal(8), item=Item("new", Metadata(title="sun", artist="Alba"))
    )
    unheard = explorer.similar(Query(seeds=(new,), no_versions=True))
    assert {titles[hit.position].split()[0] for hit in unheard.hits} == {"Rain", "Wind"}


# By all that is known


def test_what_is_known_is_prepared_in_the_background(explorer: Explorer) -> None:
    assert not explorer.prepared
    with pytest.raises(Preparing, match="try again"):
        asked(explorer, 0, by="all")
    deadline = time.monotonic() + 300
    while not explorer.prepared and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(asked(explorer, 0, by="all").hits) == 20


def test_scores_by_all_are_those_of_the_fusion_and_sums_of_the_fields(explorer: Explorer) -> None:
    explorer.prepare(wait=True)
    items = catalog_items(explorer.live.path)
    vectors = Fusion().fit(items).transform(items)
    for at in (0, 11):
        answer = asked(explorer, at, n=N, by="all", explain=True)
        expected = vectors.scores(
            vectors.take([items.position(explorer.live.snapshot.ids[at])]).toarray()[0]
        )
        by_id = dict(zip(items.ids, expected, strict=True))
        np.testing.assert_allclose(
            [hit.score for hit in answer.hits], [by_id[hit.id] for hit in answer.hits], atol=1e-5
        )
        scores = [hit.score for hit in answer.hits]
        assert scores == sorted(scores, reverse=True)
        for hit in answer.hits:
            assert hit.why is not None
            assert sum(hit.why.values()) == pytest.approx(hit.score, abs=1e-12)
            assert set(hit.why) == {"audio", "genres", "artists", "year"}


def test_the_score_does_not_hang_on_whether_it_is_explained(explorer: Explorer) -> None:
    explorer.prepare(wait=True)
    for by in ("sound", "all"):
        plain, told = (asked(explorer, 6, n=15, by=by, explain=told) for told in (False, True))
        assert [hit[:4] for hit in plain.hits] == [hit[:4] for hit in told.hits]
        assert all(hit.why is None for hit in plain.hits)


def test_what_is_wanted_less_takes_from_the_score(explorer: Explorer) -> None:
    explorer.prepare(wait=True)
    # House is wanted, Jazz is not.
    seeds = (one(explorer, 0), one(explorer, 1, -0.6))
    answer = explorer.similar(Query(seeds=seeds, n=N, by="all", explain=True))
    genres = {TAGS[hit.position]["genres"][0]: hit.why["genres"] for hit in answer.hits if hit.why}
    assert genres["House"] > 0 > genres["Jazz"]
    assert genres["Folk"] == 0


def test_the_metadata_of_a_new_track_count(explorer: Explorer) -> None:
    explorer.prepare(wait=True)
    item = Item("new", Metadata(genres=("Folk",), artist="Artist 2", artists=("Artist 2",)))
    vector = RNG.standard_normal(16).astype(np.float32)
    with_item, without = (
        explorer.similar(Query(seeds=(Seed(vector=vector, item=it),), n=15, by="all", explain=True))
        for it in (item, None)
    )
    folk = [
        sum(TAGS[h.position]["genres"] == ["Folk"] for h in a.hits) for a in (with_item, without)
    ]
    assert folk[0] == 15 > folk[1]
    assert all(set(hit.why or ()) == {"audio"} for hit in without.hits)


def test_filters_and_variety_work_by_all_too(explorer: Explorer) -> None:
    explorer.prepare(wait=True)
    answer = asked(
        explorer, 0, n=8, by="all", where="year >= 1995", diversity=0.4, max_per_artist=2
    )
    assert len(answer.hits) == 8
    assert all(TAGS[hit.position]["year"] >= 1995 for hit in answer.hits)
    none = asked(explorer, 0, n=8, by="all", where="year = 1")
    assert none.hits == () and none.notes


def test_another_process_fuses_to_the_same_vectors(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = explorer.live.snapshot
    here = FusedSpace.of(snapshot)
    monkeypatch.setattr(fused_module, "_FEW", 20)
    there = FusedSpace.of(snapshot)
    query = np.random.default_rng(1).standard_normal(here.vectors.take([0]).dim).astype(np.float32)
    positions = np.random.default_rng(2).permutation(N)
    a, b = here.parts(query, positions), there.parts(query, positions)
    assert a.keys() == b.keys()
    for field in a:
        np.testing.assert_allclose(a[field], b[field], atol=1e-6)
    np.testing.assert_array_equal(here.nearest(query, 9, None)[0], there.nearest(query, 9, None)[0])


def test_a_failure_of_that_process_is_told_in_one_line(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_module, "_FEW", 20)
    snapshot = replace(explorer.live.snapshot, path=explorer.live.path.with_name("gone.db"))
    with pytest.raises(MusicuError, match="cannot be prepared") as raised:
        FusedSpace.of(snapshot)
    assert "\n" not in str(raised.value)


def test_preparing_ends_when_the_explorer_is_closed(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_module, "_FEW", 20)
    explorer.prepare()
    explorer.close()
    assert not [t for t in threading.enumerate() if t.name == "fusing"]


def test_tracks_that_are_added_are_found_without_fusing_all_again(
    make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, model = make_store(ROWS[:50], TAGS[:50])
    explorer = Explorer.open(store.path)
    fused = FusedSpace.of(explorer.live.snapshot)
    monkeypatch.setattr(fused_module, "_FEW", 20)
    with store.change():
        for at in range(50, 60):
            add_track(store, model, at, ROWS[at], TAGS[at])
    assert explorer.live.refresh()
    snapshot = explorer.live.snapshot
    grown = fused.grown(snapshot)
    assert grown is not None and grown.fusion is fused.fusion and grown.snapshot is snapshot
    query = np.asarray(grown.vectors.take([55]).toarray()[0])
    positions, scores = grown.nearest(query, 60, None)
    assert positions[0] == 55 and scores[0] == pytest.approx(1, abs=1e-5)
    assert sorted(positions.tolist()) == list(range(60))
    mixed = np.array([55, 3, 59, 0])
    rows = grown.vectors.take(mixed)
    assert rows.ids == tuple(snapshot.ids[at] for at in mixed)
    np.testing.assert_allclose(
        np.add.reduce(list(grown.parts(query, mixed).values())), rows.scores(query), atol=1e-6
    )
    # What is written about a track has changed: names and rarities must be learned anew.
    store.put_file("/music/000003.flac", 2, 2, kind="audio", track=4, tags={"label": "New"})
    monkeypatch.setattr(fused_module, "_REREAD", 2)
    explorer.live.refresh()
    assert explorer.live.snapshot is not snapshot
    assert grown.grown(explorer.live.snapshot) is None


def test_a_snapshot_that_follows_is_fused_too(make_store: MakeStore) -> None:
    store, model = make_store(ROWS[:50], TAGS[:50])
    explorer = Explorer.open(store.path)
    explorer.prepare(wait=True)
    with store.change():
        add_track(store, model, 50, ROWS[50], TAGS[50])
    explorer.live.refresh()
    explorer.prepare(wait=True)
    assert len(asked(explorer, 50, by="all", n=50).hits) == 50


# In words


def test_words_say_what_a_track_and_its_nearest_seed_have_in_common(explorer: Explorer) -> None:
    answer = asked(explorer, 0, n=N, explain=True)
    by_position = {hit.position: hit for hit in answer.hits}
    assert "the same artist: Artist 0" in by_position[9].words
    assert "both house" in by_position[3].words
    assert by_position[9].why == {"audio": by_position[9].score}
    two = explorer.similar(
        Query(
            seeds=(Seed(vector=ROWS[9], item=Item("n", Metadata(label="Q"))), one(explorer, 1)),
            n=N,
            explain=True,
        )
    )
    assert all(hit.words is not None for hit in two.hits)


def test_words_of_the_model_say_what_sounds_alike(original: Shelf) -> None:
    explorer = Explorer.open(original.db)
    answer = asked(explorer, 0, n=7, explain=True)
    assert any(word.startswith("both sound ") for hit in answer.hits for word in hit.words)


# Forms


def test_json_holds_cards_scores_and_reasons(explorer: Explorer) -> None:
    answer = asked(explorer, 2, n=3, explain=True)
    told = answer.to_dict()
    assert json.loads(json.dumps(told)) == told
    assert told["by"] == "sound" and told["notes"] == []
    for hit, match in zip(answer.hits, told["matches"], strict=True):
        card = json.loads(explorer.live.snapshot.cards[hit.position])
        assert (
            match
            == {"rank": hit.rank, "score": hit.score, "why": hit.why, "words": list(hit.words)}
            | card
        )
    assert "why" not in asked(explorer, 2, n=3).to_dict()["matches"][0]


def test_queries_that_say_the_same_are_equal_and_can_be_keys() -> None:
    vector = np.arange(1, 5, dtype=np.float32)
    a, b = (Query(seeds=(Seed(vector=v, item=Item("x")),)) for v in (vector, 2 * vector))
    other = Query(seeds=(Seed(vector=vector[::-1].copy(), item=Item("x")),))
    assert a == b and hash(a) == hash(b)
    assert a != other and len({a, b, other}) == 2
    assert Seed(id="abc") != Seed(id="abc", weight=0.5)
    assert Seed(vector=vector, item=Item("x")) != Seed(vector=vector, item=Item("y"))


@pytest.mark.parametrize(
    "options",
    [
        {"n": 0},
        {"n": 1001},
        {"by": "smell"},
        {"diversity": -0.1},
        {"diversity": 1.1},
        {"diversity": float("nan")},
        {"max_per_artist": 0},
        {"max_per_album": -1},
        {"seeds": ()},
        {"seeds": (Seed(id="a", weight=-1),)},
        {"seeds": (Seed(id="a"),) * 101},
    ],
    ids=str,
)
def test_a_query_out_of_range_is_refused_in_one_line(options: dict[str, Any]) -> None:
    with pytest.raises(MusicuError) as raised:
        Query(**({"seeds": (Seed(id="a"),)} | options))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"id": "a", "vector": np.ones(4)},
        {"id": "a", "weight": 0},
        {"id": "a", "weight": 1.5},
        {"id": "a", "weight": float("nan")},
        {"vector": np.zeros(4)},
        {"vector": np.array([1, np.inf])},
        {"vector": np.array([1, np.nan])},
        {"vector": np.ones((2, 2))},
    ],
    ids=str,
)
def test_a_seed_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(MusicuError):
        Seed(**options)


# By words


def test_every_word_must_occur_and_beginnings_of_words_come_first() -> None:
    texts = ["gold rain", "marigold sun", "sun goldfish", "rain", "golden sun"]
    assert search_texts(texts, ["gold"], 9) == (4, [0, 2, 4, 1])
    assert search_texts(texts, ["sun", "gold"], 9) == (3, [2, 4, 1])
    assert search_texts(texts, ["gold", "gold"], 9) == (4, [0, 2, 4, 1])
    assert search_texts(texts, [], 2) == (5, [0, 1])
    assert search_texts(texts, ["none"], 9) == (0, [])
    among = np.array([True, True, False, False, False])
    assert search_texts(texts, ["gold"], 9, among=among) == (2, [0, 1])


@given(
    st.lists(st.text("ab ", max_size=8), max_size=12),
    st.lists(st.text("ab", min_size=1, max_size=2), max_size=2),
)
@settings(deadline=None)
def test_pages_of_a_search_are_parts_of_the_whole(texts: list[str], words: list[str]) -> None:
    total, whole = search_texts(texts, words, 100)
    assert total == len(whole) == sum(all(word in text for word in words) for text in texts)
    pages = [search_texts(texts, words, 3, at) for at in range(0, total + 3, 3)]
    assert [at for _, page in pages for at in page] == whole
    assert {count for count, _ in pages} == {total}


def test_search_knows_no_case_and_no_accents(make_store: MakeStore) -> None:
    tags = [{"title": "Déjà Vu", "artist": "Björk", "year": 1990}, {"title": "Deja", "year": 2000}]
    store, _ = make_store(ROWS[:2], tags)
    explorer = Explorer.open(store.path)
    assert explorer.search("DEJA") == (2, [0, 1])
    assert explorer.search("déjà bjork") == (1, [0])
    assert explorer.search("deja", where="year = 2000") == (1, [1])
    assert explorer.search("deja", 1, 1) == (2, [1])
    assert explorer.search("") == (2, [0, 1])


def test_wishes_are_answered_as_the_catalog_answers(original: Shelf) -> None:
    explorer = Explorer.open(original.db)
    for text, where in (("sad piano, no drums, xyzzy", None), ("jazz", "year >= 1999")):
        heard = explorer.find(text, 5, where=where)
        with original.open() as catalog:
            expected = catalog.find(text, 5, where=where)
        assert [heard.snapshot.ids[at] for at in heard.positions] == [
            match.id for match in expected.matches
        ]
        assert heard.scores == [match.score for match in expected.matches]
        assert (heard.terms, heard.unused) == (expected.terms, expected.unused)


def test_a_model_without_words_finds_nothing_by_them(explorer: Explorer) -> None:
    with pytest.raises(ModelError, match="tag head"):
        explorer.find("sad")


def test_details_tell_all_that_is_known(original: Shelf) -> None:
    explorer = Explorer.open(original.db)
    with original.open() as catalog:
        tracks = {track["id"]: track for track in catalog.tracks()}
    for id, track in tracks.items():
        details = explorer.details(id)
        assert details.pop("files") == [track["path"]]
        # What is sure: words of the model's that reach their thresholds.
        said = details.pop("said")
        assert said and set(said) <= {tag.name for tag in find_model().tags}
        assert set(details.pop("unsure")) <= {"genre", "mood"}
        assert (details.pop("non_music"), details.pop("familiar")) == (False, True)
        assert details == track
    with pytest.raises(CatalogError):
        explorer.details("f" * 32)


def test_seeds_are_made_of_files_and_ids(shelf: Shelf) -> None:
    explorer = Explorer.open(shelf.db)
    ids = explorer.live.snapshot.ids
    stored = explorer.seed(shelf / "Dora/Night.wav", 0.5)
    assert stored.id in ids and stored.weight == 0.5
    assert explorer.seed(str(stored.id)[:8]) == Seed(id=str(stored.id))
    assert explorer.seed("ebb carla").id == explorer.seed(shelf / "Carla/Tide/01 Ebb.m4a").id
    with pytest.raises(CatalogError, match="neither a file nor a stored track"):
        explorer.seed("abcdef")
    (shelf / "Dora/Night.wav").rename(shelf / "Dora/New.wav")
    heard = explorer.seed(shelf / "Dora/New.wav")
    assert heard.vector is not None and heard.item is not None and heard.item.id == stored.id
    answer = explorer.similar(Query(seeds=(heard,), n=8))
    assert stored.id not in ids_of(answer) and len(answer) == 7
    assert explorer.paths(answer)[0] != ""


def test_any_number_of_threads_may_ask(explorer: Explorer) -> None:
    explorer.prepare(wait=True)
    queries = [
        Query(seeds=(one(explorer, at),), by="all" if at % 2 else "sound", where="year > 1985")
        for at in range(12)
    ]
    expected = [explorer.similar(query).to_dict() for query in queries]
    found: list[list[bytes]] = []

    def ask() -> None:
        found.append([explorer.similar(query).to_dict() for query in queries])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


# Spaces


def test_a_space_that_is_added_is_asked_for_by_its_name(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by the service; the audio upside down: what is farthest by sound is nearest."""

    class Opposite(AudioSpace):
        def query(self, found: FoundSeeds) -> NDArray[np.float32]:
            return -super().query(found)

    opposite = SpaceType("the opposite", lambda snapshot, _: Opposite(snapshot))
    with pytest.raises(MusicuError, match="by is 'opposite': it is 'sound' or 'all'"):
        asked(explorer, 0, by="opposite")
    monkeypatch.setitem(SPACES, "opposite", opposite)
    answer = asked(explorer, 0, n=3, by="opposite", explain=True)
    vectors = explorer.live.snapshot.vectors(range(N))
    farthest = np.argsort(vectors @ vectors[0], kind="stable")[:3]
    assert [hit.position for hit in answer.hits] == farthest.tolist()
    assert answer.by == "opposite" and answer.hits[0].why is not None
    assert answer.hits[0].score == pytest.approx(sum(answer.hits[0].why.values()))
    body = SimilarBody(id="abcdef", by="opposite")
    assert body.query().by == "opposite"
    assert SimilarBody.model_json_schema()["properties"]["by"]["enum"] == list(SPACES)


def test_a_space_that_takes_long_is_made_in_the_background(
    explorer: Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = Event()

    def slow(snapshot: Snapshot, stop: Event) -> AudioSpace:
        wait.wait(60)
        return AudioSpace(snapshot)

    monkeypatch.setitem(SPACES, "slow", SpaceType("the slow", slow, background=True))
    with pytest.raises(Preparing, match="the slow is being prepared: try again soon"):
        asked(explorer, 0, by="slow")
    assert not explorer.prepared
    wait.set()
    explorer.prepare(wait=True)
    assert explorer.prepared
    assert ids_of(asked(explorer, 0, by="slow")) == ids_of(asked(explorer, 0, explain=True))
    explorer.close()


def test_the_command_line_lists_the_spaces() -> None:
    by = inspect.get_annotations(mix)["by"]
    assert by.__metadata__[0].metavar == f"{'|'.join(SPACES)}"
