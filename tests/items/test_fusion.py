"""Fusion: one dot product that is the weighted mean of the fields, and says so."""

import csv
import gzip
import json
import math
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musicu.errors import CatalogError, MetadataError, MusicuError, NotFittedError
from musicu.items.explanations import reasons, words
from musicu.items.fused_vectors import ItemVectors
from musicu.items.fusion import DEFAULT_WEIGHTS, FIELDS, Fusion
from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata

DIM = 6


def some_items(n: int, seed: int, missing: float = 0.4) -> Items:
    """Items of which every field is missing as often as told."""
    rng = np.random.default_rng(seed)

    def pick(*values: Any) -> Any:
        return None if rng.random() < missing else values[rng.integers(len(values))]

    def several(*values: str) -> tuple[str, ...]:
        return tuple(v for v in values if rng.random() > (1 + missing) / 2)

    made = [
        Item(
            f"t{i}",
            Metadata(
                artists=several("Alba", "Bruno", "Carla"),
                genres=several("House", "Deep House", "Jazz", "Pop/Rock"),
                tags=several("calm", "piano", "night"),
                label=pick("Quiet Harbor", "Stone"),
                country=pick("GB", "SE"),
                language=pick("en", "sv"),
                year=pick(1999, 2004, 2005),
                bpm=pick(61.0, 122.0, 90.0),
                key=pick("Am", "C", "F#"),
                description=pick("a calm night", "a loud day", "a night by the sea"),
            ),
            {
                "loudness": pick(-9.0, -14.0, -23.0),
                "brightness": pick(500.0, 900.0, 4000.0),
                "onset_rate": pick(1.0, 4.0),
            },
        )
        for i in range(n)
    ]
    audio = rng.normal(size=(n, DIM)).astype(np.float32)
    audio[rng.random(n) < missing] = 0
    return Items(made, audio)


@pytest.fixture(scope="module")
def items() -> Items:
    return some_items(60, seed=1)


@pytest.fixture(scope="module")
def vectors(items: Items) -> ItemVectors:
    return Fusion().fit(items).transform(items)


weightings = st.dictionaries(
    st.sampled_from(FIELDS), st.floats(0.05, 5), min_size=1, max_size=len(FIELDS)
)


def test_rows_are_of_length_one_or_zero(vectors: ItemVectors) -> None:
    lengths = np.linalg.norm(vectors.toarray(), axis=1)
    assert lengths == pytest.approx(vectors.present.any(axis=1).astype(float), abs=1e-5)
    nothing = Fusion().fit(some_items(5, 0)).transform(Items([Item("nothing")]))
    assert not nothing.toarray().any() and not nothing.present.any()


@settings(deadline=None, max_examples=25)
@given(weightings, st.integers(0, 1000))
def test_the_product_is_the_weighted_sum_of_the_fields_likenesses(
    weights: dict[str, float], seed: int
) -> None:
    items = some_items(8, seed)
    fused = Fusion(weights).fit(items).transform(items)
    expected = np.zeros((8, 8))
    has = {f: Fusion({f: 1}).fit(items).transform(items) for f in weights}
    total = sum(weights[f] * has[f].present[:, 0] for f in weights)
    for field, alone in has.items():
        for i, j in zip(*np.nonzero(alone.similarity(alone)), strict=True):
            share = weights[field] / math.sqrt(total[i] * total[j])
            expected[i, j] += share * alone.similarity(alone)[i, j]
    assert fused.similarity(fused) == pytest.approx(expected, abs=1e-5)


@settings(deadline=None, max_examples=25)
@given(weightings, st.integers(0, 1000))
def test_contributions_add_up_to_the_score(weights: dict[str, float], seed: int) -> None:
    items = some_items(8, seed)
    rng = np.random.default_rng(seed)
    fused = Fusion(weights).fit(items).transform(items)
    query = fused.query(rng.normal(size=8))
    for row, score in enumerate(fused.scores(query)):
        parts = fused.contributions(query, row)
        assert tuple(parts) == fused.fields
        assert sum(parts.values()) == pytest.approx(score, abs=1e-5)


