"""``musicu evaluate recommend``: do recommendations reach people."""

import datetime
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
    pairs,
)
from musicu.cli.options import Catalog, Format, Quiet, emit, row_output, say
from musicu.cli.reports import Report, check_report, provenance, write_report

if TYPE_CHECKING:
    from musicu.evaluation.recommenders.splits import Protocol
    from musicu.items.table import Source

_MADE_UP = "The listening is simulated: no figure here says anything of people."


class By(StrEnum):
    """What is held out together."""

    ARTIST = "artist"
    ALBUM = "album"
    TIME = "time"


class Candidates(StrEnum):
    """What is ranked."""

    NEW = "new"
    ALL = "all"


@row_output
def recommend(
    log: Log,
    catalog: Catalog = None,
    items: ItemTable = None,
    column: ItemColumns = None,
    audio: ItemVectors = None,
    vectors: Annotated[
        list[str] | None,
        typer.Option(help="More vectors to compare with: mfcc=mfcc.npz.", metavar="NAME=FILE"),
    ] = None,
    protocol: Annotated[
        By | None,
        typer.Option(help="What is new: whole artists, whole albums, or what came out --since."),
    ] = None,
    fold: Annotated[
        str | None,
        typer.Option(help="Column of --items: each value is new once.", metavar="COLUMN"),
    ] = None,
    since: Annotated[
        datetime.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="New is what was first played from this day on."),
    ] = None,
    until: Annotated[
        datetime.datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Leave out what happened from this day on."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How often all is done.")] = 5,
    folds: Annotated[int, typer.Option(min=2, help="Parts of the artists, or albums.")] = 5,
    each: Annotated[
        int | None,
        typer.Option(
            min=1, help="Test so many folds a seed only: --seeds 20 --each 1.", metavar="N"
        ),
    ] = None,
    hidden: Annotated[
        float,
        typer.Option(
            min=0, max=0.9, help="Share of what listeners played of known items that is hidden."
        ),
    ] = 0.2,
    candidates: Annotated[
        Candidates,
        typer.Option(help="Rank new items among new ones, or among all that are described."),
    ] = Candidates.NEW,
    unknown: UnknownItems = Unknown.ERROR,
    duplicates: DuplicateRows = Duplicates.ERROR,
    salt_file: SaltFile = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="Choose settings inside each training part.")
    ] = False,
    parts: Annotated[
        bool,
        typer.Option(
            help="Measure the recommender without each of its parts, too: the longer part."
        ),
    ] = True,
    report: Report = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Test how new items find their listeners, against baselines and without each part."""
    if items is not None and catalog is not None:
        raise typer.BadParameter("choose one: --catalog or --items")
    if items is None and (column or audio or fold):
        raise typer.BadParameter("--column, --audio and --fold describe --items: name them")
    if fold is not None and protocol is not None:
        raise typer.BadParameter("choose one: --fold or --protocol")
    if (protocol is By.TIME) != (since is not None):
        raise typer.BadParameter("--protocol time and --since need each other")
    if until is not None and (since is None or until <= since):
        raise typer.BadParameter("--until is a day after --since")
    spaces = list(pairs(vectors, "--vectors", "NAME=FILE"))
    from musicu.cli.progress import task_bar
    from musicu.evaluation.recommenders.evaluate import evaluate_recommend
    from musicu.items.vectors import join_vectors, read_vectors
    from musicu.reports.recommender_page import evaluation_page

    check_report(report)
    known, names, source = named_items(
        catalog, items, column or [], audio, quiet=quiet, unused="columns not used as content"
    )
    interactions = matched_log(
        log, names, salt_file=salt_file, duplicates=duplicates, unknown=unknown, quiet=quiet
    )
    with task_bar("splits", "bar", "count", "left", quiet=quiet) as update:
        evaluation = evaluate_recommend(
            interactions,
            known,
            protocol=_protocol(protocol, (folds, hidden, each), since, until, source, items, fold),
            seeds=seeds,
            others={n: join_vectors(known, *read_vectors(f)).audio for n, f in spaces},
            candidates=candidates.value,
            tune=tune,
            parts=parts,
            progress=update and (lambda done, total: update(completed=done, total=total)),
        )
    if _simulated(log):
        evaluation = replace(evaluation, notes=(_MADE_UP, *evaluation.notes))
    if output in (Format.JSON, Format.NL):
        emit([evaluation.to_dict()], output)
    elif output is Format.TABLE:
        say("Whole lists: the first 20 of all that a listener does not know.", quiet=quiet)
        emit(evaluation.summary(), output)
        say("New among new: the new items alone, ranked for each listener.", quiet=quiet)
        emit(evaluation.summary(among_new=True), output)
        say("+ clearly better, - clearly worse than musicu, tests corrected", quiet=quiet)
    else:
        emit(evaluation.rows(), output)
    say(
        f"{evaluation.asked:,} listeners, {evaluation.cold:,} new items, {evaluation.splits:,} "
        f"splits: {evaluation.protocol}",
        quiet=quiet,
    )
    for note in evaluation.notes:
        say(note, quiet=quiet)
    write_report(report, lambda: evaluation_page(evaluation, provenance()))


def _protocol(
    by: By | None,
    parts: tuple[int, float, int | None],
    since: datetime.datetime | None,
    until: datetime.datetime | None,
    source: "Source | None",
    items: Path | None,
    fold: str | None,
) -> "Protocol":
    from musicu.evaluation.recommenders.splits import FoldProtocol, TimeProtocol
    from musicu.items.table import read_column

    if since is not None:
        ends = [
            None if t is None else t.replace(tzinfo=datetime.UTC).timestamp()
            for t in (since, until)
        ]
        assert ends[0] is not None
        return TimeProtocol(ends[0], ends[1])
    if fold is not None and source is not None and items is not None:
        return FoldProtocol(read_column(items, source, fold), *parts)
    return FoldProtocol("album" if by is By.ALBUM else "artist", *parts)


def _simulated(log: Path) -> bool:
    """Whether a log is one that 'musicu simulate' wrote."""
    from musicu.metadata.tables import Table

    return "simulated" in Table.open(log, "simulated".__eq__).columns
