import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from cli_calls import call_cli, one_line
from conftest import PROGRAM, MakeStore, RunCli, Shelf, retag, unit
from typer.testing import CliRunner

from musicu import __version__
from musicu.catalog.catalog import Catalog
from musicu.catalog.ingest import ingest
from musicu.cli.app import app
from musicu.encoders.registry import DEFAULT_MODEL, find_model, list_models
from musicu.errors import MusicuError

FORMATS = ("--json", "--nl", "--csv", "--tsv")


def _commands() -> Iterator[tuple[list[str], Any]]:
    """Every command with the words that call it; groups too."""
    waiting: list[tuple[list[str], Any]] = [([], typer.main.get_command(app))]
    while waiting:
        words, command = waiting.pop(0)
        yield words, command
        waiting += [([*words, n], c) for n, c in getattr(command, "commands", {}).items()]


COMMANDS = list(_commands())
LEAVES = [words for words, command in COMMANDS if not hasattr(command, "commands")]


def _parse(text: str, form: str) -> list[dict[str, Any]]:
    if form == "--json":
        rows: list[dict[str, Any]] = json.loads(text)
        return rows
    if form == "--nl":
        return [json.loads(line) for line in text.splitlines()]
    dialect = "excel" if form == "--csv" else "excel-tab"
    return list(csv.DictReader(io.StringIO(text, newline=""), dialect=dialect))


def _as_text(row: dict[str, Any]) -> dict[str, str]:
    """A row as CSV writes it."""
    return {
        name: ""
        if value is None
        else json.dumps(value)
        if isinstance(value, list | dict)
        else str(value)
        for name, value in row.items()
    }


# Help, usage, errors


@pytest.mark.parametrize(
    ("words", "command"), COMMANDS, ids=[" ".join(words) or "musicu" for words, _ in COMMANDS]
)
def test_every_command_and_option_has_help(words: list[str], command: Any) -> None:
    assert command.help
    for parameter in command.params:
        assert parameter.help, parameter.name
    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0
    assert command.help.split(".")[0].split(",")[0] in result.output.replace("\n", " ")


def test_the_commands_are_these() -> None:
    assert {" ".join(words) for words in LEAVES} == {
        "embed",
        "watch",
        "write-tags",
        "similar",
        "features",
        "tags",
        "find",
        *("mix", "journey", "playlists", "push", "serve", "monitor"),
        *("fit", "recommend", "audience", "release", "check", "simulate"),
        *(f"evaluate {name}" for name in ("encoder", "recommend", "ab")),
        *("evaluate off-policy", "evaluate interleaving", "evaluate sessions"),
        *("fit sessions", "next"),
        *(f"evaluate {name}" for name in ("slates", "fairness", "privacy")),
        *(f"registry {name}" for name in ("list", "show", "add", "promote", "rollback")),
        *("registry remove", "registry challenge"),
        *("train encoder", "train join"),
        *(f"catalog {name}" for name in ("info", "list", "errors", "retry")),
        *(f"catalog {name}" for name in ("forget", "verify", "export")),
        *(f"models {name}" for name in ("list", "info", "add")),
        *("config", "doctor"),
    }


