"""Labels and timbre folded into a distilled student: one linear layer behind its last."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicu.audio.mel import LogMel
from musicu.errors import ModelError
from musicu.evaluation.retrieval_metrics import average_precision, similarities
from musicu.training.data import Material
from musicu.training.distill import embed_windows
from musicu.training.labels import Labels
from musicu.training.network import Student
from musicu.training.objectives import label_tensors
from musicu.training.refine import Refinement, refine, stretch
from musicu.training.timbre import Cepstra, beside

__all__ = ["clip_answers", "clip_vectors", "finish_student", "fit_labels"]

Array = NDArray[np.float32]

_FEWEST = 20


def clip_vectors(say: Callable[[Tensor], Tensor], material: Material, front_end: LogMel) -> Array:
    """Describe each clip as a track: mean of what is said of its clean windows.

    Parameters
    ----------
    say : callable
        A student, or its :class:`musicu.training.timbre.Cepstra`.
    material : Material
        The clips.
    front_end : LogMel
        What is heard.

    Returns
    -------
    np.ndarray [shape=(clips, dim), float32]
    """
    rows = np.flatnonzero(material.clean[material.view])
    return _by_clip(embed_windows(say, material, rows, front_end), material, rows)


def fit_labels(
    vectors: Array, labels: Labels, held: NDArray[np.bool_], *, how: Refinement, seed: int
) -> tuple[Array, Array]:
    """Fit the labels' map, :func:`musicu.training.refine.refine`, to the clips that may be used.

    Parameters
    ----------
    vectors : np.ndarray [shape=(clips, dim), float32]
        One of each clip.
    labels : Labels
        Of the clips.
    held : np.ndarray [shape=(clips,), bool]
        Clips that may not.
    how : Refinement
        How far to go.
    seed : int
        Of the fit.

    Raises
    ------
    ModelError
        Fewer than 20 clips of the training part have labels.
    """
    train = np.flatnonzero(labels.known & ~held)
    if len(train) < _FEWEST:
        raise ModelError(
            f"{len(train)} clips of the training part have labels, at least {_FEWEST} "
            "are needed to refine with them: say --no-refine, or give more labels"
        )
    artist, single, multi = label_tensors(labels)
    return refine(
        vectors[train],
        artist=artist[train],
        single=single[:, train],
        multi=[hot[train] for hot in multi],
        how=how,
        seed=seed,
    )


def clip_answers(wanted: Tensor, material: Material) -> Array:
    """Average what is wanted of each clip over its clean windows.

    Parameters
    ----------
    wanted : Tensor [shape=(rows, dim), float32]
        Of all windows.

    Returns
    -------
    np.ndarray [shape=(clips, dim), float32]
    """
    rows = np.flatnonzero(material.clean[material.view])
    return _by_clip(wanted[rows], material, rows)


def finish_student(
    student: Student,
    vectors: Array,
    timbre: Array | None,
    labels: Labels,
    held: NDArray[np.bool_],
    *,
    how: Refinement | None,
    share: float,
    n_mels: int,
    seed: int,
) -> dict[str, float]:
    """Give a student its last layer: the labels' map, timbre beside it, and the labels' axes.

    Parameters
    ----------
    student : Student
        Gets the layer.
    vectors : np.ndarray [shape=(clips, dim), float32]
        From :func:`clip_vectors`.
    timbre : np.ndarray [shape=(clips, 72), float32] or None
        Their :class:`musicu.training.timbre.Cepstra`; None: no timbre.
    labels : Labels
        Of the clips.
    held : np.ndarray [shape=(clips,), bool]
        Clips that nothing is fitted to.
    how : Refinement or None
        How far the labels may go; None: no map.
    share : float
        See :func:`musicu.training.timbre.beside`.
    n_mels : int
        Bands that the student hears.
    seed : int
        Of the fit.

    Returns
    -------
    dict of str to float
        Same-artist MAP among the held-out clips after each stage; empty if no two share one.

    Raises
    ------
    ModelError
        As for :func:`fit_labels`.
    """
    dim = vectors.shape[1]
    weight, bias = np.eye(dim, dtype=np.float32), np.zeros(dim, dtype=np.float32)
    train = ~held if how is None else labels.known & ~held
    space = vectors
    spaces = {"distilled": space}
    if how is not None:
        weight, bias = fit_labels(vectors, labels, held, how=how, seed=seed)
        space = spaces["refined"] = space @ weight.T + bias
    if timbre is not None:
        last, shift = beside(space[train], timbre[train], share=share, dim=dim)
        space = spaces["with timbre"] = np.concatenate([space, timbre], axis=1) @ last.T + shift
        weight = np.concatenate([last[:, :dim] @ weight, last[:, dim:]], axis=1)
        bias = last[:, :dim] @ bias + shift
    if how is not None and how.axes:
        hot = dict(zip(labels.multi, label_tensors(labels)[2], strict=True))
        far = stretch(space[train], [hot[name][train] for name in how.axes], how.stretch)
        spaces["stretched"] = space @ far
        weight, bias = far @ weight, far @ bias
    student.refine(
        torch.from_numpy(weight),
        torch.from_numpy(bias),
        None if timbre is None else Cepstra(n_mels),
    )
    away = labels.artist[held]
    others = ~np.eye(len(away), dtype=np.bool_)
    relevant = (away[:, None] == away) & others
    if not relevant.any():
        return {}
    return {
        f"same-artist MAP, {name}": float(
            np.nanmean(average_precision(similarities(space[held]), relevant, others))
        )
        for name, space in spaces.items()
    }


def _by_clip(windows: Tensor, material: Material, rows: NDArray[np.int64]) -> Array:
    """Average the rows' windows over each clip."""
    clip = material.clip[material.view[rows]]
    first = np.flatnonzero(np.diff(clip, prepend=-1))
    mean = np.add.reduceat(windows.numpy(), first, axis=0)
    return np.asarray(mean / np.diff(first, append=len(rows))[:, None], dtype=np.float32)
