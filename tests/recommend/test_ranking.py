"""The ranking stage: what it knows of candidates, and what a log teaches it."""

import csv
import gzip
import os
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from planted import N_ITEMS, NEW, group, item, items, log

from musicu.errors import RecommenderError
from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.hyperparameters import Hyperparameters
from musicu.recommend.interactions import Interactions, read_interactions
from musicu.recommend.rank_fit import FEATURES, features, hide_plays, learn_ranking
from musicu.recommend.recommender import Recommender
from musicu.recommend.scorer import History, Scorer


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer(FittedModel.fit(log(), items(), Hyperparameters(dim=8)))


def test_features_are_what_they_are_said_to_be(scorer: Scorer) -> None:
    listener = scorer.listener(History(["item 0", "item 1", "item 16", "item 4"]))
    at = np.arange(N_ITEMS)
    found = dict(zip(FEATURES, features(scorer, listener, at).T, strict=True))
    parts = scorer.parts(listener, at)
    old = at < N_ITEMS - NEW
    assert np.allclose(found["content"], parts[:, 0])
    assert np.allclose(found["taste"], parts[:, 2])
    assert np.allclose(found["listeners"][old], parts[old, 1])
    assert np.allclose(found["popularity"][old], np.log1p(scorer.model.listeners[old]))
    for name in ("listeners", "popularity"):  # not known of what is new
        assert np.isnan(found[name][~old]).all()
    assert found["artist"][:8] == pytest.approx([0.5] * 4 + [0.25] * 4)
    assert found["artist"][16] == 0.25 and not found["artist"][20:].any()


def test_of_several_artists_the_one_who_was_played_most_counts(scorer: Scorer) -> None:
    duets = [item(0, artists=("Artist 1", "Artist 0")), item(0, artists=("X",))]
    new = Items([Item(f"d{i}", d.metadata) for i, d in enumerate(duets)])
    more = Scorer(scorer.model.with_items(new))
    listener = more.listener(History(["item 0", "item 1", "item 16", "item 4"]))
    found = features(more, listener, np.array([N_ITEMS, N_ITEMS + 1]))
    assert found[:, FEATURES.index("artist")] == pytest.approx([0.5, 0])


def test_items_without_artists_have_features_too() -> None:
    bare = Items([item(i, artist=None, artists=()) for i in range(N_ITEMS)])
    scorer = Scorer(FittedModel.fit(log(), bare, Hyperparameters(dim=4)))
    found = features(scorer, scorer.listener(History(["item 0"])), np.arange(5))
    assert not found[:, FEATURES.index("artist")].any()


def misleading(users: int = 80) -> tuple[Interactions, Items]:
    """Everybody has played the same few hits; what else they play is the less known, the later."""
    rng = np.random.default_rng(0)
    old = N_ITEMS - NEW
    own = np.arange(users)[:, None] % 4 == np.array([group(i) for i in range(old)])
    hits = np.arange(old) % 4 == 0
    chance = np.where(hits, 0.6, np.where(own, 0.5, 0.02))
    user, at = np.nonzero(rng.random((users, old)) < chance)
    # The hits came first.
    times = 1e9 + 86400.0 * (rng.uniform(0, 10, len(user)) + 10 * ~hits[at])
    ids = [f"item {i}" for i in range(old)]
    return Interactions([f"u{i}" for i in range(users)], ids, user, at, None, times), items()


def test_where_popularity_misleads_it_counts_against_an_item() -> None:
    logged, known = misleading()
    ranker = learn_ranking(logged, known, Hyperparameters(dim=8))
    weights = dict(zip(ranker.names, ranker.weights, strict=True))
    assert weights["popularity"] < 0
    assert weights["content"] + weights["listeners"] + weights["taste"] > 0
    plain = learn_ranking(log(popular=3.0), known, Hyperparameters(dim=8))
    assert dict(zip(plain.names, plain.weights, strict=True))["popularity"] > weights["popularity"]


