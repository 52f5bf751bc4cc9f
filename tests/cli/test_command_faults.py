"""Whatever is wrong around the program ends in one line that names it.

What a process has of its own is tried with some processes: how it ends with streams that cannot be
written, or without any, and arguments and output that are no text. Each command has its turn in
this process.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from cli_calls import call_cli, call_with_stdout, ends_within, one_line
from conftest import PROGRAM, Shelf

pytestmark = pytest.mark.skipif(os.name == "nt", reason="of Unix's streams and files")

Words = list[str | bytes]

# What each command needs to write some data, or a file. Nothing of it changes the catalog.
DATA = {
    "similar": "similar SONG",
    "similar --nl": "similar SONG --nl",
    "features": "features SONG --json",
    "tags": "tags SONG --tsv",
    "find": "find calm --csv",
    "mix": "mix SONG",
    "journey": "journey SONG OTHER",
    "monitor": "monitor --batch CATALOG --catalog CATALOG --json",
    "check": "check --catalog CATALOG",
    "catalog info": "catalog info",
    "catalog list": "catalog list --nl",
    "catalog errors": "catalog errors",
    "models list": "models list",
    "models info": "models info musicu-2",
    "--help": "--help",
    "--version": "--version",
}
TARGETS = {
    "similar": "similar SONG --m3u8 TARGET",
    "find": "find calm --m3u8 TARGET",
    "mix": "mix SONG --m3u8 TARGET",
    "journey": "journey SONG OTHER --m3u8 TARGET",
    "export npz": "catalog export TARGET.npz",
    "export csv": "catalog export TARGET.csv",
    "release": "release SONG --out TARGET",
    "embed": "embed SONG --catalog TARGET",
    "models add": "models add FOLDER",
}
READERS = {
    "embed": "embed PATH",
    "embed --metadata": "embed LIBRARY --metadata PATH",
    "embed --model": "embed LIBRARY --model PATH",
    "similar": "similar PATH",
    "features": "features PATH",
    "tags": "tags PATH",
    "mix": "mix PATH",
    "release": "release PATH --out OUT",
    "release --metadata": "release SONG --metadata PATH --out OUT",
    "check": "check PATH.csv",
    "check --audio": "check TABLE --audio PATH.npz",
    "check --musicbrainz": "check --musicbrainz PATH",
    "fit": "fit PATH --out OUT",
    "fit --items": "fit TABLE --items PATH.jsonl --out OUT",
    "fit --salt-file": "fit TABLE --salt-file PATH --out OUT",
    "recommend": "recommend SONG --recommender PATH",
    "evaluate encoder": "evaluate encoder --labels PATH",
    "evaluate recommend": "evaluate recommend PATH",
    "evaluate ab": "evaluate ab PATH.csv --metric x",
    "models add": "models add PATH",
    "models info": "models info ./PATH",
    "catalog list": "catalog list --catalog PATH",
    "catalog list, of a folder": "catalog list --catalog LIBRARY",
    "monitor": "monitor --batch PATH",
}


@pytest.fixture(scope="module")
def place(original: Shelf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that is named above; the catalog is the library's own."""
    from networks import model_folder

    folder = tmp_path_factory.mktemp("failures")
    (folder / "file").write_text("neither\x00table nor \xff audio\n", encoding="latin-1")
    (folder / "table.csv").write_text("id,user,item\n1,a,b\n", encoding="utf-8")
    for name in ("fifo", "fifo.csv", "fifo.npz", "fifo.jsonl"):
        os.mkfifo(folder / name)
    model_folder(folder)
    return folder


