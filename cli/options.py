"""Options that several commands share, and the forms of output."""

import csv as csv_module
import functools
import inspect
import json as json_module
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "Catalog",
    "Format",
    "Jobs",
    "MaxPerArtist",
    "Model",
    "NonMusic",
    "Number",
    "Playlist",
    "Quiet",
    "Timeout",
    "TrackTable",
    "Where",
    "emit",
    "emit_object",
    "row_output",
    "say",
]

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
Jobs = Annotated[
    int | None, typer.Option("-j", "--jobs", min=1, help="Worker processes; else all cores.")
]
MaxPerArtist = Annotated[
    int | None, typer.Option(min=1, help="At most so many of an artist.", metavar="N")
]
Model = Annotated[str | None, typer.Option(help="A model's name or folder.", metavar="NAME")]
NonMusic = Annotated[
    bool,
    typer.Option("--include-non-music", help="Also what is no music: speech, noise, sounds."),
]
Number = Annotated[int, typer.Option("-n", min=0, help="How many tracks.")]
Playlist = Annotated[
    Path | None, typer.Option("--m3u8", help="Write a playlist too.", metavar="FILE")
]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds a file may take.")]
TrackTable = Annotated[
    Path | None,
    typer.Option(help="Table that goes over the tags; joined by path or isrc.", metavar="FILE"),
]
Where = Annotated[
    str | None,
    typer.Option(help='Only tracks for which this holds: "year >= 1990".', metavar="SQL"),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress, no summary.")]


class Format(Enum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    NL = "nl"
    CSV = "csv"
    TSV = "tsv"


_ROW_OPTIONS = {
    Format.JSON: "Write one JSON array.",
    Format.NL: "Write one JSON object a line.",
    Format.CSV: "Write comma-separated values.",
    Format.TSV: "Write tab-separated values.",
}


def row_output(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command --json, --nl, --csv and --tsv, and pass it their choice as ``output``.

    Two of them are a usage error. The command has a parameter ``output`` of type :class:`Format`.
    """

    @functools.wraps(command)
    def run(**given: Any) -> None:
        wanted = [form for form in _ROW_OPTIONS if given.pop(form.value)]
        if len(wanted) > 1:
            raise typer.BadParameter("choose one of --json, --nl, --csv and --tsv")
        command(**given, output=wanted[0] if wanted else Format.TABLE)

    signature = inspect.signature(command)
    kept = [one for name, one in signature.parameters.items() if name != "output"]
    added = [
        inspect.Parameter(
            form.value,
            inspect.Parameter.KEYWORD_ONLY,
            default=False,
            annotation=Annotated[bool, typer.Option(f"--{form.value}", help=text)],
        )
        for form, text in _ROW_OPTIONS.items()
    ]
    # Typer reads both.
    run.__signature__ = signature.replace(parameters=[*kept, *added])  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in [*kept, *added]}
    return run


def say(text: str, *, quiet: bool = False) -> None:
    """Write a message for people, to stderr."""
    if not quiet:
        typer.echo(text, err=True)


def emit(
    rows: Iterable[Mapping[str, Any]], form: Format, *, table: Iterable[str] | None = None
) -> None:
    """Write rows to stdout; a table for people shows only some columns."""
    if form is Format.JSON:
        emit_object([*map(dict, rows)])
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


def emit_object(value: Any) -> None:
    """Write one JSON value to stdout."""
    json_module.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")


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
