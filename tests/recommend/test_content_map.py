"""From content to listeners: what the map minimizes, what it finds, and what it does in want."""

import numpy as np
import pytest
from numpy.typing import NDArray
from planted import GENRES, group, sound

from musicu.items.fused_vectors import ItemVectors
from musicu.items.fusion import Fusion
from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata
from musicu.recommend import content_map as projection
from musicu.recommend.content_map import ContentMap, fit_content_map

K = 5
Floats = NDArray[np.float32]


def vectors(n: int = 90, *, audio: bool = True, genres: bool = True) -> ItemVectors:
    known = Items(
        (
            Item(str(i), Metadata(genres=(GENRES[group(i)],) if genres else (), label=f"l{i % 9}"))
            for i in range(n)
        ),
        np.stack([sound(group(i), i) for i in range(n)]) if audio else None,
    )
    weights = {"audio": 1.0, "genres": 1.0, "label": 0.5}
    return Fusion(weights).fit(known).transform(known)


def factors(n: int, *, noise: float = 0.3, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((len(GENRES), K))
    own = centers[[group(i) for i in range(n)]] + noise * rng.standard_normal((n, K))
    return own.astype(np.float32)


def test_the_map_solves_the_normal_equations_of_all_views(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "_TOLERANCE", 1e-7)
    x, y = vectors(), factors(90)
    listeners = np.random.default_rng(2).integers(1, 40, 90)
    found = fit_content_map(x, y, listeners, ridge=3.0, shrinkage=4.0, seed=5)
    rng = np.random.default_rng(5)
    trust = listeners / (listeners + 4.0)
    rows, weights = [x.toarray()], [trust / 2]
    for _ in range(6):
        rows.append(x.keep(rng.random(x.present.shape) < 0.5).toarray())
        weights.append(trust / 12)
    stacked, w = np.concatenate(rows).astype(np.float64), np.concatenate(weights)
    system = stacked.T @ (w[:, None] * stacked) + 3.0 * np.eye(x.dim)
    exact = np.linalg.solve(system, stacked.T @ (w[:, None] * np.tile(y, (7, 1))))
    assert np.allclose(found, exact, atol=1e-4 * np.abs(exact).max())


def test_without_dropout_items_count_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "_TOLERANCE", 1e-7)
    x, y = vectors(), factors(90)
    listeners = np.random.default_rng(2).integers(1, 40, 90)
    found = fit_content_map(x, y, listeners, ridge=3.0, shrinkage=4.0, dropout=False)
    rows, w = x.toarray().astype(np.float64), listeners / (listeners + 4.0)
    system = rows.T @ (w[:, None] * rows) + 3.0 * np.eye(x.dim)
    exact = np.linalg.solve(system, rows.T @ (w[:, None] * y))
    assert np.allclose(found, exact, atol=1e-4 * np.abs(exact).max())


@pytest.mark.parametrize("audio", [True, False])
def test_a_planted_map_is_found(audio: bool) -> None:
    rng = np.random.default_rng(0)
    n, dim = 400, 20
    known = Items(
        [Item(str(i), Metadata(label=None if audio else f"l{i % dim}")) for i in range(n)],
        rng.standard_normal((n, dim)).astype(np.float32) if audio else None,
    )
    x = Fusion({"audio" if audio else "label": 1.0}).fit(known).transform(known)
    planted = rng.standard_normal((x.dim, K)).astype(np.float32)
    found = fit_content_map(x, x.scores(planted.T), np.full(n, 1e6), ridge=1e-3)
    assert np.allclose(x.scores(found.T), x.scores(planted.T), atol=1e-3)


def test_what_lacks_most_fields_is_placed_better_for_the_views_that_lacked_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x, y = vectors(200), factors(200)
    train, test = np.arange(120), np.arange(120, 200)
    truth = factors(200, noise=0.0)[test]
    error: dict[tuple[int, str], float] = {}
    for views in (6, 0):
        monkeypatch.setattr(projection, "_VIEWS", views)
        found = fit_content_map(x.take(train), y[train], np.full(120, 50.0), ridge=1.0)
        for field in ("audio", "genres"):
            only = np.broadcast_to([name == field for name in x.fields], (80, len(x.fields)))
            placed = x.take(test).keep(only).scores(found.T)
            error[views, field] = float(np.square(placed - truth).mean() / truth.var())
    for field in ("audio", "genres"):
        assert error[6, field] < 0.9 * error[0, field]
        assert error[6, field] < 0.5  # 1 is what knowing nothing would give


