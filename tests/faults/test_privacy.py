"""Nothing leaves the machine, and nothing is written but what musicu is for.

Each command runs as a process of its own, in a home and a temporary folder that are empty, without
a network. What it and its workers ask of the system, whichever library asks, is read from strace.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from conftest import PROGRAM, Shelf

PATIENCE = 300.0
_WATCHED = "trace=socket,connect,bind,sendto,sendmsg,sendmmsg,open,openat,creat,mkdir,mkdirat"
_FAMILY = re.compile(r"\b(?:socket\(|sa_family=)(AF_\w+)")
_MADE = re.compile(r'\b(?:creat|mkdir|mkdirat|open|openat)\((?:AT_FDCWD, )?"([^"]*)"')
# Python's own, and names that C libraries unlink as soon as they have made them.
_NOBODYS = re.compile(r"^/dev/|/__pycache__(/|$)")
# Where one of these is set, ONNX Runtime is quiet by itself, and there would be nothing to see.
_HUSHED = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "NUMBA_CACHE_DIR")
_GIVEN = ("HOME", "TMPDIR", "MUSICU_", "XDG_")


def _why_not() -> str:
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "strace may not trace here"


pytestmark = pytest.mark.skipif(bool(_why_not()), reason=_why_not() or "-")


@dataclass
class Seen:
    """What a process and all that it started asked of the system."""

    log: Path

    def lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()

    @property
    def over(self) -> bool:
        """Whether all of the log is there."""
        lines = self.lines()
        first = lines[0].split()[0] if lines else ""
        return any(re.match(rf"{first} +\+\+\+ ", line) for line in lines)

    def network(self) -> list[str]:
        """Calls that name another kind of address than that of a pair of pipes."""
        return [line for line in self.lines() if _FAMILY.search(line)]

    def made(self, base: Path) -> set[str]:
        """Files and folders that were made outside a folder."""
        paths = set()
        for line in self.lines():
            found = _MADE.search(line)
            opened = re.search(r"\bopen(at)?\(", line)
            reads = opened and not re.search("O_WRONLY|O_RDWR|O_CREAT", line)
            if found and not reads and "= -1" not in line:
                paths.add(os.path.normpath(base / "here" / found[1]))
        return {p for p in paths if not p.startswith(f"{base}/") and not _NOBODYS.search(p)}


@dataclass
class Home:
    """A machine that has never met musicu: folders that are empty, and a folder of music."""

    base: Path

    def command(self, words: Sequence[str | Path], log: Path, deny: str) -> list[str]:
        # -D: the process that is started is the program, not strace.
        trace = ["strace", "-D", "-f", "-s", "300", "-o", str(log), "-e", _WATCHED]
        return [*trace, "-e", f"inject={deny}:error=ENETDOWN", *map(str, words)]

    def env(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name not in _HUSHED and not name.startswith(_GIVEN)
        }
        folders = {"HOME": str(self.base / "home"), "TMPDIR": str(self.base / "tmp")}
        return {**kept, **folders, "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, *words: str | Path) -> Seen:
        """Run to the end, without any socket; it must succeed."""
        log = self.base.with_name(f"{time.monotonic_ns()}.log")
        done = subprocess.run(
            self.command(words, log, "socket"),
            cwd=self.base / "here",
            env=self.env(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, (words, done.stderr)
        return _finished(log)

    def files(self, folder: str) -> set[str]:
        root = self.base / folder
        return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


def _finished(log: Path) -> Seen:
    seen = Seen(log)
    _until(lambda: seen.over)
    return seen


def _until(condition: Callable[[], bool]) -> None:
    late = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < late, "it did not happen"
        time.sleep(0.05)


@pytest.fixture
def home(tmp_path: Path, original: Shelf) -> Home:
    base = tmp_path / "machine"
    for name in ("home", "tmp", "here"):
        (base / name).mkdir(parents=True)
    shutil.copytree(original.folder, base / "music")
    return Home(base)


def _ids(home: Home) -> list[str]:
    listed = subprocess.run(
        [PROGRAM, "catalog", "list", "--csv"],
        env=home.env(),
        capture_output=True,
        text=True,
        check=True,
    )
    return [line.partition(",")[0] for line in listed.stdout.splitlines()[1:]]


def test_commands_reach_for_no_network_and_leave_nothing_but_what_was_asked_for(
    home: Home,
) -> None:
    music = home.files("music")
    song = home.base / "music/Alba/First Light/01 Dawn.flac"

    def clean(*words: str | Path) -> None:
        seen = home.run(PROGRAM, *words)
        assert not seen.network(), words
        assert not seen.made(home.base), words

    clean("embed", home.base / "music", "--describe", "-j", "2")
    ids = _ids(home)
    assert len(ids) == 8
    plays = [f"user{n},{ids[(n + k) % len(ids)]}" for n in range(20) for k in range(3)]
    (home.base / "here/plays.csv").write_text("\n".join(["user,item", *plays]) + "\n")
    (home.base / "here/labels.csv").write_text(
        "path,artist\n" + "".join(f"{home.base}/music/{name},{name[0]}\n" for name in sorted(music))
    )
    for line in (
        "embed",
        "similar {song} -n 3 --m3u8 like.m3u8",
        "find jazz",
        "tags {song}",
        "features {song}",
        "mix {song} {id}",
        "journey {id} {other} -n 3",
        "release {song} --out report",
        "check",
        "doctor",
        "fit plays.csv --out recommender",
        "recommend --recommender recommender --log plays.csv --user user1 -n 3",
        "audience {song} --recommender recommender -n 3",
        "catalog list",
        "catalog info",
        "catalog errors",
        "catalog verify",
        "catalog export music.npz",
        "catalog forget {music} --dry-run",
        "models list",
        "models info musicu-2",
        "evaluate encoder --labels labels.csv --model musicu-2",
    ):
        given = {"song": song, "id": ids[0], "other": ids[1], "music": home.base / "music"}
        clean(*(word.format(**given) for word in line.split()))

    asked = {"plays.csv", "labels.csv", "like.m3u8", "music.npz"}
    assert {name for name in home.files("here") if "/" not in name} == asked
    folders = {path.name for path in (home.base / "here").iterdir() if path.is_dir()}
    assert folders == {"report", "recommender"}
    assert home.files("music") == music
    assert home.files("tmp") == set()
    _only_its_own(home)


def _only_its_own(home: Home) -> None:
    own = (".local/share/musicu/catalog.db", ".cache/musicu/")
    assert not {name for name in home.files("home") if not name.startswith(own)}


def test_the_service_listens_on_this_machine_and_asks_nobody(home: Home) -> None:
    subprocess.run(
        [PROGRAM, "embed", home.base / "music", "--describe", "--quiet"],
        env=home.env(),
        check=True,
    )
    log = home.base.with_name("serve.log")
    process = subprocess.Popen(
        home.command([PROGRAM, "serve", "--port", "0"], log, "connect"),
        cwd=home.base / "here",
        env=home.env(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr
        found = re.search(r"http://\S+", process.stderr.readline())
        assert found
        with httpx.Client(base_url=found[0].rstrip("/"), timeout=PATIENCE) as client:
            for path in ("/", "/v1/info", "/v1/monitor", "/v1/tracks?q=dawn"):
                assert client.get(path).status_code == 200, path
            song = (home.base / "music/Alba/First Light/01 Dawn.flac").read_bytes()
            for path in ("/v1/similar", "/v1/release"):
                answer = client.post(path, content=song, headers={"Content-Type": "audio/flac"})
                assert answer.status_code == 200, answer.text
            started = client.post("/v1/jobs", json={"kind": "map"})
            job = f"/v1/jobs/{started.json()['id']}"
            _until(lambda: client.get(job).json()["state"] not in ("waiting", "running"))
            assert client.get(job).json()["state"] == "done"
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.communicate()
    seen = _finished(log)
    network = seen.network()
    assert {found[1] for line in network for found in [_FAMILY.search(line)] if found} == {
        "AF_INET"
    }
    bound = [line for line in network if "sa_family" in line]
    assert bound and all("bind(" in line and 'inet_addr("127.0.0.1")' in line for line in bound), (
        bound
    )
    assert not seen.made(home.base)
    assert home.files("here") == home.files("tmp") == set()
    _only_its_own(home)


_EMBED = "import musicu; musicu.Encoder.from_pretrained(); "


def test_as_a_library_musicu_is_as_quiet(home: Home) -> None:
    seen = home.run(sys.executable, "-W", "error", "-c", _EMBED)
    assert not seen.network()
    assert not seen.made(home.base)
    assert home.files("home") == home.files("tmp") == set()


def test_numba_keeps_what_it_compiles_in_musicus_folder(home: Home) -> None:
    program = (
        "from musicu.encoders.runtime import set_numba_cache; set_numba_cache(); "
        "import numba; print(numba.config.CACHE_DIR)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=home.env(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(home.base / "home/.cache/musicu/numba")


def test_what_leaves_would_be_seen(home: Home, tmp_path: Path) -> None:
    program = (
        "import contextlib, pathlib, socket\n"
        "with contextlib.suppress(OSError): socket.create_connection(('127.0.0.1', 9))\n"
        f"pathlib.Path({str(tmp_path / 'elsewhere')!r}).touch()"
    )
    seen = home.run(sys.executable, "-c", program)
    assert seen.network()
    assert seen.made(home.base) == {str(tmp_path / "elsewhere")}


@pytest.mark.parametrize(("before", "warnings"), [(False, 0), (True, 1)])
def test_a_program_that_imported_onnx_runtime_before_is_told_once(
    home: Home, before: bool, warnings: int
) -> None:
    program = ("import onnxruntime; " if before else "") + _EMBED + _EMBED
    told = subprocess.run(
        [sys.executable, "-W", "always", "-c", program],
        env=home.env(),
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert told.count("RuntimeWarning") == warnings
    assert not before or "set ORT_DISABLE_TELEMETRY=1" in told
