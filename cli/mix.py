"""``musicu mix``: a playlist from several tracks, more like some and less like others."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicu.cli.inputs import terms
from musicu.cli.options import Catalog, Csv, Format, Json, Nl, Quiet, Tsv, chosen, emit, say

if TYPE_CHECKING:
    from musicu.search.explorer import Explorer
    from musicu.search.query import Answer

__all__ = ["mix", "show_answer"]


def mix(
    seeds: Annotated[
        list[str],
        typer.Argument(help="More like these: files, or ids of stored tracks.", metavar="TRACK..."),
    ],
    less: Annotated[
        list[str] | None, typer.Option(help="Less like this one; repeatable.", metavar="TRACK")
    ] = None,
    catalog: Catalog = None,
    n: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many tracks.")] = 20,
    by: Annotated[
        str,  # one of SPACES, which is imported when the command is called; a test compares
        typer.Option(
            help="By the sound alone, or by all that is known, too.", metavar="<sound|all>"
        ),
    ] = "sound",
    where: Annotated[
        str | None,
        typer.Option(help='Only tracks for which this holds: "year >= 1990".', metavar="SQL"),
    ] = None,
    diversity: Annotated[
        float, typer.Option(min=0, max=1, help="0 takes the nearest, 1 the most different.")
    ] = 0.0,
    max_per_artist: Annotated[
        int | None, typer.Option(min=1, help="At most so many of an artist.", metavar="N")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show what adds up to each score.")
    ] = False,
    m3u8: Annotated[
        Path | None, typer.Option("--m3u8", help="Write a playlist too.", metavar="FILE")
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
    nl: Nl = False,
    csv: Csv = False,
    tsv: Tsv = False,
) -> None:
    """Blend tracks: what is like all of some, and unlike others."""
    form = chosen(json=json, nl=nl, csv=csv, tsv=tsv)
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
        explain=explain,
    )
    if SPACES[by].background:
        explorer.prepare(wait=True)
    show_answer(explorer.similar(query), explorer, form, m3u8=m3u8, quiet=quiet)


def show_answer(
    answer: "Answer", explorer: "Explorer", form: Format, *, m3u8: Path | None, quiet: bool
) -> None:
    """Write the playlist, if one was asked for, the tracks, and what there is to know of them."""
    from musicu.metadata.playlist import PlaylistEntry, write_m3u8

    rows = answer.to_dict()["matches"]
    paths = explorer.paths(answer)
    if m3u8 is not None:
        entries = [
            PlaylistEntry(path, row["title"], row["artist"], row["seconds"])
            for row, path in zip(rows, paths, strict=True)
        ]
        for entry in write_m3u8(m3u8, entries):
            say(f"not in {m3u8}: {entry.path!r}, a name that a playlist cannot hold")
    rows = [_row(row, path, form) for row, path in zip(rows, paths, strict=True)]
    why = ["why"] if rows and "why" in rows[0] else []
    emit(rows, form, table=["rank", "score", "artist", "title", *why, "path"])
    for note in answer.notes:
        say(note, quiet=quiet)


def _row(match: dict[str, Any], path: str, form: Format) -> dict[str, Any]:
    names = ("rank", "score", "id", "path", "title", "artist", "album")
    row = {name: match.get(name, path) for name in names}
    if "why" in match:
        row |= {"why": match["why"], "words": match["words"]}
        if form is Format.TABLE:
            row["why"] = "; ".join([terms(match["why"], 3), *match["words"]])
    return row
