"""What published taggers say of clips: probabilities of their words, kept on disk.

    python recipes/teacher_words.py TEACHERS CACHE FOLDER... [--most 300]

TEACHERS holds `mn04_audioset`, `jamendo_musicnn`, `msd_musicnn` and `mtt_musicnn`, each as `.onnx`
with its card, `.json`, beside it; FOLDER is one with a `manifest.csv`. An answer is kept under the
hash of the clip's file, so that a run can be stopped and go on, and a clip that moves is not heard
again. Teachers hear some windows spread evenly over a clip; the mean of what they say counts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicu import load
from musicu.audio.mel import LOG_MEL_PRESETS, LogMel, log_mel
from musicu.errors import AudioError

# Before ONNX Runtime is imported; see musicu.encoders.runtime.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__all__ = ["TEACHERS", "Clip", "Teacher", "answers", "read_clips"]

TEACHERS = ("mn04_audioset", "jamendo_musicnn", "msd_musicnn", "mtt_musicnn")
# The decibels of Jamendo's front end, to a tenth of one: their floor is added here, not a limit.
JAMENDO = LogMel(htk=True, norm=None, gain=1.0, offset=1e-10, std=0.1, window=188, window_hop=188)
WINDOWS = 4  # of 3 s that a MusiCNN hears of a clip
SECONDS, WAVES = 10, 2  # windows that mn04 hears
SOUND = {".flac", ".mp3", ".ogg", ".opus", ".wav"}


@dataclass(frozen=True)
class Clip:
    """A file of a collection, with its row of the manifest."""

    file: Path
    collection: str
    row: dict[str, str]


class Teacher:
    """A tagger, opened: samples in, the mean probability of each of its words out."""

    def __init__(self, folder: Path, name: str) -> None:
        import onnxruntime as ort

        self.name = name
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        # The dB-mels of noise fill the network with denormals, at many times the cost.
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        self._session = ort.InferenceSession(str(folder / f"{name}.onnx"), options)
        self.sr = 32_000 if name.startswith("mn04") else 16_000
        self._output = "probabilities" if name.startswith("mn04") else "taggram"
        self._mel = JAMENDO if name.startswith("jamendo") else LOG_MEL_PRESETS["musicnn"]

    @staticmethod
    def words_of(folder: Path, name: str) -> list[str]:
        """Return a teacher's words, in the order of its answers."""
        words: list[str] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))["tags"]
        return words

    def hear(self, y: np.ndarray) -> np.ndarray:
        """Return probabilities [n_words] for samples at :attr:`sr`, peak at full scale at most."""
        if self.sr == 32_000:
            size = SECONDS * self.sr
            starts = spread(max(len(y) - size, 0) + 1, WAVES if len(y) > size else 1)
            windows = np.stack([y[at : at + size] for at in starts])
            # Shorter than the network's own frames: a click.
            windows = np.pad(windows, [(0, 0), (0, max(self.sr // 2 - windows.shape[1], 0))])
        else:
            size = self._mel.window * self._mel.hop_length
            starts = spread(max(len(y) - size, 0) + 1, WINDOWS if len(y) > size else 1)
            windows = np.stack([log_mel(y[at : at + size], self._mel)[0][0] for at in starts])
        name = self._session.get_inputs()[0].name
        (said,) = self._session.run([self._output], {name: windows.astype(np.float32)})
        mean: np.ndarray = said.mean(axis=0)
        return mean


def spread(size: int, n: int) -> list[int]:
    """Return `n` places spread evenly over `size`, the ends left out."""
    return [int(size * (2 * i + 1) / (2 * n)) for i in range(n)]


def read_clips(folder: Path, most: int | None = None) -> list[Clip]:
    """Read a folder's `manifest.csv`: at most so many clips, spread evenly over its rows."""
    import csv

    with open(folder / "manifest.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    clips = []
    for row in rows:
        name = row.get("file") or row["path"]
        path = folder / name
        if not path.exists():
            path = folder / "audio" / name
        if path.suffix.lower() in SOUND and path.exists():
            clips.append(Clip(path, folder.name, row))
    if most is None or len(clips) <= most:
        return clips
    # One in so many, starting at any row: neighbors in a manifest are pieces of one track.
    return [clips[at] for at in sorted(np.random.default_rng(0).permutation(len(clips))[:most])]


def answers(teacher: Teacher, clips: Sequence[Clip], cache: Path) -> Iterator[np.ndarray | None]:
    """Yield a teacher's probabilities of each clip; None of one that cannot be heard."""
    place = cache / teacher.name
    place.mkdir(parents=True, exist_ok=True)
    for clip in clips:
        stored = place / f"{digest(clip.file)}.npy"
        if not stored.exists():
            try:
                y, _ = load(clip.file, sr=teacher.sr)
            except AudioError as error:
                print(f"{clip.file}: {error}", file=sys.stderr)
                yield None
                continue
            waiting = stored.with_suffix(".part")
            with open(waiting, "wb") as file:
                np.save(file, teacher.hear(y).astype(np.float32))
            waiting.rename(stored)
        yield np.load(stored, allow_pickle=False).astype(np.float64)


def digest(file: Path) -> str:
    """Hash a file's content."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:32]


def main() -> None:
    """Fill the cache, and show how far it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teachers", type=Path)
    parser.add_argument("cache", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--most", type=int, help="clips of a folder")
    arguments = parser.parse_args()
    clips = [c for folder in arguments.folders for c in read_clips(folder, arguments.most)]
    for name in TEACHERS:
        teacher, start = Teacher(arguments.teachers, name), time.monotonic()
        for at, _ in enumerate(answers(teacher, clips, arguments.cache), start=1):
            if at % 50 == 0 or at == len(clips):
                left = (time.monotonic() - start) / at * (len(clips) - at)
                print(f"{name}: {at} of {len(clips)}, {left:.0f} s left", file=sys.stderr)


if __name__ == "__main__":
    main()
