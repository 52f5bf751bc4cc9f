"""What tracks have in common with the seeds that found them, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicu.explore.known import read_items, seed_items
from musicu.explore.seeds import FoundSeeds
from musicu.explore.snapshot import Snapshot
from musicu.items.reasons import both_sound, words
from musicu.tagger import TagHead

__all__ = ["say_shared"]

Array = NDArray[np.float32]


def say_shared(
    snapshot: Snapshot, found: FoundSeeds, positions: Sequence[int], head: TagHead | None
) -> list[tuple[str, ...]]:
    """Return phrases for some tracks: what is known of both, and what is heard in both.

    Each track is compared with one seed: of those with a weight above 0, the one that it sounds
    most like.

    Parameters
    ----------
    snapshot : Snapshot
    found : FoundSeeds
    positions : sequence of int
        Of the tracks.
    head : TagHead or None
        Of the snapshot's model; without one, nothing is said of the sound.
    """
    wanted = found.wanted()
    seeds = seed_items(snapshot, found, wanted)
    tracks = read_items(snapshot, positions)
    nearest = (tracks.audio @ (seeds.audio * found.weights[wanted, None]).T).argmax(axis=1)
    heard = _character(head, seeds.audio), _character(head, tracks.audio)
    said = []
    for place, at in enumerate(nearest.tolist()):
        sound = both_sound(heard[0][at], heard[1][place])
        said.append((*words(seeds[at], tracks[place]), *sound))
    return said


def _character(head: TagHead | None, vectors: Array) -> list[list[str]]:
    """Name the tags that reach their thresholds, the most probable first.

    Not genres and eras: of these people have ideas of their own.
    """
    if head is None:
        return [[] for _ in vectors]
    head = head.only({tag.name for tag in head.tags if tag.kind not in ("genre", "era")})
    limits = np.array([tag.threshold for tag in head.tags], dtype=np.float32)
    return [
        [head.tags[i].name for i in np.argsort(-row, kind="stable") if row[i] >= limits[i]]
        for row in head.probabilities(vectors)
    ]
