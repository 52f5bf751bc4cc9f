"""What a student is trained for: to say what its teachers say, or to bring labels together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musicu.arrays import unit_rows
from musicu.errors import ModelError
from musicu.evaluation.retrieval_metrics import average_precision, similarities
from musicu.training.data import Material
from musicu.training.labels import Labels
from musicu.training.losses import contrast, likeness, soft_neighbors

__all__ = ["Distillation", "Labelling", "Objective", "Targets", "label_tensors"]

Rows = NDArray[np.int64]

# Answers that the principal components are computed from, at most.
_FIT_ROWS = 100_000
_CHUNK = 10_000


class Objective(Protocol):
    """What windows to show, what is wanted of them, and how well that is met."""

    figure: str

    def draw(self, rng: np.random.Generator) -> Rows:
        """Choose the rows of a step."""

    def loss(self, z: Tensor, rows: Rows, partner: Tensor, weight: Tensor) -> Tensor:
        """Judge unit vectors [n, dim] of these rows, into which ``rows[partner]`` were mixed.

        ``weight`` [n] is the partner's share of what is wanted.
        """

    def measure(self, z: Tensor, rows: Rows) -> float:
        """Measure ``figure`` on unit vectors of held-out rows."""


@dataclass(frozen=True)
class Targets:
    """The space the student learns to speak in: principal components of the teachers' answers.

    Attributes
    ----------
    mean, scale : np.ndarray [shape=(d,)]
        What is taken off each of the answers' dimensions, and what each is divided by: one number
        an output. Dimensions are not standardized one by one: what hardly varies in the music
        learned from (voices, among games) would count for most in other music.
    components : np.ndarray [shape=(d, dim)]
        Principal axes, scaled.
    """

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    components: NDArray[np.float32]

    @classmethod
    def fit(
        cls, answers: NDArray[Any], dim: int, *, whiten: float, blocks: Sequence[int]
    ) -> Targets:
        """Fit to answers [n, d].

        Parameters
        ----------
        answers : np.ndarray [shape=(n, d)]
            The teachers' answers, all outputs end to end.
        dim : int
            Components to keep.
        whiten : float in [0, 1]
            How far the components are brought to equal spread: 0 keeps the teachers' own geometry,
            1 whitens it.
        blocks : sequence of int
            Lengths of the outputs; each output weighs the same, whatever its length.

        Raises
        ------
        ModelError
            The answers have fewer than ``dim`` numbers.
        """
        if dim > answers.shape[1]:
            raise ModelError(
                f"the teachers say {answers.shape[1]} numbers a window: dim cannot be {dim}"
            )
        x = answers.astype(np.float32)
        mean = x.mean(axis=0)
        ends = np.cumsum(blocks)
        spread = [
            float(np.sqrt(x[:, e - n : e].var(axis=0).sum()))
            for n, e in zip(blocks, ends, strict=True)
        ]
        scale = np.repeat(np.maximum(spread, 1e-12), blocks).astype(np.float32)
        x = (x - mean) / scale
        values, vectors = np.linalg.eigh(np.cov(x, rowvar=False))
        values, vectors = values[::-1][:dim], vectors[:, ::-1][:, :dim]
        # Few clips leave components without any spread; they must stay small.
        components = vectors / np.maximum(values, 1e-6 * values[0]) ** (whiten / 2)
        return cls(mean, scale, components.astype(np.float32))

    def __call__(self, answers: NDArray[Any]) -> NDArray[np.float32]:
        """Map answers [n, d] to unit vectors [n, dim]."""
        z = ((answers.astype(np.float32) - self.mean) / self.scale) @ self.components
        return np.asarray(unit_rows(z), dtype=np.float32)


class Distillation:
    """Learn the direction of the teachers' answers, with a weak contrast between clips.

    Parameters
    ----------
    material : Material
        Windows with answers.
    dim, whiten
        Of the :class:`Targets`, fitted to the clean windows of the training part.
    batch : int
        Views a step; each gives two windows.
    weight : float >= 0
        Weight of the contrast.
    temperature : float > 0
        Its temperature.
    fit_views : np.ndarray [shape=(views,), bool] or None
        Views that may shape the targets; None: all.
    seed : int
        Of the windows the targets are fitted to, where there are very many.
    """

    figure = "cosine to the teachers' answers"

    def __init__(
        self,
        material: Material,
        *,
        dim: int,
        whiten: float,
        batch: int,
        weight: float,
        temperature: float,
        fit_views: NDArray[np.bool_] | None = None,
        seed: int = 0,
    ) -> None:
        self.material, self.batch = material, batch
        self.weight, self.temperature = weight, temperature
        wanted = material.clean & ~material.held
        if fit_views is not None:
            wanted = wanted & fit_views
        rows = np.flatnonzero(wanted[material.view])
        if not len(rows):
            raise ModelError("no training clip is in the folders that shape the targets")
        if len(rows) > _FIT_ROWS:
            rows = np.sort(np.random.default_rng(seed).choice(rows, _FIT_ROWS, replace=False))
        self.targets = Targets.fit(
            material.answers[rows], dim, whiten=whiten, blocks=material.blocks
        )
        chunks = range(0, len(material.answers), _CHUNK)
        self.wanted = torch.from_numpy(
            np.concatenate([self.targets(material.answers[i : i + _CHUNK]) for i in chunks])
        )
        self._bounds = np.searchsorted(material.view, np.arange(len(material.clip) + 1))
        self._chance = material.weight / material.weight.sum()

    def refine(self, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        """Want the map ``x @ weight.T + bias`` of the teachers' answers, as unit vectors.

        A small student cannot learn all of an answer. Under a map that labels were fitted to, what
        they tell apart is large, and is learned best.
        """
        mapped = self.wanted @ torch.from_numpy(weight).T + torch.from_numpy(bias)
        self.wanted = torch.nn.functional.normalize(mapped, dim=1)

    def draw(self, rng: np.random.Generator) -> Rows:
        """Choose views by their weight, and two windows of each."""
        replace = int((self._chance > 0).sum()) < self.batch
        chosen = rng.choice(len(self._chance), size=self.batch, replace=replace, p=self._chance)
        return _two_windows(chosen, self._bounds, rng)

    def loss(self, z: Tensor, rows: Rows, partner: Tensor, weight: Tensor) -> Tensor:
        """1 - cosine to the targets, and the contrast between views."""
        wanted = self.wanted[rows]
        wanted = torch.lerp(wanted, wanted[partner], weight[:, None])
        loss = 1 - torch.nn.functional.cosine_similarity(z, wanted, dim=1).mean()
        if self.weight:
            view = torch.from_numpy(self.material.view[rows])
            loss = loss + self.weight * contrast(z, view, self.temperature)
        return loss

    def measure(self, z: Tensor, rows: Rows) -> float:
        """Mean cosine to the targets."""
        return float((z * self.wanted[rows]).sum(dim=1).mean())


class Labelling:
    """Learn from labels alone: windows of a clip, clips of an artist, clips with like labels.

    Parameters
    ----------
    material : Material
        Windows; no answers are needed.
    labels : Labels
        Of the clips.
    batch : int
        Clips a step, half of them drawn by weight, each with another clip of its artist if there
        is one; each gives two windows.
    temperature : float > 0
        Of all three losses, which weigh the same.
    """

    def __init__(
        self, material: Material, labels: Labels, *, batch: int, temperature: float
    ) -> None:
        self.material, self.batch, self.temperature = material, batch, temperature
        self._artist, self._single, self._multi = label_tensors(labels)
        artists = self._artist[material.clip]
        self._by_artist = {
            int(artist): np.flatnonzero((artists == artist) & ~material.held)
            for artist in np.unique(artists)
        }
        self._bounds = np.searchsorted(material.view, np.arange(len(material.clip) + 1))
        self._chance = material.weight / material.weight.sum()
        # By artists if the held-out part has two clips of one, else by clips.
        held = material.held & material.clean
        counts = np.bincount(artists[held], minlength=1)
        self._by = "artist" if counts.max() > 1 else "clip"
        self.figure = f"same-{self._by} MAP"

    def draw(self, rng: np.random.Generator) -> Rows:
        """Choose clips with a companion each, and two windows of all."""
        half = max(1, self.batch // 2)
        replace = int((self._chance > 0).sum()) < half
        first = rng.choice(len(self._chance), size=half, replace=replace, p=self._chance)
        clip = self.material.clip
        second = []
        for view in first:
            same = self._by_artist[int(self._artist[clip[view]])]
            others = same[clip[same] != clip[view]]
            if len(others):
                second.append(int(rng.choice(others)))
            else:
                second.append(int(rng.choice(len(self._chance), p=self._chance)))
        return _two_windows(np.concatenate([first, second]), self._bounds, rng)

    def loss(self, z: Tensor, rows: Rows, partner: Tensor, weight: Tensor) -> Tensor:
        """SupCon by clip and by artist, and soft neighbors by the other labels."""
        clip = self.material.clip[self.material.view[rows]]
        clips = torch.from_numpy(clip)
        artist = torch.from_numpy(self._artist[clip])
        loss = contrast(z, clips, self.temperature) + contrast(z, artist, self.temperature)
        if len(self._single) or self._multi:
            alike = likeness(self._single[:, clips], [hot[clips] for hot in self._multi])
            loss = loss + soft_neighbors(
                z, alike, artist[:, None] != artist[None], self.temperature
            )
        return loss

    def measure(self, z: Tensor, rows: Rows) -> float:
        """Mean average precision of the search for windows by the same artist, or of the clip."""
        clip = self.material.clip[self.material.view[rows]]
        artist = self._artist[clip]
        if self._by == "artist":
            candidates = clip[:, None] != clip
            relevant = (artist[:, None] == artist) & candidates
        else:
            candidates = ~np.eye(len(rows), dtype=np.bool_)
            relevant = (clip[:, None] == clip) & candidates
        each = average_precision(similarities(z.numpy()), relevant, candidates)
        return float(np.nanmean(each)) if np.isfinite(each).any() else float("nan")


def label_tensors(labels: Labels) -> tuple[NDArray[np.int64], Tensor, list[Tensor]]:
    """Turn labels into numbers.

    Returns
    -------
    artist : np.ndarray [shape=(n,), int64]
    single : Tensor [shape=(columns, n), int64]
        Below 0 is unknown.
    multi : list of Tensor [shape=(n, labels), float32]
        One many-hot matrix a column.
    """
    artist = np.unique(labels.artist, return_inverse=True)[1].astype(np.int64)
    codes = [torch.from_numpy(_codes(values)) for values in labels.single.values()]
    single = torch.stack(codes) if codes else torch.empty(0, len(artist), dtype=torch.int64)
    return artist, single, [_hot(sets) for sets in labels.multi.values()]


def _two_windows(views: NDArray[np.int64], bounds: Rows, rng: np.random.Generator) -> Rows:
    low, high = np.repeat(bounds[views], 2), np.repeat(bounds[views + 1], 2)
    return rng.integers(low, high)


def _codes(values: NDArray[np.str_]) -> NDArray[np.int64]:
    """Turn labels into numbers; the empty one is -1."""
    names = {name: number for number, name in enumerate(sorted(set(values.tolist()) - {""}))}
    return np.array([names.get(value, -1) for value in values.tolist()], dtype=np.int64)


def _hot(sets: Sequence[frozenset[str]]) -> Tensor:
    names = {name: number for number, name in enumerate(sorted(frozenset().union(*sets)))}
    hot = torch.zeros(len(sets), len(names))
    for row, names_of in enumerate(sets):
        hot[row, [names[name] for name in names_of]] = 1.0
    return hot
