"""Train an encoder on a library of one's own: from teachers, or from labels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from musicu.arrays import unit_rows
from musicu.audio.mel import LOG_MEL_PRESETS, LogMel
from musicu.encoders.encoder import Encoder
from musicu.encoders.model import Model
from musicu.training.clips import find_clips
from musicu.training.distill import Recipe, distil
from musicu.training.export import write_model
from musicu.training.folding import clip_answers, clip_vectors, finish_student, fit_labels
from musicu.training.network import Student
from musicu.training.objectives import Distillation, Labelling, Objective
from musicu.training.plan import Names, Plan, claim_folders
from musicu.training.refine import Refinement
from musicu.training.start import load_checkpoint, load_student
from musicu.training.taghead import Tags, learn_tags
from musicu.training.timbre import Cepstra
from musicu.training.training_set import TrainingSet, build_training_set, note_heard

__all__ = ["Progress", "Trained", "train_encoder"]

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
    fast_teachers: bool = False,
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
        Tables of labels, see :func:`musicu.training.labels.read_labels`.
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
        Another run's work folder or checkpoint to start from, or a model that was trained here.
    refinement : Refinement or None
        How far labels may move the teachers' space, and the student's at the end; None: not at all.
    timbre : float >= 0
        Share of plain timbre that is put beside a distilled space at the end: what same-artist
        search gains most from, and not what the teachers said. 0: none.
    fast_teachers : bool
        Run teachers of log-mel windows in OpenVINO, see :class:`musicu.training.teachers.Teacher`.
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
    out = Path(out)
    work = Path(work) if work is not None else out.with_name(out.name + ".work")
    plan = Plan.make(
        audio,
        teachers=teachers,
        labels=labels,
        artist=artist,
        single=single,
        multi=multi,
        hold_out=hold_out,
        recipe=recipe or Recipe(),
        front_end=front_end or LOG_MEL_PRESETS["musicu"],
        targets=targets,
        start_from=start_from,
        refinement=refinement,
        timbre=timbre,
        fast_teachers=fast_teachers,
    )
    work.mkdir(parents=True, exist_ok=True)
    clips, skipped = find_clips(plan.sources, work / "files.json")
    fingerprint = claim_folders(work, out, plan.settings(clips))
    checkpoint = work / "checkpoint.pt"
    with _threads(threads):
        data = build_training_set(
            plan,
            clips,
            skipped,
            work,
            jobs=jobs,
            heard=lambda done, total: tell(Progress("hear", done, total)),
        )
        heard = note_heard(plan, data, work)
        objective = _objective(plan, data)
        for figures in distil(
            data.material,
            objective,
            plan.recipe,
            plan.front_end,
            work,
            fingerprint=fingerprint,
            start_from=plan.start.file if plan.start else None,
        ):
            tell(Progress("train", figures.step, figures.steps, figures.loss, figures.held_out))
        history = load_checkpoint(checkpoint)["history"].tolist()
        student = load_student(checkpoint)
        figure = max(row[2] for row in history) if data.held.any() else None
        measured = {} if figure is None else {objective.figure: figure}
        measured |= _finish(student, plan, data)
        tags = _tags(student, plan, data)
    write_model(
        out,
        student,
        plan,
        data,
        about={
            "id": id or out.name,
            "version": version,
            "license": license,
            "description": description,
            "training_data": training_data,
        },
        heard=heard,
        figures=measured,
        tags=tags,
        history=history,
        figure=objective.figure,
        fingerprint=fingerprint,
        command=command,
    )
    model = Model.load(out)
    Encoder(model)
    return Trained(
        model=model,
        work=work,
        figures=measured,
        clips=len(data.clips),
        clips_held_out=int(data.held.sum()),
        steps=int(history[-1][0]),
        skipped=data.skipped,
    )


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Let torch use so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _objective(plan: Plan, data: TrainingSet) -> Objective:
    """Choose what the student is trained for: the teachers' answers, or else the labels."""
    recipe, material = plan.recipe, data.material
    if not plan.teachers:
        return Labelling(material, data.labels, batch=recipe.batch, temperature=recipe.temperature)
    objective = Distillation(
        material,
        dim=recipe.dim,
        whiten=recipe.whiten,
        batch=recipe.batch,
        weight=recipe.contrast,
        temperature=recipe.temperature,
        fit_views=plan.shaping[data.source],
        seed=recipe.seed,
    )
    if plan.refinement is not None:
        answers = clip_answers(objective.wanted, material)
        objective.refine(
            *fit_labels(answers, data.labels, data.held, how=plan.refinement, seed=recipe.seed)
        )
    return objective


def _finish(student: Student, plan: Plan, data: TrainingSet) -> dict[str, float]:
    """Fold labels and timbre into the student's last layer; return what that was good for."""
    if plan.refinement is None and not plan.timbre:
        return {}
    front_end, material = plan.front_end, data.material
    return finish_student(
        student,
        clip_vectors(student, material, front_end),
        clip_vectors(Cepstra(front_end.n_mels), material, front_end) if plan.timbre else None,
        data.labels,
        data.held,
        how=plan.refinement,
        share=plan.timbre,
        n_mels=front_end.n_mels,
        seed=plan.recipe.seed,
    )


def _tags(student: Student, plan: Plan, data: TrainingSet) -> Tags | None:
    """Fit a tag head to the columns of several labels; None if there are none."""
    if not any(data.labels.multi.values()):
        return None
    exact = clip_vectors(student, data.material, plan.front_end).astype(np.float64)
    vectors = unit_rows(exact).astype(np.float32)
    rows = np.flatnonzero(data.labels.known & ~data.held)
    known = data.labels.take(rows.tolist())
    return learn_tags(vectors[rows], known.multi, known.artist, seed=plan.recipe.seed)
