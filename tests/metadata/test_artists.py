"""One answer to "by the same artist?" and "of the same album?", asked anywhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import MakeStore, unit
from hypothesis import given
from hypothesis import strategies as st

from musicu.catalog.catalog import Catalog
from musicu.catalog.items import catalog_items
from musicu.evaluation.encoders.dataset import read_tables, select
from musicu.evaluation.recommenders.folds import group_items
from musicu.items.item import Item, Items
from musicu.metadata.artists import (
    album_key,
    artist_key,
    artist_keys,
    credited_artists,
    group_key,
    is_various,
    main_artist,
)
from musicu.metadata.fields import Metadata, complete_metadata
from musicu.recommend.interactions import Interactions
from musicu.recommend.recommender import History, Recommender
from musicu.search.explorer import Explorer
from musicu.search.query import Query
from musicu.search.seeds import Seed

EVERYBODY = ("Various Artists", "various artists", "VA", "V.A.", "Various", "AA.VV.")
NOBODY = ("Unknown Artist", "unknown", "[unknown]", "<Unknown>", "(none)", "  ", "")


# The keys


@pytest.mark.parametrize("name", [*EVERYBODY, *NOBODY, "Verschiedene Interpreten", "群星"])
def test_some_names_are_no_artist_s(name: str) -> None:
    assert is_various(name) and artist_key(name) == ""


@pytest.mark.parametrize(
    "name", ["Varius Manx", "Diverse", "Vava", "The Unknown Band", "!!!", "Nobody", "Everybody"]
)
def test_other_names_are(name: str) -> None:
    assert not is_various(name)


def test_musicbrainz_has_identifiers_for_everybody_and_nobody() -> None:
    assert is_various("89ad4ac3-39f7-470e-963a-56509c546377")
    assert is_various("125ec42a-7229-4250-afc5-e057484327fe")


_NAMES = st.sampled_from(
    ["Alba", "ÁLBA", "The Alba", "A & B", "A and B", "Destiny's Child", *EVERYBODY, *NOBODY[:3]]
)
_METADATA = st.builds(
    lambda found: complete_metadata({k: v for k, v in found.items() if v}),
    st.fixed_dictionaries(
        {},
        optional={
            "artist": st.one_of(_NAMES, st.text(max_size=12)),
            "artists": st.lists(_NAMES, max_size=3).map(tuple),
            "album": st.sampled_from(["One", "ONE", "Two", "Unknown Album"]),
            "album_artist": _NAMES,
            "mb_album": st.sampled_from(["x", "y"]),
            "title": st.sampled_from(["Song", "Song (feat. Bo)"]),
        },
    ),
)


@given(_METADATA)
def test_keys_are_those_of_the_written_metadata(about: Metadata) -> None:
    """Metadata and the mapping it is stored as give the same; no key is anybody's, or twice."""
    stored = about.to_dict()
    assert artist_keys(stored) == artist_keys(about) == tuple(credited_artists(about))
    assert album_key(stored) == album_key(about) and group_key(stored) == group_key(about)
    for key, name in credited_artists(about).items():
        assert key and key == artist_key(name) and not is_various(name)
    assert main_artist(about) == next(iter(artist_keys(about)), "")
    assert group_key(about) == (main_artist(about) or album_key(about))
    assert album_key(about) not in artist_keys(about)
    named = about.mb_album or about.album not in (None, "Unknown Album")
    assert (album_key(about) is not None) == bool(named)


@given(_METADATA, st.sampled_from(["upper", "lower", "title"]))
def test_keys_do_not_depend_on_how_names_are_spelled(about: Metadata, case: str) -> None:
    def respelled(name: str | None) -> str | None:
        return name and "  ".join(getattr(name, case)().split())

    other = Metadata(
        artist=about.artist,
        artists=tuple(str(respelled(name)) for name in about.artists),
        album=respelled(about.album),
        album_artist=respelled(about.album_artist),
    )
    if about.artists and all(name.isascii() for name in about.artists):
        assert artist_keys(other) == artist_keys(about)
        if not about.mb_album:
            assert album_key(other) == album_key(about)


