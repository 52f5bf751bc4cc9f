"""Turn scores into a list a listener wants: varied, not all one artist, with room for the new.

Greedy, from the first place down: each place goes to the candidate whose score is best after its
adjustments, among those that the caps allow. Nothing is random; of equal candidates the earlier
one comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from musicu.errors import MusicuError

__all__ = ["Placed", "rerank"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Placed:
    """A candidate that got a place.

    Attributes
    ----------
    position : int
        Which candidate.
    score : float
        What it was compared by.
    adjustments : dict of str to float
        What `score` is the sum of: ``"score"``, as given, then ``"diversity"`` and
        ``"popularity"`` if asked for.
    lifted : bool
        Whether it got its place because a new one was due, ahead of a better score.
    """

    position: int
    score: float
    adjustments: dict[str, float]
    lifted: bool = False


def rerank(
    scores: ArrayLike,
    *,
    n: int,
    similarity: ArrayLike | Callable[[int], ArrayLike] | None = None,
    artists: Sequence[Hashable] | None = None,
    albums: Sequence[Hashable] | None = None,
    versions: Sequence[Hashable] | None = None,
    popularity: ArrayLike | None = None,
    is_new: ArrayLike | None = None,
    diversity: float = 0.0,
    max_per_artist: int | None = None,
    max_per_album: int | None = None,
    no_versions: bool = True,
    popularity_weight: float = 0.0,
    min_new: float = 0.0,
) -> tuple[list[Placed], list[str]]:
    """Choose and order `n` of the candidates.

    Caps come first and are never relaxed; where they leave nothing, the list is shorter and a note
    says which of them did it. Within the caps the floor `min_new` decides whether any candidate or
    a new one is due; among those that are, the adjusted score decides.

    Parameters
    ----------
    scores : array-like [shape=(c,)]
        Of the candidates; larger is better.
    n : int >= 0
        Length of the list.
    similarity : array-like [shape=(c, c)] or callable or None
        Similarity of the candidates on the scale of `scores`; or a function from one of them to
        its similarities [c]. Needed for `diversity`.
    artists, albums, versions : sequence of labels or None
        Labels of each candidate; a tuple is several labels (the artists of a duet), each of which
        counts. None and "" are no label. Candidates that share a label of `versions` are the same
        song.
    popularity : array-like [shape=(c,)] or None
        How popular each is, best as a share of the catalog that is less popular, 0 to 1.
    is_new : array-like [shape=(c,), bool] or None
        Which count for `min_new`: releases of this week, artists the listener does not know, the
        long tail.
    diversity : float in [0, 1]
        Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): ``(1 - diversity) score -
        diversity (largest similarity to those above)``.
    max_per_artist, max_per_album : int >= 1 or None
        Caps in the whole list.
    no_versions : bool
        Whether a song comes in one version only.
    popularity_weight : float
        ``popularity_weight * popularity`` is subtracted; negative values favor the popular.
    min_new : float in [0, 1]
        Share of new ones in every beginning of the list: at least ``floor(min_new * p)`` of the
        first p, as in the ranked group fairness of FA*IR (Zehlike et al., CIKM 2017).

    Returns
    -------
    list of Placed
        The list, the first place first.
    list of str
        Notes: what could not be had, one line each.

    Raises
    ------
    MusicuError
        A score is no number, an option is out of its range, lacks what it needs, or does not have
        one value a candidate.
    """
    base = np.asarray(scores, dtype=np.float64)
    if base.ndim != 1 or not np.isfinite(base).all():
        raise MusicuError("scores must be numbers, one a candidate: leave out those without one")
    for option, value in (("diversity", diversity), ("min_new", min_new)):
        if not 0 <= value <= 1:
            raise MusicuError(f"{option} is {value:g}: it goes from 0 to 1")
    popular = _column("popularity", popularity, base, bool(popularity_weight))
    new = _column("is_new", is_new, base, bool(min_new)).astype(np.bool_)
    if diversity and similarity is None:
        raise MusicuError("diversity needs the similarity of the candidates")
    closeness = similarity if callable(similarity) else _rows(similarity, len(base))
    caps = [
        _Cap(name, labels, cap, len(base))
        for name, labels, cap in (
            ("max_per_artist", artists, max_per_artist),
            ("max_per_album", albums, max_per_album),
            ("no_versions", versions, 1 if no_versions and versions is not None else None),
        )
        if cap is not None
    ]

    nearest = np.zeros(len(base))
    free = np.ones(len(base), dtype=np.bool_)
    placed: list[Placed] = []
    found_new, short = 0, False
    while len(placed) < n:
        allowed = free.copy()
        for cap in caps:
            allowed &= ~cap.full
        if not allowed.any():
            break
        adjusted = base - diversity * (base + nearest) - popularity_weight * popular
        best = _first(adjusted, allowed)
        lifted = False
        # The small number keeps 0.3 * 10 from being 2.999...
        if found_new < int(min_new * (len(placed) + 1) + 1e-9) and not new[best]:
            if (allowed & new).any():
                best, lifted = _first(adjusted, allowed & new), True
            else:
                short = True
        parts = {"score": float(base[best])}
        if diversity:
            parts["diversity"] = float(-diversity * (base[best] + nearest[best]))
        if popularity_weight:
            parts["popularity"] = float(-popularity_weight * popular[best])
        placed.append(Placed(best, sum(parts.values()), parts, lifted))
        free[best] = False
        found_new += bool(new[best])
        for cap in caps:
            cap.count(best)
        if diversity:
            row = np.asarray(closeness(best), dtype=np.float64)
            nearest = row.copy() if len(placed) == 1 else np.maximum(nearest, row)
    return placed, _notes(placed, n, free, caps, short)


class _Cap:
    """How many of the list share a label, and which candidates may not come any more."""

    def __init__(
        self, name: str, labels: Sequence[Hashable] | None, cap: int, candidates: int
    ) -> None:
        if labels is None or len(labels) != candidates:
            found = "none" if labels is None else f"{len(labels):,}"
            raise MusicuError(
                f"{name} needs labels of {candidates:,} candidates, one each; there are {found}"
            )
        if cap < 1:
            raise MusicuError(f"{name} is {cap}: at least 1, or None for no cap")
        self.name = name
        self.full: Bools = np.zeros(candidates, dtype=np.bool_)
        self._cap = cap
        self._used: Counter[Hashable] = Counter()
        self._labels: list[tuple[Hashable, ...]] = []
        self._holders: dict[Hashable, list[int]] = {}
        for i, label in enumerate(labels):
            several = label if isinstance(label, tuple) else (label,)
            self._labels.append(tuple(dict.fromkeys(x for x in several if x not in (None, ""))))
            for x in self._labels[-1]:
                self._holders.setdefault(x, []).append(i)

    def count(self, candidate: int) -> None:
        for label in self._labels[candidate]:
            self._used[label] += 1
            if self._used[label] >= self._cap:
                self.full[self._holders[label]] = True


def _column(name: str, values: ArrayLike | None, base: Floats, needed: bool) -> Floats:
    if values is None:
        if needed:
            raise MusicuError(f"{name} is needed, one value a candidate")
        return np.zeros(len(base))
    column = np.asarray(values, dtype=np.float64)
    if column.shape != base.shape or not np.isfinite(column).all():
        raise MusicuError(f"{name} must be {len(base):,} numbers, one a candidate")
    return column


def _rows(similarity: ArrayLike | None, candidates: int) -> Callable[[int], ArrayLike]:
    if similarity is None:
        return lambda _: np.zeros(candidates)
    matrix = np.asarray(similarity, dtype=np.float64)
    if matrix.shape != (candidates, candidates):
        raise MusicuError(
            f"similarities of shape {matrix.shape} do not fit {candidates:,} candidates"
        )
    return lambda row: matrix[row]


def _first(adjusted: Floats, allowed: Bools) -> int:
    return int(np.where(allowed, adjusted, -np.inf).argmax())


def _notes(placed: list[Placed], n: int, free: Bools, caps: list[_Cap], short: bool) -> list[str]:
    notes = []
    if len(placed) < n:
        counts = [(cap.name, int((free & cap.full).sum())) for cap in caps]
        why = [f"{name} ({count:,} left out)" for name, count in counts if count]
        notes.append(
            f"{len(placed):,} of {n:,}: " + (", ".join(why) if why else "no more candidates")
        )
    if short:
        notes.append("min_new could not be kept: too few new candidates")
    return notes
