"""``musicu evaluate recommend`` and ``musicu evaluate ab`` as a user meets them."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from cli_calls import call_cli, one_line
from conftest import RunCli

Tables = dict[str, Path]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """Thirty tracks of three kinds, forty listeners, and vectors of two sorts."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    kind = rng.integers(3, size=30)
    with open(folder / "items.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "who", "genres", "part"])
        for i, k in enumerate(kind):
            genre = ("Jazz", "Techno", "Folk")[k]
            writer.writerow([f"t{i}", f"Artist {k} {rng.integers(4)}", genre, "AB"[i % 2]])
    likes = rng.random((40, 3)) < 0.5
    with open(folder / "plays.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "item", "plays", "time"])
        for user, item in np.argwhere(rng.random((40, 30)) < np.where(likes[:, kind], 0.5, 0.05)):
            writer.writerow([f"u{user}", f"t{item}", rng.integers(1, 9), f"2020-01-{item + 1:02}"])
    ids = np.array([f"t{i}" for i in range(30)])
    heard = rng.normal(size=(3, 8))[kind] + 0.5 * rng.normal(size=(30, 8))
    np.savez(folder / "audio.npz", ids=ids, vectors=heard)
    np.savez(folder / "noise.npz", ids=ids, vectors=rng.normal(size=(30, 4)))
    with open(folder / "trial.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user", "variant", "plays", "before"])
        for user in range(400):
            before = rng.poisson(5)
            more = 3 * (user % 2)
            writer.writerow([f"u{user}", "AB"[user % 2], rng.poisson(before + more), before])
    return {path.stem: path for path in folder.iterdir()}


def test_a_whole_test_writes_table_rows_json_and_report(
    run_cli: RunCli, tables: Tables, tmp_path: Path
) -> None:
    command = ["evaluate", "recommend", tables["plays"], "--items", tables["items"]]
    command += ["--column", "who=artist", "--audio", tables["audio"], "--seeds", "1"]
    command += ["--vectors", f"noise={tables['noise']}", "--folds", "2"]
    done = run_cli(*command, "--json", "--report", tmp_path / "report.html")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["schema"] == "musicu.evaluate.recommend/1"
    assert found["others"] == ["noise"] and found["splits"] == 2
    assert "columns not used as content: part" in done.stderr
    assert "2 splits: 2 folds of whole artists, each cold once" in done.stderr
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and "musicu evaluate recommend" in page
    systems = {score["system"] for score in found["scores"]}
    assert {"musicu", "noise kNN", "same artist", "audio only", "contents shuffled"} <= systems
    rows = list(csv.DictReader(io.StringIO(run_cli(*command, "--csv", "-q").stdout)))
    assert len(rows) == len(found["scores"])
    assert float(rows[0]["value"]) == found["scores"][0]["value"]


def test_simulated_listening_is_never_reported_as_real(
    run_cli: RunCli, tables: Tables, tmp_path: Path
) -> None:
    log, page = tmp_path / "plays.csv", tmp_path / "report.html"
    head, *rows = tables["plays"].read_text().splitlines()
    log.write_text("\n".join([f"{head},simulated", *(f"{row},simulated" for row in rows)]))
    command = ["evaluate", "recommend", log, "--items", tables["items"], "--seeds", "1"]
    done = run_cli(*command, "--column", "who=artist", "--folds", "2", "--report", page)
    assert done.returncode == 0, done.stderr
    told = "The listening is simulated: no figure here says anything of people."
    assert told in done.stderr.splitlines()
    assert told in page.read_text(encoding="utf-8")


def test_given_folds_and_days_are_protocols_too(run_cli: RunCli, tables: Tables) -> None:
    command = ["evaluate", "recommend", tables["plays"], "--items", tables["items"]]
    command += ["--column", "who=artist", "--seeds", "1"]
    done = run_cli(*command, "--fold", "part")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:3] == ["system", "kind", "NDCG@20"] and lines[1].startswith("musicu")
    assert "given folds of the items, each cold once" in done.stderr
    done = run_cli(*command, "--protocol", "time", "--since", "2020-01-16", "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["cold"] == 15 and found["splits"] == 1
    assert found["protocol"].startswith("items first played since 2020-01-16")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fold", "part", "--protocol", "artist"], "choose one: --fold or --protocol"),
        (["--protocol", "time"], "--protocol time and --since need each other"),
        (["--since", "2020-01-01"], "--protocol time and --since need each other"),
        (["--vectors", "mfcc.npz"], "'mfcc.npz' is not NAME=FILE"),
        (["--report", "nowhere/report.html"], "a file in a folder that exists"),
        (["--catalog", "music.db"], "choose one: --catalog or --items"),
        (["--csv", "--json"], "choose one of --json"),
    ],
)
def test_words_that_contradict_each_other_are_usage_errors(
    tables: Tables, words: list[str], said: str
) -> None:
    done = call_cli("evaluate", "recommend", tables["plays"], "--items", tables["items"], *words)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--fold", "nothing"], "no column 'nothing'"),
        (["--folds", "50"], "do not make 50 folds"),
        (["--protocol", "album"], "no item names its album"),
        (["--vectors", "mfcc=nowhere.npz"], "nowhere.npz"),
        (["--protocol", "time", "--since", "2031-01-01"], "there is nothing to measure"),
    ],
)
def test_what_cannot_be_done_is_one_line(tables: Tables, words: list[str], said: str) -> None:
    command = ["evaluate", "recommend", tables["plays"], "--items", tables["items"]]
    one_line(call_cli(*command, "--column", "who=artist", "-q", *words), said)


def test_a_trial_is_analyzed_and_reported(run_cli: RunCli, tables: Tables, tmp_path: Path) -> None:
    pytest.importorskip("tea_tasting")
    command = ["evaluate", "ab", tables["trial"], "--control", "A", "--metric", "plays"]
    command += ["--covariate", "plays=before", "--report", tmp_path / "ab.html"]
    done = run_cli(*command, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    (effect,) = found["effects"]
    assert (effect["variant"], effect["verdict"]) == ("B", "higher")
    assert 2 < effect["low"] < 3 < effect["high"] < 4
    assert effect["variance_left"] < 0.8
    page = (tmp_path / "ab.html").read_text(encoding="utf-8")
    assert "plays: B is higher than A by" in page and "adjusted by before" in page


def test_a_trial_that_cannot_be_read_is_one_line(tables: Tables) -> None:
    pytest.importorskip("tea_tasting")
    trial = tables["trial"]
    one_line(call_cli("evaluate", "ab", trial, "--metric", "clicks", "-q"), "no column 'clicks'")
    done = call_cli("evaluate", "ab", trial, "--metric", "plays", "--share", "A=half", "-q")
    assert done.returncode == 2 and "'half' is no number" in done.stderr
