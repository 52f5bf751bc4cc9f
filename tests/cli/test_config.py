"""The user's own defaults of options."""

import json
import os
import tomllib
from pathlib import Path

import pytest
from cli_calls import call_cli, one_line
from conftest import Shelf


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "xdg_config_home/musicu/config.toml"
    path.parent.mkdir(parents=True)
    return path


def test_a_default_stands_behind_the_command_line(
    file: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MUSICU_CATALOG")
    there = os.path.relpath(shelf.db, file.parent)
    file.write_text(
        f'catalog-path = "{there}"\nquiet = true\n[similar]\nn = 2\nexclude_same_artist = true\n'
        f"json = true\n[catalog.list]\nwhere = \"has(genres, 'rock')\"\n"
    )
    done = call_cli("similar", "ebb")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert len(rows) == 2 and not any(row["artist"] == "Carla" for row in rows)
    done = call_cli("similar", "ebb", "-n", "1", "--nl")  # another form takes the place of --json
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")
    assert len(call_cli("catalog", "list").stdout.splitlines()) == 1 + 2
    assert "[2]" in call_cli("similar", "--help").stdout
    assert call_cli("similar", "ebb", env={"MUSICU_CONFIG": ""}).returncode == 1  # no catalog there
    rows = json.loads(call_cli("config", "--json").stdout)
    assert {"command": "catalog list", "option": "where", "value": "has(genres, 'rock')"} in rows
    assert {"command": "similar", "option": "n", "value": "2"} in rows
    assert {"command": "embed", "option": "quiet", "value": True} in rows


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x = [", "not TOML"),
        ("[similer]\nn = 2", "no command [similer]; near are 'similar', 'simulate'"),
        ("[similar]\nm3u = 2", "[similar] has no option 'm3u'; near is 'm3u8'"),
        ("quite = true", "no command has --quite; near are 'quiet', 'items'"),
        ("[similar]\nquiet = 1", "--quiet is on or off: true or false, not 1"),
        ("[similar]\nn = true", "-n takes N, not True"),
        ("[mix]\nless = 'a'", "--less takes a list, not 'a'"),
        ("[similar]\nm3u8 = 3", "--m3u8 is a path"),
        ("catalog = 'music.db'", "where the catalog is, is called catalog-path here"),
    ],
)
def test_what_the_file_cannot_mean_is_told(file: Path, text: str, says: str) -> None:
    file.write_text(text)
    one_line(call_cli("models", "list"), str(file), says)
    one_line(call_cli("config"), str(file), says)
    assert call_cli("models", "list", "--help").returncode == 0
    assert call_cli("models", "list", env={"MUSICU_CONFIG": ""}).returncode == 0


def test_a_value_of_the_wrong_kind_names_its_file(file: Path) -> None:
    file.write_text("[similar]\nn = 'x'")
    done = call_cli("similar", "ebb")
    assert done.returncode == 2
    assert done.stderr.startswith("error: invalid value for '-n'") and str(file) in done.stderr


def test_a_file_of_all_options_is_made_and_says_nothing(file: Path) -> None:
    assert "musicu config --init" in call_cli("config").stderr
    assert call_cli("config", "--init").returncode == 0
    text = file.read_text()
    assert "\n[train.encoder]\n" in text and "\n# max-per-artist = N  # At most" in text
    assert all(not value for value in tomllib.loads(text)["evaluate"].values())
    assert json.loads(call_cli("config", "--json").stdout) == []
    one_line(call_cli("config", "--init"), "is there already")
