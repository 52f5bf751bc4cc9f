"""``musicu train``: encoders of one's own."""

import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from musicu.cli.options import Quiet, say
from musicu.cli.style import App

if TYPE_CHECKING:
    from musicu.training import Progress

app = App(name="train", help="Train on your own library.")

_SHOWN = 5


@app.callback()
def root() -> None:
    """Train on your own library; needs the extra musicu[train]."""


@app.command()
def encoder(
    audio: Annotated[
        list[str],
        typer.Option(help="Folder; FOLDER=.55 draws that share of the windows.", metavar="FOLDER"),
    ],
    out: Annotated[Path, typer.Option(help="The model folder to make.", metavar="FOLDER")],
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            help="Model to learn from: a name or folder, with :OUTPUT+OUTPUT for its outputs.",
            metavar="MODEL",
        ),
    ] = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(help="Table of labels; one without files is joined to the one before."),
    ] = None,
    artist: Annotated[str | None, typer.Option(help="Column of the artist.")] = None,
    single: Annotated[
        list[str] | None, typer.Option(help="Column of one label.", metavar="COLUMN")
    ] = None,
    multi: Annotated[
        list[str] | None, typer.Option(help="Column of labels joined by |.", metavar="COLUMN")
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(
            help="Folder for what was heard and the checkpoint; else OUT.work.", metavar="FOLDER"
        ),
    ] = None,
    hold_out: Annotated[
        str, typer.Option(help="Share of the clips not to train on, or a file of their names.")
    ] = "0.1",
    windows: Annotated[int, typer.Option(min=1, help="Windows to show in all.")] = 400_000,
    dim: Annotated[int, typer.Option(min=1, help="Length of an embedding.")] = 256,
    whiten: Annotated[
        float, typer.Option(min=0, max=1, help="0 keeps the teachers' geometry, 1 evens it.")
    ] = 0.5,
    views: Annotated[int, typer.Option(min=0, help="Altered versions of each clip.")] = 1,
    mix: Annotated[
        float, typer.Option(min=0, max=1, help="Share of windows that another is mixed into.")
    ] = 0.0,
    dropout: Annotated[
        float, typer.Option(min=0, help="Share of pooled features left out at random.")
    ] = 0.0,
    batch: Annotated[int, typer.Option(min=2, help="Clips a step, two windows each.")] = 64,
    lr: Annotated[float, typer.Option(help="Highest learning rate.")] = 2e-3,
    flat: Annotated[
        bool, typer.Option("--flat", help="Keep the rate: for a run that others start from.")
    ] = False,
    targets: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of --audio that shapes the space; else all.", metavar="FOLDER"),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            help="Work folder or checkpoint of another run, or a model like it.", metavar="PATH"
        ),
    ] = None,
    timbre: Annotated[
        float, typer.Option(min=0, help="Share of plain timbre beside a distilled space; try .4.")
    ] = 0.0,
    axes: Annotated[
        list[str] | None,
        typer.Option(
            help="Column of several labels to weigh more among neighbors.", metavar="COLUMN"
        ),
    ] = None,
    no_refine: Annotated[
        bool, typer.Option("--no-refine", help="Let labels not move a distilled space.")
    ] = False,
    fast_teachers: Annotated[
        bool,
        typer.Option("--fast-teachers", help="Run teachers in OpenVINO, if it is installed."),
    ] = False,
    patience: Annotated[
        int, typer.Option(min=0, help="Stop after so many evaluations without gain; 0: never.")
    ] = 0,
    every: Annotated[int, typer.Option(min=1, help="Steps between evaluations.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of everything drawn at random.")] = 0,
    jobs: Annotated[int, typer.Option("-j", "--jobs", min=1, help="Files heard at a time.")] = 2,
    threads: Annotated[int, typer.Option(min=1, help="Threads that train.")] = 1,
    id: Annotated[str | None, typer.Option(help="The model's id; else the folder's name.")] = None,
    version: Annotated[str, typer.Option(help="The model's version.")] = "1",
    license: Annotated[str, typer.Option(help="Licence of the weights.")] = "not stated",
    description: Annotated[str, typer.Option(help="One line on the model.")] = "",
    training_data: Annotated[
        list[str] | None, typer.Option(help="A line of the card on the audio.", metavar="LINE")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Distil encoders into a small, fast one on your music, or train it from labels."""
    from musicu.training import Recipe, Refinement, train_encoder

    recipe = Recipe(
        dim=dim,
        windows=windows,
        batch=batch,
        lr=lr,
        flat=flat,
        whiten=whiten,
        views=views,
        mix=mix,
        dropout=dropout,
        every=every,
        patience=patience,
        seed=seed,
    )
    try:
        with _telling(quiet=quiet) as tell:
            trained = train_encoder(
                audio,
                out,
                teachers=teacher or (),
                labels=labels or (),
                artist=artist,
                single=single or None,
                multi=multi or None,
                work=work,
                hold_out=hold_out,
                recipe=recipe,
                targets=targets or (),
                start_from=start_from,
                refinement=None if no_refine else Refinement(axes=tuple(axes or ())),
                timbre=timbre,
                fast_teachers=fast_teachers,
                jobs=jobs,
                threads=threads,
                id=id,
                version=version,
                license=license,
                description=description,
                training_data=training_data or (),
                command=shlex.join(["musicu", *sys.argv[1:]]),
                progress=tell,
            )
    except KeyboardInterrupt:
        say("stopped; what is done is kept, the same command goes on", quiet=quiet)
        raise typer.Exit(130) from None
    for path, reason in list(trained.skipped.items())[:_SHOWN]:
        say(f"not used: {path}: {reason}", quiet=quiet)
    if len(trained.skipped) > _SHOWN:
        rest = len(trained.skipped) - _SHOWN
        say(f"... and {rest:,} more: {trained.work / 'skipped.csv'}", quiet=quiet)
    held = "".join(f"; {name} {value:.3f}" for name, value in trained.figures.items())
    say(f"{trained.clips:,} clips, {trained.clips_held_out:,} of them held out{held}", quiet=quiet)
    say(f"{out}: musicu embed --model {shlex.quote(str(out))} FOLDER", quiet=quiet)


@app.command()
def join(
    models: Annotated[
        list[str], typer.Argument(help="Models to join: names or folders.", metavar="MODEL")
    ],
    audio: Annotated[
        list[str],
        typer.Option(help="Folder of music that the joined space is fitted to.", metavar="FOLDER"),
    ],
    out: Annotated[Path, typer.Option(help="The model folder to make.", metavar="FOLDER")],
    dim: Annotated[int, typer.Option(min=1, help="Length of an embedding.")] = 256,
    whiten: Annotated[
        float, typer.Option(min=0, max=1, help="0 keeps the models' geometry, 1 evens it.")
    ] = 0.2,
    treble_axes: Annotated[
        int, typer.Option(min=0, help="Directions to leave out in which lost treble moves vectors.")
    ] = 0,
    most_windows: Annotated[
        int | None, typer.Option(min=2, help="Windows of a longer track to hear, at most.")
    ] = None,
    most_clips: Annotated[
        int, typer.Option(min=20, help="Clips to fit it to; of more, so many are drawn.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the drawing.")] = 0,
    id: Annotated[str | None, typer.Option(help="The model's id; else the folder's name.")] = None,
    version: Annotated[str, typer.Option(help="The model's version.")] = "1",
    license: Annotated[str, typer.Option(help="Licence of the weights.")] = "not stated",
    description: Annotated[str, typer.Option(help="One line on the model.")] = "",
    quiet: Quiet = False,
) -> None:
    """Join encoders that hear the same windows to one, which hears what each of them does."""
    from musicu.training import Progress, join_models

    with _telling(quiet=quiet) as tell:
        join_models(
            models,
            out,
            audio=audio,
            dim=dim,
            whiten=whiten,
            treble_axes=treble_axes,
            most_windows=most_windows,
            most_clips=most_clips,
            seed=seed,
            id=id,
            version=version,
            license=license,
            description=description,
            progress=tell and (lambda done, total: tell(Progress("hear", done, total))),
        )
    say(f"{out}: musicu embed --model {shlex.quote(str(out))} FOLDER", quiet=quiet)


@contextmanager
def _telling(*, quiet: bool) -> Iterator["Callable[[Progress], None] | None"]:
    """Show a bar to whoever watches; write a line for each evaluation to all."""
    if quiet:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from musicu.cli.progress import EVERY, duration

    watched = sys.stderr.isatty()
    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not watched,
    )
    names = {"hear": "hearing", "train": "training"}
    begun: dict[str, tuple[float, int]] = {}
    tasks: dict[str, TaskID] = {}
    told = [time.monotonic()]

    def due() -> bool:
        return bool(time.monotonic() - told[-1] >= EVERY)

    def tell(progress: "Progress") -> None:
        stage, done, total = progress.stage, progress.done, progress.total
        since, first = begun.setdefault(stage, (time.monotonic(), done))
        if stage not in tasks:
            for task in tasks.values():
                bar.remove_task(task)
            tasks[stage] = bar.add_task(names[stage], total=total)
        bar.update(tasks[stage], completed=done, total=total)
        left = "?"
        if done > first:
            left = duration((time.monotonic() - since) / (done - first) * (total - done))
        if progress.loss is not None:
            held = progress.held_out
            figure = "" if held is None or held != held else f", held out {held:.3f}"
            say(f"step {done:,} of {total:,}: loss {progress.loss:.3f}{figure}, {left} left")
        elif stage == "hear" and not watched and (due() or done == total):
            told.append(time.monotonic())
            say(f"heard {done:,} of {total:,} versions of clips, {left} left")

    with bar:
        yield tell
