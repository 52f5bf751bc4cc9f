"""Retrieval quality on an artist-grouped collection: our encoder, others, MFCC, chance.

    python bench/quality.py --model musicu-1 [--model FOLDER ...] [--fold 4]

Reads `taffc/manifest.csv` and `taffc/source_info.csv` under $MUSICU_DATA: clips with artist groups,
mood quadrants, genres, mood words, and artist-disjoint folds. `--fold` restricts queries and
candidates to some folds, as for a model that has seen the others. Intervals are 95 % bootstraps
over artists. Genre and mood neighbors leave out the query's own artist, as Pampalk (2005) and
Flexer & Schnitzer (2010) advise.
"""

import argparse
import csv
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from musicu import Encoder, load

COLUMNS = ("artist P@1", "artist MAP", "quadrant P@1", "genre J@10", "mood J@10", "hub skew")


@dataclass(frozen=True)
class Labels:
    """What is known of the clips, row by row."""

    paths: list[Path]
    artist: np.ndarray
    quadrant: np.ndarray
    genre: np.ndarray  # Jaccard similarity of every pair
    mood: np.ndarray


def read_labels(folder: Path, folds: set[str]) -> Labels:
    """Read the collection's tables."""
    with open(folder / "manifest.csv", encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file) if not folds or r["fold"] in folds]
    with open(folder / "source_info.csv", encoding="utf-8") as file:
        groups = {r["track_id"]: r["artist_group"] for r in csv.DictReader(file)}
    return Labels(
        paths=[folder / r["file"] for r in rows],
        artist=np.array([groups[r["track_id"]] or r["track_id"] for r in rows]),
        quadrant=np.array([r["quadrant"] for r in rows]),
        genre=jaccard([r["genres"] for r in rows]),
        mood=jaccard([r["moods"] for r in rows]),
    )


def jaccard(lists: list[str]) -> np.ndarray:
    """Jaccard similarity of every pair of '|'-joined lists."""
    sets = [set(text.split("|")) - {""} for text in lists]
    names = sorted(set().union(*sets))
    has = np.array([[name in s for name in names] for s in sets], dtype=np.float64)
    common = has @ has.T
    size = has.sum(axis=1)
    return common / np.maximum(size[:, None] + size - common, 1)


def scores(vectors: np.ndarray, labels: Labels) -> dict[str, np.ndarray]:
    """Score each query; NaN where a query cannot be scored. `hub skew` is one number."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    n = len(unit)
    same = labels.artist[:, None] == labels.artist
    np.fill_diagonal(same, False)
    np.fill_diagonal(cosine, -np.inf)
    order = np.argsort(-cosine, axis=1, kind="stable")[:, :-1]
    hits = np.take_along_axis(same, order, axis=1)
    precision = np.cumsum(hits, axis=1) / np.arange(1, n)
    with np.errstate(invalid="ignore"):
        ap = (precision * hits).sum(axis=1) / hits.sum(axis=1)
    first = np.where(hits.any(axis=1), hits[:, 0].astype(float), np.nan)
    others = np.argsort(-np.where(same, -np.inf, cosine), axis=1, kind="stable")[:, :10]
    rows = np.arange(n)[:, None]
    counts = np.bincount(order[:, :10].ravel(), minlength=n).astype(float)
    skew = ((counts - counts.mean()) ** 3).mean() / counts.std() ** 3
    return {
        "artist P@1": first,
        "artist MAP": ap,
        "quadrant P@1": (labels.quadrant[others[:, 0]] == labels.quadrant).astype(float),
        "genre J@10": labels.genre[rows, others].mean(axis=1),
        "mood J@10": labels.mood[rows, others].mean(axis=1),
        "hub skew": np.array([skew]),
    }


def interval(values: np.ndarray, artist: np.ndarray, rng: np.random.Generator) -> str:
    """Format a mean with its 95 % bootstrap interval over artists."""
    if len(values) == 1:
        return f"{values[0]:.2f}"
    names, group = np.unique(artist, return_inverse=True)
    kept = ~np.isnan(values)
    total = np.bincount(group[kept], values[kept], len(names))
    count = np.bincount(group[kept], minlength=len(names))
    draws = rng.integers(len(names), size=(2000, len(names)))
    means = total[draws].sum(axis=1) / np.maximum(count[draws].sum(axis=1), 1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{np.nanmean(values):.3f} [{low:.3f}, {high:.3f}]"


def mfcc(paths: list[Path]) -> np.ndarray:
    """Mean and standard deviation of 20 MFCCs at 16 kHz, each standardized over the collection."""
    import librosa

    rows = []
    for path in paths:
        y, sr = load(path, sr=16000)
        frames = librosa.feature.mfcc(y=y, sr=sr, n_mfcc=20)
        rows.append(np.concatenate([frames.mean(axis=1), frames.std(axis=1)]))
    x = np.array(rows)
    return (x - x.mean(axis=0)) / x.std(axis=0)


def embed(model: str, paths: list[Path]) -> np.ndarray:
    """Embed all clips with a model."""
    encoder = Encoder.from_pretrained(model)
    rows = []
    for path in paths:
        y, sr = load(path, sr=encoder.model.front_end.sr)
        rows.append(encoder.embed(y, sr))
    return np.array(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", action="append", default=[], help="name or folder; repeatable")
    parser.add_argument("--fold", action="append", default=[], help="only this fold; repeatable")
    parser.add_argument("--data", default=os.environ.get("MUSICU_DATA"), help="else $MUSICU_DATA")
    arguments = parser.parse_args()
    if not arguments.data:
        sys.exit("error: name the collection with --data or $MUSICU_DATA")
    labels = read_labels(Path(arguments.data) / "taffc", set(arguments.fold))
    rng = np.random.default_rng(0)
    systems: dict[str, Callable[[], np.ndarray]] = {
        Path(m).name: (lambda m=m: embed(m, labels.paths)) for m in arguments.model or ["musicu-1"]
    }
    systems["MFCC mean + std"] = lambda: mfcc(labels.paths)
    systems["chance"] = lambda: rng.standard_normal((len(labels.paths), 64))
    where = f"folds {', '.join(arguments.fold)}" if arguments.fold else "all folds"
    print(f"taffc, {where}: {len(labels.paths)} clips, {len(set(labels.artist))} artists\n")
    print("| | " + " | ".join(COLUMNS) + " |\n" + "|---" * (len(COLUMNS) + 1) + "|")
    for name, compute in systems.items():
        result = scores(compute(), labels)
        cells = [interval(result[c], labels.artist, np.random.default_rng(1)) for c in COLUMNS]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
