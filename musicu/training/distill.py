"""The training loop: seeded by the step, so that a stopped run ends as an undisturbed one does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from musicu.audio.mel import LogMel
from musicu.errors import ModelError
from musicu.training.augment import augment, mask, mix_windows
from musicu.training.data import Material
from musicu.training.network import Student
from musicu.training.objectives import Distillation, Objective
from musicu.training.start import load_checkpoint, load_student
from musicu.training.torch_mel import compress

__all__ = ["Figures", "Recipe", "distil", "embed_windows"]

_EMA = 0.999
# A student that starts from another's weights averages over 500 steps from its first one.
_STARTED = 500
_FLAT_WARM_UP = 150
# Less than this is no gain: it is the noise between two evaluations.
_GAIN = 0.001
_HELD_OUT_WINDOWS = 1000
_RIDGE_WINDOWS = 6000
_STATISTICS_WINDOWS = 512
# Processors with smaller registers than AVX-512's emulate bfloat16, a hundred times as slowly.
_BFLOAT16 = torch.backends.cpu.get_cpu_capability() not in {"DEFAULT", "NO AVX", "AVX2"}
_RIDGE = 0.03


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
    flat : bool
        No cosine: constant after the warm-up, for a run that others start from.
    whiten : float in [0, 1]
        See :class:`musicu.training.objectives.Targets`.
    contrast : float >= 0
        Weight of the loss that draws two windows of one clip together (SupCon, Khosla et al. 2020).
    temperature : float > 0
        Temperature of the contrastive losses.
    views : int >= 0
        Altered versions of each clip besides the clean one.
    mix : float in [0, 1]
        Share of the windows that another one is mixed into, with a teacher's answer to the mixture
        estimated from both: against learning few clips by heart.
    dropout : float in [0, 1)
        Share of the pooled features that are left out at random in training.
    every : int >= 1
        Steps between evaluations; each saves a checkpoint.
    patience : int >= 0
        Evaluations without a gain of 0.001 after which to stop; 0: never. Off by default, since
        much of the gain comes last, when the cosine lets the rate go to zero.
    seed : int
        Seed of everything drawn at random.
    """

    dim: int = 256
    windows: int = 400_000
    batch: int = 64
    lr: float = 2e-3
    weight_decay: float = 0.05
    flat: bool = False
    whiten: float = 0.5
    contrast: float = 0.1
    temperature: float = 0.1
    views: int = 1
    mix: float = 0.0
    dropout: float = 0.0
    every: int = 200
    patience: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"dim": 1, "windows": 1, "batch": 2, "views": 0, "every": 1, "patience": 0}
        for name, value in {**least, "contrast": 0, "seed": 0}.items():
            if not getattr(self, name) >= value:
                raise ModelError(f"recipe: {name} must be at least {value}")
        if not 0 <= self.whiten <= 1 or not self.lr > 0 or not self.temperature > 0:
            raise ModelError("recipe: whiten must lie in [0, 1], lr and temperature be above 0")
        if not 0 <= self.mix <= 1 or not 0 <= self.dropout < 1:
            raise ModelError("recipe: mix must lie in [0, 1], dropout in [0, 1)")

    @property
    def steps(self) -> int:
        """Steps in all."""
        return max(1, self.windows // (2 * self.batch))


@dataclass(frozen=True)
class Figures:
    """Where a run is; loss and the held-out figure are there after each evaluation only.

    Attributes
    ----------
    step, steps : int
        Steps done, steps in all.
    loss : float or None
        Mean since the last evaluation.
    held_out : float or None
        The objective's figure on held-out clean windows; NaN without any.
    """

    step: int
    steps: int
    loss: float | None = None
    held_out: float | None = None


def distil(
    material: Material,
    objective: Objective,
    recipe: Recipe,
    front_end: LogMel,
    folder: Path,
    *,
    fingerprint: str = "",
    start_from: Path | None = None,
) -> Iterator[Figures]:
    """Train, with a checkpoint in ``folder`` to go on from; yield figures at each step.

    Parameters
    ----------
    material : Material
        The windows.
    objective : Objective
        What is wanted of them.
    recipe : Recipe
        How to train.
    front_end : LogMel
        What the student hears.
    folder : Path
        Where ``checkpoint.pt`` and ``log.csv`` are kept.
    fingerprint : str
        Names all settings; only a checkpoint of the same is continued.
    start_from : Path, optional
        A checkpoint or graph to start from, see :class:`musicu.training.start.Start`. In
        distillation the last layer is then fitted to the targets by ridge regression.

    Yields
    ------
    Figures
        Those of a continued run begin with the last ones of before.

    Raises
    ------
    ModelError
        The checkpoint is of other settings.
    """
    torch.manual_seed(recipe.seed)
    student = Student(recipe.dim, recipe.dropout)
    checkpoint = folder / "checkpoint.pt"
    if start_from is not None and not checkpoint.exists():
        _initialize(student, start_from, material, objective, front_end, recipe.seed)
    placed: Any = student  # not all versions of torch declare what this takes
    placed.to(memory_format=torch.channels_last)
    average = Student(recipe.dim).requires_grad_(requires_grad=False).eval()
    average.load_state_dict(student.state_dict())
    optimizer = torch.optim.AdamW(
        student.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda s: _rate(s, recipe.steps, flat=recipe.flat)
    )
    held = np.flatnonzero((material.held & material.clean)[material.view])
    held = held[:: max(1, len(held) // _HELD_OUT_WINDOWS)]
    history: list[list[float]] = []
    best: dict[str, Any] = {}
    first = 0
    if checkpoint.exists():
        state = load_checkpoint(checkpoint)
        if state.get("fingerprint") != fingerprint:
            raise ModelError(f"{checkpoint}: of other settings; name another work folder")
        student.load_state_dict(state["student"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        best, first = state["best"], state["step"]
        history = state["history"].tolist()
        _write_log(folder / "log.csv", history)
        yield Figures(first, recipe.steps, *history[-1][1:])

    running = 0.0
    for step in range(first, recipe.steps):
        if _stalled([row[2] for row in history], recipe.patience):
            return
        # Seeded by the step: a stopped run goes on with what it would have seen.
        rng = np.random.default_rng((recipe.seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        rows = objective.draw(rng)
        power = material.windows(rows, front_end.window, rng)
        power, partner, weight = mix_windows(power, recipe.mix, generator)
        x = mask(compress(augment(power, generator), front_end), generator)
        student.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=_BFLOAT16):
            z = student(x)
        loss = objective.loss(z, rows, partner, weight)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        _average(average, student, step + (_STARTED if start_from is not None else 0))
        running += float(loss.detach())
        done = step + 1
        if done % recipe.every and done < recipe.steps:
            yield Figures(done, recipe.steps)
            continue
        figure = float("nan")
        if len(held):
            figure = objective.measure(embed_windows(average, material, held, front_end), held)
        earlier = [row[2] for row in history]
        if not earlier or not figure <= max(earlier):  # nor is NaN: then the last is the best
            best = {name: value.clone() for name, value in average.state_dict().items()}
        mean_loss = running / (step % recipe.every + 1)
        history.append([float(done), mean_loss, figure])
        running = 0.0
        state = {
            "fingerprint": fingerprint,
            "recipe": {"dim": recipe.dim},
            "student": student.state_dict(),
            "average": average.state_dict(),
            "best": best,
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "history": torch.tensor(history, dtype=torch.float64),
            "step": done,
        }
        torch.save(state, checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").replace(checkpoint)
        _write_log(folder / "log.csv", history)
        yield Figures(done, recipe.steps, mean_loss, figure)


@torch.no_grad()
def embed_windows(
    say: Callable[[Tensor], Tensor],
    material: Material,
    rows: NDArray[np.int64],
    front_end: LogMel,
) -> Tensor:
    """Let a student, or what else takes compressed windows, say what it hears: [n, dim]."""
    batches = (rows[i : i + 128] for i in range(0, len(rows), 128))
    return torch.cat(
        [say(compress(material.windows(b, front_end.window), front_end)) for b in batches]
    )


@torch.no_grad()
def _initialize(
    student: Student,
    file: Path,
    material: Material,
    objective: Objective,
    front_end: LogMel,
    seed: int,
) -> None:
    """Take over another student; its last layer too, if nothing better can be computed."""
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero((material.clean & ~material.held)[material.view])
    rows = rng.choice(rows, min(_RIDGE_WINDOWS, len(rows)), replace=False)
    heard = material.windows(rows[:_STATISTICS_WINDOWS], front_end.window)
    other = load_student(file, compress(heard, front_end))
    student.features.load_state_dict(other.features.state_dict())
    if not isinstance(objective, Distillation):
        if other.project.out_features == student.project.out_features:
            student.project.load_state_dict(other.project.state_dict())
        return
    student.eval()
    x, y = (
        embed_windows(student.pool, material, rows, front_end).double(),
        objective.wanted[rows].double(),
    )
    x_mean, y_mean = x.mean(dim=0), y.mean(dim=0)
    x = x - x_mean
    gram = x.T @ x
    ridge = _RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=torch.float64)
    weight = torch.linalg.solve(gram + ridge, x.T @ (y - y_mean))
    student.project.weight.copy_(weight.T)
    student.project.bias.copy_(y_mean - x_mean @ weight)


def _rate(step: int, steps: int, *, flat: bool) -> float:
    """Learning rate's share: linear warm-up, then constant or a cosine to zero."""
    if flat:
        return min(1.0, (step + 1) / _FLAT_WARM_UP)
    warm = max(1, steps // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _stalled(figures: list[float], patience: int) -> bool:
    best, waited = -math.inf, 0
    for figure in figures:
        if figure >= best + _GAIN:
            best, waited = figure, 0
        else:
            waited += 1
    return 0 < patience <= waited


def _write_log(file: Path, history: list[list[float]]) -> None:
    lines = [f"{int(step)},{loss:.6f},{held:.6f}\n" for step, loss, held in history]
    file.write_text("step,loss,held_out\n" + "".join(lines))


@torch.no_grad()
def _average(average: nn.Module, student: nn.Module, step: int) -> None:
    """Exponential moving average of weights and statistics, short at the start."""
    keep = min(_EMA, (step + 1) / (step + 10))
    for old, new in zip(average.state_dict().values(), student.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - keep)
        else:
            old.copy_(new)