def test_a_credit_is_split_where_its_artists_are_not_given() -> None:
    about = Metadata(artist="Alba feat. Bo; Cy")
    assert artist_keys(about) == ("alba", "bo", "cy")
    assert credited_artists(Metadata(artist="The ÁLBA")) == {"alba": "The ÁLBA"}
    assert artist_keys(Metadata(artist="Various Artists", artists=("VA", "Bo"))) == ("bo",)


def test_without_an_artist_of_its_own_a_track_is_by_its_album_s() -> None:
    assert artist_keys(Metadata(album_artist="Alba")) == ("alba",)
    assert artist_keys(Metadata(artist="Unknown Artist", album_artist="Alba")) == ("alba",)
    assert artist_keys(Metadata(artist="Bo", album_artist="Alba")) == ("bo",)
    assert artist_keys(Metadata(album_artist="Various Artists")) == ()


def test_names_tell_artists_apart_and_identifiers_do_not() -> None:
    tagged = Metadata(artist="Alba", mb_artists=("1",))
    assert artist_keys(tagged) == artist_keys(Metadata(artist="alba"))
    assert artist_keys(tagged) == artist_keys(Metadata(artist="Alba", mb_artists=("2",)))


def test_a_compilation_is_one_album_and_an_equal_title_is_not() -> None:
    now = [Metadata(artist=a, album="Now", album_artist="Various Artists") for a in ("A", "B")]
    assert album_key(now[0]) == album_key(now[1]) == album_key(Metadata(artist="VA", album="now"))
    own = [Metadata(artist=a, album="Now") for a in ("A", "B")]
    assert len({album_key(about) for about in (*now, *own)}) == 3
    assert album_key(Metadata(artist="A", album="Now", album_artist="Unknown")) == album_key(own[0])


def test_guests_do_not_divide_an_album() -> None:
    one, other = Metadata(artist="A", album="Two"), Metadata(artist="A feat. B", album="Two")
    assert album_key(one) == album_key(other)
    assert album_key(one) == album_key(Metadata(artist="C", album="Two", album_artist="A; B"))


def test_a_musicbrainz_release_decides_which_album_it_is() -> None:
    hits = [Metadata(artist="A", album="Hits", mb_album=id) for id in ("1", "2", "1")]
    assert album_key(hits[0]) == album_key(hits[2]) != album_key(hits[1])
    assert album_key(hits[0]) != album_key(Metadata(artist="A", album="Hits"))


# The same answer at every door

_BANDS = ("The Alba", "ALBA", "álba", "Bo & Cy", "Bo and Cy", "Dora")
N = 30


class Doors:
    """One catalog, and the three ways to ask it for tracks."""

    def __init__(self, make_store: MakeStore, tags: list[dict[str, Any]]) -> None:
        rng = np.random.default_rng(len(tags))
        titled = [{"title": f"Song {chr(97 + at % 26)}{at}", **one} for at, one in enumerate(tags)]
        store, _ = make_store(unit(rng.standard_normal((len(tags), 12)) + 1), titled)
        self.catalog, self.explorer = Catalog(store.path), Explorer.open(store.path)
        items = catalog_items(self.catalog)
        self.ids = list(items.ids)
        users, plays = np.nonzero(rng.random((20, len(items))) < 0.3)
        log = Interactions([f"u{u}" for u in range(20)], self.ids, users, plays)
        self.recommender = Recommender(dim=4).fit(log, items)

    def close(self) -> None:
        self.catalog.close()
        self.explorer.close()

    def similar(self, at: int, n: int, **options: Any) -> set[int]:
        return {self.ids.index(one.id) for one in self.catalog.similar(self.ids[at], n, **options)}

    def explore(self, at: int, n: int, **options: Any) -> set[int]:
        query = Query(seeds=(Seed(id=self.ids[at]),), n=n, **options)
        return {self.ids.index(hit.id) for hit in self.explorer.similar(query).hits}

    def recommend(self, at: int, n: int, **options: Any) -> set[int]:
        found = self.recommender.recommend(History([self.ids[at]]), n, **options)
        return {self.ids.index(one.id) for one in found}


