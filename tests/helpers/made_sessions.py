"""Made-up sessions: listeners who stay with an artist, in four spans with new tracks in each."""

from typing import Any

import numpy as np

SPAN = 30 * 86400


def made_sessions(
    *, users: int = 24, artists: int = 12, tracks: int = 8, length: int = 10, seed: int = 0
) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Return plays and items as tables: tracks of an artist share two tags, a third is anybody's.

    Of each artist two tracks come out in each span. A session stays with one artist, and seldom
    plays a track again.
    """
    rng = np.random.default_rng(seed)
    plays: dict[str, list[Any]] = {
        name: [] for name in ("user", "session", "time", "track", "artist", "span")
    }
    items = {
        "track": [f"t{artist}-{track}" for artist in range(artists) for track in range(tracks)],
        "tags": [
            f"a{artist}|b{artist % 4}|c{rng.integers(5)}"
            for artist in range(artists)
            for _ in range(tracks)
        ],
    }
    session = 0
    for span in range(4):
        for user in range(users):
            session += 1
            artist = int(rng.integers(artists))
            clock = SPAN * span + 600 * user
            out = tracks * (span + 1) // 4
            for track in rng.permutation(out)[: min(length, out)]:
                clock += int(rng.integers(120, 300))
                row = (f"u{user}", session, clock, f"t{artist}-{track}", f"artist {artist}", span)
                for name, value in zip(plays, row, strict=True):
                    plays[name].append(value)
    return plays, items
