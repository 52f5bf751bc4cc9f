"""Several students as one teacher, asked at each step about the very windows that are shown.

A student costs a hundredth of what a published teacher costs, so that it need not be asked once
and remembered: whatever is mixed or shifted, it says what it hears. So one student learns what
several know, without learning clips by heart; see Beyer et al., "Knowledge distillation: a good
teacher is patient and consistent", CVPR 2022.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from musicu.audio.mel import LogMel
from musicu.errors import ModelError
from musicu.training.data import Material, embed_windows
from musicu.training.network import Student
from musicu.training.objectives import Rows, Targets, draw_windows
from musicu.training.torch_mel import compress

__all__ = ["Ensemble", "Imitation"]

# Windows that the common space is fitted to.
_FIT_ROWS = 12_000


class Ensemble(nn.Module):
    """Students side by side, and the principal components of what they say together.

    Parameters
    ----------
    members : sequence of Student
        All hear the same front end. They are frozen.
    answers : np.ndarray [shape=(n, sum of dims), float32]
        What the members say of the windows that the common space is fitted to, see
        :meth:`members_say`.
    dim, whiten
        Of the :class:`musicu.training.objectives.Targets`; each member weighs the same.
    """

    def __init__(
        self,
        members: Sequence[Student],
        answers: NDArray[np.float32],
        *,
        dim: int,
        whiten: float,
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(members).requires_grad_(requires_grad=False).eval()
        blocks = [(member.refined or member.project).out_features for member in members]
        targets = Targets.fit(answers, dim, whiten=whiten, blocks=blocks)
        self.project = nn.Linear(len(targets.mean), dim).requires_grad_(requires_grad=False)
        weight = torch.from_numpy(targets.components / targets.scale[:, None]).T
        self.project.weight.copy_(weight)
        self.project.bias.copy_(-weight @ torch.from_numpy(targets.mean))

    @staticmethod
    def members_say(members: Sequence[Student], x: Tensor) -> Tensor:
        """Return what the members say of compressed windows, end to end: [n, sum of dims]."""
        return torch.cat([member(x) for member in members], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Embed compressed windows [n, time, mel] as unit vectors [n, dim]."""
        members: Sequence[Student] = self.members  # type: ignore[assignment]
        return nn.functional.normalize(self.project(self.members_say(members, x)), dim=1)


class Imitation:
    """Say what an ensemble says, of anything.

    Parameters
    ----------
    material : Material
        Windows; no answers are needed.
    members : sequence of Student
        Whom to imitate.
    front_end : LogMel
        What they and the student hear.
    dim, whiten
        Of the :class:`Ensemble`, fitted to clean windows of the training part.
    batch : int
        Views a step; each gives two windows.
    fit_views : np.ndarray [shape=(views,), bool]
        Views that may shape the common space.
    seed : int
        Of the windows that it is fitted to.

    Raises
    ------
    ModelError
        No view may shape the space.
    """

    figure = "cosine to the ensemble's answers"

    def __init__(
        self,
        material: Material,
        members: Sequence[Student],
        front_end: LogMel,
        *,
        dim: int,
        whiten: float,
        batch: int,
        fit_views: NDArray[np.bool_],
        seed: int,
    ) -> None:
        self.material, self.front_end, self.batch = material, front_end, batch
        rows = np.flatnonzero((material.clean & ~material.held & fit_views)[material.view])
        if not len(rows):
            raise ModelError("no training clip is in the folders that shape the targets")
        if len(rows) > _FIT_ROWS:
            rows = np.sort(np.random.default_rng(seed).choice(rows, _FIT_ROWS, replace=False))
        for member in members:
            member.eval()
        answers = embed_windows(
            lambda x: Ensemble.members_say(members, x), material, rows, front_end
        ).numpy()
        self.ensemble = Ensemble(members, answers, dim=dim, whiten=whiten)

    def draw(self, rng: np.random.Generator) -> Rows:
        """Choose views by their weight, and two windows of each."""
        return draw_windows(self.material, self.batch, rng)

    def wanted_of(self, rows: Rows) -> Tensor:
        """Return the ensemble's answers to the rows."""
        return embed_windows(self.ensemble, self.material, rows, self.front_end)

    def loss(self, z: Tensor, rows: Rows, power: Tensor, partner: Tensor, weight: Tensor) -> Tensor:
        """1 - cosine to what the ensemble says of the same windows, undistorted."""
        with torch.no_grad():
            wanted = self.ensemble(compress(power, self.front_end))
        loss: Tensor = 1 - (z * wanted).sum(dim=1).mean()
        return loss

    def measure(self, z: Tensor, rows: Rows) -> float:
        """Mean cosine to the ensemble's answers."""
        return float((z * self.wanted_of(rows)).sum(dim=1).mean())
