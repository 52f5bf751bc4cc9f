"""``musicu release``: what new tracks are like in a catalog, as a folder to hand on."""

import json as json_module
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from musicu.cli.options import Catalog, Quiet, say


def release(
    paths: Annotated[list[Path], typer.Argument(help="The new tracks: files, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Folder for the report.", metavar="FOLDER")] = Path(
        "report"
    ),
    catalog: Catalog = None,
    metadata: Annotated[
        Path | None,
        typer.Option(help="Table that goes over the tags; joined by path or isrc.", metavar="FILE"),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=0, help="Nearest tracks for each.")] = 10,
    playlists: Annotated[
        list[Path] | None,
        typer.Option(help="A playlist (.m3u8) or a folder of them; repeatable.", metavar="PATH"),
    ] = None,
    recommender: Annotated[
        Path | None,
        typer.Option(help="What 'musicu fit' made, to say whom it fits.", metavar="FOLDER"),
    ] = None,
    players: Annotated[
        bool, typer.Option("--players/--no-players", help="Play the audio from the page.")
    ] = True,
    jobs: Annotated[
        int | None, typer.Option("-j", "--jobs", min=1, help="Worker processes; else all cores.")
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds a file may take.")] = 300.0,
    quiet: Quiet = False,
    json: Annotated[
        bool, typer.Option("--json", help="Write the report to stdout too, as JSON.")
    ] = False,
) -> None:
    """Report on new releases: what they are like, why, and what to mend before they go out."""
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.release.report import release_report
    from musicu.reports.write import check_folder, write_report

    check_folder(out)
    with Opened(catalog, create=False) as opened, _progress(quiet=quiet) as advance:
        report = release_report(
            opened,
            paths,
            metadata=metadata,
            n=n,
            playlists=playlists or (),
            recommender=None if recommender is None else _load(recommender, opened.aliases()),
            jobs=jobs,
            timeout=timeout,
            progress=advance,
        )
    page, *_ = write_report(report, out, players=players)
    if json:
        json_module.dump(report.to_dict(), sys.stdout, indent=2)
        sys.stdout.write("\n")
    for skipped in report.skipped:
        say(f"not used: {skipped.path}: {skipped.reason}", quiet=quiet)
    releases = f"{len(report.releases):,} release" + ("s" if len(report.releases) != 1 else "")
    say(f"{releases} against {report.tracks:,} tracks: {page}", quiet=quiet)


def _load(path: Path, aliases: dict[str, str]) -> Any:
    from musicu.recommend.recommender import Recommender

    return Recommender.load(path, aliases=aliases)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Show a bar on stderr, if somebody is there to see it."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task("reading the catalog", total=None)

        def advance(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total)

        yield advance
