"""``musicu watch``: a catalog kept up to date with folders while they change."""

from pathlib import Path
from typing import Annotated

import typer

from musicu.cli.options import Catalog, Format, Jobs, Model, Quiet, Timeout, TrackTable, say


def watch(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            help="What to watch; none means the folders added before.",
            metavar="FOLDER",
        ),
    ] = None,
    catalog: Catalog = None,
    model: Model = None,
    jobs: Jobs = None,
    nice: Annotated[int, typer.Option(min=0, max=19, help="Leave the machine to others.")] = 10,
    describe: Annotated[bool, typer.Option("--describe", help="Compute descriptors too.")] = False,
    metadata: TrackTable = None,
    settle: Annotated[
        float, typer.Option(min=0.0, help="Seconds for which a file must not have changed.")
    ] = 5.0,
    poll: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Look every so many seconds: for network mounts, whose changes go unseen else.",
            metavar="SECONDS",
        ),
    ] = None,
    timeout: Timeout = 300.0,
    quiet: Quiet = False,
) -> None:
    """Embed what is under folders of music, and then what comes, changes and goes.

    It goes on until Ctrl-C or SIGTERM; files in hand are finished first.
    """
    from musicu.catalog.ingest_summary import Summary
    from musicu.catalog.watch import watch_folders
    from musicu.cli.progress import report

    def tell(summary: Summary) -> None:
        report(summary, Format.TABLE, quiet=quiet)
        if summary.fault:
            say(summary.fault, quiet=quiet)

    watch_folders(
        catalog,
        folders or (),
        settle=settle,
        poll=poll,
        report=tell,
        model=model,
        jobs=jobs,
        describe=describe,
        metadata=metadata,
        nice=nice,
        timeout=timeout,
    )
