"""The commands. Everything heavy is imported inside them: ``--help`` must not wait for it."""

from pathlib import Path
from typing import Annotated

import typer

from musicu.cli.options import (
    Catalog,
    Format,
    Jobs,
    Model,
    NonMusic,
    Number,
    Playlist,
    Quiet,
    Timeout,
    TrackTable,
    Where,
    emit,
    row_output,
    say,
)

app = typer.Typer(
    name="musicu",
    help="Embed folders of music, find similar tracks, recommend what is new.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _register() -> None:
    from musicu.cli import (
        audience,
        catalog,
        check,
        evaluate,
        fit,
        journey,
        mix,
        models,
        monitor,
        recommend,
        release,
        serve,
        simulate,
        tags,
        train,
    )

    app.command()(tags.tags)
    app.command()(tags.find)
    app.command()(mix.mix)
    app.command()(journey.journey)
    app.command()(fit.fit)
    app.command()(recommend.recommend)
    app.command()(audience.audience)
    app.command()(release.release)
    app.command()(serve.serve)
    app.command()(monitor.monitor)
    app.command()(check.check)
    app.command()(simulate.simulate)
    app.add_typer(catalog.app, name="catalog")
    app.add_typer(evaluate.app, name="evaluate")
    app.add_typer(models.app, name="models")
    app.add_typer(train.app, name="train")


def _version(wanted: bool) -> None:
    if wanted:
        from musicu import __version__

        typer.echo(f"musicu {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Embed folders of music, find similar tracks, recommend what is new."""


@app.command()
@row_output
def embed(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders or files; none means the folders added before."),
    ] = None,
    catalog: Catalog = None,
    model: Model = None,
    jobs: Jobs = None,
    nice: Annotated[int, typer.Option(min=0, max=19, help="Leave the machine to others.")] = 0,
    describe: Annotated[bool, typer.Option("--describe", help="Compute descriptors too.")] = False,
    metadata: TrackTable = None,
    force: Annotated[bool, typer.Option("--force", help="Analyze everything again.")] = False,
    timeout: Timeout = 300.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if a file failed.")] = False,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Embed what is new or changed under folders of music."""
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.cli.progress import progress_bar, report
    from musicu.errors import MusicuError

    with Opened(catalog) as opened, progress_bar(quiet=quiet) as advance:
        summary = opened.add_folder(
            *(folders or ()),
            model=model,
            jobs=jobs,
            nice=nice,
            describe=describe,
            metadata=metadata,
            force=force,
            timeout=timeout,
            dry_run=dry_run,
            progress=advance,
        )
        notice = opened.notice
    report(summary, output, quiet=quiet, dry_run=dry_run)
    if notice and not dry_run:
        say(notice, quiet=quiet)
    if summary.interrupted:
        raise typer.Exit(130)
    if summary.fault and not dry_run:
        raise MusicuError(summary.fault)
    if strict and summary.failed:
        raise typer.Exit(1)


@app.command()
@row_output
def similar(
    query: Annotated[
        str, typer.Argument(help="A file nobody has heard, or a stored track's path or id.")
    ],
    catalog: Catalog = None,
    n: Number = 20,
    where: Where = None,
    exclude_same_artist: Annotated[
        bool, typer.Option("--exclude-same-artist", help="Leave out the query's artists.")
    ] = False,
    exclude_same_album: Annotated[
        bool, typer.Option("--exclude-same-album", help="Leave out the query's album.")
    ] = False,
    include_non_music: NonMusic = False,
    model: Model = None,
    m3u8: Playlist = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Show the tracks most similar to a file or to a stored track."""
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.cli.track_output import show_matches

    with Opened(catalog, create=False) as opened:
        matches = opened.similar(
            query,
            n,
            where=where,
            exclude_same_artist=exclude_same_artist,
            exclude_same_album=exclude_same_album,
            include_non_music=include_non_music,
            model=model,
        )
        notice = opened.notice
    show_matches(matches, n, output, m3u8=m3u8, notice=notice, quiet=quiet)


@app.command()
@row_output
def features(
    files: Annotated[list[Path], typer.Argument(help="Audio files.")],
    *,
    output: Format,
) -> None:
    """Describe audio files: tempo, key, loudness, brightness and more."""
    from musicu.errors import AudioError
    from musicu.workers.pool import WorkerSettings, analyze_isolated

    settings = WorkerSettings(model=None, describe=True)
    rows = []
    for file in files:
        try:
            heard = analyze_isolated(str(file), settings)
        except AudioError as error:
            say(f"error: {error}")
        else:
            rows.append({"path": str(file), **heard["descriptors"]})
    if rows:
        table = "tempo key loudness brightness onset_rate regularity path"
        emit(rows, output, table=table.split())
    if len(rows) < len(files):
        raise typer.Exit(1)


_register()
