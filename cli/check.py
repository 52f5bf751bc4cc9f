"""``musicu check``: what is wrong, doubtful or missing in a collection's data."""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicu.cli.options import Catalog, Format, Quiet, emit, row_output, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from musicu.catalog.duplicates import DuplicateGroup
    from musicu.items.item import Items
    from musicu.items.quality import QualityReport


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
    plan: Annotated[
        Path | None,
        typer.Option(
            help="Write which duplicates are spare: a script (.sh), their paths (.txt), or all "
            "(.csv, .json). Nothing is deleted.",
            metavar="FILE",
        ),
    ] = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Check data: duplicates, contradictions, spellings, gaps, leaks between train and test.

    Of a catalog's duplicates each file is shown, the best one first: read whole, lossless, then by
    its bits.
    """
    from musicu.catalog.duplicate_plan import PLANS, write_plan

    if sum(source is not None for source in (table, catalog, musicbrainz, server)) > 1:
        raise typer.BadParameter("choose one: a table, --catalog, --musicbrainz or --server")
    if (server is None) != (user is None):
        raise typer.BadParameter("--server and --user belong together")
    if table is None and (column or audio):
        raise typer.BadParameter("--column and --audio describe a table: name one")
    if split is not None and (musicbrainz or server):
        raise typer.BadParameter("--split is a column of a table or of the catalog")
    if plan is not None and (table or musicbrainz or server):
        raise typer.BadParameter("--plan is for a catalog: it is about files")
    if plan is not None and plan.suffix.lower() not in PLANS:
        raise typer.BadParameter(f"--plan ends in {', '.join(PLANS)}")
    from musicu.items.quality import inspect_items

    parts, groups = None, None
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
        items, parts, groups = _from_catalog(catalog, split)
    report = inspect_items(items, split=parts)
    if output is Format.TABLE:
        _show(report, groups or [], output)
    else:
        emit(_findings(report, groups), output)
    counts = Counter(finding.severity for finding in report.findings)
    found = ", ".join(f"{count:,} x {severity}" for severity, count in counts.items())
    say(f"{report.count:,} items: {found or 'nothing to complain about'}", quiet=quiet)
    if plan is not None:
        say(f"{write_plan(groups or [], plan):,} spare files in {plan}", quiet=quiet)


def _show(report: "QualityReport", groups: "Sequence[DuplicateGroup]", form: Format) -> None:
    """Write the findings; of duplicates the files, if they are known."""
    columns = ["severity", "kind", "items", "text"]
    if not sys.stdout.isatty():  # ids help nobody to read
        columns.append("examples")
    told = {file.id for group in groups for file in group.files}
    rows = zip(report.rows(), report.findings, strict=True)
    emit(
        [row for row, f in rows if f.kind != "same audio" or not told.issuperset(f.ids)],
        form,
        table=columns,
    )
    if groups:
        typer.echo()
        files = [_file(number, row) for number, g in enumerate(groups, 1) for row in g.rows()]
        emit(files, form, table=["same", "verdict", "codec", "kbit/s", "kHz", "length", "path"])


def _file(number: int, row: dict[str, Any]) -> dict[str, Any]:
    """Show a file of a group in a line."""
    minutes, seconds = divmod(round(row["seconds"]), 60)
    return {
        "same": number,
        "verdict": row["verdict"] + (", damaged" if row["problem"] else ""),
        "codec": row["codec"],
        "kbit/s": round(row["bit_rate"]),
        "kHz": f"{row['sr'] / 1000:g}",
        "length": f"{minutes}:{seconds:02}",
        "path": row["path"],
    }


def _findings(
    report: "QualityReport", groups: "Sequence[DuplicateGroup] | None"
) -> list[dict[str, Any]]:
    """Return the findings as JSON types; of a catalog's, the files of duplicates with them."""
    findings: list[dict[str, Any]] = report.to_dict()["findings"]
    if groups is None:
        return findings
    copies = {"kind": "copies", "severity": "info"}
    by_id = {file.id: group for group in groups for file in group.files}
    told = set()
    for finding in findings:
        group = by_id.get(finding["ids"][0]) if finding["kind"] == "same audio" else None
        finding["files"] = [*group.rows()] if group else []
        told |= set(finding["ids"]) if group else set()
    for group in groups:
        if not told.intersection(file.id for file in group.files):
            text = f"{len(group.files):,} files are copies: {group.name}"
            ids = list(dict.fromkeys(file.id for file in group.files))
            findings.append(copies | {"ids": ids, "text": text, "files": [*group.rows()]})
    return findings


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


def _from_catalog(
    catalog: Path | None, split: str | None
) -> tuple["Items", dict[str, str] | None, "list[DuplicateGroup]"]:
    """Read a catalog's items, which part of a trial each belongs to, files of the same audio."""
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.catalog.duplicates import find_duplicates
    from musicu.catalog.items import catalog_items
    from musicu.errors import MetadataError

    with Opened(catalog, create=False) as opened:
        items = catalog_items(opened)
        groups = find_duplicates(opened, items)
        if split is None:
            return items, None, groups
        tracks = list(opened.tracks())
    if tracks and split not in tracks[0]:
        raise MetadataError(
            f"the catalog has no column {split!r}; there are {', '.join(tracks[0])}"
        )
    return items, {t["id"]: str(t[split]) for t in tracks if t[split] is not None}, groups
