"""What each command that writes leaves behind when it is killed: nothing half, nothing lost."""

from __future__ import annotations

import csv
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from torture import mutants, outputs, uploads
from torture.killing import VICTIMS, Job, try_job
from torture.lab import Contents, Lab, Outcome, contents, integrity
from torture.outputs import run, timed

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
    seconds, whole = timed(lab, "embed", lambda: lab.remember("reference", lambda: _whole(lab)))
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
        run(lab, *args, db)
        return contents(db)

    old = contents(lab.catalog)
    seconds, new = timed(lab, "embed --metadata", undisturbed)
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
        run(lab, "catalog", "retry", "-j", "2", "--catalog", lab.folder / "retried.db")
        return contents(lab.folder / "retried.db")

    if not base.exists():
        songs = sorted(lab.music.rglob("*.*"))
        for song in songs[1:]:
            (folder / song.name).parent.mkdir(exist_ok=True)
            (folder / song.name).write_bytes(b"not audio yet")
        shutil.copyfile(songs[0], folder / songs[0].name)
        run(lab, "embed", folder, "--catalog", base)
        for song in songs[1:]:
            shutil.copyfile(song, folder / song.name)
    old = contents(base)
    seconds, new = timed(lab, "retry", undisturbed)
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
        run(lab, "catalog", "forget", lab.music / "Alba", "--catalog", db)
        return contents(db)

    old = contents(lab.catalog)
    seconds, new = timed(lab, "forget", undisturbed)
    db = lab.copy(room)
    return Job(
        ["catalog", "forget", lab.music / "Alba", "--catalog", db],
        room,
        seconds,
        lambda: kept(db, old, new, parts=False),
        lambda: contents(db).differs(new) or _clean(lab, db),
        statuses=(0, 1),  # it may all be forgotten already
    )


_JOBS: dict[str, tuple[Callable[[Lab, random.Random, Path], Job], bool]] = {
    "kills of embed": (_embed, True),
    "kills of embed --metadata": (_embed_metadata, False),
    "kills of catalog retry": (_retry, True),
    "kills of catalog forget": (_forget, False),
    "kills of catalog export": (outputs.export, False),
    "kills of release": (outputs.release, True),
    "kills of fit": (outputs.fit, False),
    "kills of models add": (outputs.models_add, False),
    "kills of similar --m3u8": (outputs.playlist, False),
}
