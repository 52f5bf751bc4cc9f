"""Make sounds that are no music: speech, noise, near silence, tones and effects.

All of it is synthesized, from a seed; nothing is recorded. Speech is read by ``espeak-ng``,
``flite`` and ``festival``, whose voices read text that nobody wrote, through rooms, noise and
telephones. A ``manifest.csv`` beside the folder ``audio`` says of each file what it is; whole
voices, languages and kinds of sound are marked ``test`` and never ``train``::

    python recipes/no_music.py nonmusic --count 400

The programs are Debian's packages of the same names. A run can be stopped and started again.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from pathlib import Path

import numpy as np
import soundfile
from renders.manifest import Manifest
from sounds.effects import EFFECTS
from sounds.noises import NOISES, TONES, Maker, faint, peak_one
from sounds.speech import babble, scene, voices

COLUMNS = ["file", "kind", "sort", "conditions", "seconds", "split"]
#: Shares of the kinds.
SHARES = {"speech": 0.45, "noise": 0.21, "effects": 0.2, "tone": 0.09, "silence": 0.05}
#: Sorts that are for tests: whole sorts, as voices are.
TEST = {"brown", "band", "waves", "applause", "static", "hum", "beeps", "dialing"}
TEST |= {"burst", "knock", "blip", "clang", "thunder", "bark", "creak"}


def plan(count: int) -> list[tuple[str, str]]:
    """Return kind and split of each file, spread evenly."""
    spread = [
        ((index + 0.5) / (share * count), kind, "test" if index % 2 else "train")
        for kind, share in SHARES.items()
        for index in range(round(share * count))
    ]
    return [(kind, split) for _, kind, split in sorted(spread)]


def make(
    kind: str, split: str, size: int, rate: int, rng: np.random.Generator
) -> tuple[np.ndarray, str, list[str]]:
    """Make one sound.

    Parameters
    ----------
    kind : str
        One of `SHARES`.
    split : str
        ``train`` or ``test``.
    size, rate : int
        Number of samples and sample rate.
    rng : numpy.random.Generator
        Source of all choices.

    Returns
    -------
    (numpy.ndarray, str, list of str)
        The samples, the sort of sound and its conditions.
    """
    if kind == "silence":
        return faint(size, rate, rng), "faint noise", []
    if kind == "speech":
        pool = voices(split == "test")
        number = 1 if rng.random() < 0.75 else int(rng.integers(2, 5))
        speakers = [pool[int(rng.integers(len(pool)))] for _ in range(number)]
        samples, conditions = scene(size, rate, speakers, rng)
        return samples, " & ".join(map(str, speakers)), conditions
    if kind == "noise" and rng.random() < 0.12:
        pool = voices(split == "test")
        crowd = [pool[int(rng.integers(len(pool)))] for _ in range(int(rng.integers(10, 25)))]
        return babble(size, rate, crowd, rng), "babble", []
    table: dict[str, Maker] = {"noise": NOISES, "tone": TONES, "effects": EFFECTS}[kind]
    names = [name for name in sorted(table) if (name in TEST) == (split == "test")]
    if kind == "effects" and rng.random() < 0.3:  # a scene of two effects
        pair = [str(name) for name in rng.choice(names, 2, replace=False)]
        return sum(table[name](size, rate, rng) for name in pair), " & ".join(pair), []
    name = str(rng.choice(names))
    return table[name](size, rate, rng), name, []


def main() -> None:
    """Parse the command line and make the sounds."""
    parser = argparse.ArgumentParser(description="Make sounds that are no music.")
    parser.add_argument("out", type=Path, help="folder for audio/*.flac and manifest.csv")
    parser.add_argument("--count", type=int, default=400, help="how many (default: 400)")
    parser.add_argument("--sample-rate", type=int, default=32000, help="default: 32000")
    parser.add_argument("--seed", type=int, default=0, help="seed of all choices (default: 0)")
    arguments = parser.parse_args()
    audio, rate = arguments.out / "audio", arguments.sample_rate
    audio.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(arguments.out / "manifest.csv", COLUMNS)
    began, made, failed = time.time(), 0, 0
    jobs = plan(arguments.count)
    for number, (kind, split) in enumerate(jobs):
        target = audio / f"{kind}_{number:04d}.flac"
        if manifest.has(target):
            continue
        rng = np.random.default_rng([arguments.seed, number])
        seconds = round(float(rng.uniform(10.0, 30.0)), 1)
        try:
            samples, sort, conditions = make(kind, split, round(seconds * rate), rate, rng)
        except subprocess.SubprocessError as error:  # a voice that this version does not have
            print(f"{target.name}: {error}", flush=True)
            failed += 1
            continue
        if kind != "silence":
            samples = peak_one(samples) * rng.uniform(0.15, 0.95)
        part = target.with_name(f".{target.name}.part")
        soundfile.write(part, samples, rate, format="FLAC", subtype="PCM_16")
        part.replace(target)
        row = {"file": target.name, "kind": kind, "sort": sort, "seconds": f"{seconds:.1f}"}
        manifest.append({**row, "conditions": "|".join(conditions), "split": split})
        made += 1
        if made % 25 == 0 or number == len(jobs) - 1:
            left = (time.time() - began) / made * (len(jobs) - number - 1)
            print(f"{number + 1}/{len(jobs)}, {left:.0f} s to go", flush=True)
    print(f"made {made}, failed {failed}", flush=True)


if __name__ == "__main__":
    main()
