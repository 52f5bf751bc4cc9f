"""Auto-tagging: one linear layer on a track's vector tells how probable each tag is.

Because the layer needs only the vector, nothing is decoded again: every stored track can be tagged,
and tagged again when a model gets a better head.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musicu.arrays import top_k
from musicu.encoders.encoder import Encoder
from musicu.encoders.model import Model
from musicu.encoders.registry import find_model, list_models
from musicu.encoders.tag import NON_MUSIC, Tag
from musicu.errors import ModelError

__all__ = ["Heard", "TagHead", "describing_tags", "tag"]

Array = NDArray[np.float32]
Bools = NDArray[np.bool_]


def _nothing_known() -> Array:
    return np.empty((0, 0), dtype=np.float32)


@dataclass(frozen=True)
class Heard:
    """What is heard in a track, what of it is worth saying, and what cannot be said.

    Attributes
    ----------
    probabilities : dict of str to float in [0, 1]
        Of all tags, the most probable first.
    said : tuple of str
        Tags that reach their thresholds, the most probable first: of music none of the kind
        "non-music", of what is no music only these. None of an unfamiliar track.
    unsure : tuple of str
        Kinds of which every music has a tag (genre, mood), but none is said of this one.
    non_music : bool
        Whether it is speech, noise or another sound, but no music.
    familiar : bool
        Whether it is like something that the head was fitted on.
    """

    probabilities: dict[str, float]
    said: tuple[str, ...]
    unsure: tuple[str, ...] = ()
    non_music: bool = False
    familiar: bool = True

    def verdict(self) -> dict[str, Any]:
        """Return all but the probabilities as JSON types."""
        return {
            "said": list(self.said),
            "unsure": list(self.unsure),
            "non_music": self.non_music,
            "familiar": self.familiar,
        }


# Kinds of which every music has a tag.
_ALWAYS = ("genre", "mood")


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
    known : np.ndarray [shape=(k, dim), float32]
        Unit vectors amid what the head was fitted on; without any, all is taken to be known.
    reach : float in [-1, 1]
        What has a smaller cosine to all of them is unlike anything that it has met.
    """

    tags: tuple[Tag, ...]
    weights: Array
    bias: Array
    id: str
    known: Array = field(default_factory=_nothing_known)
    reach: float = -1.0

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
        arrays = model.tag_head()
        id = hashlib.sha256(names.encode()).hexdigest()
        return cls(model.tags, arrays.weights, arrays.bias, id, arrays.known, arrays.reach)

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

    def non_music(self, vectors: Array) -> Bools:
        """Tell which tracks [n] are no music, by their unit vectors [n, dim].

        A head that does not know the tag :data:`musicu.encoders.tag.NON_MUSIC` takes all for
        music.
        """
        deciding = self.only({NON_MUSIC})
        if not deciding.tags:
            return np.zeros(len(vectors), dtype=np.bool_)
        sounds: Bools = deciding.probabilities(vectors)[:, 0] >= deciding.tags[0].threshold
        return sounds

    def unfamiliar(self, vectors: Array) -> Bools:
        """Tell which tracks [n] are unlike anything that the head was fitted on."""
        if not len(self.known):
            return np.zeros(len(vectors), dtype=np.bool_)
        far: Bools = (vectors @ self.known.T).max(axis=1) < self.reach
        return far

    def hear(self, vector: Array) -> Heard:
        """Tell what is heard in a track by its unit vector [dim], and what cannot be said."""
        probabilities = self.say(vector)
        about = {tag.name: tag for tag in self.tags}
        non_music = bool(self.non_music(vector[None])[0])
        familiar = non_music or not self.unfamiliar(vector[None])[0]
        said = tuple(
            name
            for name, p in probabilities.items()
            if familiar
            and p >= about[name].threshold
            and (about[name].kind == "non-music") == non_music
        )
        kinds = {tag.kind for tag in self.tags} - {about[name].kind for name in said}
        unsure = () if non_music else tuple(kind for kind in _ALWAYS if kind in kinds)
        return Heard(probabilities, said, unsure, non_music, familiar)


def describing_tags(head: TagHead | None, vectors: Array) -> list[list[str]]:
    """Name the tags that :meth:`TagHead.hear` says of vectors [n, dim], the most probable first.

    Not genres and eras: of these people have ideas of their own. None without a head.
    """
    if head is None:
        return [[] for _ in vectors]
    kinds = {tag.name: tag.kind for tag in head.tags}
    heard = (head.hear(vector).said for vector in vectors)
    return [[name for name in said if kinds[name] not in ("genre", "era")] for said in heard]


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
