"""How often drift is reported where there is none, and how often an injected shift is found.

    python bench/drift.py catalog.db --shifted "mp3 64k"=mp3.db --shifted "opus 24k"=opus.db

The reference is a random half of the catalog's artists, the batches are of the other half: of
single tracks drawn at random, and of whole artists. Shifted catalogs hold the same music, encoded
or changed otherwise; their batches are drawn from the artists that the reference does not know,
too. Gains are simulated on what was measured. Prints Markdown; the intervals are Clopper and
Pearson's (1934).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.monitoring.drift import check_batch
from musicu.monitoring.tracks import Tracks

Ints = NDArray[np.intp]
Sampler = Callable[[Tracks, Ints, np.random.Generator, int], Ints]


def single_tracks(tracks: Tracks, pool: Ints, rng: np.random.Generator, n: int) -> Ints:
    """Tracks drawn at random."""
    return rng.permutation(pool)[:n]


def whole_artists(tracks: Tracks, pool: Ints, rng: np.random.Generator, n: int) -> Ints:
    """All tracks of artists drawn at random."""
    keys = tracks.keys("track")
    order: dict[Any, float] = {}
    place = [order.setdefault(keys[i], float(rng.random())) for i in pool]
    return pool[np.argsort(place, kind="stable")][:n]


def without(tracks: Tracks, *, facts: bool, groups: bool) -> Tracks:
    """Forget facts or groups."""
    return Tracks(tracks.vectors, tracks.facts if facts else (), tracks.groups if groups else ())


def louder(tracks: Tracks, gain: float) -> Tracks:
    """Raise the measured levels (dB)."""
    facts = [
        {**fact, **{k: fact[k] + gain for k in ("loudness", "peak") if fact[k] is not None}}
        for fact in tracks.facts
    ]
    return Tracks(tracks.vectors, facts, tracks.groups)


def interval(found: int, of: int) -> tuple[float, float]:
    """95 % interval of a share."""
    from scipy.stats import binomtest

    low, high = binomtest(found, of).proportion_ci(0.95, "exact")
    return float(low), float(high)


def splits(tracks: Tracks, count: int) -> Iterator[tuple[int, Ints, set[Any]]]:
    """Halve the artists; yield positions of the reference, and the keys of the others."""
    keys = tracks.keys("track")
    names = sorted(set(map(str, keys)))
    for seed in range(count):
        half = set(np.random.default_rng(seed).permutation(names)[: len(names) // 2].tolist())
        reference = np.array([i for i, key in enumerate(keys) if str(key) in half], dtype=np.intp)
        yield seed, reference, half


def main() -> None:
    """Parse the options, measure, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("catalog", nargs="+", help="described catalogs, taken as one")
    parser.add_argument("--shifted", action="append", default=[], metavar="NAME=CATALOG")
    parser.add_argument("--batch", type=int, default=200)
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--batches", type=int, default=50, help="of each kind, a split")
    parser.add_argument("--shifts", type=int, default=5, help="batches of each shift, a split")
    options = parser.parse_args()

    parts = [Tracks.of_catalog(path, size=None) for path in options.catalog]
    tracks = Tracks(
        np.vstack([part.vectors for part in parts]),
        [fact for part in parts for fact in part.facts],
        [group for part in parts for group in part.groups],
    )
    shifted = {}
    for named in options.shifted:
        name, _, path = named.partition("=")
        shifted[name] = Tracks.of_catalog(path, size=None)
    samplers: dict[str, Sampler] = {"tracks": single_tracks, "artists": whole_artists}
    flagged: Counter[tuple[str, str]] = Counter()
    tried: Counter[tuple[str, str]] = Counter()
    by_signal: Counter[str] = Counter()
    taken = []

    def check(name: str, kind: str, reference: Tracks, batch: Tracks, seed: int) -> None:
        for mode, facts, groups in (
            ("all", True, True),
            ("vectors, artists", False, True),
            ("vectors", False, False),
        ):
            begun = time.perf_counter()
            report = check_batch(
                without(reference, facts=facts, groups=groups),
                without(batch, facts=facts, groups=groups),
                seed=seed,
            )
            taken.append(time.perf_counter() - begun)
            row = f"{name}, {kind}"
            tried[row, mode] += report.drifted is not None
            flagged[row, mode] += bool(report.drifted)
            if name == "undisturbed":
                by_signal.update(f"{mode}: {s.name}" for s in report.signals if s.drifted)

    genres = tracks.kinds("genres")
    common = Counter(genre for some in genres for genre in some).most_common(6)
    for seed, at, half in splits(tracks, options.splits):
        print(f"split {seed}: {sum(tried.values())} checks, {dict(by_signal)}", file=sys.stderr)
        reference = tracks.take(at)
        rng = np.random.default_rng(1000 + seed)
        keys = tracks.keys("track")
        pool = np.array([i for i, key in enumerate(keys) if str(key) not in half], dtype=np.intp)
        for number in range(options.batches):
            for kind, sample in samplers.items():
                batch = tracks.take(sample(tracks, pool, rng, options.batch))
                check("undisturbed", kind, reference, batch, number)
        for number in range(options.shifts):
            for kind, sample in samplers.items():
                batch = tracks.take(sample(tracks, pool, rng, options.batch))
                for gain in (-6.0, -3.0, 3.0, 6.0):
                    check(f"{gain:+.0f} dB", kind, reference, louder(batch, gain), number)
                for name, other in shifted.items():
                    theirs = other.keys("track")
                    new = [i for i, key in enumerate(theirs) if str(key) not in half]
                    at = sample(other, np.array(new, dtype=np.intp), rng, options.batch)
                    check(name, kind, reference, other.take(at), number)
            for genre, _ in common:
                own = [i for i in pool if genre in genres[i]]
                at = single_tracks(tracks, np.array(own, dtype=np.intp), rng, options.batch)
                check(genre, f"at most {options.batch} tracks", reference, tracks.take(at), number)

    modes = list(dict.fromkeys(mode for _, mode in tried))
    print(f"| batches of {options.batch} | {' | '.join(modes)} |")
    print("|---" * (len(modes) + 1) + "|")
    for row in dict.fromkeys(row for row, _ in tried):
        cells = []
        for mode in modes:
            found, of = flagged[row, mode], tried[row, mode]
            low, high = interval(found, of) if of else (0.0, 1.0)
            cells.append(f"{found} of {of} [{100 * low:.1f}, {100 * high:.1f}] %")
        print(f"| {row} | {' | '.join(cells)} |")
    print()
    print(f"A check takes {np.median(taken):.2f} s (median). False alarms by signal: {by_signal}")


if __name__ == "__main__":
    main()
