"""``musicu evaluate``: how good encoders and recommendations are, measured."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musicu.cli import (
    evaluate_fairness,
    evaluate_online,
    evaluate_recommenders,
    evaluate_sessions,
    evaluate_slates,
)
from musicu.cli.options import Format, Quiet, emit, row_output, say
from musicu.cli.style import App

if TYPE_CHECKING:
    from musicu.evaluation.encoders.evaluate import Evaluation
    from musicu.evaluation.encoders.left_out import LeftOut

_MARKED = "+ clearly better, - clearly worse than the one it is compared with"

app = App(name="evaluate", help="How good encoders and recommendations are, measured.")
app.command()(evaluate_recommenders.recommend)
app.command()(evaluate_slates.slates)
app.command()(evaluate_fairness.fairness)
app.command()(evaluate_fairness.privacy)
app.command()(evaluate_online.ab)
app.command("off-policy")(evaluate_online.off_policy)
app.command()(evaluate_online.interleaving)
app.command()(evaluate_sessions.sessions)


def _baselines(names: list[str] | None) -> list[str]:
    from musicu.evaluation.encoders.baselines import BASELINES

    for name in names or ():
        if name not in BASELINES:
            known = ", ".join(map(repr, BASELINES))
            raise typer.BadParameter(f"{name!r} is not one of {known}.")
    return names or []


@app.callback()
def group() -> None:
    """Measure how good encoders and recommendations are."""


@app.command()
@row_output
def encoder(
    labels: Annotated[
        list[Path] | None,
        typer.Option(help="Table of files and labels; several are joined.", metavar="FILE"),
    ] = None,
    collection: Annotated[
        list[str] | None,
        typer.Option(
            help="Instead: NAME=TABLE+TABLE, a whole collection that was left out of training; "
            "several are measured apart, then their mean.",
            metavar="NAME=FILE",
        ),
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(help="Where the files are, if not beside it.", metavar="FOLDER")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A model's name or folder; A+B for two side by side, standardized (A+: one so); "
            "LABEL=MODEL to name it; {fold} or {collection} in a folder's name for one model a "
            "fold or a collection. The default model if none is named.",
            metavar="NAME",
        ),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            help="What to compare with: mfcc, bliss or random.",
            metavar="NAME",
            callback=_baselines,
        ),
    ] = None,
    artist: Annotated[
        str | None,
        typer.Option(help="Column of artists; else artist_group or artist.", metavar="COLUMN"),
    ] = None,
    fold: Annotated[
        str | None,
        typer.Option(
            help='Column of artist-disjoint folds; else fold, if it is there; "" for none.',
            metavar="COLUMN",
        ),
    ] = None,
    single: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of one label a clip; else quadrant, genre, style, vocals, project.",
            metavar="COLUMN",
        ),
    ] = None,
    multi: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of labels joined by '|'; else genres and moods.", metavar="COLUMN"
        ),
    ] = None,
    numeric: Annotated[
        list[str] | None,
        typer.Option(help="Column of numbers; else valence and arousal.", metavar="COLUMN"),
    ] = None,
    track: Annotated[
        str | None,
        typer.Option(
            help="Column of tracks that clips are pieces of; else source_track.", metavar="COLUMN"
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only rows with this value: fold=4.", metavar="COLUMN=VALUE"),
    ] = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Distort clips, too, and see what stays.")
    ] = False,
    clips: Annotated[int, typer.Option(min=1, help="How many clips to distort.")] = 200,
    cost: Annotated[
        bool, typer.Option("--cost", help="Measure parameters, size and CPU time, too.")
    ] = False,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="Compare with this system, or with the best of several; else of all.",
            metavar="LABEL",
        ),
    ] = None,
    ensemble: Annotated[
        str | None,
        typer.Option(help="With --collection: relate all figures to this one.", metavar="LABEL"),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(help="Keep vectors here: a further run embeds what is new.", metavar="FILE"),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Score queries by the labels of this column, too.", metavar="COLUMN"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is drawn at random.")] = 0,
    draws: Annotated[int, typer.Option(min=1, help="Draws of the bootstrap.")] = 2000,
    figure: Annotated[
        Path | None, typer.Option(help="Write an SVG figure, too.", metavar="FILE")
    ] = None,
    quiet: Quiet = False,
    *,
    output: Format,
) -> None:
    """Evaluate encoders: same artist, labels, hubs, intervals, comparisons."""
    from musicu.encoders.registry import DEFAULT_MODEL
    from musicu.errors import MetadataError
    from musicu.evaluation.encoders.dataset import read_tables, select
    from musicu.evaluation.encoders.evaluate import evaluate_encoder
    from musicu.evaluation.encoders.gathered import named_tables, read_collections
    from musicu.evaluation.encoders.left_out import evaluate_left_out
    from musicu.evaluation.encoders.systems import baseline_system, model_system

    if bool(labels) == bool(collection):
        raise typer.BadParameter("name tables: either --labels or --collection")
    for given, option, other in (
        (collection and (audio or fold or by or robustness or cost), "--collection", "--labels"),
        (labels and ensemble, "--labels", "--collection"),
    ):
        if given:
            few = "--audio, --fold, --by, --robustness, --cost" if collection else "--ensemble"
            raise typer.BadParameter(f"{few}: not with {option}, but with {other}")
    if bare := [text for text in only or () if "=" not in text]:
        raise typer.BadParameter(f"{bare[0]!r} is not COLUMN=VALUE", param_hint="--only")
    baselines = [baseline_system(name) for name in baseline or ()]
    names = model or ([] if baselines else [DEFAULT_MODEL])
    systems = [*map(model_system, names), *baselines]
    there = [system.label for system in systems]
    for option, asked in (
        ("--against", against or ()),
        ("--ensemble", [ensemble] * bool(ensemble)),
    ):
        if away := [label for label in asked if label not in there]:
            raise typer.BadParameter(
                f"no system {away[0]!r}; there are {', '.join(there)}", param_hint=option
            )
    columns: dict[str, Any]
    columns = {"artist": artist, "single": single, "multi": multi, "numeric": numeric}
    chosen = [(c, v) for c, _, v in (text.partition("=") for text in only or ())]
    options: dict[str, Any] = {"against": against or (), "seed": seed, "draws": draws}
    table = None if collection else read_tables(labels or ())
    try:
        if table is None:
            named = list(map(named_tables, collection or ()))
            gathered = read_collections(named, **columns, track=track, only=chosen)
        else:
            found = select(table, audio=audio, fold=fold, **columns, track=track, only=chosen)
    except MetadataError as error:
        raise typer.BadParameter(str(error)) from None
    if collection:
        with _measuring(quiet=quiet, cache=cache) as kept:
            results = evaluate_left_out(gathered, systems, ensemble=ensemble, **options, **kept)
        _show_left_out(results, output, figure, quiet=quiet)
        return
    labelled = [*found.single, *found.multi]
    if by is not None and by not in labelled:
        raise typer.BadParameter(
            f"no column of labels {by!r}; there are {', '.join(labelled)}", param_hint="--by"
        )
    with _measuring(quiet=quiet, cache=cache) as kept:
        evaluation = evaluate_encoder(
            found,
            systems,
            by=by,
            robustness=robustness,
            clips=clips,
            cost=cost,
            **options,
            **kept,
        )
    _show(evaluation, output, figure, by=by, quiet=quiet)


@contextmanager
def _measuring(*, quiet: bool, cache: Path | None) -> Iterator[dict[str, Any]]:
    """Open the cache and the bar: what every evaluation of encoders is given."""
    from musicu.cli.progress import task_bar
    from musicu.evaluation.encoders.vector_cache import VectorCache

    with ExitStack() as opened:
        vectors = None if cache is None else opened.enter_context(VectorCache(cache))
        bar = opened.enter_context(task_bar("clips", "bar", "count", "left", quiet=quiet))

        def advance(done: int, whole: int) -> None:
            if bar:
                bar(completed=done, total=whole)

        yield {"cache": vectors, "progress": advance}


def _show(
    evaluation: "Evaluation", output: Format, figure: Path | None, *, by: str | None, quiet: bool
) -> None:
    """Write the results of one collection."""
    from musicu.reports.encoder_figure import encoder_figure

    if output in (Format.JSON, Format.NL):
        emit([evaluation.to_dict()], output)
    elif output is Format.TABLE:
        shown = "metric system value low high against difference verdict".split()
        if by is not None:
            shown.insert(1, "group")
        emit([row for row in evaluation.rows() if row["fold"] is None], output, table=shown)
        typer.echo()
        emit(evaluation.summary(), output)
        say(_MARKED, quiet=quiet)
    else:
        emit(evaluation.rows(), output)
    _draw(figure, lambda: encoder_figure(evaluation))
    say(f"{evaluation.clips:,} clips by {evaluation.artists:,} artists", quiet=quiet)
    for note in evaluation.notes:
        say(note, quiet=quiet)
    for path, reason in evaluation.skipped:
        say(f"skipped: {path}: {reason}")


def _show_left_out(results: "LeftOut", output: Format, figure: Path | None, *, quiet: bool) -> None:
    """Write the results of collections left out."""
    from musicu.reports.left_out_figure import left_out_figure

    if output in (Format.JSON, Format.NL):
        emit([results.to_dict()], output)
    elif output is Format.TABLE:
        for title, rows in results.tables():
            typer.echo(title)
            columns = dict.fromkeys(column for row in rows for column in row)
            emit(rows, output, table=columns)
            typer.echo()
        say(_MARKED, quiet=quiet)
    else:
        emit(results.rows(), output)
    _draw(figure, lambda: left_out_figure(results))
    for note in results.notes:
        say(note, quiet=quiet)
    for evaluation in results.evaluations.values():
        for path, reason in evaluation.skipped:
            say(f"skipped: {path}: {reason}")


def _draw(figure: Path | None, draw: Callable[[], str]) -> None:
    from musicu.files import written_file

    if figure is not None:
        with written_file(figure, encoding="utf-8") as file:
            file.write(draw())
