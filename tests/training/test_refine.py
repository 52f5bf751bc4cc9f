from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra musicu[train]")

from sklearn.linear_model import Ridge  # noqa: E402

from musicu.arrays import unit_rows  # noqa: E402
from musicu.evaluation.retrieval_metrics import average_precision, similarities  # noqa: E402
from musicu.training.refine import Refinement, refine, stretch  # noqa: E402
from musicu.training.taghead import best_threshold, fit_tags, learn_tags, write_tags  # noqa: E402

pytestmark = pytest.mark.train

N, DIM = 160, 16


def labelled(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors in which one weak direction carries a label, 80 artists of two clips."""
    rng = np.random.default_rng(seed)
    artist = np.repeat(np.arange(N // 2), 2)
    label = (artist % 2).astype(np.int64)
    vectors = unit_rows(rng.standard_normal((N, DIM)) + 3).astype(np.float32)
    vectors[:, 0] += 0.15 * (label - 0.5)
    return vectors, artist, label


def same_label_map(vectors: np.ndarray, artist: np.ndarray, label: np.ndarray) -> float:
    others = artist[:, None] != artist
    relevant = (label[:, None] == label) & others
    return float(average_precision(similarities(vectors), relevant, others).mean())


def test_labels_draw_unseen_clips_with_the_same_label_together() -> None:
    vectors, artist, label = labelled(0)
    weight, bias = refine(
        vectors, artist=artist, single=torch.from_numpy(label)[None], multi=[], seed=1
    )
    unseen, their_artist, their_label = labelled(7)
    before = same_label_map(unseen - vectors.mean(axis=0), their_artist, their_label)
    after = same_label_map(unseen @ weight.T + bias, their_artist, their_label)
    assert after > before + 0.02


def test_a_strong_hold_leaves_the_space_as_it_was_but_for_its_mean() -> None:
    vectors, artist, label = labelled(0)
    weight, bias = refine(
        vectors,
        artist=artist,
        single=torch.from_numpy(label)[None],
        multi=[],
        how=Refinement(strength=1e6),
    )
    # Adam's last steps are as long as its rate, however strong the hold.
    np.testing.assert_allclose(weight, np.eye(DIM), atol=5e-3)
    np.testing.assert_allclose((vectors @ weight.T + bias).mean(axis=0), 0, atol=1e-5)


def test_a_stretched_space_compares_vectors_with_what_they_say_of_labels_beside() -> None:
    vectors, _, label = labelled(0)
    vectors -= vectors.mean(axis=0)
    hot = torch.nn.functional.one_hot(torch.from_numpy(label)).float()
    hot[:30] = 0  # unknown
    rare = torch.zeros(N, 1)
    rare[40:45] = 1  # too few clips to learn it from
    far = 0.7
    moved = vectors @ stretch(vectors, [torch.cat([hot, rare], dim=1)], far)
    said = Ridge(alpha=0.01 * (N - 30)).fit(vectors[30:] * scale(vectors), hot[30:]).coef_.T
    told = vectors @ said
    beside = np.concatenate([vectors * scale(vectors), far * told * scale(told)], axis=1)
    np.testing.assert_allclose(similarities(moved), similarities(beside), atol=1e-3)
    assert same_label_map(moved, np.arange(N), label) > same_label_map(vectors, np.arange(N), label)
    np.testing.assert_allclose(stretch(vectors, [hot], 0.0), np.eye(DIM), atol=1e-6)
    np.testing.assert_allclose(stretch(vectors, [rare], far), np.eye(DIM), atol=1e-6)


def scale(x: np.ndarray) -> float:
    return float(1 / np.sqrt((x**2).sum(axis=1).mean()))


def test_a_seed_gives_the_same_map() -> None:
    vectors, artist, label = labelled(0)
    hot = torch.nn.functional.one_hot(torch.from_numpy(label)).float()
    single = torch.empty(0, N, dtype=torch.int64)
    one, two = (refine(vectors, artist=artist, single=single, multi=[hot]) for _ in range(2))
    np.testing.assert_array_equal(one[0], two[0])


def test_tags_are_calibrated_on_artists_that_were_not_met() -> None:
    rng = np.random.default_rng(0)
    vectors = unit_rows(rng.standard_normal((600, DIM))).astype(np.float32)
    truth = 1 / (1 + np.exp(-(8 * vectors[:, :2] - 1)))
    wanted = (rng.random((600, 2)) < truth).astype(np.float64)
    fit = fit_tags(vectors, wanted, np.arange(600) // 2)
    said = 1 / (1 + np.exp(-(vectors @ fit.weights.T + fit.bias)))
    assert np.corrcoef(said[:, 0], truth[:, 0])[0, 1] > 0.95
    # Said and counted agree in each third of the probabilities; 200 clips a third leave about .04.
    for column in range(2):
        order = np.argsort(fit.held_out[:, column])
        for third in np.array_split(order, 3):
            gap = fit.held_out[third, column].mean() - wanted[third, column].mean()
            assert abs(gap) < 0.1


def test_a_tag_without_trace_in_the_vectors_is_said_at_its_frequency() -> None:
    rng = np.random.default_rng(1)
    vectors = unit_rows(rng.standard_normal((400, DIM))).astype(np.float32)
    wanted = (rng.random((400, 1)) < 0.2).astype(np.float64)
    fit = fit_tags(vectors, wanted, np.arange(400))
    np.testing.assert_allclose(fit.held_out.mean(), wanted.mean(), atol=0.01)
    assert fit.held_out.std() < 0.1


def test_unknown_labels_teach_nothing() -> None:
    rng = np.random.default_rng(2)
    vectors = unit_rows(rng.standard_normal((300, DIM))).astype(np.float32)
    wanted = (vectors[:, :1] > 0).astype(np.float64)
    wanted[200:] = np.nan
    part = fit_tags(vectors, wanted, np.arange(300))
    assert np.isfinite(part.weights).all()
    assert part.weights[0].argmax() == 0


def test_hints_help_where_yeses_are_few() -> None:
    rng = np.random.default_rng(3)
    vectors = unit_rows(rng.standard_normal((300, DIM))).astype(np.float32)
    truth = 1 / (1 + np.exp(-(6 * vectors[:, :1] - 3)))
    wanted = (rng.random((300, 1)) < truth).astype(np.float64)
    alone = fit_tags(vectors, wanted, np.arange(300))
    hinted = fit_tags(vectors, wanted, np.arange(300), hints=truth)

    def error(held_out: np.ndarray) -> float:
        return float(((held_out - truth) ** 2).mean())

    assert error(hinted.held_out) < error(alone.held_out)


def test_only_labels_that_can_be_heard_become_tags() -> None:
    rng = np.random.default_rng(4)
    vectors = unit_rows(rng.standard_normal((400, DIM))).astype(np.float32)
    loud, chance, rare = vectors[:, 0] > 0, rng.random(400) < 0.5, np.arange(400) < 20
    sets = [
        frozenset({"music"} | {n for n, yes in (("loud", a), ("chance", b), ("rare", c)) if yes})
        for a, b, c in zip(loud, chance, rare, strict=True)
    ]
    tags, weights, bias = learn_tags(vectors, {"moods": sets, "theme": sets}, np.arange(400))
    assert [(tag["name"], tag["kind"]) for tag in tags] == [("loud", "mood")]
    assert tags[0]["auc"] > 0.95
    assert weights.shape == (1, DIM) and bias.shape == (1,)


def test_a_tag_is_said_where_that_is_right_most_often() -> None:
    heard = np.array([0.9, 0.8, 0.4, 0.3, 0.1])
    assert best_threshold(np.array([True, True, False, False, False]), heard) == 0.8
    assert best_threshold(np.array([True, True, True, False, False]), heard) == 0.4


def test_a_head_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    import json

    (tmp_path / "config.json").write_text('{"id": "x"}')
    weights = np.ones((2, DIM), dtype=np.float32)
    write_tags(tmp_path, [{"name": "a"}, {"name": "b"}], weights, np.zeros(2, np.float32))
    with np.load(tmp_path / "tags.npz", allow_pickle=False) as stored:
        np.testing.assert_array_equal(stored["weights"], weights)
    assert len(json.loads((tmp_path / "config.json").read_text())["tags"]) == 2
