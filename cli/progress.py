"""Bars while something takes long, and the lines after an analysis of files."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

from musicu.catalog.ingest_summary import Progress as Analysis
from musicu.catalog.ingest_summary import Summary
from musicu.cli.options import Format, emit, say

__all__ = ["progress_bar", "report", "task_bar"]


@contextmanager
def task_bar(*columns: str, quiet: bool, **fields: Any) -> Iterator[Callable[..., None] | None]:
    """Show a bar on stderr, if somebody is there to see it; else yield None.

    Parameters
    ----------
    columns : str
        From left to right: "bar", "count" (so many of so many), "left" (time left), or a text that
        may hold ``{task.description}``, ``{task.fields[...]}``.
    quiet : bool
        Nobody wants to see it.
    fields
        What the texts show at first.

    Yields
    ------
    callable or None
        Takes ``completed`` and ``total``, and the fields anew.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    kinds = {"bar": BarColumn, "count": MofNCompleteColumn, "left": TimeLeft}
    shown = [kinds[one]() if one in kinds else TextColumn(one) for one in columns]
    with Progress(*shown, console=Console(stderr=True), transient=True) as bar:
        yield partial(bar.update, bar.add_task("", total=None, **fields))


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[Analysis], None] | None]:
    """Show how far the analysis of files is, with the time left."""
    columns = ["{task.fields[files]}", "bar", "{task.percentage:>3.0f} %", "left"]
    with task_bar(
        *columns, "{task.fields[failed]}", quiet=quiet, files="looking for changes", failed=""
    ) as update:
        if update is None:
            yield None
            return

        def advance(progress: Analysis) -> None:
            failed = progress.summary.failed
            # By bytes: a two-hour mix counts for more than a jingle, and the time left is right.
            update(
                total=progress.total_bytes,
                completed=progress.bytes,
                files=f"{progress.files:,} of {progress.total_files:,} files",
                failed=f"{failed:,} failed" if failed else "",
            )

        yield advance


def report(summary: Summary, form: Format, *, quiet: bool, dry_run: bool = False) -> None:
    """Say what became of the files: data on stdout if asked for, one line on stderr."""
    if form is not Format.TABLE:
        emit([asdict(summary)], form)
    parts = {
        "to analyze": summary.pending if dry_run else 0,
        "embedded": summary.embedded,
        "recognized": summary.recognized,
        "identified anew": summary.reidentified,
        "unchanged": summary.unchanged,
        "failed": summary.failed,
        "not audio": summary.skipped,
        "gone": summary.missing,
    }
    said = ", ".join(f"{count:,} {name}" for name, count in parts.items() if count)
    say(f"{summary.found:,} files: {said or 'nothing to do'}", quiet=quiet)
    if summary.partial:
        say(f"{summary.partial:,} of them are readable in part only", quiet=quiet)
    if summary.failed or summary.partial:
        say("reasons: musicu catalog errors", quiet=quiet)
    for folder in summary.away:
        say(
            f"{folder}: not there, or empty as a drive's folder is while it is away; nothing of it "
            "is forgotten ('musicu catalog forget' would)",
            quiet=quiet,
        )
    if summary.unmatched:
        shown = ", ".join(summary.unmatched[:3])
        say(f"{len(summary.unmatched):,} rows of the sheet fit no file: {shown} ...", quiet=quiet)
    if summary.interrupted:
        say("stopped; what is done is kept, the same command goes on", quiet=quiet)
