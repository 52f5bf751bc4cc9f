"""Write references.json anew: what ranx, statsmodels and torchaudio say of small problems.

They take long to install, to import or to compile, so that tests read what they once said::

    pip install ranx statsmodels torchaudio
    python tests/helpers/make_references.py
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from references import FILE, MEL_SETTINGS, sweep

from musicu.evaluation.ranking_metrics import KS, top_n

RANX = {"hit": "hit_rate"}
MEASURES = ("recall", "ndcg", "mrr", "map", "precision", "hit")


def ranking(seed: int, items: int, share: float) -> dict[str, Any]:
    """Lists without ties for six listeners, the last of whom has nothing to find."""
    import ranx

    rng = np.random.default_rng(seed)
    scores = rng.permuted(np.tile(np.arange(items), (6, 1)), axis=1) / items
    relevant = rng.random((6, items)) < share
    relevant[:5, seed % items], relevant[5] = True, False
    ranked = top_n(scores, max(KS))
    names = [f"{measure}@{k}" for measure in MEASURES for k in KS]
    asked = [f"{RANX.get(n.split('@')[0], n.split('@')[0])}@{n.split('@')[1]}" for n in names]
    wanted = {f"q{q}": {str(j): 1 for j in np.flatnonzero(relevant[q])} for q in range(5)}
    run = {
        f"q{q}": {str(j): 1000.0 - p for p, j in enumerate(ranked[q]) if j >= 0} for q in range(5)
    }
    got = ranx.evaluate(ranx.Qrels(wanted), ranx.Run(run), asked, return_mean=False)
    return {
        "items": items,
        "ranked": [[int(j) for j in row if j >= 0] for row in ranked],
        "relevant": [np.flatnonzero(row).tolist() for row in relevant],
        "values": {name: got[other].tolist() for name, other in zip(names, asked, strict=True)},
    }


def retrieval(seed: int, *, own: bool) -> dict[str, Any]:
    """Clips that look for those of their artist, or for those of their label by other artists."""
    import ranx

    n = 24
    rng = np.random.default_rng(seed)
    artist, label = rng.integers(0, 8, n), rng.integers(0, 3, n)
    same, others = artist[:, None] == artist, ~np.eye(n, dtype=np.bool_)
    relevant, candidates = (same, others) if own else (label[:, None] == label, ~same)
    ranks = rng.permuted(np.tile(np.arange(n), (n, 1)), axis=1)
    wanted, run = {}, {}
    for i in range(n):
        found = [j for j in range(n) if candidates[i, j]]
        if any(relevant[i, j] for j in found):
            wanted[str(i)] = {str(j): 1 for j in found if relevant[i, j]}
            run[str(i)] = {str(j): float(ranks[i, j]) for j in found}
    got = ranx.evaluate(ranx.Qrels(wanted), ranx.Run(run), ["map", "precision@1"])
    return {
        "similarity": ranks.tolist(),
        "artist": artist.tolist(),
        "label": label.tolist() if not own else None,
        "map": float(got["map"]),
        "precision@1": float(got["precision@1"]),
    }


def holm(seed: int, count: int, largest: float) -> dict[str, Any]:
    """So many values of p."""
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(seed).random(count).round(4) * largest
    return {"p": p.tolist(), "adjusted": multipletests(p, method="holm")[1].tolist()}


def mel(name: str) -> list[list[float]]:
    """Every fourth frame of a sweep."""
    import torch
    from torchaudio.transforms import MelSpectrogram

    fe = MEL_SETTINGS[name]
    module = MelSpectrogram(
        sample_rate=fe.sr,
        n_fft=fe.n_fft,
        hop_length=fe.hop_length,
        f_min=fe.fmin,
        f_max=fe.fmax,
        n_mels=fe.n_mels,
        power=fe.power,
        norm=fe.norm,
        mel_scale="htk" if fe.htk else "slaney",
        center=True,
        pad_mode="constant",
    )
    frames = module(torch.from_numpy(sweep(fe.sr))).numpy().T[::4]
    return [[float(f"{value:.7g}") for value in row] for row in frames]


def main() -> None:
    """Ask all of them."""
    told = {
        "ranx: ranking": [
            ranking(0, 130, 0.02),
            ranking(1, 120, 0.2),
            ranking(2, 40, 1.0),
            ranking(3, 5, 0.2),
        ],
        "ranx: retrieval": [retrieval(0, own=True), retrieval(1, own=False)],
        "statsmodels: holm": [
            holm(0, 1, 1.0),
            holm(1, 12, 0.1),
            holm(2, 12, 1.0),
            holm(3, 5, 0.02),
            {"p": [0.0, 1.0, 0.5, 0.0], "adjusted": [0.0, 1.0, 1.0, 0.0]},
        ],
        "torchaudio: mel": {name: mel(name) for name in MEL_SETTINGS},
    }
    FILE.write_text(json.dumps(told, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
