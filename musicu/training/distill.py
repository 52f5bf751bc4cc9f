"""Distil a teacher into a small encoder: targets, the loop, and the model folder that comes out."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from musicu.errors import ModelError
from musicu.mel import FrontEnd
from musicu.training.augment import augment, compress, mask
from musicu.training.data import Material
from musicu.training.network import Student

__all__ = ["Recipe", "Targets", "distil", "export"]

_EMA = 0.999


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train.

    Attributes
    ----------
    dim : int
        Length of the embedding.
    windows : int
        Windows to show in all.
    batch : int
        Clips a step; each gives two windows.
    lr, weight_decay : float
        AdamW's settings; 5 % warm-up, then a cosine to zero.
    whiten : float in [0, 1]
        How far the target's principal components are brought to equal spread: 0 keeps the teacher's
        own geometry, 1 whitens it.
    contrast : float >= 0
        Weight of the loss that draws two windows of one clip together (SupCon, Khosla et al. 2020).
    temperature : float > 0
        Temperature of that loss.
    seed : int
        Seed of everything drawn at random.
    """

    dim: int = 256
    windows: int = 400_000
    batch: int = 64
    lr: float = 2e-3
    weight_decay: float = 0.05
    whiten: float = 0.5
    contrast: float = 0.1
    temperature: float = 0.1
    seed: int = 0


@dataclass(frozen=True)
class Targets:
    """The space the student learns to speak in: principal components of the teacher's answers.

    Attributes
    ----------
    mean, scale : np.ndarray [shape=(d,)]
        Standardization of each of the teacher's dimensions.
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
            The teacher's answers, its outputs end to end.
        dim : int
            Components to keep.
        whiten : float in [0, 1]
            See :class:`Recipe`.
        blocks : sequence of int
            Lengths of the outputs; each output weighs the same, whatever its length.

        Raises
        ------
        ModelError
            The answers have fewer than ``dim`` numbers.
        """
        if dim > answers.shape[1]:
            raise ModelError(
                f"the teacher says {answers.shape[1]} numbers a window: dim cannot be {dim}"
            )
        x = answers.astype(np.float32)
        mean, scale = x.mean(axis=0), x.std(axis=0)
        scale = np.maximum(scale, 1e-3 * scale.max())
        scale *= np.sqrt(np.repeat(blocks, blocks).astype(np.float32))
        x = (x - mean) / scale
        values, vectors = np.linalg.eigh(np.cov(x, rowvar=False))
        values, vectors = values[::-1][:dim], vectors[:, ::-1][:, :dim]
        components = vectors / np.maximum(values, 1e-9) ** (whiten / 2)
        return cls(mean, scale, components.astype(np.float32))

    def __call__(self, answers: NDArray[Any]) -> NDArray[np.float32]:
        """Map answers [n, d] to unit vectors [n, dim]."""
        z = ((answers.astype(np.float32) - self.mean) / self.scale) @ self.components
        return np.asarray(z / np.linalg.norm(z, axis=1, keepdims=True), dtype=np.float32)


