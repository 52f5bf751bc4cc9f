"""Folders that move, drives that are away, and names in two Unicode forms."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from pathlib import Path

import pytest
from conftest import RunCli
from made_answers import Answers

from musicu.catalog.catalog import Catalog
from musicu.catalog.ingest_summary import Progress, Summary
from musicu.errors import CatalogError
from musicu.release.report import _collect


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "c.db")


def _songs(answers: Answers, folder: Path, *numbers: int) -> Path:
    for number in numbers:
        answers.sound(folder / f"{number}.flac", number)
    return folder


def _paths(catalog: Catalog) -> set[str]:
    return {str(track["path"]) for track in catalog.tracks()}


def _sheets(catalog: Catalog) -> dict[str, str]:
    rows = catalog.store.db.execute("SELECT path, json_extract(sheet, '$.title') FROM files")
    return {Path(path).name: title for path, title in rows if title}


def _told(summary: Summary) -> tuple[int, int, int, int]:
    return summary.embedded, summary.recognized, summary.unchanged, summary.missing


def test_a_moved_root_is_followed(catalog: Catalog, tmp_path: Path, answers: Answers) -> None:
    music = _songs(answers, tmp_path / "music", 1, 2, 3)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("path,title\nmusic/2.flac,Two\n")
    catalog.add_folder(music, metadata=sheet)
    os.rename(music, tmp_path / "nas")
    assert _told(catalog.add_folder(tmp_path / "nas")) == (0, 3, 0, 0)
    assert _paths(catalog) == {str(tmp_path / "nas" / f"{n}.flac") for n in (1, 2, 3)}
    info = catalog.info()
    assert (info.copies, info.missing, info.folders) == (0, 0, (str(tmp_path / "nas"),))
    assert _sheets(catalog) == {"2.flac": "Two"}
    assert _told(catalog.add_folder()) == (0, 0, 3, 0)


def test_a_folder_that_moves_between_roots_is_followed(
    catalog: Catalog, tmp_path: Path, answers: Answers
) -> None:
    """Only the new root is looked at, and the old one has other songs."""
    one = _songs(answers, tmp_path / "one", 1, 2)
    two = _songs(answers, tmp_path / "two", 3)
    catalog.add_folder(one, two)
    os.rename(one / "2.flac", two / "2.flac")
    catalog.add_folder(two)
    assert catalog.info().copies == 0
    assert catalog.info().folders == (str(one), str(two))
    assert str(two / "2.flac") in _paths(catalog)


def test_a_sheet_says_what_the_path_only_guessed(
    catalog: Catalog, tmp_path: Path, answers: Answers
) -> None:
    song = answers.sound(tmp_path / "music/1.flac", 1)
    answers.table[song.name]["metadata"] = {
        "title": "One",
        "album": "Music",
        "guessed": ["title", "album"],
    }
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("path,title\nmusic/1.flac,Uno\n")
    catalog.add_folder(song.parent, metadata=sheet)
    (metadata,) = catalog.store.db.execute("SELECT metadata FROM files").fetchone()
    assert json.loads(metadata) == {"title": "Uno", "album": "Music", "guessed": ["album"]}
    sheet.write_text("path,title,album\nmusic/1.flac,Uno,Due\n")
    catalog.add_folder(song.parent, metadata=sheet)
    (metadata,) = catalog.store.db.execute("SELECT metadata FROM files").fetchone()
    assert json.loads(metadata) == {"title": "Uno", "album": "Due"}


def test_a_tagged_copy_speaks_for_an_untagged_one(
    catalog: Catalog, tmp_path: Path, answers: Answers
) -> None:
    answers.sound(tmp_path / "music/1.flac", 1)
    answers.sound(tmp_path / "music/2.flac", 1)
    answers.table["1.flac"]["metadata"] = {"title": "1", "guessed": ["title"]}
    answers.table["2.flac"]["metadata"] = {"title": "One"}
    catalog.add_folder(tmp_path / "music")
    assert [track["title"] for track in catalog.tracks()] == ["One"]


def test_a_copy_is_no_move(catalog: Catalog, tmp_path: Path, answers: Answers) -> None:
    music = _songs(answers, tmp_path / "music", 1, 2)
    catalog.add_folder(music)
    shutil.copytree(music, tmp_path / "backup")
    catalog.add_folder(tmp_path / "backup")
    assert (catalog.info().copies, len(catalog.info().folders)) == (2, 2)


@pytest.mark.parametrize("mount_point", [False, True])
def test_a_drive_that_is_away_loses_nothing(
    catalog: Catalog, tmp_path: Path, answers: Answers, *, mount_point: bool
) -> None:
    disk, usb = _songs(answers, tmp_path / "disk", 1), _songs(answers, tmp_path / "usb", 2, 3)
    answers.sound(disk / "copy of 3.flac", 3)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("path,title\nusb/2.flac,Two\nusb/3.flac,Three\n")
    catalog.add_folder(disk, usb, metadata=sheet)
    os.rename(usb, tmp_path / "elsewhere")
    if mount_point:
        usb.mkdir()
    _songs(answers, disk, 4)
    summary = catalog.add_folder()
    assert _told(summary) == (1, 0, 2, 0)
    assert summary.away == (str(usb),)
    if mount_point:
        usb.rmdir()
    os.rename(tmp_path / "elsewhere", usb)
    summary = catalog.add_folder()
    assert (_told(summary), summary.away) == ((0, 0, 5, 0), ())
    assert _sheets(catalog) == {"2.flac": "Two", "3.flac": "Three"}


def test_a_new_copy_of_what_is_away_takes_nothing_from_it(
    catalog: Catalog, tmp_path: Path, answers: Answers
) -> None:
    disk, usb = _songs(answers, tmp_path / "disk", 1), _songs(answers, tmp_path / "usb", 2)
    catalog.add_folder(disk, usb)
    os.rename(usb, tmp_path / "elsewhere")
    answers.sound(disk / "2.flac", 2)
    os.utime(disk / "2.flac", ns=(1, 1))
    assert catalog.add_folder().recognized == 1
    os.rename(tmp_path / "elsewhere", usb)
    assert _told(catalog.add_folder()) == (0, 0, 3, 0)


def test_a_folder_that_moves_and_changes_is_followed(
    catalog: Catalog, tmp_path: Path, answers: Answers
) -> None:
    """One file is deleted, one renamed, one tagged anew, one added, in the same step."""
    music = _songs(answers, tmp_path / "music", 1, 2, 3, 4)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("path,title\nmusic/1.flac,One\nmusic/2.flac,Two\nmusic/3.flac,Three\n")
    catalog.add_folder(music, metadata=sheet)
    nas = tmp_path / "nas"
    os.rename(music, nas)
    (nas / "1.flac").unlink()
    os.rename(nas / "2.flac", nas / "two.flac")
    answers.table["two.flac"] = answers.table["2.flac"]
    answers.sound(nas / "3.flac", 3)
    os.utime(nas / "3.flac", ns=(1, 1))
    _songs(answers, nas, 5)
    assert _told(catalog.add_folder(nas)) == (1, 3, 0, 1)
    info = catalog.info()
    assert (info.copies, info.missing, info.folders) == (0, 1, (str(nas),))
    assert _sheets(catalog) == {"1.flac": "One", "two.flac": "Two", "3.flac": "Three"}
    assert _told(catalog.add_folder()) == (0, 0, 4, 0)


def test_a_few_copies_of_what_is_away_are_no_move(
    catalog: Catalog, tmp_path: Path, answers: Answers
) -> None:
    disk, usb = _songs(answers, tmp_path / "disk", 1), _songs(answers, tmp_path / "usb", 2, 3, 4)
    catalog.add_folder(disk, usb)
    shutil.copy2(usb / "2.flac", disk)
    os.rename(usb, tmp_path / "elsewhere")
    assert catalog.add_folder().away == (str(usb),)
    assert (catalog.info().missing, catalog.info().folders) == (0, (str(disk), str(usb)))


def test_a_move_is_followed_though_the_first_run_was_killed(
    catalog: Catalog, tmp_path: Path, answers: Answers
) -> None:
    music = _songs(answers, tmp_path / "music", 1, 2, 3)
    catalog.add_folder(music)
    os.rename(music, tmp_path / "nas")

    def killed(progress: Progress) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        catalog.add_folder(tmp_path / "nas", progress=killed)
    assert _told(catalog.add_folder(tmp_path / "nas")) == (0, 2, 1, 0)
    assert (catalog.info().copies, catalog.info().folders) == (0, (str(tmp_path / "nas"),))


def test_a_folder_inside_another_moves(catalog: Catalog, tmp_path: Path, answers: Answers) -> None:
    outer, inner = _songs(answers, tmp_path / "a", 1), _songs(answers, tmp_path / "a/b", 2)
    catalog.add_folder(outer, inner)
    os.rename(inner, outer / "c")
    summary = catalog.add_folder()
    assert (_told(summary), summary.away) == ((0, 1, 1, 0), ())
    catalog.add_folder(outer / "c")
    os.rename(outer, tmp_path / "z")
    catalog.add_folder(tmp_path / "z")
    assert catalog.info().folders == (str(tmp_path / "z"),)
    assert _told(catalog.add_folder()) == (0, 0, 2, 0)


def test_a_folder_that_never_held_music_stops_nothing(
    catalog: Catalog, tmp_path: Path, answers: Answers
) -> None:
    music, empty = _songs(answers, tmp_path / "music", 1), tmp_path / "empty"
    empty.mkdir()
    catalog.add_folder(music, empty)
    empty.rmdir()
    summary = catalog.add_folder()
    assert (_told(summary), summary.away) == ((0, 0, 1, 0), (str(empty),))
    assert catalog.forget(empty) == 0
    assert catalog.add_folder().away == ()


def test_a_folder_that_is_away_is_known_in_either_unicode_form(
    catalog: Catalog, tmp_path: Path, answers: Answers
) -> None:
    stored, other = (tmp_path / unicodedata.normalize(f, "Café") for f in ("NFD", "NFC"))
    music = _songs(answers, tmp_path / "music", 1)
    catalog.add_folder(_songs(answers, stored, 2), music)
    os.rename(stored, tmp_path / "elsewhere")
    assert catalog.add_folder(other, music).away == (str(stored),)
    assert catalog.forget(other / "2.flac", dry_run=True) == 1
    assert catalog.forget(other) == 1
    assert catalog.info().folders == (str(music),)


def test_all_folders_away_is_an_error(catalog: Catalog, tmp_path: Path, answers: Answers) -> None:
    music = _songs(answers, tmp_path / "music", 1)
    catalog.add_folder(music)
    os.rename(music, tmp_path / "nas")
    with pytest.raises(CatalogError, match=r"music: no such file or folder; nothing .*new place"):
        catalog.add_folder()
    with pytest.raises(CatalogError, match="typo: no such file or folder$"):
        catalog.add_folder(tmp_path / "nas", tmp_path / "typo")
    assert len(catalog) == 1


def test_a_folder_that_cannot_be_read_loses_nothing(
    catalog: Catalog, tmp_path: Path, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    music = tmp_path / "music"
    _songs(answers, music / "near", 1)
    _songs(answers, music / "far", 2)
    catalog.add_folder(music)
    scandir = os.scandir

    def broken(path: str) -> object:
        if str(path).endswith("far"):
            raise OSError(5, "Input/output error")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", broken)
    summary = catalog.add_folder()
    assert (summary.missing, summary.failed) == (0, 1)
    monkeypatch.undo()
    answers.__init__(monkeypatch)  # type: ignore[misc]
    summary = catalog.add_folder()
    assert (summary.unchanged, summary.failed, catalog.problems()) == (2, 0, [])


def test_a_deleted_copy_comes_back_with_its_sheet(
    catalog: Catalog, tmp_path: Path, answers: Answers
) -> None:
    music = tmp_path / "music"
    song = answers.sound(music / "a.flac", 1)
    answers.sound(music / "b.flac", 1)
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("path,title\nmusic/a.flac,A\n")
    catalog.add_folder(music, metadata=sheet)
    os.rename(song, tmp_path / "a.flac")
    catalog.add_folder()
    assert _sheets(catalog) == {"a.flac": "A"}
    os.rename(tmp_path / "a.flac", song)
    assert catalog.add_folder().unchanged == 2
    assert _sheets(catalog) == {"a.flac": "A"}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_are_found_in_either_unicode_form(
    catalog: Catalog, tmp_path: Path, answers: Answers, form: str
) -> None:
    stored = unicodedata.normalize(form, "Café/Señorita.flac")
    other = unicodedata.normalize("NFD" if form == "NFC" else "NFC", "Café/Señorita.flac")
    answers.sound(tmp_path / "music" / stored, 1)
    _songs(answers, tmp_path / "music", 2)
    catalog.add_folder(tmp_path / "music" / Path(other).parent, tmp_path / "music")
    assert len(catalog.info().folders) == 2
    assert [m.path for m in catalog.similar(tmp_path / "music" / other)] == [
        str(tmp_path / "music/2.flac")
    ]
    # On disk it may be gone meanwhile; the catalog knows it still.
    os.rename(tmp_path / "music" / stored, tmp_path / "aside.flac")
    assert len(catalog.similar(tmp_path / "music" / other)) == 1
    os.rename(tmp_path / "aside.flac", tmp_path / "music" / stored)
    assert catalog.forget(tmp_path / "music" / other) == 1


def test_the_catalogs_own_files_are_no_music(
    tmp_path: Path, answers: Answers, run_cli: RunCli
) -> None:
    music = _songs(answers, tmp_path / "music", 1, 2)
    with Catalog(music / "c.db") as catalog:
        for _ in range(2):
            summary = catalog.add_folder(music)
            assert (summary.found, summary.failed, summary.skipped) == (2, 0, 0)
            catalog.similar(music / "1.flac")  # writes the matrix beside it
        assert catalog.problems() == []


def test_a_run_that_can_open_nothing_fails(tmp_path: Path, catalog: Catalog) -> None:
    music = tmp_path / "music"
    music.mkdir()
    (music / "1.flac").symlink_to(tmp_path / "gone")
    for _ in range(2):
        assert catalog.add_folder(music).fault == (
            "no file could be used: 1 of 1 for this: no such file or directory"
        )


def test_a_name_that_no_id_has_is_told(catalog: Catalog, tmp_path: Path, answers: Answers) -> None:
    catalog.add_folder(_songs(answers, tmp_path / "music", 1))
    with pytest.raises(CatalogError, match="neither a file nor a stored track"):
        catalog.similar("abcdef\udcff")


def test_why_a_file_could_not_be_read_is_over_when_it_is_gone(
    catalog: Catalog, tmp_path: Path, answers: Answers
) -> None:
    music = _songs(answers, tmp_path / "music", 1, 2)
    kept = tmp_path / "2.flac"
    os.rename(music / "2.flac", kept)
    (music / "2.flac").symlink_to(kept)
    catalog.add_folder(music)
    kept.unlink()
    assert catalog.add_folder().failed == 1
    assert [problem.reason for problem in catalog.problems()] == ["no such file or directory"]
    (music / "2.flac").unlink()
    assert catalog.add_folder().failed == 0
    assert catalog.problems() == []


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_release_is_found_in_either_unicode_form(tmp_path: Path, form: str) -> None:
    other = {"NFC": "NFD", "NFD": "NFC"}[form]
    song = tmp_path / unicodedata.normalize(form, "Café/é.flac")
    song.parent.mkdir()
    song.write_bytes(b"fLaC")
    named = tmp_path / unicodedata.normalize(other, "Café/é.flac")
    assert _collect([named]) == _collect([named.parent]) == ([str(song)], [])
