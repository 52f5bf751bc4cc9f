"""What the commands share that write a report of one HTML file."""

import datetime
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Report", "check_report", "provenance", "write_report"]

Report = Annotated[
    Path | None, typer.Option(help="Write a report too, one HTML file.", metavar="FILE")
]


def check_report(report: Path | None) -> None:
    """Refuse a report that could not be written, before the long wait."""
    if report is not None and (report.is_dir() or not report.parent.is_dir()):
        raise typer.BadParameter(f"{report}: a file in a folder that exists", param_hint="--report")


def provenance() -> dict[str, str]:
    """Return how a report came about: command, version, date."""
    from importlib.metadata import version

    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    command = shlex.join(["musicu", *sys.argv[1:]])
    return {"command": command, "musicu": version("musicu"), "date": today}


def write_report(report: Path | None, page: Callable[[], str]) -> None:
    """Write a report, if one is wanted: whole, or not at all."""
    if report is None:
        return
    from musicu.files import written_file

    with written_file(report, encoding="utf-8") as file:
        file.write(page())
