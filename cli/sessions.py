"""``musicu fit sessions`` and ``musicu next``: what comes next in a session."""

import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicu.cli.evaluate_sessions import PlayLog, SessionItems, read_sessions
from musicu.cli.inputs import ItemColumns, ItemVectors
from musicu.cli.options import Format, Quiet, emit, row_output, say

if TYPE_CHECKING:
    from musicu.sequences.model import SessionModel
    from musicu.training.sessions import SessionProgress


class Kind(StrEnum):
    """What is fitted."""

    AUTO = "auto"
    NETWORK = "network"
    RULE = "rule"


class Part(StrEnum):
    """What a network can do without."""

    CONTEXT = "context"
    DELTA = "delta"


def fit_sessions(
    log: PlayLog,
    out: Annotated[Path, typer.Option(help="Folder for the model.", metavar="FOLDER")],
    items: SessionItems = None,
    column: ItemColumns = None,
    audio: ItemVectors = None,
    model: Annotated[
        Kind,
        typer.Option(
            help="A network (needs the extra musicu[train]), the rule without learning, or "
            "whichever tells the last span better."
        ),
    ] = Kind.AUTO,
    leave_out: Annotated[
        int,
        typer.Option(
            min=0, help="Spans at the end not to look at: 1 for 'musicu evaluate sessions'."
        ),
    ] = 0,
    vectors: Annotated[
        bool,
        typer.Option(
            "--vectors", help="Let the network add a dot product with the items' vectors, too."
        ),
    ] = False,
    without: Annotated[
        list[Part] | None, typer.Option(help="A part of the network to do without.")
    ] = None,
    dim: Annotated[int, typer.Option(min=2, help="Of the network; an even number.")] = 64,
    blocks: Annotated[int, typer.Option(min=1, help="Layers of the network.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="How often all is shown, at most.")] = 6,
    work: Annotated[
        Path | None,
        typer.Option(help="Keep checkpoints here, to go on if it is stopped.", metavar="FOLDER"),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads that train.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn at random.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace a model that is there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Fit a model of what comes next in sessions, from plays and what is known of their items."""
    from musicu.errors import RecommenderError
    from musicu.sequences.storage import check_session_folder, save_session_model

    check_session_folder(out, force=force)
    plays, contents = read_sessions(log, items, column, audio, quiet=quiet)
    if leave_out >= plays.spans:
        raise RecommenderError(f"{log}: of {plays.spans} spans, {leave_out} cannot be left out")
    plays = plays.before(plays.spans - leave_out)
    if model is Kind.RULE:
        from musicu.sequences.model import SessionModel

        fitted = SessionModel.fit(plays, contents, seed=seed)
    else:
        fitted = _trained(
            plays=plays,
            contents=contents,
            kind=model,
            work=work,
            threads=threads,
            quiet=quiet,
            recipe={
                "dim": dim,
                "blocks": blocks,
                "epochs": epochs,
                "vectors": vectors,
                "without": tuple(part.value for part in without or ()),
                "seed": seed,
            },
        )
    save_session_model(fitted, out, force=force)
    told = ", ".join(f"{name} {value:.3f}" for name, value in fitted.figures.items())
    say(f"NDCG@20 on the last span: {told}; kept: {fitted}", quiet=quiet)
    say(f"{out}: musicu next --model {shlex.quote(str(out))} --session ID,ID", quiet=quiet)


def _trained(
    *, kind: Kind, quiet: bool, recipe: dict[str, object], **given: object
) -> "SessionModel":
    from musicu.training.session_run import SessionRecipe
    from musicu.training.sessions import fit_sessions

    try:
        with _telling(quiet=quiet) as tell:
            return fit_sessions(
                **given,  # type: ignore[arg-type]
                model=kind.value,
                recipe=SessionRecipe(**recipe),  # type: ignore[arg-type]
                progress=tell,
            )
    except KeyboardInterrupt:
        say("stopped; with --work the same command goes on", quiet=quiet)
        raise typer.Exit(130) from None


@contextmanager
def _telling(*, quiet: bool) -> Iterator["Callable[[SessionProgress], None] | None"]:
    """Write a line for each report of a training, with the time left of its stage."""
    if quiet:
        yield None
        return
    from musicu.cli.progress import duration

    begun: dict[str, tuple[float, int]] = {}

    def tell(progress: "SessionProgress") -> None:
        since, first = begun.setdefault(progress.stage, (time.monotonic(), progress.done))
        passed, done = time.monotonic() - since, progress.done - first
        left = duration(passed / done * (progress.total - progress.done)) if done else "?"
        judged = "" if progress.ndcg is None else f", NDCG@20 {progress.ndcg:.3f}"
        say(
            f"{progress.stage}: step {progress.done:,} of {progress.total:,}, "
            f"loss {progress.loss:.3f}{judged}, {left} left"
        )

    yield tell


@row_output
def next_items(
    model: Annotated[
        Path, typer.Option("--model", help="That 'musicu fit sessions' made.", metavar="FOLDER")
    ],
    session: Annotated[
        str | None,
        typer.Option(help="What was played, the latest last: ids with commas.", metavar="IDS"),
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="Instead: plays, for --user.", metavar="PLAYS")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Whose latest session of --log.")] = None,
    now: Annotated[
        float | None,
        typer.Option(help="When it is asked, in seconds since 1970 (UTC); else unknown."),
    ] = None,
    n: Annotated[int, typer.Option("-n", min=0, help="How many.")] = 20,
    *,
    output: Format,
) -> None:
    """Tell what comes next in a session, and because of which plays."""
    if (session is None) == (log is None) or (log is None) != (user is None):
        raise typer.BadParameter("name --session, or --log with --user")
    from musicu.sequences.storage import load_session_model

    loaded = load_session_model(model)
    played: list[str] = [id.strip() for id in (session or "").split(",") if id.strip()]
    times: list[float] | None = None
    if log is not None and user is not None:
        played, times = _latest(log, user)
    rows = [asdict(one) for one in loaded.next(played, n, times=times, now=now)]
    if output is Format.TABLE:
        for row in rows:
            row["because"] = ", ".join(f"{id} {value:.2f}" for id, value in row["because"])
    emit(rows, output)


def _latest(log: Path, user: str) -> tuple[list[str], list[float]]:
    """Return the plays of a user's latest session, and when they began."""
    import numpy as np

    from musicu.errors import RecommenderError
    from musicu.sequences.plays import read_plays

    plays = read_plays(log)
    if user not in plays.users:
        raise RecommenderError(f"{log}: the user that was named plays nothing there")
    own = np.flatnonzero(plays.user == plays.users.index(user))
    last = own[plays.session[own] == plays.session[own[-1]]]
    return [plays.items[item] for item in plays.item[last]], plays.time[last].tolist()
