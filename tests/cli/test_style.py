"""How commands look: help, names of values, usage errors, versions, completion."""

import re
from typing import Any

import pytest
import typer
from cli_calls import call_cli
from conftest import RunCli

from musicu import __version__
from musicu.cli.app import app
from musicu.encoders.registry import DEFAULT_MODEL
from musicu.installed import core_versions, list_extras


def _parameters(command: Any) -> list[Any]:
    below = getattr(command, "commands", {}).values()
    return [*command.params, *(one for each in below for one in _parameters(each))]


def test_what_options_take_has_a_name_in_capitals_or_choices() -> None:
    for one in _parameters(typer.main.get_command(app)):
        if one.param_type_name == "argument" or not one.is_flag:
            assert re.fullmatch(r"[A-Z0-9_]+(=[A-Z]+)?|[a-z]+(\|[a-z]+)+", one.metavar), one.name


def test_help_is_plain_text_and_says_defaults() -> None:
    done = call_cli("embed", "--help", env={"COLUMNS": "80"})
    assert done.stdout.startswith("Usage: musicu embed [OPTIONS] [FOLDER...]\n")
    assert re.search(r"^  --nice N +Leave the machine to others\. \[0\]$", done.stdout, re.M)
    assert "<" not in done.stdout and "│" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_commands_stand_in_sections() -> None:
    said = call_cli("--help").stdout
    assert said.index("Hear and find:") < said.index("\n  embed ") < said.index("Recommend:")
    assert said.index("\n  evaluate ") > said.index("Serve and measure:")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["features"], "error: missing argument 'FILE'\nusage: musicu features [OPTIONS] FILE...;"),
        (["similar"], "error: name a track, or an --artist\nusage: musicu similar [OPTIONS] [T"),
        (["similer"], "error: no such command 'similer'. Did you mean 'similar', 'simulate'?\n"),
        (["embed", "--forc"], "error: no such option: --forc ("),
        (["features", "x", "--csv", "--nl"], "error: choose one of --json, --nl, --csv and --tsv"),
        (["similar", "x", "-n", "a\x1b[31m\nb"], "error: invalid value for '-n': "),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_usage_error_looks_like_any_other(words: list[str], says: str) -> None:
    done = call_cli(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(says)
    assert done.stderr.count("\n") == 2 and "\x1b" not in done.stderr
    assert done.stderr.endswith(" --help' tells more\n")


def test_the_version_names_models_and_what_musicu_stands_on() -> None:
    first, models, parts = call_cli("--version").stdout.splitlines()
    assert first == f"musicu {__version__}"
    assert models.startswith(f"models: {DEFAULT_MODEL}@") and "(default)" in models
    assert all(f"{name} {version}" in parts for name, version in core_versions().items())


def test_the_extras_are_those_of_users() -> None:
    extras = {extra.name: extra for extra in list_extras()}
    assert {"serve", "evaluate", "train"} <= extras.keys() and "dev" not in extras
    assert "fastapi" in extras["serve"].packages
    assert set(extras["train"].missing) <= set(extras["train"].packages)


def test_the_shell_can_ask_for_what_comes_next(run_cli: RunCli) -> None:
    asked = {"_MUSICU_COMPLETE": "complete_bash", "COMP_WORDS": "musicu si", "COMP_CWORD": "1"}
    assert run_cli(env=asked).stdout.split() == ["similar", "simulate"]
    asked |= {"COMP_WORDS": "musicu embed --me", "COMP_CWORD": "2"}
    assert run_cli(env=asked).stdout.split() == ["--metadata"]
