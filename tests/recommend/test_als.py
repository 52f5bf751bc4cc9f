"""Collaborative factors: what they minimize, what they do not depend on, what they find."""

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from musicu.errors import RecommenderError
from musicu.recommend.als import Factors, factorize
from musicu.recommend.interactions import Interactions, read_interactions

DIM = 8


def listening(users: int = 60, items: int = 90, *, seed: int = 0, groups: int = 3) -> csr_array:
    """Users who mostly listen to their group's items; histories from 1 item to half of them."""
    rng = np.random.default_rng(seed)
    same = np.arange(users)[:, None] % groups == np.arange(items) % groups
    chance = np.where(same, 0.6, 0.02) * rng.random((users, 1))
    plays = np.where(rng.random((users, items)) < chance, rng.integers(1, 100, (users, items)), 0)
    plays[np.arange(users), np.arange(users) % items] += 1
    return csr_array(np.log1p(plays).astype(np.float32))


def level(matrix: csr_array) -> NDArray[np.float64]:
    dense = matrix.toarray().astype(np.float64)
    return dense / (dense.sum(axis=1) / (dense > 0).sum(axis=1))[:, None]


def loss(found: Factors, matrix: csr_array) -> float:
    """The sum that the module says is minimized, in plain NumPy."""
    w = level(matrix)
    x, y = found.users.astype(np.float64), found.items.astype(np.float64)
    scores = x @ y.T
    of_users = (w > 0).sum(axis=1) + found.floor * y.any(axis=1).sum()
    of_items = (w > 0).sum(axis=0) + found.floor * x.any(axis=1).sum()
    pull = (of_users * (x**2).sum(axis=1)).sum() + (of_items * (y**2).sum(axis=1)).sum()
    fit = (w * (1 - scores) ** 2).sum() + found.floor * (scores**2).sum()
    return float(fit + found.regularization * pull)


def test_a_users_vector_solves_the_normal_equations() -> None:
    matrix = listening()
    counts = np.diff(matrix.indptr)
    assert counts.min() < DIM < counts.max()  # both ways to solve are taken
    found = factorize(matrix, dim=DIM)
    y = found.items.astype(np.float64)
    for w, x in zip(level(matrix), found.users, strict=True):
        pull = found.regularization * ((w > 0).sum() + found.floor * y.any(axis=1).sum())
        system = (y * w[:, None]).T @ y + found.floor * y.T @ y + pull * np.eye(DIM)
        assert np.allclose(x, np.linalg.solve(system, w @ y), atol=1e-5)


def test_each_round_lowers_the_loss() -> None:
    matrix = listening()
    losses = [loss(factorize(matrix, dim=DIM, iterations=n), matrix) for n in (1, 2, 4, 8, 16)]
    assert all(later < earlier for earlier, later in zip(losses, losses[1:], strict=False))


def test_the_loss_has_a_minimum_at_the_factors() -> None:
    matrix = listening()
    found = factorize(matrix, dim=DIM, iterations=300)
    least = loss(found, matrix)
    rng = np.random.default_rng(1)
    for _ in range(20):
        users = found.users + rng.normal(0, 0.01, found.users.shape).astype(np.float32)
        items = found.items + rng.normal(0, 0.01, found.items.shape).astype(np.float32)
        items[~found.items.any(axis=1)] = 0
        moved = Factors(users, items, floor=found.floor, regularization=found.regularization)
        assert loss(moved, matrix) > least


def test_listeners_are_led_to_their_own_group() -> None:
    matrix = listening()
    found = factorize(matrix, dim=DIM)
    scores = np.where(matrix.toarray() > 0, -np.inf, found.users @ found.items.T)
    best = np.argsort(-scores, axis=1)[:, :5]
    assert (best % 3 == np.arange(60)[:, None] % 3).mean() > 0.9


def test_folding_in_gives_a_stored_user_the_vector_from_the_fit() -> None:
    matrix = listening()
    found = factorize(matrix, dim=DIM)
    assert np.allclose(found.fold_in(matrix), found.users, atol=1e-5)
    for row in range(0, 60, 7):  # alone, as a service asks
        assert np.allclose(found.fold_in(matrix[[row]]), found.users[[row]], atol=1e-4)
    stored = Factors(
        found.users, found.items, floor=found.floor, regularization=found.regularization
    )
    assert np.array_equal(stored.fold_in(matrix), found.fold_in(matrix))


def test_the_influences_of_a_history_add_up_to_its_vector() -> None:
    matrix = listening()
    found = factorize(matrix, dim=DIM)
    for row in range(0, 60, 7):
        items, weights = matrix[[row]].indices, matrix[[row]].data
        influence = found.influence(items, weights)
        assert influence.shape == (len(items), DIM)
        assert np.allclose(influence.sum(axis=0), found.users[row], atol=1e-4)
    assert found.influence(np.zeros(0, dtype=int), np.zeros(0)).shape == (0, DIM)


