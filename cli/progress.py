"""Bars while something takes long, and the lines after an analysis of files."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from threading import Event, Thread
from typing import Any

from musicu.catalog.ingest_summary import Progress as Analysis
from musicu.catalog.ingest_summary import Summary
from musicu.cli.options import Format, emit, say

__all__ = ["EVERY", "duration", "progress_bar", "report", "task_bar"]

EVERY = 60.0  # seconds between two lines, where nobody watches a bar


@contextmanager
def task_bar(*columns: str, quiet: bool, **fields: Any) -> Iterator[Callable[..., None] | None]:
    """Show a bar on stderr; where nobody watches it, write a line a minute.

    Parameters
    ----------
    columns : str
        From left to right: "bar", "count" (so many of so many), "left" (time left), "time" (that
        has passed), or a text that may hold ``{task.percentage}``, ``{task.fields[...]}``.
    quiet : bool
        Nobody wants to see it.
    fields
        What the texts show at first.

    Yields
    ------
    callable or None
        Takes ``completed`` and ``total``, and the fields anew.
    """
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        with _lines(columns, fields) as update:
            yield update
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeElapsedColumn as Time
    from rich.progress import TimeRemainingColumn as TimeLeft

    kinds = {"bar": BarColumn, "count": MofNCompleteColumn, "left": TimeLeft, "time": Time}
    shown = [kinds[one]() if one in kinds else TextColumn(one) for one in columns]
    with Progress(*shown, console=Console(stderr=True), transient=True) as bar:
        yield partial(bar.update, bar.add_task("", total=None, **fields))


@dataclass
class _Task:
    """What the texts of :func:`task_bar` ask for, without a bar."""

    fields: dict[str, Any]
    completed: float = 0.0
    total: float | None = None
    begun: float = field(default_factory=time.monotonic)

    @property
    def percentage(self) -> float:
        return 100 * self.completed / self.total if self.total else 0.0

    def line(self, columns: Iterable[str]) -> str:
        passed = time.monotonic() - self.begun
        known = self.total is not None
        told = {"bar": "", "time": f"for {duration(passed)}"}
        told["count"] = f"{self.completed:,.0f} of {self.total:,.0f}" if known else ""
        rest = (self.total or 0) - self.completed
        told["left"] = f"{duration(passed / self.completed * rest)} left" if self.completed else ""
        return "  ".join(filter(None, (told.get(c, c.format(task=self)).strip() for c in columns)))


@contextmanager
def _lines(columns: Iterable[str], fields: dict[str, Any]) -> Iterator[Callable[..., None]]:
    """Write a line each minute, whether or not there is anything new: it is still at work."""
    task, ended = _Task(fields), Event()

    def update(completed: float | None = None, total: float | None = None, **anew: Any) -> None:
        task.completed = task.completed if completed is None else completed
        task.total = task.total if total is None else total
        task.fields |= anew

    def tell() -> None:
        while not ended.wait(EVERY):
            say(task.line(columns))

    teller = Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield update
    finally:
        ended.set()
        teller.join()


def duration(seconds: float) -> str:
    """Say how long something takes: "40 s", "7 min", "2 h 05 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[Analysis], None] | None]:
    """Show how far the analysis of files is, with the time left."""
    columns = ["{task.fields[files]}", "bar", "{task.percentage:>3.0f} %", "{task.fields[left]}"]
    told = {"files": "looking for changes", "left": "", "failed": ""}
    with task_bar(*columns, "{task.fields[failed]}", quiet=quiet, **told) as update:
        if update is None:
            yield None
            return

        def advance(progress: Analysis) -> None:
            failed = progress.summary.failed
            # By seconds of music: a two-hour mix counts for more than a jingle.
            update(
                total=progress.total_seconds,
                completed=progress.seconds,
                files=f"{progress.files:,} of {progress.total_files:,} files",
                left="" if progress.left is None else f"{duration(progress.left)} left",
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
        "still being written": summary.unsettled,
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