def test_without_items_everything_is_placed_at_zero() -> None:
    x = vectors()
    found = fit_content_map(x.take([]), factors(0), np.zeros(0))
    assert found.shape == (x.dim, K) and not found.any()


def test_what_few_have_played_says_little() -> None:
    # Two items that look the same: a hundred listeners say one thing, a single one the contrary.
    x = vectors(1).take([0, 0])
    y = np.array([[1.0], [-1.0]], dtype=np.float32)
    doubted, trusted = (
        float(x.scores(fit_content_map(x, y, np.array([100, 1]), ridge=0.1, shrinkage=d).T)[0, 0])
        for d in (5.0, 0.0)
    )
    assert doubted > 0.3
    assert abs(trusted) < doubted / 3


def test_axes_of_factors_that_say_nothing_do_no_harm() -> None:
    x, y = vectors(), factors(90)
    listeners = np.full(90, 10.0)
    faint = y.copy()
    faint[:, 1] *= 1e-38
    faint[:, 2] = 0
    whole, part = (fit_content_map(x, f, listeners) for f in (y, faint))
    assert np.allclose(part[:, [0, 3, 4]], whole[:, [0, 3, 4]], atol=1e-3)
    assert np.allclose(1e38 * part[:, 1].astype(np.float64), whole[:, 1], rtol=1e-2, atol=1e-3)
    assert not part[:, 2].any()
    # Nor do those that are below what the products' 32 bits can hold.
    rng = np.random.default_rng(0)
    system = np.cov(rng.standard_normal((6, 20))).astype(np.float32)
    right = rng.standard_normal((6, 1)) * [1.0, 1e-60]
    found = projection._solve(lambda w: (system @ w.astype(np.float32)).astype(np.float64), right)
    assert np.allclose(found, np.linalg.solve(system, right[:, :1]) * [1.0, 1e-60], rtol=1e-2)


def test_items_without_audio_or_without_names_are_no_matter() -> None:
    for kept in ({"audio": False}, {"genres": False}):
        x = vectors(**kept)
        found = fit_content_map(x, factors(90), np.full(90, 10.0))
        assert np.isfinite(found).all() and found.any()


def test_each_set_of_fields_has_a_map_of_its_own() -> None:
    x, y, listeners = vectors(), factors(90), np.full(90, 10)
    maps = ContentMap(x, y, listeners, ridge=2.0, shrinkage=5.0, seed=0)
    kept = np.ones(x.present.shape, dtype=np.bool_)
    kept[:30, x.fields.index("audio")] = False
    kept[30:40] = False
    poorer = x.keep(kept)
    found = maps.predict(poorer)
    assert len(maps.maps) == 2 and not found[30:40].any()
    for rows in (slice(0, 30), slice(40, 90)):
        at = np.arange(90)[rows]
        seen = x.keep(np.tile(poorer.present[at[0]], (90, 1)))
        own = fit_content_map(seen, y, listeners, ridge=2.0, shrinkage=5.0, dropout=False)
        assert np.allclose(found[at], poorer.take(at).scores(own.T), atol=1e-6)


def test_a_map_of_their_own_places_poor_items_better() -> None:
    x, y, n = vectors(200), factors(200), 120
    truth = factors(200, noise=0.0)[n:]
    learned, listeners = x.take(range(n)), np.full(n, 50)
    for field in ("audio", "genres"):
        kept = np.broadcast_to([name == field for name in x.fields], (80, len(x.fields)))
        poor = x.take(range(n, 200)).keep(kept)
        own = ContentMap(learned, y[:n], listeners, ridge=1.0).predict(poor)
        one = poor.scores(fit_content_map(learned, y[:n], listeners, ridge=1.0).T)
        assert np.square(own - truth).mean() < np.square(one - truth).mean()


def test_rare_sets_of_fields_share_a_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "_MAPS", 1)
    x, y, listeners = vectors(), factors(90), np.full(90, 10)
    maps = ContentMap(x, y, listeners)
    kept = np.ones(x.present.shape, dtype=np.bool_)
    kept[:5, 0] = False
    kept[5:9, 1] = False
    poorer = x.keep(kept)
    found = maps.predict(poorer)
    assert set(maps.maps) == {ContentMap.key(poorer.present[-1]), b""}
    shared = fit_content_map(x, y, listeners)
    assert np.allclose(found[:9], poorer.take(range(9)).scores(shared.T), atol=1e-6)
    # What was learned is used as it is.
    again = ContentMap(x, np.zeros_like(y), listeners, maps=maps.maps)
    assert np.array_equal(again.predict(poorer), found)
