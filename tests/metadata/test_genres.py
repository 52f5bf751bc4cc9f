"""Genres: spellings that are one, and kinds of kinds."""

import graphlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicu.items.fusion import Fusion
from musicu.items.item import Item, Items
from musicu.metadata import genres
from musicu.metadata.fields import Metadata
from musicu.metadata.genres import KNOWN, canonical, lineage
from musicu.metadata.names import squash_name


@pytest.mark.parametrize(
    "spellings",
    [
        ("Hip-Hop", "hiphop", "HIP HOP", "rap", "Hip-Hop/Rap", "(7)"),
        ("R&B", "RnB", "r and b", "Rhythm & Blues"),
        ("Drum & Bass", "drum'n'bass", "DnB", "drumnbass", "D&B"),
        ("Rock & Roll", "rock 'n' roll", "rocknroll"),
        ("Alternative", "Alternative Rock", "alternativerock"),
        ("New Age", "newage", "new-age music"),
        ("Synth-Pop", "synthpop", "techno pop"),
        ("Singer/Songwriter", "singersongwriter", "Singer & Songwriter"),
        ("Soundtrack", "Stage & Screen", "OST"),
        ("Pop/Rock", "poprock", "Rock Pop"),
        ("Variété française", "french pop"),
    ],
    ids=lambda spellings: spellings[0],
)
def test_spellings_of_one_genre_meet(spellings: tuple[str, ...]) -> None:
    assert len({canonical(name) for name in spellings}) == 1
    assert canonical(spellings[0]) in KNOWN


def test_numbers_of_id3_are_genres_only_in_its_brackets() -> None:
    assert canonical("(17)") == "rock"
    assert canonical("80") == "80"
    assert canonical("(255)") == "255"


def test_a_known_name_is_its_own_canonical_name_in_any_spelling() -> None:
    for name in KNOWN:
        for spelled in (name, name.upper(), name.replace(" ", "-"), name.replace(" ", "")):
            assert canonical(spelled) == name


def test_no_genre_is_a_kind_of_itself() -> None:
    order = graphlib.TopologicalSorter(genres._PARENTS).static_order()
    assert set(order) == KNOWN
    assert len(KNOWN) > 500


def test_each_name_in_the_table_is_there_once() -> None:
    others = [
        name for row in " ".join(genres._NAMES.split()).split("; ") for name in row.split(" = ")[1:]
    ]
    folded = [squash_name(name) for name in others]
    assert len(folded) == len(set(folded))
    assert not {squash_name(name) for name in KNOWN} & set(folded)


def test_a_genre_says_more_than_what_it_is_a_kind_of() -> None:
    assert lineage("Deep House") == pytest.approx(
        {"deep house": 1, "house": 0.6, "electronic": 0.36, "dance": 0.36}
    )
    for name in KNOWN:
        found = dict(lineage(name))
        assert found.pop(name) == 1
        assert all(0 < share <= 0.6 for share in found.values())


def test_joined_names_are_each_of_their_genres() -> None:
    assert lineage("Folk, World, & Country") == {"folk": 1, "world": 1, "country": 1}
    assert lineage("Electronic---Techno")["techno"] == 1
    assert lineage("Funk / Soul").keys() == {"funk", "soul", "r and b"}


def test_an_unknown_genre_is_a_kind_of_what_its_words_name() -> None:
    assert lineage("Swedish Death Metal")["death metal"] == 0.6
    assert lineage("rock argentino") == {"rockargentino": 1, "rock": 0.6}
    assert lineage("Xenharmonia") == {"xenharmonia": 1}
    assert lineage("swedish death-metal").keys() == lineage("Swedish  death metal").keys()


@given(st.text(max_size=40))
def test_any_text_has_a_lineage(text: str) -> None:
    assert all(0 < share <= 1 for share in lineage(text).values())


def test_siblings_are_less_alike_than_twins_and_more_than_strangers() -> None:
    names = ("Deep House", "Tech House", "Techno", "Delta Blues", "deephouse")
    items = Items(Item(str(i), Metadata(genres=(name,))) for i, name in enumerate(names))
    vectors = Fusion({"genres": 1}).fit(items).transform(items)
    sibling, cousin, stranger, twin = vectors.similarity(vectors)[0, 1:]
    assert twin == pytest.approx(1)
    assert stranger == 0
    assert 0.7 > sibling > cousin > 0.02


def test_a_genre_that_all_have_says_less_than_a_rare_one() -> None:
    common = [Metadata(genres=("rock", f"style{i % 7}")) for i in range(70)]
    items = Items(Item(str(i), about) for i, about in enumerate(common))
    vectors = Fusion({"genres": 1}).fit(items).transform(items)
    same_style, same_rock = vectors.similarity(vectors)[0, [7, 1]]
    assert same_style == pytest.approx(1)
    assert same_rock == pytest.approx(1 / (1 + 1 + 2.0 - 0.06), abs=0.03)


def test_genres_of_the_big_catalogs_are_known() -> None:
    allmusic = (
        "Pop/Rock;Avant-Garde;Blues;Children's;Classical;Country;Easy Listening;Electronic;Folk;"
        "Holiday;International;Jazz;Latin;New Age;R&B;Rap;Reggae;Religious;Stage & Screen;Vocal"
    ).split(";")
    jamendo = (
        "alternative alternativerock ambient atmospheric bluesrock bossanova breakbeat celtic "
        "chanson chillout choir classicrock club contemporary darkambient darkwave deephouse "
        "drumnbass easylistening electropop ethno eurodance experimental fusion groove hardrock "
        "idm improvisation instrumentalpop instrumentalrock jazzfusion lounge medieval minimal "
        "newage newwave orchestral popfolk postrock progressive psychedelic punkrock rnb "
        "rocknroll singersongwriter swing symphonic synthpop triphop worldfusion 70s 80s 90s"
    ).split()
    lastfm = (
        "rock;electronic;alternative;indie;pop;metal;classic rock;alternative rock;ambient;"
        "experimental;folk;singer-songwriter;jazz;punk;hard rock;industrial;indie rock;black metal;"
        "heavy metal;progressive rock;chillout;soul;acoustic;hip-hop;death metal;electronica;"
        "hardcore;dance;blues;soundtrack;psychedelic;trance;thrash metal;progressive metal;"
        "post-rock;country;trip-hop;power metal;emo;house;new wave;Gothic;minimal;idm;post-punk;"
        "shoegaze;drum and bass;noise;melodic death metal;dark ambient;metalcore;doom metal"
    ).split(";")
    unknown = [x for x in itertools.chain(allmusic, jamendo, lastfm) if canonical(x) not in KNOWN]
    assert unknown == []
