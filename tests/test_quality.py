"""The retrieval benchmark's metrics, against an independent implementation."""

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

FILE = Path(__file__).resolve().parent.parent / "bench/quality.py"
SPEC = importlib.util.spec_from_file_location("quality", FILE)
assert SPEC
assert SPEC.loader
quality = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(quality)

# Both are sums of a few doubles.
TOLERANCE = 1e-9


def labels(rng: np.random.Generator, n: int) -> "quality.Labels":
    return quality.Labels(
        paths=[],
        artist=rng.choice(np.array(list("abcdefgh")), size=n),
        quadrant=rng.choice(np.array(["Q1", "Q2"]), size=n),
        genre=quality.jaccard(rng.choice(["x", "y", "x|y", ""], size=n).tolist()),
        mood=quality.jaccard(["m"] * n),
    )


@pytest.mark.slow
def test_same_artist_retrieval_is_what_ranx_says() -> None:
    with warnings.catch_warnings():  # of its own dependencies, at import
        warnings.simplefilter("ignore")
        import ranx
    rng = np.random.default_rng(0)
    n = 40
    vectors, known = rng.standard_normal((n, 5)), labels(rng, n)
    got = quality.scores(vectors, known)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T
    others = {str(i): [j for j in range(n) if j != i] for i in range(n)}
    qrels = {
        i: {str(j): 1 for j in js if known.artist[j] == known.artist[int(i)]}
        for i, js in others.items()
    }
    qrels = {i: relevant for i, relevant in qrels.items() if relevant}
    run = {i: {str(j): float(cosine[int(i), j]) for j in others[i]} for i in qrels}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), ["map", "precision@1"])
    assert np.nanmean(got["artist MAP"]) == pytest.approx(wanted["map"], abs=TOLERANCE)
    assert np.nanmean(got["artist P@1"]) == pytest.approx(wanted["precision@1"], abs=TOLERANCE)


def test_own_artist_is_left_out_of_mood_and_genre_neighbors() -> None:
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.standard_normal((6, 8)), 2, axis=0)  # pairs of equal vectors
    known = quality.Labels(
        paths=[],
        artist=np.repeat(np.arange(6), 2),
        quadrant=np.repeat(np.array(list("ABCDEF")), 2),  # only the own artist shares it
        genre=np.eye(12),
        mood=np.eye(12),
    )
    got = quality.scores(vectors, known)
    assert got["artist P@1"].mean() == 1.0
    assert got["quadrant P@1"].mean() == 0.0


def test_a_clip_that_is_near_to_all_is_a_hub() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((200, 20))
    plain = quality.scores(vectors, labels(rng, 200))["hub skew"][0]
    vectors[:5] = vectors.mean(axis=0) + 0.01 * vectors[:5]
    hubs = quality.scores(vectors + 0.2, labels(rng, 200))["hub skew"][0]
    assert hubs > plain + 0.5
