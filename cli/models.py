"""``musicu models``: the encoders at hand."""

from pathlib import Path
from typing import Annotated

import typer

from musicu.cli.options import Csv, Format, Json, Nl, Tsv, chosen, emit, say

app = typer.Typer(help="The encoders at hand.", no_args_is_help=True)


@app.command("list")
def list_models(json: Json = False, nl: Nl = False, csv: Csv = False, tsv: Tsv = False) -> None:
    """List the models that can be used by name."""
    form = chosen(json=json, nl=nl, csv=csv, tsv=tsv)
    from musicu.model import list_models as installed

    emit(
        (model.to_dict() for model in installed()),
        form,
        table=["id", "version", "dim", "megabytes", "license", "description"],
    )


@app.command()
def info(
    name: Annotated[str, typer.Argument(help="A model's name or folder.")],
    json: Json = False,
    nl: Nl = False,
    csv: Csv = False,
    tsv: Tsv = False,
) -> None:
    """Show what a model is, and what it was made from."""
    form = chosen(json=json, nl=nl, csv=csv, tsv=tsv)
    from musicu.model import find_model

    entry = find_model(name).to_dict()
    if form is Format.TABLE:
        emit([{"what": k, "value": v} for k, v in entry.items()], form)
    else:
        emit([entry], form)


@app.command()
def add(
    folder: Annotated[
        Path, typer.Argument(help="Folder with config.json, encoder.onnx and README.md.")
    ],
) -> None:
    """Install somebody's model: proves that it runs, then copies it to your models."""
    from musicu.model import install_model

    model = install_model(folder)
    say(f"{model.name} is installed: musicu embed --model {model.id} FOLDER")
