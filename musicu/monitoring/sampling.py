"""A batch and its reference, made comparable: of groups that are alike, and not too many tracks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import unit_rows
from musicu.monitoring.tracks import Tracks, draw_tracks

__all__ = ["AlignedBatch", "align_batch"]

# So many tracks stand for a catalog: the chance in a batch of 200 is ten times theirs.
_SIZE = 2500
# Of a batch's tracks: its largest groups are thinned out until only so many are left.
_COUNTED = 0.9
# Tracks may well be of one artist or album if their cosine, from the catalog's middle, is above
# this, and above that of all but so few pairs of the catalog.
_ALIKE, _NEIGHBORS = 0.5, 0.02


@dataclass(frozen=True, eq=False)
class AlignedBatch:
    """A batch and its reference.

    Attributes
    ----------
    tracks : Tracks
        Those of the reference, then those of the batch.
    group : np.ndarray [shape=(n,), intp]
        Group of each, counted from 0.
    inside : np.ndarray [shape=(n,), bool]
        Whether it is of the batch.
    known : bool
        Whether the batch's groups are mostly among the reference's.
    """

    tracks: Tracks
    group: NDArray[np.intp]
    inside: NDArray[np.bool_]
    known: bool


def align_batch(reference: Tracks, batch: Tracks, seed: int) -> AlignedBatch:
    """Put a batch and its reference together.

    If the batch is of new artists, the reference has no more tracks of any artist than the batch
    has, and none of the batch's: then all artists are alike, and any could have been in the batch.
    The batch then has no more artists than the reference, and of none more tracks, so that as many
    are left when others are drawn. If it is of artists that the catalog knows, the reference keeps
    what it has of them.

    Unless most tracks of both sides have a group, the groups are guessed from the vectors.

    Parameters
    ----------
    reference, batch : Tracks
        Of the same model; neither is empty.
    seed : int
        Of what is drawn from too many tracks.

    Returns
    -------
    AlignedBatch
        Both, with their groups.
    """
    if all(_grouped(side) for side in (reference, batch)):
        theirs, ours = reference.keys("reference"), batch.keys("batch")
    else:
        reference, batch = (
            side.take(draw_tracks(range(len(side)), _SIZE, 1, fill=False, seed=seed))
            for side in (reference, batch)
        )
        theirs, ours = _guess_groups(reference, batch)
    counts = np.array(list(Counter(ours).values()))
    most = 1
    while np.minimum(counts, most).sum() < _COUNTED * len(batch):
        most += 1

    here, there = set(ours), set(theirs)
    known = sum(key in there for key in ours) >= len(batch) / 2
    at = [i for i, key in enumerate(theirs) if known or key not in here]
    drawn = draw_tracks([theirs[i] for i in at], _SIZE, most, fill=known, seed=seed)
    at = [at[i] for i in drawn]
    of = draw_tracks(ours, _SIZE, most, fill=False, seed=seed).tolist()
    if not known:
        of = _matched([ours[i] for i in of], of, [theirs[i] for i in at])

    numbers: dict[Hashable, int] = {}
    keys = [theirs[i] for i in at] + [ours[i] for i in of]
    group = np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.intp)
    inside = np.arange(len(group)) >= len(at)
    return AlignedBatch(_concatenated(reference.take(at), batch.take(of)), group, inside, known)


def _matched(keys: list[Hashable], at: list[int], theirs: list[Hashable]) -> list[int]:
    """Leave of the batch's largest group as many tracks as the reference's has, and so on."""
    sizes = sorted(Counter(theirs).values(), reverse=True)
    room = dict(zip((key for key, _ in Counter(keys).most_common()), sizes, strict=False))
    kept = []
    for key, i in zip(keys, at, strict=True):
        if room.get(key, 0):
            room[key] -= 1
            kept.append(i)
    return kept


def _grouped(tracks: Tracks) -> bool:
    return sum(group is not None for group in tracks.groups) >= len(tracks) / 2


def _guess_groups(reference: Tracks, batch: Tracks) -> tuple[list[Hashable], list[Hashable]]:
    """Guess which tracks are of one artist: those much alike (clusters of average linkage)."""
    from scipy.cluster.hierarchy import average, fcluster

    middle = reference.vectors.mean(axis=0)
    near = []
    for side in (reference, batch):
        x = unit_rows(side.vectors - middle)
        near.append((x @ x.T)[np.triu_indices(len(x), 1)])
    alike = max(_ALIKE, float(np.quantile(near[0], 1 - _NEIGHBORS)))
    found: list[list[Hashable]] = [
        [(name, int(number)) for number in fcluster(average(1 - one), 1 - alike, "distance")]
        for name, one in zip(("reference", "batch"), near, strict=True)
    ]
    return found[0], found[1]


def _concatenated(reference: Tracks, batch: Tracks) -> Tracks:
    """Join both; facts that one side lacks are unknown."""
    facts: list[Any] = []
    for side in (reference, batch):
        facts += side.facts or [{}] * len(side)
    return Tracks(np.vstack([reference.vectors, batch.vectors]), facts)
