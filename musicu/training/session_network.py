"""The network over sessions, and what it is trained by.

A causal transformer with LiGR layers (gated residuals; eSASRec, arXiv 2508.06450). What it says is
small: a query vector, and how much of a rule is to be followed, at each play. Item vectors are
frozen content plus a bounded difference that is learned for items and artists that were played
(arXiv 2507.19473). The loss is sampled softmax, in which each candidate is divided by how often it
is drawn on average, and the target by nothing (arXiv 2507.09331).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from musicu.sequences.features import FEATURES
from musicu.sequences.queries import LONGEST
from musicu.sequences.scorer import MIXED, output_slices

__all__ = ["Batch", "SessionNetwork", "SessionVectors", "session_loss"]

_START = (0.3, 0.6, 0.8, 0.95)  # decays
_SHARE = 2.0  # of each decay, for tags and for artists, before anything is learned
_NOBODY = -1e9


class _Layer(nn.Module):
    """Attention to what was before, and a feed-forward layer, each let in by a gate."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(dim), nn.LayerNorm(dim)])
        self.gates = nn.ModuleList([nn.Linear(dim, dim), nn.Linear(dim, dim)])
        self.mixed = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.wide = nn.Linear(dim, 2 * dim)
        self.narrow = nn.Linear(2 * dim, dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return the plays' states anew."""
        b, length, dim = x.shape
        parts = self.mixed(self.norms[0](x)).reshape(b, length, 3, self.heads, dim // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        weight = torch.softmax(q @ k.transpose(2, 3) / (dim // self.heads) ** 0.5 + mask, dim=3)
        seen = (weight @ v).transpose(1, 2).reshape(b, length, dim)
        x = x + torch.sigmoid(self.gates[0](x)) * self.dropout(self.out(seen))
        made = self.narrow(functional.silu(self.wide(self.norms[1](x))))
        found: Tensor = x + torch.sigmoid(self.gates[1](x)) * self.dropout(made)
        return found


class SessionNetwork(nn.Module):
    """From inputs [b, length, dim + FEATURES] to outputs; see :mod:`musicu.sequences.scorer`."""

    def __init__(
        self,
        dim: int,
        *,
        blocks: int = 1,
        heads: int = 2,
        dropout: float = 0.2,
        mute: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self.dim = dim
        self.enter = nn.Linear(dim + FEATURES, dim)
        self.layers = nn.ModuleList([_Layer(dim, heads, dropout) for _ in range(blocks)])
        self.norm = nn.LayerNorm(dim)
        self.direct = nn.Linear(FEATURES, dim)
        where = output_slices(dim)
        self.leave = nn.Linear(dim, where["popularity"].stop)
        audible = torch.ones(where["popularity"].stop)
        for name in mute:
            audible[where[name]] = 0
        self.audible: Tensor
        self.register_buffer("audible", audible)
        self.decays = nn.Parameter(torch.logit(torch.tensor(_START)))
        self.repeat_bias = nn.Parameter(torch.zeros(LONGEST))
        self.slope = nn.Parameter(torch.tensor(0.1))
        with torch.no_grad():
            self.leave.weight.mul_(0.1)
            self.leave.bias.zero_()
            for name in MIXED:
                self.leave.bias[where[name]] = _inverse_softplus(_SHARE)
            self.leave.bias[where["gate"]] = -2.0

    def forward(self, inputs: Tensor) -> Tensor:
        """Say something after each play."""
        length = inputs.shape[1]
        back = torch.arange(length)[:, None] - torch.arange(length)[None, :]
        mask = torch.where(back < 0, _NOBODY, -functional.softplus(self.slope) * back)
        x = self.enter(inputs)
        for layer in self.layers:
            x = layer(x, mask)
        said = self.leave(self.norm(x + self.direct(inputs[..., self.dim :])))
        where = output_slices(self.dim)
        parts = torch.cat(
            [
                said[..., : where[MIXED[0]].start],
                functional.softplus(said[..., where[MIXED[0]].start : where[MIXED[-1]].stop]),
                said[..., where["gate"].start :],
            ],
            dim=2,
        )
        return parts * self.audible

    def weights(self, said: Tensor) -> dict[str, Tensor]:
        """Return what each play weighs at each later one, for each part [b, t, s]."""
        length = said.shape[1]
        back = torch.arange(length)[:, None] - torch.arange(length)[None, :]
        table = torch.sigmoid(self.decays)[:, None, None] ** back.clamp(min=0)
        table = torch.where(back < 0, 0.0, table)
        table = table / table.sum(dim=2, keepdim=True)
        where = output_slices(self.dim)
        return {name: torch.einsum("btk,kts->bts", said[..., where[name]], table) for name in MIXED}


def _inverse_softplus(value: float) -> float:
    return float(torch.log(torch.expm1(torch.tensor(value))))


class SessionVectors(nn.Module):
    """Vectors of items: frozen content, and what is learned of items and artists beside it.

    Parameters
    ----------
    content : Tensor [shape=(n, dim)]
    artist : Tensor [shape=(n,), int]
        The number of each item's artist; as many as there are artists, for nobody.
    bound : float
        The longest a learned difference may be.
    """

    def __init__(self, content: Tensor, artist: Tensor, *, bound: float) -> None:
        super().__init__()
        self.bound = bound
        self.content: Tensor
        self.artist: Tensor
        self.register_buffer("content", content)
        self.register_buffer("artist", artist)
        self.item_delta = nn.Embedding(len(content), content.shape[1], sparse=True)
        self.artist_delta = nn.Embedding(int(artist.max()) + 1, content.shape[1], sparse=True)
        for table in (self.item_delta, self.artist_delta):
            nn.init.zeros_(table.weight)

    def forward(self, items: Tensor, played: Tensor, artist_played: Tensor) -> Tensor:
        """Return vectors of items; the masks tell what may be known of them."""
        if not self.bound:
            return self.content[items]
        own = self.shortened(self.item_delta(items)) * played[..., None]
        whose = self.shortened(self.artist_delta(self.artist[items])) * artist_played[..., None]
        return self.content[items] + own + whose

    def shortened(self, delta: Tensor) -> Tensor:
        """Return differences no longer than the bound."""
        length = torch.sqrt((delta * delta).sum(dim=-1, keepdim=True) + 1e-12)
        return delta * torch.clamp(self.bound / length, max=1.0)


@dataclass
class Batch:
    """Some sessions, and the candidates among which what came next is to be found.

    ``b`` sessions of ``length`` plays (the inputs), ``n`` candidates each, the last ``length`` of
    which are the targets. Counts are of other spans than the session's.

    Attributes
    ----------
    items, candidates : Tensor [shape=(b, length)] and [shape=(b, n)], int
    there : Tensor [shape=(b, length), bool]
    features : Tensor [shape=(b, length, FEATURES)]
    tags, artists, neighbors : Tensor [shape=(b, length, n)]
        Likeness of plays and candidates.
    same : Tensor [shape=(b, length, n), bool]
        Whether a candidate is the play's item.
    log_drawn : Tensor [shape=(b, n)]
        Logarithm of how often a candidate is drawn on average.
    counts, artist_counts : Tensor [shape=(b, n)]
        Logarithms of 1 + plays of the candidates and of their artists.
    known, artist_known : Tensor [shape=(b, length), bool]
        Whether the item was played in another span, and the artist.
    """

    items: Tensor
    candidates: Tensor
    there: Tensor
    features: Tensor
    tags: Tensor
    artists: Tensor
    neighbors: Tensor
    same: Tensor
    log_drawn: Tensor
    counts: Tensor
    artist_counts: Tensor
    known: Tensor
    artist_known: Tensor


def session_loss(network: SessionNetwork, vectors: SessionVectors, batch: Batch) -> Tensor:
    """Return the negative logarithms of what came next, added up: of the gate, and of its branch.

    A sum, since batches of long sessions hold more plays, and each play counts alike.
    """
    v = vectors(batch.items, batch.known, batch.artist_known)
    said = network(torch.cat([v, batch.features], dim=2))
    where = output_slices(network.dim)
    length = batch.items.shape[1]
    weights = network.weights(said)
    among = vectors(batch.candidates, batch.counts > 0, batch.artist_counts > 0)
    score = (
        torch.bmm(weights["tags"], batch.tags)
        + torch.bmm(weights["artists"], batch.artists)
        + torch.bmm(weights["neighbors"], batch.neighbors)
        + torch.bmm(said[..., where["query"]], among.transpose(1, 2))
        + said[..., where["popularity"]][..., :1] * batch.counts[:, None, :]
        + said[..., where["popularity"]][..., 1:] * batch.artist_counts[:, None, :]
    )
    drawn = score[..., :-length] - batch.log_drawn[:, None, :-length]
    target = torch.diagonal(score[..., -length:], dim1=1, dim2=2)
    back = torch.arange(length)[:, None] - torch.arange(length)[None, :]
    past = (back >= 0)[None] & batch.there[:, None, :]
    # What the session holds at a play, and what comes next, are no candidates to be put behind.
    held = torch.bmm(past.float(), batch.same.float()) > 0
    goal = batch.candidates[:, -length:]
    hit = batch.candidates[:, None, :-length] == goal[:, :, None]
    drawn = drawn.masked_fill(held[..., :-length] | hit, _NOBODY)
    explore = target - torch.logsumexp(torch.cat([target[..., None], drawn], dim=2), dim=2)
    repeat = torch.diagonal(held[..., -length:], dim1=1, dim2=2)
    logit = torch.bmm(said[..., where["repeat_query"]], v.transpose(1, 2))
    logit = logit + network.repeat_bias[back.clamp(min=0)][None]
    chance = torch.log_softmax(logit.masked_fill(~past, _NOBODY), dim=2)
    right = past & (batch.items[:, None, :] == goal[:, :, None])
    again = torch.logsumexp(chance.masked_fill(~right, _NOBODY), dim=2)
    odds = said[..., where["gate"]][..., 0]
    value = torch.where(
        repeat, functional.logsigmoid(odds) + again, functional.logsigmoid(-odds) + explore
    )
    return -(value * batch.there).sum()
