"""Losses that need no teacher: windows that belong together, and labels as soft neighbors."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["contrast", "likeness", "soft_neighbors"]

_NEVER = -1e4


def contrast(z: Tensor, group: Tensor, temperature: float) -> Tensor:
    """Draw each row to the others of its group: SupCon (Khosla et al., NeurIPS 2020).

    Parameters
    ----------
    z : Tensor [shape=(n, dim)]
        Unit vectors.
    group : Tensor [shape=(n,), int]
        Rows of one number belong together; a row that is alone says nothing.
    temperature : float > 0
        Smaller looks at the nearest only.

    Returns
    -------
    Tensor [scalar]
    """
    alone = torch.eye(len(z), dtype=torch.bool)
    log_share = (z @ z.T / temperature).masked_fill(alone, _NEVER).log_softmax(dim=1)
    positive = (group[:, None] == group[None]) & ~alone
    count = positive.sum(dim=1)
    each = -(log_share * positive).sum(dim=1) / count.clamp_min(1)
    return each.sum() / (count > 0).sum().clamp_min(1)


def likeness(single: Tensor, multi: list[Tensor]) -> Tensor:
    """How alike the labels of each pair are.

    Parameters
    ----------
    single : Tensor [shape=(columns, n), int]
        Number of the label in each column; below 0 is unknown.
    multi : list of Tensor [shape=(n, labels), float]
        One many-hot matrix a column; a row of zeros is unknown.

    Returns
    -------
    Tensor [shape=(n, n)]
        Mean over the columns known for both: 1 for equal labels; Jaccard index of sets.
    """
    n = single.shape[1] if len(single) else len(multi[0])
    total, columns = torch.zeros(n, n), torch.zeros(n, n)
    for code in single:
        known = (code >= 0)[:, None] & (code >= 0)[None]
        total += known & (code[:, None] == code[None])
        columns += known
    for hot in multi:
        size = hot.sum(dim=1)
        known = (size > 0)[:, None] & (size > 0)[None]
        both = hot @ hot.T
        total += both / (size[:, None] + size[None] - both).clamp_min(1)
        columns += known
    return total / columns.clamp_min(1)


def soft_neighbors(z: Tensor, alike: Tensor, allowed: Tensor, temperature: float) -> Tensor:
    """Let neighbors be as frequent as their labels are alike (cross-entropy of the two shares).

    Soft labels in the place of the classes of neighborhood components analysis (Goldberger et al.,
    NIPS 2004).

    Parameters
    ----------
    z : Tensor [shape=(n, dim)]
        Unit vectors.
    alike : Tensor [shape=(n, n)]
        From :func:`likeness`.
    allowed : Tensor [shape=(n, n), bool]
        Pairs that count; those of one artist should not, or the artist is learned for the genre.
    temperature : float > 0
        As for :func:`contrast`.

    Returns
    -------
    Tensor [scalar]
        Mean over the rows that are like any other.
    """
    log_share = (z @ z.T / temperature).masked_fill(~allowed, _NEVER).log_softmax(dim=1)
    wanted = alike * allowed
    total = wanted.sum(dim=1)
    each = -(log_share * wanted).sum(dim=1) / total.clamp_min(1e-9)
    return each.sum() / (total > 0).sum().clamp_min(1)
