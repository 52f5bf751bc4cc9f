"""Triangular mel filter banks."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["mel_filters"]

Array = NDArray[np.float32]


def _hz_to_mel(hz: NDArray[np.float64], *, htk: bool) -> NDArray[np.float64]:
    if htk:
        return 2595.0 * np.log10(1.0 + hz / 700.0)
    # Slaney's Auditory Toolbox (1998): linear below 1 kHz, logarithmic above.
    return np.where(
        hz < 1000.0, hz * 3 / 200, 15.0 + 27.0 * np.log(np.maximum(hz, 1.0) / 1000.0) / np.log(6.4)
    )


def _mel_to_hz(mel: NDArray[np.float64], *, htk: bool) -> NDArray[np.float64]:
    if htk:
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    return np.where(mel < 15.0, mel * 200 / 3, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0))


@cache
def mel_filters(
    *,
    sr: int,
    n_fft: int,
    n_mels: int,
    fmin: float,
    fmax: float,
    htk: bool = False,
    norm: Literal["slaney"] | None = "slaney",
) -> Array:
    """Triangular mel filter bank.

    Same values as ``librosa.filters.mel``; ours because importing librosa costs three seconds.

    Parameters
    ----------
    sr : int
        Sample rate (Hz).
    n_fft : int
        Length of the transform (samples).
    n_mels : int
        Number of bands.
    fmin, fmax : float
        Edges (Hz).
    htk : bool
        HTK's mel formula instead of Slaney's.
    norm : {"slaney", None}
        Area normalization, or filters of height 1.

    Returns
    -------
    np.ndarray [shape=(1 + n_fft // 2, n_mels), float32]
        One filter a column. The array is shared and read-only.
    """
    low, high = _hz_to_mel(np.array([fmin, fmax]), htk=htk)
    hz = _mel_to_hz(np.linspace(low, high, n_mels + 2), htk=htk)
    bins = np.fft.rfftfreq(n_fft, 1.0 / sr)[:, None]
    rising = (bins - hz[:-2]) / (hz[1:-1] - hz[:-2])
    falling = (hz[2:] - bins) / (hz[2:] - hz[1:-1])
    filters = np.maximum(0.0, np.minimum(rising, falling))
    if norm == "slaney":
        filters *= 2.0 / (hz[2:] - hz[:-2])
    result = np.ascontiguousarray(filters, dtype=np.float32)
    result.flags.writeable = False
    return result
