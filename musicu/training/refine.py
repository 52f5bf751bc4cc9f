"""Refine a trained encoder with labels: one linear map, fitted so that neighbors share them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicu.training.losses import likeness

__all__ = ["Refinement", "refine"]

Array = NDArray[np.float32]

_NEVER = -1e4
_STEPS = 150
_RATE = 2e-3
_DROP = 0.1


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
    """

    strength: float = 10.0
    temperature: float = 0.2
    artist: float = 1.0
    single: float = 1.0
    multi: float = 1.5


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
