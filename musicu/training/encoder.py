"""Train an encoder on a library of one's own: from teachers, or from labels."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.audio.mel import LOG_MEL_PRESETS, LogMel
from musicu.encoders.encoder import Encoder
from musicu.encoders.model import Model
from musicu.errors import ModelError
from musicu.training.clips import (
    Source,
    find_clips,
    hold_out_clips,
    require_clips,
)
from musicu.training.curves import curves
from musicu.training.data import Cache, Material
from musicu.training.distill import (
    Recipe,
    distil,
    load_checkpoint,
    load_student,
)
from musicu.training.export import card, export
from musicu.training.folding import (
    clip_answers,
    clip_vectors,
    finish_student,
    fit_labels,
)
from musicu.training.labels import label_clips, read_labels
from musicu.training.objectives import Distillation, Labelling, Objective
from musicu.training.refine import Refinement
from musicu.training.taghead import learn_tags, write_tags
from musicu.training.teachers import Teacher
from musicu.training.timbre import Cepstra
from musicu.training.views import View, altered_views, clean_views, view_weights

__all__ = ["Progress", "Trained", "train_encoder"]

Names = Sequence[str | os.PathLike[str]]

_GATE_DB = 60.0
_REFINEMENT = Refinement()


@dataclass(frozen=True)
class Progress:
    """Where a training is.

    Attributes
    ----------
    stage : {"hear", "train"}
        Versions of clips are heard (and teachers asked); then steps are trained.
    done, total : int
        Versions or steps.
    loss, held_out : float or None
        After an evaluation: mean loss since the last one, and the held-out figure (NaN without).
    """

    stage: str
    done: int
    total: int
    loss: float | None = None
    held_out: float | None = None


@dataclass(frozen=True)
class Trained:
    """What came out.

    Attributes
    ----------
    model : Model
        The model folder.
    work : Path
        The folder of the run, with ``log.csv`` and ``skipped.csv`` (files with reasons).
    figures : dict of str to float
        What was measured on the held-out clips, at the weights that were kept; first what the
        training aimed at. Empty if nothing was held out.
    clips, clips_held_out : int
        Clips that were used, and those of them that were held out.
    steps : int
        Steps that were trained.
    skipped : dict of str to str
        Reason for each file that was not used.
    """

    model: Model
    work: Path
    figures: dict[str, float]
    clips: int
    clips_held_out: int
    steps: int
    skipped: dict[str, str] = field(default_factory=dict)


def train_encoder(
    audio: Names,
    out: str | os.PathLike[str],
    *,
    teachers: Names = (),
    labels: Names = (),
    artist: str | None = None,
    single: Sequence[str] | None = None,
    multi: Sequence[str] | None = None,
    work: str | os.PathLike[str] | None = None,
    hold_out: str | float = 0.1,
    recipe: Recipe | None = None,
    front_end: LogMel | None = None,
    targets: Names = (),
    start_from: str | os.PathLike[str] | None = None,
    refinement: Refinement | None = _REFINEMENT,
    timbre: float = 0.0,
    jobs: int = 2,
    threads: int = 1,
    id: str | None = None,
    version: str = "1",
    license: str = "not stated",
    description: str = "",
    training_data: Sequence[str] = (),
    command: str = "",
    progress: Callable[[Progress], None] | None = None,
) -> Trained:
    """Train a small, fast encoder and write its model folder.

    With teachers their answers are distilled: cosine to the principal components of what they say
    of each window. Labels refine first the teachers' space, then the student's, by a linear map
    each. Without teachers, windows are brought together by clip, artist and labels.

    A run that was stopped goes on where it was when called again with the same arguments, and
    ends with the same weights.

    Parameters
    ----------
    audio : sequence of path-like
        Folders; ``DIR=SHARE`` draws that share of the training windows from one. What remains is
        shared by the others by their number of clips.
    out : path-like
        The model folder to make.
    teachers : sequence of path-like
        Models to learn from, see :class:`musicu.training.teachers.Teacher`.
    labels : sequence of path-like
        Tables of labels, see :func:`musicu.training.clips.read_labels`.
    artist, single, multi : optional
        Their columns, as for :func:`musicu.evaluation.encoders.dataset.select`.
    work : path-like, optional
        Folder for what was heard and for the checkpoint; else ``out`` with ``.work`` added.
    hold_out : float or str
        A share of the clips, whole artists or folders of them, or a text file of names, see
        :func:`musicu.training.clips.hold_out_clips`. 0: none.
    recipe : Recipe, optional
        How to train.
    front_end : LogMel, optional
        What the student hears; else the preset ``musicu``.
    targets : sequence of path-like
        Those of the folders in ``audio`` whose clips shape the space to learn; none: all.
    start_from : path-like, optional
        Another run's work folder or checkpoint to start from.
    refinement : Refinement or None
        How far labels may move the teachers' space, and the student's at the end; None: not at all.
    timbre : float >= 0
        Share of plain timbre that is put beside a distilled space at the end: what same-artist
        search gains most from, and not what the teachers said. 0: none.
    jobs : int
        Files to hear at a time.
    threads : int
        Threads that train; with more than one, runs are no longer equal to the bit.
    id, version, license, description, training_data, command : optional
        Entries of the model's config and card; the id is else the folder's name.
    progress : callable, optional
        Told of each step.

    Returns
    -------
    Trained

    Raises
    ------
    ModelError
        There is too little audio, a teacher does not run, ``out`` holds another model, or ``work``
        a training of other settings.
    MetadataError
        The labels cannot be read, or fit no file.
    """
    tell = progress or (lambda _: None)
    recipe = recipe or Recipe()
    front_end = front_end or LOG_MEL_PRESETS["musicu"]
    out = Path(out)
    work = Path(work) if work is not None else out.with_name(out.name + ".work")
    if not teachers and not labels:
        raise ModelError("nothing to learn from: name a teacher, or labels, or both")
    if not timbre >= 0:
        raise ModelError("timbre: its share must be at least 0")
    if recipe.patience and not isinstance(hold_out, str) and not hold_out:
        raise ModelError("patience needs a held-out part: without one nothing can be seen to stall")
    if not teachers or not labels:
        refinement = None
    if not teachers:
        timbre = 0.0
    sources = [Source.parse(text) for text in audio]
    shares = [source.share for source in sources if source.share is not None]
    if sum(shares) > 1 + 1e-9 or (len(shares) < len(sources) and sum(shares) > 1 - 1e-9):
        raise ModelError(f"shares of audio add up to {sum(shares):g}: nothing is left for the rest")
    shaping = _shaping(sources, targets)
    asked = [Teacher(name) for name in teachers]
    collections = read_labels(labels, artist=artist, single=single, multi=multi)
    columns = dict.fromkeys(column for table in collections for column in table.multi)
    if refinement and (away := [name for name in refinement.axes if name not in columns]):
        there = ", ".join(columns) or "none"
        raise ModelError(f"axes: no column of several labels {away[0]!r}; there are {there}")
    start = _checkpoint(start_from)
    work.mkdir(parents=True, exist_ok=True)
    clips, skipped = find_clips(sources, work / "files.json")
    rule = str(hold_out)
    settings = {
        **asdict(recipe),
        "front_end": asdict(front_end),
        "teachers": [(t.model.id, t.model.sha256, t.outputs) for t in asked],
        "audio": [
            (s.share, [c.identity for c in clips if c.source == i]) for i, s in enumerate(sources)
        ],
        "targets": np.flatnonzero(shaping).tolist(),
        "labels": [_digest(Path(table)) for table in labels] + [artist, single, multi],
        "refinement": asdict(refinement) if refinement else None,
        "hold_out": _digest(Path(rule)) if Path(rule).is_file() else rule,
        "start_from": _digest(start) if start else None,
    }
    fingerprint = _claim(work, out, json.loads(json.dumps(settings)))

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        cache = Cache(work / "cache", front_end, asked)
        altered = len(clips) * recipe.views
        unheard = _hear(cache, clean_views(clips), recipe.seed, jobs, tell, expected=altered)
        skipped |= unheard
        _write_reasons(work / "skipped.csv", skipped)
        clips = [clip for clip in clips if str(clip.path) not in unheard]
        require_clips(clips, skipped)
        known = label_clips(clips, collections)
        artists = known.artist.tolist() if labels else None
        held = hold_out_clips(clips, artists, hold_out, seed=recipe.seed)
        views = [
            *clean_views(clips),
            *altered_views(clips, held, recipe.views, mixed=bool(asked), seed=recipe.seed),
        ]
        _hear(cache, views, recipe.seed, jobs, tell)
        of = np.array([view.clip for view in views])
        source = np.array([clip.source for clip in clips])[of]
        weight = view_weights(sources, source, held[of])
        material = Material.gather(cache, views, held=held[of], weight=weight)
        objective: Objective
        if asked:
            objective = Distillation(
                material,
                dim=recipe.dim,
                whiten=recipe.whiten,
                batch=recipe.batch,
                weight=recipe.contrast,
                temperature=recipe.temperature,
                fit_views=shaping[source],
                seed=recipe.seed,
            )
            if refinement is not None:
                said = clip_answers(objective.wanted, material)
                objective.refine(*fit_labels(said, known, held, how=refinement, seed=recipe.seed))
        else:
            objective = Labelling(
                material, known, batch=recipe.batch, temperature=recipe.temperature
            )
        for figures in distil(
            material, objective, recipe, front_end, work, fingerprint=fingerprint, start_from=start
        ):
            tell(Progress("train", figures.step, figures.steps, figures.loss, figures.held_out))
        student = load_student(work / "checkpoint.pt")
        history = load_checkpoint(work / "checkpoint.pt")["history"].tolist()
        value = max(row[2] for row in history) if held.any() else None
        measured = {} if value is None else {objective.figure: value}
        if refinement is not None or timbre:
            measured |= finish_student(
                student,
                clip_vectors(student, material, front_end),
                clip_vectors(Cepstra(front_end.n_mels), material, front_end) if timbre else None,
                known,
                held,
                how=refinement,
                share=timbre,
                n_mels=front_end.n_mels,
                seed=recipe.seed,
            )
        tags = None
        if any(known.multi.values()):
            exact = clip_vectors(student, material, front_end).astype(np.float64)
            vectors = unit_rows(exact).astype(np.float32)
            rows = np.flatnonzero(known.known & ~held)
            tags = learn_tags(
                vectors[rows], known.take(rows.tolist()).multi, known.artist[rows], seed=recipe.seed
            )
    finally:
        torch.set_num_threads(before)

    frames = np.array([len(mel) for mel in material.mel[: len(clips)]])
    hours = frames * front_end.hop_length / front_end.sr / 3600
    folder_of = source[: len(clips)]
    config = {
        "id": id or out.name,
        "version": version,
        "license": license,
        "description": description or _described(asked, recipe),
        "training_data": [
            *(training_data or (f"{len(clips)} clips, {hours.sum():.1f} hours",)),
            *(f"answers of {t.name} ({t.model.license})" for t in asked),
        ],
        "gate_db": _GATE_DB,
        "figures": {f"held out, {name}": round(value, 4) for name, value in measured.items()},
        "recipe": {
            **asdict(recipe),
            "teachers": [t.name for t in asked],
            "labels": [os.fspath(table) for table in labels],
            "hold_out": rule,
            "held_out_clips": int(held.sum()),
            "start_from": os.fspath(start_from) if start_from else None,
            "refinement": asdict(refinement) if refinement else None,
            "timbre": timbre,
            "fingerprint": fingerprint,
        },
    }
    export(student, out, front_end, config)
    if tags is not None and tags[0]:
        write_tags(out, *tags)
    text = card(
        config,
        audio=[
            (str(s.folder), int((folder_of == i).sum()), float(hours[folder_of == i].sum()))
            for i, s in enumerate(sources)
        ],
        teachers=[(t.name, t.model.license) for t in asked],
        held_out=_said(measured, held, len(history)),
        command=command,
    )
    (out / "README.md").write_text(text, encoding="utf-8")
    drawn = curves(history, title=f"Training of {config['id']}", figure=objective.figure)
    (out / "curves.svg").write_text(drawn, encoding="utf-8")
    model = Model.load(out)
    Encoder(model)
    return Trained(
        model=model,
        work=work,
        figures=measured,
        clips=len(clips),
        clips_held_out=int(held.sum()),
        steps=int(history[-1][0]),
        skipped=skipped,
    )


def _said(figures: dict[str, float], held: NDArray[np.bool_], evaluations: int) -> str:
    if not figures:
        return "Nothing was held out, so nothing was measured."
    values = "; ".join(f"{name} {value:.3f}" for name, value in figures.items())
    return (
        f"On {held.sum()} of {len(held)} clips, held out of training: {values}. The weights are "
        f"those that did best in {evaluations} evaluations on these clips."
    )


def _shaping(sources: Sequence[Source], targets: Names) -> NDArray[np.bool_]:
    """Which sources shape the targets."""
    folders = [os.path.abspath(source.folder) for source in sources]
    wanted = [os.path.abspath(target) for target in targets]
    if unknown := [target for target in wanted if target not in folders]:
        raise ModelError(f"{', '.join(unknown)}: to shape the targets it must be among the audio")
    return np.array([not wanted or folder in wanted for folder in folders])


def _checkpoint(start_from: str | os.PathLike[str] | None) -> Path | None:
    if start_from is None:
        return None
    file = Path(start_from)
    file = file / "checkpoint.pt" if file.is_dir() else file
    if not file.is_file():
        raise ModelError(f"{start_from}: no checkpoint to start from")
    load_checkpoint(file)
    return file


def _write_reasons(file: Path, skipped: dict[str, str]) -> None:
    with open(file, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        csv.writer(stream).writerows([("path", "reason"), *skipped.items()])


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"{file}: {error.strerror or error}") from None


def _claim(work: Path, out: Path, settings: dict[str, Any]) -> str:
    """Refuse folders of something else; return the settings' fingerprint."""
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


def _hear(
    cache: Cache,
    views: Sequence[View],
    seed: int,
    jobs: int,
    tell: Callable[[Progress], None],
    *,
    expected: int = 0,
) -> dict[str, str]:
    """Fill the cache; return the reason for each file that cannot be used."""
    failed = {}
    for done, (view, reason) in enumerate(cache.fill(views, seed=seed, jobs=jobs), start=1):
        if reason:
            failed[str(view.path)] = reason
        tell(Progress("hear", done, len(views) + expected))
    return dict(sorted(failed.items()))


def _described(teachers: Sequence[Teacher], recipe: Recipe) -> str:
    origin = (
        "distilled from " + " and ".join(t.model.id for t in teachers)
        if teachers
        else "trained from labels"
    )
    return f"Small CNN {origin}; {recipe.dim} dimensions"
