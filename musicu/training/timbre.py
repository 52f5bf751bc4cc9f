"""Timbre as it is: statistics of cepstra, beside what a network was taught."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct
from torch import Tensor, nn

__all__ = ["Cepstra", "beside"]

Array = NDArray[np.float32]

_CEPSTRA = 24
# Of the 72 statistics' principal components; the rest is mostly noise, and would be whitened, too.
_COMPONENTS = 40


class Cepstra(nn.Module):
    """Describe the timbre of windows by their mel cepstra.

    The oldest description of timbre there is (Logan, "Mel frequency cepstral coefficients for music
    modeling", ISMIR 2000), and close to what a small network forgets first: how a record sounds,
    whatever is played. The zeroth coefficient, the level, is left out, and frames weigh by their
    level, so that silence says nothing.

    Parameters
    ----------
    n_mels : int
        Bands of the windows.
    """

    cosines: Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        cosines = dct(np.eye(n_mels), norm="ortho")[:, 1 : _CEPSTRA + 1]
        self.register_buffer("cosines", torch.from_numpy(cosines.astype(np.float32)))

    def forward(self, x: Tensor) -> Tensor:
        """Describe compressed windows [batch, time, mel].

        Returns
        -------
        Tensor [shape=(batch, 72)]
            Mean and standard deviation over time of 24 coefficients, and the standard deviation of
            their changes from frame to frame.
        """
        c, level = x @ self.cosines, x.mean(dim=2, keepdim=True)
        mean, spread = _weighted(c, level)
        change = _weighted(c[:, 1:] - c[:, :-1], torch.minimum(level[:, 1:], level[:, :-1]))
        return torch.cat([mean, spread, change[1]], dim=1)


def _weighted(c: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over time."""
    weight = weight / weight.sum(dim=1, keepdim=True).clamp_min(1e-12)
    mean = (weight * c).sum(dim=1, keepdim=True)
    return mean.squeeze(1), (weight * (c - mean).square()).sum(dim=1).sqrt()


def beside(vectors: Array, timbre: Array, *, share: float, dim: int) -> tuple[Array, Array]:
    """Fit the map of ``[vectors, timbre]`` to one vector that compares both.

    The timbre is whitened: its loudest components say little about who plays. Both parts are
    brought to a common spread, and the whole is turned to its ``dim`` principal axes.

    Parameters
    ----------
    vectors : np.ndarray [shape=(n, d), float32]
        What the network says of each clip.
    timbre : np.ndarray [shape=(n, 72), float32]
        Mean of :class:`Cepstra` over each clip's windows.
    share : float > 0
        Spread of the timbre beside the vectors' (1: it weighs as much as they do).
    dim : int <= d
        Length of the result.

    Returns
    -------
    weight : np.ndarray [shape=(dim, d + 72), float32]
    bias : np.ndarray [shape=(dim,), float32]
        Takes the clips' mean away.
    """
    x = np.concatenate([vectors, timbre], axis=1).astype(np.float64)
    mean, d = x.mean(axis=0), vectors.shape[1]
    x -= mean
    scale = np.maximum(x[:, d:].std(axis=0), 1e-6)
    values, axes = _principal(x[:, d:] / scale, _COMPONENTS)
    whitened = axes / np.sqrt(np.maximum(values, max(1e-6 * values[0], 1e-12))) / scale[:, None]
    parts = np.zeros((x.shape[1], d + whitened.shape[1]))
    parts[:d, :d] = np.eye(d) / _size(x[:, :d])
    parts[d:, d:] = share * whitened / _size(x[:, d:] @ whitened)
    weight = (parts @ _principal(x @ parts, dim)[1]).T
    return weight.astype(np.float32), (-weight @ mean).astype(np.float32)


def _principal(
    x: NDArray[np.float64], components: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values, axes = np.linalg.eigh(x.T @ x / len(x))
    return values[::-1][:components], axes[:, ::-1][:, :components]


def _size(x: NDArray[np.float64]) -> float:
    return max(float(np.sqrt((x**2).sum(axis=1).mean())), 1e-12)
