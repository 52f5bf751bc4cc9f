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
        partners = _partners(clips, free, number, seed=seed) if mixed and number % 2 else {}
        for this in free.tolist():
            partner = partners.get(this)
            views.append(View.altered(this, clips[this], number, partner, seed=seed))
    return views


def _partners(
    clips: Sequence[Clip], free: NDArray[np.int64], number: int, *, seed: int
) -> dict[int, Clip]:
    """Choose for each clip the other one whose hash together with its own is the highest.

    A clip that is added or taken away changes few of the pairs (rendezvous hashing, Thaler and
    Ravishankar 1998): the others' versions need not be heard again.
    """

    def hashed(text: str) -> int:
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")

    own = np.array([hashed(f"{seed} {number} {clips[i].identity}") for i in free], dtype=np.uint64)
    other = np.array([hashed(clips[i].identity) for i in free], dtype=np.uint64)
    chosen = {}
    for at, this in enumerate(free.tolist()):
        mixed = own[at] ^ other
        # The finalizer of SplitMix64 (Steele et al. 2014): every bit depends on every other.
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
        mixed[at] = 0
        chosen[this] = clips[free[int(mixed.argmax())]]
    return chosen


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
