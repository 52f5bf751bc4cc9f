"""Recommendation on the command line: real processes, one clear line for each fault."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from cli_calls import call_cli, one_line
from conftest import RunCli, Shelf, add_track, unit
from made_audio import notes, write
from typer.testing import CliRunner

from musicu.catalog.catalog import Catalog
from musicu.catalog.items import catalog_items
from musicu.catalog.store import Store
from musicu.cli.app import app
from musicu.encoders.registry import find_model
from musicu.errors import RecommenderError
from musicu.metadata.playlist import PlaylistEntry, write_m3u8
from musicu.recommend.interactions import hash_user, read_interactions
from musicu.recommend.loading import load_catalog_recommender
from musicu.recommend.recommender import History, Recommender

ARTISTS, EACH, DIM = 6, 8, 16
TRACKS = ARTISTS * EACH
SALT = "a long random secret"
USER = "listener 3"
FORMATS = ("--json", "--nl", "--csv", "--tsv")


def fill(path: Path, numbers: range, *, seed: int = 0) -> None:
    """Store tracks without a file to hear: six artists, each around a point of their own."""
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((ARTISTS, DIM))
    vectors = unit(np.repeat(centers, EACH, axis=0) + 0.5 * rng.standard_normal((TRACKS, DIM)))
    with Store(path, create=True) as store:
        model = store.use_model(replace(find_model(), id="made", sha256="a" * 64, dim=DIM))
        with store.change():
            for number in numbers:
                artist = number // EACH
                tags = {
                    "title": f"Song {number}",
                    "artist": f"Artist {artist}",
                    "artists": [f"Artist {artist}"],
                    "album": f"Album {number // 4}",
                    "year": 1990 + artist,
                    "isrc": f"GBAYE06{number:05}",
                }
                add_track(store, model, number, vectors[number], tags)


@dataclass(frozen=True)
class World:
    """A catalog, a simulated log of its tracks, and a recommender that was fitted on both."""

    catalog: Path
    log: Path
    fitted: Path

    def rows(self) -> list[dict[str, str]]:
        with open(self.log, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def rewrite(self, target: Path, **columns: Any) -> Path:
        """Write the log with columns changed by functions of their cell."""
        rows = [
            {name: columns.get(name, str)(cell) for name, cell in row.items()}
            for row in self.rows()
        ]
        with open(target, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        return target


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, run_cli: RunCli) -> World:
    folder = tmp_path_factory.mktemp("world")
    made = World(folder / "music.db", folder / "log.csv", folder / "fitted")
    fill(made.catalog, range(TRACKS))
    options = ("--users", "30", "--days", "20")
    done = run_cli("simulate", made.log, "--catalog", made.catalog, *options)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("simulated: ") and done.stderr.count("\n") == 1
    done = run_cli("fit", made.log, "--out", made.fitted, "--catalog", made.catalog)
    assert (done.returncode, done.stdout) == (0, "")
    assert "of 30 users" in done.stderr and f"{TRACKS} items are known" in done.stderr
    return made


def ask(*words: Any, env: Mapping[str, str] | None = None) -> Any:
    """Run a command that must go well; return its rows."""
    done = call_cli(*words, "--json", env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def track(number: int) -> str:
    return f"{number:032x}"


# Surfaces


def test_a_surface_is_named_or_described_by_a_file(world: World, tmp_path: Path) -> None:
    log = ("--log", world.log, "--user", USER, "--duplicates", "sum")
    base = ("recommend", "--recommender", world.fitted, *log)
    found = ask(*base, "--surface", "home-shelf", "--at", "2024-01-21T08:00")
    artists = Counter(one["artist"] for one in found)
    assert found and max(artists.values()) <= 2
    # What plays stands beside the listener; -n goes over the surface's own number.
    playing = ask(*base, "--surface", "now-playing", track(5), "-n", "4")
    assert len(playing) == 4 and track(5) not in {one["id"] for one in playing}
    assert ask("recommend", "--recommender", world.fitted, "--surface", "now-playing", track(5))
    mine = tmp_path / "mine.toml"
    mine.write_text("n = 3\ndiversity = 0.5\n")
    done = call_cli(*base, "--surface", mine, "--device", "car")
    assert done.stdout.count("\n") == 4
    assert "not used: device" in done.stderr
    fault = one_line(call_cli(*base, "--surface", "radio"))
    assert "there are home-shelf" in fault


def test_slates_are_measured_on_what_was_played_later(world: World) -> None:
    base = ("evaluate", "slates", world.log, "--since", "2024-01-15", "--duplicates", "sum")
    folder = ("--recommender", f"one={world.fitted}")
    done = call_cli(*base, *folder, "--recommender", f"two={world.fitted}", "--users", "4", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert {row["contender"] for row in rows} == {"one", "two"}
    assert {row["measure"] for row in rows} >= {"err", "ndcg", "new", "coverage"}
    (same,) = [row for row in rows if (row["contender"], row["measure"]) == ("two", "err")]
    assert (float(same["difference"]), same["verdict"]) == (0.0, "open")
    places = ("--surface", "home-shelf", "--surface", "release-radar", "--users", "2")
    (told,) = ask(*base, *folder, *places)
    assert {score["system"] for score in told["scores"]} == {"home-shelf", "release-radar"}


def test_versions_are_kept_challenged_promoted_and_rolled_back(
    world: World, tmp_path: Path
) -> None:
    folder = tmp_path / "registry"
    fit = ("fit", world.log, "--registry", folder, "--catalog", world.catalog)
    one, two = (call_cli(*fit, "--dim", dim, "--note", f"dim {dim}") for dim in ("4", "8"))
    assert "version 1: served" in one.stderr and "registry promote" in two.stderr
    versions = ask("registry", "list", folder)
    assert [(row["version"], row["champion"]) for row in versions] == [(1, True), (2, False)]
    assert versions[1]["parameters"]["dim"] == 8 and versions[1]["log"]["users"] == 30
    assert "dim 4" in call_cli("registry", "show", folder).stdout
    base = ("registry", "challenge", folder, world.log, "--since", "2024-01-15", "--users", "3")
    done = call_cli(*base, "--duplicates", "sum", "--csv")
    assert done.returncode == 0 and "too good" in done.stderr
    assert "version 2 is not clearly better than version 1" in done.stderr
    (kept,) = ask("registry", "show", folder, "2")[0]["evaluations"]
    assert kept["beside"] == 1 and 0 <= kept["metrics"]["ndcg"] <= 1
    assert call_cli("registry", "promote", folder, "2").returncode == 0
    assert ask("recommend", "--recommender", folder, track(0))
    assert "version 1 is served again" in call_cli("registry", "rollback", folder).stderr
    one_line(call_cli("registry", "rollback", folder), "nothing was served before")
    assert call_cli("registry", "add", folder, world.fitted, "--metric", "ndcg=0.2").returncode == 0
    assert call_cli("registry", "remove", folder, "2").returncode == 0
    assert [row["version"] for row in ask("registry", "list", folder)] == [1, 3]
    assert call_cli("fit", world.log, "--catalog", world.catalog).returncode == 2


def test_who_is_shown_and_what_is_told_of_listeners(world: World, tmp_path: Path) -> None:
    base = (world.log, "--duplicates", "sum")
    report = tmp_path / "fair.html"
    done = call_cli(
        *("evaluate", "fairness", *base, "--recommender", world.fitted, "--since", "2024-01-15"),
        *("--users", "4", "--target", "tail=0.3", "--report", report),
    )
    assert done.returncode == 0 and "exposure" in done.stdout and "reached" in done.stdout
    assert "What targets cost" in report.read_text()
    again = ("evaluate", "fairness", *base, "--recommender", world.fitted, "--since", "2024-01-15")
    assert call_cli(*again, "--target", "tail=2").returncode == 2
    (told,) = ask(
        *("evaluate", "privacy", *base, "--catalog", world.catalog, "--users", "6"),
        *("--left-out", "0", "--least-listeners", "2"),
    )
    assert told["bound"]["least_listeners"] == 2
    assert all(0 <= one["auc"] <= 1 for one in told["attacks"])
    out = tmp_path / "bounded"
    fit = ("fit", *base, "--catalog", world.catalog, "--out", out, "--most-items", "5")
    done = call_cli(*fit)
    assert done.returncode == 0 and "fitting: " in done.stderr


def test_a_moment_without_a_surface_is_a_fault_of_usage(world: World) -> None:
    done = call_cli("recommend", "--recommender", world.fitted, "--device", "car", track(0))
    assert done.returncode == 2 and "--surface" in done.stderr


# Usage


@pytest.mark.parametrize(
    "words",
    [
        ["fit"],
        ["fit", "log.csv"],
        ["fit", "log.csv", "--out", "x", "--items", "i.csv", "--catalog", "c.db"],
        ["fit", "log.csv", "--out", "x", "--column", "a=b"],
        ["fit", "log.csv", "--out", "x", "--unknown", "what"],
        ["fit", "log.csv", "--out", "x", "--evenness", "2"],
        ["recommend", "a"],
        ["recommend", "--recommender", "r"],
        ["recommend", "--recommender", "r", "a", "--history", "h.m3u8"],
        ["recommend", "--recommender", "r", "a", "--log", "l.csv", "--user", "u"],
        ["recommend", "--recommender", "r", "--log", "l.csv"],
        ["recommend", "--recommender", "r", "--user", "u"],
        ["recommend", "--recommender", "r", "a", "--m3u8", "out.m3u8"],
        ["recommend", "--recommender", "r", "a", "--where", "year > 2000"],
        ["recommend", "--recommender", "r", "a", "--hour", "25"],
        ["recommend", "--recommender", "r", "a", "--diversity", "1.5"],
        ["recommend", "--recommender", "r", "a", "--explain", "--json"],
        ["recommend", "--recommender", "r", "a", "--explain", "--no-because"],
        ["recommend", "--recommender", "r", "a", "--out", "x.parquet"],
        ["recommend", "--recommender", "r", "--all-users", "--log", "l.csv"],
        ["recommend", "--recommender", "r", "--all-users", "--log", "l.csv", "--user", "u"],
        ["audience", "a"],
        ["audience", "--recommender", "r"],
        ["simulate"],
        ["simulate", "out.csv", "--users", "0"],
        ["simulate", "out.csv", "--days", "400"],
        ["check", "a.csv", "--catalog", "c.db"],
        ["check", "--server", "http://x"],
        ["check", "--user", "u"],
        ["check", "--column", "a=b"],
        ["check", "--musicbrainz", "m", "--split", "fold"],
    ],
    ids=" ".join,
)
def test_a_usage_error_is_2(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(app, words).exit_code == 2
    assert not list(tmp_path.iterdir())


def test_help_waits_for_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from musicu.cli.app import app\n"
        "for name in ('fit', 'recommend', 'audience', 'simulate', 'check', 'release'):\n"
        "    assert CliRunner().invoke(app, [name, '--help']).exit_code == 0\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    heavy = {"numpy", "scipy", "sklearn", "librosa", "numba", "onnxruntime", "av", "sqlite3"}
    assert not set(done.stdout.split()) & heavy


# Simulated listening


def test_simulated_listening_says_what_it_is_and_can_be_read(world: World) -> None:
    assert world.log.read_text().startswith("user,item,weight,time,simulated\n")
    rows = world.rows()
    assert {row["simulated"] for row in rows} == {"simulated"}
    times = [row["time"] for row in rows]
    assert times == sorted(times)
    log = read_interactions(world.log, known={track(i) for i in range(TRACKS)})
    assert len(log) == len(rows) and len(log.users) == 30
    assert log.time is not None and np.ptp(log.time) > 10 * 86400


def test_simulated_listening_follows_its_seed(
    world: World, tmp_path: Path, run_cli: RunCli
) -> None:
    words = ("--catalog", world.catalog, "--users", "30", "--days", "20", "-q")
    assert run_cli("simulate", tmp_path / "again.csv", *words).stderr == ""
    run_cli("simulate", tmp_path / "other.csv", *words, "--seed", "1")
    assert (tmp_path / "again.csv").read_bytes() == world.log.read_bytes()
    assert (tmp_path / "other.csv").read_bytes() != world.log.read_bytes()


def test_simulated_listening_replaces_nothing_unasked(world: World, tmp_path: Path) -> None:
    precious = tmp_path / "log.csv"
    precious.write_text("user,item\nreal,listening\n")
    words = ("simulate", precious, "--catalog", world.catalog, "--users", "2", "--days", "2")
    assert "--force replaces it" in one_line(call_cli(*words))
    assert precious.read_text() == "user,item\nreal,listening\n"
    assert call_cli(*words, "--force").returncode == 0
    assert precious.read_text().startswith("user,item,weight,time,simulated\n")
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


def test_a_catalog_too_small_to_simulate_is_told(original: Shelf) -> None:
    log = original.folder.with_name("none.csv")
    one_line(call_cli("simulate", log, "--catalog", original.db))
    assert not log.exists()


# Fitting


def _packed(text: str) -> str:
    return gzip.compress(text.encode(), mtime=0).decode("latin-1")


BAD_LOGS = {
    "empty file": ("", "the file is empty"),
    "no rows": ("user,item\n", "a header and no rows"),
    "no item column": ("user,thing\nu,a\n", "no column 'item'"),
    "unknown item": ("user,item\nu,T1\nv,what\n", "1 of 2 items are unknown, the first is 'what'"),
    "only unknown items": ("user,item\nu,what\n", "nothing is left without them"),
    "nan": ("user,item,weight\nu,T1,2\nu,T2,nan\n", "row 3: weight nan is not finite"),
    "infinite": ("user,item,weight\nu,T1,inf\n", "row 2: weight inf is not finite"),
    "negative": ("user,item,weight\nu,T1,-3\n", "row 2: weight -3 is not above 0"),
    "mixed types": ("user,item,weight\nu,T1,1\nu,T2,much\n", "mixes numbers and words"),
    "mixed times": ("user,item,time\nu,T1,1700000000\nu,T2,2024-05-01\n", "mixes numbers"),
    "future": ("user,item,time\nu,T1,2124-05-01\n", "is in the future"),
    "duplicate rows": ("user,item\nu,T1\nv,T1\nu,T1\n", "rows 2 and 4 are the same"),
    "empty user": ("user,item\n,T1\n", "row 2: its user is empty"),
    "too many cells": ("user,item\nu,T1,x,y\n", "row 2 has 4 cells"),
    "not UTF-8": ("user,item\nu,T1\n\xff,T1\n", "row 3, column 'user' is not UTF-8"),
    "unknown columns": ("foo,bar\nu,T1\n", "no column 'user' and no column 'item'"),
    "two columns of one name": ("user,user,item\nu,u,T1\n", "two columns are called 'user'"),
    "no number": ("user,item,plays\nu,T1,many\n", "column 'plays': 'many' is no weight"),
    "no time": ("user,item,time\nu,T1,yesterday\n", "column 'time': 'yesterday' is no time"),
    "huge cell": (f"user,item\nu,{'x' * 200_000}\n", "row 2: field larger than field limit"),
    "cut gzip": (_packed("user,item\nu,T1\n")[:-9], "cannot be unpacked"),
    "missing": (None, "No such file or directory"),
}


@pytest.mark.parametrize(("text", "says"), BAD_LOGS.values(), ids=BAD_LOGS)
def test_a_bad_log_is_told_in_one_line_and_nothing_is_written(
    text: str | None, says: str, world: World, tmp_path: Path
) -> None:
    log = tmp_path / "bad.csv"
    if text is not None:
        text = text.replace("T1", track(1)).replace("T2", track(2))
        log.write_bytes(text.encode("latin-1"))
    before = sorted(tmp_path.iterdir())
    done = call_cli("fit", log, "--out", tmp_path / "fitted", "--catalog", world.catalog)
    one_line(done, says, str(log))
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_unknown_or_double_can_be_taken(world: World, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text(f"user,item\nu,{track(1)}\nu,{track(1)}\nv,{track(2)}\nv,what\n")
    words = ("fit", log, "--catalog", world.catalog, "--duplicates", "sum")
    dropped, kept = tmp_path / "dropped", tmp_path / "kept"
    done = call_cli(*words, "--out", dropped, "--unknown", "drop")
    assert done.returncode == 0
    assert "left out: 1 of 3 interactions" in done.stderr
    assert call_cli(*words, "--out", kept, "--unknown", "keep").returncode == 0
    assert len(Recommender.load(dropped).items) == TRACKS
    assert set(Recommender.load(kept).items.ids) - set(Recommender.load(dropped).items.ids) == {
        "what"
    }


def test_a_recommender_is_loaded_with_the_catalog_of_today_and_a_log(
    world: World, tmp_path: Path
) -> None:
    less = tmp_path / "less.db"
    fill(less, range(TRACKS - 2))
    alone = load_catalog_recommender(world.fitted)
    today = load_catalog_recommender(world.fitted, less, world.log)
    assert alone.candidates is None and today.candidates is not None
    assert len(today.candidates) == len(alone.recommender.items) - 2 == TRACKS - 2
    assert today.names.path(today.candidates[0]) and not alone.names.path(today.candidates[0])
    user = world.rows()[0]["user"]
    assert len(today.recommender.recommend(user, 3, candidates=today.candidates)) == 3
    with pytest.raises(RecommenderError, match="knows no users"):
        alone.recommender.recommend(user)
    some = load_catalog_recommender(world.fitted, less, where="year = 1990")
    assert some.candidates is not None and len(some.candidates) == EACH


def test_only_a_recommender_is_replaced_and_only_if_told(world: World, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "diary.txt").write_text("dear diary")
    words = ("fit", world.log, "--catalog", world.catalog, "-q", "--out")
    for more in ((), ("--force",)):
        assert "other things than a recommender" in one_line(call_cli(*words, mine, *more))
    assert [path.name for path in mine.iterdir()] == ["diary.txt"]
    copy = tmp_path / "fitted"
    shutil.copytree(world.fitted, copy)
    assert "--force replaces it" in one_line(call_cli(*words, copy, "--dim", "3"))
    assert Recommender.load(copy).settings.dim != 3
    assert call_cli(*words, copy, "--dim", "3", "--force").stderr == ""
    assert Recommender.load(copy).settings.dim == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fitted", "mine"]


def test_forgetting_a_user_is_fitting_without(world: World, tmp_path: Path) -> None:
    without = tmp_path / "without.csv"
    with open(without, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, world.rows()[0])
        writer.writeheader()
        writer.writerows(row for row in world.rows() if row["user"] != USER)
    (tmp_path / "salt").write_text(f"{SALT}\n")
    words = ("--catalog", world.catalog, "-q", "--out")
    fits = {
        "never": (without,),
        "forgotten": (world.log, "--forget", USER),
        "salted": (world.log, "--forget", USER, "--salt-file", tmp_path / "salt"),
    }
    for name, (log, *more) in fits.items():
        done = call_cli("fit", log, *words, tmp_path / name, *more)
        assert (done.returncode, done.stderr) == (0, "")
    folders = *(tmp_path / name for name in ("never", "forgotten", "salted")), world.fitted
    never, forgotten, salted, fitted = (
        {path.stem: np.load(path) for path in folder.glob("*.npy")} for folder in folders
    )
    assert never.keys() == forgotten.keys()
    for name in never:
        np.testing.assert_array_equal(never[name], forgotten[name])
    np.testing.assert_array_equal(never["listeners"], salted["listeners"])
    assert (fitted["listeners"] >= never["listeners"]).all()
    assert not np.array_equal(fitted["factors"], never["factors"])


def test_who_is_to_be_forgotten_must_be_there(world: World, tmp_path: Path) -> None:
    words = ("fit", world.log, "--catalog", world.catalog, "--out", tmp_path / "x")
    line = one_line(call_cli(*words, "--forget", "nobody at all"))
    assert "no such user" in line and "nobody at all" not in line
    log = tmp_path / "log.csv"
    log.write_text(f"user,item\nu,{track(1)}\n")
    done = call_cli(
        "fit", log, "--catalog", world.catalog, "--out", tmp_path / "x", "--forget", "u"
    )
    assert "nobody is left" in one_line(done)
    assert not (tmp_path / "x").exists()


def test_no_user_is_in_a_recommenders_files(world: World) -> None:
    for path in world.fitted.iterdir():
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                shapes = [arrays[name].shape for name in arrays.files]
                texts = [arrays[name].tobytes() for name in arrays.files]
            assert all(30 not in shape for shape in shapes), "a row a user"
        else:
            texts = [path.read_bytes()]
        assert not any(b"listener 3" in text for text in texts)


def test_an_empty_salt_is_refused(world: World, tmp_path: Path) -> None:
    words = ("fit", world.log, "--catalog", world.catalog, "--out", tmp_path / "x")
    assert "an empty salt hides nobody" in one_line(call_cli(*words, env={"MUSICU_SALT": ""}))
    one_line(call_cli(*words, "--salt-file", tmp_path / "nowhere"))


def test_items_of_a_table_can_be_fitted_with_vectors(world: World, tmp_path: Path) -> None:
    with Catalog(world.catalog) as catalog:
        tracks = catalog_items(catalog)
    table = tmp_path / "items.csv"
    lines = [f"{item.id},{item.metadata.artist},pop,x" for item in tracks]
    table.write_text("\n".join(["uid,by,kind,notes", *lines]))
    vectors = tmp_path / "vectors.npz"
    np.savez(vectors, ids=np.array(tracks.ids), vectors=tracks.audio)
    declared = ("--column", "uid=id", "--column", "by=artist", "--column", "kind=genres")
    done = call_cli(
        *("fit", world.log, "--items", table, *declared),
        *("--audio", vectors, "--out", tmp_path / "fitted"),
    )
    assert done.returncode == 0
    assert f"{TRACKS} items are known, {TRACKS} of them heard" in done.stderr
    assert "columns not used: notes" in done.stderr
    fitted = Recommender.load(tmp_path / "fitted")
    assert fitted.items[0].metadata.artist == "Artist 0"
    assert fitted.items[0].metadata.genres == ("pop",)
    done = call_cli("fit", world.log, "--items", table, "--out", tmp_path / "x")
    assert "no column is an id" in one_line(done)


# Recommending


def test_a_user_gets_what_the_library_recommends(world: World) -> None:
    rows = ask(
        *("recommend", "--recommender", world.fitted, "--log", world.log, "--user", USER),
        *("-n", "6", "--again", "--diversity", ".3", "--popularity-weight", ".5", "--hour", "20"),
    )
    played = History(*read_interactions(world.log).of_user(USER))
    expected = Recommender.load(world.fitted).recommend(
        played, 6, again=True, diversity=0.3, popularity_weight=0.5, hour=20
    )
    assert [row["id"] for row in rows] == [one.id for one in expected]
    for row, one in zip(rows, expected, strict=True):
        assert {**row, "path": None} == {**json.loads(json.dumps(one.to_dict())), "path": None}
        assert sum(row["contributions"].values()) == pytest.approx(row["score"])


def test_lists_for_everybody_are_what_each_user_gets(world: World, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    asked = ("recommend", "--recommender", world.fitted, "--catalog", world.catalog, "-n", "4")
    out = tmp_path / "lists.parquet"
    done = call_cli(*asked, "--log", world.log, "--all-users", "--out", out)
    assert done.returncode == 0 and f"{out}: " in done.stderr, done.stderr
    rows = [row for row in parquet.read_table(out).to_pylist() if row["user"] == USER]
    mine = ask(*asked, "--log", world.log, "--user", USER, "--no-because")
    assert [(row["item"], row["rank"]) for row in rows] == [(x["id"], x["rank"]) for x in mine]
    assert not any(row["because"] or row["contributions"] for row in mine)
    assert [row["score"] for row in rows] == pytest.approx([row["score"] for row in mine])


def test_ids_beginnings_codes_paths_and_playlists_ask_the_same(
    world: World, tmp_path: Path
) -> None:
    played = [TRACKS - 1, TRACKS - 9]
    ids = [track(number) for number in played]
    paths = [f"/music/{number:06}.flac" for number in played]
    write_m3u8(tmp_path / "played.m3u8", [PlaylistEntry(p) for p in [*paths, "/music/gone.mp3"]])
    words = ("recommend", "--recommender", world.fitted, "-n", "5")
    known = ("--catalog", world.catalog)
    answers = [
        ask(*words, *known, *asked) for asked in (ids, paths, [f"GB-AYE-06-{n:05}" for n in played])
    ]
    answers.append(ask(*words, *known, "--history", tmp_path / "played.m3u8"))
    answers.append([{**row, "path": None} for row in ask(*words, *ids)])
    assert len(answers[0]) == 5
    assert {row["path"] for row in answers[0]} <= {f"/music/{i:06}.flac" for i in range(TRACKS)}
    assert answers[1] == answers[2] == answers[3] == answers[0]
    assert answers[4] == [{**row, "path": None} for row in answers[0]]
    # All ids begin with zeros: the beginning that is too short is told.
    done = call_cli(*words, "000000")
    assert f"{TRACKS} items go by this name" in one_line(done)


def test_all_forms_say_the_same(world: World) -> None:
    commands = {
        "recommend": ("recommend", track(5), "-n", "4"),
        "audience": ("audience", track(5), "--log", world.log, "-n", "3"),
    }
    for words in commands.values():
        out = {}
        for form in FORMATS:
            done = call_cli(*words, "--recommender", world.fitted, form, "-q")
            assert (done.returncode, done.stderr) == (0, "")
            out[form] = done.stdout
        rows = json.loads(out["--json"])
        assert [json.loads(line) for line in out["--nl"].splitlines()] == rows
        for form, dialect in (("--csv", "excel"), ("--tsv", "excel-tab")):
            cells = list(csv.DictReader(io.StringIO(out[form]), dialect=dialect))
            assert [row["rank"] for row in cells] == [str(row["rank"]) for row in rows]
            assert [json.loads(row["contributions"]) for row in cells] == [
                row["contributions"] for row in rows
            ]


def test_the_table_says_why(world: World) -> None:
    words = ("recommend", "--recommender", world.fitted, track(5), "-n", "3")
    header, *lines = call_cli(*words).stdout.splitlines()
    assert header.split() == ["rank", "score", "artist", "title", "why"]
    assert len(lines) == 3
    assert all("because you played Song 5 by Artist 0" in line for line in lines)
    rows = ask(*words)
    explained = call_cli(*words, "--explain").stdout.splitlines()
    start = explained.index("") + 1
    assert explained[start].split() == ["rank", "adds", "what"]
    adds: Counter[int] = Counter()
    for line in explained[start + 1 :]:
        rank, value, *what = line.split()
        if what and what[0] not in ("played:", "by:"):
            adds[int(rank)] += round(float(value) * 1000)
    for row in rows:
        assert adds[row["rank"]] / 1000 == pytest.approx(row["score"], abs=0.01)


def test_rules_hold_and_what_they_cost_is_told(world: World) -> None:
    words = ("recommend", "--recommender", world.fitted, "--log", world.log, "--user", USER)
    words += ("--catalog", world.catalog, "--again")
    rows = ask(*words, "-n", "8", "--max-per-artist", "2", "--max-per-album", "1")
    assert max(Counter(row["artist"] for row in rows).values()) <= 2
    assert max(Counter(row["album"] for row in rows).values()) == 1
    rows = ask(*words, "-n", "9", "--where", "year >= 1994")
    assert len(rows) == 9 and {row["artist"] for row in rows} == {"Artist 4", "Artist 5"}
    done = call_cli(*words, "-n", "20", "--where", "year = 1994", "--max-per-artist", "2")
    assert len(done.stdout.splitlines()) == 1 + 2
    assert done.stderr != ""
    again = ask(*words, "-n", str(TRACKS))
    new = ask(*words[:-1], "-n", str(TRACKS))
    played = set(read_interactions(world.log).of_user(USER)[0])
    assert played & {row["id"] for row in again}
    assert not played & {row["id"] for row in new}


def test_a_playlist_holds_what_was_shown(world: World, tmp_path: Path) -> None:
    target = tmp_path / "for you.m3u8"
    rows = ask(
        *("recommend", "--recommender", world.fitted, "--catalog", world.catalog),
        *(track(5), "-n", "4", "--m3u8", target),
    )
    lines = target.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("#EXTINF")] == [
        f"#EXTINF:60,{row['artist']} - {row['title']}" for row in rows
    ]
    paths = [(tmp_path / line).resolve() for line in lines if not line.startswith("#")]
    assert list(map(str, paths)) == [row["path"] for row in rows]


def test_tracks_that_came_later_take_part_and_those_that_went_do_not(
    world: World, tmp_path: Path
) -> None:
    fill(tmp_path / "early.db", range(TRACKS - 4))
    log = tmp_path / "log.csv"
    lines = [f"{r['user']},{r['item']},{r['time']}" for r in world.rows()]
    log.write_text("\n".join(["user,item,time", *lines]))
    fitted = tmp_path / "fitted"
    done = call_cli(
        *("fit", log, "--out", fitted, "--catalog", tmp_path / "early.db"),
        *("--unknown", "drop", "-q"),
    )
    assert done.returncode == 0
    last = track(TRACKS - 5)  # by the artist of the four new ones
    words = ("recommend", "--recommender", fitted, last, "-n", str(TRACKS))
    new = {track(number) for number in range(TRACKS - 4, TRACKS)}
    assert not new & {row["id"] for row in ask(*words)}
    with_catalog = ask(*words, "--catalog", world.catalog)
    assert new <= {row["id"] for row in with_catalog[: 2 * EACH]}
    only_new = ask(*words[:-1], "4", "--catalog", world.catalog, "--min-new", "1")
    assert {row["id"] for row in only_new} == new
    # Whom a new one fits can be asked; and it can be what was played.
    assert ask("audience", track(TRACKS - 1), *words[1:3], "--catalog", world.catalog)
    ask(*words[:3], track(TRACKS - 1), "--catalog", world.catalog)
    fill(tmp_path / "late.db", range(4, TRACKS - 4))
    ids = {row["id"] for row in ask(*words, "--catalog", tmp_path / "late.db")}
    assert ids and not ids & {track(number) for number in range(4)}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["recommend", "T1", "--recommender", "/nowhere"], "'musicu fit' makes one"),
        (["recommend", "nothing", "--recommender", "FITTED"], "none of the 48 items"),
        (["recommend", "FILE", "--recommender", "FITTED"], "name the catalog too"),
        (["recommend", "FILE", "--recommender", "FITTED", "--catalog", "DB"], "not in the catalog"),
        (["recommend", "T1", "--recommender", "FITTED", "--catalog", "OTHER"], "another model"),
        (["recommend", "T1", "--recommender", "FITTED", "--catalog", "/no.db"], "no catalog"),
        (["recommend", "T1", "--recommender", "FITTED", "--hour", "3"], "hour"),
        (
            ["recommend", "T1", "--recommender", "FITTED", "--catalog", "DB", "--where", "x"],
            "the filter 'x' cannot be understood",
        ),
        (
            ["recommend", "--recommender", "FITTED", "--history", "LIST"],
            "none of its 1 files is an item",
        ),
        (["recommend", "--recommender", "FITTED", "--history", "/no.m3u8"], "No such file"),
        (
            ["recommend", "--recommender", "FITTED", "--log", "LOG", "--user", "me myself"],
            "no such user",
        ),
        (["recommend", "--recommender", "FITTED", "--log", "BAD", "--user", "u"], "not above 0"),
        (["audience", "nothing", "--recommender", "FITTED"], "none of the 48 items"),
        (["audience", "T1", "--recommender", "FITTED", "--log", "BAD"], "not above 0"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else None,
)
def test_a_data_error_is_1_and_one_line(
    words: list[str], says: str, world: World, tmp_path: Path
) -> None:
    file, bad, playlist = tmp_path / "a.flac", tmp_path / "bad.csv", tmp_path / "a.m3u8"
    file.touch()
    bad.write_text(f"user,item,weight\nu,{track(1)},0\n")
    write_m3u8(playlist, [PlaylistEntry(str(file))])
    places: dict[str, Any] = {
        "T1": track(1),
        "FITTED": world.fitted,
        "DB": world.catalog,
        "LOG": world.log,
        "FILE": file,
        "BAD": bad,
        "LIST": playlist,
    }
    if "OTHER" in words:
        fill(tmp_path / "other.db", range(TRACKS), seed=1)
        places["OTHER"] = tmp_path / "other.db"
    line = one_line(call_cli(*(places.get(word, word) for word in words)))
    assert says in line
    assert "me myself" not in line


# Audiences, and who is behind a name


def test_an_audience_is_listeners_of_a_log_and_artists(world: World) -> None:
    words = ("audience", track(20), "--recommender", world.fitted, "-n", "5")
    done = call_cli(*words)
    assert "name a --log" in done.stderr
    assert done.stdout.splitlines()[0].split() == ["kind", "rank", "score", "name", "why"]
    artists = ask(*words)
    assert [row["kind"] for row in artists] == ["artist"] * 5
    assert {row["name"] for row in artists} == {f"Artist {i}" for i in range(6)} - {"Artist 2"}
    both = ask(*words, "--log", world.log)
    listeners, rest = both[:5], both[5:]
    assert [row["kind"] for row in listeners] == ["listener"] * 5
    assert rest == artists
    log = read_interactions(world.log)
    share = {
        user: log.weight[(log.user == i) & np.isin(log.item, range(16, 24))].sum()
        / log.weight[log.user == i].sum()
        for i, user in enumerate(log.users)
    }
    chosen = np.mean([share[row["name"]] for row in listeners])
    assert chosen > 1.5 * np.mean(list(share.values()))


def test_a_salt_hides_users_from_everyone_but_themselves(world: World, tmp_path: Path) -> None:
    (tmp_path / "salt").write_text(f"{SALT}\n")
    salted = ("--salt-file", tmp_path / "salt")
    by_file = ("--recommender", world.fitted, "--log", world.log, *salted)
    by_name = ("--recommender", world.fitted, "--log", world.log)
    rows = ask("audience", track(20), *by_file, "-n", "30")
    names = {row["name"] for row in rows if row["kind"] == "listener"}
    assert names == {hash_user(f"listener {i}", SALT) for i in range(30)}
    assert rows == ask("audience", track(20), *by_name, "-n", "30", env={"MUSICU_SALT": SALT})
    plain = ask("recommend", *by_name, "--user", USER)
    assert ask("recommend", *by_file, "--user", USER) == plain
    assert ask("recommend", *by_file, "--user", hash_user(USER, SALT)) == plain


def test_a_new_file_is_heard_to_say_whom_it_fits(original: Shelf, tmp_path: Path) -> None:
    """The log names tracks by paths that start at its own folder, and by absolute ones."""
    with Catalog(original.db) as catalog:
        paths = {Path(t["path"]): t for t in catalog.tracks()}
    shutil.copytree(original.folder, tmp_path / "library")
    log = original.folder.with_name("log.csv")
    lines = ["user,item"]
    for path, tags in paths.items():
        name = path if path.suffix == ".flac" else path.relative_to(log.parent)
        lines += [f"{fan},{name}" for fan in (tags["artist"] or "nobody", "everyone")]
    log.write_text("\n".join(lines))
    fitted = tmp_path / "fitted"
    done = call_cli("fit", log, "--out", fitted, "--catalog", original.db, "-q")
    assert (done.returncode, done.stderr) == (0, "")
    new = tmp_path / "new.wav"
    write(new, notes(16000, 4.0, seed=77), 16000, "wav")
    words = ("audience", new, "--recommender", fitted, "--catalog", original.db, "--log", log)
    rows = ask(*words)
    assert {row["kind"] for row in rows} == {"listener", "artist"}
    # A copy of what is in the catalog is that track; its artist is no look-alike of itself.
    copy = tmp_path / "copy.flac"
    shutil.copyfile(original / "Carla/Tide/02 Flow.flac", copy)
    stored = ask("audience", original / "Carla/Tide/02 Flow.flac", *words[2:])
    assert ask("audience", copy, *words[2:]) == stored
    assert "Carla" not in {row["name"] for row in stored if row["kind"] == "artist"}
    (tmp_path / "broken.mp3").write_bytes(b"<html>")
    assert "broken.mp3" in one_line(call_cli("audience", tmp_path / "broken.mp3", *words[2:]))


def test_the_seconds_that_match_are_heard(original: Shelf, tmp_path: Path) -> None:
    with Catalog(original.db) as catalog:
        tracks = list(catalog.tracks())
    log = tmp_path / "log.csv"
    log.write_text("\n".join(["user,item", *(f"everyone,{track['id']}" for track in tracks)]))
    fitted = tmp_path / "fitted"
    stock = ("--catalog", original.db)
    assert call_cli("fit", log, "--out", fitted, *stock, "-q").returncode == 0
    asked = original / "Carla/Tide/02 Flow.flac"
    rows = ask("recommend", "--recommender", fitted, *stock, asked, "--passages", "-n", "2")
    seconds = {track["path"]: track["seconds"] for track in tracks}
    assert rows
    for row in rows:
        found = row["passage"]
        assert found["with"] == str(asked)
        assert 0 <= found["start"] < found["start"] + found["seconds"] <= seconds[row["path"]] + 1
        assert -1 <= found["similarity"] <= 1
    table = call_cli("recommend", "--recommender", fitted, *stock, asked, "--passages", "-n", "2")
    assert "seconds" in table.stdout.splitlines()[0] and " like " in table.stdout
    done = call_cli("recommend", "--recommender", fitted, asked, "--passages")
    assert done.returncode == 2


def test_what_to_rank_by_can_be_learned(world: World, tmp_path: Path) -> None:
    words = ("--catalog", world.catalog, "--learn-ranking", "-q")
    done = call_cli("fit", world.log, "--out", tmp_path / "learned", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert Recommender.load(world.fitted).ranker is None
    assert Recommender.load(tmp_path / "learned").ranker is not None
    (row, *_) = ask("recommend", "--recommender", tmp_path / "learned", track(0), "-n", "1")
    assert {"popularity", "artist"} <= row["contributions"].keys()
    assert sum(row["contributions"].values()) == pytest.approx(row["score"])


# Quality of data


def test_a_tables_data_is_checked(tmp_path: Path) -> None:
    table = tmp_path / "items.csv"
    table.write_text(
        "id,title,artist,year,isrc,part,odd\n"
        "a,Dawn,Alba,1991,GBAYE0601498,train,1\n"
        "b,Dawn,Alba,1991,GBAYE0601498,test,2\n"
        "c,Noon,Bruno,2091,,train,3\n"
    )
    done = call_cli("check", table, "--split", "part")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].split() == [
        *("severity", "kind", "items", "text", "examples")
    ]
    assert "columns not used: odd\n" in done.stderr and "3 items: " in done.stderr
    rows = ask("check", table, "--split", "part")
    found = {row["kind"]: row for row in rows}
    assert set(found["same recording"]["ids"]) == {"a", "b"}
    assert found["strange year"]["ids"] == ["c"]
    leaks = [set(row["ids"]) for row in rows if row["kind"] == "leak"]
    assert leaks and all(ids == {"a", "b"} for ids in leaks)
    kinds = {row["kind"] for row in ask("check", table)}
    assert kinds == set(found) - {"leak"}
    assert len(done.stdout.splitlines()) == 1 + len(rows)


def test_a_catalog_is_checked_with_a_column_as_split(world: World) -> None:
    rows = ask("check", "--catalog", world.catalog, "--split", "year")
    assert "leak" not in {row["kind"] for row in rows}  # an artist's songs are all of one year
    rows = ask("check", "--catalog", world.catalog, "--split", "album")
    assert "leak" in {row["kind"] for row in rows}
    line = one_line(call_cli("check", "--catalog", world.catalog, "--split", "fold"))
    assert "no column 'fold'; there are" in line


def test_a_dump_of_musicbrainz_is_checked(tmp_path: Path) -> None:
    dump = tmp_path / "recording"
    documents = [
        {"id": f"{i:08x}-0000-4000-8000-000000000000", "title": "Dawn", "isrcs": ["GBAYE0601498"]}
        for i in range(2)
    ]
    dump.write_text("".join(json.dumps(document) + "\n" for document in documents))
    rows = ask("check", "--musicbrainz", dump)
    assert any(len(row["ids"]) == 2 for row in rows)
    dump.write_text("no dump\n")
    assert "line 1" in one_line(call_cli("check", "--musicbrainz", dump))


@contextmanager
def music_server(password: str) -> Iterator[str]:
    """Play a server that lists one song twice, under two ids."""
    songs = [{"id": i, "title": "Dawn", "artist": "Alba", "isrc": ["GBAYE0601498"]} for i in "ab"]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = {name: v[0] for name, v in parse_qs(urlsplit(self.path).query).items()}
            proof = hashlib.md5((password + query["s"]).encode()).hexdigest()
            answer: dict[str, Any] = {"status": "failed", "error": {"code": 40, "message": "no"}}
            if (query["u"], query["t"]) == ("alba", proof):
                page = songs[int(query["songOffset"]) :]
                answer = {"status": "ok", "searchResult3": {"song": page}}
            body = json.dumps({"subsonic-response": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_music_servers_songs_are_checked(run_cli: RunCli, run_program: RunCli) -> None:
    with music_server("sesame") as url:
        words = ("check", "--server", url, "--user", "alba")
        rows = ask(*words, env={"MUSICU_PASSWORD": "sesame"})
        assert ["a", "b"] in [sorted(row["ids"]) for row in rows]
        done = run_cli(*words, env={"MUSICU_PASSWORD": "wrong"})
        assert "wrong" not in one_line(done)
        asked = run_program(*words, "--json", input="sesame\n")
        assert asked.returncode == 0 and json.loads(asked.stdout) == rows
        assert "Password" in asked.stderr and "sesame" not in asked.stderr
