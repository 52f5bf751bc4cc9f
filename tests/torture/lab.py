"""Where rounds work: a folder of their own, the program as a process, the catalog's file as it is.

What a catalog holds is read with ``sqlite3`` alone: the judge shares no code with what it judges.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from made_audio import notes, write
from numpy.typing import NDArray

Argument = str | os.PathLike[str]

PROGRAM = Path(sys.executable).with_name("musicu")
# No command here takes more than seconds of computing; on a busy machine that may be minutes.
PATIENCE = 600.0
SONGS: dict[str, tuple[str, int, dict[str, str]]] = {
    "Alba/Dawn/01 First.flac": ("flac", 22050, {"title": "First", "artist": "Alba"}),
    "Alba/Dawn/02 Second.mp3": ("mp3", 44100, {"title": "Second", "artist": "Alba"}),
    "Bruno/Stones/01 Granite.ogg": ("ogg", 44100, {"title": "Granite", "artist": "Bruno"}),
    "Bruno/Stones/02 Basalt.opus": ("opus", 48000, {"title": "Basalt", "artist": "Bruno"}),
    "Carla/Tide/01 Ebb.m4a": ("m4a", 44100, {"title": "Ebb", "artist": "Carla"}),
    "Carla/Tide/02 Flow.wav": ("wav", 16000, {"title": "Flow", "artist": "Carla"}),
}


@dataclass(frozen=True)
class Outcome:
    """What became of one try: the row of the report it counts for, and why it failed, if it did."""

    row: str
    name: str
    failure: str | None = None
    skipped: str | None = None


@dataclass(frozen=True)
class Run:
    """How a command ended."""

    args: tuple[str, ...]
    status: int
    out: str
    err: str

    def fault(self, *allowed: int) -> str | None:
        """Say what is wrong with its end, whatever it was asked: a crash, a traceback, no reason.

        Parameters
        ----------
        *allowed : int
            Exit statuses; none means 0 and 1.
        """
        said = self.err.strip()
        last = said.splitlines()[-1] if said else ""
        if "Traceback (most recent call last)" in self.err:
            return f"a traceback: {last}"
        if self.status not in (allowed or (0, 1)):
            return f"exit status {self.status}: {last or self.out[-200:].strip()}"
        if self.status == 1 and not said and not self.out.strip():
            return "exit status 1 without a word"
        return None


@dataclass
class Contents:
    """What a catalog's file holds, by paths and identities; row numbers are nobody's business."""

    files: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # kind, id, reason
    known: dict[str, tuple[Any, ...]] = field(default_factory=dict)  # tags, sheet
    problems: dict[str, str | None] = field(default_factory=dict)
    tracks: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    descriptors: dict[str, Any] = field(default_factory=dict)
    vectors: dict[str, bytes] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)

    def differs(self, other: Contents) -> str | None:
        """Name the first thing that the other one holds otherwise."""
        for part in ("files", "known", "problems", "tracks", "descriptors", "words", "vectors"):
            ours, theirs = getattr(self, part), getattr(other, part)
            for key in sorted({*ours, *theirs}):
                if ours.get(key) != theirs.get(key):
                    if part == "vectors" and key in ours and key in theirs:
                        if cosine(ours[key], theirs[key]) > 0.9999:
                            continue  # another order of additions
                        return f"{key}: another vector"
                    return f"{part} of {key}: {ours.get(key)!r}, not {theirs.get(key)!r}"[:400]
        return None


def cosine(a: bytes, b: bytes) -> float:
    """Return the cosine of two stored vectors; 0 where there is none."""
    if len(a) != len(b) or not a:
        return 0.0
    x, y = (np.frombuffer(v, dtype="<f4").astype(np.float64) for v in (a, b))
    with np.errstate(all="ignore"):
        value = float(x @ y / np.sqrt((x @ x) * (y @ y)))
    return value if np.isfinite(value) else 0.0


def contents(db: Path, *, below: Path | None = None) -> Contents:
    """Read a catalog's file; paths are told from a folder on, if one is given."""
    found = Contents()
    with closing(sqlite3.connect(db, timeout=60)) as base:
        base.text_factory = lambda value: value.decode("utf-8", "surrogateescape")
        columns = {row[1] for row in base.execute("PRAGMA table_info(files)")}
        problem = "f.problem" if "problem" in columns else "t.problem"
        for path, kind, id, reason, tags, sheet, missing, trouble in base.execute(
            "SELECT f.path, f.kind, t.id, f.reason, f.tags, f.sheet, f.missing,"
            f" {problem} FROM files f LEFT JOIN tracks t ON t.track = f.track"
        ):
            name = os.path.relpath(path, below) if below else path
            found.files[name] = (kind, id, reason, bool(missing))
            found.known[name] = (json.loads(tags), json.loads(sheet))
            found.problems[name] = trouble
        for id, *facts, descriptors in base.execute(
            "SELECT id, seconds, codec, sr, channels, descriptors FROM tracks"
        ):
            found.tracks[id] = tuple(facts)
            found.descriptors[id] = json.loads(descriptors) if descriptors else None
        # Of the model that queries use.
        current = "JOIN meta ON meta.key = 'model' AND meta.value = x.model"
        for part, column, table in (
            (found.vectors, "vector", "vectors"),
            (found.words, "tags", "sound_tags"),
        ):
            part.update(
                base.execute(
                    f"SELECT t.id, x.{column} FROM {table} x"
                    f" JOIN tracks t ON t.track = x.track {current}"
                ).fetchall()
            )
    return found


