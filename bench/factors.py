"""Compare ways to learn collaborative factors: how well they rank what was held out, and how fast.

    pip install implicit
    python bench/factors.py user_artists.tsv.gz --splits 3

The log is any that `musicu.recommend.interactions.read_interactions` reads; the figures in the
documentation are from Last.fm listening (HetRec 2011: Cantador, Brusilovsky and Kuflik). A fifth of
each user's items is held out at random; all items the user does not have in the rest are ranked.
Each method's settings are tuned by NDCG@20 on a second such split inside the first split's
training part, and then kept. Prints Markdown: means over users and splits, the difference to musicu
with a 95 % interval over users, and the median CPU seconds of a fit (all threads, BLAS on one).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import implicit
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix, diags_array
from sklearn.utils.extmath import randomized_svd
from threadpoolctl import threadpool_limits

from musicu.recommend.als import factorize
from musicu.recommend.interactions import read_interactions

Floats = NDArray[np.float32]
# Scores of some users for all items.
Score = Callable[[NDArray[np.intp]], Floats]

CUT = 20


def split(matrix: csr_array, seed: int) -> tuple[csr_array, csr_array]:
    """Hold out a fifth of each row."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((rng.random(matrix.nnz), rows))
    rank = np.arange(matrix.nnz) - matrix.indptr[rows]
    held = np.zeros(matrix.nnz, dtype=bool)
    held[order] = rank < np.round(np.diff(matrix.indptr)[rows] / 5)
    parts = (~held, held)
    first, second = (
        csr_array((matrix.data[p], (rows[p], matrix.indices[p])), shape=matrix.shape) for p in parts
    )
    return first, second


