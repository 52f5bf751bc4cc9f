"""Options that several commands share, and the forms of output."""

import csv as csv_module
import json as json_module
import re
import sys
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["Catalog", "Csv", "Format", "Json", "Nl", "Quiet", "Tsv", "chosen", "emit", "say"]

# Also bytes that are not UTF-8, as Python holds them.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

Catalog = Annotated[
    Path | None,
    typer.Option(
        "--catalog",
        help="The catalog's file; else $MUSICU_CATALOG, else one in your data folder.",
        metavar="FILE",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write one JSON array.")]
Nl = Annotated[bool, typer.Option("--nl", help="Write one JSON object a line.")]
Csv = Annotated[bool, typer.Option("--csv", help="Write comma-separated values.")]
Tsv = Annotated[bool, typer.Option("--tsv", help="Write tab-separated values.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no summary.")]


class Format(Enum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    NL = "nl"
    CSV = "csv"
    TSV = "tsv"


def chosen(*, json: bool, nl: bool, csv: bool, tsv: bool) -> Format:
    """Return the one format that was asked for; two are a usage error."""
    flags = {Format.JSON: json, Format.NL: nl, Format.CSV: csv, Format.TSV: tsv}
    wanted = [form for form, given in flags.items() if given]
    if len(wanted) > 1:
        raise typer.BadParameter("choose one of --json, --nl, --csv and --tsv")
    return wanted[0] if wanted else Format.TABLE


def say(text: str, *, quiet: bool = False) -> None:
    """Write a message for people, to stderr."""
    if not quiet:
        typer.echo(text, err=True)


def emit(
    rows: Iterable[Mapping[str, Any]], form: Format, *, table: Iterable[str] | None = None
) -> None:
    """Write rows to stdout; a table for people shows only some columns."""
    if form is Format.JSON:
        json_module.dump([*map(dict, rows)], sys.stdout, indent=2)
        sys.stdout.write("\n")
    elif form is Format.NL:
        for row in rows:
            sys.stdout.write(json_module.dumps(dict(row)) + "\n")
    elif form is Format.TABLE:
        _table(list(rows), list(table or ()))
    else:
        dialect = "excel" if form is Format.CSV else "excel-tab"
        writer = csv_module.writer(sys.stdout, dialect=dialect, lineterminator="\n")
        for number, row in enumerate(rows):
            if number == 0:
                writer.writerow(row)
            writer.writerow(
                json_module.dumps(v) if isinstance(v, list | dict | tuple) else v
                for v in row.values()
            )


def _table(rows: list[Mapping[str, Any]], columns: list[str]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = columns or list(rows[0] if rows else ())
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numeric = bool(rows) and isinstance(rows[0].get(column), int | float)
        last = column == columns[-1]
        table.add_column(
            column, justify="right" if numeric else "left", overflow="fold" if last else "ellipsis"
        )
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    # In a pipe nothing may be cut off or wrapped.
    console = Console() if sys.stdout.isatty() else Console(width=100_000, no_color=True)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().rstrip("\n").split("\n"):
        sys.stdout.write(line.rstrip() + "\n")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    # Line breaks in a name must not break the table, nor escapes in a tag color the terminal.
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1].replace("udc", "x", 1), str(value))
