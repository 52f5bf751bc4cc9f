"""Model folders that are wrong: in what the network answers, in its config, in its files."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path
from typing import Any

import numpy as np

_DIM, _WINDOW, _MELS = 96, 187, 96


def graph(answer: Any, *, dim: int = _DIM, shape: tuple[Any, ...] = ("n", _WINDOW, _MELS)) -> Any:
    """Return a network that adds a constant to the mean over time, times a number."""
    import onnx

    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    scale, shift = answer
    constants = [
        onnx.numpy_helper.from_array(np.float32(scale), "scale"),
        onnx.numpy_helper.from_array(np.full(dim, shift, np.float32), "shift"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Mul", ["mean", "scale"], ["scaled"]),
        helper.make_node("Add", ["scaled", "shift"], ["y"]),
    ]
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", real, list(shape))],
        [helper.make_tensor_value_info("y", real, ["n", dim])],
        constants,
    )
    opset = [helper.make_opsetid("", 13)]
    return helper.make_model(made, opset_imports=opset, ir_version=8)


def _config(**entries: Any) -> dict[str, Any]:
    front_end = {"preset": "musicnn"}
    return {"id": "hostile", "dim": _DIM, "license": "MIT", "front_end": front_end, **entries}


_ODD: tuple[Any, ...] = (
    *(None, True, -1, 0, 1e308, float("nan"), 10**30, "", "x" * 100_000, [], {}, [[]], "../../x"),
    *("a/b", "\0", "\ud800", {"preset": "nothing"}, [1] * 10_000),
)


def hostile_model(rng: random.Random, folder: Path) -> str:
    """Write a model folder that must not be used; return what is wrong with it."""
    import onnx

    folder.mkdir(parents=True)
    way = rng.choice(["answer", "answer", "shape", "config", "config", "bytes", "file", "external"])
    network, config = graph((1.0, 0.0)), _config()
    (folder / "README.md").write_text("# A model\n", encoding="utf-8")
    told = way
    if way == "answer":
        answers = {
            "not a number": (0.0, np.nan),
            "zeros": (0.0, 0.0),
            "infinity": (0.0, np.inf),
            "too large to square": (0.0, 3e38),
            "too small to square": (0.0, 1e-30),
            "not a number for some": (np.nan, 0.0),
        }
        told = rng.choice(list(answers))
        network = graph(answers[told])
    elif way == "shape":
        dim = rng.choice([1, 95, 97, 200_000])
        wanted = rng.choice([("n", _WINDOW, 1), ("n", _MELS, _WINDOW), (3, 187, 96), ("n", 96)])
        network = rng.choice([graph((1.0, 0.0), dim=dim), graph((1.0, 0.0), shape=wanted)])
        config["dim"] = rng.choice([_DIM, dim, 2**31, 10**12])
        told = f"shapes: {dim}, {wanted}, config {config['dim']}"
    elif way == "config":
        entries = ["id", "version", "dim", "front_end", "input", "output", "layout", "gate_db"]
        entries += ["tags", "sha256", "license", "figures", "training_data"]
        name, value = rng.choice(entries), rng.choice(_ODD)
        config[name] = value
        told = f"config: {name} is {str(value)[:30]!r}"
    body = network.SerializeToString()
    if way == "bytes":
        at = rng.randrange(len(body))
        ends = [body[:at], rng.randbytes(5000), b"", body[:at] + rng.randbytes(9) + body[at + 9 :]]
        body = rng.choice(ends)
    if way == "external":
        tensor = network.graph.initializer[1]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        place = rng.choice(["../../../../etc/passwd", "/etc/passwd", "encoder.onnx", "nowhere"])
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", place
        body, told = network.SerializeToString(), f"external data in {place}"
    (folder / "encoder.onnx").write_bytes(body)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    if way == "file":
        told = _spoil_file(rng, folder)
    return told


def _spoil_file(rng: random.Random, folder: Path) -> str:
    name = rng.choice(["encoder.onnx", "config.json", "README.md"])
    file = folder / name
    body = file.read_bytes()
    file.unlink()
    way = rng.choice(["missing", "a folder", "a link", "a loop", "a pipe", "odd"])
    if way == "a folder":
        file.mkdir()
    elif way == "a link":
        outside = folder.with_name("outside")
        outside.write_bytes(body)
        file.symlink_to(outside)
    elif way == "a loop":
        file.symlink_to(name)
    elif way == "a pipe":
        os.mkfifo(file)
    elif way == "odd":
        file.write_bytes(rng.choice([b"\xff\xfe", b"[" * 100_000, b"null", b'{"id": 1e999}']))
    return f"{name} is {way}"
