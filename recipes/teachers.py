"""Make model folders of the published teachers, to learn from and to measure against.

    python recipes/teachers.py FOLDER OUT

FOLDER holds the networks' ONNX files, named as in NETWORKS. OUT gets one folder a teacher output,
as ``--model`` and ``--teacher`` take them. They are for research and are not part of musicu. Needs
the package ``onnx``.
"""

import json
import sys
from pathlib import Path
from typing import Any

import onnx

MUSICNN: dict[str, Any] = {"preset": "musicnn"}
JAMENDO: dict[str, Any] = {"preset": "jamendo_musicnn"}
SIAMESE: dict[str, Any] = {"preset": "artist_siamese"}
# mn04 was trained on ten seconds; three are as long as the others' windows.
TEN: dict[str, Any] = {"type": "waveform", "sr": 32000, "window_seconds": 10.0}
THREE: dict[str, Any] = {**TEN, "window_seconds": 3.0}

# File: what it was trained on, licence.
NETWORKS = {
    "msd_musicnn.onnx": ("Million Song Dataset, 50 Last.fm tags", "ISC"),
    "mtt_musicnn.onnx": ("MagnaTagATune, 50 tags", "ISC"),
    "jamendo_musicnn.onnx": ("MTG-Jamendo, 50 tags", "MIT"),
    "mn04_audioset.onnx": ("AudioSet, 527 classes", "MIT"),
    "artist_siamese.onnx": ("Million Song Dataset, artists", "MIT"),
}

# Folder: file, output, its length, front end.
TEACHERS = {
    "msd-penultimate": ("msd_musicnn.onnx", "penultimate", 200, MUSICNN),
    "msd-pooled": ("msd_musicnn.onnx", "pooled", 1506, MUSICNN),
    "msd-tags": ("msd_musicnn.onnx", "taggram", 50, MUSICNN),
    "mtt-penultimate": ("mtt_musicnn.onnx", "penultimate", 200, MUSICNN),
    "mtt-tags": ("mtt_musicnn.onnx", "taggram", 50, MUSICNN),
    "jamendo-penultimate": ("jamendo_musicnn.onnx", "penultimate", 200, JAMENDO),
    "jamendo-tags": ("jamendo_musicnn.onnx", "taggram", 50, JAMENDO),
    "mn04": ("mn04_audioset.onnx", "features", 384, TEN),
    "mn04-3s": ("mn04_audioset.onnx", "features", 384, THREE),
    "mn04-tags": ("mn04_audioset.onnx", "probabilities", 527, TEN),
    "artist-siamese": ("artist_siamese.onnx", "embedding", 256, SIAMESE),
}


def keep_plain(graph: onnx.GraphProto) -> None:
    """List the weights of two-dimensional convolutions among the inputs, which changes no output.

    As constants ONNX Runtime puts them into blocks of channels, which for MTG-Jamendo's graph, of
    one channel and kernels as high as the input, takes seven times as long.
    """
    weights = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Conv" and len(shape := list(weights[node.input[1]].dims)) == 4:
            real = onnx.TensorProto.FLOAT
            graph.input.append(onnx.helper.make_tensor_value_info(node.input[1], real, shape))


def main(source: Path, out: Path) -> None:
    """Copy each network beside a config that names its output and front end."""
    for name, (file, output, dim, front_end) in TEACHERS.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        network = onnx.load(source / file)
        if front_end is JAMENDO:
            keep_plain(network.graph)
        onnx.save(network, folder / "encoder.onnx")
        trained, license = NETWORKS[file]
        config = {
            "id": name,
            "dim": dim,
            "output": output,
            "license": license,
            "training_data": trained,
            "heard": [],  # none of the collections that recipes name
            "front_end": front_end,
        }
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
