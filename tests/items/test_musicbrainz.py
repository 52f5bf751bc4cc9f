"""Recordings from the JSON dumps of MusicBrainz."""

import bz2
import copy
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from musicu.errors import MetadataError
from musicu.items.musicbrainz import iter_musicbrainz, musicbrainz_items, read_musicbrainz


def mbid(number: int) -> str:
    return f"{number:08x}-0000-4000-8000-000000000000"


def credit(*names: str) -> list[dict[str, Any]]:
    """Build an artist credit: the second artist is a guest."""
    return [
        {
            "name": name.removesuffix("*"),
            "joinphrase": " feat. " if place < len(names) - 1 else "",
            "artist": {
                "id": mbid(1000 + len(name.removesuffix("*"))),
                "name": name.replace("*", " the First"),
                "sort-name": name,
            },
        }
        for place, name in enumerate(names)
    ]


# As `mbdump/release` has it; relations, aliases and packaging are left out.
RELEASE: dict[str, Any] = {
    "id": mbid(1),
    "title": "First Light",
    "status": "Official",
    "date": "2009-09-09",
    "country": "GB",
    "release-events": [
        {"date": "2009-09-09", "area": {"name": "United Kingdom", "iso-3166-1-codes": ["GB"]}}
    ],
    "text-representation": {"language": "eng", "script": "Latn"},
    "artist-credit": credit("Alba"),
    "label-info": [
        {"catalog-number": None, "label": None},
        {"catalog-number": "FL 1", "label": {"id": mbid(9), "name": "Dawn Records"}},
    ],
    "release-group": {
        "id": mbid(2),
        "title": "First Light",
        "primary-type": "Album",
        "first-release-date": "1969-10",
        "genres": [{"id": mbid(20), "name": "folk", "count": 2}],
        "tags": [{"name": "folk", "count": 2}],
    },
    "genres": [
        {"id": mbid(21), "name": "pop", "count": 1},
        {"id": mbid(22), "name": "rock", "count": 9},
    ],
    "tags": [
        {"name": "british", "count": 4},
        {"name": "not this", "count": -1},
        {"name": "pop", "count": 1},
        {"name": "rock", "count": 9},
    ],
    "media": [
        {
            "position": 1,
            "format": "CD",
            "track-count": 2,
            "tracks": [
                {
                    "id": mbid(31),
                    "position": 1,
                    "number": "A1",
                    "title": "Dawn",
                    "length": 259000,
                    "artist-credit": credit("Alba*", "Bruno"),
                    "recording": {
                        "id": mbid(41),
                        "title": "Dawn",
                        "length": 258500,
                        "video": False,
                        "first-release-date": "1968-01-02",
                        "isrcs": ["GBAYE0601498", "GBAYE0601499"],
                        "genres": [],
                        "tags": [{"name": "calm", "count": 3}],
                    },
                },
                {
                    "id": mbid(32),
                    "position": 2,
                    "number": "A2",
                    "title": "Noon",
                    "length": None,
                    "artist-credit": credit("Alba"),
                    "recording": {"id": mbid(42), "title": "Noon", "length": None, "isrcs": []},
                },
            ],
        }
    ],
}
RECORDING: dict[str, Any] = {
    "id": mbid(43),
    "title": "Alone",
    "length": 61000,
    "video": False,
    "disambiguation": "",
    "artist-credit": credit("Carla"),
    "isrcs": ["USRC17607839"],
    "genres": [{"name": "ambient", "count": 1}],
    "tags": [{"name": "ambient", "count": 1}, {"name": "slow", "count": 2}],
}
GROUP: dict[str, Any] = {
    "id": mbid(2),
    "title": "First Light",
    "primary-type": "Album",
    "secondary-types": [],
    "first-release-date": "1969-10",
    "artist-credit": credit("Alba"),
    "genres": [{"name": "folk", "count": 2}],
    "tags": [{"name": "folk", "count": 2}],
}


def lines(*records: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(record) for record in records).encode()


def test_a_release_gives_an_item_a_track() -> None:
    dawn, noon = musicbrainz_items(RELEASE)
    about = dawn.metadata
    assert dawn.id == about.mb_recording == mbid(41)
    assert (about.title, about.album, about.album_artist) == ("Dawn", "First Light", "Alba")
    assert about.artist == "Alba feat. Bruno"
    assert about.artists == ("Alba the First", "Bruno")
    assert about.mb_artists == (mbid(1004), mbid(1005))
    assert (about.mb_track, about.mb_album) == (mbid(31), mbid(1))
    assert (about.track, about.disc) == (1, 1)
    assert (about.label, about.country, about.language) == ("Dawn Records", "GB", "en")
    assert about.isrc == "GBAYE0601498"
    assert dawn.descriptors == {"duration": 258.5}
    assert (noon.metadata.title, noon.metadata.isrc, noon.descriptors) == ("Noon", None, {})


