"""Duplicates, versions, contradictions, gaps and leaks in a collection's data."""

import datetime
import json
from typing import Any

import numpy as np
import pytest
from conftest import unit
from hypothesis import given
from hypothesis import strategies as st

from musicu.errors import MetadataError
from musicu.items.item import Item, Items
from musicu.items.quality import QualityReport, inspect_items, versions
from musicu.items.titles import song_title
from musicu.items.versions import SAME_AUDIO, close_pairs, same_audio, same_recordings
from musicu.metadata.fields import complete_metadata

RNG = np.random.default_rng(11)


def item(id: str, title: str | None = None, artist: str | None = "Alba", **more: Any) -> Item:
    measured = more.pop("measured", {})
    return Item(id, complete_metadata({"title": title, "artist": artist, **more}), measured)


def songs(*titles: str, artist: str = "Alba") -> Items:
    return Items(item(str(i), title, artist) for i, title in enumerate(titles))


def report(*found: Item, audio: np.ndarray | None = None, **options: Any) -> QualityReport:
    return inspect_items(Items(found, audio), **options)


def sound(n: int, dim: int = 64) -> np.ndarray:
    return unit(RNG.normal(size=(n, dim)))


def turned(vector: np.ndarray, cosine: float) -> np.ndarray:
    """Return a unit vector at this cosine from another."""
    other = RNG.normal(size=vector.shape)
    other -= (other @ vector) * vector
    return (cosine * vector + np.sqrt(1 - cosine**2) * unit(other)).astype(np.float32)


# Titles


@pytest.mark.parametrize(
    "title",
    [
        "Morning Sun (Live)",
        "Morning Sun (Live at the Casbah, 2005)",
        "Morning Sun - Live in Berlin",
        "Morning Sun (Remastered 2011)",
        "Morning Sun - 2011 Remaster",
        "Morning Sun (2009 Digital Remaster)",
        "Morning Sun [Radio Edit]",
        "morning sun radio edit",
        "Morning Sun (Acoustic)",
        "Morning Sun (Acoustic Version) [Live]",
        "Morning Sun (Remix)",
        "Morning Sun (Alba's Club Remix)",
        'Morning Sun (12" Extended Mix)',
        "Morning Sun (feat. Bruno)",
        "Morning Sun (feat. Bruno) - Single Version - Remastered",
        "Morning Sun (Demo, 1994)",
        "The Morning Sun",
    ],
)
def test_remarks_do_not_make_another_song(title: str) -> None:
    assert versions(songs("Morning Sun", title)).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Morning Sun", "Morning Sun (Bruno Remix)"),
        ("Morning Sun (Bruno Remix)", "Morning Sun (Carla Remix)"),
        ("Morning Sun, Pt. 1", "Morning Sun, Pt. 2"),
        ("Morning Sun (Part 1)", "Morning Sun (Part 2)"),
        ("Morning Sun", "Morning Sun (Reprise)"),
        ("Morning Sun", "Morning Sun (Interlude)"),
        ("Morning Sun", "Morning Sun (Live Forever)"),
        ("Symphony No. 1: I. Allegro", "Symphony No. 1: II. Andante"),
        ("Interlude", "Interlude"),
        ("Untitled", "Untitled"),
        ("Untitled 2 (Live)", "Untitled 2"),
        ("Track 01", "Track 01"),
        ("Intro", "Intro (Live)"),
        ("Allegro", "Allegro"),
        ("7", "7"),
        ("Live and Let Die", "and Let Die"),
    ],
)
def test_other_songs_stay_apart(one: str, other: str) -> None:
    assert versions(songs(one, other)).tolist() == [0, 1]


def test_a_title_of_another_artist_is_another_song() -> None:
    items = Items(
        [
            item("a", "Morning Sun", "Alba"),
            item("b", "Morning Sun (Remix)", "Bruno"),
            item("c", "Morning Sun", None),
            item("d", "Morning Sun", None),
            item("e", "Morning Sun", "Various Artists"),
            item("f", "Morning Sun", "Various Artists"),
            item("g", "Morning Sun (Live)", "Alba feat. Bruno"),
        ]
    )
    assert versions(items).tolist() == [0, 1, 2, 3, 4, 5, 0]


def test_the_same_remix_is_the_same() -> None:
    both = songs("Morning Sun (Bruno Remix)", "Morning Sun (Bruno Remix) [Remastered]")
    assert versions(both).tolist() == [0, 0]


@given(st.text(max_size=40), st.text(max_size=20))
def test_any_title_is_understood_and_a_plain_one_stays(title: str, artist: str) -> None:
    found = song_title(item("a", title, artist))
    assert found is None or found.strip() == found != ""
    if found and found.isalpha():
        assert song_title(item("a", found, artist)) in (found, None)


# Recordings and audio


def test_items_of_one_recording_are_grouped() -> None:
    recording = "189002e7-3285-4e2e-92a3-7f6c30d407a2"
    items = Items(
        [
            item("a", "Dawn", isrc="GBAYE0601498"),
            item("b", "Aube", isrc="GBAYE0601498"),
            item("c", "x", "Bruno", mb_recording=recording),
            item("d", "y", "Carla", mb_recording=recording),
            item("e", "Dawn", "Dora"),
        ]
    )
    assert same_recordings(items).tolist() == [0, 0, 1, 1, 2]
    assert versions(items).tolist() == [0, 0, 1, 1, 2]


