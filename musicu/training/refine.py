"""Refine a trained encoder with labels: one linear map, fitted so that neighbors share them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicu.training.losses import likeness

__all__ = ["Refinement", "refine", "stretch"]

Array = NDArray[np.float32]

_NEVER = -1e4
_STEPS = 150
_RATE = 2e-3
_DROP = 0.1
# Share of the clips by which the regression on labels is damped, and how many clips a label needs.
_DAMPING = 0.01
_CLIPS = 15


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """How far labels may move the space.

    Attributes
    ----------
    strength : float > 0
        Weight of the squared distance to the map that changes nothing. Some hundreds of labelled
        clips cannot carry a map of their own: at 0 it fits them and nothing else.
    temperature : float > 0
        Of the neighborhoods; at 0.2 they are some dozens of clips wide.
    artist, single, multi : float >= 0
        Weights of the artists, of each column of single labels, and of each column of several.
    axes : tuple of str
        Columns of several labels that :func:`stretch` is fitted to, last of all.
    stretch : float >= 0
        How far.
    """

    strength: float = 10.0
    temperature: float = 0.2
    artist: float = 1.0
    single: float = 1.0
    multi: float = 1.5
    axes: tuple[str, ...] = ()
    stretch: float = 0.5


def refine(
    vectors: Array,
    *,
    artist: NDArray[np.int64],
    single: Tensor,
    multi: list[Tensor],
    how: Refinement | None = None,
    seed: int = 0,
) -> tuple[Array, Array]:
    """Fit the map ``x -> x @ weight.T + bias`` under which neighbors share labels.

    The share of a clip's neighbors that are like it is raised: its artist's other clips for the
    artists; for each column the labels' likeness, the own artist left out. Neighborhood components
    analysis (Goldberger et al., NIPS 2004) with soft labels, held near the identity.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, dim), float32]
        Mean of each clip's unit window vectors.
    artist : np.ndarray [shape=(n,), int64]
        Number of each clip's artist.
    single : Tensor [shape=(columns, n), int]
        Number of the label in each column; below 0 is unknown.
    multi : list of Tensor [shape=(n, labels), float]
        One many-hot matrix a column; a row of zeros is unknown.
    how : Refinement, optional
        How far to go.
    seed : int
        Of what is dropped out.

    Returns
    -------
    weight : np.ndarray [shape=(dim, dim), float32]
    bias : np.ndarray [shape=(dim,), float32]
        Takes the collection's mean away.
    """
    how = how or Refinement()
    generator = torch.Generator().manual_seed(seed)
    mean = vectors.mean(axis=0)
    x = vectors - mean
    # At a common length the strength means the same for every model.
    x = torch.from_numpy(x / np.sqrt((x**2).sum(axis=1).mean()))
    n, dim = x.shape
    by = torch.from_numpy(artist)
    same = by[:, None] == by[None]
    companions = same & ~torch.eye(n, dtype=torch.bool)
    columns = [(how.single, likeness(code[None], [])) for code in single]
    columns += [(how.multi, likeness(single[:0], [hot])) for hot in multi]
    identity = torch.eye(dim)
    weight = identity.clone().requires_grad_()
    optimizer = torch.optim.Adam([weight], lr=_RATE)
    for _ in range(_STEPS):
        kept = torch.rand(dim, generator=generator) > _DROP
        z = torch.nn.functional.normalize((x * kept) @ weight.T, dim=1)
        logits = z @ z.T / how.temperature
        loss = how.strength * ((weight - identity) ** 2).sum() / dim
        if how.artist and companions.any():
            share = logits.masked_fill(torch.eye(n, dtype=torch.bool), _NEVER).softmax(dim=1)
            found = (share * companions).sum(dim=1)[companions.any(dim=1)]
            loss = loss - how.artist * found.clamp_min(1e-9).log().mean()
        share = logits.masked_fill(same, _NEVER).softmax(dim=1)
        for strength, alike in columns:
            wanted = alike * ~same
            rows = wanted.sum(dim=1) > 0
            if strength and rows.any():
                found = (share * wanted).sum(dim=1)[rows]
                loss = loss - strength * found.clamp_min(1e-9).log().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    fitted = weight.detach().numpy()
    return fitted, np.asarray(-mean @ fitted.T, dtype=np.float32)


def stretch(vectors: Array, columns: list[Tensor], far: float) -> Array:
    """Fit the map that makes vectors longer where they speak of labels.

    Cosines after it are those of the vectors with a ridge regression on the labels put beside them:
    a regression ``z @ b`` adds ``b @ b.T`` to the metric, whose square root is the map.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, dim), float32]
        Their mean is 0.
    columns : list of Tensor [shape=(n, labels)]
        Many-hot matrices; a row of zeros is unknown. Labels that few clips have are left out.
    far : float >= 0
        Root mean square of the regressions' length, all columns together, over that of the vectors.

    Returns
    -------
    np.ndarray [shape=(dim, dim), float32]
        The map, symmetric.
    """
    z = torch.from_numpy(vectors).double()
    z /= z.square().sum(dim=1).mean().sqrt()
    metric = torch.eye(z.shape[1], dtype=torch.float64)
    for hot in columns:
        known = hot.sum(dim=1) > 0
        wanted = hot[known][:, hot.sum(dim=0) >= _CLIPS].double()
        if not wanted.numel():
            continue
        wanted /= wanted.sum(dim=1, keepdim=True).clamp_min(1)
        x = z[known]
        ridge = _DAMPING * len(x) * torch.eye(x.shape[1], dtype=torch.float64)
        b = torch.linalg.solve(x.T @ x + ridge, x.T @ (wanted - wanted.mean(dim=0)))
        length = (z @ b).square().sum(dim=1).mean().clamp_min(1e-12)
        metric += far**2 / len(columns) / length * (b @ b.T)
    values, axis = torch.linalg.eigh(metric)
    result: Array = ((axis * values.sqrt()) @ axis.T).float().numpy()
    return result
