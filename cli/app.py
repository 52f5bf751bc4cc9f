"""The commands. Everything heavy is imported inside them: ``--help`` must not wait for it."""

from pathlib import Path
from typing import Annotated

import typer

from musicu.cli.options import (
    Catalog,
    Csv,
    Json,
    Nl,
    Quiet,
    Tsv,
    chosen,
    emit,
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
    app.command()(recommend.audience)
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


Model = Annotated[str | None, typer.Option(help="A model's name or folder.", metavar="NAME")]


@app.command()
def embed(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders or files; none means the folders added before."),
    ] = None,
    catalog: Catalog = None,
    model: Model = None,
    jobs: Annotated[
        int | None, typer.Option("-j", "--jobs", min=1, help="Worker processes; else all cores.")
    ] = None,
    nice: Annotated[int, typer.Option(min=0, max=19, help="Leave the machine to others.")] = 0,
    describe: Annotated[bool, typer.Option("--describe", help="Compute descriptors too.")] = False,
    metadata: Annotated[
        Path | None,
        typer.Option(help="Table that goes over the tags; joined by path or isrc.", metavar="FILE"),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Analyze everything again.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds a file may take.")] = 300.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if a file failed.")] = False,
    quiet: Quiet = False,
    json: Json = False,
    nl: Nl = False,
    csv: Csv = False,
    tsv: Tsv = False,
) -> None:
    """Embed what is new or changed under folders of music."""
    form = chosen(json=json, nl=nl, csv=csv, tsv=tsv)
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
    report(summary, form, quiet=quiet, dry_run=dry_run)
    if notice and not dry_run:
        say(notice, quiet=quiet)
    if summary.interrupted:
        raise typer.Exit(130)
    if summary.fault and not dry_run:
        raise MusicuError(summary.fault)
    if strict and summary.failed:
        raise typer.Exit(1)


@app.command()
def similar(
    query: Annotated[
        str, typer.Argument(help="A file nobody has heard, or a stored track's path or id.")
    ],
    catalog: Catalog = None,
    n: Annotated[int, typer.Option("-n", min=0, help="How many tracks.")] = 20,
    where: Annotated[
        str | None,
        typer.Option(help='Only tracks for which this holds: "year >= 1990".', metavar="SQL"),
    ] = None,
    exclude_same_artist: Annotated[
        bool, typer.Option("--exclude-same-artist", help="Leave out the query's artists.")
    ] = False,
    exclude_same_album: Annotated[
        bool, typer.Option("--exclude-same-album", help="Leave out the query's album.")
    ] = False,
    model: Model = None,
    m3u8: Annotated[
        Path | None, typer.Option("--m3u8", help="Write a playlist too.", metavar="FILE")
    ] = None,
    quiet: Quiet = False,
    json: Json = False,
    nl: Nl = False,
    csv: Csv = False,
    tsv: Tsv = False,
) -> None:
    """Show the tracks most similar to a file or to a stored track."""
    form = chosen(json=json, nl=nl, csv=csv, tsv=tsv)
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.cli.track_output import show

    with Opened(catalog, create=False) as opened:
        matches = opened.similar(
            query,
            n,
            where=where,
            exclude_same_artist=exclude_same_artist,
            exclude_same_album=exclude_same_album,
            model=model,
        )
        notice = opened.notice
    show(matches, n, form, m3u8=m3u8, notice=notice, quiet=quiet)


@app.command()
def features(
    files: Annotated[list[Path], typer.Argument(help="Audio files.")],
    json: Json = False,
    nl: Nl = False,
    csv: Csv = False,
    tsv: Tsv = False,
) -> None:
    """Describe audio files: tempo, key, loudness, brightness and more."""
    form = chosen(json=json, nl=nl, csv=csv, tsv=tsv)
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
        emit(rows, form, table=table.split())
    if len(rows) < len(files):
        raise typer.Exit(1)


_register()
