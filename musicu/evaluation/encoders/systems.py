"""What is evaluated: models, one model a fold, several models side by side, baselines."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.audio.decode import load
from musicu.encoders.encoder import Encoder
from musicu.errors import AudioError, MusicuError
from musicu.evaluation.encoders.baselines import BASELINES
from musicu.evaluation.encoders.dataset import Collection

__all__ = ["Embedded", "Encoders", "System", "baseline_system", "embed_collection", "model_system"]

Floats = NDArray[np.float64]

_FOLD = "{fold}"
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class System:
    """Something that makes a vector of a clip.

    Attributes
    ----------
    label : str
        Its name in the results.
    parts : tuple of str
        Models by name or folder, whose unit vectors are put end to end; or one baseline.
    baseline : bool
        Which of the two.
    """

    label: str
    parts: tuple[str, ...]
    baseline: bool = False

    @property
    def by_fold(self) -> bool:
        """Whether each fold has a model, and so a space, of its own."""
        return not self.baseline and any(_FOLD in part for part in self.parts)

    @property
    def distance(self) -> Literal["cosine", "euclidean"]:
        """How its vectors are compared."""
        return BASELINES[self.parts[0]].distance if self.baseline else "cosine"


def model_system(text: str) -> System:
    """Read ``NAME``, ``FOLDER``, ``A+B`` or ``LABEL=`` any of these.

    Parameters
    ----------
    text : str
        In a folder's path ``{fold}`` stands for the fold of the clip. Whatever is a folder is
        taken as it is, "+" and "=" in its name included.
    """
    label, equals, spec = text.partition("=")
    if not equals or Path(text).is_dir():
        label, spec = "", text
    parts = (spec,) if Path(spec).is_dir() else tuple(part.strip() for part in spec.split("+"))
    if not all(parts):
        raise MusicuError(f"model {text!r}: a name is missing")
    return System(label=label or " + ".join(Path(p).name or p for p in parts), parts=parts)


def baseline_system(name: str) -> System:
    """Return one of :data:`musicu.evaluation.encoders.baselines.BASELINES` as a system."""
    if name not in BASELINES:
        raise MusicuError(f"no baseline {name!r}; there are {', '.join(BASELINES)}")
    return System(label=name, parts=(name,), baseline=True)


class Encoders:
    """The encoders of some systems, each opened once.

    Parameters
    ----------
    systems : sequence of System
        Baselines among them are passed over.
    folds : iterable of str
        The folds there are; none if the collection has no folds.

    Raises
    ------
    ModelError
        A model is missing or damaged.
    MusicuError
        A model a fold is asked for where there are no folds.
    """

    def __init__(self, systems: Sequence[System], folds: Iterable[str] = ()) -> None:
        self._systems = [system for system in systems if not system.baseline]
        self._folds = list(folds)
        self._opened: dict[str, Encoder] = {}
        for system in self._systems:
            if system.by_fold and not self._folds:
                raise MusicuError(f"{system.label}: {_FOLD} needs a table with a column of folds")
            for part in system.parts:
                for fold in self._folds or [""]:
                    spec = part.replace(_FOLD, fold)
                    if spec not in self._opened:
                        self._opened[spec] = Encoder.from_pretrained(spec)

    def of(self, system: System, fold: str = "") -> list[Encoder]:
        """Return the encoders that make up a system, in a fold (the first, if none is named)."""
        fold = fold or (self._folds or [""])[0]
        return [self._opened[part.replace(_FOLD, fold)] for part in system.parts]

    def describe(self, system: System) -> list[dict[str, Any]]:
        """Name a system's models and their weights."""
        return [
            {
                "fold": fold or None,
                "name": encoder.model.name,
                "folder": os.fspath(encoder.model.folder),
                "sha256": encoder.model.sha256,
                "dim": encoder.dim,
            }
            for fold in (self._folds if system.by_fold else [""])
            for encoder in self.of(system, fold)
        ]

    def embed(self, y: NDArray[np.float32], sr: int, fold: str = "") -> dict[str, Floats]:
        """Embed a clip with every system, by label; each model runs once.

        Raises
        ------
        AudioError
            The clip is silent or damaged.
        """
        done: dict[int, Floats] = {}
        for system in self._systems:
            for encoder in self.of(system, fold):
                if id(encoder) not in done:
                    done[id(encoder)] = unit_rows(encoder.embed(y, sr).astype(np.float64))
        return {
            system.label: np.concatenate([done[id(e)] for e in self.of(system, fold)])
            for system in self._systems
        }


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


def embed_collection(
    collection: Collection,
    systems: Sequence[System],
    encoders: Encoders,
    *,
    seed: int = 0,
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
    progress : callable, optional
        Called with the clips done and the clips in all.

    Raises
    ------
    MusicuError
        Files are missing.
    """
    files = collection.files
    if missing := [str(file) for file in files if not file.is_file()]:
        shown = ", ".join(missing[:_SHOWN]) + (" ..." if len(missing) > _SHOWN else "")
        raise MusicuError(
            f"{len(missing)} of {len(files)} files of {collection.name} are missing: {shown}; "
            "--audio names the folder they are in"
        )
    baselines = [system for system in systems if system.baseline]
    kept: list[int] = []
    found: dict[str, list[Floats]] = {system.label: [] for system in systems}
    skipped = []
    for i, file in enumerate(files):
        if progress:
            progress(i, len(files))
        try:
            y, sr = load(file)
            rows = encoders.embed(y, sr, "" if collection.fold is None else collection.fold[i])
            for system in baselines:
                rows[system.label] = BASELINES[system.parts[0]].features(file, y, sr)
        except AudioError as error:
            skipped.append((str(file), error.reason))
            continue
        kept.append(i)
        for label, row in rows.items():
            if found[label] and len(found[label][0]) != len(row):
                raise MusicuError(f"{label}: the folds' models have different dimensions")
            found[label].append(row)
    if progress:
        progress(len(files), len(files))
    vectors = {label: np.array(rows) for label, rows in found.items()}
    for system in baselines if kept else ():
        label = system.label
        vectors[label] = BASELINES[system.parts[0]].vectors(vectors[label], seed)
    return Embedded(collection.take(kept), vectors, tuple(skipped))
