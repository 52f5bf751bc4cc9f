"""``musicu registry``: fitted recommenders, version by version, and the one that is served."""

from pathlib import Path
from typing import Annotated, Any

import typer

from musicu.cli.evaluate_slates import Since, Until, seconds
from musicu.cli.inputs import (
    DuplicateRows,
    Duplicates,
    Log,
    RecommenderCatalog,
    SaltFile,
    Unknown,
    matched_log,
    pairs,
)
from musicu.cli.options import Format, Quiet, emit, row_output, say
from musicu.cli.style import App

app = App(name="registry", help="Versions of a recommender, and the one that is served.")

Folder = Annotated[Path, typer.Argument(help="The registry.", metavar="REGISTRY")]
Number = Annotated[int, typer.Argument(help="A version.", metavar="VERSION", min=1)]
Note = Annotated[str, typer.Option(help="Why, for those who read the registry.")]


@app.command("list")
@row_output
def list_versions(folder: Folder, *, output: Format) -> None:
    """List the versions: when and from what each was made, and which is served."""
    from musicu.recommend.registry import Registry

    versions = Registry(folder).versions()
    if output is not Format.TABLE:
        emit([one.to_dict() for one in versions], output)
        return
    rows = [
        {
            "version": one.number,
            "served": "yes" if one.champion else "",
            "created": one.lineage.created,
            "plays": one.lineage.log.get("interactions"),
            "until": one.lineage.log.get("last"),
            "items": one.lineage.items.get("count"),
            "evaluations": len(one.evaluations),
            "note": one.lineage.note,
        }
        for one in versions
    ]
    emit(rows, output)


@app.command()
@row_output
def show(
    folder: Folder,
    version: Annotated[
        int | None, typer.Argument(help="A version; else the one that is served.", min=1)
    ] = None,
    *,
    output: Format,
) -> None:
    """Show a version's lineage: log, items, settings, what was measured, musicu's version."""
    from musicu.recommend.registry import Registry

    told = Registry(folder).version(version).to_dict()
    if output is not Format.TABLE:
        emit([told], output)
        return
    emit([{"what": name, "value": value} for name, value in _flat(told)], output)


@app.command()
def add(
    folder: Folder,
    recommender: Annotated[
        Path, typer.Argument(help="A folder that 'musicu fit' made.", metavar="FOLDER")
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(help="What was measured of it: ndcg=0.29.", metavar="NAME=VALUE"),
    ] = None,
    note: Note = "",
    quiet: Quiet = False,
) -> None:
    """Keep a recommender that was fitted elsewhere.

    Of its log nothing is known then.
    """
    from musicu.recommend.lineage import lineage_of
    from musicu.recommend.recommender import Recommender
    from musicu.recommend.registry import Registry

    measured = {}
    for name, text in pairs(metric, "--metric", "NAME=VALUE"):
        try:
            measured[name] = float(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is no number", param_hint="--metric") from None
    fitted = Recommender.load(recommender)
    registry = Registry(folder, create=True)
    version = registry.add(fitted, lineage_of(fitted, metrics=measured, note=note))
    say(f"{folder}: version {version.number}", quiet=quiet)


@app.command()
def promote(folder: Folder, version: Number, note: Note = "", quiet: Quiet = False) -> None:
    """Have a version served; a running service takes it over without a pause."""
    from musicu.recommend.registry import Registry

    Registry(folder).promote(version, note=note)
    say(f"{folder}: version {version} is served", quiet=quiet)


@app.command()
def rollback(folder: Folder, quiet: Quiet = False) -> None:
    """Have the version served that was served before."""
    from musicu.recommend.registry import Registry

    version = Registry(folder).roll_back()
    say(f"{folder}: version {version.number} is served again", quiet=quiet)


@app.command()
def remove(folder: Folder, version: Number, quiet: Quiet = False) -> None:
    """Delete a version that is not served.

    What was learned from somebody who is to be forgotten must go.
    """
    from musicu.recommend.registry import Registry

    Registry(folder).remove(version)
    say(f"{folder}: version {version} is gone", quiet=quiet)


@app.command()
@row_output
def challenge(
    folder: Folder,
    log: Log,
    since: Since,
    version: Annotated[
        int | None, typer.Option(help="The challenger; else the latest.", min=1, metavar="VERSION")
    ] = None,
    until: Until = None,
    surface: Annotated[str, typer.Option(help="What is shown.")] = "home-shelf",
    catalog: RecommenderCatalog = None,
    users: Annotated[
        int | None, typer.Option(min=2, help="Listeners at most; else all.", metavar="N")
    ] = None,
    promote: Annotated[
        bool,
        typer.Option(
            "--promote", help="Promote it if anything is clearly better and nothing clearly worse."
        ),
    ] = False,
    duplicates: DuplicateRows = Duplicates.ERROR,
    salt_file: SaltFile = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Hold a version against the one that is served, on the same log; the figures are kept."""
    from musicu.cli.progress import task_bar
    from musicu.evaluation.recommenders.challenge import challenge_champion
    from musicu.recommend.loading import load_catalog_recommender
    from musicu.recommend.registry import Registry
    from musicu.recommend.surface import find_surface

    registry = Registry(folder)
    names = load_catalog_recommender(folder, catalog).names
    interactions = matched_log(
        log,
        names,
        salt_file=salt_file,
        duplicates=duplicates,
        unknown=Unknown.DROP,
        quiet=quiet,
    )
    with task_bar("slates", "bar", "count", "left", quiet=quiet) as update:
        found = challenge_champion(
            registry,
            interactions,
            seconds(since),
            until=None if until is None else seconds(until),
            challenger=version,
            surface=find_surface(surface),
            most=users,
            progress=update and (lambda done, total: update(completed=done, total=total)),
        )
    if output in (Format.JSON, Format.NL):
        emit([found.to_dict()], output)
    else:
        shown = "contender measure value low high difference p_holm verdict"
        emit(found.evaluation.rows(), output, table=shown.split())
    for note in found.evaluation.notes:
        say(note, quiet=quiet)
    better = "is better" if found.better else "is not clearly better"
    say(f"version {found.challenger} {better} than version {found.champion}", quiet=quiet)
    if promote and found.better:
        registry.promote(found.challenger, note=f"better than version {found.champion}")
        say(f"{folder}: version {found.challenger} is served", quiet=quiet)


def _flat(value: Any, name: str = "") -> list[tuple[str, Any]]:
    """Return every value with the names that lead to it."""
    if not isinstance(value, dict):
        return [(name, value)]
    return [pair for key, inner in value.items() for pair in _flat(inner, f"{name} {key}".strip())]
