"""What a bound on each listener costs: ``python bench/bounds.py work/coldstart [LISTENERS]``.

The folder is what recipes/coldstart.py writes. A fifth of each listener's artists is hidden, and
looked for among all artists that are not in the history.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from musicu.evaluation.ranking_metrics import measure, top_n
from musicu.evaluation.significance import compare_systems
from musicu.items.table import parse_schema
from musicu.items.vectors import read_items_with_vectors
from musicu.recommend.bounds import Bound
from musicu.recommend.interactions import read_interactions
from musicu.recommend.rank_fit import hide_plays, rank_scores
from musicu.recommend.recommender import History, Recommender
from musicu.recommend.scorer import Scorer

BOUNDS = {
    "no bound": Bound(),
    "least listeners 5": Bound(least_listeners=5),
    "least listeners 20": Bound(least_listeners=20),
    "least listeners 5, most items 20": Bound(least_listeners=5, most_items=20),
}


def main(folder: Path, most: int) -> None:
    """Fit with each bound, and print what is found, and how much less that is than without."""
    audio = folder / "audio.npz"
    items = read_items_with_vectors(folder / "artists.csv", parse_schema([]), audio).items
    log = read_interactions(folder / "plays.csv")
    rng = np.random.default_rng(0)
    kept, hidden = hide_plays(log, 0.2, rng)
    train = log.where(kept)
    users = sorted(rng.permutation(sorted(hidden))[:most].tolist())
    found = {}
    for name, bound in BOUNDS.items():
        recommender = Recommender().fit(bound.apply(train), items)
        scorer, everything = Scorer(recommender.model), np.arange(len(recommender.items))
        lists, wanted = [], np.zeros((len(users), len(everything)), dtype=np.bool_)
        for row, user in zip(wanted, users, strict=True):
            listener = scorer.listener(History(*train.of_user(log.users[user])))
            scores = rank_scores(scorer, None, listener, everything)
            scores[listener.played] = -np.inf
            lists.append(top_n(scores[None], 20)[0])
            row[recommender.model.positions(log.items[i] for i in hidden[user])] = True
        found[name] = measure(np.stack(lists), wanted, ks=(20,)).values["ndcg@20"]
        print(f"{name}: {np.nanmean(found[name]):.4f}", flush=True)
    for one in compare_systems(found, "no bound"):
        print(f"{one.system}: {one.difference:+.4f} [{one.low:+.4f}, {one.high:+.4f}]")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 300)
