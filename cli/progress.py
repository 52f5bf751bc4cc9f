"""The bar while a folder is embedded, and the lines after it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from musicu.catalog.ingest_summary import Progress, Summary
from musicu.cli.options import Format, emit, say

__all__ = ["progress_bar", "report"]


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Show a bar with the time left on stderr, if somebody is there to see it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.fields[files]}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]}"),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("", total=None, files="looking for changes", failed="")

        def advance(progress: Progress) -> None:
            failed = progress.summary.failed
            # By bytes: a two-hour mix counts for more than a jingle, and the time left is right.
            bar.update(
                task,
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