def test_a_field_contributes_what_it_alone_would_say(items: Items, vectors: ItemVectors) -> None:
    at = int(np.argmax(vectors.present.sum(axis=1)))
    query = vectors.query(np.eye(len(items))[at])
    own = vectors.contributions(query, at)
    total = sum(
        DEFAULT_WEIGHTS[f] for f, there in zip(FIELDS, vectors.present[at], strict=True) if there
    )
    for field, there in zip(FIELDS, vectors.present[at], strict=True):
        expected = DEFAULT_WEIGHTS[field] / total if there else 0
        assert own[field] == pytest.approx(expected, abs=1e-6)


def test_leaving_a_field_out_leaves_its_weight_to_the_others(items: Items) -> None:
    def without(field: str) -> Items:
        """Take the value away from the items themselves."""
        bare = [
            Item(
                x.id, Metadata(**{n: v for n, v in _fields(x).items() if n != field}), x.descriptors
            )
            for x in items
        ]
        return Items(bare, items.audio)

    fusion = Fusion().fit(items)
    rest = {field: w for field, w in DEFAULT_WEIGHTS.items() if field != "label"}
    dropped = Fusion(rest).fit(items).transform(items)
    masked = fusion.transform(without("label"))
    assert dropped.similarity(dropped) == pytest.approx(masked.similarity(masked), abs=1e-6)
    assert "label" not in dropped.fields


def _fields(item: Item) -> dict[str, Any]:
    return {name: getattr(item.metadata, name) for name in Metadata.__dataclass_fields__}


def test_weights_matter_only_by_their_proportion(items: Items) -> None:
    fusion = Fusion().fit(items)
    one = fusion.transform(items).toarray()
    ten = fusion.set_params(weights={f: 10 * w for f, w in DEFAULT_WEIGHTS.items()})
    assert ten.transform(items).toarray() == pytest.approx(one, abs=1e-6)


def test_a_missing_field_is_never_imputed() -> None:
    """What other items hold in a field does not reach an item that lacks it."""
    target = Item("x", Metadata(genres=("Jazz",)))
    for year, label in ((1950, "A"), (2020, "B")):
        others = [
            Item(str(i), Metadata(genres=("Rock",), year=year, label=label)) for i in range(3)
        ]
        items = Items([target, *others])
        vectors = Fusion().fit(items).transform(items)
        about = dict(zip(vectors.fields, vectors.present[0], strict=True))
        assert {field for field, there in about.items() if there} == {"genres"}
        assert vectors.toarray()[0, vectors.slices["year"]].any() == False  # noqa: E712
        assert vectors.similarity(vectors)[0].tolist() == [1, 0, 0, 0]


def test_items_unseen_in_the_fit_are_compared_by_what_was_seen(items: Items) -> None:
    fusion = Fusion().fit(items)
    new = Items(
        [Item("new", Metadata(genres=("Deep House", "Unheard Of"), label="Nobody's", year=2004))]
    )
    vectors = fusion.transform(new)
    there = {f for f, p in zip(vectors.fields, vectors.present[0], strict=True) if p}
    assert there == {"genres", "year"}
    assert np.linalg.norm(vectors.toarray()) == pytest.approx(1, abs=1e-6)
    assert vectors.similarity(fusion.transform(items)).max() > 0.3


def test_scores_are_products_with_one_query_or_several(vectors: ItemVectors) -> None:
    full = vectors.toarray()
    weights = np.zeros((2, len(vectors)))
    weights[0, [3, 5]] = 1, 0.5
    weights[1, 7] = 2
    queries = np.stack([vectors.query(w) for w in weights])
    assert queries == pytest.approx(weights @ full, abs=1e-5)
    assert vectors.scores(queries[0]) == pytest.approx(full @ queries[0], abs=1e-5)
    assert vectors.scores(queries) == pytest.approx(full @ queries.T, abs=1e-5)
    assert full.shape == (len(vectors), vectors.dim)
    assert not vectors.query(np.zeros(len(vectors))).any()


def test_taken_rows_are_those_of_their_items(vectors: ItemVectors) -> None:
    some = vectors.take([7, 2])
    assert some.ids == ("t7", "t2") and len(some) == 2
    assert (some.toarray() == vectors.toarray()[[7, 2]]).all()
    assert (some.present == vectors.present[[7, 2]]).all()
    assert some.similarity(vectors) == pytest.approx(vectors.similarity(vectors)[[7, 2]], abs=1e-6)
    assert len(vectors.take([])) == 0


