"""Make model folders of the published teachers, to learn from and to measure against.

    python recipes/teachers.py FOLDER OUT

FOLDER holds ``msd_musicnn.onnx`` (MusiCNN trained on the Million Song Dataset, ISC licence) and
``artist_siamese.onnx`` (MIT licence). OUT gets one folder a teacher output, as ``--model`` and
``--teacher`` take them. They are for research and are not part of musicu.
"""

import json
import shutil
import sys
from pathlib import Path

TEACHERS = {
    "musicnn-penultimate": ("msd_musicnn.onnx", "penultimate", 200, "musicnn", "ISC"),
    "musicnn-pooled": ("msd_musicnn.onnx", "pooled", 1506, "musicnn", "ISC"),
    "musicnn-tags": ("msd_musicnn.onnx", "taggram", 50, "musicnn", "ISC"),
    "artist-siamese": ("artist_siamese.onnx", "embedding", 256, "artist_siamese", "MIT"),
}


def main(source: Path, out: Path) -> None:
    """Copy each network beside a config that names its output and front end."""
    for name, (file, output, dim, preset, license) in TEACHERS.items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / file, folder / "encoder.onnx")
        config = {"id": name, "dim": dim, "output": output, "license": license}
        config["front_end"] = {"preset": preset}
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
