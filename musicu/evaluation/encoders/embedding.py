"""Vectors of a collection: each clip decoded once for all systems, or found in a cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.audio.decode import identify, load
from musicu.encoders.encoder import Encoder
from musicu.errors import AudioError, MusicuError
from musicu.evaluation.encoders.baselines import BASELINES
from musicu.evaluation.encoders.dataset import Collection
from musicu.evaluation.encoders.systems import Encoders, System
from musicu.evaluation.encoders.vector_cache import VectorCache, model_key

__all__ = ["Embedded", "check_files", "embed_collection"]

Floats = NDArray[np.float64]
# From a clip's path, samples and their rate to a vector.
_Maker = Callable[[Path, NDArray[np.float32], int], Floats]

_SHOWN = 3


@dataclass(frozen=True)
class Embedded:
    """Vectors of a collection.

    Attributes
    ----------
    collection : Collection
        The clips that could be used.
    vectors : dict of np.ndarray [shape=(n, dim), float64]
        By the systems' labels.
    skipped : tuple of (str, str)
        Files that could not be used, with reasons.
    """

    collection: Collection
    vectors: dict[str, Floats]
    skipped: tuple[tuple[str, str], ...]


def check_files(collection: Collection) -> None:
    """Refuse a collection of which files are missing.

    Raises
    ------
    MusicuError
        Says how many, and which are the first.
    """
    files = collection.files
    if missing := [str(file) for file in files if not file.is_file()]:
        shown = ", ".join(missing[:_SHOWN]) + (" ..." if len(missing) > _SHOWN else "")
        raise MusicuError(
            f"{len(missing)} of {len(files)} files of {collection.name} are missing: {shown}; "
            "--audio names the folder they are in"
        )


def embed_collection(
    collection: Collection,
    systems: Sequence[System],
    encoders: Encoders,
    *,
    seed: int = 0,
    cache: VectorCache | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Embedded:
    """Decode every clip once and embed it with all systems.

    Parameters
    ----------
    collection : Collection
        The clips.
    systems : sequence of System
        Models and baselines.
    encoders : Encoders
        Made for these systems.
    seed : int
        Of the baseline ``random``.
    cache : VectorCache, optional
        Where vectors are kept; a clip of which it has all is not decoded.
    progress : callable, optional
        Called with the clips done and the clips in all.

    Raises
    ------
    MusicuError
        Files are missing.
    """
    check_files(collection)
    files = collection.files
    makers: dict[str, _Maker] = {}
    keys: dict[tuple[int, str], list[str]] = {}

    def keys_of(number: int, fold: str) -> list[str]:
        """Name what makes the parts of a system's vector, in a fold."""
        if (number, fold) not in keys:
            keys[number, fold] = _makers(systems[number], encoders, fold, makers)
        return keys[number, fold]

    kept: list[int] = []
    found: dict[str, list[list[Floats]]] = {system.label: [] for system in systems}
    skipped = []
    for i, file in enumerate(files):
        if progress:
            progress(i, len(files))
        fold = "" if collection.fold is None else str(collection.fold[i])
        wanted = [keys_of(number, fold) for number in range(len(systems))]
        try:
            made = _vectors(file, list(dict.fromkeys(sum(wanted, []))), makers, cache)
        except AudioError as error:
            skipped.append((str(file), error.reason))
            continue
        kept.append(i)
        for system, own in zip(systems, wanted, strict=True):
            blocks, rows = [made[key] for key in own], found[system.label]
            if rows and [len(b) for b in rows[0]] != [len(b) for b in blocks]:
                raise MusicuError(f"{system.label}: the folds' models have different dimensions")
            rows.append(blocks)
    if progress:
        progress(len(files), len(files))
    used = collection.take(kept)
    vectors = {s.label: _join(s, found[s.label], used.fold, seed) for s in systems if kept}
    return Embedded(used, vectors, tuple(skipped))


def _makers(system: System, encoders: Encoders, fold: str, makers: dict[str, _Maker]) -> list[str]:
    """Add what makes a system's vectors to ``makers``; return the keys, part by part."""
    if system.baseline:
        name = system.parts[0]
        makers.setdefault(f"baseline {name}", BASELINES[name].features)
        return [f"baseline {name}"]
    keys = []
    for encoder in encoders.of(system, fold):
        keys.append(model_key(encoder.model))
        makers.setdefault(keys[-1], _embed_with(encoder))
    return keys


def _embed_with(encoder: Encoder) -> _Maker:
    def embed(file: Path, y: NDArray[np.float32], sr: int) -> Floats:
        unit: Floats = unit_rows(encoder.embed(y, sr).astype(np.float64))
        return unit

    return embed


def _vectors(
    file: Path, keys: Sequence[str], makers: dict[str, _Maker], cache: VectorCache | None
) -> dict[str, Floats]:
    """Make the vectors of a clip, by key, or find them in the cache.

    Raises
    ------
    AudioError
        The clip is silent or damaged.
    """
    done: dict[str, Floats] = {}
    clip = ""
    if cache is not None:
        clip = _identity(file)
        done = {key: found for key in keys if clip and (found := cache.get(key, clip)) is not None}
    if len(done) < len(keys):
        y, sr = load(file)
        for key in keys:
            if key not in done:
                done[key] = makers[key](file, y, sr)
                if cache is not None and clip:
                    cache.put(key, clip, done[key])
    return done


def _identity(file: Path) -> str:
    """Identity of a clip's audio; "" if it has none, and then nothing of it is kept."""
    try:
        return identify(file)
    except AudioError:
        return ""


def _join(
    system: System, rows: Sequence[Sequence[Floats]], fold: NDArray[np.str_] | None, seed: int
) -> Floats:
    """Put the parts of a system's vectors together, [n, dim]."""
    if system.baseline:
        return BASELINES[system.parts[0]].vectors(np.array([row[0] for row in rows]), seed)
    blocks = [np.array(block) for block in zip(*rows, strict=True)]
    if system.standardized:
        spaces = fold if system.by_fold and fold is not None else np.zeros(len(rows))
        for block in blocks:
            for space in np.unique(spaces):
                at = spaces == space
                std = block[at].std(axis=0)
                centered = (block[at] - block[at].mean(axis=0)) / np.where(std > 0, std, 1.0)
                block[at] = unit_rows(centered)
    return np.concatenate(blocks, axis=1)
