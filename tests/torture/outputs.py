"""Jobs that write a file or a folder, which must be there whole or not at all."""

from __future__ import annotations

import csv
import hashlib
import json
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torture.killing import Job
from torture.lab import Lab, contents


def timed(lab: Lab, key: str, make: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long something took undisturbed, and what it left."""

    def timed() -> tuple[float, Any]:
        began = time.monotonic()
        result = make()
        return time.monotonic() - began, result

    result: tuple[float, Any] = lab.remember(f"undisturbed {key}", timed)
    return result


def run(lab: Lab, *args: Any, env: dict[str, str] | None = None) -> None:
    ended = lab.run(*args, env=env)
    if ended.status:
        raise RuntimeError(f"undisturbed, {args} fails: {ended.err} {ended.out[-300:]}")


def _digest(path: Path) -> dict[str, str]:
    """Hash a file, or all in a folder; what differs from run to run is left out."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    found = {}
    for file in files:
        body = file.read_bytes()
        if file.name == "report.json":
            body = json.dumps({**json.loads(body), "created": None}, sort_keys=True).encode()
        if file.suffix != ".html":
            found[str(file.relative_to(path))] = hashlib.sha256(body).hexdigest()
        else:
            found[str(file.relative_to(path))] = str(b"</html>" in body)
    return found


def _writes(
    lab: Lab,
    room: Path,
    key: str,
    args: list[Any],
    target: str,
    *,
    env: dict[str, str] | None = None,
    old: Callable[[Path], None] | None = None,
    statuses: tuple[int, ...] = (0,),
    in_place: Callable[[Path], list[Any]],
) -> Job:
    """Make a job that writes one file or folder, whole or not at all.

    Parameters
    ----------
    lab, room
        Where.
    key : str
        Name of the undisturbed run.
    args : list
        The command, without its target.
    target : str
        What it writes, below a folder.
    env : dict or None
        Changes of the environment.
    old : callable or None
        Puts an earlier version at a target.
    statuses : tuple of int
        How the second run may end.
    in_place : callable
        Gives the arguments that name a folder's target.
    """

    def undisturbed() -> dict[str, str]:
        # As deep as below: a playlist's paths are relative.
        place = lab.folder / f"undisturbed {key}" / "written"
        place.mkdir(parents=True)
        run(lab, *args, *in_place(place), env=env and {k: str(place) for k in env})
        return _digest(place / target)

    seconds, new = timed(lab, key, undisturbed)
    written = room / "written"
    written.mkdir()
    if old is not None:
        old(written / target)
    before = _digest(written / target) if old is not None else None

    def after() -> str | None:
        if not (written / target).exists():
            return None if before is None else f"the earlier {target} is gone"
        now = _digest(written / target)
        return None if now in (before, new) else f"{target} is neither the old nor the new one"

    def done() -> str | None:
        return None if _digest(written / target) == new else f"{target} is another one"

    told = env and {k: str(written) for k in env}
    return Job(
        [*args, *in_place(written)], written, seconds, after, done, None, False, told, statuses
    )


def export(lab: Lab, rng: random.Random, room: Path) -> Job:
    suffix = rng.choice([".npz", ".csv"])

    def old(path: Path) -> None:
        path.write_bytes(b"an earlier one")

    return _writes(
        *(lab, room, f"export {suffix}"),
        ["catalog", "export", "--catalog", lab.catalog],
        f"music{suffix}",
        old=rng.choice([old, None]),
        in_place=lambda place: [place / f"music{suffix}"],
    )


def playlist(lab: Lab, rng: random.Random, room: Path) -> Job:
    id = sorted(contents(lab.catalog).tracks)[0]

    def old(path: Path) -> None:
        path.write_bytes(b"#EXTM3U\n")

    return _writes(
        *(lab, room, "similar --m3u8"),
        ["similar", id, "--catalog", lab.catalog, "-n", "5"],
        "like.m3u8",
        old=rng.choice([old, None]),
        in_place=lambda place: ["--m3u8", place / "like.m3u8"],
    )


def release(lab: Lab, rng: random.Random, room: Path) -> Job:
    song = lab.music / "Alba/Dawn/01 First.flac"
    return _writes(
        *(lab, room, "release"),
        ["release", song, "--catalog", lab.catalog, "-j", "1"],
        "report",
        in_place=lambda place: ["--out", place / "report"],
    )


def listening(folder: Path) -> tuple[Path, Path]:
    """Write items and a log of who listened to them."""
    items, log = folder / "items.csv", folder / "plays.csv"
    if not log.exists():
        rng = random.Random(5)
        with open(items, "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "title", "artist", "genres", "year"])
            for n in range(60):
                rows.writerow([f"item{n}", f"Song {n}", f"Artist {n // 6}", f"G{n % 4}", 1980 + n])
        with open(log, "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["user", "item", "weight", "time"])
            for user in range(40):
                for item in sorted(rng.sample(range(60), 12)):
                    rows.writerow([f"user{user}", f"item{item}", rng.randint(1, 9), 1_600_000_000])
    return items, log


def fit(lab: Lab, rng: random.Random, room: Path) -> Job:
    items, log = listening(lab.folder)
    args = ["fit", log, "--items", items, "--force"]
    key = "fit"

    def old(path: Path) -> None:
        first = lab.folder / "earlier recommender"
        if not first.exists():
            run(lab, *args, "--seed", "9", "--dim", "4", "--out", first)
        shutil.copytree(first, path)

    return _writes(
        *(lab, room, key, args, "recommender"),
        old=rng.choice([old, old, None]),
        in_place=lambda place: ["--out", place / "recommender"],
    )


def shipped_model(folder: Path, id: str, **entries: Any) -> Path:
    """Copy the default model under another id."""
    from musicu.encoders.registry import find_model

    shutil.copytree(find_model().folder, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config.update(id=id, **entries)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def models_add(lab: Lab, rng: random.Random, room: Path) -> Job:
    source = lab.folder / "source model"
    if not source.exists():
        shipped_model(source, "mine")
        # Another hash, so that it is no second name of the same weights.
        weights = source / "encoder.onnx"
        _rename_graph(weights)
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
        config["sha256"] = hashlib.sha256(weights.read_bytes()).hexdigest()
        (source / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return _writes(
        *(lab, room, "models add", ["models", "add", source], "mine"),
        env={"MUSICU_MODELS": ""},
        in_place=lambda place: [],
    )


def _rename_graph(weights: Path) -> None:
    import onnx

    model = onnx.load(str(weights))
    model.doc_string = "another one"
    onnx.save(model, str(weights))