def test_the_seed_decides() -> None:
    matrix = listening()
    first, again = factorize(matrix, dim=DIM, seed=3), factorize(matrix, dim=DIM, seed=3)
    assert np.array_equal(first.users, again.users) and np.array_equal(first.items, again.items)
    other = factorize(matrix, dim=DIM, seed=4)
    assert not np.allclose(first.items, other.items, atol=1e-3)
    assert (first.users.dtype, first.items.dtype) == (np.float32, np.float32)


def test_a_user_who_is_removed_leaves_no_trace() -> None:
    """Not in the numbers of the others, wherever the user stood."""
    matrix = listening()
    stays = np.arange(60) != 17
    without = factorize(matrix[stays], dim=DIM)
    dense = matrix.toarray()
    dense[17] = 0
    emptied = factorize(csr_array(dense), dim=DIM)
    assert not emptied.users[17].any()
    assert np.allclose(
        emptied.users[stays] @ emptied.items.T, without.users @ without.items.T, atol=1e-4
    )
    assert without.floor == emptied.floor


def test_forgetting_in_the_log_equals_never_having_listened() -> None:
    rows = [(u, i, 1 + (u * i) % 5) for u in range(12) for i in range(14) if (u + i * i) % 3]
    names, items = [f"u{u:02}" for u in range(12)], [f"i{i:02}" for i in range(14)]
    user, item, weight = (np.array(column) for column in zip(*rows, strict=True))
    log = Interactions(names, items, user, item, weight)
    keep = user != 5
    never = Interactions(
        names[:5] + names[6:], items, user[keep] - (user[keep] > 5), item[keep], weight[keep]
    )
    forgotten = log.without_user("u05").of_items(items)
    a, b = factorize(forgotten.matrix(), dim=4), factorize(never.matrix(), dim=4)
    assert np.array_equal(a.users, b.users) and np.array_equal(a.items, b.items)


def test_neither_the_order_of_users_nor_how_much_they_play_matters() -> None:
    matrix = listening()
    found = factorize(matrix, dim=DIM)
    order = np.random.default_rng(0).permutation(60)
    louder = csr_array(matrix.toarray()[order] * np.linspace(1, 50, 60)[:, None])
    moved = factorize(louder, dim=DIM)
    scores = found.users @ found.items.T
    assert np.allclose(moved.users @ moved.items.T, scores[order], atol=1e-3)


def test_what_nobody_heard_is_zero_and_changes_nothing() -> None:
    matrix = listening()
    wide = csr_array((matrix.data, matrix.indices, matrix.indptr), shape=(60, 95))
    tall = vstack([wide, csr_array((4, 95), dtype=np.float32)]).tocsr()
    found = factorize(tall, dim=DIM)
    assert not found.items[90:].any() and not found.users[60:].any()
    assert found.items[:90].any(axis=1).sum() == np.unique(matrix.indices).size
    assert found.floor == pytest.approx(factorize(matrix, dim=DIM).floor)


def test_items_lie_on_principal_axes_the_strongest_first() -> None:
    items = factorize(listening(), dim=DIM).items.astype(np.float64)
    gram = items.T @ items
    assert np.allclose(gram, np.diag(np.diag(gram)), atol=1e-4 * gram.max())
    assert (np.diff(np.diag(gram)) <= 1e-6).all()


def test_repr_holds_counts_only() -> None:
    assert repr(factorize(listening(), dim=DIM)) == "Factors(60 users, 90 items, dim=8)"


def test_what_cannot_be_factorized_is_refused() -> None:
    with pytest.raises(RecommenderError, match="nobody listened"):
        factorize(csr_array((3, 4), dtype=np.float32))
    for bad in (-1.0, 0.0, np.nan, np.inf):
        matrix = csr_array((np.array([1.0, bad]), ([0, 1], [0, 1])), shape=(2, 2))
        with pytest.raises(RecommenderError, match="above 0"):
            factorize(matrix)
    found = factorize(listening(), dim=DIM)
    with pytest.raises(RecommenderError, match="histories over 7 items do not fit factors of 90"):
        found.fold_in(csr_array((1, 7), dtype=np.float32))


@pytest.mark.data
def test_held_out_artists_of_lastfm_users_are_found() -> None:
    data = os.environ.get("MUSICU_DATA")
    if not data:
        pytest.skip("MUSICU_DATA is not set")
    log = read_interactions(Path(data, "listening", "user_artists.tsv.gz"))
    assert (len(log), len(log.users), len(log.items)) == (92_834, 1_892, 17_632)
    held = np.random.default_rng(0).random(len(log)) < 0.2
    train, test = log.where(~held).matrix(), log.where(held).matrix("binary").toarray()[:600]
    found = factorize(train)
    listeners = np.diff(train.T.tocsr().indptr)
    recall = []
    for scores in (found.users[:600] @ found.items.T, np.tile(listeners, (600, 1))):
        open_ = np.where(train[:600].toarray() > 0, -np.inf, scores)
        best = np.argpartition(-open_, 20, axis=1)[:, :20]
        hits = np.take_along_axis(test, best, axis=1).sum(axis=1)
        recall.append((hits / np.maximum(test.sum(axis=1), 1)).mean())
    assert recall[0] > 0.25 > 2 * recall[1]
