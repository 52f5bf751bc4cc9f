"""Too little disk, too little memory, folders that cannot be written."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torture.kills import kept, or_failed
from torture.lab import Contents, Lab, Outcome, contents, integrity
from torture.mutants import make_sounds, reference
from torture.outputs import listening

ROWS = {
    "full disks": "A full disk costs nothing that was stored; it is told as what it is, and the"
    " next run, with room, ends as if nothing had been",
    "memory limits": "Too little memory blames no file for good, and the next run ends as if"
    " nothing had been",
    "read-only folders": "What cannot be written can be read; who would write is told so",
}
_TARGETS = {
    "catalog export": ["catalog", "export", "{target}/music.npz", "--catalog", "{catalog}"],
    "similar --m3u8": ["similar", "{id}", "--m3u8", "{target}/a.m3u8", "--catalog", "{catalog}"],
    "fit": ["fit", "{log}", "--items", "{items}", "--out", "{target}/recommender"],
    "release": ["release", "{song}", "--out", "{target}/report", "--catalog", "{catalog}"],
}
_READERS = (
    *(["catalog", "info"], ["catalog", "list", "--nl"], ["catalog", "errors"]),
    *(["catalog", "verify"], ["similar", "{id}"], ["catalog", "export", "{target}/music.csv"]),
)
_WRITERS = (["catalog", "forget", "{song}"], ["embed", "{music}", "--force"])


def scarcity(lab: Lab, rng: random.Random, size: int) -> Iterator[Outcome]:
    """Run so many commands short of something."""
    reason = lab.remember("no namespaces", _no_namespaces)
    for number in range(size):
        row = list(ROWS)[number % len(ROWS)]
        with lab.room() as room:
            if row == "memory limits":
                yield Outcome(row, *_memory(lab, rng, room))
            elif reason is not None:
                yield Outcome(row, "", skipped=reason)
            elif row == "full disks":
                yield Outcome(row, *_full_disk(lab, rng, room))
            else:
                yield Outcome(row, *_read_only(lab, rng, room))


def _no_namespaces() -> str | None:
    """Say why no file system can be mounted here, if none can."""
    if shutil.which("unshare") is None:
        return "no unshare"
    tried = subprocess.run(
        ["unshare", "-rm", "sh", "-c", "mount -t tmpfs tmpfs /tmp"],
        capture_output=True,
        check=False,
    )
    return None if tried.returncode == 0 else "no mounts allowed"


def _fill_in(lab: Lab, args: list[str], **more: Any) -> list[str]:
    items, log = listening(lab.folder)
    known = {
        "id": sorted(contents(lab.catalog).tracks)[0],
        "song": lab.music / "Alba/Dawn/01 First.flac",
        "music": lab.music,
        "items": items,
        "log": log,
        "catalog": lab.catalog,
    }
    return [arg.format(**{**known, **more}) for arg in args]


def _full_disk(lab: Lab, rng: random.Random, room: Path) -> tuple[str, str | None]:
    """Let a command write to a disk of a few hundred kilobytes."""
    small, out = room / "small", room / "out"
    small.mkdir()
    # What is left is copied out, for the disk goes with the command.
    script = (
        'mount -t tmpfs -o size="$0" tmpfs "$1" || exit 99; small=$1 out=$2; shift 2;'
        '"$@"; status=$?; cp -a "$small" "$out"; exit $status'
    )
    what = rng.choice(["embed", "embed", *_TARGETS])
    kilobytes = rng.randrange(4, 700 if what in ("embed", "fit", "release") else 60)
    within = ["unshare", "-rm", "sh", "-c", script, f"{kilobytes}k", str(small), str(out)]
    sounds = lab.folder / "sounds"
    lab.remember("sounds", lambda: make_sounds(sounds))
    whole = lab.remember("reference", lambda: reference(lab))
    if what == "embed":
        args = ["embed", str(sounds), "--describe", "-j", "2", "--catalog", f"{small}/c.db"]
    else:
        args = _fill_in(lab, _TARGETS[what], target=small)
    before = contents(lab.catalog)
    ended = lab.run(*args, within=within)
    told = f"{what} with {kilobytes} kB"
    if wrong := ended.fault():
        return told, wrong
    said = (ended.err + ended.out).lower()
    if ended.status and not any(word in said for word in ("space", "full")):
        return told, f"the reason is not told: {said.strip()[-300:]}"
    if wrong := contents(lab.catalog).differs(before):
        return told, f"the catalog it reads is another one: {wrong}"
    if what != "embed":
        left = [path.name for path in out.rglob("*") if path.is_file()]
        whole_one = ended.status == 0
        return told, None if whole_one or not left else f"half of something is left: {left}"
    return told, _embeds_on(lab, out / "c.db", whole, ["embed", str(sounds), "--describe"])


def _embeds_on(lab: Lab, db: Path, whole: Contents, args: list[str]) -> str | None:
    """Judge a catalog after a run that was short of something, and after the next one."""
    if wrong := kept(db, Contents(), or_failed(db, whole), parts=True):
        return wrong
    again = lab.run(*args, "--catalog", db, "-j", "2")
    if wrong := again.fault(0):
        return f"the next run: {wrong}"
    wrong = contents(db).differs(whole) or integrity(db)
    return f"after the next run: {wrong}" if wrong else None


def _memory(lab: Lab, rng: random.Random, room: Path) -> tuple[str, str | None]:
    """Embed under a limit of the address space."""
    megabytes = rng.randrange(600, 2400)
    whole = lab.remember("reference", lambda: reference(lab))
    sounds = lab.folder / "sounds"
    within = ["sh", "-c", f'ulimit -v {megabytes * 1024}; exec "$@"', "sh"]
    db = room / "c.db"
    args = ["embed", str(sounds), "--describe"]
    ended = lab.run(*args, "--catalog", db, "-j", "2", within=within)
    told = f"embed with {megabytes} MB"
    if wrong := ended.fault():
        return told, wrong
    return told, _embeds_on(lab, db, whole, args)


def _read_only(lab: Lab, rng: random.Random, room: Path) -> tuple[str, str | None]:
    """Read, or try to write, a catalog that lies on a read-only file system."""
    fixed, target = room / "fixed", room / "target"
    fixed.mkdir()
    target.mkdir()
    db = lab.copy(fixed)
    if rng.random() < 0.5:  # with what SQLite keeps beside it
        lab.run("catalog", "info", "--catalog", db)
    before = contents(db)
    script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" || exit 99; exec "$@"'
    within = ["unshare", "-rm", "sh", "-c", script, str(fixed)]
    writes = rng.random() < 0.3
    args = rng.choice(_WRITERS if writes else _READERS)
    ended = lab.run(*_fill_in(lab, args, target=target), "--catalog", db, within=within)
    told = f"{' '.join(args)} in a folder that is read-only"
    if wrong := ended.fault():
        return told, wrong
    if ended.status and not writes:
        return told, f"cannot be read: {ended.err.strip()[-300:]}"
    if writes and not ended.status:
        return told, "says that it wrote"
    reason = os.strerror(errno.EROFS).lower()
    said = ended.err.lower()
    words = (reason, "readonly", "read-only", "only be read", "written")
    if writes and not any(word in said for word in words):
        return told, f"the reason is not told: {said.strip()[-300:]}"
    wrong = contents(db).differs(before)
    return told, f"the catalog changed: {wrong}" if wrong else None
