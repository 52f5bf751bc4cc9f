"""Labels folded into a distilled student: one linear map behind its last layer."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from musicu.errors import ModelError
from musicu.mel import FrontEnd
from musicu.metrics import average_precision, similarities
from musicu.training.data import Material
from musicu.training.distill import embed_windows
from musicu.training.labels import Labels
from musicu.training.network import Student
from musicu.training.objectives import label_tensors
from musicu.training.refine import Refinement, refine

__all__ = ["clip_vectors", "refine_student"]

Array = NDArray[np.float32]

_FEWEST = 20


def clip_vectors(student: Student, material: Material, front_end: FrontEnd) -> Array:
    """Embed each clip as a track: mean of its clean windows.

    Returns
    -------
    np.ndarray [shape=(clips, dim), float32]
    """
    rows = np.flatnonzero(material.clean[material.view])
    z = embed_windows(student, material, rows, front_end).numpy()
    clip = material.clip[material.view[rows]]
    first = np.flatnonzero(np.diff(clip, prepend=-1))
    mean = np.add.reduceat(z, first, axis=0) / np.diff(first, append=len(z))[:, None]
    return np.asarray(mean, dtype=np.float32)


def refine_student(
    student: Student,
    vectors: Array,
    labels: Labels,
    held: NDArray[np.bool_],
    how: Refinement,
    seed: int,
) -> dict[str, float]:
    """Add the labels' map to a student.

    Parameters
    ----------
    student : Student
        Gets the map.
    vectors : np.ndarray [shape=(clips, dim), float32]
        From :func:`clip_vectors`.
    labels : Labels
        Of the clips.
    held : np.ndarray [shape=(clips,), bool]
        Clips that the map is not fitted to.
    how : Refinement
        How far to go.
    seed : int
        Of the fit.

    Returns
    -------
    dict of str to float
        Same-artist MAP among the held-out clips before and after; empty if no two share one.

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
    weight, bias = refine(
        vectors[train],
        artist=artist[train],
        single=single[:, train],
        multi=[hot[train] for hot in multi],
        how=how,
        seed=seed,
    )
    student.refine(torch.from_numpy(weight), torch.from_numpy(bias))
    figures = {}
    away = artist[held]
    others = ~np.eye(len(away), dtype=np.bool_)
    relevant = (away[:, None] == away) & others
    if relevant.any():
        for name, space in (("distilled", vectors), ("refined", vectors @ weight.T + bias)):
            each = average_precision(similarities(space[held]), relevant, others)
            figures[f"same-artist MAP, {name}"] = float(np.nanmean(each))
    return figures
