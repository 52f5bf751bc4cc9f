"""Options that several commands share, and the forms of output."""

import csv as csv_module
import functools
import inspect
import json as json_module
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

__all__ = [
    "FORMS",
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
    "write_table",
]

_NARROW = 6  # characters that a column has at least
_ID = 10  # of an id's characters, as many as tell tracks apart
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


FORMS = tuple(form.value for form in _ROW_OPTIONS)


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
        write_table(list(rows), list(table or ()), sys.stdout)
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


def write_table(rows: Sequence[Mapping[str, Any]], columns: list[str], stream: TextIO) -> None:
    """Write a table for people.

    In a pipe nothing is cut off or wrapped. On a screen a track is one line: its path is told from
    the working directory, and the end of it is what is kept.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    columns = columns or list(rows[0] if rows else ())
    seen = stream.isatty()
    console = Console(file=stream) if seen else Console(width=100_000, no_color=True)
    cells = {name: [_cell(row.get(name)) for row in rows] for name in columns}
    one_line = seen and "path" in columns
    widths = {name: max(map(len, [name, *cells[name]])) for name in columns if name != "path"}
    if one_line:
        paths = [_from_here(path) for path in cells["path"]]
        if "id" in widths:
            widths["id"] = _ID
        least = min(2 * console.width // 5, max(map(len, paths), default=0))
        widths = _shares(widths, console.width - least)
        left = console.width - sum(width + 2 for width in widths.values())
        cells["path"] = [_end_of(path, left) for path in paths]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        numeric = bool(rows) and isinstance(rows[0].get(name), int | float)
        table.add_column(
            name,
            justify="right" if numeric else "left",
            overflow="fold" if name == columns[-1] and not one_line else "ellipsis",
            no_wrap=one_line,
            max_width=widths.get(name) if one_line else None,
        )
    for line in zip(*cells.values(), strict=True):
        table.add_row(*map(Text, line))
    with console.capture() as captured:
        console.print(table)
    for text in captured.get().rstrip("\n").split("\n"):
        stream.write(text.rstrip() + "\n")


def _shares(widths: dict[str, int], left: int) -> dict[str, int]:
    """Cut the widths of columns down to what there is; the narrow ones stay as they are."""
    left -= 2 * len(widths)
    shares: dict[str, int] = {}
    for at, name in enumerate(sorted(widths, key=lambda name: widths[name])):
        shares[name] = min(widths[name], max(_NARROW, left // (len(widths) - at)))
        left -= shares[name]
    return shares


def _from_here(path: str) -> str:
    """Tell a path from the working directory if it lies there."""
    here = os.getcwd().rstrip(os.sep) + os.sep
    return path.removeprefix(here)


def _end_of(text: str, width: int) -> str:
    return text if len(text) <= width else "\u2026" + text[1 - width :]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    # Line breaks in a name must not break the table, nor escapes in a tag color the terminal.
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1].replace("udc", "x", 1), str(value))
