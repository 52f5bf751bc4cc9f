"""``musicu journey``: a smooth path from one track to another."""

from typing import Annotated

import typer

from musicu.cli.options import (
    Catalog,
    Format,
    MaxPerArtist,
    NonMusic,
    Playlist,
    Quiet,
    Where,
    row_output,
)


@row_output
def journey(
    start: Annotated[
        str, typer.Argument(help="Where to start: a file, or a stored track's id.", metavar="FROM")
    ],
    end: Annotated[str, typer.Argument(help="Where to arrive.", metavar="TO")],
    catalog: Catalog = None,
    n: Annotated[
        int, typer.Option("-n", min=2, max=100, help="How many tracks, the stored ends included.")
    ] = 10,
    where: Where = None,
    max_per_artist: MaxPerArtist = None,
    include_non_music: NonMusic = False,
    m3u8: Playlist = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Go from one track to another in small, even steps; a score is how like the last one it is."""
    from musicu.cli.track_output import show_answer
    from musicu.search.explorer import Explorer

    explorer = Explorer.open(catalog)
    answer = explorer.journey(
        explorer.seed(start),
        explorer.seed(end),
        n,
        where=where,
        max_per_artist=max_per_artist,
        include_non_music=include_non_music,
    )
    show_answer(answer, explorer, output, m3u8=m3u8, quiet=quiet)
