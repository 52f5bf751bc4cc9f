"""What to render, and the common steps from a score in a zip to an arrangement."""

from __future__ import annotations

import csv
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from renders.arrange import Arrangement, arrange
from renders.ensembles import Kind
from renders.midi import read_midi
from renders.musicxml import read_musicxml, window_musicxml
from renders.score import RenderError

#: Columns of the manifest of renders.
COLUMNS = [
    *("file", "score_id", "collection", "composer_or_artist", "template", "pattern", "seconds"),
    *("tempo_bpm", "tempo_middle", "tempo_min", "tempo_max", "tempo_constant", "beat_quarters"),
    *("meter", "meter_constant", "swing", "key", "tonic", "mode", "key_basis", "key_from_notes"),
    *("drums", "instruments", "programs", "soundfont", "effects"),
]


@dataclass(frozen=True)
class Job:
    """One render to make."""

    row: dict[str, str]
    archive: Path
    variant: int
    variants: int
    target: Path


@dataclass(frozen=True)
class Settings:
    """What is the same for all renders of a run."""

    seed: int
    seconds: float
    sample_rate: int
    soundfonts: tuple[str, ...]
    templates: tuple[str, ...]
    timeout: float


def make(job: Job, settings: Settings, kind: Kind, rng: np.random.Generator) -> Arrangement:
    """Read a job's score and arrange an excerpt of it.

    Parameters
    ----------
    job : Job
        What to render.
    settings : Settings
        The run's settings.
    kind : Kind
        The template, and how fast and free it is played.
    rng : numpy.random.Generator
        Source of all choices.

    Returns
    -------
    Arrangement
        What to play, and its truth.
    """
    member = job.row["member"]
    with zipfile.ZipFile(job.archive) as archive:
        data = archive.read(member)
    share = (job.variant / job.variants, (job.variant + 1) / job.variants)
    rest = (kind.sounds, kind.tempos, kind.free, rng)
    if member.endswith((".mid", ".midi")):
        return arrange(read_midi(data), settings.seconds, share, *rest)
    for attempt in range(3):
        window, final = window_musicxml(data, settings.seconds * 1.5, share, rng)
        score = read_musicxml(window, settings.timeout)
        score.final = final
        try:
            return arrange(score, settings.seconds, (0.0, 1.0), *rest)
        except RenderError:
            if attempt == 2:
                raise
    raise AssertionError("not reached")


def list_jobs(scores: Path, out: Path, collections: list[str], seed: int) -> list[Job]:
    """List the renders to make.

    Parameters
    ----------
    scores : pathlib.Path
        The folder with ``manifest.csv`` and the zips.
    out : pathlib.Path
        The folder of the audio.
    collections : list of str
        ``name:count:variants`` each; a count of 0 takes all scores. ``name:count:first-last``
        makes the variants with these numbers only, as ``lieder:300:1-2``.
    seed : int
        Seed of the choice of scores.

    Returns
    -------
    list of Job
        The jobs, the collections taking turns.
    """
    with (scores / "manifest.csv").open(newline="", encoding="utf-8") as stream:
        rows = sorted(csv.DictReader(stream), key=lambda row: row["score_id"])
    jobs: list[tuple[float, Job]] = []
    for entry in collections:
        name, count, span = entry.split(":")
        first, _, last = span.rpartition("-")
        numbers = range(int(first), int(last) + 1) if first else range(int(last))
        members = [row for row in rows if row["collection"] == name]
        order = np.random.default_rng([seed, zlib.crc32(name.encode())]).permutation(len(members))
        mine = [
            (variant, members[index])
            for variant in numbers
            for index in order[: int(count) or None]
        ]
        for place, (variant, row) in enumerate(mine):
            target = out / f"{name}_{row['score_id']}_{variant}.flac"
            job = Job(row, scores / row["file"], variant, numbers[-1] + 1, target)
            jobs.append((place / len(mine), job))
    return [job for _, job in sorted(jobs, key=lambda job: job[0])]
