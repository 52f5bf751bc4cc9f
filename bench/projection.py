"""How to place new items among the listeners: ridge regression against contrastive networks.

    python recipes/coldstart.py MUSICU_DATA work     # writes what is measured here
    python bench/projection.py work

Five folds of artists, each new once. The networks (extra `musicu[train]`) take the same fused
vectors to the same collaborative factors with a decoupled contrastive loss, as is done where
thousands of items can be learned from (arXiv 2604.23077). For each, the best of several lengths of
training and weights of taste is shown, chosen on the very folds that are tested, which ridge
regression with its defaults is not allowed.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from musicu.evaluation.ranking_metrics import measure, top_n
from musicu.evaluation.recommenders.splits import FoldProtocol, Split
from musicu.items.table import read_items
from musicu.items.vectors import join_vectors, read_vectors
from musicu.recommend.fitted_model import FittedModel
from musicu.recommend.interactions import read_interactions
from musicu.recommend.scorer import Scorer

Floats = NDArray[np.float32]
TASTES = (0.0, 0.1, 0.25, 0.5, 1.0)
EPOCHS = (50, 100, 200, 400)


def network(dim: int, hidden: int, out: int) -> torch.nn.Module:
    """Two layers, or one where nothing is hidden."""
    if not hidden:
        return torch.nn.Linear(dim, out)
    layers = [torch.nn.Linear(dim, hidden), torch.nn.ReLU(), torch.nn.Dropout(0.3)]
    return torch.nn.Sequential(*layers, torch.nn.Linear(hidden, out))


def contrastive(
    model: FittedModel, new: NDArray[np.intp], *, hidden: int, temperature: float
) -> Iterator[tuple[int, Floats]]:
    """Train; yield the epochs so far and the places [new, k] that the network predicts."""
    torch.manual_seed(0)
    known = np.flatnonzero((model.listeners > 0) & model.vectors.present.any(axis=1))
    x = torch.from_numpy(model.vectors.take(known).toarray())
    target = functional.normalize(torch.from_numpy(model.als.items[known]), dim=1)
    count = model.listeners[known]
    trust = torch.from_numpy(count / (count + model.settings.shrinkage))
    net = network(x.shape[1], hidden, target.shape[1])
    adam = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=0.05)
    mine = torch.eye(len(x), dtype=torch.bool)
    for epoch in range(1, EPOCHS[-1] + 1):
        net.train()
        place = functional.normalize(net(functional.dropout(x, 0.1)), dim=1)
        logits = place @ target.T / temperature
        loss = logits.masked_fill(mine, -torch.inf).logsumexp(dim=1) - logits.diag()
        adam.zero_grad()
        ((loss * trust).sum() / trust.sum()).backward()
        adam.step()
        if epoch in EPOCHS:
            net.eval()
            with torch.no_grad():
                found = net(torch.from_numpy(model.vectors.take(new).toarray()))
                yield epoch, functional.normalize(found, dim=1).numpy()


def quality(
    model: FittedModel, split: Split, new: NDArray[np.intp]
) -> Callable[[Floats, float], NDArray[np.float64]]:
    """Return what measures places of the new items with a weight of taste: NDCG and Recall."""
    scorer = Scorer(model)
    users = [scorer.listener(split.train.users[user]) for user in split.users]
    factors = np.stack([listener.factor for listener in users])
    taste = np.stack([scorer.parts(listener, new)[:, 2] for listener in users])
    taste /= model.settings.taste
    relevant = split.test.matrix("binary")[split.users] > 0

    def measured(places: Floats, weight: float) -> NDArray[np.float64]:
        scores = factors @ places.T
        scores = scores / scores.std(axis=1, keepdims=True) + weight * taste
        found = measure(top_n(scores, 20), relevant, ks=(20,)).values
        return np.stack([found["ndcg@20"], found["recall@20"]])

    return measured


def main(folder: Path) -> None:
    """Measure, and print a table."""
    items = read_items(folder / "artists.csv").items
    items = join_vectors(items, *read_vectors(folder / "audio.npz"))
    log = read_interactions(folder / "plays.csv")
    found: dict[tuple[str, int, float], list[NDArray[np.float64]]] = {}
    for split in FoldProtocol().splits(log, items):
        warm = np.setdiff1d(np.arange(len(items)), split.cold)
        model = FittedModel.fit(split.train, items.take(warm)).with_items(items.take(split.cold))
        new = model.positions(items.ids[i] for i in split.cold)
        measured = quality(model, split, new)
        taste = model.settings.taste
        found.setdefault(("ridge regression, as shipped", 0, taste), []).append(
            measured(model.item_factors.factors[new], taste)
        )
        for hidden in (0, 256, 768):
            for temperature in (0.1, 0.3):
                name = f"contrastive, hidden {hidden}, temperature {temperature}"
                for epoch, places in contrastive(
                    model, new, hidden=hidden, temperature=temperature
                ):
                    for weight in TASTES:
                        key = name, epoch, weight
                        found.setdefault(key, []).append(measured(places, weight))
    means = {key: np.nanmean(np.concatenate(parts, axis=1), axis=1) for key, parts in found.items()}
    print(f"{'':44} {'epochs':>6} {'taste':>6} {'NDCG@20':>8} {'Recall@20':>9}")
    for name in dict.fromkeys(name for name, *_ in means):
        best = max((key for key in means if key[0] == name), key=lambda key: means[key][0])
        ndcg, recall = means[best]
        print(f"{name:44} {best[1] or '':>6} {best[2]:6.2f} {ndcg:8.4f} {recall:9.4f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python bench/projection.py FOLDER")
    main(Path(sys.argv[1]))
