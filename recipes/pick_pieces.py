"""Pick a few pieces of each track of a folder, spread over it, so that long tracks don't prevail.

    python recipes/pick_pieces.py FOLDER OUT [--most 4] [--without COLUMN=VALUE ...]

FOLDER has a ``manifest.csv`` like that of `free_audio.py`: with ``file``, ``source_track`` and
``piece``. Rows whose ``kind`` is another than music, and copies (``duplicate_of``), are left out,
and so are those that ``--without`` names. OUT gets hard links, or copies where links cannot be.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
from collections import defaultdict
from pathlib import Path

__all__ = ["pick"]


def pick(rows: list[dict[str, str]], most: int, without: list[str]) -> list[str]:
    """Return the files of the rows that are picked."""
    tracks = defaultdict(list)
    for row in rows:
        left_out = any(row[name] == value for name, _, value in (w.partition("=") for w in without))
        if row.get("kind", "music") == "music" and not row.get("duplicate_of") and not left_out:
            tracks[row["source_track"]].append(row)
    files = []
    for pieces in tracks.values():
        pieces.sort(key=lambda row: int(row["piece"]))
        last, count = len(pieces) - 1, min(most, len(pieces))
        places = {round(i * last / max(count - 1, 1)) for i in range(count)}
        files += [pieces[at]["file"] for at in sorted(places)]
    return files


def main() -> None:
    """Link what is picked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--most", type=int, default=4, help="pieces of a track")
    parser.add_argument("--without", action="append", default=[], metavar="COLUMN=VALUE")
    arguments = parser.parse_args()
    with open(arguments.folder / "manifest.csv", newline="", encoding="utf-8") as file:
        files = pick(list(csv.DictReader(file)), arguments.most, arguments.without)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in files:
        target = arguments.out / Path(name).name
        if not target.exists():
            try:
                os.link(arguments.folder / name, target)
            except OSError:
                shutil.copyfile(arguments.folder / name, target)
    print(f"{len(files)} pieces")


if __name__ == "__main__":
    main()
