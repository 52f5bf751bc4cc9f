"""``musicu fit``: learn from who listens to what."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicu.cli.evaluate_fairness import LeastListeners, MostItems, MostWeight
from musicu.cli.inputs import (
    DuplicateRows,
    Duplicates,
    ItemColumns,
    ItemTable,
    ItemVectors,
    Log,
    SaltFile,
    Unknown,
    UnknownItems,
    matched_log,
    named_items,
)
from musicu.cli.options import Catalog, Quiet, say

if TYPE_CHECKING:
    from musicu.recommend.recommender import Recommender


def fit(
    log: Log,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the recommender.", metavar="FOLDER")
    ] = None,
    registry: Annotated[
        Path | None,
        typer.Option(
            help="Instead: keep it as the next version of this registry, with its lineage; the "
            "first is served at once.",
            metavar="FOLDER",
        ),
    ] = None,
    note: Annotated[str, typer.Option(help="What to say of it in the registry.")] = "",
    catalog: Catalog = None,
    items: ItemTable = None,
    column: ItemColumns = None,
    audio: ItemVectors = None,
    unknown: UnknownItems = Unknown.ERROR,
    duplicates: DuplicateRows = Duplicates.ERROR,
    forget: Annotated[
        list[str] | None,
        typer.Option(
            help="User to leave out. Fitting again without a user is forgetting: nothing of them "
            "stays, and no user is ever written.",
            metavar="USER",
        ),
    ] = None,
    salt_file: SaltFile = None,
    most_items: MostItems = None,
    most_weight: MostWeight = None,
    least_listeners: LeastListeners = 1,
    dim: Annotated[
        int | None, typer.Option(min=1, help="Length of the listeners' factors.")
    ] = None,
    evenness: Annotated[
        float | None, typer.Option(min=0, max=1, help="How far the popular lose their lead.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn at random.")] = 0,
    learn_ranking: Annotated[
        bool,
        typer.Option("--learn-ranking", help="Learn from the log, too, what to rank by; longer."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a recommender that is there.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Fit a recommender on a log of listening and on what the items are.

    Items of the log go by the ids of the catalog's tracks, by paths of their files, or by ISRCs.
    """
    if (out is None) == (registry is None):
        raise typer.BadParameter("choose one: --out or --registry")
    if items is not None and catalog is not None:
        raise typer.BadParameter("choose one: --catalog or --items")
    if items is None and (column or audio):
        raise typer.BadParameter("--column and --audio describe --items: name them")
    from musicu.cli.progress import task_bar
    from musicu.recommend.bounds import Bound
    from musicu.recommend.recommender import Recommender
    from musicu.recommend.storage import check_folder

    if out is not None:
        check_folder(out, force=force)
    known, names, _ = named_items(catalog, items, column or [], audio, quiet=quiet)
    interactions = matched_log(
        log,
        names,
        salt_file=salt_file,
        duplicates=duplicates,
        unknown=unknown,
        quiet=quiet,
        forget=forget or (),
    )
    bound = Bound(most_items=most_items, most_weight=most_weight, least_listeners=least_listeners)
    interactions = bound.apply(interactions)
    say(
        f"fitting: {len(interactions):,} interactions of {len(interactions.users):,} users with "
        f"{len(interactions.items):,} items; {len(known):,} items are known, "
        f"{known.heard.sum():,} of them heard",
        quiet=quiet,
    )
    given: dict[str, Any] = {"dim": dim, "length_debias": evenness}
    chosen = {name: value for name, value in given.items() if value is not None}
    with task_bar("fitting", "time", quiet=quiet):
        recommender = Recommender(seed=seed, **chosen).fit(interactions, known)
        if learn_ranking:
            recommender.learn_ranking()
    if registry is not None:
        _register(registry, recommender, note, quiet=quiet)
    elif out is not None:
        recommender.save(out, force=force)
        say(f"{out}: musicu recommend --recommender {shlex.quote(str(out))} ITEM", quiet=quiet)


def _register(folder: Path, recommender: "Recommender", note: str, *, quiet: bool) -> None:
    from musicu.recommend.lineage import lineage_of
    from musicu.recommend.registry import Registry

    registry = Registry(folder, create=True)
    version = registry.add(recommender, lineage_of(recommender, note=note))
    if registry.champion is None:
        version = registry.promote(version.number)
    way = "served" if version.champion else f"musicu registry promote {folder} {version.number}"
    say(f"{folder}: version {version.number}: {way}", quiet=quiet)
