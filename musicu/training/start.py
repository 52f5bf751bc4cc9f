"""What a training starts from: another run's checkpoint, or a model that was trained here."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from musicu.audio.mel import LogMel
from musicu.encoders.heard import HeardFolder
from musicu.encoders.registry import find_model
from musicu.errors import ModelError
from musicu.training.network import Student

__all__ = ["HEARD_NOTE", "Start", "load_checkpoint", "load_student"]

#: Beside a checkpoint: what its weights learned from.
HEARD_NOTE = "heard.json"


@dataclass(frozen=True)
class Start:
    """Weights to start from.

    Attributes
    ----------
    file : Path
        A checkpoint of a training, or the graph of a model folder.
    heard : list of HeardFolder or None
        What these weights learned from; None if that was not noted.
    """

    file: Path
    heard: list[HeardFolder] | None

    @classmethod
    def find(cls, name: str | os.PathLike[str], front_end: LogMel) -> Start:
        """Look it up.

        Parameters
        ----------
        name : str or path-like
            A work folder, a checkpoint, a model folder, or the id of an installed model.
        front_end : LogMel
            What the student hears; a model's must be the same.

        Raises
        ------
        ModelError
            There is none, or none that a student can start from.
        """
        file = Path(name)
        file = file / "checkpoint.pt" if (file / "checkpoint.pt").is_file() else file
        if file.is_file():
            load_checkpoint(file)
            note = file.parent / HEARD_NOTE
            noted = json.loads(note.read_text("utf-8")) if note.is_file() else None
            return cls(file, None if noted is None else [HeardFolder.from_dict(e) for e in noted])
        try:
            model = find_model(name)
        except ModelError:
            raise ModelError(f"{name}: no checkpoint to start from, and no model") from None
        if model.front_end != front_end:
            raise ModelError(f"{name}: has another front end than the student that starts from it")
        load_student(model.weights)
        return cls(model.weights, None if model.heard is None else list(model.heard))


def load_checkpoint(file: Path) -> dict[str, Any]:
    """Read a checkpoint: tensors, numbers and texts, never code.

    Raises
    ------
    ModelError
        It is none.
    """
    try:
        state: dict[str, Any] = torch.load(file, weights_only=True)
        state["average"], state["recipe"]["dim"]
    except Exception as error:  # torch.load raises whatever the bytes lead to
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{file}: not a checkpoint of a training ({first})") from None
    return state


def load_student(file: Path, windows: Tensor | None = None) -> Student:
    """Build the student of a checkpoint, or of a model's graph.

    Parameters
    ----------
    file : Path
        A checkpoint: the averaged student as it was when it did best. Or a graph, as
        :func:`musicu.training.export.export` writes them: its convolutions and first linear layer.
    windows : Tensor [shape=(n, time, mel)], optional
        Compressed windows. In a graph the normalizations are part of the convolutions; they are
        taken out again with the statistics of these, so that the student can be trained.

    Raises
    ------
    ModelError
        It is none of both.
    """
    if file.suffix == ".onnx":
        student = _from_graph(file)
        if windows is not None:
            _restore_statistics(student, windows)
        return student
    state = load_checkpoint(file)
    student = Student(state["recipe"]["dim"]).eval()
    student.load_state_dict(state.get("best") or state["average"])
    return student


def _from_graph(file: Path) -> Student:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(file).graph
    there = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    nodes = [node.input for node in graph.node if node.op_type == "Conv"]
    linear = there.get("project.weight")
    student = Student(256 if linear is None else len(linear)).eval()
    convolutions = [part for part in student.features.modules() if isinstance(part, nn.Conv2d)]
    norms = [part for part in student.features.modules() if isinstance(part, nn.BatchNorm2d)]
    pairs = [[there[name] for name in inputs[1:3] if name in there] for inputs in nodes]
    shapes = [
        [part.weight.shape, norm.weight.shape]
        for part, norm in zip(convolutions, norms, strict=True)
    ]
    if linear is None or [[one.shape for one in pair] for pair in pairs] != shapes:
        raise ModelError(f"{file}: not the graph of a student, which cannot start from it")
    with torch.no_grad():
        for part, norm, (weight, bias) in zip(convolutions, norms, pairs, strict=True):
            part.weight.copy_(torch.tensor(weight))
            norm.running_var.fill_(1 - norm.eps)  # type: ignore[union-attr]
            norm.bias.copy_(torch.tensor(bias))
        student.project.weight.copy_(torch.tensor(linear))
        student.project.bias.copy_(torch.tensor(there["project.bias"]))
    return student


@torch.no_grad()
def _restore_statistics(student: Student, windows: Tensor) -> None:
    """Let each normalization normalize, and undo by its scale and bias what it does to these."""
    seen: dict[nn.BatchNorm2d, tuple[Tensor, Tensor]] = {}

    def see(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(norm, nn.BatchNorm2d)
        variance, mean = torch.var_mean(inputs[0], dim=(0, 2, 3), correction=0)
        seen[norm] = mean, variance

    norms = [part for part in student.features.modules() if isinstance(part, nn.BatchNorm2d)]
    hooks = [norm.register_forward_pre_hook(see) for norm in norms]
    student.eval().pool(windows)
    for hook in hooks:
        hook.remove()
    for norm, (mean, variance) in seen.items():
        norm.running_mean.copy_(mean)  # type: ignore[union-attr]
        norm.running_var.copy_(variance)  # type: ignore[union-attr]
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)
