"""What a training is asked to do, checked before anything is heard; the folders it may write to."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.audio.mel import LogMel
from musicu.errors import ModelError
from musicu.evaluation.encoders.dataset import Collection
from musicu.training.clips import Clip, Source
from musicu.training.distill import Recipe
from musicu.training.labels import read_labels
from musicu.training.refine import Refinement
from musicu.training.start import Start
from musicu.training.teachers import Teacher

__all__ = ["Names", "Plan", "claim_folders"]

Names = Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a training is asked to do; the parameters of `train_encoder` that decide its result.

    Attributes
    ----------
    recipe : Recipe
    front_end : LogMel
        What the student hears.
    sources : list of Source
        The folders of audio.
    shaping : np.ndarray [shape=(sources,), bool]
        Those of them whose clips shape the space to learn.
    teachers : list of Teacher
        None: learn from the labels.
    labels : tuple of str
        Paths of the tables of labels.
    artist, single, multi : optional
        Their columns, as they were named.
    collections : list of Collection
        What the tables hold.
    refinement : Refinement or None
        None unless there are both teachers and labels.
    timbre : float >= 0
        0 without teachers.
    hold_out : str or float
    start_from, start : optional
        What to start from, as it was named, and what that is.
    """

    recipe: Recipe
    front_end: LogMel
    sources: list[Source]
    shaping: NDArray[np.bool_]
    teachers: list[Teacher]
    labels: tuple[str, ...]
    artist: str | None
    single: Sequence[str] | None
    multi: Sequence[str] | None
    collections: list[Collection]
    refinement: Refinement | None
    timbre: float
    hold_out: str | float
    start_from: str | os.PathLike[str] | None
    start: Start | None

    @classmethod
    def make(
        cls,
        audio: Names,
        *,
        teachers: Names,
        labels: Names,
        artist: str | None,
        single: Sequence[str] | None,
        multi: Sequence[str] | None,
        hold_out: str | float,
        recipe: Recipe,
        front_end: LogMel,
        targets: Names,
        start_from: str | os.PathLike[str] | None,
        refinement: Refinement | None,
        timbre: float,
        fast_teachers: bool,
    ) -> Plan:
        """Check the parameters of :func:`musicu.training.encoder.train_encoder`.

        Raises
        ------
        ModelError
            There is nothing to learn from, a number is out of range, a folder, teacher, column or
            checkpoint is not there.
        MetadataError
            The labels cannot be read.
        """
        if not teachers and not labels:
            raise ModelError("nothing to learn from: name a teacher, or labels, or both")
        if not timbre >= 0:
            raise ModelError("timbre: its share must be at least 0")
        if recipe.patience and not isinstance(hold_out, str) and not hold_out:
            raise ModelError(
                "patience needs a held-out part: without one nothing can be seen to stall"
            )
        sources = _sources(audio)
        shaping = _shaping(sources, targets)
        asked = [Teacher(name, fast=fast_teachers) for name in teachers]
        collections = read_labels(labels, artist=artist, single=single, multi=multi)
        refinement = refinement if teachers and labels else None
        columns = dict.fromkeys(column for table in collections for column in table.multi)
        if refinement and (away := [name for name in refinement.axes if name not in columns]):
            there = ", ".join(columns) or "none"
            raise ModelError(f"axes: no column of several labels {away[0]!r}; there are {there}")
        return cls(
            recipe=recipe,
            front_end=front_end,
            sources=sources,
            shaping=shaping,
            teachers=asked,
            labels=tuple(os.fspath(table) for table in labels),
            artist=artist,
            single=single,
            multi=multi,
            collections=collections,
            refinement=refinement,
            timbre=timbre if teachers else 0.0,
            hold_out=hold_out,
            start_from=start_from,
            start=None if start_from is None else Start.find(start_from, front_end),
        )

    def settings(self, clips: Sequence[Clip]) -> dict[str, Any]:
        """Plain values of all that decides what the weights become, the audio included."""
        rule = str(self.hold_out)
        settings = {
            **asdict(self.recipe),
            "front_end": asdict(self.front_end),
            "teachers": [(t.model.id, t.model.sha256, t.outputs, t.fast) for t in self.teachers],
            "audio": [
                (s.share, [c.identity for c in clips if c.source == i])
                for i, s in enumerate(self.sources)
            ],
            "targets": np.flatnonzero(self.shaping).tolist(),
            "labels": [_digest(Path(table)) for table in self.labels]
            + [self.artist, self.single, self.multi],
            "refinement": asdict(self.refinement) if self.refinement else None,
            "hold_out": _digest(Path(rule)) if Path(rule).is_file() else rule,
            "start_from": _digest(self.start.file) if self.start else None,
        }
        plain: dict[str, Any] = json.loads(json.dumps(settings))
        return plain


def claim_folders(work: Path, out: Path, settings: dict[str, Any]) -> str:
    """Note the settings in the work folder, unless it or the model folder is another training's.

    Parameters
    ----------
    work : Path
        The work folder; it exists.
    out : Path
        The model folder to be.
    settings : dict
        From :meth:`Plan.settings`.

    Returns
    -------
    str
        Fingerprint of the settings: 64 hex digits.

    Raises
    ------
    ModelError
        ``work`` has a checkpoint of other settings, or ``out`` holds something else.
    """
    fingerprint = hashlib.sha256(json.dumps(settings).encode()).hexdigest()
    note = work / "settings.json"
    if (work / "checkpoint.pt").exists() and note.exists():
        old = json.loads(note.read_text(encoding="utf-8"))
        if old != settings:
            other = [key for key in settings if old.get(key) != settings[key]]
            raise ModelError(
                f"{work}: holds a training of other settings ({', '.join(other)}): name another "
                "folder, or delete its checkpoint.pt and keep what was heard"
            )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        try:
            config = json.loads((out / "config.json").read_text(encoding="utf-8"))
            ours = config["recipe"]["fingerprint"] == fingerprint
        except (OSError, ValueError, KeyError, TypeError):
            ours = False
        if not ours:
            raise ModelError(f"{out}: exists and is not the model of this training: name another")
    note.write_text(json.dumps(settings, indent=1), encoding="utf-8")
    return fingerprint


def _sources(audio: Names) -> list[Source]:
    sources = [Source.parse(text) for text in audio]
    shares = [source.share for source in sources if source.share is not None]
    if sum(shares) > 1 + 1e-9 or (len(shares) < len(sources) and sum(shares) > 1 - 1e-9):
        raise ModelError(f"shares of audio add up to {sum(shares):g}: nothing is left for the rest")
    return sources


def _shaping(sources: Sequence[Source], targets: Names) -> NDArray[np.bool_]:
    """Which sources shape the targets."""
    folders = [os.path.abspath(source.folder) for source in sources]
    wanted = [os.path.abspath(target) for target in targets]
    if unknown := [target for target in wanted if target not in folders]:
        raise ModelError(f"{', '.join(unknown)}: to shape the targets it must be among the audio")
    return np.array([not wanted or folder in wanted for folder in folders])


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror or error}") from None
