"""Fields: what is read from an item, and how alike two values are."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicu.errors import ModelMismatchError
from musicu.items.comparable import FIELDS, new_encoders
from musicu.items.field_encoders import CategoricalEncoder, gaussian_features
from musicu.items.field_readers import (
    artists_of,
    fraction_of_year,
    genres_of,
    parse_key,
    tags_of,
    tempo_of,
    words_of,
)
from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata


def item(descriptors: dict[str, Any] | None = None, **about: Any) -> Item:
    return Item("x", Metadata(**about), descriptors or {})


def alike(field: str, *several: Item) -> np.ndarray:
    """Likeness of each item to the first, by one field fitted on them."""
    items = Items(Item(str(i), x.metadata, x.descriptors) for i, x in enumerate(several))
    encoder = new_encoders()[field]
    encoder.fit(items)
    rows = encoder.transform(items)
    full = rows.toarray() if encoder.sparse else rows
    return np.asarray(full @ full[0])


# Kernels


@given(
    st.floats(-1000, 1000),
    st.floats(-1000, 1000),
    st.floats(1, 500),
    st.floats(0.02, 0.2),
)
def test_the_product_is_a_gaussian_of_the_distance_on_the_circle(
    x: float, y: float, period: float, share: float
) -> None:
    width = share * period
    rows = gaussian_features(np.array([x, y]), period, width)
    # Whoever is opposite is as near the other way around.
    ways = (abs(x - y) % period + np.arange(-2, 3) * period) / width
    around = np.arange(-2, 3) * period / width
    wanted = np.exp(-(ways**2)).sum() / np.exp(-(around**2)).sum()
    assert rows @ rows[0] == pytest.approx([1, wanted], abs=1e-3)


def test_what_is_not_a_number_has_no_features() -> None:
    rows = gaussian_features(np.array([np.nan, 1.0]), 12, 1)
    assert not rows[0].any() and rows[1].any()


@given(st.integers(1900, 2040), st.integers(1900, 2040))
def test_years_are_alike_as_a_gaussian_of_five_years(a: int, b: int) -> None:
    found = alike("year", item(year=a), item(year=b))[1]
    assert found == pytest.approx(math.exp(-(((a - b) / 5) ** 2)), abs=1e-3)


def test_a_date_counts_by_its_month_and_day() -> None:
    assert fraction_of_year(item(year=2004)) == 2004.5
    assert fraction_of_year(item(year=2004, date="2004")) == 2004.5
    assert fraction_of_year(item(year=2004, date="2004-01-01")) == 2004
    assert fraction_of_year(item(date="2004-07-01T10:00:00Z")) == 2004.5
    assert fraction_of_year(item(year=1999, date="2004-07-01")) == 1999.5
    assert 2004.99 < fraction_of_year(item(date="2004-12-31")) < 2005
    assert math.isnan(fraction_of_year(item()))
    assert math.isnan(fraction_of_year(item(date="unknown")))


# Tempo


def test_octaves_of_a_tempo_are_one_place_on_the_circle() -> None:
    tempos = (120, 120, 60, 240, 124, 170)
    _, same, half, double, near, far = alike("tempo", *(item(bpm=bpm) for bpm in tempos))
    assert same == pytest.approx(1)
    assert half == pytest.approx(double, abs=1e-5)
    assert 0.75 <= half < 0.8
    assert 0.75 < near < 1
    assert far < 0.2


def test_a_tempo_is_as_tagged_or_else_as_measured() -> None:
    assert tempo_of(item({"tempo": 90.0}, bpm=120.0)) == 120
    assert tempo_of(item({"tempo": 90.0})) == 90
    for missing in ({}, {"tempo": None}, {"tempo": 0.0}, {"tempo": "fast"}, {"tempo": math.inf}):
        assert math.isnan(tempo_of(item(missing)))


# Keys


@pytest.mark.parametrize(
    ("text", "place", "mode"),
    [
        ("C", 0, 1),
        ("Am", 0, 0),
        ("a minor", 0, 0),
        ("A-Moll", 0, 0),
        ("G major", 1, 1),
        ("F", 11, 1),
        ("F# major", 6, 1),
        ("Gb", 6, 1),
        ("G♭ maj", 6, 1),
        ("Ebm", 6, 0),
        ("D# minor", 6, 0),
        ("Bb", 10, 1),
        ("B", 5, 1),
        ("Bm", 2, 0),
        ("BM", 5, 1),
        ("8B", 0, 1),
        ("8A", 0, 0),
        ("09b", 1, 1),
        ("1A", 5, 0),
        ("1d", 0, 1),
        ("1m", 0, 0),
        ("12m", 11, 0),
    ],
)
def test_keys_are_read_in_every_notation(text: str, place: int, mode: int) -> None:
    assert parse_key(text) == (place, mode)


@pytest.mark.parametrize("text", ["", "o", "X minor", "13A", "0A", "A lydian", "Am/C", "none"])
def test_what_is_no_key_is_missing(text: str) -> None:
    assert parse_key(text) is None


def test_a_key_is_nearest_to_its_relative_and_its_neighbors() -> None:
    names = ("C", "C major", "Am", "G", "F", "Em", "D", "Cm", "F#")
    _, same, relative, fifth, fourth, mediant, second, parallel, tritone = alike(
        "key", *(item(key=name) for name in names)
    )
    assert same == pytest.approx(1)
    assert relative == pytest.approx(0.8, abs=0.02)
    assert fifth == pytest.approx(fourth, abs=1e-5)
    assert relative > fifth > mediant > second > parallel
    assert abs(tritone - 0.2) < 5e-3  # what is left is the mode
    assert abs(parallel) < 0.02


def test_a_minor_mode_is_as_like_its_relative_as_a_major_one() -> None:
    assert alike("key", item(key="A minor"), item({"key": "C major"}))[1] == pytest.approx(
        alike("key", item(key="8B"), item(key="8A"))[1], abs=1e-6
    )


# Sound


def test_loudness_and_brightness_are_compared_on_their_own_scales() -> None:
    loud = alike("loudness", *(item({"loudness": level}) for level in (-10.0, -16.0, -40.0)))
    assert loud == pytest.approx([1, math.exp(-1), 0], abs=1e-3)
    bright = alike("sound", *(item({"brightness": hertz}) for hertz in (500, 1000, 2000)))
    # Octaves, in units of their standard deviation.
    sd = math.sqrt(2 / 3)
    assert bright == pytest.approx([math.exp(-((x / sd) ** 2)) for x in range(3)], abs=1e-3)


def test_a_missing_descriptor_is_masked_within_the_sound() -> None:
    full = {"brightness": 900.0, "onset_rate": 3.0, "regularity": 0.5}
    other = {"brightness": 4000.0, "onset_rate": 1.0, "regularity": 0.1}
    partial = {"onset_rate": 3.0, "regularity": None, "dynamic_complexity": math.nan}
    found = alike("sound", item(partial), item(full), item(other))
    assert found[0] == pytest.approx(1)
    # One of the three numbers is there and equal, in a row of three: sqrt(1 / 3).
    assert found[1] == pytest.approx(math.sqrt(1 / 3), abs=1e-3)
    assert not alike("sound", item())[0]


# Names


def test_the_first_artist_weighs_most_and_nobody_nothing() -> None:
    found = artists_of(
        item(artists=("Björk", "The Guests"), album_artist="Various Artists", mb_artists=("u", "v"))
    )
    assert found == {"bjork": 1, "guests": 0.7, "u": 1, "v": 0.7}
    assert artists_of(item(artist="Solo")) == {"solo": 1}
    assert artists_of(item(album_artist="VA")) == {}


def test_two_artists_of_one_name_are_half_alike() -> None:
    one, same, other, plain = (
        item(artists=("John",), mb_artists=("u",)),
        item(artists=("John",), mb_artists=("u",)),
        item(artists=("John",), mb_artists=("v",)),
        item(artists=("John",)),
    )
    found = alike("artists", one, same, other, plain)
    assert found == pytest.approx([1, 1, 0.5, math.sqrt(0.5)], abs=1e-5)


def test_tags_weigh_by_the_logarithm_and_meet_in_spelling() -> None:
    tagged = Item(
        "x", Metadata(tags=("Calm", "lo-fi", "LoFi", "none")), tag_weights={"LoFi": 99, "none": 0}
    )
    assert tags_of(tagged) == pytest.approx({"calm": math.log(2), "lo fi": math.log(100)})


def test_tags_that_name_genres_stand_in_for_genres_that_are_missing() -> None:
    tags = ("deep house", "calm", "seen live")
    assert genres_of(item(tags=tags)).keys() == {"deep house", "house", "electronic", "dance"}
    assert genres_of(item(tags=tags, genres=("jazz",))) == {"jazz": 1}
    assert genres_of(item(tags=("calm",))) == {}


def test_a_name_of_a_single_item_is_masked() -> None:
    labels = [item(label=name) for name in ("Rare", "Quiet Harbor", "quiet harbor")]
    encoder = new_encoders()["label"]
    items = Items(Item(str(i), x.metadata) for i, x in enumerate(labels))
    encoder.fit(items)
    assert encoder.transform(items).toarray().tolist() == [[0], [1], [1]]


def test_words_of_a_description_count_and_those_of_all_say_nothing() -> None:
    assert words_of(item(description="Slow, slow piano's/strings")) == pytest.approx(
        {"slow": 1 + math.log(2), "pianos": 1, "strings": 1}
    )
    texts = ("the calm sea", "the calm lake", "the loud city", "the loud street")
    found = alike("text", *(item(description=text) for text in texts))
    assert found == pytest.approx([1, 1, 0, 0])  # of words in two texts; "the" is in all


def test_names_count_by_rarity_once() -> None:
    items = Items(
        Item(str(i), Metadata(tags=tags))
        for i, tags in enumerate([("a", "b"), ("a", "c"), ("a", "b"), ("a", "c")])
    )
    encoder = CategoricalEncoder(tags_of, rarity=1.0)
    encoder.fit(items)
    found = (encoder.transform(items) @ encoder.transform(items).T).toarray()[0]
    rare = 1 + math.log(5 / 3)
    assert found == pytest.approx([1, 1 / (1 + rare), 1, 1 / (1 + rare)])


def test_embeddings_of_another_model_are_refused() -> None:
    encoder = new_encoders()["audio"]
    one = Items([Item("a")], np.ones((1, 4), dtype=np.float32))
    encoder.fit(one)
    assert encoder.transform(one) == pytest.approx(np.full((1, 4), 0.5))
    assert encoder.transform(Items([Item("b")])).tolist() == [[0, 0, 0, 0]]
    with pytest.raises(ModelMismatchError, match="3 dimensions .* 4"):
        encoder.transform(Items([Item("c")], np.ones((1, 3), dtype=np.float32)))


def test_what_all_embeddings_share_makes_no_two_of_them_alike() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(size=(600, 16)).astype(np.float32)
    items = Items([Item(str(i)) for i in range(601)], np.vstack([own + 10, np.zeros(16)]))
    encoder = new_encoders()["audio"]
    encoder.fit(items)
    rows = encoder.transform(items)
    before, after = (np.mean((x @ x.T)[np.triu_indices(600, 1)]) for x in (items.audio, rows))
    assert before > 0.95 and abs(after) < 0.1
    assert not rows[600].any()  # it was not heard: the mean does not stand in
    assert np.linalg.norm(rows[:600], axis=1) == pytest.approx(np.ones(600), abs=1e-5)


def test_every_field_is_missing_where_nothing_is_known() -> None:
    known = Items([Item("a", Metadata(genres=("Rock",), year=2000, key="C"), {"loudness": -9.0})])
    for field in FIELDS:
        encoder = new_encoders()[field]
        encoder.fit(known)
        rows = encoder.transform(Items([Item("nothing")]))
        assert rows.shape == (1, encoder.width)
        assert not abs(rows).sum()