def test_slices_divide_the_vector_among_the_fields(vectors: ItemVectors) -> None:
    ends = sorted((s.start, s.stop) for s in vectors.slices.values())
    assert ends[0][0] == 0 and ends[-1][1] == vectors.dim
    assert all(a[1] == b[0] for a, b in zip(ends, ends[1:], strict=False))
    assert set(vectors.slices) == set(vectors.fields) == set(FIELDS)


def test_a_fusion_without_items_or_audio_works() -> None:
    empty = Fusion().fit(Items([])).transform(Items([]))
    assert len(empty) == 0 and empty.similarity(empty).shape == (0, 0)
    only = Fusion({"audio": 1}).fit(some_items(4, 2)).transform(Items([Item("unheard")]))
    assert not only.present.any()


# Parameters


def test_parameters_are_read_and_set_as_in_scikit_learn(items: Items) -> None:
    from sklearn.base import clone

    fusion = Fusion({"year": 1.0, "key": 0.0})
    assert fusion.get_params() == {"weights": {"year": 1.0, "key": 0.0}}
    assert clone(fusion).get_params() == fusion.get_params()
    assert fusion.fit(items).transform(items).fields == ("year",)
    assert fusion.set_params(weights=None).transform(items).fields == FIELDS


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        ({"mood": 1}, "'mood'"),
        ({"year": -1}, "'year' has weight -1"),
        ({"year": math.nan}, "'year' has weight nan"),
        ({"year": 0}, "no field has a weight above 0"),
    ],
)
def test_weights_that_mean_nothing_are_refused(weights: dict[str, float], why: str) -> None:
    with pytest.raises(MetadataError, match=why):
        Fusion(weights)
    with pytest.raises(MetadataError, match=why):
        Fusion().set_params(weights=weights)


def test_other_parameters_and_an_empty_fusion_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MusicuError, match="no parameter 'depth'"):
        Fusion().set_params(depth=3)
    with pytest.raises(NotFittedError, match=r"call fit\(items\) first"):
        Fusion().transform(Items([]))
    with pytest.raises(NotFittedError, match=r"call fit\(items\) first"):
        Fusion().save(tmp_path / "fusion.npz")


# Files


def test_a_saved_fusion_comes_back_the_same(tmp_path: Path, items: Items) -> None:
    path = tmp_path / "fusion.npz"
    for weights in (None, {"year": 1.0, "genres": 2.0}):
        fusion = Fusion(weights).fit(items)
        fusion.save(path)
        loaded = Fusion.load(path)
        assert loaded.get_params() == fusion.get_params()
        one, other = fusion.transform(items), loaded.transform(items)
        assert (one.toarray() == other.toarray()).all()
        assert one.slices == other.slices


def test_a_saved_fusion_holds_arrays_and_json_only(tmp_path: Path, items: Items) -> None:
    path = tmp_path / "fusion.npz"
    Fusion().fit(items).save(path)
    with np.load(path, allow_pickle=False) as file:
        assert {file[name].dtype.kind for name in file.files} <= {"f", "u"}
        assert json.loads(file["about"].tobytes())["fields"].keys() == set(FIELDS)


