"""Recommending out of a large catalog: loading, asking, adding, and lists for everybody.

    python bench/large_recommend.py make FOLDER --items 1000000 --users 100000
    python bench/large_recommend.py ask FOLDER

The items, their 256-dimensional vectors and their listeners are made up (vectors gather around
artists, artists around styles, listeners around a few styles): nothing here says how good a
recommendation is. ``make`` fits and saves a recommender and writes the log; ``ask`` starts with
what is on disk. Prints Markdown: wall-clock time, and memory of the process.
"""

from __future__ import annotations

import numpy as np

from musicu.items.fusion import Fusion
from musicu.items.item import Item, Items
from musicu.metadata.fields import Metadata
from musicu.recommend.als import Factors
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.hyperparameters import Hyperparameters
from musicu.recommend.interactions import Interactions
from musicu.recommend.recommender import History, Recommender

DIM = 256
LATENT = 32
PLAYS = 30  # of a listener, about
EACH = 10  # items of an artist
FITTED = 100_000  # items that names and rarities are learned from


def catalog(n: int, rng: np.random.Generator) -> tuple[Items, np.ndarray, np.ndarray]:
    """Return n items, the style of each, and how often each is chosen."""
    styles, artists = max(n // 1000, 20), max(n // EACH, 20)
    center = rng.standard_normal((styles, LATENT), dtype=np.float32)
    style = rng.integers(styles, size=artists)
    artist = center[style] + 0.6 * rng.standard_normal((artists, LATENT), dtype=np.float32)
    by = np.sort(rng.integers(artists, size=n))
    turn = rng.standard_normal((LATENT, DIM), dtype=np.float32)
    audio = np.empty((n, DIM), dtype=np.float32)
    for start in range(0, n, 10_000):
        own = by[start : start + 10_000]
        noise = rng.standard_normal((len(own), LATENT), dtype=np.float32)
        audio[start : start + len(own)] = (artist[own] + 0.5 * noise) @ turn
        audio[start : start + len(own)] += rng.standard_normal((len(own), DIM), dtype=np.float32)
    audio /= np.linalg.norm(audio, axis=1, keepdims=True)
    items = Items(
        (
            Item(
                f"track{i:07d}",
                Metadata(
                    title=f"Title {i}",
                    artist=f"Artist {a}",
                    album=f"Album {a}.{i % 2}",
                    genres=(f"genre {style[a] % 200}",),
                    year=1960 + a % 65,
                ),
            )
            for i, a in enumerate(by.tolist())
        ),
        audio,
    )
    popularity = rng.pareto(1.0, n) * (rng.random(n) < 0.3)  # most of it nobody has played
    return items, style[by], popularity


def listening(
    items: Items, style: np.ndarray, popularity: np.ndarray, users: int, rng: np.random.Generator
) -> Interactions:
    """Return what made-up listeners of three styles each played, a time for each play."""
    order = np.argsort(style, kind="stable")
    total = np.cumsum(popularity[order])
    ends = np.searchsorted(style[order], np.arange(style.max() + 2))
    before = np.concatenate([[0.0], total])[ends]
    liked = rng.integers(style.max() + 1, size=(users, 3))
    user = np.repeat(np.arange(users), rng.poisson(PLAYS - 5, users) + 5)
    chosen = liked[user, rng.integers(3, size=len(user))]
    low, high = before[chosen], before[chosen + 1]
    item = order[
        np.searchsorted(total, low + (high - low) * rng.random(len(user)), side="right").clip(
            max=len(order) - 1
        )
    ]
    rows = np.unique(np.stack([user, item]), axis=1)
    when = 1.7e9 + rng.integers(0, 200 * 86400, rows.shape[1])
    names = [f"listener {i}" for i in range(users)]
    return Interactions(names, items.ids, rows[0], rows[1], time=when.astype(np.float64))


def made(n: int, users: int, seed: int = 0) -> tuple[Recommender, Interactions]:
    """Return a recommender of made-up factors: to learn them from a log takes hours."""
    rng = np.random.default_rng(seed)
    items, style, popularity = catalog(n, rng)
    log = listening(items, style, popularity, users, rng)
    print(f"made {len(items):,} items and {len(log):,} plays", flush=True)
    settings = Hyperparameters()
    few = items.take(np.sort(rng.permutation(n)[:FITTED]).tolist())
    fusion = Fusion(settings.weights).fit(few)
    heard = np.bincount(log.item, minlength=n)
    # Where the listeners of a style would stand, and what is one item's own.
    turn = rng.standard_normal((DIM, settings.dim), dtype=np.float32)
    own = rng.standard_normal((n, settings.dim), dtype=np.float32)
    factors = (items.audio @ turn + 0.5 * own) * (heard > 0)[:, None]
    _, axes = np.linalg.eigh((factors.T @ factors).astype(np.float64))
    factors = (factors @ axes[:, ::-1].astype(np.float32)) / settings.dim
    als = Factors(np.zeros((0, settings.dim), dtype=np.float32), factors, floor=1e-6, regularization=0.01)
    recommender = Recommender()
    recommender._model = FittedModel.assemble(
        settings=settings, items=items, n_given=n, als=als, fusion=fusion, listeners=heard
    )
    return recommender, log
