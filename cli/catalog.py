"""``musicu catalog``: look at what is stored, and after it."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from musicu.cli.options import Catalog, Format, Jobs, Quiet, Timeout, Where, emit, row_output, say
from musicu.cli.style import App

app = App(name="catalog", help="Look at what is stored, and after it.")


@app.command()
@row_output
def info(
    catalog: Catalog = None,
    *,
    output: Format,
) -> None:
    """Count what the catalog holds."""
    from musicu.catalog.catalog import Catalog as Opened

    with Opened(catalog, create=False) as opened:
        counts, notice = asdict(opened.info()), opened.notice
    if output is Format.TABLE:
        emit([{"what": k, "value": v} for k, v in counts.items()], output)
    else:
        emit([counts], output)
    if notice:
        say(notice)


@app.command("list")
@row_output
def list_tracks(
    catalog: Catalog = None,
    where: Where = None,
    *,
    output: Format,
) -> None:
    """List the tracks with their metadata and descriptors."""
    from musicu.catalog.catalog import Catalog as Opened

    with Opened(catalog, create=False) as opened:
        emit(opened.tracks(where), output, table=["id", "artist", "title", "album", "path"])
        if where and opened.notice:
            say(opened.notice)


@app.command()
@row_output
def errors(
    catalog: Catalog = None,
    *,
    output: Format,
) -> None:
    """List the files that could not be used, or only in part, each with its reason."""
    from musicu.catalog.catalog import Catalog as Opened

    with Opened(catalog, create=False) as opened:
        emit(map(asdict, opened.problems()), output, table=["kind", "reason", "path"])


@app.command()
def retry(
    catalog: Catalog = None,
    jobs: Jobs = None,
    timeout: Timeout = 300.0,
    quiet: Quiet = False,
) -> None:
    """Analyze again the files that failed."""
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.cli.progress import progress_bar, report

    with Opened(catalog, create=False) as opened, progress_bar(quiet=quiet) as advance:
        summary = opened.retry(jobs=jobs, timeout=timeout, progress=advance)
    report(summary, Format.TABLE, quiet=quiet)


@app.command()
def forget(
    path: Annotated[Path, typer.Argument(help="A file or folder.", metavar="PATH")],
    catalog: Catalog = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say how many files, and remove nothing.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Remove a file or folder from the catalog; the disk is not touched."""
    from musicu.catalog.catalog import Catalog as Opened

    with Opened(catalog, create=False) as opened:
        count = opened.forget(path, dry_run=dry_run)
    say(f"{count:,} files {'would be forgotten' if dry_run else 'forgotten'}", quiet=quiet)


@app.command()
def verify(
    catalog: Catalog = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what is damaged, and only that.")
    ] = False,
    jobs: Jobs = None,
    quiet: Quiet = False,
) -> None:
    """Check all that is stored, and the matrix beside it; exit 1 if any is wrong."""
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.cli.progress import progress_bar, task_bar

    if repair and (told := Opened.salvage(catalog)):
        say(f"mended: {told}", quiet=quiet)
    with Opened(catalog, create=False) as opened:
        if repair:
            with progress_bar(quiet=quiet) as advance:
                done = opened.repair(jobs=jobs, progress=advance)
            for line in done.mended:
                say(f"mended: {line}", quiet=quiet)
            wrong = done.left
        else:
            with task_bar("checking", "time", quiet=quiet):
                wrong = opened.verify()
    for line in wrong:
        typer.echo(line)
    say(f"{len(wrong):,} problems" if wrong else "all is well", quiet=quiet)
    if wrong:
        raise typer.Exit(1)


@app.command()
def export(
    target: Annotated[
        Path, typer.Argument(help="A file ending in .npz, .parquet or .csv.", metavar="FILE")
    ],
    catalog: Catalog = None,
    quiet: Quiet = False,
) -> None:
    """Write all vectors, with provenance, to a file other tools read."""
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.cli.progress import task_bar

    with Opened(catalog, create=False) as opened, task_bar("writing", "time", quiet=quiet):
        count = opened.export(target)
        damaged = opened.damaged()
    say(f"{count:,} tracks in {target}", quiet=quiet)
    for line in damaged:
        say(f"left out: {line}")
    if damaged:
        raise typer.Exit(1)