def test_help_and_version_are_data(run_cli: RunCli, run_program: RunCli) -> None:
    for run, words in (
        (run_program, ["--help"]),
        (run_cli, ["-h"]),
        (run_cli, ["catalog", "--help"]),
        (run_cli, ["embed", "-h"]),
    ):
        done = run(*words)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Usage: musicu" in done.stdout
    assert run_program("--version").stdout.startswith(f"musicu {__version__}\n")


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nonsense"],
        ["catalog", "nonsense"],
        ["similar"],
        ["similar", "x", "-n", "-1"],
        ["similar", "x", "-n", "many"],
        ["similar", "x", "--json", "--csv"],
        ["embed", ".", "-j", "0"],
        ["embed", ".", "--json", "--nl"],
        ["embed", ".", "--timeout", "0"],
        ["catalog", "list", "--tsv", "--nl"],
        ["catalog", "info", "--tsv", "--nl"],
        ["catalog", "errors", "--tsv", "--nl"],
        ["models", "list", "--tsv", "--nl"],
        ["features", "x", "--tsv", "--nl"],
        ["features"],
        ["catalog", "export"],
    ],
    ids=" ".join,
)
def test_a_usage_error_is_2(words: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 2
    assert not (tmp_path / "music.db").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["embed"],
        ["embed", "/nowhere"],
        ["embed", ".", "--model", "nonsense"],
        ["embed", ".", "--metadata", "/nowhere.csv"],
        ["similar", "nothing"],
        ["similar", "EMPTY"],
        ["similar", "SONG", "--model", "nonsense"],
        ["similar", "SONG", "--where", "nonsense"],
        ["similar", "SONG", "--where", "year =\n'"],
        ["similar", "SONG", "--m3u8", "/nowhere/list.m3u8"],
        ["similar", "two\nlines"],
        ["features", "/nowhere.mp3"],
        ["features", "EMPTY"],
        ["tags", "EMPTY"],
        ["catalog", "list", "--where", "1); DROP TABLE tracks; --"],
        ["catalog", "forget", "/nowhere"],
        ["catalog", "export", "out.xyz"],
        ["catalog", "info", "--catalog", "SONG"],
        ["models", "info", "nonsense"],
        ["models", "add", "/nowhere"],
    ],
    ids=lambda words: " ".join(words).replace("\n", " "),
)
def test_a_data_error_is_1_and_one_line(words: list[str], shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "empty.mp3").touch()
    places = {"SONG": str(shelf / "Dora/Night.wav"), "EMPTY": str(tmp_path / "empty.mp3")}
    if words == ["embed"]:
        shelf.db.unlink()
    one_line(call_cli(*(places.get(word, word) for word in words), cwd=tmp_path))


@pytest.mark.parametrize("command", ["info", "list", "errors", "retry", "verify"])
def test_a_missing_catalog_is_told_and_not_made(command: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["catalog", command])
    assert isinstance(result.exception, MusicuError)
    assert "'musicu embed FOLDER' makes one" in str(result.exception)
    assert not (tmp_path / "music.db").exists()


# Forms of output


@pytest.mark.parametrize(
    "words",
    [
        ["embed", "FOLDER"],
        ["similar", "SONG"],
        ["similar", "SONG", "-n", "0"],
        ["features", "SONG"],
        ["catalog", "list"],
        ["catalog", "info"],
        ["catalog", "errors"],
        ["models", "list"],
        ["models", "info", "musicu-1"],
    ],
    ids=" ".join,
)
def test_all_forms_say_the_same(words: list[str], shelf: Shelf, run_cli: RunCli) -> None:
    places = {"SONG": str(shelf / "Dora/Night.wav"), "FOLDER": str(shelf.folder)}
    words = [places.get(word, word) for word in words]
    forms = {}
    for form in FORMATS:
        done = run_cli(*words, form)
        assert done.returncode == 0, done.stderr
        forms[form] = _parse(done.stdout, form)
    rows = forms["--json"]
    assert forms["--nl"] == rows
    assert forms["--csv"] == forms["--tsv"] == [_as_text(row) for row in rows]
    assert bool(rows) == (words[-1] != "0")


@pytest.mark.parametrize("words", [["similar", "SONG"], ["catalog", "list"], ["catalog", "errors"]])
def test_a_table_in_a_pipe_is_whole(words: list[str], shelf: Shelf, run_cli: RunCli) -> None:
    deep = shelf / ("long name " * 12) / ("and long again " * 12)
    deep.mkdir(parents=True)
    shutil.move(shelf / "Alba", deep)
    title = "A title that does not fit into a line of eighty characters, nor into a hundred " * 3
    retag(deep / "Alba/First Light/01 Dawn.flac", title=title)
    run_cli("embed")
    done = run_cli(
        *(str(shelf / "Dora/Night.wav") if w == "SONG" else w for w in words),
        env={"COLUMNS": "40"},
    )
    lines = done.stdout.splitlines()
    if words[-1] == "errors":
        assert any(str(deep / "Alba/First Light/cover.jpg") in line for line in lines)
        assert len(lines) == 1 + 2
    else:
        (line,) = [line for line in lines if "01 Dawn.flac" in line]
        assert title.strip() in line and str(deep) in line
        assert len(lines) == 1 + (7 if words[0] == "similar" else 8)


