"""Fit a tag head: calibrated probabilities of words, linear on a track's vector."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musicu.encoders.model_files import read_config, write_config
from musicu.evaluation.retrieval_metrics import artist_parts

__all__ = [
    "TagFit",
    "Tags",
    "best_threshold",
    "fit_tags",
    "learn_tags",
    "out_of_fold",
    "write_tags",
]

Array = NDArray[np.float32]
Floats = NDArray[np.float64]
# Entries of config.json, weights [n_tags, dim] and bias [n_tags] of a tag head.
Tags = tuple[list[dict[str, Any]], Array, Array]

_ITERATIONS = 100
# Weights of the L2 penalty that are tried; the one with the best likelihood out of fold is taken.
_PENALTIES = (0.3, 1.0, 3.0)
_MOST_SURE = 1e-4
# Fewer clips tell nothing of a tag; one that is told apart worse is not worth saying.
_FEWEST = 25
_LEAST_AUC = 0.7
# Kind of tag that a column of labels holds, by how its name begins.
_KINDS = {
    "genre": "genre",
    "style": "genre",
    "mood": "mood",
    "instrument": "instrument",
    "voice": "voice",
    "vocal": "voice",
    "era": "era",
    "decade": "era",
}


@dataclass(frozen=True)
class TagFit:
    """A head, and what it said of clips of artists it had not met.

    Attributes
    ----------
    weights : np.ndarray [shape=(n_tags, dim), float32]
    bias : np.ndarray [shape=(n_tags,), float32]
        ``sigmoid(vectors @ weights.T + bias)`` are calibrated probabilities.
    held_out : np.ndarray [shape=(n, n_tags), float64]
        Calibrated probabilities of each clip, from heads that had not met its artist.
    """

    weights: Array
    bias: Array
    held_out: Floats


def fit_tags(
    vectors: Array,
    wanted: Floats,
    artist: NDArray[Any],
    *,
    hints: Floats | None = None,
    trust: float = 0.6,
    weight: Floats | None = None,
    parts: int = 5,
    seed: int = 0,
) -> TagFit:
    """Fit one logistic regression a tag, calibrated out of fold.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, dim), float32]
        Unit vectors of tracks.
    wanted : np.ndarray [shape=(n, n_tags), float64]
        1 where the tag is said of the track, 0 where not, NaN where nobody knows; between them for
        a probability.
    artist : np.ndarray [shape=(n,)]
        Artists, kept together in the parts.
    hints : np.ndarray [shape=(n, n_tags), float64], optional
        How probable something else makes each tag: a teacher, a coarser label. NaN: it says
        nothing. A regression learns from ``wanted`` and hints mixed, since some dozens of yeses
        and noes say less than shades do (Hinton et al., "Distilling the knowledge in a neural
        network", 2015); it is calibrated on ``wanted`` alone where that is known.
    trust : float in [0, 1]
        Share of the hints in the mixture.
    weight : np.ndarray [shape=(n,), float64], optional
        What each track counts; else all count 1.
    parts : int
        Artist-disjoint parts to cross-validate over.
    seed : int
        Of the parts.

    Returns
    -------
    TagFit
        Calibrated by a scale and a shift a tag (Platt, "Probabilistic outputs for support vector
        machines", 1999), fitted to what was said out of fold.
    """
    part = artist_parts(artist, parts, seed=seed)
    weight = np.ones(len(vectors)) if weight is None else weight
    taught = wanted
    if hints is not None:
        taught = np.where(np.isnan(hints), wanted, (1 - trust) * wanted + trust * hints)
        taught = np.where(np.isnan(wanted), hints, taught)
        wanted = np.where(np.isnan(wanted).all(axis=0), hints, wanted)
    tried = [out_of_fold(vectors, taught, part, penalty, weight) for penalty in _PENALTIES]
    scaled = [_calibrate(logits, wanted, weight) for logits in tried]
    losses = np.array(
        [
            _loss(logits * scale + shift, wanted, weight)
            for logits, (scale, shift) in zip(tried, scaled, strict=True)
        ]
    )
    best = losses.argmin(axis=0)
    weights = np.empty((wanted.shape[1], vectors.shape[1]), dtype=np.float32)
    bias = np.empty(wanted.shape[1], dtype=np.float32)
    held_out = np.empty(wanted.shape)
    for number, penalty in enumerate(_PENALTIES):
        at = np.flatnonzero(best == number)
        if not len(at):
            continue
        w, b = _regress(vectors, taught[:, at], penalty, weight)
        scale, shift = (values[at] for values in scaled[number])
        weights[at] = w * scale[:, None]
        bias[at] = b * scale + shift
        held_out[:, at] = _sigmoid(tried[number][:, at] * scale + shift)
    return TagFit(weights, bias, held_out)


def learn_tags(
    vectors: Array,
    labels: Mapping[str, Sequence[frozenset[str]]],
    artist: NDArray[Any],
    *,
    seed: int = 0,
) -> Tags:
    """Learn the labels that can be heard.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, dim), float32]
        Unit vectors of tracks.
    labels : mapping of str to sequence of frozenset of str
        Labels of each track by column; none is unknown. Columns whose names begin with genre,
        style, mood, instrument, voice, vocal, era or decade are learned.
    artist : np.ndarray [shape=(n,)]
        Artists of the tracks.
    seed : int
        Of the cross-validation.

    Returns
    -------
    tags : list of dict
        Entries of ``config.json``: labels that 25 tracks or more have, of a ROC AUC of 0.7 or
        more on artists that were not met.
    weights : np.ndarray [shape=(n_tags, dim), float32]
    bias : np.ndarray [shape=(n_tags,), float32]
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    names: list[tuple[str, str]] = []
    columns: list[Floats] = []
    for column, sets in labels.items():
        kind = next((k for start, k in _KINDS.items() if column.lower().startswith(start)), None)
        if kind is None:
            continue
        known = np.array([bool(of) for of in sets])
        for name in sorted(frozenset().union(*sets) - {other for other, _ in names}):
            has = np.array([name in of for of in sets], dtype=np.float64)
            if _FEWEST <= has.sum() < known.sum():
                names.append((name, kind))
                columns.append(np.where(known, has, np.nan))
    if not names:
        return [], np.empty((0, vectors.shape[1]), np.float32), np.empty(0, np.float32)
    wanted = np.stack(columns, axis=1)
    fit = fit_tags(vectors, wanted, artist, seed=seed)
    tags, kept = [], []
    for i, (name, kind) in enumerate(names):
        known = ~np.isnan(wanted[:, i])
        truth, heard = wanted[known, i] > 0.5, fit.held_out[known, i]
        auc = float(roc_auc_score(truth, heard))
        if auc >= _LEAST_AUC:
            kept.append(i)
            tags.append(
                {
                    "name": name,
                    "kind": kind,
                    "threshold": best_threshold(truth, heard),
                    "auc": round(auc, 3),
                    "ap": round(float(average_precision_score(truth, heard)), 3),
                    "positives": int(truth.sum()),
                }
            )
    return tags, fit.weights[kept], fit.bias[kept]


