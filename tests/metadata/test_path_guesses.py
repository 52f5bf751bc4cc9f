"""What a path tells of a file that says nothing itself."""

from pathlib import Path
from typing import Any

import pytest

from musicu.metadata.fields import Metadata, complete_metadata
from musicu.metadata.file_tags import read_tags
from musicu.metadata.path_guesses import guess_metadata

SONG = {"artist": "Alpha", "album": "Alb", "title": "Song", "track": 1}


def guess(path: str, **known: Any) -> dict[str, Any]:
    """What is guessed, without the marks and the second form of the artist."""
    found = guess_metadata(path, complete_metadata(known)).to_dict()
    marked = set(found.pop("guessed", ()))
    assert marked <= found.keys()
    assert not marked & known.keys()
    found.pop("artists", None)
    return found


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/music/Alpha/Alb/01 Song.mp3", SONG),
        ("Alpha/Alb/01 Song.mp3", SONG),
        ("/home/someone/Music/Alpha/Alb/01 - Song.flac", SONG),
        ("/mnt/nas/Alpha/Alb/01. Song.ogg", SONG),
        ("/music/Alpha/Alb/01_Song.mp3", SONG),
        ("/music/Alpha/Alb/1-01 Song.mp3", SONG | {"disc": 1}),
        ("/music/Alpha/Alb/101 - Song.mp3", SONG | {"disc": 1}),
        ("/music/Alpha/Alb/CD2/01 Song.mp3", SONG | {"disc": 2}),
        ("/music/Alpha/Alb/CD2/201 Song.mp3", SONG | {"disc": 2}),
        ("/music/Alpha/Alb/CD2/101 Songs.mp3",
         {"artist": "Alpha", "album": "Alb", "disc": 2, "title": "101 Songs"}),
        ("/music/Alpha/Alb/Disc 2 - Bonus/01 Song.mp3", SONG | {"disc": 2}),
        ("/music/Alpha/Alb (CD 2)/01 Song.mp3", SONG | {"disc": 2}),
        ("/music/Alpha/2001 - Alb/01 Song.mp3", SONG | {"year": 2001}),
        ("/music/Alpha/(2001) Alb/01 Song.mp3", SONG | {"year": 2001}),
        ("/music/Alpha/Alb [2001] [FLAC 24-bit]/01 Song.mp3", SONG | {"year": 2001}),
        ("/music/Alpha - Alb (2001)/01 Song.mp3", SONG | {"year": 2001}),
        ("/music/Alpha - 2001 - Alb/01 Song.mp3", SONG | {"year": 2001}),
        ("/music/Alpha/Alpha - Alb/01 Song.mp3", SONG),
        ("/music/Alpha - Alb/01 - Alpha - Song.mp3", SONG),
        ("/music/Alpha/Alb/Alpha - 01 - Song.mp3", SONG),
        ("/music/Alpha/Alb/Alpha - Alb - 01 - Song.mp3", SONG),
        ("/music/Alpha/Alb/12 Song.mp3", SONG | {"track": 12}),
        ("/music/Alpha Beta/The Alb/Song Two.mp3",
         {"artist": "Alpha Beta", "album": "The Alb", "title": "Song Two"}),
        ("/music/Alpha/Alb/Song.mp3", {"artist": "Alpha", "album": "Alb", "title": "Song"}),
        ("/music/Alpha/Alb/01.mp3", {"artist": "Alpha", "album": "Alb", "track": 1}),
        ("/music/Alpha/01 Song.mp3", {"title": "Song", "track": 1}),
        ("/music/Alpha - Song.mp3", {"artist": "Alpha", "title": "Song"}),
        ("/music/Alpha_Beta_-_Song_Two.mp3", {"artist": "Alpha Beta", "title": "Song Two"}),
        ("/music/01 - Alpha - Song.mp3", {"artist": "Alpha", "title": "Song", "track": 1}),
        ("/music/Alpha – Song.mp3", {"artist": "Alpha", "title": "Song"}),
        ("/music/Various Artists/Alb/01 Alpha - Song.mp3", SONG),
        ("/music/Alpha/Alpha - Song.mp3", {"artist": "Alpha", "title": "Song"}),
        ("/music/Various Artists/Alb/01 Song.mp3", {"album": "Alb", "title": "Song", "track": 1}),
        ("/music/VA - Now 100 (2018)/01 - Alpha - Song.mp3",
         SONG | {"album": "Now 100", "year": 2018}),
        ("/music/Alpha/Alb/Track 01.wav", {"artist": "Alpha", "album": "Alb", "track": 1}),
        ("/music/Alpha/Unknown Album/01 Song.mp3",
         {"artist": "Alpha", "title": "Song", "track": 1}),
        ("/music/Alpha/Alb/(01) Song.mp3", SONG),
        ("/music/Alpha/Alb/[01] Song.mp3", SONG),
        ("/music/Alpha/Albums/2001 - Alb/01 Song.mp3", SONG | {"year": 2001}),
        ("/music/Alpha/1989/01 Song.mp3", SONG | {"album": "1989"}),
        ("/music/Alpha/1999/01 1999.mp3", SONG | {"album": "1999", "title": "1999"}),
        ("/music/Alpha/Alb/Alpha - Alb - 01 Song.mp3", SONG),
        ("/music/Alpha - 01 - Song.mp3", {"artist": "Alpha", "title": "Song", "track": 1}),
        ("/music/Alpha - Live at Alb (2001)/01 Song.mp3",
         SONG | {"album": "Live at Alb", "year": 2001}),
        ("/music/Alpha-Alb_Two-CD-2001-GRP/01-alpha-song_two-grp.mp3",
         SONG | {"artist": "alpha", "album": "Alb Two", "title": "song two", "year": 2001}),
        ("/music/VA-Alb-2001-GRP/01-alpha-song.mp3",
         SONG | {"artist": "alpha", "title": "song", "year": 2001}),
        ("/music/Alpha ― Song.mp3", {"artist": "Alpha", "title": "Song"}),
        ("/music/A-ha - Take On Me.mp3", {"artist": "A-ha", "title": "Take On Me"}),
        ("/music/Alpha - Live and Let Die.mp3", {"artist": "Alpha", "title": "Live and Let Die"}),
        ("/music/Alpha - Radio Ga Ga.mp3", {"artist": "Alpha", "title": "Radio Ga Ga"}),
        ("/music/Alpha - Nothing Else.mp3", {"artist": "Alpha", "title": "Nothing Else"}),
        ("/music/Alpha - Part-Time Lover.mp3", {"artist": "Alpha", "title": "Part-Time Lover"}),
        ("/music/Alpha - 99 Luftballons.mp3", {"artist": "Alpha", "title": "99 Luftballons"}),
        ("/music/Alpha - 1979.mp3", {"artist": "Alpha", "title": "1979"}),
        ("/music/Rock/1984/01 Song.mp3", {"title": "Song", "track": 1}),
        ("/music/Сплин/Гранатовый альбом/01 Орбит.mp3",
         {"artist": "Сплин", "album": "Гранатовый альбом", "title": "Орбит", "track": 1}),
        ("/music/宇多田ヒカル/First Love/01 初恋.mp3",
         {"artist": "宇多田ヒカル", "album": "First Love", "title": "初恋", "track": 1}),
    ],
)  # fmt: skip
def test_the_common_ways_to_name_files_are_understood(path: str, told: dict[str, Any]) -> None:
    assert guess(path) == told


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/music/99 Luftballons.mp3", "99 Luftballons"),
        ("/music/7 Seconds.mp3", "7 Seconds"),
        ("/music/1979.mp3", None),
        ("/music/Hey You.mp3", "Hey You"),
        ("/music/Song - Live in Paris.mp3", "Song - Live in Paris"),
        ("/music/Song - Live (2001).mp3", "Song - Live (2001)"),
        ("/music/Song - Part 2.mp3", "Song - Part 2"),
        ("/music/Song - Demo.mp3", "Song - Demo"),
        ("/music/311 - Song.mp3", "311 - Song"),
        ("/music/Symphony - IV. Allegro.mp3", "Symphony - IV. Allegro"),
        ("/music/20-20 Vision.mp3", "20-20 Vision"),
    ],
)
def test_numbers_and_dashes_of_a_title_stay_in_it(path: str, title: str | None) -> None:
    assert guess(path) == ({"title": title} if title else {})


