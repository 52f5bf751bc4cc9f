"""Candidate sources: each proposes what it is good at, and never what is not there."""

import numpy as np
import pytest
from planted import GENRES, N_ITEMS, NEW, group, item, items, log, sound

from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata
from musicu.recommend.candidates import (
    CANDIDATE_SOURCES,
    Source,
    near_artists,
    near_interests,
    near_listeners,
    propose,
    unplayed_items,
)
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.hyperparameters import Hyperparameters
from musicu.recommend.scorer import History, Listener, Scorer


@pytest.fixture(scope="module")
def model() -> FittedModel:
    return FittedModel.fit(log(), items(), Hyperparameters(dim=8))


@pytest.fixture(scope="module")
def listener(model: FittedModel) -> Listener:
    return Scorer(model).listener(History([f"item {i}" for i in (0, 1, 16, 17, 32)]))  # house


@pytest.mark.parametrize("name", CANDIDATE_SOURCES)
@pytest.mark.parametrize("n", [1, 7, 1000])
def test_a_source_proposes_items_once_and_as_many_as_asked(
    model: FittedModel, listener: Listener, name: str, n: int
) -> None:
    found = CANDIDATE_SOURCES[name](model, listener, n)
    assert len(set(found.tolist())) == len(found)
    assert found.min() >= 0 and found.max() < N_ITEMS
    # Interests share the number between them.
    most = n + len(listener.interests or ()) if name == "interests" else n
    assert min(n, NEW) <= len(found) <= most


@pytest.mark.parametrize("source", [near_interests, near_listeners])
def test_the_best_are_those_of_the_listeners_group(
    model: FittedModel, listener: Listener, source: Source
) -> None:
    found = source(model, listener, 12)
    assert np.mean([group(i) == 0 for i in found]) > 0.8


def test_new_items_are_those_that_nobody_played(model: FittedModel, listener: Listener) -> None:
    assert (model.listeners[unplayed_items(model, listener, 100)] == 0).all()
    assert set(unplayed_items(model, listener, 100).tolist()) == set(range(N_ITEMS - NEW, N_ITEMS))


def test_each_interest_has_its_neighbors(model: FittedModel) -> None:
    both = Scorer(model).listener(History([f"item {i}" for i in (0, 1, 16, 17, 18, 4, 20)]))
    assert both.interests is not None and len(both.interests) > 1
    groups = [group(i) for i in near_interests(model, both, 20)]
    assert groups.count(0) >= 5 and groups.count(1) >= 4


def test_without_anything_known_of_the_history_there_are_no_interests(model: FittedModel) -> None:
    bare = model.with_items(Items([Item("bare")]))
    listener = Scorer(bare).listener(History(["bare"]))
    assert len(near_interests(bare, listener, 10)) == 0
    assert propose(bare, listener)  # others still propose


def test_artists_lead_to_their_works_and_to_those_they_work_with(model: FittedModel) -> None:
    # Artist 0 sings with Zoe, who sings with Yan, who sings with Xan.
    works = [("Artist 0", "Zoe"), ("Zoe",), ("Zoe", "Yan"), ("Yan",), ("Yan", "Xan"), ("Xan",)]
    new = [Item(f"w{i}", Metadata(artists=names)) for i, names in enumerate(works)]
    with_partners = model.with_items(Items(new))
    listener = Scorer(with_partners).listener(History(["item 0"]))
    found = {with_partners.items.ids[i] for i in near_artists(with_partners, listener, 1000)}
    assert {"item 1", "item 2", "item 3", "w0", "w1", "w2"} <= found
    assert not {"w3", "w4", "w5"} & found  # a partner's partner is nobody's partner


def test_neighbors_of_what_was_played_lead_to_their_artists(model: FittedModel) -> None:
    listener = Scorer(model).listener(History(["item 0"]))
    found = near_artists(model, listener, 1000)
    others = [i for i in found if i // 4 != 0]
    assert len(others) >= 8 and np.mean([group(i) == 0 for i in others]) > 0.6


def test_all_sources_are_asked_and_named(model: FittedModel, listener: Listener) -> None:
    found = propose(model, listener, pool=10)
    assert list(found) == sorted(found)
    assert {name for names in found.values() for name in names} == set(CANDIDATE_SOURCES)
    for name, source in CANDIDATE_SOURCES.items():
        assert {at for at, names in found.items() if name in names} == set(
            source(model, listener, 10).tolist()
        )
    only = propose(model, listener, sources={"mine": lambda model, listener, n: np.array([3])})
    assert only == {3: ("mine",)}


def test_items_that_are_near_everything_do_not_fill_everybodys_list() -> None:
    # Sounds of which some have little of their own beside what all have in common.
    rng = np.random.default_rng(0)
    n = 300
    heard = rng.uniform(0.2, 2, (n, 1)) * rng.standard_normal((n, 40)) + rng.standard_normal(40)
    known = Items([Item(f"item {i}") for i in range(n)], heard.astype(np.float32))
    model = FittedModel.fit(log(), known, Hyperparameters(dim=4, weights={"audio": 1.0}))
    count = np.zeros((2, n))
    for at in range(n):
        listener = Scorer(model).listener(History([known.ids[at]]))
        plain = model.vectors.scores(model.vectors.take([at]).toarray()[0])
        count[0, near_interests(model, listener, 11)] += 1
        count[1, np.argsort(-plain)[:11]] += 1
    z = (count - count.mean(axis=1, keepdims=True)) / count.std(axis=1, keepdims=True)
    corrected, before = (z**3).mean(axis=1)
    assert before > 1.4 > 0.5 > corrected
    assert count[0].max() < 0.5 * count[1].max()


def test_new_items_of_the_listeners_kind_are_proposed(model: FittedModel) -> None:
    heard = np.stack([sound(i % 4, 800 + i) for i in range(80)])
    new = [
        Item(f"new {i}", item(0, genres=(GENRES[i % 4],), artist="?", artists=()).metadata)
        for i in range(80)
    ]
    more = model.with_items(Items(new, heard))
    listener = Scorer(more).listener("listener-001-of-60")
    best = unplayed_items(more, listener, 10)
    assert np.mean([more.items[i].metadata.genres == (GENRES[1],) for i in best]) > 0.7
