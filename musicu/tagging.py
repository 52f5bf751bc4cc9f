"""Understanding in words: a linear layer on a track's vector says what is heard in it.

Because the layer needs only the vector, nothing is decoded again: every stored track can be tagged,
and tagged again when a model gets a better head.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.checksums import is_sound
from musicu.encoder import Encoder
from musicu.errors import ModelError
from musicu.model import Model, Tag, find_model, list_models
from musicu.pool import WorkerSettings, analyze_isolated
from musicu.store import Store, StoredModel

__all__ = ["TagHead", "describing_tags", "store_tags", "tag", "tag_file"]

Array = NDArray[np.float32]

# Probabilities below are not stored: most tags of a model are far below for most tracks.
_KEPT = 0.05
_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class TagHead:
    """A model's tags with the layer that hears them.

    Attributes
    ----------
    tags : tuple of Tag
        What can be said.
    weights : np.ndarray [shape=(n_tags, dim), float32]
    bias : np.ndarray [shape=(n_tags,), float32]
        One logistic regression a tag. Its calibration (Platt scaling, Platt 1999: another slope
        and offset of the logit) is multiplied in.
    id : str
        Hash of weights and names: the same head gives the same answers.
    """

    tags: tuple[Tag, ...]
    weights: Array
    bias: Array
    id: str

    @classmethod
    def load(cls, model: Model) -> TagHead:
        """Read a model's tag head.

        Raises
        ------
        ModelError
            It has none; the text names a model that has one.
        """
        if not model.tags:
            able = [other.id for other in list_models() if other.tags]
            way = f"'--model {able[0]}' has" if able else "nor has any model here"
            raise ModelError(f"{model.name} says nothing in words: it has no tag head; {way}")
        names = "\n".join((model.tags_sha256, *(tag.name for tag in model.tags)))
        weights, bias = model.tag_head()
        return cls(model.tags, weights, bias, hashlib.sha256(names.encode()).hexdigest())

    def only(self, names: Collection[str]) -> TagHead:
        """Return a head for some of the tags, in their order here."""
        at = [i for i, tag in enumerate(self.tags) if tag.name in names]
        return replace(
            self, tags=tuple(self.tags[i] for i in at), weights=self.weights[at], bias=self.bias[at]
        )

    def logits(self, vectors: Array) -> Array:
        """Log-odds [n, n_tags] of the tags for unit vectors [n, dim]."""
        logits: Array = vectors @ self.weights.T + self.bias
        return logits

    def probabilities(self, vectors: Array) -> Array:
        """Tell how probable each tag is for each track.

        Parameters
        ----------
        vectors : np.ndarray [shape=(n, dim), float32]
            Unit vectors of tracks, or of single windows.

        Returns
        -------
        np.ndarray [shape=(n, n_tags), float32]
            In [0, 1], calibrated; tags do not exclude one another.
        """
        # The logistic function in a form that does not overflow.
        probabilities: Array = np.float32(0.5) * (1 + np.tanh(self.logits(vectors) / 2))
        return probabilities

    def say(self, vector: Array, n: int | None = None) -> dict[str, float]:
        """Name the ``n`` most probable tags of a vector [dim], or all, the most probable first."""
        probabilities = self.probabilities(vector[None])[0]
        order = top_k(probabilities, len(self.tags) if n is None else n)
        return {self.tags[i].name: round(float(probabilities[i]), 3) for i in order}


def describing_tags(head: TagHead | None, vectors: Array) -> list[list[str]]:
    """Name the tags of vectors [n, dim] that reach their thresholds, the most probable first.

    Not genres and eras: of these people have ideas of their own. None without a head.
    """
    if head is None:
        return [[] for _ in vectors]
    head = head.only({tag.name for tag in head.tags if tag.kind not in ("genre", "era")})
    limits = {tag.name: tag.threshold for tag in head.tags}
    heard = (head.say(vector) for vector in vectors)
    return [[name for name, p in tags.items() if p >= limits[name]] for tags in heard]


def tag(
    y: Array, sr: int, *, model: str | os.PathLike[str] | None = None, n: int | None = None
) -> dict[str, float]:
    """Say what is heard in a signal.

    Parameters
    ----------
    y : np.ndarray [shape=(n,) or (channels, n), float]
        Samples, full scale = 1; channels are averaged.
    sr : int > 0
        Their rate (Hz).
    model : str, path-like or None
        Name or folder of a model with a tag head; None is the default model.
    n : int >= 0 or None
        How many; None is all that the model knows.

    Returns
    -------
    dict of str to float in [0, 1]
        Tags with their probabilities, the most probable first.

    Raises
    ------
    AudioError
        The signal is empty, silent, or not made of numbers.
    ModelError
        There is no such model, or it has no tag head.
    """
    found = find_model(model)
    head = TagHead.load(found)
    return head.say(Encoder(found).embed(y, sr), n)


def tag_file(
    path: str | os.PathLike[str], *, model: str | os.PathLike[str] | None = None
) -> dict[str, float]:
    """Say what is heard in a file; as :func:`tag`, decoded in a process of its own.

    Raises
    ------
    AudioError
        The file cannot be used.
    ModelError
        There is no such model, or it has no tag head.
    """
    found = find_model(model)
    head = TagHead.load(found)
    answer = analyze_isolated(os.fspath(path), WorkerSettings(model=str(found.folder)))
    return head.say(answer["vector"])


def store_tags(store: Store, model: StoredModel, head: TagHead) -> None:
    """Tag the vectors of a model that have no tags yet; all of them if the head is a new one.

    Vectors that are no longer what was stored get none. Of a catalog that can only be read, the
    tags are kept in memory.
    """
    key = f"tag head {model.row}"
    known = store.db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    if known != (head.id,):
        with store.change(derived=True):
            store.db.execute("DELETE FROM sound_tags WHERE model = ?", (model.row,))
            store.db.execute(
                "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, head.id)
            )
    last = -1
    while _untagged(store, model, last, 1):
        # No vector may go between reading it and storing its tags.
        with store.change(derived=True):
            rows = _untagged(store, model, last, _CHUNK)
            last = rows[-1][0] if rows else last
            # In what is no longer what was stored, nothing is heard.
            rows = [row for row in rows if is_sound(*row[1:], model.dim)]
            if not rows:
                continue
            flat = np.frombuffer(b"".join(vector for _, vector, _ in rows), dtype="<f4")
            probabilities = head.probabilities(flat.reshape(-1, model.dim)).astype(np.float64)
            store.db.executemany(
                "INSERT INTO sound_tags (model, track, tags) VALUES (?, ?, ?)",
                [
                    (model.row, track, _to_json(head, row))
                    for (track, *_), row in zip(rows, probabilities.round(3), strict=True)
                ],
            )


def _untagged(
    store: Store, model: StoredModel, last: int, limit: int
) -> list[tuple[int, bytes, int | None]]:
    """Tracks after ``last`` whose vectors have no tags, with the vectors and their checksums."""
    return store.db.execute(
        "SELECT v.track, v.vector, v.checksum FROM vectors v"
        " WHERE v.model = ? AND v.track > ? AND NOT EXISTS"
        " (SELECT 1 FROM sound_tags s WHERE s.model = v.model AND s.track = v.track)"
        " ORDER BY v.track LIMIT ?",
        (model.row, last, limit),
    ).fetchall()


def _to_json(head: TagHead, probabilities: NDArray[np.float64]) -> str:
    """Write the tags worth keeping, the most probable first."""
    order = np.argsort(-probabilities, kind="stable")
    return json.dumps(
        {head.tags[i].name: float(probabilities[i]) for i in order if probabilities[i] >= _KEPT}
    )
