"""Scores of all items, from what a network says of a session: a mixture that a rule is part of.

With t the last play of a session and s any of its plays, an item i that the session does not hold
scores

    sum over s of (w_tags(t, s) tags_s . tags_i + w_artists(t, s) [same artist]
                   + w_neighbors(t, s) cosine of their sessions) + q(t) . v_i + b_i(t)

where w are positive sums of a few decays whose shares the network sets, so that the decayed mean of
tags and artists is the place it starts from. v is content (frozen) with a small learned difference
for items and artists that were played in training; b is how much popularity counts. What the
session holds is scored apart: the network says how likely a repeat is, and which one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.sequences.contents import Contents
from musicu.sequences.features import CONTEXT, Counts, Padded, pad, play_features
from musicu.sequences.queries import LONGEST, Queries

__all__ = ["KERNELS", "MIXED", "NetworkScorer", "kernels", "output_slices"]

Floats = NDArray[np.float32]

KERNELS = 4  # decays that are mixed
MIXED = ("tags", "artists", "neighbors")  # likeness to each play
_LEAST = -30.0  # of a logarithm


def output_slices(dim: int) -> dict[str, slice]:
    """Return where in the network's output what stands.

    ``query`` and ``repeat_query`` are vectors; those of :data:`MIXED` the shares of the decays;
    ``gate`` the log odds of a repeat; ``popularity`` what plays of item and artist count.
    """
    widths = {"query": dim, "repeat_query": dim, **dict.fromkeys(MIXED, KERNELS)}
    widths |= {"gate": 1, "popularity": 2}
    ends = np.cumsum(list(widths.values())).tolist()
    return {
        name: slice(end - width, end)
        for (name, width), end in zip(widths.items(), ends, strict=True)
    }


def kernels(decays: NDArray[Any], back: NDArray[Any]) -> NDArray[np.float32]:
    """Return what a play so many steps back weighs under each decay [..., KERNELS]."""
    return np.asarray(decays ** back[..., None], dtype=np.float32)


@dataclass(frozen=True, eq=False)
class NetworkScorer:
    """Scores all items for queries.

    Parameters
    ----------
    network : callable
        From inputs [b, length, dim + FEATURES] to outputs [b, length, width]; see
        :func:`output_slices`.
    contents : Contents
    vectors : np.ndarray [shape=(n, dim), float32]
        v of each item.
    counts : Counts
        Of training.
    decays : np.ndarray [shape=(KERNELS,), float64]
    repeat_bias : np.ndarray [shape=(LONGEST,), float32]
        By steps back.
    neighbors : scipy.sparse.csr_array [shape=(n, n), float32]
        As of :func:`musicu.sequences.rule.item_neighbors`.
    context : bool
        Whether the network is told when.
    """

    network: Callable[[Floats], Floats]
    contents: Contents
    vectors: Floats
    counts: Counts
    decays: NDArray[np.float64]
    repeat_bias: Floats
    neighbors: Any
    context: bool = True

    def fit(self, plays: Any, contents: Any) -> NetworkScorer:
        """Return itself: it is fitted."""
        return self

    def inputs(self, padded: Padded) -> Floats:
        """Return what the network is told of each play."""
        artist = self.contents.artist[padded.item]
        told = play_features(
            padded,
            self.contents,
            self.counts.plays[padded.item],
            self.counts.by_artist[artist],
            self.counts.tracks[artist],
        )
        if not self.context:
            told[..., :CONTEXT] = 0
        return np.concatenate([self.vectors[padded.item], told], axis=2)

    def outputs(self, queries: Queries) -> dict[str, Floats]:
        """Return what the network says after the last play of each query's session."""
        padded = pad(queries, LONGEST)
        said = self.network(self.inputs(padded))
        last = padded.there.sum(axis=1) - 1
        row = said[np.arange(len(said)), last]
        return {name: row[:, at] for name, at in output_slices(self.vectors.shape[1]).items()}

    def play_weights(self, queries: Queries, said: Mapping[str, Floats]) -> dict[str, Any]:
        """Return what each played item weighs, for each of :data:`MIXED` [q, n], sparse."""
        from scipy.sparse import csr_array

        query, at, back = queries.steps(LONGEST)
        table = kernels(self.decays, back)
        sums = np.stack(
            [np.bincount(query, column, minlength=len(queries)) for column in table.T], axis=1
        )
        shares = table / sums[query]
        found = {}
        for name in MIXED:
            weight = (shares * said[name][query]).sum(axis=1).astype(np.float32)
            shape = (len(queries), queries.n_items)
            found[name] = csr_array((weight, (query, queries.played[at])), shape=shape)
        return found

    def scores(self, queries: Queries) -> Floats:
        """Score all items for each query: logarithms of chances [q, n]."""
        said = self.outputs(queries)
        total = said["query"] @ self.vectors.T
        parts = self.contents.parts()
        for name, rows in self.play_weights(queries, said).items():
            if name == "neighbors":
                total += (rows @ self.neighbors).toarray()
                continue
            asked = np.ascontiguousarray((rows @ parts[name]).toarray().T)
            total += (parts[name] @ asked).T
        known = np.log1p(self.counts.plays).astype(np.float32)
        artist = np.log1p(self.counts.by_artist[self.contents.artist]).astype(np.float32)
        total += said["popularity"][:, :1] * known + said["popularity"][:, 1:] * artist
        query, at, _ = queries.steps(None)
        total[query, queries.played[at]] = -np.inf
        total -= _log_sum(total)[:, None]
        odds = said["gate"][:, 0]
        total -= np.logaddexp(0, odds)[:, None]
        self._add_repeats(total, queries, said, odds)
        return total

    def _add_repeats(
        self, total: Floats, queries: Queries, said: Mapping[str, Floats], odds: Floats
    ) -> None:
        query, at, back = queries.steps(LONGEST)
        item = queries.played[at]
        logit = self.repeat_bias[back] + (said["repeat_query"][query] * self.vectors[item]).sum(1)
        most = np.full(len(queries), -np.inf)
        np.maximum.at(most, query, logit)
        chance = np.exp(logit - most[query])
        chance /= np.bincount(query, chance, minlength=len(queries))[query]
        pair, place = np.unique(query * queries.n_items + item, return_inverse=True)
        value = np.log(np.maximum(np.bincount(place, chance), np.exp(_LEAST)))
        rows = pair // queries.n_items
        total.ravel()[pair] = value - np.logaddexp(0, -odds[rows])


def _log_sum(rows: Floats) -> Floats:
    most = rows.max(axis=1)
    return np.asarray(most + np.log(np.exp(rows - most[:, None]).sum(axis=1)), dtype=np.float32)