def test_an_isrc_of_several_artists_joins_none_of_them() -> None:
    code = "GBAYE0601498"
    found = [item("a", "Dawn", isrc=code), item("b", "Noon", "Bruno", isrc=code)]
    found += [item("c", "Dusk", "Bruno", isrc=code), item("d", "Dawn", None, isrc=code)]
    assert same_recordings(Items(found)).tolist() == [0, 1, 1, 0]
    (conflict,) = report(*found).of("isrc of several artists")
    assert conflict.severity == "error"
    assert conflict.ids == ("a", "b", "c")
    assert "Alba, Bruno" in conflict.text


def test_the_same_audio_is_found_whatever_its_tags_say() -> None:
    audio = sound(4)
    audio[3] = turned(audio[1], 0.998)
    items = Items([item(str(i), f"Title {i}x", f"Artist {i}") for i in range(4)], audio)
    assert same_audio(items).tolist() == [0, 1, 2, 1]
    assert versions(items).tolist() == [0, 1, 2, 1]


def test_nearly_the_same_audio_counts_for_one_artist_only() -> None:
    audio = sound(3)
    audio[1] = turned(audio[0], 0.98)
    audio[2] = turned(audio[0], 0.98)
    items = Items([item("a", "Dawn"), item("b", "Aube"), item("c", "Noon", "Bruno")], audio)
    assert same_audio(items).tolist() == [0, 1, 2]
    assert versions(items).tolist() == [0, 0, 1]


def test_parts_that_sound_alike_stay_apart() -> None:
    audio = sound(2)
    audio[1] = turned(audio[0], 0.98)
    for one, other in (("Drone, Part 1", "Drone, Part 2"), ("Drone II", "Drone III")):
        items = Items([item("a", one), item("b", other)], audio)
        assert versions(items).tolist() == [0, 1]


def test_items_that_were_not_heard_are_no_copies_of_each_other() -> None:
    items = Items([item("a"), item("b"), item("c")], np.zeros((3, 8)))
    assert same_audio(items).tolist() == [0, 1, 2]


@pytest.mark.parametrize("least", [0.97, SAME_AUDIO])
@pytest.mark.parametrize("dim", [2, 24, 256])
def test_no_near_pair_is_missed_among_many(dim: int, least: float) -> None:
    # More than one block of comparisons, clustered as embeddings are.
    centers = sound(40, dim)
    vectors = unit(centers[RNG.integers(0, 40, 1100)] + 0.2 * RNG.normal(size=(1100, dim)))
    for copy, of in ((7, 1050), (8, 9), (10, 800)):
        vectors[copy] = turned(vectors[of], least + 0.0005)
    found = np.zeros((1100, 1100), dtype=bool)
    for one, other in close_pairs(vectors, least):
        assert (one != other).all() and not found[one, other].any()
        found[one, other] = found[other, one] = True
    exact = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    clear = np.abs(exact - least) > 1e-6  # where rounding decides nothing
    np.fill_diagonal(clear, False)
    assert ((exact > least) & clear).sum() >= 6
    assert (found == (exact > least))[clear].all()


def test_thousands_of_copies_are_one_group() -> None:
    audio = np.tile(sound(1), (1300, 1))
    audio[600] = -audio[0]
    groups = same_audio(Items([Item(str(i)) for i in range(1300)], audio))
    assert np.flatnonzero(groups).tolist() == [600]


def test_no_items_are_no_groups() -> None:
    assert versions(Items([])).tolist() == []
    assert report().to_dict() == {"count": 0, "kinds": {}, "findings": []}


# Contradictions and strange values


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"year": 2004, "date": "2011-01-01"}, "years disagree"),
        ({"year": 2004, "date": "2004-01-01"}, None),
        ({"year": 1850}, "strange year"),
        ({"year": datetime.date.today().year + 1}, "strange year"),
        ({"year": datetime.date.today().year}, None),
        ({"bpm": 12.0}, "strange bpm"),
        ({"bpm": 301.0}, "strange bpm"),
        ({"bpm": 170.0}, None),
        ({"bpm": 120.0, "measured": {"tempo": 95.0}}, "tempos disagree"),
        ({"bpm": 120.0, "measured": {"tempo": 95.0, "tempo_confidence": 0.1}}, None),
        ({"bpm": 120.0, "measured": {"tempo": 60.4}}, None),
        ({"bpm": 60.0, "measured": {"tempo": 121.0}}, None),
        ({"key": "Am", "measured": {"key": "F# minor"}}, "keys disagree"),
        ({"key": "Am", "measured": {"key": "F# minor", "key_confidence": 0.1}}, None),
        ({"key": "8A", "measured": {"key": "A minor", "key_confidence": 0.9}}, None),
        ({"key": "Am", "measured": {"key": "C major"}}, None),
        ({"key": "Gbm", "measured": {"key": "F# minor"}}, None),
        ({"key": "no key", "measured": {"key": "F# minor"}}, None),
    ],
)
def test_values_are_held_against_each_other(more: dict[str, Any], kind: str | None) -> None:
    told = [finding for finding in report(item("a", "Dawn", **more)).findings]
    assert {finding.kind for finding in told} - {"missing"} == ({kind} if kind else set())
    assert all(finding.ids == ("a",) for finding in told)


