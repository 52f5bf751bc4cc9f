"""How good neighbors are: retrieval, probes, hubs.

Everything here takes plain arrays and knows nothing of audio. A metric gives one value a clip, NaN
where the clip cannot be scored because nothing relevant could be found; means and intervals come
after. Whether a clip can be scored depends on the labels only, so all systems answer the same
queries.

An artist is one recording studio, one producer and one voice: neighbors by genre or mood are
counted without the query's own artist (Pampalk et al., ISMIR 2005; Flexer & Schnitzer, CMJ 2010).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.arrays import top_k, unit_rows
from musicu.errors import MissingExtraError

__all__ = [
    "artist_parts",
    "average_precision",
    "jaccard",
    "k_occurrence",
    "mean_relevance",
    "only_labels",
    "precision_at_1",
    "probe",
    "ridge_probe",
    "same_track_first",
    "similarities",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Labels = NDArray[Any]


def similarities(
    vectors: ArrayLike, *, distance: Literal["cosine", "euclidean"] = "cosine"
) -> Floats:
    """Similarity of every pair: the cosine, or minus the squared Euclidean distance.

    Parameters
    ----------
    vectors : array-like [shape=(n, dim)]
        One row a clip. Memory grows with n squared.
    distance : {"cosine", "euclidean"}
        What the vectors were made for.

    Returns
    -------
    np.ndarray [shape=(n, n), float64]
        Larger is nearer. The diagonal means nothing.
    """
    x = np.asarray(vectors, dtype=np.float64)
    if distance == "cosine":
        x = unit_rows(x)
        return x @ x.T
    square = (x * x).sum(axis=1)
    result: Floats = 2 * (x @ x.T) - square[:, None] - square
    return result


def precision_at_1(similarity: Floats, relevant: Bools, candidates: Bools) -> Floats:
    """Whether the nearest candidate is relevant, for each query.

    Parameters
    ----------
    similarity : np.ndarray [shape=(q, n), float64]
        Similarity of each query to each clip; of equal ones the first counts as nearer.
    relevant, candidates : np.ndarray [shape=(q, n), bool]
        What a query should find, and what it may find; the query itself is no candidate.

    Returns
    -------
    np.ndarray [shape=(q,), float64]
        0 or 1; NaN for queries without a relevant candidate.
    """
    hits = _hits(similarity, relevant, candidates)
    return np.where(hits.any(axis=1), hits[:, 0].astype(np.float64), np.nan)


def average_precision(similarity: Floats, relevant: Bools, candidates: Bools) -> Floats:
    """Average precision of each query over all its candidates; its mean is MAP.

    The mean, over the relevant candidates, of the precision at their ranks (trec_eval's ``map``).

    Parameters
    ----------
    similarity, relevant, candidates
        As for :func:`precision_at_1`.

    Returns
    -------
    np.ndarray [shape=(q,), float64]
        0 to 1; NaN for queries without a relevant candidate.
    """
    hits = _hits(similarity, relevant, candidates)
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    found = hits.sum(axis=1)
    return np.where(found > 0, (precision * hits).sum(axis=1) / np.maximum(found, 1), np.nan)


def mean_relevance(
    similarity: Floats, relevance: Floats, candidates: Bools, *, k: int = 10
) -> Floats:
    """Mean relevance of the k nearest candidates, for each query.

    With :func:`jaccard` as relevance this is Jaccard@k.

    Parameters
    ----------
    similarity, candidates
        As for :func:`precision_at_1`.
    relevance : np.ndarray [shape=(q, n), float64]
        How relevant each clip is to each query.
    k : int >= 1
        How many neighbors count; fewer where there are fewer candidates.

    Returns
    -------
    np.ndarray [shape=(q,), float64]
        NaN for queries to which no candidate is relevant at all.
    """
    order = top_k(np.where(candidates, similarity, -np.inf), k)
    counted = np.take_along_axis(candidates, order, axis=1)
    total = (np.take_along_axis(relevance, order, axis=1) * counted).sum(axis=1)
    scored = ((relevance > 0) & candidates).any(axis=1)
    return np.where(scored, total / np.maximum(counted.sum(axis=1), 1), np.nan)


def same_track_first(similarity: Floats, track: Labels, artist: Labels) -> Floats:
    """Share of a piece's sister pieces that are nearer than any other track by the artist.

    Sisters are the other pieces of the same track. What tells tracks of one artist apart is
    neither the voice nor the studio, so this asks whether a track's vector depends on which part
    of the track was heard.

    Parameters
    ----------
    similarity : np.ndarray [shape=(n, n), float64]
        Similarity of every pair.
    track, artist : np.ndarray [shape=(n,)]
        Labels of the pieces.

    Returns
    -------
    np.ndarray [shape=(n,), float64]
        0 to 1; NaN for pieces without a sister or without another track by the artist.
    """
    sister = track[:, None] == track
    rival = (artist[:, None] == artist) & ~sister
    np.fill_diagonal(sister, False)
    nearest = np.where(rival, similarity, -np.inf).max(axis=1, initial=-np.inf)
    count = sister.sum(axis=1)
    won = (sister & (similarity > nearest[:, None])).sum(axis=1)
    return np.where((count > 0) & rival.any(axis=1), won / np.maximum(count, 1), np.nan)


def k_occurrence(similarity: Floats, *, k: int = 10) -> Floats:
    """How often each clip is among the k nearest neighbors of the others.

    Parameters
    ----------
    similarity : np.ndarray [shape=(n, n), float64]
        Similarity of every pair.
    k : int >= 1
        Neighbors a clip; at most n - 1.

    Returns
    -------
    np.ndarray [shape=(n,), float64]
        Counts, k on average.
    """
    others = np.where(np.eye(len(similarity), dtype=np.bool_), -np.inf, similarity)
    nearest = top_k(others, min(k, len(similarity) - 1))
    return np.bincount(nearest.ravel(), minlength=len(similarity)).astype(np.float64)


def jaccard(sets: Sequence[Collection[str]]) -> Floats:
    """Jaccard similarity of every pair of label sets.

    Parameters
    ----------
    sets : sequence of collections of str
        The clips' labels.

    Returns
    -------
    np.ndarray [shape=(n, n), float64]
        Common labels over all labels of the two; 0 where neither has any.
    """
    column = {name: i for i, name in enumerate(sorted(set().union(*sets)))}
    has = np.zeros((len(sets), len(column)))
    for row, labels in enumerate(sets):
        has[row, [column[name] for name in labels]] = 1.0
    common = has @ has.T
    size = has.sum(axis=1)
    result: Floats = common / np.maximum(size[:, None] + size - common, 1.0)
    return result


def only_labels(sets: Sequence[Collection[str]], *, least: int = 10) -> list[str]:
    """Return the label of clips that have just one; "" for others, and for labels too rare.

    All are "" if only one label is left: there is nothing then to tell it from.

    Parameters
    ----------
    sets : sequence of collections of str
        The clips' labels.
    least : int >= 1
        How many clips must have the label as their only one.
    """
    single = [next(iter(labels)) if len(labels) == 1 else "" for labels in sets]
    count = Counter(single)
    kept = {label for label, n in count.items() if label and n >= least}
    return [label if label in kept and len(kept) > 1 else "" for label in single]


def artist_parts(artist: Labels, parts: int = 5, *, seed: int = 0) -> NDArray[np.intp]:
    """Deal artists out into parts of a cross-validation, all clips of one into the same part.

    Parameters
    ----------
    artist : np.ndarray [shape=(n,)]
        Labels of the clips.
    parts : int >= 2
        How many parts.
    seed : int
        Of the shuffling.

    Returns
    -------
    np.ndarray [shape=(n,), int]
        Part of each clip; parts hold equal numbers of artists, give or take one.
    """
    names, group = np.unique(artist, return_inverse=True)
    result: NDArray[np.intp] = (np.random.default_rng(seed).permutation(len(names)) % parts)[group]
    return result


def probe(vectors: ArrayLike, labels: Labels, parts: Labels) -> Floats:
    """Whether a linear probe trained on the other parts names each clip's label.

    Multinomial logistic regression with an L2 penalty (scikit-learn, C = 1), inputs standardized
    on the clips it is trained on.

    Parameters
    ----------
    vectors : array-like [shape=(n, dim)]
        One row a clip.
    labels : np.ndarray [shape=(n,), str]
        The label to name; clips labeled "" take no part.
    parts : np.ndarray [shape=(n,)]
        Part of the cross-validation; an artist must lie in one part only.

    Returns
    -------
    np.ndarray [shape=(n,), float64]
        0 or 1; NaN for clips that take no part or have no other part to be learned from.

    Raises
    ------
    MissingExtraError
        scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import LogisticRegression
    except ImportError:
        raise MissingExtraError("scikit-learn", "evaluate") from None

    x = np.asarray(vectors, dtype=np.float64)
    result = np.full(len(x), np.nan)
    for part in np.unique(parts):
        test = (parts == part) & (labels != "")
        train = (parts != part) & (labels != "")
        if not test.any() or not train.any():
            continue
        if len(np.unique(labels[train])) == 1:
            result[test] = labels[test] == labels[train][0]
            continue
        mean, std = x[train].mean(axis=0), x[train].std(axis=0)
        std[std == 0] = 1.0
        model = LogisticRegression(max_iter=5000).fit((x[train] - mean) / std, labels[train])
        result[test] = model.predict((x[test] - mean) / std) == labels[test]
    return result


def ridge_probe(vectors: ArrayLike, values: Floats, parts: Labels) -> Floats:
    """How near a linear probe trained on the other parts comes to each clip's number.

    Ridge regression (scikit-learn), inputs standardized on the clips it is trained on, penalty
    chosen among these by leave-one-out.

    Parameters
    ----------
    vectors : array-like [shape=(n, dim)]
        One row a clip.
    values : np.ndarray [shape=(n,), float64]
        The number to tell; clips with NaN take no part.
    parts : np.ndarray [shape=(n,)]
        As for :func:`probe`.

    Returns
    -------
    np.ndarray [shape=(n,), float64]
        ``1 - error**2 / variance``, whose mean is the coefficient of determination R2: at most 1;
        NaN for clips that take no part, and for all if the numbers are one.

    Raises
    ------
    MissingExtraError
        scikit-learn is not installed.
    """
    try:
        from sklearn.linear_model import RidgeCV
    except ImportError:
        raise MissingExtraError("scikit-learn", "evaluate") from None

    x = np.asarray(vectors, dtype=np.float64)
    guess = np.full(len(x), np.nan)
    known = ~np.isnan(values)
    for part in np.unique(parts):
        test, train = (parts == part) & known, (parts != part) & known
        if not test.any() or train.sum() < 2:
            continue
        mean, std = x[train].mean(axis=0), x[train].std(axis=0)
        std[std == 0] = 1.0
        model = RidgeCV(np.logspace(0, 5, 11)).fit((x[train] - mean) / std, values[train])
        guess[test] = model.predict((x[test] - mean) / std)
    told = ~np.isnan(guess)
    variance = float(values[told].var()) if told.any() else 0.0
    if variance == 0:
        return np.full(len(x), np.nan)
    result: Floats = 1 - (guess - values) ** 2 / variance
    return result


def _order(similarity: Floats, candidates: Bools) -> NDArray[np.intp]:
    return np.argsort(-np.where(candidates, similarity, -np.inf), axis=1, kind="stable")


def _hits(similarity: Floats, relevant: Bools, candidates: Bools) -> Bools:
    return np.take_along_axis(relevant & candidates, _order(similarity, candidates), axis=1)
