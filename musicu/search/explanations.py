"""What tracks have in common with the seeds that found them, in words."""

from __future__ import annotations

from collections.abc import Sequence

from musicu.encoders.tagger import TagHead, describing_tags
from musicu.items.explanations import both_sound, words
from musicu.search.seeds import FoundSeeds, read_items, seed_items
from musicu.search.snapshot import Snapshot

__all__ = ["shared_phrases"]


def shared_phrases(
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
    own, others = (describing_tags(head, items.audio) for items in (seeds, tracks))
    return [
        (*words(seeds[at], track), *both_sound(own[at], other))
        for at, track, other in zip(nearest.tolist(), tracks, others, strict=True)
    ]
