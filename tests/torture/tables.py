"""Catalogs, sheets, playlists, logs and recommenders as no program of ours writes them."""

from __future__ import annotations

import csv
import json
import random
import shutil
import sqlite3
import string
from contextlib import closing, suppress
from pathlib import Path

_ODD_TEXTS = (
    *("", " ", "\0", "\x1b[31m", "\u202e", "é" * 300, "x" * 200_000, "=1+1", '"', "\r\n", "\ufeff"),
    *("1e999", "-1", "99999999999999999999", "nan", "NULL", "../../etc/passwd", "[]", "{", "٣"),
)
_ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1251", "shift_jis")


def odd_text(rng: random.Random) -> str:
    """Draw a text that breaks readers, or a random one."""
    if rng.random() < 0.7:
        return rng.choice(_ODD_TEXTS)
    return "".join(rng.choices(string.printable + "äß漢\u0301", k=rng.randrange(40)))


def hostile_catalog(rng: random.Random, path: Path) -> str:
    """Spoil a copy of a catalog, or write something else in its place; return what."""
    way = rng.choice(["bytes", "cut", "head", "foreign", "sql", "sql", "sql", "sql", "sql"])
    data = path.read_bytes()
    if way == "bytes":
        path.write_bytes(rng.choice([b"", b"SQLite format 3\0", rng.randbytes(9000), b"{}"]))
    elif way == "cut":
        path.write_bytes(data[: rng.randrange(len(data))])
    elif way == "head":
        head = bytearray(data)
        for _ in range(rng.choice([1, 2, 8])):
            head[rng.randrange(100)] = rng.randrange(256)
        path.write_bytes(bytes(head))
    elif way == "foreign":
        path.unlink()
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE files (path)")
            db.commit()
    else:
        statement = rng.choice(_STATEMENTS).format(number=rng.choice(["-1", "1e308", "2.5", "''"]))
        way = f"{statement[:90]}"
        # What SQLite itself refuses is no catalog that can be met.
        with closing(sqlite3.connect(path)) as db, suppress(sqlite3.Error):
            db.execute("PRAGMA foreign_keys = OFF")
            db.executescript(statement)
            db.commit()
    return way


_STATEMENTS = (
    "PRAGMA user_version = 99",
    "PRAGMA user_version = -5",
    "PRAGMA application_id = 7",
    "DROP VIEW library; CREATE VIEW library AS SELECT 1 AS track, 2 AS id",
    "DROP TABLE vectors",
    "DROP TABLE meta",
    "DROP TABLE roots",
    "DROP TABLE tracks",
    "ALTER TABLE files DROP COLUMN reason",
    "ALTER TABLE files ADD COLUMN more DEFAULT 'x'",
    "CREATE TRIGGER t AFTER UPDATE ON meta BEGIN DELETE FROM files; END",
    "CREATE TRIGGER t AFTER INSERT ON files BEGIN SELECT RAISE(ABORT, 'no'); END",
    "UPDATE vectors SET vector = zeroblob(4)",
    "UPDATE vectors SET vector = 'text'",
    "UPDATE vectors SET vector = zeroblob(50000000) WHERE track = 1",
    "UPDATE vectors SET model = 77",
    "UPDATE models SET dim = {number}",
    "UPDATE models SET dim = 1000000000",
    "UPDATE models SET sha256 = 'x'",
    "UPDATE models SET id = x'ff00'",
    "UPDATE meta SET value = 'x' WHERE key = 'model'",
    "UPDATE meta SET value = '../../x' WHERE key = 'vectors'",
    "UPDATE meta SET value = x'ff' WHERE key = 'vectors'",
    "DELETE FROM meta",
    "DELETE FROM models",
    "DELETE FROM tracks",
    "UPDATE tracks SET seconds = {number}",
    "UPDATE tracks SET sr = 'x', channels = x'00'",
    "UPDATE tracks SET descriptors = '{{'",
    'UPDATE tracks SET descriptors = \'{{"tempo": "fast", "key": 7}}\'',
    "UPDATE tracks SET descriptors = '[]'",
    "UPDATE tracks SET id = x'ff41fe' WHERE track = 1",
    "UPDATE tracks SET id = CAST(x'ff41fe' AS TEXT) WHERE track = 1",
    "UPDATE files SET tags = '[1]'",
    'UPDATE files SET tags = \'{{"artists": 7, "title": [1], "year": "x"}}\'',
    "UPDATE files SET tags = '{{\"genres\": {{}}}}', sheet = '7'",
    "UPDATE files SET reason = CAST(x'ff41fe' AS TEXT)",
    "UPDATE files SET reason = x'ff41fe', kind = 'error', track = NULL WHERE file = 1",
    "UPDATE files SET path = CAST(x'2f00ff' AS TEXT) WHERE file = 1",
    "UPDATE files SET path = '' WHERE file = 1",
    "UPDATE files SET path = 7 WHERE file = 1",
    "UPDATE files SET mtime_ns = 'never', size = {number}",
    "UPDATE files SET track = 999",
    "UPDATE sound_tags SET tags = '{{'",
    "UPDATE sound_tags SET tags = '[]'",
    "INSERT INTO roots (path) VALUES (x'ff'), (''), ('/nowhere')",
)


