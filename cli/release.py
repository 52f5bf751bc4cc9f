"""``musicu release``: what new tracks are like in a catalog, as a folder to hand on."""

from pathlib import Path
from typing import Annotated, Any

import typer

from musicu.cli.options import Catalog, Jobs, NonMusic, Quiet, Timeout, TrackTable, emit_object, say


def release(
    paths: Annotated[
        list[Path],
        typer.Argument(help="The new tracks: files, or folders of them.", metavar="PATH"),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the report.", metavar="FOLDER")] = Path(
        "report"
    ),
    catalog: Catalog = None,
    metadata: TrackTable = None,
    n: Annotated[int, typer.Option("-n", min=0, help="Nearest tracks for each.")] = 10,
    playlists: Annotated[
        list[Path] | None,
        typer.Option(help="A playlist (.m3u8) or a folder of them; repeatable.", metavar="PATH"),
    ] = None,
    recommender: Annotated[
        Path | None,
        typer.Option(help="What 'musicu fit' made, to say whom it fits.", metavar="FOLDER"),
    ] = None,
    include_non_music: NonMusic = False,
    players: Annotated[
        bool, typer.Option("--players/--no-players", help="Play the audio from the page.")
    ] = True,
    jobs: Jobs = None,
    timeout: Timeout = 300.0,
    quiet: Quiet = False,
    json: Annotated[
        bool, typer.Option("--json", help="Write the report to stdout too, as JSON.")
    ] = False,
) -> None:
    """Report on new releases: what they are like, why, and what to mend before they go out."""
    from musicu.catalog.catalog import Catalog as Opened
    from musicu.cli.progress import task_bar
    from musicu.release.report import release_report
    from musicu.reports.write import check_folder, write_report

    check_folder(out)
    with (
        Opened(catalog, create=False) as opened,
        task_bar(
            "{task.fields[what]}", "bar", "count", quiet=quiet, what="reading the catalog"
        ) as update,
    ):
        report = release_report(
            opened,
            paths,
            metadata=metadata,
            n=n,
            playlists=playlists or (),
            recommender=None if recommender is None else _load(recommender, opened.aliases()),
            include_non_music=include_non_music,
            jobs=jobs,
            timeout=timeout,
            progress=update
            and (lambda what, done, total: update(what=what, completed=done, total=total)),
        )
    page, *_ = write_report(report, out, players=players)
    if json:
        emit_object(report.to_dict())
    for skipped in report.skipped:
        say(f"not used: {skipped.path}: {skipped.reason}", quiet=quiet)
    releases = f"{len(report.releases):,} release" + ("s" if len(report.releases) != 1 else "")
    say(f"{releases} against {report.tracks:,} tracks: {page}", quiet=quiet)


def _load(path: Path, aliases: dict[str, str]) -> Any:
    from musicu.recommend.recommender import Recommender

    return Recommender.load(path, aliases=aliases)