def test_files_that_are_no_fusion_are_refused(tmp_path: Path, items: Items) -> None:
    path = tmp_path / "fusion.npz"
    Fusion().fit(items).save(path)
    whole = path.read_bytes()
    newer = tmp_path / "newer.npz"
    about = np.frombuffer(json.dumps({"musicu_fusion": 99}).encode(), dtype=np.uint8)
    np.savez(newer, about=about)
    other = tmp_path / "other.npz"
    np.savez(other, ids=np.arange(3))
    array = tmp_path / "array.npy"
    np.save(array, np.arange(3))
    pickled = tmp_path / "pickled.npz"
    pickled.write_bytes(pickle.dumps({"about": 1}))
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole[: len(whole) // 2])
    empty = tmp_path / "empty.npz"
    empty.touch()
    for wrong, why in (
        (newer, "newer musicu"),
        *((p, "not a fusion that musicu saved") for p in (other, array, pickled, cut, empty)),
        (tmp_path / "none.npz", "no such file"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(CatalogError, match=why) as caught:
            Fusion.load(wrong)
        assert str(caught.value).startswith(str(wrong))
        assert "\n" not in str(caught.value)
    with pytest.raises(CatalogError, match="cannot be written"):
        Fusion().fit(items).save(tmp_path / "no" / "folder.npz")


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_damaged_file_is_refused_or_still_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "fusion.npz"
    Fusion().fit(some_items(4, 3)).save(path)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        Fusion.load(path)
    except CatalogError as error:
        assert "\n" not in str(error)


# Words


def test_what_two_items_share_is_said_in_plain_words() -> None:
    a = Item(
        "a",
        Metadata(
            artists=("Alba", "Bruno"),
            genres=("House",),
            tags=("Calm", "piano"),
            label="Quiet Harbor",
            country="GB",
            language="en",
            year=2019,
            bpm=122,
            key="Am",
        ),
    )
    b = Item(
        "b",
        Metadata(
            artists=("Carla", "BRUNO"),
            genres=("house", "Techno"),
            tags=("piano", "calm"),
            label="quiet harbor",
            country="GB",
            language="en",
            date="2020-02",
            bpm=62,
            key="C major",
        ),
    )
    assert words(a, b) == [
        "both house",
        "both tagged Calm, piano",
        "the same artist: Bruno",
        "the same label: Quiet Harbor",
        "the same country: GB",
        "the same language: en",
        "2019 and 2020",
        "122 and 62 BPM",
        "related keys: A minor and C major",
    ]
    assert list(reasons(b, a)) == [f for f in FIELDS if f in reasons(a, b)]


def test_nothing_is_said_of_what_is_missing_or_different() -> None:
    a = Item("a", Metadata(genres=("Jazz",), year=1960, bpm=100, key="C", label="A", tags=("x",)))
    b = Item("b", Metadata(genres=("Metal",), year=2000, bpm=130, key="F#", label="B", tags=("y",)))
    assert words(a, b) == words(a, Item("c")) == words(Item("c"), Item("d")) == []


def test_siblings_namesakes_and_equals_are_named_as_such() -> None:
    def say(field: str, one: dict[str, Any], other: dict[str, Any]) -> str | None:
        return reasons(Item("a", Metadata(**one)), Item("b", Metadata(**other))).get(field)

    house = say("genres", {"genres": ("Deep House",)}, {"genres": ("Tech House",)})
    assert house == "both kinds of house"
    made_up = {"genres": ("Xen-Harmonia",)}
    assert say("genres", made_up, {"genres": ("xenharmonia",)}) == "both Xen-Harmonia"
    john = {"artists": ("John",), "mb_artists": ("u",)}
    assert say("artists", john, {"artists": ("John",), "mb_artists": ("v",)}) is None
    assert say("artists", john, {"artists": ("john",)}) == "the same artist: John"
    assert say("year", {"year": 2004}, {"date": "2004-11"}) == "both from 2004"
    assert say("tempo", {"bpm": 90.2}, {"bpm": 89.9}) == "both 90 BPM"
    assert say("key", {"key": "8A"}, {"key": "a minor"}) == "both in A minor"
    assert say("key", {"key": "C"}, {"key": "Cm"}) is None
    assert say("key", {"key": "C"}, {"key": "F"}) == "related keys: C major and F major"


# Size


@pytest.mark.data
def test_fifty_thousand_tracks_are_fused_and_asked() -> None:
    data = os.environ.get("MUSICU_DATA")
    if not data:
        pytest.skip("MUSICU_DATA is not set")
    with gzip.open(
        Path(data) / "jamendo_metadata" / "tracks.csv.gz", "rt", encoding="utf-8"
    ) as file:
        rows = list(csv.DictReader(file))

    def split(text: str) -> tuple[str, ...]:
        return tuple(filter(None, text.split("|")))

    items = Items(
        Item(
            row["track_id"],
            Metadata(
                artists=(row["artist_id"],),
                genres=split(row["genres"]),
                tags=split(row["instruments"]) + split(row["moods"]),
            ),
        )
        for row in rows
    )
    vectors = Fusion().fit(items).transform(items)
    assert len(vectors) == 55_525
    there = dict(zip(vectors.fields, vectors.present.sum(axis=0), strict=True))
    assert there["artists"] == 55_525 and there["genres"] >= 55_094
    scores = vectors.scores(vectors.take([100]).toarray()[0])
    assert scores[100] == scores.max() == pytest.approx(1, abs=1e-5)
    best = np.argsort(-scores)[:20]
    known = set(items[100].metadata.genres)
    assert all(known & set(items[int(i)].metadata.genres) for i in best)