def best_threshold(truth: NDArray[Any], heard: Floats, beta: float = 1.0) -> float:
    """Probability from which on saying the tag gives the best F measure.

    Parameters
    ----------
    truth : np.ndarray [shape=(n,)], in [0, 1]
        Which tracks have it, or how likely they do: then it is the expected hits that count.
    heard : np.ndarray [shape=(n,), float64]
        Its probability.
    beta : float > 0
        Below 1, what is said had better be right; above 1, nothing had better be missed (C. J. van
        Rijsbergen, "Information Retrieval", 1979).
    """
    order = np.argsort(-heard, kind="stable")
    hits = np.cumsum(truth[order])
    said = np.arange(1, len(order) + 1)
    f = (1 + beta**2) * hits / (said + beta**2 * truth.sum())
    return round(float(heard[order[int(f.argmax())]]), 3)


def out_of_fold(
    vectors: Array,
    wanted: Floats,
    part: NDArray[np.int64],
    penalty: float,
    weight: Floats,
) -> Floats:
    """Log-odds [n, n_tags] of each clip, from regressions on the other parts."""
    logits = np.empty(wanted.shape)
    for number in np.unique(part):
        inside = part == number
        w, b = _regress(vectors[~inside], wanted[~inside], penalty, weight[~inside])
        logits[inside] = vectors[inside] @ w.T + b
    return logits


