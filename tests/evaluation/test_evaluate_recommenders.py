"""Offline evaluation of recommendation: who takes part, what is measured, what is concluded."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array

from musicu.errors import MusicuError
from musicu.evaluation.bootstrap import bootstrap_means
from musicu.evaluation.ranking_metrics import measure
from musicu.evaluation.recommenders.baselines import BASELINES, Baselines, SystemScores
from musicu.evaluation.recommenders.collaborative import Columns
from musicu.evaluation.recommenders.collector import MetricCollector
from musicu.evaluation.recommenders.evaluate import evaluate_recommend
from musicu.evaluation.recommenders.results import RecommendEvaluation
from musicu.evaluation.recommenders.splits import FoldProtocol, Split, TimeProtocol
from musicu.evaluation.recommenders.systems import FULL, GRID, Experiment
from musicu.evaluation.recommenders.whole_catalog import mixed
from musicu.evaluation.two_way import find_gains, two_way_means
from musicu.items.fusion import Fusion
from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.hyperparameters import Hyperparameters
from musicu.recommend.interactions import Interactions
from musicu.recommend.recommender import Recommender
from musicu.recommend.scorer import Scorer
from musicu.reports.recommender_page import evaluation_page

FIELDS = ("audio", "genres", "artists", "year")
GENRES = ("Jazz", "Techno", "Folk", "Metal")


def world(seed: int = 0, tracks: int = 72, users: int = 50) -> tuple[Interactions, Items]:
    """Tracks of four kinds that one can hear and read, and listeners who like one or two."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(4, size=tracks)
    centers = rng.normal(size=(4, 12))
    audio = centers[kind] + 0.8 * rng.normal(size=(tracks, 12))
    items = Items(
        [
            Item(
                f"t{i:02}",
                Metadata(
                    artist=f"Artist {kind[i]} {rng.integers(6)}",
                    genres=(GENRES[kind[i]],),
                    year=int(1980 + 5 * kind[i] + rng.integers(8)),
                ),
            )
            for i in range(tracks)
        ],
        audio.astype(np.float32),
    )
    likes = rng.random((users, 4)) < 0.4
    chance = np.where(likes[:, kind], 0.35, 0.03) * rng.choice([0.4, 1, 1.6], size=tracks)
    pairs = np.argwhere(rng.random((users, tracks)) < chance)
    more = np.argwhere(rng.random((users, 5)) < 0.3) + [0, tracks]
    pairs = np.concatenate([pairs, more])  # things of which nothing is known
    ids = [*items.ids, *(f"x{i}" for i in range(5))]
    plays = rng.integers(1, 50, size=len(pairs))
    time = 1e9 + 86_400 * rng.integers(0, 100, size=len(pairs))
    names = [f"u{i:02}" for i in range(users)]
    return Interactions(names, ids, pairs[:, 0], pairs[:, 1], plays, time), items


@pytest.fixture(scope="module")
def result() -> RecommendEvaluation:
    log, items = world()
    noise = np.random.default_rng(5).normal(size=(len(items), 4)).astype(np.float32)
    return evaluate_recommend(
        log, items, protocol=FoldProtocol("artist", 2), seeds=2, others={"noise": noise}, draws=4000
    )


def experiment(split: Split, items: Items, candidates: Any = None, **more: Any) -> Experiment:
    about = {"fields": FIELDS, "settings": {}, "others": {}, "seed": 0} | more
    return Experiment(split, items, split.cold if candidates is None else candidates, **about)


@pytest.fixture(scope="module")
def split() -> Split:
    log, items = world()
    return FoldProtocol("artist", 3).splits(log, items)[0]


def by_name(split: Split, items: Items, **more: Any) -> dict[str, SystemScores]:
    one = experiment(split, items, **more)
    return {system.name: system for system in one.systems(one.model)}


def value(result: RecommendEvaluation, system: str, metric: str = "ndcg@20") -> float:
    score = result.score(system, "listeners", metric)
    assert score is not None
    return score.value


# What takes part


def test_the_recommender_is_scored_as_it_scores(split: Split) -> None:
    _, items = world()
    cold = set(split.cold.tolist())
    warm = items.take(i for i in range(len(items)) if i not in cold)
    model = FittedModel.fit(split.train, warm).with_items(items.take(split.cold.tolist()))
    scorer = Scorer(model)
    at = model.positions(items.ids[i] for i in split.cold)
    found = by_name(split, items)[FULL].scores
    for row, user in zip(found, split.users, strict=True):
        expected = scorer.scores(scorer.listener(split.train.users[user]), at)
        np.testing.assert_allclose(row, expected, atol=2e-5)