def test_the_year_is_that_of_the_first_release() -> None:
    dawn, noon = musicbrainz_items(RELEASE)
    assert (dawn.metadata.date, dawn.metadata.year) == ("1968-01-02", 1968)
    assert (noon.metadata.date, noon.metadata.year) == ("1969-10", 1969)
    alone = {**RELEASE, "release-group": None}
    assert musicbrainz_items(alone)[1].metadata.year == 2009


def test_what_is_nearest_to_the_recording_says_its_genres_and_tags() -> None:
    dawn, noon = musicbrainz_items(RELEASE)
    assert dawn.metadata.genres == noon.metadata.genres == ("rock", "pop")
    assert (dawn.metadata.tags, dawn.tag_weights) == (("calm",), {"calm": 3})
    assert (noon.metadata.tags, noon.tag_weights) == (("british",), {"british": 4})
    bare = {**RELEASE, "genres": [], "tags": []}
    assert musicbrainz_items(bare)[1].metadata.genres == ("folk",)


def test_recordings_and_release_groups_are_items_too() -> None:
    (alone,) = musicbrainz_items(RECORDING)
    assert (alone.id, alone.metadata.title, alone.metadata.artist) == (mbid(43), "Alone", "Carla")
    assert (alone.metadata.genres, alone.tag_weights) == (("ambient",), {"slow": 2})
    assert (alone.metadata.isrc, alone.descriptors) == ("USRC17607839", {"duration": 61.0})
    (group,) = musicbrainz_items(GROUP)
    assert (group.id, group.metadata.album, group.metadata.year) == (mbid(2), "First Light", 1969)


def test_what_does_not_fit_is_missing_and_stops_nothing() -> None:
    strange = copy.deepcopy(RECORDING) | {"first-release-date": "????-05", "isrcs": ["nonsense"]}
    (item,) = musicbrainz_items(strange)
    assert (item.metadata.title, item.metadata.date, item.metadata.isrc) == ("Alone", None, None)
    nameless = {**RELEASE, "label-info": [{"label": {"name": "[no label]"}}]}
    assert musicbrainz_items(nameless)[0].metadata.label is None


def test_a_recording_on_several_releases_is_read_once_by_the_earliest(tmp_path: Path) -> None:
    later = copy.deepcopy(RELEASE) | {"id": mbid(5), "title": "Best Of", "country": "US"}
    earlier = copy.deepcopy(RELEASE) | {"label-info": []}
    for release, date in ((later, "1999"), (earlier, "1969")):
        release["release-group"] = None
        release["date"] = date
        for track in release["media"][0]["tracks"]:
            track["recording"].pop("first-release-date", None)
    path = tmp_path / "release"
    path.write_bytes(lines(later, earlier))
    assert len(list(iter_musicbrainz(path))) == 4
    items = read_musicbrainz(path)
    assert items.ids == (mbid(41), mbid(42))
    about = items[0].metadata
    assert (about.album, about.year, about.country) == ("First Light", 1969, "GB")
    assert about.label == "Dawn Records"  # only the later one says it
    assert items[0].tag_weights == {"calm": 3}


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [("", bytes), (".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)],
)
def test_packed_files_are_read(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / f"recording{suffix}"
    path.write_bytes(pack(lines(RECORDING) + b"\n\n"))
    assert read_musicbrainz(path).ids == (mbid(43),)


def test_lines_are_read_as_they_come(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    path.write_bytes(lines(RECORDING) + b"\nnot JSON\n")
    found = iter_musicbrainz(path)
    assert next(found).id == mbid(43)
    with pytest.raises(MetadataError, match="line 2 is no release, recording or release group"):
        next(found)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no recording is in it"),
        (b'{"id": "x", "title": "y"}\n', "line 1 is no release"),
        (b"[]\n", "line 1 is no release"),
        (b'{"id": "x", "title": "y", "media": [{"tracks": [{"length": 1}]}]}\n', "line 1 is no"),
        (b'{"id": "x", "title": "y", "length": "long"}\n', "line 1 is no release"),
    ],
)
def test_other_lines_are_a_fault(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "release"
    path.write_bytes(content)
    with pytest.raises(MetadataError, match=told) as caught:
        read_musicbrainz(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_tar_file_is_to_be_unpacked_first(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("mbdump/release")
        entry.size = len(lines(RELEASE))
        tar.addfile(entry, io.BytesIO(lines(RELEASE)))
    for name, data in (("release.tar.xz", b""), ("release", packed.getvalue())):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(MetadataError, match="a tar file: unpack it, and name mbdump/release"):
            read_musicbrainz(tmp_path / name)


def test_a_file_cut_short_is_told(tmp_path: Path) -> None:
    path = tmp_path / "recording.xz"
    path.write_bytes(lzma.compress(lines(RECORDING))[:-20])
    with pytest.raises(MetadataError, match="cannot be unpacked"):
        read_musicbrainz(path)
