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
_STRETCH = 64  # samples filtered by one product
# Larger products are shared among threads by BLAS, and those wait for each other.
_PIECE = 64 * _STRETCH


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


class _SectionFilter:
    """Second-order sections, applied to a signal that arrives in blocks.

    What ``scipy.signal.sosfilt`` computes, by matrix products: a stretch of samples depends on its
    own samples and on the state before it, and the states follow each other by a recurrence that is
    summed in log2 steps. The import of scipy.signal alone takes longer than most files.

    Parameters
    ----------
    sections : np.ndarray [shape=(s, 6)]
        Second-order sections ``b0 b1 b2 a0 a1 a2``, ``a0`` being 1.
    channels : int
        Number of channels.
    """

    def __init__(self, sections: NDArray[np.float64], channels: int) -> None:
        size = 2 * len(sections)
        # Columns are the answers to a sample, then to a unit of each state.
        outputs, states = _step(sections, np.eye(1, 1 + size)[0], np.eye(size, 1 + size, 1))
        later = states[:, 1:]
        powers = [np.eye(size)]
        for _ in range(_STRETCH):
            powers.append(later @ powers[-1])
        self._powers = powers
        # Row t: what each state adds to sample t.
        self._ringing = np.array([outputs[1:] @ power for power in powers[:-1]])
        # Column t: the states after the stretch that its sample t leaves.
        self._left = np.array([power @ states[:, 0] for power in powers[-2::-1]]).T
        response = np.append(outputs[0], self._ringing[:-1] @ states[:, 0])
        lags = np.subtract.outer(np.arange(_STRETCH), np.arange(_STRETCH))
        self._response = np.where(lags >= 0, response[lags], 0.0)
        self._state = np.zeros((channels, size))

    def push(self, block: NDArray[np.float32]) -> NDArray[np.float64]:
        """Filter the next samples [shape=(channels, n)]."""
        channels, n = block.shape
        whole, rest = divmod(n, _STRETCH)
        padded = np.zeros((channels, (whole + 1) * _STRETCH))
        padded[:, :n] = block
        stretches = padded.reshape(channels, whole + 1, _STRETCH)
        # before[k] is the state before stretch k.
        before = np.concatenate([self._state[:, None], stretches[:, :-1] @ self._left.T], axis=1)
        later, apart = self._powers[-1], 1
        while apart <= whole:
            before[:, apart:] += before[:, :-apart] @ later.T
            later, apart = later @ later, 2 * apart
        filtered = stretches @ self._response.T + before @ self._ringing.T
        self._state = before[:, -1] @ self._powers[rest].T
        if rest:
            self._state += stretches[:, -1, :rest] @ self._left[:, -rest:].T
        # After music ends the state decays into denormal numbers, which are slow.
        self._state[np.abs(self._state) < 1e-30] = 0.0
        return np.asarray(filtered.reshape(channels, -1)[:, :n])


def _step(
    sections: NDArray[np.float64], x: NDArray[np.float64], states: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Filter one sample (transposed direct form II); return its output and the states after it."""
    after = []
    for (b0, b1, b2, _, a1, a2), (first, second) in zip(
        sections, states.reshape(len(sections), 2, -1), strict=True
    ):
        y = b0 * x + first
        after += [b1 * x - a1 * y + second, b2 * x - a2 * y]
        x = y
    return x, np.array(after)


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
        self._filter = _SectionFilter(k_weighting(sr), channels)
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
        for start in range(0, block.shape[1], _PIECE):
            self._push_piece(block[:, start : start + _PIECE])

    def _push_piece(self, block: NDArray[np.float32]) -> None:
        self._peak = max(self._peak, float(block.max()), -float(block.min()))
        weighted = self._filter.push(block)
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