@pytest.fixture
def doors(make_store: MakeStore, request: pytest.FixtureRequest) -> Iterator[Doors]:
    opened = Doors(make_store, request.param)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "doors",
    [
        [{"artist": "Various Artists"}] * N,
        [{"artist": "Various Artists", "album": f"Hits {at}"} for at in range(N)],
        [{"artist": "Various Artists", "album": "Hits"}] * N,
        [{"artist": EVERYBODY[at % 6], "album_artist": "VA", "album": "Hits"} for at in range(N)],
        [{"artist": "Unknown Artist"}] * N,
        [{}] * N,
    ],
    ids=["no album", "many albums", "one album", "spellings", "unknown", "no tags"],
    indirect=True,
)
def test_various_artists_is_nobody_at_every_door(doors: Doors) -> None:
    assert len(doors.similar(0, 10, exclude_same_artist=True)) == 10
    assert len(doors.explore(0, 10, exclude_same_artist=True)) == 10
    assert len(doors.explore(0, 10, max_per_artist=1)) == 10
    assert len(doors.recommend(0, 10, max_per_artist=1)) == 10
    ends = (doors.explorer.seed(doors.ids[at]) for at in (0, 1))
    assert len(doors.explorer.journey(*ends, 10, max_per_artist=1).hits) == 10


MIXED = [
    {"artist": (*_BANDS, "VA")[at % 7], "album": f"Album {at % 2}"}
    | ({"album_artist": "Various Artists"} if at % 3 == 0 else {})
    for at in range(42)
]


@pytest.mark.parametrize("doors", [MIXED], indirect=True)
def test_caps_and_exclusions_go_by_the_keys_at_every_door(doors: Doors) -> None:
    abouts = [Metadata.from_dict(one) for one in MIXED]
    artists = [artist_keys(about) for about in abouts]
    albums = [album_key(about) for about in abouts]
    for at in range(0, 42, 5):
        others = set(range(42)) - {at}
        by_others = {i for i in others if not set(artists[i]) & set(artists[at])}
        of_others = {i for i in others if albums[i] != albums[at]}
        for ask in (doors.similar, doors.explore):
            assert ask(at, 42, exclude_same_artist=True) == by_others
            assert ask(at, 42, exclude_same_album=True) == of_others
        for ask in (doors.explore, doors.recommend):
            found = ask(at, 42, max_per_artist=1)
            assert {i for i in found if not artists[i]} == {i for i in others if not artists[i]}
            known = [artists[i] for i in found if artists[i]]
            assert sorted(known) == sorted({artists[i] for i in others if artists[i]})
            found = ask(at, 42, max_per_album=1)
            assert len(found) == len({albums[i] for i in others})


# Where whole artists are held out


def test_the_tracks_of_a_compilation_stay_together_in_an_evaluation() -> None:
    abouts = [
        Metadata(artist="Various Artists", album="Now"),
        Metadata(artist="VA", album="Now", album_artist="Various Artists"),
        Metadata(album="Now"),
        Metadata(artist="Alba", album="Now", album_artist="Various Artists"),
        Metadata(artist="The Alba", album="Own"),
        Metadata(artist="VA"),
        Metadata(artist="VA"),
    ]
    items = Items(Item(str(at), about) for at, about in enumerate(abouts))
    assert group_items(items, "artist").tolist() == [0, 0, 0, 1, 1, 2, 3]
    assert group_items(items, "album").tolist() == [0, 0, 0, 0, 1, 2, 3]


def test_labelled_clips_of_various_artists_are_by_nobody_in_common(tmp_path: Path) -> None:
    table = tmp_path / "clips.csv"
    names = ("Alba", "Various Artists", "VA", "", "Alba")
    rows = "".join(f"{at}.wav,{name}\n" for at, name in enumerate(names))
    table.write_text(f"file,artist\n{rows}")
    collection = select(read_tables([table]))
    assert len(set(collection.artist)) == 4 and collection.artist[0] == collection.artist[4]