def evaluate(score: Score, train: csr_array, test: csr_array) -> NDArray[np.float64]:
    """NDCG and recall at the cut, one column a user who has something held out."""
    gain = 1 / np.log2(np.arange(2, CUT + 2))
    users = np.flatnonzero(np.diff(test.indptr))
    found = []
    for part in np.array_split(users, max(1, len(users) // 256)):
        scores = np.array(score(part), dtype=np.float32)
        scores[train[part].nonzero()] = -np.inf
        top = np.argpartition(-scores, CUT, axis=1)[:, :CUT]
        best = np.argsort(-np.take_along_axis(scores, top, 1), axis=1, kind="stable")
        relevant = test[part].toarray() > 0
        hit = np.take_along_axis(relevant, np.take_along_axis(top, best, 1), 1)
        count = relevant.sum(axis=1)
        ideal = np.cumsum(gain)[np.minimum(count, CUT) - 1]
        found.append([(hit * gain).sum(axis=1) / ideal, hit.sum(axis=1) / count])
    return np.concatenate(found, axis=1)


def dot(users: Floats, items: Floats) -> Score:
    """Score by dot products."""
    return lambda part: users[part] @ items.T


def popularity(train: csr_array) -> Score:
    """How many users have the item."""
    listeners = np.bincount(train.indices, minlength=train.shape[1]).astype(np.float32)
    return lambda part: np.tile(listeners, (len(part), 1))


def musicu(train: csr_array, **settings: Any) -> Score:
    """Run what musicu ships."""
    found = factorize(train, **settings)
    return dot(found.users, found.items)


def implicit_als(train: csr_array, *, alpha: float, regularization: float) -> Score:
    """Hu, Koren and Volinsky (2008) with conjugate gradients, from `implicit`."""
    model = implicit.als.AlternatingLeastSquares(
        factors=64, alpha=alpha, regularization=regularization, random_state=0
    )
    model.fit(csr_matrix(train), show_progress=False)
    return dot(model.user_factors, model.item_factors)


def implicit_bpr(train: csr_array, *, learning_rate: float, regularization: float) -> Score:
    """Bayesian personalized ranking (Rendle et al. 2009), from `implicit`."""
    model = implicit.bpr.BayesianPersonalizedRanking(
        factors=64,
        learning_rate=learning_rate,
        regularization=regularization,
        iterations=300,
        random_state=0,
    )
    model.fit(csr_matrix(train), show_progress=False)
    return dot(model.user_factors, model.item_factors)


def ease(train: csr_array, *, regularization: float) -> Score:
    """EASE (Steck 2019), exact; the inverse is taken over users, who are fewer than items."""
    x = train.toarray().astype(np.float64)
    gram = x @ x.T
    gram[np.diag_indices_from(gram)] += regularization
    shared = np.linalg.solve(gram, x)
    scores = (x - shared / ((1 - (x * shared).sum(axis=0)) / regularization)).astype(np.float32)
    return lambda part: scores[part]


def svd(train: csr_array, *, dim: int, power: float) -> Score:
    """PureSVD (Cremonesi et al. 2010) of a matrix whose popular items are scaled down."""
    total = train.sum(axis=0)
    scale = np.where(total > 0, np.maximum(total, 1e-9) ** -power, 0).astype(np.float32)
    scaled = csr_array(train @ diags_array(scale))
    axes = randomized_svd(scaled, dim, random_state=0)[2].astype(np.float32)
    return dot(np.asarray(scaled @ axes.T), axes.T)


METHODS: dict[str, tuple[Callable[..., Score], dict[str, tuple[Any, ...]]]] = {
    "popularity": (popularity, {}),
    "PureSVD, items scaled": (svd, {"dim": (32, 64, 128), "power": (0.0, 0.2, 0.25, 0.3, 0.4)}),
    "BPR (implicit)": (
        implicit_bpr,
        {"learning_rate": (0.001, 0.003, 0.01), "regularization": (0.003, 0.01, 0.03)},
    ),
    "EASE": (ease, {"regularization": (30, 100, 300)}),
    "ALS (implicit)": (
        implicit_als,
        {"alpha": (5, 10, 20, 40), "regularization": (0.1, 10, 30, 50, 100)},
    ),
    "musicu": (musicu, {"unheard": (10, 20, 40), "regularization": (0.005, 0.01, 0.015)}),
}


def settings(grid: dict[str, tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """All combinations of a grid."""
    for values in product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def leveled(matrix: csr_array) -> csr_array:
    """Weights over each user's mean, as musicu has them: every method gets the same matrix."""
    counts = np.diff(matrix.indptr)
    level = np.repeat(matrix.sum(axis=1) / np.maximum(counts, 1), counts)
    return csr_array((matrix.data / level, matrix.indices, matrix.indptr), shape=matrix.shape)


def main() -> None:
    """Parse the options, tune, compare and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log", help="who listened to what: CSV or Parquet")
    parser.add_argument("--splits", type=int, default=3, help="random splits")
    options = parser.parse_args()

    matrix = read_interactions(options.log).matrix()
    splits = [split(matrix, seed) for seed in range(options.splits)]
    inner, validation = split(splits[0][0], options.splits)
    results: dict[str, tuple[NDArray[np.float64], float, dict[str, Any]]] = {}
    with threadpool_limits(limits=1, user_api="blas"):
        for name, (method, grid) in METHODS.items():
            tried = [
                (evaluate(method(leveled(inner), **chosen), inner, validation)[0].mean(), chosen)
                for chosen in settings(grid)
            ]
            chosen = max(tried, key=lambda pair: pair[0])[1]
            found, seconds = [], []
            for train, test in splits:
                start = time.process_time()
                score = method(leveled(train), **chosen)
                seconds.append(time.process_time() - start)
                found.append(evaluate(score, train, test))
            results[name] = np.mean(found, axis=0), statistics.median(seconds), chosen
        own = [evaluate(musicu(train), train, test) for train, test in splits]
    results["musicu, as shipped"] = np.mean(own, axis=0), results["musicu"][1], {}

    print(f"| method | NDCG@{CUT} | Recall@{CUT} | NDCG less musicu's | CPU s | settings |")
    print("|---|---|---|---|---|---|")
    base = results["musicu, as shipped"][0][0]
    for name, (found_by_user, cost, chosen) in results.items():
        ndcg, recall = found_by_user.mean(axis=1)
        less = found_by_user[0] - base
        half = 1.96 * less.std(ddof=1) / np.sqrt(len(less))
        said = ", ".join(f"{key} {value}" for key, value in chosen.items())
        print(
            f"| {name} | {ndcg:.4f} | {recall:.4f} | {less.mean():+.4f} ± {half:.4f} "
            f"| {cost:.2f} | {said} |"
        )


if __name__ == "__main__":
    main()
