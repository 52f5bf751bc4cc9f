"""``musicu mix`` and ``musicu journey``."""

import json
from typing import Any

import pytest
import typer
from click.testing import Result
from conftest import Shelf
from typer.testing import CliRunner

from musicu.catalog.catalog import Catalog
from musicu.cli.journey import journey
from musicu.cli.mix import mix
from musicu.errors import CatalogError
from musicu.metadata.playlist import read_m3u8

APP = typer.Typer()
APP.command()(mix)
APP.command()(journey)


def call(*args: object) -> Result:
    return CliRunner().invoke(APP, [str(arg) for arg in args])


def rows(*args: object) -> list[dict[str, Any]]:
    result = call(*args, "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def tracks(shelf: Shelf) -> dict[str, str]:
    """Ids of the shelf's tracks by their file's name."""
    with shelf.open() as catalog:
        return {str(track["path"]).rpartition("/")[2]: track["id"] for track in catalog.tracks()}


def test_a_mix_of_one_track_is_what_is_similar_to_it(original: Shelf) -> None:
    with original.open() as catalog:
        expected = catalog.similar(original / "Dora/Night.wav", 5)
    found = rows("mix", original / "Dora/Night.wav", "-n", 5, "--catalog", original.db)
    assert [row["path"] for row in found] == [match.path for match in expected]
    assert [row["score"] for row in found] == pytest.approx([m.score for m in expected], abs=2e-6)


def test_a_mix_takes_files_ids_and_what_should_be_less(original: Shelf) -> None:
    ids = tracks(original)
    dawn, ebb, night = ids["01 Dawn.flac"], ids["01 Ebb.m4a"], original / "Dora/Night.wav"
    more = rows("mix", dawn, night, "--catalog", original.db)
    less = rows("mix", dawn[:8], night, "--less", ebb, "--catalog", original.db)
    assert {row["id"] for row in more} == set(ids.values()) - {dawn, ids["Night.wav"]}
    assert {row["id"] for row in less} == {row["id"] for row in more} - {ebb}
    scores = {row["id"]: row["score"] for row in more}
    assert any(row["score"] != scores[row["id"]] for row in less)


def test_a_mix_keeps_to_conditions_and_caps(original: Shelf) -> None:
    ids = tracks(original)
    found = rows(
        *("mix", ids["Night.wav"], "--where", "year >= 1990", "--max-per-artist", 1),
        *("--diversity", 0.3, "--catalog", original.db),
    )
    assert sorted(row["artist"].split(";")[0] for row in found) == ["Alba", "Bruno", "Carla"]


@pytest.mark.parametrize("by", ["sound", "all"])
def test_a_mix_explains_itself(original: Shelf, by: str) -> None:
    seed = tracks(original)["01 Dawn.flac"]
    asked = ("mix", seed, "--by", by, "--explain", "--catalog", original.db)
    found = rows(*asked)
    for row in found:
        assert sum(row["why"].values()) == pytest.approx(row["score"], abs=1e-9)
    if by == "all":
        assert {"audio", "genres"} <= set(found[0]["why"])
    assert any("both jazz" in row["words"] for row in found)
    table = call(*asked).stdout
    assert "both jazz" in table and "audio +" in table


def test_a_journey_runs_from_one_track_to_the_other(original: Shelf) -> None:
    start, end = original / "Alba/First Light/01 Dawn.flac", tracks(original)["Solo.aiff"]
    found = rows("journey", start, end, "-n", 5, "--catalog", original.db)
    assert [row["rank"] for row in found] == [1, 2, 3, 4, 5]
    assert (found[0]["path"], found[-1]["id"]) == (str(start), end)
    assert len({row["id"] for row in found}) == 5


def test_what_was_found_becomes_a_playlist(shelf: Shelf) -> None:
    ids = tracks(shelf)
    for number, command in enumerate(
        (("mix", ids["Night.wav"]), ("journey", ids["Night.wav"], ids["Solo.aiff"]))
    ):
        target = shelf.folder / f"{number}.m3u8"
        found = rows(*command, "-n", 4, "--m3u8", target, "--catalog", shelf.db)
        assert read_m3u8(target) == [row["path"] for row in found]


def test_a_file_that_is_not_in_the_catalog_is_heard(shelf: Shelf) -> None:
    new = shelf / "Dora/Night.wav"
    new.rename(shelf / "Dora/New.wav")
    found = rows("mix", shelf / "Dora/New.wav", "--by", "all", "--explain", "--catalog", shelf.db)
    assert len(found) == 7
    with Catalog(shelf.db) as catalog:
        expected = [match.id for match in catalog.similar(shelf / "Dora/New.wav")]
    assert {row["id"] for row in found} == set(expected)


def test_too_few_tracks_are_told_to_people_only(original: Shelf) -> None:
    seed = tracks(original)["Night.wav"]
    result = call("mix", seed, "-n", 50, "--json", "--catalog", original.db)
    assert "7 of 50" in result.stderr and len(json.loads(result.stdout)) == 7
    assert call("mix", seed, "-n", 50, "-q", "--json", "--catalog", original.db).stderr == ""


@pytest.mark.parametrize(
    "args",
    [
        ("mix",),
        ("mix", "abcdef", "-n", "0"),
        ("mix", "abcdef", "--by", "smell"),
        ("journey", "abcdef"),
        ("journey", "abcdef", "abcdeg", "-n", "1"),
        ("mix", "abcdef", "--json", "--csv"),
    ],
    ids=str,
)
def test_wrong_use_has_status_2(original: Shelf, args: tuple[str, ...]) -> None:
    assert call(*args, "--catalog", original.db).exit_code == 2


def test_an_unknown_track_is_an_error_that_names_it(original: Shelf) -> None:
    result = call("mix", "ffffffffff", "--catalog", original.db)
    assert isinstance(result.exception, CatalogError) and "ffffffffff" in str(result.exception)