@pytest.mark.parametrize(
    "path",
    [
        "/tmp/a.wav",
        "/tmp/tmpk2x_9f/audio.wav",
        "/tmp/pytest-of-me/pytest-3/test_it0/x/song.wav",
        "/data/gtzan/blues/blues.00001.wav",
        "/srv/uploads/3f2504e0-4f89-41d3-9a0c-0305e82c3301.mp3",
        "/srv/uploads/.upload-3f2504e04f8941d39a0c0305e82c3301.part",
        "/srv/media/9b74c9897bac770ffc029102a200c5de.mp3",
        "/home/someone/Downloads/untitled.wav",
        "/home/someone/Downloads/Track 01.wav",
        "/home/someone/Desktop/New Recording.m4a",
        "/music/001.mp3",
        "/fma/012/012345.mp3",
        "samples/kick.wav",
        "tone.flac",
        "memory_tags.flac",
    ],
)
def test_names_that_programs_give_tell_nothing(path: str) -> None:
    assert guess(path) == {}


@pytest.mark.parametrize(
    "path",
    [
        "/home/someone/Music/01 Song.mp3",
        "/mnt/Disk/Music/01 Song.mp3",
        "/media/someone/Disk One/01 Song.mp3",
        "/Users/Someone/Music/01 Song.mp3",
        "/tmp/pytest-of-me/pytest-3/test_it0/01 Song.mp3",
        "/run/media/someone/Disk/01 Song.mp3",
    ],
)
def test_homes_disks_and_folders_of_music_are_no_artists(path: str) -> None:
    assert guess(path) == {"title": "Song", "track": 1}


