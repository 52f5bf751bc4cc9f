"""The student: a small inverted-residual CNN over one log-mel window."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from musicu.training.timbre import Cepstra

__all__ = ["Student"]

# Three dense 3x3 convolutions bring the map down to 12 x 24: on a CPU they train twice as fast as
# inverted residuals of the same cost, which move more memory than they multiply.
_STEM = (16, 24, 48)
# (channels, expansion, stride over mel and time, blocks). The last stage halves the mel axis only,
# so that the pooling still sees time.
_STAGES = (
    (48, 3, (1, 1), 1),
    (96, 4, (2, 2), 3),
    (160, 4, (2, 1), 3),
)
_HEAD = 640


def _convolution(n_in: int, n_out: int, size: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(n_in, n_out, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(n_out),
        nn.ReLU(inplace=True),
    ]


class _Depthwise(nn.Conv2d):
    """A depthwise convolution that trains fast.

    On a CPU the gradient of a strided one takes four times that of an unstrided one, of whose map
    only the wanted part is kept: the same numbers, and a step takes two thirds of the time.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.stride == (1, 1):
            return super().forward(x)
        whole = nn.functional.conv2d(x, self.weight, None, 1, self.padding, 1, self.groups)
        part = whole[:, :, :: self.stride[0], :: self.stride[1]]
        return part.contiguous(memory_format=torch.channels_last)


class _InvertedResidual(nn.Sequential):
    """Expand, filter each channel, project; after Sandler et al., "MobileNetV2", CVPR 2018."""

    def __init__(self, n_in: int, n_out: int, expand: int, stride: tuple[int, int]) -> None:
        wide = n_in * expand
        super().__init__(
            nn.Conv2d(n_in, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(inplace=True),
            _Depthwise(wide, wide, 3, stride, 1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU(inplace=True),
            nn.Conv2d(wide, n_out, 1, bias=False),
            nn.BatchNorm2d(n_out),
        )
        self.residual = stride == (1, 1) and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for layer in self:
            y = layer(y)
        return x + y if self.residual else y


class Student(nn.Module):
    """Map windows to unit vectors.

    Parameters
    ----------
    dim : int
        Length of the vectors.
    dropout : float in [0, 1)
        Share of the pooled features that are left out in training.
    """

    def __init__(self, dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 1
        for n_out in _STEM:
            layers += _convolution(channels, n_out, 3, 2)
            channels = n_out
        for n_out, expand, stride, blocks in _STAGES:
            for block in range(blocks):
                step = stride if block == 0 else (1, 1)
                layers.append(_InvertedResidual(channels, n_out, expand, step))
                channels = n_out
        layers += _convolution(channels, _HEAD, 1, 1)
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(2 * _HEAD, dim)
        self.refined: nn.Linear | None = None
        self.timbre: Cepstra | None = None

    def pool(self, x: Tensor) -> Tensor:
        """Mean and maximum of the last maps: what the linear layer gets, [batch, 1280]."""
        maps = self.features(x.transpose(1, 2).unsqueeze(1)).float()
        return torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Embed compressed windows [batch, time, mel] as unit vectors [batch, dim].

        A refined student's vectors are mapped and no unit vectors any more: so the map of a
        track's mean is the mean of its windows' maps.
        """
        z = nn.functional.normalize(self.project(self.dropout(self.pool(x))), dim=1)
        if self.refined is not None:
            if self.timbre is not None:
                z = torch.cat([z, self.timbre(x)], dim=1)
            z = self.refined(z)
        return z

    def refine(self, weight: Tensor, bias: Tensor, timbre: Cepstra | None = None) -> None:
        """Add a last layer: ``z @ weight.T + bias`` of unit vectors, or of them and the timbre.

        Parameters
        ----------
        weight : Tensor [shape=(n, dim) or (n, dim + 72)]
            With timbre 72 columns more.
        bias : Tensor [shape=(n,)]
        timbre : Cepstra, optional
            Describes it.
        """
        self.refined = nn.Linear(weight.shape[1], len(weight))
        self.refined.load_state_dict({"weight": weight, "bias": bias})
        self.timbre = timbre
