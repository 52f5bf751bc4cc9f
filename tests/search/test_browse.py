import json
from typing import Any

import numpy as np
import pytest

from musicu.errors import CatalogError
from musicu.search.browse import Group, Shelves
from musicu.search.name_codes import NameCodes

SONGS: list[dict[str, Any]] = [
    {"artist": "Björk", "album": "Post", "year": 1995, "genres": ["Art Pop", "Electronic"]},
    {"artist": "Bjork", "album": "Post", "year": 1995, "genres": ["art pop"]},
    {"artist": "Björk", "album": "Post", "year": 1996, "genres": []},
    {"artist": "Alba feat. Björk", "album": "Duets", "year": None, "genres": ["Electronic"]},
    {"artist": None, "album": None, "year": None, "genres": [], "title": "Loose"},
    {"artist": "Various Artists", "album": "Hits", "year": 1980, "genres": ["Electronic"]},
]
FILES = ["10 Ten.flac", "2 Two.flac", "1 One.flac", "a.flac", "b.mp3", "c.flac"]


@pytest.fixture
def shelves() -> Shelves:
    cards = [
        {"id": f"{at:032x}", "title": None, "file": file, **song}
        for at, (song, file) in enumerate(zip(SONGS, FILES, strict=True))
    ]
    names = NameCodes()
    return Shelves(
        [json.dumps(card).encode() for card in cards],
        [names.artists(card) for card in cards],
        np.array([names.album(card) for card in cards], dtype=np.int32),
    )


def told(groups: tuple[Group, ...]) -> list[tuple[str, tuple[int, ...]]]:
    return [(group.name, group.positions) for group in groups]


def test_spellings_of_one_artist_are_one_and_guests_count(shelves: Shelves) -> None:
    assert told(shelves.groups("artists")) == [("Alba", (3,)), ("Björk", (1, 0, 2, 3))]
    assert shelves.group("artists", "bjork").name == "Björk"


def test_albums_are_in_the_order_of_their_numbers_and_have_one_artist_or_none(
    shelves: Shelves,
) -> None:
    duets, hits, post = shelves.groups("albums")
    assert (post.artist, post.year, post.positions) == ("Björk", 1995, (1, 0, 2))
    assert (hits.name, duets.name) == ("Hits", "Duets")


def test_genres_are_told_from_the_largest(shelves: Shelves) -> None:
    assert told(shelves.groups("genres")) == [("Electronic", (0, 3, 5)), ("Art Pop", (0, 1))]


def test_what_came_last_is_new_with_or_without_an_album(shelves: Shelves) -> None:
    assert [group.name for group in shelves.groups("new")] == ["Hits", "Loose", "Duets", "Post"]
    loose = shelves.groups("new")[1]
    assert shelves.group("new", loose.key) is loose
    with pytest.raises(CatalogError, match="nothing of that name"):
        shelves.group("albums", loose.key)