def held_out(recommender: Recommender, wanted: Interactions) -> float:
    """Mean share of the wanted items in the ten best."""
    shares = []
    for user in recommender.log.users:
        right = set(wanted.of_user(user)[0])
        if right and len(recommender.log.of_user(user)[0]):
            found = {one.id for one in recommender.recommend(user, 10)}
            shares.append(len(right & found) / min(len(right), 10))
    return float(np.mean(shares))


def test_held_out_plays_rank_higher_with_what_was_learned() -> None:
    logged, known = misleading()
    assert logged.time is not None
    last = logged.time > np.quantile(logged.time, 0.85)
    recommender = Recommender(dim=8).fit(logged.where(~last), known)
    before = held_out(recommender, logged.where(last))
    assert held_out(recommender.learn_ranking(), logged.where(last)) > 1.1 * before


def test_the_same_log_teaches_the_same() -> None:
    settings = Hyperparameters(dim=8, seed=3)
    first, second = (learn_ranking(log(), items(), settings) for _ in range(2))
    assert np.array_equal(first.weights, second.weights)
    assert min(w for n, w in zip(first.names, first.weights, strict=True) if n != "popularity") >= 0


def test_the_last_plays_are_hidden_or_any_where_nothing_is_dated() -> None:
    logged = log()
    kept, wanted = hide_plays(logged, 0.2, np.random.default_rng(0))
    assert logged.time is not None
    for user, gone in wanted.items():
        mine = logged.user == user
        assert set(logged.item[mine & ~kept]) == set(gone)
        assert logged.time[mine & ~kept].min() >= logged.time[mine & kept].max()
        assert len(gone) == int(0.2 * mine.sum())
    undated = Interactions(logged.users, logged.items, logged.user, logged.item)
    kept, wanted = hide_plays(undated, 0.2, np.random.default_rng(0))
    assert 0 < np.count_nonzero(~kept) == sum(map(len, wanted.values()))


def test_no_listener_with_enough_items_is_an_error() -> None:
    few = Interactions(["a", "b"], ["item 0", "item 1"], [0, 0, 1], [0, 1, 1])
    with pytest.raises(RecommenderError, match="no listener played five items"):
        learn_ranking(few, items(), Hyperparameters(dim=2))


@pytest.mark.data
@pytest.mark.slow
def test_held_out_artists_of_lastfm_listeners_rank_far_above_the_popular_ones() -> None:
    data = os.environ.get("MUSICU_DATA")
    if not data:
        pytest.skip("MUSICU_DATA is not set")
    folder = Path(data, "listening")
    logged = read_interactions(folder / "user_artists.tsv.gz")
    known = _tagged(folder, logged.items)
    held = np.random.default_rng(0).random(len(logged)) < 0.2
    train, test = logged.where(~held), logged.where(held)
    recommender = Recommender().fit(train, known)
    popular = [train.items[i] for i in np.argsort(-np.bincount(train.item))[:200]]
    gain = 1 / np.log2(np.arange(2, 22))

    def ndcg(found: list[str], right: set[str]) -> float:
        hits: NDArray[np.bool_] = np.array([id in right for id in found])
        return float(gain[: len(hits)] @ hits / gain[: len(right)].sum())

    ours, theirs = [], []
    for user in logged.users[:300]:
        played, right = set(train.of_user(user)[0]), set(test.of_user(user)[0])
        if played and right:
            ours.append(ndcg([one.id for one in recommender.recommend(user, 20)], right))
            theirs.append(ndcg([id for id in popular if id not in played][:20], right))
    assert np.mean(ours) > 0.26 > 2 * np.mean(theirs)


def _tagged(folder: Path, ids: tuple[str, ...]) -> Items:
    """Artists with the tags that people gave them."""

    def rows(name: str) -> list[list[str]]:
        with gzip.open(folder / name, "rt", encoding="utf-8", errors="replace") as file:
            return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]

    said = {tag: text for tag, text in rows("tags.tsv.gz")}
    tags: dict[str, Counter[str]] = defaultdict(Counter)
    for _, artist, tag, *_ in rows("user_taggedartists.tsv.gz"):
        if said.get(tag):
            tags[artist][said[tag]] += 1
    return Items(Item(id, Metadata(tags=tuple(tags[id])), {}, dict(tags[id])) for id in ids)
