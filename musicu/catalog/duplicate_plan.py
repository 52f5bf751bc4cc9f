"""Write down which files are spare, as a script or a list, for whoever wants to act on it."""

from __future__ import annotations

import csv
import json
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from musicu.catalog.duplicates import DuplicateGroup
from musicu.errors import MusicuError
from musicu.files import written_file

__all__ = ["PLANS", "write_plan"]

_HEAD = """\
#!/bin/sh
# Files that hold nothing which a better one does not hold, too, as musicu check has found: look
# through it before you run it. It asks before each; a file whose better one is gone stays.
# Lossless is what its codec says; a FLAC that was made from an MP3 cannot be told from others.
set -u
spare() { # BETTER SPARE
    if [ -s "$1" ] && [ -f "$2" ]; then rm -i -- "$2"; else printf 'left: %s\\n' "$2" >&2; fi
}
"""


def write_plan(groups: Sequence[DuplicateGroup], target: str | os.PathLike[str]) -> int:
    """Write a plan, whole or not at all; no file is deleted.

    Parameters
    ----------
    groups : sequence of DuplicateGroup
        What :func:`musicu.catalog.duplicates.find_duplicates` has found.
    target : str or path-like
        By its ending: ``.sh`` is a script that asks before it removes a spare file; ``.txt`` lists
        the paths of the spare files, one a line; ``.csv`` and ``.json`` tell all of every file.

    Returns
    -------
    int
        How many files are spare.

    Raises
    ------
    MusicuError
        It has another ending, or cannot be written; or a list of paths would hold one with a line
        break.
    """
    path = Path(target)
    write = PLANS.get(path.suffix.lower())
    if write is None:
        raise MusicuError(f"{path}: a plan ends in {', '.join(PLANS)}")
    try:
        # Paths go out as the bytes they are.
        with written_file(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            write(groups, file)
    except OSError as error:
        raise MusicuError(f"{path}: {error.strerror or 'cannot be written'}") from error
    return sum(1 for _ in _spare(groups))


def _script(groups: Sequence[DuplicateGroup], file: IO[str]) -> None:
    file.write(_HEAD)
    for group in groups:
        kept, pairs = group.files[0], list(_spare([group]))
        if pairs:
            name = "".join(letter if letter.isprintable() else " " for letter in group.name)
            file.write(f"\n# {name}: {kept.codec}, {kept.bit_rate:.0f} kbit/s\n")
        for better, spare in pairs:
            file.write(f"spare {shlex.quote(better)} {shlex.quote(spare)}\n")


def _list(groups: Sequence[DuplicateGroup], file: IO[str]) -> None:
    for _, path in _spare(groups):
        if "\n" in path or "\r" in path:
            raise MusicuError(f"{path!r}: a line break in a name: a list cannot hold it; use .sh")
        file.write(f"{path}\n")


def _table(groups: Sequence[DuplicateGroup], file: IO[str]) -> None:
    rows = _rows(groups)
    if rows:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _json(groups: Sequence[DuplicateGroup], file: IO[str]) -> None:
    json.dump(_rows(groups), file, indent=2)
    file.write("\n")


PLANS = {".sh": _script, ".txt": _list, ".csv": _table, ".json": _json}


def _rows(groups: Sequence[DuplicateGroup]) -> list[dict[str, Any]]:
    return [
        {"group": number, **row}
        for number, group in enumerate(groups, start=1)
        for row in group.rows()
    ]


def _spare(groups: Sequence[DuplicateGroup]) -> Iterator[tuple[str, str]]:
    """Yield the paths of a better file and of a spare one."""
    for group in groups:
        for file in group.files:
            if file.verdict == "spare":
                yield group.files[0].path, file.path
