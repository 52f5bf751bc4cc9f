"""Model folders with networks so small that their output can be computed by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

# A front end with few bands, so that the folder is written in no time.
FRONT_END = {"preset": "musicu", "n_mels": 8, "window": 20, "window_hop": 20}


def mean_network(
    file: Path,
    *,
    shape: tuple[int, ...] = (20, 8),
    axes: tuple[int, ...] = (1,),
    then: Sequence[tuple[str, float]] = (),
) -> None:
    """Write a network that averages its input [batch, *shape] over some axes, and calculates."""
    onnx = pytest.importorskip("onnx")
    tensor = onnx.helper.make_tensor_value_info
    rest = [n for axis, n in enumerate(shape, start=1) if axis not in axes]
    names = [*(f"step{number}" for number in range(len(then))), "vector"]
    nodes = [onnx.helper.make_node("ReduceMean", ["mel"], names[:1], axes=axes, keepdims=0)]
    constants = []
    for number, (kind, value) in enumerate(then):
        constants.append(onnx.numpy_helper.from_array(np.float32(value), f"value{number}"))
        at, to = names[number : number + 2]
        nodes.append(onnx.helper.make_node(kind, [at, f"value{number}"], [to]))
    graph = onnx.helper.make_graph(
        nodes,
        "mean",
        [tensor("mel", onnx.TensorProto.FLOAT, ["batch", *shape])],
        [tensor("vector", onnx.TensorProto.FLOAT, ["batch", *rest])],
        constants,
    )
    opsets = [onnx.helper.make_opsetid("", 13)]
    file.write_bytes(
        onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    )


def model_folder(folder: Path, **config: Any) -> Path:
    """Write a model folder named by ``id``: the mean over time of eight mel bands."""
    config = {"id": "mean", "dim": 8, "front_end": FRONT_END, "license": "MIT", **config}
    folder = folder / "source" / str(config["id"]).replace("/", "_")
    folder.mkdir(parents=True)
    mean_network(folder / "encoder.onnx")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "README.md").write_text("# A model\n", encoding="utf-8")
    return folder
