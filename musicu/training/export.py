"""The model folder that comes out: graph, config, card and curves."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musicu.audio.mel import LogMel
from musicu.encoders.heard import HeardFolder
from musicu.encoders.model_files import write_config
from musicu.training.curves import curves
from musicu.training.network import Student
from musicu.training.plan import Plan
from musicu.training.taghead import Tags, write_tags
from musicu.training.training_set import TrainingSet

__all__ = ["card", "export", "write_model"]

_OPSET = 17
_GATE_DB = 60.0


def write_model(
    folder: Path,
    student: Student,
    plan: Plan,
    data: TrainingSet,
    *,
    about: Mapping[str, Any],
    heard: Sequence[HeardFolder] | None,
    figures: Mapping[str, float],
    tags: Tags | None,
    history: Sequence[Sequence[float]],
    figure: str,
    fingerprint: str,
    command: str,
) -> None:
    """Write the whole model folder of a training.

    Parameters
    ----------
    folder : Path
        The model folder; made if need be.
    student : Student
        The network.
    plan, data
        What was to be done, and with what.
    about : mapping
        ``id``, ``version``, ``license``, ``description`` and ``training_data`` of ``config.json``;
        an empty one of the last two is filled in.
    heard : sequence of HeardFolder or None
        From :func:`musicu.training.training_set.note_heard`.
    figures : mapping of str to float
        What was measured on the held-out clips.
    tags : Tags or None
        From :func:`musicu.training.taghead.learn_tags`.
    history : sequence of (step, loss, held-out figure)
        Of the evaluations.
    figure : str
        Name of the held-out figure.
    fingerprint : str
        Of the settings, to know the model by when the training is run again.
    command : str
        The command line, if there was one.
    """
    clips, teachers = len(data.clips), plan.teachers
    frames = np.array([len(mel) for mel in data.material.mel[:clips]])
    hours = frames * plan.front_end.hop_length / plan.front_end.sr / 3600
    config = {
        **about,
        "description": about["description"] or _description(plan),
        "training_data": [
            *(about["training_data"] or (f"{clips} clips, {hours.sum():.1f} hours",)),
            *(f"answers of {t.name} ({t.model.license})" for t in teachers),
        ],
        "heard": None if heard is None else [one.to_dict() for one in heard],
        "gate_db": _GATE_DB,
        "figures": {f"held out, {name}": round(value, 4) for name, value in figures.items()},
        "recipe": {
            **asdict(plan.recipe),
            "teachers": [t.name for t in teachers],
            "labels": list(plan.labels),
            "hold_out": str(plan.hold_out),
            "held_out_clips": int(data.held.sum()),
            "start_from": os.fspath(plan.start_from) if plan.start_from else None,
            "refinement": asdict(plan.refinement) if plan.refinement else None,
            "timbre": plan.timbre,
            "fingerprint": fingerprint,
        },
    }
    export(student, folder, plan.front_end, config)
    if tags is not None and tags[0]:
        write_tags(folder, *tags)
    source = data.source[:clips]
    text = card(
        config,
        audio=[
            (str(s.folder), int((source == i).sum()), float(hours[source == i].sum()))
            for i, s in enumerate(plan.sources)
        ],
        teachers=[(t.name, t.model.license) for t in teachers],
        held_out=_held_out(figures, data.held, len(history)),
        command=command,
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
    drawn = curves(history, title=f"Training of {config['id']}", figure=figure)
    (folder / "curves.svg").write_text(drawn, encoding="utf-8")


def _description(plan: Plan) -> str:
    origin = (
        "distilled from " + " and ".join(t.model.id for t in plan.teachers)
        if plan.teachers
        else "trained from labels"
    )
    return f"Small CNN {origin}; {plan.recipe.dim} dimensions"


def _held_out(figures: Mapping[str, float], held: NDArray[np.bool_], evaluations: int) -> str:
    if not figures:
        return "Nothing was held out, so nothing was measured."
    values = "; ".join(f"{name} {value:.3f}" for name, value in figures.items())
    return (
        f"On {held.sum()} of {len(held)} clips, held out of training: {values}. The weights are "
        f"those that did best in {evaluations} evaluations on these clips."
    )


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
    write_config(folder, entries)


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
