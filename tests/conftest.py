"""What the tests share: folders of their own, a small library of music, the program itself."""

import csv
import fcntl
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
from cli_calls import call_cli
from made_answers import Answers
from made_audio import notes, write
from numpy.typing import NDArray

from musicu.catalog.catalog import Catalog
from musicu.catalog.store import Store, StoredModel
from musicu.encoders.registry import find_model

RunCli = Callable[..., subprocess.CompletedProcess[str]]
MakeStore = Callable[..., tuple[Store, StoredModel]]

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = Path(sys.executable).with_name("musicu")
SECONDS = 4.0
SONGS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "Alba/First Light/01 Dawn.flac": (
        "flac",
        44100,
        {"artist": "Alba", "album": "First Light", "date": "1991", "genre": "Jazz"},
    ),
    "Alba/First Light/02 Noon.mp3": (
        "mp3",
        44100,
        {"artist": ["Alba", "Bruno"], "album": "First Light", "date": "1991", "genre": "Soul"},
    ),
    "Bruno/Stones/01 Granite.ogg": (
        "ogg",
        44100,
        {"artist": "Bruno", "album": "Stones", "date": "1999", "genre": ["Rock", "Jazz"]},
    ),
    "Bruno/Stones/02 Basalt.opus": (
        "opus",
        48000,
        {"artist": "Bruno", "album": "Stones", "date": "1999", "genre": "Rock"},
    ),
    "Carla/Tide/01 Ebb.m4a": (
        "m4a",
        44100,
        {"artist": "Carla", "album": "Tide", "date": "2005", "genre": "Jazz"},
    ),
    "Carla/Tide/02 Flow.flac": (
        "flac",
        22050,
        {"artist": "Carla", "album": "Tide", "date": "2005", "genre": "Ambient"},
    ),
    "Dora/Night.wav": ("wav", 16000, {}),
    "Dora/Solo.aiff": ("aiff", 44100, {}),
}
# What takes longest, longest first: begun first, so that at the end no core waits for one of them.
LONGEST = (
    *("test_torture", "test_service_fuzz", "test_training", "test_docs", "test_page"),
    *("test_evaluate_encoder", "test_privacy", "test_uploads", "test_map", "test_catalog"),
    *("test_command_faults", "test_ensemble", "test_cli", "test_train_cli", "test_decode"),
)
NOT_AUDIO = ("Alba/First Light/cover.jpg", "read me.txt")


@dataclass(frozen=True)
class Shelf:
    """A folder of music and the catalog in which it is embedded."""

    folder: Path
    db: Path

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def open(self) -> Catalog:
        return Catalog(self.db)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first, where files are handed out in turn (``--dist loadfile``)."""
    turns = {name: turn for turn, name in enumerate(LONGEST)}
    items.sort(key=lambda item: turns.get(item.path.stem, len(turns)))


@pytest.fixture(autouse=True)
def isolated(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep every test out of the user's own folders."""
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("MUSICU_CATALOG", str(tmp_path / "music.db"))
    monkeypatch.setenv("MUSICU_MODELS", str(tmp_path / "models"))
    # One for all tests: what Numba compiles for the map takes longer than most of them.
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(shared_folder(tmp_path_factory) / "numba"))
    # Tests take all cores already, and a worker costs most of a second to start: one of them, where
    # a test does not ask for more.
    monkeypatch.setattr(os, "cpu_count", lambda: 1)


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder of the run, which all its workers share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def made_once(path: Path, make: Callable[[Path], None]) -> Path:
    """Have a file or folder of the run made by the worker that needs it first."""
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            begun = path.with_name(f"begun {path.name}")
            make(begun)
            begun.rename(path)
    return path


