"""``musicu models``: the encoders at hand."""

import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from musicu.cli.options import Format, emit, row_output, say
from musicu.cli.style import App

app = App(name="models", help="The encoders at hand.")

# Sections of a card that are shown before and after the config's entries.
_BEFORE = re.compile(r"(intended )?uses?", re.IGNORECASE)
_AFTER = re.compile(r".*(confuse|fail|limit).*", re.IGNORECASE)


@app.command("list")
@row_output
def list_models(*, output: Format) -> None:
    """List the models that can be used by name."""
    from musicu.encoders.registry import broken_models
    from musicu.encoders.registry import list_models as installed

    rows: list[dict[str, Any]] = [{**model.to_dict(), "fault": None} for model in installed()]
    for broken in broken_models():
        told = {"folder": str(broken.folder), "fault": str(broken.fault)}
        rows.append(dict.fromkeys(rows[0]) | {"id": broken.folder.name} | told)
    columns = ["id", "version", "dim", "megabytes", "license", "description"]
    emit(rows, output, table=[*columns, *(["fault"] if rows[-1]["fault"] else [])])


@app.command()
@row_output
def info(
    name: Annotated[str, typer.Argument(help="A model's name or folder.")],
    *,
    output: Format,
) -> None:
    """Show what a model is for, what it was made from, how good it is and where it fails."""
    from musicu.encoders.registry import find_model

    model = find_model(name)
    entry = model.to_dict()
    if output is not Format.TABLE:
        emit([{**entry, "card": model.card}], output)
        return
    del entry["tags"], entry["figures"]
    kinds = Counter(tag.kind for tag in model.tags)
    entry["tags"] = [f"{count} {kind}" for kind, count in kinds.items()] or "none"
    card = re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", " ", model.card)  # no terminal's escapes
    start, *sections = re.split(r"^## +(.+?) *$", card, flags=re.MULTILINE)
    titled = list(zip(sections[::2], sections[1::2], strict=True))
    first = re.sub(r"^# .*", "", start).strip().split("\n\n")[0]
    for text in (first, *(text for title, text in titled if _BEFORE.fullmatch(title))):
        typer.echo(text.strip() + "\n")
    rows = [
        {"what": what, "value": value}
        for what, values in entry.items()
        for value in (values if what == "training_data" else [values])
    ]
    emit(rows, output)
    if model.figures:
        typer.echo()
        emit(_figures(model.figures), output)
    for title, text in titled:
        if _AFTER.fullmatch(title):
            typer.echo(f"\n{title}: {text.strip()}")


def _figures(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Make rows of figures; one that is an object has a column for each of its entries."""
    rows = [
        {"figure": name, **(value if isinstance(value, dict) else {"value": value})}
        for name, value in figures.items()
    ]
    columns = dict.fromkeys(column for row in rows for column in row)
    return [{column: row.get(column) for column in columns} for row in rows]


@app.command()
def add(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Folder with config.json, encoder.onnx and README.md.", metavar="FOLDER"
        ),
    ],
) -> None:
    """Install somebody's model: proves that it runs, then copies it to your models."""
    from musicu.encoders.install import install_model

    model = install_model(folder)
    say(f"{model.name} is installed: musicu embed --model {model.id} FOLDER")
