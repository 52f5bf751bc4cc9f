import math
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicu.errors import MusicuError
from musicu.metadata.playlist import PlaylistEntry, read_m3u8, render_m3u8, write_m3u8


def test_the_text_is_extended_m3u_with_plain_relative_paths(tmp_path: Path) -> None:
    target = tmp_path / "lists" / "a.m3u8"
    target.parent.mkdir()
    entries = [
        PlaylistEntry(str(tmp_path / "lists" / "é 100%.mp3"), "Title", "Artist", 61.6),
        PlaylistEntry(str(tmp_path / "music" / "b.mp3"), "Two\r\nlines"),
        PlaylistEntry(str(tmp_path / "music" / "c.mp3"), duration=math.nan),
    ]
    assert write_m3u8(target, entries) == []
    assert target.read_text(encoding="utf-8").splitlines() == [
        "#EXTM3U",
        "#EXTINF:62,Artist - Title",
        "é 100%.mp3",
        "#EXTINF:-1,Two lines",
        "../music/b.mp3",
        "#EXTINF:-1,c",
        "../music/c.mp3",
    ]


@given(
    st.text(st.characters(exclude_characters="/\\\0\r\n", exclude_categories=["Cs"]), min_size=1)
)
def test_any_name_without_line_breaks_comes_back(name: str) -> None:
    if name in (".", ".."):
        return
    path = os.path.join(os.path.sep, "music", name)
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, "a.m3u8")
        assert write_m3u8(target, [PlaylistEntry(path)]) == []
        assert read_m3u8(target) == [path]


def test_a_name_that_starts_like_a_comment_is_still_a_path(tmp_path: Path) -> None:
    song = str(tmp_path / "#1 hit.mp3")
    write_m3u8(tmp_path / "a.m3u8", [PlaylistEntry(song)])
    assert "./#1 hit.mp3" in (tmp_path / "a.m3u8").read_text().splitlines()
    assert read_m3u8(tmp_path / "a.m3u8") == [song]


def test_a_name_that_is_not_utf8_keeps_its_bytes(tmp_path: Path) -> None:
    song = os.path.join(str(tmp_path), b"caf\xe9.mp3".decode("utf-8", "surrogateescape"))
    assert write_m3u8(tmp_path / "a.m3u8", [PlaylistEntry(song)]) == []
    assert b"\ncaf\xe9.mp3\n" in (tmp_path / "a.m3u8").read_bytes()
    assert read_m3u8(tmp_path / "a.m3u8") == [song]


@pytest.mark.parametrize("path", ["", "/a\nb.mp3", "/a\rb.mp3", "/a\0b.mp3", "/a\ud800b.mp3"])
def test_an_entry_that_does_not_fit_is_returned(tmp_path: Path, path: str) -> None:
    entry = PlaylistEntry(path)
    assert write_m3u8(tmp_path / "a.m3u8", [entry, PlaylistEntry("/b.mp3")]) == [entry]
    assert read_m3u8(tmp_path / "a.m3u8") == ["/b.mp3"]


def test_a_playlist_in_a_linked_folder_still_leads_to_its_files(tmp_path: Path) -> None:
    """The system follows the link first and counts ``..`` from where it leads."""
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "far" / "away")
    song = tmp_path / "song.mp3"
    song.touch()
    write_m3u8(tmp_path / "link" / "a.m3u8", [PlaylistEntry(str(song))])
    line = (tmp_path / "link" / "a.m3u8").read_text().splitlines()[-1]
    assert (tmp_path / "link" / line).exists()
    assert read_m3u8(tmp_path / "link" / "a.m3u8") == [os.path.realpath(song)]


def test_a_failure_leaves_the_old_playlist_and_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "a.m3u8"
    target.write_text("old")

    def entries() -> list[PlaylistEntry]:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_m3u8(target, (entry for _ in range(1) for entry in entries()))
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.m3u8"]


def test_others_may_read_the_playlist(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_m3u8(tmp_path / "a.m3u8", [])
    assert (tmp_path / "a.m3u8").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_files_that_cannot_be_opened_are_named(tmp_path: Path) -> None:
    with pytest.raises(MusicuError, match="none/a.m3u8"):
        write_m3u8(tmp_path / "none" / "a.m3u8", [])
    with pytest.raises(MusicuError, match="none.m3u8"):
        read_m3u8(tmp_path / "none.m3u8")


def test_lists_of_other_programs_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.m3u8").write_bytes(b"\xef\xbb\xbf#EXTM3U\r\n\r\nb/c.mp3\r\n/abs.mp3")
    assert read_m3u8(tmp_path / "a.m3u8") == [str(tmp_path / "b" / "c.mp3"), "/abs.mp3"]


def test_what_is_rendered_is_what_is_written(tmp_path: Path) -> None:
    entries = [PlaylistEntry(str(tmp_path / "b" / "c.mp3"), "C", "Alba", 3.4), PlaylistEntry("")]
    text, unfit = render_m3u8(entries, tmp_path)
    assert unfit == write_m3u8(tmp_path / "a.m3u8", entries) == [PlaylistEntry("")]
    assert text == (tmp_path / "a.m3u8").read_bytes()


def test_without_a_folder_paths_stay_what_they_are() -> None:
    text, _ = render_m3u8([PlaylistEntry("/music/b/c.mp3", "C")], None)
    assert text.decode().splitlines()[-1] == "/music/b/c.mp3"


def test_a_title_is_one_line_of_the_playlist(tmp_path: Path) -> None:
    text, _ = render_m3u8([PlaylistEntry("/a.mp3")], "/", title="Late\nnight\r\n#EXTM3U")
    assert text.decode().splitlines()[:2] == ["#EXTM3U", "#PLAYLIST:Late night #EXTM3U"]
    (tmp_path / "a.m3u8").write_bytes(text)
    assert read_m3u8(tmp_path / "a.m3u8") == [str(tmp_path / "a.mp3")]
