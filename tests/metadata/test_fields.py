import dataclasses
import json
import random
import re
import tempfile
from pathlib import Path
from typing import Any

import mutagen
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mutagen import id3
from tagged_files import FULL, TAGGERS, UUIDS, tag_ape, write_audio

from musicu.errors import AudioError, MetadataError
from musicu.metadata import codes
from musicu.metadata.fields import FIELDS, Metadata, complete_metadata, field_of, parse_field
from musicu.metadata.file_tags import read_tags
from musicu.metadata.names import normalize_name, split_artists, squash_name


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One fully tagged file of each container."""
    folder = tmp_path_factory.mktemp("tagged")
    files = {}
    for kind, tag in TAGGERS.items():
        files[kind] = folder / f"song.{kind}"
        write_audio(files[kind])
        tag(files[kind])
    return files


def mp3_with(folder: Path, *frames: id3.Frame, **options: Any) -> Metadata:
    path = folder / "x.mp3"
    write_audio(path)
    tags = id3.ID3()
    for frame in frames:
        tags.add(frame)
    tags.save(path, **options)
    return read_tags(path)


# ---- tags


@pytest.mark.parametrize("kind", TAGGERS)
def test_every_field_is_read_from_every_container(tagged: dict[str, Path], kind: str) -> None:
    assert read_tags(tagged[kind]) == FULL


@pytest.mark.parametrize("kind", TAGGERS)
def test_untagged_audio_has_no_metadata(tmp_path: Path, kind: str) -> None:
    write_audio(tmp_path / f"a.{kind}")
    assert read_tags(tmp_path / f"a.{kind}") == Metadata()


def test_an_mp3_with_apev2_only_is_read(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.mp3")
    tag_ape(tmp_path / "a.mp3")
    assert read_tags(tmp_path / "a.mp3") == FULL


def test_tags_of_damaged_audio_are_read(tmp_path: Path) -> None:
    tags = id3.ID3()
    tags.add(id3.TIT2(3, ["Still here"]))
    (tmp_path / "a.mp3").write_bytes(b"")
    tags.save(tmp_path / "a.mp3")
    assert read_tags(tmp_path / "a.mp3").title == "Still here"


@pytest.mark.parametrize("version", [3, 4])
def test_both_versions_of_id3_give_date_and_year(tmp_path: Path, version: int) -> None:
    tags = id3.ID3()
    tags.add(id3.TDRC(3, ["2004-05-01"]))
    if version == 3:
        tags.update_to_v23()
    tags.save(tmp_path / "a.mp3", v2_version=version)
    found = read_tags(tmp_path / "a.mp3")
    assert (found.date, found.year) == ("2004-05-01", 2004)


def test_id3v1_alone_is_read(tmp_path: Path) -> None:
    v1 = b"TAG" + b"Title".ljust(30, b"\0") + b"Artist".ljust(30) + bytes(30) + b"1999" + bytes(30)
    (tmp_path / "a.mp3").write_bytes(bytes(500) + v1 + b"\x11")
    assert read_tags(tmp_path / "a.mp3") == Metadata(
        title="Title",
        artist="Artist",
        artists=("Artist",),
        year=1999,
        date="1999",
        genres=("Rock",),
    )


@pytest.mark.parametrize(
    ("texts", "genres"),
    [
        (["(17)"], ("Rock",)),
        (["17"], ("Rock",)),
        (["(17)Rock"], ("Rock",)),
        (["(4)Eurodisco"], ("Disco", "Eurodisco")),
        (["(17)(18)House"], ("Rock", "Techno", "House")),
        (["(17);(18)"], ("Rock", "Techno")),
        (["17/18"], ("Rock", "Techno")),
        (["RX"], ("Remix",)),
        (["Pop/Rock"], ("Pop/Rock",)),
        (["Pop; pop;Jazz"], ("Pop", "Jazz")),
        (["(250)"], ()),
    ],
)
def test_genres_of_id3(tmp_path: Path, texts: list[str], genres: tuple[str, ...]) -> None:
    assert mp3_with(tmp_path, id3.TCON(3, texts)).genres == genres


@pytest.mark.parametrize("name", ["LABEL", "label", "ORGANIZATION", "publisher"])
def test_the_label_goes_by_several_names(tmp_path: Path, name: str) -> None:
    assert mp3_with(tmp_path, id3.TXXX(3, name, ["Warp"])).label == "Warp"


@pytest.mark.parametrize(
    ("stored", "title"),
    [
        ("Björk".encode().decode("latin-1"), "Björk"),
        ("\ufeffBjörk".encode().decode("latin-1"), "Björk"),
        ("Don\x92t", "Don’t"),
        ("Björk", "Björk"),
        ("VOILÀ»", "VOILÀ»"),
    ],
)
def test_text_mislabeled_as_latin1_is_mended(tmp_path: Path, stored: str, title: str) -> None:
    assert mp3_with(tmp_path, id3.TIT2(0, [stored])).title == title


def test_values_that_do_not_fit_are_missing(tmp_path: Path) -> None:
    found = mp3_with(
        tmp_path,
        id3.TIT2(3, [" \u0000 "]),
        id3.TBPM(3, ["0"]),
        id3.TRCK(3, ["A1"]),
        id3.TSRC(3, ["none"]),
        id3.TXXX(3, "MusicBrainz Album Id", ["?"]),
        id3.TXXX(3, "ORIGINALYEAR", ["soon"]),
    )
    assert found == Metadata()


def test_the_next_name_serves_where_the_first_does_not_fit(tmp_path: Path) -> None:
    write_audio(tmp_path / "a.flac")
    file = mutagen.File(tmp_path / "a.flac")
    file.tags.update({"date": "unknown", "originaldate": "1969-08"})
    file.save()
    found = read_tags(tmp_path / "a.flac")
    assert (found.date, found.year) == ("1969-08", 1969)


def test_artists_tag_wins_over_the_written_credit(tmp_path: Path) -> None:
    found = mp3_with(
        tmp_path, id3.TPE1(3, ["A with B"]), id3.TXXX(3, "ARTISTS", ["A", "B"]), id3.TIT2(3, ["T"])
    )
    assert (found.artist, found.artists) == ("A with B", ("A", "B"))


def test_a_file_of_no_known_kind_has_no_metadata(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words")
    (tmp_path / "empty.mp3").touch()
    assert read_tags(tmp_path / "a.txt") == read_tags(str(tmp_path / "empty.mp3")) == Metadata()


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="none.mp3"):
        read_tags(tmp_path / "none.mp3")


def test_a_name_that_is_not_utf8_can_be_read(tmp_path: Path, tagged: dict[str, Path]) -> None:
    path = str(tmp_path) + b"/caf\xe9.mp3".decode("utf-8", "surrogateescape")
    Path(path).write_bytes(tagged["mp3"].read_bytes())
    assert read_tags(path) == FULL


def test_a_musepack_header_without_packets_comes_to_an_end(tmp_path: Path) -> None:
    (tmp_path / "a.mpc").write_bytes(b"MPCKP\0\0\0\0")
    assert read_tags(tmp_path / "a.mpc") == Metadata()


def test_boxes_nested_thousands_deep_are_unreadable_tags(tmp_path: Path) -> None:
    boxes = b"".join((8 * n).to_bytes(4, "big") + b"moov" for n in range(3000, 0, -1))
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x18ftypM4A \0\0\0\0mp42isom" + boxes)
    assert read_tags(tmp_path / "a.m4a") == Metadata()


@given(data=st.binary(max_size=300), kind=st.sampled_from([*TAGGERS, "mpc", "dsf", "dff", "aac"]))
def test_random_bytes_never_raise(data: bytes, kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        path.write_bytes(data)
        assert isinstance(read_tags(path), Metadata)


@settings(max_examples=300, deadline=None)
@given(kind=st.sampled_from([*TAGGERS]), seed=st.integers(0, 2**32))
def test_damaged_headers_never_raise(tagged: dict[str, Path], kind: str, seed: int) -> None:
    rng = random.Random(seed)
    data = bytearray(tagged[kind].read_bytes())
    for _ in range(rng.choice([1, 2, 8, 64])):
        at = rng.randrange(min(len(data), rng.choice([64, 1500, len(data)])))
        data[at] = rng.choice([0, 1, 127, 128, 255, rng.randrange(256)])
    if rng.random() < 0.2:
        del data[rng.randrange(1, len(data)) :]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{kind}"
        path.write_bytes(data)
        found = read_tags(path)
    assert Metadata.from_dict(json.loads(json.dumps(found.to_dict()))) == found


# ---- values


texts = st.text(min_size=1)
several = st.lists(texts, max_size=3).map(tuple)
metadata = st.builds(
    Metadata,
    **{name: several if getattr(Metadata(), name) == () else st.none() | texts for name in FIELDS}
    | {
        "year": st.none() | st.integers(1000, 2100),
        "bpm": st.none() | st.floats(0.1, 999),
        "track": st.none() | st.integers(1, 999),
        "disc": st.none() | st.integers(1, 99),
    },
)


@given(metadata)
def test_a_dict_through_json_gives_the_same_metadata(m: Metadata) -> None:
    values = json.loads(json.dumps(m.to_dict()))
    assert Metadata.from_dict(values) == m
    assert None not in values.values() and [] not in values.values()


def test_a_dict_that_is_no_metadata_is_refused() -> None:
    with pytest.raises(MetadataError, match="'mood'"):
        Metadata.from_dict({"mood": "calm"})
    with pytest.raises(MetadataError, match="'genres' takes a list"):
        Metadata.from_dict({"genres": "Rock"})


@given(metadata, metadata)
def test_what_is_present_wins_a_merge(below: Metadata, over: Metadata) -> None:
    merged = below.merged(over).to_dict()
    assert merged.items() >= over.to_dict().items()
    assert merged.keys() <= below.to_dict().keys() | over.to_dict().keys()
    assert below.merged(Metadata()) == Metadata().merged(below) == below.merged(below) == below


def test_a_merge_does_not_contradict_itself() -> None:
    below = Metadata(artist="A", artists=("A",), year=1999, date="1999-01-01", title="T")
    assert below.merged(Metadata(artist="B", year=2004)) == Metadata(
        artist="B", year=2004, title="T"
    )


def test_every_field_has_names_and_is_found_by_its_own() -> None:
    about = {"guessed", "doubtful"}  # say of other fields how certain they are
    assert set(FIELDS) == {field.name for field in dataclasses.fields(Metadata)} - about
    for name in FIELDS:
        assert field_of(name) == name
    assert field_of("Album Artist") == "album_artist"
    assert field_of("mood") == "tags"
    assert field_of("comment") is None


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("year", "May 2004", 2004),
        ("year", "20040501", 2004),
        ("year", "05/01/2004", 2004),
        ("date", "2004-05-01T07:00:00Z", "2004-05-01T07:00:00Z"),
        ("track", "03/12", 3),
        ("track", "3 of 12", 3),
        ("bpm", "127,5", 127.5),
        ("isrc", "gb-aye-06-01498", "GBAYE0601498"),
        ("title", "\ufeff a\tb \0rest", "a b"),
        ("title", " \0\ufeff", None),
        ("mb_album", UUIDS[0].upper(), UUIDS[0]),
        ("country", "uk", "GB"),
        ("country", "us", "US"),
        ("country", "JPN", "JP"),
        ("country", "España", "ES"),
        ("country", "Atlantis", "Atlantis"),
        ("language", "English", "en"),
        ("language", "ger", "de"),
        ("language", "pt-BR", "pt"),
        ("language", "XHO", "xho"),
        ("language", "zxx", "zxx"),
        ("language", "nonsense", "nonsense"),
        ("tags", "calm, piano; Calm", ("calm", "piano")),
        ("description", "one\ntwo", "one two"),
    ],
)
def test_texts_become_values(name: str, text: str, value: object) -> None:
    assert parse_field(name, [text]) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("year", "0999"),
        ("year", "2101"),
        ("year", "12345"),
        ("date", "2004-13-01"),
        ("date", "0000"),
        ("bpm", "nan"),
        ("bpm", "-3"),
        ("track", "0"),
        ("track", "²"),
        ("isrc", "GBAYE060149"),
        ("mb_artists", "x"),
    ],
)
def test_texts_that_do_not_fit_are_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError):
        parse_field(name, [text])


def test_guests_in_the_title_join_the_artists_only_in_brackets() -> None:
    for title, artists in {
        "Song (feat. B)": ("A", "B"),
        "Song [ft. B; C] (Live)": ("A", "B", "C"),
        "Song (feat B)": ("A", "B"),
        "Song feat. B": ("A",),
        "Song (defeat. B)": ("A",),
        "Song (feature film)": ("A",),
    }.items():
        assert complete_metadata({"title": title, "artist": "A"}).artists == artists
    assert complete_metadata({"title": "Song (feat. B)"}).artists == ()


# ---- names of artists


@pytest.mark.parametrize(
    ("credit", "artists"),
    [
        ("Daft Punk feat. Pharrell", ("Daft Punk", "Pharrell")),
        ("A Ft. B", ("A", "B")),
        ("A (featuring B)", ("A", "B")),
        ("A [feat. B] vs. C", ("A", "B", "C")),
        ("A feat B", ("A", "B")),
        ("A vs B", ("A", "B")),
        ("Skrillex x Diplo", ("Skrillex", "Diplo")),
        ("A;B ; a", ("A", "B")),
        ("A / B", ("A", "B")),
        (["A", "B / C"], ("A", "B / C")),
        (["A / B"], ("A", "B")),
        ("AC/DC", ("AC/DC",)),
        ("Simon & Garfunkel", ("Simon & Garfunkel",)),
        ("Earth, Wind & Fire", ("Earth, Wind & Fire",)),
        ("Tyler, The Creator", ("Tyler, The Creator",)),
        ("Florence and the Machine", ("Florence and the Machine",)),
        ("Little Feat & Bonnie Raitt", ("Little Feat & Bonnie Raitt",)),
        ("Malcolm X", ("Malcolm X",)),
        ("Lil Nas X", ("Lil Nas X",)),
        ("deadmau5 x kaskade", ("deadmau5 x kaskade",)),
        ("X Ambassadors", ("X Ambassadors",)),
        (" ; ", ()),
        ([], ()),
    ],
)
def test_credits_are_split_with_care(credit: str | list[str], artists: tuple[str, ...]) -> None:
    assert split_artists(credit) == artists


whole = [
    "AC/DC",
    "Simon & Garfunkel",
    "Earth, Wind & Fire",
    "Tyler, The Creator",
    "米津玄師",
    "!!!",
]
joints = [" feat. ", " ft. ", " featuring ", " vs. ", " vs ", ";", " / "]


@given(st.permutations(whole), st.lists(st.sampled_from(joints), min_size=6, max_size=6))
def test_whole_names_survive_any_credit(names: list[str], between: list[str]) -> None:
    credit = "".join(name + joint for name, joint in zip(names, between, strict=True))
    assert split_artists(credit + "Z") == (*names, "Z")


@given(st.text() | st.lists(st.text(), max_size=4))
def test_split_names_are_clean_and_unique(credit: str | list[str]) -> None:
    artists = split_artists(credit)
    assert all(name and name == name.strip() for name in artists)
    assert len({name.casefold() for name in artists}) == len(artists)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Björk", "BJORK"),
        ("The Beatles", "beatles"),
        ("Simon & Garfunkel", "Simon and Garfunkel"),
        ("Guns N’ Roses", "Guns N' Roses"),
        ("AC/DC", "ACDC"),
        ("ＡＢＢＡ", "ABBA"),
        ("Пётр", "ПЕТР"),
    ],
)
def test_spellings_of_one_name_are_equal(one: str, other: str) -> None:
    assert normalize_name(one) == normalize_name(other)


@pytest.mark.parametrize("name", ["米津玄師", "!!!", "The The", "The", "バ", "ก่", "´", "+/-"])
def test_no_name_becomes_empty(name: str) -> None:
    assert normalize_name(name)


def test_marks_that_are_letters_tell_names_apart() -> None:
    assert normalize_name("バ") != normalize_name("ハ")


@settings(max_examples=1000)
@given(st.text(max_size=12) | st.text("Tthe &!´\u0301İßﬁ̈ΐ", max_size=12))
def test_normalizing_twice_changes_nothing(name: str) -> None:
    once = normalize_name(name)
    assert normalize_name(once) == once
    assert bool(once) == bool(name.strip())


def test_each_name_of_a_country_or_language_stands_for_one_code() -> None:
    for table, form in ((codes._COUNTRIES, "[A-Z]{2}"), (codes._LANGUAGES, "[a-z]{2}|zxx")):
        rows = [row.split() for row in table.split(";")]
        assert all(re.fullmatch(form, row[0]) for row in rows)
        names = [name.lower() for row in rows for name in row]
        assert len(names) == len(set(names))
        assert all(name == squash_name(name) for name in names)
