"""Batches of sessions for :mod:`musicu.training.session_network`, with candidates that are hard.

What was played of an item is told without the span that a session is in, as it will be when the
model is asked about a later one: within a span, listeners return to what they just played, and a
count that holds it knows more than any model will.

Candidates are drawn in two ways, and how often each is drawn on average is known exactly: by what
is played (and a little by chance) for all sessions of a batch, and for each session from tracks
that share an artist, a tag or a session with one of its plays. Without the second, an item is told
from items that have nothing to do with it, and never from its like.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musicu.sequences.contents import Contents
from musicu.sequences.features import CONTEXT, Counts, Padded, play_features
from musicu.sequences.plays import Plays
from musicu.sequences.queries import LONGEST
from musicu.sequences.rule import item_neighbors
from musicu.training.session_network import Batch

__all__ = ["SessionBatches"]

Positions = NDArray[np.intp]

_EVEN = 0.5  # of the common candidates, what is drawn from all items alike


@dataclass(frozen=True, eq=False)
class _Piece:
    """At most LONGEST + 1 plays of a session, and the span they are in."""

    item: Positions
    time: NDArray[np.float64]
    span: int


class SessionBatches:
    """Draws batches; the seed and the step decide all of one.

    Parameters
    ----------
    plays : Plays
        What is learned from.
    contents : Contents
    batch : int
        Sessions a batch.
    common, hard : int
        Candidates for all sessions of a batch, and for each.
    context : bool
        Whether the network is told when.
    """

    def __init__(
        self,
        plays: Plays,
        contents: Contents,
        *,
        batch: int,
        common: int,
        hard: int,
        context: bool = True,
    ) -> None:
        self._contents, self._batch = contents, batch
        self._common, self._hard, self._context = common, hard, context
        self.counts = Counts(np.bincount(plays.item, minlength=len(contents)), contents.artist)
        share = self.counts.plays / max(self.counts.plays.sum(), 1)
        self._chance = (1 - _EVEN) * share + _EVEN / len(contents)
        self._cumulated = np.cumsum(self._chance)
        self._pieces = list(_pieces(plays))
        size = len(contents)
        self._elsewhere = [
            Counts(
                self.counts.plays - np.bincount(plays.within(span).item, minlength=size),
                contents.artist,
            )
            for span in range(plays.spans)
        ]
        self._near = [item_neighbors(plays.where(plays.span != n)) for n in range(plays.spans)]
        self._even_near = [
            table.astype(bool)
            .astype(np.float32)
            .multiply(1 / _at_least_one(np.diff(table.indptr))[:, None])
            .tocsr()
            for table in self._near
        ]
        self._has = contents.tags.astype(bool).astype(np.float32).tocsr()
        self._of_tag = self._has.T.tocsr()
        self._tag_share = self._has.multiply(1 / _at_least_one(self._has.sum(axis=1))[:, None])
        self._tag_share = self._tag_share.tocsr()
        self._tag_even = self._has.multiply(1 / _at_least_one(self._has.sum(axis=0))[None, :])
        self._tag_even = self._tag_even.tocsr()
        self._of_artist = contents.by_artist.T.tocsr()

    @property
    def steps(self) -> int:
        """How many batches hold each session once."""
        return -(-len(self._pieces) // self._batch)

    @property
    def plays_a_step(self) -> float:
        """How many plays are to be told in a batch, on average."""
        return sum(len(piece.item) - 1 for piece in self._pieces) / self.steps

    def draw(self, seed: int, step: int) -> Batch:
        """Return the batch of a step."""
        epoch, place = divmod(step, self.steps)
        rng = np.random.default_rng([seed, epoch])
        # Sessions of like length share a batch, so that there is little padding.
        length = np.array([len(piece.item) for piece in self._pieces]) + 4 * rng.random(
            len(self._pieces)
        )
        batches = np.array_split(np.argsort(length), self.steps)
        chosen = batches[rng.permutation(self.steps)[place]]
        return self._make([self._pieces[at] for at in chosen], np.random.default_rng([seed, step]))

    def _make(self, pieces: list[_Piece], rng: np.random.Generator) -> Batch:
        width = max(len(piece.item) for piece in pieces) - 1
        shape = (len(pieces), width)
        item = np.zeros(shape, dtype=np.intp)
        target = np.zeros(shape, dtype=np.intp)
        when, asked = np.full(shape, np.nan), np.full(shape, np.nan)
        there = np.zeros(shape, dtype=np.bool_)
        for row, piece in enumerate(pieces):
            size = len(piece.item) - 1
            item[row, :size], target[row, :size] = piece.item[:-1], piece.item[1:]
            when[row, :size], asked[row, :size] = piece.time[:-1], piece.time[1:]
            there[row, :size] = True
        common = np.searchsorted(self._cumulated, rng.random(self._common) * self._cumulated[-1])
        common = np.minimum(common, len(self._contents) - 1)
        hard = np.stack([self._draw_hard(piece, rng) for piece in pieces])
        shared = np.broadcast_to(common, (len(pieces), self._common))
        candidates = np.concatenate([shared, hard, target], axis=1)
        tables = [
            self._tables(piece, item[row], candidates[row]) for row, piece in enumerate(pieces)
        ]
        tags, near, drawn, counts, artist_counts, own, own_artist = map(
            np.stack, zip(*tables, strict=True)
        )
        artist = self._contents.artist
        told = play_features(
            Padded(item, when, asked, there),
            self._contents,
            own,
            own_artist,
            self.counts.tracks[artist[item]],
        )
        if not self._context:
            told[..., :CONTEXT] = 0
        whose = artist[item][:, :, None]
        return Batch(
            items=torch.from_numpy(item),
            candidates=torch.from_numpy(candidates),
            there=torch.from_numpy(there),
            features=torch.from_numpy(told),
            tags=torch.from_numpy(tags * there[:, :, None]),
            artists=torch.from_numpy(
                (
                    (artist[candidates][:, None, :] == whose) & (whose >= 0) & there[:, :, None]
                ).astype(np.float32)
            ),
            neighbors=torch.from_numpy(near * there[:, :, None]),
            same=torch.from_numpy((item[:, :, None] == candidates[:, None, :]) & there[:, :, None]),
            log_drawn=torch.from_numpy(np.log(drawn).astype(np.float32)),
            counts=torch.from_numpy(np.log1p(counts).astype(np.float32)),
            artist_counts=torch.from_numpy(np.log1p(artist_counts).astype(np.float32)),
            known=torch.from_numpy(own > 0),
            artist_known=torch.from_numpy(own_artist > 0),
        )

    def _ways(self, items: Positions, span: int) -> NDArray[np.float64]:
        """Return how likely each way is to draw what is like an item: artist, tag, session."""
        there = np.stack(
            [
                self._contents.artist[items] >= 0,
                np.diff(self._has.indptr)[items] > 0,
                np.diff(self._near[span].indptr)[items] > 0,
            ],
            axis=1,
        )
        ways = there / np.maximum(there.sum(axis=1, keepdims=True), 1)
        return np.asarray(ways, dtype=np.float64)

    def _draw_hard(self, piece: _Piece, rng: np.random.Generator) -> Positions:
        """Draw candidates that are like a play."""
        found = rng.choice(piece.item, self._hard)  # itself, where nothing is known of it
        way = (rng.random((self._hard, 1)) > self._ways(found, piece.span).cumsum(axis=1)).sum(1)
        picks = rng.random((self._hard, 2))
        near = self._near[piece.span]
        for place, play in enumerate(found):
            table, row = near, play
            if way[place] == 0:
                table, row = self._of_artist, self._contents.artist[play]
            elif way[place] == 1:
                tags = self._has.indices[self._has.indptr[play] : self._has.indptr[play + 1]]
                table, row = self._of_tag, tags[int(picks[place, 0] * len(tags))]
            elif way[place] == 3:
                continue
            start, end = table.indptr[row], table.indptr[row + 1]
            found[place] = table.indices[start + int(picks[place, 1] * (end - start))]
        return found

    def _tables(self, piece: _Piece, row: Positions, candidates: Positions) -> tuple[Any, ...]:
        """Return likeness of tags, how often candidates are drawn, and counts of other spans."""
        contents, counts = self._contents, self._elsewhere[piece.span]
        of_candidates = contents.tags[candidates].T.tocsr()
        tags = (contents.tags[row] @ of_candidates).toarray()
        artist = contents.artist
        held = np.unique(piece.item, return_counts=True)
        share = held[1] / held[1].sum()
        ways = share[:, None] * self._ways(held[0], piece.span)
        mean = ways[:, 1] @ self._tag_share[held[0]]
        chance = np.asarray(self._tag_even[candidates] @ mean)
        known = artist[held[0]] >= 0
        weight = np.bincount(artist[held[0]][known], ways[known, 0], minlength=len(counts.tracks))
        chance = chance + weight[artist[candidates]] / np.maximum(
            counts.tracks[artist[candidates]], 1
        )
        chance = chance + (ways[:, 2] @ self._even_near[piece.span][held[0]])[candidates]
        alone = share - ways.sum(axis=1)
        chance = chance + (alone[:, None] * (held[0][:, None] == candidates)).sum(axis=0)
        drawn = self._common * self._chance[candidates] + self._hard * chance

        def elsewhere(items: Positions) -> tuple[Any, Any]:
            return counts.plays[items], counts.by_artist[artist[items]]

        near = self._near[piece.span][row][:, candidates].toarray()
        return (tags.astype(np.float32), near, drawn, *elsewhere(candidates), *elsewhere(row))


def _at_least_one(counts: Any) -> NDArray[np.float32]:
    found = np.maximum(np.asarray(counts).ravel(), 1)
    return np.asarray(found, dtype=np.float32)


def _pieces(plays: Plays) -> Iterator[_Piece]:
    order = np.argsort(plays.session, kind="stable")
    session = plays.session[order]
    first = np.flatnonzero(np.diff(session, prepend=-1))
    for start, end in zip(first, np.append(first[1:], len(session)), strict=True):
        item, time = plays.item[order[start:end]], plays.time[order[start:end]]
        span = int(plays.span[order[start]])
        for at in range(0, len(item) - 1, LONGEST):
            piece = slice(at, at + LONGEST + 1)
            yield _Piece(item[piece], time[piece], span)
