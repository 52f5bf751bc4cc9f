"""``musicu evaluate off-policy`` and ``musicu evaluate interleaving`` as a user meets them."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from cli_calls import call_cli, one_line


@pytest.fixture(scope="module")
def decisions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shelves, shown by a coin; the second is played three times as often."""
    path = tmp_path_factory.mktemp("logs") / "decisions.csv"
    rng = np.random.default_rng(0)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "reward", "propensity", "p_second", "q", "e_second"])
        for row in range(1000):
            second = int(rng.integers(2))
            played = int(rng.random() < (0.1, 0.3)[second])
            writer.writerow([f"u{row // 2}", played, 0.5, second, (0.1, 0.3)[second], 0.3])
    return path


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("logs") / "lists.csv"
    rng = np.random.default_rng(0)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["list", "user", "rank", "team", "clicked"])
        for number in range(300):
            teams = ["new", "control"][:: rng.choice([1, -1])]
            for rank, team in enumerate(teams, start=1):
                clicked = int(rng.random() < (0.4 if team == "new" else 0.1))
                writer.writerow([number, f"u{number % 150}", rank, team, clicked])
    return path


def test_a_log_of_decisions_is_evaluated(decisions: Path, tmp_path: Path) -> None:
    command = ["evaluate", "off-policy", decisions, "--policy", "second=p_second"]
    done = call_cli(*command)
    assert done.returncode == 0, done.stderr
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["estimator", "ips", "snips"]
    assert "1,000 decisions of 500 users" in done.stderr
    command += ["--predicted", "q", "--expected", "second=e_second", "--json"]
    command += ["--report", tmp_path / "report.html"]
    (found,) = json.loads(call_cli(*command, "-q").stdout)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "second, by dr: higher than the log." in page and "effective decisions" in page
    assert [value["estimator"] for value in found["values"]] == [
        *("ips", "snips", "direct", "dr", "sndr")
    ]
    assert {value["verdict"] for value in found["values"]} == {"higher"}
    assert all(value["low"] < 0.3 < value["high"] for value in found["values"][:2])
    assert 400 < found["diagnostics"][0]["effective"] < 600


def test_interleaved_lists_are_evaluated(lists: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = call_cli("evaluate", "interleaving", lists, "--csv", "--report", page)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [(row["measure"], row["verdict"]) for row in rows] == [
        ("lists won", "higher"),
        ("credit", "higher"),
    ]
    assert "300 lists of 150 users: new won" in done.stderr
    assert "By lists won, new is higher than control." in page.read_text(encoding="utf-8")


def test_bad_logs_and_options_are_one_line(decisions: Path, lists: Path, tmp_path: Path) -> None:
    off_policy = ["evaluate", "off-policy", decisions, "-q", "--policy"]
    one_line(call_cli(*off_policy, "new=p_new"), "no column 'p_new'")
    one_line(call_cli(*off_policy, "new=user"), "row 2: its user is no number")
    one_line(call_cli("evaluate", "interleaving", decisions, "-q"), "no column 'list'")
    one_line(call_cli("evaluate", "interleaving", lists, "--control", "old", "-q"), "'old'")
    one_line(call_cli("evaluate", "interleaving", tmp_path / "no.csv", "-q"), "no.csv")
    for words, said in (
        ([*off_policy, "p_second"], "is not NAME=COLUMN"),
        ([*off_policy, "second=p_second", "--predicted", "q"], "need each other"),
        ([*off_policy, "second=p_second", "--alpha", "2"], "between 0 and 1"),
    ):
        done = call_cli(*words)
        assert done.returncode == 2 and said in " ".join(done.stderr.split()), done.stderr