def test_what_tags_say_stays() -> None:
    path = "/music/Alpha/2001 - Alb/01 Song.mp3"
    known = {"title": "Other", "artist": "Beta", "album": "Elsewhere"}
    assert guess(path, **known) == known
    assert guess(path, artist="Beta") == {"artist": "Beta", "album": "Alb", "title": "Song"} | {
        "track": 1,
        "year": 2001,
    }
    assert guess(path, title="Song", album="Alb", year=1999)["year"] == 1999
    assert guess(path, title="Song", album="Alb")["artist"] == "Alpha"


def test_a_name_that_contradicts_the_title_gives_no_artist() -> None:
    assert guess("/in/Rip 3 - Whatever.mp3", title="Song") == {"title": "Song"}
    assert guess("/in/Alpha - Song.mp3", title="Song") == {"title": "Song", "artist": "Alpha"}


def test_guesses_are_marked_and_survive_storage(tmp_path: Path) -> None:
    folder = tmp_path / "Alpha" / "Alb"
    folder.mkdir(parents=True)
    (folder / "01 Song.mp3").write_bytes(bytes(500))
    found = read_tags(folder / "01 Song.mp3")
    assert set(found.guessed) == {"artist", "artists", "album", "title", "track"}
    assert Metadata.from_dict(found.to_dict()) == found
    assert (found.artist, found.artists) == ("Alpha", ("Alpha",))


def test_what_is_said_of_a_guessed_field_is_no_guess() -> None:
    below = Metadata(title="Song", artist="Alpha", artists=("Alpha",), album="Alb")
    guessed = guess_metadata("/music/Alpha/Alb/01 Song.mp3", Metadata())
    merged = guessed.merged(Metadata(artist="Beta"))
    assert merged.artist == "Beta"
    assert set(merged.guessed) == {"album", "title", "track"}
    assert below.merged(guessed).guessed == guessed.guessed
    assert guessed.merged(Metadata(doubtful=("title",), title="?")).doubtful == ("title",)


def test_a_name_in_another_encoding_is_read(tmp_path: Path) -> None:
    path = b"/music/" + "Кино/Звезда по имени Солнце/01 Песня без слов.mp3".encode("cp1251")
    found = guess(path.decode("utf-8", "surrogateescape"))
    assert found["artist"] == "Кино"
    assert found["title"] == "Песня без слов"