@pytest.mark.parametrize("field", ["audio", "genres", "year"])
def test_what_new_items_lack_is_as_if_they_had_never_had_it(split: Split, field: str) -> None:
    _, items = world()
    cold = set(split.cold.tolist())
    poorer = [
        replace(item, metadata=replace(item.metadata, **_without(field))) if i in cold else item
        for i, item in enumerate(items)
    ]
    audio = items.audio.copy()
    if field == "audio":
        audio[split.cold] = 0
    lacking = by_name(split, items)[f"{FULL}, new items lack {field}"].scores
    expected = by_name(split, Items(poorer, audio))[FULL].scores
    np.testing.assert_allclose(lacking, expected, atol=2e-5)


def _without(field: str) -> dict[str, Any]:
    return {"genres": {"genres": ()}, "year": {"year": None}, "audio": {}}[field]


def test_a_neighborhood_is_the_mean_likeness_to_what_was_played(split: Split) -> None:
    _, items = world()
    warm = items.take(i for i in range(len(items)) if i not in set(split.cold.tolist()))
    vectors = Fusion({"genres": 1.0, "year": 0.3}).fit(warm).transform(items)
    like = vectors.similarity(vectors)
    found = by_name(split, items)["genre + year kNN"].scores
    for row, user in zip(found, split.users, strict=True):
        ids, plays, _ = split.train.of_user(split.train.users[user])
        known = [
            (items.position(id), np.log1p(n))
            for id, n in zip(ids, plays, strict=True)
            if id in items.ids
        ]
        whole = sum(weight for _, weight in known) or 1
        expected = sum((w * like[i, split.cold] for i, w in known), np.zeros(len(split.cold)))
        np.testing.assert_allclose(row, expected / whole, atol=1e-5)


def test_popularity_counts_listeners_in_training_and_then_the_artist() -> None:
    log, items = world()
    split = FoldProtocol("album", 3).splits(
        log,
        Items([replace(i, metadata=replace(i.metadata, album=i.id)) for i in items], items.audio),
    )[0]
    everything = np.arange(len(items))
    scores = by_name(split, items, candidates=everything)["popularity"].scores[0]
    inside = split.train.of_items(items.ids)
    count = np.bincount(inside.item, minlength=len(items))
    warm = np.setdiff1d(everything, split.cold)
    np.testing.assert_array_equal(np.floor(scores[warm]), count[warm])
    assert scores[split.cold].max() < 1 and len(np.unique(scores[split.cold])) > 1


def test_an_artist_heard_often_is_ahead_of_one_heard_never(split: Split) -> None:
    log, items = world()
    albums = Items([replace(i, metadata=replace(i.metadata, album=i.id)) for i in items])
    known = FoldProtocol("album", 3).splits(log, albums)[0]
    scores = by_name(known, items)["same artist"].scores
    for row, user in zip(scores, known.users, strict=True):
        ids, _, _ = known.train.of_user(known.train.users[user])
        heard = {items[items.position(id)].metadata.artist for id in ids if id in items.ids}
        own = np.array([items[i].metadata.artist in heard for i in known.cold])
        np.testing.assert_array_equal(row > 0, own)
    # By whole artists nobody is known, and there is nothing to tell new items apart.
    assert not by_name(split, items)["same artist"].scores.any()


def test_shuffled_contents_are_the_same_contents_elsewhere(split: Split) -> None:
    _, items = world()
    systems = by_name(split, items)
    assert systems["contents shuffled"].kind == "control"
    shuffled, whole = systems["contents shuffled"].scores, systems[FULL].scores
    assert abs(np.corrcoef(shuffled.ravel(), whole.ravel())[0, 1]) < 0.4


def test_settings_change_what_is_learned_and_not_the_factors(split: Split) -> None:
    _, items = world()
    model = experiment(split, items).model
    changes: dict[str, Any] = {
        "ridge": 12.0,
        "weights": {"audio": 1.0, "genres": 0.5},
        "taste": 0.5,
    }
    tuned = model.with_settings(**changes)
    cold = set(split.cold.tolist())
    warm = items.take(i for i in range(len(items)) if i not in cold)
    again = FittedModel.fit(split.train, warm, Hyperparameters(**changes))
    again = again.with_items(items.take(split.cold.tolist()))
    assert tuned.als is model.als and model.settings.ridge == 10.0
    np.testing.assert_allclose(tuned.item_factors.factors, again.item_factors.factors, atol=1e-5)
    np.testing.assert_allclose(tuned.item_factors.inv_std, again.item_factors.inv_std, rtol=1e-4)


