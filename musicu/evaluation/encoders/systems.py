"""What is evaluated: models, one a fold or a collection, several side by side, baselines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.encoders.encoder import Encoder
from musicu.errors import MusicuError
from musicu.evaluation.encoders.baselines import BASELINES

__all__ = ["Encoders", "System", "baseline_system", "model_system"]

Floats = NDArray[np.float64]

_FOLD, _COLLECTION = "{fold}", "{collection}"


@dataclass(frozen=True, kw_only=True)
class System:
    """Something that makes a vector of a clip.

    Attributes
    ----------
    label : str
        Its name in the results.
    parts : tuple of str
        Models by name or folder; or one baseline.
    baseline : bool
        Which of the two.
    standardized : bool
        Whether each number of a model's vector is standardized over the collection. Always so of
        several models, whose unit vectors are then put end to end.
    """

    label: str
    parts: tuple[str, ...]
    baseline: bool = False
    standardized: bool = False

    def within(self, collection: str) -> System:
        """Return the system whose models are those for a collection (``{collection}``)."""
        return replace(self, parts=tuple(p.replace(_COLLECTION, collection) for p in self.parts))

    @property
    def by_collection(self) -> bool:
        """Whether each collection has a model of its own."""
        return any(_COLLECTION in part for part in self.parts)

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
        ``A+B`` are several models side by side, each number standardized over the collection and
        each model's vector of length 1; ``A+`` is one model, standardized likewise. In a folder's
        path ``{fold}`` stands for the fold of the clip, ``{collection}`` for the name of the
        collection. Whatever is a folder is taken as it is, "+" and "=" in its name included.
    """
    label, equals, spec = text.partition("=")
    if not equals or Path(text).is_dir():
        label, spec = "", text
    parts = (spec,) if Path(spec).is_dir() else tuple(part.strip() for part in spec.split("+"))
    names = [Path(part).name or part for part in parts]
    if len(parts) == 2 and parts[0] and not parts[1]:
        return System(label=label.strip() or f"{names[0]}+", parts=parts[:1], standardized=True)
    if not all(parts):
        raise MusicuError(f"model {text!r}: a name is missing")
    several = len(parts) > 1
    return System(label=label.strip() or " + ".join(names), parts=parts, standardized=several)


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

        Several models' unit vectors are put end to end as they are: of one clip there is nothing
        to standardize over.

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
