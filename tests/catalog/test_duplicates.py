"""Files of the same audio: which is kept, what of the others is spare, and the plan."""

import csv
import json
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cli_calls import call_cli
from conftest import Shelf

from musicu.catalog.duplicate_plan import write_plan
from musicu.catalog.duplicates import DuplicateFile, DuplicateGroup, find_duplicates, judge_files
from musicu.errors import MusicuError


def made(folder: Path, name: str, **about: Any) -> DuplicateFile:
    """A file on the disk, and what a catalog would say of it."""
    path = folder / name
    path.write_bytes(b"x" * 100)
    told = {"verdict": "spare", "codec": "mp3", "lossless": False, "bit_rate": 128.0}
    told |= {"sr": 44100, "channels": 2, "seconds": 180.0, "size": 100, "problem": None}
    return DuplicateFile(**(told | about), id=name, path=str(path))  # type: ignore[arg-type]


def test_the_best_file_is_whole_lossless_and_has_the_most_bits(tmp_path: Path) -> None:
    lossless = {"codec": "flac", "lossless": True, "bit_rate": 700.0}
    ranked = [
        made(tmp_path, "high.flac", **lossless | {"sr": 96000}),
        made(tmp_path, "cd.flac", **lossless),
        made(tmp_path, "mono.flac", **lossless | {"channels": 1}),
        made(tmp_path, "a.mp3", bit_rate=192.0),
        made(tmp_path, "b.opus", codec="opus", bit_rate=100.0),
        made(tmp_path, "c.mp3", bit_rate=128.0),
        made(tmp_path, "broken.flac", **lossless | {"problem": "ends early"}),
    ]
    judged = judge_files(ranked[::-1])
    assert [file.id for file in judged] == [file.id for file in ranked]
    assert [file.verdict for file in judged] == ["keep", *["spare"] * 6]


def test_only_what_the_kept_file_holds_is_spare(tmp_path: Path) -> None:
    best = made(tmp_path, "best.flac", codec="flac", lossless=True)
    gone = made(tmp_path, "gone.flac", codec="flac", lossless=True, sr=96000)
    os.unlink(gone.path)
    other = made(tmp_path, "other.mp3", size=99)
    link = made(tmp_path, "link.flac", codec="flac", lossless=True)
    os.unlink(link.path)
    os.symlink(best.path, link.path)
    files = [best, gone, other, link, made(tmp_path, "long.mp3", seconds=183.0)]
    files.append(made(tmp_path, "near.mp3", seconds=181.5))
    verdicts = {file.id: file.verdict for file in judge_files(files)}
    assert verdicts.pop("best.flac") in ("keep", "same file")
    assert {verdicts.pop("link.flac"), "keep", "same file"} == {"keep", "same file"}
    assert verdicts == {
        "gone.flac": "not there",
        "other.mp3": "changed",
        "long.mp3": "other length",
        "near.mp3": "spare",
    }


def test_copies_in_a_catalog_are_found(shelf: Shelf) -> None:
    copy = shelf / "Carla/Tide/02 Flow copy.flac"
    shutil.copyfile(shelf / "Carla/Tide/02 Flow.flac", copy)
    with shelf.open() as catalog:
        catalog.add_folder(shelf.folder)
        (group,) = find_duplicates(catalog)
    assert group.name == "Carla - Flow"
    assert [file.verdict for file in group.files] == ["keep", "spare"]
    assert group.files[0].codec == "flac" and group.files[0].sr == 22050
    size = os.path.getsize(group.files[0].path)
    assert group.files[0].bit_rate == pytest.approx(size * 8 / 4.0 / 1000, abs=0.1)


def test_a_plan_is_written_and_asks(tmp_path: Path) -> None:
    names = ("it's -rf $HOME.mp3", "b\nc.mp3", "d.mp3")
    files = judge_files(
        [made(tmp_path, "k'ept.flac", lossless=True), *(made(tmp_path, n) for n in names)]
    )
    groups = [DuplicateGroup("A\nB - \x1b[31mC", files)]
    script = tmp_path / "plan.sh"
    assert write_plan(groups, script) == 3
    text = script.read_text()
    assert "\x1b" not in text and "\n# A B - " in text
    # Each rm reads ahead, so there have to be enough answers.
    answer = partial(subprocess.run, ["sh", script], capture_output=True, text=True, check=True)
    answer(input="n\n" * 50_000)
    assert len(list(tmp_path.iterdir())) == 5
    os.rename(tmp_path / "k'ept.flac", tmp_path / "away")
    answer(input="y\n" * 50_000)  # what is kept is gone: the others stay
    assert len(list(tmp_path.iterdir())) == 5
    os.rename(tmp_path / "away", tmp_path / "k'ept.flac")
    answer(input="y\n" * 50_000)
    assert {path.name for path in tmp_path.iterdir()} == {"k'ept.flac", "plan.sh"}
    with pytest.raises(MusicuError, match="a list cannot hold it; use .sh"):
        write_plan(groups, tmp_path / "plan.txt")
    assert not (tmp_path / "plan.txt").exists()
    with pytest.raises(MusicuError, match=r"ends in \.sh, \.txt, \.csv, \.json"):
        write_plan(groups, tmp_path / "plan.doc")
    write_plan(groups, tmp_path / "plan.csv")
    with (tmp_path / "plan.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["verdict"] for row in rows] == ["keep", "spare", "spare", "spare"]
    write_plan([], tmp_path / "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text()) == []


def test_check_shows_files_and_deletes_none(shelf: Shelf, tmp_path: Path) -> None:
    shutil.copyfile(shelf / "Dora/Night.wav", shelf / "Dora/Copy.wav")
    with shelf.open() as catalog:
        catalog.add_folder(shelf.folder)
    plan = tmp_path / "spare.txt"
    done = call_cli("check", "--plan", plan)
    assert done.stderr.endswith(f"1 spare files in {plan}\n")
    (spare,) = plan.read_text().splitlines()
    assert os.path.exists(spare)
    header, kept, other = done.stdout.splitlines()[-3:]
    assert header.split() == ["same", "verdict", "codec", "kbit/s", "kHz", "length", "path"]
    assert kept.split()[:2] == ["1", "keep"] and other.endswith(spare)
    (copies,) = [f for f in json.loads(call_cli("check", "--json").stdout) if f["files"]]
    assert copies["kind"] == "copies" and len(copies["files"]) == 2
    assert call_cli("check", "table.csv", "--plan", plan).returncode == 2
    assert call_cli("check", "--plan", "plan.doc").returncode == 2
