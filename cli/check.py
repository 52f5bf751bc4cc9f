"""``musicu check``: what is wrong, doubtful or missing in a collection's data."""

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicu.cli.options import Catalog, Format, Quiet, emit, row_output, say

if TYPE_CHECKING:
    from musicu.items.item import Items


@row_output
def check(
    table: Annotated[
        Path | None,
        typer.Argument(help="Items as CSV, JSON lines or Parquet; else the catalog is checked."),
    ] = None,
    catalog: Catalog = None,
    musicbrainz: Annotated[
        Path | None, typer.Option(help="A dump of MusicBrainz: mbdump/release.", metavar="FILE")
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="Address of an OpenSubsonic server.", metavar="URL")
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(help="User of the server; the password is $MUSICU_PASSWORD, or asked for."),
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(
            help="What a column of the table holds: COLUMN=FIELD.", metavar="COLUMN=FIELD"
        ),
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option(help="Vectors of the table's items, as exported.", metavar="FILE"),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Column of train and test: also tell what stands on both sides.", metavar="COLUMN"
        ),
    ] = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Check data: duplicates, contradictions, spellings, gaps, leaks between train and test."""
    if sum(source is not None for source in (table, catalog, musicbrainz, server)) > 1:
        raise typer.BadParameter("choose one: a table, --catalog, --musicbrainz or --server")
    if (server is None) != (user is None):
        raise typer.BadParameter("--server and --user belong together")
    if table is None and (column or audio):
        raise typer.BadParameter("--column and --audio describe a table: name one")
    if split is not None and (musicbrainz or server):
        raise typer.BadParameter("--split is a column of a table or of the catalog")
    from musicu.items.quality import inspect_items

    parts = None
    if table is not None:
        items, parts = _from_table(table, column or [], audio, split, quiet=quiet)
    elif musicbrainz is not None:
        from musicu.items.musicbrainz import read_musicbrainz

        items = read_musicbrainz(musicbrainz)
    elif server is not None and user is not None:
        from musicu.items.opensubsonic import OpenSubsonic

        password = os.environ.get("MUSICU_PASSWORD") or typer.prompt(
            "Password", hide_input=True, err=True
        )
        items = OpenSubsonic(server, user, password).items()
    else:
        items, parts = _from_catalog(catalog, split)
    report = inspect_items(items, split=parts)
    if output is Format.TABLE:
        emit(report.rows(), output, table=["severity", "kind", "items", "text", "examples"])
    else:
        emit(report.to_dict()["findings"], output)
    counts = Counter(finding.severity for finding in report.findings)
    found = ", ".join(f"{count:,} x {severity}" for severity, count in counts.items())
    say(f"{report.count:,} items: {found or 'nothing to complain about'}", quiet=quiet)


def _from_table(
    table: Path, columns: list[str], audio: Path | None, split: str | None, *, quiet: bool
) -> tuple["Items", dict[str, str] | None]:
    """Read a table's items, and which part of a trial each belongs to."""
    from musicu.items.table import parse_schema, read_column
    from musicu.items.vectors import read_items_with_vectors

    # A split is no field, whatever its name may look like.
    schema = parse_schema(columns) | ({split: "-"} if split is not None else {})
    source = read_items_with_vectors(table, schema, audio)
    if source.ignored and (left := [name for name in source.ignored if name != split]):
        say(f"columns not used: {', '.join(left)}", quiet=quiet)
    items = source.items
    if split is None:
        return items, None
    return items, {
        id: part
        for id, part in zip(source.items.ids, read_column(table, source, split), strict=True)
        if part is not None
    }


def _from_catalog(catalog: Path | None, split: str | None) -> tuple["Items", dict[str, str] | None]:
    """Read a catalog's items, and which part of a trial each belongs to."""
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.catalog.items import catalog_items
    from musicu.errors import MetadataError

    with Opened(catalog, create=False) as opened:
        items = catalog_items(opened)
        if split is None:
            return items, None
        tracks = list(opened.tracks())
    if tracks and split not in tracks[0]:
        raise MetadataError(
            f"the catalog has no column {split!r}; there are {', '.join(tracks[0])}"
        )
    return items, {t["id"]: str(t[split]) for t in tracks if t[split] is not None}
