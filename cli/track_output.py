"""How tracks that were found are shown."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from musicu.catalog.similar import Match
from musicu.cli.options import Format, emit, say
from musicu.metadata.playlist import PlaylistEntry, write_m3u8

__all__ = ["show"]


def show(
    matches: Sequence[Match],
    asked: int,
    form: Format,
    *,
    m3u8: Path | None,
    notice: str | None,
    quiet: bool,
) -> None:
    """Write the playlist, if one was asked for, the rows, and what there is to know of them."""
    if m3u8 is not None:
        entries = [PlaylistEntry(m.path, m.title, m.artist, m.seconds) for m in matches]
        for entry in write_m3u8(m3u8, entries):
            say(f"not in {m3u8}: {entry.path!r}, a name that a playlist cannot hold")
    rows = [asdict(match) for match in matches]
    for row in rows:
        del row["seconds"]
        if form is Format.TABLE and "tags" in row:
            row["tags"] = [f"{name} {p:.2f}" for name, p in row["tags"].items()]
    table = ["rank", "score", "artist", "title", "album", "path"]
    if rows and "tags" in rows[0]:
        table[4] = "tags"
    emit(rows, form, table=table)
    if len(matches) < asked:
        say(f"{len(matches)} of {asked}: no more tracks pass the filters", quiet=quiet)
    if notice:
        say(notice, quiet=quiet)
