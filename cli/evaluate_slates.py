"""``musicu evaluate slates``: surfaces, or a recommender and its challenger, on a later log."""

import datetime
from pathlib import Path
from typing import Annotated

import typer

from musicu.cli.inputs import (
    DuplicateRows,
    Duplicates,
    Log,
    RecommenderCatalog,
    SaltFile,
    Unknown,
    matched_log,
)
from musicu.cli.options import Format, Quiet, emit, row_output, say

__all__ = ["Since", "Until", "seconds", "slates"]

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M"]
Since = Annotated[
    datetime.datetime,
    typer.Option(
        formats=_FORMATS,
        help="Histories end here (UTC), and what was played from here on is to be found.",
    ),
]
Until = Annotated[
    datetime.datetime | None,
    typer.Option(formats=_FORMATS, help="Leave out what is from then on."),
]


@row_output
def slates(
    log: Log,
    recommender: Annotated[
        list[str],
        typer.Option(
            help="A folder that 'musicu fit' made, or NAME=FOLDER; several are compared with the "
            "first.",
            metavar="FOLDER",
        ),
    ],
    since: Since,
    until: Until = None,
    surface: Annotated[
        list[str] | None,
        typer.Option(help="What is shown; else home-shelf. Several are set beside each other."),
    ] = None,
    catalog: RecommenderCatalog = None,
    users: Annotated[
        int | None, typer.Option(min=2, help="Listeners at most; else all.", metavar="N")
    ] = None,
    duplicates: DuplicateRows = Duplicates.ERROR,
    salt_file: SaltFile = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the listeners that are drawn.")] = 0,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Measure slates: found, varied, calibrated; surfaces or recommenders beside each other.

    Recommenders should have been fitted on nothing later than --since.
    """
    from musicu.cli.progress import task_bar
    from musicu.evaluation.recommenders.slates import Contender, evaluate_slates
    from musicu.recommend.loading import load_catalog_recommender
    from musicu.recommend.surface import find_surface

    folders = dict(map(_named, recommender))
    if len(folders) < len(recommender):
        raise typer.BadParameter("two of one name: give NAME=FOLDER", param_hint="--recommender")
    places = [find_surface(name) for name in surface or ["home-shelf"]]
    loaded = {name: load_catalog_recommender(path, catalog) for name, path in folders.items()}
    interactions = matched_log(
        log,
        next(iter(loaded.values())).names,
        salt_file=salt_file,
        duplicates=duplicates,
        unknown=Unknown.DROP,
        quiet=quiet,
    )
    contenders = {
        " ".join([name] * (len(loaded) > 1) + [place.name] * (len(places) > 1)) or name: Contender(
            one.recommender, place
        )
        for place in places
        for name, one in loaded.items()
    }
    with task_bar("slates", "bar", "count", "left", quiet=quiet) as update:
        found = evaluate_slates(
            contenders,
            interactions,
            seconds(since),
            until=None if until is None else seconds(until),
            most=users,
            seed=seed,
            progress=update and (lambda done, total: update(completed=done, total=total)),
        )
    if output in (Format.JSON, Format.NL):
        emit([found.to_dict()], output)
    else:
        shown = "contender measure value low high difference p_holm verdict"
        emit(found.rows(), output, table=shown.split())
    say(f"{found.listeners:,} listeners", quiet=quiet)
    for note in found.notes:
        say(note, quiet=quiet)


def _named(text: str) -> tuple[str, Path]:
    name, found, folder = text.partition("=")
    return (name, Path(folder)) if found else (Path(text).name, Path(text))


def seconds(day: datetime.datetime) -> float:
    """Return a moment (UTC) in seconds since 1970."""
    return day.replace(tzinfo=datetime.UTC).timestamp()
