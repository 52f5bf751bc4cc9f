"""A network over sessions, as it was learned: run by ONNX Runtime, without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musicu.encoders.runtime import open_session
from musicu.sequences.content_space import content_vectors
from musicu.sequences.contents import Contents

__all__ = ["Network"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Network:
    """What was learned by a network over sessions.

    Parameters
    ----------
    graph : bytes
        ONNX.
    axes : mapping of str to np.ndarray [shape=(width, dim), float32]
        Of content; see :mod:`musicu.sequences.content_space`.
    item_delta : mapping of str to np.ndarray [shape=(dim,), float32]
        Beside the content of items that were played, by id.
    artist_delta : mapping of str to np.ndarray [shape=(dim,), float32]
        Beside the content of their artists' items, by key.
    decays, repeat_bias, context
        As of :class:`musicu.sequences.scorer.NetworkScorer`.
    """

    graph: bytes
    axes: Mapping[str, Floats]
    item_delta: Mapping[str, Floats]
    artist_delta: Mapping[str, Floats]
    decays: NDArray[np.float64]
    repeat_bias: Floats
    context: bool = True

    @cached_property
    def run(self) -> Callable[[Floats], Floats]:
        """The graph, ready to be run."""
        session = open_session(self.graph)

        def run(inputs: Floats) -> Floats:
            (said,) = session.run(None, {"plays": inputs})
            return np.asarray(said, dtype=np.float32)

        return run

    def vectors(self, contents: Contents) -> Floats:
        """Return the vector of each item, also of those that came later."""
        found = content_vectors(contents, self.axes)
        for row, (id, artist) in enumerate(zip(contents.items.ids, contents.artists, strict=True)):
            if id in self.item_delta:
                found[row] += self.item_delta[id]
            if artist in self.artist_delta:
                found[row] += self.artist_delta[artist]
        return found