def test_a_baseline_is_added_in_one_place(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    def newest(baselines: Baselines) -> Iterator[tuple[str, tuple[str, ...], Any]]:
        years = np.array([item.metadata.year for item in baselines.items], dtype=np.float32)
        yield "newest", ("year",), years[baselines.candidates]

    monkeypatch.setitem(BASELINES, "newest", newest)
    log, items = world()
    found = by_name(split, items)["newest"]
    assert (found.kind, found.uses) == ("baseline", ("year",))
    assert found.scores.shape == (len(split.users), len(split.cold))
    result = evaluate_recommend(log, items, protocol=FoldProtocol("artist", 2), seeds=1, draws=20)
    assert 0 < value(result, "newest") < value(result, FULL)
    assert "newest" in {row["system"] for row in result.summary(among_new=True)}
    assert "newest" in evaluation_page(result, {})
    same = {"newest": np.ones((len(items), 2))}
    with pytest.raises(MusicuError, match="cannot be called 'newest': a baseline is"):
        evaluate_recommend(log, items, others=same)


# Whole lists


def test_whole_lists_are_those_that_a_listener_gets(split: Split) -> None:
    _, items = world()
    one = experiment(split, items)
    made = {lists.name: lists.lists for lists in one.catalog(one.model)}
    recommender = Recommender()
    recommender._model = one.model
    for min_new, name in ((None, FULL), (0.3, f"{FULL}, 0.3 kept for new")):
        for row, user in zip(made[name][::7], one.test.users[::7], strict=True):
            found = recommender.recommend(user, 20, min_new=min_new)
            assert [one.model.items.ids[i] for i in row if i >= 0] == [x.id for x in found]


def test_a_share_of_every_beginning_is_kept_for_new_items() -> None:
    known = np.array([[0, 1, 2, 3]]), np.array([[9.0, 8.0, 7.0, 6.0]])
    new = np.array([[5, 6, -1, -1]]), np.array([[8.5, 1.0, -np.inf, -np.inf]])
    assert mixed(known, new, 0.0).tolist() == [[0, 5, 1, 2]]
    assert mixed(known, new, 0.5).tolist() == [[0, 5, 1, 6]]
    assert mixed(known, new, 1.0).tolist() == [[5, 6, 0, 1]]


def test_columns_are_what_their_papers_say(split: Split) -> None:
    _, items = world()
    model = experiment(split, items).model
    found = {name: of_rows(slice(None)) for name, of_rows in Columns(split, model)}
    plays = split.train.matrix().toarray()
    place = model.positions(split.train.items)
    x = np.zeros((len(plays), model.n_fitted))
    x[:, place] = plays
    heard = (x > 0).astype(float)
    cosine = heard.T @ heard / np.sqrt(np.maximum(np.outer(heard.sum(0), heard.sum(0)), 1))
    knn = (heard @ cosine)[split.users]
    np.testing.assert_allclose(found["item kNN"][:, : model.n_fitted], knn, atol=1e-4)
    even = x * heard.sum(1, keepdims=True) / np.maximum(x.sum(1, keepdims=True), 1e-9)
    inverse = np.linalg.inv(even.T @ even + 100 * np.eye(x.shape[1]))
    columns = -inverse / np.diag(inverse)
    np.fill_diagonal(columns, 0)
    expected = (even @ columns)[split.users]
    np.testing.assert_allclose(found["EASE"][:, : model.n_fitted], expected, atol=1e-4)
    # A new item's column is a ridge regression's prediction of it.
    rows = model.vectors.toarray().astype(np.float64)
    known = np.flatnonzero((model.listeners > 0) & model.vectors.present.any(axis=1))
    new = np.flatnonzero(model.listeners == 0)
    gram = rows[known].T @ rows[known] + 10 * np.eye(rows.shape[1])
    predicted = rows[new] @ np.linalg.solve(gram, rows[known].T @ knn[:, known].T)
    np.testing.assert_allclose(found["item kNN"][:, new], predicted.T, atol=1e-3)


def test_listeners_and_artists_are_drawn_together() -> None:
    rng = np.random.default_rng(0)
    wanted = csr_array((rng.random((40, 60)) < 0.2).astype(float))
    ranked = np.argsort(rng.random((40, 60)), axis=1)[:, :20]
    artists = np.arange(60) // 6
    gains = find_gains(ranked, wanted, artists, 10)
    measured = measure(ranked, wanted, ks=(20,)).values
    for name in ("ndcg", "recall"):
        rows = np.asarray(gains[name].sum(axis=1)).ravel()
        np.testing.assert_allclose(rows, measured[f"{name}@20"])
    drawn = two_way_means([gains["ndcg"], gains["ndcg"]], gains["share"], draws=400)
    assert np.array_equal(*drawn)
    alone = bootstrap_means(measured["ndcg@20"][None], np.arange(40), draws=400)
    assert drawn[0].std() > alone.std()
    assert drawn[0].mean() == pytest.approx(measured["ndcg@20"].mean(), rel=0.05)
    with pytest.raises(MusicuError, match="two of each are needed"):
        two_way_means([gains["ndcg"][:1]], gains["share"][:1], draws=10)


# What is measured


def test_equal_scores_are_ordered_by_chance_and_not_by_the_table(split: Split) -> None:
    log, items = world()
    collector = MetricCollector(log, items)
    collector.start_split(split, split.cold, seed=0)
    shape = (len(split.users), len(split.cold))
    flat = SystemScores(name="flat", kind="baseline", uses=(), scores=np.ones(shape, np.float32))
    collector.add(flat)
    exposure = collector.records["flat"].exposure[0]
    assert (exposure > 0).all()  # the first ten are not everybody's first ten
    # What differs at all is never reordered.
    scores = np.tile(np.arange(shape[1], dtype=np.float32), (shape[0], 1))
    collector.add(SystemScores(name="rising", kind="baseline", uses=(), scores=scores))
    assert (collector.records["rising"].exposure[0] > 0).sum() == 10


def test_systems_of_one_name_are_refused(split: Split) -> None:
    log, items = world()
    collector = MetricCollector(log, items)
    scores = np.ones((len(split.users), len(split.cold)), np.float32)
    flat = SystemScores(name="flat", kind="baseline", uses=(), scores=scores)
    for seed in range(2):  # once in every split
        collector.start_split(split, split.cold, seed=seed)
        collector.add(flat)
    with pytest.raises(MusicuError, match="two systems are called 'flat'"):
        collector.add(flat)


def test_the_answer_itself_would_get_everything(split: Split) -> None:
    log, items = world()
    collector = MetricCollector(log, items)
    collector.start_split(split, split.cold, seed=0)
    answer = split.test.matrix("binary")[split.users].toarray()
    collector.add(SystemScores(name="oracle", kind="baseline", uses=(), scores=answer))
    record = collector.records["oracle"]
    assert np.nanmin(record.all_values("listeners", "ndcg@20")) == pytest.approx(1)
    assert np.nanmin(record.all_values("items", "ndcg@20")) == pytest.approx(1)


def test_what_was_played_in_training_is_not_recommended_again(split: Split) -> None:
    log, items = world()
    collector = MetricCollector(log, items)
    everything = np.arange(len(items))
    collector.start_split(split, everything, seed=0)
    history = split.train.of_items(items.ids).matrix("binary")[split.users].toarray()
    collector.add(SystemScores(name="again", kind="baseline", uses=(), scores=history))
    shown = collector.records["again"].exposure[0]
    assert shown.sum() == 10 * len(split.users)
    # All were told apart by chance only: what was played, and would have led, was left out.
    assert collector.records["again"].figures["coverage@10"][0] > 0.9


# What is concluded


def test_the_recommender_beats_chance_and_shuffled_contents_do_not(
    result: RecommendEvaluation,
) -> None:
    verdicts = {c.system: c.verdict for c in result.compared()["listeners", "ndcg@20"]}
    for name in ("random", "popularity", "same artist", "noise kNN", "contents shuffled"):
        assert verdicts[name] == "clearly worse"
        assert value(result, name) < 0.75 * value(result, FULL)
    lists = result.score("random", "lists", "coverage@10")
    assert lists is not None and lists.value == pytest.approx(1)


def test_all_comparisons_are_corrected_as_one_family(result: RecommendEvaluation) -> None:
    results = [s.comparison for s in result.scores if s.comparison]
    results += [loss.versus for loss in result.losses]
    least = min(r.p for r in results)
    assert min(r.p_holm for r in results) == pytest.approx(min(1, least * len(results)))
    assert all(r.p_holm >= r.p for r in results)
    assert all((r.verdict == "open") == (r.p_holm >= 0.05) for r in results)


def test_rivals_know_no_more_of_new_items_than_the_recommender(
    result: RecommendEvaluation,
) -> None:
    rivals = {loss.lacks: loss.rival for loss in result.losses}
    assert set(rivals) == {
        *(f"new items lack {field}" for field in FIELDS),
        "new items have audio only",
    }
    deaf = {"metadata kNN", "genre + year kNN", "random", "popularity", "same artist"}
    assert rivals["new items lack audio"] in deaf | {"all fields kNN, new items lack audio"}
    assert rivals["new items have audio only"] not in deaf - {"random", "popularity"}
    for loss in result.losses:
        assert loss.rival_value == pytest.approx(value(result, loss.rival))
        assert loss.value == pytest.approx((1 - loss.loss) * value(result, FULL))
        assert loss.low <= loss.loss <= loss.high


def test_a_mean_over_queries_lies_in_its_interval(result: RecommendEvaluation) -> None:
    for score in result.scores:
        if score.group != "lists":
            assert score.low <= score.value <= score.high
            assert score.queries > 0
    asked = {s.queries for s in result.scores if s.group == "listeners"}
    assert len(asked) == 1  # all were scored on the same queries


def test_the_same_seed_gives_the_same_numbers() -> None:
    log, items = world(tracks=40, users=30)
    one, two = (
        evaluate_recommend(log, items, protocol=FoldProtocol("artist", 2), seeds=1, draws=100)
        for _ in range(2)
    )
    assert one.to_dict() == two.to_dict()


def test_known_and_new_artists_are_told_apart() -> None:
    log, items = world()
    albums = Items(
        [
            replace(item, metadata=replace(item.metadata, album=f"Album {i // 2}"))
            for i, item in enumerate(items)
        ],
        items.audio,
    )
    found = evaluate_recommend(
        log, albums, protocol=FoldProtocol("album", 2), seeds=1, draws=100, candidates="all"
    )
    assert found.ranked == len(items)
    same = found.score("same artist", "known artists", "recall@20")
    assert same is not None
    assert same.value > value(found, "random", "recall@20")
    assert any("can never be right" in note for note in found.notes)


def test_by_time_the_settings_are_chosen_before_the_test() -> None:
    log, items = world()
    late = np.asarray(log.item) % 3 == 0  # a third comes out late, an eighth shortly before
    soon = np.asarray(log.item) % 8 == 1
    time = 1e9 + np.where(late, 200.0, np.where(soon, 120.0, 0.0)) * 86_400
    dated = Interactions(log.users, log.items, log.user, log.item, log.weight, time)
    found = evaluate_recommend(
        dated,
        items,
        protocol=TimeProtocol(1e9 + 150 * 86_400, window=60),
        seeds=1,
        draws=100,
        tune=True,
    )
    (chosen,) = found.chosen
    assert chosen["smoothing"] in GRID["ridge"] and chosen["taste"] in GRID["taste"]
    assert chosen["weights"]["audio"] in GRID["audio"]
    assert found.splits == 1 and found.cold == 24
    assert "chosen in each split" in evaluation_page(found, {})


# How it is told


def test_rows_summary_json_and_page_say_the_same(result: RecommendEvaluation) -> None:
    rows = result.rows()
    assert len(rows) == len(result.scores)
    whole = (FULL, "catalog", "ndcg@20")
    ours = next(r for r in rows if (r["system"], r["group"], r["metric"]) == whole)
    alone = {"group": "listeners", "metric": "ndcg@20", "system": FULL}
    among = next(r for r in rows if all(r[name] == value for name, value in alone.items()))
    for among_new, row in ((False, ours), (True, among)):
        first = result.summary(among_new=among_new)[0]
        assert first["system"] == FULL and first["NDCG@20"] == f"{row['value']:.3f}"
    assert not any(row["kind"] == "rival" for row in result.summary())
    plain = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert plain["schema"] == "musicu.evaluate.recommend/1"
    made = {"command": "musicu evaluate recommend <plays>"}
    page = evaluation_page(result, made)
    assert page == evaluation_page(result, made)
    assert "&lt;plays&gt;" in page and "<plays>" not in page
    assert f"{among['value']:.3f}" in page and "noise kNN" in page


def test_vectors_that_do_not_fit_are_refused_in_one_line() -> None:
    log, items = world(tracks=40, users=30)
    with pytest.raises(MusicuError, match="'mfcc' of shape .* one row an item"):
        evaluate_recommend(log, items, others={"mfcc": np.zeros((3, 2))})
    with pytest.raises(MusicuError, match="cannot be called 'audio'"):
        evaluate_recommend(log, items, others={"audio": np.zeros((len(items), 2))})
    with pytest.raises(MusicuError, match=r"cannot be called 'genre \+ year'"):
        evaluate_recommend(log, items, others={"genre + year": np.zeros((len(items), 2))})
    with pytest.raises(MusicuError, match="0 seeds"):
        evaluate_recommend(log, items, seeds=0)