@pytest.fixture(scope="session")
def demo_songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``make demo`` synthesizes; not to be changed."""

    def make(folder: Path) -> None:
        script = str(ROOT / "fixtures/make_demo.py")
        subprocess.run([sys.executable, "-W", "error", script, str(folder)], check=True)

    return made_once(shared_folder(tmp_path_factory) / "demo", make)


@pytest.fixture
def research_catalog(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A catalog of 500 clips of research audio with their artists and genres."""
    data = os.environ.get("MUSICU_DATA")
    if not data:
        pytest.skip("MUSICU_DATA is not set")
    folder = Path(data) / "taffc"

    def make(db: Path) -> None:
        with open(folder / "manifest.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))[:500]
        with open(db.with_suffix(".csv"), "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["path", "artist", "genres"])
            writer.writerows((folder / row["file"], row["artist"], row["genres"]) for row in rows)
        paths = [folder / row["file"] for row in rows]
        with Catalog(db) as catalog:
            catalog.add_folder(*paths, metadata=db.with_suffix(".csv"))

    made = made_once(shared_folder(tmp_path_factory) / "research.db", make)
    return Path(shutil.copy(made, tmp_path / "research.db"))


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    """Eight short songs in seven formats, embedded once; not to be changed."""
    folder = tmp_path_factory.mktemp("original") / "library"
    for seed, (name, (form, sr, tags)) in enumerate(SONGS.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, notes(sr, SECONDS, seed=seed), sr, form)
        if tags:
            retag(path, title=path.stem[3:], **tags)
    for name in NOT_AUDIO:
        (folder / name).write_bytes(b"\xff\xd8\xff\xe0 not music")
    db = folder.with_name("music.db")
    with Catalog(db) as catalog:
        summary = catalog.add_folder(folder, jobs=2)
    assert (summary.embedded, summary.skipped, summary.failed) == (8, 2, 0)
    return Shelf(folder, db)


@pytest.fixture
def shelf(original: Shelf, tmp_path: Path) -> Shelf:
    """A copy of the library and of its catalog, to do with as one likes."""
    copy = Shelf(tmp_path / "library", tmp_path / "music.db")
    shutil.copytree(original.folder, copy.folder)
    shutil.copyfile(original.db, copy.db)
    db = sqlite3.connect(copy.db)
    with db:
        for table in ("files", "roots"):
            db.execute(
                f"UPDATE {table} SET path = replace(path, ?, ?)",
                (str(original.folder), str(copy.folder)),
            )
    db.close()
    return copy


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Workers that answer from a table."""
    return Answers(monkeypatch)


@pytest.fixture(scope="session")
def run_cli() -> RunCli:
    """Run ``musicu`` in this process; the result has its status and both outputs."""
    return call_cli


@pytest.fixture(scope="session")
def run_program() -> RunCli:
    """Run ``musicu`` in a process of its own, where its start, streams or end are what is tried."""

    def run(*args: str | os.PathLike[str], **options: Any) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **options.pop("env", {})}
        return subprocess.run(
            [PROGRAM, *args],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=600,
            env=env,
            check=False,
            **options,
        )

    return run


@pytest.fixture
def make_store(tmp_path: Path) -> Iterator[MakeStore]:
    """Return a function that fills a new catalog with given vectors, nothing decoded."""
    opened: list[Store] = []

    def make(
        vectors: NDArray[np.float32],
        tags: Sequence[dict[str, Any]] | None = None,
        path: Path | None = None,
        *,
        sha256: str = "a" * 64,
    ) -> tuple[Store, StoredModel]:
        path = path or tmp_path / f"made{len(opened)}.db"
        path.unlink(missing_ok=True)
        store = Store(path, create=True)
        opened.append(store)
        model = replace(find_model(), id="made", sha256=sha256, dim=vectors.shape[1])
        stored = store.use_model(model)
        with store.change():
            for number, vector in enumerate(vectors):
                add_track(store, stored, number, vector, tags[number] if tags else None)
        return store, stored

    yield make
    for store in opened:
        store.close()


def add_track(
    store: Store,
    model: StoredModel,
    number: int,
    vector: NDArray[np.float32],
    tags: dict[str, Any] | None = None,
) -> int:
    """Insert a track with a file and a vector."""
    track = store.put_track(
        {
            "id": f"{number:032x}",
            "seconds": 60.0,
            "codec": "flac",
            "sr": 44100,
            "channels": 2,
            "problem": None,
            "descriptors": None,
        }
    )
    store.put_file(f"/music/{number:06}.flac", 1, 1, kind="audio", track=track, tags=tags)
    store.put_vector(model, track, vector)
    return track


def unit(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Bring rows to length 1."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / lengths, dtype=np.float32)


def retag(path: Path, **tags: Any) -> None:
    """Write tags with mutagen, as a tagger would."""
    file = mutagen.File(path, easy=True)
    if file.tags is None:
        file.add_tags()
    for name, value in tags.items():
        file[name] = value
    file.save()
