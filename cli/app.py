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
from musicu.cli.style import App

app = App(
    name="musicu",
    help="Embed folders of music, find similar tracks, recommend what is new.",
    add_completion=True,
)


def _register() -> None:
    from musicu.cli import (
        audience,
        catalog,
        check,
        config,
        doctor,
        evaluate,
        fit,
        journey,
        mix,
        models,
        monitor,
        playlists,
        push,
        recommend,
        registry,
        release,
        serve,
        sessions,
        simulate,
        tags,
        train,
        watch,
        write_tags,
    )

    sections = {
        "Hear and find": (
            *(embed, watch.watch, similar, tags.find, mix.mix, journey.journey),
            *(playlists.playlists, push.push, features, tags.tags, write_tags.write_tags),
            *(check.check, catalog.app),
        ),
        "Recommend": (
            *(fit.fit, recommend.recommend, audience.audience, release.release),
            simulate.simulate,
        ),
        "Serve and measure": (
            *(serve.serve, monitor.monitor, registry.app, evaluate.app, models.app),
            train.app,
        ),
        "About musicu": (doctor.doctor, config.config),
    }
    for section, members in sections.items():
        for one in members:
            if isinstance(one, App):
                app.add_typer(one, rich_help_panel=section)
            else:
                app.command(rich_help_panel=section)(one)
    app.command("fit sessions", rich_help_panel="Recommend")(sessions.fit_sessions)
    app.command("next", rich_help_panel="Recommend")(sessions.next_items)


def _version(wanted: bool) -> None:
    if wanted:
        import platform
        import sqlite3

        from musicu import __version__
        from musicu.encoders.registry import DEFAULT_MODEL, list_models
        from musicu.installed import core_versions

        models = (
            f"{m.id}@{m.version}{' (default)' * (m.id == DEFAULT_MODEL)}" for m in list_models()
        )
        typer.echo(f"musicu {__version__}\nmodels: {', '.join(models)}")
        parts = {"Python": platform.python_version(), "SQLite": sqlite3.sqlite_version}
        parts |= {name: version or "missing" for name, version in core_versions().items()}
        typer.echo(f"with: {', '.join(f'{name} {is_}' for name, is_ in parts.items())}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_version,
            is_eager=True,
            help="Show the versions of musicu, its models, and what it stands on.",
        ),
    ] = False,
) -> None:
    """Embed folders of music, find similar tracks, recommend what is new."""


@row_output
def embed(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders or files; none means the folders added before.", metavar="FOLDER"
        ),
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


@row_output
def similar(
    query: Annotated[
        str | None,
        typer.Argument(
            help="A file nobody has heard; or a stored track's path, id or title, or words of "
            "artist, title and album.",
            metavar="TRACK",
        ),
    ] = None,
    artist: Annotated[
        str | None,
        typer.Option(help="Whose track it is; alone: like all of this artist's, by others."),
    ] = None,
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
    """Show the tracks most similar to a file, a stored track, or an artist."""
    if query is None and artist is None:
        raise typer.BadParameter("name a track, or an --artist")
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.cli.track_output import show_matches

    with Opened(catalog, create=False) as opened:
        matches = opened.similar(
            query,
            n,
            artist=artist,
            where=where,
            exclude_same_artist=exclude_same_artist,
            exclude_same_album=exclude_same_album,
            include_non_music=include_non_music,
            model=model,
        )
        notice, asked = opened.notice, opened.asked
    if asked:
        say(f"like {asked}", quiet=quiet)
    show_matches(matches, n, output, m3u8=m3u8, notice=notice, quiet=quiet)


@row_output
def features(
    files: Annotated[list[Path], typer.Argument(help="Audio files.", metavar="FILE")],
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
