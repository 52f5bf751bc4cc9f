"""What each command that writes leaves behind when it is killed: nothing half, nothing lost."""

from __future__ import annotations

import csv
import hashlib
import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torture import mutants, uploads
from torture.killing import VICTIMS, Job, try_job
from torture.lab import Contents, Lab, Outcome, contents, integrity

_KEPT = "killed at any moment, leaves what was there or what was to come, whole"
ROWS = {
    "kills of embed": "embed, killed at any moment, it or its workers, loses nothing; the next run"
    " ends as if nothing had been",
    "kills of embed --metadata": "embed --metadata: the same",
    "kills of catalog retry": "catalog retry: the same",
    "kills of catalog forget": "catalog forget forgets all that was named, or nothing",
    "kills of catalog export": f"catalog export, {_KEPT}",
    "kills of release": f"release, {_KEPT}",
    "kills of fit": f"fit, {_KEPT}",
    "kills of models add": f"models add, {_KEPT}",
    "kills of similar --m3u8": f"a playlist's writing, {_KEPT}",
    "kills of serve": "serve, killed during uploads, has what it said it took",
}


def kills(lab: Lab, rng: random.Random, size: int) -> Iterator[Outcome]:
    """Kill so many commands; each in turn, so that no round leaves one out for long."""
    first = rng.randrange(len(_JOBS) + 1)
    rows = list(ROWS)
    for number in range(size):
        row = rows[(first + number) % len(rows)]
        if row == "kills of serve":
            yield from uploads.kill_server(lab, rng, row)
            continue
        make, has_workers = _JOBS[row]
        for attempt in range(6):  # one that was faster than its end is tried again
            victim = rng.choice(VICTIMS) if has_workers else "the process"
            with lab.room() as room:
                told = try_job(lab, rng, make(lab, rng, room), victim)
            if told is not None:
                yield Outcome(row, f"{victim} killed {told[0]}, attempt {attempt}", told[1])
                break