def integrity(db: Path) -> str | None:
    """Ask SQLite whether its file is whole."""
    with closing(sqlite3.connect(db, timeout=60)) as base:
        wrong = [row[0] for row in base.execute("PRAGMA integrity_check") if row[0] != "ok"]
        wrong += [str(row) for row in base.execute("PRAGMA foreign_key_check")]
    return f"SQLite: {wrong[0]}" if wrong else None


class Lab:
    """A folder in which everything happens, and the environment of every command."""

    def __init__(self, folder: Path, *, keep: bool = False) -> None:
        self.folder, self.keep = folder.absolute(), keep
        folder = self.folder
        homes = {
            name: str(folder / name.lower())
            for name in ("HOME", "TMPDIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
        }
        for home in homes.values():
            os.makedirs(home, exist_ok=True)
        self.env = {**os.environ, **homes, "MUSICU_MODELS": str(folder / "models")}
        self.env.pop("MUSICU_CATALOG", None)
        self._memory: dict[str, Any] = {}

    @contextmanager
    def room(self) -> Iterator[Path]:
        """Give a new folder, which goes at the end unless all is kept."""
        room = Path(tempfile.mkdtemp(prefix="round-", dir=self.folder))
        try:
            yield room
        finally:
            if not self.keep:
                shutil.rmtree(room, ignore_errors=True)

    def remember(self, key: str, make: Callable[[], Any]) -> Any:
        """Return what was made under a key; make it the first time."""
        if key not in self._memory:
            self._memory[key] = make()
        return self._memory[key]

    def command(self, *args: Argument) -> list[str]:
        """Return a command line of musicu."""
        return [str(PROGRAM), *map(os.fspath, args)]

    def run(
        self,
        *args: Argument,
        within: Sequence[str] = (),
        env: dict[str, str] | None = None,
        limit: float = PATIENCE,
    ) -> Run:
        """Run a command of musicu to its end.

        Parameters
        ----------
        *args : str or path-like
            Its arguments.
        within : sequence of str
            A command that runs it: limits, another file system.
        env : dict or None
            Changes of the environment.
        limit : float > 0
            Seconds after which it counts as hung; its exit status is then -9.
        """
        line = [*within, *self.command(*args)]
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="surrogateescape",
            env={**self.env, **(env or {})},
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            out, err = process.communicate()
            err += f"\nhung for more than {limit:g} s"
        return Run(tuple(line), process.returncode, out, err)

    @cached_property
    def music(self) -> Path:
        """Six short songs in six formats; not to be changed."""
        folder = self.folder / "music"
        for number, (name, (form, sr, tags)) in enumerate(SONGS.items()):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, notes(sr, 3.2, seed=100 + number), sr, form, **tags)
        return folder

    @cached_property
    def catalog(self) -> Path:
        """The songs' catalog; not to be changed."""
        db = self.folder / "music.db"
        run = self.run("embed", self.music, "--describe", "--catalog", db, "-j", "2", "--strict")
        if run.status:
            raise RuntimeError(f"the songs cannot be embedded: {run.err}")
        return db

    def copy(self, room: Path, name: str = "catalog.db") -> Path:
        """Copy the catalog to a room."""
        target = room / name
        with (
            closing(sqlite3.connect(self.catalog)) as ours,
            closing(sqlite3.connect(target)) as new,
        ):
            ours.backup(new)
        return target


def unit_rows(count: int, dim: int, seed: int) -> NDArray[np.float32]:
    """Return random unit vectors."""
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
