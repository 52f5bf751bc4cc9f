"""Recommending out of a large catalog: loading, asking, adding, and lists for everybody.

    python bench/large_recommend.py make FOLDER --items 1000000 --users 100000
    python bench/large_recommend.py ask FOLDER

The items, their 256-dimensional vectors and their listeners are made up (vectors gather around
artists, artists around styles, listeners around a few styles), and so are the collaborative
factors, which would take hours to learn: nothing here says how good a recommendation is. ``make``
writes a recommender and a log; ``ask`` starts with what is on disk. Prints Markdown: medians, with
one thread of BLAS, of wall-clock time and of the processor's own, which a busy machine leaves as it
is; and memory.
"""

from __future__ import annotations

import argparse
import copy
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from musicu.items.fusion import Fusion
from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata
from musicu.recommend.als import Factors
from musicu.recommend.batch import recommend_batch
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.hyperparameters import Hyperparameters
from musicu.recommend.interactions import Interactions
from musicu.recommend.recommender import History, Recommender

DIM = 256
LATENT = 32
PLAYS = 30  # of a listener, about
EACH = 10  # items of an artist
FITTED = 100_000  # items that names and rarities are learned from


def catalog(n: int, rng: np.random.Generator) -> tuple[Items, np.ndarray, np.ndarray]:
    """Return n items, the style of each, and how often each is chosen."""
    styles, artists = max(n // 1000, 20), max(n // EACH, 20)
    center = rng.standard_normal((styles, LATENT), dtype=np.float32)
    style = rng.integers(styles, size=artists)
    artist = center[style] + 0.6 * rng.standard_normal((artists, LATENT), dtype=np.float32)
    by = np.sort(rng.integers(artists, size=n))
    turn = rng.standard_normal((LATENT, DIM), dtype=np.float32)
    audio = np.empty((n, DIM), dtype=np.float32)
    for start in range(0, n, 10_000):
        own = by[start : start + 10_000]
        noise = rng.standard_normal((len(own), LATENT), dtype=np.float32)
        audio[start : start + len(own)] = (artist[own] + 0.5 * noise) @ turn
        audio[start : start + len(own)] += rng.standard_normal((len(own), DIM), dtype=np.float32)
    audio /= np.linalg.norm(audio, axis=1, keepdims=True)
    items = Items(
        (
            Item(
                f"track{i:07d}",
                Metadata(
                    title=f"Title {i}",
                    artist=f"Artist {a}",
                    album=f"Album {a}.{i % 2}",
                    genres=(f"genre {style[a] % 200}",),
                    year=1960 + a % 65,
                ),
            )
            for i, a in enumerate(by.tolist())
        ),
        audio,
    )
    popularity = rng.pareto(1.0, n) * (rng.random(n) < 0.3)  # most of it nobody has played
    return items, style[by], popularity


def listening(
    items: Items, style: np.ndarray, popularity: np.ndarray, users: int, rng: np.random.Generator
) -> Interactions:
    """Return what made-up listeners of three styles each played, a time for each play."""
    order = np.argsort(style, kind="stable")
    total = np.cumsum(popularity[order])
    ends = np.searchsorted(style[order], np.arange(style.max() + 2))
    before = np.concatenate([[0.0], total])[ends]
    liked = rng.integers(style.max() + 1, size=(users, 3))
    user = np.repeat(np.arange(users), rng.poisson(PLAYS - 5, users) + 5)
    chosen = liked[user, rng.integers(3, size=len(user))]
    low, high = before[chosen], before[chosen + 1]
    item = order[
        np.searchsorted(total, low + (high - low) * rng.random(len(user)), side="right").clip(
            max=len(order) - 1
        )
    ]
    rows = np.unique(np.stack([user, item]), axis=1)
    when = 1.7e9 + rng.integers(0, 200 * 86400, rows.shape[1])
    names = [f"listener {i}" for i in range(users)]
    return Interactions(names, items.ids, rows[0], rows[1], time=when.astype(np.float64))


def made(n: int, users: int, seed: int = 0) -> tuple[Recommender, Interactions]:
    """Return a recommender of made-up factors: to learn them from a log takes hours."""
    rng = np.random.default_rng(seed)
    items, style, popularity = catalog(n, rng)
    log = listening(items, style, popularity, users, rng)
    print(f"made {len(items):,} items and {len(log):,} plays", flush=True)
    settings = Hyperparameters()
    few = items.take(np.sort(rng.permutation(n)[:FITTED]).tolist())
    fusion = Fusion(settings.weights).fit(few)
    heard = np.bincount(log.item, minlength=n)
    # Where the listeners of a style would stand, and what is one item's own.
    turn = rng.standard_normal((DIM, settings.dim), dtype=np.float32)
    own = rng.standard_normal((n, settings.dim), dtype=np.float32)
    factors = (items.audio @ turn + 0.5 * own) * (heard > 0)[:, None]
    _, axes = np.linalg.eigh((factors.T @ factors).astype(np.float64))
    factors = (factors @ axes[:, ::-1].astype(np.float32)) / settings.dim
    als = Factors(
        np.zeros((0, settings.dim), dtype=np.float32), factors, floor=1e-6, regularization=0.01
    )
    recommender = Recommender()
    recommender._model = FittedModel.assemble(
        settings=settings, items=items, n_given=n, als=als, fusion=fusion, listeners=heard
    )
    return recommender, log


class Measured:
    """Rows of a table: what was measured, wall-clock and processor's time."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, float, float]] = []

    def time(self, what: str, calls: Sequence[Callable[[], Any]], each: int = 1) -> None:
        """Note the medians of some calls, each of which does a number of things."""
        taken = []
        for call in calls:
            start = time.perf_counter(), time.process_time()
            call()
            taken.append((time.perf_counter() - start[0], time.process_time() - start[1]))
        wall, own = (statistics.median(column) * 1000 / each for column in zip(*taken, strict=True))
        self.rows.append((what, wall, own))
        print(f"| {what} | {own:,.1f} ms | {wall:,.1f} ms |", flush=True)


def releases(count: int, name: str, rng: np.random.Generator) -> Items:
    """Return new items, most by artists who are known."""
    about = (
        Metadata(title=f"New {i}", artist=f"Artist {7 * i}", album=f"New {i}", genres=("genre 5",))
        for i in range(count)
    )
    vectors = rng.standard_normal((count, DIM), dtype=np.float32)
    return Items((Item(f"{name} {i}", one) for i, one in enumerate(about)), vectors)


def overlap(recommender: Recommender, histories: Sequence[History]) -> float:
    """Return the share of the first 20 that is the same if all items are compared."""
    every = copy.copy(recommender)
    every._model = replace(recommender.model, index=None)
    shares = []
    for history in histories:
        some, all_of_it = (
            {one.id for one in asked.recommend(history, 20, explain=False)}
            for asked in (recommender, every)
        )
        shares.append(len(some & all_of_it) / max(len(all_of_it), 1))
    return statistics.mean(shares)


def ask(folder: Path, some: int) -> None:
    """Measure a recommender that was made."""
    rng = np.random.default_rng(1)
    with np.load(folder / "log.npz") as stored:
        log_of = {name: stored[name] for name in stored.files}
    ends = np.searchsorted(log_of["user"], np.arange(log_of["user"].max() + 2))

    def history(user: int) -> History:
        rows = slice(ends[user], ends[user + 1])
        played = [f"track{i:07d}" for i in log_of["item"][rows].tolist()]
        return History(played, None, log_of["time"][rows])

    asked = [history(user) for user in rng.permutation(len(ends) - 1)[:some].tolist()]
    asked = [one for one in asked if len(one.items)]
    table, path = Measured(), folder / "recommender"
    print("| what | processor | wall clock |\n|---|---|---|")
    table.time("load", [lambda: Recommender.load(path)] * 5)
    recommender = Recommender.load(path)
    first, rest = asked[: some // 4], asked[some // 4 :]
    table.time("the first question", [lambda: recommender.recommend(first[0])])
    for one in first:
        recommender.recommend(one)
    table.time("recommend 20", [lambda h=h: recommender.recommend(h) for h in rest])
    table.time(
        "the same without reasons",
        [lambda h=h: recommender.recommend(h, explain=False) for h in rest],
    )
    block = [(str(i), one) for i, one in enumerate(rest)]
    table.time(
        f"in a batch of {len(block)}, a listener",
        [lambda: list(recommend_batch(recommender, block, 20))],
        len(block),
    )
    ones = [releases(1, f"one {i}", rng) for i in range(9)]
    recommender_with = copy.copy(recommender).add(releases(1, "zero", rng))
    table.time("add one item", [lambda x=x: recommender_with.add(x) for x in ones])
    many = [releases(1000, f"many {i}", rng) for i in range(4)]
    added = copy.copy(recommender)
    table.time("add a thousand, with fields in a new combination", [lambda: added.add(many[0])])
    table.time("add a thousand", [lambda x=x: added.add(x) for x in many[1:]])
    table.time("recommend 20, after that", [lambda h=h: added.recommend(h) for h in rest])
    table.time("for comparison: the sum of ten million numbers", [lambda: sum(range(10**7))] * 3)
    same = overlap(recommender, rest[:20])
    print(f"\n{same:.0%} of the first 20 are the same if all items are compared.")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    disk = sum(file.stat().st_size for file in path.iterdir()) / 1e9
    with open("/proc/self/status", encoding="ascii") as file:
        own = next(line for line in file if line.startswith("RssAnon")).split()
    print(
        f"The folder has {disk:.1f} GB; at most {peak:.1f} GB of memory, {int(own[1]) / 1e6:.1f} GB"
    )
    print("of it the process's own, the rest pages of the files, which the system may take back.")


def main() -> None:
    """Parse the options; make a recommender, or ask one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["make", "ask"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--some", type=int, default=80, help="listeners who are asked for")
    options = parser.parse_args()
    if options.what == "ask":
        ask(options.folder, options.some)
        return
    recommender, log = made(options.items, options.users)
    options.folder.mkdir(parents=True, exist_ok=True)
    recommender.save(options.folder / "recommender")
    np.savez(options.folder / "log.npz", user=log.user, item=log.item, time=log.time)
    with open(options.folder / "log.csv", "w", encoding="ascii") as file:
        file.write("user,item,time\n")
        for user, item, when in zip(log.user, log.item, log.time, strict=True):
            file.write(f"listener {user},track{item:07d},{when:.0f}\n")


if __name__ == "__main__":
    with threadpool_limits(limits=1, user_api="blas"):
        main()