def _timed(lab: Lab, key: str, make: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long something took undisturbed, and what it left."""

    def timed() -> tuple[float, Any]:
        began = time.monotonic()
        result = make()
        return time.monotonic() - began, result

    result: tuple[float, Any] = lab.remember(f"undisturbed {key}", timed)
    return result


def _run(lab: Lab, *args: Any, env: dict[str, str] | None = None) -> None:
    ended = lab.run(*args, env=env)
    if ended.status:
        raise RuntimeError(f"undisturbed, {args} fails: {ended.err} {ended.out[-300:]}")


def _clean(lab: Lab, db: Path) -> str | None:
    verified = lab.run("catalog", "verify", "--catalog", db)
    return None if verified.status == 0 else f"verify: {(verified.out + verified.err)[-300:]}"


def kept(db: Path, old: Contents, new: Contents, *, parts: bool) -> str | None:
    """Judge a catalog after a kill: whole; each file as before or as after.

    Parameters
    ----------
    db : Path
        The catalog.
    old, new : Contents
        What it held, and what it was to hold.
    parts : bool
        Whether it may have got half-way, file by file.
    """
    if not db.exists():
        return "the catalog is gone" if old.files else None
    if wrong := integrity(db):
        return wrong
    if not old.files and db.stat().st_size == 0:
        return None
    try:
        found = contents(db)
    except Exception as error:  # it was killed before there was a table
        return None if not old.files and "no such table" in str(error) else repr(error)
    if not parts:
        return found.differs(new) and found.differs(old)
    for path in sorted({*found.files, *old.files}):
        now = found.files.get(path)
        if now is None:
            return f"{path} is lost"
        if now not in (old.files.get(path), new.files.get(path)):
            return f"{path} is {now}"
        if now[1] and found.vectors.get(now[1]) is None:
            return f"{path} has no vector"
    return None


def _embed(lab: Lab, rng: random.Random, room: Path) -> Job:
    sounds = lab.folder / "sounds"
    lab.remember("sounds", lambda: mutants.make_sounds(sounds))
    seconds, whole = _timed(lab, "embed", lambda: lab.remember("reference", lambda: _whole(lab)))
    db = room / "catalog.db"

    def done() -> str | None:
        return contents(db).differs(whole) or _clean(lab, db)

    return Job(
        ["embed", sounds, "--describe", "--catalog", db, "-j", "2"],
        room,
        seconds,
        lambda: kept(db, Contents(), or_failed(db, whole), parts=True),
        done,
    )


def _whole(lab: Lab) -> Contents:
    return mutants.reference(lab)


def or_failed(db: Path, whole: Contents) -> Contents:
    """Take a file whose worker was killed for what it may be until the next run."""
    allowed = Contents(files=dict(whole.files))
    if db.exists():
        try:
            found = contents(db)
        except Exception:
            return allowed
        allowed.files.update({p: row for p, row in found.files.items() if row[0] == "error"})
    return allowed


def _embed_metadata(lab: Lab, rng: random.Random, room: Path) -> Job:
    sheet = lab.folder / "sheet.csv"
    if not sheet.exists():
        with open(sheet, "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["path", "title", "label", "year"])
            for number, path in enumerate(sorted(lab.music.rglob("*.*"))):
                rows.writerow([path, f"Named {number}", "A Label", 1990 + number])
    args = ["embed", lab.music, "--metadata", sheet, "-j", "2", "--catalog"]

    def undisturbed() -> Contents:
        db = lab.copy(lab.folder, "with-sheet.db")
        _run(lab, *args, db)
        return contents(db)

    old = contents(lab.catalog)
    seconds, new = _timed(lab, "embed --metadata", undisturbed)
    db = lab.copy(room)
    return Job(
        [*args, db],
        room,
        seconds,
        lambda: kept(db, old, new, parts=False),
        lambda: contents(db).differs(new) or _clean(lab, db),
    )


def _retry(lab: Lab, rng: random.Random, room: Path) -> Job:
    folder, base = lab.folder / "mended", lab.folder / "mended.db"

    def undisturbed() -> Contents:
        shutil.copyfile(base, lab.folder / "retried.db")
        _run(lab, "catalog", "retry", "-j", "2", "--catalog", lab.folder / "retried.db")
        return contents(lab.folder / "retried.db")

    if not base.exists():
        songs = sorted(lab.music.rglob("*.*"))
        for song in songs[1:]:
            (folder / song.name).parent.mkdir(exist_ok=True)
            (folder / song.name).write_bytes(b"not audio yet")
        shutil.copyfile(songs[0], folder / songs[0].name)
        _run(lab, "embed", folder, "--catalog", base)
        for song in songs[1:]:
            shutil.copyfile(song, folder / song.name)
    old = contents(base)
    seconds, new = _timed(lab, "retry", undisturbed)
    db = room / "catalog.db"
    shutil.copyfile(base, db)
    return Job(
        ["catalog", "retry", "-j", "2", "--catalog", db],
        room,
        seconds,
        lambda: kept(db, old, or_failed(db, new), parts=True),
        lambda: contents(db).differs(new) or _clean(lab, db),
        again=["embed", folder, "-j", "2", "--catalog", db],
    )


def _forget(lab: Lab, rng: random.Random, room: Path) -> Job:
    def undisturbed() -> Contents:
        db = lab.copy(lab.folder, "forgotten.db")
        _run(lab, "catalog", "forget", lab.music / "Alba", "--catalog", db)
        return contents(db)

    old = contents(lab.catalog)
    seconds, new = _timed(lab, "forget", undisturbed)
    db = lab.copy(room)
    return Job(
        ["catalog", "forget", lab.music / "Alba", "--catalog", db],
        room,
        seconds,
        lambda: kept(db, old, new, parts=False),
        lambda: contents(db).differs(new) or _clean(lab, db),
        statuses=(0, 1),  # it may all be forgotten already
    )


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
        _run(lab, *args, *in_place(place), env=env and {k: str(place) for k in env})
        return _digest(place / target)

    seconds, new = _timed(lab, key, undisturbed)
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


def _export(lab: Lab, rng: random.Random, room: Path) -> Job:
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


def _playlist(lab: Lab, rng: random.Random, room: Path) -> Job:
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


def _release(lab: Lab, rng: random.Random, room: Path) -> Job:
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


def _fit(lab: Lab, rng: random.Random, room: Path) -> Job:
    items, log = listening(lab.folder)
    args = ["fit", log, "--items", items, "--force"]
    key = "fit"

    def old(path: Path) -> None:
        first = lab.folder / "earlier recommender"
        if not first.exists():
            _run(lab, *args, "--seed", "9", "--dim", "4", "--out", first)
        shutil.copytree(first, path)

    return _writes(
        *(lab, room, key, args, "recommender"),
        old=rng.choice([old, old, None]),
        in_place=lambda place: ["--out", place / "recommender"],
    )


def shipped_model(folder: Path, id: str, **entries: Any) -> Path:
    """Copy the default model under another id."""
    from musicu.model import find_model

    shutil.copytree(find_model().folder, folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config.update(id=id, **entries)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def _models_add(lab: Lab, rng: random.Random, room: Path) -> Job:
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


_JOBS: dict[str, tuple[Callable[[Lab, random.Random, Path], Job], bool]] = {
    "kills of embed": (_embed, True),
    "kills of embed --metadata": (_embed_metadata, False),
    "kills of catalog retry": (_retry, True),
    "kills of catalog forget": (_forget, False),
    "kills of catalog export": (_export, False),
    "kills of release": (_release, True),
    "kills of fit": (_fit, False),
    "kills of models add": (_models_add, False),
    "kills of similar --m3u8": (_playlist, False),
}
