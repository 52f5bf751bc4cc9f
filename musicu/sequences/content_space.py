"""Content as short vectors: the strongest axes of tags and audio, and where any item lies on them.

The axes are frozen once they are found, so an item that comes out tomorrow has its vector as soon
as it is described. Truncated singular vectors of the items' rows (Deerwester et al., JASIS 1990),
found by random projection (Halko, Martinsson & Tropp, SIAM Review 2011).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.sequences.contents import Contents

__all__ = ["content_axes", "content_vectors"]

Floats = NDArray[np.float32]

_MORE = 16  # directions beyond those that are kept
_ROUNDS = 3


def content_axes(contents: Contents, dim: int, *, seed: int = 0) -> dict[str, Floats]:
    """Find the strongest axes of what is known of items, beside who made them.

    Returns
    -------
    dict of str to np.ndarray [shape=(width, dim), float32]
        For tags, and for audio where there is any. Fewer directions than `dim` leave zeros.
    """
    parts = _parts(contents)
    rng = np.random.default_rng(seed)
    size = min(dim + _MORE, len(contents), sum(part.shape[1] for part in parts.values()))
    axes = {
        name: rng.standard_normal((part.shape[1], size)).astype(np.float32)
        for name, part in parts.items()
    }
    for _ in range(_ROUNDS):
        rows, _ = np.linalg.qr(_project(parts, axes))
        axes = {name: np.asarray(part.T @ rows) for name, part in parts.items()}
    whole = np.concatenate(list(axes.values()))
    left, strength, _ = np.linalg.svd(whole, full_matrices=False)
    # The sign of an axis is free: its largest entry is positive.
    left = left * np.sign(left[np.abs(left).argmax(axis=0), np.arange(left.shape[1])])
    kept = np.zeros((len(whole), dim), dtype=np.float32)
    there = min(dim, int((strength > 1e-6 * strength[:1].sum()).sum()))
    kept[:, :there] = left[:, :there]
    ends = np.cumsum([part.shape[1] for part in parts.values()])[:-1]
    return dict(zip(parts, np.split(kept, ends), strict=True))


def content_vectors(contents: Contents, axes: Mapping[str, Floats]) -> Floats:
    """Return where items lie on some axes: unit rows [n, dim], zeros where nothing is known."""
    return unit_rows(_project(_parts(contents), axes))


def _parts(contents: Contents) -> dict[str, Any]:
    return {name: part for name, part in contents.parts().items() if name != "artists"}


def _project(parts: Mapping[str, Any], axes: Mapping[str, Floats]) -> Floats:
    total: Floats = sum(np.asarray(part @ axes[name]) for name, part in parts.items())  # type: ignore[assignment]
    return total