def write_tags(
    folder: Path,
    tags: Sequence[dict[str, Any]],
    weights: Array,
    bias: Array,
    *,
    known: tuple[Array, float] | None = None,
) -> None:
    """Write ``tags.npz`` and the entries of ``config.json`` that speak of it.

    Parameters
    ----------
    folder : Path
        The model's.
    tags : sequence of dict
        Entries of ``config.json``.
    weights, bias
        As in :class:`TagFit`.
    known : (np.ndarray [shape=(k, dim), float32], float), optional
        What is familiar, see :class:`musicu.encoders.model.HeadArrays`.
    """
    arrays: dict[str, Any]
    arrays = {"weights": weights.astype(np.float32), "bias": bias.astype(np.float32)}
    if known is not None:
        arrays |= {"known": known[0].astype(np.float32), "reach": np.float32(known[1])}
    with open(folder / "tags.npz", "wb") as file:
        np.savez(file, **arrays)
    config = read_config(folder)
    config["tags_sha256"] = hashlib.sha256((folder / "tags.npz").read_bytes()).hexdigest()
    config["tags"] = list(tags)
    write_config(folder, config)


def _regress(
    vectors: Array, wanted: Floats, penalty: float, weight: Floats
) -> tuple[Floats, Floats]:
    """Logistic regressions of all tags at once; the penalty is on the standardized problem."""
    mean, scale = vectors.mean(axis=0), vectors.std(axis=0) + 1e-6
    x = torch.from_numpy((vectors - mean) / scale).double()
    known = torch.from_numpy(~np.isnan(wanted) * weight[:, None])
    y = torch.from_numpy(np.nan_to_num(wanted))
    slope = torch.zeros(y.shape[1], x.shape[1], dtype=torch.float64, requires_grad=True)
    shift = torch.zeros(y.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [slope, shift], max_iter=_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        each = torch.nn.functional.binary_cross_entropy_with_logits(
            x @ slope.T + shift, y, reduction="none"
        )
        loss = (each * known).sum() + 10 * penalty * (slope**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    w = slope.detach().numpy() / scale
    return w, shift.detach().numpy() - w @ mean


def _calibrate(logits: Floats, wanted: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Scale and shift [n_tags] each, by Newton's method on the likelihood."""
    x = torch.from_numpy(logits)
    known = torch.from_numpy(~np.isnan(wanted) * weight[:, None])
    y = torch.from_numpy(np.nan_to_num(wanted))
    scale = torch.ones(x.shape[1], dtype=torch.float64, requires_grad=True)
    shift = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [scale, shift], max_iter=_ITERATIONS, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        each = torch.nn.functional.binary_cross_entropy_with_logits(
            x * scale + shift, y, reduction="none"
        )
        loss = (each * known).sum() + ((scale - 1) ** 2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    # A tag that is told apart no better than by chance may come out upside down.
    return scale.detach().clamp_min(0.0).numpy(), shift.detach().numpy()


def _loss(logits: Floats, wanted: Floats, weight: Floats) -> Floats:
    """Mean cross-entropy [n_tags]."""
    p = np.clip(_sigmoid(logits), _MOST_SURE, 1 - _MOST_SURE)
    each = -(wanted * np.log(p) + (1 - wanted) * np.log(1 - p))
    known = ~np.isnan(each) * weight[:, None]
    loss: Floats = (np.nan_to_num(each) * known).sum(axis=0) / known.sum(axis=0)
    return loss


def _sigmoid(x: Floats) -> Floats:
    result: Floats = 0.5 * (1 + np.tanh(x / 2))
    return result
