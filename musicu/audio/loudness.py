"""Loudness of a recording as broadcasters measure it, streamed.

The signal is K-weighted (a filter close to the ear's sensitivity) and reduced to its energy in
slices of 100 ms. Everything else is computed from these slices, so two hours take half a megabyte.

References
----------
- ITU-R BS.1770-5 (2023), "Algorithms to measure audio programme loudness and true-peak audio
  level".
- EBU Tech 3342 (2023), "Loudness range: a measure to supplement EBU R 128 loudness
  normalization".
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Loudness", "LoudnessMeter", "k_weighting"]

_SLICES_PER_SECOND = 10
_BLOCK_SLICES = 4  # 400 ms: BS.1770's gating blocks; one slice of hop is 75 % overlap
_SHORT_TERM_SLICES = 30  # 3 s: Tech 3342's short-term loudness, at 10 Hz
_ABSOLUTE_GATE = -70.0  # LUFS
_SURROUND_5_1 = (1.0, 1.0, 1.0, 0.0, 1.41, 1.41)  # L R C LFE Ls Rs


@dataclass(frozen=True, kw_only=True)
class Loudness:
    """Loudness of a recording.

    Attributes
    ----------
    integrated_lufs : float or None
        Gated loudness of the whole (LUFS). None for silence and for less than 400 ms.
    range_lu : float or None
        Loudness range (LU). None for silence and for less than 3 s.
    peak_dbfs : float or None
        Largest sample (dBFS; a full-scale square wave and a full-scale sine both have 0). None for
        digital silence.
    """

    integrated_lufs: float | None
    range_lu: float | None
    peak_dbfs: float | None


def k_weighting(sr: int) -> NDArray[np.float64]:
    """K-weighting filter of BS.1770 at any sample rate.

    The standard prints coefficients for 48 kHz only. These are the bilinear transforms of the
    analog filters behind them (constants as in libebur128); at 48 kHz they are the printed ones.

    Parameters
    ----------
    sr : int
        Sample rate (Hz), above 4000.

    Returns
    -------
    np.ndarray [shape=(2, 6)]
        Second-order sections ``b0 b1 b2 a0 a1 a2``: high shelf, then high-pass.
    """
    k, q = math.tan(math.pi * 1681.974450955533 / sr), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [
        (high + band * k / q + k * k) / a0,
        2 * (k * k - high) / a0,
        (high - band * k / q + k * k) / a0,
        1.0,
        2 * (k * k - 1) / a0,
        (1 - k / q + k * k) / a0,
    ]
    k, q = math.tan(math.pi * 38.13547087602444 / sr), 0.5003270373238773
    a0 = 1 + k / q + k * k
    high_pass = [1.0, -2.0, 1.0, 1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    return np.array([shelf, high_pass])


class LoudnessMeter:
    """Integrated loudness, loudness range and sample peak of a signal that arrives in blocks.

    Parameters
    ----------
    sr : int
        Sample rate (Hz).
    channels : int
        Number of channels. Six are L R C LFE Ls Rs: the LFE is ignored and the surrounds count
        1.41-fold. All others count alike.
    """

    def __init__(self, sr: int, channels: int) -> None:
        self.sr = sr
        self._weights = np.array(_SURROUND_5_1 if channels == 6 else [1.0] * channels)
        self._filter = k_weighting(sr)
        self._state = np.zeros((2, channels, 2))
        self._slices = array("d")  # energy of each complete slice
        self._partial = 0.0  # energy of the slice that is not complete yet
        self._samples = 0
        self._peak = 0.0

    def push(self, block: NDArray[np.float32]) -> None:
        """Take the next samples.

        Parameters
        ----------
        block : np.ndarray [shape=(channels, n), float32]
            Finite samples, full scale at +-1. Any ``n``.
        """
        # One second at a time: the filter works in float64, and a long block would take gigabytes.
        for start in range(0, block.shape[1], self.sr):
            self._push_piece(block[:, start : start + self.sr])

    def _push_piece(self, block: NDArray[np.float32]) -> None:
        from scipy.signal import sosfilt  # here because importing it takes half a second

        self._peak = max(self._peak, float(block.max()), -float(block.min()))
        weighted, self._state = sosfilt(self._filter, block, zi=self._state)
        # After music ends the state decays into denormal numbers, which are slow.
        self._state[np.abs(self._state) < 1e-30] = 0.0
        energy = np.einsum("c,cn,cn->n", self._weights, weighted, weighted)

        # Slice k ends before sample k * sr // 10, also where sr / 10 is not whole.
        end = self._samples + block.shape[1]
        complete = (_SLICES_PER_SECOND * (end + 1) - 1) // self.sr
        ends = np.arange(len(self._slices) + 1, complete + 1) * self.sr // _SLICES_PER_SECOND
        sums = [float(part.sum()) for part in np.split(energy, ends - self._samples)]
        sums[0] += self._partial
        self._slices.extend(sums[:-1])
        self._partial = sums[-1]
        self._samples = end

    def result(self) -> Loudness:
        """Measure what has been pushed so far."""
        slices = np.array(self._slices) * (_SLICES_PER_SECOND / self.sr)
        return Loudness(
            integrated_lufs=_integrated(slices),
            range_lu=_range(slices),
            peak_dbfs=20 * math.log10(self._peak) if self._peak > 0 else None,
        )


def _gated(slices: NDArray[np.float64], length: int, relative_gate: float) -> NDArray[np.float64]:
    """Energies of the overlapping blocks that pass the absolute and then the relative gate."""
    if len(slices) < length:
        return np.empty(0)
    view = np.lib.stride_tricks.sliding_window_view(slices, length)
    blocks: NDArray[np.float64] = view.mean(axis=1)
    blocks = blocks[blocks > _energy(_ABSOLUTE_GATE)]
    if len(blocks):
        blocks = blocks[blocks > blocks.mean() * 10 ** (relative_gate / 10)]
    return blocks


def _integrated(slices: NDArray[np.float64]) -> float | None:
    blocks = _gated(slices, _BLOCK_SLICES, -10.0)
    return float(_lufs(blocks.mean())) if len(blocks) else None


def _range(slices: NDArray[np.float64]) -> float | None:
    blocks = _gated(slices, _SHORT_TERM_SLICES, -20.0)
    if not len(blocks):
        return None
    low, high = np.percentile(_lufs(blocks), [10, 95])
    return float(high - low)


def _lufs(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-0.691 + 10 * np.log10(energy))


def _energy(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))