def test_control_characters_in_names_break_no_table(shelf: Shelf, run_cli: RunCli) -> None:
    name = "a\nb\u2028c\x1b[31md\x85e\tf\x0cg.wav"
    (shelf / "Dora/Night.wav").rename(shelf / name)
    run_cli("embed")
    table = run_cli("catalog", "list").stdout
    assert len(table.splitlines()) == 9
    assert "a\\nb\\u2028c\\x1b[31md\\x85e\\tf\\x0cg.wav" in table and "\x1b" not in table
    rows = json.loads(run_cli("catalog", "list", "--json").stdout)
    assert str(shelf / name) in {row["path"] for row in rows}


@pytest.mark.parametrize("form", ["", *FORMATS])
def test_a_reader_that_leaves_early_is_no_error(
    form: str, make_store: MakeStore, tmp_path: Path
) -> None:
    vectors = unit(np.random.default_rng(0).standard_normal((3000, 4)))
    make_store(vectors, path=tmp_path / "music.db")[0].close()
    process = subprocess.Popen(
        [PROGRAM, "catalog", "list", *([form] if form else [])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout and process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() in (0, 1)


def test_quiet_says_nothing_and_data_still_comes(shelf: Shelf, run_cli: RunCli) -> None:
    done = run_cli("embed", shelf.folder, "-q", "--json")
    assert done.stderr == ""
    assert json.loads(done.stdout)[0]["unchanged"] == 8
    done = run_cli("similar", shelf / "Dora/Night.wav", "-q", "-n", "50", "--nl")
    assert done.stderr == "" and len(done.stdout.splitlines()) == 7


# Commands


def test_embed_without_a_folder_looks_through_those_it_knows(shelf: Shelf, run_cli: RunCli) -> None:
    shutil.copyfile(shelf / "Dora/Night.wav", shelf / "Dora/Copy.wav")
    done = run_cli("embed")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "11 files: 1 recognized, 8 unchanged, 2 not audio\n"


def test_a_dry_run_says_what_would_be_done(shelf: Shelf, run_cli: RunCli) -> None:
    shutil.copyfile(shelf / "Dora/Night.wav", shelf / "Dora/Copy.wav")
    done = run_cli("embed", "--dry-run")
    assert done.stderr == "11 files: 1 to analyze, 8 unchanged, 2 not audio\n"
    with shelf.open() as catalog:
        assert catalog.info().files == 8


def test_similar_shows_a_table_and_tells_of_too_few(shelf: Shelf, run_cli: RunCli) -> None:
    done = run_cli("similar", shelf / "Dora/Night.wav", "-n", "9", "--where", "has(genres, 'jazz')")
    header, *lines = done.stdout.splitlines()
    assert header.split() == ["rank", "score", "artist", "title", "album", "path"]
    assert len(lines) == 3
    assert done.stderr == "3 of 9: no more tracks pass the filters\n"


def test_similar_by_options_is_what_the_library_says(shelf: Shelf, run_cli: RunCli) -> None:
    query = shelf / "Alba/First Light/02 Noon.mp3"
    done = run_cli("similar", query, "--exclude-same-artist", "--json", "-n", "3", "-q")
    with shelf.open() as catalog:
        matches = catalog.similar(query, 3, exclude_same_artist=True)
    rows = json.loads(done.stdout)
    assert [(r["rank"], r["score"], r["path"]) for r in rows] == [
        (m.rank, m.score, m.path) for m in matches
    ]
    assert not {r["artist"] for r in rows} & {"Alba", "Bruno"}


def test_a_playlist_holds_what_was_shown(shelf: Shelf, run_cli: RunCli) -> None:
    target = shelf / "like this.m3u8"
    done = run_cli("similar", shelf / "Dora/Night.wav", "--json", "--m3u8", target, "-n", "4")
    lines = target.read_text(encoding="utf-8").splitlines()
    paths = [str(shelf.folder / line) for line in lines if not line.startswith("#")]
    assert paths == [row["path"] for row in json.loads(done.stdout)]
    assert lines[0] == "#EXTM3U"


def test_forget_verify_and_export(shelf: Shelf, run_cli: RunCli, tmp_path: Path) -> None:
    done = run_cli("catalog", "forget", shelf / "Alba", "--dry-run")
    assert done.stderr == "3 files would be forgotten\n"
    assert run_cli("catalog", "forget", shelf / "Alba").stderr == "3 files forgotten\n"
    done = run_cli("catalog", "verify")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "all is well\n")
    done = run_cli("catalog", "export", tmp_path / "out.npz")
    assert done.stderr == f"6 tracks in {tmp_path / 'out.npz'}\n"
    with shelf.open() as catalog:
        catalog.store.db.execute("UPDATE vectors SET vector = x'00'")
    done = run_cli("catalog", "verify")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 6
    # The matrix still has them as they were.
    assert run_cli("catalog", "export", tmp_path / "out.npz").returncode == 0
    for matrix in shelf.db.parent.glob("*.npy"):
        matrix.unlink()
    done = run_cli("catalog", "export", tmp_path / "out.npz")
    assert done.returncode == 1
    assert done.stderr.startswith(f"0 tracks in {tmp_path / 'out.npz'}\nleft out: ")


def test_retry_says_what_became_of_the_failures(tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs/a.mp3").touch()
    run_cli("embed", tmp_path / "songs")
    done = run_cli("catalog", "retry")
    assert done.stderr == "1 files: 1 failed\nreasons: musicu catalog errors\n"
    assert done.returncode == 0  # they failed before, and the rest of the catalog is as it was


def test_a_models_folder_becomes_a_name(run_cli: RunCli, tmp_path: Path) -> None:
    shipped = [model.id for model in list_models()]
    assert shipped[0] == DEFAULT_MODEL and "musicu-1" in shipped
    folder = tmp_path / "mine"
    shutil.copytree(find_model().folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "id": "mine"}))
    done = run_cli("models", "add", folder)
    assert (done.returncode, done.stdout) == (0, "")
    assert "mine@1 is installed" in done.stderr
    rows = json.loads(run_cli("models", "list", "--json").stdout)
    assert [row["id"] for row in rows] == [*shipped, "mine"]
    assert "mine" in run_cli("models", "info", "mine").stdout


