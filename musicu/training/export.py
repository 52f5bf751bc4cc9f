"""The model folder that comes out: graph, config, card and curves."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from musicu.audio.mel import LogMel
from musicu.training.network import Student

__all__ = ["card", "export"]

_OPSET = 17


def export(student: Student, folder: Path, front_end: LogMel, config: Mapping[str, Any]) -> None:
    """Write ``encoder.onnx`` and ``config.json``.

    Parameters
    ----------
    student : Student
        The network.
    folder : Path
        The model folder; made if need be.
    front_end : LogMel
        What the student hears.
    config : mapping
        The other entries of ``config.json``: id, version, license, training_data ...
    """
    student.eval()
    folder.mkdir(parents=True, exist_ok=True)
    onnx_file = folder / "encoder.onnx"
    with warnings.catch_warnings():
        # The exporter that torch recommends instead needs a package more and renames the graph.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            student,
            (torch.zeros(2, front_end.window, front_end.n_mels),),
            str(onnx_file),
            input_names=["logmel"],
            output_names=["embedding"],
            dynamic_axes={"logmel": {0: "batch"}, "embedding": {0: "batch"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    entries = {
        **config,
        "dim": (student.refined or student.project).out_features,
        "sha256": hashlib.sha256(onnx_file.read_bytes()).hexdigest(),
        "front_end": asdict(front_end),
    }
    (folder / "config.json").write_text(
        json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def card(
    config: Mapping[str, Any],
    *,
    audio: Sequence[tuple[str, int, float]],
    teachers: Sequence[tuple[str, str]],
    held_out: str,
    command: str,
) -> str:
    """Write the model's card: what is known, and what is not.

    Parameters
    ----------
    config : mapping
        The entries of ``config.json``.
    audio : sequence of (folder, clips, hours)
        What was used of each folder.
    teachers : sequence of (name, licence)
        Whose answers were learned.
    held_out : str
        One sentence on the held-out figure.
    command : str
        The command line, if there was one.

    Returns
    -------
    str
        Markdown, for ``README.md``.
    """
    taught = "\n".join(f"- {name}; licence of its weights: {terms}" for name, terms in teachers)
    heard = "\n".join(f"| {name} | {clips:,} | {hours:.2f} |" for name, clips, hours in audio)
    stated = "\n".join(f"- {line}" for line in config["training_data"])
    recipe = {name: value for name, value in config["recipe"].items() if name != "fingerprint"}
    how = "\n".join(f"- {name}: {json.dumps(value)}" for name, value in recipe.items())
    again = f"## Again from the start\n\n```\n{command}\n```\n\n" if command else ""
    return f"""# {config["id"]}

{config["description"]}

Licence of the weights: {config["license"]}. Version {config["version"]}.

## Use

Similarity of tracks by how they sound. `musicu embed --model FOLDER MUSIC` embeds with it;
`musicu evaluate encoder --model FOLDER --labels TABLE` says how good it is on labelled music.

## Training

{f"Distilled from:{chr(10)}{chr(10)}{taught}" if taught else "Trained from labels, no teacher."}

| Audio | Clips used | Hours |
|---|---|---|
{heard}

{stated}

Whether the licences of the audio and of the teachers allow a use is not decided here.

### Recipe

{how}

{again}## Quality

{held_out} ![Curves](curves.svg)

## What it confuses

Not examined yet. Music unlike its training audio is told apart less well.
"""