def hostile_sheet(rng: random.Random, path: Path, columns: list[str], keys: list[str]) -> str:
    """Write a CSV file with odd columns, cells, quotes, sizes and encodings; return what."""
    way = rng.choice(["cells", "columns", "bytes", "rows", "quotes", "numbers"])
    names = list(columns)
    rows = [[rng.choice(keys), *(odd_text(rng) for _ in names[1:])] for _ in range(30)]
    if way == "columns":
        names = [odd_text(rng)[:200] for _ in range(rng.choice([0, 1, 3000]))] + names
        rng.shuffle(names)
    elif way == "rows":
        rows = rows * 300 + [[], ["x"] * 500]
    elif way == "numbers":
        numbers = ["1e400", "-0", "inf", "nan", "0x10", "1_000", "10" * 40, "1,5"]
        rows = [[rng.choice(keys), *(rng.choice(numbers) for _ in names[1:])] for _ in range(50)]
    encoding = rng.choice(_ENCODINGS)
    with open(path, "w", newline="", encoding=encoding, errors="replace") as file:
        table = csv.writer(file, delimiter=rng.choice(",,,;\t"))
        table.writerow(names)
        table.writerows(rows)
        if way == "quotes":
            file.write('"' + "x" * rng.choice([10, 200_000]) + "\n" * 100)
    if way == "bytes":
        data = path.read_bytes()
        at = rng.randrange(len(data))
        path.write_bytes(data[:at] + rng.randbytes(rng.choice([1, 20, 5000])) + data[at:])
    return f"{way} in {encoding}"


def hostile_playlist(rng: random.Random, path: Path, keys: list[str]) -> str:
    """Write a playlist of odd lines; return what."""
    way = rng.choice(["texts", "long", "bytes", "itself", "addresses"])
    lines = ["#EXTM3U", *keys]
    if way == "texts":
        lines += [odd_text(rng) for _ in range(30)]
    elif way == "long":
        lines += ["a/" * 40_000, *["../" * 2000] * 3, *["nowhere.mp3"] * 20_000]
    elif way == "itself":
        lines += [str(path), str(path.parent), "/dev/zero", "/dev/stdin", "/proc/self/mem"]
    elif way == "addresses":
        lines += ["http://127.0.0.1:1/x.mp3", "file:///etc/passwd", "\\\\host\\share\\x", "data:,x"]
    body = "\n".join(lines).encode("utf-8", "replace")
    path.write_bytes(body + rng.randbytes(3000) if way == "bytes" else body)
    return way


def hostile_recommender(rng: random.Random, folder: Path) -> str:
    """Spoil a copy of a recommender's folder; return what."""
    file = rng.choice(sorted(folder.iterdir()))
    data = file.read_bytes()
    way = rng.choice(["cut", "flip", "bytes", "missing", "folder", "entry", "swap"])
    if way == "cut":
        file.write_bytes(data[: rng.randrange(len(data))])
    elif way == "flip":
        body = bytearray(data)
        for _ in range(rng.choice([1, 5, 100])):
            body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
        file.write_bytes(bytes(body))
    elif way == "bytes":
        file.write_bytes(rng.choice([b"", b"\x80\x04.", b"[]", b"null\n", rng.randbytes(4000)]))
    elif way == "missing":
        file.unlink()
    elif way == "folder":
        file.unlink()
        file.mkdir()
    elif way == "swap":
        shutil.copyfile(rng.choice(sorted(folder.iterdir())), folder / "swap")
        shutil.move(folder / "swap", file)
    else:
        file = folder / "recommender.json"
        about = json.loads(file.read_text(encoding="utf-8"))
        name = rng.choice(sorted(about))
        odd = [None, -1, "x", [], {}, 1e308, True, [[1]], {"x": "y"}]
        about[name] = rng.choice(odd)
        file.write_text(json.dumps(about), encoding="utf-8")
        way = f"{name} is {about[name]!r} in"
    return f"{way} {file.name}"
