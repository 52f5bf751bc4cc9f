"""Tracks and artists by what people call them, and hints where nothing is called so."""

import pytest
from conftest import Shelf, retag

from musicu.catalog.filter_hints import filter_hint
from musicu.catalog.lookup import find_track
from musicu.catalog.store import Store
from musicu.errors import AmbiguousNameError, CatalogError
from musicu.metadata.near_names import did_you_mean, near_names


@pytest.mark.parametrize(
    ("name", "artist", "path"),
    [
        ("Ebb", None, "Carla/Tide/01 Ebb.m4a"),
        ("éBB", None, "Carla/Tide/01 Ebb.m4a"),
        ("flow tide", None, "Carla/Tide/02 Flow.flac"),
        ("stones gran", None, "Bruno/Stones/01 Granite.ogg"),
        ("stones basalt", "BRUNO", "Bruno/Stones/02 Basalt.opus"),
    ],
)
def test_a_name_is_a_title_or_words(
    original: Shelf, name: str, artist: str | None, path: str
) -> None:
    with Store(original.db, create=False) as store:
        found = find_track(store, name, artist)
        by_path = find_track(store, original / path)
    assert found is not None and by_path is not None
    assert found[:3] == by_path[:3]
    assert by_path.called is None and str(found.called).endswith(f"({original / path})")


def test_an_ambiguous_name_has_its_tracks(original: Shelf) -> None:
    with Store(original.db, create=False) as store:
        with pytest.raises(AmbiguousNameError, match="tide: 2 tracks may be meant") as told:
            find_track(store, "tide")
        assert [track["title"] for track in told.value.tracks] == ["Ebb", "Flow"]
        assert {*told.value.tracks[0]} == {"id", "artist", "title", "album", "path"}


@pytest.mark.parametrize(
    ("name", "artist", "says"),
    [
        ("Granit", "Carla", "Granit: neither a file nor a stored track's id or name of 'Carla'$"),
        ("Grantie", None, "neither a file nor a stored track's id or name; near is 'Granite'$"),
        ("Granite", "Brunno", "no track of the catalog is by 'Brunno'; near is 'Bruno'$"),
        (" ", None, "neither a file nor a stored track"),
    ],
)
def test_what_is_not_called_so_has_near_names(
    original: Shelf, name: str, artist: str | None, says: str
) -> None:
    with Store(original.db, create=False) as store, pytest.raises(CatalogError, match=says):
        find_track(store, name, artist)


def test_copies_and_encodings_of_a_song_are_one(shelf: Shelf) -> None:
    retag(shelf / "Carla/Tide/02 Flow.flac", title="Ebb")
    with shelf.open() as catalog:
        catalog.add_folder(shelf.folder)
        catalog.similar("ebb")
        assert catalog.asked == f"Carla - Ebb ({shelf / 'Carla/Tide/01 Ebb.m4a'})"


def test_an_artist_is_asked_for_by_all_tracks_and_left_out(shelf: Shelf) -> None:
    with shelf.open() as catalog:
        matches = catalog.similar(None, 8, artist="bruno")
        assert catalog.asked == "bruno (3 tracks, which are left out)"
        assert len(matches) == 5 and not any("Bruno" in (m.artist or "") for m in matches)
        catalog.similar(shelf / "Dora/Night.wav")
        assert catalog.asked is None


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("has(genres, 'jaz')", "no track has genres 'jaz'; near is 'Jazz'"),
        ('genres = "Jazz"', "genres is a list: has(genres, 'Jazz')"),
        (
            "artist = 'Brno' AND year > 1990",
            "no track has artist 'Brno'; near are 'Bruno', 'Alba; Bruno'",
        ),
        ("artist = 'bruno'", "no track has artist 'bruno'; near is 'Bruno'"),
        ("heard(sound_tags, 'zzz') > 0.1", "no track is heard as 'zzz'"),
        ("sound_tags = 'Jazz'", "sound_tags are asked with heard(sound_tags, 'Jazz') > 0.5"),
        ("label = 'x'", "no track has label"),
        ("year = 2100", None),
        ("has(genres, 'jazz') AND year = 2100", None),
    ],
)
def test_a_filter_that_nothing_passes_is_explained(
    original: Shelf, where: str, says: str | None
) -> None:
    with Store(original.db, create=False) as store:
        assert filter_hint(store, where) == says


def test_a_catalog_tells_the_hint_until_the_next_question(shelf: Shelf) -> None:
    with shelf.open() as catalog:
        assert list(catalog.tracks("has(genres, 'Jaz')")) == []
        assert str(catalog.notice).startswith("no track has genres 'Jaz'")
        assert len(list(catalog.tracks("has(genres, 'Jazz')"))) == 3
        assert catalog.notice is None
        assert catalog.similar("Ebb", where="has(genres, 'Rok')") == []
        assert catalog.notice == "no track has genres 'Rok'; near is 'Rock'"


def test_near_names_are_near() -> None:
    names = ["Jazz", "Acid Jazz", "Rock", "Müsik", "", "jazz"]
    assert near_names("jaz", names) == ["Jazz", "Acid Jazz"]
    assert near_names("musik", names) == ["Müsik"]
    assert near_names("", names) == near_names("xylophone", names) == []
    assert near_names("epc", ["epic orchestral"]) == ["epic orchestral"]
    assert did_you_mean("rok", names) == "; near is 'Rock'" and did_you_mean("q", names) == ""
