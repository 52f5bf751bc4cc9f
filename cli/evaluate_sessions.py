"""``musicu evaluate sessions``: how well what comes next is told."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicu.cli.inputs import ItemColumns, ItemVectors
from musicu.cli.options import Format, Quiet, emit, row_output, say

if TYPE_CHECKING:
    from musicu.sequences.contents import Contents
    from musicu.sequences.plays import Plays

__all__ = ["PlayLog", "SessionItems", "read_sessions", "sessions"]

PlayLog = Annotated[
    Path,
    typer.Argument(
        help="Who played what, when: columns user, item (or artist, title), time, session, span.",
        metavar="PLAYS",
    ),
]
SessionItems = Annotated[
    Path | None,
    typer.Option(
        "--items",
        help="What is known of the items, one a row: id (or track), tags, artist; else the plays.",
        metavar="FILE",
    ),
]


class Split(StrEnum):
    """What is asked about."""

    TIME = "time"


def read_sessions(
    log: Path, items: Path | None, columns: list[str] | None, vectors: Path | None, *, quiet: bool
) -> "tuple[Plays, Contents]":
    """Read plays, and what is known of their items; say how much it is."""
    from musicu.items.table import parse_schema
    from musicu.sequences.contents import read_contents
    from musicu.sequences.plays import read_plays

    plays = read_plays(log)
    contents = read_contents(items, plays, schema=parse_schema(columns or ()), vectors=vectors)
    say(f"{plays}\n{contents}", quiet=quiet)
    return plays.renumbered(contents.items.ids), contents


@row_output
def sessions(
    log: PlayLog,
    items: SessionItems = None,
    column: ItemColumns = None,
    audio: ItemVectors = None,
    split: Annotated[
        Split,
        typer.Option(
            help="time: the last span is asked about, the one before it chooses settings.",
            metavar="WAY",
        ),
    ] = Split.TIME,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            help="A folder that 'musicu fit sessions --leave-out 1' made, to be compared.",
            metavar="FOLDER",
        ),
    ] = None,
    positions: Annotated[
        int, typer.Option(min=0, help="Ask so many questions, drawn by the seed; 0 is all.")
    ] = 4000,
    tuned_on: Annotated[
        int, typer.Option(min=1, help="Questions by which each baseline's settings are chosen.")
    ] = 1000,
    draws: Annotated[int, typer.Option(min=10, help="Draws of the bootstrap.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn at random.")] = 0,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Test how well what comes next in sessions is told, against baselines that are tuned."""
    from musicu.cli.progress import task_bar
    from musicu.evaluation.sessions.evaluate import evaluate_sessions

    assert split is Split.TIME
    plays, contents = read_sessions(log, items, column, audio, quiet=quiet)
    with task_bar("rankings", "bar", "count", "left", quiet=quiet) as update:
        found = evaluate_sessions(
            plays,
            contents,
            models=_models(model or [], plays),
            positions=positions or None,
            tuned_on=tuned_on,
            draws=draws,
            seed=seed,
            progress=update and (lambda done, total: update(completed=done, total=total)),
        )
    if output in (Format.JSON, Format.NL):
        emit([found.to_dict()], output)
    elif output is Format.TABLE:
        for metric in ("ndcg@20", "hr@20", "mrr@20"):
            rows = found.summary(metric)
            typer.echo(metric)
            emit([_groups(row, found.shares) for row in rows], output)
            typer.echo()
        emit([_lists(row, found.shares) for row in rows], output)
        typer.echo()
        said = {
            name: ", ".join(f"{k} {v}" for k, v in s.items()) for name, s in found.settings.items()
        }
        emit([{"system": name, "settings": text or "usual"} for name, text in said.items()], output)
        say(
            f"+ clearly better, - clearly worse than {found.against} (NDCG@20; tests corrected)",
            quiet=quiet,
        )
    else:
        emit(found.rows(), output)
    say(
        f"{found.positions:,} questions of {found.listeners:,} listeners, {found.items:,} items "
        f"ranked; {found.split}",
        quiet=quiet,
    )
    for note in found.notes:
        say(note, quiet=quiet)


def _groups(row: dict[str, Any], shares: dict[str, float]) -> dict[str, Any]:
    return {name: row[name] for name in ("system", *shares)}


def _lists(row: dict[str, Any], shares: dict[str, float]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in shares}


def _told(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in settings.items()) or "usual"


def _models(folders: list[Path], plays: "Plays") -> "dict[str, Any]":
    """Return what makes rankers of models, which must not know the span that is asked about.

    Raises
    ------
    ModelError
        One does.
    """
    from musicu.errors import ModelError
    from musicu.sequences.storage import load_session_model

    begins = plays.within(plays.spans - 1).time.min(initial=float("inf"))
    found = {}
    for folder in folders:
        model = load_session_model(folder)
        if model.until >= begins:
            raise ModelError(
                f"{folder}: knows plays of the span that is asked about: fit it with --leave-out 1"
            )
        found[folder.name] = lambda _, contents, model=model: model.ranker(contents)
    return found
