"""Failures that are no file's fault: recorded with their cause, tried again, never a loss."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from made_answers import Answers

from musicu.catalog.catalog import Catalog
from musicu.errors import PASSING, MusicuError

PASSES = sorted(PASSING)


@pytest.fixture
def music(tmp_path: Path, answers: Answers) -> Path:
    folder = tmp_path / "music"
    for number in range(1, 4):
        answers.sound(folder / f"{number}.flac", number)
    return folder


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "c.db")


@pytest.mark.parametrize("cause", PASSES)
def test_what_passes_is_tried_again_and_what_stays_is_not(
    catalog: Catalog, music: Path, answers: Answers, cause: str
) -> None:
    late = answers.failing(music / "late.flac", "not now", cause)
    answers.failing(music / "broken.flac", "no audio", "file")
    summary = catalog.add_folder(music)
    assert (summary.embedded, summary.failed) == (3, 2)
    answers.forget()
    catalog.add_folder()
    assert answers.analyzed == ["late.flac"]
    answers.sound(late, 9)
    summary = catalog.add_folder()
    assert (summary.embedded, summary.failed) == (1, 1)
    assert [Path(p.path).name for p in catalog.problems()] == ["broken.flac"]


@pytest.mark.parametrize("cause", PASSES)
def test_a_known_song_survives_what_passes(
    catalog: Catalog, music: Path, answers: Answers, cause: str
) -> None:
    """It was touched, and a worker was lost with it: its vector and its tags stay."""
    catalog.add_folder(music)
    os.utime(music / "2.flac", ns=(5, 5))
    answers.failing(music / "2.flac", "not now", cause)
    summary = catalog.add_folder()
    assert (summary.failed, summary.unchanged) == (1, 2)
    assert len(catalog) == 3
    assert [(p.kind, p.reason) for p in catalog.problems()] == [("error", "not now")]
    assert catalog.info().errors == 1
    answers.sound(music / "2.flac", 2)
    assert catalog.add_folder().recognized == 1
    assert catalog.problems() == []


def test_tags_that_cannot_be_read_are_told_and_the_song_is_used(
    catalog: Catalog, music: Path, answers: Answers
) -> None:
    answers.table["2.flac"]["tags_problem"] = "its tags need too much memory"
    assert catalog.add_folder(music).embedded == 3
    assert [(p.kind, p.reason) for p in catalog.problems()] == [
        ("partial", "its tags need too much memory")
    ]
    assert (catalog.info().partial, catalog.info().errors) == (0, 0)
    assert catalog.add_folder().unchanged == 3


def test_what_failed_in_passing_comes_last(catalog: Catalog, music: Path, answers: Answers) -> None:
    answers.failing(music / "0.flac", "took longer than 300 s", "time")
    catalog.add_folder(music, jobs=1)
    answers.sound(music / "7.flac", 7)
    answers.forget()
    catalog.add_folder(jobs=1)
    assert answers.analyzed == ["7.flac", "0.flac"]


@pytest.mark.parametrize("cause", PASSES)
def test_a_run_stops_where_failures_pile_up(
    catalog: Catalog, tmp_path: Path, answers: Answers, cause: str
) -> None:
    music = tmp_path / "music"
    answers.sound(music / "000.flac", 1)
    for number in range(1, 60):
        answers.failing(music / f"{number:03}.flac", "needs more than 1 MB", cause)
    with pytest.raises(MusicuError, match=r"for this: needs more.*no fault of theirs.*goes on"):
        catalog.add_folder(music, jobs=1)
    assert 5 <= len(catalog.problems()) < 20
    assert len(catalog) == 1
    # The folder is known, so that the same command goes on.
    for number in range(1, 60):
        answers.sound(music / f"{number:03}.flac", number + 1)
    assert catalog.add_folder(jobs=1).embedded == 59


def test_a_small_library_that_fails_as_a_whole_is_told(
    catalog: Catalog, tmp_path: Path, answers: Answers
) -> None:
    answers.failing(tmp_path / "m/a.flac", "needs more than 1 MB of memory", "memory")
    with pytest.raises(MusicuError, match="needs more than 1 MB of memory"):
        catalog.add_folder(tmp_path / "m")


def test_a_run_in_which_every_file_fails_says_what_they_share(
    catalog: Catalog, tmp_path: Path, answers: Answers
) -> None:
    for name in "abc":
        answers.failing(tmp_path / f"m/{name}.flac", "TypeError: open()", "file")
    answers.failing(tmp_path / "m/d.flac", "empty", "file")
    summary = catalog.add_folder(tmp_path / "m")
    assert summary.fault == "no file could be used: 3 of 4 for this: TypeError: open()"
    answers.sound(tmp_path / "m/e.flac", 1)
    assert catalog.add_folder().fault is None


def test_a_broken_file_beside_a_known_library_is_no_fault_of_the_run(
    catalog: Catalog, music: Path, answers: Answers
) -> None:
    catalog.add_folder(music)
    answers.failing(music / "broken.flac", "no audio", "file")
    assert catalog.add_folder().fault is None
    answers.failing(music / "late.flac", "took longer than 1 s", "time")
    assert catalog.add_folder().failed == 2
