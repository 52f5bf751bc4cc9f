"""``musicu mix``: a playlist from several tracks, more like some and less like others."""

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
def mix(
    seeds: Annotated[
        list[str],
        typer.Argument(help="More like these: files, or ids of stored tracks.", metavar="TRACK"),
    ],
    less: Annotated[
        list[str] | None, typer.Option(help="Less like this one; repeatable.", metavar="TRACK")
    ] = None,
    catalog: Catalog = None,
    n: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many tracks.")] = 20,
    by: Annotated[
        str,  # one of SPACES, which is imported when the command is called; a test compares
        typer.Option(help="By the sound alone, or by all that is known, too.", metavar="sound|all"),
    ] = "sound",
    where: Where = None,
    diversity: Annotated[
        float, typer.Option(min=0, max=1, help="0 takes the nearest, 1 the most different.")
    ] = 0.0,
    max_per_artist: MaxPerArtist = None,
    include_non_music: NonMusic = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what adds up to each score.")
    ] = False,
    m3u8: Playlist = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Blend tracks: what is like all of some, and unlike others."""
    from musicu.cli.track_output import show_answer
    from musicu.search.explorer import Explorer
    from musicu.search.query import Query
    from musicu.search.spaces import SPACES

    if by not in SPACES:
        names = ", ".join(map(repr, SPACES))
        raise typer.BadParameter(f"{by!r} is not one of {names}.", param_hint="'--by'")
    explorer = Explorer.open(catalog)
    # A track that is wanted less is pushed away from, but not as hard as the others pull.
    asked = [(seed, 1.0) for seed in seeds] + [(seed, -0.5) for seed in less or ()]
    query = Query(
        seeds=tuple(explorer.seed(name, weight) for name, weight in asked),
        n=n,
        by=by,
        where=where,
        diversity=diversity,
        max_per_artist=max_per_artist,
        include_non_music=include_non_music,
        explain=explain,
    )
    if SPACES[by].background:
        explorer.prepare(wait=True)
    show_answer(explorer.similar(query), explorer, output, m3u8=m3u8, quiet=quiet)
