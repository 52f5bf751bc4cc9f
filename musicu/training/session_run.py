"""A training of a network over sessions: how, with what, how far, and what comes out."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from musicu.errors import ModelError
from musicu.sequences.content_space import content_axes, content_vectors
from musicu.sequences.contents import Contents
from musicu.sequences.features import FEATURES
from musicu.sequences.network import Network
from musicu.sequences.plays import Plays
from musicu.sequences.rule import item_neighbors
from musicu.sequences.scorer import NetworkScorer
from musicu.training.session_data import SessionBatches
from musicu.training.session_network import SessionNetwork, SessionVectors

__all__ = [
    "PARTS",
    "SessionRecipe",
    "SessionRun",
    "exported_network",
    "fingerprint",
    "read_checkpoint",
    "run_scorer",
    "start_run",
]

PARTS = ("context", "delta")
_OPSET = 17


@dataclass(frozen=True, kw_only=True)
class SessionRecipe:
    """How a network over sessions is trained.

    Parameters
    ----------
    dim, blocks, heads : int
        Of the network.
    epochs : int
        How often each session is shown at most; how often is best, the span before the end tells.
    batch : int
        Sessions a step.
    common, hard : int
        Candidates for all sessions of a step, and for each.
    lr, dropout : float
    bound : float
        The longest an item's learned difference from its content may be; content has length 1.
    questions : int
        By how many the span before the end judges.
    vectors : bool
        Whether the network adds a dot product with the items' vectors, too. Without, it sets what
        the parts of the rule count, and tells repeats; on 30Music it is better so.
    without : tuple of str
        Parts to do without, of :data:`PARTS`: ``"context"`` (time), ``"delta"`` (what is learned of
        single items and artists).
    seed : int
    """

    dim: int = 64
    blocks: int = 1
    heads: int = 2
    epochs: int = 6
    batch: int = 16
    common: int = 256
    hard: int = 64
    lr: float = 2e-3
    dropout: float = 0.2
    bound: float = 0.5
    questions: int = 1000
    vectors: bool = False
    without: tuple[str, ...] = ()
    seed: int = 0


@dataclass
class SessionRun:
    """A network, its vectors, and what trains them."""

    network: SessionNetwork
    vectors: SessionVectors
    data: SessionBatches
    contents: Contents
    recipe: SessionRecipe
    neighbors: Any
    optimizers: list[torch.optim.Optimizer] = field(default_factory=list)
    step: int = 0
    judged: list[float] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """Return all that changes, for a checkpoint."""
        return {
            "network": self.network.state_dict(),
            "items": self.vectors.item_delta.state_dict(),
            "artists": self.vectors.artist_delta.state_dict(),
            "optimizers": [one.state_dict() for one in self.optimizers],
            "step": self.step,
            "judged": self.judged,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what :meth:`state` returned."""
        self.network.load_state_dict(state["network"])
        self.vectors.item_delta.load_state_dict(state["items"])
        self.vectors.artist_delta.load_state_dict(state["artists"])
        for one, kept in zip(self.optimizers, state["optimizers"], strict=True):
            one.load_state_dict(kept)
        self.step, self.judged = state["step"], list(state["judged"])


def start_run(plays: Plays, contents: Contents, how: SessionRecipe) -> SessionRun:
    """Return a training that has not begun."""
    torch.manual_seed(how.seed)
    axes = content_axes(contents, how.dim, seed=how.seed)
    artist = np.where(contents.artist < 0, contents.artist.max() + 1, contents.artist)
    bound = 0.0 if "delta" in how.without else how.bound
    vectors = SessionVectors(
        torch.from_numpy(content_vectors(contents, axes)), torch.from_numpy(artist), bound=bound
    )
    network = SessionNetwork(
        how.dim,
        blocks=how.blocks,
        heads=how.heads,
        dropout=how.dropout,
        mute=() if how.vectors else ("query",),
    )
    data = SessionBatches(
        plays,
        contents,
        batch=how.batch,
        common=how.common,
        hard=how.hard,
        context="context" not in how.without,
    )
    run = SessionRun(network, vectors, data, contents, how, item_neighbors(plays))
    run.optimizers = [torch.optim.AdamW(network.parameters(), lr=how.lr, weight_decay=0.01)]
    if bound:
        deltas = [vectors.item_delta.weight, vectors.artist_delta.weight]
        run.optimizers.append(torch.optim.SparseAdam(deltas, lr=how.lr))
    return run


