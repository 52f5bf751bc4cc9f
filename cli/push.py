"""``musicu push``: playlists to a music server."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicu.cli.inputs import pairs
from musicu.cli.options import Format, Quiet, emit, row_output, say

if TYPE_CHECKING:
    from musicu.items.media_server import Server


@row_output
def push(
    files: Annotated[
        list[Path],
        typer.Argument(help="Playlists (.m3u8), or folders of them.", metavar="PLAYLIST"),
    ],
    server: Annotated[str, typer.Option(help="The server's address.", metavar="URL")],
    kind: Annotated[
        str, typer.Option(help="What it is.", metavar="subsonic|jellyfin|plex")
    ] = "subsonic",
    user: Annotated[
        str | None,
        typer.Option(help="Whose playlists, on a Subsonic server or Jellyfin.", metavar="NAME"),
    ] = None,
    folder: Annotated[
        list[str] | None,
        typer.Option(
            help="What the server calls a folder of yours: HERE=THERE; repeatable.",
            metavar="HERE=THERE",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Also playlists that the server has by that name.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")
    ] = False,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Push playlists to a server: Navidrome and other Subsonic servers, Jellyfin, Plex.

    The password, API key or token is asked for, or taken from $MUSICU_PASSWORD.
    """
    if kind not in ("subsonic", "jellyfin", "plex"):
        raise typer.BadParameter(f"{kind!r} is not one of subsonic, jellyfin, plex.")
    if user is None and kind != "plex":
        raise typer.BadParameter("name a --user")
    from musicu.errors import MetadataError
    from musicu.items.media_server import ServerLibrary, push_playlist

    lists = [
        one for path in files for one in (sorted(path.glob("*.m3u8")) if path.is_dir() else [path])
    ]
    if not lists:
        raise MetadataError(f"{files[0]}: no playlist (.m3u8) in it")
    folders = dict(pairs(folder, "--folder", "HERE=THERE"))
    asked = _server(kind, server, user or "")
    library = ServerLibrary(asked.tracks(), folders)
    pushed = [
        push_playlist(asked, library, path, replace=replace, dry_run=dry_run) for path in lists
    ]
    rows = [one._asdict() | {"missing": list(one.missing)} for one in pushed]
    emit(rows, output, table=("name", "tracks", "found", "state"))
    for one in pushed:
        if one.missing:
            say(f"{one.name}: not on the server: {one.missing[0]} ...", quiet=quiet)
        if one.state == "kept":
            say(f"{one.name}: is there already; --replace gives it these tracks", quiet=quiet)
    done = sum(one.state in ("new", "replaced") for one in pushed)
    say(f"{done:,} playlists {'would be ' * dry_run}pushed", quiet=quiet)


def _server(kind: str, url: str, user: str) -> "Server":
    from musicu.items.jellyfin import Jellyfin
    from musicu.items.opensubsonic import OpenSubsonic
    from musicu.items.plex import Plex

    secret = os.environ.get("MUSICU_PASSWORD") or typer.prompt(
        "Password, API key or token", hide_input=True, err=True
    )
    if kind == "plex":
        return Plex(url, secret)
    return (Jellyfin if kind == "jellyfin" else OpenSubsonic)(url, user, secret)
