"""``musicu evaluate``: how good encoders and recommendations are, measured."""

from pathlib import Path
from typing import Annotated

import typer

from musicu.cli import evaluate_recommenders
from musicu.cli.options import Format, Quiet, emit, row_output, say

app = typer.Typer(help="How good encoders and recommendations are, measured.", no_args_is_help=True)
app.command()(evaluate_recommenders.recommend)
app.command()(evaluate_recommenders.ab)


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
        list[Path],
        typer.Option(help="Table of files and labels; several are joined.", metavar="FILE"),
    ],
    audio: Annotated[
        Path | None, typer.Option(help="Where the files are, if not beside it.", metavar="DIR")
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="A model's name or folder; A+B for two side by side; LABEL=MODEL to name it; "
            "{fold} in a folder's name for one model a fold. The default model if none is named.",
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
        typer.Option(help="Column of one label a clip; else quadrant.", metavar="COLUMN"),
    ] = None,
    multi: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of labels joined by '|'; else genres and moods.", metavar="COLUMN"
        ),
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
    from musicu.catalog.ingest_summary import Progress, Summary
    from musicu.cli.progress import progress_bar
    from musicu.encoders.registry import DEFAULT_MODEL
    from musicu.errors import MetadataError
    from musicu.evaluation.encoders.dataset import read_tables, select
    from musicu.evaluation.encoders.evaluate import evaluate_encoder
    from musicu.evaluation.encoders.systems import baseline_system, model_system

    if bare := [text for text in only or () if "=" not in text]:
        raise typer.BadParameter(f"{bare[0]!r} is not COLUMN=VALUE", param_hint="--only")
    baselines = [baseline_system(name) for name in baseline or ()]
    names = model or ([] if baselines else [DEFAULT_MODEL])
    systems = [*map(model_system, names), *baselines]
    there = [system.label for system in systems]
    if away := [label for label in against or () if label not in there]:
        raise typer.BadParameter(
            f"no system {away[0]!r}; there are {', '.join(there)}", param_hint="--against"
        )
    table = read_tables(labels)
    try:
        collection = select(
            table,
            audio=audio,
            artist=artist,
            fold=fold,
            single=single,
            multi=multi,
            track=track,
            only=[(c, v) for c, _, v in (text.partition("=") for text in only or ())],
        )
    except MetadataError as error:
        raise typer.BadParameter(str(error)) from None
    columns = [*collection.single, *collection.multi]
    if by is not None and by not in columns:
        raise typer.BadParameter(
            f"no column of labels {by!r}; there are {', '.join(columns)}", param_hint="--by"
        )
    with progress_bar(quiet=quiet) as bar:

        def advance(done: int, whole: int) -> None:
            if bar:
                bar(Progress(done, whole, done, whole, Summary()))

        evaluation = evaluate_encoder(
            collection,
            systems,
            against=against or (),
            by=by,
            robustness=robustness,
            clips=clips,
            cost=cost,
            seed=seed,
            draws=draws,
            progress=advance,
        )
    if output in (Format.JSON, Format.NL):
        emit([evaluation.to_dict()], output)
    elif output is Format.TABLE:
        shown = "metric system value low high against difference verdict".split()
        if by is not None:
            shown.insert(1, "group")
        emit([row for row in evaluation.rows() if row["fold"] is None], output, table=shown)
        typer.echo()
        emit(evaluation.summary(), output)
        say("+ clearly better, - clearly worse than the one it is compared with", quiet=quiet)
    else:
        emit(evaluation.rows(), output)
    if figure is not None:
        from musicu.files import written_file
        from musicu.reports.encoder_figure import encoder_figure

        with written_file(figure, encoding="utf-8") as file:
            file.write(encoder_figure(evaluation))
    say(f"{evaluation.clips:,} clips by {evaluation.artists:,} artists", quiet=quiet)
    for note in evaluation.notes:
        say(note, quiet=quiet)
    for path, reason in evaluation.skipped:
        say(f"skipped: {path}: {reason}")