def test_spellings_of_one_name_are_shown_with_the_rarer_ones() -> None:
    found = report(
        item("a", "x", "The Sunrise Band", label="Dawn Records", genres=("Hip-Hop",)),
        item("b", "y", "Sunrise Band", label="dawn records", genres=("hip hop", "Jazz")),
        item("c", "z", "Sunrise Band", label="Dusk", genres=("Jazz",)),
    )
    (artist,) = found.of("artist spellings")
    assert artist.ids == ("a",)
    assert artist.text == "one artist, 2 spellings: 'Sunrise Band' (2), 'The Sunrise Band' (1)"
    assert [finding.ids for finding in found.of("label spellings")] == [("b",)]
    assert [finding.ids for finding in found.of("genre spellings")] == [("b",)]


def test_an_album_is_made_in_its_time() -> None:
    years = (1990, 1991, 2015)
    found = report(*(item(str(y), f"t{y}", album="Stones", year=y) for y in years))
    (finding,) = found.of("album of several years")
    assert finding.text == "the tracks of 'Stones' are from 1990 to 2015"
    other = report(*(item(str(y), f"t{y}", str(y), album="Hits", year=y) for y in years))
    assert other.of("album of several years") == ()


def test_gaps_are_counted_by_field() -> None:
    found = report(item("a", "Dawn"), item("b", None), item("c", "Noon", year=2000))
    gaps = {finding.text.split(":")[0]: finding for finding in found.of("missing")}
    assert gaps["title"].ids == ("b",)
    assert gaps["title"].text == "title: missing for 1 of 3 items (33.3%)"
    assert gaps["year"].severity == "warning"
    assert gaps["audio"].ids == ("a", "b", "c")
    assert "artist" not in gaps


# Splits


def test_leaks_between_the_sides_of_a_split_are_told() -> None:
    audio = sound(6)
    audio[5] = turned(audio[0], 0.999)
    found = [
        item("a", "Dawn", "Alba", album="First"),
        item("b", "Noon", "Alba", album="First"),
        item("c", "Dusk", "Bruno"),
        item("d", "Dusk (Live)", "Bruno"),
        item("e", "Rain", "Carla"),
        item("f", "Rien", "Dora"),
    ]
    split = {"a": "train", "b": "test", "c": "train", "d": "test", "e": "train", "f": "test"}
    leaks = {f.text.split(":")[0]: f for f in report(*found, audio=audio, split=split).of("leak")}
    assert leaks["audio"].ids == ("a", "f")
    assert leaks["song"].ids == ("a", "c", "d", "f")
    assert leaks["album"].ids == ("a", "b")
    assert leaks["artist"].ids == ("a", "b", "c", "d")
    assert (leaks["audio"].severity, leaks["artist"].severity) == ("error", "warning")
    clean = {"a": "train", "b": "train", "c": "test", "d": "test", "e": "test", "f": "train"}
    assert report(*found, audio=audio, split=clean).of("leak") == ()


@pytest.mark.parametrize("split", [{}, {"x": "train", "y": "test"}, {"a": "train"}])
def test_a_split_has_two_sides(split: dict[str, str]) -> None:
    with pytest.raises(MetadataError, match="in less than two parts"):
        report(item("a"), item("b"), split=split)


# The report


def test_the_worst_comes_first_and_every_group_once() -> None:
    audio = sound(3)
    audio[1] = audio[0]
    recording = "189002e7-3285-4e2e-92a3-7f6c30d407a2"
    found = report(
        item("a", "Dawn", mb_recording=recording),
        item("b", "Dawn", mb_recording=recording),
        item("c", "Dawn (Live)", year=3),
        audio=audio,
    )
    severities = [finding.severity for finding in found.findings]
    assert severities == sorted(severities, key=["error", "warning", "info"].index)
    groups = [f for f in found.findings if f.kind in ("same audio", "same recording", "versions")]
    assert [(f.kind, f.ids) for f in groups] == [
        ("same audio", ("a", "b")),
        ("versions", ("a", "b", "c")),
    ]
    assert found.kinds["missing"] == len(found.of("missing"))


def test_the_report_is_a_table_and_json() -> None:
    found = report(*(item(str(i), "Dawn") for i in range(12)))
    row = next(row for row in found.rows() if row["kind"] == "versions")
    assert list(row) == ["severity", "kind", "items", "examples", "text"]
    assert (row["items"], row["examples"]) == (12, "0 1 2")
    assert all("\n" not in row["text"] for row in found.rows())
    again = json.loads(json.dumps(found.to_dict()))
    assert again["count"] == 12
    assert again["findings"][0]["ids"] == list(found.findings[0].ids)
