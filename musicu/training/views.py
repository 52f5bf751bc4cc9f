"""Versions of the clips: clean ones, and altered ones, mixed with another clip or transposed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicu.errors import ModelError
from musicu.training.clips import Clip, Source

__all__ = ["View", "altered_views", "clean_views", "view_weights"]


@dataclass(frozen=True)
class View:
    """One version of a clip.

    Attributes
    ----------
    clip : int
        Number of the clip.
    path : Path
        Its file.
    key : str
        What it is made of, as a file name.
    number : int
        0 is the clean clip; each other number is another alteration.
    partner : Path or None
        The file that is mixed into it.
    """

    clip: int
    path: Path
    key: str
    number: int = 0
    partner: Path | None = None

    @classmethod
    def clean(cls, number: int, clip: Clip) -> View:
        """Hear a clip as it is."""
        return cls(number, clip.path, clip.identity)

    @classmethod
    def altered(
        cls, number: int, clip: Clip, view: int, partner: Clip | None, *, seed: int
    ) -> View:
        """Hear a clip altered: with another one mixed in, or else transposed."""
        parts = [clip.identity, partner.identity if partner else "", str(view), str(seed)]
        digest = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
        other = partner.path if partner else None
        return cls(number, clip.path, f"{clip.identity}-{digest}", view, other)


def clean_views(clips: Sequence[Clip]) -> list[View]:
    """Every clip as it is."""
    return [View.clean(number, clip) for number, clip in enumerate(clips)]


def altered_views(
    clips: Sequence[Clip], held: NDArray[np.bool_], count: int, *, mixed: bool, seed: int
) -> list[View]:
    """Alter each clip of the training part a number of times: the first, third ... time mixed.

    Parameters
    ----------
    clips : sequence of Clip
        All clips.
    held : np.ndarray [shape=(n,), bool]
        Clips that are neither altered nor mixed into others.
    count : int
        Versions of each clip.
    mixed : bool
        Whether other clips are mixed in at all.
    seed : int
        Of who is mixed with whom, and of the alterations.
    """
    free = np.flatnonzero(~held)
    views = []
    for number in range(1, count + 1):
        order = np.random.default_rng((seed, number)).permutation(free)
        for this, other in zip(order, np.roll(order, -1), strict=True):
            partner = clips[other] if mixed and number % 2 else None
            views.append(View.altered(int(this), clips[this], number, partner, seed=seed))
    return sorted(views, key=lambda view: (view.number, view.clip))


def view_weights(
    sources: Sequence[Source], source: NDArray[np.int64], held: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Chance of each view by the share of its source; the rest is shared by number.

    Parameters
    ----------
    sources : sequence of Source
        The folders.
    source : np.ndarray [shape=(views,), int64]
        Number of each view's folder.
    held : np.ndarray [shape=(views,), bool]
        Views that have no chance.

    Returns
    -------
    np.ndarray [shape=(views,), float64]

    Raises
    ------
    ModelError
        A folder has a share, and nothing to train on.
    """
    weight = np.ones(len(source))
    free = ~held
    shared = np.zeros(len(source), dtype=np.bool_)
    for number, one in enumerate(sources):
        if one.share is not None:
            of = (source == number) & free
            if not of.any():
                raise ModelError(f"{one.folder}: has a share, but no clip to train on")
            weight[of] = one.share / of.sum()
            shared |= source == number
    rest = ~shared & free
    if shared.any() and rest.any():
        weight[rest] = (1 - sum(s.share or 0.0 for s in sources)) / rest.sum()
    return np.where(free, weight, 0.0)
