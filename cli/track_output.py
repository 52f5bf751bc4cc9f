"""How tracks that were found are shown, and written as a playlist."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from musicu.cli.inputs import top_contributions
from musicu.cli.options import Format, emit, say
from musicu.metadata.playlist import PlaylistEntry, write_m3u8

if TYPE_CHECKING:
    from musicu.catalog.similar import Match
    from musicu.search.explorer import Explorer
    from musicu.search.query import Answer

__all__ = ["PlaylistEntry", "show_answer", "show_matches", "write_playlist"]


def show_matches(
    matches: Sequence["Match"],
    asked: int,
    form: Format,
    *,
    m3u8: Path | None,
    notice: str | None,
    quiet: bool,
) -> None:
    """Write what a catalog found: the playlist, if asked for, the rows, and notes on them."""
    write_playlist(m3u8, (PlaylistEntry(m.path, m.title, m.artist, m.seconds) for m in matches))
    rows = [asdict(match) for match in matches]
    for row in rows:
        del row["seconds"]
        if form is Format.TABLE and "tags" in row:
            row["tags"] = [f"{name} {p:.2f}" for name, p in row["tags"].items()]
    last = "tags" if rows and "tags" in rows[0] else "album"
    few = f"{len(matches)} of {asked}: no more tracks pass the filters"
    notes = [few] * (len(matches) < asked) + ([notice] if notice else [])
    _show(rows, form, [last], notes, quiet=quiet)


def show_answer(
    answer: "Answer", explorer: "Explorer", form: Format, *, m3u8: Path | None, quiet: bool
) -> None:
    """Write what an explorer found: the playlist, if asked for, the rows, and notes on them."""
    found = list(zip(answer.to_dict()["matches"], explorer.paths(answer), strict=True))
    write_playlist(
        m3u8, (PlaylistEntry(path, t["title"], t["artist"], t["seconds"]) for t, path in found)
    )
    rows = [_answer_row(match, path, form) for match, path in found]
    why = ["why"] if rows and "why" in rows[0] else []
    _show(rows, form, why, answer.notes, quiet=quiet)


def write_playlist(m3u8: Path | None, entries: Iterable[PlaylistEntry]) -> None:
    """Write a playlist, if one was asked for; say which names it cannot hold."""
    if m3u8 is not None:
        for entry in write_m3u8(m3u8, list(entries)):
            say(f"not in {m3u8}: {entry.path!r}, a name that a playlist cannot hold")


def _show(
    rows: list[dict[str, Any]],
    form: Format,
    columns: Iterable[str],
    notes: Iterable[str],
    *,
    quiet: bool,
) -> None:
    emit(rows, form, table=["rank", "score", "artist", "title", *columns, "path"])
    for note in notes:
        say(note, quiet=quiet)


def _answer_row(match: dict[str, Any], path: str, form: Format) -> dict[str, Any]:
    names = ("rank", "score", "id", "path", "title", "artist", "album")
    row = {name: match.get(name, path) for name in names}
    if "why" in match:
        row |= {"why": match["why"], "words": match["words"]}
        if form is Format.TABLE:
            row["why"] = "; ".join([top_contributions(match["why"], 3), *match["words"]])
    return row
