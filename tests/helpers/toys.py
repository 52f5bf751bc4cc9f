"""Toy lessons for training: chords to hear, a teacher to answer, labels."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

SECONDS = 5
CLIPS = 24
PER_ARTIST = 3


def make_clips(folder: Path, *, seed: int = 0) -> Path:
    """Write 24 clips of 5 s and their labels: each artist has a chord and three clips."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    t = np.arange(SECONDS * 16000) / 16000
    rows = []
    for number in range(CLIPS):
        artist = number // PER_ARTIST
        if number % PER_ARTIST == 0:
            pitches = rng.uniform(100, 3000, size=3)
        y = sum(np.sin(2 * np.pi * f * t * rng.uniform(0.98, 1.02)) for f in pitches) * 0.1
        y += 1e-3 * rng.standard_normal(len(t))
        name = f"clip{number:02d}.wav"
        soundfile.write(folder / name, y.astype(np.float32), 16000)
        style, mood = ("low", "high")[artist % 2], ("calm|sad", "calm|happy", "")[artist % 3]
        rows.append({"file": name, "artist": f"artist {artist}", "style": style, "moods": mood})
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return folder


def make_teacher(folder: Path, **config: Any) -> Path:
    """Write a model folder that answers with the mean and the maximum of each band."""
    onnx = pytest.importorskip("onnx")
    settings = {"preset": "musicnn", **config.pop("front_end", {})}
    mels, window = settings.get("n_mels", 96), settings.get("window", 187)
    tensor, real = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1], keepdims=0),
            onnx.helper.make_node("ReduceMax", ["x"], ["max"], axes=[1], keepdims=0),
        ],
        "teacher",
        [tensor("x", real, ["batch", window, mels])],
        [tensor("mean", real, ["batch", mels]), tensor("max", real, ["batch", mels])],
    )
    opset = [onnx.helper.make_opsetid("", 13)]
    folder.mkdir(parents=True)
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.save(model, str(folder / "encoder.onnx"))
    entries = {"id": folder.name, "dim": mels, "license": "MIT", "front_end": settings, **config}
    (folder / "config.json").write_text(json.dumps(entries), encoding="utf-8")
    return folder
