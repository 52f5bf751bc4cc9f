"""``musicu tags`` and ``musicu find``: music in words."""

from pathlib import Path
from typing import Annotated

import typer

from musicu.cli.options import Catalog, Csv, Json, Nl, Quiet, Tsv, chosen, emit, say


def tags(
    query: Annotated[
        str, typer.Argument(help="A file, or a stored track's path or id.", metavar="FILE")
    ],
    catalog: Catalog = None,
    n: Annotated[
        int | None, typer.Option("-n", min=0, help="At most so many; else 10, with --all all.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also the tags below their thresholds.")
    ] = False,
    model: Annotated[
        str | None, typer.Option(help="A model's name or folder.", metavar="NAME")
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
    nl: Nl = False,
    csv: Csv = False,
    tsv: Tsv = False,
) -> None:
    """Say in words what is heard: genre, mood, instruments, voice, era."""
    form = chosen(json=json, nl=nl, csv=csv, tsv=tsv)
    from musicu.catalog import Catalog as Opened
    from musicu.model import find_model
    from musicu.store import catalog_path
    from musicu.tagging import tag_file

    if catalog is not None or catalog_path().exists():
        with Opened(catalog, create=False) as opened:
            used = opened.tagging_model(model)
            heard = opened.tags(query, model=used.folder)
    else:
        used = find_model(model)
        heard = tag_file(query, model=used.folder)
    known = {tag.name: tag for tag in used.tags}
    rows = [
        {"tag": name, "kind": known[name].kind, "probability": p, "auc": known[name].auc}
        for name, p in heard.items()
        if everything or p >= known[name].threshold
    ]
    limit = len(rows) if everything else 10
    emit(rows[: limit if n is None else n], form, table=["tag", "kind", "probability"])
    if not rows:
        say("no tag is probable enough to be said: --all shows all", quiet=quiet)


def find(
    text: Annotated[
        str, typer.Argument(help='What you want: "calm female vocals, piano, no drums".')
    ],
    catalog: Catalog = None,
    n: Annotated[int, typer.Option("-n", min=0, help="How many tracks.")] = 20,
    where: Annotated[
        str | None,
        typer.Option(help='Only tracks for which this holds: "year >= 1990".', metavar="SQL"),
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
    """Find tracks by words: genres, moods, instruments, voices, decades."""
    form = chosen(json=json, nl=nl, csv=csv, tsv=tsv)
    from musicu.catalog import Catalog as Opened
    from musicu.cli.matches import show

    with Opened(catalog, create=False) as opened:
        found = opened.find(text, n, where=where)
        notice = opened.notice
    terms = [("not " if t.negated else "") + " or ".join(t.tags) for t in found.terms]
    say(f"looked for: {'; '.join(terms)}", quiet=quiet)
    if found.unused:
        say(f"not used: {', '.join(found.unused)}", quiet=quiet)
    show(found.matches, n, form, m3u8=m3u8, notice=notice, quiet=quiet)
