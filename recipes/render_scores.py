"""Render symbolic music (MIDI and MusicXML) to varied audio whose truth is exactly known.

Each render is an excerpt of a score with its own sound: a soundfont, a template that says who
plays (random General MIDI programs, the score's own, or an ensemble such as a symphony orchestra
or a synth pop band), another tempo and key, often added drums and bass, random reverb and chorus,
and sometimes an effect (drive, tilt, record noise, tremolo). All choices come from the seed, the
score's id and the variant's number, so a run can be stopped and started again: what exists in
audio and manifest is left as it is.

The input is a folder with ``manifest.csv`` (columns ``score_id``, ``file``, ``member`` and
``collection``; ``file`` is a zip in the folder, ``member`` a ``.mid`` or ``.musicxml`` in it). The
output is a folder ``audio`` of mono FLAC files, ``collection_scoreid_variant.flac``, and a
``manifest.csv`` with what is true of each (see `renders.truth`).

Needs the ``fluidsynth`` program, General MIDI soundfonts, and ``mido``; MusicXML needs
``music21`` as well::

    pip install mido music21
    python recipes/render_scores.py scores renders --workers 2 \
        --soundfont FluidR3_GM.sf2 --soundfont TimGM6mb.sf2 \
        --collection freedoom:0:2 --collection nottingham:350:1
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile
from renders.jobs import COLUMNS, Job, Settings, list_jobs, make
from renders.manifest import Manifest
from renders.score import RenderError
from renders.sound import add_effects, synthesize
from renders.templates import TEMPLATES, choose_template

#: One is drawn for each render; the first two, whose strings and choirs a listener (or a tagger)
#: takes for what they are, more often than the small one.
SOUNDFONTS = [
    *["/usr/share/sounds/sf2/FluidR3_GM.sf2"] * 5,
    *["/usr/share/sounds/sf3/MuseScore_General.sf3"] * 2,
    "/usr/share/sounds/sf2/TimGM6mb.sf2",
]
COLLECTIONS = [
    "freedoom:0:2",
    "openmsx:0:2",
    "nottingham:350:1",
    "openscore_quartets:0:2",
    "openscore_lieder:250:1",
]


def render(job: Job, settings: Settings) -> dict[str, str]:
    """Make one render and write it, under a temporary name until it is complete.

    Parameters
    ----------
    job : Job
        What to render.
    settings : Settings
        The run's settings.

    Returns
    -------
    dict
        The manifest's row.

    Raises
    ------
    RenderError
        If the score cannot be rendered.
    """
    key = [settings.seed, zlib.crc32(job.row["score_id"].encode()), job.variant]
    rng = np.random.default_rng(key)
    name = choose_template(settings.templates, job.row["collection"], rng)
    made = make(job, settings, TEMPLATES[name], rng)
    soundfont = str(rng.choice(list(settings.soundfonts)))
    size = round(settings.seconds * settings.sample_rate)
    samples = synthesize(made.midi, soundfont, size, settings.sample_rate, rng)
    peak = float(np.max(np.abs(samples), initial=0.0))
    if peak < 1e-3 or np.sqrt(np.mean(samples**2)) < 1e-4:
        raise RenderError("silent")
    samples /= peak
    effects: list[str] = []
    if rng.random() < 0.3:
        samples, effects = add_effects(samples, settings.sample_rate, rng)
    samples *= rng.uniform(0.5, 0.95) / np.max(np.abs(samples))
    part = job.target.with_name(f".{job.target.name}.part")
    soundfile.write(part, samples, settings.sample_rate, format="FLAC", subtype="PCM_16")
    part.replace(job.target)
    known = {name: job.row[name] for name in ("score_id", "collection", "composer_or_artist")}
    return {
        "file": job.target.name,
        **known,
        "template": name,
        "seconds": f"{len(samples) / settings.sample_rate:.3f}",
        **made.truth,
        "soundfont": Path(soundfont).name,
        "effects": "|".join(effects),
    }


def try_render(task: tuple[Job, Settings, float]) -> tuple[Job, dict[str, str] | str]:
    """Make one render in a worker; return the job, and its row or the reason why it failed.

    Parameters
    ----------
    task : (Job, Settings, float)
        The job, the run's settings, and the time after which no job is started.

    Returns
    -------
    (Job, dict or str)
        The job and the manifest's row, or the reason why there is none.
    """
    job, settings, deadline = task
    if time.time() > deadline:
        return job, "time limit"
    try:
        return job, render(job, settings)
    except RenderError as error:
        return job, str(error)
    except Exception as error:  # whatever a parser makes of an odd score
        return job, f"{type(error).__name__}: {str(error)[:80]}"


def parse() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Render scores to varied audio.")
    parser.add_argument("scores", type=Path, help="folder with manifest.csv and the zips")
    parser.add_argument("out", type=Path, help="folder for audio/*.flac and manifest.csv")
    parser.add_argument(
        "--collection",
        action="append",
        metavar="NAME:COUNT:VARIANTS",
        help=f"scores to take, COUNT 0 for all, VARIANTS a number or FIRST-LAST; may be repeated "
        f"(default: {' '.join(COLLECTIONS)})",
    )
    parser.add_argument(
        "--soundfont", action="append", help="General MIDI soundfont; may be repeated"
    )
    parser.add_argument(
        "--template",
        action="append",
        choices=sorted(TEMPLATES),
        help="who plays; may be repeated (default: all)",
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="length (default: 30)")
    parser.add_argument("--sample-rate", type=int, default=32000, help="default: 32000")
    parser.add_argument("--seed", type=int, default=0, help="seed of all choices (default: 0)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: 2)")
    parser.add_argument(
        "--timeout", type=float, default=20.0, help="seconds for one MusicXML file (default: 20)"
    )
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="start no render after this many minutes"
    )
    arguments = parser.parse_args()
    for soundfont in arguments.soundfont or SOUNDFONTS:
        if not Path(soundfont).is_file():
            parser.error(f"no such soundfont: {soundfont}")
    return arguments


def main() -> None:
    """Parse the command line and make the renders."""
    arguments = parse()
    settings = Settings(
        seed=arguments.seed,
        seconds=arguments.seconds,
        sample_rate=arguments.sample_rate,
        soundfonts=tuple(arguments.soundfont or SOUNDFONTS),
        templates=tuple(arguments.template or sorted(TEMPLATES)),
        timeout=arguments.timeout,
    )
    audio = arguments.out / "audio"
    audio.mkdir(parents=True, exist_ok=True)
    manifest = Manifest(arguments.out / "manifest.csv", COLUMNS)
    jobs = list_jobs(arguments.scores, audio, arguments.collection or COLLECTIONS, settings.seed)
    todo = [job for job in jobs if not manifest.has(job.target)]
    print(f"{len(jobs)} renders, {len(jobs) - len(todo)} exist", flush=True)
    began = time.time()
    deadline = began + arguments.minutes * 60.0
    tasks = [(job, settings, deadline) for job in todo]
    reasons: Counter[str] = Counter()
    with multiprocessing.Pool(arguments.workers, maxtasksperchild=100) as pool:
        for done, (job, result) in enumerate(pool.imap_unordered(try_render, tasks), 1):
            if isinstance(result, dict):
                manifest.append(result)
            else:
                reasons[result] += 1
                if result != "time limit":
                    print(f"{job.target.stem}: {result}", flush=True)
            if done % 50 == 0 or done == len(tasks):
                spent = time.time() - began
                left = spent / done * (len(tasks) - done)
                print(f"{done}/{len(tasks)} in {spent:.0f} s, {left:.0f} s to go", flush=True)
        pool.close()
        pool.join()
    used = os.times()
    cpu = used.user + used.system + used.children_user + used.children_system
    made = len(tasks) - reasons.total()
    print(f"made {made}, failed {reasons.total()} {dict(reasons)}, CPU {cpu:.0f} s", flush=True)


if __name__ == "__main__":
    main()
