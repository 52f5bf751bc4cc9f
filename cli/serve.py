"""``musicu serve``: the catalog as a service, with a page."""

import os
from pathlib import Path
from typing import Annotated

import typer

from musicu.cli.options import Catalog, Quiet, say

__all__ = ["serve"]


def serve(
    catalog: Catalog = None,
    recommender: Annotated[
        Path | None,
        typer.Option(help="A recommender to serve, from 'musicu fit'.", metavar="FOLDER"),
    ] = None,
    log: Annotated[
        Path | None,
        typer.Option(help="Log of listening in which its users are looked up.", metavar="FILE"),
    ] = None,
    surfaces: Annotated[
        Path | None,
        typer.Option(help="Folder of surfaces of your own, a TOML file each.", metavar="FOLDER"),
    ] = None,
    feedback: Annotated[
        Path | None,
        typer.Option(
            help="CSV file to keep what listeners play, like and skip, for 'musicu fit'.",
            metavar="FILE",
        ),
    ] = None,
    uploads: Annotated[
        Path | None,
        typer.Option(
            help="Folder that uploaded tracks are added to; else none are.", metavar="FOLDER"
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that others can reach needs a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 is any that is free.")
    ] = 8420,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token to ask for; else $MUSICU_TOKEN.", metavar="FILE"),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Host name this service is reached by; repeatable.", metavar="HOSTNAME"),
    ] = None,
    workers: Annotated[
        int, typer.Option("-j", "--workers", min=1, help="Processes that decode uploads.")
    ] = 1,
    queue: Annotated[int, typer.Option(min=1, help="Uploads that may wait for them.")] = 8,
    upload_mb: Annotated[int, typer.Option(min=1, help="Size of an upload, in MB.")] = 200,
    deadline: Annotated[float, typer.Option(min=1, help="Seconds a request may take.")] = 30.0,
    scan: Annotated[
        bool, typer.Option("--scan/--no-scan", help="Let clients have the folders scanned again.")
    ] = True,
    quiet: Quiet = False,
) -> None:
    """Serve a catalog: search, neighbors, maps and more over HTTP, and a page to use them with.

    The address is written to stderr. Ctrl-C ends it.
    """
    from musicu.catalog.store import catalog_path
    from musicu.errors import MissingExtraError, MusicuError
    from musicu.files import open_file

    try:
        from musicu.service.server import serve as run
        from musicu.service.settings import Settings
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("musicu"):
            raise
        raise MissingExtraError(error.name or "fastapi", "serve") from None

    token = os.environ.get("MUSICU_TOKEN") or None
    if token_file is not None:
        try:
            with open_file(token_file, encoding="utf-8") as file:
                token = str(file.read()).strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8 text"
            raise MusicuError(f"{token_file}: the token cannot be read ({reason})") from None
    settings = Settings(
        catalog=catalog_path(catalog),
        recommender=recommender,
        log=log,
        surfaces=surfaces,
        feedback=feedback,
        uploads=uploads,
        token=token,
        host=host,
        port=port,
        names=tuple(name or ()),
        workers=workers,
        queue=queue,
        deadline=deadline,
        upload_bytes=upload_mb << 20,
        scan=scan,
    )
    run(
        settings, lambda address: say(f"musicu serves {settings.catalog} at {address}", quiet=quiet)
    )