def distil(
    material: Material,
    recipe: Recipe,
    front_end: FrontEnd,
    folder: Path,
    *,
    hold_out: frozenset[str] = frozenset(),
    save_every: int = 200,
) -> Iterator[dict[str, float]]:
    """Train, with a checkpoint in ``folder`` to go on from; yield figures as it goes.

    Parameters
    ----------
    material : Material
        The cache.
    recipe : Recipe
        How to train.
    front_end : FrontEnd
        What the student hears.
    folder : Path
        Where ``checkpoint.pt`` is kept; one of the same recipe is continued.
    hold_out : frozenset of str
        Clips kept out of training; the figure ``held_out`` is measured on them.
    save_every : int
        Steps between checkpoints and figures.

    Yields
    ------
    dict
        ``step``, ``steps``, ``loss``, and ``held_out``: mean cosine between the averaged student
        and its targets on windows of clips it never met (NaN without any).
    """
    torch.manual_seed(recipe.seed)
    held = np.array([name in hold_out for name in material.names])[material.clips]
    targets = Targets.fit(
        material.answers[~held], recipe.dim, whiten=recipe.whiten, blocks=material.blocks
    )
    wanted = torch.from_numpy(targets(material.answers))
    test = np.flatnonzero(held)[:: max(1, int(held.sum()) // 1000)]
    by_clip = _group(material.clips, np.flatnonzero(~held))

    student = Student(recipe.dim).to(memory_format=torch.channels_last)
    average = Student(recipe.dim).requires_grad_(requires_grad=False).eval()
    average.load_state_dict(student.state_dict())
    steps = max(1, recipe.windows // (2 * recipe.batch))
    optimizer = torch.optim.AdamW(
        student.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: _rate(s, steps))
    first = 0
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        # weights_only: a checkpoint is tensors and numbers, never code.
        state = torch.load(checkpoint, weights_only=True)
        if state["recipe"] == asdict(recipe):
            student.load_state_dict(state["student"])
            average.load_state_dict(state["average"])
            optimizer.load_state_dict(state["optimizer"])
            schedule.load_state_dict(state["schedule"])
            first = state["step"]

    running = 0.0
    for step in range(first, steps):
        # Seeded by the step: a stopped run goes on with what it would have seen.
        rng = np.random.default_rng((recipe.seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        chosen = rng.choice(len(by_clip), size=recipe.batch, replace=len(by_clip) < recipe.batch)
        rows = np.concatenate([rng.choice(by_clip[c], size=2) for c in chosen])
        power = _windows(material, rows, front_end.window, rng)
        x = mask(compress(augment(power, generator), front_end), generator)
        student.train()
        with torch.autocast("cpu", torch.bfloat16):
            z = student(x)
        loss = 1 - (z * wanted[rows]).sum(dim=1).mean()
        if recipe.contrast:
            clip = torch.from_numpy(np.repeat(chosen, 2))
            loss = loss + recipe.contrast * _contrast(z, clip, recipe.temperature)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        _average(average, student, step)
        running += float(loss.detach())
        if (step + 1) % save_every == 0 or step + 1 == steps:
            count = (step % save_every) + 1
            state = {
                "recipe": asdict(recipe),
                "student": student.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
                "step": step + 1,
            }
            torch.save(state, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").replace(checkpoint)
            yield {
                "step": step + 1,
                "steps": steps,
                "loss": running / count,
                "held_out": _held_out(average, material, test, wanted, front_end),
            }
            running = 0.0


def export(checkpoint: Path, folder: Path, front_end: FrontEnd, card: dict[str, Any]) -> None:
    """Write ``encoder.onnx`` and ``config.json`` of the averaged student.

    Parameters
    ----------
    checkpoint : Path
        ``checkpoint.pt`` of :func:`distil`.
    folder : Path
        The model folder; made if need be.
    front_end : FrontEnd
        What the student hears.
    card : dict
        The other entries of ``config.json``: id, version, licence, training data.
    """
    state = torch.load(checkpoint, weights_only=True)
    student = Student(state["recipe"]["dim"]).eval()
    student.load_state_dict(state["average"])
    folder.mkdir(parents=True, exist_ok=True)
    onnx_file = folder / "encoder.onnx"
    torch.onnx.export(
        student,
        (torch.zeros(2, front_end.window, front_end.n_mels),),
        str(onnx_file),
        input_names=["logmel"],
        output_names=["embedding"],
        dynamic_axes={"logmel": {0: "batch"}, "embedding": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )
    config = {
        **card,
        "dim": state["recipe"]["dim"],
        "sha256": hashlib.sha256(onnx_file.read_bytes()).hexdigest(),
        "front_end": asdict(front_end),
        "recipe": state["recipe"],
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def _group(clips: NDArray[np.int64], rows: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows of each clip."""
    order = rows[np.argsort(clips[rows], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(clips[order])) + 1)


def _rate(step: int, steps: int) -> float:
    """Learning rate's share: linear warm-up over 5 %, cosine to zero."""
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _windows(
    material: Material, rows: NDArray[np.int64], window: int, rng: np.random.Generator | None
) -> Tensor:
    """Mel power [n, window, n_mels] at the rows' windows, moved by up to 8 frames if drawn."""
    start = material.starts[rows]
    low, high = material.bounds[rows].T
    if rng is not None:
        start = start + rng.integers(-8, 9, size=len(rows))
    start = np.clip(start, low, np.maximum(low, high - window))
    # A clip shorter than a window is repeated, as `Windower` does.
    at = low[:, None] + (start - low)[:, None] + np.arange(window)
    at = low[:, None] + (at - low[:, None]) % (high - low)[:, None]
    return torch.from_numpy(10.0 ** material.mel[at].astype(np.float32))


def _contrast(z: Tensor, clip: Tensor, temperature: float) -> Tensor:
    """SupCon: windows of one clip against the windows of all others."""
    logits = z @ z.T / temperature
    alone = torch.eye(len(z), dtype=torch.bool)
    logits = logits.masked_fill(alone, -1e4)
    positive = (clip[:, None] == clip[None]) & ~alone
    log_share = logits.log_softmax(dim=1)
    return -(log_share * positive).sum(dim=1).div(positive.sum(dim=1)).mean()


@torch.no_grad()
def _average(average: nn.Module, student: nn.Module, step: int) -> None:
    """Exponential moving average of weights and statistics, short at the start."""
    keep = min(_EMA, (step + 1) / (step + 10))
    for old, new in zip(average.state_dict().values(), student.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - keep)
        else:
            old.copy_(new)


@torch.no_grad()
def _held_out(
    average: nn.Module,
    material: Material,
    rows: NDArray[np.int64],
    wanted: Tensor,
    front_end: FrontEnd,
) -> float:
    if not len(rows):
        return float("nan")
    x = compress(_windows(material, rows, front_end.window, None), front_end)
    z = torch.cat([average(x[i : i + 128]) for i in range(0, len(x), 128)])
    return float((z * wanted[rows]).sum(dim=1).mean())
