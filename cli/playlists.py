"""``musicu playlists``: a folder of playlists from a catalog."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicu.cli.options import (
    Catalog,
    Format,
    MaxPerArtist,
    NonMusic,
    Quiet,
    Where,
    emit,
    row_output,
    say,
)

if TYPE_CHECKING:
    from musicu.search.track_lists import TrackList


@row_output
def playlists(
    folder: Annotated[Path, typer.Argument(help="Where to write them.", metavar="FOLDER")],
    by: Annotated[
        list[str] | None,  # some of DIVISIONS, imported when the command is called; a test compares
        typer.Option(
            help="One playlist a cluster, a mood, a genre (as heard) or an artist; repeatable.",
            metavar="cluster|mood|genre|artist",
        ),
    ] = None,
    like: Annotated[
        list[Path] | None,
        typer.Option(help="One that is like this playlist (.m3u8); repeatable.", metavar="FILE"),
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(help="One for each saved query of a file (TOML).", metavar="FILE"),
    ] = None,
    catalog: Catalog = None,
    n: Annotated[int, typer.Option("-n", min=1, max=1000, help="Tracks of each, at most.")] = 50,
    least: Annotated[int, typer.Option(min=1, help="Tracks of each, at least.", metavar="N")] = 5,
    clusters: Annotated[
        int | None, typer.Option(min=1, help="How many clusters; else by the catalog's size.")
    ] = None,
    where: Where = None,
    max_per_artist: MaxPerArtist = None,
    include_non_music: NonMusic = False,
    absolute: Annotated[
        bool, typer.Option("--absolute", help="Absolute paths, not from the playlist's folder.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written, and write nothing.")
    ] = False,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Write playlists (M3U8): one a cluster, mood, genre, artist, playlist of yours or saved query.

    What it wrote before is replaced; a playlist of yours with the same name stays.
    """
    if not (by or like or queries):
        raise typer.BadParameter("say what kind: --by, --like or --queries")
    from musicu.search.explorer import Explorer
    from musicu.search.playlist_folder import write_playlists
    from musicu.search.saved_queries import answer_saved, like_playlist, read_saved_queries
    from musicu.search.track_lists import ListLimits, list_tracks

    limits = ListLimits(
        most=n,
        least=min(least, n),
        where=where,
        max_per_artist=max_per_artist,
        clusters=clusters,
        include_non_music=include_non_music,
    )
    saved = read_saved_queries(queries) if queries else []
    explorer = Explorer.open(catalog)
    if any(query.by != "sound" for query in saved):
        explorer.prepare(wait=True)
    lists: list[TrackList] = []
    for division in by or ():
        lists += list_tracks(explorer, division, limits)
    lists += [like_playlist(explorer, path, limits) for path in like or ()]
    lists += [answer_saved(explorer, query, limits) for query in saved]
    explorer.close()
    written = write_playlists(
        explorer.live.path, folder, lists, relative=not absolute, dry_run=dry_run
    )
    rows = [row._asdict() | {"notes": list(row.notes)} for row in written]
    if rows or output is not Format.TABLE:
        emit(rows, output, table=("name", "kind", "tracks", "state", "path"))
    for row in written:
        for note in row.notes:
            say(f"{row.name}: {note}", quiet=quiet)
    for name in sorted({one.name for one in lists if not one.ids}):
        say(f"{name}: no tracks", quiet=quiet)
    kept = sum(row.state == "kept" for row in written)
    done = "would be written" if dry_run else "written"
    say(f"{len(written) - kept:,} playlists {done}", quiet=quiet)