# What is imported


def _imported(*words: str | os.PathLike[str]) -> set[str]:
    """Top-level modules that a command has loaded when it ends."""
    program = (
        "import sys\n"
        "from musicu.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *words], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


_ANALYSIS = {"librosa", "numba", "sklearn", "scipy", "soundfile", "soxr"}


@pytest.mark.parametrize("words", [["--help"], ["embed", "--help"]], ids=" ".join)
def test_help_waits_for_nothing_heavy(words: list[str]) -> None:
    assert not _imported(*words) & {*_ANALYSIS, "numpy", "onnxruntime", "av", "sqlite3", "mutagen"}


def test_versions_are_told_without_loading_what_they_are_of() -> None:
    assert not _imported("--version") & {*_ANALYSIS, "onnxruntime", "av", "rich"}


def test_a_stored_track_is_ranked_without_decoder_or_network(shelf: Shelf) -> None:
    song = shelf / "Dora/Night.wav"
    heavy = {*_ANALYSIS, "onnxruntime", "av", "mutagen"}
    assert not _imported("similar", song) & heavy
    assert not _imported("catalog", "list", "--json") & heavy
    assert not _imported("embed") & heavy


def test_only_descriptors_need_the_heavy_libraries(original: Shelf, tmp_path: Path) -> None:
    """In the process that asks, and in the worker that embeds."""
    told = tmp_path / "told"
    script = tmp_path / "worker.py"
    script.write_text(
        "import sys, musicu.workers.worker_program\n"
        "begin = musicu.workers.worker_program.PROGRAMS['track']\n"
        "def telling(settings):\n"
        "    answer = begin(settings)\n"
        "    def tell(request):\n"
        "        result = answer(request)\n"
        f"        open({str(told)!r}, 'w').write(' '.join(sys.modules))\n"
        "        return result\n"
        "    return tell\n"
        "musicu.workers.worker_program.PROGRAMS['track'] = telling\n"
        "musicu.workers.worker_program.main()\n"
    )
    with Catalog() as catalog:
        summary = ingest(
            catalog.store,
            [str(original / "Carla")],
            find_model(),
            jobs=1,
            command=[sys.executable, str(script)],
        )
    assert summary.embedded == 2
    loaded = set(told.read_text().split())
    assert {"onnxruntime", "av"} <= loaded
    assert not loaded & {"librosa", "numba", "sklearn", "scipy", "soundfile"}