def run(
    text: str,
    original: Shelf,
    place: Path,
    *,
    redirect: str = "",
    env: Mapping[str, str] | None = None,
    **words: str | bytes,
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own; its words in capitals stand for places."""
    shell = ["bash", "-c", f'exec "$@" {redirect}', "bash"]
    return subprocess.run(
        [*shell, str(PROGRAM), *_filled(text, original, words)],
        cwd=place,
        env={**os.environ, "MUSICU_CATALOG": str(original.db), **(env or {})},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
        encoding="utf-8",
        errors="surrogateescape",
    )


def call(
    text: str,
    original: Shelf,
    place: Path,
    *,
    env: Mapping[str, str] | None = None,
    **words: str | bytes,
) -> subprocess.CompletedProcess[str]:
    """Run a command in this process. Hanging is failing."""
    filled = map(os.fsdecode, _filled(text, original, words))
    with ends_within(300):
        return call_cli(*filled, cwd=place, env={"MUSICU_CATALOG": str(original.db), **(env or {})})


def _filled(text: str, original: Shelf, words: Mapping[str, str | bytes]) -> list[bytes]:
    places: dict[str, str | bytes] = {
        "SONG": str(original / "Dora/Night.wav"),
        "OTHER": str(original / "Dora/Solo.aiff"),
        "LIBRARY": str(original.folder),
        "CATALOG": str(original.db),
        "TABLE": "table.csv",
        "FOLDER": "source/mean",
        "OUT": "out",
        **words,
    }
    call = []
    for word in text.split():
        made = os.fsencode(word)
        for name, value in places.items():
            made = made.replace(os.fsencode(name), os.fsencode(value))
        call.append(made)
    return call


def is_told(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: standard output: ")
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@pytest.mark.parametrize("words", DATA.values(), ids=DATA)
@pytest.mark.parametrize("target", [None, "/dev/full"], ids=["closed", "full"])
def test_data_that_cannot_be_written_is_told(
    words: str, target: str | None, original: Shelf, place: Path, tmp_path: Path
) -> None:
    filled = map(os.fsdecode, _filled(words, original, {}))
    with open(tmp_path / "errors", "w+", encoding="utf-8", errors="surrogateescape") as errors:
        is_told(
            call_with_stdout(
                target,
                *filled,
                errors=errors,
                cwd=place,
                env={"MUSICU_CATALOG": str(original.db)},
            )
        )


@pytest.mark.parametrize("words", ["similar SONG", "catalog list --nl", "--help"])
@pytest.mark.parametrize("where", [">&-", ">/dev/full"])
def test_a_process_ends_well_without_a_standard_output(
    words: str, where: str, original: Shelf, place: Path
) -> None:
    is_told(run(words, original, place, redirect=where))


@pytest.mark.parametrize("words", ["catalog list --nl", "models info musicu-2"])
def test_a_reader_that_leaves_is_no_error(words: str, original: Shelf, place: Path) -> None:
    done = run(words, original, place, redirect="> >(exec true)")
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize(("where", "status"), [("2>&-", 0), ("2>/dev/full", 1)])
def test_work_is_done_without_a_standard_error(
    where: str, status: int, original: Shelf, place: Path, tmp_path: Path
) -> None:
    db = tmp_path / "made.db"
    done = run(f"embed SONG -j 1 --catalog {db}", original, place, redirect=where)
    assert (done.returncode, done.stdout) == (status, "")
    stored = sqlite3.connect(db)
    assert stored.execute("SELECT count(*) FROM vectors").fetchone() == (1,)
    stored.close()


def test_a_failure_without_any_stream_has_its_status(original: Shelf, place: Path) -> None:
    assert run("similar nothing", original, place, redirect=">&- 2>&- <&-").returncode == 1
    assert run("similar", original, place, redirect=">&- 2>/dev/full").returncode in (1, 2)


@pytest.mark.parametrize("words", TARGETS.values(), ids=TARGETS)
@pytest.mark.parametrize("target", ["file/x", "missing/x"])
def test_a_target_that_cannot_be_written_is_named(
    words: str, target: str, original: Shelf, place: Path
) -> None:
    makes_folders = ("--out", "--catalog", "models add")
    if target == "missing/x" and any(name in words for name in makes_folders):
        pytest.skip("makes the folders that are missing")
    before = sorted(place.rglob("*"))
    done = call(words, original, place, env={"MUSICU_MODELS": target}, TARGET=target)
    assert done.returncode == 1
    told = done.stderr.splitlines()
    assert told[-1].startswith("error: ") and target.partition("/")[0] in told[-1]
    assert "Traceback" not in done.stderr
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("words", READERS.values(), ids=READERS)
@pytest.mark.parametrize("path", ["fifo", "file", "file/x", "source"])
def test_what_is_no_such_file_is_named(
    words: str, path: str, original: Shelf, place: Path, tmp_path: Path
) -> None:
    if "PATH" not in words and path != "source":
        pytest.skip("of one path")
    env = {"MUSICU_CATALOG": str(tmp_path / "new.db")} if words.startswith("embed") else {}
    done = call(words, original, place, env=env, PATH=path)
    assert "Traceback" not in done.stderr and done.stderr
    if words == "embed PATH" and path != "file/x":  # recorded with its reason
        assert " failed" in done.stderr
        return
    assert done.returncode == 1
    if not words.startswith("release PATH"):
        *_, last = done.stderr.splitlines()
        assert last.startswith("error: ") and done.stderr.count("error: ") == 1


@pytest.mark.parametrize(
    ("words", "status"),
    [
        *((words, 1) for name, words in READERS.items() if "PATH" in words and "embed" not in name),
        ("embed PATH", 1),
        ("find PATH", None),  # a model may know one of the words in it
        ("catalog list --where PATH", 1),
        ("catalog forget PATH", 1),
        ("models info PATH", 1),
        ("PATH", 2),
        ("catalog list --PATH", 2),
        ("similar SONG -n PATH", 2),
        ("similar SONG -n 99999999999999999999", None),
    ],
)
def test_arguments_that_are_no_utf8_are_told(
    words: str, status: int | None, original: Shelf, place: Path
) -> None:
    for way in (run, call) if words in ("embed PATH", "find PATH", "PATH") else (call,):
        done = way(words, original, place, PATH=b"odd\xff\x1b[31m")
        assert "Traceback" not in done.stderr
        assert status is None or done.returncode == status
        assert "\x1b" not in done.stderr


@pytest.mark.parametrize("home", [None, "/etc/passwd"])
def test_a_home_that_is_missing_or_no_folder(
    home: str | None, original: Shelf, place: Path
) -> None:
    names = ["MUSICU_CATALOG", "MUSICU_MODELS"]
    names += [name for name in os.environ if name.startswith("XDG_")]
    unset = " ".join(f"-u {name}" for name in [*names, *(["HOME"] if home is None else [])])
    set_ = f" HOME={home}" if home else ""
    done = subprocess.run(
        f"env {unset}{set_} TMPDIR=/etc/passwd {PROGRAM} catalog info",
        shell=True,
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    one_line(done, "catalog")


def test_bytes_in_the_catalog_that_are_no_text_are_shown_escaped(
    shelf: Shelf, place: Path, tmp_path: Path
) -> None:
    db = sqlite3.connect(shelf.db)
    with db:
        db.execute("UPDATE files SET reason = CAST(x'ff41fe' AS TEXT)")
        db.execute("UPDATE tracks SET codec = CAST(x'ff41fe' AS TEXT)")
    db.close()
    assert r"\xffA\xfe" in run("catalog errors", shelf, place).stdout
    for words in (
        "list",
        "list --csv",
        "info",
        f"export {tmp_path}/x.csv",
        f"export {tmp_path}/x.npz",
    ):
        done = call(f"catalog {words}", shelf, place)
        assert done.returncode == 0, done.stderr