def run_scorer(run: SessionRun) -> NetworkScorer:
    """Return what a network in training scores by now."""
    network = run.network.eval()

    def said(inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            return np.asarray(network(torch.from_numpy(inputs)).numpy())

    counts, items = run.data.counts, torch.arange(len(run.contents))
    with torch.no_grad():
        played = torch.from_numpy(counts.plays > 0)
        of_artist = torch.from_numpy(counts.by_artist[counts.artist] > 0)
        vectors = run.vectors(items, played, of_artist).numpy()
    return NetworkScorer(
        network=said,
        contents=run.contents,
        vectors=vectors,
        counts=counts,
        decays=_decays(network),
        repeat_bias=network.repeat_bias.detach().numpy().copy(),
        neighbors=run.neighbors,
        context="context" not in run.recipe.without,
    )


def _decays(network: SessionNetwork) -> NDArray[np.float64]:
    return np.asarray(torch.sigmoid(network.decays).detach().numpy(), dtype=np.float64)


def exported_network(run: SessionRun) -> Network:
    """Return what was learned, without torch."""
    network, vectors, contents = run.network.eval(), run.vectors, run.contents
    graph = io.BytesIO()
    with warnings.catch_warnings():
        # The exporter that torch recommends instead needs a package more and renames the graph.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", message="Converting a tensor")
        torch.onnx.export(
            network,
            (torch.zeros(2, 3, network.dim + FEATURES),),
            graph,  # type: ignore[arg-type]
            input_names=["plays"],
            output_names=["said"],
            dynamic_axes={"plays": {0: "session", 1: "play"}, "said": {0: "session", 1: "play"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    items: dict[str, NDArray[np.float32]] = {}
    artists: dict[str, NDArray[np.float32]] = {}
    if vectors.bound:
        with torch.no_grad():
            of_item = vectors.shortened(vectors.item_delta.weight).numpy()
            of_artist = vectors.shortened(vectors.artist_delta.weight).numpy()
        played = np.flatnonzero(run.data.counts.plays)
        items = {contents.items.ids[at]: of_item[at] for at in played if of_item[at].any()}
        known = {contents.artists[at]: contents.artist[at] for at in played if contents.artists[at]}
        artists = {key: of_artist[at] for key, at in known.items() if of_artist[at].any()}
    return Network(
        graph=graph.getvalue(),
        axes=content_axes(contents, run.recipe.dim, seed=run.recipe.seed),
        item_delta=items,
        artist_delta=artists,
        decays=_decays(network),
        repeat_bias=network.repeat_bias.detach().numpy().copy(),
        context="context" not in run.recipe.without,
    )


def fingerprint(run: SessionRun, stage: str) -> str:
    """Name all that decides a training."""
    digest = hashlib.sha256(json.dumps([asdict(run.recipe), stage]).encode())
    digest.update(run.data.counts.plays.tobytes())
    digest.update("\n".join(run.contents.items.ids).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def read_checkpoint(file: Path) -> dict[str, Any]:
    """Read a checkpoint: tensors, numbers and texts, never code.

    Raises
    ------
    ModelError
        It is none.
    """
    try:
        state: dict[str, Any] = torch.load(file, weights_only=True)
        state["fingerprint"], state["step"]
    except Exception as error:  # torch.load raises whatever the bytes lead to
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{file}: not a checkpoint of sessions ({first})") from None
    return state
