"""What `deploy/` holds can be read by those it is for, and calls commands that there are.

Nothing is started here: neither systemd nor a container engine is at hand everywhere.
"""

import configparser
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from musicu.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))


def check(words: list[str]) -> str:
    """Parse a command's words as the program would; return its name."""
    command = typer.main.get_command(app)
    context = command.make_context("musicu", [], resilient_parsing=True)
    name = words[0]
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    command.make_context(name, words, parent=context)
    return name


def unit(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(path.read_text(encoding="utf-8"))
    return parser


def instructions() -> dict[str, list[str]]:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            found.setdefault(name, []).append(" ".join(rest.split()))
    return found


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_of_systemd_call_what_there_is(path: Path) -> None:
    service = unit(path)["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert program == "%h/.local/bin/musicu"
    assert check(words) == path.stem.removeprefix("musicu-")
    assert (service["KillMode"], service["Restart"]) == ("mixed", "on-failure")


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_finds_nothing_wrong_with_them(path: Path, tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd here")
    copy = tmp_path / path.name
    # It looks for the program, which is not installed there.
    copy.write_text(path.read_text().replace("%h/.local/bin/musicu", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(copy)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert [line for line in done.stderr.splitlines() if path.name in line] == []


def test_the_line_of_cron_calls_what_there_is() -> None:
    lines = (DEPLOY / "crontab").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if not line.startswith("#")]
    *times, command = line.split(None, 5)
    assert re.fullmatch(r"\d+( \*){4}", " ".join(times))
    assert "%" not in command  # cron takes it for a new line
    words = shlex.split(command)
    assert check(words[words.index("$HOME/.local/bin/musicu") + 1 :]) == "embed"


def test_the_image_is_of_an_unprivileged_user_and_says_whether_it_is_well() -> None:
    found = instructions()
    assert found["USER"] == ["musicu"]
    (health,) = found["HEALTHCHECK"]
    python, *program = json.loads(health.partition("CMD ")[2])
    assert python == "python"
    compile(program[1], "HEALTHCHECK", "exec")
    (entry,), (command,) = found["ENTRYPOINT"], found["CMD"]
    assert json.loads(entry) == ["musicu"]
    assert check(json.loads(command)) == "serve"
    kept = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8")
    assert all((ROOT / name).exists() for name in re.findall(r"^!(.+)$", kept, re.MULTILINE))


def test_the_composition_calls_what_there_is() -> None:
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    services = composed["services"]
    assert {check(service["command"]) for service in services.values()} == set(services)
    kind, program, *words = services["watch"]["healthcheck"]["test"]
    assert (kind, program, check(words)) == ("CMD", "musicu", "catalog")
    build = services["watch"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).exists()
    for service in services.values():
        for volume in service["volumes"]:
            where, *_ = volume.split(":/")
            assert where in composed["volumes"] or where.startswith("${MUSIC:?")
        for secret in service.get("secrets", ()):
            assert f"/run/secrets/{secret}" in service["command"]
