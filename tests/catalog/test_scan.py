import os
from pathlib import Path

import pytest

from musicu.catalog.scan import FoundFile, scan


def _make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def _names(root: Path, *, skipped: bool = False) -> list[str]:
    return [
        os.path.relpath(found.path, root)
        for found in scan(str(root))
        if (found.skip is not None) == skipped
    ]


def _reasons(root: Path) -> dict[str, str]:
    return {os.path.relpath(f.path, root): f.skip for f in scan(str(root)) if f.skip is not None}


def test_files_come_in_the_order_of_their_names_and_folders_after_files(tmp_path: Path) -> None:
    _make(tmp_path, "z.mp3", "a.mp3", "b/2.mp3", "b/1.mp3", "a/deep/9.mp3", "a/0.mp3", "B.mp3")
    expected = ["B.mp3", "a.mp3", "z.mp3", "a/0.mp3", "a/deep/9.mp3", "b/1.mp3", "b/2.mp3"]
    assert _names(tmp_path) == expected
    assert list(scan(str(tmp_path))) == list(scan(str(tmp_path)))


def test_a_file_is_reported_with_its_size_and_time(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(b"12345")
    os.utime(path, ns=(1, 1_600_000_000_123_456_789))
    assert list(scan(str(path))) == [FoundFile(str(path), 5, path.stat().st_mtime_ns, None)]


@pytest.mark.parametrize("marker", [".nomedia", ".notmusic"])
def test_a_marked_folder_is_passed_over_with_all_below_it(tmp_path: Path, marker: str) -> None:
    _make(tmp_path, "a.mp3", f"games/{marker}", "games/b.mp3", "games/deep/c.mp3")
    assert _names(tmp_path) == ["a.mp3"]
    assert _reasons(tmp_path) == {"games": f"folder is marked with {marker}"}


def test_hidden_files_and_folders_are_passed_over_with_the_reason(tmp_path: Path) -> None:
    _make(tmp_path, ".a.mp3", "._a.mp3", ".hidden/b.mp3", "a.mp3")
    assert _names(tmp_path) == ["a.mp3"]
    assert _reasons(tmp_path) == {
        "._a.mp3": "macOS resource fork, not the song itself",
        ".a.mp3": "hidden file",
        ".hidden": "hidden folder",
    }


def test_companions_are_passed_over_and_unknown_names_are_opened(tmp_path: Path) -> None:
    _make(tmp_path, "cover.JPG", "a.cue", "list.m3u8", "song", "song.xyz", "SONG.FLAC", "a.b.mp3")
    assert _names(tmp_path) == ["SONG.FLAC", "a.b.mp3", "song", "song.xyz"]
    assert _reasons(tmp_path) == {
        "a.cue": "not audio by its name (.cue)",
        "cover.JPG": "not audio by its name (.jpg)",
        "list.m3u8": "not audio by its name (.m3u8)",
    }


def test_links_are_followed_and_each_folder_is_entered_once(tmp_path: Path) -> None:
    _make(tmp_path, "outside/x.mp3", "music/a/1.mp3")
    (tmp_path / "music" / "a" / "up").symlink_to(tmp_path / "music")
    (tmp_path / "music" / "b").symlink_to(tmp_path / "outside")
    (tmp_path / "music" / "c").symlink_to(tmp_path / "outside")
    assert _names(tmp_path / "music") == ["a/1.mp3", "b/x.mp3"]


def test_links_that_lead_nowhere_are_failures_and_end_nothing(tmp_path: Path) -> None:
    _make(tmp_path, "z.mp3")
    (tmp_path / "gone.mp3").symlink_to(tmp_path / "nothing")
    (tmp_path / "loop.mp3").symlink_to("loop.mp3")
    found = {Path(f.path).name: f for f in scan(str(tmp_path))}
    assert found["z.mp3"].skip is None
    assert found["gone.mp3"].failed and found["gone.mp3"].skip == "no such file or directory"
    assert found["loop.mp3"].failed and "symbolic link" in str(found["loop.mp3"].skip)


def test_what_is_no_regular_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp3")
    assert _reasons(tmp_path) == {"pipe.mp3": "not a regular file"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_a_failure_and_the_rest_is_found(tmp_path: Path) -> None:
    _make(tmp_path, "locked/a.mp3", "open/b.mp3")
    (tmp_path / "locked").chmod(0)
    try:
        found = {os.path.relpath(f.path, tmp_path): f for f in scan(str(tmp_path))}
    finally:
        (tmp_path / "locked").chmod(0o755)
    assert found["locked"].failed and "cannot be read" in str(found["locked"].skip)
    assert found["open/b.mp3"].skip is None


def test_a_folder_that_is_gone_when_it_is_its_turn_is_a_failure(tmp_path: Path) -> None:
    _make(tmp_path, "a.mp3", "b/c.mp3")
    found = scan(str(tmp_path))
    next(found)
    (tmp_path / "b" / "c.mp3").unlink()
    (tmp_path / "b").rmdir()
    (last,) = found
    assert last.failed and last.skip == "folder cannot be read (No such file or directory)"


def test_names_that_are_not_utf8_come_as_python_names_them(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.mp3"
    with open(name, "wb") as file:
        file.write(b"x")
    (found,) = scan(str(tmp_path))
    assert os.fsencode(found.path) == name and found.skip is None
