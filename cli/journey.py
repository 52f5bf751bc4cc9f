"""``musicu journey``: a smooth path from one track to another."""

from pathlib import Path
from typing import Annotated

import typer

from musicu.cli.mix import show_answer
from musicu.cli.options import Catalog, Csv, Json, Nl, Quiet, Tsv, chosen


def journey(
    start: Annotated[
        str, typer.Argument(help="Where to start: a file, or a stored track's id.", metavar="FROM")
    ],
    end: Annotated[str, typer.Argument(help="Where to arrive.", metavar="TO")],
    catalog: Catalog = None,
    n: Annotated[
        int, typer.Option("-n", min=2, max=100, help="How many tracks, the stored ends included.")
    ] = 10,
    where: Annotated[
        str | None,
        typer.Option(help='Only over tracks for which this holds: "year >= 1990".', metavar="SQL"),
    ] = None,
    max_per_artist: Annotated[
        int | None, typer.Option(min=1, help="At most so many of an artist.", metavar="N")
    ] = None,
    m3u8: Annotated[
        Path | None, typer.Option("--m3u8", help="Write a playlist too.", metavar="FILE")
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
    nl: Nl = False,
    csv: Csv = False,
    tsv: Tsv = False,
) -> None:
    """Go from one track to another in small, even steps; a score is how like the last one it is."""
    form = chosen(json=json, nl=nl, csv=csv, tsv=tsv)
    from musicu.search.explorer import Explorer

    explorer = Explorer.open(catalog)
    answer = explorer.journey(
        explorer.seed(start), explorer.seed(end), n, where=where, max_per_artist=max_per_artist
    )
    show_answer(answer, explorer, form, m3u8=m3u8, quiet=quiet)
