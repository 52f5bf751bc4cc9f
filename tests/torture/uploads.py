"""A server that is killed while it takes uploads in."""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from made_audio import notes, write

from torture.killing import children, kill, survivors
from torture.lab import Lab, Outcome, contents, integrity
from torture.server import Server, serving

_UPLOADS = 4


def kill_server(lab: Lab, rng: random.Random, row: str) -> Iterator[Outcome]:
    """Upload songs one after another, and kill the server, or its worker, in between."""
    songs = lab.remember("uploads", lambda: _songs(lab))
    victim = rng.choice(["the process", "a worker", "all of them"])
    with lab.room() as room:
        db, folder = lab.copy(room), room / "uploads"
        folder.mkdir()
        taken: list[Any] = []
        with serving(lab, "--catalog", db, "--uploads", folder) as server:
            thread = threading.Thread(target=_send, args=(server, songs, taken))
            thread.start()
            moment = rng.uniform(0.0, 3.0)
            time.sleep(moment)
            workers = children(server.process.pid)
            hit = kill(server.process, victim)
            thread.join()
            if hit and victim == "a worker":
                wrong = _goes_on(server, songs)
            else:
                server.process.kill()
                server.process.wait()
                left = survivors(workers)
                wrong = f"{len(left)} workers go on without their process" if left else None
        wrong = wrong or _whole(lab, db, folder, taken)
        yield Outcome(row, f"{victim} killed after {moment:.2f} s", wrong)


def _songs(lab: Lab) -> list[bytes]:
    songs = []
    for number in range(_UPLOADS):
        path = lab.folder / "upload.flac"
        write(path, notes(22050, 3.2, seed=200 + number), 22050, "flac", title=f"New {number}")
        songs.append(path.read_bytes())
    return songs


def _send(server: Server, songs: list[bytes], taken: list[Any]) -> None:
    with suppress(OSError, http.client.HTTPException):  # it was killed
        for number, song in enumerate(songs):
            status, answer = server.upload(f"/v1/tracks?name=new-{number}.flac", song)
            if status == 201:
                taken.append(answer["id"])


def _goes_on(server: Server, songs: list[bytes]) -> str | None:
    """Judge whether a server whose worker was killed takes what comes next."""
    for number, song in enumerate(songs):
        status, answer = server.upload(f"/v1/tracks?name=new-{number}.flac", song)
        if status not in (200, 201):
            return f"after a worker's end it answers {status}: {answer}"
    return server.end()


def _whole(lab: Lab, db: Path, folder: Path, taken: list[Any]) -> str | None:
    """Judge the catalog and the folder that a killed server leaves."""
    if wrong := integrity(db):
        return wrong
    found, before = contents(db), contents(lab.catalog)
    if lost := set(before.files) - set(found.files):
        return f"lost: {sorted(lost)[0]}"
    if lost := set(taken) - set(found.vectors):
        return f"taken, and not in the catalog: {sorted(lost)[0]}"
    uploaded = [path for path in found.files if path.startswith(str(folder) + os.sep)]
    if gone := [path for path in uploaded if not os.path.exists(path)]:
        return f"in the catalog, and not in the folder: {gone[0]}"
    again = lab.run("embed", folder, "--describe", "--catalog", db)
    if (wrong := again.fault(0)) is not None:
        return f"the next run: {wrong}"
    verified = lab.run("catalog", "verify", "--catalog", db)
    if verified.status:
        return f"verify: {(verified.out + verified.err)[-300:]}"
    after = contents(db)
    wrong_files = [path for path, row in after.files.items() if row[0] == "error"]
    return f"half a file in the folder: {wrong_files[0]}" if wrong_files else None
