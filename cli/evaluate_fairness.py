"""``musicu evaluate fairness`` and ``privacy``: who is shown, and what is told of listeners."""

from typing import Annotated

import typer

from musicu.cli.evaluate_slates import Since, seconds
from musicu.cli.inputs import (
    DuplicateRows,
    Duplicates,
    ItemColumns,
    ItemTable,
    ItemVectors,
    Log,
    RecommenderCatalog,
    RecommenderFolder,
    SaltFile,
    Unknown,
    UnknownItems,
    matched_log,
    named_items,
    pairs,
)
from musicu.cli.options import Catalog, Format, Quiet, emit, row_output, say
from musicu.cli.reports import Report, check_report, provenance, write_report

__all__ = ["LeastListeners", "MostItems", "MostWeight", "fairness", "privacy"]

MostItems = Annotated[
    int | None,
    typer.Option(min=1, help="So many items of a listener count at most.", metavar="N"),
]
MostWeight = Annotated[
    float | None,
    typer.Option(help="One listener's plays of an item count no more than this.", metavar="X"),
]
LeastListeners = Annotated[
    int,
    typer.Option(min=1, help="What fewer listeners played counts as played by nobody."),
]
Users = Annotated[int | None, typer.Option(min=4, help="Listeners at most; else all.", metavar="N")]
Seed = Annotated[int, typer.Option(min=0, help="Of all that is drawn at random.")]


@row_output
def fairness(
    log: Log,
    recommender: RecommenderFolder,
    since: Since,
    by: Annotated[
        str,
        typer.Option(
            help="Groups: audience (of the artist), new, or a field: country, genres ...",
            metavar="FIELD",
        ),
    ] = "audience",
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="Least share of a group, to be priced; else the merit of each group that is "
            "shown less.",
            metavar="GROUP=SHARE",
        ),
    ] = None,
    catalog: RecommenderCatalog = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Length of the lists.")] = 20,
    users: Users = None,
    duplicates: DuplicateRows = Duplicates.ERROR,
    salt_file: SaltFile = None,
    seed: Seed = 0,
    report: Report = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Measure what groups of artists are shown beside what is played, and the price of targets."""
    targets = {}
    for name, text in pairs(target, "--target", "GROUP=SHARE"):
        try:
            targets[name] = float(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is no number", param_hint="--target") from None
        if not 0 <= targets[name] <= 1:
            raise typer.BadParameter("a share goes from 0 to 1", param_hint="--target")
    from musicu.cli.progress import task_bar
    from musicu.evaluation.recommenders.fairness import evaluate_fairness
    from musicu.recommend.loading import load_catalog_recommender
    from musicu.reports.fairness_page import fairness_page

    check_report(report)
    loaded = load_catalog_recommender(recommender, catalog)
    interactions = matched_log(
        log,
        loaded.names,
        salt_file=salt_file,
        duplicates=duplicates,
        unknown=Unknown.DROP,
        quiet=quiet,
    )
    with task_bar("listeners", "bar", "count", "left", quiet=quiet) as update:
        found = evaluate_fairness(
            loaded.recommender,
            interactions,
            seconds(since),
            by=by,
            n=n,
            targets=targets or None,
            most=users,
            seed=seed,
            progress=update and (lambda done, total: update(completed=done, total=total)),
        )
    if output in (Format.JSON, Format.NL):
        emit([found.to_dict()], output)
    else:
        emit(found.rows(), output)
        if output is Format.TABLE and found.targets:
            typer.echo()
            emit([vars(one) for one in found.targets], output)
    say(f"{found.listeners:,} lists of {found.n}, groups by {found.by}", quiet=quiet)
    for note in found.notes:
        say(note, quiet=quiet)
    write_report(report, lambda: fairness_page(found, provenance()))


@row_output
def privacy(
    log: Log,
    catalog: Catalog = None,
    items: ItemTable = None,
    column: ItemColumns = None,
    audio: ItemVectors = None,
    most_items: MostItems = None,
    most_weight: MostWeight = None,
    least_listeners: LeastListeners = 1,
    users: Users = None,
    left_out: Annotated[
        int, typer.Option(min=0, help="Fit without so many listeners, one at a time.", metavar="N")
    ] = 3,
    unknown: UnknownItems = Unknown.ERROR,
    duplicates: DuplicateRows = Duplicates.ERROR,
    salt_file: SaltFile = None,
    seed: Seed = 0,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Try to tell who was in the log, from the folder and from answers; and leave listeners out.

    AUC 0.5 is chance, 1 is certainty. Options are those of 'musicu fit': what they bring is shown.
    """
    if items is not None and catalog is not None:
        raise typer.BadParameter("choose one: --catalog or --items")
    from musicu.cli.progress import task_bar
    from musicu.evaluation.recommenders.privacy import evaluate_privacy
    from musicu.recommend.bounds import Bound

    bound = Bound(most_items=most_items, most_weight=most_weight, least_listeners=least_listeners)
    known, names, _ = named_items(catalog, items, column or [], audio, quiet=quiet)
    interactions = matched_log(
        log, names, salt_file=salt_file, duplicates=duplicates, unknown=unknown, quiet=quiet
    )
    with task_bar("fits", "bar", "count", quiet=quiet) as update:
        found = evaluate_privacy(
            interactions,
            known,
            bound=bound,
            most=users,
            left_out=left_out,
            seed=seed,
            progress=update and (lambda done, total: update(completed=done, total=total)),
        )
    if output in (Format.JSON, Format.NL):
        emit([found.to_dict()], output)
    else:
        emit(found.rows(), output)
        if output is Format.TABLE and found.influences:
            typer.echo()
            emit([vars(one) for one in found.influences], output)
    say(f"{found.members:,} listeners in the log, {found.others:,} out of it", quiet=quiet)
    for note in found.notes:
        say(note, quiet=quiet)
