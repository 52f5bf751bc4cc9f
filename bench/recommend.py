"""How long a recommender takes: its items' vectors, its fit, and a recommendation for one listener.

    python bench/recommend.py tracks.csv.gz --schema artist_id=artist album_id=album moods=tags

The items are a table that `musicu.items.table.read_items` reads; the figures in the documentation
are from the 55,525 tracks of MTG-Jamendo (Bogdanov et al., ML4MD 2019). Their embeddings are random
unit vectors and their listeners are simulated: nothing here says how good a recommendation is.
Prints Markdown: medians of wall-clock time, with one thread of BLAS, as suits small products on a
machine that does other things.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from musicu.items.fusion import Fusion
from musicu.items.item import Item, Items
from musicu.items.table import parse_schema, read_items
from musicu.metadata.artists import main_artist
from musicu.metadata.fields import Metadata
from musicu.recommend.hyperparameters import LISTENING_WEIGHTS
from musicu.recommend.recommender import Recommender
from musicu.simulation.simulate import simulate_listening, to_interactions

DIM = 256


def seconds(call: Callable[[], Any], repeats: int = 1) -> float:
    """Median seconds of a call."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    """Parse the options, measure, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("items", help="what is known of the items: CSV, JSON lines or Parquet")
    parser.add_argument("--schema", nargs="*", default=(), metavar="COLUMN=FIELD")
    parser.add_argument("--users", type=int, default=1000, help="simulated listeners")
    parser.add_argument("--days", type=int, default=60)
    options = parser.parse_args()

    start = time.perf_counter()
    read = read_items(options.items, schema=parse_schema(options.schema)).items
    reading = time.perf_counter() - start
    rng = np.random.default_rng(0)
    items = Items(read, rng.standard_normal((len(read), DIM), dtype=np.float32))
    fusing = seconds(lambda: Fusion(LISTENING_WEIGHTS).fit(items).transform(items), 3)
    simulation = simulate_listening(
        items.audio,
        artists=[main_artist(item.metadata) or item.id for item in items],
        n_users=options.users,
        days=options.days,
    )
    log = to_interactions(simulation, items.ids)
    fitting = seconds(lambda: Recommender().fit(log, items))
    recommender = Recommender().fit(log, items)
    active = np.unique(log.user)
    users = [log.users[i] for i in rng.permutation(active)[:50]]
    new = Items(
        [Item("new", Metadata(genres=("rock",)))], rng.standard_normal((1, DIM), dtype=np.float32)
    )

    def each(**rules: Any) -> float:
        return statistics.median(
            seconds(partial(recommender.recommend, user, 20, **rules)) for user in users
        )

    rows: list[tuple[str, float, str]] = [
        ("read the table", reading, "s"),
        ("vectors of all items (fit and transform)", fusing, "s"),
        ("fit the recommender", fitting, "s"),
        ("learn the ranking", seconds(recommender.learn_ranking), "s"),
    ]
    asked: dict[str, dict[str, Any]] = {
        "recommend 20, with reasons": {},
        "the same, at most 2 an artist": {"max_per_artist": 2},
        "the same, diversity 0.3": {"diversity": 0.3},
    }
    rows += [(f"{what}, ranking learned", each(**rules), "ms") for what, rules in asked.items()]
    recommender.ranker = None
    rows += [(what, each(**rules), "ms") for what, rules in asked.items()]
    rows += [
        ("similar_items 20", seconds(lambda: recommender.similar_items(items.ids[0]), 9), "ms"),
        ("audience of an item", seconds(lambda: recommender.audience(items.ids[0]), 9), "ms"),
        ("audience of a new item", seconds(lambda: recommender.audience(new)), "s"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/recommender"
        rows.append(("save", seconds(lambda: recommender.save(path)), "s"))
        rows.append(("load", seconds(lambda: Recommender.load(path)), "s"))

    print(f"{len(items):,} items, {len(active):,} listeners, {len(log):,} plays (simulated)\n")
    print("| what | median |")
    print("|---|---|")
    for what, value, unit in rows:
        print(f"| {what} | {value * (1000 if unit == 'ms' else 1):.3g} {unit} |")


if __name__ == "__main__":
    with threadpool_limits(limits=1, user_api="blas"):
        main()
