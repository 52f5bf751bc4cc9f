"""Bits that flip on the disk: found, named, mended, and in no answer meanwhile."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np

from musicu.catalog.catalog import Catalog
from musicu.errors import MusicuError
from torture.lab import Contents, Lab, Outcome, contents, cosine

_NAMED = "is named by verify, mended by verify --repair, and reaches no answer and no export"
ROWS = {
    "rot of vectors": f"A flipped bit in a stored vector {_NAMED}",
    "rot of what is derived": "So is one in descriptors and in words for the sound",
    "rot of texts": "Bytes that are no text are found in every column of text",
    "rot of the matrix": "A flipped bit in the matrix file changes no answer unnoticed",
    "rot of pages": "A flipped bit anywhere in the catalog's file is told, or changes nothing",
}
# One try in so many is mended by the command, which hears files again.
_MENDED = 4


def rot(lab: Lab, rng: random.Random, size: int) -> Iterator[Outcome]:
    """Flip so many bits, each in a new copy of a catalog."""
    base, sound = lab.remember("rotting", lambda: _base(lab))
    ways: dict[str, Callable[[random.Random, Path, Contents], tuple[str, str | None]]] = {
        "rot of vectors": _vector,
        "rot of what is derived": _derived,
        "rot of texts": _text,
        "rot of the matrix": _matrix,
        "rot of pages": _page,
    }
    for number in range(size):
        row = list(ways)[number % len(ways)]
        with lab.room() as room:
            for file in base.iterdir():
                shutil.copyfile(file, room / file.name)
            db = room / "catalog.db"
            told, id = ways[row](rng, db, sound)
            try:
                wrong = _judge(db, sound, row, id)
            except Exception:  # no MusicuError, and none of SQLite's: what does its user see?
                wrong = _as_commands(lab, db, sound, traceback.format_exc().splitlines()[-4:])
            if wrong is None and number // len(ways) % _MENDED == 0 and row != "rot of pages":
                wrong = _repair(lab, db, sound)
            yield Outcome(row, told, wrong)


def _base(lab: Lab) -> tuple[Path, Contents]:
    """Make a catalog with its matrix file, and with a file that failed."""
    base = lab.folder / "rotting"
    base.mkdir()
    db = lab.copy(base)
    bad = lab.folder / "bad.mp3"
    bad.write_bytes(b"this is no music at all\n" * 20)
    lab.run("embed", bad, "--catalog", db)
    with Catalog(db) as catalog:
        catalog.similar(sorted(contents(db).tracks)[0])
        list(catalog.tracks())
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    return base, contents(db)


def _flip(path: Path, at: int, bit: int) -> None:
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))


# Bytes that SQLite keeps together at least, in a page of 4096 of a table without row ids.
_WHOLE = 480


def _places(db: Path, texts: dict[str, bytes]) -> list[tuple[str, int, int]]:
    """Find stored values in the file: track id, position, length.

    What does not fit a page goes on in another, so a long one counts by its beginning.
    """
    data = db.read_bytes()
    starts = {id: text[:_WHOLE] for id, text in texts.items()}
    found = [(id, data.find(text), len(text)) for id, text in sorted(starts.items())]
    return [place for place in found if place[1] >= 0]


def _vector(rng: random.Random, db: Path, sound: Contents) -> tuple[str, str | None]:
    id, at, size = rng.choice(_places(db, sound.vectors))
    offset, bit = rng.randrange(size), rng.randrange(8)
    _flip(db, at + offset, bit)
    return f"bit {bit} of byte {offset} of the vector of {id}", id


def _derived(rng: random.Random, db: Path, sound: Contents) -> tuple[str, str | None]:
    with closing(sqlite3.connect(db)) as connection:
        stored = dict(connection.execute("SELECT id, descriptors FROM tracks").fetchall())
    texts = {id: text.encode() for id, text in stored.items()}
    if rng.random() < 0.5:
        texts = {id: words.encode() for id, words in sound.words.items()} or texts
    id, at, size = rng.choice(_places(db, texts))
    offset, bit = rng.randrange(size), rng.randrange(8)
    _flip(db, at + offset, bit)
    return f"bit {bit} of byte {offset} of what is derived of {id}", id


_COLUMNS = (
    *(("tracks", "codec"), ("tracks", "id"), ("tracks", "descriptors"), ("files", "tags")),
    *(("files", "reason"), ("files", "kind"), ("models", "sha256"), ("models", "id")),
)


def _text(rng: random.Random, db: Path, sound: Contents) -> tuple[str, str | None]:
    """Set the highest bit of a character: the column is no UTF-8 any more."""
    table, column = rng.choice(_COLUMNS)
    with closing(sqlite3.connect(db)) as connection:
        rows = connection.execute(
            f"SELECT CAST({column} AS BLOB) FROM {table} WHERE length({column}) > 2"
        ).fetchall()
    value = rng.choice(sorted(row[0] for row in rows))
    data = db.read_bytes()
    at = rng.choice([i for i in range(len(data)) if data.startswith(value, i)])
    offset = rng.randrange(len(value))
    _flip(db, at + offset, 7)
    return f"byte {offset} of {table}.{column} {value[:40]!r}", None


def _matrix(rng: random.Random, db: Path, sound: Contents) -> tuple[str, str | None]:
    (file,) = db.parent.glob("*.npy")
    at, bit = rng.randrange(file.stat().st_size), rng.randrange(8)
    _flip(file, at, bit)
    return f"bit {bit} of byte {at} of the matrix", None


def _page(rng: random.Random, db: Path, sound: Contents) -> tuple[str, str | None]:
    at, bit = rng.randrange(db.stat().st_size), rng.randrange(8)
    _flip(db, at, bit)
    return f"bit {bit} of byte {at} of the catalog", None


def _verify(db: Path) -> list[str]:
    """Return what verify tells; an error that names the trouble tells it, too."""
    try:
        with Catalog(db, create=False) as catalog:
            return catalog.verify()
    except (MusicuError, sqlite3.Error) as error:
        return [str(error)]


def _judge(db: Path, sound: Contents, row: str, id: str | None) -> str | None:
    """Judge what is told of a flipped bit, and whether answers are right meanwhile."""
    if wrong := _answers(db, sound):
        return wrong
    told = _verify(db)
    if id is not None and not any(id in line for line in told):
        return f"verify does not name the track: {told[:2]}"
    if told or row == "rot of the matrix":  # whose answers were right
        return None
    if row != "rot of pages":
        return "verify tells nothing"
    try:
        found = contents(db)
    except (sqlite3.Error, ValueError) as error:
        return f"verify tells nothing, but: {error}"
    changed = found.differs(sound)
    return f"verify tells nothing, but {changed}" if changed else None


def _answers(db: Path, sound: Contents) -> str | None:
    """Say whether an export or an answer shows another vector than the sound one."""
    target = db.with_name("out.npz")
    try:
        with Catalog(db, create=False) as catalog:
            catalog.export(target)
    except (MusicuError, sqlite3.Error):
        pass
    else:
        with np.load(target) as arrays:
            for id, vector in zip(arrays["ids"], arrays["vectors"], strict=True):
                if str(id) in sound.vectors and vector.tobytes() != sound.vectors[str(id)]:
                    return f"a damaged vector of {id} is exported"
    ids = sorted(sound.vectors)
    for query in ids[:2]:
        try:
            with Catalog(db, create=False) as catalog:
                hits = catalog.similar(query, n=len(ids))
        except (MusicuError, sqlite3.Error):
            continue
        for hit in hits:
            right = cosine(sound.vectors[query], sound.vectors.get(hit.id, b""))
            if hit.id in sound.vectors and not abs(hit.score - right) < 1e-4:
                return f"{query} and {hit.id} score {hit.score:.4f}, not {right:.4f}"
    return None


def _as_commands(lab: Lab, db: Path, sound: Contents, trace: list[str]) -> str | None:
    for args in (
        ["catalog", "verify"],
        ["catalog", "export", db.with_name("out.csv")],
        ["similar", sorted(sound.vectors)[0]],
    ):
        if fault := lab.run(*args, "--catalog", db).fault():
            return f"{args[0]} {args[1]}: {fault} {trace}"
    return None


def _repair(lab: Lab, db: Path, sound: Contents) -> str | None:
    """Mend a catalog by the command that verify names, and judge what comes out."""
    mended = lab.run("catalog", "verify", "--repair", "--catalog", db)
    if (wrong := mended.fault()) is not None:
        return f"verify --repair: {wrong}"
    if told := _verify(db):
        return f"not mended: {told[0]}; {mended.err.strip()[-200:]}"
    try:
        found = contents(db)
    except (sqlite3.Error, json.JSONDecodeError) as error:
        return f"not mended: {error}"
    wrong = found.differs(sound)
    return f"mended to something else: {wrong}" if wrong else None
