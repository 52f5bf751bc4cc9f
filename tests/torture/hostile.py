"""Hostile input on the command line: one clear line, and nothing that was there is touched."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from torture.lab import Lab, Outcome, Run, contents
from torture.networks import hostile_model
from torture.outputs import listening
from torture.tables import (
    hostile_catalog,
    hostile_playlist,
    hostile_recommender,
    hostile_sheet,
)

_LINE = "ends in an answer or in one clear line"
ROWS = {
    "hostile models": "A model that answers no unit vectors, or reaches out of its folder, is"
    " refused; no other is hindered",
    "hostile catalogs": f"Whatever lies in a catalog's place, each command {_LINE}",
    "hostile sheets": f"Whatever a sheet of metadata holds, embed {_LINE}",
    "hostile logs": f"Whatever a log of listening holds, fit {_LINE}",
    "hostile playlists": f"Whatever a playlist holds, recommend {_LINE}",
    "hostile recommenders": f"Whatever a recommender's folder holds, recommend {_LINE}",
}
# Seconds after which a command counts as hung, on a machine with other work.
_PATIENCE = 240.0
_ON_CATALOGS = (
    *(("info",), ("list", "--nl"), ("errors",), ("verify",), ("forget", "/nowhere")),
    *(("list", "--where", "year > 1990"), ("export", "{room}/out.csv")),
)


def hostile(lab: Lab, rng: random.Random, size: int) -> Iterator[Outcome]:
    """Give so many inputs to commands, of each kind in turn."""
    ways: dict[str, Callable[[Lab, random.Random, Path], tuple[str, str | None]]] = {
        "hostile models": _models,
        "hostile catalogs": _catalogs,
        "hostile sheets": _sheets,
        "hostile logs": _logs,
        "hostile playlists": _playlists,
        "hostile recommenders": _recommenders,
    }
    for number in range(size):
        row = list(ways)[number % len(ways)]
        with lab.room() as room:
            yield Outcome(row, *ways[row](lab, rng, room))


def _fault(run: Run) -> str | None:
    """Judge a command's end, and that its reason is one line."""
    if wrong := run.fault():
        return wrong
    lines = [line for line in run.err.splitlines() if line.startswith("error: ")]
    if run.status == 1 and len(lines) != 1 and not run.out.strip():
        return f"no line that says what is wrong: {run.err.strip()[-200:]}"
    return None


def _models(lab: Lab, rng: random.Random, room: Path) -> tuple[str, str | None]:
    folder = room / "given" / "hostile"
    told = hostile_model(rng, folder)
    db = lab.copy(room)
    before = contents(db)
    mine = {"MUSICU_MODELS": str(room / "models")}
    if rng.random() < 0.5:
        ended = lab.run("models", "add", folder, env=mine, limit=_PATIENCE)
        told = f"models add: {told}"
    else:
        args = ["embed", lab.music, "--model", folder, "--catalog", db, "-j", "1"]
        ended = lab.run(*args, env=mine, limit=_PATIENCE)
        told = f"embed --model: {told}"
    if wrong := _fault(ended):
        return told, wrong
    if ended.status and (wrong := contents(db).differs(before)):
        return told, f"refused, but the catalog changed: {wrong}"
    if wrong := _all_are_unit(db):
        return told, wrong
    links = [path for path in (room / "models").rglob("*") if path.is_symlink()]
    if links:
        return told, f"a link was installed: {links[0].name}"
    # It lies among the user's models: all else goes on.
    shutil.copytree(folder, room / "models" / "beside", symlinks=True, ignore=_no_pipes)
    for args in (["models", "list"], ["catalog", "list", "--nl", "--catalog", db]):
        ended = lab.run(*args, env=mine, limit=_PATIENCE)
        if ended.status:
            return told, f"{args[0]} {args[1]} is hindered: {ended.err.strip()[-300:]}"
    return told, None


def _no_pipes(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_fifo()]


def _all_are_unit(db: Path) -> str | None:
    with closing(sqlite3.connect(db)) as connection:
        rows = connection.execute("SELECT model, vector FROM vectors").fetchall()
    for model, blob in rows:
        length = float(np.linalg.norm(np.frombuffer(blob, dtype="<f4")))
        if not abs(length - 1.0) < 1e-3:
            return f"a vector of length {length} of model {model} is stored"
    return None


def _catalogs(lab: Lab, rng: random.Random, room: Path) -> tuple[str, str | None]:
    db = lab.copy(room)
    told = hostile_catalog(rng, db)
    query = rng.choice(sorted(lab.music.rglob("*.flac")))
    args = [arg.format(room=room) for arg in rng.choice([*_ON_CATALOGS, ("similar",)])]
    if args == ["similar"]:
        ended = lab.run("similar", query, "--catalog", db, limit=_PATIENCE)
    else:
        ended = lab.run("catalog", *args, "--catalog", db, limit=_PATIENCE)
    return f"{args[0]}: {told}", _fault(ended)


def _sheets(lab: Lab, rng: random.Random, room: Path) -> tuple[str, str | None]:
    db, sheet = lab.copy(room), room / "sheet.csv"
    keys = [*map(str, sorted(lab.music.rglob("*.*")))]
    columns = ["path", "isrc", "title", "artist", "year", "genres", "bpm", "label"]
    told = hostile_sheet(rng, sheet, columns, keys)
    before = contents(db)
    args = ["embed", lab.music, "--metadata", sheet, "--catalog", db]
    ended = lab.run(*args, limit=_PATIENCE)
    wrong = _fault(ended)
    if wrong is None and ended.status:
        changed = contents(db).differs(before)
        wrong = f"refused, but the catalog changed: {changed}" if changed else None
    if wrong is None:  # whatever was taken can be shown
        wrong = _fault(lab.run("catalog", "list", "--json", "--catalog", db, limit=_PATIENCE))
    return told, wrong


def _logs(lab: Lab, rng: random.Random, room: Path) -> tuple[str, str | None]:
    items, _ = listening(lab.folder)
    log, out = room / "log.csv", room / "recommender"
    columns, keys = ["user", "item", "weight", "time"], [f"user{n}" for n in range(9)]
    told = hostile_sheet(rng, log, columns, keys)
    unknown = rng.choice(["error", "keep", "drop"])
    args = ["fit", log, "--items", items, "--out", out, "--unknown", unknown]
    ended = lab.run(*args, "--duplicates", "sum", limit=_PATIENCE)
    wrong = _fault(ended)
    if wrong is None and ended.status and out.exists():
        wrong = "refused, but a recommender is there"
    return told, wrong


def _fitted(lab: Lab) -> Path:
    folder = lab.folder / "fitted"
    items, log = listening(lab.folder)
    if not folder.exists():
        ended = lab.run("fit", log, "--items", items, "--out", folder)
        if ended.status:
            raise RuntimeError(f"nothing can be fitted: {ended.err}")
    return folder


def _playlists(lab: Lab, rng: random.Random, room: Path) -> tuple[str, str | None]:
    playlist = room / "list.m3u8"
    told = hostile_playlist(rng, playlist, ["item1", "item2"])
    args = ["recommend", "--recommender", _fitted(lab), "--history", playlist, "-n", "3"]
    return told, _fault(lab.run(*args, limit=_PATIENCE))


def _recommenders(lab: Lab, rng: random.Random, room: Path) -> tuple[str, str | None]:
    folder = room / "recommender"
    shutil.copytree(_fitted(lab), folder)
    told = hostile_recommender(rng, folder)
    args = ["recommend", "item1", "item7", "--recommender", folder, "-n", "3", "--json"]
    return told, _fault(lab.run(*args, limit=_PATIENCE))
